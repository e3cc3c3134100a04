"""One tablet for many patients: nobody sees another's data, and nobody runs out of time."""

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, expect

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.links import short_code
from chalicelib.domain.rate_limits import CONTACT
from infra.build.tools import chromium
from tests.browser.conftest import ARGUMENTS, Handing, note_effort
from tests.browser.phone import Phone
from tests.browser.visit import (
    IDS,
    Effort,
    Visit,
    a_clinic,
    a_patient,
    document,
    every_other,
    follow_letters,
)
from tests.browser.words import texts_of_others, translated
from tests.cast import RIGA
from tests.codes import code_in
from tests.conftest import LocalStack
from tests.package.test_messages import arrived

pytestmark = pytest.mark.browser

TABLET = {"viewport": {"width": 810, "height": 1080}}
WAIT, COUNTDOWN, RECEIPT = 60_000, 30_000, 30_000
"""Milliseconds: until the page warns, until the warning ends, until the receipt is cleared."""

_WARNING = "[role=alertdialog]"
_TYPED = """() => [...document.querySelectorAll("input:not([type=hidden])")]
  .filter(each => /radio|checkbox/.test(each.type) ? each.checked : each.value)
  .map(each => each.name + "=" + each.value)"""


def begin(tablet: Phone, clinic: Clinic, lang: str, door: str = "?") -> Visit:
    """Step up to the tablet, which shows the start screen, and choose a language.

    Then, but for withdrawing, choose the page with all questions.
    """
    visit = step_up(tablet, clinic, lang, door)
    if door == "?":
        tablet.page.locator('a[href*="view=all"]').click()
        expect(tablet.page.locator(".yn")).to_have_count(len(clinic.questions))
        visit.effort.taps += 1
    return visit


def step_up(tablet: Phone, clinic: Clinic, lang: str, door: str = "?") -> Visit:
    """Choose a language on the start screen."""
    expect(tablet.page.locator(".way")).to_have_count(len(clinic.languages))
    tablet.page.locator(f'.way a[href*="/kiosk{door}lang={lang}"]').click()
    tablet.page.wait_for_selector(f"html[lang={lang}] form")
    tablet.lang = lang
    return Visit(tablet, clinic, a_patient(clinic, lang), Effort(taps=1))


def fill(visit: Visit) -> dict[str, str]:
    """Answer everything and write contact and name; give the subject as the clinic knows it."""
    visit.answer(every_other(visit.clinic))
    visit.write([visit.contact, "name"])
    if visit.clinic.age_minimum:
        visit.tick("adult")
    return visit.subject


def press(visit: Visit, message: str) -> None:
    """Press the button with these words."""
    visit.phone.page.get_by_role(
        "button", name=translated(visit.phone.lang, message), exact=True
    ).click()
    visit.effort.taps += 1


def save(visit: Visit) -> str:
    """Send the answers; give the receipt's number."""
    press(visit, "Save my answers")
    expect(visit.phone.page.locator(".ref")).to_be_visible()
    return visit.phone.page.locator("span.mono").first.inner_text()


def leave(tablet: Phone) -> None:
    """Press "Next person"."""
    tablet.page.locator("main a.button").last.click()
    expect(tablet.page.locator(".way").first).to_be_visible()


def stand_still(tablet: Phone) -> None:
    """Stop the page's clock: it moves only as far as the test moves it."""
    tablet.page.clock.pause_at(tablet.page.evaluate("Date.now()") / 1000 + 5)


def nothing_of(tablet: Phone, visit: Visit, number: str = "") -> None:
    """Assert that neither page nor address says anything of a patient."""
    page, patient = tablet.page.content(), visit.patient
    for secret in filter(
        None, (patient.email, patient.email.lower(), patient.phone_typed, patient.name, number)
    ):
        assert secret not in page
        assert secret not in tablet.page.url
    assert tablet.page.locator(".ref").count() == 0
    assert tablet.page.evaluate(_TYPED) == []


