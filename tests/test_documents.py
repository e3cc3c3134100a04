"""The documents name files, code and commands that exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).resolve().parents[1]
GUIDES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
OUR_WORDS = [
    ROOT / "CONTRIBUTING.md",
    ROOT / "docs" / "architecture.md",
    ROOT / "docs" / "glossary.md",
]
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for folder in ("chalicelib", "infra", "tests")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path != Path(__file__)
) + (ROOT / "chalicelib" / "web" / "openapi.json").read_text(encoding="utf-8")
MODULES = [
    path.as_posix()
    for path in (
        ROOT / "app.py",
        *(ROOT / "chalicelib").rglob("*.py"),
        *(ROOT / "infra").rglob("*.py"),
        *(ROOT / "bench").rglob("*.py"),
        *(ROOT / "tests").rglob("*.py"),
    )
]
OF_OTHERS = {"structure_tree.py"}
"""Modules of packages that were weighed and not taken: fpdf2."""

PLANNED = "## Where new things go"


def _text(guide: Path) -> str:
    return guide.read_text(encoding="utf-8").partition(PLANNED)[0]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_every_file_that_a_document_names_is_there(guide: Path) -> None:
    """A newcomer who follows a document never looks for a file that has moved."""
    named = set(re.findall(r"`(?!\.local/|build/)((?:[\w.-]+/)+[\w.-]+\.\w+)[`:]", _text(guide)))
    places = (ROOT, ROOT / "chalicelib", ROOT / "docs")
    assert not {name for name in named if not any((place / name).exists() for place in places)}


@pytest.mark.parametrize("guide", [*GUIDES, *DECISIONS], ids=lambda path: path.stem)
def test_every_module_that_a_document_names_is_there(guide: Path) -> None:
    """A module that was renamed is renamed in the page that explains why it is as it is."""
    named = set(re.findall(r"`([\w/.-]+\.py)[`:]", _text(guide))) - OF_OTHERS
    assert not {name for name in named if not any(path.endswith(f"/{name}") for path in MODULES)}


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.stem)
def test_every_link_of_a_document_leads_somewhere(guide: Path) -> None:
    """Links are followed, also those to a heading of another page."""
    links = re.findall(r"\]\(([^)\s]+)\)", _text(guide))
    files = {link.partition("#")[0] for link in links if not re.match(r"https?:|#", link)}
    assert not {link for link in files if not (guide.parent / link).exists()}


@pytest.mark.parametrize("guide", [*GUIDES, *DECISIONS], ids=lambda path: path.stem)
def test_every_row_of_a_table_is_shown_in_a_table(guide: Path) -> None:
    """A row above its table's header is shown as a line of text with pipes in it."""
    parts = MarkdownIt("commonmark").enable("table").parse(guide.read_text(encoding="utf-8"))
    texts = [part.content for part in parts if part.type == "inline"]
    assert not [text for text in texts if re.search(r"^\|", text, re.MULTILINE)]


@pytest.mark.parametrize("guide", OUR_WORDS, ids=lambda path: path.stem)
def test_every_name_of_code_that_a_guide_uses_is_in_the_code(guide: Path) -> None:
    """A class that was renamed is renamed in the glossary too."""
    words = set(re.findall(r"`([A-Z]\w+|\w+_\w+)`", _text(guide)))
    assert not {word for word in words if not re.search(rf"\b{word}\b", CODE)}


def test_every_make_target_that_a_document_names_is_there() -> None:
    """The two commands of the README, and every other one, work as they are written."""
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    for guide in GUIDES:
        named = set(re.findall(r"`make ([a-z-]+)", _text(guide)))
        assert named <= targets, guide


def test_every_command_of_an_operator_that_a_document_names_is_there() -> None:
    """`python -m infra` takes each command that the documents tell operators to type."""
    helped = subprocess.run(
        [sys.executable, "-m", "infra", "--help"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout
    for guide in GUIDES:
        named = set(re.findall(r"python -m infra ([a-z-]+)", _text(guide)))
        assert not {command for command in named if command not in helped}, guide
