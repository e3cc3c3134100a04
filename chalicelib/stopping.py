"""Taking a Yes back without typing who one is: by the personal link one followed, or by the receipt one holds."""

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chalice.app import Request

from chalicelib.consent import Address, Assurance, Channel
from chalicelib.contact import Contact, masked
from chalicelib.guardians import ACTOR, relation
from chalicelib.incoming import query
from chalicelib.instants import Instant
from chalicelib.invited import invited
from chalicelib.receipts import Act, Receipt, Subject
from chalicelib.store.links import OldLinkError, UnknownLinkError
from chalicelib.store.look import Signature
from chalicelib.store.register import Register, UnknownReceiptError
from chalicelib.wiring import portal


@dataclass(frozen=True, slots=True)
class Stopper:
    """Somebody who need not say who they are: for whom they stop something, and what shows that they may.

    `query` is what the page's address says of them, `proof` the link's id or the receipt's number. A link is proof of
    its contact. A receipt's number proves nothing, and need not: anybody who knows a contact may stop what is done by
    it, which is told to its owner and brought back from there.
    """

    query: str
    proof: Mapping[str, str]
    contacts: tuple[Contact, ...]
    people: tuple[Subject, ...]

    @property
    def linked(self) -> bool:
        """Whether it was a link."""
        return "link" in self.proof

    def shown(self) -> Mapping[str, Any]:
        """Give what the page says of them: whoever has a receipt learns nothing of whose it is."""
        return {"masked": masked(self.contacts[0]) if self.linked else "", "receipt": self.proof.get("receipt")}

    def names(self, addresses: Iterable[Address]) -> tuple[str, ...]:
        """Name the withdrawal for one bucket: by this proof, of these decisions, together (`limits.this_very`)."""
        [(kind, value)] = self.proof.items()
        return ("|".join([f"{kind}:{value}", *sorted(set(addresses))]),)

    def withdraw(self, register: Register, act: Act, signature: Signature) -> Receipt:
        """Withdraw for the one person who is meant, or for all who share the link's contact; errors as for `record`."""
        children = [person for person in self.people if person.of_age]
        if children:
            act = replace(act, actor=ACTOR, evidence=relation(register.history(act.clinic, children)))
        act = replace(act, evidence={**(act.evidence or {}), **self.proof})
        signature = replace(signature, contacts=self.contacts)
        if self.linked:
            act = replace(act, assurance=Assurance.LINK, channel=Channel.EMAIL_LINK)
            signature = replace(signature, proves=self.contacts)
        if len(self.people) == 1:
            return register.record(act, replace(signature, person=self.people[0].id))
        return register.withdraw(act, signature)[0]


def stopper(request: Request, clinic: str, now: Instant) -> Stopper | None:
    """Tell who wants to stop something, by the ``?t=`` or ``?receipt=`` of the address; None where they have to say.

    A link too old to answer by, and a receipt whose person is gone, lead to the page on which one says it: stopping
    ends in no dead end.
    """
    if number := query(request, "receipt"):
        return _by_receipt(clinic, number)
    with contextlib.suppress(UnknownLinkError, OldLinkError):
        if by := invited(request, clinic, now):
            return Stopper(by.query, {"link": by.opened.id}, by.known[:1], by.people)
    return None


def _by_receipt(clinic: str, number: str) -> Stopper | None:
    """Tell for whom a receipt was given. Three round trips: the receipt, the person, what is sealed of them."""
    from chalicelib.store import roll  # noqa: PLC0415 - only who comes from a receipt needs it
    from chalicelib.store.sealed import reveal  # noqa: PLC0415 - as above

    house = portal()
    try:
        person = roll.person(house.table, clinic, house.register.receipt(clinic, number).document["subject"])
    except (UnknownReceiptError, LookupError):
        return None
    if not person.contacts:
        return None
    contacts = tuple(contact for contact, _ in reveal(house.table, house.clinics.key(clinic), person).contacts)
    return Stopper(f"&receipt={number}", {"receipt": number}, contacts, (person,))
