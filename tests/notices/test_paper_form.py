import hashlib
import itertools
import re
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Channel, NoticeInForce
from chalicelib.domain.decisions import NoticeRef, decide
from chalicelib.notices import paper_form
from chalicelib.notices.document import read_clinic
from chalicelib.notices.edition import make_edition
from chalicelib.presentation.press import PressInProcess
from chalicelib.receipts.formats.issued import IssuedReceipt
from chalicelib.receipts.formats.paper import write_html, write_paper
from chalicelib.receipts.formats.registry import FORMATS
from chalicelib.receipts.formats.shown_text import visible_text
from chalicelib.receipts.printed_code import printed_code
from chalicelib.store.shown_pages import BLANK, CONSENT_PAGE, WITHDRAWAL_PAGE, ShownPages
from infra.operator import publish
from tests.cast import CLINICS, RIGA, TBILISI
from tests.factories import MORNING, NEXT_DAY, OPENING, a_decision, a_document, a_subject, in_both
from tests.pdf_file import PdfFile, VisibleText

BASE = "https://consent.example.org/api"
KILOBYTES_100 = 100 * 1024
MM = 72 / 25.4
BETWEEN_CHOICES = "/"


@cache
def _clinic(name: str) -> Clinic:
    return publish.read_file(CLINICS / f"{name}.yaml").clinic


EVERYWHERE = [
    pytest.param(path.stem, lang, id=f"{path.stem}-{lang}")
    for path in sorted(CLINICS.glob("*.yaml"))
    for lang in _clinic(path.stem).languages
]


def _shown(clinic: Clinic, lang: str, template: str = CONSENT_PAGE) -> str:
    return ShownPages.page(template, clinic, lang, **BLANK)


def _issued(clinic: Clinic, lang: str, **changed: Any) -> IssuedReceipt:
    """Give a receipt of somebody who says Yes and No in turn, on the web."""
    answers = changed.pop("answers", dict(zip(clinic.questions, ["yes", "no"] * 99, strict=False)))
    sha256 = hashlib.sha256(_shown(clinic, lang).encode()).hexdigest()
    notice = NoticeRef(clinic.version, lang, sha256)
    controllers = tuple(each.for_receipt() for each in clinic.controllers)
    decision = a_decision(
        answers, receipt_id="ab" * 16, clinic=clinic.id, notice=notice, controllers=controllers
    )
    receipt, _ = decide(
        a_subject(7),
        replace(decision, **changed),
        NoticeInForce(clinic.version, OPENING),
        known=False,
    )
    return IssuedReceipt(receipt, clinic, lang, {}, None, BASE, MORNING)


def _receipt(issued: IssuedReceipt) -> tuple[str, PdfFile]:
    """Give it as a page and as PDF, with the notice page in the language it was read in."""
    shown = issued.shown_page or _shown(issued.clinic, issued.receipt.document["notice"]["lang"])
    return _written(replace(issued, shown_page=shown))


def _written(issued: IssuedReceipt) -> tuple[str, PdfFile]:
    return write_html(issued).decode(), PdfFile(PressInProcess().pdf(*write_paper(issued)))


def _form_page(clinic: Clinic, lang: str) -> str:
    return paper_form.form_page(clinic, lang, base_url=BASE, sha256="5a" * 32)


def _without_strokes(words: list[str]) -> list[str]:
    """Leave out what stands between Yes and No, and on some pages between other things."""
    return [word for word in words if word != BETWEEN_CHOICES]


def _form(clinic: Clinic, lang: str) -> PdfFile:
    paper = paper_form.write_form(clinic, lang, base_url=BASE, sha256="5a" * 32)
    return PdfFile(PressInProcess().pdf(*paper))


@pytest.mark.parametrize(("name", "lang"), EVERYWHERE)
def test_the_receipt_says_on_paper_word_for_word_what_it_says_on_screen(
    name: str, lang: str
) -> None:
    """Whoever keeps the PDF keeps all of it: answers, proof and the text, in their own language."""
    issued = _issued(_clinic(name), lang)
    html, paper = _receipt(issued)
    assert paper.words == VisibleText(html, without=("footer",)).words
    copied = "".join(paper.copied().split())
    assert all("".join(word.split()) in copied for word in paper.words if len(word) < 12)
    assert len(paper.content) <= KILOBYTES_100
    assert paper.catalog["/Lang"] == lang
    assert paper.codes() == [
        f"{BASE}/verify?code={printed_code(issued.clinic.code, issued.receipt)}"
    ]
    printed = " ".join(paper.words)
    assert issued.receipt.sha256 in printed
    assert issued.receipt.document["notice"]["sha256"] in printed


