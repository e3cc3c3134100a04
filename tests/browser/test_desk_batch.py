"""A pile of paper forms is entered at the desk without a mouse, in a real Chromium."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, expect

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.staff import Role
from chalicelib.web.staff.entrance import SESSION_COOKIE
from tests.browser.desk import Workplace, desk_served
from tests.browser.phone import AXE, RULES
from tests.web.running import RunningPortal, _at_home, settled
from tests.web.staff.desk_client import sign_in

__all__ = ["_at_home", "settled"]

pytestmark = pytest.mark.browser

FORMS = [
    ("Anna Ozola", "anna.ozola@example.org", "yn"),
    ("Bella Ozola", "bella@example.org", "nn"),
    ("Č Š", "c@example.org", "yn"),
    ("مريم خوري", "maryam@example.org", "yn"),
    ("Zoë 🌿 Liepa-Ozoliņa-Kalniņa-Bērziņa", "zoe@example.org", "ny"),
]
"""The name, the e-mail, and the answers to the two questions of the newsletter."""


@pytest.fixture
def desk_url(settled: RunningPortal) -> Iterator[str]:
    """Serve the desk at `localhost`."""
    assert settled
    with desk_served() as url:
        yield url


@pytest.fixture
def work(chrome: Browser) -> Iterator[Workplace]:
    """Give a computer; no page may have given reason to complain."""
    computer = Workplace(chrome)
    yield computer
    computer.close()
    assert not computer.complaints, computer.complaints


class Keys:
    """Somebody's hands on a keyboard: what they press is counted, and a mouse they have not."""

    def __init__(self, work: Workplace) -> None:
        self.page = work.page
        self.pressed = 0

    def press(self, key: str, times: int = 1) -> None:
        """Press a key."""
        for _ in range(times):
            self.page.keyboard.press(key)
        self.pressed += times

    def type(self, text: str) -> None:
        """Type a text."""
        self.page.keyboard.insert_text(text)
        self.pressed += len(text)

    def tab_to(self, name: str) -> None:
        """Go on to a field by Tab."""
        for _ in range(80):
            if self.focused() == name:
                return
            self.press("Tab")
        raise AssertionError(f"Tab never came to {name}")

    def focused(self) -> str:
        """Give the name of the field in focus."""
        return str(self.page.evaluate("document.activeElement.name || ''"))

    def enter(self) -> None:
        """Press Enter, and wait for the next page."""
        with self.page.expect_navigation():
            self.press("Enter")


def barriers(work: Workplace) -> list[str]:
    """Give what axe finds on the page."""
    found = AXE.run(work.page, options=RULES).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def signed_in(portal: RunningPortal, clinic: str, work: Workplace, url: str) -> None:
    """Sign the reception in."""
    secret = sign_in(portal.in_process, clinic, Role.RECEPTION).secret
    domain = url.partition("//")[2].partition(":")[0]
    cookie = {"name": SESSION_COOKIE, "value": secret, "domain": domain, "path": "/"}
    work.context.add_cookies([{**cookie, "secure": True, "httpOnly": True}])  # type: ignore[typeddict-item]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_five_forms_are_entered_by_keyboard_alone(
    settled: RunningPortal, desk_url: str, chrome: Browser, *, script: bool
) -> None:
    """The first letter of an answer answers and goes on; without a script Space and arrows do."""
    work = Workplace(chrome)
    if not script:  # the page's own script is left out; the test itself needs one
        work.page.route("**/staff/batches/*", _without_script)
    clinic = settled.open_clinic().clinic
    signed_in(settled, clinic, work, desk_url)
    keys = Keys(work)
    work.page.goto(f"{desk_url}/staff/batches")
    assert barriers(work) == []
    keys.tab_to("first_number")
    keys.type("P-098")
    keys.tab_to("witness")
    keys.type("Ilze")
    keys.enter()
    expect(work.page.get_by_role("heading", level=1)).to_have_text("Form P-098")
    assert barriers(work) == []
    keys.pressed, begun = 0, time.monotonic()
    for number, (name, email, answers) in enumerate(FORMS, 98):
        expect(work.page.get_by_role("heading", level=1)).to_have_text(f"Form P-{number:03d}")
        assert keys.focused().startswith("decision."), "the first question is not in focus"
        keys.tab_to("decision.newsletter.email")
        for answer in answers:
            _answer(keys, answer, script=script)
        keys.tab_to("name")
        keys.type(name)
        for field in ("email", "email_again"):
            keys.tab_to(field)
            keys.type(email)
        if "y" in answers[1:]:
            for field in ("phone", "phone_again"):
                keys.tab_to(field)
                keys.type("26 123 456")
        keys.enter()
        expect(work.page.get_by_role("status")).to_contain_text("Saved. Reference:")
    typed = sum(len(name) + 2 * len(email) for name, email, _ in FORMS)
    print(
        f"five forms: {keys.pressed} keys, {keys.pressed - typed} beside what stands on them, "
        f"{time.monotonic() - begun:.1f} s"
    )
    expect(work.page.get_by_text("5 forms entered so far.")).to_be_visible()
    assert work.page.get_by_role("rowheader").all_inner_texts() == [
        f"P-{number:03d}" for number in range(102, 97, -1)
    ]
    assert barriers(work) == []
    for name, email, answers in FORMS:
        contact = Contact(ContactKind.EMAIL, email)
        [person] = settled.in_process.directory.look_up(clinic, [contact]).known()
        last = person.summaries["newsletter.email"].last
        assert last is not None
        assert (name, last.answer[0]) == (name, answers[0])
    work.close()
    assert not work.complaints, work.complaints


def test_what_differs_is_said_first_and_nothing_typed_is_lost(
    settled: RunningPortal, desk_url: str, work: Workplace
) -> None:
    """The focus is on the summary; from it one key leads into the field."""
    clinic = settled.open_clinic().clinic
    signed_in(settled, clinic, work, desk_url)
    keys = Keys(work)
    work.page.goto(f"{desk_url}/staff/batches")
    keys.tab_to("first_number")
    keys.type("7")
    keys.enter()
    keys.tab_to("decision.newsletter.email")
    keys.press("y")
    keys.tab_to("email")
    keys.type("anna.ozola@example.org")
    keys.tab_to("email_again")
    keys.type("anna.ozole@example.org")
    keys.enter()
    assert work.page.evaluate("document.activeElement.id") == "errors"
    assert barriers(work) == []
    keys.press("Tab")
    keys.press("Enter")
    assert keys.focused() == "email_again"
    assert work.page.get_by_label("E-mail", exact=True).input_value() == "anna.ozola@example.org"
    assert work.page.locator("input[name='decision.newsletter.email']").first.is_checked()


def _answer(keys: Keys, answer: str, *, script: bool) -> None:
    if script:
        keys.press(answer)
        return
    asked = keys.focused()
    keys.press("Space")
    if answer == "n":
        keys.press("ArrowRight")
    while keys.focused() == asked:
        keys.press("Tab")


def _without_script(route: Route) -> None:
    """Answer with the page, its own script left out."""
    answer = route.fetch()
    page = answer.text()
    before, found, rest = page.rpartition("<script>")
    behind = rest.partition("</script>")[2]
    route.fulfill(response=answer, body=before + behind if found else page)
