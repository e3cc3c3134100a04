"""The table of formats, and the documents that list the same ones."""

import re
from importlib import import_module
from pathlib import Path

import yaml

from chalicelib.receipts.formats.registry import FORMATS

ROOT = Path(__file__).resolve().parents[3]
CALLS = ROOT / "docs" / "openapi" / "calls" / "receipts.yaml"


def test_the_page_of_formats_and_the_api_list_each_format_and_no_other() -> None:
    """Whoever reads what a format leaves out, or generates a client, has all of them."""
    page = (ROOT / "docs" / "formats.md").read_text()
    table = page.partition("| `?format=` |")[2].partition("\n\n")[0]
    first_cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    named = re.findall(r"`(.+?)`", " ".join(first_cells))
    schema = yaml.safe_load(CALLS.read_text())["components"]["schemas"]["ReceiptFormat"]
    assert sorted(named) == sorted(FORMATS)
    assert schema["enum"] == list(FORMATS)


def test_each_format_has_a_section_that_says_what_it_cannot_carry() -> None:
    """Nobody takes a fact that is missing from a format for an answer."""
    page = (ROOT / "docs" / "formats.md").read_text()
    headings = " ".join(re.findall(r"^## (.*)$", page, re.MULTILINE))
    assert [name for name in FORMATS if name not in headings.split()] == []


def test_each_writer_is_a_function_of_this_package() -> None:
    """A slip in the table is found here, and not by the first clinic that asks for the format."""
    for chosen in FORMATS.values():
        module, function = chosen.writer.split(".")
        assert callable(getattr(import_module(f"chalicelib.receipts.formats.{module}"), function))
