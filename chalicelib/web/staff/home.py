"""The desk's first page: who is signed in, the field to find somebody, and what there is to do."""

from typing import Any

from chalice.app import Response

from chalicelib.presentation.i18n import format_day, format_time
from chalicelib.services import look_up_limits, worklists
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.doers import find_doers
from chalicelib.services.worklist_rows import ListCount
from chalicelib.web.staff.entrance import Desk

PAGE = "staff/home.html"
FIND = "GET /staff/find"
FIND_PAGE = "staff/find.html"
"""The page whose form stands on this one, too (`staff.find`)."""

ALERTED = "keys:write"
"""Who sees alerts: the clinic's administrators."""

OTHER_LISTS = {"doubtful": "GET /staff/doubtful"}
"""Lists with a page of their own: the name, and the address that opens it."""


def home(desk: Desk) -> Response:
    """Say what there is to do for somebody of this role, the counts of now or of the last day."""
    counts = worklists.count_all(desk.portal, desk.call(EmptyBody()))
    open_ones = {name: _card(desk, each) for name, each in counts.items() if not each.is_empty}
    alerts: list[dict[str, Any]] = []
    if desk.may(ALERTED):
        told = look_up_limits.alerts(desk.portal.table, desk.clinic.id)
        who = find_doers(desk.portal.table, desk.clinic.id, {each.about for each in told})
        alerts = [
            {
                "kind": each.kind,
                "at": _when(desk, each.at),
                "name": who[each.about].name if each.about in who else "",
            }
            for each in told
        ]
    return desk.page(
        PAGE,
        counts=open_ones,
        empty=[name for name, each in counts.items() if each.is_empty],
        others=[name for name, line in OTHER_LISTS.items() if desk.leads_to(line)],
        alerts=alerts,
        finds=desk.leads_to(FIND),
        find_state=desk.token(FIND_PAGE) if desk.leads_to(FIND) else "",
    )


def _card(desk: Desk, count: ListCount) -> dict[str, Any]:
    """Give what a card says of a list."""
    lang, country = desk.lang, desk.clinic.country
    return {
        "number": count.number,
        "more": count.more,
        "first": format_day(count.first, lang, country) if count.first else "",
        "counted_at": format_time(count.counted_at, lang, country) if count.counted_at else "",
    }


def _when(desk: Desk, at: str) -> str:
    return format_time(at, desk.lang, desk.clinic.country)
