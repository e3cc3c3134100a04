"""What a clinic prints and shows of its two ways, sign-up and withdrawal: each with a QR code.

Posters, desk cards, stickers and a slide for the waiting room. Here are their words and codes; how
they look is in `templates/print/`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.brand import Brand
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.short_address import SIGN_UP, WITHDRAW, ShortAddress
from chalicelib.presentation import qr
from chalicelib.presentation.i18n import catalog
from chalicelib.presentation.press import Paper, brand_values

BOTH = "both"
POSTERS: Mapping[str, tuple[str, ...]] = {
    SIGN_UP: (SIGN_UP,),
    WITHDRAW: (WITHDRAW,),
    BOTH: (SIGN_UP, WITHDRAW),
}
"""The codes on each poster."""

SHEETS: Mapping[str, str] = {"card": "desk_card", "stickers": "stickers"}
"""Other sheets, which have both codes, and their templates."""

SIZES: Mapping[str, int] = {"a4": 210, "a5": 148}
"""A poster's papers (ISO 216), and their widths in millimetres."""

MOST_LANGUAGES = 3
"""How many languages fit on a sheet in letters that can be read from where the code is scanned."""

BRIGHTEST_GROUND = 0.9
"""How bright a panel may be to stand out on paper: luma (ITU-R BT.709), white being 1."""


@dataclass(frozen=True, slots=True)
class Occasion:
    """For whom something is printed: the clinic, the languages on it, and where it is to hang."""

    clinic: Clinic
    languages: tuple[str, ...]
    """One to `MOST_LANGUAGES`, the most prominent first."""
    base_url: str
    """The portal's address, without a slash at its end."""
    lang: str | None = None
    """The language its codes ask for; None where whoever scans has the page in their own."""
    source: str | None = None

    def address(self, kind: str) -> str:
        """Give the short address of a way."""
        short = ShortAddress(self.clinic.code, kind, self.lang, self.source)
        return f"{self.base_url}/q/{short.code}"


def poster(occasion: Occasion, kind: str, size: str) -> Paper:
    """Give a poster of `POSTERS` in one of `SIZES`.

    A poster with one code names the other way with its address.
    """
    kinds = POSTERS[kind]
    others = [_way(occasion, other) for other in POSTERS[BOTH] if other not in kinds]
    values = describe(occasion, *kinds)
    paper = {"paper": size, "width": SIZES[size]}
    return Paper("poster", {**values, **paper, "others": others})


def sheet(occasion: Occasion, name: str) -> Paper:
    """Give a sheet of `SHEETS`."""
    words = catalog(occasion.languages[0])
    hints = {"cut": words.gettext("Cut here"), "fold": words.gettext("Fold here")}
    return Paper(SHEETS[name], {**describe(occasion, *POSTERS[BOTH]), **hints})


def describe(occasion: Occasion, *kinds: str) -> dict[str, Any]:
    """Describe ways with their words and codes, and the clinic that offers them."""
    clinic, lang = occasion.clinic, occasion.languages[0]
    names: dict[str, str] = {}
    for each in occasion.languages:
        names.setdefault(clinic.name[each], each)
    day = clinic.since or clinic.effective  # the same file as long as the clinic is the same
    ways = [_way(occasion, kind) for kind in kinds]
    return {
        "lang": lang,
        "title": f"{ways[0]['words'][0]['headline']} – {clinic.name[lang]}",
        "at": f"{day}T00:00:00.000Z",
        "brand": _brand(clinic),
        "names": [{"lang": each, "text": name} for name, each in names.items()],
        "ways": ways,
    }


def _way(occasion: Occasion, kind: str) -> dict[str, Any]:
    address = occasion.address(kind)
    modules, path = qr.drawing(address, robust=True)
    alternative = catalog(occasion.languages[0]).gettext("QR code that leads to %(address)s")
    return {
        "kind": kind,
        "words": [_words(kind, lang) for lang in occasion.languages],
        "address": address.partition("://")[2],
        "code": {"modules": modules, "path": path, "alt": alternative % {"address": address}},
    }


def _words(kind: str, lang: str) -> dict[str, str]:
    """Give a way's headline in a language, and what its code does."""
    words = catalog(lang)
    if kind == SIGN_UP:
        headline = words.gettext("Yes or No? You decide.")
        line = words.gettext("Scan the code and choose what we may use your data for.")
    else:
        headline = words.gettext("Withdraw your consent")
        line = words.gettext("Scan the code. It counts at once: no login, no reason to give.")
    return {"lang": lang, "headline": headline, "line": line}


def _brand(clinic: Clinic) -> dict[str, Any]:
    fill, on_fill = _ground(clinic.brand)
    return {**brand_values(clinic.brand), "fill": fill, "on_fill": on_fill}


def _ground(brand: Brand) -> tuple[str, str]:
    """Give the colour of sign-up's panel, and of the text on it.

    A colour that cannot be told from white paper is shown in its dark shade.
    """
    red, green, blue = bytes.fromhex(brand.fill.removeprefix("#"))
    brightness = (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255
    if brightness > BRIGHTEST_GROUND:
        return brand.link, "#ffffff"
    return brand.fill, brand.on_fill
