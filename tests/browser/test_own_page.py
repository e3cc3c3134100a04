"""The patient's own page on a phone: seen in every language, changed, stopped.

And what each path costs in taps.
"""

from datetime import UTC, datetime

import pytest

from chalicelib.domain.clinic import Clinic
from chalicelib.receipts.formats.registry import FORMATS
from tests.browser.conftest import Handing, note_effort
from tests.browser.phone import Phone
from tests.browser.visit import (
    WALKS,
    Effort,
    Patient,
    Visit,
    a_clinic,
    a_patient,
    document,
    mail_links,
)
from tests.browser.words import texts_of_others
from tests.cast import RIGA, TBILISI
from tests.conftest import LocalStack

pytestmark = pytest.mark.browser

MOST_SCREENS = 3
"""How many screens of 360 × 740 the own page may take at the clinic that asks most."""


def _known(stack: LocalStack, clinic: Clinic, lang: str) -> tuple[Patient, dict[str, str]]:
    """Let staff record a Yes to everything, and give the links of the clinic's mails."""
    patient = a_patient(clinic, lang)
    subject = {**patient.known_by("email"), **patient.known_by("phone")}
    decisions = dict.fromkeys(clinic.open_at("2026-11-22T00:00:00.000Z").questions, "yes")
    body = {
        "subject": subject,
        "name": patient.name,
        "decisions": decisions,
        "channel": "in-person",
    }
    grown = {"declared_adult": True} if clinic.age_minimum else {}
    stack.call(
        clinic.id, "receipts", {**body, **grown, "effective_at": datetime.now(UTC).isoformat()}
    )
    return patient, mail_links(stack.managing(clinic.id), clinic, patient.known_by("email"), lang)


def _check(phone: Phone, clinic: Clinic, name: str) -> None:
    phone.check(
        f"{clinic.id}-{phone.lang}-{name}", texts_of_others(document(clinic.id), phone.lang)
    )


def _tick(visit: Visit, name: str, value: str) -> None:
    visit.phone.page.locator(f'.tick:has(input[name="{name}"][value="{value}"])').click()
    visit.effort.taps += 1


def _change(visit: Visit, question: str) -> None:
    purpose = question.partition(".")[0]
    with visit.phone.page.expect_navigation():
        visit.phone.page.locator(f'a[href*="change={purpose}"]').click()
    visit.effort.taps += 1


def _screens(phone: Phone) -> float:
    """Tell how many screens of a small phone the page takes."""
    was = phone.page.viewport_size
    phone.page.set_viewport_size({"width": 360, "height": 740})
    height: int = phone.page.evaluate("document.documentElement.scrollHeight")
    assert was
    phone.page.set_viewport_size(was)
    return height / 740


@pytest.mark.parametrize(("clinic_id", "lang"), WALKS, ids=["-".join(walk) for walk in WALKS])
def test_a_patient_changes_and_stops_on_their_own_page(
    clinic_id: str,
    lang: str,
    phone: Handing,
    local_stack: LocalStack,
    request: pytest.FixtureRequest,
) -> None:
    """One thing or everything stops on the page itself: never with more than saying Yes there."""
    clinic = a_clinic(clinic_id)
    patient, links = _known(local_stack, clinic, lang)
    visit, subject = Visit(phone(lang), clinic, patient), patient.known_by("email")
    first = next(iter(local_stack.states(clinic_id, subject)))

    visit.phone.open(links["manage_url"])
    assert visit.chosen() == {}
    assert visit.phone.page.locator("input[type=checkbox]:checked").count() == 0
    assert patient.email.lower() not in visit.phone.text().lower()
    _check(visit.phone, clinic, "20-own")
    assert _screens(visit.phone) <= MOST_SCREENS
    visit.phone.send("Stop what I ticked")
    _check(visit.phone, clinic, "21-own-errors")
    assert local_stack.states(clinic_id, subject)[first] == "granted"

    visit.phone.open(links["manage_url"])
    _change(visit, first)
    _check(visit.phone, clinic, "22-own-change")
    visit.answer({first: "no"})
    visit.send("Save my answers")
    assert local_stack.states(clinic_id, subject)[first] == "withdrawn"
    stopping_one, visit.effort = visit.effort, Effort()
    _change(visit, first)
    visit.answer({first: "yes"})
    if clinic.age_minimum:
        visit.tick("adult")
    visit.send("Save my answers")
    assert local_stack.states(clinic_id, subject)[first] == "granted"
    giving, visit.effort = visit.effort, Effort()
    _check(visit.phone, clinic, "22-own-changed")
    _tick(visit, "all", "yes")
    visit.send("Stop what I ticked")
    assert "granted" not in local_stack.states(clinic_id, subject).values()
    _check(visit.phone, clinic, "23-own-stopped")
    with visit.phone.page.expect_navigation():
        visit.phone.page.locator('a[href*="looked=1"]').click()
    _check(visit.phone, clinic, "23-own-looked")
    note_effort(request, f"{clinic_id} {lang} own page: one", giving, stopping_one)
    note_effort(request, f"{clinic_id} {lang} own page: all", giving, visit.effort)


