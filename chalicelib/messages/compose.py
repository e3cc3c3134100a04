"""Writes one message as an e-mail or as a text message, from everything that it says. Pure.

The words stand in `templates/email` and `templates/sms`; here they are filled in, and a text message is kept short.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.local_time import local_day
from chalicelib.messages.rules import UNSOLICITED, Message
from chalicelib.messages.transports import Email, TextMessage
from chalicelib.presentation.i18n import format_date, format_day, format_time
from chalicelib.presentation.templates import render

SINGLE_SEPTETS = 160
"""How many letters of the 7-bit alphabet one text message holds (3GPP 23.040)."""


JOINED_SEPTETS = 153
"""How many of them each holds where several are joined."""


SINGLE_UNITS = 70
"""How many units of UCS-2 one text message holds."""


JOINED_UNITS = 67
"""How many of them each holds where several are joined."""


MAX_SEGMENTS = 2
"""How many joined text messages are sent where the 7-bit alphabet lacks the language's letters."""


_GSM = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The 7-bit alphabet of text messages (3GPP 23.038, 6.2.1)."""


_GSM_TWICE = frozenset("^{}\\[~]|€")
"""Its extension, whose letters take two places each (3GPP 23.038, 6.2.1.1)."""


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
        return 1 if septets <= SINGLE_SEPTETS else math.ceil(septets / JOINED_SEPTETS)
    units = len(text.encode("utf-16-be")) // 2
    return 1 if units <= SINGLE_UNITS else math.ceil(units / JOINED_UNITS)


def fits(text: str) -> bool:
    """Tell whether a text is short enough: one message in the 7-bit alphabet, two where that lacks its letters."""
    return segments(text) <= (1 if set(text) <= _GSM | _GSM_TWICE else MAX_SEGMENTS)
