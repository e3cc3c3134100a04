"""A tagged PDF file: pages of text and figures, and the tree that tells a screen reader what they are.

Sources: ISO 32000-1:2008 (PDF 1.7), 7.5.7 object streams, 7.5.8 cross-reference streams, 9.7 composite fonts, 14.7
logical structure, 14.8 tagged PDF. Same calls, same bytes.
"""

import hashlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from xml.sax.saxutils import escape

from chalicelib.domain.instants import Instant
from chalicelib.presentation.pdf.truetype import Typeface, typeface

WIDTH, HEIGHT = 595.28, 841.89
"""A4 in points."""

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"

Colour = tuple[float, float, float]
_PRODUCER = "Patient consent portal"
_ARTIFACT = "/Artifact BMC\n"
_FOOTER = "/Artifact <</Type/Pagination/Subtype/Footer/Attached[/Bottom]>> BDC\n"
_XMP = """<?xpacket begin="\N{ZERO WIDTH NO-BREAK SPACE}" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:xmp="http://ns.adobe.com/xap/1.0/">
<dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
<dc:language><rdf:Bag><rdf:li>{lang}</rdf:li></rdf:Bag></dc:language>
<xmp:CreateDate>{at}</xmp:CreateDate><xmp:ModifyDate>{at}</xmp:ModifyDate>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="r"?>"""


@dataclass(eq=False, slots=True)
class Element:
    """One element of the structure tree; its kids are elements, and marks ``(page, number)`` on the pages."""

    tag: str
    lang: str | None = None
    alt: str | None = None
    attributes: str = ""
    kids: list["Element | tuple[int, int]"] = field(default_factory=list)

    def add(self, tag: str, lang: str | None = None, attributes: str = "") -> "Element":
        """Add a kid."""
        kid = Element(tag, lang, attributes=attributes)
        self.kids.append(kid)
        return kid

    @property
    def empty(self) -> bool:
        """Whether nothing on any page belongs to it."""
        return all(isinstance(kid, Element) and kid.empty for kid in self.kids)


@dataclass(frozen=True, slots=True)
class Fragment:
    """Letters in one font, size and height above the line (both in points)."""

    text: str
    font: str
    size: float
    rise: float = 0


class Face:
    """A font as one file uses it: every letter that occurs gets a number, its glyph and its way back to Unicode."""

    def __init__(self, name: str) -> None:
        self.typeface: Typeface = typeface(name)
        self._numbers: dict[str, int] = {}

    def write(self, text: str) -> str:
        """Give a text as the numbers of its letters."""
        return "".join(f"{self._numbers.setdefault(letter, len(self._numbers) + 1):04X}" for letter in text)

    @property
    def used(self) -> bool:
        """Whether anything was written in it."""
        return bool(self._numbers)

    def place(self, file: "_File") -> int:
        """Write the font into the file: only the glyphs in use."""
        glyphs = [self.typeface.glyph(letter) for letter in self._numbers]
        kept = [0, *dict.fromkeys(glyphs)]
        program = self.typeface.subset(kept)
        tag = "".join(chr(65 + byte % 26) for byte in hashlib.sha256(program).digest()[:6])
        name = f"/{tag}+{self.typeface.name}"
        to_glyph = b"\0\0" + b"".join(kept.index(glyph).to_bytes(2, "big") for glyph in glyphs)
        left, bottom, right, top = self.typeface.box
        descriptor = file.add(
            f"<</Type/FontDescriptor/FontName{name}/Flags 32/FontBBox[{left} {bottom} {right} {top}]/ItalicAngle 0"
            f"/Ascent {self.typeface.ascent}/Descent {self.typeface.descent}/CapHeight 729/StemV 80"
            f"/FontFile2 {file.stream(program, f'/Length1 {len(program)}')} 0 R>>"
        )
        widths = " ".join(str(self.typeface.width(glyph)) for glyph in glyphs)
        descendant = file.add(
            f"<</Type/Font/Subtype/CIDFontType2/BaseFont{name}/DW 600/W[1[{widths}]]/FontDescriptor {descriptor} 0 R"
            f"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
            f"/CIDToGIDMap {file.stream(to_glyph)} 0 R>>"
        )
        return file.add(
            f"<</Type/Font/Subtype/Type0/BaseFont{name}/Encoding/Identity-H/DescendantFonts[{descendant} 0 R]"
            f"/ToUnicode {file.stream(self._to_unicode())} 0 R>>"
        )

    def _to_unicode(self) -> bytes:
        lines = [
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap",
            "/CIDSystemInfo <</Registry (Adobe) /Ordering (UCS) /Supplement 0>> def",
            "/CMapName /Adobe-Identity-UCS def /CMapType 2 def",
            "1 begincodespacerange <0000> <FFFF> endcodespacerange",
        ]
        pairs = [f"<{number:04X}> <{_utf16(letter)}>" for letter, number in self._numbers.items()]
        for start in range(0, len(pairs), 100):  # no more in a block: Adobe Technical Note 5014
            block = pairs[start : start + 100]
            lines += [f"{len(block)} beginbfchar", *block, "endbfchar"]
        lines.append("endcmap CMapName currentdict /CMap defineresource pop end end")
        return "\n".join(lines).encode()


