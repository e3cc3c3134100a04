import html.parser
import os
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.links import LinkScope
from chalicelib.domain.receipts import reference
from chalicelib.messages.compose import fits, segments
from chalicelib.messages.rules import SCOPES_BY_MESSAGE, UNSOLICITED, Message, messages_after
from infra.operator import publish
from tests.cast import CLINICS, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, SMS_NEWS
from tests.sample_messages import (
    SNAPSHOTS,
    TOKEN,
    as_snapshot,
    email_of,
    message_content,
    text_of,
)

PHOTO = "testimonials.photo"
TEXT_MESSAGES = Path(__file__).parents[2] / "docs" / "text-messages.md"
ANSWERS = {
    "yes": ("yes", "never_asked", "granted"),
    "waits": ("yes", "never_asked", "pending"),
    "in vain": ("yes", "granted", "granted"),
    "no": ("no", "never_asked", "refused"),
    "stopped": ("withdraw", "granted", "withdrawn"),
    "a no that stops": ("no", "granted", "withdrawn"),
    "stopped while waiting": ("withdraw", "pending", "withdrawn"),
    "stopped again": ("withdraw", "withdrawn", "withdrawn"),
}


@cache
def clinic(name: str = RIGA) -> Clinic:
    """Give a clinic of the cast."""
    return publish.read_file(CLINICS / f"{name}.yaml").clinic


def document(**said: str) -> dict[str, object]:
    """Give as much of a receipt as tells which messages follow, by address with ``__`` for the
    dot.
    """
    parts = {}
    for name, what in said.items():
        answer, before, after = ANSWERS[what]
        confirm_by = "2026-12-01T00:00:00.000Z" if what in {"waits", "in vain"} else None
        entry = {"answer": answer, "before": before, "after": after, "confirm_by": confirm_by}
        parts[name.replace("__", ".")] = entry
    return {"decisions": parts, "assurance": "self-asserted"}


def planned(
    kinds: list[ContactKind],
    own: list[ContactKind] | None = None,
    known: list[ContactKind] | None = None,
    **said: str,
) -> list[tuple[str, str, tuple[str, ...]]]:
    """Tell which messages follow; by default every contact is own, and none other known."""
    own = kinds if own is None else own
    typed = {kind: kind in own for kind in kinds}
    plans = messages_after(document(**said), typed, own if known is None else known, clinic())
    return [(each.message.value, each.kind.value, each.addresses) for each in plans]


BOTH = [ContactKind.EMAIL, ContactKind.PHONE]


def test_each_contact_is_asked_to_confirm_what_it_alone_can_confirm() -> None:
    """A Yes to text messages is confirmed from the phone, a Yes to letters from the mailbox."""
    assert planned(
        BOTH, newsletter__email="waits", newsletter__sms="waits", testimonials__photo="waits"
    ) == [
        ("confirm", "email", (EMAIL_NEWS, PHOTO)),
        ("confirm", "phone", (SMS_NEWS,)),
    ]
    assert planned([ContactKind.PHONE], testimonials__photo="waits") == [
        ("confirm", "phone", (PHOTO,))
    ]


def test_what_counts_at_once_brings_one_receipt() -> None:
    """Nobody gets the same news twice."""
    assert planned(BOTH, newsletter__email="yes", testimonials__photo="no") == [
        ("receipt", "email", (EMAIL_NEWS, PHOTO))
    ]
    assert planned([ContactKind.PHONE], newsletter__sms="in vain") == [
        ("receipt", "phone", (SMS_NEWS,))
    ]
    for how in (
        "stopped again",
        "stopped while waiting",
    ):  # nothing was done: perhaps nobody here is known at all
        assert planned([ContactKind.EMAIL], newsletter__email=how) == []


@pytest.mark.parametrize("how", ["stopped", "a no that stops"])
def test_what_was_stopped_is_told_to_every_contact_of_the_person(how: str) -> None:
    """Whoever stops something in another's name is found out, by whichever contact its owner
    reads.
    """
    assert planned(BOTH, newsletter__email=how, testimonials__photo="no") == [
        ("withdrawn", "email", (EMAIL_NEWS,)),
        ("withdrawn", "phone", (EMAIL_NEWS,)),
    ]
    assert planned([ContactKind.EMAIL], newsletter__email="waits", testimonials__photo=how) == [
        ("confirm", "email", (EMAIL_NEWS,)),
        ("withdrawn", "email", (PHOTO,)),
    ]


