"""Merging two records of one person: both chains are kept, and every contact leads to one record.

Three deeds, each a transaction of its own or several, in an order in which nothing is permitted
meanwhile that is not the latest word:

1. The record that stays takes over each answer of the other (`domain.merging`).
2. It takes in the other's contacts, with a receipt that names it. Both are known under these
   contacts now: the strictest counts.
3. The other one gives up its contacts and answers, with the last receipt of its chain, on condition
   that the first one is as it was read and has taken over every answer.

Whatever comes between is seen by the third, and the first begins anew. Who stops in the middle
leaves two records that say the same or less; doing it again goes on. Each receipt has the same id
every time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib import log
from chalicelib.domain.consent import Assurance, Channel
from chalicelib.domain.contacts import Contact
from chalicelib.domain.decisions import Decision, new_decision, receipt_id
from chalicelib.domain.errors import NotFoundError, RejectedError
from chalicelib.domain.merging import (
    CannotMerge,
    MergeReason,
    decides,
    repetition,
    void_receipts,
    why_not,
)
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.decisions import BusyError
from chalicelib.store import people
from chalicelib.store.keys.people import person_key
from chalicelib.store.keys.receipts import receipt_id_key
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.personal_data import reveal
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.store.writes import SetKept, Write

ATTEMPTS = 4
"""How often it is begun anew where somebody decides meanwhile."""


class CannotMergeError(RejectedError):
    """The two records cannot be merged as they are. Nothing was stored."""

    def __init__(self, why: CannotMerge) -> None:
        super().__init__(why.value)
        self.why = why


class _ChangedMeanwhileError(RejectedError):
    """Somebody decided under one of the records since it was read."""


@dataclass(frozen=True, slots=True)
class Merge:
    """Two records by their opaque ids: the one that stays, and the one that goes into it."""

    staying: str
    going: str
    reason: MergeReason
    contacts: tuple[Contact, ...] = ()


def check(portal: Portal, call: AuthorizedCall[Merge]) -> tuple[Subject, Subject]:
    """Give both records, where they can be merged; raise CannotMergeError, NotFoundError."""
    staying, going = (_record(portal, call.clinic, each) for each in _ids(call.body))
    _check(portal, call, staying, going)
    return staying, going


def merge(portal: Portal, call: AuthorizedCall[Merge]) -> Subject:
    """Merge a record into another, and give that one as it is then. Safe to repeat.

    Raises CannotMergeError, NotFoundError where one is nobody's or erased, BusyError where others
    kept deciding meanwhile, and errors as `decisions.record`. After BusyError the same call goes on
    where this one stopped.
    """
    for _ in range(ATTEMPTS):
        staying, going = (_record(portal, call.clinic, each) for each in _ids(call.body))
        if going.merged_into == staying.id:
            return staying
        _check(portal, call, staying, going)
        taken_over = _take_over(portal, call, staying, going)
        if going.id not in staying.merged or not going.contacts.keys() <= staying.contacts.keys():
            _take_in(portal, call, staying, going)
        try:
            _give_up(portal, call, staying.id, going.id, taken_over)
        except (_ChangedMeanwhileError, NotFoundError):
            continue
        log.count("RecordsMerged")
        return _record(portal, call.clinic, staying.id)
    raise BusyError


def _ids(body: Merge) -> tuple[str, str]:
    return body.staying, body.going


def _record(portal: Portal, clinic: str, subject: str) -> Subject:
    try:
        person = people.person(portal.table, clinic, subject)
    except (LookupError, ValueError):
        raise NotFoundError from None
    if person.erased:
        raise NotFoundError
    return person


def _check(portal: Portal, call: AuthorizedCall[Merge], staying: Subject, going: Subject) -> None:
    why = why_not(staying, going, call.now)
    if why is not None:
        raise CannotMergeError(why)
    contacts = tuple(
        dict.fromkeys((*_contacts(portal, call, staying), *_contacts(portal, call, going)))
    )
    lookup = portal.directory.look_up(call.clinic, contacts)
    if any(lookup.stops(contact) for contact in contacts):
        raise CannotMergeError(CannotMerge.ORDERS)


def _contacts(portal: Portal, call: AuthorizedCall[Merge], person: Subject) -> list[Contact]:
    key = portal.clinics.key(call.clinic)
    try:
        return [contact for contact, _ in reveal(portal.table, key, person).contacts]
    except (LookupError, ValueError):  # erased in this very moment
        raise NotFoundError from None


def _take_over(
    portal: Portal, call: AuthorizedCall[Merge], staying: Subject, going: Subject
) -> int:
    """Let the record that stays take over the answers of the other, oldest first.

    Gives the number of the other's last receipt that it has taken over.
    """
    clinic = call.lookup.published.clinic
    receipts = portal.receipts.history(call.clinic, [going])
    void = void_receipts(receipt.document for receipt in receipts)
    counting = [receipt for receipt in receipts if receipt.id not in void]
    numbers = {_number(portal, call, receipt.id): receipt.document for receipt in counting}
    found = portal.table.get([receipt_id_key(call.clinic, number) for number in numbers])
    for number, document in numbers.items():
        if decides(document) and receipt_id_key(call.clinic, number) not in found:
            decision = repetition(clinic, document, number, call.now)
            decisions.record(portal, decision, _of(staying.id))
    return len(receipts)


def _take_in(portal: Portal, call: AuthorizedCall[Merge], staying: Subject, going: Subject) -> None:
    """Let the record that stays take in the other's contacts, with a receipt that names it."""
    decision = _decision(portal, call, {"merged_with": going.id}, staying)
    contacts = _contacts(portal, call, going)
    identification = replace(_of(staying.id), contacts=tuple(contacts), joins=True, merges=going)
    audited = call.audit("merging", [staying, going], decision.receipt_id, about=going.id)
    decisions.record(portal, decision, identification, also=[audited])


