"""Shades of a colour that stay readable: its contrast counted, its lightness changed if need be.

Contrast is that of WCAG 2.2 ("relative luminance", "contrast ratio"). Hue and saturation (HSL) stay
as the clinic chose them.
"""

import colorsys
from collections.abc import Callable

from chalicelib.domain.brand import Brand

WHITE, BLACK = "#ffffff", "#000000"

LIGHT_SURFACE = "#f3f2ed"
"""At least as dark as what coloured text stands on (`paper`, `ground` and `wash` of
`templates/style.css`), and the ground of mails."""
DARK_SURFACE = "#232d2c"
"""The lightest surface of the dark theme that text stands on."""

TEXT = 4.5
"""Text that all can read (WCAG 2.2, 1.4.3, level AA)."""
CLEAR_TEXT = 7.0
"""Text that also whoever sees poorly can read (1.4.6, level AAA)."""
SHAPE = 3.0
"""A button against what is behind it (1.4.11, level AA)."""

STEPS = 1000
"""In how many steps the lightness is looked through, from black to white."""


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours ``#rrggbb``, from 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def shades(colour: str) -> Brand:
    """Return a colour ``#rrggbb`` as a brand without a logo, each shade as near to it as can be.

    White text is kept on a colour that is nearly dark enough for it, by darkening it. On a brighter
    one the text is black.
    """
    fill = colour
    if contrast(colour, WHITE) >= SHAPE:
        fill = _darkened(colour, lambda shade: contrast(shade, WHITE) >= TEXT)
    dark_fill = _lightened(fill, lambda shade: contrast(shade, DARK_SURFACE) >= SHAPE)
    return Brand(
        colour=colour,
        fill=fill,
        on_fill=_text_on(fill),
        link=_darkened(colour, lambda shade: contrast(shade, LIGHT_SURFACE) >= CLEAR_TEXT),
        dark_fill=dark_fill,
        dark_on_fill=_text_on(dark_fill),
        dark_link=_lightened(colour, lambda shade: contrast(shade, DARK_SURFACE) >= CLEAR_TEXT),
    )


def _text_on(fill: str) -> str:
    """Return white or black; every colour has 4.58:1 at least to one of them."""
    return WHITE if contrast(fill, WHITE) >= TEXT else BLACK


def _darkened(colour: str, is_enough: Callable[[str], bool]) -> str:
    return _changed(colour, -1, is_enough)


def _lightened(colour: str, is_enough: Callable[[str], bool]) -> str:
    return _changed(colour, 1, is_enough)


def _changed(colour: str, step: int, is_enough: Callable[[str], bool]) -> str:
    """Return the colour, or the nearest shade of it in one direction that is enough."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*_channels(colour))
    shade, number = colour, 0
    while not is_enough(shade):
        number += step
        moved = min(1.0, max(0.0, lightness + number / STEPS))
        shade = _written(*colorsys.hls_to_rgb(hue, moved, saturation))
    return shade


def _luminance(colour: str) -> float:
    red, green, blue = map(_linear, _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    """Return a channel of sRGB, from 0 to 1, as light (WCAG 2.2, "relative luminance")."""
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - the formula's own numbers


def _channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red / 255, green / 255, blue / 255


def _written(red: float, green: float, blue: float) -> str:
    return "#" + bytes(round(channel * 255) for channel in (red, green, blue)).hex()
