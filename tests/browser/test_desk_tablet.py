"""A tablet is paired at the desk and handed over to one person, in a real Chromium."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Error, expect

from chalicelib.domain.staff import Role
from chalicelib.web.staff.entrance import SESSION_COOKIE
from infra.build.catalogs import ROOT
from tests.browser.desk import Workplace, desk_served
from tests.browser.phone import AXE, RULES
from tests.web.client import Program
from tests.web.running import RunningPortal, _at_home, settled
from tests.web.staff.desk_client import sign_in

__all__ = ["_at_home", "settled"]

pytestmark = pytest.mark.browser

ANNA = "anna.ozola@example.org"
NEWS = "newsletter.email"
TABLET = {"width": 810, "height": 1080}
SCREENS = {"phone": {"width": 360, "height": 740}, "desk": {"width": 1280, "height": 900}}
PICTURES = ROOT / "build" / "screens" / "settings"
HOOK = {
    "url": "https://hooks.example.org/consent-of-a-long-name/that-does-not-fit",
    "purposes": [NEWS],
}


@pytest.fixture
def desk_url(settled: RunningPortal) -> Iterator[str]:
    """Serve the desk at `localhost`."""
    assert settled
    with desk_served() as url:
        yield url


def signed_in(
    browser: Browser, portal: RunningPortal, clinic: str, url: str, role: Role, **options: Any
) -> Workplace:
    """Sit down at a computer as somebody of a role."""
    work = Workplace(browser, **options)
    secret = sign_in(portal.in_process, clinic, role).secret
    domain = str(urlsplit(url).hostname)
    cookie = {"name": SESSION_COOKIE, "value": secret, "domain": domain, "path": "/"}
    work.context.add_cookies([{**cookie, "secure": True, "httpOnly": True}])  # type: ignore[typeddict-item]
    return work


def barriers(work: Workplace) -> list[str]:
    """Give what axe finds on the page."""
    found = AXE.run(work.page, options=RULES).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found]


def person(program: Program) -> str:
    """Record a form that Anna signed at the desk; give her opaque id."""
    body = {
        "subject": {"email": ANNA},
        "decisions": {NEWS: "no"},
        "channel": "paper",
        "effective_at": "2026-11-20T10:00:00Z",
        "evidence": {"form": "F-17"},
    }
    return str(program.call("receipts", body).json()["subject"])


def code_of(work: Workplace) -> str:
    """Read the code from the desk's screen."""
    return work.page.locator(".ref").inner_text()


def _go_on_to_the_check(tablet: Workplace) -> None:
    heading = tablet.page.get_by_role("heading", level=1)
    while not tablet.page.get_by_role("button", name="Save my answers").count():
        before = heading.inner_text()
        tablet.page.locator("main button:not(.plain):not(.second)").first.click()
        expect(heading).not_to_have_text(before)


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_person_answers_on_the_tablet_that_they_were_handed(
    settled: RunningPortal, desk_url: str, chrome: Browser, *, script: bool
) -> None:
    """Two codes are typed and no contact; then the tablet is at its start screen, Back or not."""
    program = settled.open_clinic()
    clinic, subject = program.clinic, person(program)
    admin = signed_in(chrome, settled, clinic, desk_url, Role.ADMINISTRATOR)
    admin.page.goto(f"{desk_url}/staff/settings/tablets")
    admin.page.get_by_label("Name of the tablet").fill("reception-1")
    admin.press("Make a code")
    assert barriers(admin) == []
    _picture(admin, "walk/1-pairing")
    tablet = Workplace(chrome, viewport=TABLET, java_script_enabled=script)
    tablet.page.goto(f"{desk_url}/{clinic}/kiosk/pair?lang=en")
    if script:
        assert barriers(tablet) == []
    tablet.page.get_by_label("Six digits").fill(code_of(admin))
    tablet.press("Continue")
    start = f"{desk_url}/{clinic}/kiosk?src=reception-1"
    expect(tablet.page).to_have_url(start)
    desk = signed_in(chrome, settled, clinic, desk_url, Role.RECEPTION)
    desk.page.goto(f"{desk_url}/staff/people/{subject}/kiosk")
    assert barriers(desk) == []
    _picture(desk, "walk/2-person")
    desk.press("Make a code")
    _picture(desk, "walk/3-code")
    _picture(tablet, "walk/4-start")
    tablet.page.locator('a[href*="/kiosk/code?lang=en"]').click()
    tablet.page.get_by_label("Six digits").fill(code_of(desk))
    tablet.page.get_by_role("button", name="Continue").click()
    expect(tablet.page.get_by_text("You were handed this tablet")).to_be_visible()
    _picture(tablet, "walk/5-handed")
    if script:
        assert barriers(tablet) == []
    tablet.page.locator('button[value="topic.newsletter"]').click()
    tablet.page.locator(f'label:has([name="decision.{NEWS}"][value="yes"])').click()
    _go_on_to_the_check(tablet)
    assert ANNA not in tablet.page.content()
    tablet.page.get_by_role("button", name="Save my answers").click()
    expect(tablet.page.locator(".ref")).to_be_visible()
    tablet.page.get_by_text("Next person").click()
    expect(tablet.page.locator(".way").first).to_be_visible()
    with contextlib.suppress(Error):  # what answered a form cannot be shown again (ERR_CACHE_MISS)
        tablet.page.go_back()
    assert not tablet.page.locator("[name=handed]").count()
    receipt = program.history(email=ANNA)[-1]
    assert (receipt["source"], receipt["assurance"]) == ("reception-1", "staff-witnessed")
    assert receipt["decisions"][NEWS]["after"] == "granted"
    for each in (admin, tablet, desk):
        each.close()
        assert not each.complaints, each.complaints


@pytest.mark.parametrize(
    ("size", "theme", "lang"), [("phone", "dark", "ka"), ("desk", "light", "en")]
)
def test_the_pages_of_the_settings_have_no_barrier(  # noqa: PLR0917 - which look of them
    settled: RunningPortal, desk_url: str, chrome: Browser, size: str, theme: str, lang: str
) -> None:
    """In Georgian too, whose words are long; nothing is wider than the screen."""
    program = settled.open_clinic()
    clinic = program.clinic
    assert program.call("webhooks/mailing", HOOK, method="PUT").status == 201
    key = program.get("keys").json()["keys"][0]["id"]
    admin = signed_in(
        chrome,
        settled,
        clinic,
        desk_url,
        Role.ADMINISTRATOR,
        viewport=SCREENS[size],
        color_scheme=theme,
    )
    paths = [
        "settings",
        "settings/webhooks",
        "settings/webhooks/mailing",
        "settings/new-webhook",
        "settings/keys",
        "settings/keys/new",
        f"settings/keys/{key}",
        "settings/link-keys/new",
        "settings/tablets",
        "settings/posters",
    ]
    for path in paths:
        _look(admin, f"{desk_url}/staff/{path}?lang={lang}", f"{size}-{theme}-{lang}", path)
    admin.close()
    assert not admin.complaints, admin.complaints


def _look(work: Workplace, address: str, folder: str, path: str) -> None:
    answer = work.page.goto(address)
    assert answer is not None
    assert answer.status == 200, address
    assert barriers(work) == [], address
    wide = work.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0, address
    _picture(work, f"{folder}/{path.replace('/', '-')}")


def _picture(work: Workplace, name: str) -> None:
    picture = Path(PICTURES, f"{name}.png")
    picture.parent.mkdir(parents=True, exist_ok=True)
    work.page.screenshot(path=picture, full_page=True)
