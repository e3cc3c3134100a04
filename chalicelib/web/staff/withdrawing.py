"""The pages on which staff record that somebody withdraws."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.submission import FieldError
from chalicelib.services import staff_decisions
from chalicelib.services.authorized_call import (
    EmptyBody,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.services.known_person import KnownPerson, open_person
from chalicelib.store.withdrawal_orders import MANY
from chalicelib.web.staff.decision_form import CHANNELS, Reader, faults_of, read_withdrawal
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
from chalicelib.web.typed_fields import Fields, typed_again

PAGE = "staff/withdraw.html"


def withdrawal_page(desk: Desk) -> Response:
    """Show the form for everybody who shares a contact."""
    return _show(desk, None, {}, ())


def person_withdrawal_page(desk: Desk, subject: str) -> Response:
    """Show the form for somebody whose record is open."""
    return _show(desk, _known(desk, subject), {}, ())


def withdraw(desk: Desk) -> Response:
    """Record a withdrawal for everybody who shares a contact."""
    return _withdraw(desk, None)


def person_withdraw(desk: Desk, subject: str) -> Response:
    """Record a withdrawal of somebody whose record is open."""
    return _withdraw(desk, subject)


def _known(desk: Desk, subject: str) -> KnownPerson:
    return open_person(desk.portal, desk.call(EmptyBody()), subject)


def _withdraw(desk: Desk, subject: str | None) -> Response:
    form = desk.form(PAGE, SCAN)
    person = _known(desk, subject) if subject else None
    reader = Reader(desk.published, form.fields, desk.now)
    taken = read_withdrawal(reader, _ever_asked(desk), subject)
    scan, wrong = take_scan(form.raw)
    faults: Sequence[FieldError] = [*reader.errors, *wrong]
    if not faults:
        lookup = desk.portal.directory.look_up(desk.clinic.id, taken.contacts, most=MANY)
        call = desk.call(with_scan(taken, scan), lookup=lookup, idempotency_key=form.nonce)
        try:
            recorded = staff_decisions.record_withdrawal(desk.portal, call)
            if keep_scan(desk, recorded.receipt, scan):
                return desk.go(f"recorded/{recorded.receipt.id}")
            lost = not_kept(form.fields, recorded.receipt)
            return _show(desk, person, form.fields, (), SCAN_LOST, lost)
        except InvalidBodyError as invalid:
            faults = faults_of(invalid)
        except UsedForAnotherBodyError:
            faults = [FieldError("errors", "sent_before")]
    return _show(desk, person, form.fields, faults, HTTPStatus.UNPROCESSABLE_ENTITY)


def _show(  # noqa: PLR0917 - whose form, what was typed and what is wrong with it
    desk: Desk,
    person: KnownPerson | None,
    fields: Fields,
    faults: Sequence[FieldError],
    status: int = HTTPStatus.OK,
    lost: Mapping[str, Any] = NOTHING_LOST,
) -> Response:
    """Show the form: of a person with what is left to stop, else with all that was ever asked."""
    ever = _ever_asked(desk).questions
    lang = person.subject.lang if person else ""
    return desk.page(
        PAGE,
        status,
        **lost,
        person=person,
        questions=[ever[name] for name in (person.to_stop if person else ever)],
        statuses=person.statuses if person else {},
        channels=CHANNELS,
        languages=desk.clinic.languages,
        typed={"form_lang": lang, **typed_again(fields)},
        faults=faults,
    )


def _ever_asked(desk: Desk) -> Clinic:
    return desk.portal.clinics.with_all_past_questions(desk.published)
