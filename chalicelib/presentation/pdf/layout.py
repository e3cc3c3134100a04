"""From a tree of HTML to strips of a page and tags: paragraphs, headings, lists, rows, figures.

Understood are h1–h6, p, ul, ol, li, dl, dt, dd, figure, br, b, strong and the containers around
them. The first class that `styles.STYLES` names gives the looks. Further classes:

- ``line`` is a line to write on with a pen; ``pair`` sets two of them side by side
- ``box`` is a box to tick
- ``shown`` and ``dense`` set everything in them smaller
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from chalicelib.presentation import qr
from chalicelib.presentation.pdf.lines import BREAK, Line, Run, break_lines
from chalicelib.presentation.pdf.markup import Node
from chalicelib.presentation.pdf.pagination import Draw, Strip
from chalicelib.presentation.pdf.styles import HAIR, SOFT, STYLES, Style
from chalicelib.presentation.pdf.tagged import Colour, Document, Element

_T = TypeVar("_T")

_BULLET = "•"
_INDENT = 13.0
"""How far the text of a list's item is right of its label."""
_GAP = 14.0
"""The space between what stands side by side."""
_PADDING = 4.5
"""The space between a row and the rules around it."""
_UNPARTED = 3
"""How many lines more than its left side the right side of a row keeps on the row's page."""
_LABEL = 12
"""How many lines of its left side a row keeps together; the rest flows on below."""
_PEN_LINE = 28.5
"""The height of a line to write on."""
_BOX_LINE = 21.5
"""The height of a line with a box to tick."""
_SCALES = {"shown": 0.86, "dense": 0.95}
"""The scale of letters, by a container's class."""
_CAPITAL = 0.729
"""How high a capital letter is, in parts of the size."""
_FIGURE = 96.0
"""The side of a QR code."""


_LEFT = {"said": 0.76, "asked": 0.7}
"""How much of the width the left of a row takes, by the list's class."""
_LEFT_USUALLY = 0.29


@dataclass(frozen=True, slots=True)
class Area:
    """Where something goes: left edge, width, the element that owns it, the scale of letters."""

    x: float
    width: float
    owner: Element
    scale: float = 1


@dataclass(frozen=True, slots=True)
class _Side:
    """The lines on one side of a row."""

    lines: Sequence[Line]
    style: Style
    area: Area


