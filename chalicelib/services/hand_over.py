"""A paired tablet in the hands of one person: the desk makes a code, the person answers.

The staff member found the person's record and sees them. So the receipt is `staff-witnessed`: that
says who answered, as for a form that was signed at the desk (docs/decisions/0002). The answers are
the person's own, given on the page that showed the notice: the channel is `kiosk`, the actor the
patient, and the evidence names the staff member. It is not `link`: nobody has proved a contact.
What a Yes needs is a contact that was proven before, or of which the staff member asked the person.
Nothing is asked that another contact would have to serve: the tablet takes none.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact
from chalicelib.domain.decisions import new_decision, receipt_id
from chalicelib.domain.errors import NotFoundError, RejectedError
from chalicelib.domain.identity import all_subjects
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.kiosks import CODE, HANDED_OVER_FOR, HandOver, Tablet
from chalicelib.domain.subjects import Subject
from chalicelib.domain.submission import KnownDetails
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.decisions import NoticeChangedError
from chalicelib.services.kiosks import (
    IssuedCode,
    WrongCodeError,
    code_ends,
    hashed,
    paired_tablets,
    write_code,
)
from chalicelib.services.look_up_limits import take_look_up
from chalicelib.services.patient_decisions import CannotAgreeError, FormResult, SubmittedForm
from chalicelib.services.visitor import Visitor
from chalicelib.store import audit, hand_overs
from chalicelib.store.hand_overs import HAND_OVER, StoredHandOver
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.people import find_people
from chalicelib.store.personal_data import reveal
from chalicelib.store.table import ConflictError
from chalicelib.store.writes import Put, Write

ID_LETTERS = 16
"""How many characters of a contact's lookup name it in the desk's form."""


class UnknownPersonError(NotFoundError):
    """The clinic knows nobody of this id."""


class NoTabletError(RejectedError):
    """The clinic has no paired tablet."""


class GuardianDecidesError(RejectedError):
    """A guardian decided for this person: whose answers a tablet took would not be clear."""


class NoContactError(RejectedError):
    """No e-mail or phone of the person is known for certain that any question needs."""


class HandOverEndedError(RejectedError):
    """The tablet is nobody's any more: the time is up, or the answers are saved."""


