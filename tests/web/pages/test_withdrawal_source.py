"""Taking a Yes back with nothing to type: by the link one followed, or by the receipt one holds."""

import re

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.links import LinkScope
from tests.cast import ANNA, ANNA_PHONE
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import a_token, carried, texted_code, token_in
from tests.web.page_reader import Page, decide, open_page, receipt_number
from tests.web.running import RunningPortal, counts_at_once

EMAIL, SMS, REVIEW, PHOTO = (
    "newsletter.email",
    "newsletter.sms",
    "testimonials.text",
    "testimonials.photo",
)
MAIL = {"email": ANNA.value}


def _place(client: Client, page: str) -> str:
    """Give where "Withdraw" leads from a page."""
    links = {link.removeprefix(client.mount) for link in Page(client.get(page)).links}
    [place] = {link for link in links if "/withdraw?" in link and "&" in link}
    return place


def _stop(client: Client, place: str, **fields: str) -> Answer:
    shown = open_page(client, place)
    assert not {"email", "phone"} & shown.fields.keys()
    return client.post(place, {"state": shown.fields["state"], **fields})


def _link(program: Program, **whom: str) -> str:
    """Give the page that a personal link of the clinic opens."""
    url = str(
        program.call("links", {"links": [{**(whom or MAIL), "lang": "en"}]}).json()["links"][0][
            "url"
        ]
    )
    return "/" + url.partition("/api/")[2]


def _granted(program: Program, **more: str) -> None:
    body = {
        "subject": {**MAIL, **more},
        "channel": "in-person",
        "effective_at": "2026-11-20T10:00:00Z",
    }
    answer = program.call(
        "receipts", {**body, "decisions": {EMAIL: "yes", REVIEW: "yes", PHOTO: "no"}}
    )
    assert answer.status == 201


@pytest.mark.parametrize("fields", [{"all": "yes"}, {"purpose": REVIEW}])
def test_by_the_link_that_asked(
    fields: dict[str, str], client: Client, portal: RunningPortal
) -> None:
    """The page of a clinic's link leads to one that knows who stops; the receipt says it was the
    link.
    """
    program = portal.open_clinic()
    _granted(program)
    place = _place(client, _link(program))
    shown = client.get(place).text
    assert "•••" not in shown
    assert ANNA.value not in shown
    receipt = program.receipt(receipt_number(_stop(client, place, **fields))).json()
    assert (receipt["assurance"], receipt["channel"], receipt["actor"]) == (
        "link",
        "email-link",
        "patient",
    )
    assert re.fullmatch(r"[0-9a-f]{64}", receipt["evidence"]["link"])
    left = {EMAIL: "withdrawn" if "all" in fields else "granted", REVIEW: "withdrawn"}
    assert left.items() <= program.states(**MAIL).items()


def test_by_the_receipt_that_was_given(client: Client, portal: RunningPortal) -> None:
    """Whoever holds it types nothing and learns nothing; the owner of the contact is told, and
    brings it back.
    """
    program = portal.open_clinic(change=counts_at_once)
    given = decide(client, program.clinic, {f"decision.{REVIEW}": "yes", **MAIL})
    carried(portal)
    page = f"/{program.clinic}/receipts/{receipt_number(given)}?lang=en"
    place = _place(client, page)
    assert f"receipt={receipt_number(given)}" in place
    assert "•••" not in client.get(place).text
    stopped = program.receipt(receipt_number(_stop(client, place, all="yes"))).json()
    assert (stopped["assurance"], stopped["evidence"]) == (
        "self-asserted",
        {"receipt": receipt_number(given)},
    )
    assert program.states(**MAIL)[REVIEW] == "withdrawn"
    [told] = carried(portal, ANNA)
    assert client.post(f"/undo/{token_in(told, 'undo')}", {"purpose": REVIEW}).status == 303
    assert program.states(**MAIL)[REVIEW] == "granted"


