"""The slide on a waiting room's screen: drawn by a browser, read by a phone across the room."""

from collections.abc import Sequence

import pytest
from playwright.sync_api import Browser, Page

from chalicelib.domain.clinic import Clinic
from chalicelib.presentation.posters import Occasion
from chalicelib.presentation.waiting_screen import slide
from chalicelib.web.middleware import HEADERS, PICTURE
from tests.cast import CLINICS, RIGA, TBILISI, an_edition
from tests.codes import codes_in

HOST = "https://consent.example.org"
LONG_NAME = "ექოსკოპიის, კარდიოლოგიისა და ოჯახის მედიცინის კლინიკა „მტკვრის ექო და მეგობრები“"
WIDTH, HEIGHT = 1920, 1080
COLUMN = 960
STATED = 0.21
"""A code's part of the screen's width at least, without its quiet zone; docs/clinics.md says so."""

BOXES = """[...document.querySelectorAll("text")].map(text => {
    const {left, right, top, bottom} = text.getBoundingClientRect()
    return {words: text.textContent, left, right, top, bottom}
})"""


def _shown(chrome: Browser, clinic: Clinic, languages: Sequence[str], host: str) -> Page:
    """Show a slide under the headers that the portal sends with it; complaints fail the test."""
    lang = languages[0] if len(languages) == 1 else None
    drawn = slide(Occasion(clinic, tuple(languages), host, lang, "hall"))
    page = chrome.new_page(viewport={"width": WIDTH, "height": HEIGHT})
    page.route(
        "**/*",
        lambda route: route.fulfill(
            body=drawn,
            headers={
                **HEADERS,
                "Content-Type": "image/svg+xml",
                "Content-Security-Policy": PICTURE,
            },
        ),
    )
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{HOST}/{clinic.id}/qr/screen.svg")
    assert not complaints
    return page


@pytest.mark.parametrize("host", [HOST, "https://x.lv"])
@pytest.mark.parametrize(
    ("clinic", "languages"),
    [(path.stem, None) for path in sorted(CLINICS.glob("*.yaml"))]
    + [(RIGA, ("lv",)), (TBILISI, ("ka",)), (TBILISI, ("ka", "ru"))],
)
def test_both_codes_are_read_and_every_word_is_in_its_place(
    chrome: Browser, clinic: str, languages: tuple[str, ...] | None, host: str
) -> None:
    """In every language, in the widest letters, with the clinic's logo."""
    shown = an_edition(clinic).clinic
    assert shown.brand.logo
    page = _shown(chrome, shown, languages or shown.languages, host)
    _read(page, shown, host, languages or shown.languages)
    logo = page.locator("image").bounding_box()
    assert logo
    assert (logo["x"], logo["y"], logo["height"]) == (60, 36, 90)
    page.close()


def test_a_long_name_fits_without_a_logo(chrome: Browser) -> None:
    """Eighty Georgian letters stay on the screen."""
    shown = an_edition(TBILISI).clinic
    named = shown._replace(
        name=dict.fromkeys(shown.languages, LONG_NAME), brand=shown.brand._replace(logo=None)
    )
    page = _shown(chrome, named, ("ka", "en", "ru"), HOST)
    _read(page, named, HOST, ("ka", "en", "ru"))
    assert page.locator("image").count() == 0
    page.close()


def _read(page: Page, clinic: Clinic, host: str, languages: Sequence[str]) -> None:
    lang = f"-{languages[0]}" if len(languages) == 1 else ""
    codes = codes_in(page.screenshot())
    assert sorted(code.text for code in codes) == [
        f"{host}/q/{clinic.code}-{letter}{lang}-hall" for letter in "sw"
    ]
    widths = [code.position.top_right.x - code.position.top_left.x for code in codes]
    assert min(widths) >= STATED * WIDTH
    assert max(widths) - min(widths) <= 2
    name, *others = page.evaluate(BOXES)
    assert name["words"] == clinic.name[languages[0]]
    assert 60 <= name["left"] < name["right"] <= WIDTH - 60
    assert 20 <= name["top"] < name["bottom"] <= 150
    for box in others:
        column = COLUMN * (box["left"] > COLUMN)
        assert column + 40 <= box["left"] < box["right"] <= column + COLUMN - 40
        address = "/q/" in box["words"]
        top, bottom = (980, HEIGHT - 10) if address else (156, 424)
        assert top <= box["top"] < box["bottom"] <= bottom
