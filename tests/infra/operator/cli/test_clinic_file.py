"""A slip in a clinic's file is reported: what it is, where it is and what to write instead."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from chalicelib.domain.languages import LANGUAGES
from infra.operator.cli.clinic_file import ClinicFile, FileError
from infra.operator.publish import read_file
from tests.factories import a_document


def written(tmp_path: Path, text: str) -> Path:
    """Write a file."""
    path = tmp_path / "clinic.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def reported(tmp_path: Path, text: str) -> list[str]:
    """Return the lines about a file, without its name."""
    path = written(tmp_path, text)
    with pytest.raises(FileError) as refused:
        read_file(path)
    return [line.removeprefix(f"{path}:") for line in str(refused.value).split("\n")]


def whole(changed: str, instead: str) -> str:
    """Give a whole file with one line of it written otherwise."""
    text: str = yaml.safe_dump(a_document(), allow_unicode=True, sort_keys=False, width=1000)
    assert text.count(changed) >= 1
    return text.replace(changed, instead, 1)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(
            "id: x\ntitle:\n  lv: Jaunumi: atlaides\n",
            '3: has a text with a colon and no quotes. Put the text in quotes: `lv: "Jaunumi: atlaides"`',
            id="a colon in a text",
        ),
        pytest.param(
            "title: {lv: Jaunumi: atlaides, en: News}\n",
            '1: has a text with a colon and no quotes. Put the text in quotes: `lv: "Jaunumi: atlaides"`',
            id="a colon in a text in braces",
        ),
        pytest.param(
            "name:\n\tlv: Klīnika\n",
            "2: begins with a tab. Indent with spaces: YAML takes no tab",
            id="a tab",
        ),
        pytest.param(
            "name:\n  lv: A\n    ru: B\n",
            "3: is indented further than line 2, whose text it would go on with. "
            "Indent it exactly like that line, with spaces",
            id="too far in",
        ),
        pytest.param(
            "name:\n    lv: A\n  ru: B\n",
            "3: stands 2 spaces in, and fits neither what begins on line 1 nor what is in that. "
            "Indent it exactly like the fields it belongs with, with spaces",
            id="not far enough in",
        ),
        pytest.param(
            "purposes:\n  - id: a\n   text: c\n",
            "3: stands 3 spaces in, and fits neither what begins on line 2 nor what is in that. "
            "Indent it exactly like the fields it belongs with, with spaces",
            id="one space too few in a list",
        ),
        pytest.param(
            "id:x\ncode: y\n",
            "1: has no space behind its colon. Write `id: x`",
            id="no space behind a colon",
        ),
        pytest.param(
            "needs: [email, phone\nid: x\n",
            "1: opens a bracket that is not closed before line 2. Close it, or put the text in quotes",
            id="an open bracket",
        ),
        pytest.param(
            'name:\n  lv: "A\n  ru: B\n',
            '2: opens a quote that is never closed. Close it, and write \\" for a quote inside',
            id="an open quote",
        ),
        pytest.param(
            'name:\n  lv: "A" B\n',
            "2: has more behind the end of its quotes. Put all of the text in one pair of quotes",
            id="text behind a quote",
        ),
        pytest.param(
            "name:\n  lv: @foo\n",
            '2: has a text that begins with a sign of YAML\'s own. Put it in quotes: `lv: "@foo"`',
            id="a sign of YAML's own",
        ),
        pytest.param(
            "name:\n  lv: |foo\n",
            '2: has a text that begins with a sign of YAML\'s own. Put it in quotes: `lv: "|foo"`',
            id="a bar before a text",
        ),
        pytest.param(
            'name: {lv: "A" [B], en: C}\n',
            "1: opens a bracket in which a comma, a quote or the closing bracket is missing, at the latest on line 1. "
            "Put each text in quotes",
            id="text behind a quote in braces",
        ),
        pytest.param(
            "notice:\n  lv: |\n    text\n  more text\n  en: x\n",
            "4: is neither `field: text` nor part of the text above it. Indent it like the lines of that text, or "
            "write the field's name before it",
            id="a line of a text that is not indented",
        ),
        pytest.param(
            "id: x\nid: y\n",
            "2: is no YAML (“id” stands twice). Check indentation, colons and quotes",
            id="twice",
        ),
    ],
)
def test_what_makes_a_file_no_yaml_is_reported_as_the_slip_it_is(
    tmp_path: Path, text: str, line: str
) -> None:
    """An author reads what to write instead, and not what a parser expected."""
    assert reported(tmp_path, text) == [line]


@pytest.mark.parametrize(
    ("changed", "instead", "line"),
    [
        pytest.param(
            "    title:\n      lv: By e-mail (lv)\n      en: By e-mail\n",
            "    title: {lv: Pa e-pastu, reizi nedēļā, arī svētkos, en: By e-mail}\n",
            ": purposes[1].options[1].title.lv: ends at its comma, and what follows was read as another field. "
            'Put the whole text in quotes: `lv: "Pa e-pastu, reizi nedēļā, arī svētkos"`',
            id="a comma without quotes",
        ),
        pytest.param(
            "    needs:\n    - email\n",
            "    needs: email\n",
            ": purposes[1].options[1].needs: is 'email', and a list is due. "
            "Write `needs: [email]`, of: email, phone, name, first_name, full_name, contact, "
            "address (GDPR Art. 13(1)(c))",
            id="a text for a list",
        ),
        pytest.param(
            "languages:\n- lv\n- en\n",
            "languages: lv, en\n",
            ": languages: is 'lv, en', and a list is due. "
            "Write `languages: [lv, en]`, of: the clinic's languages, its own first, "
            f"from {', '.join(LANGUAGES)}",
            id="languages as a text",
        ),
        pytest.param(
            "version: '1.0'\n",
            "version: 1.10\n",
            ': version: is the number 1.10, and a text is due. Put it in quotes: `version: "1.10"`',
            id="a number for a text",
        ),
        pytest.param(
            "  title:\n    lv: Research (lv)\n    en: Research\n",
            "  title: Pētījums\n",
            ": purposes[2].title: is 'Pētījums', and a text for each language is due. "
            'Write `title: {lv: "Pētījums", en: "…"}`, or a line a language, indented below it (GDPR Art. 13(1)(c))',
            id="one text for several languages",
        ),
        pytest.param(
            "  email: dpo@example.org\n",
            "  email: 17\n",
            ': dpo.email: is the number 17, and a text is due. Put it in quotes: `email: "17"` (GDPR Art. 13(1)(b))',
            id="a number for an address",
        ),
        pytest.param(
            "name:\n  lv: Physiotherapy by the Sea (lv)\n",
            "name:\n  lv: yes\n",
            ": name.lv: is read as true or false, and a text is due. "
            'Put it in quotes: `lv: "yes"` (GDPR Art. 13(1)(a))',
            id="a word of YAML's own for a text",
        ),
    ],
)
def test_a_slip_that_yaml_lets_pass_is_reported_as_what_it_is(
    tmp_path: Path, changed: str, instead: str, line: str
) -> None:
    """Once: what a comma cut off is not reported again as a field nobody knows."""
    text = whole(changed, instead)
    number = text[: text.index(instead)].count("\n") + instead.rstrip().count("\n") + 1
    faults = reported(tmp_path, text)
    if "languages" in changed:  # without languages nothing else can be read
        assert faults[0] == f"{number}{line}"
    else:
        assert faults == [f"{number}{line}"]


def test_a_text_that_is_not_indented_below_its_field_is_reported(tmp_path: Path) -> None:
    """The languages then stand beside the fields, where YAML is content and the author is lost."""
    faults = reported(
        tmp_path,
        whole(
            "dpo:\n  email: dpo@example.org\n", "title:\nlv: Klīnika\ndpo:\n  email: a@b.example\n"
        ),
    )
    assert faults[1].endswith(
        "lv: is not a known key. If lv is a language, indent it by two spaces below the field whose text it is"
    )
    assert faults[0].endswith(
        "title: is not a known key. title belongs to a purpose: check how far the line is indented"
    )


def test_a_field_at_the_wrong_depth_is_reported_with_where_it_belongs(tmp_path: Path) -> None:
    """`retention` two spaces too far left is no unknown word, but a purpose's."""
    faults = reported(tmp_path, whole("dpo:\n", "legal_basis: consent\ndpo:\n"))
    assert [each.partition(": ")[2] for each in faults] == [
        "legal_basis: is not a known key. legal_basis belongs to a purpose: check how far the line is indented"
    ]


