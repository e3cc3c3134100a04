"""A person is found and looked at in a real Chromium: by keyboard, by the camera, without barriers."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.receipts import reference
from chalicelib.domain.staff import Role
from chalicelib.web.staff.entrance import SESSION_COOKIE
from tests.browser.desk import DESKTOP, Workplace, desk_served
from tests.browser.phone import AXE, RULES
from tests.web.client import Program
from tests.web.running import RunningPortal, _at_home, settled
from tests.web.staff.desk_client import sign_in
from tests.web.staff.test_find import ANNA, BELLA, record

__all__ = ["_at_home", "settled"]

pytestmark = pytest.mark.browser

PHONE = {"width": 360, "height": 740}

DETECTOR = """
window.BarcodeDetector = class {
  static getSupportedFormats() { return Promise.resolve(["qr_code"]); }
  detect(video) { return Promise.resolve(video.hidden ? [] : [{ rawValue: "%s" }]); }
};
navigator.mediaDevices.getUserMedia = () => %s;
"""
"""What the browsers of phones have and Chromium on a server has not; and a camera, or none."""

FILM = """(() => {
  const canvas = document.createElement("canvas"), pencil = canvas.getContext("2d");
  setInterval(() => pencil.fillRect(0, 0, 9, 9), 50);
  return Promise.resolve(canvas.captureStream(20));
})()"""
NO_CAMERA = "Promise.reject(new DOMException('denied', 'NotAllowedError'))"


@pytest.fixture
def desk_url(settled: RunningPortal) -> Iterator[str]:
    """Serve the desk at `localhost`."""
    assert settled
    with desk_served() as url:
        yield url


def at_work(portal: RunningPortal, clinic: str, chrome: Browser, **options: Any) -> Workplace:
    """Give the reception's computer, signed in."""
    work = Workplace(chrome, **options)
    secret = sign_in(portal.in_process, clinic, Role.RECEPTION).secret
    cookie = {"name": SESSION_COOKIE, "value": secret, "domain": "localhost", "path": "/"}
    work.context.add_cookies([{**cookie, "secure": True, "httpOnly": True}])  # type: ignore[typeddict-item]
    return work


def barriers(work: Workplace) -> list[str]:
    """Give what axe finds on the page."""
    found = AXE.run(work.page, options=RULES).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def overflow(work: Workplace) -> int:
    """Tell by how many pixels the page is wider than the screen."""
    return int(work.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def a_family(portal: RunningPortal) -> tuple[Program, str]:
    """Let two people who share a phone decide; give the clinic and Anna's reference."""
    program = portal.open_clinic()
    receipt = record(program, ANNA, name="Anna Ozola")
    record(program, BELLA, name="محمد بن سلمان")
    return program, reference(receipt["id"])


def test_a_receptionist_finds_somebody_with_the_keyboard_alone(
    settled: RunningPortal, desk_url: str, chrome: Browser
) -> None:
    """The field has the focus; Enter finds; what two share is told apart and opened by Tab."""
    program, _ = a_family(settled)
    work = at_work(settled, program.clinic, chrome)
    page = work.page
    page.goto(f"{desk_url}/staff/find")
    expect(page.locator("#who")).to_be_focused()
    expect(page.locator("#scan")).to_be_hidden()
    page.keyboard.insert_text("26 123 456")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert "26" not in page.url.partition("/staff/")[2]
    link = page.get_by_role("link", name="An•••")
    for _ in range(40):
        if link.evaluate("each => each === document.activeElement"):
            break
        page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Anna Ozola")
    page.locator("#history > summary").press("Enter")
    expect(page.get_by_text("Recorded by a program:").first).to_be_visible()
    work.close()
    assert work.complaints == []


def test_the_camera_reads_the_code_of_a_receipt(
    settled: RunningPortal, desk_url: str, chrome: Browser
) -> None:
    """Where the browser can; a camera that is refused is said so, and the field is still there."""
    program, number = a_family(settled)
    work = at_work(settled, program.clinic, chrome, viewport=PHONE)
    work.page.add_init_script(DETECTOR % (number, NO_CAMERA))
    work.page.goto(f"{desk_url}/staff/find")
    work.page.get_by_role("button", name="Scan the code on a receipt").click()
    expect(work.page.locator("#no-camera")).to_be_visible()
    work.page.add_init_script(DETECTOR % (number, FILM))
    work.page.goto(f"{desk_url}/staff/find")
    with work.page.expect_navigation(url="**/staff/people/*"):
        work.page.get_by_role("button", name="Scan the code on a receipt").click()
    expect(work.page.get_by_role("heading", level=1)).to_have_text("Anna Ozola")
    work.close()
    assert work.complaints == []


def test_nobody_meets_a_barrier_in_any_language_on_any_screen(
    settled: RunningPortal, desk_url: str, chrome: Browser
) -> None:
    """List, nobody and card, by day and on a dark screen: axe finds nothing, no page is too
    wide.
    """
    program, number = a_family(settled)
    schemes = itertools.cycle(("light", "dark"))
    for lang, screen in itertools.product(LANGUAGES, (PHONE, DESKTOP)):
        work = at_work(settled, program.clinic, chrome, viewport=screen, color_scheme=next(schemes))
        for who in ("26123456", "nobody@example.org", number):
            work.page.goto(f"{desk_url}/staff/find?lang={lang}")
            work.page.fill("#who", who)
            with work.page.expect_navigation():
                work.page.keyboard.press("Enter")
            opened = "document.querySelectorAll('details').forEach(each => { each.open = true; })"
            work.page.evaluate(opened)
            assert (barriers(work), overflow(work)) == ([], 0), (lang, who)
        work.close()
        assert work.complaints == []
