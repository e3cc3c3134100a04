"""Signing in to the desk in a real Chromium, with a virtual authenticator for the passkeys."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.staff import Role
from tests.browser.desk import Workplace, desk_served
from tests.browser.phone import AXE, RULES
from tests.web.running import RunningPortal, _at_home, settled
from tests.web.staff.test_sign_in import invited, long_ago

__all__ = ["_at_home", "settled"]

pytestmark = pytest.mark.browser


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


def barriers(work: Workplace) -> list[str]:
    """Give what axe finds on the page."""
    found = AXE.run(work.page, options=RULES).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def test_from_the_invitation_to_the_desk_out_and_in_again(
    settled: RunningPortal, desk_url: str, work: Workplace
) -> None:
    """One press makes the passkey; afterwards signing in is one press, and so is proving it."""
    clinic = settled.open_clinic().clinic
    laptop = work.plug_in()
    _, address = invited(settled, clinic, Role.ADMINISTRATOR)
    work.page.goto(f"{desk_url}{address}")
    assert barriers(work) == []
    work.page.get_by_label("What do you call this device?").fill("Laptop")
    work.press("Make my passkey")
    expect(work.page.get_by_role("heading", level=1)).to_have_text("A second passkey")
    assert barriers(work) == []
    # The same device makes no second one, and says so.
    work.page.get_by_role("button", name="Make a passkey", exact=True).click()
    expect(work.page.locator("[data-trouble=exists]")).to_be_visible()
    work.page.goto(f"{desk_url}/staff")
    expect(work.page.get_by_text("You have one passkey.")).to_be_visible()

    work.press("Sign out")
    expect(work.page.get_by_role("status")).to_have_text("You are signed out.")
    assert barriers(work) == []
    work.page.goto(f"{desk_url}/staff/team")
    work.press("Sign in with a passkey")
    expect(work.page).to_have_url(f"{desk_url}/staff/team")

    work.page.get_by_role("link", name="Invite somebody").click()
    expect(work.page.get_by_role("heading", level=1)).to_have_text("Invite somebody")
    # A second device, which may make one: it is on the list beside the first.
    work.unplug(laptop)
    work.plug_in("usb")
    work.page.goto(f"{desk_url}/staff/passkeys/add")
    work.page.get_by_label("What do you call this device?").fill("Key on my ring")
    work.press("Make a passkey")
    expect(work.page.get_by_role("rowheader")).to_have_text(["Laptop", "Key on my ring"])
    assert barriers(work) == []


def test_an_old_proof_is_asked_for_again_and_leads_back(
    settled: RunningPortal, desk_url: str, work: Workplace
) -> None:
    """What matters asks once more, and one goes on where one was."""
    clinic = settled.open_clinic().clinic
    device = work.plug_in()
    _, address = invited(settled, clinic, Role.ADMINISTRATOR)
    work.page.goto(f"{desk_url}{address}")
    work.press("Make my passkey")
    long_ago(settled, work.cookie())
    work.page.goto(f"{desk_url}/staff/team/invite")
    expect(work.page.get_by_role("heading", level=1)).to_have_text("Is it still you?")
    assert barriers(work) == []
    work.verified(device, so=False)
    work.page.get_by_role("button", name="Go on with my passkey", exact=True).click()
    expect(work.page.locator("[data-trouble=cancelled]")).to_be_visible()
    work.verified(device, so=True)
    work.press("Go on with my passkey")
    expect(work.page.get_by_role("heading", level=1)).to_have_text("Invite somebody")


def test_without_javascript_the_page_says_what_is_needed(
    chrome: Browser, settled: RunningPortal, desk_url: str
) -> None:
    """Nobody presses a button that does nothing."""
    assert settled
    plain = chrome.new_context(java_script_enabled=False, locale="en-GB")
    page = plain.new_page()
    page.goto(f"{desk_url}/staff/sign-in")
    expect(page.get_by_text("This page needs JavaScript")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in with a passkey")).not_to_be_visible()
    plain.close()


def test_at_another_address_the_page_leads_to_the_right_one(
    settled: RunningPortal, desk_url: str, work: Workplace
) -> None:
    """Passkeys are of a domain: `127.0.0.1` is none."""
    assert settled
    work.page.goto(f"{desk_url.replace('localhost', '127.0.0.1')}/staff/sign-in")
    told = work.page.locator("[data-trouble=elsewhere]")
    expect(told).to_be_visible()
    expect(told.get_by_role("link")).to_have_attribute("href", re.compile("//localhost:"))


def test_a_browser_without_passkeys_is_told_so(
    settled: RunningPortal, desk_url: str, work: Workplace
) -> None:
    """In a sentence, with what to use instead."""
    assert settled
    work.context.add_init_script("delete window.PublicKeyCredential")
    work.page.goto(f"{desk_url}/staff/sign-in")
    expect(work.page.get_by_text("This browser knows no passkeys.")).to_be_visible()
    expect(work.page.get_by_role("button", name="Sign in with a passkey")).not_to_be_visible()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_way_in_has_no_barriers_in_any_language(
    chrome: Browser, settled: RunningPortal, desk_url: str, lang: str
) -> None:
    """On a small phone and a screen, by day and by night; nothing scrolls sideways."""
    clinic = settled.open_clinic().clinic
    for width, scheme in ((360, "light"), (1280, "dark")):
        size = {"width": width, "height": 800}
        work = Workplace(chrome, lang, viewport=size, color_scheme=scheme)
        work.plug_in()
        _, address = invited(settled, clinic, Role.ADMINISTRATOR)
        found = []
        for path in (address, "/staff/sign-in", "/staff/passkeys/add", "/staff/team/invite"):
            work.page.goto(f"{desk_url}{path}?lang={lang}")
            expect(work.page.locator("html")).to_have_attribute("lang", lang)
            found += barriers(work)
            wide = work.page.evaluate("document.documentElement.scrollWidth")
            found += [f"{path} is {wide} wide"] if wide > width else []
            if path == address:
                with work.page.expect_navigation():
                    work.page.locator("button[data-ask]").click()
        assert found + work.complaints == []
        work.close()
