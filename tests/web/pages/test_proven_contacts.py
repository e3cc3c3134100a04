"""Anybody can type anybody's phone beside an e-mail of their own. It leads them nowhere, and keeps
nobody out.
"""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant
from chalicelib.domain.links import LinkScope
from chalicelib.services import confirmation, decisions
from chalicelib.services.decisions import NoOpenQuestionError
from chalicelib.services.given_contacts import MOST_PEOPLE
from chalicelib.store.links import open_link
from chalicelib.store.lookup import Identification, fresh_subject
from tests.cast import ANNA, ANNA_PHONE
from tests.factories import a_decision
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import a_token, carried, confirmed, token_in
from tests.web.page_reader import decide, open_page, receipt_number
from tests.web.running import RunningPortal

EMAIL, SMS, REVIEW, PHOTO = (
    "newsletter.email",
    "newsletter.sms",
    "testimonials.text",
    "testimonials.photo",
)
EVE, EVE_PHONE = (
    Contact(ContactKind.EMAIL, "eve@example.org"),
    Contact(ContactKind.PHONE, "+37129999999"),
)


def _by_staff(program: Program, *whom: Contact, **answers: str) -> str:
    """Let staff who see a patient record what they say; give the receipt's number."""
    decisions = {address.replace("__", "."): answer for address, answer in answers.items()}
    subject = {contact.kind.value: contact.value for contact in whom}
    body = {
        "subject": subject,
        "decisions": decisions,
        "channel": "in-person",
        "name": "Anna Ozola",
    }
    answer = program.call("receipts", {**body, "effective_at": "2026-11-20T10:00:00Z"})
    assert answer.status == 201, answer.text
    return str(answer.json()["id"])


def _by_link(client: Client, program: Program, holder: Contact, fields: dict[str, str]) -> Answer:
    """Follow a personal link that the clinic sent, and answer."""
    made = program.call("links", {"links": [{holder.kind.value: holder.value}]}).json()["links"][0]
    found = re.search(r"\?t=([A-Za-z0-9_-]{32})&", made["url"])
    assert found
    place = f"/{program.clinic}?t={found[1]}&lang=en"
    return client.post(place, {"state": open_page(client, place).fields["state"], **fields})


def _told(program: Program, contact: Contact) -> dict[str, str]:
    return program.states(**{contact.kind.value: contact.value})


def _ask_for_link(client: Client, program: Program, contact: Contact) -> None:
    place = f"/{program.clinic}/link?lang=en"
    fields = {"state": open_page(client, place).fields["state"], contact.kind.value: contact.value}
    assert client.post(place, fields).status == 303


def _pages(client: Client, texts: list[str]) -> str:
    """Open every own page that messages lead to, and give all that it hands out."""
    tokens = {token for text in texts for token in re.findall(r"/(?:manage|m)/([\w-]{32})", text)}
    return "".join(client.get(f"/manage/{token}/export/json").text for token in tokens)


def test_a_phone_typed_beside_ones_own_link_opens_nobodys_page(
    client: Client, portal: RunningPortal
) -> None:
    """Eve says No by her own link with Anna's phone: neither Anna's answers nor her contacts become
    Eve's.
    """
    program = portal.open_clinic()
    _by_staff(program, ANNA, ANNA_PHONE, newsletter__email="yes", testimonials__text="yes")
    _by_staff(program, EVE, newsletter__email="yes")
    carried(portal)
    _by_link(
        client, program, EVE, {f"decision.{REVIEW}": "no", ANNA_PHONE.kind.value: ANNA_PHONE.value}
    )
    assert _told(program, ANNA)[REVIEW] == _told(program, ANNA_PHONE)[REVIEW] == "granted"
    carried(portal)
    _ask_for_link(client, program, EVE)
    handed_out = _pages(client, carried(portal, EVE))
    assert EVE.value in handed_out
    assert ANNA.value not in handed_out


def test_an_address_that_was_typed_long_ago_is_no_way_into_its_owners_page(
    client: Client, portal: RunningPortal
) -> None:
    """Eve's form with Anna's unused e-mail and her own phone came first; Anna confirms from her
    mailbox.
    """
    program = portal.open_clinic()
    decide(
        client,
        program.clinic,
        {f"decision.{PHOTO}": "no", "email": ANNA.value, "phone": EVE_PHONE.value},
    )
    confirmed(
        client,
        portal,
        program.clinic,
        {f"decision.{EMAIL}": "yes", "email": ANNA.value, "name": "Anna Ozola"},
    )
    carried(portal)
    _ask_for_link(client, program, EVE_PHONE)
    handed_out = _pages(client, carried(portal, EVE_PHONE))
    assert (f'"{PHOTO}":{{"after"' in handed_out, f'"{EMAIL}":{{"after"' in handed_out) == (
        True,
        False,
    )
    assert ANNA.value not in handed_out
    _ask_for_link(client, program, ANNA)
    assert ANNA.value in _pages(client, carried(portal, ANNA))
    assert (_told(program, ANNA)[EMAIL], _told(program, EVE_PHONE)[EMAIL]) == (
        "granted",
        "never_asked",
    )


