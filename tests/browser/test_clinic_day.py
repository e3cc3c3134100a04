"""Patients' phones, in every clinic and language: from the QR code to the withdrawal."""

import hashlib
from html import escape
from itertools import pairwise
from typing import Any

import pytest
import rfc8785

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.languages import ENDONYMS
from tests.browser.conftest import Handing, note_effort
from tests.browser.phone import Phone, size
from tests.browser.visit import (
    IDS,
    WALKS,
    Effort,
    Visit,
    a_clinic,
    a_patient,
    document,
    every_other,
    receipt_shown,
)
from tests.browser.words import texts_of_others, translated
from tests.conftest import LocalStack
from tests.web.letterbox import Addresses, letters

pytestmark = pytest.mark.browser

_STYLE = """(each) => ['background', 'border', 'fontSize', 'fontWeight', 'color']
    .map(name => getComputedStyle(each)[name])"""


@pytest.mark.parametrize(("clinic_id", "lang"), WALKS, ids=["-".join(walk) for walk in WALKS])
def test_a_patient_decides_gets_a_receipt_and_withdraws(
    clinic_id: str,
    lang: str,
    phone: Handing,
    local_stack: LocalStack,
    request: pytest.FixtureRequest,
) -> None:
    """A patient with any phone says what they want at the desk, and takes it back as easily.

    The clinic is told so.
    """
    clinic = a_clinic(clinic_id)
    visit = Visit(phone(lang), clinic, a_patient(clinic, lang))
    answers, subject = every_other(clinic), visit.subject

    scanned = visit.phone.scan(f"/{clinic.id}/qr/signup.png?lang={lang}&src=desk")
    assert scanned.startswith(f"{local_stack.base_url}/q/")
    the_start_is_fair(visit, lang)
    _check(visit.phone, clinic, "1-start")
    visit.go_on()
    for number, purpose in enumerate(clinic.purposes, 1):
        asked = [each for each in answers if clinic.questions[each].purpose == purpose]
        the_topic_asks_fairly(visit, asked, number)
        _check(visit.phone, clinic, f"1-topic-{number}")
        visit.answer({address: answers[address] for address in asked})
        visit.go_on()

    the_page_asks_for_what_is_needed(visit, answers)
    _check(visit.phone, clinic, "2-contact")
    visit.phone.send("Continue")
    the_summary_leads(visit.phone, lang)
    the_page_asks_for_what_is_needed(visit, answers)
    _check(visit.phone, clinic, "2-contact-errors")
    assert set(local_stack.states(clinic.id, subject).values()) == {"never_asked"}

    visit.say_who()
    the_check_tells_everything(visit, answers)
    _check(visit.phone, clinic, "2-check")
    visit.send("Save my answers")
    _check(visit.phone, clinic, "3-receipt")
    the_clinic_is_told(visit, lang, answers, subject, local_stack)
    giving = (
        visit.effort
    )  # without what it costs to confirm: withdrawing is compared with the least

    visit.effort = Effort()
    for token, questions in letters(local_stack, clinic.id, receipt_shown(visit.phone)):
        visit.phone.open(f"/confirm/{token}")
        the_message_asks_again(visit, lang, questions)
        _check(visit.phone, clinic, "3a-confirm")
        visit.phone.send("Send my answer")
        the_summary_leads(visit.phone, lang)
        _check(visit.phone, clinic, "3b-confirm-errors")
        visit.confirm()
        _check(visit.phone, clinic, "3c-confirmed")
    what_was_agreed_counts(answers, clinic, subject, local_stack)

    visit.effort = Effort()
    visit.phone.scan(f"/{clinic.id}/qr/withdraw.png?lang={lang}&src=desk")
    _check(visit.phone, clinic, "4-withdraw")
    visit.phone.send("Stop everything")
    the_summary_leads(visit.phone, lang)
    _check(visit.phone, clinic, "5-withdraw-errors")
    visit.write([visit.contact])
    visit.send("Stop everything")
    _check(visit.phone, clinic, "6-withdrawn")
    nothing_is_permitted_any_more(visit, answers, subject, local_stack)
    note_effort(request, f"{clinic_id} {lang}", giving, visit.effort)


