"""Pages of batches of paper forms: begin one, enter form after form, look at it, close it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, NamedTuple

from chalice.app import Response

from chalicelib.domain.batches import Numbering, UncountedNumberError
from chalicelib.domain.clinic import Clinic, localized
from chalicelib.domain.consent import QuestionId
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.identity import SeveralPeopleError
from chalicelib.domain.instants import Instant
from chalicelib.domain.local_time import local_day
from chalicelib.domain.one_line import one_line
from chalicelib.domain.receipts import read_reference, reference
from chalicelib.domain.submission import FieldError
from chalicelib.presentation.templates import page_script
from chalicelib.services import batches
from chalicelib.services.authorized_call import EmptyBody, InvalidBodyError
from chalicelib.services.batches import (
    BatchClosedError,
    BatchFullError,
    BatchView,
    NewBatch,
    NumberTakenError,
)
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.web.staff.batch_form import EnteredForm, read_form
from chalicelib.web.staff.decision_form import MAX_EVIDENCE, Reader, faults_of
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.staff.scans import (
    NOTHING_LOST,
    SCAN,
    SCAN_LOST,
    keep_scan,
    not_kept,
    take_scan,
    with_scan,
)
from chalicelib.web.typed_fields import Fields, first, typed_again

LIST, BATCH = "staff/batches.html", "staff/batch.html"


class Section(NamedTuple):
    """A purpose as a form bears it: its title, and each of its questions with its own."""

    title: str
    questions: list[tuple[QuestionId, str]]


@dataclass(frozen=True, slots=True)
class Taken:
    """The form that has a number already, and the number that is free."""

    reference: str
    subject: str
    free: str


def list_page(desk: Desk) -> Response:
    """Show the clinic's batches, and the form that begins one."""
    return _list(desk)


def start(desk: Desk) -> Response:
    """Begin a batch and lead on to its first form."""
    fields = desk.form(LIST).fields
    new, faults = _read_new(desk, fields)
    if not faults:
        try:
            batch = batches.start_batch(desk.portal, desk.call(new))
        except InvalidBodyError as error:
            faults = faults_of(error)
        else:
            return desk.go(f"batches/{batch.id}")
    return _list(desk, fields, faults)


def batch_page(desk: Desk, batch: str) -> Response:
    """Show a batch: the next form to enter, and what was entered."""
    return _show(desk, batch, {})


def enter(desk: Desk, batch: str) -> Response:
    """Record one form of a batch, and lead on to the next."""
    sent = desk.form(BATCH, SCAN)
    kept = batches.find_batch(desk.portal, desk.clinic.id, batch)
    clinic = batches.asked_in(desk.portal, desk.published, kept.batch)
    known = batches.is_text_known(desk.published, kept.batch)
    reader = Reader(desk.published, sent.fields, desk.now)
    entered = read_form(reader, clinic, kept.batch, known=known)
    scan, wrong = take_scan(sent.raw)
    if entered.errors or wrong:
        return _show(desk, batch, sent.fields, [*entered.errors, *wrong])
    decision = with_scan(entered.decision, scan)
    call = desk.call(decision, decision.contacts)
    try:
        recorded = batches.record_form(desk.portal, call, kept, entered.number, sent.nonce)
    except (InvalidBodyError, RejectedError) as error:
        faults, taken = _why_not(desk, entered, error)
        return _show(desk, batch, sent.fields, faults, taken)
    if not keep_scan(desk, recorded.receipt, scan):
        lost = not_kept(sent.fields, recorded.receipt)
        return _show(desk, batch, sent.fields, lost=lost)
    return desk.go(f"batches/{batch}", saved=reference(recorded.receipt.id))


def close(desk: Desk, batch: str) -> Response:
    """Close a batch, or open it again."""
    fields = desk.form(BATCH).fields
    closed = first(fields, "closed") == "yes"
    batches.set_closed(desk.portal, desk.call(EmptyBody()), batch, closed=closed)
    return desk.go(f"batches/{batch}")


def _list(desk: Desk, fields: Fields | None = None, faults: Sequence[FieldError] = ()) -> Response:
    call = desk.call(EmptyBody())
    page, more = batches.list_batches(desk.portal, call, (desk.query("after") or "")[:64])
    today = local_day(desk.now, desk.clinic.country)
    typed = {"day": today, "form_lang": desk.clinic.default_language, **typed_again(fields)}
    return desk.page(
        LIST,
        HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        batches=page,
        more=more,
        today=today,
        versions=_versions(desk),
        typed=typed,
        faults=faults,
    )


