"""The patient consent portal: the map of it on one screen.

Pages for patients, an API for clinics' programs and staff, short addresses for QR codes; a second function for what
happens after a receipt.
"""

from chalice.app import Chalice, DynamoDBEvent

from chalicelib import aftermath, middleware, wiring
from chalicelib.routes.clinic import clinic_api
from chalicelib.routes.codes import codes
from chalicelib.routes.notices import notices
from chalicelib.routes.patient import patient
from chalicelib.routes.service import service

app = Chalice(app_name="consent-portal", configure_logs=False)
app.api.binary_types = []  # pictures mark themselves, whatever the client's Accept says: see chalicelib/outgoing.py
app.register_middleware(middleware.request_log, "http")
app.register_middleware(middleware.security_headers, "http")
for blueprint in (service, codes, clinic_api, notices, patient):
    app.register_blueprint(blueprint)


# The address is a placeholder: the template puts the table's own stream in its place.
@app.on_dynamodb_record(
    stream_arn="arn:aws:dynamodb:eu-north-1:000000000000:table/portal/stream/x", name="after_receipt"
)
def after_receipt(event: DynamoDBEvent) -> None:
    """Do what follows a receipt: today it is counted."""
    aftermath.handle(wiring.portal().table, event.to_dict())