@pytest.fixture(scope="module")
def remembering(chrome: Browser) -> Iterator[Browser]:
    """Give a Chromium that keeps whole pages for Back and Forward (bfcache), as patients' do."""
    browser = chrome.browser_type.launch(
        executable_path=chromium(),
        args=ARGUMENTS,
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield browser
    browser.close()


@pytest.mark.parametrize("clinic_id", IDS)
def test_two_patients_one_after_the_other(
    clinic_id: str, phone: Handing, local_stack: LocalStack
) -> None:
    """The second finds a fresh start screen; each takes their own receipt along, by its code."""
    clinic = a_clinic(clinic_id)
    tablet = phone(clinic.default_language, **TABLET)
    tablet.open(f"/{clinic_id}/kiosk?src=tablet-2")
    address = tablet.page.url
    tablet.check(f"{clinic_id}-kiosk-1-start")
    first = begin(tablet, clinic, clinic.default_language)
    others = texts_of_others(document(clinic_id), tablet.lang)
    tablet.check(f"{clinic_id}-kiosk-2-questions", others)
    press(first, "Save my answers")
    expect(tablet.page.locator("#errors")).to_be_focused()
    subject = fill(first)
    number = save(first)
    tablet.check(f"{clinic_id}-kiosk-3-done", others)
    assert tablet.page.url == address
    followed = receipt_behind_the_code(tablet)
    assert followed.endswith(f"/{clinic_id}/receipts/{number}?lang={tablet.lang}")
    own = phone(clinic.default_language)
    own.open(followed)
    assert number in own.text()
    (receipt,) = local_stack.history(clinic_id, subject)
    assert (receipt["id"], receipt["channel"], receipt["source"]) == (number, "kiosk", "tablet-2")

    leave(tablet)
    nothing_of(tablet, first, number)
    assert (
        tablet.page.evaluate("history.length") == 2
    )  # about:blank, from which the tablet came, and the kiosk
    second = begin(tablet, clinic, clinic.languages[-1])
    nothing_of(tablet, first, number)
    subject = fill(second)
    assert save(second) != number
    assert len(local_stack.history(clinic_id, subject)) == 1


def test_back_forward_and_reload_show_nothing_of_anybody(
    remembering: Browser, local_stack: LocalStack
) -> None:
    """Back shows nothing of the first patient, whose page was half filled, in error, or done."""
    clinic = a_clinic(RIGA)
    for stage in ("filled", "faults", "done", "left"):
        tablet = Phone(remembering, local_stack.base_url, "lv", **TABLET)
        tablet.open(
            f"/{RIGA}?lang=en"
        )  # what the tablet showed before somebody opened the kiosk on it
        tablet.open(f"/{RIGA}/kiosk")
        kiosk = tablet.page.url
        visit, number = begin(tablet, clinic, "lv"), ""
        fill(visit)
        if stage == "faults":
            visit.phone.page.locator("#email").fill("nobody@")
            press(visit, "Save my answers")
            expect(tablet.page.locator("#errors")).to_be_visible()
        if stage in {"done", "left"}:
            number = save(visit)
        if stage == "left":
            leave(tablet)
        for go in (tablet.page.go_back, tablet.page.go_forward, tablet.page.reload):
            go()
            nothing_of(tablet, visit, number)
        tablet.page.goto("about:blank")
        tablet.page.go_back()
        assert tablet.page.url == kiosk
        expect(tablet.page.locator(".way").first).to_be_visible()
        nothing_of(tablet, visit, number)
        assert tablet.complaints == []
        tablet.close()


def test_an_idle_page_warns_waits_as_often_as_asked_and_clears_itself(
    phone: Handing, local_stack: LocalStack
) -> None:
    """A slow reader asks for more time often, by key and touch, and loses nothing (WCAG 2.2.1)."""
    tablet = phone("lv", **TABLET)
    tablet.page.clock.install()
    tablet.open(f"/{RIGA}/kiosk")
    visit = begin(tablet, a_clinic(RIGA), "lv")
    stand_still(tablet)
    subject = fill(visit)
    warning = tablet.page.locator(_WARNING)
    for time in range(12):
        tablet.page.clock.run_for(WAIT - 2_000)
        expect(warning).to_have_count(0)
        tablet.page.clock.run_for(4_000)
        expect(warning.locator("[data-more]")).to_be_focused()
        assert int(warning.locator("[data-left]").inner_text()) >= 20
        if not time:
            tablet.page.clock.resume()  # what examines the page waits by its clock
            tablet.check("riga-aesthetics-kiosk-4-warning")
            stand_still(tablet)
            expect(tablet.page.locator("main")).to_have_attribute("inert", "")
            tablet.page.keyboard.press("Tab")
            expect(warning.locator("[data-clear]")).to_be_focused()
            tablet.page.keyboard.press("Tab")
        match time % 3:
            case 0:
                tablet.page.keyboard.press("Enter")
            case 1:
                tablet.page.keyboard.press("Escape")
            case 2:
                warning.locator("[data-more]").tap()
        expect(warning).to_have_count(0)
        expect(tablet.page.locator("#name")).to_have_value(visit.patient.name)
    tablet.page.clock.run_for(WAIT - 2_000)
    tablet.page.keyboard.press("Shift")
    tablet.page.clock.run_for(WAIT - 2_000)
    expect(warning).to_have_count(0)
    tablet.page.clock.run_for(2_000 + COUNTDOWN - 3_000)
    expect(warning).to_be_visible()
    assert "5" in warning.locator("[role=status]").inner_text()
    tablet.page.clock.run_for(4_000)
    expect(tablet.page.locator(".way").first).to_be_visible()
    nothing_of(tablet, visit)
    assert set(local_stack.states(RIGA, subject).values()) == {"never_asked"}


def test_the_receipt_goes_by_itself_sooner_and_with_the_same_warning(phone: Handing) -> None:
    """Whoever walks off leaves nothing on the screen, though they forgot to press the button."""
    tablet = phone("lv", **TABLET)
    tablet.page.clock.install()
    tablet.open(f"/{RIGA}/kiosk")
    visit = begin(tablet, a_clinic(RIGA), "lv")
    stand_still(tablet)
    fill(visit)
    number = save(visit)
    tablet.page.clock.run_for(RECEIPT + 2_000)
    tablet.page.locator("[data-more]").tap()
    expect(tablet.page.locator(".ref")).to_be_visible()
    tablet.page.clock.run_for(RECEIPT + COUNTDOWN + 2_000)
    expect(tablet.page.locator(".way").first).to_be_visible()
    nothing_of(tablet, visit, number)


def test_a_patient_with_a_phone_alone_leaves_with_everything_in_force(
    phone: Handing, local_stack: LocalStack
) -> None:
    """The code comes to their phone and is typed on the tablet; the next person sees none of it."""
    tablet = phone("lv", **TABLET)
    tablet.open(f"/{RIGA}/kiosk")
    visit = begin(tablet, a_clinic(RIGA), "lv")
    visit.answer({"newsletter.sms": "yes"})
    visit.write(["phone"])
    if visit.clinic.age_minimum:
        visit.tick("adult")
    number = save(visit)
    subject = visit.patient.known_by("phone")
    assert local_stack.states(RIGA, subject)["newsletter.sms"] == "pending"
    tablet.check(f"{RIGA}-kiosk-code")
    arrived(local_stack, visit.patient.phone)
    secret = local_stack.in_process.clinics.key(RIGA).link_secret()
    code = short_code(secret, number, Contact(ContactKind.PHONE, visit.patient.phone))
    visit.fill("code", "123")
    press(visit, "Confirm")
    expect(tablet.page.locator("#errors")).to_be_focused()
    visit.fill("code", code)
    press(visit, "Confirm")
    expect(tablet.page.locator(".good-box")).to_be_visible()
    expect(tablet.page.locator(".wait-box")).to_have_count(0)
    tablet.check(f"{RIGA}-kiosk-confirmed")
    assert local_stack.states(RIGA, subject)["newsletter.sms"] == "granted"
    leave(tablet)
    nothing_of(tablet, visit, number)


def test_a_tablet_that_slept_wakes_up_with_the_start_screen(phone: Handing) -> None:
    """No timer runs while the screen is dark: what counts is how long ago somebody was there."""
    tablet = phone("lv", **TABLET)
    tablet.page.clock.install()
    tablet.open(f"/{RIGA}/kiosk")
    visit = begin(tablet, a_clinic(RIGA), "lv")
    fill(visit)
    tablet.page.clock.fast_forward(30 * WAIT)
    expect(tablet.page.locator(".way").first).to_be_visible()
    nothing_of(tablet, visit)


def test_reading_the_notice_or_looking_at_withdrawal_loses_no_answer(phone: Handing) -> None:
    """The way back leads to the questions as they were left; starting over empties them."""
    tablet = phone("lv", **TABLET)
    tablet.open(f"/{RIGA}/kiosk")
    visit = begin(tablet, a_clinic(RIGA), "lv")
    fill(visit)
    for aside in ("/kiosk/notices/1.0", "/kiosk/withdraw"):
        tablet.page.locator(f'a[href*="{aside}"]').first.click()
        expect(tablet.page.locator(".yn")).to_have_count(0)
        tablet.check(f"riga-aesthetics-kiosk-5-{aside.split('/')[2]}")
        if "/notices/" in aside:
            expect(tablet.page.locator("summary h2").first).to_have_css("margin-top", "0px")
        tablet.page.get_by_role(
            "link", name=translated("lv", "Back to the questions"), exact=True
        ).click()
        assert visit.chosen() == every_other(visit.clinic)
        expect(tablet.page.locator("#name")).to_have_value(visit.patient.name)
    tablet.page.locator("header a.over").click()
    begin(tablet, visit.clinic, "lv")
    nothing_of(tablet, visit)


@pytest.mark.parametrize("clinic_id", IDS)
def test_a_yes_is_taken_back_at_the_tablet(
    clinic_id: str, phone: Handing, local_stack: LocalStack, request: pytest.FixtureRequest
) -> None:
    """From the start screen: one field and one button, compared with the least Yes there."""
    clinic = a_clinic(clinic_id)
    tablet = phone(clinic.default_language, **TABLET)
    tablet.open(f"/{clinic_id}/kiosk")
    visit = begin(tablet, clinic, tablet.lang)
    agreed = next(
        address for address, question in clinic.questions.items() if "contact" in question.needs
    )
    visit.answer({agreed: "yes"})
    visit.write([visit.contact, *({"name"} & visit.required_fields())])
    if clinic.age_minimum:
        visit.tick("adult")
    number = save(visit)
    leave(tablet)
    follow_letters(Visit(phone(tablet.lang), clinic, visit.patient), local_stack, number)
    assert local_stack.states(clinic_id, visit.subject)[agreed] == "granted"
    back = begin(tablet, clinic, tablet.lang, "/withdraw?")
    back.patient = visit.patient
    back.write([back.contact])
    press(back, "Stop everything")
    expect(tablet.page.locator(".ref")).to_be_visible()
    assert local_stack.states(clinic_id, visit.subject)[agreed] == "withdrawn"
    note_effort(request, f"{clinic_id} kiosk", visit.effort, back.effort)
    leave(tablet)
    nothing_of(tablet, visit)


def test_enter_on_a_ticked_purpose_stops_that_and_no_more(
    phone: Handing, local_stack: LocalStack
) -> None:
    """The script sends what the browser would send: the pressed button and no other."""
    tablet = phone("en", **TABLET)
    tablet.open(f"/{RIGA}/kiosk")
    visit = begin(tablet, a_clinic(RIGA), "en")
    visit.answer({"newsletter.email": "yes", "testimonials.text": "yes"})
    visit.write(["email"])
    save(visit)
    leave(tablet)
    begin(tablet, visit.clinic, "en", "/withdraw?")
    tablet.page.locator('[name=purpose][value="newsletter.email"]').check()
    tablet.page.locator("#email").fill(visit.patient.email)
    tablet.page.keyboard.press("Enter")
    expect(tablet.page.locator(".ref")).to_be_visible()
    states = local_stack.states(RIGA, visit.patient.known_by("email"))
    assert (states["newsletter.email"], states["testimonials.text"]) == ("withdrawn", "pending")


def test_a_lost_connection_keeps_what_was_written_and_sends_it_once(
    phone: Handing, local_stack: LocalStack
) -> None:
    """A patient is told, tries again, and has one receipt.

    And even without a connection the page clears itself.
    """
    tablet = phone("lv", **TABLET)
    tablet.open(f"/{RIGA}/kiosk")
    visit = begin(tablet, a_clinic(RIGA), "lv")
    subject = fill(visit)
    tablet.context.set_offline(offline=True)
    press(visit, "Save my answers")
    expect(tablet.page.locator("[data-trouble]")).to_be_focused()
    assert visit.chosen() == every_other(visit.clinic)
    tablet.context.set_offline(offline=False)
    number = save(visit)
    assert [receipt["id"] for receipt in local_stack.history(RIGA, subject)] == [number]
    tablet.context.set_offline(offline=True)
    leave(tablet)
    nothing_of(tablet, visit, number)
    lost = [each for each in tablet.complaints if "ERR_INTERNET_DISCONNECTED" in each]
    assert lost
    tablet.complaints[:] = [each for each in tablet.complaints if each not in lost]


def test_what_cannot_be_taken_is_told_in_its_own_words_and_keeps_what_was_written(
    phone: Handing,
) -> None:
    """Too many tries or a missing page is no lost connection: the patient reads what to do."""
    tablet = phone("en", **TABLET)
    tablet.open(f"/{RIGA}/kiosk")
    visit = begin(tablet, a_clinic(RIGA), "en")
    fill(visit)
    form = tablet.page.locator("main form")
    own = form.get_attribute("action") or ""
    form.evaluate("(form, action) => form.setAttribute('action', action)", f"../nowhere/kiosk{own}")
    press(visit, "Save my answers")
    expect(tablet.page.locator("[data-trouble]")).to_be_focused()
    expect(tablet.page.locator("[data-trouble]")).to_contain_text("Page not found")
    assert visit.chosen() == every_other(visit.clinic)
    form.evaluate("(form, action) => form.setAttribute('action', action)", own)
    state = tablet.page.locator("[name=state]").first
    place, mine = f"{tablet.base_url}/{RIGA}/kiosk?lang=en", state.input_value()
    typed = {"decision.testimonials.text": "no", visit.contact: visit.patient.email}
    for _ in range(CONTACT.burst):
        fresh = re.search(r'name="state" value="([^"]+)"', tablet.context.request.get(place).text())
        assert fresh
        assert tablet.context.request.post(place, form={**typed, "state": fresh[1]}).ok
    assert state.input_value() == mine
    press(visit, "Save my answers")
    expect(tablet.page.locator("#errors")).to_contain_text("Too many tries. Please wait 1 minute")
    assert visit.chosen() == every_other(visit.clinic)
    expect(tablet.page.locator("#name")).to_have_value(visit.patient.name)


def test_the_kiosk_works_without_javascript(remembering: Browser, local_stack: LocalStack) -> None:
    """Plain pages do the same.

    Back after "Next person" shows no receipt, nor does sending the form again.
    """
    tablet = Phone(remembering, local_stack.base_url, "lv", java_script_enabled=False, **TABLET)
    tablet.open(f"/{RIGA}/kiosk?src=tablet-2")
    visit = begin(tablet, a_clinic(RIGA), "lv")
    press(visit, "Save my answers")
    expect(tablet.page.locator("#errors")).to_be_visible()
    subject = fill(visit)
    number = save(visit)
    assert number not in tablet.page.url
    assert local_stack.history(RIGA, subject)[0]["id"] == number
    leave(tablet)
    assert urlsplit(tablet.page.url).query == "src=tablet-2"
    refused = 0
    for _ in range(4):
        with tablet.page.expect_event("framenavigated"):
            try:
                tablet.page.go_back()
            except Error:  # the answers to the two forms: Chromium shows neither again
                refused += 1
        tablet.page.wait_for_load_state()
        content = tablet.page.content()
        for secret in (number, visit.patient.email, visit.patient.name):
            assert secret not in content
    assert refused == 2
    tablet.close()


def receipt_behind_the_code(tablet: Phone) -> str:
    """Read the code on the screen with a real decoder."""
    return code_in(tablet.page.locator(".take svg").screenshot())