def _versions(desk: Desk) -> list[tuple[str, Instant]]:
    """Give the versions that a form may bear, the newest first, with the day each began."""
    country = desk.clinic.country
    begun = [each for each in desk.published.published if each.since <= desk.now]
    return [(each.version, local_day(each.since, country)) for each in reversed(begun)]


def _read_new(desk: Desk, fields: Fields) -> tuple[NewBatch, list[FieldError]]:
    reader = Reader(desk.published, fields, desk.now)
    said = reader.time()
    day = said.day.date if said.day else local_day(said.at, desk.clinic.country)
    number, witness = (one_line(first(fields, name)) for name in ("first_number", "witness"))
    if max(len(number), len(witness)) > MAX_EVIDENCE:
        long = "first_number" if len(number) > MAX_EVIDENCE else "witness"
        reader.error(long, "line_too_long")
    try:
        Numbering.from_first(number)
    except UncountedNumberError:
        reader.error("first_number", "number_uncounted")
    version = first(fields, "version") or None
    return NewBatch(day, version, reader.lang(desk.clinic), number, witness), reader.errors


def _show(  # noqa: PLR0917 - which pile, what was typed and what is wrong with it
    desk: Desk,
    batch: str,
    fields: Fields,
    faults: Sequence[FieldError] = (),
    taken: Taken | None = None,
    lost: Mapping[str, Any] = NOTHING_LOST,
) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    view = batches.view_batch(desk.portal, desk.call(EmptyBody()), batch, _page_asked(desk))
    clinic = batches.asked_in(desk.portal, desk.published, view.batch)
    typed = {"form": view.kept.next_number, "witness": view.batch.witness}
    return desk.page(
        BATCH,
        SCAN_LOST if lost else status,
        script="" if view.batch.closed_at else page_script("batch.js"),
        view=view,
        batch=view.batch,
        asked=clinic,
        sections=_sections(clinic, view.batch.lang),
        titles=_titles(desk, view),
        typed={**typed, **typed_again(fields)},
        faults=faults,
        taken=taken,
        **{"not_kept": "", "again": "", **lost},
        saved=_saved(desk),
        is_known=batches.is_text_known(desk.published, view.batch),
    )


def _page_asked(desk: Desk) -> int:
    """Give the page of the list that the address names; the first where it names none."""
    named = (desk.query("page") or "")[:3]
    return int(named) if named.isascii() and named.isdecimal() else 1


def _saved(desk: Desk) -> str:
    """Give the reference of the form saved just now, as the address has it."""
    named = desk.query("saved") or ""
    return named if read_reference(named) else ""


def _sections(asked: Clinic, lang: str) -> list[Section]:
    """Give the questions as the forms bear them, in the language of the forms."""
    sections: dict[str, Section] = {}
    for question in asked.questions.values():
        purpose = question.purpose
        title = localized(purpose.title, lang)
        section = sections.setdefault(purpose.id, Section(title, []))
        part = localized(question.option.title, lang) if question.option else title
        section.questions.append((question.id, part))
    return list(sections.values())


def _titles(desk: Desk, view: BatchView) -> dict[str, str]:
    """Give the title of each question that a form of the page answers, in the clinic's order."""
    ever = desk.portal.clinics.with_all_past_questions(desk.published)
    answered = {question for form in view.forms for question in form.answers}
    return {
        each.id: localized(each.option.title if each.option else each.purpose.title, desk.lang)
        for each in ever.questions.values()
        if each.id in answered
    }


def _why_not(
    desk: Desk, entered: EnteredForm, error: InvalidBodyError | RejectedError
) -> tuple[Sequence[FieldError], Taken | None]:
    """Say which field keeps a form from being recorded; raise what no field can mend."""
    match error:
        case InvalidBodyError():
            return faults_of(error), None
        case SeveralPeopleError():
            kinds = [contact.kind.value for contact in entered.decision.contacts]
            return [FieldError(kinds[-1], "whose_decision")], None
        case NumberTakenError():
            return [FieldError("form", "number_taken")], _taken(desk, error)
        case BatchClosedError():
            return [FieldError("errors", "batch_closed")], None
        case BatchFullError():
            return [FieldError("errors", "batch_full")], None
    raise error


def _taken(desk: Desk, error: NumberTakenError) -> Taken:
    subject = ""
    try:
        receipt = desk.portal.receipts.find(desk.clinic.id, error.receipt)
        subject = str(receipt.document["subject"])
    except UnknownReceiptError:
        pass
    return Taken(reference(error.receipt), subject, error.free)