def test_a_program_that_sends_every_form_as_it_finds_it_stops_nothing(
    client: Client, portal: RunningPortal
) -> None:
    """It follows the link of a mail, the links of that page, and presses the first button of each
    form.
    """
    program = portal.open_clinic(change=counts_at_once)
    given = decide(client, program.clinic, {f"decision.{REVIEW}": "yes", **MAIL})
    before = portal.items()
    receipt = f"/{program.clinic}/receipts/{receipt_number(given)}?lang=en"
    for place in (_place(client, receipt), _place(client, _link(program))):
        shown = client.get(place).text
        [first] = re.findall(r'<button type="submit" name="(\w+)" value="(\w+)"', shown)[:1]
        for pressed in ({}, dict([first])):
            assert _stop(client, place, **pressed).status == 422
    assert not [key for key in portal.items() - before if "#SUBJECT#" in key[0]]
    assert program.states(**MAIL)[REVIEW] == "granted"


def test_a_receipt_stops_for_its_own_person_alone(client: Client, portal: RunningPortal) -> None:
    """A child's receipt does not stop what its guardian allowed, nor the other way round."""
    program, photos = portal.open_clinic("vilnius-dental"), "treatment_photos.education"
    child = {"child": "yes", "relation": "parent", "child_name": "Elza", "child_born_day": "29"}
    child |= {"child_born_month": "2", "child_born_year": "2016"}
    own, childs = (
        receipt_number(
            decide(client, program.clinic, {f"decision.{photos}": "yes", **MAIL, **whose})
        )
        for whose in ({}, child)
    )
    for number, actor in ((childs, "guardian"), (own, "patient")):
        stopped = _stop(client, f"/{program.clinic}/withdraw?receipt={number}&lang=en", all="yes")
        receipt = program.receipt(receipt_number(stopped)).json()
        assert (receipt["actor"], receipt["evidence"]["receipt"]) == (actor, number)
        assert receipt["evidence"].get("guardian") == ("parent" if actor == "guardian" else None)
        assert receipt["subject"] == program.receipt(number).json()["subject"]
    assert (
        len({receipt["subject"] for receipt in program.history(**MAIL)})
        == len(program.history(**MAIL)) / 2
        == 2
    )


def test_a_receipt_of_somebody_erased_answers_as_everybody_elses(
    client: Client, portal: RunningPortal
) -> None:
    """Who holds receipts of addresses they tried learns from none of them who is known."""
    program = portal.open_clinic()
    _granted(program)
    number = program.history(**MAIL)[0]["id"]
    assert program.call("erasures", {"subject": MAIL}).status == 200
    place = f"/{program.clinic}/withdraw?receipt={number}&lang=en"
    receipt = program.receipt(receipt_number(_stop(client, place, all="yes"))).json()
    assert (receipt["version"], receipt["previous"]) == (1, None)
    assert program.history(**MAIL) == []


def test_a_receipt_stops_for_whoever_confirmed_it_too(
    client: Client, portal: RunningPortal
) -> None:
    """Anna is known by her e-mail; the phone typed beside it confirmed the code, and is known
    apart.
    """
    program = portal.open_clinic()
    _granted(program)
    said = {f"decision.{SMS}": "yes", **MAIL, "phone": "26123456"}
    number = receipt_number(decide(client, program.clinic, said))
    code = texted_code(portal, program.clinic, number)
    assert client.post(f"/{program.clinic}/receipts/{number}/code", {"code": code}).status == 303
    assert program.states(phone=ANNA_PHONE.value)[SMS] == "granted"
    assert (
        _stop(client, f"/{program.clinic}/withdraw?receipt={number}&lang=en", all="yes").status
        == 303
    )
    assert program.states(phone=ANNA_PHONE.value)[SMS] == "withdrawn"
    assert program.states(**MAIL)[EMAIL] == "withdrawn"


