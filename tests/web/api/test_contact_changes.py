"""Rectifying a contact (GDPR Art. 16): the old one is found no more, permitted for nothing, and
both chains tell it.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant
from chalicelib.domain.links import LinkScope
from chalicelib.store import worklist
from chalicelib.store.bounces import mark_undeliverable
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import a_token, carried
from tests.web.page_reader import Page, decide
from tests.web.pages.test_guardians import ELZA, VILNIUS, YES
from tests.web.running import RunningPortal

NEWS = "newsletter.email"
OLD, NEW = "anna.ozola@example.org", "anna.berzina@example.org"
BELLA = "bella.ozola@example.org"
PHONE = "+37126123456"


def agreed(program: Program, **subject: str) -> None:
    """Let staff record a Yes to the newsletter."""
    body = {"subject": subject, "decisions": {NEWS: "yes"}, "channel": "in-person"}
    at = instant(datetime.now(UTC) - timedelta(minutes=1))
    answer = program.call("receipts", {**body, "effective_at": at})
    assert answer.status == 201, answer.text


def replaced(program: Program, key: str = "", **subject: str) -> Answer:
    """Replace the old address by the new one."""
    body = {"subject": subject, "replace": {"email": OLD}, "with": {"email": NEW}}
    return program.call("contacts", body, {"Idempotency-Key": key} if key else {})


def permitted(program: Program, **subject: str) -> tuple[str, bool]:
    """Tell how the newsletter stands, and whether it may be sent."""
    answer = program.call("status", {"subjects": [subject], "purposes": [NEWS]})
    told = answer.json()["results"][0]["decisions"][NEWS]
    return told["state"], told["permitted"]


def test_a_replaced_address_is_found_no_more_and_the_new_one_has_what_was_agreed_to(
    portal: RunningPortal,
) -> None:
    """Married since: the newsletter goes to the new address and never to the old one."""
    program = portal.open_clinic()
    agreed(program, email=OLD, patient_ref="P-1")
    [before] = program.history(email=OLD)
    answer = replaced(program, patient_ref="P-1")
    assert answer.status == 201
    receipt = answer.json()
    assert (receipt["version"], receipt["decisions"]) == (2, {})
    assert receipt["evidence"] == {"contact_removed": "email", "contact_added": "email"}
    assert permitted(program, email=OLD) == ("never_asked", False)
    assert (
        permitted(program, email=NEW) == permitted(program, patient_ref="P-1") == ("granted", True)
    )
    assert permitted(program, patient_ref="P-1", email=OLD)[1] is False
    assert program.history(email=OLD) == []
    assert program.history(email=NEW) == [before, receipt]
    written = json.dumps(receipt)
    assert OLD not in written
    assert NEW not in written
    assert program.receipt(receipt["id"]).status == 200


def test_a_removed_contact_leaves_the_others(portal: RunningPortal) -> None:
    """A number that is somebody else's by now gets no message; the address still does."""
    program = portal.open_clinic()
    agreed(program, email=OLD, phone=PHONE)
    answer = program.call("contacts", {"subject": {"email": OLD}, "remove": {"phone": PHONE}})
    assert answer.json()["evidence"] == {"contact_removed": "phone"}
    assert permitted(program, phone=PHONE) == ("never_asked", False)
    assert permitted(program, email=OLD) == ("granted", True)


def test_another_clinic_knows_nothing_of_it(portal: RunningPortal) -> None:
    """Each clinic keeps contacts of its own, and a key opens one clinic."""
    program, other = portal.open_clinic(), portal.open_clinic()
    for each in (program, other):
        agreed(each, email=OLD)
    assert (
        Program(other.clinic, program.key)
        .call("contacts", {"subject": {"email": OLD}, "remove": {"email": OLD}})
        .status
        == 404
    )
    assert replaced(program, email=OLD).status == 201
    assert permitted(other, email=OLD) == ("granted", True)
    assert permitted(other, email=NEW) == ("never_asked", False)


def test_of_a_family_only_the_one_who_is_named_loses_the_phone(portal: RunningPortal) -> None:
    """Nobody else's contact changes with it; who is meant must be told."""
    program = portal.open_clinic()
    for email in (OLD, BELLA):
        agreed(program, email=email, phone=PHONE)
    remove = {"remove": {"phone": PHONE}}
    assert program.call("contacts", {"subject": {"phone": PHONE}, **remove}).status == 409
    assert program.call("contacts", {"subject": {"email": OLD}, **remove}).status == 201
    found = {receipt["subject"] for receipt in program.history(phone=PHONE)}
    assert found == {receipt["subject"] for receipt in program.history(email=BELLA)}
    assert permitted(program, email=OLD) == permitted(program, phone=PHONE) == ("granted", True)