@pytest.mark.parametrize("template", [CONSENT_PAGE, WITHDRAWAL_PAGE])
@pytest.mark.parametrize(("name", "lang"), EVERYWHERE)
def test_the_text_on_the_receipt_is_every_word_of_the_page_that_was_shown(
    name: str, lang: str, template: str
) -> None:
    """The information a patient had is proved by the paper alone (GDPR Art. 7(1)).

    Only what cannot be read is gone.
    """
    shown = _shown(_clinic(name), lang, template)
    words = VisibleText(shown, without=("nav",), hidden=("sr", "skip")).words
    kept = str(visible_text(shown))
    assert _without_strokes(VisibleText(kept, without=()).words) == _without_strokes(words)
    assert len(words) > 60
    assert not re.search(r"<(?!/?(p|b|br|ul|li|dl|dt|dd|h[3-6])\b)", kept)


@pytest.mark.parametrize(("name", "lang"), EVERYWHERE)
def test_the_form_asks_on_paper_what_the_page_asks(name: str, lang: str) -> None:
    """Nobody signs less, or more, than others read on the screen.

    The code tells which version it was.
    """
    clinic = _clinic(name)
    paper = _form(clinic, lang)
    assert paper.words == VisibleText(_form_page(clinic, lang), without=("footer",)).words
    printed = " ".join(paper.words)
    for purpose in clinic.purposes:
        for text in (purpose.title, purpose.text, purpose.data, purpose.retention):
            assert " ".join(text[lang].split()) in printed
    for question in clinic.questions.values():
        if question.option:
            assert " ".join(question.option.title[lang].split()) in printed
    assert (
        printed.count("☐")
        == 2 * len(clinic.questions) + bool(clinic.age_minimum) + 4 * clinic.guardian
    )
    assert all(each.name in printed for each in clinic.controllers)
    assert paper.codes() == [f"{BASE}/{name}/notices/{clinic.version}?lang={lang}"]
    copied = paper.copied()
    assert copied.count("5a" * 32) == len(paper.reader.pages) <= 2
    assert clinic.version in copied
    assert len(paper.content) <= KILOBYTES_100


@pytest.mark.parametrize(("name", "lang"), EVERYWHERE)
def test_the_form_can_be_filled_in_with_a_pen(name: str, lang: str) -> None:
    """Boxes of 5 mm and lines 8 mm apart, Yes as large as No."""
    clinic = _clinic(name)
    paper = _form(clinic, lang)
    count = 0
    for number, sheet in enumerate(paper.pixels):
        text = sheet.get_textpage()
        written = text.get_text_range()
        boxes = [
            text.get_charbox(place) for place, character in enumerate(written) if character == "☐"
        ]
        for left, bottom, right, top in boxes:
            assert right - left >= 5 * MM
            assert top - bottom >= 5 * MM
        lines = sorted({round(y, 1) for y in paper.pen_lines(number)})
        assert all(above - below >= 8 * MM for below, above in itertools.pairwise(lines))
        count += len(lines)
    # Name; contacts; the child, where a guardian may decide; date and signature; witness and
    # reference.
    assert count == 4 + clinic.guardian


def test_the_form_asks_for_the_phone_first_where_the_clinic_knows_its_patients_by_phone() -> None:
    """The line a patient can fill in comes first."""
    for clinic, first, second in ((TBILISI, "Phone", "E-mail"), (RIGA, "E-mail", "Phone")):
        words = _form(_clinic(clinic), "en").words
        name_line = next(
            place
            for place in range(len(words))
            if words[place : place + 4] == ["First", "and", "last", "name"]
        )
        assert words.index(first, name_line) < words.index(second, name_line)


