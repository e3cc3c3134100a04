"""What hangs on a wall can be read from where people stand, by every phone, in every language."""

import base64
import io
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pytest
import zxingcpp
from PIL import Image, ImageDraw, ImageStat
from pypdf.generic import ContentStream

from chalicelib.domain.brand import Brand, Logo
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.short_address import SIGN_UP, WITHDRAW
from chalicelib.notices.colours import shades
from chalicelib.presentation.i18n import catalog
from chalicelib.presentation.posters import (
    BOTH,
    POSTERS,
    SHEETS,
    SIZES,
    Occasion,
    describe,
    poster,
    sheet,
)
from chalicelib.presentation.press import Paper, PressInProcess
from tests.cast import CLINICS, RIGA, TBILISI, an_edition
from tests.codes import codes_in
from tests.pdf_file import PdfFile

HOST = "https://consent.example.org"
SHORT_HOST = "https://x.lv"
GATEWAY = "https://a1b2c3d4e5.execute-api.eu-north-1.amazonaws.com/api"
"""Without a domain of its own a portal has a long address, and its codes have small dots."""

SCREEN_DPI = 100
"""A poor camera: a poster is read at a hundred dots an inch, as by a phone from far away."""

STATED_MM = {
    (SIGN_UP, "a4"): 120,
    (WITHDRAW, "a4"): 120,
    (BOTH, "a4"): 75,
    (SIGN_UP, "a5"): 84,
    (WITHDRAW, "a5"): 84,
    (BOTH, "a5"): 53,
    ("card", ""): 40,
    ("stickers", ""): 25,
}
"""How wide each code is at least, without its quiet zone; docs/clinics.md tells clinics."""

PAPER_MM = {"a4": (210, 297), "a5": (148, 210), "card": (297, 210), "stickers": (210, 297)}
CODES = {SIGN_UP: 1, WITHDRAW: 1, BOTH: 2, "card": 8, "stickers": 24}
LANGUAGES = [(clinic, None) for clinic in sorted(path.stem for path in CLINICS.glob("*.yaml"))] + [
    (RIGA, ("lv",)),
    (RIGA, ("ru", "en")),
    (TBILISI, ("ka",)),
    (TBILISI, ("ru", "ka")),
]
"""Clinics with the languages on a sheet; None for all of the clinic's."""

GUIDE = (CLINICS.parents[1] / "docs" / "clinics.md").read_text(encoding="utf-8")
LONG_NAME = "ექოსკოპიის, კარდიოლოგიისა და ოჯახის მედიცინის კლინიკა „მტკვრის ექო და მეგობრები“"


def _occasion(
    clinic: Clinic, languages: Sequence[str] | None = None, base_url: str = HOST
) -> Occasion:
    chosen = tuple(languages or clinic.languages)
    lang = chosen[0] if len(chosen) == 1 else None
    return Occasion(clinic, chosen, base_url, lang, "desk")


def test_a_name_in_two_languages_stands_where_the_first_of_them_does() -> None:
    """The largest name is the one in the most prominent language."""
    clinic = an_edition(RIGA).clinic._replace(name={"lv": "A", "ru": "B", "en": "A"})
    names = describe(_occasion(clinic, ("lv", "ru", "en")), SIGN_UP)["names"]
    assert names == [{"lang": "lv", "text": "A"}, {"lang": "ru", "text": "B"}]


def _paper(occasion: Occasion, name: str, size: str) -> Paper:
    return poster(occasion, name, size) if name in POSTERS else sheet(occasion, name)


@cache
def _set(clinic: str, languages: tuple[str, ...] | None, name: str, size: str) -> PdfFile:
    occasion = _occasion(an_edition(clinic).clinic, languages)
    return PdfFile(PressInProcess().pdf(*_paper(occasion, name, size)))


def _printed(occasion: Occasion, name: str, size: str = "") -> PdfFile:
    return PdfFile(PressInProcess().pdf(*_paper(occasion, name, size)))


@dataclass(frozen=True)
class Measured:
    """A code on paper, in millimetres."""

    text: str
    width: float
    height: float
    is_quiet: bool
    """Whether four modules around it are white."""


def _measured(paper: PdfFile) -> list[Measured]:
    """Measure the codes on the first page by their dark pixels."""
    dpi = 200
    picture = paper.picture(0, dpi).convert("L")
    return [_measure(picture, code, dpi) for code in codes_in(picture)]


def _measure(picture: Image.Image, code: zxingcpp.Barcode, dpi: int) -> Measured:
    corners = [
        getattr(code.position, name)
        for name in ("top_left", "top_right", "bottom_left", "bottom_right")
    ]
    left, right = min(each.x for each in corners), max(each.x for each in corners)
    top, bottom = min(each.y for each in corners), max(each.y for each in corners)
    module = (right - left) / (17 + 4 * int(code.extra["Version"]))
    around = round(4 * module - 2)  # less two pixels, for the edges of dots between pixels
    zone = picture.crop((left - around, top - around, right + around, bottom + around))
    dark = zone.point(lambda shade: 255 * (shade < 128)).getbbox()
    assert dark
    quiet = zone.copy()
    ImageDraw.Draw(quiet).rectangle((dark[0] - 1, dark[1] - 1, dark[2], dark[3]), fill=255)
    return Measured(
        code.text,
        (dark[2] - dark[0]) / dpi * 25.4,
        (dark[3] - dark[1]) / dpi * 25.4,
        quiet.getextrema() == (255, 255) and dark[0] >= around - 2,
    )


