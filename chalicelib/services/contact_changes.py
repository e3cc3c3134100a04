"""Rectifying a person's contacts (GDPR Art. 16): one is replaced, removed or added.

Staff or the patient asks for it. The old contact no longer finds the person, so nothing is
permitted for it. A receipt in the person's chain records the change, by the kinds of contact alone;
where the new one is somebody else's already, so does one in theirs. The old contact gets a message
that it was removed.
"""

import json
from dataclasses import dataclass, replace

from chalicelib import log
from chalicelib.domain.consent import Assurance, Channel
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact
from chalicelib.domain.decisions import Decision, new_decision, receipt_id
from chalicelib.domain.errors import NotFoundError, RejectedError
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.messages.rules import Message
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.authorized_call import (
    AuthorizedCall,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.services.subject_rights import resolve
from chalicelib.store import outbox, people
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys.people import reminder_key
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.outbox import OutboxEntry
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.store.withdrawal_orders import MANY
from chalicelib.store.writes import Put, Write


class NotTheirsError(RejectedError):
    """The contact is not, or no longer, this person's. Nothing was stored."""


@dataclass(frozen=True, slots=True)
class Change:
    """The contact of a person that goes, and the one that comes in its place, if any.

    Where none goes, one is added.
    """

    old: Contact | None
    new: Contact | None = None

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Those of both that there are."""
        return tuple(contact for contact in (self.old, self.new) if contact)

    @property
    def evidence(self) -> dict[str, str]:
        """What the receipt says of it: of which kinds the contacts are, and never a contact."""
        kinds = {"contact_removed": self.old.kind.value} if self.old else {}
        if self.new:
            kinds["contact_added"] = self.new.kind.value
        return kinds

    def done(self, key: ClinicKey, person: Subject) -> bool:
        """Tell whether a person's contacts are as the change leaves them."""
        if self.old and key.lookup(self.old) in person.contacts:
            return False
        return self.new is None or key.lookup(self.new) in person.contacts


@dataclass(frozen=True, slots=True)
class ContactChange:
    """A call that replaces, removes or adds one contact of a subject.

    `id` names the person whose record staff have open; without it the contacts of `subject` have to
    leave no doubt.
    """

    subject: tuple[Contact, ...]
    change: Change
    id: str = ""

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Give the contacts to look up, each once."""
        return tuple(dict.fromkeys((*self.subject, *self.change.contacts)))


def change_contact(portal: Portal, call: AuthorizedCall[ContactChange]) -> Receipt:
    """Change a contact by a call of staff and give the receipt that tells it.

    The same call with the same Idempotency-Key gives the same receipt. Raises SeveralPeopleError,
    InvalidBodyError where it is nobody's, NotFoundError for a person who is there no longer,
    UsedForAnotherBodyError, and errors as `rectify`.
    """
    call = _with_person(portal, call)
    change = call.body.change
    decision = _decision_of_staff(portal, call)
    kept = _recorded_before(portal, call, decision)
    if kept is not None:
        return kept
    found = _named(call)
    if not found:
        raise InvalidBodyError.at("/subject", "Nobody is known by it.")
    audit = call.audit("contacts", found, decision.receipt_id)
    try:
        receipt = rectify(portal, decision, change, found[0], call.lookup, call.base_url, (audit,))
    except NotTheirsError:
        pointer = "/remove" if change.new is None else "/replace"
        raise InvalidBodyError.at(pointer, "Not a contact of this subject.") from None
    log.count("ContactRectified")
    return receipt


def _with_person(
    portal: Portal, call: AuthorizedCall[ContactChange]
) -> AuthorizedCall[ContactChange]:
    """Give a call about somebody's open record with them read by their id."""
    if not call.body.id:
        return call
    contacts = call.body.change.contacts
    lookup = portal.directory.look_up(call.clinic, contacts, person=call.body.id)
    if lookup.person is None:
        raise NotFoundError
    return replace(call, lookup=lookup)


def _named(call: AuthorizedCall[ContactChange]) -> list[Subject]:
    """Give whose contact a call changes: one, or nobody; raise SeveralPeopleError."""
    if call.lookup.person is not None:
        return [call.lookup.person]
    known = {contact: call.lookup.people[contact] for contact in call.body.subject}
    return resolve(known, everyone=False)


def _decision_of_staff(portal: Portal, call: AuthorizedCall[ContactChange]) -> Decision:
    """Give the decision of staff who change a contact: it answers no question."""
    clinic = call.lookup.published.clinic
    secret = portal.clinics.key(clinic.id).receipt_secret()
    return new_decision(
        clinic,
        {},
        id=call.receipt_id(secret),
        notice=portal.shown_pages.notice_ref(CONSENT_PAGE, clinic, clinic.default_language),
        channel=Channel.API,
        assurance=Assurance.STAFF_WITNESSED,
        at=call.now,
        actor=f"staff:{call.key.id}",
        evidence={"member": call.key.member} if call.key.member else None,
    )


def _recorded_before(
    portal: Portal, call: AuthorizedCall[ContactChange], decision: Decision
) -> Receipt | None:
    """Give the receipt of a call whose Idempotency-Key was used before, if there is one.

    Raises UsedForAnotherBodyError.
    """
    if not call.idempotency_key:
        return None
    try:
        kept = portal.receipts.find(call.clinic, decision.receipt_id)
        person = people.person(portal.table, call.clinic, kept.document["subject"])
    except LookupError:
        return None
    change = call.body.change
    evidence = kept.document["evidence"] or {}
    same_kinds = change.evidence.items() <= evidence.items()
    if same_kinds and change.done(portal.clinics.key(call.clinic), person):
        return kept
    raise UsedForAnotherBodyError


def rectify(  # noqa: PLR0917 - what is changed, for whom, by which decision
    portal: Portal,
    decision: Decision,
    change: Change,
    person: Subject,
    seen: Lookup,
    base: str,
    also: tuple[Put, ...] = (),
) -> Receipt:
    """Change a person's contacts and give the receipt of it.

    The same decision again gives the same receipt. `decision` answers no question and says how the
    change came about. The new contact counts as proven: staff vouch for it, or the change was
    confirmed from there. Raises NotTheirsError, and errors as `decisions.record`.
    """
    contacts = tuple(seen.lookups)
    named = seen.person.id if seen.person else None

    def look_again() -> Lookup:
        lookup = portal.directory.look_up(decision.clinic, contacts, person=named)
        _check_is_theirs(lookup, change.old, person)
        return lookup

    _check_is_theirs(seen, change.old, person)
    new = (change.new,) if change.new else ()
    identification = Identification(
        new,
        None,
        fresh_subject(),
        person=person.id,
        base=base,
        by_id=named is not None,
        proves=new,
        detaches=(change.old,) if change.old else (),
        joins=True,
    )
    key = portal.clinics.key(decision.clinic)
    own = replace(decision, evidence={**(decision.evidence or {}), **change.evidence})
    beside: list[Write] = [*also]
    if change.old:
        beside += _message_writes(key, decision, change.old, person, base)
    receipt = decisions.record(
        portal, own, identification, seen=seen, also=beside, look_again=look_again
    )
    if change.new is not None:
        _record_for_sharers(portal, decision, change.new, person, seen)
    return receipt


def _check_is_theirs(lookup: Lookup, contact: Contact | None, person: Subject) -> None:
    """Raise NotTheirsError where a contact is not, or no longer, a person's; None is nobody's."""
    if contact is None:
        return
    contact_key = lookup.lookups[contact]
    read = [lookup.person] if lookup.person else lookup.stored_under[contact]
    for found in read:
        if found.id == person.id and contact_key in found.contacts:
            return
    raise NotTheirsError


def _record_for_sharers(
    portal: Portal, decision: Decision, contact: Contact, person: Subject, seen: Lookup
) -> None:
    """Record in the chains of those whose own the new contact is that it is shared now.

    Of very many for the first.
    """
    secret = portal.clinics.key(decision.clinic).receipt_secret()
    evidence = {"contact_shared": contact.kind.value}
    others = [other for other in seen.people[contact] if other.id != person.id]
    for other in others[:MANY]:
        number = receipt_id(secret, decision.receipt_id, {"shared": other.id})
        theirs = Identification(
            (contact,),
            None,
            fresh_subject(),
            person=other.id,
            joins=False,
            follows=True,
        )
        decisions.record(portal, replace(decision, receipt_id=number, evidence=evidence), theirs)


def _message_writes(
    key: ClinicKey, decision: Decision, contact: Contact, person: Subject, base: str
) -> list[Write]:
    """Give what is written so that a contact gets the message that it was removed."""
    base = base or person.base
    if contact.kind not in REACHABLE_KINDS or not base:
        return []
    kind = Message.REMOVED
    number = key.outbox_number(person.id, kind, decision.receipt_id)
    lang = person.lang or decision.notice.lang
    entry = OutboxEntry(kind, decision.clinic, person.id, lang, base, at=decision.effective_at)
    sent = reminder_key(decision.clinic, person.id, kind, decision.receipt_id)
    return [
        outbox.new_item(key, person.salt, number, entry, [contact]),
        Put(sent, {"body": json.dumps({"number": number})}),
    ]