def _give_up(
    portal: Portal,
    call: AuthorizedCall[Merge],
    staying: str,
    going: str,
    taken_over: int,
) -> None:
    """Let the record that goes give up its contacts and answers; raise _ChangedMeanwhileError."""
    decision = _decision(
        portal, call, {"merged_into": staying}, _record(portal, call.clinic, going)
    )

    def conditions(lookup: Lookup) -> Sequence[Write]:
        """Give what must be so: the other record as it was read, with all that it has to have."""
        person = lookup.person
        key = person_key(call.clinic, staying)
        item = portal.table.get([key]).get(key)
        kept = people.kept_in(item) if item else None
        if person is None or kept is None:
            raise _ChangedMeanwhileError
        other = people.read_person(kept)
        ready = going in other.merged and person.contacts.keys() <= other.contacts.keys()
        complete = person.version == taken_over
        if not ready or not complete or why_not(other, person, call.now) is not None:
            raise _ChangedMeanwhileError
        return [SetKept(key, kept, was=kept)]

    identification = replace(_of(going), merges_into=staying)
    decisions.record(portal, decision, identification, also=conditions)


def _of(subject: str) -> Identification:
    """Give the identification of a record by its id: nobody is told, for nobody decided."""
    return Identification(
        (), None, fresh_subject(), person=subject, by_id=True, joins=False, follows=True
    )


def _decision(
    portal: Portal, call: AuthorizedCall[Merge], evidence: Mapping[str, str], person: Subject
) -> Decision:
    """Give the decision of staff that a receipt of the merge is of: it answers no question."""
    clinic = call.lookup.published.clinic
    named = {**evidence, "subject": person.id, "version": person.version}
    return new_decision(
        clinic,
        {},
        id=_number(portal, call, named),
        notice=portal.shown_pages.notice_ref(CONSENT_PAGE, clinic, clinic.default_language),
        channel=Channel.API,
        assurance=Assurance.STAFF_WITNESSED,
        at=call.now,
        actor=f"staff:{call.key.id}",
        evidence={**evidence, "merge_reason": call.body.reason.value},
    )


def _number(portal: Portal, call: AuthorizedCall[Merge], what: object) -> str:
    secret = portal.clinics.key(call.clinic).receipt_secret()
    content = {"staying": call.body.staying, "going": call.body.going, "what": what}
    return receipt_id(secret, "merge", content)
