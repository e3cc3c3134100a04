"""Where a list of the API goes on: an opaque text, given with a page and sent for the next one."""

import base64

from chalice.app import Request

from chalicelib.web.api.errors import UNKNOWN_CURSOR, RefusedError
from chalicelib.web.requests import query


def cursor_sent(request: Request) -> str:
    """Read where the list goes on, as `cursor_for` wrote it; "" for its beginning.

    Raises RefusedError for what no list gave.
    """
    after = cursor_read(query(request, "cursor") or "")
    if after is None:
        raise RefusedError(UNKNOWN_CURSOR)
    return after


def cursor_read(cursor: str) -> str | None:
    """Read a cursor as `cursor_for` wrote it; None for what no list gave."""
    try:
        return base64.urlsafe_b64decode(cursor).decode()
    except ValueError:
        return None


def cursor_for(last: str) -> str:
    """Write where a list goes on, by the place of what was given last. It names no contact."""
    return base64.urlsafe_b64encode(last.encode()).decode()
