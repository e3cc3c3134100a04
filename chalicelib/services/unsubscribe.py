"""Unsubscribing by the link of a mail: what the link can stop, and stopping it, however often that
is sent.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, QuestionId
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision, new_decision, receipt_id
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import LinkScope
from chalicelib.portal import Portal
from chalicelib.services import withdrawals
from chalicelib.store.links import OpenedLink, audit_line, open_link
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.shown_pages import WITHDRAWAL_PAGE
from chalicelib.store.withdrawal_orders import MANY


@dataclass(frozen=True, slots=True)
class Unsubscription:
    """An unsubscribing link that was followed, and who is known under its contact.

    All questions ever asked are included: a mail may be older than the notice.
    """

    opened: OpenedLink
    lookup: Lookup
    all_questions: Clinic
    now: Instant

    @property
    def contact(self) -> Contact:
        """The contact that the mail went to."""
        return self.opened.recipient.contact

    @property
    def clinic(self) -> Clinic:
        """The clinic as its notice in force describes it."""
        return self.lookup.published.clinic

    @property
    def questions(self) -> tuple[QuestionId, ...]:
        """What the link stops: what it names.

        Where a clinic's link names nothing, all that needs its contact. Every mail of the portal's
        names what it is about, and nothing else stops with it.
        """
        asked = self.all_questions.questions
        if named := self.opened.link.addresses:
            return tuple(question for question in named if question in asked)
        kinds = {self.contact.kind.value}
        if self.contact.kind is ContactKind.REFERENCE:
            kinds = {ContactKind.EMAIL.value, ContactKind.PHONE.value}
        by_contact = tuple(
            name for name, question in asked.items() if not question.needs.isdisjoint(kinds)
        )
        return by_contact or tuple(asked)

    def leaves_something_to_stop(self, questions: Collection[QuestionId]) -> bool:
        """Tell whether one of these questions is not stopped yet for somebody with the contact.

        Where very many share it, not everybody was read: then something is left, unless an order
        stops it already. For somebody new something is left too: their withdrawal is kept, so that
        a form signed earlier and entered later does not outlive it. A link to somebody who was
        erased since finds nobody, and records nobody anew.
        """
        answers = dict.fromkeys(questions, Answer.WITHDRAW)
        if any(stop.covers(answers) for stop in self.lookup.stops(self.contact)):
            return False
        if self.lookup.partly_read:
            return True
        known, in_force = self.lookup.known(), self.lookup.published.in_force
        if not known:
            return bool(questions) and self.opened.link.subject is None
        return any(
            withdrawals.has_open_answer(person, questions, in_force, self.now) for person in known
        )


def open_unsubscription(portal: Portal, token: str, now: Instant) -> Unsubscription:
    """Follow the link of a mail; raise UnknownLinkError, OldLinkError.

    Three round trips: link, people, audit line.
    """
    opened = open_link(portal.table, portal.clinics, token, LinkScope.UNSUBSCRIBE, now)
    clinic, contact = opened.link.clinic, opened.recipient.contact
    lookup = portal.directory.look_up(clinic, [contact], most=MANY)
    portal.table.put_new(audit_line(opened, "unsubscribe", lookup.known(), now))
    all_questions = portal.clinics.with_all_past_questions(lookup.published)
    return Unsubscription(opened, lookup, all_questions, now)


def stop(
    portal: Portal,
    unsubscription: Unsubscription,
    questions: Collection[QuestionId],
    lang: str,
    base: str,
) -> None:
    """Stop these questions for everybody under the contact.

    Where nothing is left to stop, record nothing.
    """
    if not unsubscription.leaves_something_to_stop(questions):
        return
    answers = dict.fromkeys(questions, Answer.WITHDRAW)
    decision = _new_decision(portal, unsubscription, answers, lang)
    identification = Identification((unsubscription.contact,), None, fresh_subject(), base=base)
    withdrawals.withdraw(
        portal, decision, identification, seen=unsubscription.lookup, left_only=True
    )
    log.count("WithdrawalRecorded")


def _new_decision(
    portal: Portal, unsubscription: Unsubscription, answers: Mapping[QuestionId, Answer], lang: str
) -> Decision:
    opened, clinic = unsubscription.opened, unsubscription.clinic
    # Sent again while nobody has decided since, it gives the same receipt, however often a mail
    # program tries.
    versions = {person.id: person.version for person in unsubscription.lookup.known()}
    content = {"unsubscribe": versions, "stops": sorted(answers)}
    secret = portal.clinics.key(clinic.id).receipt_secret()
    evidence = {"link": opened.id, "key": opened.link.by} if opened.link.by_program else None
    return new_decision(
        clinic,
        answers,
        id=receipt_id(secret, opened.id, content),
        notice=portal.shown_pages.notice_ref(WITHDRAWAL_PAGE, clinic, lang),
        channel=Channel.EMAIL_LINK,
        assurance=Assurance.LINK,
        at=unsubscription.now,
        evidence=evidence,
    )
