"""The pages on which staff correct an entry that they got wrong."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

from chalice.app import Response

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Channel, QuestionId
from chalicelib.domain.corrections import NotCorrectableError, Reason
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.imported_times import Said
from chalicelib.domain.instants import moment
from chalicelib.domain.local_time import ZONES
from chalicelib.domain.receipts import reference
from chalicelib.domain.submission import FieldError
from chalicelib.presentation.i18n import format_when
from chalicelib.services.authorized_call import (
    EmptyBody,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.services.corrections import WrongEntry, correct, correctable, list_correctable
from chalicelib.services.known_person import KnownPerson, open_person
from chalicelib.services.staff_decisions import StaffDecision
from chalicelib.web.staff.decision_form import DAY, Reader, faults_of
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import Fields, first, typed_again

PAGE = "staff/correct.html"
BEFORE = "before"
"""The choice that a question is as it was before the wrong entry."""

MOST_LISTED = 50


def correctable_page(desk: Desk, subject: str) -> Response:
    """List the entries of a person that can be corrected, the newest first."""
    call = desk.call(EmptyBody())
    person = open_person(desk.portal, call, subject)
    receipts = list_correctable(desk.portal, call, person.subject)[:MOST_LISTED]
    entries = [_described(desk, receipt.document) for receipt in receipts]
    return desk.page("staff/correctable.html", person=person, entries=entries)


def correction_page(desk: Desk, subject: str, receipt: str) -> Response:
    """Show what was recorded, and ask what is wrong and what is right."""
    person, wrong = _open(desk, subject, receipt)
    day = {"day": [_typed_day(wrong.receipt.document, desk.clinic.country)]}
    return _show(desk, person, wrong, day, ())


def correct_entry(desk: Desk, subject: str, receipt: str) -> Response:
    """Record the correction: a new receipt that names the wrong one."""
    form = desk.form(PAGE)
    person = open_person(desk.portal, desk.call(EmptyBody()), subject)
    try:
        wrong = correctable(desk.portal, desk.call(EmptyBody()), person.subject, receipt)
    except NotCorrectableError:
        return _sent_again(desk, person, form.nonce)
    reader = Reader(desk.published, {**form.fields, "when": [DAY]}, desk.now)
    reason = first(form.fields, "reason")
    if reason not in list(Reason):
        reader.error("reason", "what_is_wrong")
    taken = _read(desk, reader, wrong, subject)
    faults: Sequence[FieldError] = reader.errors
    if not faults:
        call = desk.call(taken, idempotency_key=form.nonce)
        try:
            corrected = correct(desk.portal, call, receipt, Reason(reason))
            return desk.go(f"recorded/{corrected.id}")
        except InvalidBodyError as invalid:
            faults = faults_of(invalid)
        except UsedForAnotherBodyError:
            faults = [FieldError("errors", "sent_before")]
    return _show(desk, person, wrong, form.fields, faults, HTTPStatus.UNPROCESSABLE_ENTITY)


def _open(desk: Desk, subject: str, receipt: str) -> tuple[KnownPerson, WrongEntry]:
    call = desk.call(EmptyBody())
    person = open_person(desk.portal, call, subject)
    try:
        return person, correctable(desk.portal, call, person.subject, receipt)
    except NotCorrectableError:
        raise NotFoundError from None


def _sent_again(desk: Desk, person: KnownPerson, nonce: str) -> Response:
    """Lead whoever pressed twice to the correction made with the first press.

    Raises NotFoundError where this page made none.
    """
    call = desk.call(EmptyBody(), idempotency_key=nonce)
    made = call.receipt_id(desk.portal.clinics.key(desk.clinic.id).receipt_secret())
    history = desk.portal.receipts.newest(desk.clinic.id, person.subject)
    if any(each.id == made for each in history):
        return desk.go(f"recorded/{made}")
    raise NotFoundError


def _read(desk: Desk, reader: Reader, wrong: WrongEntry, subject: str) -> StaffDecision:
    """Read the right answers; faults are noted in the reader."""
    document, fields = wrong.receipt.document, reader.fields
    answers: dict[QuestionId, Answer] = {}
    for question in document["decisions"]:
        given = first(fields, f"decision.{question}")
        if given in {Answer.YES, Answer.NO}:
            answers[question] = Answer(given)
        elif given != BEFORE:
            reader.error(f"decision.{question}", "answer_missing")
    said = reader.time() if answers else Said(desk.now)
    return StaffDecision(
        contacts=(),
        name=None,
        answers=answers,
        everything=False,
        channel=Channel(document["channel"]),
        effective_at=said.at,
        evidence=wrong.evidence or None,
        lang=document["notice"]["lang"],
        notice_version=document["notice"]["version"] if answers else None,
        declared_adult=True if first(fields, "adult") == "yes" and answers else None,
        day=said.day,
        person=subject,
    )


def _show(  # noqa: PLR0917 - whose entry, what was typed and what is wrong with it
    desk: Desk,
    person: KnownPerson,
    wrong: WrongEntry,
    fields: Fields,
    faults: Sequence[FieldError],
    status: int = HTTPStatus.OK,
) -> Response:
    document = wrong.receipt.document
    return desk.page(
        PAGE,
        status,
        person=person,
        entry=_described(desk, document),
        questions=_questions(desk, document),
        asking=_asked_by(desk, document),
        reasons=list(Reason),
        typed=typed_again(fields),
        faults=faults,
    )


def _described(desk: Desk, document: Mapping[str, Any]) -> dict[str, Any]:
    clinic = _asked_by(desk, document)
    return {
        "id": document["id"],
        "receipt": document,
        "reference": reference(document["id"]),
        "when": format_when(document, desk.lang, desk.clinic.country),
        "said": clinic.describe_answers(document["decisions"]),
    }


def _asked_by(desk: Desk, document: Mapping[str, Any]) -> Clinic:
    """Give the clinic by the notice of an entry, with every question it may have stopped beside."""
    clinic = desk.portal.clinics.decided_under(desk.clinic.id, document["notice"])
    if document["decisions"].keys() <= clinic.questions.keys():
        return clinic
    return desk.portal.clinics.with_all_past_questions(desk.published)


def _questions(desk: Desk, document: Mapping[str, Any]) -> list[Any]:
    asked = _asked_by(desk, document).questions
    return [asked[question] for question in asked if question in document["decisions"]]


def _typed_day(document: Mapping[str, Any], country: str) -> str:
    """Write the day of an entry as staff would type it, with its time where that is known."""
    if date := document.get("effective_date"):
        return f"{datetime.fromisoformat(date):%d.%m.%Y}"
    local = moment(document["effective_at"]).astimezone(ZoneInfo(ZONES[country]))
    return f"{local:%d.%m.%Y %H:%M}"
