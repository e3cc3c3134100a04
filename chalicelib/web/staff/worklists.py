"""The lists of the day's work: each page by page, with a button for each row's next step."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from http import HTTPStatus
from typing import Any

from chalice.app import Response

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.local_time import local_day
from chalicelib.domain.one_line import is_one_line
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.receipts import reference
from chalicelib.domain.submission import FieldError
from chalicelib.presentation.i18n import format_date, format_day, format_time
from chalicelib.services import worklists
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.webhooks import WebhookDisabledError
from chalicelib.services.worklist_people import count_of, last_count
from chalicelib.services.worklist_rows import NothingToDoError, Row
from chalicelib.services.worklist_tasks import GivenUp
from chalicelib.services.worklists import WORKLISTS, DeedForm, Worklist
from chalicelib.store.publications import PublicationChangedError
from chalicelib.web.staff.entrance import Desk, OtherRoleError
from chalicelib.web.typed_fields import Fields, first

PAGE = "staff/worklist.html"
PERSON = "GET /staff/people/{subject}"
"""The page of one person, where the lists lead."""

MOST_NAME = 100
"""How many characters the name of whoever took something down may have."""

DONE = frozenset({"remind", "link", "acknowledge", "redeliver", "removed", "requeue", "give-up"})
TOLD = DONE | {"settled", "disabled", "wait"}
"""What a page may say of the deed before, by a word of its address."""

_MINUTES = re.compile(r"[0-9]{1,4}")
_PLACE = re.compile(r"[A-Za-z0-9_.#-]{1,200}")
"""Where a page goes on: a part of a key, which says nothing of anybody."""


def worklist_page(desk: Desk, name: str) -> Response:
    """Show a page of a list; raise NotFoundError for none, OtherRoleError."""
    return _show(desk, _find(desk, name))


def do_one(desk: Desk, name: str) -> Response:
    """Do what a row's button says, and show the list again with what came of it."""
    worklist = _find(desk, name)
    if not desk.may(*worklist.acting):
        raise OtherRoleError(*worklist.acting)
    fields = desk.form(PAGE).fields
    deed, _, row = first(fields, "do").partition(":")
    if deed not in worklist.deeds:
        raise NotFoundError
    form, faults = _read_form(desk, deed, fields)
    if faults:
        return _show(desk, worklist, typed=_typed(fields), faults=faults)
    told = {"did": deed}
    try:
        worklists.act(desk.portal, desk.call(EmptyBody()), worklist, deed, row, form)
    except (NothingToDoError, PublicationChangedError):
        told = {"did": "settled"}
    except WebhookDisabledError:
        told = {"did": "disabled"}
    except TooManyError as error:
        told = {"did": "wait", "minutes": str(error.minutes)}
    place = {"after": desk.query("after") or ""} if desk.query("after") else {}
    return desk.go(f"worklists/{worklist.name}", **told, **place)


def _find(desk: Desk, name: str) -> Worklist:
    worklist = WORKLISTS.get(name)
    if worklist is None:
        raise NotFoundError
    if not desk.may(*worklist.scopes):
        raise OtherRoleError(*worklist.scopes)
    return worklist


def _read_form(desk: Desk, deed: str, fields: Fields) -> tuple[DeedForm, list[FieldError]]:
    """Read what goes with a button; give what is to be mended."""
    faults: list[FieldError] = []
    if deed == "removed":
        day, name = first(fields, "removed_on").strip(), first(fields, "removed_by").strip()
        if not _is_day(day, local_day(desk.now, desk.clinic.country)):
            faults.append(FieldError("removed_on", "removed_on_wrong"))
        if not name or not is_one_line(name) or len(name) > MOST_NAME:
            faults.append(FieldError("removed_by", "removed_by_wrong"))
        return DeedForm(removed_on=day, removed_by=name), faults
    if deed == "give-up":
        reason = first(fields, "reason")
        if reason not in set(GivenUp):
            faults.append(FieldError("reason", "give_up_reason_missing"))
            return DeedForm(), faults
        return DeedForm(reason=GivenUp(reason)), faults
    return DeedForm(), faults


def _is_day(written: str, today: str) -> bool:
    """Tell whether a text is a day (``2026-11-22``) that is not still to come."""
    try:
        return date.fromisoformat(written).isoformat() == written <= today
    except ValueError:
        return False


def _typed(fields: Fields) -> dict[str, str]:
    return {name: first(fields, name) for name in ("removed_on", "removed_by", "reason")}


def _show(
    desk: Desk,
    worklist: Worklist,
    typed: Mapping[str, str] | None = None,
    faults: Sequence[FieldError] = (),
) -> Response:
    """Show a page of a list, with what was typed and what is to be mended."""
    after = desk.query("after") or ""
    if after and not _PLACE.fullmatch(after):
        raise NotFoundError
    call = desk.call(EmptyBody())
    page = worklist.page(desk.portal, call, after)
    counted = None
    if worklist.people is not None:
        counted = count_of(worklist.people, last_count(desk.portal, call))
    lang, country = desk.lang, desk.clinic.country
    did = desk.query("did") or ""
    minutes = desk.query("minutes") or ""
    usual = {
        "removed_on": local_day(desk.now, country),
        "removed_by": desk.member.name,
        "reason": "",
    }
    return desk.page(
        PAGE,
        HTTPStatus.UNPROCESSABLE_ENTITY if faults else HTTPStatus.OK,
        worklist=worklist,
        rows=[_described(desk, call.shared.questions, row) for row in page.rows],
        after=after,
        more=page.more,
        looked_at=page.looked_at,
        counted=counted,
        counted_at=(
            format_time(counted.counted_at, lang, country) if counted and counted.counted_at else ""
        ),
        may_act=desk.may(*worklist.acting),
        leads_to_person=desk.leads_to(PERSON),
        reasons=[reason.value for reason in GivenUp],
        did=did if did in TOLD else "",
        minutes=int(minutes) if _MINUTES.fullmatch(minutes) else 1,
        typed=typed or usual,
        faults=faults,
    )


def _described(desk: Desk, questions: Mapping[str, Any], row: Row) -> dict[str, Any]:
    """Give a row as the page writes it: moments as days, questions by their titles."""
    lang, country = desk.lang, desk.clinic.country
    detail = dict(row.detail)
    if detail.get("since"):
        detail["since"] = format_date(detail["since"], lang)
    titles = [questions[each].title(lang) if each in questions else each for each in row.questions]
    return {
        "id": row.id,
        "subject": row.subject,
        "who": row.who,
        "titles": titles,
        "reference": reference(row.receipt) if row.receipt else "",
        "at": format_day(row.at, lang, country) if row.at else "",
        "until": format_day(row.until, lang, country) if row.until else "",
        "kind": row.kind,
        "reason": row.reason,
        "detail": detail,
    }
