"""A clinic's colour stays readable in every shade, and its logo is a drawing and nothing else."""

import base64
import colorsys
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.brand import NO_BRAND, TEAL, Brand, Logo
from chalicelib.notices.colours import (
    BLACK,
    CLEAR_TEXT,
    DARK_SURFACE,
    LIGHT_SURFACE,
    SHAPE,
    TEXT,
    WHITE,
    contrast,
    shades,
)
from chalicelib.notices.differences import beyond_words, differences
from chalicelib.notices.document import (
    InvalidDocumentError,
    check,
    document_hash,
    read_clinic,
    warnings_of,
)
from chalicelib.notices.edition import read_complete_clinic
from chalicelib.notices.logo import ELEMENTS, MAX_BYTES, MAX_SIDE
from chalicelib.presentation.authorities import authorities
from infra.operator.cli.clinic_file import ClinicFile, FileError
from infra.operator.publish import read_file
from tests.factories import NOON, a_document

CLINICS = sorted((Path(__file__).resolve().parents[2] / "infra/clinics").glob("*.yaml"))
COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")
DRAWING = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 24">{}</svg>'


def encoded(content: str | bytes) -> str:
    """Give a logo's content as a document holds it."""
    data = content.encode() if isinstance(content, str) else content
    return base64.b64encode(data).decode()


def svg(inside: str, around: str = DRAWING) -> dict[str, str]:
    """Give an SVG logo as a document holds it."""
    return {"media_type": "image/svg+xml", "content": encoded(around.format(inside))}


