"""The pages on which staff record what somebody decided on paper, by phone or in person."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib.domain.consent import NEVER_ASKED, Answer
from chalicelib.domain.identity import SeveralPeopleError
from chalicelib.domain.receipts import reference
from chalicelib.domain.submission import NOTHING_KNOWN, FieldError
from chalicelib.presentation.i18n import format_when
from chalicelib.receipts.sd_jwt import with_disclosures
from chalicelib.services import staff_decisions
from chalicelib.services.authorized_call import (
    EmptyBody,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.services.known_person import KnownPerson, open_person
from chalicelib.services.receipt_copies import find_receipt, write_copy_for_program
from chalicelib.store import withdrawal_orders
from chalicelib.store.personal_data import kept_disclosures
from chalicelib.web.responses import rendered
from chalicelib.web.staff.decision_form import (
    CHANNELS,
    Asked,
    Reader,
    asked_in_force,
    faults_of,
    read_decision,
)
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

PAGE = "staff/record.html"
_PREFILLED = ("channel", "day", "version", "form_lang")
"""What an address may fill in: nothing personal, and no answer."""


def record_page(desk: Desk) -> Response:
    """Show the form for somebody who is named by a contact or the clinic's number."""
    return _opened(desk, None)


def person_record_page(desk: Desk, subject: str) -> Response:
    """Show the form for somebody whose record is open."""
    return _opened(desk, _known(desk, subject))


def record(desk: Desk) -> Response:
    """Record a decision, or show the questions of another day."""
    return _record(desk, None)


def person_record(desk: Desk, subject: str) -> Response:
    """Record a decision of somebody whose record is open."""
    return _record(desk, subject)


def recorded_page(desk: Desk, receipt: str) -> Response:
    """Say what was recorded: the receipt, and what follows."""
    call = desk.call(EmptyBody())
    stored = find_receipt(desk.portal, desk.clinic.id, receipt)
    document = stored.receipt.document
    desk.portal.table.put_new(call.audit("receipt", (), stored.receipt.id))
    disclosures = kept_disclosures(
        desk.portal.table, desk.portal.clinics.key(desk.clinic.id), stored.receipt
    )
    answers = {entry["answer"] for entry in document["decisions"].values()}
    return desk.page(
        "staff/recorded.html",
        receipt=document,
        reference=reference(stored.receipt.id),
        said=stored.clinic.describe_answers(document["decisions"]),
        evidence=with_disclosures(document["evidence"], disclosures) or {},
        when=format_when(document, desk.lang, desk.clinic.country),
        withdrawal=answers == {Answer.WITHDRAW.value},
        open_order=withdrawal_orders.is_open(desk.portal.table, desk.clinic.id, stored.receipt.id),
    )


def print_recorded(desk: Desk, receipt: str) -> Response:
    """Give the receipt as PDF, in the language that the patient read."""
    stored = find_receipt(desk.portal, desk.clinic.id, receipt)
    call, lang = desk.call(EmptyBody()), stored.language(None)
    copy = write_copy_for_program(desk.portal, call, stored, "pdf", lang)
    return rendered(copy, f"consent-receipt-{stored.receipt.id}")


def _known(desk: Desk, subject: str) -> KnownPerson:
    return open_person(desk.portal, desk.call(EmptyBody()), subject)


def _opened(desk: Desk, person: KnownPerson | None) -> Response:
    fields: dict[str, list[str]] = {
        name: [value] for name in _PREFILLED if (value := desk.query(name))
    }
    if not fields.get("form_lang") and person and person.subject.lang:
        fields["form_lang"] = [person.subject.lang]
    reader = Reader(desk.published, {**fields, "when": ["now"]}, desk.now)
    asked = asked_in_force(desk.portal, desk.published, reader)
    return _show(desk, person, asked, fields, reader.errors)


def _record(desk: Desk, subject: str | None) -> Response:
    form = desk.form(PAGE, SCAN)
    person = _known(desk, subject) if subject else None
    reader = Reader(desk.published, form.fields, desk.now)
    asked = asked_in_force(desk.portal, desk.published, reader)
    if first(form.fields, "show"):
        return _show(desk, person, asked, form.fields, reader.errors)
    known = person.known if person else NOTHING_KNOWN
    taken = read_decision(reader, asked, subject, known)
    scan, wrong = take_scan(form.raw)
    faults: Sequence[FieldError] = [*reader.errors, *wrong]
    if not faults:
        proven = with_scan(taken, scan)
        call = desk.call(proven, proven.contacts, idempotency_key=form.nonce)
        try:
            recorded = staff_decisions.record_decision(desk.portal, call)
            if keep_scan(desk, recorded.receipt, scan):
                return desk.go(f"recorded/{recorded.receipt.id}")
            lost = not_kept(form.fields, recorded.receipt)
            return _show(desk, person, asked, form.fields, (), SCAN_LOST, lost)
        except InvalidBodyError as invalid:
            faults = faults_of(invalid)
        except SeveralPeopleError:
            faults = [FieldError("errors", "whose_decision")]
        except UsedForAnotherBodyError:
            faults = [FieldError("errors", "sent_before")]
    return _show(desk, person, asked, form.fields, faults, HTTPStatus.UNPROCESSABLE_ENTITY)


def _show(  # noqa: PLR0917 - whose form, about what, what was typed and what is wrong with it
    desk: Desk,
    person: KnownPerson | None,
    asked: Asked,
    fields: Fields,
    faults: Sequence[FieldError],
    status: int = HTTPStatus.OK,
    lost: Mapping[str, Any] = NOTHING_LOST,
) -> Response:
    return desk.page(
        PAGE,
        status,
        **lost,
        person=person,
        asked=asked,
        purposes=_by_purpose(asked),
        statuses=person.statuses if person else {},
        never_asked=NEVER_ASKED,
        **how_values(desk, asked),
        typed=typed_again(fields),
        faults=faults,
    )


def how_values(desk: Desk, asked: Asked) -> Mapping[str, Any]:
    """Give what the part of a page needs that asks how and when somebody told it."""
    versions = [each.version for each in desk.published.published]
    return {
        "channels": CHANNELS,
        "languages": asked.clinic.languages,
        "versions": list(dict.fromkeys(reversed(versions))),
    }


def _by_purpose(asked: Asked) -> list[tuple[Any, list[Any]]]:
    """Give each purpose with its questions, in the notice's order."""
    found: dict[str, tuple[Any, list[Any]]] = {}
    for question in asked.clinic.questions.values():
        _, questions = found.setdefault(question.purpose.id, (question.purpose, []))
        questions.append(question)
    return list(found.values())