def test_a_receipt_tells_a_stranger_nothing_about_who_is_a_patient() -> None:
    """It shows the answers, not their effect, the chain's number, the subject or evidence."""
    issued = _issued(_clinic(RIGA), "en", evidence={"form": "F-17-Anna"}, source="desk-7")
    html, paper = _receipt(issued)
    for text in (html, " ".join(paper.words), paper.copied()):
        assert issued.receipt.document["subject"] not in text
        assert "F-17" not in text
        assert "desk-7" not in text
        assert not {"granted", "refused", "never_asked", "pending"} & set(re.findall(r"\w+", text))
    first = _issued(_clinic(RIGA), "en")
    later = replace(
        issued, receipt=replace(first.receipt, document={**first.receipt.document, "version": 9})
    )
    assert write_html(later) == write_html(first)


@pytest.mark.parametrize("channel", list(Channel))
def test_a_decision_entered_late_shows_both_its_times(channel: Channel) -> None:
    """Signed on one day, entered on the next: the paper says so, and how it came."""
    clinic = _clinic(RIGA)
    late = _issued(clinic, "en", channel=channel, effective_at=MORNING, recorded_at=NEXT_DAY)
    days = r"Decided 22 November 2026\D+10:15 Recorded 23 November 2026\D+11:00 In what way"
    assert re.search(days, " ".join(_receipt(late)[1].words))
    at_once = _issued(clinic, "en", channel=channel)
    assert re.search(
        r"Decided 22 November 2026\D+10:15 In what way", " ".join(_receipt(at_once)[1].words)
    )


def test_no_two_ways_to_decide_are_told_alike() -> None:
    """Paper is not a phone call."""
    printed = set()
    for channel in Channel:
        words = " ".join(_receipt(_issued(_clinic(RIGA), "en", channel=channel))[1].words)
        printed.add(words.partition("In what way")[2].partition("Who asked")[0])
    assert len(printed) == len(Channel)


@pytest.mark.parametrize("lang", ["lv", "ru", "en"])
def test_a_withdrawal_on_paper_says_stop_and_shows_the_page_it_was_made_on(lang: str) -> None:
    """Taking back is proved as well as giving."""
    clinic = _clinic(RIGA)
    issued = _issued(clinic, lang, answers=dict.fromkeys(clinic.questions, "withdraw"))
    shown = _shown(clinic, lang, WITHDRAWAL_PAGE)
    _, paper = _receipt(replace(issued, shown_page=shown))
    said = [each.text for each in paper.read_aloud if "LBody" in each.above]
    answers = said[1 : 2 * len(clinic.questions) : 2]  # each beside what it is about
    assert len(set(answers)) == 1
    assert answers[0] not in {"Jā", "Nē", "Да", "Нет", "Yes", "No"}
    words = VisibleText(shown, without=("nav",), hidden=("sr", "skip")).words
    expected = _without_strokes(words)
    assert _without_strokes(paper.words)[-len(expected) :] == expected


@pytest.mark.parametrize(
    ("channel", "answer", "shown"),
    [
        ("web", "yes", True),
        ("kiosk", "no", True),
        ("paper", "yes", False),
        ("web", "withdraw", False),
    ],
)
def test_only_an_answer_given_on_a_page_names_it_as_shown(
    channel: str, answer: str, *, shown: bool
) -> None:
    """A withdrawal names no shown page, and staff may name an older form: a version's text."""
    clinic = _clinic(RIGA)
    answers = dict.fromkeys(clinic.questions, answer)
    printed = " ".join(
        _receipt(_issued(clinic, "en", channel=Channel(channel), answers=answers))[1].words
    )
    assert (
        "The text as shown These are all the words of the page as it was shown." in printed
    ) is shown
    assert (
        "The text of this version These are all the words of the page of that version." in printed
    ) is not shown


@pytest.mark.parametrize("lang", ["lv", "ru", "en"])
def test_a_form_from_before_the_first_version_claims_no_text_on_paper(lang: str) -> None:
    """The receipt proves the answers, and says that nobody can show what was read."""
    clinic = _clinic(RIGA)
    issued = _issued(clinic, lang, channel=Channel.PAPER, notice=NoticeRef.unknown(lang))
    _, paper = _written(issued)
    printed = " ".join(paper.words)
    assert {
        "lv": "Teksts nav zināms: šis portāls nevar parādīt, kurš teksts tika lasīts.",
        "ru": "Текст неизвестен: этот портал не может показать, какой текст был прочитан.",
        "en": "Text not known: this portal cannot show which text was read.",
    }[lang] in printed
    assert issued.receipt.sha256[:40] in printed.replace(" ", "")
    for never in ("None", "/shown/", "when, and to which text"):
        assert never not in printed


