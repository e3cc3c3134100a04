"""The worklist of people who may be one: matched by staff, or left as two."""

import re

from chalice.app import Response

from chalicelib.presentation.i18n import format_day
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.doubtful_identity import find_doubtful, in_brief, leave
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import first

PAGE = "staff/doubtful.html"

_ID = re.compile("[0-9a-f]{32}")
"""An opaque id, behind which the search goes on."""


def doubtful_page(desk: Desk) -> Response:
    """Show those who may be one, side by side, and where the search goes on."""
    call = desk.call(EmptyBody())
    after = desk.query("after") or ""
    pairs, more = find_doubtful(desk.portal, call, after if _ID.fullmatch(after) else "")
    people = in_brief(desk.portal, call, pairs)
    days = {pair.ids: format_day(pair.since, desk.lang, desk.clinic.country) for pair in pairs}
    return desk.page(
        PAGE, pairs=pairs, people=people, days=days, more=more, done=desk.query("done") == "yes"
    )


def leave_two(desk: Desk) -> Response:
    """Keep that two are two people."""
    fields = desk.form(PAGE).fields
    pair = first(fields, "one"), first(fields, "other")
    leave(desk.portal, desk.call(EmptyBody()), pair)
    return desk.go("doubtful", done="yes")
