"""What a clinic must state about itself by its country's law, as dated data with sources."""

from typing import Any

import pytest

from chalicelib.notices.document import COUNTRIES, check, read_clinic, warnings_of
from chalicelib.notices.duties import duty_on, rules
from chalicelib.notices.edition import make_edition
from chalicelib.notices.fields import DocumentError
from chalicelib.presentation.authorities import authorities
from tests.factories import NOON, a_document


def without(country: str, **fields: Any) -> dict[str, Any]:
    """Give a document without a data protection contact, of a country, with other changes."""
    document = a_document(country=country, authority=country, **fields)
    if "dpo" not in fields:
        del document["dpo"]
    return document


def faults(document: dict[str, Any]) -> list[DocumentError]:
    """Give what is wrong with a document."""
    return list(check(document, authorities()))


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_rule_has_its_source_and_says_how_sure_we_are_of_it(country: str) -> None:
    """An inspector sees where a number comes from, and whether somebody has read it there."""
    for name in ("address", "dpo"):
        for rule in rules()[country][name]:
            assert rule["source"]
            assert rule["standing"]
            assert rule.keys() >= {"due", "from", "article", "checked"}


@pytest.mark.parametrize("country", ["LV", "LT"])
def test_a_small_practice_in_the_union_says_that_it_has_no_officer(country: str) -> None:
    """GDPR Art. 37 asks not every doctor for one.

    A document without one must say so, for Art. 13(1)(b) asks for it where there is one.
    """
    [silent] = faults(without(country))
    assert (silent.place, silent.article) == ("dpo", "GDPR Art. 13(1)(b)")
    assert "has_dpo: false" in silent.remedy
    assert faults(without(country, patients_per_year=900)) == [silent]
    assert faults(without(country, has_dpo=False)) == []
    [warning] = warnings_of(without(country, has_dpo=False), NOON)
    assert (warning.place, warning.article) == ("has_dpo", "GDPR Art. 37(1)(c)")


def test_in_georgia_the_number_of_patients_decides() -> None:
    """From 10,000 a year a medical institution names an officer; below, it says how many it has."""
    for silent in (without("GE"), without("GE", has_dpo=False)):
        [fault] = faults(silent)
        assert (fault.place, fault.article) == (
            "dpo",
            "Law of Georgia on Personal Data Protection, Art. 33",
        )
        assert "`patients_per_year:` where fewer than 10000" in fault.remedy
    assert faults(without("GE", patients_per_year=9999)) == []
    [due] = faults(without("GE", patients_per_year=10000))
    assert "is due from 10000 patients a year" in due.problem
    assert faults(without("GE", patients_per_year=10000, dpo={"email": "dpo@example.org"})) == []
    assert warnings_of(without("GE", patients_per_year=9999), NOON) == ()


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"has_dpo": "no", "dpo": {"email": "a@example.org"}}, "has_dpo"),
        ({"has_dpo": False, "dpo": {"email": "a@example.org"}}, "has_dpo"),
        ({"patients_per_year": "4000", "dpo": {"email": "a@example.org"}}, "patients_per_year"),
        ({"patients_per_year": True, "dpo": {"email": "a@example.org"}}, "patients_per_year"),
        ({"patients_per_year": 0, "dpo": {"email": "a@example.org"}}, "patients_per_year"),
        ({"dpo": {"name": "Anna"}}, "dpo"),
    ],
)
def test_what_contradicts_itself_or_is_no_number_is_told(
    fields: dict[str, Any], place: str
) -> None:
    """An author is not left to guess."""
    assert [fault.place for fault in faults(without("LV", **fields))] == [place]


def test_a_controller_is_reached_in_some_way_and_by_post_if_it_says_so() -> None:
    """Art. 13(1)(a) asks for contact details; which, it does not say."""
    document = a_document()
    del document["controllers"][0]["address"]
    assert faults(document) == []
    assert read_clinic(document).lead.address == ""
    del document["controllers"][0]["email"]
    assert [fault.place for fault in faults(document)] == ["controllers[1]"]


def test_a_rule_holds_from_its_day_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new law is one line of data, and holds for notices of its day and later."""
    rule = {"article": "Art. 1", "due": False, "from": None}
    later = {"article": "Art. 2", "due": True, "from": "2027-01-01", "from_patients": 5}
    monkeypatch.setitem(rules()["LV"], "address", [rule, later])  # type: ignore[arg-type]
    assert [duty_on("LV", "address", day).due for day in ("2026-12-31", "2027-01-01")] == [
        False,
        True,
    ]
    document = a_document(effective="2027-01-01")
    del document["controllers"][0]["address"]
    assert [fault.place for fault in faults(document)] == ["controllers[1].address"]


def test_a_notice_without_address_and_officer_names_neither() -> None:
    """No empty line and no heading over nothing, in any language."""
    document = without("LV", has_dpo=False)
    del document["controllers"][0]["address"]
    for html in make_edition(document).notices.values():
        assert "<br>\n" not in html
        assert "<br><br>" not in html
        assert "SIA Jūra</b><br>j@example.org</p>" in html
    assert "Data protection contact" not in make_edition(document).notices["en"]