def test_a_yes_of_long_ago_is_not_read_as_that_of_a_phone_typed_today(
    client: Client, portal: RunningPortal
) -> None:
    """Eve agreed for herself; typing Anna's phone does not make Anna one who agreed."""
    program = portal.open_clinic()
    _by_staff(program, EVE, EVE_PHONE, newsletter__sms="yes", newsletter__email="yes")
    _by_link(client, program, EVE, {f"decision.{REVIEW}": "yes", "phone": ANNA_PHONE.value})
    assert set(_told(program, ANNA_PHONE).values()) == {"never_asked"}


def test_what_a_stranger_stopped_is_brought_back_whole(
    client: Client, portal: RunningPortal
) -> None:
    """After the undo nothing of the stranger's form stands in the way of the truth, her link, her
    page or staff.
    """
    program = portal.open_clinic()
    _by_staff(program, ANNA_PHONE, newsletter__sms="yes")
    carried(portal)
    decide(
        Client(),
        program.clinic,
        {f"decision.{SMS}": "no", "email": EVE.value, "phone": ANNA_PHONE.value},
    )
    assert _told(program, ANNA_PHONE)[SMS] == "withdrawn"
    undo = token_in(carried(portal, ANNA_PHONE)[-1], "undo")
    assert client.post(f"/undo/{undo}", {"purpose": SMS}).status == 303
    assert _told(program, ANNA_PHONE)[SMS] == "granted"
    assert _by_link(client, program, ANNA_PHONE, {f"decision.{REVIEW}": "yes"}).status == 303
    made = (
        portal.managing(program.clinic)
        .call("links", {"links": [{"phone": ANNA_PHONE.value}]})
        .json()["links"][0]
    )
    assert client.get(f"/manage/{token_in(made['manage_url'], 'manage')}/export/json").status == 200
    _by_staff(program, ANNA_PHONE, testimonials__photo="yes")


def test_a_stranger_who_stops_twice_takes_the_undoing_from_nobody(
    client: Client, portal: RunningPortal
) -> None:
    """The second time stops nothing and is told to nobody: the message about the first still leads
    back.
    """
    program = portal.open_clinic()
    _by_staff(program, ANNA, newsletter__email="yes", testimonials__text="yes")
    carried(portal)
    for fields in ({"all": "yes"}, {"all": "yes"}, {"purpose": REVIEW}):
        state = open_page(client, f"/{program.clinic}/withdraw").fields["state"]
        assert (
            client.post(
                f"/{program.clinic}/withdraw", {"state": state, "email": ANNA.value, **fields}
            ).status
            == 303
        )
    decide(Client(), program.clinic, {f"decision.{EMAIL}": "no", "email": ANNA.value})
    [told] = [text for text in carried(portal, ANNA) if "/undo/" in text]
    assert (
        client.post(f"/undo/{token_in(told, 'undo')}", {"purpose": [EMAIL, REVIEW]}).status == 303
    )
    assert {_told(program, ANNA)[each] for each in (EMAIL, REVIEW)} == {"granted"}


def test_what_anna_says_by_her_phone_is_not_said_to_whoever_typed_it_before(
    client: Client, portal: RunningPortal
) -> None:
    """Eve's form with her own e-mail and Anna's unused phone came first: neither answers nor
    withdrawal become hers.
    """
    program = portal.open_clinic()
    decide(
        client,
        program.clinic,
        {f"decision.{PHOTO}": "no", "email": EVE.value, "phone": ANNA_PHONE.value},
    )
    decide(
        client,
        program.clinic,
        {f"decision.{SMS}": "no", f"decision.{REVIEW}": "no", "phone": ANNA_PHONE.value},
    )
    state = open_page(client, f"/{program.clinic}/withdraw").fields["state"]
    client.post(
        f"/{program.clinic}/withdraw", {"state": state, "phone": ANNA_PHONE.value, "purpose": EMAIL}
    )
    carried(portal)
    _ask_for_link(client, program, EVE)
    handed_out = json.loads(_pages(client, carried(portal, EVE)))
    said = [receipt["decisions"] for receipt in handed_out["receipts"]]
    assert [list(each) for each in said if REVIEW in each or SMS in each] == []
    assert _by_link(client, program, EVE, {f"decision.{REVIEW}": "yes"}).status == 303
    assert {_told(program, ANNA_PHONE)[each] for each in (SMS, REVIEW)} == {"refused"}
    assert _told(program, ANNA_PHONE)[EMAIL] == "withdrawn"


