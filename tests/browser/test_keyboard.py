"""Everything works by keyboard: Tab, Space, arrows and Enter, with the focus always visible."""

from typing import Any

import pytest

from tests.browser.conftest import Handing
from tests.browser.focus import BEHIND, contrast, tab
from tests.browser.phone import SCREENSHOTS, Phone
from tests.browser.visit import (
    Visit,
    a_clinic,
    a_patient,
    every_other,
    follow_letters,
    receipt_shown,
)
from tests.cast import RIGA
from tests.conftest import LocalStack
from tests.web.letterbox import letters

pytestmark = pytest.mark.browser

_EDGES = (
    "() => {"
    + BEHIND
    + """
  return [...document.querySelectorAll(".field input, .yn label, button.second")].map(each =>
    [each.outerHTML.slice(0, 60), getComputedStyle(each).borderTopColor, behind(each.parentElement)]);
}"""
)


def _tab_to(phone: Phone, name: str) -> dict[str, Any]:
    for _ in range(60):
        if name in (focused := tab(phone.page))["name"] or name == focused["id"]:
            return focused
    raise AssertionError(f"Tab never came to {name}")


def _press(phone: Phone, value: str) -> None:
    """Tab to the button that says so, or to the one that saves, and press it."""
    for _ in range(60):
        focused = tab(phone.page)
        if focused["tag"] == "BUTTON" and (focused["name"], focused["value"]) == (
            "go" if value else "",
            value,
        ):
            with phone.page.expect_navigation():
                phone.page.keyboard.press("Enter")
            return
    raise AssertionError(f"Tab never came to the button {value}")


def test_keys_are_enough_for_the_whole_day(phone: Handing, local_stack: LocalStack) -> None:
    """A patient who cannot use a finger decides, confirms and withdraws on their own."""
    clinic = a_clinic(RIGA)
    visit = Visit(phone("en", is_mobile=False, has_touch=False), clinic, a_patient(clinic, "en"))
    keys = visit.phone.page.keyboard
    visit.phone.open(f"/{clinic.id}?lang=en")
    assert tab(visit.phone.page)["text"] == "Skip to the content"
    visit.phone.page.screenshot(path=SCREENSHOTS / "focus-skip.png")
    keys.press("Enter")
    answers = every_other(clinic)
    _press(visit.phone, f"topic.{clinic.purposes[0].id}")
    for purpose in clinic.purposes:
        for address in [each for each in answers if each.startswith(f"{purpose.id}.")]:
            assert _tab_to(visit.phone, f"decision.{address}")["value"] == "yes"
            keys.press("Space" if answers[address] == "yes" else "ArrowRight")
        visit.phone.page.screenshot(path=SCREENSHOTS / "focus-answer.png")
        with visit.phone.page.expect_navigation():
            keys.press("Enter")
    for name in ("name", "email"):
        _tab_to(visit.phone, name)
        keys.type(visit.patient.typed(name))
    with visit.phone.page.expect_navigation():
        keys.press("Enter")
    assert "Check your answers" in visit.phone.text()
    _press(visit.phone, "")
    subject = visit.patient.known_by("email")
    assert sorted(set(local_stack.states(RIGA, subject).values())) == ["pending", "refused"]

    [(token, _)] = letters(local_stack, RIGA, receipt_shown(visit.phone))
    visit.phone.open(f"/confirm/{token}")
    assert _tab_to(visit.phone, "sure")["value"] == "all"
    keys.press("Space")
    visit.phone.page.screenshot(path=SCREENSHOTS / "focus-confirm.png")
    with visit.phone.page.expect_navigation():
        keys.press("Enter")
    assert sorted(set(local_stack.states(RIGA, subject).values())) == ["granted", "refused"]

    visit.phone.open(f"/{clinic.id}/withdraw?lang=en")
    _tab_to(visit.phone, "email")
    keys.type(visit.patient.email)
    _tab_to(visit.phone, "all")
    visit.phone.page.screenshot(path=SCREENSHOTS / "focus-stop.png")
    with visit.phone.page.expect_navigation():
        keys.press("Space")
    assert "granted" not in local_stack.states(RIGA, subject).values()


def test_enter_among_the_ticked_stops_only_those(phone: Handing, local_stack: LocalStack) -> None:
    """Enter on a ticked purpose must not stop what the patient did not name."""
    clinic = a_clinic(RIGA)
    visit = Visit(phone("en", is_mobile=False, has_touch=False), clinic, a_patient(clinic, "en"))
    visit.phone.open(f"/{clinic.id}?view=all&lang=en")
    visit.answer({"newsletter.email": "yes", "newsletter.sms": "yes"})
    visit.write(["email", "phone"])
    visit.phone.send("Save my answers")
    assert follow_letters(visit, local_stack) == 2
    visit.phone.open(f"/{clinic.id}/withdraw?lang=en")
    visit.write(["email"])
    box = visit.phone.page.locator('input[value="newsletter.sms"]')
    box.check()
    with visit.phone.page.expect_navigation():
        box.press("Enter")
    states = local_stack.states(RIGA, visit.patient.known_by("email"))
    assert states["newsletter.sms"] == "withdrawn"
    assert states["newsletter.email"] == "granted"


@pytest.mark.parametrize("address", [f"/{RIGA}?view=all", f"/{RIGA}/withdraw"])
def test_one_sees_where_to_tap_and_write(address: str, phone: Handing) -> None:
    """Edges of answers and fields have a contrast of 3 : 1 (WCAG 2.2, 1.4.11), unseen by axe."""
    visitor = phone("lv")
    visitor.open(address)
    for what, edge, behind in visitor.page.evaluate(_EDGES):
        assert contrast(edge, behind) >= 3, what


def test_go_after_the_contact_stops_everything(phone: Handing, local_stack: LocalStack) -> None:
    """On a phone one types and presses Go: that is as good as the button below."""
    clinic = a_clinic(RIGA)
    visit = Visit(phone("lv"), clinic, a_patient(clinic, "lv"))
    visit.phone.open(f"/{clinic.id}/withdraw?lang=lv")
    visit.write(["email"])
    with visit.phone.page.expect_navigation():
        visit.phone.page.locator("#email").press("Enter")
    assert set(local_stack.states(RIGA, visit.subject).values()) == {"withdrawn"}


def test_the_error_summary_leads_to_the_field(phone: Handing) -> None:
    """From each fault in the summary, Enter leads to the field that needs mending."""
    clinic = a_clinic(RIGA)
    visit = Visit(phone("en", is_mobile=False, has_touch=False), clinic, a_patient(clinic, "en"))
    visit.phone.open(f"/{clinic.id}?view=all&lang=en")
    visit.answer({"newsletter.email": "yes", "newsletter.sms": "yes"})
    visit.phone.send("Save my answers")
    for link in visit.phone.page.locator("#errors a").all():
        link.press("Enter")
        wanted = str(link.get_attribute("href"))[1:]
        assert visit.phone.page.evaluate("document.activeElement.id") == wanted
