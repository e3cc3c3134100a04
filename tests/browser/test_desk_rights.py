"""Restricting, erasing, rectifying and merging in a real Chromium: without barriers, on every screen."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.staff import Role
from chalicelib.web.staff.entrance import SESSION_COOKIE
from tests.browser.desk import Workplace, desk_served
from tests.browser.test_desk_find import PHONE, barriers, overflow
from tests.web.running import RunningPortal, _at_home, settled
from tests.web.staff.desk_client import sign_in
from tests.web.staff.test_find import ANNA, BELLA, record

__all__ = ["_at_home", "settled"]

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture
def desk_url(settled: RunningPortal) -> Iterator[str]:
    """Serve the desk at `localhost`."""
    assert settled
    with desk_served() as url:
        yield url


@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("lang", LANGUAGES)
def test_no_page_has_a_barrier_or_is_wider_than_the_screen(
    settled: RunningPortal, desk_url: str, chrome: Browser, lang: str, screen: dict[str, int]
) -> None:
    """In five languages, on a phone and on the reception's computer."""
    program = settled.open_clinic()
    anna = record(program, ANNA, name="Anna Ozola")["subject"]
    bella = record(program, BELLA, name="Anna Ozola-Bērziņa")["subject"]
    of = {
        Role.RECEPTION: (
            f"people/{anna}/contacts",
            f"people/{anna}/merge",
            f"people/{anna}/merge?with={bella}",
            "doubtful",
        ),
        Role.PROTECTION: (f"people/{anna}/restrict", f"people/{anna}/erase"),
    }
    for role, paths in of.items():
        work = Workplace(chrome, viewport=screen)
        secret = sign_in(settled.in_process, program.clinic, role).secret
        cookie = {"name": SESSION_COOKIE, "value": secret, "domain": "localhost", "path": "/"}
        work.context.add_cookies([{**cookie, "secure": True, "httpOnly": True}])  # type: ignore[typeddict-item]
        for path in paths:
            joined = "&" if "?" in path else "?"
            answer = work.page.goto(f"{desk_url}/staff/{path}{joined}lang={lang}")
            assert answer is not None
            assert answer.status == 200, path
            assert barriers(work) == [], path
            assert overflow(work) <= 0, path
        work.context.close()
