"""Decisions and withdrawals that a clinic's staff took on paper, by phone or in person."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, QuestionId
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Day, Decision, NoticeRef, new_decision
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.guardians import ACTOR, Guardian, becomes_independent, refusal_reason
from chalicelib.domain.identity import all_subjects, subjects_to_stop
from chalicelib.domain.instants import Instant
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.receipts.sd_jwt import with_disclosures
from chalicelib.services import decisions, withdrawals
from chalicelib.services.authorized_call import (
    AuthorizedCall,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.store import withdrawal_orders
from chalicelib.store.clinics import Published
from chalicelib.store.lookup import Identification, fresh_subject
from chalicelib.store.people import find_people
from chalicelib.store.personal_data import (
    ADDRESS,
    kept_disclosures,
    known_of,
    reveal_contacts,
)
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.store.withdrawal_orders import MANY
from chalicelib.store.writes import Write

OF_A_SYSTEM = (Channel.API, Channel.IMPORT)
"""The channels of a decision that another system of the clinic recorded."""

_CARRIERS = (ContactKind.EMAIL.value, ContactKind.PHONE.value, ADDRESS)
"""What a Yes may need, so that the message agreed to can be sent."""

REFUSAL_REASONS = {
    "child_born_later": "The child was not born when this was decided.",
    "child_born_impossible": "Nobody who lives was born then.",
    "child_decides_alone": "From the age of {age} a young person decides alone: record their own decision.",
}
"""Why somebody could not decide for a child, by the names that `guardians.refusal_reason` gives."""


@dataclass(frozen=True, slots=True)
class StaffDecision:
    """A decision or withdrawal that staff took on paper, by phone or in person."""

    contacts: tuple[Contact, ...]
    name: str | None
    answers: Mapping[QuestionId, Answer]
    everything: bool
    channel: Channel
    effective_at: Instant
    evidence: Mapping[str, str] | None
    lang: str
    notice_version: str | None
    """The version printed on the form that was signed; None for the one in force on that day."""

    guardian: Guardian | None = None
    """Who decided for the patient, where the patient is a child."""

    declared_adult: bool | None = None
    """Whether the patient declared to be as old as the notice asks; None if staff did not say."""

    address: PostalAddress | None = None
    """Where a letter reaches the patient, if that was given."""

    day: Day | None = None
    """Where staff know only the day on which it was decided."""

    person: str | None = None
    """The id of the patient whose record staff have open; `contacts` are then further ones."""

    @property
    def effective_until(self) -> Instant:
        """The latest it can have been decided."""
        return self.day.ends if self.day else self.effective_at

    @property
    def agrees(self) -> bool:
        """Whether one of the answers is a Yes."""
        return Answer.YES in self.answers.values()


@dataclass(frozen=True, slots=True)
class RecordedReceipt:
    """The receipt of a call; `complete` once it reached everybody who shares the contacts.

    `visible` where the key's controller shares every question of it.
    """

    receipt: Receipt
    complete: bool
    visible: bool


StaffCall = AuthorizedCall[StaffDecision]


def record_decision(
    portal: Portal, call: StaffCall, beside: Sequence[Write] = ()
) -> RecordedReceipt:
    """Record a decision that staff took; `beside` is written together with its receipt.

    Raises InvalidBodyError, SeveralPeopleError where several people share the contact,
    UsedForAnotherBodyError, and errors as `decisions.record`.
    """
    call = with_person(portal, call)
    decision = decision_of(portal, call)
    audit = call.audit("receipts", _named(call), decision.receipt_id)
    identification, seen = identification_of(call), call.lookup
    check_needs(portal, call, decision, identification)
    carry_out = decisions.record if call.body.person else decisions.answer
    receipt = carry_out(portal, decision, identification, seen=seen, also=[audit, *beside])
    log.count("StaffDecisionRecorded")
    return _recorded(portal, call, decision, receipt, "receipts")


def record_withdrawal(portal: Portal, call: StaffCall) -> RecordedReceipt:
    """Record a withdrawal that staff took.

    It holds for everyone who shares the contact, or for the one whose record staff have open, and
    for all joint controllers. Errors as for `record_decision`.
    """
    call = with_person(portal, call)
    decision = decision_of(portal, call)
    audit = call.audit("withdrawals", _named(call), decision.receipt_id)
    identification, seen = identification_of(call), call.lookup
    if call.body.person:
        receipt = decisions.record(portal, decision, identification, seen=seen, also=[audit])
    else:
        receipt = withdrawals.withdraw(portal, decision, identification, seen=seen, also=[audit])[0]
    log.count("StaffWithdrawalRecorded")
    return _recorded(portal, call, decision, receipt, "withdrawals")


def with_person(portal: Portal, call: StaffCall) -> StaffCall:
    """Give a call about somebody's open record with them read by their id.

    The contacts that are proven to be theirs are given with it, as if staff had typed them: the
    receipt goes there. Raises NotFoundError where there is nobody, or nobody any more.
    """
    taken = call.body
    if not taken.person:
        return call
    person = find_people(portal.table, call.clinic, [taken.person]).get(taken.person)
    if person is None:
        raise NotFoundError
    contacts = dict.fromkeys((*taken.contacts, *_proven_contacts(portal, call, person)))
    lookup = portal.directory.look_up(call.clinic, list(contacts), most=MANY, person=person.id)
    taken = replace(taken, contacts=tuple(contacts), person=person.id)
    return replace(call, body=taken, lookup=lookup)


def _proven_contacts(portal: Portal, call: StaffCall, person: Subject) -> list[Contact]:
    """Give the contacts of a person that somebody proved to be theirs.

    None of a child for whom nobody decides in this call: those it has are its guardian's.
    """
    if person.of_age and call.body.guardian is None:
        return []
    key = portal.clinics.key(call.clinic)
    own = reveal_contacts(portal.table, key, [person])[person.id]
    return [contact for contact in own if key.lookup(contact) not in person.typed]


def _named(call: StaffCall) -> tuple[str, ...]:
    """Give the id of the one whose record staff have open."""
    return (call.body.person,) if call.body.person else ()


def decision_of(portal: Portal, call: StaffCall) -> Decision:
    """Make the decision of a call by the notice of its day; raise InvalidBodyError."""
    taken, guardian = call.body, call.body.guardian
    clinic, is_text_known = _clinic_as_asked(portal, call)
    _check_allowed(taken, clinic)
    lang = taken.lang if taken.lang in clinic.languages else clinic.default_language
    notice = NoticeRef.unknown(lang)
    if is_text_known:
        notice = portal.shown_pages.notice_ref(CONSENT_PAGE, clinic, lang)
    imported = taken.channel in OF_A_SYSTEM
    return new_decision(
        clinic,
        taken.answers,
        id=call.receipt_id(portal.clinics.key(clinic.id).receipt_secret()),
        notice=notice,
        channel=taken.channel,
        assurance=Assurance.IMPORTED if imported else Assurance.STAFF_WITNESSED,
        at=call.now,
        actor=ACTOR if guardian else f"staff:{call.key.id}",
        evidence=_evidence(call, clinic),
        effective_at=taken.effective_at,
        everything=taken.everything,
        of_age=guardian.comes_of_age_at(clinic, taken.effective_at) if guardian else "",
        day=taken.day,
    )


def _clinic_as_asked(portal: Portal, call: StaffCall) -> tuple[Clinic, bool]:
    taken, published = call.body, call.lookup.published
    given = taken.effective_at, taken.effective_until
    return clinic_as_asked(portal, published, taken.notice_version, *given)


def clinic_as_asked(
    portal: Portal, published: Published, named: str | None, first: Instant, last: Instant
) -> tuple[Clinic, bool]:
    """Give the clinic by the notice under which staff took a decision, and whether it is known.

    `named` is the version on the form, if staff name one; it was signed between `first` and `last`.
    Where no version was in force that day, or the one named began later, nobody knows what was
    read: then any question ever asked may be answered. Raises InvalidBodyError.
    """
    pointer = "/notice_version"
    versions = {entry.version for entry in published.published}
    if named is not None and named not in versions:
        raise InvalidBodyError.at(pointer, "No such version was ever published.")
    version = published.text_at(last, named)
    if version != published.text_at(first, named):
        detail = "The notice changed on that day: name the version on the form."
        raise InvalidBodyError.at(pointer, detail)
    if version:
        return portal.clinics.version(published.clinic.id, version), True
    return portal.clinics.with_all_past_questions(published), False


def _check_allowed(taken: StaffDecision, clinic: Clinic) -> None:
    """Refuse a decision that the notice does not ask for, or not of this person."""
    errors = []
    for question, answer in taken.answers.items():
        if answer is not Answer.WITHDRAW and question not in clinic.questions:
            detail = f"{question} was not asked on that day."
            errors.append({"pointer": "/effective_at", "detail": detail})
    if errors:
        raise InvalidBodyError(errors)
    _check_age(taken, clinic)
    _check_guardian(taken, clinic)


def _check_age(taken: StaffDecision, clinic: Clinic) -> None:
    pointer = "/declared_adult"
    if clinic.age_minimum is None:
        if taken.declared_adult:
            raise InvalidBodyError.at(pointer, "This notice asks for no age.")
        return
    if taken.guardian is None and taken.agrees and not taken.declared_adult:
        detail = f"A Yes is for those who are {clinic.age_minimum} and say so: true."
        raise InvalidBodyError.at(pointer, detail)


def _check_guardian(taken: StaffDecision, clinic: Clinic) -> None:
    if taken.guardian is None or taken.guardian.born is None:
        return
    if not clinic.guardian:
        detail = "By this notice everybody decides for themselves: no guardian can."
        raise InvalidBodyError.at("/guardian", detail)
    reason = refusal_reason(clinic, taken.guardian.born, taken.effective_at)
    if reason:
        age = clinic.decides_alone_from(taken.effective_at)
        detail = REFUSAL_REASONS[reason].format(age=age)
        raise InvalidBodyError.at("/guardian/child_born", detail)


def _evidence(call: StaffCall, clinic: Clinic) -> Mapping[str, str] | None:
    """Give what a receipt keeps of how staff took a decision.

    - the form;
    - with a Yes, the age declared;
    - with a guardian, their relation to the child and the key of the staff member;
    - of joint controllers, the one whose key it was.
    """
    taken = call.body
    evidence = dict(taken.evidence or {})
    if taken.declared_adult and taken.agrees:
        evidence["declared_age"] = str(clinic.age_minimum)
    if taken.guardian:
        evidence |= {**taken.guardian.evidence, "staff": call.key.id}
    if call.key.member:
        evidence["member"] = call.key.member
    return evidence or None


def check_needs(
    portal: Portal, call: StaffCall, decision: Decision, identification: Identification
) -> None:
    """Refuse a Yes to messages by e-mail, phone or post without that contact.

    It may be in the call, or known of the person already.
    """
    needed = _needed(call, decision)
    missing = needed.keys() - {contact.kind.value for contact in call.body.contacts}
    if call.body.address:
        missing -= {ADDRESS}
    if not missing:
        return
    person = call.lookup.resolve_subject(decision, identification)
    clinic = call.lookup.published.clinic
    if not becomes_independent(clinic, person.of_age, decision):
        # Of a child that grew up, what is known is its guardian's.
        missing -= known_of(portal.table, portal.clinics.key(decision.clinic), person)
    errors = []
    for kind in sorted(missing):
        pointer = "/address" if kind == ADDRESS else f"/subject/{kind}"
        errors.append(
            {"pointer": pointer, "detail": f"{needed[kind]} needs it, and none is known."}
        )
    if errors:
        raise InvalidBodyError(errors)


def _needed(call: StaffCall, decision: Decision) -> dict[str, QuestionId]:
    """Give the kinds of contact that a Yes needs, each with a question that needs it."""
    needed = {}
    for question, answer in decision.answers.items():
        if answer is not Answer.YES:
            continue
        needs = call.shared.questions[question].needs
        for kind in _CARRIERS:
            if kind in needs:
                needed[kind] = question
    return needed


def identification_of(call: StaffCall) -> Identification:
    """Tell whom a call is about: the one whose record is open, or whoever the contacts mean."""
    taken = call.body
    return Identification(
        taken.contacts,
        taken.name,
        fresh_subject(),
        person=taken.person,
        base=call.base_url,
        by_id=taken.person is not None,
        joins=True if taken.person else None,
        address=taken.address,
    )


def _recorded(
    portal: Portal, call: StaffCall, decision: Decision, receipt: Receipt, what: str
) -> RecordedReceipt:
    if receipt.document["recorded_at"] != decision.recorded_at:
        # The Idempotency-Key was used before, and this is the first call's receipt.
        portal.table.put_new(call.audit(what, _named(call), receipt.id))
        if not _is_same_body(portal, call, decision, receipt):
            raise UsedForAnotherBodyError
    visible = call.may_see(receipt)
    if not _is_shared_by_many(call):
        return RecordedReceipt(receipt, complete=True, visible=visible)
    is_open = withdrawal_orders.is_open(portal.table, decision.clinic, receipt.id)
    return RecordedReceipt(receipt, complete=not is_open, visible=visible)


def _is_shared_by_many(call: StaffCall) -> bool:
    """Tell whether so many people share the contacts that an order carries the withdrawal out."""
    return bool(call.lookup.partly_read) or len(all_subjects(call.lookup.stored_under)) > MANY


def _is_same_body(portal: Portal, call: StaffCall, decision: Decision, receipt: Receipt) -> bool:
    """Tell whether a receipt was recorded for this very body: the same person, the same answers."""
    kept = receipt.document
    lookup = portal.directory.look_up(decision.clinic, call.body.contacts)
    disclosures = kept_disclosures(portal.table, portal.clinics.key(decision.clinic), receipt)
    evidence = with_disclosures(kept["evidence"], disclosures)
    if Answer.WITHDRAW in decision.answers.values():
        known = all_subjects(lookup.stored_under)
    else:
        known = subjects_to_stop(lookup.people)
    if kept["subject"] not in {*_named(call), *(person.id for person in known)}:
        return False
    if not _has_same_answers(decision, kept):
        return False
    return decisions.repeats(decision, receipt) and (evidence or None) == decision.evidence


def _has_same_answers(decision: Decision, kept: Mapping[str, Any]) -> bool:
    """Tell whether a receipt holds the answers of a decision; a withdrawal of all may hold more."""
    entries = kept["decisions"]
    for question, answer in decision.answers.items():
        if question not in entries or entries[question]["answer"] != answer.value:
            return False
    return decision.everything or entries.keys() == decision.answers.keys()
