"""A page on paper as PDF: A4, tagged, with its fonts in it, the same bytes for the same page.

Tagged PDF as ISO 32000-1, 14.8 has it: a tree of headings, paragraphs, lists and figures in the order they are read.
It aims at PDF/UA-1 (ISO 14289-1) and does not declare it: no validator has confirmed it yet.
"""

from collections.abc import Iterator

from chalicelib.domain.instants import Instant
from chalicelib.presentation.pdf.layout import SOFT, Area, Layout
from chalicelib.presentation.pdf.lines import Run, broken
from chalicelib.presentation.pdf.markup import Node, parse
from chalicelib.presentation.pdf.pagination import BOTTOM, paginate
from chalicelib.presentation.pdf.tagged import HEIGHT, REGULAR, WIDTH, Document, Fragment

_SIDE = 53.0
_FOOT, _FOOT_LINE = 6.8, 9.6


def write(html: str, *, at: Instant) -> bytes:
    """Write a page in HTML as `presentation.pdf.layout` understands it; its footer stands at the foot of each page.

    Language and title are those of the HTML. `at` is when the file says it was made: the receipt's own time, so that
    it is the same file whenever it is asked for.
    """
    tree = parse(html)
    page = next(_within(tree, "html"))
    title = "".join(_texts(next(_within(tree, "title")))).strip()
    document = Document(page.attributes["lang"])
    footers = list(_within(tree, "footer"))
    layout = Layout(document)
    layout.blocks(next(_within(page, "body")), Area(_SIDE, WIDTH - 2 * _SIDE, document.root))
    layout.finish()
    paginate(document, layout.strips)
    words = [Run(text) for footer in footers for text in _texts(footer)]
    for number in range(document.pages):
        _foot(document, number, words)
    return document.save(title, at)


def _foot(document: Document, page: int, words: list[Run]) -> None:
    number = [Fragment(f"{page + 1} / {document.pages}", REGULAR, _FOOT)]
    top = HEIGHT - BOTTOM + 22
    right = WIDTH - _SIDE
    room = right - _SIDE - 40
    for place, line in enumerate(broken(words, _FOOT, document.width, lambda _: room)):
        document.footer(page, _SIDE, top + place * _FOOT_LINE, line, SOFT)
    document.footer(page, right - document.width(number), top, number, SOFT)


def _within(node: Node, tag: str) -> Iterator[Node]:
    for child in node.children:
        if isinstance(child, Node):
            if child.tag == tag:
                yield child
            yield from _within(child, tag)


def _texts(node: Node) -> Iterator[str]:
    for child in node.children:
        if isinstance(child, Node):
            yield from _texts(child)
        else:
            yield child.replace("\n", " ")
