"""From a tree of HTML to strips and tags: paragraphs, headings, lists, rows side by side, figures, lines to write on.

Understood are h1–h6, p, ul, ol, li, dl, dt, dd, figure, br, b, strong and the containers around them; the first
class named in `STYLES` says how it looks. `class="line"` is a line for a pen, `class="pair"` sets two of them side by
side, `class="box"` is a box to tick, `class="shown"` and `class="dense"` set everything in them smaller.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.presentation import qr
from chalicelib.presentation.pdf.lines import BREAK, Line, Run, broken
from chalicelib.presentation.pdf.markup import Node
from chalicelib.presentation.pdf.pagination import Draw, Strip
from chalicelib.presentation.pdf.tagged import Colour, Document, Element

INK: Colour = (0.08, 0.13, 0.13)
SOFT: Colour = (0.3, 0.38, 0.38)
BRAND: Colour = (0.04, 0.35, 0.34)
HAIR: Colour = (0.78, 0.83, 0.82)

_BULLET, _INDENT, _GAP = "•", 13.0, 14.0
_PADDING = 4.5
_UNPARTED = 3
"""How many lines more than its left side the right side of a row has before it may end on another page."""
_LABEL = 12
"""How many lines of its left side a row keeps together; the rest flows below them."""
_PEN_LINE = 28.5
_BOX_LINE = 21.5
_SCALES = {"shown": 0.86, "dense": 0.95}
_CAPITAL = 0.729
"""How high a capital letter is, in parts of the size."""
_FIGURE = 96.0


@dataclass(frozen=True, slots=True)
class Style:
    """How a paragraph looks; measures in points."""

    size: float = 9.5
    leading: float = 13.6
    before: float = 5
    bold: bool = False
    colour: Colour = INK
    keep: bool = False


STYLES = {
    "h1": Style(19, 24, 6, bold=True, keep=True),
    "h2": Style(12.5, 16, 17, bold=True, colour=BRAND, keep=True),
    "h3": Style(10.5, 14, 12, bold=True, keep=True),
    "h4": Style(9.5, 13, 9, bold=True, keep=True),
    "p": Style(),
    "li": Style(before=3),
    "dt": Style(colour=SOFT),
    "dd": Style(),
    "brand": Style(9.5, 13, 0, bold=True, colour=BRAND),
    "lead": Style(10.5, 15, 5),
    "soft": Style(8.5, 12, 4, colour=SOFT),
    "term": Style(before=7, bold=True, keep=True),
    "facts": Style(8.5, 12, 4, colour=SOFT, keep=True),
    "hash": Style(8.2),
    "told": Style(8.5, 12, 0),
}
_LEFT = {"said": 0.76, "asked": 0.7}
"""How much of the width the left of a row takes, by the list's class."""
_LEFT_USUALLY = 0.29


@dataclass(frozen=True, slots=True)
class Area:
    """Where something goes: its left edge, its width, whose it is, how large the letters are."""

    x: float
    width: float
    owner: Element
    scale: float = 1