def test_a_form_with_two_contacts_is_continued_by_both(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever gives both again is the same person; staff who see the one with the phone know whom
    they see.
    """
    program = portal.open_clinic()
    both = {"email": ANNA.value, "phone": ANNA_PHONE.value}
    for address in (SMS, REVIEW):
        decide(client, program.clinic, {f"decision.{address}": "no", **both})
    _by_staff(program, ANNA_PHONE, testimonials__photo="yes")
    subjects = {receipt["subject"] for receipt in program.history(phone=ANNA_PHONE.value)}
    assert (len(subjects), len(program.history(phone=ANNA_PHONE.value))) == (1, 3)


def test_a_form_that_names_her_phone_makes_nobody_of_anna_for_link_or_staff(
    client: Client, portal: RunningPortal
) -> None:
    """Eve typed it beside an e-mail, Anna answered with it alone: her own link and the desk mean
    Anna.
    """
    program = portal.open_clinic()
    decide(
        client,
        program.clinic,
        {f"decision.{PHOTO}": "no", "email": EVE.value, "phone": ANNA_PHONE.value},
    )
    decide(client, program.clinic, {f"decision.{REVIEW}": "no", "phone": ANNA_PHONE.value})
    [own] = {
        each["subject"]
        for each in program.history(phone=ANNA_PHONE.value)
        if REVIEW in each["decisions"]
    }
    staff = _by_staff(program, ANNA_PHONE, testimonials__photo="yes")
    assert program.receipt(staff).json()["subject"] == own
    other = portal.open_clinic()
    decide(
        client,
        other.clinic,
        {f"decision.{PHOTO}": "no", "email": EVE.value, "phone": ANNA_PHONE.value},
    )
    decide(client, other.clinic, {f"decision.{REVIEW}": "no", "phone": ANNA_PHONE.value})
    assert _by_link(client, other, ANNA_PHONE, {f"decision.{REVIEW}": "yes"}).status == 303


def test_twenty_forms_beside_her_phone_do_not_swallow_annas_no(
    client: Client, portal: RunningPortal
) -> None:
    """However many claim a contact, whoever answers with it alone is found by it."""
    program = portal.open_clinic()
    for number in range(MOST_PEOPLE):
        contacts = (Contact(ContactKind.EMAIL, f"eve{number}@example.org"), ANNA_PHONE)
        decision = a_decision({PHOTO: "no"}, clinic=program.clinic)
        decisions.record(
            portal.in_process, decision, Identification(contacts, None, fresh_subject())
        )
    decide(client, program.clinic, {f"decision.{REVIEW}": "no", "phone": ANNA_PHONE.value})
    assert _told(program, ANNA_PHONE)[REVIEW] == "refused"


def test_staff_who_send_a_withdrawal_again_get_the_same_receipt(
    client: Client, portal: RunningPortal
) -> None:
    """For a phone that was only typed beside an e-mail: the form stops, and the phone is kept as
    stopped.
    """
    program, once = portal.open_clinic(), {"Idempotency-Key": "desk-1"}
    decide(
        client,
        program.clinic,
        {f"decision.{PHOTO}": "no", "email": EVE.value, "phone": ANNA_PHONE.value},
    )
    body = {"subject": {"phone": ANNA_PHONE.value}, "all": True, "channel": "in-person"}
    body |= {"effective_at": "2026-11-22T10:00:00Z"}
    first, again = (program.call("withdrawals", body, once) for _ in range(2))
    assert (first.status, first.json()) == (201, again.json())
    assert [each["version"] for each in program.history(phone=ANNA_PHONE.value)] == [1]
    _by_link(client, program, EVE, {f"decision.{REVIEW}": "yes"})
    assert _told(program, ANNA_PHONE)[SMS] == "withdrawn"


def test_a_link_says_whose_it_was_and_that_it_was_a_link(
    client: Client, portal: RunningPortal
) -> None:
    """The receipt names the link: whoever made it can be asked."""
    program = portal.open_clinic()
    number = receipt_number(_by_link(client, program, ANNA, {f"decision.{EMAIL}": "yes"}))
    evidence: dict[str, Any] = program.receipt(number).json()["evidence"]
    assert re.fullmatch(r"[0-9a-f]{64}", evidence["link"])
    revoked = program.call("links/revoke", {"ids": [evidence["link"]]}).json()
    assert revoked == {"revoked": 1}


def test_a_form_is_confirmed_as_a_whole(client: Client, portal: RunningPortal) -> None:
    """“It was not me” ends all of it: nothing said beside the newsletter counts before."""
    program = portal.open_clinic()
    number = receipt_number(
        decide(
            client,
            program.clinic,
            {f"decision.{EMAIL}": "yes", f"decision.{REVIEW}": "yes", "email": ANNA.value},
        )
    )
    assert {_told(program, ANNA)[each] for each in (EMAIL, REVIEW)} == {"pending"}
    token = a_token(portal, program.clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL, REVIEW))
    client.post(f"/confirm/{token}", {"sure": "no"})
    assert {_told(program, ANNA)[each] for each in (EMAIL, REVIEW)} == {"refused"}


def test_whoever_withdraws_while_it_is_being_confirmed_has_withdrawn(
    client: Client, portal: RunningPortal
) -> None:
    """What waits is judged again when it is written: the later word stands."""
    program = portal.open_clinic()
    number = receipt_number(
        decide(client, program.clinic, {f"decision.{EMAIL}": "yes", "email": ANNA.value})
    )
    token = a_token(portal, program.clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL,))
    beside, now = portal.in_process, instant(datetime.now(UTC))
    opened = open_link(beside.table, beside.clinics, token, LinkScope.CONFIRM, now)
    seen = confirmation.confirmation_by_link(beside, opened, now)
    assert seen.questions == (EMAIL,)
    client.post(f"/{program.clinic}/withdraw", {"email": ANNA.value, "all": "yes"})
    with pytest.raises(NoOpenQuestionError):
        confirmation.confirm(beside, seen, [EMAIL], now, base="", linked=True)
    assert _told(program, ANNA)[EMAIL] != "granted"
    assert (
        "nothing left"
        in client.post(f"/confirm/{token}?lang=en", {"sure": "yes", "purpose": EMAIL}).text
    )


def test_an_erased_person_is_not_made_again_by_an_old_message(
    client: Client, portal: RunningPortal
) -> None:
    """Neither confirming nor undoing says anything for somebody new."""
    program = portal.open_clinic()
    _by_staff(program, ANNA, newsletter__email="yes")
    stopped = receipt_number(
        client.post(f"/{program.clinic}/withdraw", {"email": ANNA.value, "all": "yes"})
    )
    undo = a_token(portal, program.clinic, ANNA, LinkScope.UNDO, stopped)
    assert program.call("erasures", {"subject": {"email": ANNA.value}}).status == 200
    assert client.post(f"/undo/{undo}", {"purpose": EMAIL}).status == 410
    assert _told(program, ANNA)[EMAIL] == "never_asked"


def test_one_form_with_two_contacts_is_one_person_once_both_confirmed_it(
    client: Client, portal: RunningPortal
) -> None:
    """The mail names the phone that stood beside it, masked: whoever does not know it says No."""
    program = portal.open_clinic()
    fields = {
        f"decision.{EMAIL}": "yes",
        f"decision.{SMS}": "yes",
        "email": ANNA.value,
        "phone": ANNA_PHONE.value,
    }
    number = receipt_number(decide(client, program.clinic, fields))
    token = a_token(portal, program.clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL,))
    assert "+371 ••• 456" in client.get(f"/confirm/{token}").text
    client.post(f"/confirm/{token}", {"sure": "yes", "purpose": EMAIL})
    token = a_token(portal, program.clinic, ANNA_PHONE, LinkScope.CONFIRM, number, (SMS,))
    client.post(f"/confirm/{token}", {"sure": "yes", "purpose": SMS})
    assert _told(program, ANNA) == _told(program, ANNA_PHONE)
    assert {_told(program, ANNA)[each] for each in (EMAIL, SMS)} == {"granted"}


def test_whoever_stops_by_either_contact_stops_everything(
    client: Client, portal: RunningPortal
) -> None:
    """An old e-mail is no reason to be written to: the phone that was typed with it is enough,
    confirmed or not.
    """
    program = portal.open_clinic()
    fields = {f"decision.{EMAIL}": "yes", "email": ANNA.value, "phone": ANNA_PHONE.value}
    confirmed(client, portal, program.clinic, fields)
    assert _told(program, ANNA)[EMAIL] == "granted"
    client.post(f"/{program.clinic}/withdraw", {"phone": ANNA_PHONE.value, "all": "yes"})
    assert _told(program, ANNA)[EMAIL] == "withdrawn"