@pytest.mark.parametrize(("clinic_id", "lang"), WALKS, ids=["-".join(walk) for walk in WALKS])
def test_a_patient_reads_the_notice_and_meets_a_dead_end_in_their_language(
    clinic_id: str, lang: str, phone: Handing
) -> None:
    """The full notice is there for everybody.

    A torn-off address is explained in words that can be understood.
    """
    clinic, reader = a_clinic(clinic_id), phone(lang)
    reader.open(f"/{clinic.id}?lang={lang}")
    reader.page.locator("main summary").click()
    reader.page.locator('main details a[href*="/notices/"]').first.click()
    reader.page.wait_for_url("**/notices/**")
    for controller in clinic.controllers:
        assert controller.name in reader.text()
        assert controller.address in reader.text()
    _check(reader, clinic, "7-notice")
    reader.open(f"/{clinic.id}/notices/99.0?lang={lang}", status=404)
    _check(reader, clinic, "8-missing")


@pytest.mark.parametrize("clinic_id", IDS)
def test_a_code_without_a_language_speaks_the_phones_own(clinic_id: str, phone: Handing) -> None:
    """One poster serves every patient: each phone is answered in the language it is set to."""
    for lang in a_clinic(clinic_id).languages:
        visitor = phone(lang)
        visitor.scan(f"/{clinic_id}/qr/signup.svg")
        assert visitor.page.locator("html").get_attribute("lang") == lang


def _check(phone: Phone, clinic: Clinic, name: str) -> None:
    phone.check(
        f"{clinic.id}-{phone.lang}-{name}", texts_of_others(document(clinic.id), phone.lang)
    )


def the_start_is_fair(visit: Visit, lang: str) -> None:
    """The page names who asks, and a No to everything is as large and near as the way on."""
    page, clinic = visit.phone.page, visit.clinic
    assert page.locator("h1").inner_text() == translated(
        lang, "You decide what we may do with your data"
    )
    for controller in clinic.controllers:
        assert controller.name in visit.phone.text()
    buttons = page.locator("form.step > button, form.step > a.button")
    assert len({size(each)[0] for each in buttons.all()}) == 1
    assert page.locator("input:not([type=hidden])").count() == 0
    others = [each for each in clinic.languages if each != lang]
    spoken = page.locator("header nav a")
    assert spoken.all_text_contents() == [ENDONYMS[each] for each in others]
    assert [each.get_attribute("lang") for each in spoken.all()] == others
    for link in spoken.all():
        assert "src=desk" in str(link.get_attribute("href")), (
            "another language would forget where the patient came from"
        )


def the_topic_asks_fairly(visit: Visit, asked: list[str], number: int) -> None:
    """A topic preselects nothing, and shows No as large and near as Yes."""
    page, total = visit.phone.page, len(visit.clinic.purposes)
    assert str(number) in page.locator(".progress").inner_text()
    assert str(total) in page.locator(".progress").inner_text()
    assert visit.chosen() == {}
    assert page.locator(".yn").count() == len(asked)
    for address in asked:
        yes, no = visit.answer_label(address, "yes"), visit.answer_label(address, "no")
        assert size(yes) == size(no)
        assert min(size(yes)) >= 44
        assert yes.evaluate(_STYLE) == no.evaluate(_STYLE)


def the_check_tells_everything(visit: Visit, answers: dict[str, str]) -> None:
    """Every answer once more, and the contact so that nobody else can read it."""
    rows = visit.phone.page.locator(".rows li").all_inner_texts()
    assert len(rows) == len(answers) + 1
    said = {answer: translated(visit.phone.lang, answer.capitalize()) for answer in ("yes", "no")}
    for row, (address, answer) in zip(rows, answers.items(), strict=False):
        assert _title(visit, address) in " ".join(row.split())
        assert said[answer] in row.split()
    assert "•••" in rows[-1]


def the_page_asks_for_what_is_needed(visit: Visit, answers: dict[str, str]) -> None:
    """A contact field appears when an answer needs it, and only then."""
    needed = visit.needed(answers)
    either = (
        {"email", "phone"} if "contact" in needed and not needed & {"email", "phone"} else set()
    )
    assert visit.required_fields() == (needed - {"contact"}) | either


def the_summary_leads(phone: Phone, lang: str) -> None:
    """An error is in the title and first on the page, with a link to the field."""
    assert phone.page.title().startswith(translated(lang, "Error:"))
    summary = phone.page.locator("main > :first-child")
    assert summary.get_attribute("id") == "errors"
    assert summary.get_attribute("tabindex") == "-1"
    links = summary.locator("a").all()
    assert links
    for link in links:
        assert phone.page.locator(f"[id='{str(link.get_attribute('href'))[1:]}']").is_visible()


