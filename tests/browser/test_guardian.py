"""A parent in the waiting room decides for a child, on a small phone."""

import pytest

from tests.browser.conftest import Handing, note_effort
from tests.browser.visit import Effort, Visit, a_clinic, a_patient, follow_letters
from tests.conftest import LocalStack

pytestmark = pytest.mark.browser

SMALL = {"width": 360, "height": 740}


def test_a_parent_decides_for_a_child_mends_a_slip_and_takes_it_back(
    phone: Handing, local_stack: LocalStack, request: pytest.FixtureRequest
) -> None:
    """The fields come when they are needed, one slip is mended in place, and the receipt says who
    decided.

    Taking it back needs the parent's contact alone; what the slip cost does not count for giving.
    """
    clinic = a_clinic("valmiera-hearing")
    parent = Visit(phone("en", viewport=SMALL), clinic, a_patient(clinic, "en"))
    page = parent.phone.page
    parent.phone.open(f"/{clinic.id}?lang=en")
    address = next(
        address
        for address, question in clinic.questions.items()
        if question.needs == {"name", "contact"}
    )
    parent.walk_topics({address: "yes"})
    assert page.locator("#name").is_visible()
    parent.send("I decide for a child")
    assert not page.locator('input[type="radio"][name="relation"]:checked').count(), (
        "nothing is chosen beforehand"
    )
    parent.phone.check("guardian-1-child")
    parent.tick("relation")
    parent.fill("child_name", "Elza Ozola")
    for part, typed in (("", "31"), ("_month", "2"), ("_year", "2019")):
        parent.fill(f"child_born{part}", typed)
    parent.phone.send("Continue")
    assert page.locator("#errors a").get_attribute("href") == "#child_born"
    page.locator("#errors a").click()
    assert page.locator("#child_born").evaluate("each => each === document.activeElement")
    assert page.locator("#child_name").input_value() == "Elza Ozola"
    parent.phone.check("guardian-2-error")
    page.locator("#child_born").fill("28")
    parent.send("Continue")
    assert not page.locator("#name").count(), "the child's name is the name"
    assert "Elza Ozola" in parent.phone.text()
    parent.phone.check("guardian-3-contact")
    parent.say_who()
    parent.send("Save my answers")
    assert "Decided for a child by" in parent.phone.text()
    parent.phone.check("guardian-4-receipt")
    [receipt] = local_stack.history(clinic.id, parent.patient.known_by("email"))
    assert (receipt["actor"], receipt["evidence"]) == ("guardian", {"guardian": "parent"})
    assert receipt["expires_at"] == "2037-02-27T22:00:00.000Z"
    giving, parent.effort = parent.effort, Effort()
    follow_letters(parent, local_stack)
    assert local_stack.states(clinic.id, parent.patient.known_by("email"))[address] == "granted"
    parent.effort = Effort()
    parent.phone.open(f"/{clinic.id}/withdraw?lang=en")
    withdrawing = parent.stop_everything("email")
    assert local_stack.states(clinic.id, parent.patient.known_by("email"))[address] == "withdrawn"
    note_effort(request, f"{clinic.id} for a child", giving, withdrawing)
