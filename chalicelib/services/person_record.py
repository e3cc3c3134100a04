"""Everything about one person for the clinic's staff: how they stand, their chain, who wrote to them.

It is read for one card in a bounded number of round trips, whatever the length of the chain: the
history is given twenty receipts at a time. Of several joint controllers each sees its own questions
and the receipts that it may see as a whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.clinic import Question
from chalicelib.domain.consent import QuestionId, State
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.guardians import last_relation
from chalicelib.domain.instants import Instant
from chalicelib.domain.permission import PermissionResult
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.receipts.sd_jwt import with_disclosures
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.doers import Doer, doer_of, find_doers
from chalicelib.services.look_up_limits import take_look_up
from chalicelib.services.message_history import PersonMessages, explain_several
from chalicelib.services.named_subjects import NamedSubjects, query_named
from chalicelib.services.receipt_copies import StoredReceipt, find_receipt
from chalicelib.store import bounces, scans
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.lookup import Lookup
from chalicelib.store.people import find_all
from chalicelib.store.personal_data import ContactDetails, kept_disclosures_of, reveal
from chalicelib.store.withdrawal_orders import MANY

RECEIPTS = 20
"""How many receipts of the chain a card shows at once."""


@dataclass(frozen=True, slots=True)
class KnownContact:
    """One contact of a person, as staff see it."""

    contact: Contact
    since: Instant
    proven: bool
    """Whether it is proven; else somebody typed it."""

    undelivered: Mapping[str, Instant] = field(default_factory=dict)
    """Why no message goes there ("bounce", "complaint"), each with when that was last reported."""

    shared_with: tuple[str, ...] = ()
    """Who else is known under it, by opaque id."""


@dataclass(frozen=True, slots=True)
class QuestionRecord:
    """One question with how the person stands."""

    question: Question
    result: PermissionResult

    @property
    def waits(self) -> bool:
        """Whether a Yes waits to be confirmed."""
        return self.result.status.state is State.PENDING

    @property
    def is_blocked(self) -> bool:
        """Whether a Yes counts and the clinic may do nothing with it, for who shares a contact."""
        status = self.result.status
        return status.permitted and not self.result.permitted


@dataclass(frozen=True, slots=True)
class History:
    """A page of the chain, the newest first, and before which numbers other pages begin."""

    receipts: tuple[Receipt, ...]
    withheld: int = 0
    """How many of this page the controller may not see."""

    newer: int | None = None
    older: int | None = None


@dataclass(frozen=True, slots=True)
class PersonRecord:
    """What the card of a person says. Of an erased person the receipts alone are left: the proof."""

    person: Subject
    questions: tuple[QuestionRecord, ...] = ()
    contacts: tuple[KnownContact, ...] = field(default=(), repr=False)
    names: Sequence[str] = field(default=(), repr=False)
    address: PostalAddress | None = field(default=None, repr=False)
    history: History = History(())
    messages: PersonMessages = field(default_factory=lambda: PersonMessages({}, (), whole=True))
    evidence: Mapping[int, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    """What staff noted with these receipts, such as the form's number, by the receipt's version."""

    scans: frozenset[str] = frozenset()
    """The scans of forms that are kept, by their SHA-256."""

    doers: Mapping[str, Doer] = field(default_factory=dict)
    """Who recorded these receipts, by the id in them."""

    many_share: bool = False
    """Whether so many people share a contact that not all of them were read."""

    @property
    def relation(self) -> str:
        """What the guardian is to the child, by the receipts of this page; "" where none says."""
        return last_relation(tuple(reversed(self.history.receipts))).get("guardian", "")


def open_record(
    portal: Portal, call: AuthorizedCall[Any], subject: str, before: int | None = None
) -> PersonRecord:
    """Give the record of a person by the opaque id, with the receipts numbered below `before`.

    One line in the audit, and one look-up of the limit. At most sixteen round trips. Raises
    NotFoundError, also for another clinic's, and TooManyError.
    """
    person = _find(portal, call, subject)
    take_look_up(portal, call, call.audit("people/card", [person]))
    history = _history(portal, call, person, before)
    recorded_by = {doer_of(receipt.document) for receipt in history.receipts}
    doers = find_doers(portal.table, call.clinic, recorded_by)
    if person.erased:
        return PersonRecord(person, history=history, doers=doers)
    key = portal.clinics.key(call.clinic)
    details = reveal(portal.table, key, person)
    own = [contact for contact, _ in details.contacts]
    lookup = portal.directory.look_up(call.clinic, own, most=MANY)
    return PersonRecord(
        person,
        questions=_questions(portal, call, person, own, lookup),
        contacts=_contacts(portal, key, person, details, lookup),
        names=details.names,
        address=details.addresses[-1] if details.addresses else None,
        history=history,
        messages=explain_several(portal, call.clinic, person, history.receipts),
        evidence=_evidence(portal, key, person, history),
        scans=_kept_scans(portal, call, person, history),
        doers=doers,
        many_share=bool(lookup.partly_read),
    )


def receipt_of(
    portal: Portal, call: AuthorizedCall[Any], subject: str, number: str
) -> StoredReceipt:
    """Give a receipt of a person; raise NotFoundError for anybody else's, and for one that the
    call's controller may not see.
    """
    person = _find(portal, call, subject)
    stored = find_receipt(portal, call.clinic, number, of=person)
    if not call.may_see(stored.receipt):
        raise NotFoundError
    return stored


def _find(portal: Portal, call: AuthorizedCall[Any], subject: str) -> Subject:
    person = find_all(portal.table, call.clinic, [subject]).get(subject)
    if person is None:
        raise NotFoundError
    return person


def _questions(
    portal: Portal,
    call: AuthorizedCall[Any],
    person: Subject,
    own: Sequence[Contact],
    lookup: Lookup,
) -> tuple[QuestionRecord, ...]:
    """Tell how the person stands on each question that is asked, or that they have answered.

    As a program is told that asks by the opaque id: the No of who shares a contact counts.
    """
    mine = tuple(contact for contact in own if person.owns(lookup.lookups[contact]))
    named = NamedSubjects({person.id: person}, {person.id: mine}, lookup)
    asked = query_named(portal, call.clinic, named)[person.id]
    open_now = call.lookup.published.clinic.open_at(call.now).questions
    questions: dict[QuestionId, Question] = {}
    for question in call.shared.questions.values():
        if question.id in open_now or question.id in person.summaries:
            questions[question.id] = question
    needs = {question.id: question.needs for question in questions.values()}
    results = asked.permissions(needs, call.lookup.published.in_force, call.now)
    ordered = sorted(questions.values(), key=lambda each: each.id not in open_now)
    return tuple(QuestionRecord(question, results[question.id]) for question in ordered)


def _contacts(
    portal: Portal, key: ClinicKey, person: Subject, details: ContactDetails, lookup: Lookup
) -> tuple[KnownContact, ...]:
    marks = {
        contact: bounces.keys_of(key.clinic, lookup.lookups[contact])
        for contact, _ in details.contacts
        if contact.kind in REACHABLE_KINDS
    }
    places = [place for keys in marks.values() for place in keys]
    found = portal.table.get(places) if places else {}
    known = []
    for contact, since in details.contacts:
        others = [each.id for each in lookup.stored_under[contact] if each.id != person.id]
        one = KnownContact(
            contact,
            since,
            proven=lookup.lookups[contact] not in person.typed,
            undelivered=bounces.undeliverable(found, marks.get(contact, ())),
            shared_with=tuple(others),
        )
        known.append(one)
    order = tuple(ContactKind)
    return tuple(sorted(known, key=lambda each: order.index(each.contact.kind)))


def _kept_scans(
    portal: Portal, call: AuthorizedCall[Any], person: Subject, history: History
) -> frozenset[str]:
    """Give the hashes of the scans that are kept; nothing is read where no receipt names one."""
    if not any("sha256" in (each.document["evidence"] or {}) for each in history.receipts):
        return frozenset()
    return frozenset(each.sha256 for each in scans.of_person(portal.table, call.clinic, person.id))


def _evidence(
    portal: Portal, key: ClinicKey, person: Subject, history: History
) -> dict[int, Mapping[str, Any]]:
    """Give the evidence of the receipts of a page, with what they vouch for and do not tell."""
    kept = {receipt.document["version"]: receipt.document for receipt in history.receipts}
    noted = [version for version, document in kept.items() if document["evidence"]]
    disclosures = kept_disclosures_of(portal.table, key, person, noted)
    evidence: dict[int, Mapping[str, Any]] = {}
    for version in noted:
        told = with_disclosures(kept[version]["evidence"], disclosures.get(version, ()))
        evidence[version] = told or {}
    return evidence


def _history(
    portal: Portal, call: AuthorizedCall[Any], person: Subject, before: int | None
) -> History:
    """Give the receipts below a number, the newest first; the newest of all where it is none."""
    last = person.version
    if before is not None and 1 < before <= last:
        last = before - 1
    first = max(1, last - RECEIPTS + 1)
    found = portal.receipts.numbered(call.clinic, person, range(last, first - 1, -1))
    visible = tuple(receipt for receipt in found if call.may_see(receipt))
    newer = min(last + RECEIPTS, person.version) + 1
    return History(
        visible,
        withheld=len(found) - len(visible),
        newer=newer if last < person.version else None,
        older=first if first > 1 else None,
    )
