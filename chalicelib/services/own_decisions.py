"""What patients change and stop on their own page.

The link proves the contact it came to, and no other.
"""

from collections.abc import Mapping
from dataclasses import replace

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, QuestionId
from chalicelib.domain.decisions import Decision, new_decision, receipt_id
from chalicelib.domain.guardians import ACTOR, is_of_consent_age, last_relation
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.submission import FormAnswers
from chalicelib.services import decisions, withdrawals
from chalicelib.services.own_page import OwnPage
from chalicelib.services.patient_decisions import CannotAgreeError, SubmittedForm
from chalicelib.services.visitor import Visitor
from chalicelib.store.lookup import Identification, fresh_subject


def record_changes(page: OwnPage, form: SubmittedForm, visitor: Visitor) -> Receipt:
    """Record changed answers.

    A Yes that another contact has to prove waits until it is confirmed from there. Raises
    CannotAgreeError where several share the page, or where a guardian agrees for a child that is
    old enough to decide alone; TooManyError; and errors as `decisions.record`.
    """
    reason = _refusal_reason(page, form)
    if reason:
        raise CannotAgreeError(reason)
    decision = _new_decision(page, form)
    identification = replace(
        _identify(page, visitor),
        person=page.person.id,
        guard=visitor.rate_limit_check("manage", (page.link_subject,), page.now),
    )
    unproven = _unproven(page, form.clinic, form.answers)
    if unproven:
        known = [contact for contact, _ in page.contact_details.contacts]
        confirming = [contact for contact in known if contact.kind in unproven.values()]
        decision = replace(decision, confirm=frozenset(unproven))
        identification = replace(identification, contacts=(*identification.contacts, *confirming))
    receipt = decisions.record(page.portal, decision, identification)
    log.count("DecisionRecorded")
    return receipt


def record_stops(page: OwnPage, form: SubmittedForm, visitor: Visitor) -> Receipt:
    """Stop what was ticked, at once, for the person or for all who share the page.

    Errors as `record_changes`. It is counted apart from changing, and by what is stopped: a refusal
    then comes only right after the very same was stopped (`rate_limits.withdrawal_subjects`).
    """
    decision = _new_decision(page, form)
    counted = "|".join([page.link_subject, *sorted(form.answers.answers)])
    check = visitor.rate_limit_check("manage-stop", (counted,), page.now)
    identification = replace(_identify(page, visitor), guard=check)
    if page.shared:
        receipt = withdrawals.withdraw(page.portal, decision, identification)[0]
    else:
        own = replace(identification, person=page.person.id)
        receipt = decisions.record(page.portal, decision, own)
    log.count("WithdrawalRecorded")
    return receipt


def _refusal_reason(page: OwnPage, form: SubmittedForm) -> str | None:
    """Name why the changes cannot be taken here."""
    if page.shared:
        return "several_people"
    agrees = Answer.YES in form.answers.answers.values()
    if agrees and is_of_consent_age(form.clinic, page.person.of_age, page.now):
        return "child_decides_alone"
    return None


def _new_decision(page: OwnPage, form: SubmittedForm) -> Decision:
    child = any(person.of_age for person in page.people)
    evidence = dict(last_relation(page.receipts)) if child else {}
    if form.answers.declared_adult:
        evidence["declared_age"] = str(form.clinic.age_minimum)
    return new_decision(
        form.clinic,
        form.answers.answers,
        id=receipt_id(page.key.receipt_secret(), form.nonce, form.answers.identity()),
        notice=form.notice,
        channel=form.channel,
        assurance=Assurance.LINK,
        at=page.now,
        actor=ACTOR if child else "patient",
        evidence=evidence,
        everything=form.answers.everything,
    )


def _identify(page: OwnPage, visitor: Visitor) -> Identification:
    return Identification(
        (page.holder,),
        None,
        fresh_subject(),
        base=visitor.base_url,
        proves=(page.holder,),
    )


def _unproven(page: OwnPage, clinic: Clinic, form: FormAnswers) -> Mapping[QuestionId, str]:
    """Give each Yes that another contact than the link's has to confirm, with that contact's kind.

    Anybody may have typed somebody else's phone beside an e-mail of their own; their link proves
    the e-mail alone. What was ever granted is proven.
    """
    kinds = [page.holder.kind, *(contact.kind for contact, _ in page.contact_details.contacts)]
    unproven = {}
    for question, answer in form.answers.items():
        kind = clinic.confirming_kind(question, kinds)
        if answer is not Answer.YES or kind is None or kind == page.holder.kind:
            continue
        summary = page.person.summaries.get(question)
        if summary is None or summary.first_yes is None:
            unproven[question] = kind
    return unproven