def test_where_the_new_contact_is_somebody_elses_already_both_chains_tell_it(
    portal: RunningPortal,
) -> None:
    """A couple shares an address from now on: each can see since when, and neither reads the
    other's name.
    """
    program = portal.open_clinic()
    agreed(program, email=OLD, patient_ref="P-1")
    agreed(program, email=NEW, patient_ref="P-2")
    assert replaced(program, patient_ref="P-1").status == 201
    mine, theirs = (program.history(patient_ref=number)[-1] for number in ("P-1", "P-2"))
    assert mine["evidence"] == {"contact_removed": "email", "contact_added": "email"}
    assert theirs["evidence"] == {"contact_shared": "email"}
    assert (theirs["version"], theirs["decisions"]) == (2, {})
    assert mine["subject"] != theirs["subject"]
    assert {each["subject"] for each in program.history(email=NEW)} == {
        mine["subject"],
        theirs["subject"],
    }


def test_a_childs_contact_is_replaced_and_the_guardians_own_stays(
    portal: RunningPortal, client: Client
) -> None:
    """The other parent is the contact from now on; what the first decided for herself is hers."""
    program = portal.open_clinic(VILNIUS)
    decide(client, program.clinic, {**YES, **ELZA})
    mother = YES["email"]
    body = {
        "subject": {"email": mother},
        "replace": {"email": mother},
        "with": {"email": "tomas@example.org"},
    }
    answer = program.call("contacts", body)
    assert answer.status == 201
    child = answer.json()["subject"]
    assert program.history(email=mother) == []
    assert {each["subject"] for each in program.history(email="tomas@example.org")} == {child}


def test_an_erased_persons_contact_is_nobodys_and_cannot_be_changed(portal: RunningPortal) -> None:
    """Nobody is made known again by it."""
    program = portal.open_clinic()
    agreed(program, email=OLD)
    assert program.call("erasures", {"subject": {"email": OLD}}).status == 200
    answer = replaced(program, email=OLD)
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (422, "/subject")
    assert permitted(program, email=NEW) == ("never_asked", False)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"subject": {"email": OLD}}, "/replace"),
        ({"subject": {"email": OLD}, "replace": {"email": OLD}}, "/replace"),
        ({"subject": {"email": OLD}, "replace": {"email": OLD}, "with": {"phone": PHONE}}, "/with"),
        ({"subject": {"email": OLD}, "replace": {"email": OLD}, "with": {"email": OLD}}, "/with"),
        ({"subject": {"email": OLD}, "remove": {"email": OLD, "phone": PHONE}}, "/remove"),
        ({"subject": {"email": OLD}, "remove": {"email": "not an address"}}, "/remove/email"),
        ({"subject": {"email": OLD}, "remove": {"email": BELLA}}, "/remove"),
        (
            {"subject": {"email": OLD}, "replace": {"email": BELLA}, "with": {"email": NEW}},
            "/replace",
        ),
        ({"subject": {"email": OLD}, "remove": {"email": OLD}, "everyone": True}, "/everyone"),
    ],
)
def test_a_call_that_cannot_be_carried_out_changes_nothing(
    portal: RunningPortal, body: dict[str, Any], place: str
) -> None:
    """The fault is named, by its place."""
    program = portal.open_clinic()
    agreed(program, email=OLD)
    answer = program.call("contacts", body)
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (422, place)
    assert len(program.history(email=OLD)) == 1


def test_the_same_call_again_is_the_same_receipt_and_another_body_is_refused(
    portal: RunningPortal,
) -> None:
    """A program that got no answer asks again, though the old address finds nobody any more."""
    program = portal.open_clinic()
    agreed(program, email=OLD)
    first = replaced(program, "wedding", email=OLD)
    again = replaced(program, "wedding", email=OLD)
    assert (again.status, again.body) == (201, first.body)
    assert len(program.history(email=NEW)) == 2
    other = {"subject": {"email": NEW}, "remove": {"email": NEW}}
    assert program.call("contacts", other, {"Idempotency-Key": "wedding"}).status == 422
    assert permitted(program, email=NEW) == ("granted", True)


