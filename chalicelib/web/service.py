"""What the portal says of itself: whether it can serve, what its API offers, which keys sign its receipts."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from chalice.app import Blueprint, Response

from chalicelib.domain.clinic import LANGUAGES
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.presentation.templates import render
from chalicelib.store import signatures
from chalicelib.store.keys import Key
from chalicelib.web.errors import api, page
from chalicelib.web.requests import ANY_TYPE, base_url, mount, query
from chalicelib.web.responses import document, html

service = Blueprint(__name__)

SECURITY_TXT_LASTS = timedelta(days=180)
"""Less than a year, as RFC 9116, 2.5.5 recommends."""

_OPENAPI = Path(__file__).with_name("openapi.json")


@service.route("/", methods=["GET"], content_types=ANY_TYPE)
@page(service)
def home() -> Response:
    """Say what this is. Which clinics there are it does not say: each is reached by its own address."""
    request = service.current_request
    lang = negotiate(query(request, "lang"), request.headers.get("accept-language"), LANGUAGES, "en")
    return html(render("pages/home.html", lang, languages=LANGUAGES, root=mount(request)))


@service.route("/.well-known/security.txt", methods=["GET"], content_types=ANY_TYPE)
@api
def security_txt() -> Response:
    """Say where somebody who found a weakness writes (RFC 9116); it is good for half a year from today."""
    base, today = base_url(service.current_request, get_portal().settings.public_url), datetime.now(UTC).date()
    contact = get_portal().settings.security_contact or f"mailto:security@{urlsplit(base).hostname}"
    lines = {
        "Contact": contact,
        "Expires": f"{today + SECURITY_TXT_LASTS}T00:00:00Z",
        "Preferred-Languages": "en, lv, lt, ru, ka",
        "Canonical": f"{base}/.well-known/security.txt",
    }
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    return Response(text, {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "public, max-age=300"})


@service.route("/health", methods=["GET"], content_types=ANY_TYPE)
@api
def health() -> Response:
    """Answer 200 when the table can be read; 503 when it cannot."""
    get_portal().table.get([Key("HEALTH", "HEALTH")])
    return document({"status": "ok"})


@service.route("/.well-known/jwks.json", methods=["GET"], content_types=ANY_TYPE)
@api
def jwks() -> Response:
    """Give every public key that ever signed a receipt (RFC 7517), so that anybody can verify one without us."""
    headers = {"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300"}
    return document(signatures.jwks(get_portal().table), headers=headers)


@service.route("/openapi.json", methods=["GET"], content_types=ANY_TYPE)
@api
def openapi() -> Response:
    """Describe the API (OpenAPI 3.1), with the address that this portal is served at."""
    described = json.loads(_OPENAPI.read_text(encoding="utf-8"))
    described["servers"][0]["url"] = base_url(service.current_request, get_portal().settings.public_url)
    return document(described, headers={"Cache-Control": "public, max-age=300"})
