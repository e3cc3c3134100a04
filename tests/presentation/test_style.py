"""Every text of the pages stands out from what is behind it, in each clinic's colours, light and
dark.
"""

import re

import pytest

from chalicelib.domain.brand import NO_BRAND, Brand
from chalicelib.notices.colours import DARK_SURFACE, LIGHT_SURFACE, contrast
from chalicelib.presentation.templates import TEMPLATES, environment
from tests.cast import CLINICS, an_edition

IDS = sorted(path.stem for path in CLINICS.glob("*.yaml"))
STYLE = (TEMPLATES / "style.css").read_text(encoding="utf-8")
DARK = "@media screen and (prefers-color-scheme:dark){"
MOST_BYTES = 12 * 1024 + 512

CLEAR_TEXT = {
    "ink": "paper ground wash badwash goodwash waitwash",
    "soft": "paper ground wash",
    "link": "paper ground wash",
    "bad": "paper ground badwash",
    "good": "goodwash",
    "wait": "waitwash",
    "paper": "ink",
}
"""Text and what it stands on: 7:1 at least (WCAG 2.2, 1.4.6, AAA)."""

TEXT = {"on": "fill", "onhead": "head"}
"""Bold text on the clinic's own colour: 4.5:1 at least (1.4.3, AA)."""

SHAPES = {
    "line": "paper ground wash",
    "focus": "paper ground wash",
    "fill": "paper ground",
    "goodline": "paper ground goodwash",
    "waitline": "paper ground waitwash",
}
"""Borders that say what something is, and the focus: 3:1 at least (1.4.11, AA)."""


def colours(css: str, *, dark: bool) -> dict[str, str]:
    """Give the colours that a style names, as they hold on the light or the dark theme."""
    light_part, _, dark_part = css.partition(DARK)
    found: dict[str, str] = {}
    for part in (light_part, dark_part) if dark else (light_part,):
        root = re.search(r":root\{([^}]*)\}", part)
        assert root, part
        found |= dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", root[1]))
    return {
        name: f"#{colour[1:] if len(colour) == 7 else ''.join(each * 2 for each in colour[1:])}"
        for name, colour in found.items()
    }


def theme(brand: Brand, *, dark: bool) -> dict[str, str]:
    """Give every colour of a clinic's pages."""
    own = environment().get_template("brand.css").render(brand=brand)
    return colours(STYLE, dark=dark) | colours(own, dark=dark)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("clinic", [*IDS, None])
def test_every_text_can_be_read_by_whoever_sees_poorly(clinic: str | None, dark: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """On an old screen, in the sun, at night."""
    brand = an_edition(clinic).clinic.brand if clinic else NO_BRAND
    named = theme(brand, dark=dark)
    for pairs, least in ((CLEAR_TEXT, 7), (TEXT, 4.5), (SHAPES, 3)):
        for front, behind in pairs.items():
            for each in behind.split():
                found = contrast(named[front], named[each])
                assert found >= least, f"{front} on {each}: {found:.2f}"


def test_the_surfaces_that_brands_are_measured_on_are_those_of_the_pages() -> None:
    """What publishing corrects a colour for is what patients see behind it."""
    for dark, surface, text in ((False, LIGHT_SURFACE, "#000000"), (True, DARK_SURFACE, "#ffffff")):
        named = theme(NO_BRAND, dark=dark)
        worst = min(contrast(text, named[each]) for each in ("paper", "ground", "wash"))
        assert worst >= contrast(text, surface)


def test_the_dark_theme_leaves_out_no_colour_that_it_needs() -> None:
    """A colour of the light theme alone would be dark on dark."""
    light, dark = (set(colours(part, dark=False)) for part in STYLE.split(DARK, 1))
    assert light == dark


def test_the_style_stays_small() -> None:
    """It is part of every page."""
    assert len(STYLE.encode()) <= MOST_BYTES
