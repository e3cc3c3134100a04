import re
from pathlib import Path

import pytest

from infra.build.drawings import PICTURES, drawn
from tests.test_packages import MAY_IMPORT

CODE = PICTURES.parents[1] / "chalicelib"
SOURCES = sorted(PICTURES.glob("*.dot"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_picture_is_what_its_text_gives(source: Path) -> None:
    """Who changes the text and forgets to draw it is told."""
    svg = source.with_suffix(".svg").read_text(encoding="utf-8")
    assert svg == drawn(source.read_text(encoding="utf-8")), "run `python -m infra.build.drawings`"


def test_the_picture_of_the_packages_shows_no_arrow_that_is_not_allowed() -> None:
    """The picture cannot promise another order than the test of the imports keeps."""
    text = (PICTURES / "packages.dot").read_text(encoding="utf-8")
    arrows = re.findall(r"^  (\w+) -> (\w+)$", text, re.MULTILINE)
    packages = {path.parent.name for path in CODE.glob("*/__init__.py")}
    assert {arrow[0] for arrow in arrows} == packages - {"domain"}
    assert not [arrow for arrow in arrows if arrow[1] not in MAY_IMPORT[arrow[0]]]