def test_the_form_prints_every_word_of_a_long_option_beside_its_boxes() -> None:
    """A text of 7,000 characters goes on overleaf, and the boxes stay with where it begins."""
    document = a_document()
    document["purposes"][0]["options"][1]["text"] = in_both("So many words. " * 470)
    clinic = read_clinic(document)._replace(
        dates={day: in_both(day) for day in ("2026-11-01", "2027-03-31")}
    )
    paper = _form(clinic, "en")
    assert paper.words == VisibleText(_form_page(clinic, "en"), without=("footer",)).words
    for sheet in paper.pixels:
        text = sheet.get_textpage()
        assert all(text.get_rect(each)[1] > 0 for each in range(text.count_rects()))
    place = next(number for number, each in enumerate(paper.read_aloud) if each.text == "By text")
    option = paper.read_aloud[place : place + 3]
    assert [each.text.split()[0] for each in option] == ["By", "☐", "So"]
    assert len({each.page for each in option}) == 1
    assert option[2].text.endswith("Your Yes is in force for 1 year.")


def test_a_receipt_says_whether_it_is_sealed_yet() -> None:
    """Nobody looks for a signature that is not there yet."""
    waiting = _issued(_clinic(RIGA), "en")
    assert "is being sealed" in " ".join(_receipt(waiting)[1].words)
    sealed = " ".join(_receipt(replace(waiting, jws="e30.e30.c2ln"))[1].words)
    assert "is sealed with" in sealed
    assert "being sealed" not in sealed


def test_a_receipt_in_another_language_keeps_the_text_in_the_language_it_was_shown_in() -> None:
    """A screen reader changes its voice where the language changes."""
    clinic = _clinic(RIGA)
    issued = replace(_issued(clinic, "lv"), lang="en")
    _, paper = _receipt(issued)
    langs = [each.lang for each in paper.read_aloud]
    assert langs == sorted(langs)  # English first, then Latvian to the end
    assert {"en", "lv"} == set(langs)
    assert clinic.texts["intro"]["lv"] in " ".join(
        each.text for each in paper.read_aloud if each.lang == "lv"
    )


def test_a_clinic_with_thirty_options_and_hostile_words_has_its_form_and_receipt() -> None:
    """Whatever a clinic writes is shown as text, on as many pages as it takes."""
    nasty = "<script>alert(1)</script> \u202egnirts 😀 &amp; „x” "
    document = a_document()
    document["purposes"][0] |= {
        "title": in_both(nasty),
        "text": in_both(nasty * 40),
        "options": [
            {"id": f"o{number}", "title": in_both(f"{nasty}{number}")} for number in range(30)
        ],
    }
    clinic = read_clinic(document)._replace(
        dates={"2026-11-01": in_both("1"), "2027-03-31": in_both("2")}
    )
    paper = _form(clinic, "en")
    assert paper.words.count("<script>alert(1)</script>") == 31 + 40
    assert "\u202e" not in " ".join(paper.words)
    assert len(paper.content) <= KILOBYTES_100
    html, paper = _receipt(_issued(clinic, "en"))
    assert "<script" not in html
    assert paper.words.count("<script>alert(1)</script>") > 60
    assert len(paper.content) <= KILOBYTES_100


def test_the_page_that_stands_alone_asks_for_nothing_from_elsewhere() -> None:
    """Kept on a disk, it looks the same without a network."""
    html, _ = _receipt(_issued(_clinic(RIGA), "en"))
    assert not re.search(r"<(script|link|img|iframe|form|input|a)\b|url\(|@import", html)
    assert "default-src 'none'" in FORMATS["html"].headers["Content-Security-Policy"]


def test_the_form_of_a_clinic_that_writes_letters_has_lines_for_the_address() -> None:
    """What the page asks for, the form has room for.

    Another clinic's form stays as short as it was.
    """
    document = a_document()
    for needs, lines in (
        (["contact"], []),
        (["address"], ["Street, house and flat", "Postcode", "Town or village"]),
    ):
        document["purposes"][1]["needs"] = needs
        words = " ".join(_form(make_edition(document).clinic, "en").words)
        assert [
            line
            for line in ("Street, house and flat", "Postcode", "Town or village")
            if line in words
        ] == lines
