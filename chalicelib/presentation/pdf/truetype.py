"""TrueType fonts as a PDF needs them: the glyph of a letter, its width, a font of a few glyphs.

Source: OpenType 1.9.1, tables cmap (format 4), glyf, head, hhea, hmtx, loca, maxp.
"""

import struct
from collections.abc import Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path

_FONTS = Path(__file__).resolve().parent / "fonts"
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_FIRST_MTAVRULI, _LAST_MTAVRULI = "\u1c90", "\u1cbf"
_CHECKSUM_OF_ALL = 0xB1B0AFBA

_WORDS, _SCALE, _MORE, _TWO_SCALES, _MATRIX = 0x1, 0x8, 0x20, 0x40, 0x80
"""Flags of a part of a composite glyph."""


@cache
def typeface(name: str) -> "Typeface":
    """Return one of the fonts that ship with the portal: ``DejaVuSans`` or ``DejaVuSans-Bold``."""
    data = (_FONTS / f"{name}.ttf").read_bytes()
    return Typeface(name, data)


class Typeface:
    """A font file, read."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self._tables = _tables(data)
        head, hhea = self._tables[b"head"], self._tables[b"hhea"]
        self._units_per_em = _uint16(head, 18)
        left, bottom, right, top = struct.unpack_from(">4h", head, 36)
        self.box = tuple(map(self._thousandths, (left, bottom, right, top)))
        ascent, descent = struct.unpack_from(">2h", hhea, 4)
        self.ascent = self._thousandths(ascent)
        self.descent = self._thousandths(descent)
        self._metric_count = _uint16(hhea, 34)
        self._glyph_count = _uint16(self._tables[b"maxp"], 4)
        self._offsets = self._read_offsets()
        self._glyphs = self._read_glyphs()

    def glyph(self, letter: str) -> int:
        """Return the glyph of a letter; the replacement character's where the font has none.

        Georgian capitals (Mtavruli) are not in the font and take the form of the everyday letters.
        """
        is_capital = _FIRST_MTAVRULI <= letter <= _LAST_MTAVRULI
        everyday = letter.lower() if is_capital else letter
        return self._glyphs.get(everyday) or self._glyphs[_REPLACEMENT]

    def width(self, glyph: int) -> int:
        """Return how wide a glyph is, in thousandths of the font's size."""
        width, _bearing = self._metric(glyph)
        return self._thousandths(width)

    def subset(self, glyphs: Sequence[int]) -> bytes:
        """Write a font of these glyphs, in this order, and behind them the parts they use."""
        kept = list(glyphs)
        outlines = self._outlines(kept)
        offsets = [0, *accumulate(map(len, outlines))]
        metrics = [struct.pack(">Hh", *self._metric(glyph)) for glyph in kept]
        head, hhea, maxp = (bytearray(self._tables[tag]) for tag in (b"head", b"hhea", b"maxp"))
        struct.pack_into(">I", head, 8, 0)  # the checksum, which `_file` sets
        struct.pack_into(">h", head, 50, 1)  # offsets of 32 bits
        struct.pack_into(">H", hhea, 34, len(kept))
        struct.pack_into(">H", maxp, 4, len(kept))
        return _file(
            {
                b"glyf": b"".join(outlines),
                b"head": bytes(head),
                b"hhea": bytes(hhea),
                b"hmtx": b"".join(metrics),
                b"loca": struct.pack(f">{len(offsets)}I", *offsets),
                b"maxp": bytes(maxp),
            }
        )

    def _outlines(self, kept: list[int]) -> list[bytes]:
        """Return the outline of each glyph, and of each part that composite ones add to `kept`."""
        numbers = {glyph: number for number, glyph in enumerate(kept)}
        outlines = []
        for glyph in kept:  # grows while it is read
            start, end = self._offsets[glyph], self._offsets[glyph + 1]
            outline = bytearray(self._tables[b"glyf"][start:end])
            for place in _parts(outline):
                part = _uint16(outline, place)
                if part not in numbers:
                    numbers[part] = len(kept)
                    kept.append(part)
                struct.pack_into(">H", outline, place, numbers[part])
            outlines.append(_padded(outline))
        return outlines

    def _metric(self, glyph: int) -> tuple[int, int]:
        """Return a glyph's width and left bearing; the last glyphs share one width."""
        table, count = self._tables[b"hmtx"], self._metric_count
        if glyph < count:
            width, bearing = struct.unpack_from(">Hh", table, 4 * glyph)
            return width, bearing
        (bearing,) = struct.unpack_from(">h", table, 4 * count + 2 * (glyph - count))
        return _uint16(table, 4 * (count - 1)), bearing

    def _thousandths(self, units: int) -> int:
        return round(units * 1000 / self._units_per_em)

    def _read_offsets(self) -> Sequence[int]:
        """Read where in the table of outlines each glyph begins, and where the last one ends."""
        table, count = self._tables[b"loca"], self._glyph_count + 1
        is_long = _uint16(self._tables[b"head"], 50) != 0
        if is_long:
            return struct.unpack_from(f">{count}I", table)
        halves = struct.unpack_from(f">{count}H", table)
        return [2 * half for half in halves]

    def _read_glyphs(self) -> dict[str, int]:
        """Read which glyph each letter has."""
        table = self._tables[b"cmap"]
        start = _format_4(table)
        count = _uint16(table, start + 6) // 2
        last_at = start + 14
        first_at = last_at + 2 * count + 2
        delta_at = first_at + 2 * count
        offset_at = delta_at + 2 * count
        last, first, delta, offset = (
            struct.unpack_from(f">{count}H", table, place)
            for place in (last_at, first_at, delta_at, offset_at)
        )
        glyphs = {}
        for segment in range(count):
            base = offset_at + 2 * segment + offset[segment]
            for code in range(first[segment], last[segment] + 1):
                glyph = code
                if offset[segment]:
                    glyph = _uint16(table, base + 2 * (code - first[segment]))
                glyph = (glyph + delta[segment]) & 0xFFFF
                if 0 < glyph < self._glyph_count:
                    glyphs[chr(code)] = glyph
        return glyphs


