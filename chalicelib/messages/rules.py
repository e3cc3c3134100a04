"""Letters: which messages follow from what was decided, and what each says, as e-mail and as text message. Pure."""

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, QuestionId, State
from chalicelib.domain.contacts import REACHABLE_KINDS, ContactKind
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.local_time import local_day
from chalicelib.messages.transports import Email, TextMessage
from chalicelib.presentation.i18n import format_date, format_day, format_time
from chalicelib.presentation.templates import render

SINGLE_SEPTETS, SINGLE_UNITS, JOINED_UNITS = 160, 70, 67
"""What one text message holds: in the 7-bit alphabet; in UCS-2; and in UCS-2 where several are joined (3GPP 23.040)."""

MAX_SEGMENTS = 2
"""How many joined text messages are sent where the 7-bit alphabet lacks the language's letters."""

_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_TWICE = frozenset("^{}\\[~]|€")
"""The 7-bit alphabet of 3GPP 23.038, 6.2.1, and its extension, whose letters take two places."""


class Message(StrEnum):
    """What the portal writes to people."""

    CONFIRM = "confirm"
    RECEIPT = "receipt"
    LINK = "link"
    ERASE = "erase"
    WITHDRAWN = "withdrawn"
    CHANGED = "changed"
    EXPIRING = "expiring"
    OF_AGE = "of_age"
    REMINDER = "reminder"
    REMOVED = "removed"
    NEW_CONTACT = "new_contact"


UNSOLICITED = frozenset({Message.CHANGED, Message.EXPIRING, Message.OF_AGE, Message.REMINDER})
"""What answers no act of the reader's own: such a mail can be stopped with one click (RFC 8058)."""

SCOPES_BY_MESSAGE: Mapping[Message, tuple[LinkScope, ...]] = {
    Message.CONFIRM: (LinkScope.CONFIRM,),
    Message.RECEIPT: (LinkScope.MANAGE,),
    Message.LINK: (LinkScope.MANAGE,),
    Message.ERASE: (LinkScope.ERASE,),
    Message.WITHDRAWN: (LinkScope.UNDO,),
    Message.CHANGED: (LinkScope.ASK, LinkScope.UNSUBSCRIBE),
    Message.EXPIRING: (LinkScope.ASK, LinkScope.UNSUBSCRIBE),
    Message.OF_AGE: (LinkScope.UNSUBSCRIBE,),
    Message.REMINDER: (LinkScope.CONFIRM, LinkScope.UNSUBSCRIBE),
    Message.REMOVED: (),
    Message.NEW_CONTACT: (LinkScope.CONFIRM,),
}
"""What the links in each message open."""


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """One message to send: what, to which kind of contact, about which decisions."""

    message: Message
    kind: ContactKind
    addresses: tuple[QuestionId, ...]


def messages_after(
    document: Mapping[str, Any], typed: Mapping[ContactKind, bool], known: Collection[ContactKind], clinic: Clinic
) -> tuple[PlannedMessage, ...]:
    """Tell which messages follow from an act, by its receipt's document and the kinds of contact it came with.

    `typed` says of each whether that contact is the person's own. One that is not is asked to confirm every Yes that
    it could, whether or not that one counts already: whether a message comes would tell its reader what the person
    had agreed to. Everything else goes only to own contacts: what was stopped is told to every kind that is `known`,
    so that a stranger's withdrawal is noticed; where there is neither, the one that was typed gets the receipt, of two
    the one by which people are known first (`identity.meant`): a phone typed beside an e-mail hears nothing of whether
    that is known. Whose link was followed is always told. Who stops what nobody does is told nothing: it may be a
    stranger's address.
    """
    decisions = document["decisions"]
    stopped = tuple(address for address, entry in decisions.items() if ended_consent(entry))
    own = [kind for kind, is_own in typed.items() if is_own]
    waiting = [
        address
        for address, entry in decisions.items()
        if entry["confirm_by"] and (entry["after"] == State.PENDING or clinic.confirmed_by(address, typed) not in own)
    ]
    planned = list(confirmation_requests(Message.CONFIRM, waiting, typed, clinic))
    if stopped:
        planned += [PlannedMessage(Message.WITHDRAWN, kind, stopped) for kind in _ordered(known, clinic)]
    repeated = not stopped and {entry["answer"] for entry in decisions.values()} == {Answer.WITHDRAW}
    by_link = document["assurance"] == Assurance.LINK and not stopped
    if by_link or not (planned or repeated):
        planned += [PlannedMessage(Message.RECEIPT, kind, tuple(decisions)) for kind in REACHABLE_KINDS if kind in own][
            :1
        ]
    return tuple(planned)


def confirmation_requests(
    message: Message, addresses: Iterable[QuestionId], typed: Collection[ContactKind], clinic: Clinic
) -> tuple[PlannedMessage, ...]:
    """Give one message to each contact that can confirm any of these decisions, about those it can."""
    by_kind: dict[ContactKind, list[QuestionId]] = {}
    for address in addresses:
        if kind := clinic.confirmed_by(address, typed):
            by_kind.setdefault(ContactKind(kind), []).append(address)
    return tuple(PlannedMessage(message, kind, tuple(about)) for kind, about in by_kind.items())


