"""Rectifying a person's contacts (GDPR Art. 16): one is replaced or removed, at the word of staff or patient.

The old contact finds the person no longer, so nothing is permitted for it. A numbered receipt tells it in the chain, by
the kinds of contact alone; where the new one is somebody else's already, so does one in theirs. The old contact hears
that it was removed.
"""

import json
from dataclasses import dataclass, replace

from chalicelib.domain.contacts import REACHABLE_KINDS, Contact
from chalicelib.domain.decisions import Decision, receipt_id
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.store import outbox
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import reminder_key
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.outbox import OutboxEntry
from chalicelib.store.table import Put, Write
from chalicelib.store.withdrawal_orders import MANY

REMOVED = "removed"
"""The kind of an item of the outbox that tells a contact that it was removed."""


class NotTheirsError(RejectedError):
    """The contact is not, or no longer, this person's. Nothing was stored."""


@dataclass(frozen=True, slots=True)
class Change:
    """The contact of a person that goes, and the one that comes in its place, if any."""

    old: Contact
    new: Contact | None = None

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Both contacts."""
        return (self.old, self.new) if self.new else (self.old,)

    @property
    def evidence(self) -> dict[str, str]:
        """What the receipt tells of it: of which kinds the contacts are, and never a contact."""
        added = {"contact_added": self.new.kind.value} if self.new else {}
        return {"contact_removed": self.old.kind.value, **added}

    def done(self, key: ClinicKey, person: Subject) -> bool:
        """Tell whether a person's contacts are as the change leaves them."""
        here = self.new is None or key.lookup(self.new) in person.contacts
        return here and key.lookup(self.old) not in person.contacts


def rectify(  # noqa: PLR0917 - what is changed, for whom, by which act
    portal: Portal,
    decision: Decision,
    change: Change,
    person: Subject,
    seen: Lookup,
    base: str,
    also: tuple[Put, ...] = (),
) -> Receipt:
    """Change a person's contacts and give the receipt that tells it; the same act again gives the same receipt.

    `act` decides nothing and says how the change came about. The new contact counts as proven: staff vouch for it, or
    the change was confirmed from there. Raises NotTheirsError, and errors as `decisions.record`.
    """
    key, old = portal.clinics.key(decision.clinic), seen.lookups[change.old]
    contacts = tuple(seen.lookups)

    def checked(lookup: Lookup) -> Lookup:
        now = next((each for each in lookup.stored_under[change.old] if each.id == person.id), None)
        if now is None or old not in now.contacts:
            raise NotTheirsError
        return lookup

    new = (change.new,) if change.new else ()
    identification = Identification(
        new, None, fresh_subject(), person=person.id, base=base, proves=new, parts=(change.old,), joins=True
    )
    own = replace(decision, evidence={**(decision.evidence or {}), **change.evidence})
    beside = [*also, *_word(key, decision, change.old, person, base)]

    def again() -> Lookup:
        return checked(portal.directory.look_up(decision.clinic, contacts))

    receipt = decisions.record(portal, own, identification, seen=checked(seen), also=beside, look_again=again)
    if change.new is not None:
        _tell_sharers(portal, decision, change.new, person, seen)
    return receipt


def _tell_sharers(portal: Portal, decision: Decision, contact: Contact, person: Subject, seen: Lookup) -> None:
    """Tell it in the chains of those whose own the new contact is already; of very many only the first page."""
    secret = portal.clinics.key(decision.clinic).receipt_secret()
    others = [each for each in seen.people[contact] if each.id != person.id]
    for other in others[:MANY]:
        number = receipt_id(secret, decision.receipt_id, {"shared": other.id})
        shared = replace(decision, receipt_id=number, evidence={"contact_shared": contact.kind.value})
        signer = Identification((contact,), None, fresh_subject(), person=other.id, joins=False, follows=True)
        decisions.record(portal, shared, signer)


def _word(key: ClinicKey, decision: Decision, contact: Contact, person: Subject, base: str) -> list[Write]:
    """Leave word for a contact that it was removed."""
    if contact.kind not in REACHABLE_KINDS or not (base or person.base):
        return []
    number = key.letter_number(person.id, REMOVED, decision.receipt_id)
    lang = person.lang or decision.notice.lang
    word = OutboxEntry(REMOVED, decision.clinic, person.id, lang, base or person.base, at=decision.effective_at)
    left = reminder_key(decision.clinic, person.id, REMOVED, decision.receipt_id)
    return [
        outbox.outbox_put(key, person.salt, number, word, [contact]),
        Put(left, {"body": json.dumps({"number": number})}),
    ]
