"""A printed page as PDF: A4, tagged, with its fonts in it, the same bytes for the same page.

Tagged means that it has a tree of headings, paragraphs, lists and figures in the order in which
they are read (ISO 32000-1, 14.8). It aims at PDF/UA-1 (ISO 14289-1) and does not declare it,
because no validator has confirmed it yet.
"""

from collections.abc import Iterator

from chalicelib.domain.instants import Instant
from chalicelib.presentation.pdf.layout import Area, Layout
from chalicelib.presentation.pdf.lines import Run, break_lines
from chalicelib.presentation.pdf.markup import Node, parse
from chalicelib.presentation.pdf.pagination import BOTTOM, paginate
from chalicelib.presentation.pdf.styles import SOFT
from chalicelib.presentation.pdf.tagged import HEIGHT, REGULAR, WIDTH, Document, Fragment

_SIDE = 53.0
"""The margin left and right."""
_FOOT_SIZE, _FOOT_LEADING = 6.8, 9.6


def write(html: str, *, at: Instant) -> bytes:
    """Write a page in HTML, as `presentation.pdf.layout` understands it.

    Its footer stands at the foot of each page; language and title are those of the HTML. `at` is
    when the file says it was made: the receipt's own time, so that it is always the same file.
    """
    tree = parse(html)
    page = next(_descendants(tree, "html"))
    title = next(_descendants(tree, "title"))
    document = Document(page.attributes["lang"])
    layout = Layout(document)
    body = next(_descendants(page, "body"))
    layout.blocks(body, Area(_SIDE, WIDTH - 2 * _SIDE, document.root))
    layout.finish()
    paginate(document, layout.strips)
    footer = []
    for node in _descendants(tree, "footer"):
        footer += [Run(text) for text in _texts(node)]
    for number in range(document.pages):
        _foot(document, number, footer)
    return document.save("".join(_texts(title)).strip(), at)


def _foot(document: Document, page: int, footer: list[Run]) -> None:
    """Write the footer and the page's number at the foot of a page."""
    number = [Fragment(f"{page + 1} / {document.pages}", REGULAR, _FOOT_SIZE)]
    top = HEIGHT - BOTTOM + 22
    right = WIDTH - _SIDE
    width = right - _SIDE - 40
    lines = break_lines(footer, _FOOT_SIZE, document.width, lambda _: width)
    for place, line in enumerate(lines):
        document.footer(page, _SIDE, top + place * _FOOT_LEADING, line, SOFT)
    document.footer(page, right - document.width(number), top, number, SOFT)


def _descendants(node: Node, tag: str) -> Iterator[Node]:
    """Yield the elements of a name in an element, in their order."""
    for child in node.children:
        if isinstance(child, str):
            continue
        if child.tag == tag:
            yield child
        yield from _descendants(child, tag)


def _texts(node: Node) -> Iterator[str]:
    for child in node.children:
        if isinstance(child, str):
            yield child.replace("\n", " ")
        else:
            yield from _texts(child)