@dataclass(frozen=True, slots=True)
class NewHandOver:
    """Whom a tablet is handed to, and of which contacts the staff member asked them."""

    subject: str
    asked: tuple[str, ...] = ()
    """The contacts by `OfferedContact.id`."""
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferedContact:
    """A contact of a person, and whether it is proven; of any other the desk asks the person."""

    id: str
    contact: Contact
    proven: bool


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A tablet that is in one person's hands now: what its page need not ask.

    The page shows nothing of the person: neither a contact nor an answer.
    """

    stored: StoredHandOver
    tablet: Tablet
    person: Subject
    token: str
    known: KnownDetails

    def limit_questions(self, clinic: Clinic) -> Clinic:
        """Give the clinic with the questions that the known contacts can serve."""
        return clinic.limited_to(_served(clinic, self.known.contacts))

    def recipient_view(self) -> Mapping[str, Any]:
        """Give what the page shows: that it is handed over, and nothing of the person."""
        return {
            "kinds": list(REACHABLE_KINDS),
            "masked": "",
            "named": self.known.name,
            "addressed": self.known.address,
            "handed": True,
        }


def offered_contacts(portal: Portal, call: AuthorizedCall[NewHandOver]) -> Sequence[OfferedContact]:
    """Give the e-mails and phones of the person; that is a look-up (`look_up_limits`).

    Raises UnknownPersonError, GuardianDecidesError, TooManyError.
    """
    person = _person(portal, call)
    take_look_up(portal, call, call.audit("contacts/kiosk", [person]))
    return _contacts(portal, call.clinic, person)


def hand_over(portal: Portal, call: AuthorizedCall[NewHandOver]) -> IssuedCode:
    """Make the code that hands any of the clinic's paired tablets over to a person, once.

    Raises UnknownPersonError, GuardianDecidesError, NoTabletError, NoContactError.
    """
    person = _person(portal, call)
    if not paired_tablets(portal, call.clinic):
        raise NoTabletError
    offered = _contacts(portal, call.clinic, person)
    theirs = [each.contact for each in offered if each.proven or each.id in call.body.asked]
    clinic = portal.clinics.in_force(call.clinic).clinic
    if not _served(clinic.open_at(call.now), theirs):
        raise NoContactError
    key = portal.clinics.key(call.clinic)
    lookups = tuple(key.lookup(contact) for contact in theirs)
    made = HandOver(person.id, call.key.id, lookups, code_ends(call.now))

    def write(digest: str) -> Put:
        return hand_overs.new(call.clinic, digest, made)

    line = call.audit("kiosks/hand-over", [person])
    return IssuedCode(write_code(portal, call.clinic, HAND_OVER, write, line), made.until)


def take_code(portal: Portal, tablet: Tablet, code: str, visitor: Visitor, now: Instant) -> str:
    """Hand a paired tablet over by the code typed at it, and give what its pages carry.

    The try is counted before anybody looks at the code. Raises TooManyError, WrongCodeError.
    """
    key = portal.clinics.key(tablet.clinic)
    check = visitor.rate_limit_check("kiosk-code", (), now)
    portal.limits.spend(key, check._replace(typed_at=tablet.id))
    typed = "".join(code.split())
    if not CODE.fullmatch(typed):
        raise WrongCodeError
    digest = key.tablet_code(HAND_OVER, typed)
    stored = hand_overs.read(portal.table, tablet.clinic, digest)
    if stored is None or not stored.hand_over.may_be_taken(now):
        raise WrongCodeError
    secret, was = secrets.token_urlsafe(32), stored.hand_over
    ends = instant(moment(now) + HANDED_OVER_FOR)
    taken = replace(was, tablet=tablet.id, secret=hashed(secret), until=ends)
    line = audit.line(tablet.clinic, was.by, "kiosks/opened", now, [was.subject], about=tablet.id)
    try:
        portal.table.write([hand_overs.changed(stored, taken), line])
    except ConflictError:  # another tablet took it in this moment
        raise WrongCodeError from None
    return f"{digest}.{secret}"


def find_handed_over(portal: Portal, tablet: Tablet, token: str, now: Instant) -> HandedOver:
    """Give whose hands a tablet is in, by what its page carries; raise HandOverEndedError."""
    digest, _, secret = token.partition(".")
    stored = hand_overs.read(portal.table, tablet.clinic, digest)
    if stored is None:
        raise HandOverEndedError
    given = stored.hand_over
    own = given.tablet == tablet.id and hmac.compare_digest(given.secret, hashed(secret))
    if not own or now >= given.until:
        raise HandOverEndedError
    person = find_people(portal.table, tablet.clinic, [given.subject]).get(given.subject)
    if person is None:
        raise HandOverEndedError
    key = portal.clinics.key(tablet.clinic)
    details = reveal(portal.table, key, person)
    theirs = [contact for contact, _ in details.contacts if key.lookup(contact) in given.contacts]
    if not theirs:  # they were removed meanwhile
        raise HandOverEndedError
    known = KnownDetails(tuple(theirs), bool(details.names), bool(details.addresses))
    return HandedOver(stored, tablet, person, token, known)


def record_answers(
    portal: Portal, form: SubmittedForm, handed: HandedOver, visitor: Visitor, now: Instant
) -> FormResult:
    """Record what the person answered, in their own chain; with it the hand-over is over.

    The same form sent again gives the first receipt. Raises HandOverEndedError, CannotAgreeError
    for a child, NoticeChangedError, TooManyError, and errors as `decisions.record`.
    """
    clinic, answers, given = form.clinic, form.answers, handed.stored.hand_over
    agreed = {each for each, answer in answers.answers.items() if answer is Answer.YES}
    if answers.guardian:
        raise CannotAgreeError("handed_over_alone")
    if not agreed <= set(_served(clinic, handed.known.contacts)):
        raise CannotAgreeError("contact_unknown")
    evidence = {"staff": given.by}
    if answers.declared_adult:
        evidence["declared_age"] = str(clinic.age_minimum)
    secret = portal.clinics.key(clinic.id).receipt_secret()
    identity = {**answers.identity(), "hand_over": handed.stored.digest}
    decision = new_decision(
        clinic,
        answers.answers,
        id=receipt_id(secret, form.nonce, identity),
        notice=form.notice,
        channel=Channel.KIOSK,
        source=handed.tablet.name,
        assurance=Assurance.STAFF_WITNESSED,
        at=now,
        evidence=evidence,
    )
    if given.receipt:
        if given.receipt != decision.receipt_id:
            raise HandOverEndedError
        before = portal.receipts.find(clinic.id, given.receipt)
        return FormResult(clinic, decision, before, reachable=True)
    check = visitor.rate_limit_check("consent", (f"hand-over:{handed.stored.digest}",), now)
    identification = Identification(
        handed.known.contacts,
        answers.name,
        fresh_subject(),
        person=handed.person.id,
        base=visitor.base_url,
        joins=True,
        address=answers.address,
        guard=check,
    )
    lookup = portal.directory.look_up(clinic.id, identification.contacts, guard=check)
    if agreed and form.notice.version != lookup.published.in_force.version:
        raise NoticeChangedError(lookup.published)
    over = _over(portal, handed, decision.receipt_id)
    receipt = decisions.record(portal, decision, identification, seen=lookup, also=over)
    log.count("DecisionRecorded")
    return FormResult(clinic, decision, receipt, reachable=True)


def _over(portal: Portal, handed: HandedOver, receipt: str) -> Callable[[Lookup], Sequence[Write]]:
    """Give what ends a hand-over with its receipt, made anew for each attempt to write it.

    Raises HandOverEndedError where the person is gone, or another form was saved meanwhile.
    """

    def writes(lookup: Lookup) -> Sequence[Write]:
        people = all_subjects(lookup.stored_under)
        if all(person.id != handed.person.id for person in people):
            raise HandOverEndedError
        tablet = handed.tablet
        stored = hand_overs.read(portal.table, tablet.clinic, handed.stored.digest)
        if stored is None or stored.hand_over.receipt not in {"", receipt}:
            raise HandOverEndedError
        return [hand_overs.changed(stored, replace(stored.hand_over, receipt=receipt))]

    return writes


def _person(portal: Portal, call: AuthorizedCall[NewHandOver]) -> Subject:
    subject = call.body.subject
    person = find_people(portal.table, call.clinic, [subject]).get(subject)
    if person is None:
        raise UnknownPersonError
    if person.of_age:
        raise GuardianDecidesError
    return person


def _contacts(portal: Portal, clinic: str, person: Subject) -> list[OfferedContact]:
    key = portal.clinics.key(clinic)
    offered = []
    for contact, _ in reveal(portal.table, key, person).contacts:
        lookup = key.lookup(contact)
        if contact.kind in REACHABLE_KINDS:
            proven = lookup not in person.typed
            offered.append(OfferedContact(lookup[:ID_LETTERS], contact, proven))
    return offered


def _served(clinic: Clinic, contacts: Sequence[Contact]) -> list[str]:
    """Give the questions that need no other e-mail or phone than these; none without any."""
    if not contacts:
        return []
    kinds = {contact.kind for contact in contacts}
    missing = set(REACHABLE_KINDS) - kinds
    return [each.id for each in clinic.questions.values() if each.needs.isdisjoint(missing)]
