"""A page a topic on a patient's own phone: how much it costs, and that nothing is lost on the way."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Handing
from tests.browser.phone import Phone
from tests.browser.test_kiosk import TABLET, leave, nothing_of, press, step_up
from tests.browser.visit import IDS, WALKS, Effort, Visit, a_clinic, a_patient, receipt_shown
from tests.browser.words import translated
from tests.cast import RIGA
from tests.conftest import LocalStack

pytestmark = pytest.mark.browser

SMALL = {"width": 360, "height": 740}
_PLACES = """() => [...document.querySelectorAll("form.step > button")]
    .map(each => each.getBoundingClientRect().bottom)"""


@pytest.mark.parametrize(("clinic_id", "lang"), WALKS, ids=["-".join(walk) for walk in WALKS])
def test_no_to_everything_is_on_the_first_screen_and_takes_two_acts(
    clinic_id: str, lang: str, phone: Handing, local_stack: LocalStack
) -> None:
    """The smallest phone shows the way to the questions and the No without scrolling."""
    visit = Visit(
        phone(lang, viewport=SMALL), a_clinic(clinic_id), a_patient(a_clinic(clinic_id), lang)
    )
    visit.phone.open(f"/{clinic_id}?lang={lang}")
    lowest = max(visit.phone.page.evaluate(_PLACES))
    screens = -(-lowest // SMALL["height"])
    visit.send("No to everything")
    visit.send("Save my answers")
    number = receipt_shown(visit.phone)
    print(
        f"{clinic_id} {lang}: {screens:.0f} screen to the first question's button and No "
        f"({lowest:.0f} of {SMALL['height']} px), {visit.effort.whole} acts to say No to everything"
    )
    assert screens <= 1
    assert visit.effort == Effort(taps=2)
    assert f'"id":"{number}"' in local_stack.call(clinic_id, f"receipts/{number}").decode()


@pytest.mark.parametrize("clinic_id", IDS)
def test_the_browsers_back_shows_every_page_again_with_its_answers(
    clinic_id: str, phone: Handing
) -> None:
    """Without asking to send a form again: Chromium would answer with a page of its own."""
    clinic = a_clinic(clinic_id)
    visit = Visit(
        phone(clinic.default_language), clinic, a_patient(clinic, clinic.default_language)
    )
    page, asked = visit.phone.page, list(clinic.questions)
    visit.phone.open(f"/{clinic_id}?lang={visit.phone.lang}")
    visit.walk_topics(dict.fromkeys(asked, "yes"))
    visit.phone.context.set_offline(offline=True)  # so nothing can be sent again
    heading = page.locator("h1").inner_text()
    for purpose in reversed(clinic.purposes):
        page.go_back()
        expect(page.locator("h1")).to_contain_text(purpose.title[visit.phone.lang])
        here = [each for each in asked if clinic.questions[each].purpose == purpose]
        assert visit.chosen() == dict.fromkeys(here, "yes")
    for _ in clinic.purposes:
        page.go_forward()
    assert page.locator("h1").inner_text() == heading


def test_an_answer_changed_after_going_back_is_the_one_that_is_saved(
    phone: Handing, local_stack: LocalStack
) -> None:
    """What is said last counts, and what was said on the other pages stays."""
    clinic = a_clinic(RIGA)
    visit = Visit(phone("lv"), clinic, a_patient(clinic, "lv"))
    visit.phone.open(f"/{RIGA}?lang=lv")
    visit.walk_topics({"newsletter.email": "yes", "testimonials.text": "no"})
    for _ in clinic.purposes:
        visit.phone.page.go_back()
    visit.answer({"newsletter.email": "no", "newsletter.sms": "yes"})
    visit.walk_topics({"testimonials.text": "no"})
    visit.fill("phone", visit.patient.phone_typed)
    visit.go_on()
    visit.send("Save my answers")
    states = local_stack.states(RIGA, visit.patient.known_by("phone"))
    told = [states[each] for each in ("newsletter.email", "newsletter.sms", "testimonials.text")]
    assert told == ["refused", "pending", "refused"]


def test_another_language_in_the_middle_keeps_every_answer(phone: Handing) -> None:
    """Who finds out at the second topic that they read Russian better loses nothing."""
    clinic = a_clinic(RIGA)
    visit = Visit(phone("lv"), clinic, a_patient(clinic, "lv"))
    visit.phone.open(f"/{RIGA}?lang=lv")
    visit.go_on()
    visit.answer({"newsletter.email": "no"})
    with visit.phone.page.expect_navigation():
        visit.phone.page.locator("footer button[lang=ru]").click()
    visit.phone.lang = "ru"
    visit.phone.check("riga-aesthetics-ru-changed-on-the-way")
    assert visit.chosen() == {"newsletter.email": "no"}


def test_of_two_contacts_one_field_is_shown(phone: Handing, local_stack: LocalStack) -> None:
    """Choosing the text message shows the phone's field instead of the e-mail's."""
    clinic = a_clinic(RIGA)
    visit = Visit(phone("en"), clinic, a_patient(clinic, "en"))
    visit.phone.open(f"/{RIGA}?lang=en")
    visit.walk_topics({"testimonials.text": "yes"})
    assert visit.required_fields() == {"email"}
    visit.tick("by-phone")
    assert visit.required_fields() == {"phone"}
    visit.phone.check("riga-aesthetics-en-one-of-two-contacts")
    visit.say_who()
    visit.send("Save my answers")
    states = local_stack.states(RIGA, visit.patient.known_by("phone"))
    assert states["testimonials.text"] == "pending"


@pytest.mark.parametrize("clinic_id", IDS)
def test_the_tablet_asks_in_the_same_steps(
    clinic_id: str, phone: Handing, local_stack: LocalStack
) -> None:
    """Page after page in place, with Back and a way out on each, and nothing left for the next."""
    clinic = a_clinic(clinic_id)
    tablet = phone(clinic.default_language, **TABLET)
    tablet.open(f"/{clinic_id}/kiosk?src=tablet-2")
    visit = step_up(tablet, clinic, clinic.default_language)
    tablet.check(f"{clinic_id}-kiosk-steps-1-start")
    first = next(each for each, asked in clinic.questions.items() if "contact" in asked.needs)
    _on(tablet, clinic.purposes[0].title[tablet.lang])
    for purpose, then in zip(clinic.purposes, [*clinic.purposes[1:], None], strict=True):
        expect(tablet.page.locator(".over")).to_be_visible()
        if visit.answer_label(first, "yes").count():
            visit.answer({first: "yes"})
            tablet.check(f"{clinic_id}-kiosk-steps-2-topic")
        assert purpose.title[tablet.lang] in tablet.page.locator("h1").inner_text()
        _on(
            tablet,
            then.title[tablet.lang]
            if then
            else translated(tablet.lang, "So that we know whose answer it is"),
        )
    visit.write(sorted(visit.required_fields()))
    if clinic.age_minimum:
        visit.tick("adult")
    tablet.check(f"{clinic_id}-kiosk-steps-3-contact")
    _on(tablet, translated(tablet.lang, "Check your answers"))
    tablet.check(f"{clinic_id}-kiosk-steps-4-check")
    press(visit, "Back")
    expect(tablet.page.locator(".yn").first).to_be_visible()
    _on(tablet, translated(tablet.lang, "Check your answers"))
    press(visit, "Save my answers")
    expect(tablet.page.locator(".ref")).to_be_visible()
    assert local_stack.states(clinic_id, visit.subject)[first] == "pending"
    leave(tablet)
    nothing_of(tablet, visit)
    assert tablet.page.evaluate("history.length") == 2


def _on(tablet: Phone, heading: str) -> None:
    """Press the first button, and wait for the page with this heading."""
    tablet.page.locator("form.step > button").first.click()
    expect(tablet.page.locator("h1")).to_contain_text(heading)