def test_a_contact_that_is_not_the_persons_own_is_asked_and_told_nothing() -> None:
    """Who types Anna's e-mail beside a phone of their own learns nothing of Anna."""
    assert planned(BOTH, [ContactKind.EMAIL], newsletter__email="stopped") == [
        ("withdrawn", "email", (EMAIL_NEWS,))
    ]
    assert planned([ContactKind.PHONE], [], newsletter__email="stopped") == []
    assert planned(BOTH, [ContactKind.EMAIL], newsletter__sms="waits") == [
        ("confirm", "phone", (SMS_NEWS,))
    ]


def test_whether_a_stranger_is_asked_to_confirm_tells_nothing() -> None:
    """Eve types Anna's e-mail beside a phone of her own: it rings whether or not Anna had
    agreed.
    """
    for how in ("waits", "in vain"):
        assert planned(BOTH, [ContactKind.EMAIL], newsletter__sms=how) == [
            ("confirm", "phone", (SMS_NEWS,))
        ]


def test_what_was_stopped_is_told_to_contacts_that_were_not_typed() -> None:
    """A stranger who types the phone alone cannot keep it from the mailbox."""
    assert planned([ContactKind.PHONE], [ContactKind.PHONE], BOTH, newsletter__email="stopped") == [
        ("withdrawn", "email", (EMAIL_NEWS,)),
        ("withdrawn", "phone", (EMAIL_NEWS,)),
    ]


def test_nobody_to_write_to_means_no_message() -> None:
    """A decision under the clinic's own number alone is no fault."""
    assert planned([], newsletter__email="stopped", testimonials__photo="waits") == []


@pytest.mark.parametrize(
    "name", [RIGA, TBILISI, "kaunas-polyclinics", "valmiera-hearing", "vilnius-dental"]
)
@pytest.mark.parametrize("message", Message)
def test_every_message_is_written_in_every_language_of_every_clinic(
    message: Message, name: str
) -> None:
    """Nobody gets a letter they cannot read, or one that falls apart."""
    for lang in clinic(name).languages:
        mail = email_of(message_content(message, clinic(name), lang))
        assert clinic(name).name[lang] in mail.subject
        assert "\n" not in mail.subject
        assert f'<html lang="{lang}">' in mail.html
        assert mail.headers["Content-Language"] == lang
        for part in (mail.text, mail.html):
            assert "{" not in part.partition("</style>")[2 if part is mail.html else 0]
            assert clinic(name).lead.address.split(",")[0] in part
        assert "&#" not in mail.text
        assert "\n\n\n" not in mail.text


def test_all_languages_of_the_demo_clinics_are_spoken_by_those_tried_here() -> None:
    """A language nobody tries is one nobody checks."""
    tried = [RIGA, TBILISI, "kaunas-polyclinics"]
    demo = [path.stem for path in CLINICS.glob("*.yaml")]
    assert _spoken_by(tried) == _spoken_by(demo)


def _spoken_by(names: list[str]) -> set[str]:
    return {lang for name in names for lang in clinic(name).languages}


@pytest.mark.parametrize("message", Message)
def test_a_letter_leads_where_it_says_and_nowhere_else(message: Message) -> None:
    """Plain text and HTML offer the same ways, and none that this message is not meant to open."""
    matter = message_content(message, clinic(), "en")
    mail = email_of(matter)
    linked = set(_Links.of(mail.html))
    assert linked == set(re.findall(r"https?://\S+", mail.text))
    assert linked <= set(matter.links.values())
    assert {matter.links[power] for power in SCOPES_BY_MESSAGE[message]} == {
        each for each in linked if TOKEN in each
    }
    assert "<script" not in mail.html
    assert "<img" not in mail.html