def test_it_needs_a_key_that_may_record(portal: RunningPortal) -> None:
    """A tool that only asks changes nobody's contacts; every change is in the audit, without a
    contact.
    """
    program = portal.open_clinic()
    agreed(program, email=OLD)
    asking = Program(program.clinic, portal.new_key(program.clinic, "status:read"))
    assert replaced(asking, email=OLD).status == 403
    assert replaced(program, email=OLD).status == 201
    [line] = [each for each in portal.audit(program.clinic) if each["call"] == "contacts"]
    assert line["subjects"] == [program.history(email=NEW)[0]["subject"]]
    assert OLD not in json.dumps(portal.audit(program.clinic))


def test_staff_find_the_addresses_that_bounce_until_they_are_replaced(
    portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page at a time; no address stands in the list, and another clinic's are not in it."""
    program, other = portal.open_clinic(), portal.open_clinic()
    agreed(program, email=OLD, patient_ref="P-1")
    agreed(program, email=BELLA)
    key, since = portal.in_process.clinics.key(program.clinic), instant(datetime.now(UTC))
    for email, reason in ((OLD, "bounce"), (BELLA, "complaint"), ("nobody@example.org", "bounce")):
        mark_undeliverable(
            portal.table,
            program.clinic,
            key.lookup(Contact(ContactKind.EMAIL, email)),
            reason,
            since,
        )
    answer = program.get("contacts/worklist")
    listed = {each["patient_ref"]: each for each in answer.json()["entries"]}
    anna, bella = (program.history(email=email)[0]["subject"] for email in (OLD, BELLA))
    assert listed == {
        "P-1": {
            "subject": anna,
            "patient_ref": "P-1",
            "kind": "email",
            "reason": "bounce",
            "since": since,
        },
        None: {
            "subject": bella,
            "patient_ref": None,
            "kind": "email",
            "reason": "complaint",
            "since": since,
        },
    }
    assert OLD not in answer.text
    assert other.get("contacts/worklist").json() == {"entries": []}
    assert Program(other.clinic, program.key).get("contacts/worklist").status == 404
    monkeypatch.setattr(worklist, "MOST", 1)
    found, target = [], "contacts/worklist"
    while target:
        page = program.get(target).json()
        found += [each["subject"] for each in page["entries"]]
        target = f"contacts/worklist?cursor={page['cursor']}" if "cursor" in page else ""
    assert sorted(found) == sorted([anna, bella])
    assert program.get("contacts/worklist?cursor=%FF").status == 400
    replaced(program, email=OLD)
    assert program.call("erasures", {"subject": {"email": BELLA}}).status == 200
    monkeypatch.undo()
    assert program.get("contacts/worklist").json() == {"entries": []}


def test_the_old_address_hears_once_that_it_was_removed(portal: RunningPortal) -> None:
    """Whoever reads it learns that it was removed, and nobody's name."""
    program = portal.open_clinic()
    agreed(program, email=OLD, phone=PHONE)
    carried(portal)
    assert replaced(program, email=OLD).status == 201
    texts = carried(portal, Contact(ContactKind.EMAIL, OLD))
    assert len(texts) == 1
    assert (
        carried(
            portal,
            Contact(ContactKind.EMAIL, OLD),
            Contact(ContactKind.EMAIL, NEW),
            Contact(ContactKind.PHONE, PHONE),
        )
        == []
    )


def test_the_receipt_says_on_every_page_what_changed_and_no_contact(
    portal: RunningPortal, client: Client
) -> None:
    """On its own page, on paper, where it is checked, and among the patient's own."""
    program = portal.open_clinic()
    agreed(program, email=OLD)
    number = replaced(program, email=OLD).json()["id"]
    place = f"/{program.clinic}/receipts/{number}?lang=en"
    new = Contact(ContactKind.EMAIL, NEW)
    token = a_token(portal, program.clinic, new, LinkScope.MANAGE, number)
    for path in (place, f"{place}&format=html", f"/manage/{token}?lang=en"):
        words = Page(client.get(path)).words
        assert "An e-mail address was removed." in words, path
        assert "An e-mail address was added." in words
        assert OLD not in words
    assert client.get(f"{place}&format=pdf").body.startswith(b"%PDF-")
    checked = client.post("/verify?lang=en", {"receipt": program.receipt(number).text})
    assert "An e-mail address was removed." in Page(checked).words
    for form in ("kantara", "dpv", "fhir-r4", "fhir-r5"):
        assert program.receipt(number, f"?format={form}").status == 406
    assert client.get(f"/manage/{token}/export/csv").status == 200
