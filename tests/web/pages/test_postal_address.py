"""What comes by post asks for an address, after a Yes alone; it is sealed, shown masked, and erased
with the person.
"""

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.instants import instant
from chalicelib.domain.links import LinkScope
from chalicelib.store import erasures
from chalicelib.store.personal_data import ADDRESS
from tests.cast import ANNA
from tests.web.client import Client, Program
from tests.web.letterbox import a_token
from tests.web.page_reader import Page, decide, open_page, receipt_number
from tests.web.running import RunningPortal

STREET, POSTCODE, PLACE = "Kastaņu iela 17–4", "LV-3401", "Liepāja"
HOME = {"street": STREET, "postcode": POSTCODE, "place": PLACE}
YES, NO = {"decision.letters": "yes"}, {"decision.letters": "no"}
MAIL = {"email": ANNA.value}


def by_post(document: dict[str, Any]) -> None:
    """Ask one more thing: for letters by post."""

    def text(words: str) -> dict[str, str]:
        return dict.fromkeys(document["languages"], words)

    letters = {
        "id": "letters",
        "title": text("Letters"),
        "text": text("We write"),
        "legal_basis": "consent",
    }
    document["purposes"].append(
        {**letters, "data": text("Address"), "retention": text("A year"), "needs": ["address"]}
    )


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic that writes letters."""
    return portal.open_clinic(change=by_post)


def own_page(portal: RunningPortal, program: Program) -> str:
    """Give the address of Anna's own page."""
    newest = program.history(**MAIL)[-1]["id"]
    return f"/manage/{a_token(portal, program.clinic, ANNA, LinkScope.MANAGE, newest)}"


def sealed(portal: RunningPortal, program: Program) -> list[str]:
    """Give what is sealed as an address at the clinic."""
    return [
        sk
        for pk, sk in portal.items()
        if f"#{program.clinic}#" in pk and sk.startswith(f"SEALED#{ADDRESS}#")
    ]


def test_a_yes_to_letters_needs_name_street_postcode_and_place(
    client: Client, program: Program
) -> None:
    """Each is asked for in words at its field, and nothing that was typed is lost."""
    page = Page(decide(client, program.clinic, {**YES, **MAIL, "place": PLACE}, "?lang=en"))
    assert page.faults == ["#name", "#street", "#postcode"]
    assert (
        "Write the street, the house and the flat: you agreed to something that comes by post."
        in page.words
    )
    assert (page.fields["place"], page.fields["decision.letters"]) == (PLACE, "yes")
    assert decide(client, program.clinic, {**YES, **MAIL, **HOME, "name": "Anna"}).status == 303


