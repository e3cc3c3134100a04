"""A clinic's logo as the document holds it: looked through before it is published.

It is shown as an image (`<img>` with a `data:` address), in which a browser runs no script and
fetches nothing (SVG Integration, "secure static mode"). It is looked through all the same, because
the press draws the same file on paper.
"""

import base64
import binascii
import re
import struct
import zlib
from typing import NamedTuple
from xml.parsers import expat

from chalicelib.domain.brand import Logo

SVG, PNG = "image/svg+xml", "image/png"
MAX_BYTES = {SVG: 6 * 1024, PNG: 8 * 1024}
MAX_SIDE = 1024
"""Pixels of a PNG's longer side."""

ELEMENTS = (
    "svg g path rect circle ellipse line polyline polygon title desc defs "
    "linearGradient radialGradient stop clipPath"
)
"""Shapes and their colours. `use` is not among them: a few that name each other are drawn millions
of times. So would clip paths that are clipped, which `_start` refuses."""

ATTRIBUTES = (
    "id x y x1 y1 x2 y2 cx cy r rx ry fx fy d points width height viewBox version "
    "preserveAspectRatio transform opacity fill fill-opacity fill-rule stroke stroke-width "
    "stroke-opacity stroke-linecap stroke-linejoin stroke-miterlimit stroke-dasharray "
    "stroke-dashoffset clip-path clip-rule clipPathUnits offset stop-color stop-opacity "
    "gradientUnits gradientTransform spreadMethod"
)
_TEXTS = frozenset({"title", "desc"})
"""What may hold text: the shapes of letters depend on the fonts of whoever looks."""

_NAMESPACE = "http://www.w3.org/2000/svg"
_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_VALUE = re.compile(r"[\w\s.,%#()+-]*", re.ASCII)
_REFERENCE = re.compile(r"url\(#[\w.-]+\)", re.ASCII)
_NUMBER = re.compile(r"\d{1,5}(?:\.\d{1,5})?", re.ASCII)

_LENGTH = re.compile(r"\d*\.?\d+(?:[eE][-+]?\d+)?", re.ASCII)
"""What a width or a height begins with, before its unit."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD_LENGTH = 13
"""Bytes of a PNG's first part, IHDR (PNG specification, 11.2.1)."""

_MOST_UNPACKED = 9 * MAX_SIDE**2
"""Bytes of the largest picture: eight a pixel, and what tells the filter of each row."""


class LogoFault(NamedTuple):
    """What is wrong with a logo, and what to do."""

    problem: str
    remedy: str


def read_logo(media_type: object, content: object) -> Logo | LogoFault:
    """Return a logo that is safe to show, or what keeps it from being that."""
    if not isinstance(media_type, str) or media_type not in MAX_BYTES:
        return LogoFault(f"has the media type {media_type!r}", f"Use {SVG} or {PNG}")
    try:
        data = base64.b64decode(content, validate=True) if isinstance(content, str) else b""
    except (binascii.Error, ValueError):
        return LogoFault("has a content that is no base64", "Write the file in base64 (RFC 4648)")
    if not data:
        return LogoFault("has no content", "Write the file in base64 (RFC 4648)")
    if len(data) > MAX_BYTES[media_type]:
        remedy = f"Every page carries it: at most {MAX_BYTES[media_type]}"
        return LogoFault(f"has {len(data)} bytes", remedy)
    measured = _measure_svg(data) if media_type == SVG else _measure_png(data)
    if isinstance(measured, LogoFault):
        return measured
    return Logo(media_type, str(content), *measured)


def _measure_png(data: bytes) -> tuple[int, int] | LogoFault:
    """Return width and height of a PNG whose parts are all whole."""
    broken = LogoFault("is no whole PNG", "Save the picture again as PNG")
    if not data.startswith(_SIGNATURE):
        return broken
    kinds: list[bytes] = []
    packed = b""
    size = 0, 0
    place = len(_SIGNATURE)
    while place < len(data) and kinds[-1:] != [b"IEND"]:
        length = int.from_bytes(data[place : place + 4], "big")
        part, checksum = data[place + 4 : place + 8 + length], data[place + 8 + length :][:4]
        if len(checksum) < 4 or zlib.crc32(part) != int.from_bytes(checksum, "big"):  # noqa: PLR2004 - bytes of a CRC-32
            return broken
        if not kinds and length == _HEAD_LENGTH:
            size = struct.unpack(">II", part[4:12])
        kinds.append(part[:4])
        packed += part[4:] if part[:4] == b"IDAT" else b""
        place += 12 + length
    framed = kinds[:1] == [b"IHDR"] and kinds[-1] == b"IEND"
    if not framed or b"IDAT" not in kinds or place != len(data):
        return broken
    if b"acTL" in kinds:
        return LogoFault("moves", "Save it as one still picture")
    if not all(0 < side <= MAX_SIDE for side in size):
        return LogoFault(f"is {size[0]} × {size[1]} pixels", f"At most {MAX_SIDE} each way")
    return size if _inflates(packed) else broken


