"""The pages on which staff match two records of one person: both side by side, then one of them."""

from collections.abc import Sequence
from http import HTTPStatus

from chalice.app import Response

from chalicelib.domain.merging import MergeReason
from chalicelib.domain.submission import FieldError
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.decisions import BusyError
from chalicelib.services.find_people import find, read_sought
from chalicelib.services.known_person import KnownPerson, open_person
from chalicelib.services.merging import CannotMergeError, Merge, check, merge
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import Fields, first, typed_again

PAGE = "staff/merge.html"
LONGEST = 400
"""How many characters of what was typed are read, as where a person is found."""


def merge_page(desk: Desk, subject: str) -> Response:
    """Show the field that finds the other record, or both records side by side (``?with=``)."""
    this = _open(desk, subject)
    other = desk.query("with")
    if not other:
        return _show(desk, this)
    return _compare(desk, this, _open(desk, other))


def find_or_merge(desk: Desk, subject: str) -> Response:
    """Find the other record by what was typed, or merge it into this one."""
    form = desk.form(PAGE)
    this = _open(desk, subject)
    other = first(form.fields, "with")
    if other:
        return _merge(desk, this, _open(desk, other), form.fields)
    typed = first(form.fields, "who")[:LONGEST].strip()
    if not typed:
        return _show(desk, this, form.fields, [FieldError("who", "who_missing")])
    found = find(desk.portal, desk.call(read_sought(typed, desk.clinic)))
    others = [each for each in found.people if each.person.id != this.id and not each.person.erased]
    if not others:
        return _show(desk, this, form.fields, [FieldError("who", "merge_nobody")])
    if len(others) == 1:
        return desk.go(f"people/{this.id}/merge", **{"with": others[0].person.id})
    return desk.page(PAGE, this=this, other=None, found=others, typed={"who": typed})


def _open(desk: Desk, subject: str) -> KnownPerson:
    return open_person(desk.portal, desk.call(EmptyBody()), subject)


def _merge(desk: Desk, this: KnownPerson, other: KnownPerson, fields: Fields) -> Response:
    reason = first(fields, "reason")
    faults = []
    if reason not in set(MergeReason):
        faults.append(FieldError("reason", "merge_reason_missing"))
    if first(fields, "sure") != "yes":
        faults.append(FieldError("sure", "merge_unticked"))
    if faults:
        return _compare(desk, this, other, fields, faults)
    call = desk.call(Merge(this.id, other.id, MergeReason(reason)))
    try:
        merge(desk.portal, call)
    except CannotMergeError as error:
        return _compare(desk, this, other, fields, [FieldError("errors", f"merge_{error.why}")])
    except BusyError:
        return _compare(desk, this, other, fields, [FieldError("errors", "merge_busy")])
    return desk.go(f"people/{this.id}")


def _compare(
    desk: Desk,
    this: KnownPerson,
    other: KnownPerson,
    fields: Fields | None = None,
    faults: Sequence[FieldError] = (),
) -> Response:
    """Show both records side by side, with the form that merges them, or why it cannot be done."""
    why = ""
    if not faults:
        try:
            check(desk.portal, desk.call(Merge(this.id, other.id, MergeReason.SAID)))
        except CannotMergeError as error:
            why = error.why.value
    asked = desk.portal.clinics.with_all_past_questions(desk.published).questions
    questions = [asked[name] for name in asked if {name} & {*this.statuses, *other.statuses}]
    return desk.page(
        PAGE,
        HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        this=this,
        other=other,
        found=(),
        why=why,
        questions=questions,
        reasons=[each.value for each in MergeReason],
        typed=typed_again(fields),
        faults=faults,
    )


def _show(
    desk: Desk,
    this: KnownPerson,
    fields: Fields | None = None,
    faults: Sequence[FieldError] = (),
) -> Response:
    status = HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK
    typed = typed_again(fields)
    return desk.page(PAGE, status, this=this, other=None, found=(), typed=typed, faults=faults)
