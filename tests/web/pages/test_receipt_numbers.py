"""Receipts' numbers: the same for the same act, and computed by nobody who lacks the clinic's
key.
"""

import hashlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import rfc8785

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import receipt_id
from chalicelib.domain.links import LinkScope, read_token
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.receipts import UnknownReceiptError
from tests.cast import ANNA, ANNA_PHONE, TBILISI
from tests.web.client import Client, Program
from tests.web.letterbox import a_token
from tests.web.page_reader import decide, open_page, receipt_number
from tests.web.running import RunningPortal

EMAIL, SMS, REVIEW = "newsletter.email", "newsletter.sms", "testimonials.text"
MAIL = {"email": ANNA.value}
SHARED = {"phone": ANNA_PHONE.value}
ON_PAPER = {"channel": "in-person", "effective_at": "2026-11-20T10:00:00Z"}


@dataclass
class Known:
    """All that a third party may know of what happened: everything but the clinic's key."""

    nonces: set[str] = field(default_factory=set)
    said: list[Mapping[str, Any]] = field(default_factory=list)

    def numbers(self, number: Callable[[str, Mapping[str, Any]], str]) -> set[str]:
        """Compute a number from each nonce with each thing that was said."""
        return set(itertools.starmap(number, itertools.product(self.nonces, self.said)))


def _plain(nonce: str, said: Mapping[str, Any]) -> str:
    """Compute a receipt's number as the portal did before, without any key."""
    return hashlib.sha256(rfc8785.dumps({"nonce": nonce, "said": dict(said)})).hexdigest()[:32]


def _key_id(portal: RunningPortal, program: Program) -> str:
    return next(
        str(line["key"])
        for line in portal.audit(program.clinic)
        if str(line["key"]).startswith("key_")
    )


def _happened(client: Client, portal: RunningPortal, program: Program) -> Iterator[str]:
    """Let happen whatever a receipt follows from; give the number of what each step led to."""
    clinic = program.clinic
    claim = receipt_number(decide(client, clinic, {**MAIL, f"decision.{EMAIL}": "yes"}))
    token = a_token(portal, clinic, ANNA, LinkScope.CONFIRM, claim, (EMAIL,))
    yield receipt_number(client.post(f"/confirm/{token}", {"sure": "yes", "purpose": EMAIL}))
    state = open_page(client, f"/{clinic}/withdraw").fields["state"]
    page = {**MAIL, "state": state, "all": "yes"}
    stopped = receipt_number(client.post(f"/{clinic}/withdraw", page))
    undo = a_token(portal, clinic, ANNA, LinkScope.UNDO, stopped)
    yield receipt_number(client.post(f"/undo/{undo}", {"purpose": EMAIL}))
    client.post(f"/{clinic}/withdraw", page)  # the form that is still open stops it once more
    yield str(program.history(email=ANNA.value)[-1]["id"])
    for name in ("Anna", "Zane"):
        subject = {**SHARED, "email": f"{name}@example.org"}
        body = {"subject": subject, "name": name, **ON_PAPER, "decisions": {SMS: "yes"}}
        answer = program.call("receipts", body, {"Idempotency-Key": f"form of {name}"})
        assert answer.status == 201
        yield str(answer.json()["id"])
    body = {"subject": SHARED, **ON_PAPER, "purposes": ["newsletter.sms"]}
    assert program.call("withdrawals", body, {"Idempotency-Key": "family"}).status == 201
    for email in ("anna@example.org", "zane@example.org"):
        yield str(program.history(email=email)[-1]["id"])


def _told(portal: RunningPortal, program: Program, receipts: list[Mapping[str, Any]]) -> Known:
    """Tell what the clinic's staff, its programs and whoever holds a receipt know beside."""
    subjects = {str(each["subject"]) for each in receipts}
    key = _key_id(portal, program)
    known = Known(
        {str(each["id"]) for each in receipts}
        | subjects
        | {"family", "form of Anna", "form of Zane"}
    )
    known.said += [{"confirmed": [EMAIL], "by": "email"}, {"undone": [EMAIL]}, {"key": key}]
    known.said += [{"after": version} for version in range(9)]
    known.said += [{"subject": subject} for subject in subjects]
    return known


def test_with_everything_known_but_the_clinics_key_no_number_of_a_receipt_can_be_computed(
    client: Client, portal: RunningPortal
) -> None:
    """A stranger who holds a receipt, or a program that knows its own calls, cannot ask what a
    patient did after.
    """
    program = portal.open_clinic()
    made = set(_happened(client, portal, program))
    everybody = (ANNA.value, "anna@example.org", "zane@example.org")
    receipts = [each for email in everybody for each in program.history(email=email)]
    assert len(made) == 7
    known = _told(portal, program, receipts)
    secret = portal.in_process.clinics.key(program.clinic).receipt_secret()
    assert made <= known.numbers(
        lambda nonce, said: receipt_id(secret, nonce, said)
    )  # nothing else is missing
    others = portal.in_process.clinics.key(TBILISI).receipt_secret()
    empty = ClinicKey(program.clinic, b"").receipt_secret()
    for guessed in (
        _plain,
        *(lambda nonce, said, s=s: receipt_id(s, nonce, said) for s in (others, empty, b"")),
    ):
        assert not {str(each["id"]) for each in receipts} & known.numbers(guessed)
    for number in known.numbers(_plain):
        with pytest.raises(UnknownReceiptError):
            portal.in_process.receipts.find(program.clinic, number)


def test_one_click_is_one_receipt_that_the_holder_of_the_link_cannot_compute(
    client: Client, portal: RunningPortal
) -> None:
    """The clinic made the link and knows its id; whether its mail was answered the receipts tell,
    and no guess.
    """
    program = portal.open_clinic()
    reader = Contact(ContactKind.EMAIL, "reader@example.org")
    body = {"subject": {"email": reader.value}, **ON_PAPER, "decisions": {EMAIL: "yes"}}
    assert program.call("receipts", body).status == 201
    token = a_token(portal, program.clinic, reader, LinkScope.UNSUBSCRIBE, addresses=(EMAIL,))
    for _ in range(2):
        assert client.post(f"/unsubscribe/{token}", {"List-Unsubscribe": "One-Click"}).status == 200
    first, stopped = program.history(email=reader.value)
    parts = read_token(token)
    assert parts is not None
    said = {"unsubscribe": {first["subject"]: 1}, "stops": [EMAIL]}
    secret = portal.in_process.clinics.key(program.clinic).receipt_secret()
    assert stopped["id"] == receipt_id(secret, parts[0].link_id, said)
    assert stopped["id"] != _plain(parts[0].link_id, said)
