import hashlib
import json
import re
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import moment
from chalicelib.domain.links import Link, read_token
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.programs import link_key
from tests.cast import RIGA, TBILISI
from tests.web.client import Client, Program
from tests.web.letterbox import carried, token_in
from tests.web.page_reader import decide, legible
from tests.web.running import RunningPortal, counts_at_once

ANNA, PHONE = "anna.ozola@example.org", "+37126123456"


def _made(
    program: Program, *asked: dict[str, Any], headers: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    answer = program.call("links", {"links": list(asked)}, headers or {})
    assert answer.status == 201, answer.text
    made: list[dict[str, Any]] = answer.json()["links"]
    return made


def test_a_link_holds_a_handle_and_nothing_else(portal: RunningPortal) -> None:
    """Whoever sees the address, a log or a forwarded mail, learns nothing about the patient."""
    program = portal.managing(RIGA)
    before = portal.items()
    [by_mail, by_phone] = _made(
        program, {"email": ANNA, "name": "Anna Ozola", "lang": "en"}, {"phone": PHONE}
    )
    told = str(by_mail | {"subject": None}) + str(by_phone | {"subject": None})
    for secret in (ANNA, "anna", "ozola", "26123456"):
        assert secret not in legible(told).lower()
    tokens = re.findall(r"[?/](?:t=|manage/|unsubscribe/)([A-Za-z0-9_-]{32})", told)
    assert len(set(tokens)) == 6
    stored = " ".join(f"{pk} {sk}" for pk, sk in portal.items() - before)
    assert not [token for token in tokens if token in stored]
    assert {by_mail["id"], by_phone["id"]} <= set(re.findall(r"LINK#([0-9a-f]{64})", stored))


def test_the_headers_are_those_of_one_click_unsubscribing(portal: RunningPortal) -> None:
    """A mail program shows its button for exactly these (RFC 8058, 3.1)."""
    [made] = _made(
        portal.program(), {"email": ANNA, "purposes": ["newsletter"], "expires_in": 3600}
    )
    assert made["headers"] == {
        "List-Unsubscribe": f"<{made['unsubscribe_url']}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }


def test_a_thousand_links_are_one_call_and_the_same_call_again_gives_the_same(
    portal: RunningPortal,
) -> None:
    """A mailing that was cut off half way is made again without sending anybody two addresses."""
    program = portal.program()
    asked = [{"email": f"p{number}@example.org"} for number in range(1000)]
    first = _made(program, *asked, headers={"Idempotency-Key": "spring"})
    again = _made(program, *asked, headers={"Idempotency-Key": "spring"})
    other = _made(program, *asked[:2], headers={"Idempotency-Key": "summer"})
    assert [each["url"] for each in first] == [each["url"] for each in again]
    assert len({each["url"] for each in first + other}) == 1002
    assert program.call("links", {"links": [*asked, {"email": ANNA}]}).status == 422


@pytest.mark.parametrize(
    "other",
    [
        [{"email": ANNA}],
        [{"email": ANNA}, {"phone": PHONE}, {"email": "juris@example.org"}],
        [{"phone": PHONE}, {"email": ANNA}],
        [{"email": ANNA, "lang": "en"}, {"phone": PHONE}],
        [{"email": ANNA}, {"phone": PHONE, "expires_in": 60}],
    ],
)
def test_another_body_under_a_used_key_makes_no_link(
    portal: RunningPortal, other: list[dict[str, Any]]
) -> None:
    """A program that uses a key twice by mistake is told so, and no second set of links exists."""
    program, once = portal.open_clinic(), {"Idempotency-Key": "mailing-8"}
    first = _made(program, {"email": ANNA}, {"phone": PHONE}, headers=once)
    before = portal.items()
    refused = program.call("links", {"links": other}, once)
    assert (refused.status, refused.json()["title"]) == (422, "Idempotency-Key used before")
    assert {pk for pk, _ in portal.items() - before if pk.startswith("LINK#")} == set()
    assert _made(program, {"email": ANNA}, {"phone": PHONE}, headers=once) == first
    second_key = Program(program.clinic, portal.new_key(program.clinic))
    assert len(_made(second_key, *other, headers=once)) == len(other)


def test_what_is_kept_of_a_repeatable_call_names_nobody(portal: RunningPortal) -> None:
    """Who reads the table cannot find out by trying addresses whom a clinic wrote to."""
    program = portal.open_clinic()
    before = portal.items()
    _made(program, {"email": ANNA}, headers={"Idempotency-Key": ANNA})
    [call] = [Key(pk, sk) for pk, sk in portal.items() - before if sk == "CALL"]
    kept = portal.table.get([call])[call]
    told = f"{kept.pk} {kept.body}"
    assert ANNA not in told
    guesses = [ANNA, json.dumps([ANNA]), json.dumps({"links": [{"email": ANNA}]})]
    assert not [each for each in guesses if hashlib.sha256(each.encode()).hexdigest() in told]
    assert kept.ttl is not None


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({}, "/links/0"),
        ({"email": "no address"}, "/links/0/email"),
        ({"email": ANNA, "phone": PHONE}, "/links/0"),
        ({"email": ANNA, "lang": "ka"}, "/links/0/lang"),
        ({"email": ANNA, "expires_in": 59}, "/links/0/expires_in"),
        ({"email": ANNA, "expires_in": True}, "/links/0/expires_in"),
        ({"email": ANNA, "purposes": ["nothing"]}, "/links/0/purposes/0"),
        ({"email": ANNA, "name": ""}, "/links/0/name"),
        ({"email": ANNA, "colour": "blue"}, "/links/0"),
        ("anna", "/links/0"),
    ],
)
def test_each_fault_of_a_list_is_told_by_its_place(
    portal: RunningPortal, wrong: object, pointer: str
) -> None:
    """And nothing is made of a list with a fault in it."""
    before = portal.items()
    answer = portal.program().call("links", {"links": [wrong]})
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (422, pointer)
    assert not {pk for pk, _ in portal.items() - before if pk.startswith("LINK#")}


