"""Recipients' programs at the desk: what they hear of, how sending goes, what can be done then."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from chalice.app import Response

from chalicelib.domain.clinic import SHARING
from chalicelib.domain.contacts import ContactKind, InvalidContactError, normalise
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.local_time import local_midnight
from chalicelib.domain.submission import FieldError
from chalicelib.domain.webhooks import MOST_WEBHOOKS, SUBSCRIBABLE
from chalicelib.messages.webhook_transport import fault_of_url
from chalicelib.presentation.i18n import format_time
from chalicelib.services import webhook_deliveries, webhooks
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.webhook_deliveries import Replay
from chalicelib.services.webhooks import (
    MOST_COUNTED,
    NoSecretError,
    PutWebhook,
    TooManyWebhooksError,
    WebhookDefinition,
    WebhookDisabledError,
    question_of_recipient,
)
from chalicelib.store.webhooks import KeptWebhook, UnknownWebhookError
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import Fields, first, typed_again

LIST, FORM, ONE = "staff/webhooks.html", "staff/webhook_form.html", "staff/webhook.html"
MAX_URL = 500

REFUSALS: dict[type[RejectedError], str] = {
    TooManyWebhooksError: "too_many_webhooks",
    WebhookDisabledError: "webhook_disabled",
    NoSecretError: "webhook_unsigned",
}
"""What the services refuse, by the names for which the page has sentences."""


class ReadDefinition(NamedTuple):
    """A recipient as it was typed, and what is wrong with it."""

    definition: WebhookDefinition
    faults: Sequence[FieldError]


def list_page(desk: Desk) -> Response:
    """List the clinic's recipients, and how sending to each goes."""
    found = webhooks.list_webhooks(desk.portal, desk.call(EmptyBody()))
    rows = [_described(desk, kept) for kept in found]
    return desk.page(LIST, webhooks=rows, full=len(rows) >= MOST_WEBHOOKS)


def new_page(desk: Desk) -> Response:
    """Show the form for a new recipient, nothing chosen."""
    return _form(desk, {}, ())


def create(desk: Desk) -> Response:
    """Keep a new recipient; its secret is shown this once."""
    fields = desk.form(FORM).fields
    name = first(fields, "name").lower()
    read = _read(desk, fields)
    faults = list(read.faults)
    if not webhooks.is_name(name):
        faults.insert(0, FieldError("name", "webhook_name"))
    elif _exists(desk, name):
        faults.insert(0, FieldError("name", "webhook_name_taken"))
    if faults:
        return _form(desk, fields, faults)
    try:
        put = webhooks.put_webhook(desk.portal, desk.call(read.definition), name)
    except TooManyWebhooksError as error:
        return _form(desk, fields, [_refusal(error)])
    return _done(desk, put, "put")


def one_page(desk: Desk, name: str) -> Response:
    """Show one recipient and what can be done with it."""
    kept = webhooks.show_webhook(desk.portal, desk.call(EmptyBody()), name)
    return _one(desk, kept, said=desk.query("said") or "")


def act(desk: Desk, name: str) -> Response:
    """Change a recipient, give it a new secret, send it a test or what it missed, or take it away."""
    fields = desk.form(ONE).fields
    deed = {"change": _change, "rotate": _rotate, "test": _test, "replay": _replay}.get(
        first(fields, "do")
    )
    try:
        if deed is not None:
            return deed(desk, name, fields)
        return _remove(desk, name, fields)
    except (WebhookDisabledError, NoSecretError) as error:
        return _again(desk, name, fields, [_refusal(error)])


def _change(desk: Desk, name: str, fields: Fields) -> Response:
    webhooks.find_webhook(desk.portal, desk.call(EmptyBody()), name)
    read = _read(desk, fields)
    if read.faults:
        return _again(desk, name, fields, read.faults)
    return _done(desk, webhooks.put_webhook(desk.portal, desk.call(read.definition), name), "put")


def _rotate(desk: Desk, name: str, fields: Fields) -> Response:  # noqa: ARG001 - as the others
    return _done(desk, webhooks.rotate_secret(desk.portal, desk.call(EmptyBody()), name), "rotated")


def _test(desk: Desk, name: str, fields: Fields) -> Response:  # noqa: ARG001 - as the others
    webhooks.send_test(desk.portal, desk.call(EmptyBody()), name)
    return desk.go(f"settings/webhooks/{name}", said="tested")


def _replay(desk: Desk, name: str, fields: Fields) -> Response:
    day = first(fields, "since")
    try:
        date.fromisoformat(day)
        begins = local_midnight(day, desk.clinic.country)
    except (ValueError, OverflowError):
        begins = ""
    if not begins or begins > desk.now:
        return _again(desk, name, fields, [FieldError("since", "replay_since")])
    body = Replay(begins, desk.now, first(fields, "after"))
    done = webhook_deliveries.replay(desk.portal, desk.call(body), name)
    kept = webhooks.find_webhook(desk.portal, desk.call(EmptyBody()), name)
    return _one(desk, kept, said="replayed", queued=done.queued, more=done.more, since=day)


def _remove(desk: Desk, name: str, fields: Fields) -> Response:
    if first(fields, "sure") != "yes":
        return _again(desk, name, fields, [FieldError("sure", "not_sure")])
    webhooks.take_webhook_away(desk.portal, desk.call(EmptyBody()), name)
    return desk.go("settings/webhooks", said="removed")