@pytest.mark.parametrize(("clinic_id", "lang"), WALKS, ids=["-".join(walk) for walk in WALKS])
def test_a_patient_unsubscribes_with_a_tick_and_a_button(
    clinic_id: str,
    lang: str,
    phone: Handing,
    local_stack: LocalStack,
    request: pytest.FixtureRequest,
) -> None:
    """Against a Yes on the consent page by the very same mail: an answer and a button."""
    clinic = a_clinic(clinic_id)
    visit = Visit(phone(lang), clinic, a_patient(clinic, lang))
    links = mail_links(local_stack, clinic, visit.patient.known_by("email"), lang)
    address = next(
        each for each, question in clinic.questions.items() if question.needs == {"email"}
    )
    visit.phone.open(links["url"])
    giving = visit.give(address)
    assert local_stack.states(clinic_id, visit.patient.known_by("email"))[address] == "granted"
    visit.phone.open(links["unsubscribe_url"])
    _check(visit.phone, clinic, "24-unsubscribe")
    visit.effort = Effort()
    _tick(visit, "purpose", address)
    visit.send("Stop what I ticked")
    _check(visit.phone, clinic, "25-unsubscribed")
    assert local_stack.states(clinic_id, visit.patient.known_by("email"))[address] == "withdrawn"
    note_effort(request, f"{clinic_id} {lang} mail: unsubscribe", giving, visit.effort)
    assert visit.effort.whole <= giving.whole


@pytest.mark.parametrize(("clinic_id", "lang"), WALKS, ids=["-".join(walk) for walk in WALKS])
def test_a_patient_asks_for_their_link(clinic_id: str, lang: str, phone: Handing) -> None:
    """Who lost the link asks for one on any page: one field, one button, one answer for all."""
    clinic = a_clinic(clinic_id)
    visit = Visit(phone(lang), clinic, a_patient(clinic, lang))
    visit.phone.open(f"/{clinic_id}/link?lang={lang}")
    _check(visit.phone, clinic, "26-link")
    visit.phone.send("Send me my link")
    _check(visit.phone, clinic, "27-link-errors")
    visit.write([visit.contact])
    visit.send("Send me my link")
    _check(visit.phone, clinic, "28-link-sent")
    assert (visit.effort.taps, visit.effort.fields) == (1, 1)


@pytest.mark.parametrize("clinic_id", [RIGA, TBILISI])
def test_the_page_works_without_javascript_and_gives_every_file(
    clinic_id: str, phone: Handing, local_stack: LocalStack
) -> None:
    """What a patient presses to download is really there."""
    clinic = a_clinic(clinic_id)
    _, links = _known(local_stack, clinic, clinic.default_language)
    visitor = phone(clinic.default_language, java_script_enabled=False)
    visitor.open(links["manage_url"])
    files = visitor.page.locator(".files a, a.button[href*='/export/']").all()
    addresses = [str(each.get_attribute("href")) for each in files]
    assert len(addresses) == len(FORMATS) + 2
    host = local_stack.base_url.rpartition("/api")[0]
    for address in addresses:
        answer = visitor.context.request.get(f"{host}{address}")
        assert answer.status in {200, 409}, address