def the_clinic_is_told(
    visit: Visit, lang: str, answers: dict[str, str], subject: dict[str, str], stack: LocalStack
) -> None:
    """The clinic's program learns what was chosen and what of it still waits.

    The receipt proves under which text.
    """
    decisions = stack.status(visit.clinic.id, subject)
    waits = {
        address for address, answer in answers.items() if answer == "yes"
    }  # one newsletter, and the form waits
    assert waits & visit.clinic.needs_confirmation
    wanted = _as_chosen(answers) | dict.fromkeys(waits, "pending")
    assert {address: each["state"] for address, each in decisions.items()} == wanted
    assert _permitted(decisions) == {a for a in answers if answers[a] == "yes"} - waits
    (receipt,) = stack.history(visit.clinic.id, subject)
    assert (receipt["version"], receipt["previous"]) == (1, None)
    assert (receipt["channel"], receipt["source"]) == ("qr", "desk")
    assert receipt["notice"]["lang"] == lang
    assert receipt_shown(visit.phone) == receipt["id"]
    shown = receipt["notice"]["sha256"]
    kept = visit.phone.context.request.get(
        f"{stack.base_url}/{visit.clinic.id}/shown/{shown}"
    ).body()
    assert hashlib.sha256(kept).hexdigest() == shown
    for purpose in visit.clinic.purposes:
        assert escape(purpose.title[lang]) in kept.decode()


def the_message_asks_again(visit: Visit, lang: str, questions: Addresses) -> None:
    """What is confirmed is named, all of it, and nothing is chosen beforehand.

    Whether it was the patient, and what of several they confirm, is for the patient alone to say.
    """
    page = visit.phone.page
    assert page.locator("h1").inner_text() == translated(lang, "Was it you?")
    named = page.locator("[id^=about-] b").all_inner_texts()
    titles = [_title(visit, each) for each in questions]
    assert sorted(" ".join(each.split()) for each in named) == sorted(titles)
    parts = [box.get_attribute("value") for box in page.locator("input[name=purpose]").all()]
    assert sorted(filter(None, parts)) == (sorted(questions) if len(questions) > 1 else [])
    assert page.locator("main input:checked").count() == 0


def what_was_agreed_counts(
    answers: dict[str, str], clinic: Clinic, subject: dict[str, str], stack: LocalStack
) -> None:
    """Once confirmed, everything chosen is permitted, and the confirmation names its receipt."""
    decisions = stack.status(clinic.id, subject)
    assert {address: each["state"] for address, each in decisions.items()} == _as_chosen(answers)
    assert _permitted(decisions) == {a for a in answers if answers[a] == "yes"}
    first, second = stack.history(clinic.id, subject)
    assert (second["assurance"], second["channel"]) == ("contact-confirmed", "email-link")
    assert (second["evidence"]["confirms"], second["notice"]) == (first["id"], first["notice"])


def _title(visit: Visit, address: str) -> str:
    """Give a question's title, each space in it a plain one."""
    return " ".join(visit.clinic.questions[address].title(visit.phone.lang).split())


def _as_chosen(answers: dict[str, str]) -> dict[str, str]:
    return {
        address: {"yes": "granted", "no": "refused"}[answer] for address, answer in answers.items()
    }


def _permitted(decisions: dict[str, dict[str, Any]]) -> set[str]:
    return {address for address, each in decisions.items() if each["permitted"]}


def nothing_is_permitted_any_more(
    visit: Visit, answers: dict[str, str], subject: dict[str, str], stack: LocalStack
) -> None:
    """What was agreed has stopped, a No stays a No, and the three receipts are one chain."""
    decisions = stack.status(visit.clinic.id, subject)
    wanted = {
        address: {"yes": "withdrawn", "no": "refused"}[answer]
        for address, answer in answers.items()
    }
    assert {address: each["state"] for address, each in decisions.items()} == wanted
    assert not any(each["permitted"] for each in decisions.values())
    receipts = stack.history(visit.clinic.id, subject)
    assert [each["version"] for each in receipts] == [1, 2, 3]
    for before, after in pairwise(receipts):
        written = stack.call(visit.clinic.id, f"receipts/{before['id']}")
        assert written == rfc8785.dumps(before)
        assert after["previous"] == hashlib.sha256(written).hexdigest()
    assert (receipts[-1]["channel"], receipts[-1]["source"]) == ("qr", "desk")
