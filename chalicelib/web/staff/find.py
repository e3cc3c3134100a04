"""Finding a person at the desk: one field for whatever somebody has at hand.

What is typed goes by POST alone, so that no contact stands in an address, a history or a log.
"""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.phones import exists
from chalicelib.domain.submission import FieldError
from chalicelib.presentation.i18n import format_day
from chalicelib.presentation.templates import page_script
from chalicelib.services.find_people import (
    MOST,
    FoundPeople,
    FoundPerson,
    SoughtPerson,
    find,
    read_sought,
)
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import first

PAGE = "staff/find.html"
LONGEST = 400
"""How many characters of what was typed are read: a scanned address has less."""

RECORD_PAGE = "staff/record.html"
"""The page whose form takes over what was typed, where nobody is known by it."""

REASONS = ("at-desk", "phone-call", "letter", "paper-form", "complaint", "own-check")
"""Why somebody looks a person up, where the clinic wants to know. They stand in the audit."""


def find_page(desk: Desk) -> Response:
    """Show the field."""
    return _page(desk)


def find_person(desk: Desk) -> Response:
    """Lead to the one who was found, list several, or say that nobody is known."""
    fields = desk.form(PAGE).fields
    typed = {"who": first(fields, "who")[:LONGEST].strip(), "reason": first(fields, "reason")}
    faults = []
    if not typed["who"]:
        faults.append(FieldError("who", "who_missing"))
    if desk.clinic.look_up_reasons and typed["reason"] not in REASONS:
        faults.append(FieldError("reason", "reason_to_look_missing"))
    if faults:
        return _page(desk, HTTPStatus.UNPROCESSABLE_ENTITY, typed=typed, faults=faults)
    sought = read_sought(typed["who"], desk.clinic)
    call = desk.call(sought)
    reason = typed["reason"] if desk.clinic.look_up_reasons else ""
    found = find(desk.portal, call, reason)
    if found.only is not None:
        return desk.go(f"people/{found.only.id}")
    return _page(desk, typed=typed, found=found, known_as=_known_as(sought))


def _known_as(sought: SoughtPerson) -> str:
    """Name the field of a new record that takes what was typed; "" where it is no contact."""
    by_kind = {contact.kind: contact for contact in sought.sought}
    if ContactKind.EMAIL in by_kind:
        return ContactKind.EMAIL.value
    phone = by_kind.get(ContactKind.PHONE)
    if phone is not None and exists(phone.value):
        return ContactKind.PHONE.value
    return ContactKind.REFERENCE.value if ContactKind.REFERENCE in by_kind else ""


def _page(
    desk: Desk,
    status: int = HTTPStatus.OK,
    *,
    typed: dict[str, str] | None = None,
    faults: list[FieldError] | None = None,
    found: FoundPeople | None = None,
    known_as: str = "",
) -> Response:
    return desk.page(
        PAGE,
        status,
        script=page_script("scan.js"),
        camera=True,
        typed=typed or {},
        faults=faults or (),
        found=[_described(desk, each) for each in found.people] if found else None,
        more=found is not None and found.more,
        most=MOST,
        reasons=REASONS if desk.clinic.look_up_reasons else (),
        known_as=known_as,
        record_state=desk.token(RECORD_PAGE) if desk.leads_to("POST /staff/record") else "",
    )


def _described(desk: Desk, found: FoundPerson) -> dict[str, object]:
    """Say of one of several what tells them apart, and nothing that says who they are."""
    person, country = found.person, desk.clinic.country
    return {
        "id": person.id,
        "name": found.name,
        "contacts": found.contacts,
        "certain": found.certain,
        "erased": person.erased,
        "child": person.of_age > desk.now,
        "since": format_day(found.since, desk.lang, country) if found.since else "",
        "latest": format_day(person.recorded_at, desk.lang, country) if person.version else "",
    }