def test_an_address_is_kept_sealed_and_stands_in_no_receipt(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Who reads the table or a receipt learns no more than that somebody said Yes."""
    number = receipt_number(decide(client, program.clinic, {**YES, **MAIL, **HOME, "name": "Anna"}))
    assert len(sealed(portal, program)) == 1
    for part in (STREET, POSTCODE):
        assert part.encode() not in portal.everything()
        assert part not in program.receipt(number).text
        assert part not in client.get(f"/{program.clinic}/receipts/{number}?lang=en").text


def test_an_address_that_nothing_needs_is_not_kept(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Without JavaScript and without styles all fields are there; what is not needed is dropped
    (GDPR Art. 5(1)(c)).
    """
    assert decide(client, program.clinic, {**NO, **MAIL, **HOME}).status == 303
    other = {"decision.newsletter.email": "yes", **MAIL, **HOME}
    assert decide(client, program.clinic, other).status == 303
    assert sealed(portal, program) == []


def test_the_page_asks_for_an_address_only_where_something_comes_by_post(
    client: Client, portal: RunningPortal
) -> None:
    """Other clinics' pages stay as short as they were; this one's has a label for each part in each
    language.
    """
    assert "street" not in open_page(client, f"/{portal.open_clinic().clinic}?view=all").fields
    for like, lang, label in (
        ("riga-aesthetics", "lv", "Iela, māja un dzīvoklis"),
        ("riga-aesthetics", "ru", "Улица, дом и квартира"),
        ("vilnius-dental", "lt", "Gatvė, namas ir butas"),
        ("tbilisi-ultrasound", "ka", "ქუჩა, სახლი და ბინა"),
        ("vilnius-dental", "en", "Street, house and flat"),
    ):
        page = open_page(
            client, f"/{portal.open_clinic(like, by_post).clinic}?view=all&lang={lang}"
        )
        assert page.fields.keys() >= {"street", "postcode", "place", "country"}
        assert label in page.words


def test_in_georgia_no_postcode_is_asked_for(client: Client, portal: RunningPortal) -> None:
    """Few people know theirs, and letters come without."""
    program = portal.open_clinic("tbilisi-ultrasound", by_post)
    sent = {**YES, **MAIL, "name": "Nino", "street": "ქუჩა 1", "place": "თბილისი"}
    assert decide(client, program.clinic, sent).status == 303


def test_the_own_page_shows_it_masked_and_the_file_in_full(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Somebody who looks over a shoulder finds nobody's home; the person takes along what is kept
    (GDPR Art. 15(3)).
    """
    decide(client, program.clinic, {**YES, **MAIL, **HOME, "name": "Anna Ozola"})
    place = own_page(portal, program)
    shown = client.get(f"{place}?lang=en")
    assert "K•••, L•••" in shown.text
    assert not [part for part in (STREET, POSTCODE, PLACE) if part in shown.text]
    kept = json.loads(client.get(f"{place}/export/json?lang=en").text)["person"]["addresses"]
    assert kept == [{**HOME, "country": ""}]
    rows = list(
        csv.DictReader(io.StringIO(client.get(f"{place}/export/csv?lang=en").text.lstrip("\ufeff")))
    )
    assert [row["value"] for row in rows if row["record"] == "address"] == [
        f"{STREET}, {PLACE}, {POSTCODE}"
    ]


def test_an_address_is_erased_with_the_person(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """What was sealed can be read by nobody from that moment, and is swept away."""
    decide(client, program.clinic, {**YES, **MAIL, **HOME, "name": "Anna"})
    assert len(program.call("erasures", {"subject": MAIL}).json()["erased"]) == 1
    for mark in erasures.waiting(portal.table):
        erasures.clear_remains(portal.table, mark)
    assert sealed(portal, program) == []


def test_staff_give_an_address_with_the_decision(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """A Yes to letters by phone needs one, in the call or known already; nobody is looked up by
    it.
    """
    asked = {
        "subject": MAIL,
        "decisions": {"letters": "yes"},
        "channel": "in-person",
        "name": "Anna",
    }
    body = {**asked, "effective_at": instant(datetime.now(UTC))}
    missing = program.call("receipts", body)
    assert (missing.status, [each["pointer"] for each in missing.json()["errors"]]) == (
        422,
        ["/address"],
    )
    assert program.call("receipts", {**body, "address": HOME}).status == 201
    assert len(sealed(portal, program)) == 1
    assert (
        program.call("receipts", {**body, "effective_at": instant(datetime.now(UTC))}).status == 201
    ), "known now"
    assert (
        program.call("status", {"subjects": [{"address": HOME}]}).json()["results"][0].get("error")
    )
    assert client.get(f"{own_page(portal, program)}?lang=en").text.count("K•••, L•••") == 1


@pytest.mark.parametrize(
    ("address", "pointers"),
    [
        ("Kastaņu iela 17", ["/address"]),
        ({**HOME, "planet": "Earth"}, ["/address"]),
        ({"place": PLACE}, ["/address/street", "/address/postcode"]),
        ({**HOME, "postcode": 3401}, ["/address/postcode"]),
        ({**HOME, "street": "x" * 121}, ["/address/street"]),
        ({**HOME, "street": "one\ntwo"}, ["/address/street"]),
    ],
)
def test_an_address_that_is_none_is_told_by_its_part(
    program: Program, address: object, pointers: list[str]
) -> None:
    """And never repeated."""
    asked = {
        "subject": MAIL,
        "decisions": {"letters": "yes"},
        "channel": "in-person",
        "name": "Anna",
    }
    answer = program.call(
        "receipts", {**asked, "address": address, "effective_at": instant(datetime.now(UTC))}
    )
    assert (answer.status, [each["pointer"] for each in answer.json()["errors"]]) == (422, pointers)


def test_an_address_that_is_known_is_asked_for_no_more(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """By the portal's own link to that person; whoever is new to the clinic, or has a program's
    link, types it.
    """
    number = receipt_number(decide(client, program.clinic, {**YES, **MAIL, **HOME, "name": "Anna"}))
    own = a_token(portal, program.clinic, ANNA, LinkScope.ASK, number)
    url = program.call("links", {"links": [MAIL]}).json()["links"][0]["url"]
    programs = url.partition("?t=")[2].partition("&")[0]
    for token, known in ((own, True), (programs, False)):
        place = f"/{program.clinic}?t={token}&view=all&lang=en"
        page = open_page(client, place)
        assert ("street" in page.fields) is not known
        answer = client.post(place, {"state": page.fields["state"], **YES})
        assert answer.status == (303 if known else 422)


def test_a_line_break_in_an_address_becomes_a_space(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """It may stand on an envelope or in a table one day, and begins no line of its own there."""
    decide(
        client,
        program.clinic,
        {**YES, **MAIL, **HOME, "street": "Kastaņu 1\r\nBcc: x", "name": "Anna"},
    )
    kept = json.loads(client.get(f"{own_page(portal, program)}/export/json?lang=en").text)[
        "person"
    ]["addresses"]
    assert kept[0]["street"] == "Kastaņu 1 Bcc: x"