def test_stopping_by_a_link_gives_the_contact_to_nobody_who_only_typed_it(
    client: Client, portal: RunningPortal
) -> None:
    """Eve's own e-mail is proven, Anna's phone stood beside it; Anna stops by the link the clinic
    sent her phone.
    """
    program = portal.open_clinic()
    said = {f"decision.{EMAIL}": "yes", "email": "eve@example.org", "phone": "26123456"}
    number = receipt_number(decide(client, program.clinic, said))
    token = a_token(
        portal,
        program.clinic,
        Contact(ContactKind.EMAIL, "eve@example.org"),
        LinkScope.CONFIRM,
        number,
        (EMAIL,),
    )
    assert client.post(f"/confirm/{token}", {"sure": "yes", "purpose": EMAIL}).status == 303
    assert (
        _stop(client, _place(client, _link(program, phone=ANNA_PHONE.value)), all="yes").status
        == 303
    )
    staff = {
        "subject": {"phone": ANNA_PHONE.value},
        "channel": "in-person",
        "decisions": {SMS: "yes"},
    }
    assert program.call("receipts", {**staff, "effective_at": "2026-11-20T10:00:00Z"}).status == 201
    by_phone = {receipt["subject"] for receipt in program.history(phone=ANNA_PHONE.value)}
    by_eve = {receipt["subject"] for receipt in program.history(email="eve@example.org")}
    assert by_phone
    assert by_eve
    assert not by_phone & by_eve


def test_what_leads_to_nobody_leads_to_the_page_that_asks_who(
    client: Client, portal: RunningPortal
) -> None:
    """A revoked link, one of another clinic, a receipt that never was: no dead end."""
    program = portal.open_clinic()
    made = program.call("links", {"links": [MAIL]}).json()["links"][0]
    token = made["url"].partition("?t=")[2][:32]
    program.call("links/revoke", {"ids": [made["id"]]})
    _granted(other := portal.open_clinic())
    foreign = other.history(**MAIL)[0]["id"]
    for query in (f"t={token}", f"receipt={foreign}", "receipt=nothing", "t="):
        place = f"/{program.clinic}/withdraw?lang=en&{query}"
        shown = open_page(client, place)
        assert {"email", "phone"} <= shown.fields.keys()
        refused = client.post(place, {"state": shown.fields["state"], "all": "yes"})
        assert (refused.status, Page(refused).faults) == (422, ["#email"])


def test_many_who_share_a_contact_are_all_stopped_by_its_link(
    client: Client, portal: RunningPortal
) -> None:
    """And somebody whom nobody knows yet is kept as withdrawn, as by typing."""
    program = portal.open_clinic()
    for number in ("1", "2"):
        _granted(program, patient_ref=number)
    place = _place(client, _link(program))
    assert _stop(client, place, all="yes").status == 303
    assert {program.states(patient_ref=number)[EMAIL] for number in ("1", "2")} == {"withdrawn"}
    place = _place(client, _link(program, phone=ANNA_PHONE.value))
    assert _stop(client, place, purpose=SMS).status == 303
    assert program.states(phone=ANNA_PHONE.value)[SMS] == "withdrawn"


def test_a_name_that_is_known_need_not_be_typed(client: Client, portal: RunningPortal) -> None:
    """Whether the clinic wrote it into the link, or the link is the portal's and the patient gave
    it once.
    """
    program = portal.open_clinic()
    first_name = "testimonials.first_name"
    named = program.call("links", {"links": [{**MAIL, "name": "Anna Ozola", "lang": "en"}]}).json()[
        "links"
    ][0]["url"]
    staff = {
        "subject": MAIL,
        "channel": "in-person",
        "effective_at": "2026-11-20T10:00:00Z",
        "name": "Anna Ozola",
    }
    assert program.call("receipts", {**staff, "decisions": {EMAIL: "yes"}}).status == 201
    own = f"/{program.clinic}?lang=en&t={a_token(portal, program.clinic, ANNA, LinkScope.ASK)}"
    for page in ("/" + named.partition("/api/")[2], own):
        shown = open_page(client, f"{page}&view=all")
        assert "name" not in shown.fields
        assert "Ozola" not in client.get(page).text
        said = {"state": shown.fields["state"], f"decision.{first_name}": "yes"}
        assert client.post(page, said).status == 303
        assert program.states(**MAIL)[first_name] in {"pending", "granted"}
    for subject in ({}, {"phone": ANNA_PHONE.value}):
        link = _link(program, **subject)
        assert "name" in open_page(client, f"{link}&view=all").fields
