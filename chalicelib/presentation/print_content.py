"""From HTML of our templates to the values that a paper is set from.

What a paper says is written once, in `templates/paper/` or in a published notice. Here it becomes
blocks: headings, paragraphs, lists, rows, pictures of codes and lines for a pen, as
`templates/print/content.typ` sets them. All texts in them are data.

A block is a dict with `kind`. A text is a list of pieces: a string, or a dict with the one name
``bold``, ``link`` (with ``to``), ``box`` (to tick) or ``break``.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from typing import Any

from chalicelib.presentation import qr

Block = dict[str, Any]
Piece = str | dict[str, Any]

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
"""Elements without an end tag (HTML, 13.1.2)."""

_ELSEWHERE = frozenset({"head", "footer", "nav", "script", "style", "svg", "template"})
"""What is no part of the text: a footer stands at the foot of each page, a picture is drawn anew."""

_INLINE = frozenset(
    {"a", "b", "br", "code", "em", "i", "img", "input", "small", "span", "strong", "time"}
)
_BOLD = frozenset({"b", "strong"})
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
"""Categories of characters that show nothing: spaces, and what only steers others."""

_SPACES = re.compile(r"[ \t\r\n\f]+")


class _Element:
    """An element of HTML, and what is in it."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.children: list[_Element | str] = []

    @property
    def classes(self) -> list[str]:
        return self.attributes.get("class", "").split()


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = _Element("body", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = _Element(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(element)
        if tag not in _VOID:
            self._open.append(element)

    def handle_endtag(self, tag: str) -> None:
        if any(element.tag == tag for element in self._open[1:]):
            while self._open.pop().tag != tag:
                pass

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def read_paper(html: str) -> dict[str, Any]:
    """Read a page of `templates/paper/`: its language, title, footer and blocks by those names."""
    tree = _parse(html)
    return {
        "lang": _first(tree, "html").attributes["lang"],
        "title": _text_of(_first(tree, "title")).strip(),
        "footer": _text_of(_first(tree, "footer")).strip(),
        "blocks": _with_levels(_blocks(tree)),
    }


def read_blocks(html: str) -> list[Block]:
    """Read what stands in HTML, in its order; text directly in a container is a paragraph."""
    return _with_levels(_blocks(_parse(html)))


def _with_levels(blocks: list[Block]) -> list[Block]:
    """Let no heading be more than one level below the one before it (ISO 14289-1, 7.4.2)."""
    level = 0
    for heading in _headings(blocks):
        level = heading["level"] = min(heading["level"], level + 1)
    return blocks


def _headings(blocks: list[Block]) -> Iterator[Block]:
    for block in blocks:
        if block["kind"] == "heading":
            yield block
        for inside in [block, *block.get("items", [])]:
            yield from _headings(inside.get("blocks", []))


def _first(tree: _Element, tag: str) -> _Element:
    return next(each for each in _all(tree) if each.tag == tag)


def _parse(html: str) -> _Element:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.root


def _all(element: _Element) -> Iterator[_Element]:
    for child in element.children:
        if isinstance(child, _Element):
            yield child
            yield from _all(child)


def _words(element: _Element) -> str:
    texts = (child if isinstance(child, str) else _words(child) for child in element.children)
    return "".join(texts)


def _blocks(container: _Element) -> list[Block]:
    found: list[Block] = []
    for part in _grouped(container.children):
        if isinstance(part, list):
            found += _paragraph(part, [])
        elif part.tag not in _ELSEWHERE and "noprint" not in part.classes:
            found += _block(part)
    return found


def _grouped(children: Sequence[_Element | str]) -> Iterator[_Element | list[_Element | str]]:
    """Yield elements, and what stands in a line between them together."""
    line: list[_Element | str] = []
    for child in children:
        if isinstance(child, str) or child.tag in _INLINE:
            line.append(child)
            continue
        yield line
        line = []
        yield child
    yield line


def _block(element: _Element) -> list[Block]:
    tag, classes = element.tag, element.classes
    if re.fullmatch(r"h[1-6]", tag):
        return _heading(element)
    if tag == "p" and "line" in classes:
        return [{"kind": "pen", "lines": [_text(element.children)]}]
    if tag == "p":
        return _paragraph(element.children, classes)
    if "pair" in classes:
        lines = [each for each in element.children if isinstance(each, _Element)]
        return [{"kind": "pen", "lines": [_text(line.children) for line in lines]}]
    if made := _MADE.get(tag):
        return [made(element)]
    return _container(element)


def _heading(element: _Element) -> list[Block]:
    """Give a heading; none where it shows nothing, for PDF/UA-1 wants words in each."""
    text = _text(element.children)
    if not any(
        unicodedata.category(each) not in _UNSEEN for piece in text for each in _said(piece)
    ):
        return []
    return [{"kind": "heading", "level": int(element.tag[1]), "text": text}]


def _said(piece: Piece) -> str:
    """Give the words of a piece; of a box to tick its sign."""
    if isinstance(piece, str):
        return piece
    return "☐" if "box" in piece else str(piece.get("bold", piece.get("link", "")))


def _container(element: _Element) -> list[Block]:
    """Give what is in a container; one with a class or a language of its own is a group."""
    blocks = _blocks(element)
    lang = element.attributes.get("lang")
    if not blocks or not (element.classes or lang) or element.tag in {"html", "body"}:
        return blocks
    return [{"kind": "group", "classes": element.classes, "lang": lang, "blocks": blocks}]


def _paragraph(children: Sequence[_Element | str], classes: list[str]) -> list[Block]:
    text = _text(children, lines="lines" in classes)
    return [{"kind": "text", "classes": classes, "text": text}] if text else []


def _list(element: _Element) -> Block:
    """Give a list; an item of a legal text has its own mark, as it is cited."""
    items = []
    for item in element.children:
        if isinstance(item, _Element) and item.tag == "li":
            mark, inside = _marked(item)
            depth = next((int(each[1]) for each in item.classes if re.fullmatch(r"d\d", each)), 1)
            items.append({"mark": mark, "depth": depth, "blocks": _blocks(inside)})
    return {"kind": "list", "numbered": element.tag == "ol", "items": items}


def _marked(item: _Element) -> tuple[str | None, _Element]:
    """Part an item of a legal text from its mark (`notices.legal_text`)."""
    first = item.children[0] if item.children else ""
    if isinstance(first, str) or "no" not in first.classes:
        return None, item
    rest = _Element(item.tag, item.attributes)
    rest.children = item.children[1:]
    return _words(first).strip(), rest


def _rows(element: _Element) -> Block:
    """Give each dt with the dd below it, as a row."""
    rows: list[dict[str, Any]] = []
    for child in element.children:
        if not isinstance(child, _Element):
            continue
        if child.tag == "dt":
            rows.append({"term": _text(child.children), "texts": []})
        elif child.tag == "dd" and rows:
            told = {"classes": child.classes, "text": _text(child.children)}
            rows[-1]["texts"].append(told)
    return {"kind": "rows", "classes": element.classes, "rows": rows}


def _code(element: _Element) -> Block:
    """Give the QR code of an address, with what a screen reader says of it."""
    modules, path = qr.drawing(element.attributes["data-address"])
    alt = element.attributes["aria-label"]
    return {"kind": "code", "modules": modules, "path": path, "alt": alt}


_MADE = {"ul": _list, "ol": _list, "dl": _rows, "figure": _code}
"""What each element with parts of its own becomes."""


def _text(children: Sequence[_Element | str], *, lines: bool = False) -> list[Piece]:
    """Give what stands in a line, spaces joined as a browser does; `lines` keeps line breaks."""
    pieces: list[Piece] = []
    for piece in _pieces(children, lines=lines):
        _append(pieces, piece)
    while pieces and (pieces[-1] == " " or pieces[-1] == {"break": True}):
        pieces.pop()
    if pieces and isinstance(pieces[-1], str):
        pieces[-1] = pieces[-1].rstrip(" ")
    return pieces


def _append(pieces: list[Piece], piece: Piece) -> None:
    """Add a piece; a space at the start of a line, or after another, is none."""
    if not isinstance(piece, str):
        if piece != {"break": True} or pieces:
            pieces.append(piece)
        return
    before = pieces[-1] if pieces else None
    follows_space = before is None or before == {"break": True}
    if isinstance(before, str):
        follows_space = before.endswith(" ")
    written = piece.lstrip(" ") if follows_space else piece
    if not written:
        return
    if isinstance(before, str):
        pieces[-1] = before + written
    else:
        pieces.append(written)


def _pieces(children: Sequence[_Element | str], *, lines: bool) -> Iterator[Piece]:
    for child in children:
        if isinstance(child, str):
            parts = child.strip("\n").split("\n") if lines else [child]
            for number, part in enumerate(parts):
                if number:
                    yield {"break": True}
                yield _SPACES.sub(" ", part)
        elif child.tag == "br":
            yield {"break": True}
        elif child.tag == "img":
            yield child.attributes.get("alt", "")
        elif "box" in child.classes:
            yield {"box": True}
        elif child.tag in _BOLD:
            yield {"bold": _text_of(child)}
        elif child.tag == "a" and re.match(
            r"(?:https?|mailto|tel):", child.attributes.get("href", "")
        ):
            yield {"link": _text_of(child), "to": child.attributes["href"]}
        else:
            yield from _pieces(child.children, lines=lines)


def _text_of(element: _Element) -> str:
    return _SPACES.sub(" ", _words(element))
