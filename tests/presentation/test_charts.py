"""Charts are pictures that every reader gets: by name, by pattern, in the size of their text."""

from xml.etree import ElementTree as ET

import pytest

from chalicelib.presentation.charts import PATTERNS, Series, bar, columns, top_of

SVG = "{http://www.w3.org/2000/svg}"


def read(chart: str) -> ET.Element:
    """Read a chart as XML."""
    return ET.fromstring(chart)  # noqa: S314 - our own


@pytest.mark.parametrize(
    ("largest", "top"), [(0, 2), (1, 2), (2, 2), (3, 5), (9, 10), (11, 20), (501, 1000)]
)
def test_the_scale_ends_at_a_round_number(largest: int, top: int) -> None:
    """A reader can divide it in their head."""
    assert top_of(largest) == top


def test_columns_are_named_described_and_as_high_as_their_numbers() -> None:
    """A screen reader says what it is; half of the top is half of the height."""
    series = [Series("Yes", [10, 5, 0]), Series("No", [0, 1, 2]), Series("Withdrawn", [1, 1, 1])]
    chart = read(columns("c1", "News <by> mail", "See the table.", ["a", "b", "c"], series))
    title, description = chart.find("title"), chart.find("desc")
    assert title is not None
    assert description is not None
    assert (chart.get("role"), title.text) == ("img", "News <by> mail")
    assert chart.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}"
    drawn = {
        group.get("class"): [float(rect.get("height", "")[:-2]) for rect in group.findall("rect")]
        for group in chart.findall("g")
    }
    assert list(drawn) == list(PATTERNS)
    whole, half = drawn["solid"]
    assert whole == 2 * half
    assert [len(each) for each in drawn.values()] == [2, 2, 3]


def test_nothing_is_measured_in_pixels() -> None:
    """Text twice as large is twice as large in a chart too; no size of a screen is presumed."""
    chart = columns("c", "t", "d", ["x"] * 13, [Series("Yes", range(13))])
    assert "px" not in chart
    assert "viewBox" not in chart
    for element in read(chart).iter():
        for name in ("x", "y", "width", "height", "x1", "x2", "y1", "y2"):
            value = element.get(name, "0")
            assert value == "0" or value.endswith(("em", "%")), (element.tag, name, value)


def test_columns_stay_within_the_chart() -> None:
    """The last column ends where the room ends."""
    chart = read(columns("c", "t", "d", ["x"] * 12, [Series("Yes", [3] * 12)] * 3))
    ends = [
        float(rect.get("x", "")[:-1]) + float(rect.get("width", "")[:-1])
        for rect in chart.iter("rect")
    ]
    assert max(ends) <= 100
    assert len(ends) == 36


def test_a_bar_that_is_not_told_is_not_drawn() -> None:
    """Its length would tell what its number hides."""
    assert 'width="50.00%"' in bar(4, 8)
    assert bar(None, 8) == bar(0, 8) == bar(None, None) == ""
