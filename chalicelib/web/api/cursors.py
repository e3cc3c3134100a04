"""Where a list of the API goes on: an opaque text, given with a page and sent for the next one.

And from or to which moment it is asked for.
"""

import base64

from chalice.app import Request

from chalicelib.domain.instants import Instant, InvalidInstantError, parse_instant
from chalicelib.web.api.errors import UNKNOWN_CURSOR, UNKNOWN_MOMENT, RefusedError
from chalicelib.web.requests import query


def cursor_sent(request: Request) -> str:
    """Read where the list goes on, as `cursor_for` wrote it; "" for its beginning.

    Raises RefusedError for what no list gave.
    """
    after = cursor_read(query(request, "cursor") or "")
    if after is None:
        raise RefusedError(UNKNOWN_CURSOR)
    return after


def moment_sent(request: Request, name: str) -> Instant | None:
    """Read a moment of the address; None where it is not named.

    Raises RefusedError for what is none.
    """
    written = query(request, name)
    if written is None:
        return None
    try:
        return parse_instant(written.replace(" ", "+"))  # a + that was not escaped is a space
    except InvalidInstantError:
        raise RefusedError(UNKNOWN_MOMENT, name=name) from None


def cursor_read(cursor: str) -> str | None:
    """Read a cursor as `cursor_for` wrote it; None for what no list gave."""
    try:
        return base64.urlsafe_b64decode(cursor).decode()
    except ValueError:
        return None


def cursor_for(last: str) -> str:
    """Write where a list goes on, by the place of what was given last. It names no contact."""
    return base64.urlsafe_b64encode(last.encode()).decode()
