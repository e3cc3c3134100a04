"""A reception's morning and a marketing Monday at each demo clinic, in a language of its patients.

At one clinic nobody touches a mouse: what is pressed at the others is reached there by Tab, and the
focus must be seen at every step.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from chalicelib.domain.staff import Role
from chalicelib.services import staff_members
from tests.browser.desk import Workplace, desk_served
from tests.browser.desk_day import adult
from tests.browser.focus import tab
from tests.browser.test_screens import WALKS
from tests.browser.words import translated
from tests.cast import RIGA
from tests.web.client import Client, Program
from tests.web.page_reader import decide
from tests.web.running import RunningPortal, _at_home, settled
from tests.web.staff.desk_client import sign_in
from tests.web.staff.test_find import record
from tests.web.staff.test_notices import a_document, drafted

__all__ = ["_at_home", "settled"]

pytestmark = pytest.mark.browser

ANNA = {"email": "anna.ozola@example.org", "phone": "+37126123456"}
BELLA = "bella@example.org"
NEWS = "newsletter.email"
BY_KEYS = RIGA
"""Where nobody has a mouse."""
MOST_STEPS = 150
"""After so many steps by Tab a place counts as one that is never reached."""

_WHERE = """(place) => {
  const at = document.activeElement;
  if (place === at) return "here";
  if (at.type === "radio" && place.name === at.name) return "beside";
  const behind = at.compareDocumentPosition(place) & Node.DOCUMENT_POSITION_FOLLOWING;
  return at === document.body || behind ? "Tab" : "Shift+Tab";
}"""


class Mouse:
    """Hands that press what they see."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def go(self, place: Locator) -> None:
        """Press a link or a button, and wait for the next page."""
        with self.page.expect_navigation():
            place.click()

    def pick(self, place: Locator) -> None:
        """Choose an answer, or tick a box."""
        place.click()

    def write(self, place: Locator, text: str) -> None:
        """Type into a field."""
        place.click()
        self.page.keyboard.insert_text(text)

    def open(self, place: Locator) -> None:
        """Press what opens a window, saves a file or unfolds something."""
        place.click()


class Keys(Mouse):
    """Hands that have a keyboard alone."""

    def go(self, place: Locator) -> None:
        """Reach a link or a button by Tab, and press Enter."""
        self._reach(place)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def pick(self, place: Locator) -> None:
        """Reach the question by Tab, the answer by arrows; Space takes what has the focus."""
        self._reach(place)
        if not place.is_checked():
            self.page.keyboard.press("Space")
        assert place.is_checked()

    def write(self, place: Locator, text: str) -> None:
        """Reach a field and type."""
        self._reach(place)
        self.page.keyboard.insert_text(text)

    def open(self, place: Locator) -> None:
        """Reach it by Tab, and press Enter."""
        self._reach(place)
        self.page.keyboard.press("Enter")

    def _reach(self, place: Locator) -> None:
        for _ in range(MOST_STEPS):
            where = place.evaluate(_WHERE)
            if where == "here":
                return
            tab(self.page, "ArrowDown" if where == "beside" else where)
        raise AssertionError(f"no key ever came to {place}")


@dataclass(frozen=True)
class Shift:
    """Somebody at work: their computer, their hands and their clinic."""

    work: Workplace
    url: str
    hands: Mouse
    program: Program
    lang: str

    @property
    def page(self) -> Page:
        """What is on the screen."""
        return self.work.page

    @property
    def main(self) -> Locator:
        """The page's own part."""
        return self.page.locator("main")

    def begin(self) -> None:
        """Open the desk, as a bookmark does."""
        self.page.goto(f"{self.url}/staff")
        assert self.page.locator("html").get_attribute("lang") == self.lang

    def to(self, path: str) -> None:
        """Go to a place of the desk that is in its menu."""
        self.hands.go(self.page.locator(f".places a[href$='/staff{path}']"))

    def follow(self, ending: str) -> None:
        """Follow the page's link whose address ends so."""
        self.hands.go(self.main.locator(f"a[href$='{ending}']").first)

    def press(self, button: str) -> None:
        """Press the button with this message, in the language of the page."""
        name = translated(self.lang, button)
        self.hands.go(self.main.get_by_role("button", name=name, exact=True).first)

    def pick(self, name: str, value: str) -> None:
        """Choose the answer of a question, or tick a box, by the name of its field."""
        self.hands.pick(self.main.locator(f"input[name='{name}'][value='{value}']"))

    def write(self, name: str, text: str) -> None:
        """Type into the field of this name."""
        self.hands.write(self.main.locator(f"#{name}"), text)

    def find(self, who: str) -> None:
        """Find somebody from wherever one is."""
        self.to("/find")
        self.write("who", who)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url("**/staff/people/*")
        expect(self.page.get_by_role("heading", level=1)).to_have_text("Anna Ozola")

    def sees(self, heading: str) -> None:
        """Look at the page's heading."""
        said = translated(self.lang, heading)
        expect(self.page.get_by_role("heading", level=1)).to_have_text(said)


