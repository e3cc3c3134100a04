"""However much a person has decided, everything can be taken along: each part fits into an
answer.
"""

import csv
import io
import json
from dataclasses import replace
from functools import cache
from itertools import chain, count

import pytest

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.receipts import Receipt
from chalicelib.notices.document import read_clinic
from chalicelib.services import data_export_parts
from chalicelib.services.data_export import FORMS, DataExport
from chalicelib.services.data_export_parts import ExportPart, divide
from chalicelib.web.responses import BinaryResponse
from infra.local.gateway import INVOCATION_LIMIT
from tests.cast import ANNA
from tests.factories import MORNING, NOON, a_document

LISTS = ("controllers", "decisions", "recipients", "receipts", "evidence")
PERSONAL = ("names", "addresses", "contacts")


def _receipt(version: int, answers: int) -> Receipt:
    """Give a receipt with many answers, as long as those of a clinic with as many questions."""
    entry = {
        "answer": "yes" if version % 2 else "no",
        "before": "superseded",
        "after": "granted",
        "confirm_by": MORNING,
        "expires_at": NOON,
    }
    document = {
        "id": f"{version:032x}",
        "subject": "ab" * 16,
        "version": version,
        "decisions": {f"purpose_{number}.დიახ_option": entry for number in range(answers)},
        "controllers": [{"id": f"c{number}", "name": "საავადმყოფო „ა“"} for number in range(9)],
        "notice": {"version": "1.0", "lang": "ka", "sha256": "0" * 64},
        "channel": "paper",
        "assurance": "staff-witnessed",
        "effective_at": MORNING,
        "recorded_at": NOON,
        "_sd": ["x" * 43, "y" * 43],
    }
    return Receipt(document, json.dumps(document, ensure_ascii=False).encode())


def _everything(receipts: int, answers: int = 20, *, evidence: str = "") -> DataExport:
    written = {"form": evidence, "witness": evidence}
    kept = dict.fromkeys(range(1, receipts + 1), written) if evidence else {}
    return DataExport(
        clinic=read_clinic(a_document(), "hash"),
        lang="lv",
        at=NOON,
        subject="ab" * 16,
        contacts=[(ANNA, MORNING)],
        names=["Anna Ozola", '=1+1 "Anna"'],
        addresses=[PostalAddress("Brīvības 1", "LV-1010", "Rīga", "")],
        decisions=[],
        disclosures=[],
        receipts=[_receipt(version, answers) for version in range(1, receipts + 1)],
        left_out=7,
        evidence=kept,
        restricted_since=MORNING,
    )


def _parts(everything: DataExport, form: str) -> list[bytes]:
    """Give each part as it is fetched: by the address that the page lists."""
    contents = []
    for listed in divide(everything, form):
        asked = dict(pair.split("=") for pair in listed.query.split("&"))
        part = ExportPart.read(asked["part"], asked["receipts"])
        assert part is not None
        content = part.of(everything).written(form)
        assert len(content) == pytest.approx(listed.size, rel=0.01, abs=400)
        contents.append(content)
    return contents


def _rows(content: bytes) -> list[dict[str, str]]:
    text = content.decode().removeprefix("\ufeff")
    return list(csv.DictReader(io.StringIO(text, newline="")))


@cache
def _long() -> DataExport:
    """Give two thousand long receipts, each with evidence as long as it may be: 20 MB."""
    return _everything(2000, evidence='"„ა' * 60)


@pytest.mark.parametrize("form", FORMS)
def test_each_part_of_two_thousand_long_receipts_fits_into_what_lambda_answers(form: str) -> None:
    """Written as Lambda writes it, in base64 within JSON; before, the whole was answered by 502."""
    parts = _parts(_long(), form)
    assert len(parts) > 2
    for content in parts:
        answer = BinaryResponse(content, {"Content-Type": "text/csv; charset=utf-8"}).to_dict()
        assert len(json.dumps(answer)) < INVOCATION_LIMIT
    assert len(_long().written(form)) > INVOCATION_LIMIT


def test_all_parts_as_json_hold_everything_once() -> None:
    """Put together they are the whole file; each says which one it is and of whom."""
    parts = [json.loads(content) for content in _parts(_long(), "json")]
    whole = _long().document()
    for name in LISTS[1:]:
        assert list(chain.from_iterable(part[name] for part in parts)) == whole[name]
    for name in PERSONAL:
        assert (
            list(chain.from_iterable(part["person"][name] for part in parts))
            == whole["person"][name]
        )
    of = len(parts)
    assert [part["part"] for part in parts] == [
        {"number": number, "of": of} for number in range(1, of + 1)
    ]
    for part in parts:
        assert part.keys() == whole.keys() | {"part"}
        for name in ("exported_at", "clinic", "controllers", "receipts_left_out"):
            assert part[name] == whole[name]
        assert part["person"].keys() == whole["person"].keys()
        assert part["person"]["id"] == whole["person"]["id"]
        assert part["person"]["restricted_since"] == whole["person"]["restricted_since"]


def test_all_parts_as_a_table_hold_every_row_once() -> None:
    """The first row says which part it is; the others are the rows of the whole, in order."""
    parts = [_rows(content) for content in _parts(_long(), "csv")]
    of = str(len(parts))
    told = [(part[0]["record"], part[0]["name"], part[0]["value"]) for part in parts]
    assert told == [("part", str(number), of) for number in range(1, len(parts) + 1)]
    together = [row for part in parts for row in part[1:]]
    assert together == _rows(_long().written("csv"))


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_fits_stays_one_and_says_nothing_of_parts(form: str) -> None:
    """Almost everybody gets the file they always got."""
    little = _everything(20)
    assert divide(little, form) == ()
    assert b'"part"' not in little.written(form)
    assert not any(row["record"] == "part" for row in _rows(_everything(20).written("csv")))


def test_few_receipts_are_surely_one_file() -> None:
    """The page need not write the file to know that it is one: not even at the longest evidence."""
    longest = _everything(0, answers=60, evidence="„" * 200)
    size = 0
    for version in count(1):
        receipt = _receipt(version, 60)
        size += len(receipt.canonical)
        if size >= data_export_parts.SURELY_ONE:
            break
        evidence = {**longest.evidence, version: {"form": "„" * 200, "witness": "„" * 200}}
        longest = replace(longest, receipts=[*longest.receipts, receipt], evidence=evidence)
    for form in FORMS:
        assert divide(longest, form) == ()


@pytest.mark.parametrize(
    ("part", "receipts"),
    [
        ("2-3", None),
        (None, "1-9"),
        ("0-3", "1-9"),
        ("4-3", "1-9"),
        ("1-1", "1-9"),
        ("1", "1-9"),
        ("1-2", "x"),
        ("1-2", "1-9999999"),
        ("", ""),
    ],
)
def test_what_is_no_part_is_not_found(part: str | None, receipts: str | None) -> None:
    """An address that somebody changed gives no file with a wrong name."""
    with pytest.raises(NotFoundError):
        ExportPart.read(part, receipts)


def test_an_address_without_a_part_means_everything() -> None:
    """As before."""
    assert ExportPart.read(None, None) is None
