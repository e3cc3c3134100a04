"""The slide for a waiting room's screen: sign-up and withdrawal, each with its code, as SVG.

Its texts are text, in the screen's own fonts. SVG breaks no lines, so they are broken here, and their
sizes follow from how many signs they have.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.presentation.posters import BOTH, POSTERS, Occasion, describe
from chalicelib.presentation.templates import render

WIDEST_SIGN = 0.7
"""How wide the signs of a bold line are on average, at most, in parts of the font's size: those of
DejaVu Sans, which is wider than the fonts of most screens."""

_PANEL_HEIGHT = 280
_HEADLINE_WIDTH = 620
_ADDRESS_WIDTH = 900
_NAME_WIDTH = 1790
_LOGO_HEIGHT, _LOGO_WIDTH = 90, 400
_LARGEST = {1: 84, 2: 41, 3: 44}
"""A headline's size at most, in pixels, by the number of languages."""

_ON_ONE_LINE = 3
"""From how many languages on each headline stands on one line."""


def slide(occasion: Occasion) -> str:
    """Draw the slide, 1920 × 1080 pixels, with the clinic's logo in it.

    A screen that shows it needs nothing else: no font, no style, no picture.
    """
    values = describe(occasion, *POSTERS[BOTH])
    logo, ways = occasion.clinic.brand.logo, values["ways"]
    headlines = [[_lines(said, len(way["words"])) for said in way["words"]] for way in ways]
    texts = [line for way in headlines for lines in way for line in lines]
    size = _size(texts, _HEADLINE_WIDTH, _LARGEST[len(occasion.languages)])
    logo_width = 0
    if logo:
        logo_width = min(round(_LOGO_HEIGHT * logo.width / logo.height), _LOGO_WIDTH)
    name = values["names"][0]["text"]
    return render(
        "pages/screen.svg",
        values["lang"],
        title=values["title"],
        panel=values["brand"],
        logo=logo,
        logo_width=logo_width,
        name=name,
        name_size=_size([name], _NAME_WIDTH - logo_width, 44),
        headline_size=size,
        address_size=_size([way["address"] for way in ways], _ADDRESS_WIDTH, 38),
        ways=[
            {**way, "lines": _placed(way["words"], lines, size)}
            for way, lines in zip(ways, headlines, strict=True)
        ],
    )


def _lines(said: Mapping[str, str], languages: int) -> list[str]:
    """Break a headline in two: after its first sentence, or else at the space nearest its middle."""
    headline = said["headline"]
    question, mark, rest = headline.partition("? ")
    if languages >= _ON_ONE_LINE:
        return [headline]
    if mark:
        return [f"{question}?", rest]
    spaces = [place for place, sign in enumerate(headline) if sign == " "]
    if not spaces:
        return [headline]
    middle = min(spaces, key=lambda place: abs(2 * place - len(headline)))
    return [headline[:middle], headline[middle + 1 :]]


def _size(texts: Sequence[str], width: float, largest: float) -> float:
    """Give the size at which each of these lines of bold text is no wider than so many pixels."""
    longest = max(len(text) for text in texts)
    return round(min(largest, width / longest / WIDEST_SIGN), 1)


def _placed(
    words: Sequence[Mapping[str, str]], headlines: Sequence[Sequence[str]], size: float
) -> list[dict[str, Any]]:
    """Set a panel's lines below each other, in its middle: each with its language and base line."""
    step, gap = 1.2 * size, 0.6 * size
    height = sum(len(lines) for lines in headlines) * step + (len(headlines) - 1) * gap
    base = (_PANEL_HEIGHT - height) / 2 + 0.9 * size
    placed = []
    for said, lines in zip(words, headlines, strict=True):
        for line in lines:
            placed.append({"lang": said["lang"], "text": line, "y": round(base, 1)})
            base += step
        base += gap
    return placed
