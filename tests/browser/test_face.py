"""A clinic's face in a real browser: large text, narrow screens, the dark, few colours, paper."""

from collections.abc import Iterator
from typing import Any

import pytest
from markupsafe import Markup
from playwright.sync_api import Browser, Page

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.notice_versions import PublishedVersion
from chalicelib.presentation import notice_times
from chalicelib.presentation.templates import render
from tests.browser.phone import AXE, RULES, SCREENSHOTS
from tests.browser.visit import IDS
from tests.cast import an_edition

pytestmark = pytest.mark.browser

PUBLISHED = "2026-01-01T08:00:00.000Z"
NOW = "2026-11-30T08:00:00.000Z"
LARGE = {"width": 360, "height": 640}
NARROW = {"width": 320, "height": 640}
LINES = """() => {
  const range = document.createRange();
  range.selectNodeContents(document.querySelector(".brand > span"));
  return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size;
}"""
"""How many lines the clinic's name has."""


def notice_of(clinic_id: str) -> str:
    """Give a clinic's notice page in its own language."""
    edition = an_edition(clinic_id)
    clinic, lang = edition.clinic, edition.clinic.default_language
    versions = (PublishedVersion(PUBLISHED, clinic.version, PUBLISHED),)
    filled: dict[str, Any] = {
        "article": Markup(edition.notices[lang]),  # noqa: S704 - rendered by `edition`
        "is_open": False,
        "sha256": "ab" * 32,
        "minor_reason": None,
        "topics": (),
        "root": "",
        **notice_times.describe_times(versions, clinic.version, clinic, lang, NOW),
    }
    return render("pages/notice.html", lang, clinic=clinic, **filled)


def absent_of(clinic: Clinic | None, lang: str) -> str:
    """Give the page of an address that is not there."""
    filled = {
        "kind": "not_found",
        "name": clinic.name[lang] if clinic else "",
        "kiosk": "",
        "root": "",
        "spoken": clinic.languages if clinic else tuple(LANGUAGES),
    }
    return render("pages/error.html", lang, clinic=clinic, **filled)


def every_page() -> Iterator[tuple[str, str]]:
    """Yield pages by name: notice and error of each clinic, and the portal's own in Georgian."""
    for clinic_id in IDS:
        clinic = an_edition(clinic_id).clinic
        yield f"{clinic_id}-notice", notice_of(clinic_id)
        yield f"{clinic_id}-absent", absent_of(clinic, clinic.default_language)
    yield "absent", absent_of(None, "ka")
    yield "home", render("pages/home.html", "ka", languages=LANGUAGES, root="")


def opened(chrome: Browser, html: str, **settings: Any) -> Page:
    """Show a page in a browser with settings of its own."""
    page = chrome.new_context(**settings).new_page()
    page.set_content(html)
    return page


def width(page: Page) -> int:
    """Give how wide a page is, in pixels."""
    return int(page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.parametrize("clinic_id", IDS)
def test_at_twice_the_size_of_text_the_header_takes_a_quarter_of_the_screen(
    chrome: Browser, clinic_id: str
) -> None:
    """Who needs large letters sees the page and not its head alone (WCAG 2.2, 1.4.4)."""
    page = opened(chrome, notice_of(clinic_id), viewport=LARGE)
    page.add_style_tag(content="html{font-size:200%}")
    height = page.evaluate("document.querySelector('header').offsetHeight")
    page.screenshot(path=SCREENSHOTS / f"{clinic_id}-large.png")
    page.context.close()
    assert height <= LARGE["height"] / 4


@pytest.mark.parametrize("clinic_id", IDS)
def test_on_a_phone_a_clinics_name_takes_two_lines_at_most(chrome: Browser, clinic_id: str) -> None:
    """A long name has the line to itself, and the languages stand below it."""
    clinic = an_edition(clinic_id).clinic
    for lang in clinic.languages:
        page = opened(chrome, absent_of(clinic, lang), viewport=NARROW)
        for wide in (320, 360, 390):
            page.set_viewport_size({"width": wide, "height": 640})
            assert page.evaluate(LINES) <= 2, (lang, wide)
        page.context.close()


def test_no_page_scrolls_sideways_on_the_narrowest_screen(chrome: Browser) -> None:
    """Not at 320 pixels, and not with large text on them (1.4.10)."""
    for name, html in every_page():
        page = opened(chrome, html, viewport=NARROW)
        widths = [width(page)]
        page.add_style_tag(content="html{font-size:200%}")
        widths.append(width(page))
        page.context.close()
        assert widths == [NARROW["width"]] * 2, name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_bars_anybody_by_day_or_by_night(chrome: Browser, scheme: str) -> None:
    """Axe with its best practices finds nothing in either theme, with every part open."""
    for name, html in every_page():
        page = opened(chrome, html, viewport=LARGE, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('main details').forEach(each => each.open = true)")
        found = AXE.run(page, options=RULES).response["violations"]
        page.screenshot(path=SCREENSHOTS / f"{name}-{scheme}.png")
        page.context.close()
        assert not found, (name, found[0]["id"], found[0]["nodes"][0]["html"][:200])


def test_with_a_few_colours_of_ones_own_everything_keeps_its_shape(chrome: Browser) -> None:
    """Windows' contrast themes replace every colour: the languages, parts and logo stay visible."""
    page = opened(chrome, notice_of(IDS[0]), viewport=LARGE, forced_colors="active")
    border = "getComputedStyle(document.querySelector('.key')).borderTopWidth"
    assert page.evaluate(border) != "0px"
    assert page.locator(".brand img").is_visible()
    assert page.locator("nav a").first.is_visible()
    page.screenshot(path=SCREENSHOTS / f"{IDS[0]}-forced.png")
    page.context.close()


@pytest.mark.parametrize("clinic_id", IDS)
def test_a_notice_is_short_on_a_phone_and_whole_on_paper(chrome: Browser, clinic_id: str) -> None:
    """Seven screens at most to its end, and folded parts print open, dark on white."""
    settings = {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"}
    page = opened(chrome, notice_of(clinic_id), **settings)
    screens = page.evaluate("document.documentElement.scrollHeight") / 740
    page.emulate_media(media="print", color_scheme="dark")
    hidden = page.evaluate(
        "[...document.querySelectorAll('article *:not(.noprint)')].filter(each => !each.checkVisibility()).length"
    )
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.context.close()
    assert screens <= 7
    assert hidden == 0
    assert ground == "rgb(255, 255, 255)"
