"""The page on which staff replace, remove or add a contact of a person (GDPR Art. 16)."""

from collections.abc import Sequence
from http import HTTPStatus

from chalice.app import Response

from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.submission import FieldError
from chalicelib.services import contact_changes
from chalicelib.services.authorized_call import (
    EmptyBody,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.services.contact_changes import Change, ContactChange
from chalicelib.services.desk_people import DeskPerson, open_record
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import MAX_TYPED, Fields, first, typed_again

PAGE = "staff/person_contacts.html"

DEEDS = ("replace", "remove", "add")
KINDS = {kind.value: kind for kind in ContactKind if kind is not ContactKind.WARD}


class _Fault(Exception):  # noqa: N818 - a field of the form, shown with the page
    """What is wrong with the form."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(problem)
        self.fault = FieldError(field, problem)


def contacts_page(desk: Desk, subject: str) -> Response:
    """Show a person's contacts, and the form that changes one."""
    return _show(desk, _record(desk, subject))


def change_contact(desk: Desk, subject: str) -> Response:
    """Change one contact."""
    form = desk.form(PAGE)
    record = _record(desk, subject)
    try:
        change = _read(desk, record, form.fields)
        body = ContactChange((), change, id=subject)
        call = desk.call(body, change.contacts, idempotency_key=form.nonce)
        contact_changes.change_contact(desk.portal, call)
    except _Fault as wrong:
        return _show_again(desk, record, form.fields, wrong.fault)
    except InvalidBodyError:
        return _show_again(desk, record, form.fields, FieldError("which", "contact_gone"))
    except UsedForAnotherBodyError:
        return _show_again(desk, record, form.fields, FieldError("errors", "sent_before"))
    return desk.go(f"people/{subject}/contacts", done="yes")


def _record(desk: Desk, subject: str) -> DeskPerson:
    record = open_record(desk.portal, desk.call(EmptyBody()), subject)
    if record.person.erased or record.person.merged_into:
        raise NotFoundError
    return record


def _read(desk: Desk, record: DeskPerson, fields: Fields) -> Change:
    """Read what is to be changed; raise _Fault."""
    deed = first(fields, "deed")
    if deed not in DEEDS:
        raise _Fault("deed", "deed_missing")
    if deed == "add":
        kind = KINDS.get(first(fields, "kind"))
        if kind is None:
            raise _Fault("kind", "kind_missing")
        return Change(None, _typed(desk, record, fields, kind))
    old = record.contacts.get(first(fields, "which"))
    if old is None:
        raise _Fault("which", "which_missing")
    if deed == "replace":
        return Change(old, _typed(desk, record, fields, old.kind))
    if not record.may_lose_one:
        raise _Fault("which", "only_contact")
    return Change(old)


def _typed(desk: Desk, record: DeskPerson, fields: Fields, kind: ContactKind) -> Contact:
    typed = first(fields, "contact")[:MAX_TYPED]
    if not typed.strip():
        raise _Fault("contact", "contact_empty")
    try:
        contact = normalise(kind, typed, desk.clinic.country)
    except InvalidContactError:
        problem = "number_invalid" if kind is ContactKind.REFERENCE else f"{kind.value}_invalid"
        raise _Fault("contact", problem) from None
    if contact in record.contacts.values():
        raise _Fault("contact", "contact_theirs")
    return contact


def _show_again(desk: Desk, record: DeskPerson, fields: Fields, fault: FieldError) -> Response:
    return _show(desk, record, fields, (fault,), HTTPStatus.UNPROCESSABLE_ENTITY)


def _show(
    desk: Desk,
    record: DeskPerson,
    fields: Fields | None = None,
    faults: Sequence[FieldError] = (),
    status: int = HTTPStatus.OK,
) -> Response:
    return desk.page(
        PAGE,
        status,
        person=record,
        done=desk.query("done") == "yes",
        typed=typed_again(fields),
        faults=faults,
    )
