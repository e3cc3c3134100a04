"""Records what patients decide and withdraw on a clinic's pages and at its kiosk."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.confirmation import questions_to_confirm
from chalicelib.domain.consent import Assurance, Channel
from chalicelib.domain.contacts import Contact
from chalicelib.domain.decisions import Decision, NoticeRef, new_decision, receipt_id
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.guardians import ACTOR
from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.phones import can_be_written_to
from chalicelib.domain.rate_limits import contact_subjects, withdrawal_subjects
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.submission import FormAnswers
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.invitee import Invitee, decide_by_link, identify_by_link
from chalicelib.services.visitor import Visitor
from chalicelib.services.withdrawal_source import WithdrawalSource, withdraw_by_source
from chalicelib.store.lookup import Identification, fresh_subject


class CannotAgreeError(RejectedError):
    """A Yes by a link that is for several people, or for a child that decides alone.

    Nothing was stored.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class SubmittedForm:
    """A form without errors: which questions it asked, which text it showed, what was answered, and
    how the patient came to it.
    """

    clinic: Clinic
    notice: NoticeRef
    nonce: str
    """A number of this one open page: the same page sent again is the same decision."""

    channel: Channel
    source: str | None
    answers: FormAnswers


@dataclass(frozen=True, slots=True)
class FormResult:
    """What a submitted form led to: the decision, its receipt, and the clinic whose questions were
    shown.

    The same form sent again gives the first receipt.
    """

    clinic: Clinic
    decision: Decision
    receipt: Receipt
    reachable: bool
    """Whether a contact was given to which a message can be sent."""

    typed: tuple[Contact, ...] = field(default=(), repr=False)
    """The contacts that were typed on the form; none of those that a link says."""

    @property
    def recorded_before(self) -> timedelta:
        """How long before this form its receipt was recorded.

        More than nothing where the form was sent again.
        """
        return moment(self.decision.recorded_at) - moment(self.receipt.document["recorded_at"])

    @property
    def lang(self) -> str:
        """The language of the page."""
        return self.decision.notice.lang


def record_answers(
    portal: Portal, form: SubmittedForm, invitee: Invitee | None, visitor: Visitor, now: Instant
) -> FormResult:
    """Record the answers of a consent form; `invitee` is who followed a personal link to it.

    Two round trips, and for a link one more where it leads to other contacts. Raises TooManyError,
    CannotAgreeError, and errors as `decisions.record`.
    """
    clinic, answers = form.clinic, form.answers
    decision = _new_decision(portal, form, now)
    identification = _identify(answers, visitor)
    typed = answers.contacts[len(invitee.known.contacts) if invitee else 0 :]
    subjects = contact_subjects(typed)
    if invitee:
        subjects = invitee.rate_limit_subjects(subjects)
    check = visitor.rate_limit_check("consent", subjects, now)
    identification = replace(identification, guard=check)
    lookup = portal.directory.look_up(clinic.id, identification.contacts, guard=check)
    if invitee:
        if reason := invitee.refusal_reason(clinic, answers, now):
            raise CannotAgreeError(reason)
        decision = decide_by_link(portal, invitee, decision, clinic, answers)
        identification = identify_by_link(portal, invitee, identification, answers)
        if answers.guardian or not lookup.people.keys() >= set(identification.contacts):
            lookup = portal.directory.look_up(clinic.id, identification.contacts, guard=check)
    receipt = decisions.answer(portal, decision, identification, seen=lookup)
    log.count("DecisionRecorded")
    return FormResult(clinic, decision, receipt, _is_reachable(clinic, answers), typed)


def record_withdrawal(
    portal: Portal,
    form: SubmittedForm,
    source: WithdrawalSource | None,
    visitor: Visitor,
    now: Instant,
) -> FormResult:
    """Withdraw what a form names, whether or not the contact is known.

    `source` is the link or receipt it came by. Two round trips. Raises TooManyError, and errors as
    `decisions.record`.
    """
    answers = form.answers
    decision = _new_decision(portal, form, now)
    counted = withdrawal_subjects(answers.contacts, answers.answers)
    if source:
        counted = source.rate_limit_subjects(answers.answers)
    check = visitor.rate_limit_check("withdraw", counted, now)
    identification = replace(_identify(answers, visitor), guard=check)
    if source:
        receipt = withdraw_by_source(portal, source, decision, identification)
    else:
        receipt = withdrawals.withdraw(portal, decision, identification)[0]
    log.count("WithdrawalRecorded")
    return FormResult(form.clinic, decision, receipt, _is_reachable(form.clinic, answers))


def all_questions(portal: Portal, clinic: str) -> Clinic:
    """Give a clinic with every question it ever asked: all of them can be withdrawn.

    No round trip once it is known.
    """
    published = portal.clinics.remembered(clinic) or portal.directory.look_up(clinic).published
    return portal.clinics.with_all_past_questions(published)


def _new_decision(portal: Portal, form: SubmittedForm, now: Instant) -> Decision:
    clinic, answers = form.clinic, form.answers
    secret = portal.clinics.key(clinic.id).receipt_secret()
    decision = new_decision(
        clinic,
        answers.answers,
        id=receipt_id(secret, form.nonce, answers.identity()),
        notice=form.notice,
        channel=form.channel,
        source=form.source,
        assurance=Assurance.SELF_ASSERTED,
        at=now,
        everything=answers.everything,
        confirm=questions_to_confirm(clinic, answers),
    )
    if answers.guardian:
        comes_of_age = answers.guardian.comes_of_age_at(clinic, now)
        return replace(
            decision, actor=ACTOR, evidence=answers.guardian.evidence, of_age=comes_of_age
        )
    if answers.declared_adult:
        return replace(decision, evidence={"declared_age": str(clinic.age_minimum)})
    return decision


def _identify(answers: FormAnswers, visitor: Visitor) -> Identification:
    contacts = answers.contacts
    if answers.guardian:
        contacts = answers.guardian.contacts(contacts)
    return Identification(
        contacts,
        answers.name,
        fresh_subject(),
        base=visitor.base_url,
        address=answers.address,
    )


def _is_reachable(clinic: Clinic, answers: FormAnswers) -> bool:
    countries = clinic.text_message_countries
    return any(can_be_written_to(contact, countries) for contact in answers.contacts)