def test_a_confirming_letter_leads_to_one_thing_to_do() -> None:
    """Beside it there is only the receipt, to be read."""
    first, second = _Links.of(email_of(message_content(Message.CONFIRM, clinic(), "en")).html)
    assert first.endswith(f"/confirm/{TOKEN}")
    assert f"/receipts/{'c' * 32}" in second


@pytest.mark.parametrize("message", [Message.CONFIRM, Message.WITHDRAWN, Message.RECEIPT])
def test_a_mail_about_a_decision_holds_the_number_of_its_receipt(message: Message) -> None:
    """Whoever stood at the tablet finds in the mailbox what was on it; somebody else's contact gets
    no receipt.
    """
    matter = message_content(message, clinic(), "en")
    for part in (email_of(matter).text, email_of(matter).html):
        assert reference("c" * 32) in part
        assert f"/receipts/{'c' * 32}" in part
    without = replace(
        matter, links={name: link for name, link in matter.links.items() if name != "receipt"}
    )
    if message is Message.CONFIRM:
        said = email_of(without).text + email_of(without).html
        assert "c" * 32 not in said
        assert reference("c" * 32) not in said


@pytest.mark.parametrize("message", Message)
def test_one_click_stops_what_nobody_asked_for(message: Message) -> None:
    """A reminder can be stopped from the mail program (RFC 8058); an answer to one's own act has
    nothing to stop.
    """
    headers = email_of(message_content(message, clinic(), "en")).headers
    if message in UNSOLICITED:
        assert headers["List-Unsubscribe"] == f"<https://consent.example.org/unsubscribe/{TOKEN}>"
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    else:
        assert not [name for name in headers if name.startswith("List-")]
        assert LinkScope.UNSUBSCRIBE not in SCOPES_BY_MESSAGE[message]


def test_a_mail_about_new_words_names_what_its_one_click_stops() -> None:
    """Nobody stops with one click what the mail did not speak of."""
    mail = email_of(replace(message_content(Message.CHANGED, clinic(), "en"), lost=False))
    assert "Only the wording is new" in mail.text
    for part in (mail.text, mail.html):
        assert "News and discounts: By e-mail" in part
        assert "/notices/1.0" in part


def test_what_a_clinic_is_called_is_text_in_html_and_itself_in_plain_text() -> None:
    """A name with a sign in it neither breaks a page nor comes out as a code."""
    odd = clinic()._replace(name=dict.fromkeys(clinic().languages, "Smile & <b>Sons</b>"))
    mail = email_of(message_content(Message.CONFIRM, odd, "en"))
    assert "Smile & <b>Sons</b>" in mail.text
    assert "Smile & <b>Sons</b>" in mail.subject
    assert "Smile &amp; &lt;b&gt;Sons&lt;/b&gt;" in mail.html
    assert "<b>Sons" not in mail.html


@pytest.mark.parametrize(
    "name", [RIGA, TBILISI, "kaunas-polyclinics", "valmiera-hearing", "vilnius-dental"]
)
@pytest.mark.parametrize("message", Message)
def test_a_text_message_is_short_in_every_language(message: Message, name: str) -> None:
    """One message in the 7-bit alphabet, two joined where it lacks the letters: the clinic pays for
    each.
    """
    for lang in clinic(name).languages:
        for lost in (True, False):
            text = text_of(replace(message_content(message, clinic(name), lang), lost=lost))
            assert fits(text), (lang, len(text), text)
            assert ("https://" in text) == bool(SCOPES_BY_MESSAGE[message])
            assert any(len(word) > 3 and word in text for word in _name_of(clinic(name), lang))
            if (
                LinkScope.CONFIRM in SCOPES_BY_MESSAGE[message]
                and message is not Message.NEW_CONTACT
            ):
                assert "123456" in text


def _name_of(clinic: Clinic, lang: str) -> list[str]:
    return re.findall(r"\w+", f"{clinic.name[lang]} {clinic.lead.name}")


NAMES_ITS_TOPIC = {Message.CONFIRM, Message.REMINDER, Message.WITHDRAWN, Message.EXPIRING}