class Document:
    """A document being written, page after page. Places are in points from the upper left corner."""

    def __init__(self, lang: str) -> None:
        self.root = Element("Document", lang)
        self._lang = lang
        self._faces = {name: Face(name) for name in (REGULAR, BOLD)}
        self._pages: list[list[tuple[Element | None, str]]] = []
        self._footers: list[str] = []

    @property
    def pages(self) -> int:
        """How many pages there are."""
        return len(self._pages)

    def new_page(self) -> None:
        """Begin a page."""
        self._pages.append([])
        self._footers.append("")

    def width(self, fragments: Sequence[Fragment]) -> float:
        """Tell how wide a line is."""
        return sum(_width(self._faces[part.font].typeface, part.text) * part.size / 1000 for part in fragments)

    def text(self, owner: Element | None, x: float, y: float, fragments: Sequence[Fragment], colour: Colour) -> None:
        """Write a line on the last page; without an owner it is decoration."""
        self._pages[-1].append((owner, self._line(x, y, fragments, colour)))

    def rule(self, x: float, y: float, width: float, thickness: float, colour: Colour) -> None:
        """Draw a line across, which is decoration."""
        drawn = f"{_colour(colour)} rg {_number(x)} {_number(HEIGHT - y)} {_number(width)} {_number(thickness)} re f\n"
        self._pages[-1].append((None, drawn))

    def squares(self, owner: Element, x: float, y: float, side: float, matrix: Sequence[Sequence[bool]]) -> None:
        """Draw a matrix of dark and light modules as a square figure; white where it is light, quiet zone and all."""
        count = len(matrix)
        bottom = HEIGHT - y - side
        owner.attributes = (
            f"<</O/Layout/Placement/Block/BBox[{_number(x)} {_number(bottom)} {_number(x + side)} "
            f"{_number(bottom + side)}]>>"
        )
        scale = _number(side / count, 5)
        drawn = [f"q {scale} 0 0 {scale} {_number(x)} {_number(bottom)} cm 1 g 0 0 {count} {count} re f 0 g"]
        for row, modules in enumerate(matrix):
            column = 0
            for dark, run in groupby(modules):
                length = len(list(run))
                if dark:
                    drawn.append(f"{column} {count - 1 - row} {length} 1 re")
                column += length
        self._pages[-1].append((owner, "\n".join([*drawn, "f Q\n"])))

    def footer(self, page: int, x: float, y: float, fragments: Sequence[Fragment], colour: Colour) -> None:
        """Write a line at the foot of a page: repeated on each, and read aloud on none."""
        self._footers[page] += self._line(x, y, fragments, colour)

    def save(self, title: str, at: Instant) -> bytes:
        """Write the file."""
        file = _File()
        pages, tree = file.reserve(), file.reserve()
        numbers = [file.reserve() for _ in self._pages]
        marks = [self._page(file, page, numbers[page], pages) for page in range(self.pages)]
        fonts = "".join(f"/{_SHORT[name]} {face.place(file)} 0 R" for name, face in self._faces.items() if face.used)
        kids = " ".join(f"{number} 0 R" for number in numbers)
        file.set(
            pages,
            f"<</Type/Pages/Count {self.pages}/Kids[{kids}]/MediaBox[0 0 {WIDTH} {HEIGHT}]"
            f"/Resources<</Font<<{fonts}>>>>>>",
        )
        places: dict[Element, int] = {}
        root = self._element(file, self.root, tree, numbers, places)
        parents = " ".join(
            f"{page} [{' '.join(f'{places[owner]} 0 R' for owner in owners)}]" for page, owners in enumerate(marks)
        )
        file.set(
            tree,
            f"<</Type/StructTreeRoot/K {root} 0 R/ParentTree {file.add(f'<</Nums[{parents}]>>')} 0 R"
            f"/ParentTreeNextKey {self.pages}>>",
        )
        described = _XMP.format(title=escape(title), lang=self._lang, at=at).encode()
        metadata = file.stream(described, "/Type/Metadata/Subtype/XML", plain=True)
        catalog = file.add(
            f"<</Type/Catalog/Pages {pages} 0 R/Lang{_text(self._lang)}/MarkInfo<</Marked true>>"
            f"/StructTreeRoot {tree} 0 R/Metadata {metadata} 0 R/ViewerPreferences<</DisplayDocTitle true>>>>"
        )
        moment = f"(D:{at[:19].translate({45: None, 58: None, 84: None})}Z)"
        info = file.add(
            f"<</Title{_text(title)}/Producer({_PRODUCER})/CreationDate{moment}/ModDate{moment}>>",
        )
        return file.written(catalog, info)

    def _line(self, x: float, y: float, fragments: Sequence[Fragment], colour: Colour) -> str:
        parts = [f"{_colour(colour)} rg BT {_number(x)} {_number(HEIGHT - y)} Td"]
        for part in fragments:
            rise = f" {_number(part.rise)} Ts" if part.rise else ""
            back = " 0 Ts" if part.rise else ""
            codes = self._faces[part.font].write(part.text)
            parts.append(f"/{_SHORT[part.font]} {_number(part.size)} Tf{rise} <{codes}> Tj{back}")
        return " ".join([*parts, "ET\n"])

    def _page(self, file: "_File", page: int, number: int, pages: int) -> list[Element]:
        """Write a page; give the owner of each of its marks, in order."""
        content: list[str] = []
        owners: list[Element] = []
        for owner, drawn in groupby(self._pages[page], key=lambda piece: piece[0]):
            if owner is None:
                content.append(_ARTIFACT)
            else:
                content.append(f"/{owner.tag} <</MCID {len(owners)}>> BDC\n")
                owner.kids.append((page, len(owners)))
                owners.append(owner)
            content += [*(part for _, part in drawn), "EMC\n"]
        if self._footers[page]:
            content += [_FOOTER, self._footers[page], "EMC\n"]
        stream = file.stream("".join(content).encode("ascii"))
        file.set(
            number,
            f"<</Type/Page/Parent {pages} 0 R/Contents {stream} 0 R/StructParents {page}/Tabs/S>>",
        )
        return owners

    def _element(
        self, file: "_File", element: Element, parent: int, pages: Sequence[int], places: dict[Element, int]
    ) -> int:
        number = places[element] = file.reserve()
        kids = [
            f"{self._element(file, kid, number, pages, places)} 0 R"
            if isinstance(kid, Element)
            else f"<</Type/MCR/Pg {pages[kid[0]]} 0 R/MCID {kid[1]}>>"
            for kid in element.kids
            if not isinstance(kid, Element) or not kid.empty
        ]
        more = f"/Lang{_text(element.lang)}" if element.lang else ""
        more += f"/Alt{_text(element.alt)}" if element.alt else ""
        more += f"/A{element.attributes}" if element.attributes else ""
        file.set(number, f"<</Type/StructElem/S/{element.tag}/P {parent} 0 R/K[{' '.join(kids)}]{more}>>")
        return number


