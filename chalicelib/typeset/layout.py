"""From a tree of HTML to strips and tags: paragraphs, headings, lists, rows side by side, figures, lines to write on.

Understood are h1–h6, p, ul, ol, li, dl, dt, dd, figure, hr, br, b, strong and the containers around them; the first
class named in `STYLES` says how it looks. `class="line"` is a line for a pen, `class="pair"` sets two of them side by
side, `class="box"` is a box to tick, `class="shown"` sets everything in it smaller.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from chalicelib.typeset.lines import BREAK, Line, Run, broken
from chalicelib.typeset.markup import Node
from chalicelib.typeset.strips import Draw, Strip
from chalicelib.typeset.tagged import Colour, Document, Element

INK: Colour = (0.08, 0.13, 0.13)
SOFT: Colour = (0.3, 0.38, 0.38)
BRAND: Colour = (0.04, 0.35, 0.34)
HAIR: Colour = (0.78, 0.83, 0.82)

_BULLET, _INDENT, _GAP = "•", 13.0, 14.0
_PEN_LINE = 30.0
_BOX_LINE = 25.0
_SMALLER = 0.86
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
    "strong": Style(bold=True),
    "ask": Style(9.5, 13, 9, bold=True, keep=True),
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

    def __init__(self, document: Document, codes: Callable[[str], Sequence[Sequence[bool]]]) -> None:
        self.strips: list[Strip] = []
        self._document = document
        self._codes = codes
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
        if lang := node.attributes.get("lang"):
            area = replace(area, owner=area.owner.add("Sect", lang))
        match node.tag:
            case "h1" | "h2" | "h3" | "h4" | "h5" | "h6":
                if node.tag in {"h1", "h2"}:
                    self.finish()
                style = STYLES.get(node.tag, STYLES["h4"])
                self._paragraph(list(_runs(node)), style, area, node.tag.upper())
            case "p" if "line" in node.classes:
                self._pen_lines([node], area)
            case "p":
                style = next((STYLES[name] for name in node.classes if name in STYLES), STYLES["p"])
                self._paragraph(list(_runs(node)), style, area, "P")
            case "ul" | "ol":
                self._list(node, area)
            case "dl":
                self._rows(node, area)
            case "figure":
                self._figure(node, area)
            case "hr":
                self.finish()
                self.strips.append(Strip(1, 10, keep=True, drawn=[_rule(area, 0)]))
            case _ if "pair" in node.classes:
                self._pen_lines([each for each in node.children if isinstance(each, Node)], area)
            case _:
                if "shown" in node.classes:
                    area = replace(area, scale=_SMALLER)
                self.blocks(node, area)

    def _paragraph(self, runs: Sequence[Run], style: Style, area: Area, tag: str) -> None:
        self._flow(self._lines(runs, style, area), style, area, area.owner.add(tag))

    def _lines(self, runs: Sequence[Run], style: Style, area: Area) -> list[Line]:
        if style.bold:
            runs = [replace(run, bold=True) for run in runs]
        height, beside = style.leading * area.scale, self._beside - style.before

        def room(line: int) -> float:
            return area.width - (_FIGURE + _GAP if beside - line * height > 0 else 0)

        return broken(runs, style.size * area.scale, self._document.width, room)

    def _flow(self, lines: Sequence[Line], style: Style, area: Area, owner: Element) -> None:
        for place, line in enumerate(lines):
            last = len(lines) - 1
            keep = style.keep or (place != last and place in {0, last - 1})
            strip = Strip(_height(line, style, area), 0 if place else style.before, keep)
            strip.drawn.append(partial(_draw, owner, area.x, line, style, area.scale))
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
            mark = partial(_draw, entry.add("Lbl"), area.x, label, style, area.scale)
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
        """Set each dt and its dd side by side, as a list whose labels are the dt."""
        share = next((_LEFT[name] for name in node.classes if name in _LEFT), _LEFT_USUALLY)
        wide = area.width - (_FIGURE + _GAP if self._beside > 0 else 0)
        left = replace(area, width=(wide - _GAP) * share)
        right = replace(area, x=area.x + left.width + _GAP, width=wide - _GAP - left.width)
        tagged = area.owner.add("L")
        term: Node | None = None
        # A heading before the list stays with its first row.
        for child in [each for each in node.children if isinstance(each, Node)]:
            if child.tag == "dt":
                term = child
            elif child.tag == "dd" and term is not None:
                self._row(term, child, left, right, tagged.add("LI"), ruled=bool(node.classes))
                term = None

    def _row(self, term: Node, told: Node, left: Area, right: Area, entry: Element, *, ruled: bool) -> None:
        named, answered = STYLES["dt"], STYLES["dd"]
        if ruled:
            named, answered = replace(answered, before=0), replace(answered, before=0)
        beside, self._beside = self._beside, 0  # the row's own widths leave the room already
        label, body = entry.add("Lbl"), entry.add("LBody")
        first = [(label, left.x, line, named, left) for line in self._lines(list(_runs(term)), named, left)]
        second = [(body, right.x, line, answered, right) for line in self._lines(list(_runs(told)), answered, right)]
        self._beside = beside
        pad = 5.0 if ruled else 0.0
        count = max(len(first), min(len(second), len(first) + 3))
        strip = Strip(pad, 0 if ruled else 4 * left.scale)
        tallest = pad
        for column in (first, second[:count]):
            top = pad
            for owner, x, line, style, area in column:
                strip.drawn.append(_lowered(partial(_draw, owner, x, line, style, area.scale), top))
                top += _height(line, style, area)
            tallest = max(tallest, top)
        strip.height = tallest + pad
        if ruled:
            strip.drawn.insert(0, _rule(replace(left, width=right.x + right.width - left.x), 0))
        self._add(strip)
        self._flow([line for _, _, line, _, _ in second[count:]], replace(answered, before=0), right, body)

    def _figure(self, node: Node, area: Area) -> None:
        """Draw a QR code at the right edge; what follows stands beside it."""
        self.finish()
        owner = area.owner.add("Figure")
        owner.alt = node.attributes["aria-label"]
        matrix = self._codes(node.attributes["data-address"])
        x = area.x + area.width - _FIGURE
        drawn: list[Draw] = [lambda document, y: document.squares(owner, x, y, _FIGURE, matrix)]
        self._beside = _FIGURE
        self.strips.append(Strip(0, 6, keep=True, drawn=drawn))

    def _pen_lines(self, nodes: Sequence[Node], area: Area) -> None:
        """Set lines to write on, side by side: what to write, and a rule up to the next."""
        style = STYLES["soft"]
        width = (area.width - _GAP * (len(nodes) - 1)) / len(nodes)
        strip = Strip(_PEN_LINE)
        for place, node in enumerate(nodes):
            x = area.x + place * (width + _GAP)
            owner = area.owner.add("P")
            lines = broken(list(_runs(node)), style.size, self._document.width, lambda _: width * 0.55)
            strip.height = max(strip.height, _PEN_LINE - style.leading + style.leading * len(lines))
            end = max(self._document.width(line) for line in lines) + 5
            ruled = replace(area, x=x + end, width=width - end)
            strip.drawn += [
                _risen(partial(_draw, owner, x, line, style, 1), strip, style.leading * (len(lines) - number))
                for number, line in enumerate(lines)
            ]
            strip.drawn.append(_risen(_rule(ruled, 0, SOFT), strip, 2))
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


def _height(line: Line, style: Style, area: Area) -> float:
    """Tell how high a line is: one with a box to tick is higher."""
    return max(style.leading * area.scale, _BOX_LINE if any(part.rise for part in line) else 0)


def _draw(owner: Element, x: float, line: Line, style: Style, scale: float, document: Document, top: float) -> None:
    height = max(style.leading * scale, _BOX_LINE if any(part.rise for part in line) else 0)
    baseline = top + (height + _CAPITAL * style.size * scale) / 2
    document.text(owner, x, baseline, line, style.colour)


def _rule(area: Area, down: float, colour: Colour = HAIR) -> Draw:
    return lambda document, y: document.rule(area.x, y + down, area.width, 0.6, colour)


def _lowered(draw: Draw, down: float) -> Draw:
    return lambda document, y: draw(document, y + down)


def _risen(draw: Draw, strip: Strip, up: float) -> Draw:
    """Draw from a strip's lower edge upwards."""
    return lambda document, y: draw(document, y + strip.height - up)