@pytest.fixture(params=sorted(WALKS), ids=lambda lang: WALKS[lang])
def shifts(
    settled: RunningPortal, chrome: Browser, request: pytest.FixtureRequest
) -> Iterator[dict[Role, Shift]]:
    """Give a clinic like one of the demo's, with somebody of the reception and of marketing."""
    lang: str = request.param
    program = settled.open_clinic(WALKS[lang])
    record(program, ANNA, name="Anna Ozola", **adult(program))
    shifts = {}
    with desk_served() as url:
        for role in (Role.RECEPTION, Role.MARKETING):
            desk, portal = sign_in(settled.in_process, program.clinic, role), settled.in_process
            member, now = desk.member, portal.clock()
            staff_members.change_language(portal.table, member.clinic, member.id, lang, now)
            work = Workplace(chrome, lang)
            work.context.set_default_timeout(15_000)
            work.sign_in(url, desk.secret)
            hands = (Keys if WALKS[lang] == BY_KEYS else Mouse)(work.page)
            shifts[role] = Shift(work, url, hands, program, lang)
            if role is Role.MARKETING:
                drafted(desk, a_document(settled, program.clinic, "2.0"))
        yield shifts
        for shift in shifts.values():
            shift.work.close()
    assert not [each for shift in shifts.values() for each in shift.work.complaints]


def test_a_receptions_morning(settled: RunningPortal, shifts: dict[Role, Shift]) -> None:
    """Somebody is found, a form recorded, one thing stopped, a link sent, the lists looked at."""
    shift = shifts[Role.RECEPTION]
    waits = {f"decision.{NEWS}": "yes", "email": "dace@example.org", "adult": "yes"}
    assert decide(Client(), shift.program.clinic, waits).status == 303
    settled.count_consents(shift.program.clinic)
    shift.begin()
    shift.write("who", ANNA["email"])
    shift.page.keyboard.press("Enter")
    shift.page.wait_for_url("**/staff/people/*")
    expect(shift.main.locator(".chip.yes").first).to_be_visible()
    _record_a_form_of_somebody_new(shift)
    _withdraw_by_phone(shift)
    _send_the_link(shift)
    shift.to("")
    places = shift.main.locator(".todo h3 a")
    lists = [str(each.get_attribute("href")) for each in places.all()]
    assert any(each.endswith("/worklists/waiting") for each in lists), lists
    for each in lists:
        shift.to("")
        shift.follow(each)
        expect(shift.page.get_by_role("heading", level=1)).to_be_visible()
        assert shift.main.locator("tbody tr").count() >= each.endswith("/waiting")


def _record_a_form_of_somebody_new(shift: Shift) -> None:
    shift.to("/record")
    shift.pick("channel", "paper")
    shift.pick("when", "now")
    shift.write("form", "2026-117")
    shift.write("email", BELLA)
    if adult(shift.program):
        shift.pick("adult", "yes")
    shift.pick(f"decision.{NEWS}", "yes")
    shift.press("Save")
    shift.sees("The decision is recorded")
    assert shift.program.states(email=BELLA)[NEWS] == "granted"


def _withdraw_by_phone(shift: Shift) -> None:
    shift.find(ANNA["phone"])
    shift.follow("/withdraw")
    shift.pick("channel", "phone")
    shift.pick("when", "now")
    shift.pick("purpose", NEWS)
    shift.press("Stop what is ticked")
    shift.sees("The withdrawal is recorded")
    assert shift.program.states(email=ANNA["email"])[NEWS] == "withdrawn"


def _send_the_link(shift: Shift) -> None:
    shift.find(ANNA["email"])
    shift.follow("/link")
    shift.press("Send the link")
    expect(shift.main.get_by_role("status")).to_contain_text("@")


def test_a_marketing_monday(shifts: dict[Role, Shift]) -> None:
    """The year's numbers are looked at and taken along, a draft is read as patients would see it.

    Nobody's record opens, and the page says whose work that is.
    """
    shift = shifts[Role.MARKETING]
    shift.begin()
    assert shift.main.locator("#who").count() == 0
    shift.to("/counters")
    shift.follow("?period=year")
    assert "period=year" in shift.page.url
    with shift.page.expect_download() as saved:
        shift.hands.open(shift.main.locator("a[href*='counters.csv']"))
    assert saved.value.suggested_filename.endswith(".csv")
    shift.to("/notices")
    shift.follow("/notices/2.0")
    preview = shift.main.locator(f"a[href$='/preview?lang={shift.lang}']")
    with shift.work.context.expect_page() as opened:
        shift.hands.open(preview)
    opened.value.wait_for_load_state()
    assert opened.value.locator("html").get_attribute("lang") == shift.lang
    expect(opened.value.get_by_role("heading", level=1).first).to_be_visible()
    opened.value.close()
    known = shift.program.history(email=ANNA["email"])[0]["subject"]
    answer = shift.page.goto(f"{shift.url}/staff/people/{known}")
    assert answer is not None
    assert answer.status == 403
    shift.sees("Your role does not open this page")
    expect(shift.main).to_contain_text(translated(shift.lang, "Reception"))
    assert ANNA["email"] not in shift.page.content()