_SHORT = {REGULAR: "R", BOLD: "B"}


class _File:
    """The objects of a file: streams one by one, all others together in a compressed one."""

    def __init__(self) -> None:
        self._objects: list[str] = []
        self._streams: dict[int, bytes] = {}

    def reserve(self) -> int:
        return self.add("null")

    def add(self, content: str) -> int:
        self._objects.append(content)
        return len(self._objects)

    def set(self, number: int, content: str) -> None:
        self._objects[number - 1] = content

    def stream(self, content: bytes, entries: str = "", *, plain: bool = False) -> int:
        number = self.reserve()
        packed = content if plain else zlib.compress(content, 9)
        how = "" if plain else "/Filter/FlateDecode"
        self._streams[number] = f"<<{entries}{how}/Length {len(packed)}>>stream\n".encode() + packed + b"\nendstream"
        return number

    def written(self, catalog: int, info: int) -> bytes:
        together = [number for number in range(1, len(self._objects) + 1) if number not in self._streams]
        bodies = [self._objects[number - 1] for number in together]
        at, index = 0, []
        for number, body in zip(together, bodies, strict=True):
            index.append(f"{number} {at}")
            at += len(body.encode()) + 1
        first = " ".join(index) + "\n"
        holder = self.stream(
            (first + "\n".join(bodies)).encode("ascii"), f"/Type/ObjStm/N {len(together)}/First {len(first)}"
        )
        table = self.reserve()
        content = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        places = {}
        for number, stream in self._streams.items():
            places[number] = len(content)
            content += f"{number} 0 obj\n".encode() + stream + b"\nendobj\n"
        inside = {number: place for place, number in enumerate(together)}
        rows = [(0, 0, 65535)]
        rows += [
            (2, holder, inside[number]) if number in inside else (1, places[number], 0) for number in range(1, table)
        ]
        rows.append((1, len(content), 0))
        packed = zlib.compress(
            b"".join(kind.to_bytes(1, "big") + a.to_bytes(4, "big") + b.to_bytes(2, "big") for kind, a, b in rows), 9
        )
        name = hashlib.sha256(content).hexdigest()[:32]
        entries = (
            f"{table} 0 obj\n<</Type/XRef/Size {len(rows)}/W[1 4 2]/Root {catalog} 0 R/Info {info} 0 R"
            f"/ID[<{name}><{name}>]/Filter/FlateDecode/Length {len(packed)}>>stream\n"
        )
        end = f"\nendstream\nendobj\nstartxref\n{len(content)}\n%%EOF\n"
        return bytes(content) + entries.encode() + packed + end.encode()


def _width(face: Typeface, text: str) -> int:
    return sum(face.width(face.glyph(letter)) for letter in text)


def _number(value: float, places: int = 2) -> str:
    return f"{value:.{places}f}".rstrip("0").rstrip(".")


def _colour(colour: Colour) -> str:
    return " ".join(_number(part, 3) for part in colour)


def _utf16(text: str) -> str:
    return text.encode("utf-16-be").hex().upper()


def _text(value: str) -> str:
    return f"<FEFF{_utf16(value)}>"
