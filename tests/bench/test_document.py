"""The charts and tables of docs/performance.md are those of docs/figures.json."""

import re
from xml.etree import ElementTree as ET

import pytest

from bench import document, figures
from bench.drawing import Row, bars, stacks

CHARTS = (
    "perf-units.svg",
    "perf-warm.svg",
    "perf-rate.svg",
    "perf-people.svg",
    "perf-dollars.svg",
)


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_as_the_figures_give_it(name: str) -> None:
    """Nobody draws by hand; `python -m bench.document` draws again."""
    drawn = document.charts(figures.read())
    assert sorted(drawn) == sorted(CHARTS)
    assert (document.PICTURES / name).read_text(encoding="utf-8") == drawn[name]


def test_the_tables_are_as_the_figures_give_them() -> None:
    """Each figure in the document is one that was measured and kept."""
    text = document.DOCUMENT.read_text(encoding="utf-8")
    written = document.tables(figures.read())
    assert document.with_tables(text, written) == text
    marked = re.findall(r"<!-- figures: ([a-z]+) -->", text)
    assert sorted(marked) == sorted(written)


def test_a_bar_is_as_long_as_its_figure() -> None:
    """Twice as much is twice as long, and a goal is a line; what is drawn is well-formed."""
    rows = [Row("one", {"now": 10}), Row("two", {"now": 20}, goal=15)]
    picture = ET.fromstring(bars("T", "units", rows, {"now": "#1f6f8b"}))  # noqa: S314 - drawn here
    drawn = [
        each for each in picture if each.get("fill") == "#1f6f8b" and each.get("height") == "13"
    ]
    one, two = (float(each.get("width") or 0) for each in drawn)
    assert two == pytest.approx(2 * one, abs=0.1)


def test_parts_stand_one_behind_the_other() -> None:
    """A bar made of parts ends at their sum."""
    picture = ET.fromstring(stacks("T", "$", {"all": {"a": 30.0, "b": 10.0}}, goal=35))  # noqa: S314 - drawn here
    parts = [each for each in picture if each.get("height") == "26"]
    first, second = parts
    end = float(first.get("x") or 0) + float(first.get("width") or 0)
    assert float(second.get("x") or 0) == pytest.approx(end, abs=0.1)
