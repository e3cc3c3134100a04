"""An API Gateway request as the routes want it: where the portal is mounted, fields, query, headers."""

import io
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from chalice.app import Request

from chalicelib.instants import Instant
from chalicelib.limits import SHARDS, Guard, address_range

MAX_FIELDS = 400
MAX_PARTS = 8
MAX_UPLOAD = 256 * 1024
"""How large a form with a file may be, in bytes: a hundred times a signed receipt."""

URLENCODED = "application/x-www-form-urlencoded"
_SOURCE = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")

ANY_TYPE = ["*/*"]
"""What every route takes: Chalice would answer 415 in its own words, a view answers in the visitor's."""


class UnreadableBodyError(ValueError):
    """A body that is not what its address takes."""


def mount(request: Request) -> str:
    """Tell what stands before every address of the portal: the stage (``/api``), a base path, or nothing.

    API Gateway names the whole path; as many segments of it as the route has belong to the portal.
    """
    whole = str(request.context.get("path") or "").rstrip("/").split("/")
    route = str(request.path).rstrip("/").split("/")
    return "/".join(whole[: len(whole) - len(route) + 1])


def base_url(request: Request, public_url: str) -> str:
    """Give the absolute address of the portal, without a trailing slash, for a QR code or a message."""
    if public_url:
        return public_url
    scheme = request.headers.get("x-forwarded-proto", "https")
    host = request.headers.get("host") or request.context.get("domainName", "")
    return f"{scheme}://{host}{mount(request)}"


def own_origins(request: Request, public_url: str) -> set[str]:
    """Give the origins (RFC 6454) under which a browser may know the portal: the one just asked, the public one."""
    public = urlsplit(public_url)
    asked = urlsplit(base_url(request, ""))
    return {f"{each.scheme}://{each.netloc}".lower() for each in (asked, public) if each.netloc}


def guard(request: Request, deed: str, whom: Sequence[str], at: Instant) -> Guard:
    """Give what a public post is held against: whom it is about, and the address API Gateway took it from.

    No header can claim another address. See `limits` for `deed` and `whom`.
    """
    identity: Mapping[str, Any] = request.context.get("identity") or {}
    visitor = address_range(str(identity.get("sourceIp") or ""))
    return Guard(deed, whom, visitor, secrets.randbelow(SHARDS), at)


def query(request: Request, name: str) -> str | None:
    """Give a query parameter (the last, where it is repeated)."""
    parameters: Mapping[str, Any] = request.query_params or {}
    value = parameters.get(name)
    return str(value) if value is not None else None


def source(request: Request) -> str | None:
    """Give the QR code or campaign that ``?src=`` names, in lower case; None if it is no such name."""
    named = (query(request, "src") or "").lower()
    return named if _SOURCE.fullmatch(named) else None


def form_fields(request: Request) -> Mapping[str, list[str]]:
    """Read a urlencoded form; raise UnreadableBodyError for anything else."""
    kind = _media_type(request)
    if kind != URLENCODED:
        raise UnreadableBodyError(kind)
    try:
        body = bytes(request.raw_body)  # type: ignore[arg-type]  # bytes, whatever chalice says
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict")
    except ValueError:  # UnicodeDecodeError among them
        raise UnreadableBodyError(kind) from None


def form_with_files(request: Request) -> Mapping[str, list[str]]:
    """Read a form sent urlencoded or as multipart/form-data (RFC 7578), files as text; raise UnreadableBodyError.

    What is no text becomes one with replacement characters: whoever reads it says what is wrong with it.

    A browser that opens the page on a phone may send a field and an empty file, or the other way round.
    """
    body = bytes(request.raw_body)  # type: ignore[arg-type]  # as above
    if len(body) > MAX_UPLOAD:
        raise UnreadableBodyError(_media_type(request))
    if _media_type(request) == URLENCODED:
        return form_fields(request)
    from multipart import MultipartError, MultipartParser, parse_options_header  # noqa: PLC0415 - one page needs it

    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != "multipart/form-data":
        raise UnreadableBodyError(kind)
    limits = {"part_limit": MAX_PARTS, "partsize_limit": MAX_UPLOAD, "spool_limit": MAX_UPLOAD, "strict": True}
    fields: dict[str, list[str]] = {}
    try:
        for part in MultipartParser(io.BytesIO(body), options.get("boundary", ""), len(body), **limits):
            fields.setdefault(part.name, []).append(part.raw.decode(errors="replace"))
    except MultipartError:
        raise UnreadableBodyError(kind) from None
    return fields


def _media_type(request: Request) -> str:
    return str(request.headers.get("content-type", "")).partition(";")[0].strip().lower()


def json_body(request: Request) -> Mapping[str, Any]:
    """Read a JSON object; raise UnreadableBodyError for anything else."""
    try:
        body = json.loads(request.raw_body or b"")
    except (ValueError, RecursionError):  # no JSON, or one nested without end
        raise UnreadableBodyError("application/json") from None
    if not isinstance(body, dict):
        raise UnreadableBodyError("application/json")
    return body