@pytest.mark.parametrize("message", sorted(NAMES_ITS_TOPIC))
@pytest.mark.parametrize("name", [path.stem for path in sorted(CLINICS.glob("*.yaml"))])
def test_a_text_message_says_what_is_confirmed_stopped_or_ending(
    message: Message, name: str
) -> None:
    """Nobody presses a link without knowing what for, whichever question it is about."""
    for lang in clinic(name).languages:
        for question in clinic(name).questions.values():
            answers = {question.id: "yes"}
            text = text_of(message_content(message, clinic(name), lang, answers))
            assert question.purpose.title[lang] in text
            assert fits(text), (lang, len(text), text)


def test_a_text_message_about_several_topics_names_the_first_and_counts_the_others() -> None:
    """Where there is no room for all, nobody is told of fewer than there are."""
    answers = dict.fromkeys(clinic().questions, "yes")
    text = text_of(message_content(Message.CONFIRM, clinic(), "lv", answers))
    assert "Jaunumi un atlaides +3" in text


def test_where_no_text_message_is_short_enough_the_shortest_is_sent() -> None:
    """Of the ways to name a clinic the longest is not the one to pay for."""
    asking = clinic()
    asking = asking._replace(name=dict.fromkeys(asking.languages, "Smile"))
    content = message_content(Message.CONFIRM, asking, "en", {EMAIL_NEWS: "yes"})
    endless = {"en": "News " * 100}
    answers = tuple(
        {**each, "purpose": each["purpose"]._replace(title=endless)} for each in content.answers
    )
    text = text_of(replace(content, answers=answers))
    assert not fits(text)
    assert text.startswith("Smile. ")


@pytest.mark.parametrize("message", Message)
def test_a_message_is_sent_in_no_more_parts_than_is_documented(message: Message) -> None:
    """A clinic knows what each kind of message costs, in each language, before it is sent."""
    [row] = re.findall(
        rf"^\| `{message}` \|(.*)\|$", TEXT_MESSAGES.read_text("utf-8"), re.MULTILINE
    )
    most = [int(cell.strip()[-1]) for cell in row.split("|")]
    counted = [_most_segments(message, lang) for lang in ("en", "lv", "lt", "ka", "ru")]
    assert [parts for parts, told in zip(counted, most, strict=True) if parts > told] == []


def _most_segments(message: Message, lang: str) -> int:
    """Count the parts of a message, about each question of each demo clinic that speaks a language."""
    most = 0
    for path in CLINICS.glob("*.yaml"):
        asking = clinic(path.stem)
        if lang in asking.languages:
            for answers in (None, *({each: "yes"} for each in asking.questions)):
                text = text_of(message_content(message, asking, lang, answers))
                most = max(most, segments(text))
    return most


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("ā" * 70, 1),
        ("ā" * 71, 2),
        ("ა" * 134, 2),
        ("ა" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_text_messages_are_counted_as_networks_count_them(text: str, number: int) -> None:
    """What is sent costs what was thought (3GPP 23.038 and 23.040)."""
    assert segments(text) == number


@pytest.mark.parametrize("message", Message)
def test_what_is_sent_is_what_was_read_and_approved(message: Message) -> None:
    """Nobody changes a letter without seeing it whole; SNAPSHOTS=write writes them anew."""
    answers = {"receipt": {EMAIL_NEWS: "yes", SMS_NEWS: "no", PHOTO: "withdraw"}}.get(message)
    written = as_snapshot(message_content(message, clinic(), "en", answers))
    kept = SNAPSHOTS / f"{message}.txt"
    if os.environ.get("SNAPSHOTS") == "write":
        kept.write_text(written, encoding="utf-8")
    assert written == kept.read_text(encoding="utf-8")


class _Links(html.parser.HTMLParser):
    """The addresses on the web that a mail leads to or takes anything from."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - html.parser's names
        named = [value or "" for name, value in attrs if name in {"href", "src", "background"}]
        self.found += [value for value in named if not value.startswith(("mailto:", "tel:"))]

    @classmethod
    def of(cls, page: str) -> list[str]:
        reader = cls()
        reader.feed(page)
        return reader.found
