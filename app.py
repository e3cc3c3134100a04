"""Names the Lambda functions of the patient consent portal, and what each one calls.

The first has pages for patients, an API for clinics' programs and staff, and short addresses for QR
codes. The second does what follows a decision, the third and the last run by the clock, the fourth
calls recipients' programs, the fifth takes what the mail service reports. The sixth plans and joins
long jobs, the seventh does one part of one; the state machine of jobs calls both.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from chalice.app import CloudWatchEvent, DynamoDBEvent, Rate, SNSEvent

from chalicelib.portal import Portal, get_portal
from chalicelib.web import middleware, routes
from chalicelib.web.routing import RoutedChalice

STOP_BEFORE = 25
"""Seconds before Lambda ends a function in which it begins nothing more: one signature may take all
three tries of KMS."""

ORDERS_STOP_BEFORE, MESSAGES_STOP_BEFORE, CLEARING_STOPS_BEFORE, SIGNING_STOPS_BEFORE = (
    120,
    80,
    60,
    40,
)
"""Seconds before the end of a `catch_up` round in which each of its parts begins nothing more, so
that the parts behind it have their time: half of it is not for withdrawal orders."""

app = RoutedChalice(app_name="consent-portal", configure_logs=False)
# Pictures mark themselves, whatever Accept says: see chalicelib/web/responses.py.
app.api.binary_types = []
app.register_middleware(middleware.request_log, "http")
app.register_middleware(middleware.security_headers, "http")
app.register_middleware(partial(middleware.leads_somewhere, routes=app.routes), "http")
routes.register(app)


# The address is a placeholder: the template puts the table's own stream in its place.
@app.on_dynamodb_record(
    stream_arn="arn:aws:dynamodb:eu-north-1:000000000000:table/portal/stream/x",
    name="after_receipt",
)
def after_receipt(event: DynamoDBEvent) -> dict[str, Any]:
    """Do what follows a decision: its receipt is counted and signed, its messages are sent."""
    from chalicelib.jobs import after_decision  # noqa: PLC0415 - no page needs it

    portal, out_of_time = get_portal(), _out_of_time(event.context)
    return after_decision.handle(
        portal.table, event.to_dict(), portal.signer, out_of_time, _delivery(portal)
    )


@app.schedule(Rate(5, unit=Rate.MINUTES), name="catch_up")
def catch_up(event: CloudWatchEvent) -> None:
    """Do what the stream could not, and clear what requests may not.

    Carry out withdrawals for very many people, send what patients wait for, clear away what the
    erased left, sign what waits, seal the audits of finished days, write for each recipient what
    it is to hear of, mail recipients without a program and clinics of disabled ones, and send
    letters that nobody asked for.
    """
    from chalicelib.jobs import audit_seals, recipient_mails  # noqa: PLC0415 - as above
    from chalicelib.jobs import catch_up as jobs  # noqa: PLC0415 - as above

    portal = get_portal()
    until = partial(_out_of_time, event.context)
    delivery, letters = _delivery(portal), portal.settings.letters_per_round
    first = jobs.first_shard(portal.clock())
    jobs.run_all(
        [
            partial(jobs.carry_orders, portal, until(ORDERS_STOP_BEFORE)),
            partial(jobs.send_waiting, delivery, until(MESSAGES_STOP_BEFORE)),
            partial(
                jobs.clear_erased,
                portal,
                until(CLEARING_STOPS_BEFORE),
                first,
            ),
            partial(jobs.publish_key, portal.table, portal.certifier),
            partial(
                jobs.sign_waiting,
                portal.table,
                portal.signer,
                until(SIGNING_STOPS_BEFORE),
                first,
                portal.clock(),
            ),
            partial(
                audit_seals.seal_audits,
                portal,
                portal.signer,
                portal.clock(),
                until(SIGNING_STOPS_BEFORE),
            ),
            partial(jobs.tell_recipients, portal.table, until(SIGNING_STOPS_BEFORE), first),
            partial(recipient_mails.send_mails, delivery, until(STOP_BEFORE)),
            partial(jobs.send_letters, delivery, letters, until(STOP_BEFORE)),
        ]
    )


# The template says what wakes it: places in the queues of recipients, by the stream, and the clock.
@app.lambda_function(name="send_webhooks")
def send_webhooks(event: dict[str, Any], context: Any) -> None:
    """Call the programs of recipients: at once behind the stream, again by the clock."""
    from chalicelib.jobs import webhooks  # noqa: PLC0415 - as above
    from chalicelib.messages.webhook_transport import WebhookTransport  # noqa: PLC0415 - as above

    portal = get_portal()
    transport = WebhookTransport(loopback=portal.settings.webhooks_to_loopback)
    out_of_time = _out_of_time(context)
    sending = webhooks.WebhookSending(
        portal.table, portal.clinics, transport, portal.clock, out_of_time
    )
    webhooks.handle(sending, event)


# The address is a placeholder: the template puts the topic in its place to which SES reports.
@app.on_sns_message(topic="arn:aws:sns:eu-north-1:000000000000:mail-events", name="post_events")
def post_events(event: SNSEvent) -> None:
    """Mark a contact that bounces, or complained: it is not written to again."""
    from chalicelib.jobs import mail_reports  # noqa: PLC0415 - as above

    mail_reports.handle(get_portal().table, event.message)


@app.lambda_function(name="job_steps")
def job_steps(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Cut a job into parts, or put together what came of them."""
    return _job_step(event)


@app.lambda_function(name="job_part")
def job_part(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
    """Do one part of a job, beside many others."""
    return _job_step(event)


def _job_step(event: Mapping[str, Any]) -> dict[str, Any]:
    from chalicelib.jobs import long_jobs  # noqa: PLC0415 - no page needs it

    return long_jobs.step(get_portal(), event)


def _delivery(portal: Portal) -> Any:
    from chalicelib.messages.delivery import Delivery  # noqa: PLC0415 - as above

    return Delivery(
        portal.table,
        portal.clinics,
        portal.post,
        portal.settings.public_url,
        portal.settings.budgets,
    )


@app.schedule(Rate(1, unit=Rate.HOURS), name="housekeeping")
def housekeeping(event: CloudWatchEvent) -> None:
    """Count what is new in the feeds; then go through everybody: who is due a reminder, whose data
    may go.
    """
    from chalicelib.jobs.catch_up import run_all  # noqa: PLC0415 - as above
    from chalicelib.jobs.counting import count_feeds  # noqa: PLC0415 - as above
    from chalicelib.jobs.housekeeping import run_housekeeping  # noqa: PLC0415 - as above

    portal, out_of_time = get_portal(), _out_of_time(event.context)
    run_all(
        [
            partial(count_feeds, portal, out_of_time),
            partial(run_housekeeping, portal, portal.clock(), out_of_time),
        ]
    )


def _out_of_time(context: Any, last: int = STOP_BEFORE) -> Callable[[], bool]:
    """Give what tells a job, `last` seconds before its end, that it must begin nothing more."""
    return lambda: bool(context.get_remaining_time_in_millis() < last * 1000)