def ended_consent(entry: Mapping[str, Any]) -> bool:
    """Tell whether a decision of a receipt ended a consent."""
    return bool(entry["answer"] != Answer.YES and entry["before"] == State.GRANTED != entry["after"])


def _ordered(kinds: Collection[ContactKind], clinic: Clinic) -> list[ContactKind]:
    return [kind for kind in map(ContactKind, clinic.contact_order) if kind in kinds]


@dataclass(frozen=True, slots=True)
class MessageContent:
    """Everything a message is written from.

    `said` are the decisions it is about, as `Clinic.answered` gives them; `links` the addresses it leads to, by power,
    and `questions`, `receipt` and `notice`; `at` when what it tells of happened or begins, `until` when it ends; `lost`
    whether a Yes counts no longer, because the notice changed in more than its words.
    """

    message: Message
    clinic: Clinic
    lang: str
    said: Sequence[Mapping[str, object]]
    links: Mapping[str, str]
    number: str = ""
    at: Instant | None = None
    date: str = ""
    """The day it happened on, where no more is known."""
    until: Instant | None = None
    lost: bool = False
    text_known: bool = True
    """Whether anybody knows to which text the answers were given: a Yes to one that nobody knows does not count."""
    code: str = ""
    child: str = ""
    """As much of the child's name as a guardian needs, where it is about a child."""


def email(matter: MessageContent, to: str, tags: Mapping[str, str]) -> Email:
    """Write an e-mail."""
    clinic, filled = matter.clinic, _filled(matter)
    subject, text, html = (
        render(f"email/{matter.message}/{part}", matter.lang, **filled)
        for part in ("subject.txt", "body.txt", "body.html")
    )
    # RFC 3834, 5: nobody's holiday answers it.
    headers = {"Auto-Submitted": "auto-generated", "Content-Language": matter.lang}
    if matter.message in UNSOLICITED:
        headers["List-Unsubscribe"] = f"<{matter.links[LinkScope.UNSUBSCRIBE]}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return Email(
        to=to,
        subject=" ".join(subject.split()),
        text=re.sub(r"\n{3,}", "\n\n", text).strip() + "\n",
        html=html.strip() + "\n",
        headers=headers,
        tags={**tags, "message": matter.message.value},
        sender=clinic.name[matter.lang],
        reply_to=clinic.lead.email,
    )


def text_message(matter: MessageContent, to: str) -> TextMessage:
    """Write a text message; the clinic's name is shortened until it fits what may be sent at once."""
    filled = _filled(matter)
    text = ""
    for name in _names(matter.clinic, matter.lang):
        text = render(f"sms/{matter.message}.txt", matter.lang, **filled, name=name).strip()
        if fits(text):
            break
    return TextMessage(to, text)


def _filled(matter: MessageContent) -> dict[str, Any]:
    clinic, lang = matter.clinic, matter.lang
    at = matter.at
    answers = {each["answer"] for each in matter.said}
    return {
        "clinic": clinic,
        "said": matter.said,
        "links": {"unsubscribe": "", "receipt": "", **matter.links},
        "number": matter.number,
        "code": matter.code,
        "child": matter.child,
        "lost": matter.lost,
        "text_known": matter.text_known,
        "stopped": answers == {Answer.WITHDRAW},
        "when": format_date(matter.date, lang) if matter.date else format_time(at, lang, clinic.country) if at else "",
        "since": format_day(at, lang, clinic.country) if at else "",
        "day": local_day(matter.until, clinic.country) if matter.until else "",
        "until": format_day(matter.until, lang, clinic.country) if matter.until else "",
    }


def _names(clinic: Clinic, lang: str) -> Iterator[str]:
    """Give what a clinic may be called, longest first: its name, its legal name, less and less of that."""
    yield clinic.name[lang]
    yield clinic.lead.name
    words = re.sub(r"\(.*|[\"„“”«»]", "", clinic.lead.name).split()
    for kept in range(len(words), 0, -1):
        yield " ".join(words[:kept])


def segments(text: str) -> int:
    """Tell how many text messages a text takes."""
    if set(text) <= _GSM | _GSM_TWICE:
        septets = len(text) + sum(each in _GSM_TWICE for each in text)
        return 1 if septets <= SINGLE_SEPTETS else math.ceil(septets / 153)
    units = len(text.encode("utf-16-be")) // 2
    return 1 if units <= SINGLE_UNITS else math.ceil(units / JOINED_UNITS)


def fits(text: str) -> bool:
    """Tell whether a text is short enough: one message in the 7-bit alphabet, two where that lacks its letters."""
    return segments(text) <= (1 if set(text) <= _GSM | _GSM_TWICE else MAX_SEGMENTS)
