"""What a personal link proves about whoever answers by it, and what is known of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, QuestionId
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind, masked
from chalicelib.domain.decisions import Decision
from chalicelib.domain.guardians import ACTOR, is_of_consent_age, last_relation
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.subjects import Subject
from chalicelib.domain.submission import FormAnswers, KnownDetails
from chalicelib.notices.purposes import NEWSLETTER
from chalicelib.portal import Portal
from chalicelib.services.opened_links import OPENED, look_up_holder, subjects_of_link
from chalicelib.store.links import OpenedLink, UnknownLinkError, audit_line, open_link
from chalicelib.store.lookup import Identification
from chalicelib.store.personal_data import reveal


@dataclass(frozen=True, slots=True)
class Invitee:
    """Somebody who followed a link to the questions, the people it is for, and what need not be
    typed again.

    The link's own contact comes first in `known`: it alone is proven.
    """

    opened: OpenedLink
    token: str
    people: tuple[Subject, ...]
    known: KnownDetails

    @property
    def holder(self) -> Contact:
        """The contact that the link came to."""
        return self.opened.recipient.contact

    @property
    def by_program(self) -> bool:
        """Whether a clinic's program made the link: who follows it has proved no contact."""
        return self.opened.link.by_program

    @property
    def evidence(self) -> Mapping[str, str]:
        """What a receipt keeps of the link: its id, and the API key of the program that made it."""
        link = self.opened.link
        if not link.by_program:
            return {"link": self.opened.id}
        return {"link": self.opened.id, "key": link.by}

    def limit_questions(self, clinic: Clinic) -> Clinic:
        """Give the clinic with the questions the link is about."""
        return clinic.limited_to(self.opened.link.addresses)

    def recipient_view(self) -> Mapping[str, Any]:
        """Give what the page shows to whoever has the link.

        Contacts masked, enough for their owner. A program's link shows no contact: whoever has it
        need not be the patient.
        """
        reachable = [contact for contact in self.known.contacts if contact.kind in REACHABLE_KINDS]
        shown = "" if self.by_program else ", ".join(map(masked, reachable))
        return {
            "kinds": [contact.kind for contact in reachable],
            "masked": shown,
            "named": self.known.name,
            "addressed": self.known.address,
        }

    def rate_limit_subjects(self, typed: Sequence[str]) -> tuple[str, ...]:
        """Name what the rate limit counts: the link, and the contacts typed beside it.

        The link's own contact is not among them, so that nobody else can use up its owner's limit.
        """
        return (f"link:{self.opened.id}", *typed)

    def refusal_reason(self, clinic: Clinic, form: FormAnswers, at: Instant) -> str | None:
        """Name why a Yes on this form cannot be taken; None where it can. A No always can.

        Where the form names a child, its age was checked when the form was read.
        """
        if form.guardian is not None or Answer.YES not in form.answers.values():
            return None
        if len(self.people) > 1:
            return "several_people"
        if any(is_of_consent_age(clinic, person.of_age, at) for person in self.people):
            return "child_decides_alone"
        return None

    def unproven(self, clinic: Clinic, form: FormAnswers) -> frozenset[QuestionId]:
        """Give the answers that wait for a confirmation.

        An answer waits where the link does not prove the contact it needs. By a program's link
        every question with double opt-in waits too, but the newsletter: the message that the portal
        sends at once confirms that.
        """
        return frozenset(
            question for question in form.answers if self._is_unproven(clinic, question, form)
        )

    def _is_unproven(self, clinic: Clinic, question: QuestionId, form: FormAnswers) -> bool:
        if self.by_program and _needs_double_opt_in(clinic, question):
            return True
        kinds = [contact.kind for contact in form.contacts]
        confirming_kind = clinic.confirming_kind(question, kinds)
        if confirming_kind in (self.holder.kind, None):
            return False
        needs = clinic.questions[question].needs
        if self.holder.kind is ContactKind.REFERENCE and needs.isdisjoint(REACHABLE_KINDS):
            return False
        return not self._agreed_before(question, form)

    def _agreed_before(self, question: QuestionId, form: FormAnswers) -> bool:
        """Tell whether the person has given a proven Yes to a question before.

        Then it is proven for good.
        """
        if self.by_program or len(self.people) != 1 or form.guardian is not None:
            return False
        summary = self.people[0].summaries.get(question)
        return summary is not None and summary.first_yes is not None