class Layout:
    """Lays out one document."""

    def __init__(self, document: Document) -> None:
        self.strips: list[Strip] = []
        self._document = document
        self._beside = 0.0
        """How much height is left beside the figure at the right edge."""

    def blocks(self, node: Node, area: Area) -> None:
        """Lay out what is in a container; texts directly in it are paragraphs."""
        for child in _grouped(node):
            if isinstance(child, list):
                self._paragraph(child, STYLES["p"], area, "P")
            elif child.seen:
                self._block(child, area)

    def finish(self) -> None:
        """Leave the space that a figure still needs."""
        if self._beside > 0:
            self.strips[-1].keep = True
            self.strips.append(Strip(self._beside))
        self._beside = 0

    def _block(self, node: Node, area: Area) -> None:
        match node.tag:
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                if node.tag == "h2":
                    self.finish()
                style = STYLES.get(node.tag, STYLES["h4"])
                self._paragraph(list(_runs(node)), style, area, node.tag.upper())
            case _ if "pair" in node.classes:
                self._pen_lines(_elements(node), area)
            case _ if "line" in node.classes:
                self._pen_lines([node], area)
            case "p":
                self._paragraph(list(_runs(node)), _style(node), area, "P")
            case "ul" | "ol":
                self._list(node, area)
            case "dl":
                self._rows(node, area)
            case "figure":
                self._figure(node, area)
            case _:
                self.blocks(node, _inside(node, area))

    def _paragraph(self, runs: Sequence[Run], style: Style, area: Area, tag: str) -> None:
        if _has_text(runs):
            lines = self._lines(runs, style, area)
            self._flow(lines, style, replace(area, owner=area.owner.add(tag)))

    def _lines(
        self, runs: Sequence[Run], style: Style, area: Area, *, free: bool = False
    ) -> list[Line]:
        """Break a text into lines; a `free` area has no figure beside it."""
        if style.bold:
            runs = [replace(run, bold=True) for run in runs]
        height = style.leading * area.scale
        figure_height = 0 if free else self._beside - style.before * area.scale

        def width_of(line: int) -> float:
            is_beside_figure = figure_height - line * height > 0
            return area.width - (_FIGURE + _GAP) if is_beside_figure else area.width

        return break_lines(runs, style.size * area.scale, self._document.width, width_of)

    def _flow(self, lines: Sequence[Line], style: Style, area: Area) -> None:
        """Set lines below each other; the first two stay together, and the last two."""
        last = len(lines) - 1
        for place, line in enumerate(lines):
            keep = style.keep or (place != last and place in {0, last - 1})
            height = _height(line, style, area)
            before = 0 if place else style.before * area.scale
            strip = Strip(height, before, keep)
            strip.drawn.append(_draw_line(style, area, line, height))
            self._add(strip)

    def _add(self, strip: Strip) -> None:
        if self._beside > 0:
            self._beside -= strip.before + strip.height
            strip.keep = True
        self.strips.append(strip)

    def _list(self, node: Node, area: Area) -> None:
        numbered = node.tag == "ol"
        kind = "Decimal" if numbered else "Disc"
        tagged = area.owner.add("L", attributes=f"<</O/List/ListNumbering/{kind}>>")
        items = [child for child in _elements(node) if child.tag == "li"]
        for number, item in enumerate(items, 1):
            label = f"{number}." if numbered else _BULLET
            self._item(item, label, area, tagged.add("LI"))

    def _item(self, item: Node, label: str, area: Area, entry: Element) -> None:
        """Set one item of a list, its label left of its first line."""
        style = STYLES["li"]
        [line] = self._lines([Run(label)], style, area)
        label_area = replace(area, owner=entry.add("Lbl"))
        mark = _draw_line(style, label_area, line, style.leading * area.scale)
        body = Area(area.x + _INDENT, area.width - _INDENT, entry.add("LBody"), area.scale)
        start = len(self.strips)
        for part in _grouped(item):
            if isinstance(part, list):
                self._paragraph(part, style, body, "P")
            elif part.seen:
                self._block(part, body)
        if len(self.strips) > start:
            self.strips[start].drawn.insert(0, mark)

    def _rows(self, node: Node, area: Area) -> None:
        """Set each dt and its dd side by side, as a list whose labels are the dt.

        With a class there are rules between the rows. A further dd stands below the dt and flows on
        to the next page.
        """
        ruled = bool(node.classes)
        width = area.width - (_FIGURE + _GAP) if self._beside > 0 else area.width
        sides = _sides(node, replace(area, width=width))
        tagged = area.owner.add("L")
        before = _PADDING if ruled else 4 * area.scale
        between = 0 if ruled else before
        term: Node | None = None
        entry: Element | None = None
        space_below = 0.0
        for child in _elements(node):
            if child.tag == "dt":
                term = child
            elif child.tag == "dd" and term is not None:
                entry = tagged.add("LI")
                space_below = self._row(term, child, sides, entry, before, ruled=ruled)
                term, before = None, between
            elif child.tag == "dd" and entry is not None:
                self._below_row(child, sides[0], entry, space_below)
                space_below, before = 0, max(between, _PADDING)
        if ruled and self.strips:
            self.strips[-1].keep = True
            self._add(Strip(1, before, drawn=[_draw_rule(replace(area, width=width))]))

    def _below_row(self, node: Node, left: Area, entry: Element, space: float) -> None:
        """Set a further text of a row below its left side, where that leaves `space`."""
        style = STYLES["told"]
        style = replace(style, before=style.before - space / left.scale)
        self.strips[-1].keep = True
        lines = self._lines(list(_runs(node)), style, left, free=True)
        self._flow(lines, style, replace(left, owner=entry.add("LBody")))

    def _row(
        self,
        term: Node,
        text: Node,
        sides: tuple[Area, Area],
        entry: Element,
        before: float,
        *,
        ruled: bool,
    ) -> float:
        """Set a row; return the space that is left below its left side."""
        left = replace(sides[0], owner=entry.add("Lbl"))
        right = replace(sides[1], owner=entry.add("LBody"))
        term_style = STYLES["dd"] if ruled else STYLES["dt"]
        text_style = _style(text)
        # The widths of the sides leave a figure's space already.
        first = self._lines(list(_runs(term)), term_style, left, free=True)
        second = self._lines(list(_runs(text)), text_style, right, free=True)
        count = min(len(first), _LABEL) + _UNPARTED
        above = _PADDING if ruled else 0.0
        strip = Strip(above, before)
        # The first lines of both sides are on one level, whatever their heights.
        level = max(_height(first[0], term_style, left), _height(second[0], text_style, right))
        left_end = _draw_side(strip, _Side(first[:_LABEL], term_style, left), above, level)
        right_end = _draw_side(strip, _Side(second[:count], text_style, right), above, level)
        strip.height = max(left_end, right_end) + above
        if ruled:
            width = right.x + right.width - left.x
            strip.drawn.insert(0, _draw_rule(replace(left, width=width)))
        self._add(strip)
        self._flow(first[_LABEL:], replace(term_style, before=0), left)
        self._flow(second[count:], replace(text_style, before=0), right)
        is_whole = self.strips[-1] is strip
        return strip.height - left_end if is_whole else 0

    def _figure(self, node: Node, area: Area) -> None:
        """Draw a QR code at the right edge; what follows stands beside it."""
        self.finish()
        owner = area.owner.add("Figure")
        owner.alt = node.attributes["aria-label"]
        matrix = qr.matrix(node.attributes["data-address"])
        quiet = _FIGURE * qr.QUIET_ZONE / len(matrix)
        # The code ends with the text; its white edge is in the margin.
        x = area.x + area.width - _FIGURE + quiet
        drawn: list[Draw] = [lambda document, y: document.squares(owner, x, y, _FIGURE, matrix)]
        self._beside = _FIGURE
        self.strips.append(Strip(0, 6, keep=True, drawn=drawn))

    def _pen_lines(self, nodes: Sequence[Node], area: Area) -> None:
        """Set lines to write on, side by side: what to write, and a rule up to the next."""
        width = (area.width - _GAP * (len(nodes) - 1)) / len(nodes)
        strip = Strip(_PEN_LINE, keep=True)
        for place, node in enumerate(nodes):
            x = area.x + place * (width + _GAP)
            self._pen_line(node, Area(x, width, area.owner.add("P")), strip)
        self._add(strip)

    def _pen_line(self, node: Node, area: Area, strip: Strip) -> None:
        """Set one line to write on into a strip, which grows where its label has several lines."""
        style = STYLES["soft"]
        label_width = area.width * 0.55
        runs = list(_runs(node))
        lines = break_lines(runs, style.size, self._document.width, lambda _: label_width)
        strip.height = max(strip.height, _PEN_LINE + style.leading * (len(lines) - 1))
        for number, line in enumerate(lines):
            draw = _draw_line(style, area, line, style.leading)
            strip.drawn.append(_risen(draw, strip, style.leading * (len(lines) - number)))
        end = max(self._document.width(line) for line in lines) + 5
        ruled = Area(area.x + end, area.width - end, area.owner)
        strip.drawn.append(_risen(_draw_rule(ruled, SOFT), strip, 2))


