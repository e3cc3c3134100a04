"""TrueType fonts as a PDF needs them: which glyph a letter has, how wide it is, and a font of a few glyphs only.

Sources: OpenType 1.9.1, tables cmap (format 4), glyf, head, hhea, hmtx, loca, maxp.
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
# Flags of a part of a composite glyph.
_WORDS, _SCALE, _MORE, _TWO_SCALES, _MATRIX = 0x1, 0x8, 0x20, 0x40, 0x80


@cache
def typeface(name: str) -> "Typeface":
    """Give one of the fonts that ship with the portal: ``DejaVuSans`` or ``DejaVuSans-Bold``."""
    return Typeface(name, (_FONTS / f"{name}.ttf").read_bytes())


class Typeface:
    """A font file, read."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self._data = data
        (tables,) = struct.unpack_from(">H", data, 4)
        records = (struct.unpack_from(">4sIII", data, 12 + 16 * each) for each in range(tables))
        self._tables = {tag: data[start : start + length] for tag, _, start, length in records}
        head, hhea = self._tables[b"head"], self._tables[b"hhea"]
        (self._units,) = struct.unpack_from(">H", head, 18)
        self.box = tuple(self._thousandths(each) for each in struct.unpack_from(">4h", head, 36))
        ascent, descent = struct.unpack_from(">2h", hhea, 4)
        self.ascent, self.descent = self._thousandths(ascent), self._thousandths(descent)
        (self._measured,) = struct.unpack_from(">H", hhea, 34)
        (self._glyphs,) = struct.unpack_from(">H", self._tables[b"maxp"], 4)
        (long,) = struct.unpack_from(">h", head, 50)
        places = struct.unpack_from(f">{self._glyphs + 1}{'I' if long else 'H'}", self._tables[b"loca"])
        self._places = places if long else tuple(2 * place for place in places)
        self._letters = self._read_letters()

    def glyph(self, letter: str) -> int:
        """Give the glyph of a letter; one that can be seen where the font has none for it.

        Georgian capitals (Mtavruli) are not in the font: they take the form of the everyday letters they stand for.
        """
        everyday = letter.lower() if _FIRST_MTAVRULI <= letter <= _LAST_MTAVRULI else letter
        return self._letters.get(everyday) or self._letters[_REPLACEMENT]

    def width(self, glyph: int) -> int:
        """Tell how wide a glyph is, in thousandths of the font's size."""
        return self._thousandths(self._metric(glyph)[0])

    def subset(self, glyphs: Sequence[int]) -> bytes:
        """Write a font whose glyphs are exactly these, numbered in this order, and behind them the parts they use."""
        kept = list(glyphs)
        number = {glyph: place for place, glyph in enumerate(kept)}
        outlines = []
        for glyph in kept:  # grows while it is walked
            outline = bytearray(self._tables[b"glyf"][self._places[glyph] : self._places[glyph + 1]])
            for offset in _parts(outline):
                (part,) = struct.unpack_from(">H", outline, offset)
                if part not in number:
                    number[part] = len(kept)
                    kept.append(part)
                struct.pack_into(">H", outline, offset, number[part])
            outlines.append(bytes(outline) + b"\0" * (-len(outline) % 4))
        places = [0, *accumulate(len(each) for each in outlines)]
        head, hhea, maxp = (bytearray(self._tables[tag]) for tag in (b"head", b"hhea", b"maxp"))
        struct.pack_into(">I", head, 8, 0)
        struct.pack_into(">h", head, 50, 1)
        struct.pack_into(">H", hhea, 34, len(kept))
        struct.pack_into(">H", maxp, 4, len(kept))
        return _file(
            {
                b"glyf": b"".join(outlines),
                b"head": bytes(head),
                b"hhea": bytes(hhea),
                b"hmtx": b"".join(struct.pack(">Hh", *self._metric(glyph)) for glyph in kept),
                b"loca": struct.pack(f">{len(places)}I", *places),
                b"maxp": bytes(maxp),
            }
        )

    def _metric(self, glyph: int) -> tuple[int, int]:
        table, last = self._tables[b"hmtx"], self._measured - 1
        if glyph <= last:
            width, bearing = struct.unpack_from(">Hh", table, 4 * glyph)
        else:
            (width,) = struct.unpack_from(">H", table, 4 * last)
            (bearing,) = struct.unpack_from(">h", table, 4 * self._measured + 2 * (glyph - self._measured))
        return width, bearing

    def _thousandths(self, units: int) -> int:
        return round(units * 1000 / int(self._units))

    def _read_letters(self) -> dict[str, int]:
        table = self._tables[b"cmap"]
        (count,) = struct.unpack_from(">H", table, 2)
        starts = [struct.unpack_from(">HHI", table, 4 + 8 * each)[2] for each in range(count)]
        start = next(each for each in starts if struct.unpack_from(">H", table, each) == (4,))
        (twice,) = struct.unpack_from(">H", table, start + 6)
        segments = twice // 2
        at = start + 14
        ends = struct.unpack_from(f">{segments}H", table, at)
        begins = struct.unpack_from(f">{segments}H", table, at + twice + 2)
        deltas = struct.unpack_from(f">{segments}H", table, at + 2 * twice + 2)
        ranges_at = at + 3 * twice + 2
        ranges = struct.unpack_from(f">{segments}H", table, ranges_at)
        letters = {}
        for each, (first, last) in enumerate(zip(begins, ends, strict=True)):
            for code in range(first, last + 1):
                glyph = code
                if ranges[each]:
                    (glyph,) = struct.unpack_from(">H", table, ranges_at + 2 * each + ranges[each] + 2 * (code - first))
                glyph = (glyph + deltas[each]) & 0xFFFF
                if 0 < glyph < self._glyphs:
                    letters[chr(code)] = glyph
        return letters


def _parts(outline: bytes | bytearray) -> list[int]:
    """Tell where in a composite glyph the numbers of its parts stand; nowhere in a simple one."""
    if not outline or struct.unpack_from(">h", outline)[0] >= 0:
        return []
    found, at, flags = [], 10, _MORE
    while flags & _MORE:
        (flags,) = struct.unpack_from(">H", outline, at)
        found.append(at + 2)
        at += 8 if flags & _WORDS else 6
        at += 2 if flags & _SCALE else 4 if flags & _TWO_SCALES else 8 if flags & _MATRIX else 0
    return found


def _file(tables: dict[bytes, bytes]) -> bytes:
    count = len(tables)
    power = count.bit_length() - 1
    start = struct.pack(">IHHHH", 0x00010000, count, 16 << power, power, 16 * count - (16 << power))
    records, bodies, at = [], [], 12 + 16 * count
    for tag, body in sorted(tables.items()):
        padded = body + b"\0" * (-len(body) % 4)
        records.append(struct.pack(">4sIII", tag, _checksum(padded), at, len(body)))
        bodies.append(padded)
        at += len(padded)
    whole = bytearray(start + b"".join(records + bodies))
    head_at = struct.unpack_from(">I", whole, whole.index(b"head", 12) + 8)[0]
    struct.pack_into(">I", whole, head_at + 8, (_CHECKSUM_OF_ALL - _checksum(whole)) & 0xFFFFFFFF)
    return bytes(whole)


def _checksum(padded: bytes | bytearray) -> int:
    words: tuple[int, ...] = struct.unpack(f">{len(padded) // 4}I", padded)
    return sum(words) & 0xFFFFFFFF