def a_png(
    width: int = 3, height: int = 2, rows: bytes | None = None, between: list[bytes] | None = None
) -> bytes:
    """Give a small PNG of grey pixels, or one with other parts between its first and its last."""
    pixels = rows if rows is not None else (b"\0" + b"\x80" * width) * height
    data = b"IDAT" + zlib.compress(pixels)
    parts = [
        b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0),
        *([data] if between is None else between),
        b"IEND",
    ]
    chunks = [
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def png(content: bytes) -> dict[str, str]:
    """Give a PNG logo as a document holds it."""
    return {"media_type": "image/png", "content": encoded(content)}


def faults_of(logo: Any) -> list[str]:
    """Give what is wrong with a document that has this logo."""
    document = a_document(brand={"colour": TEAL, "logo": logo})
    return [str(fault) for fault in check(document, authorities())]


@given(COLOURS)
def test_every_colour_is_shown_in_shades_that_all_can_read(colour: str) -> None:
    """A pale brand costs nobody a button's words or a link (WCAG 2.2, 1.4.3, 1.4.6, 1.4.11)."""
    brand = shades(colour)
    assert contrast(brand.fill, brand.on_fill) >= TEXT
    assert contrast(brand.dark_fill, brand.dark_on_fill) >= TEXT
    assert contrast(brand.link, LIGHT_SURFACE) >= CLEAR_TEXT
    assert contrast(brand.link, WHITE) >= CLEAR_TEXT
    assert contrast(brand.dark_link, DARK_SURFACE) >= CLEAR_TEXT
    assert contrast(brand.dark_fill, DARK_SURFACE) >= SHAPE
    assert {brand.on_fill, brand.dark_on_fill} <= {WHITE, BLACK}


@given(COLOURS)
def test_a_shade_keeps_its_hue_and_goes_no_further_than_it_must(colour: str) -> None:
    """The clinic knows its own colour again."""
    brand = shades(colour)
    if contrast(colour, LIGHT_SURFACE) >= CLEAR_TEXT:
        assert brand.link == brand.fill == colour
    else:
        assert contrast(brand.link, LIGHT_SURFACE) < CLEAR_TEXT + 0.6
    if contrast(colour, DARK_SURFACE) >= CLEAR_TEXT:
        assert brand.dark_link == colour
    else:
        assert contrast(brand.dark_link, DARK_SURFACE) < CLEAR_TEXT + 0.6
    before, after = hue(colour), hue(brand.link)
    if before is not None and after is not None:
        apart = abs(before - after)
        assert min(apart, 1 - apart) < 0.05  # the rounding to whole steps of a channel


def hue(colour: str) -> float | None:
    """Give the hue of a colour, 0 to 1; None where it has hardly any or is nearly black."""
    red, green, blue = (channel / 255 for channel in bytes.fromhex(colour[1:]))
    if max(red, green, blue) - min(red, green, blue) < 0.15:
        return None
    return colorsys.rgb_to_hls(red, green, blue)[0]


def test_without_a_brand_a_clinic_is_teal_in_its_shades_and_has_no_logo() -> None:
    """Who names none has the portal's own."""
    assert read_clinic(a_document()).brand == NO_BRAND == shades(TEAL)


def test_contrast_is_counted_as_wcag_counts_it() -> None:
    """Black on white is 21:1, and #767676 the well-known grey that is just enough on white."""
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast("#767676", WHITE) == pytest.approx(4.54, abs=0.005)


def test_a_colour_that_is_changed_is_told_to_who_publishes_it() -> None:
    """Nobody wonders why the orange on the page is not the orange on the door."""
    document = a_document(brand={"colour": "#E8590C"})
    [told] = [str(each) for each in warnings_of(document, NOON) if "brand" in each.place]
    assert told == (
        "brand.colour: is shown as #cc4e0b on buttons (4.5:1) and #8d3607 as text (7.9:1), so that "
        "all can read it. Nothing has to be done; a darker colour is shown as it is "
        "(WCAG 2.2, 1.4.3 and 1.4.6)"
    )
    assert not check(document, authorities())
    assert not warnings_of(a_document(brand={"colour": TEAL}), NOON)


@pytest.mark.parametrize("colour", [None, "teal", "#abc", "#0b5a5g", 755384, ["#0b5a57"]])
def test_what_is_no_colour_is_refused(colour: Any) -> None:
    """The remedy says how a colour is written."""
    [fault] = check(a_document(brand={"colour": colour}), authorities())
    assert fault.place == "brand.colour"


def test_a_drawing_and_a_png_are_taken_as_they_are() -> None:
    """The file that was looked at is the file that is shown."""
    drawing = svg(
        '<title>Jūra’s "Jūra" and Jūra\'s</title><circle cx="9" cy="9" r="4" fill="url(#sea)"/>'
    )
    clinic, _ = read_complete_clinic(a_document(brand={"logo": drawing}))
    assert clinic.brand == Brand(logo=Logo("image/svg+xml", drawing["content"], 48, 24))
    assert clinic.brand.logo is not None
    head, _, text = clinic.brand.logo.address.partition(",")
    assert head == "data:image/svg+xml"
    assert encoded(unquote(text)) == drawing["content"]
    assert not re.search(r"[\"'<>#&]", text)
    picture = png(a_png())
    clinic, _ = read_complete_clinic(a_document(brand={"colour": "#1b4b91", "logo": picture}))
    assert clinic.brand.logo == Logo("image/png", picture["content"], 3, 2)
    assert clinic.brand.logo.address == f"data:image/png;base64,{picture['content']}"


HOSTILE = {
    "script": ("<script>alert(1)</script>", "<script>"),
    "an event": ('<path onload="alert(1)" d="M0 0"/>', "<path onload>"),
    "a style element": ("<style>@import 'https://x.example'</style>", "<style>"),
    "a style": ('<path style="fill:url(https://x.example)"/>', "<path style>"),
    "a page within": ("<foreignObject/>", "<foreignObject>"),
    "a picture from elsewhere": ('<image href="https://x.example/a.png"/>', "<image>"),
    "a part that repeats": ('<g id="a"/><use href="#a"/>', "<use>"),
    "a clip path that is clipped": (
        '<clipPath id="a"><path clip-path="url(#b)" d="M0 0"/></clipPath>',
        "<path clip-path>",
    ),
    "a clip path clipped as a whole": ('<clipPath clip-path="url(#b)"/>', "<clipPath clip-path>"),
    "a link": ('<a href="https://x.example"><path d="M0 0"/></a>', "<a>"),
    "an address": ('<path href="javascript:alert(1)"/>', "<path href>"),
    "an xlink address": (
        '<path xmlns:l="http://www.w3.org/1999/xlink" l:href="data:text/html,x"/>',
        "<path href>",
    ),
    "a fill from elsewhere": ('<path fill="url(https://x.example/#a)"/>', "<path fill>"),
    "a fill spelled oddly": ('<path fill="URL(#a"/>', "<path fill>"),
    "an escaped address": ('<path fill="u\\72l(//x.example)"/>', "<path fill>"),
    "an animation": ('<animate attributeName="href" to="x"/>', "<animate>"),
    "letters": ("<text>Jūra</text>", "<text>"),
    "loose text": ("Jūra", "text in <svg>"),
    "HTML": ('<div xmlns="http://www.w3.org/1999/xhtml"/>', "<div>"),
    "a drawing within": ("<svg/>", "<svg>"),
    "a base": ('<g xml:base="https://x.example"/>', "<g base>"),
    "an id of markup": ('<g id="a)b"/>', "<g id>"),
    "a style sheet": ('<?xml-stylesheet href="https://x.example"?>', "<?xml-stylesheet?>"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_shape_is_refused_by_its_name(name: str) -> None:
    """A file from anywhere puts nothing on a page but a drawing, and its author learns why."""
    inside, named = HOSTILE[name]
    [fault] = faults_of(svg(inside))
    assert fault.startswith("brand.logo: has ")
    assert named in fault


BOMB = '<!DOCTYPE svg [<!ENTITY a "{}"><!ENTITY b "&a;&a;">]>' + DRAWING.replace("{}", "&b;")
WHOLE = {
    "entities that multiply": (BOMB, "DOCTYPE"),
    "a file from the machine": (
        '<!DOCTYPE svg [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + DRAWING,
        "DOCTYPE",
    ),
    "a bare DOCTYPE": ("<!DOCTYPE svg>" + DRAWING, "DOCTYPE"),
    "no XML": ("<svg", "is no SVG"),
    "another encoding": (
        '<?xml version="1.0" encoding="utf-16"?>'.encode("utf-16") + DRAWING.encode("utf-16"),
        "is written in utf-16",
    ),
    "another encoding that is only declared": (
        '<?xml version="1.0" encoding="GBK"?>' + DRAWING.format("<title>Jūra</title>"),
        "is written in GBK",
    ),
    "an unknown entity": (DRAWING.replace("{}", "&nbsp;"), "is no SVG"),
    "another namespace": ('<svg viewBox="0 0 1 1"/>', "<svg>"),
    "no view box": ('<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>', "viewBox"),
    "a view box of nothing": (DRAWING.replace("48 24", "0 24"), "viewBox"),
    "no width": (DRAWING.replace("viewBox", 'width="0" viewBox'), "no width"),
    "less than no height": (DRAWING.replace("viewBox", 'height="-4px" viewBox'), "no height"),
    "another root": ('<g xmlns="http://www.w3.org/2000/svg"/>', "<g>"),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_is_more_or_less_than_a_drawing_is_refused(name: str) -> None:
    """Nothing is fetched and nothing is expanded while it is looked through."""
    content, named = WHOLE[name]
    [fault] = faults_of({"media_type": "image/svg+xml", "content": encoded(content)})
    assert named in fault


@given(st.text(), st.sampled_from(ELEMENTS.split()))
def test_an_attribute_of_no_shape_never_passes(name: str, element: str) -> None:
    """Whatever an attribute is called, a handler of an event is none of the list."""
    handler = "on" + "".join(letter for letter in name if letter.isalpha() and letter.isascii())
    [fault] = faults_of(svg(f'<{element} {handler}="x"/>'))
    assert f"<{element} {handler}>" in fault or "where it cannot be" in fault


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"GIF89a", "no whole PNG"),
        (a_png()[:-1], "no whole PNG"),
        (a_png() + b"<script>", "no whole PNG"),
        (a_png().replace(b"IDAT", b"IDAX"), "no whole PNG"),
        (b"\x89PNG\r\n\x1a\n", "no whole PNG"),
        (a_png(between=[]), "no whole PNG"),
        (a_png(between=[b"IDATno zlib"]), "no whole PNG"),
        (a_png(between=[b"IDAT" + zlib.compress(bytes(8))[:-1]]), "no whole PNG"),
        (a_png(between=[b"acTL" + bytes(8), b"IDAT"]), "moves"),
        (a_png(MAX_SIDE + 1, 1), "pixels"),
        (a_png(0, 1), "pixels"),
        (b"\x89PNG" + b"." * MAX_BYTES["image/png"], "bytes"),
        (b"", "no content"),
    ],
)
def test_what_is_no_small_png_is_refused(content: bytes, named: str) -> None:
    """A cut or padded file is told before it is printed on a thousand posters."""
    [fault] = faults_of(png(content))
    assert named in fault


@pytest.mark.parametrize(
    ("logo", "place"),
    [
        ("logo.svg", "brand.logo"),
        ({"media_type": "image/gif", "content": ""}, "brand.logo"),
        ({"media_type": ["image/png"], "content": ""}, "brand.logo"),
        ({"media_type": "image/png", "content": "no base64!"}, "brand.logo"),
        ({"media_type": "image/png", "content": "ā"}, "brand.logo"),
        ({"media_type": "image/png", "content": 7}, "brand.logo"),
        (["logo.svg"], "brand.logo"),
        (svg("") | {"width": 4}, "brand.logo.width"),
    ],
)
def test_a_logo_in_another_form_is_refused(logo: Any, place: str) -> None:
    """The API answers where it is, by its JSON pointer."""
    found = check(a_document(brand={"logo": logo}), authorities())
    assert place in {fault.place for fault in found}


def test_a_heavy_logo_is_warned_of() -> None:
    """Whoever opens the page on an old phone waits for every byte."""
    heavy = svg('<path d="M0 0{}"/>'.format(" 1 1" * 600))
    document = a_document(brand={"logo": heavy})
    [told] = [str(each) for each in warnings_of(document, NOON) if each.place == "brand.logo"]
    assert "every page carries it" in told


def test_a_brand_belongs_to_the_text_that_is_approved_and_costs_no_consent() -> None:
    """Another logo is another text to approve, and under a MINOR number nobody is asked again."""
    before = a_document()
    after = a_document(version="1.1", brand={"colour": "#1b4b91", "logo": svg("<g/>")})
    assert document_hash(before) != document_hash({**after, "version": "1.0"})
    old, new = read_clinic(before), read_clinic(after)
    assert [each.place for each in differences(old, new, NOON)] == ["brand.colour", "brand.logo"]
    assert beyond_words(old, new, NOON) == ()


def test_a_published_brand_is_read_as_it_was_published_whatever_is_asked_today() -> None:
    """A rule that comes later changes no page of yesterday, and refuses none."""
    logo = {"media_type": "image/svg+xml", "content": encoded("<svg onload='alert(1)'/>")}
    document = a_document(brand={"colour": "#ffd500", "logo": logo})
    brand = Brand(colour="#ffd500", fill="#123456", logo=Logo(*logo.values(), 4, 2))
    kept = json.loads(json.dumps({"dates": {}, "closes": {}, "brand": brand.stored()}))
    assert read_clinic(document, "ab" * 32, kept).brand == brand
    before_brands = {"dates": {}, "closes": {}}
    assert read_clinic(a_document(), "ab" * 32, before_brands).brand == NO_BRAND


def test_a_version_published_with_an_empty_brand_is_read_again() -> None:
    """`brand:` with nothing after it is no brand, before it is published and ever after."""
    document = a_document(brand=None)
    clinic, _ = read_complete_clinic(document)
    kept = json.loads(json.dumps({"dates": {}, "closes": {}, "brand": clinic.brand.stored()}))
    assert read_clinic(document, clinic.sha256, kept).brand == clinic.brand == NO_BRAND


@pytest.mark.parametrize("path", CLINICS, ids=lambda path: path.stem)
def test_each_demo_clinic_has_a_face_of_its_own(path: Path) -> None:
    """Five clinics do not look the same."""
    brand = read_file(path).clinic.brand
    others = [read_file(other).clinic.brand for other in CLINICS if other != path]
    assert brand.logo is not None
    assert brand.colour not in {other.colour for other in others}
    assert brand.logo not in {other.logo for other in others}
    assert not [
        each for each in warnings_of(ClinicFile.read(path).document, NOON) if "brand" in each.place
    ]


@pytest.mark.parametrize("written", ["none.svg", "../logo.svg", "logo.gif", "logo"])
def test_a_logo_that_is_not_beside_the_file_is_told_with_its_line(
    tmp_path: Path, written: str
) -> None:
    """Whoever publishes sees which line names what is not there."""
    (tmp_path / "logo.svg").write_text(DRAWING.format(""))
    path = tmp_path / "clinic.yaml"
    path.write_text(f"id: jura\nbrand:\n  colour: '#0b5a57'\n  logo: {written}\n")
    with pytest.raises(FileError, match=r"clinic\.yaml:4: brand\.logo"):
        ClinicFile.read(path)


def test_a_logo_in_the_file_or_beside_it_travels_in_the_document(tmp_path: Path) -> None:
    """What is drafted by API has the logo in it, and its hash covers it."""
    (tmp_path / "logo.svg").write_text(DRAWING.format(""))
    path = tmp_path / "clinic.yaml"
    for written in ("logo.svg", DRAWING.format("").replace('"', "'")):
        path.write_text(f'id: jura\nbrand: {{logo: "{written}"}}\n')
        logo = ClinicFile.read(path).document["brand"]["logo"]
        content = base64.b64decode(logo["content"]).decode().replace("'", '"')
        assert (logo["media_type"], content) == ("image/svg+xml", DRAWING.format(""))


def test_an_invalid_brand_is_not_published() -> None:
    """What is refused by the check is refused by publishing too."""
    with pytest.raises(InvalidDocumentError, match="DOCTYPE"):
        read_complete_clinic(
            a_document(brand={"logo": {"media_type": "image/svg+xml", "content": encoded(BOMB)}})
        )
