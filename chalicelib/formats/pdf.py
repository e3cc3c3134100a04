"""A page on paper as PDF: A4, tagged, with its fonts in it, the same bytes for the same page.

Tagged PDF as ISO 32000-1, 14.8 has it: a tree of headings, paragraphs, lists and figures in the order they are read.
It aims at PDF/UA-1 (ISO 14289-1) and does not declare it: no validator has confirmed it yet.
"""

from chalicelib import qr
from chalicelib.instants import Instant
from chalicelib.typeset.layout import SOFT, Area, Layout
from chalicelib.typeset.lines import Run, broken
from chalicelib.typeset.markup import Node, parse
from chalicelib.typeset.strips import BOTTOM, paginate
from chalicelib.typeset.tagged import HEIGHT, REGULAR, WIDTH, Document, Fragment

_SIDE = 56.7
_FOOT, _FOOT_LINE = 6.8, 9.6


def write(html: str, *, lang: str, title: str, at: Instant) -> bytes:
    """Write HTML as `typeset.layout` understands it; its footer stands at the foot of each page, beside the number.

    `at` is the moment the file tells it was made: the receipt's own, so that the file is the same whenever it is asked
    for.
    """
    document = Document(lang)
    tree = parse(html)
    footers = list(_taken(tree, "footer"))
    layout = Layout(document, qr.matrix)
    layout.blocks(tree, Area(_SIDE, WIDTH - 2 * _SIDE, document.root))
    layout.finish()
    paginate(document, layout.strips)
    words = [Run(text) for footer in footers for text in _texts(footer)]
    for page in range(document.pages):
        _foot(document, page, words)
    return document.save(title, at)


def _foot(document: Document, page: int, words: list[Run]) -> None:
    number = [Fragment(f"{page + 1} / {document.pages}", REGULAR, _FOOT)]
    top = HEIGHT - BOTTOM + 22
    right = WIDTH - _SIDE
    room = right - _SIDE - 40
    for place, line in enumerate(broken(words, _FOOT, document.width, lambda _: room)):
        document.footer(page, _SIDE, top + place * _FOOT_LINE, line, SOFT)
    document.footer(page, right - document.width(number), top, number, SOFT)


def _taken(node: Node, tag: str) -> list[Node]:
    """Take the elements of a kind out of a tree."""
    found = [each for each in node.children if isinstance(each, Node) and each.tag == tag]
    node.children[:] = [each for each in node.children if each not in found]
    for child in node.children:
        if isinstance(child, Node):
            found += _taken(child, tag)
    return found


def _texts(node: Node) -> list[str]:
    return [text for each in node.children for text in ([each.replace("\n", " ")] if isinstance(each, str) else _texts(each))]
