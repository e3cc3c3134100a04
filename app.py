"""The patient consent portal: the map of it on one screen.

Pages for patients, an API for clinics' programs and staff, short addresses for QR codes; a second function for what
happens after a receipt, a third and a fourth for the clock's rounds.
"""

from collections.abc import Callable
from typing import Any

from chalice.app import Chalice, CloudWatchEvent, DynamoDBEvent, Rate

from chalicelib import middleware, wiring
from chalicelib.routes.clinic import clinic_api
from chalicelib.routes.codes import codes
from chalicelib.routes.confirmation import confirmation
from chalicelib.routes.links import personal_links
from chalicelib.routes.notices import notices
from chalicelib.routes.paper import paper
from chalicelib.routes.patient import patient
from chalicelib.routes.service import service
from chalicelib.routes.subjects import subjects
from chalicelib.routes.verification import verification

LAST_SECONDS = 25

app = Chalice(app_name="consent-portal", configure_logs=False)
app.api.binary_types = []  # pictures mark themselves, whatever the client's Accept says: see chalicelib/outgoing.py
app.register_middleware(middleware.request_log, "http")
app.register_middleware(middleware.security_headers, "http")
for blueprint in (
    service,
    codes,
    verification,
    clinic_api,
    subjects,
    personal_links,
    notices,
    paper,
    confirmation,
    patient,
):
    app.register_blueprint(blueprint)


# The address is a placeholder: the template puts the table's own stream in its place.
@app.on_dynamodb_record(
    stream_arn="arn:aws:dynamodb:eu-north-1:000000000000:table/portal/stream/x", name="after_receipt"
)
def after_receipt(event: DynamoDBEvent) -> None:
    """Do what follows a receipt: it is counted, and signed."""
    from chalicelib import aftermath  # noqa: PLC0415 - no page needs it

    house = wiring.portal()
    aftermath.handle(house.table, event.to_dict(), house.signer, _hurried(event.context))


@app.schedule(Rate(5, unit=Rate.MINUTES), name="catch_up")
def catch_up(event: CloudWatchEvent) -> None:
    """Do what the stream could not, and clear what requests may not: sign what waits, sweep up after the erased."""
    from chalicelib import aftermath  # noqa: PLC0415 - as above

    house = wiring.portal()
    aftermath.clear_erased(house.table, _hurried(event.context))
    aftermath.sign_waiting(house.table, house.signer, _hurried(event.context))


@app.schedule(Rate(1, unit=Rate.HOURS), name="housekeeping")
def housekeeping(event: CloudWatchEvent) -> None:
    """Go through everybody once an hour: who is to be told something, and whose data may be kept no longer."""
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    from chalicelib import housekeeping as keeping  # noqa: PLC0415 - as above
    from chalicelib.instants import instant  # noqa: PLC0415 - as above

    keeping.keep_house(wiring.portal(), instant(datetime.now(UTC)), _hurried(event.context))


def _hurried(context: Any) -> Callable[[], bool]:
    """Tell when a function should begin nothing more: one signing may take KMS's and the table's whole patience."""
    return lambda: bool(context.get_remaining_time_in_millis() < LAST_SECONDS * 1000)