def _again(desk: Desk, name: str, fields: Fields, faults: Sequence[FieldError]) -> Response:
    kept = webhooks.find_webhook(desk.portal, desk.call(EmptyBody()), name)
    return _one(desk, kept, fields=fields, faults=faults, status=422)


def _done(desk: Desk, put: PutWebhook, said: str) -> Response:
    """Show the secret this once; where there is no new one, the recipient."""
    name = put.kept.webhook.name
    if put.secret is None:
        return desk.go(f"settings/webhooks/{name}", said=said)
    return _one(desk, put.kept, said=said, secret=put.secret)


def _form(desk: Desk, fields: Fields, faults: Sequence[FieldError]) -> Response:
    return desk.page(
        FORM,
        422 if faults else 200,
        faults=faults,
        typed=typed_again(fields),
        chosen=fields.get("question", []),
        heard=fields.get("event", []),
        **_choices(desk),
    )


def _one(
    desk: Desk,
    kept: KeptWebhook,
    *,
    fields: Fields | None = None,
    faults: Sequence[FieldError] = (),
    status: int = 200,
    **told: Any,
) -> Response:
    webhook = kept.webhook
    typed: dict[str, Any] = {"url": webhook.url, "email": webhook.email}
    typed["recipient"] = webhook.recipient
    chosen, heard = list(webhook.questions), [each.value for each in webhook.events]
    if fields and first(fields, "do") == "change":
        typed |= typed_again(fields)
        chosen, heard = fields.get("question", []), fields.get("event", [])
    elif fields:
        typed["since"] = first(fields, "since")
    values = {"said": "", "secret": "", "queued": 0, "more": None, "since": "", **told}
    return desk.page(
        ONE,
        status,
        webhook=_described(desk, kept),
        typed=typed,
        chosen=chosen,
        heard=heard,
        faults=faults,
        today=desk.now[:10],
        **_choices(desk),
        **values,
    )


def _choices(desk: Desk) -> dict[str, Any]:
    """Give what a recipient may hear of, in the words of the clinic."""
    questions = [
        (question.id, question.title(desk.lang)) for question in desk.clinic.questions.values()
    ]
    recipients = [
        (question.id.partition(".")[2], question.title(desk.lang))
        for question in desk.clinic.questions.values()
        if question.purpose.id == SHARING and question.option
    ]
    return {
        "questions": questions,
        "recipients": recipients,
        "events": [event.value for event in SUBSCRIBABLE],
    }


def _read(desk: Desk, fields: Fields) -> ReadDefinition:
    """Read a recipient: an address of a program or of a person, and what it is to hear of."""
    faults: list[FieldError] = []
    url, email = first(fields, "url"), first(fields, "email")
    if bool(url) == bool(email):
        faults.append(FieldError("url", "url_or_email"))
    elif url:
        fault = fault_of_url(url, loopback=desk.portal.settings.webhooks_to_loopback)
        if fault or len(url) > MAX_URL:
            faults.append(FieldError("url", fault or "url_no_address"))
    else:
        try:
            email = normalise(ContactKind.EMAIL, email[:320], desk.clinic.country).value
        except InvalidContactError:
            faults.append(FieldError("email", "email_invalid"))
    known = desk.clinic.questions
    recipient = first(fields, "recipient")
    if recipient and question_of_recipient(recipient) not in known:
        faults.append(FieldError("recipient", "recipient_unknown"))
        recipient = ""
    questions = [each for each in dict.fromkeys(fields.get("question", [])) if each in known]
    if recipient:
        questions = list(dict.fromkeys((question_of_recipient(recipient), *questions)))
    if not questions:
        faults.append(FieldError("question", "nothing_ticked"))
    events = [event for event in SUBSCRIBABLE if event.value in fields.get("event", [])]
    definition = WebhookDefinition(url, email, tuple(questions), recipient, tuple(events))
    return ReadDefinition(definition, faults)


def _exists(desk: Desk, name: str) -> bool:
    try:
        webhooks.find_webhook(desk.portal, desk.call(EmptyBody()), name)
    except UnknownWebhookError:
        return False
    return True


def _refusal(error: RejectedError) -> FieldError:
    return FieldError("errors", REFUSALS[type(error)])


def _described(desk: Desk, kept: KeptWebhook) -> dict[str, Any]:
    """Describe a recipient and its health in words."""
    webhook, health, clinic = kept.webhook, kept.health, desk.clinic

    def when(at: str) -> str:
        return format_time(at, desk.lang, clinic.country) if at else ""

    known = desk.portal.clinics.with_all_past_questions(desk.published).questions
    return {
        "name": webhook.name,
        "to": webhook.url or webhook.email,
        "by_mail": bool(webhook.email),
        "questions": [known[each].title(desk.lang) for each in webhook.questions if each in known],
        "events": [event.value for event in webhook.events or SUBSCRIBABLE],
        "everything": not webhook.events,
        "last_success": when(health.last_success),
        "failures": health.failures,
        "not_before": when(health.not_before) if health.not_before > desk.now else "",
        "disabled_since": when(health.disabled_since),
        "disabled_because": health.disabled_because,
        "waiting": webhooks.queue_length(desk.portal, kept),
        "most_counted": MOST_COUNTED,
        "old_secret_until": when(webhook.old_secret_until)
        if webhook.old_secret_until > desk.now
        else "",
    }
