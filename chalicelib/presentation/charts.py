"""Charts as SVG, made on the server: columns over time, and the bars of a table.

A chart is a picture of a table; that table is the truth. Widths are parts of
the room there is and heights are in the size of the text, so labels grow with the reader's text and
never shrink on a phone. Series are told apart by a pattern and a colour; both are in `staff.css`,
so a dark theme and forced colours change them without another picture.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

PATTERNS = ("solid", "lines", "dots")
"""How the series of a chart are filled, in their order."""

_PLOT_TOP, _PLOT_HEIGHT, _LABELS = 1.4, 10.0, 1.8
"""In the size of the text: the room above the plot, the plot, the room below it."""

_LEFT = 8.0
"""What part of the width, in percent, is kept for the scale."""

_GROUP_FILLED = 0.78
"""What part of a step's width its columns take."""

_MOST_LABELS = 3
"""How many steps are named below a chart: on a narrow phone more would run into each other."""

_ROUND = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Series:
    """One of up to three rows of numbers, a number for each step."""

    name: str
    values: Sequence[int]


def top_of(largest: int) -> int:
    """Give a round number that is not below the largest: 1, 2 or 5 and noughts; at least 2."""
    power = 1
    while True:
        for digit in _ROUND:
            if digit * power >= max(largest, 2):
                return digit * power
        power *= 10


def columns(
    key: str, title: str, description: str, labels: Sequence[str], series: Sequence[Series]
) -> Markup:
    """Draw columns over time, those of a step side by side.

    `key` makes the ids of the chart its own on a page; `description` says in a sentence what a
    reader would see.
    """
    top = top_of(max((value for each in series for value in each.values), default=0))
    parts = [_line(top, share) for share in (1, 0.5, 0)]
    width = (100 - _LEFT) / max(len(labels), 1)
    for number, each in enumerate(series):
        parts.append(_columns_of(each, number, len(series), width, top))
    every = -(-len(labels) // _MOST_LABELS)
    for step in range(0, len(labels), every):
        x = _LEFT + step * width
        parts.append(
            Markup('<text x="{:.2f}%" y="{}em">{}</text>').format(
                x, _PLOT_TOP + _PLOT_HEIGHT + 1.3, labels[step]
            )
        )
    return _svg(key, title, description, _PLOT_TOP + _PLOT_HEIGHT + _LABELS, parts)


def _line(top: int, share: float) -> Markup:
    y = _PLOT_TOP + _PLOT_HEIGHT * (1 - share)
    value = f"{top * share:g}"
    return Markup(
        '<line class="grid" x1="0" x2="100%" y1="{0:.2f}em" y2="{0:.2f}em"/>'
        '<text x="0" y="{1:.2f}em">{2}</text>'
    ).format(y, y - 0.3, value)


def _columns_of(series: Series, number: int, of: int, width: float, top: int) -> Markup:
    parts = []
    column = width * _GROUP_FILLED / of
    for step, value in enumerate(series.values):
        if value <= 0:
            continue
        height = _PLOT_HEIGHT * value / top
        x = _LEFT + step * width + width * (1 - _GROUP_FILLED) / 2 + number * column
        y = _PLOT_TOP + _PLOT_HEIGHT - height
        parts.append(
            Markup('<rect x="{:.2f}%" y="{:.2f}em" width="{:.2f}%" height="{:.2f}em"/>').format(
                x, y, column, height
            )
        )
    return Markup('<g class="{}">{}</g>').format(PATTERNS[number], Markup("").join(parts))


def bar(value: int | None, largest: int | None) -> Markup:
    """Draw one number of a table as a part of its largest; nothing for one that is not told.

    The number stands beside it, so the bar is hidden from screen readers.
    """
    if not value or not largest:
        return Markup()
    return Markup(
        '<svg class="bar" aria-hidden="true" width="100%" height=".8em">'
        '<rect class="solid" width="{:.2f}%" height="100%"/></svg>'
    ).format(100 * value / largest)


def _svg(key: str, title: str, description: str, height: float, parts: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" role="img" aria-labelledby="{0}-title {0}-desc" width="100%"'
        ' height="{3:.2f}em"><title id="{0}-title">{1}</title><desc id="{0}-desc">{2}</desc>'
        "{4}</svg>"
    ).format(key, title, description, height, Markup("").join(parts))