@pytest.mark.parametrize(("name", "size"), STATED_MM)
@pytest.mark.parametrize(("clinic", "languages"), LANGUAGES)
def test_every_code_is_read_at_a_hundred_dots_an_inch(
    clinic: str, languages: tuple[str, ...] | None, name: str, size: str
) -> None:
    """A phone that sees no more of it still finds the short address, and nothing else."""
    paper = _set(clinic, languages, name, size)
    shown = an_edition(clinic).clinic
    lang = f"-{languages[0]}" if languages and len(languages) == 1 else ""
    both = [f"{HOST}/q/{shown.code}-{letter}{lang}-desk" for letter in "sw"]
    wanted = {SIGN_UP: both[:1], WITHDRAW: both[1:]}.get(name, both)
    [page] = range(len(paper.reader.pages))
    read = codes_in(paper.picture(page, SCREEN_DPI))
    assert sorted(code.text for code in read) == sorted(wanted * (CODES[name] // len(wanted)))
    assert {code.ec_level for code in read} == {"Q"}


@pytest.mark.parametrize(("name", "size"), STATED_MM)
@pytest.mark.parametrize("base_url", [HOST, SHORT_HOST, GATEWAY])
def test_every_code_is_as_wide_as_stated_with_four_white_modules_around_it(
    base_url: str, name: str, size: str
) -> None:
    """Width is a tenth of the distance to read from; both ways are equally large."""
    shown = an_edition(TBILISI).clinic
    found = _measured(_printed(_occasion(shown, base_url=base_url), name, size))
    assert len(found) == CODES[name]
    assert all(code.is_quiet for code in found)
    assert min(code.width for code in found) >= STATED_MM[name, size]
    assert max(code.width for code in found) - min(code.width for code in found) < 0.3
    assert max(abs(code.width - code.height) for code in found) < 0.3


@pytest.mark.parametrize(("name", "size"), STATED_MM)
def test_the_sheet_is_one_page_of_its_paper(name: str, size: str) -> None:
    """A printer asks for no other paper, and nothing is cut off."""
    [page] = _set(RIGA, None, name, size).reader.pages
    measured = [float(side) / 72 * 25.4 for side in page.mediabox[2:]]
    assert measured == pytest.approx(PAPER_MM[size or name], abs=0.1)


@pytest.mark.parametrize("kind", [SIGN_UP, WITHDRAW])
@pytest.mark.parametrize("size", SIZES)
def test_sign_up_and_withdrawal_have_posters_of_the_same_measures(kind: str, size: str) -> None:
    """Withdrawing is offered as large as saying Yes (GDPR Art. 7(3)), and each names the other."""
    paper = _set(RIGA, None, kind, size)
    other = WITHDRAW if kind == SIGN_UP else SIGN_UP
    [mine] = _measured(paper)
    [others] = _measured(_set(RIGA, None, other, size))
    assert (mine.width, mine.height) == pytest.approx((others.width, others.height), abs=0.2)
    letter = {SIGN_UP: "s", WITHDRAW: "w"}
    words = " ".join(paper.copied().split())
    assert f"consent.example.org/q/ra-{letter[kind]}-desk" in words
    assert f"consent.example.org/q/ra-{letter[other]}-desk" in words


@pytest.mark.parametrize("colour", ["#0b5a57", "#ffd166", "#111111", "#f0f0e0", "#ffffff"])
def test_the_ways_differ_without_colour_too(colour: str) -> None:
    """In black print, or to a colour-blind eye: one panel is filled, the other framed.

    A clinic whose colour is white has a dark panel all the same.
    """
    shown = an_edition(RIGA).clinic._replace(brand=shades(colour))
    inside = {}
    for kind in (SIGN_UP, WITHDRAW):
        picture = _printed(_occasion(shown), kind, "a4").picture(0, SCREEN_DPI).convert("L")
        left, top = round(19 / 25.4 * SCREEN_DPI), round(40 / 25.4 * SCREEN_DPI)  # of its symbol
        inside[kind] = ImageStat.Stat(picture.crop((left, top, left + 4, top + 4))).mean[0]
    assert inside[WITHDRAW] == 255
    assert inside[SIGN_UP] < 225


def _spoken_languages(paper: PdfFile) -> set[str]:
    """Give the languages that a sheet marks its words as: as a whole, by element, and by piece."""
    [page] = paper.reader.pages
    pieces = ContentStream(page["/Contents"].get_object(), paper.reader).operations
    marks = [operands[1] for operands, operator in pieces if operator == b"BDC"]
    marked = {str(mark["/Lang"]) for mark in marks if "/Lang" in mark}
    return marked | {each.lang for each in paper.read_aloud}


@pytest.mark.parametrize(("name", "size"), STATED_MM)
@pytest.mark.parametrize(("clinic", "languages"), LANGUAGES)
def test_every_language_is_there_in_its_own_letters(
    clinic: str, languages: tuple[str, ...] | None, name: str, size: str
) -> None:
    """A headline a language, marked as that language; no letter is missing a shape."""
    paper = _set(clinic, languages, name, size)
    kinds = POSTERS.get(name, POSTERS[BOTH])
    for lang in languages or an_edition(clinic).clinic.languages:
        for kind in kinds:
            said = catalog(lang).gettext(
                "Yes or No? You decide." if kind == SIGN_UP else "Withdraw your consent"
            )
            spoken = {"".join(each.text.split()) for each in paper.read_aloud}
            assert said.replace(" ", "") in spoken
    assert _spoken_languages(paper) == {*(languages or an_edition(clinic).clinic.languages)}
    names = {str(font["/BaseFont"]).partition("+")[2] for font in paper.fonts()}
    assert names <= {"DejaVuSans", "DejaVuSans-Bold"}


@pytest.mark.parametrize(("name", "size"), STATED_MM)
def test_a_code_says_where_it_leads_to_whoever_cannot_see_it(name: str, size: str) -> None:
    """PDF/UA-1: each code has a text, in the sheet's first language; the logo is decoration."""
    paper = _set(RIGA, None, name, size)
    texts = [figure["/Alt"] for figure in paper.figures]
    assert len(texts) == CODES[name]
    said = catalog("lv").gettext("QR code that leads to %(address)s").partition("%")[0]
    assert {text.partition("https")[0] for text in texts} == {said}
    assert b"<pdfuaid:part>1</pdfuaid:part>" in paper.catalog["/Metadata"].get_data()
    assert paper.catalog["/Lang"] == "lv"


def _a_logo(width: int, height: int) -> Logo:
    drawn = io.BytesIO()
    Image.new("RGB", (width, height), "#1d4f91").save(drawn, "PNG")
    return Logo("image/png", base64.b64encode(drawn.getvalue()).decode(), width, height)


BRANDS = {
    "without a logo, light": shades("#ffd166")._replace(logo=None),
    "a very wide logo, dark": shades("#0a0a0a")._replace(logo=_a_logo(900, 90)),
    "a very high logo, white": shades("#ffffff")._replace(logo=_a_logo(60, 600)),
}


@pytest.mark.parametrize(("name", "size"), STATED_MM)
@pytest.mark.parametrize("brand", BRANDS.values(), ids=BRANDS)
@pytest.mark.parametrize("languages", [("ka",), ("ka", "en", "ru")])
def test_no_words_touch_each_other_or_the_edge_however_long_the_name(
    languages: tuple[str, ...], brand: Brand, name: str, size: str
) -> None:
    """Eighty Georgian letters, no logo or an odd one, and the longest address still fit."""
    clinic = an_edition(TBILISI).clinic._replace(
        name=dict.fromkeys(("ka", "en", "ru"), LONG_NAME), brand=brand
    )
    paper = _printed(_occasion(clinic, languages, GATEWAY), name, size)
    [page] = paper.pixels
    text = page.get_textpage()
    boxes = [text.get_rect(number) for number in range(text.count_rects())]
    width, height = page.get_size()
    margin = 4 / 25.4 * 72 if name != "stickers" else 0
    for left, bottom, right, top in boxes:
        assert margin <= left < right <= width - margin
        assert margin <= bottom < top <= height - margin
    for one, other in itertools.combinations(boxes, 2):
        across = min(one[2], other[2]) - max(one[0], other[0])
        along = min(one[3], other[3]) - max(one[1], other[1])
        assert across < 1 or along < 1
    assert len(codes_in(paper.picture(0, 150))) == CODES[name]


def test_the_same_poster_is_the_same_file() -> None:
    """Printed again next year, it is what hangs already."""
    paper = _set(RIGA, None, SIGN_UP, "a4")
    again = _printed(_occasion(an_edition(RIGA).clinic), SIGN_UP, "a4")
    assert again.content == paper.content


def test_clinics_are_told_these_widths_and_a_tenfold_distance() -> None:
    """Whoever follows docs/clinics.md hangs no poster too far from those who scan it."""
    rows = re.findall(r"^\| `/\{id\}/qr/(.*) \| (\d+) mm \| ([\d.]+) m \|$", GUIDE, re.MULTILINE)
    told = {
        (name, "a5" if "?size=a5" in row else "a4" if name in POSTERS else ""): int(width)
        for row, width, _ in rows
        for name in re.findall(r"(?:^|/)(\w+)\.pdf", row)
    }
    assert told == STATED_MM
    assert all(float(distance) * 100 <= int(width) for _, width, distance in rows)


def test_every_sheet_is_measured() -> None:
    """None is offered that the tests above do not know."""
    assert {name for name, _ in STATED_MM} == {*POSTERS, *SHEETS}
    assert {size for _, size in STATED_MM if size} == {*SIZES}