def find_invitee(portal: Portal, clinic: str, token: str, now: Instant) -> Invitee:
    """Follow a personal link to a clinic's questions; raise UnknownLinkError, OldLinkError.

    Four round trips: the link, who has its contact, the audit line, what else is known of that
    person. For a program's link two for its key, and no last one: nothing is known but what the
    program gave.
    """
    opened = open_link(portal.table, portal.clinics, token, LinkScope.ASK, now)
    if opened.link.clinic != clinic:
        raise UnknownLinkError
    lookup = look_up_holder(portal, opened)
    people = subjects_of_link(opened, lookup)
    portal.table.put_new(audit_line(opened, OPENED[LinkScope.ASK], people, now))
    return Invitee(opened, token, people, _known_details(portal, opened, people))


def _known_details(portal: Portal, opened: OpenedLink, people: Sequence[Subject]) -> KnownDetails:
    """Give what need not be typed.

    The link's contact, and what else is known of the one person it is for.
    """
    holder = opened.recipient.contact
    named = opened.recipient.name is not None
    if opened.link.by_program or len(people) != 1:
        return KnownDetails((holder,), name=named)
    details = reveal(portal.table, portal.clinics.key(opened.link.clinic), people[0])
    other_kinds = set(REACHABLE_KINDS) - {holder.kind}
    others = {
        contact.kind: contact for contact, _ in details.contacts if contact.kind in other_kinds
    }
    return KnownDetails(
        contacts=(holder, *others.values()),
        name=named or "name" in details.known,
        address="address" in details.known,
    )


def decide_by_link(
    portal: Portal, invitee: Invitee, decision: Decision, clinic: Clinic, form: FormAnswers
) -> Decision:
    """Give a decision as made by a link.

    What the link's own contact confirms, or once did, counts at once. By a program's link a Yes to
    what was last refused or withdrawn waits (`Decision.asks_only`).
    """
    children = [person for person in invitee.people if person.of_age]
    earlier = (
        portal.receipts.history(clinic.id, children) if children and form.guardian is None else ()
    )
    return replace(
        decision,
        assurance=Assurance.LINK,
        channel=Channel.EMAIL_LINK,
        actor=ACTOR if children else decision.actor,
        evidence={**last_relation(earlier), **(decision.evidence or {}), **invitee.evidence},
        confirm=invitee.unproven(clinic, form),
        asks_only=invitee.by_program,
    )


def identify_by_link(
    portal: Portal, invitee: Invitee, identification: Identification, form: FormAnswers
) -> Identification:
    """Identify the one person the link is for, or somebody new; or the child that the form names.

    The link's own contact is proven, unless a program made the link. What was typed beside it is
    asked to confirm, and finds nobody's child.
    """
    holder = invitee.holder
    proves = () if invitee.by_program else (holder,)
    if form.guardian:
        return replace(identification, contacts=form.guardian.contacts([holder]), proves=proves)
    person = invitee.people[0].id if len(invitee.people) == 1 else None
    known = invitee.known.contacts
    return replace(
        identification,
        contacts=(*_reachable_by_number(portal, invitee), *identification.contacts),
        name=identification.name or invitee.opened.recipient.name,
        person=person,
        proves=proves,
        also_typed=tuple(contact for contact in form.contacts if contact not in known),
        joins=False if person else None,
    )


def _reachable_by_number(portal: Portal, invitee: Invitee) -> tuple[Contact, ...]:
    """Give a person's own e-mail and phone where a program's link names them by the clinic's
    number.

    What waits is confirmed from there, and the page never shows them.
    """
    by_number = invitee.by_program and invitee.holder.kind is ContactKind.REFERENCE
    if not by_number or len(invitee.people) != 1:
        return ()
    [person] = invitee.people
    key = portal.clinics.key(invitee.opened.link.clinic)
    own: dict[ContactKind, Contact] = {}
    for contact, _ in reveal(portal.table, key, person).contacts:
        if contact.kind in REACHABLE_KINDS and person.owns(key.lookup(contact)):
            own[contact.kind] = contact
    return tuple(own.values())


def _needs_double_opt_in(clinic: Clinic, question_id: QuestionId) -> bool:
    """Tell whether a Yes waits by a program's link, whatever contact the link proves."""
    question = clinic.questions[question_id]
    return question.confirm and question.purpose.id != NEWSLETTER
