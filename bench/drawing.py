"""Draws charts as SVG: horizontal bars beside each other, and bars made of parts."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LEFT, _RIGHT, _BAR, _GAP = 720, 210, 90, 15, 9
_INK, _FAINT = "#1d2b33", "#d9dfe2"
_GOAL = "#c0392b"
_PARTS = ("#1f6f8b", "#7fb3c4", "#c98b2b", "#8a6fa8", "#5b8c5a", "#a9b4ba", "#4a5a63")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a chart: its bars by series (a value, or the least and the most), and its goal."""

    label: str
    bars: Mapping[str, float | tuple[float, float]]
    goal: float | None = None


def bars(
    title: str, unit: str, rows: Sequence[Row], colours: Mapping[str, str], *, log: bool = False
) -> str:
    """Draw a chart of horizontal bars, one below the other for the series of a row.

    With `log` each line of the grid is ten times the one before.
    """
    most = max(_high(value) for row in rows for value in row.bars.values())
    most = max(most, *(row.goal or 0 for row in rows))
    place = _logarithmic(most) if log else _linear(most)
    drawn: list[str] = []
    y = 64
    for row in rows:
        height = len(row.bars) * _BAR
        middle = y + height / 2 + 4
        drawn.append(_text(_LEFT - 10, middle, row.label, anchor="end"))
        for number, (name, value) in enumerate(row.bars.items()):
            drawn += _bar(y + number * _BAR, value, colours[name], place)
        if row.goal is not None:
            at = place(row.goal)
            drawn.append(
                f'<line x1="{at:.1f}" y1="{y - 3}" x2="{at:.1f}" y2="{y + height + 1}" '
                f'stroke="{_GOAL}" stroke-width="2"/>'
            )
        y += height + _GAP
    legend = dict(colours)
    if any(row.goal is not None for row in rows):
        legend["goal"] = _GOAL
    grid = _grid(place, _decades(most) if log else _steps(most), y)
    return _picture(title, unit, y + 26, [*grid, *drawn], legend)


def stacks(title: str, unit: str, rows: Mapping[str, Mapping[str, float]], goal: float) -> str:
    """Draw a bar for each row, made of parts, and the goal as a line through all."""
    most = max(goal, *(sum(parts.values()) for parts in rows.values()))
    place = _linear(most)
    names = list(next(iter(rows.values())))
    colours = dict(zip(names, _PARTS, strict=False))
    drawn: list[str] = []
    top = y = 64 + 18 * (len(colours) // 4)
    for label, parts in rows.items():
        drawn.append(_text(_LEFT - 10, y + 17, label, anchor="end"))
        begun = 0.0
        for name, value in parts.items():
            start, end = place(begun), place(begun + value)
            drawn.append(
                f'<rect x="{start:.1f}" y="{y}" width="{end - start:.1f}" height="26" '
                f'fill="{colours[name]}"/>'
            )
            begun += value
        drawn.append(_text(place(begun) + 6, y + 17, f"{begun:.0f}"))
        y += 38
    at = place(goal)
    line = f'<line x1="{at:.1f}" y1="{top - 6}" x2="{at:.1f}" y2="{y - 6}" stroke="{_GOAL}" '
    drawn.append(line + 'stroke-width="2"/>')
    grid = _grid(place, _steps(most), y)
    return _picture(title, unit, y + 26, [*grid, *drawn], {**colours, "goal": _GOAL})


def _picture(
    title: str, unit: str, height: float, drawn: Sequence[str], legend: Mapping[str, str]
) -> str:
    size, letters = (
        f"{_WIDTH} {height:.0f}",
        f'font-family="sans-serif" font-size="12" fill="{_INK}"',
    )
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size}" role="img" {letters}>',
        f"<title>{escape(title)}</title>",
        f'<rect width="{_WIDTH}" height="{height:.0f}" fill="#ffffff"/>',
        f'<text x="12" y="22" font-size="15" font-weight="bold">{escape(title)}</text>',
        _text(_WIDTH - 12, 22, unit, anchor="end"),
    ]
    x, y = 12.0, 44.0
    for name, colour in legend.items():
        wide = 26 + 6.6 * len(name)
        if x + wide > _WIDTH:
            x, y = 12.0, y + 18
        head.append(f'<rect x="{x:.0f}" y="{y - 10:.0f}" width="11" height="11" fill="{colour}"/>')
        head.append(_text(x + 16, y, name))
        x += wide
    return "\n".join([*head, *drawn, "</svg>"]) + "\n"


def _bar(
    y: float, value: float | tuple[float, float], colour: str, place: Callable[[float], float]
) -> Iterator[str]:
    """Draw a bar and its figure; of a range the part between least and most in a lighter tone."""
    low, high = value if isinstance(value, tuple) else (value, value)
    begun, least, end = _LEFT, place(low), place(high)
    height = _BAR - 2
    yield f'<rect x="{begun}" y="{y}" width="{least - begun:.1f}" height="{height}" fill="{colour}"/>'
    if high > low:
        wide = end - least
        yield (
            f'<rect x="{least:.1f}" y="{y}" width="{wide:.1f}" height="{height}" '
            f'fill="{colour}" opacity="0.45"/>'
        )
    told = f"{low:g}–{high:g}" if high > low else f"{high:,.6g}"
    yield _text(end + 5, y + height - 2, told)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _grid(place: Callable[[float], float], marks: Sequence[float], bottom: float) -> Iterator[str]:
    for mark in marks:
        x = place(mark)
        yield (f'<line x1="{x:.1f}" y1="56" x2="{x:.1f}" y2="{bottom:.0f}" stroke="{_FAINT}"/>')
        yield _text(x, bottom + 15, f"{mark:,.0f}", anchor="middle")


def _linear(most: float) -> Callable[[float], float]:
    wide = _WIDTH - _LEFT - _RIGHT
    return lambda value: _LEFT + wide * value / most


def _logarithmic(most: float) -> Callable[[float], float]:
    """Begin at 1 a little right of the edge, so that a bar of 1 is seen."""
    wide = _WIDTH - _LEFT - _RIGHT - 12
    decades = max(1.0, math.log10(most))
    return lambda value: _LEFT + 12 + wide * math.log10(max(1.0, value)) / decades


def _steps(most: float) -> list[float]:
    rough = most / 5
    unit = 10 ** math.floor(math.log10(rough))
    step = next(unit * each for each in (1, 2, 5, 10) if unit * each >= rough)
    return [step * number for number in range(int(most / step) + 1)]


def _decades(most: float) -> list[float]:
    return [10.0**each for each in range(int(math.log10(most)) + 1)]


def _high(value: float | tuple[float, float]) -> float:
    return value[1] if isinstance(value, tuple) else value
