"""The documents name files, code and commands that exist."""

import re
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt

from infra.operator.cli.command import Group, common_options
from infra.operator.cli.main import consent
from infra.operator.cli.operate import operator
from infra.operator.commands import parser

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
OPERATORS = set(re.findall(r"^    ([a-z-]+)", parser().format_help(), re.MULTILINE))
"""The commands of `consent operator`."""

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
    named = set(re.findall(r"`([\w/.-]+\.py)[`:]", _text(guide)))
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


COMMAND = re.compile(
    r"(?:^|[`(\s])(?:\.venv/bin/)?consent ((?:--?[\w-]+|\w[\w-]*)(?: [^`|>#\n]*)?)"
)
"""A command line of `consent`, in a block or between backquotes."""


def _typed(guide: Path) -> list[list[str]]:
    """Return the words of each command line that a document shows as something to type."""
    text = _text(guide)
    blocks = list(re.findall(r"```\w*\n(.*?)```", text, re.DOTALL))
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    inline = re.findall(r"`((?:\.venv/bin/)?consent [^`]+)`", text)
    found = [COMMAND.match(line.removeprefix("$ ").strip()) for line in [*lines, *inline]]
    return [match[1].split() for match in found if match]


def _unknown(words: list[str]) -> str | None:
    """Return what `consent` does not take of a command line, or None."""
    command: click.Command = consent
    context = click.Context(command)
    options = {name for option in common_options() for name in option.opts} | {
        "--help",
        "--version",
    }
    while words:
        word = words.pop(0)
        if word.startswith("-"):
            name = word.partition("=")[0]
            known = {n for each in command.params for n in (*each.opts, *each.secondary_opts)}
            if name not in known | options and name != "-":
                return f"{command.name} {name}"
            takes = any(
                name in each.opts and not getattr(each, "is_flag", False)
                for each in [*command.params, *common_options()]
            )
            if takes and words:
                words.pop(0)
        elif command is operator:
            return None if word in OPERATORS or word == "…" else f"operator {word}"
        elif isinstance(command, Group):
            below = None if word == "…" else command.get_command(context, word)
            if below is None:
                return None if word == "…" else f"{command.name} {word}"
            command = below
    return None


def test_every_command_that_a_document_shows_is_there() -> None:
    """`consent` takes each command and each option that the documents tell people to type."""
    shown = 0
    for guide in GUIDES:
        for words in _typed(guide):
            shown += 1
            assert _unknown(list(words)) is None, (guide.name, words)
    assert shown > 20