def _elements(node: Node) -> list[Node]:
    """Return the elements directly in an element."""
    return [child for child in node.children if isinstance(child, Node)]


def _has_text(runs: Sequence[Run]) -> bool:
    """Tell whether runs have more than spaces."""
    return any(run.text.strip() for run in runs)


def _grouped(node: Node) -> Iterator["list[Run] | Node"]:
    """Yield a container's blocks, and what stands between them as runs of text."""
    runs: list[Run] = []
    for child in node.children:
        if isinstance(child, str) or child.inline:
            runs += _run(child, bold=False, box=False)
            continue
        if _has_text(runs):
            yield runs
        runs = []
        yield child
    if _has_text(runs):
        yield runs


def _runs(node: Node, *, bold: bool = False, box: bool = False) -> Iterator[Run]:
    for child in node.children:
        yield from _run(child, bold=bold, box=box)


def _run(child: "Node | str", *, bold: bool, box: bool) -> Iterator[Run]:
    if isinstance(child, str):
        yield Run(child.replace(BREAK, " "), bold, box)
    elif child.tag == "br":
        yield Run(BREAK)
    elif child.seen:
        is_bold = bold or child.tag in {"b", "strong"}
        is_box = box or "box" in child.classes
        yield from _runs(child, bold=is_bold, box=is_box)


