"""A PDF as it is read: by a screen reader, by copying its text, by scanning its pixels."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html.parser import HTMLParser
from typing import Any

import pypdf
import pypdfium2
from PIL.Image import Image
from pypdf.generic import ContentStream, DictionaryObject

from tests.codes import codes_in

INLINE = {"a", "b", "strong", "span", "em", "i", "small", "time", "code", "input"}
IN_A_LINE = {"Span", "Link", "Code", "Quote", "Reference"}
"""Structure types that part no words (ISO 32000-1, 14.8.4.4)."""

PEN_LINE = 1.2
"""How thick a line to write on is at least as pdfium measures it, twice its stroke, in points; the
rules of a table are thinner."""

VOID = {"br", "hr", "input", "meta", "link", "img"}


@dataclass(frozen=True)
class TaggedText:
    """An element of the structure tree with text: tag, tags above it, language, page."""

    tag: str
    above: tuple[str, ...]
    lang: str
    text: str
    page: int


class PdfFile:
    """A PDF, read strictly."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.reader = pypdf.PdfReader(io.BytesIO(content), strict=True)
        self.catalog: Any = self.reader.trailer["/Root"]
        self.pixels = pypdfium2.PdfDocument(content)

    @cached_property
    def read_aloud(self) -> list[TaggedText]:
        """Everything a screen reader reads, in the order of the structure tree."""
        [root] = _kids(self.catalog["/StructTreeRoot"])
        return list(self._tagged_texts(root, (), str(self.catalog["/Lang"])))

    @cached_property
    def drawn(self) -> list[tuple[int, str]]:
        """Page and tag of every marked piece, in the order in which they are drawn.

        Decoration is ``Artifact``.
        """
        found = []
        for number, page in enumerate(self.reader.pages):
            for operands, operator in _operations(self.reader, page):
                if operator in {b"BDC", b"BMC"}:
                    found.append((number, str(operands[0])[1:]))
        return found

    @property
    def figures(self) -> list[Any]:
        """Every figure of the structure tree."""
        [root] = _kids(self.catalog["/StructTreeRoot"])
        elements = self._elements(root)
        return [element for element in elements if element["/S"] == "/Figure"]

    @property
    def words(self) -> list[str]:
        """The words in the order of the tags, without the bullets of lists."""
        words = []
        for element in self.read_aloud:
            words += [word for word in element.text.split() if word != "•"]
        return words

    def copied(self) -> str:
        """What somebody copies out of a viewer, pages and all."""
        return "\n".join(page.get_textpage().get_text_range() for page in self.pixels)

    def picture(self, page: int, dpi: int = 150) -> Image:
        """A page as a printer or a screen shows it."""
        return self.pixels[page].render(scale=dpi / 72).to_pil()

    def codes(self) -> list[str]:
        """What a phone reads from the pages at 150 dpi."""
        pages = [self.picture(page) for page in range(len(self.reader.pages))]
        return [code.text for page in pages for code in codes_in(page)]

    def pen_lines(self, page: int) -> list[float]:
        """How high on a page the lines to write on are, from the lowest: the thickest rules."""
        found = []
        for mark in self.pixels[page].get_objects():
            left, bottom, right, top = mark.get_bounds()
            is_path = mark.type == pypdfium2.raw.FPDF_PAGEOBJ_PATH
            if is_path and right - left > 60 and PEN_LINE <= top - bottom < 2 * PEN_LINE:
                found.append((bottom + top) / 2)
        return sorted(found)

    def fonts(self) -> list[Any]:
        """The fonts of the first page."""
        return [each.get_object() for each in self.reader.pages[0]["/Resources"]["/Font"].values()]

    def _tagged_texts(self, node: Any, above: tuple[str, ...], lang: str) -> Iterator[TaggedText]:
        """Give the text of each element; elements within a line are part of their line."""
        element = node.get_object()
        tag, lang = self._role(element), str(element.get("/Lang", lang))
        marks: list[tuple[int, int]] = []
        for part in self._parts(element):
            if isinstance(part, tuple):
                marks.append(part)
                continue
            if marks and tag != "Figure":
                yield self._tagged_text(tag, above, lang, marks)
                marks = []
            yield from self._tagged_texts(part, (*above, tag), lang)
        if marks and tag != "Figure":
            yield self._tagged_text(tag, above, lang, marks)

    def _parts(self, element: Any) -> Iterator[Any]:
        """Give page and number of each mark of an element, and the elements that are no part of a
        line.
        """
        for kid in _kids(element):
            child = kid.get_object()
            if isinstance(child, int):
                yield self.reader.get_page_number(element["/Pg"].get_object()), int(child)
            elif child.get("/Type") == "/MCR":
                yield self.reader.get_page_number(child["/Pg"].get_object()), int(child["/MCID"])
            elif child.get("/Type") == "/OBJR":
                continue
            elif self._role(child) in IN_A_LINE and "/Lang" not in child:
                yield from self._parts(child)
            else:
                yield child

    def _tagged_text(
        self, tag: str, above: tuple[str, ...], lang: str, marks: list[tuple[int, int]]
    ) -> TaggedText:
        text = "".join(self._marked.get(mark, "") for mark in marks)
        return TaggedText(tag, above, lang, text, page=marks[0][0])

    def _role(self, element: Any) -> str:
        """Give the standard structure type of an element (ISO 32000-1, 14.8.4)."""
        tag = element["/S"]
        return str(self.catalog["/StructTreeRoot"].get("/RoleMap", {}).get(tag, tag))[1:]

    def _elements(self, node: Any) -> Iterator[Any]:
        element = node.get_object()
        yield element
        for kid in _kids(element):
            child = kid.get_object()
            if not isinstance(child, int) and "/S" in child:
                yield from self._elements(child)

    @cached_property
    def _marked(self) -> dict[tuple[int, int], str]:
        """The text of each mark: what stands for it (ActualText), else what the font makes of it."""
        found: dict[tuple[int, int], str] = {}
        for number, page in enumerate(self.reader.pages):
            resources = page["/Resources"].get("/Font", {}).items()
            fonts = {name: _to_unicode(font.get_object()) for name, font in resources}
            marks: list[Any] = []
            font: dict[str, str] = {}
            for operands, operator in _operations(self.reader, page):
                if operator in {b"BDC", b"BMC"}:
                    named = operands[1] if len(operands) > 1 else {}
                    marks.append(named)
                    if "/ActualText" in named:
                        _add(found, number, marks, str(named["/ActualText"]))
                elif operator == b"EMC":
                    marks.pop()
                elif operator == b"Tf":
                    font = fonts[operands[0]]
                elif operator in {b"Tj", b"TJ"} and not any(
                    "/ActualText" in mark for mark in marks
                ):
                    _add(found, number, marks, _shown(operands[0], font))
        return found


