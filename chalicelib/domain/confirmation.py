"""Which answers wait to be confirmed by message, and which can still be confirmed or undone.

Somebody who only typed a contact leaves claims: a Yes that waits until the contact's owner confirms
it. Pure.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, NoticeInForce, QuestionId, State, resolve
from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.domain.submission import FormAnswers

Document = Mapping[str, Any]
"""A receipt's document."""


def questions_to_confirm(clinic: Clinic, form: FormAnswers) -> frozenset[QuestionId]:
    """Give the questions of a form whose Yes waits: if one does, all do, for one message.

    So it is with two contacts: if a Yes waited only where one of them is known, the owner of the
    other would learn from the message who is a patient here.
    """
    agreed = frozenset(
        question for question, answer in form.answers.items() if answer is Answer.YES
    )
    if agreed & clinic.needs_confirmation or len(form.contacts) > 1:
        return agreed
    return frozenset()


def confirmed_by(
    document: Document, clinic: Clinic, typed: Sequence[Contact], contact: Contact
) -> tuple[QuestionId, ...]:
    """Give the claims of a receipt that one of the contacts typed with it confirms."""
    kinds = [each.kind for each in typed]
    return tuple(
        question
        for question, entry in document["decisions"].items()
        if entry["confirm_by"] and clinic.confirming_kind(question, kinds) == contact.kind
    )


def open_claims(
    receipt: Receipt, person: Subject | None, notice: NoticeInForce, now: Instant
) -> frozenset[QuestionId]:
    """Give the claims of a receipt that still wait.

    `person` is whose answers they would become: the receipt's own person, somebody else who has the
    contact, or None for somebody nobody knows yet.
    """
    claims = [
        question
        for question, entry in receipt.document["decisions"].items()
        if (entry["confirm_by"] or "") > now
    ]
    if person is None:
        return frozenset(claims)
    own = person.id == receipt.document["subject"]
    since = receipt.document["effective_at"]
    waiting = set()
    for question in claims:
        status = resolve(person.summaries.get(question), notice, now)
        decided_since = (status.since or "") > since
        if own and status.state is State.PENDING:
            waiting.add(question)
        if not own and not status.permitted and not decided_since:
            waiting.add(question)
    return frozenset(waiting)


def undoable_stops(receipt: Receipt, person: Subject) -> frozenset[QuestionId]:
    """Give what a withdrawal ended and the person has not answered since.

    A later stop by somebody who only typed the contact is not the person's own: it does not keep
    them from undoing.
    """
    undoable = set()
    for question, entry in receipt.document["decisions"].items():
        summary = person.summaries.get(question)
        last = summary.last if summary else None
        if entry["before"] != State.GRANTED or last is None or last.answer is Answer.YES:
            continue
        if last.receipt_id == receipt.id or last.assurance is Assurance.SELF_ASSERTED:
            undoable.add(question)
    return frozenset(undoable)


def earlier_endings(chain: Sequence[Receipt], version: int) -> dict[QuestionId, Instant]:
    """Give when each consent would have ended that was granted before a receipt of the chain."""
    endings: dict[QuestionId, Instant] = {}
    for receipt in chain:
        if receipt.document["version"] >= version:
            continue
        for question, entry in receipt.document["decisions"].items():
            if entry["answer"] == Answer.YES and entry["after"] == State.GRANTED:
                endings[question] = entry["expires_at"]
    return endings


def is_by_program_link(document: Document) -> bool:
    """Tell whether a decision came by a program's link: a newsletter may then count at once."""
    return document["assurance"] == Assurance.LINK and "key" in (document["evidence"] or {})


def certainly_waits(clinic: Clinic, document: Document, at: Instant) -> bool:
    """Tell whether a receipt may be shown as one whose Yes is not in force until it is confirmed.

    It may where the Yes waits, and would have waited whoever gave it. After a program's link it may
    not: a newsletter waits there only after a No, and its holder would learn of that.
    """
    return not is_by_program_link(document) and clinic.always_waits(document["decisions"], at)


def may_ask_for_confirmation(document: Document) -> bool:
    """Tell whether a message may ask to confirm a receipt, as far as its page may say so.

    Where somebody only typed a contact, or followed a program's link, that is so for every Yes:
    which of them really waits would show who is known here. By any other link nobody learns that,
    so there it is as it is.
    """
    entries = document["decisions"].values()
    if document["assurance"] == Assurance.LINK and not is_by_program_link(document):
        return any(entry["confirm_by"] for entry in entries)
    if document["assurance"] not in {Assurance.LINK, Assurance.SELF_ASSERTED}:
        return False
    return any(entry["answer"] == Answer.YES for entry in entries)


class Counting(StrEnum):
    """What the page of a receipt may say of one of its answers."""

    COUNTS = "counts"
    WAITS = "waits"
    """It is not in force before it is confirmed."""

    UNSURE = "unsure"
    """A message may ask to confirm it: whether one does would show who is known here."""

    UNTOLD = "untold"
    """A Yes of another system, or to a text that is not known: the page does not say it counts."""


def counting(clinic: Clinic, document: Document, at: Instant) -> dict[QuestionId, Counting]:
    """Tell of each answer of a receipt what its page may say, to whoever has its number.

    It follows from the receipt alone and never from what was answered since. A No and a withdrawal
    count at once.
    """
    evidence = document["evidence"] or {}
    text_known = document["notice"]["version"] is not None or "same_as" in evidence
    if document["assurance"] == Assurance.IMPORTED or not text_known:
        yes = Counting.UNTOLD
    elif may_ask_for_confirmation(document):
        yes = Counting.WAITS if certainly_waits(clinic, document, at) else Counting.UNSURE
    else:
        yes = Counting.COUNTS
    return {
        question: yes if entry["answer"] == Answer.YES else Counting.COUNTS
        for question, entry in document["decisions"].items()
    }


def asked_kinds(
    clinic: Clinic, answers: Mapping[QuestionId, Answer], typed: Sequence[Contact]
) -> frozenset[str]:
    """Tell which kinds of the contacts typed on a form are asked to confirm a Yes of it.

    It follows from what was typed alone: whether they are known changes nothing of it.
    """
    kinds = [contact.kind for contact in typed]
    agreed = [question for question, answer in answers.items() if answer is Answer.YES]
    asked = {clinic.confirming_kind(question, kinds) for question in agreed}
    return frozenset(str(kind) for kind in asked if kind)


def may_be_confirmed_by_phone(document: Document, clinic: Clinic) -> bool:
    """Tell whether a code sent by text message may confirm a receipt: not if it needs an e-mail."""
    by_phone = {"phone", "contact"}
    for question, entry in document["decisions"].items():
        if entry["answer"] != Answer.YES:
            continue
        if clinic.questions[question].needs & by_phone:
            return True
    return False
