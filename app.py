"""The patient consent portal: the map of it on one screen.

Pages for patients, an API for clinics' programs and staff, short addresses for QR codes; a second function for what
happens after a decision, a third and a fourth for the clock's rounds, a fifth for what the mail service reports.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from chalice.app import CloudWatchEvent, DynamoDBEvent, Rate, SNSEvent

from chalicelib import middleware, wiring
from chalicelib.routes.clinic import clinic_api
from chalicelib.routes.codes import codes
from chalicelib.routes.confirmation import confirmation
from chalicelib.routes.fresh_link import fresh_link
from chalicelib.routes.kiosk import kiosk
from chalicelib.routes.manage import manage
from chalicelib.routes.notices import notices
from chalicelib.routes.paper import paper
from chalicelib.routes.patient import patient
from chalicelib.routes.service import service
from chalicelib.routes.unsubscribe import unsubscribe
from chalicelib.routes.verification import verification
from chalicelib.routing import RoutedChalice

LAST_SECONDS = 25
HALF_TIME = 120
"""When a round stops carrying out withdrawal orders, so that there is time left to sign and to send."""

app = RoutedChalice(app_name="consent-portal", configure_logs=False)
app.api.binary_types = []  # pictures mark themselves, whatever the client's Accept says: see chalicelib/outgoing.py
app.register_middleware(middleware.request_log, "http")
app.register_middleware(middleware.security_headers, "http")
app.register_middleware(partial(middleware.leads_somewhere, routes=app.routes), "http")
for blueprint in (
    service,
    codes,
    verification,
    clinic_api,
    notices,
    paper,
    confirmation,
    kiosk,
    manage,
    unsubscribe,
    fresh_link,
    patient,
):
    app.register_blueprint(blueprint)


# The address is a placeholder: the template puts the table's own stream in its place.
@app.on_dynamodb_record(
    stream_arn="arn:aws:dynamodb:eu-north-1:000000000000:table/portal/stream/x", name="after_receipt"
)
def after_receipt(event: DynamoDBEvent) -> dict[str, Any]:
    """Do what follows a decision: its receipt is counted and signed, and people are told."""
    from chalicelib import aftermath  # noqa: PLC0415 - no page needs it

    house = wiring.portal()
    return aftermath.handle(house.table, event.to_dict(), house.signer, _hurried(event.context), _courier(house))


@app.schedule(Rate(5, unit=Rate.MINUTES), name="catch_up")
def catch_up(event: CloudWatchEvent) -> None:
    """Do what the stream could not, and clear what requests may not.

    Carry out withdrawals for very many people, sign and send what waits, sweep up the erased.
    """
    from chalicelib import aftermath  # noqa: PLC0415 - as above

    house = wiring.portal()
    try:
        aftermath.carry_orders(house.table, house.clinics, _hurried(event.context, HALF_TIME))
        aftermath.clear_erased(house.table, house.clinics, _hurried(event.context))
        aftermath.sign_waiting(house.table, house.signer, _hurried(event.context))
    finally:
        aftermath.send_waiting(_courier(house), _hurried(event.context))


# The address is a placeholder: the template puts the topic in its place to which SES reports.
@app.on_sns_message(topic="arn:aws:sns:eu-north-1:000000000000:mail-events", name="post_events")
def post_events(event: SNSEvent) -> None:
    """Mark a contact that bounces, or complained: it is not written to again."""
    from chalicelib import aftermath  # noqa: PLC0415 - as above

    aftermath.mark(wiring.portal().table, event.message)


def _courier(house: wiring.Portal) -> Any:
    from chalicelib.posting import Courier  # noqa: PLC0415 - as above

    return Courier(house.table, house.clinics, house.post, house.settings.public_url, house.settings.budgets)


@app.schedule(Rate(1, unit=Rate.HOURS), name="housekeeping")
def housekeeping(event: CloudWatchEvent) -> None:
    """Go through everybody once an hour: who is to be told something, and whose data may be kept no longer."""
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    from chalicelib import housekeeping as keeping  # noqa: PLC0415 - as above
    from chalicelib.instants import instant  # noqa: PLC0415 - as above

    keeping.keep_house(wiring.portal(), instant(datetime.now(UTC)), _hurried(event.context))


def _hurried(context: Any, last: int = LAST_SECONDS) -> Callable[[], bool]:
    """Tell when a function should begin nothing more: one signing may take KMS's and the table's whole patience."""
    return lambda: bool(context.get_remaining_time_in_millis() < last * 1000)
