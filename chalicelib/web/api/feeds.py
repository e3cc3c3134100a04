"""Calls by which a clinic's programs read on: the changes feed."""

from chalice.app import Request, Response

from chalicelib.portal import get_portal
from chalicelib.services.changes import DEFAULT_LIMIT, LEAST_LIMIT, MOST_LIMIT, read_changes
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.errors import INVALID_LIMIT, RefusedError
from chalicelib.web.requests import query
from chalicelib.web.responses import document


def list_changes(request: Request, clinic: str) -> Response:
    """List the changes of a clinic behind a cursor, in order for each person."""
    call = authorize(request, clinic, "status:read", no_body)
    limit = read_limit(request, LEAST_LIMIT, DEFAULT_LIMIT, MOST_LIMIT)
    page = read_changes(get_portal(), call, query(request, "since"), limit)
    return document(
        {
            "changes": page.entries,
            "cursor": page.cursor,
            "more": page.more,
            "complete_until": page.complete_until,
        }
    )


def read_limit(request: Request, least: int, default: int, most: int) -> int:
    """Read how many entries a page may have; raise RefusedError for any other number."""
    written = query(request, "limit")
    if written is None:
        return default
    if not (written.isascii() and written.isdigit() and least <= int(written[:9]) <= most):
        raise RefusedError(INVALID_LIMIT, least=least, most=most)
    return int(written)
