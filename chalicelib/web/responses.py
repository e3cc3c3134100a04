"""Answers as API Gateway wants them: pages, redirects, JSON, problems, pictures, PDF."""

import base64
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chalice.app import Response

from chalicelib.presentation.page import Page

if TYPE_CHECKING:
    from chalicelib.receipts.formats.registry import Rendition

JSON = "application/json"
HTML = "text/html; charset=utf-8"
KEPT_PAGE = {
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "sandbox; frame-ancestors 'none'",
}

_COMPACT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class BinaryResponse(Response):
    """Bytes, marked as such whatever the client's ``Accept`` says.

    Chalice refuses a binary answer unless ``Accept`` names its type, which neither an address bar
    nor an `<img>` does; API Gateway decodes what is marked, since the template declares every type
    binary.
    """

    def to_dict(self, binary_types: list[str] | None = None) -> dict[str, Any]:  # noqa: ARG002 - chalice's signature
        """Write the answer in API Gateway's form."""
        return {
            "statusCode": self.status_code,
            "headers": self.headers,
            "multiValueHeaders": {},
            "body": base64.b64encode(self.body).decode(),
            "isBase64Encoded": True,
        }


def _response(
    body: object,
    media_type: str,
    status: int,
    headers: Mapping[str, str] | None,
) -> Response:
    """Answer with a text of some type, and further headers."""
    all_headers: dict[str, str | list[str]] = {"Content-Type": media_type}
    all_headers.update(headers or {})
    return Response(body, all_headers, status)


def html(page: Page, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a page; it may have its own styles and no others."""
    policy = {"Content-Security-Policy": page.policy or _policy_of(page)}
    return _response(page, HTML, status, {**policy, **(headers or {})})


def _policy_of(page: Page) -> str:
    from chalicelib.presentation.templates import content_security_policy  # noqa: PLC0415 - a prepared page has its own

    return content_security_policy(brand=page.brand)


def kept_html(page: str) -> Response:
    """Answer with a page as it was shown once, with the styles of its own day.

    Its form leads nowhere, and what it holds never changes.
    """
    return _response(page, HTML, 200, KEPT_PAGE)


def see_other(location: str) -> Response:
    """Lead on after a form (303, RFC 9110 15.4.4).

    Reloading what comes next sends nothing again.
    """
    return _response("", HTML, 303, {"Location": location})


def found(location: str) -> Response:
    """Lead on from a short address (302)."""
    return _response("", HTML, 302, {"Location": location})


def document(body: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with JSON; a text is taken as JSON already written."""
    written = body if isinstance(body, str) else compact_json(body)
    return _response(written, JSON, status, headers)


def compact_json(value: object) -> str:
    """Write JSON without spaces, letters as they are."""
    return _COMPACT.encode(value)


def table(
    text: str, name: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Answer with CSV (RFC 4180), which bears this name when it is kept."""
    named = {"Content-Disposition": f'attachment; filename="{name}.csv"', **(headers or {})}
    return _response(text, "text/csv; charset=utf-8", status, named)


def problem(
    status: int, title: str, *, headers: Mapping[str, str] | None = None, **more: object
) -> Response:
    """Answer with a problem (RFC 9457).

    `more` are its further members, `detail` and `errors` among them.
    """
    body = {"type": "about:blank", "title": title, "status": status, **more}
    return _response(json.dumps(body), "application/problem+json", status, headers)


def picture(content: bytes, media_type: str) -> Response:
    """Answer with a picture that may be kept for an hour, and shown on the clinic's own website."""
    shared = {
        "Cache-Control": "public, max-age=3600",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return BinaryResponse(content, {"Content-Type": media_type, **shared})


def script(text: str, *, kept: bool) -> Response:
    """Answer with a script; `kept` for ever by an address that names this very text."""
    caching = "public, max-age=31536000, immutable" if kept else "no-cache"
    return Response(
        text, {"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": caching}
    )


def rendered(rendition: "Rendition", name: str) -> Response:
    """Answer with a receipt in one of its forms; a PDF bears this name when it is kept."""
    headers = {**rendition.headers, "ETag": f'"{rendition.sha256}"'}
    if rendition.media_type == "application/pdf":
        return printable(rendition.content, name, headers)
    return Response(rendition.content.decode(), {"Content-Type": rendition.media_type, **headers})


def printable(pdf: bytes, name: str, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with a PDF that opens in the browser, and bears this name when it is kept."""
    return BinaryResponse(
        pdf,
        {
            "Content-Type": "application/pdf",
            "Content-Disposition": f'inline; filename="{name}.pdf"',
            # No more than this: browsers show a PDF by a page of their own, which has to load it.
            "Content-Security-Policy": "frame-ancestors 'none'",
            **(headers or {}),
        },
    )
