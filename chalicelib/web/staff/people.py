"""A person's card at the desk, copies of their receipts, and who looked at their data."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.domain.errors import NotFoundError
from chalicelib.receipts.errors import FormatCannotExpressError, UnknownFormatError, UnsignedError
from chalicelib.receipts.formats.registry import FORMATS, PAPER, find_format
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.person_record import open_record, receipt_of
from chalicelib.services.person_watch import who_looked_at
from chalicelib.services.receipt_copies import write_copy_for_program
from chalicelib.web.responses import rendered
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.staff.people_view import describe, describe_looked

MOST_DIGITS = 9
"""How many digits of `?before=` are read."""


def person_page(desk: Desk, subject: str) -> Response:
    """Show the card of a person; of an erased one, until when the proof is kept."""
    record = open_record(desk.portal, desk.call(EmptyBody()), subject, _number(desk, "before"))
    template = "staff/erased_person.html" if record.person.erased else "staff/person.html"
    return desk.page(template, **describe(desk, record))


def looked_page(desk: Desk, subject: str) -> Response:
    """Show who looked at a person's data or changed it. The role needs both scopes."""
    if not desk.may("status:read"):
        raise NotFoundError
    person, watched = who_looked_at(desk.portal, desk.call(EmptyBody()), subject)
    return desk.page("staff/person_looked.html", **describe_looked(desk, person, watched))


def receipt_copy(desk: Desk, subject: str, receipt: str) -> Response:
    """Hand out a receipt of a person in any format."""
    call = desk.call(EmptyBody())
    stored = receipt_of(desk.portal, call, subject, receipt)
    name = desk.query("format") or "pdf"
    if name not in FORMATS:
        raise NotFoundError
    try:
        copy = write_copy_for_program(desk.portal, call, stored, name, stored.language(desk.lang))
    except UnsignedError:
        return _say(desk, subject, "unsigned", HTTPStatus.CONFLICT, {"Retry-After": "60"})
    except (FormatCannotExpressError, UnknownFormatError):
        return _say(desk, subject, "unspeakable", HTTPStatus.NOT_ACCEPTABLE)
    file = f"consent-receipt-{stored.receipt.id}"
    answer = rendered(copy, file)
    if name not in PAPER:
        extension = find_format(name).extension
        answer.headers["Content-Disposition"] = f'attachment; filename="{file}.{extension}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _say(
    desk: Desk, subject: str, why: str, status: int, headers: dict[str, str] | None = None
) -> Response:
    return desk.page("staff/no_copy.html", status, headers=headers, subject=subject, why=why)


def _number(desk: Desk, name: str) -> int | None:
    given = desk.query(name) or ""
    plain = given.isascii() and given.isdecimal() and len(given) <= MOST_DIGITS
    return int(given) if plain else None
