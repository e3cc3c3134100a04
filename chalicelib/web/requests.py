"""What views read of a request of API Gateway.

Where the portal is mounted, query, fields, body and visitor.
"""

import io
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from chalice.app import Request

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import SOURCE
from chalicelib.domain.errors import InvalidInputError
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate

if TYPE_CHECKING:
    from chalicelib.services.visitor import Visitor

MAX_FIELDS = 400
MAX_FORM = 64 * 1024
"""How large a form without a file may be, in bytes."""

MAX_JSON = 1024 * 1024
"""How large the body of an API call may be, in bytes: a thousand personal links, or a notice in
five languages."""

MAX_DEPTH = 32
"""How deeply lists and objects may be nested in JSON."""

MAX_QUERY = 1000
"""How many characters of a query parameter are read: a token, a code, a language and a cursor are
shorter."""

MAX_COOKIES = 4096
"""How many characters of a browser's cookies are read."""

MAX_TYPE = 200
"""How many characters of a Content-Type are read."""

MAX_PARTS = 8
MAX_UPLOAD = 256 * 1024
"""How large a form with a file may be, in bytes: a hundred times a signed receipt."""

MAX_RAW_FILE = 4_000_000
"""How large a list may be that is compared with its certificate: as large as one call answers."""

JSON = "application/json"
URLENCODED = "application/x-www-form-urlencoded"

ANY_TYPE = ["*/*"]
"""What every route takes: Chalice would answer 415 in its own words, a view answers in the
visitor's."""


class BodyError(InvalidInputError):
    """A body that its address does not take."""


class UnreadableBodyError(BodyError):
    """A body that is not what its address takes; `where` is the line and column, of a JSON text."""

    def __init__(self, kind: str, where: str = "") -> None:
        super().__init__(kind)
        self.where = where


class WrongTypeError(BodyError):
    """A body of another media type than its address takes (415, RFC 9110 15.5.16)."""


class TooLargeError(BodyError):
    """A body larger than its address takes (413, RFC 9110 15.5.14)."""


class NoListError(WrongTypeError):
    """A body that is no list in CSV, where one is due."""


class LargeListError(TooLargeError):
    """A list that is too large for one call."""


class RawBody(NamedTuple):
    """A body that is taken byte for byte: its media type, and how many bytes it may have."""

    media_type: str
    most: int


def check_raw_headers(request: Request, raw: RawBody) -> None:
    """Refuse by its headers a body of another type, or one that is too large.

    Raises NoListError, LargeListError.
    """
    if _media_type(request) != raw.media_type:
        raise NoListError
    length = str(request.headers.get("content-length", ""))[:MAX_TYPE]
    if length.isascii() and length.isdecimal() and int(length) > raw.most:
        raise LargeListError


def raw_body(request: Request, raw: RawBody) -> bytes:
    """Give the bytes of a body as they came; raise LargeListError."""
    try:
        return _body(request, raw.most)
    except TooLargeError:
        raise LargeListError from None


def mount(request: Request) -> str:
    """Give what stands before every address of the portal.

    The stage (``/api``), a base path, or nothing. API Gateway names the whole path; as many
    segments of it as the route has belong to the portal.
    """
    whole = str(request.context.get("path") or "").rstrip("/").split("/")
    # An address without a route is whole in its one variable part (`web.routing`).
    elsewhere = (request.uri_params or {}).get("proxy", "")
    route = (f"/{elsewhere}" if elsewhere else str(request.path)).rstrip("/").split("/")
    return "/".join(whole[: max(0, len(whole) - len(route) + 1)])


def base_url(request: Request, public_url: str) -> str:
    """Give the absolute address of the portal, for a QR code or a message, without a slash at its
    end.

    It is the configured one, else the domain under which API Gateway was called, as it says itself.
    It is taken from no header: whoever sends a request writes its Host, and would choose where the
    links in another's message lead.
    """
    if public_url:
        return public_url
    domain = request.context["domainName"]
    return f"https://{domain}{mount(request)}"


def own_origins(request: Request, public_url: str) -> set[str]:
    """Give the origins (RFC 6454) under which a browser may know the portal.

    The one just called, the public one. For comparing alone: a browser writes the Host itself, and
    no website can make it write another.
    """
    scheme = request.headers.get("x-forwarded-proto", "https")
    host = request.headers.get("host", "")
    gateway = request.context.get("domainName", "")
    origins = set()
    for address in (f"{scheme}://{host}", f"https://{gateway}", public_url):
        parts = urlsplit(address)
        if parts.netloc:
            origins.add(f"{parts.scheme}://{parts.netloc}".lower())
    return origins


def visitor(request: Request) -> "Visitor":
    """Give where a form comes from.

    Its network as API Gateway saw it, for no header can claim another.
    """
    from chalicelib.domain.rate_limits import address_range  # noqa: PLC0415 - the first page limits nobody
    from chalicelib.services.visitor import Visitor  # noqa: PLC0415 - as above

    identity: Mapping[str, Any] = request.context.get("identity") or {}
    network = address_range(str(identity.get("sourceIp") or ""))
    return Visitor(network, base_url(request, get_portal().settings.public_url))


def query(request: Request, name: str) -> str | None:
    """Give a query parameter (the last, where it is repeated), as far as it is read."""
    parameters: Mapping[str, Any] = request.query_params or {}
    value = parameters.get(name)
    if value is None:
        return None
    return str(value)[:MAX_QUERY]


def parameters(request: Request) -> Mapping[str, str]:
    """Give all query parameters by name, as `query` reads them."""
    names: Mapping[str, Any] = request.query_params or {}
    return {str(name): query(request, name) or "" for name in names}