def _inflates(packed: bytes) -> bool:
    """Tell whether the pixels of a PNG are a whole zlib stream, no longer than any may be."""
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(packed, _MOST_UNPACKED)
    except zlib.error:
        return False
    return unpacking.eof


def _measure_svg(data: bytes) -> tuple[int, int] | LogoFault:
    """Return width and height of an SVG that holds nothing but what is listed here."""
    drawing = _Drawing()
    try:
        drawing.parser.Parse(data, True)  # noqa: FBT003 - expat takes no names
    except _RefusedError as refused:
        return refused.fault
    except expat.ExpatError as error:
        return LogoFault(f"is no SVG: {error}", "Save the drawing again as plain SVG")
    return drawing.size


class _RefusedError(Exception):
    """Something in an SVG that a logo may not have."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.fault = LogoFault(problem, remedy)


class _Drawing:
    """Reads an SVG part by part and refuses the first that is not listed.

    Without a DOCTYPE there are no entities to expand and nothing is fetched; so it is refused.
    """

    def __init__(self) -> None:
        self.size = 0, 0
        self._open: list[str] = []
        self.parser = expat.ParserCreate("UTF-8", " ")
        self.parser.XmlDeclHandler = self._declaration
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype
        self.parser.ProcessingInstructionHandler = self._instruction

    def _start(self, written: str, attributes: dict[str, str]) -> None:
        namespace, _, name = written.rpartition(" ")
        if namespace != _NAMESPACE or name not in ELEMENTS.split():
            raise _RefusedError(f"has <{name}>", "Keep to plain shapes, their colours and a title")
        if (name == "svg") == bool(self._open):
            raise _RefusedError(f"has <{name}> where it cannot be", "Write one <svg> around all")
        if "clip-path" in attributes and "clipPath" in (*self._open, name):
            raise _RefusedError(f"has <{name} clip-path> in a clipPath", "Clip by plain shapes")
        for attribute, value in attributes.items():
            _check_attribute(name, attribute, value)
        if not self._open:
            _check_sides(attributes)
            self.size = _proportions(attributes.get("viewBox", ""))
        self._open.append(name)

    def _end(self, _name: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if text.strip() and self._open[-1] not in _TEXTS:
            raise _RefusedError(
                f"has text in <{self._open[-1]}>", "Turn letters into paths before saving"
            )

    @staticmethod
    def _declaration(_version: str, encoding: str | None, _standalone: int) -> None:
        """Refuse another encoding: a browser would read by it what is read as UTF-8 here."""
        if encoding is not None and encoding.upper() != "UTF-8":
            raise _RefusedError(f"is written in {encoding}", "Save it in UTF-8")

    @staticmethod
    def _doctype(*_declared: object) -> None:
        raise _RefusedError("has a DOCTYPE", "Leave it out: it can fetch and repeat things")

    @staticmethod
    def _instruction(target: str, _data: str) -> None:
        raise _RefusedError(f"has <?{target}?>", "Leave it out: it can fetch a style")


def _check_attribute(element: str, name: str, value: str) -> None:
    """Refuse an attribute that is not listed, and a value that could name another address."""
    place = f"<{element} {name.rpartition(' ')[2]}>"
    if name not in ATTRIBUTES.split():
        raise _RefusedError(f"has {place}", "Write colours and sizes as plain attributes of shapes")
    if name == "id" and not _NAME.fullmatch(value):
        raise _RefusedError(f"has an id that is no name in {place}", "Use letters and digits")
    plain = _REFERENCE.sub("", value)
    if not _VALUE.fullmatch(plain) or "url" in plain.lower():
        remedy = "It may name colours, numbers and, as url(#id), its own parts"
        raise _RefusedError(f"has {value[:20]!r} in {place}", remedy)


def _check_sides(attributes: dict[str, str]) -> None:
    """Refuse a drawing that says it is of no size: the press cannot draw it."""
    for side in ("width", "height"):
        if side not in attributes:
            continue
        length = _LENGTH.match(attributes[side].strip())
        if not length or not float(length[0]):
            raise _RefusedError(f"has no {side}", "Write one above 0, or leave it out")


def _proportions(view_box: str) -> tuple[int, int]:
    """Return the whole numbers nearest to width and height of a view box, at least 1 each."""
    sides = re.split(r"[\s,]+", view_box.strip())[2:]
    if len(sides) != 2 or not all(map(_NUMBER.fullmatch, sides)) or not all(map(float, sides)):  # noqa: PLR2004 - width and height
        raise _RefusedError("has no viewBox", 'Write it, such as viewBox="0 0 64 64"')
    width, height = (max(1, round(float(side))) for side in sides)
    return width, height
