"""The source of the OpenAPI document in docs/openapi/: built whole, and mistakes in it named."""

import shutil
from pathlib import Path

import pytest

from infra.build import openapi


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Give a copy of the source to make mistakes in."""
    return Path(shutil.copytree(openapi.SOURCE, tmp_path / "openapi"))


def change(source: Path, name: str, before: str, after: str) -> None:
    """Replace the first of a text in one file of the source."""
    path = source / name
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_the_document_is_what_its_source_gives() -> None:
    """Nobody edits the built file by hand, and no change of the source is forgotten."""
    assert openapi.main(["check"]) == 0


def test_a_document_that_is_not_built_anew_is_found(
    source: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever changed the source alone reads what to do."""
    change(source, "calls/links.yaml", "Revoke personal links", "Revoke some links")
    assert openapi.main(["check"], source) == 1
    assert capsys.readouterr().err == (
        "chalicelib/web/openapi.json is not what docs/openapi/ gives: run `python -m infra.build.openapi`.\n"
    )


def test_a_new_call_is_one_entry_in_the_file_of_its_tag(source: Path) -> None:
    """A developer adds a call without touching any other file."""
    call = """\
  /v1/clinics/{clinic}/visits:
    get:
      operationId: getStatistics
      tags: [Status]
      summary: How many decided what
      responses:
        404: {$ref: '#/components/responses/NotFound'}

"""
    change(source, "calls/status.yaml", "components:\n", f"{call}components:\n")
    built = openapi.build(source)["paths"]["/v1/clinics/{clinic}/visits"]["get"]
    assert built["operationId"] == "getStatistics"


@pytest.mark.parametrize(
    ("name", "before", "after", "mistake"),
    [
        (
            "calls/links.yaml",
            "responses/CreatedLinks",
            "responses/NewLinks",
            "#/components/responses/NewLinks is used and not",
        ),
        (
            "calls/rights.yaml",
            "bearer: [subjects:erase]",
            "bearer: [subjects:forget]",
            "“subjects:forget” is not a scope of domain/api_keys.py.",
        ),
        (
            "shared/problems.yaml",
            "    NotFound:",
            "    Gone: {}\n    NotFound:",
            "responses/Gone is not used: remove it.",
        ),
        (
            "calls/links.yaml",
            "tags: [Links]",
            "tags: [Status]",
            "links.yaml: post /v1/clinics/{clinic}/links must have",
        ),
        ("openapi.yaml", "- name: Codes", "- name: Pictures", "codes.yaml belongs to no tag"),
        (
            "openapi.yaml",
            "- name: Codes",
            "- name: Later\n    description: Later.\n  - name: Codes",
            "later.yaml is missing",
        ),
        (
            "calls/links.yaml",
            "  schemas:\n",
            "  schemas:\n    Subject: {}\n",
            "“Subject” is described in another file",
        ),
        ("calls/links.yaml", "paths:", "tags: []\npaths:", "“tags” belongs into openapi.yaml."),
        (
            "calls/links.yaml",
            "        201:",
            "        400: {}\n        201:",
            "“400” is there twice",
        ),
        ("calls/links.yaml", "paths:", "paths: [", "links.yaml cannot be read"),
    ],
)
def test_a_mistake_is_named_with_its_place(
    source: Path, name: str, before: str, after: str, mistake: str
) -> None:
    """An editor reads one sentence, and not a trace of the program."""
    change(source, name, before, after)
    with pytest.raises(openapi.SourceError) as raised:
        openapi.build(source)
    assert mistake in str(raised.value)


def test_yes_no_and_dates_are_texts(tmp_path: Path) -> None:
    """What an editor sees is what is built: YAML 1.1 would make `true` and a moment of these."""
    path = tmp_path / "example.yaml"
    path.write_text("answer: yes\nday: 2026-11-29\nsure: true\n", encoding="utf-8")
    assert openapi.read(path) == {"answer": "yes", "day": "2026-11-29", "sure": True}
