"""A tagged PDF: pages of text and figures, and the tree that tells a screen reader what they are.

Sources: ISO 32000-1:2008 (PDF 1.7), 9.7 composite fonts, 14.7 logical structure, 14.8 tagged PDF.
The same calls give the same bytes.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from xml.sax.saxutils import escape

from chalicelib.domain.instants import Instant
from chalicelib.presentation.pdf.objects import PdfObjects
from chalicelib.presentation.pdf.truetype import Typeface, typeface
from chalicelib.presentation.qr import dark_runs

WIDTH, HEIGHT = 595.28, 841.89
"""A4 in points."""

REGULAR, BOLD = "DejaVuSans", "DejaVuSans-Bold"
_SHORT = {REGULAR: "R", BOLD: "B"}

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
    """One element of the structure tree.

    Its kids are elements, and marks on the pages: ``(page, number)``.
    """

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
    """A font as one file uses it: every letter in use has a number, a glyph and its Unicode."""

    def __init__(self, name: str) -> None:
        self.typeface: Typeface = typeface(name)
        self._numbers: dict[str, int] = {}

    def write(self, text: str) -> str:
        """Return a text as the numbers of its letters, in hexadecimal."""
        codes = []
        for letter in text:
            number = self._numbers.setdefault(letter, len(self._numbers) + 1)
            codes.append(f"{number:04X}")
        return "".join(codes)

    @property
    def used(self) -> bool:
        """Whether anything was written in it."""
        return bool(self._numbers)

    def place(self, objects: PdfObjects) -> int:
        """Write the font, with the glyphs in use only; return its number."""
        glyphs = [self.typeface.glyph(letter) for letter in self._numbers]
        kept = [0, *dict.fromkeys(glyphs)]
        program = self.typeface.subset(kept)
        tag = "".join(chr(65 + byte % 26) for byte in hashlib.sha256(program).digest()[:6])
        name = f"/{tag}+{self.typeface.name}"
        descriptor = self._descriptor(objects, name, program)
        descendant = self._descendant(objects, name, descriptor, glyphs, kept)
        to_unicode = objects.stream(self._to_unicode())
        return objects.add(
            f"<</Type/Font/Subtype/Type0/BaseFont{name}/Encoding/Identity-H"
            f"/DescendantFonts[{descendant} 0 R]/ToUnicode {to_unicode} 0 R>>"
        )

    def _descriptor(self, objects: PdfObjects, name: str, program: bytes) -> int:
        """Write the font's measures and its program."""
        left, bottom, right, top = self.typeface.box
        font_file = objects.stream(program, f"/Length1 {len(program)}")
        return objects.add(
            f"<</Type/FontDescriptor/FontName{name}/Flags 32"
            f"/FontBBox[{left} {bottom} {right} {top}]/ItalicAngle 0"
            f"/Ascent {self.typeface.ascent}/Descent {self.typeface.descent}/CapHeight 729/StemV 80"
            f"/FontFile2 {font_file} 0 R>>"
        )

    def _descendant(
        self,
        objects: PdfObjects,
        name: str,
        descriptor: int,
        glyphs: Sequence[int],
        kept: Sequence[int],
    ) -> int:
        """Write the width of each letter, and which of the kept glyphs it has."""
        widths = " ".join(str(self.typeface.width(glyph)) for glyph in glyphs)
        places = [kept.index(glyph).to_bytes(2, "big") for glyph in glyphs]
        to_glyph = objects.stream(b"\0\0" + b"".join(places))
        return objects.add(
            f"<</Type/Font/Subtype/CIDFontType2/BaseFont{name}/DW 600/W[1[{widths}]]"
            f"/FontDescriptor {descriptor} 0 R"
            f"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>"
            f"/CIDToGIDMap {to_glyph} 0 R>>"
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
    """A document that is being written, page after page.

    Places are in points from the upper left corner.
    """

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
        """Return how wide a line is."""
        width = 0.0
        for part in fragments:
            width += _width(self._faces[part.font].typeface, part.text) * part.size / 1000
        return width

    def text(
        self,
        owner: Element | None,
        x: float,
        y: float,
        fragments: Sequence[Fragment],
        colour: Colour,
    ) -> None:
        """Write a line on the last page; without an owner it is decoration."""
        drawn = self._line(x, y, fragments, colour)
        self._pages[-1].append((owner, drawn))

    def rule(self, x: float, y: float, width: float, thickness: float, colour: Colour) -> None:
        """Draw a line across, which is decoration."""
        box = " ".join(map(_number, (x, HEIGHT - y, width, thickness)))
        drawn = f"{_colour(colour)} rg {box} re f\n"
        self._pages[-1].append((None, drawn))

    def squares(
        self, owner: Element, x: float, y: float, side: float, matrix: Sequence[Sequence[bool]]
    ) -> None:
        """Draw a matrix of dark and light modules as a square figure, the light ones in white."""
        count = len(matrix)
        bottom = HEIGHT - y - side
        place = f"{_number(x)} {_number(bottom)}"
        box = f"{place} {_number(x + side)} {_number(bottom + side)}"
        owner.attributes = f"<</O/Layout/Placement/Block/BBox[{box}]>>"
        scale = _number(side / count, 5)
        drawn = [f"q {scale} 0 0 {scale} {place} cm 1 g 0 0 {count} {count} re f 0 g"]
        for row, column, length in dark_runs(matrix):
            drawn.append(f"{column} {count - 1 - row} {length} 1 re")
        drawn.append("f Q\n")
        self._pages[-1].append((owner, "\n".join(drawn)))

    def footer(
        self, page: int, x: float, y: float, fragments: Sequence[Fragment], colour: Colour
    ) -> None:
        """Write a line at the foot of a page: repeated on each, and read aloud on none."""
        self._footers[page] += self._line(x, y, fragments, colour)

    def save(self, title: str, at: Instant) -> bytes:
        """Write the file. `at` is when it says it was made."""
        objects = PdfObjects()
        pages, tree = objects.reserve(), objects.reserve()
        numbers = [objects.reserve() for _ in self._pages]
        owners = [self._page(objects, page, numbers[page], pages) for page in range(self.pages)]
        self._page_tree(objects, pages, numbers)
        self._structure_tree(objects, tree, numbers, owners)
        xmp = _XMP.format(title=escape(title), lang=self._lang, at=at).encode()
        metadata = objects.stream(xmp, "/Type/Metadata/Subtype/XML", plain=True)
        catalog = objects.add(
            f"<</Type/Catalog/Pages {pages} 0 R/Lang{_text(self._lang)}/MarkInfo<</Marked true>>"
            f"/StructTreeRoot {tree} 0 R/Metadata {metadata} 0 R"
            f"/ViewerPreferences<</DisplayDocTitle true>>>>"
        )
        digits = re.sub(r"\D", "", at[:19])
        moment = f"(D:{digits}Z)"
        dates = f"/CreationDate{moment}/ModDate{moment}"
        info = objects.add(f"<</Title{_text(title)}/Producer({_PRODUCER}){dates}>>")
        return objects.file(catalog, info)

    def _page_tree(self, objects: PdfObjects, number: int, pages: Sequence[int]) -> None:
        """Write the list of pages, with the fonts they share."""
        fonts = ""
        for name, face in self._faces.items():
            if face.used:
                fonts += f"/{_SHORT[name]} {face.place(objects)} 0 R"
        kids = " ".join(f"{page} 0 R" for page in pages)
        objects.set(
            number,
            f"<</Type/Pages/Count {self.pages}/Kids[{kids}]/MediaBox[0 0 {WIDTH} {HEIGHT}]"
            f"/Resources<</Font<<{fonts}>>>>>>",
        )

    def _structure_tree(
        self,
        objects: PdfObjects,
        number: int,
        pages: Sequence[int],
        owners: Sequence[Sequence[Element]],
    ) -> None:
        """Write the tree of elements, and the way back to them from each mark on each page."""
        places: dict[Element, int] = {}
        root = self._element(objects, self.root, number, pages, places)
        parents = []
        for page, owners_of_page in enumerate(owners):
            references = " ".join(f"{places[owner]} 0 R" for owner in owners_of_page)
            parents.append(f"{page} [{references}]")
        parent_tree = objects.add(f"<</Nums[{' '.join(parents)}]>>")
        objects.set(
            number,
            f"<</Type/StructTreeRoot/K {root} 0 R/ParentTree {parent_tree} 0 R/ParentTreeNextKey {self.pages}>>",
        )

    def _line(self, x: float, y: float, fragments: Sequence[Fragment], colour: Colour) -> str:
        """Return a line as it is written on a page."""
        place = f"{_number(x)} {_number(HEIGHT - y)}"
        parts = [f"{_colour(colour)} rg BT {place} Td"]
        for part in fragments:
            font, size = _SHORT[part.font], _number(part.size)
            shown = f"<{self._faces[part.font].write(part.text)}> Tj"
            if part.rise:
                shown = f"{_number(part.rise)} Ts {shown} 0 Ts"
            parts.append(f"/{font} {size} Tf {shown}")
        return " ".join([*parts, "ET\n"])

    def _page(self, objects: PdfObjects, page: int, number: int, pages: int) -> list[Element]:
        """Write a page; return the owner of each of its marks, in order."""
        content: list[str] = []
        owners: list[Element] = []
        for owner, pieces in groupby(self._pages[page], key=lambda piece: piece[0]):
            if owner is None:
                content.append(_ARTIFACT)
            else:
                content.append(f"/{owner.tag} <</MCID {len(owners)}>> BDC\n")
                owner.kids.append((page, len(owners)))
                owners.append(owner)
            content += [drawn for _, drawn in pieces]
            content.append("EMC\n")
        if self._footers[page]:
            content += [_FOOTER, self._footers[page], "EMC\n"]
        stream = objects.stream("".join(content).encode("ascii"))
        objects.set(
            number,
            f"<</Type/Page/Parent {pages} 0 R/Contents {stream} 0 R/StructParents {page}/Tabs/S>>",
        )
        return owners

    def _element(
        self,
        objects: PdfObjects,
        element: Element,
        parent: int,
        pages: Sequence[int],
        places: dict[Element, int],
    ) -> int:
        """Write an element and those below it; return its number, which `places` gets, too."""
        number = places[element] = objects.reserve()
        kids = []
        for kid in element.kids:
            if not isinstance(kid, Element):
                page, mark = kid
                kids.append(f"<</Type/MCR/Pg {pages[page]} 0 R/MCID {mark}>>")
            elif not kid.empty:
                kids.append(f"{self._element(objects, kid, number, pages, places)} 0 R")
        entries = ""
        if element.lang:
            entries += f"/Lang{_text(element.lang)}"
        if element.alt:
            entries += f"/Alt{_text(element.alt)}"
        if element.attributes:
            entries += f"/A{element.attributes}"
        objects.set(
            number,
            f"<</Type/StructElem/S/{element.tag}/P {parent} 0 R/K[{' '.join(kids)}]{entries}>>",
        )
        return number


def _width(face: Typeface, text: str) -> int:
    """Return the width of a text in thousandths of its size."""
    glyphs = [face.glyph(letter) for letter in text]
    return sum(map(face.width, glyphs))


def _number(value: float, places: int = 2) -> str:
    """Write a number as short as it can be."""
    written = f"{value:.{places}f}"
    return written.rstrip("0").rstrip(".")


def _colour(colour: Colour) -> str:
    return " ".join(_number(part, 3) for part in colour)


def _utf16(text: str) -> str:
    return text.encode("utf-16-be").hex().upper()


def _text(value: str) -> str:
    """Write a text as PDF has it outside of pages (ISO 32000-1, 7.9.2.2)."""
    return f"<FEFF{_utf16(value)}>"
