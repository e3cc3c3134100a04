"""The pages on which staff restrict what is done with a person's data, or erase it (GDPR Art. 17, 18)."""

from collections.abc import Sequence
from http import HTTPStatus

from chalice.app import Response

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.restrictions import LiftingCase, RestrictionCase
from chalicelib.domain.submission import FieldError
from chalicelib.presentation.i18n import format_day
from chalicelib.services import subject_rights
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.desk_people import DeskPerson, open_record, proof_if_erased
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import Fields, first, typed_again

RESTRICT, ERASE = "staff/restrict.html", "staff/erase.html"


def restriction_page(desk: Desk, subject: str) -> Response:
    """Show whether processing is restricted, and the form that restricts it or lifts that."""
    return _show(desk, RESTRICT, _still_here(desk, subject))


def restrict(desk: Desk, subject: str) -> Response:
    """Restrict all processing of a person's data, or lift that."""
    form = desk.form(RESTRICT)
    record = _still_here(desk, subject)
    wanted = first(form.fields, "restricted") == "yes"
    cases: type[RestrictionCase | LiftingCase] = RestrictionCase if wanted else LiftingCase
    case = first(form.fields, "case")
    if case not in set(cases):
        return _show_again(
            desk, RESTRICT, record, form.fields, [FieldError("case", "case_missing")]
        )
    clinic, by = desk.clinic.id, desk.member.id
    found = subject_rights.restrict(
        desk.portal, clinic, subject, by, desk.now, restricted=wanted, case=case
    )
    if found is None:
        raise NotFoundError
    return desk.go(f"people/{subject}/restrict", done="yes")


def erasure_page(desk: Desk, subject: str) -> Response:
    """Show what erasing a person takes away and what it leaves; of an erased one, what is left."""
    return _show(desk, ERASE, open_record(desk.portal, desk.call(EmptyBody()), subject))


def erase(desk: Desk, subject: str) -> Response:
    """Erase a person, once it is ticked and the beginning of their number is typed."""
    form = desk.form(ERASE)
    record = open_record(desk.portal, desk.call(EmptyBody()), subject)
    if record.person.erased:
        return desk.go(f"people/{subject}/erase")
    faults = []
    if first(form.fields, "number").strip().casefold() != subject[:TYPED]:
        faults.append(FieldError("number", "number_differs"))
    if first(form.fields, "sure") != "yes":
        faults.append(FieldError("sure", "erase_unticked"))
    if faults:
        return _show_again(desk, ERASE, record, form.fields, faults)
    subject_rights.erase(desk.portal, desk.clinic.id, subject, desk.member.id, desk.now)
    return desk.go(f"people/{subject}/erase")


TYPED = 4
"""How many characters of a person's number are typed before they are erased."""


def _still_here(desk: Desk, subject: str) -> DeskPerson:
    record = open_record(desk.portal, desk.call(EmptyBody()), subject)
    if record.person.erased or record.person.merged_into:
        raise NotFoundError
    return record


def _show_again(
    desk: Desk, page: str, record: DeskPerson, fields: Fields, faults: Sequence[FieldError]
) -> Response:
    return _show(desk, page, record, fields, faults, HTTPStatus.UNPROCESSABLE_ENTITY)


def _show(  # noqa: PLR0917 - a page, and what is wrong on it
    desk: Desk,
    page: str,
    record: DeskPerson,
    fields: Fields | None = None,
    faults: Sequence[FieldError] = (),
    status: int = HTTPStatus.OK,
) -> Response:
    person, country = record.person, desk.clinic.country
    until = person.proof_until or proof_if_erased(desk.portal, desk.clinic.id, person, desk.now)
    since = person.restricted_since
    return desk.page(
        page,
        status,
        person=record,
        until=format_day(until, desk.lang, country),
        since=since and format_day(since, desk.lang, country),
        cases=[case.value for case in (LiftingCase if since else RestrictionCase)],
        number=person.id[:TYPED],
        done=desk.query("done") == "yes",
        typed=typed_again(fields),
        faults=faults,
    )