def test_a_fault_of_something_missing_has_the_line_of_what_it_is_missing_in(tmp_path: Path) -> None:
    """An author finds the purpose that lacks it."""
    text = whole("  retention:\n    lv: Two years (lv)\n    en: Two years\n", "")
    [fault] = reported(tmp_path, text)
    assert fault.startswith(
        f"{text[: text.index('- id: research')].count(chr(10)) + 1}: purposes[2].retention: "
    )


def test_a_draft_takes_no_file_with_a_text_cut_at_its_comma(tmp_path: Path) -> None:
    """What follows the comma would be gone from the draft for good."""
    file = ClinicFile.read(written(tmp_path, "name: {lv: Klīnika, Rīga, en: Clinic}\n"))
    with pytest.raises(FileError, match='`lv: "Klīnika, Rīga"`'):
        file.refuse_slips()


def test_a_file_without_slips_is_read_as_before(tmp_path: Path) -> None:
    """Dates become texts, and every place has its line."""
    document: dict[str, Any] = a_document()
    file = ClinicFile.read(
        written(tmp_path, yaml.safe_dump(document, allow_unicode=True, sort_keys=False))
    )
    assert file.document == document
    assert (file.lines["id"], file.slips, file.cut_off) == (1, [], set())
    dated = ClinicFile.read(written(tmp_path, "effective: 2026-11-01\nneeds: [email, phone]\n"))
    assert dated.document == {"effective": "2026-11-01", "needs": ["email", "phone"]}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no clinic's document"),
        (b"- a", "no clinic's document"),
        (b"\xff", "not UTF-8"),
        (b"a: 2026-13-45", "none"),
        (b"{[a]: b}", "name is no text"),
    ],
)
def test_what_is_no_file_of_a_clinic_is_reported(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    """Never a traceback."""
    path = tmp_path / "clinic.yaml"
    path.write_bytes(content)
    with pytest.raises(FileError, match=problem):
        ClinicFile.read(path)
    with pytest.raises(FileError, match="cannot be read"):
        ClinicFile.read(tmp_path / "nowhere.yaml")