def _inside(node: Node, area: Area) -> Area:
    """Return the area of what is in a container: smaller letters, another language."""
    scale = area.scale * _first(_SCALES, node, 1)
    owner = area.owner
    if lang := node.attributes.get("lang"):
        owner = owner.add("Sect", lang)
    return replace(area, scale=scale, owner=owner)


def _sides(node: Node, area: Area) -> tuple[Area, Area]:
    """Divide an area into the two sides of a list's rows."""
    width = (area.width - _GAP) * _first(_LEFT, node, _LEFT_USUALLY)
    left = replace(area, width=width)
    right = replace(area, x=area.x + width + _GAP, width=area.width - _GAP - width)
    return left, right


def _style(node: Node) -> Style:
    return _first(STYLES, node, STYLES[node.tag])


def _first(by_class: Mapping[str, _T], node: Node, usual: _T) -> _T:
    """Return what the first known class of an element stands for; the usual without one."""
    for name in node.classes:
        if name in by_class:
            return by_class[name]
    return usual


def _height(line: Line, style: Style, area: Area) -> float:
    """Return how high a line is: one with a box to tick is higher."""
    height = style.leading * area.scale
    has_box = any(part.rise for part in line)
    return max(height, _BOX_LINE) if has_box else height


def _draw_line(style: Style, area: Area, line: Line, height: float) -> Draw:
    """Write a line with its capitals in the middle of its height."""
    capital = _CAPITAL * style.size * area.scale
    baseline = (height + capital) / 2

    def draw(document: Document, top: float) -> None:
        document.text(area.owner, area.x, top + baseline, line, style.colour)

    return draw


def _draw_side(strip: Strip, side: _Side, above: float, level: float) -> float:
    """Write one side of a row, its first line at the middle of the `level`; return its end."""
    top = above + (level - _height(side.lines[0], side.style, side.area)) / 2
    for line in side.lines:
        height = _height(line, side.style, side.area)
        draw = _draw_line(side.style, side.area, line, height)
        strip.drawn.append(_lowered(draw, top))
        top += height
    return top


def _draw_rule(area: Area, colour: Colour = HAIR) -> Draw:
    """Draw a line across an area."""
    return lambda document, y: document.rule(area.x, y, area.width, 0.6, colour)


def _lowered(draw: Draw, down: float) -> Draw:
    """Draw lower than a strip's upper edge."""
    return lambda document, y: draw(document, y + down)


def _risen(draw: Draw, strip: Strip, up: float) -> Draw:
    """Draw from a strip's lower edge upwards."""
    return lambda document, y: draw(document, y + strip.height - up)