class Layout:
    """Lays out one document."""

    def __init__(self, document: Document) -> None:
        self.strips: list[Strip] = []
        self._document = document
        self._beside = 0.0
        """How much height is left beside a figure at the right edge."""

    def blocks(self, node: Node, area: Area) -> None:
        """Lay out what is in a container; texts directly in it are paragraphs."""
        for child in _grouped(node):
            if isinstance(child, list):
                self._paragraph(child, STYLES["p"], area, "P")
            elif child.seen:
                self._block(child, area)

    def finish(self) -> None:
        """Leave the room that a figure still needs."""
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
            case _ if {"line", "pair"} & set(node.classes):
                pair = [each for each in node.children if isinstance(each, Node)]
                self._pen_lines(pair if "pair" in node.classes else [node], area)
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
        if any(run.text.strip() for run in runs):
            self._flow(self._lines(runs, style, area), style, area, area.owner.add(tag))

    def _lines(self, runs: Sequence[Run], style: Style, area: Area, *, free: bool = False) -> list[Line]:
        """Break a text into lines; in a `free` area no figure takes room."""
        if style.bold:
            runs = [replace(run, bold=True) for run in runs]
        height, beside = style.leading * area.scale, 0 if free else self._beside - style.before * area.scale

        def room(line: int) -> float:
            return area.width - (_FIGURE + _GAP if beside - line * height > 0 else 0)

        return broken(runs, style.size * area.scale, self._document.width, room)

    def _flow(self, lines: Sequence[Line], style: Style, area: Area, owner: Element) -> None:
        for place, line in enumerate(lines):
            last = len(lines) - 1
            keep = style.keep or (place != last and place in {0, last - 1})
            height = _height(line, style, area)
            strip = Strip(height, 0 if place else style.before * area.scale, keep)
            strip.drawn.append(_drawn(owner, style, area, line, height))
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
        items = [each for each in node.children if isinstance(each, Node) and each.tag == "li"]
        style = STYLES["li"]
        for number, item in enumerate(items, 1):
            entry = tagged.add("LI")
            label = self._lines([Run(f"{number}." if numbered else _BULLET)], style, area)[0]
            mark = _drawn(entry.add("Lbl"), style, area, label, style.leading * area.scale)
            body = replace(area, x=area.x + _INDENT, width=area.width - _INDENT, owner=entry.add("LBody"))
            start = len(self.strips)
            for part in _grouped(item):
                if isinstance(part, list):
                    self._paragraph(part, style, body, "P")
                elif part.seen:
                    self._block(part, body)
            if len(self.strips) > start:
                self.strips[start].drawn.insert(0, mark)

    def _rows(self, node: Node, area: Area) -> None:
        """Set each dt and its dd side by side, as a list whose labels are the dt; with a class, between rules.

        What a further dd says stands below the dt and flows on to the next page.
        """
        ruled = bool(node.classes)
        share = next((_LEFT[name] for name in node.classes if name in _LEFT), _LEFT_USUALLY)
        wide = area.width - (_FIGURE + _GAP if self._beside > 0 else 0)
        left = replace(area, width=(wide - _GAP) * share)
        right = replace(area, x=area.x + left.width + _GAP, width=wide - _GAP - left.width)
        tagged = area.owner.add("L")
        before = _PADDING if ruled else 4 * area.scale
        between = 0 if ruled else before
        term: Node | None = None
        entry, room = tagged, 0.0
        for child in [each for each in node.children if isinstance(each, Node)]:
            if child.tag == "dt":
                term = child
            elif child.tag == "dd" and term is not None:
                entry = tagged.add("LI")
                room = self._row(term, child, (left, right), entry, before, ruled=ruled)
                term, before = None, between
            elif child.tag == "dd" and entry is not tagged:
                style = STYLES["told"]
                style = replace(style, before=style.before - room / area.scale)
                self.strips[-1].keep = True
                self._flow(self._lines(list(_runs(child)), style, left, free=True), style, left, entry.add("LBody"))
                room, before = 0, max(between, _PADDING)
        if ruled and self.strips:
            self.strips[-1].keep = True
            self._add(Strip(1, before, drawn=[_rule(replace(area, width=wide))]))

    def _row(
        self, term: Node, told: Node, sides: tuple[Area, Area], entry: Element, before: float, *, ruled: bool
    ) -> float:
        """Set a row; give the room that is left below its left side."""
        left, right = sides
        named, answered = (STYLES["dd"] if ruled else STYLES["dt"]), _style(told)
        label, body = entry.add("Lbl"), entry.add("LBody")
        first = self._lines(list(_runs(term)), named, left, free=True)  # the row's own widths leave the room already
        second = self._lines(list(_runs(told)), answered, right, free=True)
        above = _PADDING if ruled else 0.0
        count = min(len(first), _LABEL) + _UNPARTED
        strip = Strip(above, before)
        ends = []
        level = max(_height(first[0], named, left), _height(second[0], answered, right))
        for owner, lines, style, area in (
            (label, first[:_LABEL], named, left),
            (body, second[:count], answered, right),
        ):
            # The first lines of both sides are on one level, whatever their heights.
            top = above + (level - _height(lines[0], style, area)) / 2
            for line in lines:
                height = _height(line, style, area)
                strip.drawn.append(_lowered(_drawn(owner, style, area, line, height), top))
                top += height
            ends.append(top)
        strip.height = max(ends) + above
        if ruled:
            strip.drawn.insert(0, _rule(replace(left, width=right.x + right.width - left.x)))
        self._add(strip)
        self._flow(first[_LABEL:], replace(named, before=0), left, label)
        self._flow(second[count:], replace(answered, before=0), right, body)
        return strip.height - ends[0] if self.strips[-1] is strip else 0

    def _figure(self, node: Node, area: Area) -> None:
        """Draw a QR code at the right edge; what follows stands beside it."""
        self.finish()
        owner = area.owner.add("Figure")
        owner.alt = node.attributes["aria-label"]
        matrix = qr.matrix(node.attributes["data-address"])
        quiet = _FIGURE * qr.QUIET_ZONE / len(matrix)
        x = area.x + area.width - _FIGURE + quiet  # its white edge is in the margin, the code flush with the text
        drawn: list[Draw] = [lambda document, y: document.squares(owner, x, y, _FIGURE, matrix)]
        self._beside = _FIGURE
        self.strips.append(Strip(0, 6, keep=True, drawn=drawn))

    def _pen_lines(self, nodes: Sequence[Node], area: Area) -> None:
        """Set lines to write on, side by side: what to write, and a rule up to the next."""
        style = STYLES["soft"]
        width = (area.width - _GAP * (len(nodes) - 1)) / len(nodes)
        strip = Strip(_PEN_LINE, keep=True)
        for place, node in enumerate(nodes):
            x = area.x + place * (width + _GAP)
            owner = area.owner.add("P")
            lines = broken(list(_runs(node)), style.size, self._document.width, lambda _: width * 0.55)
            strip.height = max(strip.height, _PEN_LINE - style.leading + style.leading * len(lines))
            end = max(self._document.width(line) for line in lines) + 5
            ruled = replace(area, x=x + end, width=width - end)
            strip.drawn += [
                _risen(
                    _drawn(owner, style, replace(area, x=x, scale=1), line, style.leading),
                    strip,
                    style.leading * (len(lines) - number),
                )
                for number, line in enumerate(lines)
            ]
            strip.drawn.append(_risen(_rule(ruled, SOFT), strip, 2))
        self._add(strip)