def cookie(request: Request, name: str) -> str:
    """Give a cookie of the browser (RFC 6265, 5.4), as far as it is read; "" where there is none."""
    sent = str(request.headers.get("cookie", ""))[:MAX_COOKIES]
    for each in sent.split(";"):
        given, _, value = each.strip().partition("=")
        if given == name:
            return value
    return ""


def has_type(request: Request, media_type: str) -> bool:
    """Tell whether a request's body is said to be of a media type."""
    return _media_type(request) == media_type


def language(request: Request, clinic: Clinic) -> str:
    """Give the one of the clinic's languages to answer in.

    The one named, the browser's, the clinic's first.
    """
    return negotiate(
        query(request, "lang"),
        request.headers.get("accept-language"),
        clinic.languages,
        clinic.default_language,
    )


def source(request: Request) -> str | None:
    """Give the QR code or campaign that ``?src=`` names, in lower case.

    None if it is no such name.
    """
    named = (query(request, "src") or "").lower()
    if not SOURCE.fullmatch(named):
        return None
    return named


def form_fields(request: Request, most: int = MAX_FORM) -> Mapping[str, list[str]]:
    """Read a urlencoded form; raise WrongTypeError, TooLargeError, UnreadableBodyError."""
    kind = _media_type(request)
    if kind != URLENCODED:
        raise WrongTypeError(kind)
    body = _body(request, most)
    try:
        return parse_qs(
            body.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="strict"
        )
    except ValueError:  # UnicodeDecodeError among them
        raise UnreadableBodyError(kind) from None


class FormWithFiles(NamedTuple):
    """A form: its fields and files as text, and one file byte for byte (b"" where none came)."""

    fields: Mapping[str, list[str]]
    raw: bytes = b""


def form_with_files(request: Request) -> Mapping[str, list[str]]:
    """Read a form sent urlencoded or as multipart/form-data (RFC 7578), files as text.

    Errors as `form_fields`. A file that is no text becomes one with replacement characters: its
    reader finds what is wrong with it. A browser may send a field and an empty file, or the other
    way round.
    """
    return form_with_raw_file(request, None).fields


def form_with_raw_file(request: Request, raw: str | None, parts: int = MAX_PARTS) -> FormWithFiles:
    """Read a form as `form_with_files` does, and the file of the name `raw` byte for byte.

    That file alone may be as large as `MAX_RAW_FILE`. `parts` is how many fields and files a
    multipart form may have.
    """
    if _media_type(request) == URLENCODED:
        return FormWithFiles(form_fields(request, MAX_UPLOAD))
    most = MAX_UPLOAD + MAX_RAW_FILE if raw else MAX_UPLOAD
    body = _body(request, most)
    from multipart import MultipartError, MultipartParser, parse_options_header  # noqa: PLC0415 - one page needs it

    kind, options = parse_options_header(_content_type(request))
    if kind != "multipart/form-data":
        raise WrongTypeError(kind)
    limits = {
        "part_limit": parts,
        "partsize_limit": most,
        "spool_limit": most,
        "strict": True,
    }
    fields: dict[str, list[str]] = {}
    content = b""
    try:
        for part in MultipartParser(
            io.BytesIO(body), options.get("boundary", ""), len(body), **limits
        ):
            if part.name == raw:
                content = part.raw or content
            else:
                fields.setdefault(part.name, []).append(part.raw.decode(errors="replace"))
    except MultipartError:
        raise UnreadableBodyError(kind) from None
    if len(body) - len(content) > MAX_UPLOAD:
        raise TooLargeError(len(body))
    return FormWithFiles(fields, content)


def _media_type(request: Request) -> str:
    content_type = _content_type(request)
    media_type, _, _ = content_type.partition(";")
    return media_type.strip().lower()


def _content_type(request: Request) -> str:
    return str(request.headers.get("content-type", ""))[:MAX_TYPE]


def _body(request: Request, most: int) -> bytes:
    body = bytes(request.raw_body)  # type: ignore[arg-type]  # bytes, whatever chalice says
    if len(body) > most:
        raise TooLargeError(len(body))
    return body


def check_json_headers(request: Request) -> None:
    """Refuse, before anything is read, a body whose headers say that it is no JSON, or too large.

    Raises WrongTypeError, TooLargeError. A body without a type is taken for JSON (RFC 9110, 8.3
    leaves that open).
    """
    if _media_type(request) not in {"", JSON}:
        raise WrongTypeError
    length = str(request.headers.get("content-length", ""))[:MAX_TYPE]
    if length.isascii() and length.isdecimal() and int(length) > MAX_JSON:
        raise TooLargeError


def json_body(request: Request) -> Mapping[str, Any]:
    """Read a JSON object; raise TooLargeError, UnreadableBodyError.

    The last is for anything else than an object, and for one that is nested too deeply.
    """
    try:
        body = json.loads(_body(request, MAX_JSON))
    except TooLargeError:
        raise
    except (
        json.JSONDecodeError
    ) as error:  # its words are the parser's own, and repeat nothing that was sent
        raise UnreadableBodyError(
            JSON, f"Line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except (ValueError, RecursionError):  # no UTF-8, or nested without end
        raise UnreadableBodyError(JSON) from None
    if not isinstance(body, dict) or too_deep(body):
        raise UnreadableBodyError(JSON)
    return body


def too_deep(value: object) -> bool:
    """Tell whether lists and objects are nested more deeply than `MAX_DEPTH`."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        inner: list[object] = []
        for member in level:
            if isinstance(member, dict):
                inner += member.values()
            elif isinstance(member, list):
                inner += member
        if not inner:
            return False
        level = inner
    return True
