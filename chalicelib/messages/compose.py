"""Writes one message as an e-mail or as a text message, from everything that it says. Pure.

The words stand in `templates/email` and `templates/sms`; here they are filled in, and a text
message is kept short.
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.receipts import reference
from chalicelib.messages.rules import UNSOLICITED, Message
from chalicelib.messages.transports import Email, TextMessage
from chalicelib.presentation.i18n import (
    format_date,
    format_day,
    format_day_in_figures,
    format_time,
)
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

    `answers` are the decisions it is about, as `Clinic.describe_answers` gives them; `links` the
    addresses it leads to, by scope, and `questions`, `receipt` and `notice`; `at` when what it is
    about happened or begins, `until` when it ends; `lost` whether a Yes counts no longer, because
    the notice changed in more than its words.
    """

    message: Message
    clinic: Clinic
    lang: str
    answers: Sequence[Mapping[str, Any]]
    links: Mapping[str, str]
    number: str = ""
    """The receipt's id; the message has its short reference."""
    at: Instant | None = None
    date: str = ""
    """The day it happened on, where no more is known."""
    until: Instant | None = None
    lost: bool = False
    text_known: bool = True
    """Whether the text that was answered is known: a Yes to an unknown text does not count."""
    code: str = ""
    """What can be typed on the receipt's page instead of following the link."""
    child: str = ""
    """As much of the child's name as a guardian needs, where it is about a child."""


def email(content: MessageContent, to: str, tags: Mapping[str, str]) -> Email:
    """Write an e-mail; `tags` come back with what the mail service reports of it."""
    values = _template_values(content)
    folder = f"email/{content.message}"
    subject = render(f"{folder}/subject.txt", content.lang, **values)
    text = render(f"{folder}/body.txt", content.lang, **values)
    html = render(f"{folder}/body.html", content.lang, **values)
    return Email(
        to=to,
        subject=" ".join(subject.split()),
        text=re.sub(r"\n{3,}", "\n\n", text).strip() + "\n",
        html=html.strip() + "\n",
        headers=_headers(content),
        tags={**tags, "message": content.message.value},
        sender=content.clinic.name[content.lang],
        reply_to=content.clinic.lead.email,
    )


def _headers(content: MessageContent) -> dict[str, str]:
    # RFC 3834, 5: no automatic responder answers it.
    headers = {"Auto-Submitted": "auto-generated", "Content-Language": content.lang}
    if content.message in UNSOLICITED:
        headers["List-Unsubscribe"] = f"<{content.links[LinkScope.UNSUBSCRIBE]}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def text_message(content: MessageContent, to: str) -> TextMessage:
    """Write a text message that is short enough.

    Of the ways to name the clinic and what it is about the first with which one part is enough;
    else the first that fits. Only where none does is the clinic's name cut.
    """
    values, lang = _template_values(content), content.lang
    names, topics = _names(content.clinic, lang), _topics(content)

    def write(what: str, name: str) -> str:
        filled = render(f"sms/{content.message}.txt", lang, **values, name=name, what=what)
        return filled.strip()

    texts = [write(what, name) for what in topics for name in names]
    for text in texts:
        if segments(text) == 1:
            return TextMessage(to, text)
    words = _short_name(content.clinic.name[lang]).split()
    cut = (write(topics[-1], " ".join(words[:kept])) for kept in range(len(words) - 1, 0, -1))
    fitting = (text for text in itertools.chain(texts, cut) if fits(text))
    return TextMessage(to, next(fitting, min(texts, key=len)))


def _template_values(content: MessageContent) -> dict[str, Any]:
    """Give what the templates fill in, by the names they use."""
    lang, country = content.lang, content.clinic.country
    at, until = content.at, content.until
    when = format_time(at, lang, country) if at else ""
    if content.date:
        when = format_date(content.date, lang)
    answers = {answer["answer"] for answer in content.answers}
    return {
        "clinic": content.clinic,
        "said": content.answers,
        "links": {"unsubscribe": "", "receipt": "", **content.links},
        "number": reference(content.number) if content.number else "",
        "code": content.code,
        "child": content.child,
        "lost": content.lost,
        "text_known": content.text_known,
        "stopped": answers == {Answer.WITHDRAW},
        "when": when,
        "since": format_day(at, lang, country) if at else "",
        "day": format_day_in_figures(until, lang, country) if until else "",
        "until": format_day(until, lang, country) if until else "",
    }


def _names(clinic: Clinic, lang: str) -> list[str]:
    """Give what a clinic may be called: its name, its legal name, each with what is quoted in it."""
    names = list[str]()
    for name in (clinic.name[lang], clinic.lead.name):
        names += [name, _short_name(name)]
    return list(dict.fromkeys(names))


def _short_name(name: str) -> str:
    """Give what is quoted in a name, such as ``Sidraba rasa``; the name itself where nothing is."""
    quoted = re.search(r"[„“”«\"]([^„“”«»\"]+)[“”»\"]", name)
    return quoted[1] if quoted else name


def _topics(content: MessageContent) -> list[str]:
    """Give what a text message is about, from every title to as few as say what it is."""
    lang = content.lang
    titles, purposes = list[str](), list[str]()
    for each in content.answers:
        purpose, option = each["purpose"].title[lang], each["option"]
        titles.append(f"{purpose} ({option.title[lang]})" if option else purpose)
        if purpose not in purposes:
            purposes.append(purpose)
    ways = [", ".join(titles), ", ".join(purposes)]
    if len(purposes) > 1:
        ways.append(f"{purposes[0]} +{len(purposes) - 1}")
    return ways


def segments(text: str) -> int:
    """Tell how many text messages a text takes, as networks count them (3GPP 23.038, 23.040)."""
    if _in_seven_bits(text):
        septets = len(text) + sum(letter in _GSM_TWICE for letter in text)
        return 1 if septets <= SINGLE_SEPTETS else math.ceil(septets / JOINED_SEPTETS)
    units = len(text.encode("utf-16-be")) // 2
    return 1 if units <= SINGLE_UNITS else math.ceil(units / JOINED_UNITS)


def fits(text: str) -> bool:
    """Tell whether a text is short enough: one message in the 7-bit alphabet, two in any other."""
    most = 1 if _in_seven_bits(text) else MAX_SEGMENTS
    return segments(text) <= most


def _in_seven_bits(text: str) -> bool:
    return set(text) <= _GSM | _GSM_TWICE