def _grouped(node: Node) -> Iterator["list[Run] | Node"]:
    """Give a container's blocks, and what stands between them as runs of text."""
    runs: list[Run] = []
    for child in node.children:
        if isinstance(child, Node) and not child.inline:
            if any(run.text.strip() for run in runs):
                yield runs
            runs = []
            yield child
        else:
            runs += _run(child, bold=False, box=False)
    if any(run.text.strip() for run in runs):
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
        yield from _runs(child, bold=bold or child.tag in {"b", "strong"}, box=box or "box" in child.classes)


def _inside(node: Node, area: Area) -> Area:
    """Give the area of what is in a container: smaller letters, another language."""
    scale = next((_SCALES[name] for name in node.classes if name in _SCALES), 1)
    lang = node.attributes.get("lang")
    return replace(area, scale=area.scale * scale, owner=area.owner.add("Sect", lang) if lang else area.owner)


def _style(node: Node) -> Style:
    return next((STYLES[name] for name in node.classes if name in STYLES), STYLES[node.tag])


def _height(line: Line, style: Style, area: Area) -> float:
    """Tell how high a line is: one with a box to tick is higher."""
    return max(style.leading * area.scale, _BOX_LINE if any(part.rise for part in line) else 0)


def _drawn(owner: Element, style: Style, area: Area, line: Line, height: float) -> Draw:
    """Write a line with its capitals in the middle of its height."""
    down = (height + _CAPITAL * style.size * area.scale) / 2
    return lambda document, top: document.text(owner, area.x, top + down, line, style.colour)


def _rule(area: Area, colour: Colour = HAIR) -> Draw:
    return lambda document, y: document.rule(area.x, y, area.width, 0.6, colour)


def _lowered(draw: Draw, down: float) -> Draw:
    return lambda document, y: draw(document, y + down)


def _risen(draw: Draw, strip: Strip, up: float) -> Draw:
    """Draw from a strip's lower edge upwards."""
    return lambda document, y: draw(document, y + strip.height - up)
