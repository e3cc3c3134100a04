"""Taking a Yes back without typing who one is: by the personal link one followed, or by the receipt one holds."""

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalice.app import Request

from chalicelib.domain.consent import Assurance, Channel, QuestionId
from chalicelib.domain.contacts import Contact, masked
from chalicelib.domain.decisions import Decision, receipt_id
from chalicelib.domain.guardians import ACTOR, last_relation
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal, get_portal
from chalicelib.services import decisions
from chalicelib.services.invitee import find_invitee
from chalicelib.store import people as roll
from chalicelib.store.links import OldLinkError, UnknownLinkError
from chalicelib.store.lookup import Identification
from chalicelib.store.personal_data import reveal
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.web.requests import query

People = tuple[tuple[Subject, tuple[Contact, ...]], ...]
"""People, each with the contacts they are found by."""


@dataclass(frozen=True, slots=True)
class WithdrawalSource:
    """Somebody who need not say who they are: for whom they stop something, and what shows that they may.

    `query` is what the page's address says of them, `proof` the link's id or the receipt's number; `people` looks them
    up, for the page shows nothing of them, nor may its time. A link is proof of its contact. A receipt's number proves
    nothing, and need not: whoever knows a contact may stop what is done by it, which is told to its owner and brought
    back from there.
    """

    query: str
    proof: Mapping[str, str]
    people: Callable[[], People]
    holder: Contact | None = None
    """The contact that the link came to."""

    by_program: bool = False
    """Whether a clinic's program made the link: it shows no contact, and proves none."""

    def recipient_view(self) -> Mapping[str, Any]:
        """Give what the page says of them: whoever has a receipt learns nothing of whose it is."""
        shown = masked(self.holder) if self.holder and not self.by_program else ""
        return {"masked": shown, "receipt": self.proof.get("receipt")}

    def names(self, addresses: Iterable[QuestionId]) -> tuple[str, ...]:
        """Name the withdrawal for one rate limit: this proof, these decisions (`rate_limits.withdrawal_subjects`)."""
        [(kind, value), *_] = self.proof.items()
        return ("|".join([f"{kind}:{value}", *sorted(set(addresses))]),)

    def withdraw(self, portal: Portal, decision: Decision, identification: Identification) -> Receipt:
        """Withdraw for the people who are meant, or for all who share the link's contact; errors as for `record`.

        A receipt whose person is gone leaves another of nobody: whether there is somebody is not to be learnt from it.
        """
        people = self.people()
        children = [person for person, _ in people if person.of_age]
        if children:
            decision = replace(
                decision, actor=ACTOR, evidence=last_relation(portal.receipts.history(decision.clinic, children))
            )
        decision = replace(decision, evidence={**(decision.evidence or {}), **self.proof})
        if self.holder:
            decision = replace(decision, assurance=Assurance.LINK, channel=Channel.EMAIL_LINK)
            proves = () if self.by_program else (self.holder,)
            identification = replace(identification, contacts=(self.holder,), proves=proves)
            if len(people) != 1:
                return decisions.withdraw(portal, decision, identification)[0]
        if not people:
            return decisions.record(portal, decision, identification)
        secret = portal.clinics.key(decision.clinic).receipt_secret()
        receipts: list[Receipt] = []
        for person, contacts in people:
            number = (
                receipt_id(secret, decision.receipt_id, {"subject": person.id}) if receipts else decision.receipt_id
            )
            signer = replace(identification, contacts=contacts, person=person.id, follows=bool(receipts))
            receipts.append(decisions.record(portal, replace(decision, receipt_id=number), signer))
        return receipts[0]


def find_withdrawal_source(request: Request, clinic: str, now: Instant) -> WithdrawalSource | None:
    """Tell who wants to stop something, by the ``?t=`` or ``?receipt=`` of the address; None where they have to say.

    A link too old to answer by, and a receipt whose person is gone, lead to the page on which one says it: stopping
    ends in no dead end.
    """
    if number := query(request, "receipt"):
        return _by_receipt(clinic, number)
    with contextlib.suppress(UnknownLinkError, OldLinkError):
        if by := find_invitee(request, clinic, now):
            holder = by.opened.holder.contact
            people = tuple((each, (holder,)) for each in by.people)
            return WithdrawalSource(by.query, by.evidence, lambda: people, holder, by_program=by.by_program)
    return None


def _by_receipt(clinic: str, number: str) -> WithdrawalSource | None:
    """Tell that a receipt is at hand; None for one that never was."""
    try:
        document = get_portal().receipts.find(clinic, number).document
    except UnknownReceiptError:
        return None
    return WithdrawalSource(f"&receipt={number}", {"receipt": number}, lambda: _people_of(document))


def _people_of(document: Mapping[str, Any]) -> People:
    """Give for whom a receipt was given: its own person, and whoever confirmed what it claimed as somebody else.

    Whoever was erased, or was a child then and has grown up, is not meant any more.
    """
    portal, clinic, subject = get_portal(), document["clinic"], document["subject"]
    people = []
    for each in (subject, *roll.confirmers(portal.table, clinic, subject, document["id"])):
        with contextlib.suppress(LookupError, ValueError):  # gone, or going
            person = roll.person(portal.table, clinic, each)
            grown = document["actor"] == ACTOR and not person.of_age
            contacts = tuple(
                contact for contact, _ in reveal(portal.table, portal.clinics.key(clinic), person).contacts
            )
            people += [(person, contacts)] if contacts and not grown else []
    return tuple(people)