def test_a_revoked_link_opens_nothing_and_another_clinic_revokes_none(
    client: Client, portal: RunningPortal
) -> None:
    """A list that went to the wrong people is called back."""
    program, other = portal.program(RIGA), portal.program(TBILISI)
    [made] = _made(program, {"email": ANNA})
    token = made["unsubscribe_url"].rpartition("/")[2]
    assert other.call("links/revoke", {"ids": [made["id"]]}).json() == {"revoked": 0}
    assert program.call("links/revoke", {"ids": [made["id"], "0" * 64]}).json() == {"revoked": 1}
    assert program.call("links/revoke", {"ids": [made["id"]]}).json() == {"revoked": 0}
    assert program.call("links/revoke", {"ids": ["x"]}).status == 422
    assert token not in client.get(f"/confirm/{token}").text


def test_a_call_repeated_tells_of_each_link_as_it_is_by_now(portal: RunningPortal) -> None:
    """Nobody puts a link that was called back into a mail, or believes that it ends later than it
    does.
    """
    program, once = portal.open_clinic(), {"Idempotency-Key": "mailing-7"}
    body = {"links": [{"email": ANNA}, {"phone": PHONE}]}
    first = program.call("links", body, once).json()["links"]
    assert {each["revoked_at"] for each in first} == {None}
    program.call("links/revoke", {"ids": [first[1]["id"]]})
    again = program.call("links", body, once).json()["links"]
    assert again[0] == first[0]
    assert again[1]["revoked_at"] is not None
    assert again[1] == first[1] | {"revoked_at": again[1]["revoked_at"]}


def test_a_link_is_forgotten_a_year_after_it_opens_nothing_more(
    client: Client, portal: RunningPortal
) -> None:
    """The portal's own that stop nothing soon; one in a clinic's mail stops things for three years
    before that.
    """
    program = portal.open_clinic(change=counts_at_once)
    carried(portal)
    assert (
        decide(client, program.clinic, {"decision.testimonials.text": "yes", "email": ANNA}).status
        == 303
    )
    [text] = carried(portal, Contact(ContactKind.EMAIL, ANNA))
    parts = read_token(token_in(text, "manage"))
    assert parts
    own, made = link_key(parts[0].link_id), link_key(_made(program, {"email": ANNA})[0]["id"])
    found = portal.table.get([own, made])
    passing, lasting = (Link.read(found[key].body or "") for key in (own, made))
    ends = [moment(passing.expires_at), moment(lasting.created_at) + timedelta(days=3 * 365)]
    assert [found[own].ttl, found[made].ttl] == [
        int((end + timedelta(days=365)).timestamp()) for end in ends
    ]


def test_the_audit_says_how_many_links_a_key_made_and_revoked(portal: RunningPortal) -> None:
    """A key that leaks and makes thousands is noticed, and the audit still names nobody."""
    program = portal.open_clinic()
    made = _made(program, {"email": ANNA}, {"phone": PHONE})
    program.call("links/revoke", {"ids": [made[0]["id"], "0" * 64]})
    lines = portal.audit(program.clinic)
    assert [(line["call"], line["links"], line["subjects"]) for line in lines] == [
        ("links", 2, []),
        ("links/revoke", 1, []),
    ]
    assert ANNA not in str(lines)


def test_links_need_their_scope_and_the_own_clinic(portal: RunningPortal) -> None:
    """A key that only asks for the status invites nobody."""
    asked = {"links": [{"email": ANNA}]}
    assert Program(RIGA, portal.new_key(RIGA, "status:read")).call("links", asked).status == 403
    assert Program(TBILISI, portal.api_keys[RIGA]).call("links", asked).status == 404
    assert Program(RIGA, None).call("links", asked).status == 401