def _uint16(data: bytes | bytearray, place: int) -> int:
    return int.from_bytes(data[place : place + 2], "big")


def _tables(data: bytes) -> dict[bytes, bytes]:
    """Return a font file's tables by their tags."""
    tables = {}
    for number in range(_uint16(data, 4)):
        tag, _checksum, start, length = struct.unpack_from(">4sIII", data, 12 + 16 * number)
        tables[tag] = data[start : start + length]
    return tables


def _format_4(cmap: bytes) -> int:
    """Return where in the table of letters its part in format 4 begins."""
    for number in range(_uint16(cmap, 2)):
        _platform, _encoding, start = struct.unpack_from(">HHI", cmap, 4 + 8 * number)
        if _uint16(cmap, start) == 4:  # noqa: PLR2004 - the format
            return int(start)
    raise ValueError("the font has no table of letters in format 4")


def _parts(outline: bytes | bytearray) -> list[int]:
    """Return where in a composite glyph the numbers of its parts are; none for a simple one."""
    if not outline or struct.unpack_from(">h", outline)[0] >= 0:
        return []
    found, place, flags = [], 10, _MORE
    while flags & _MORE:
        flags = _uint16(outline, place)
        found.append(place + 2)
        place += 4 + _arguments_length(flags)
    return found


def _arguments_length(flags: int) -> int:
    """Return how many bytes the arguments of a composite glyph's part take."""
    length = 4 if flags & _WORDS else 2
    if flags & _SCALE:
        return length + 2
    if flags & _TWO_SCALES:
        return length + 4
    return length + 8 if flags & _MATRIX else length


def _file(tables: dict[bytes, bytes]) -> bytes:
    """Write a font file of tables, each with its checksum, and the checksum of all."""
    count = len(tables)
    power = count.bit_length() - 1
    start = struct.pack(">IHHHH", 0x00010000, count, 16 << power, power, 16 * count - (16 << power))
    records, bodies = [], []
    place = len(start) + 16 * count
    for tag, body in sorted(tables.items()):
        padded = _padded(body)
        records.append(struct.pack(">4sIII", tag, _checksum(padded), place, len(body)))
        bodies.append(padded)
        place += len(padded)
    file = bytearray(start + b"".join(records + bodies))
    (head,) = struct.unpack_from(">I", file, file.index(b"head", 12) + 8)
    checksum = (_CHECKSUM_OF_ALL - _checksum(file)) & 0xFFFFFFFF
    struct.pack_into(">I", file, head + 8, checksum)
    return bytes(file)


def _padded(data: bytes | bytearray) -> bytes:
    """Return data filled up to whole words of four bytes."""
    return bytes(data) + b"\0" * (-len(data) % 4)


def _checksum(padded: bytes | bytearray) -> int:
    words: tuple[int, ...] = struct.unpack(f">{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF
