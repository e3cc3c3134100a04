"""Strips of content, from the top of a page to its foot, and where a page ends.

A strip is a line, or a row of lines side by side. Strips that belong together are never parted: a heading and what
follows it, the first and the last two lines of a paragraph.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chalicelib.presentation.pdf.tagged import HEIGHT, Document

Draw = Callable[[Document, float], None]
"""Draws a part of a strip, given where its upper edge is."""

TOP = 51.0
BOTTOM = 62.0


@dataclass(slots=True)
class Strip:
    """Something as high as `height`, `before` below what precedes it, drawn in the order a reader reads it.

    The space before it is left out at the top of a page. With `keep` no page ends after it.
    """

    height: float
    before: float = 0
    keep: bool = False
    drawn: list[Draw] = field(default_factory=list)


def paginate(document: Document, strips: Sequence[Strip]) -> None:
    """Draw strips on as many pages as they need."""
    document.new_page()
    room = HEIGHT - TOP - BOTTOM
    used = 0.0
    for group in _groups(strips):
        whole = sum(strip.before + strip.height for strip in group)
        parted = whole - group[0].before > room
        if used and not parted and used + whole > room:
            document.new_page()
            used = 0
        for strip in group:
            before = strip.before if used else 0
            if used and used + before + strip.height > room:
                document.new_page()
                used, before = 0, 0
            for draw in strip.drawn:
                draw(document, TOP + used + before)
            used += before + strip.height


def _groups(strips: Sequence[Strip]) -> list[list[Strip]]:
    groups: list[list[Strip]] = []
    kept = False
    for strip in strips:
        if kept:
            groups[-1].append(strip)
        else:
            groups.append([strip])
        kept = strip.keep
    return groups
