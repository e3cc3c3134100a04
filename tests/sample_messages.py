"""Sample messages: every message that the demo clinics send."""

from collections.abc import Mapping
from dataclasses import replace
from email.header import decode_header, make_header
from pathlib import Path

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.links import SHORT_WORDS, LinkScope, short_path_of
from chalicelib.messages.compose import MessageContent, email, text_message
from chalicelib.messages.rules import SCOPES_BY_MESSAGE, Message
from chalicelib.messages.transports import Email
from tests.factories import MORNING

BASE = "https://consent.example.org"
TOKEN = "A" * 32
LATER = "2026-11-29T08:15:00.000Z"
SNAPSHOTS = Path(__file__).parent / "letters"


def links_in(clinic: Clinic, message: Message) -> dict[str, str]:
    """Give the links of a message, on a portal with a domain of its own."""
    home = f"{BASE}/{clinic.id}"
    parts = {"questions": "", "receipt": f"/receipts/{'c' * 32}", "notice": "/notices/1.0"}
    found = {name: f"{home}{below}?lang=en" for name, below in parts.items()}
    for power in SCOPES_BY_MESSAGE[message]:
        found[power] = f"{home}?t={TOKEN}" if power is LinkScope.ASK else f"{BASE}/{power}/{TOKEN}"
    return found


def message_content(
    message: Message, clinic: Clinic, lang: str, answers: Mapping[str, str] | None = None
) -> MessageContent:
    """Give the content of a message, by default about the clinic's first two questions.

    About the clinic's first two questions unless `answers` says otherwise.
    """
    if answers is None:
        answers = dict.fromkeys(list(clinic.questions)[:2], "yes")
    return MessageContent(
        message=message,
        clinic=clinic,
        lang=lang,
        answers=clinic.describe_answers(
            {address: {"answer": answer} for address, answer in answers.items()}
        ),
        links=links_in(clinic, message),
        number="c" * 32,
        at=MORNING,
        until=LATER,
        lost=True,
        code="123456" if LinkScope.CONFIRM in SCOPES_BY_MESSAGE[message] else "",
    )


def text_of(matter: MessageContent) -> str:
    """Write a matter as a text message to Anna, with the short links that those have."""
    links = dict(matter.links)
    for scope in SHORT_WORDS.keys() & links.keys():
        links[scope] = BASE + short_path_of(scope, TOKEN)
    return text_message(replace(matter, links=links), "+37126123456").text


def as_snapshot(matter: MessageContent) -> str:
    """Write a message as its snapshot: the mail's headers and text, then the text message."""
    mail = email(matter, "anna.ozola@example.org", {"clinic": matter.clinic.id})
    head = {"From": mail.sender, "Reply-To": mail.reply_to, "Subject": mail.subject, **mail.headers}
    lines = [f"{name}: {value}" for name, value in head.items()]
    return "\n".join([*lines, "", mail.text, "SMS: " + text_of(matter), ""])


def email_of(matter: MessageContent) -> Email:
    """Write a matter as an e-mail to Anna."""
    return email(matter, "anna.ozola@example.org", {"clinic": matter.clinic.id})


def decoded(header: str) -> str:
    """Read a header as a mail program shows it (RFC 2047)."""
    return str(make_header(decode_header(header)))