def _kids(element: Any) -> list[Any]:
    kids = element.get("/K", [])
    held = kids.get_object() if hasattr(kids, "get_object") else kids
    return list(held) if isinstance(held, list) else [kids]


def _add(found: dict[tuple[int, int], str], page: int, marks: list[Any], text: str) -> None:
    for mark in reversed(marks):
        if "/MCID" in mark:
            place = (page, int(mark["/MCID"]))
            found[place] = found.get(place, "") + text
            return


def _shown(operand: Any, font: dict[str, str]) -> str:
    """Decode what an operator shows, two bytes a glyph; numbers in it move the pen."""
    parts = operand if isinstance(operand, list) else [operand]
    raw = b"".join(part.original_bytes for part in parts if hasattr(part, "original_bytes"))
    return "".join(font.get(raw[at : at + 2].hex(), "") for at in range(0, len(raw), 2))


def _operations(reader: pypdf.PdfReader, page: DictionaryObject) -> Any:
    return ContentStream(page["/Contents"].get_object(), reader).operations


def _to_unicode(font: Any) -> dict[str, str]:
    table = font["/ToUnicode"].get_data().decode()
    pairs = re.findall(r"<([0-9A-F]{4})> <([0-9A-F]+)>\n", table)
    return {number.lower(): bytes.fromhex(letters).decode("utf-16-be") for number, letters in pairs}


class VisibleText(HTMLParser):
    """The words of an HTML page that can be seen, read apart from the application."""

    def __init__(
        self, html: str, *, without: tuple[str, ...], hidden: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        self._without = {*without, "head", "style", "script", "svg"}
        self._hidden = set(hidden)
        self._depth = 0
        self._text = ""
        self.feed(html)

    @property
    def words(self) -> list[str]:
        """The words."""
        return self._text.split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Go into an element, unseen or not."""
        classes = set((dict(attrs).get("class") or "").split())
        if self._depth or tag in self._without or classes & self._hidden:
            self._depth += tag not in VOID
        elif tag not in INLINE:
            self._text += " "

    def handle_endtag(self, tag: str) -> None:
        """Come out of it."""
        if self._depth:
            self._depth -= tag not in VOID
        elif tag not in INLINE:
            self._text += " "

    def handle_data(self, data: str) -> None:
        """Take its words."""
        if not self._depth:
            self._text += data
