"""Addresses about the portal itself: its health, its API, the keys of its signatures."""

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from chalice.app import Request, Response

from chalicelib.domain.languages import LANGUAGES
from chalicelib.portal import get_portal
from chalicelib.store import signatures
from chalicelib.store.keys.key import Key
from chalicelib.web.requests import base_url
from chalicelib.web.responses import compact_json, document

SECURITY_TXT_LASTS = timedelta(days=180)
"""Less than a year, as RFC 9116, 2.5.5 recommends."""

_ADDRESS = "https://address-of-this-portal.invalid"
"""Stands in the description where the portal's own address is filled in."""

_OPENAPI = Path(__file__).with_name("openapi.json")


def get_security_txt(request: Request) -> Response:
    """Tell where to report a weakness (RFC 9116); the file expires half a year from today."""
    settings = get_portal().settings
    base = base_url(request, settings.public_url)
    today = datetime.now(UTC).date()
    contact = settings.security_contact or f"mailto:security@{urlsplit(base).hostname}"
    lines = {
        "Contact": contact,
        "Expires": f"{today + SECURITY_TXT_LASTS}T00:00:00Z",
        "Preferred-Languages": ", ".join(LANGUAGES),
        "Canonical": f"{base}/.well-known/security.txt",
    }
    text = "".join(f"{name}: {value}\n" for name, value in lines.items())
    response = Response(text, {"Content-Type": "text/plain; charset=utf-8"})
    response.headers["Cache-Control"] = "public, max-age=300"
    return response


def get_health(_: Request) -> Response:
    """Answer 200 when the table can be read; 503 when it cannot."""
    get_portal().table.get([Key("HEALTH", "HEALTH")])
    return document({"status": "ok"})


def get_signing_keys(_: Request) -> Response:
    """Give every public key that ever signed a receipt (RFC 7517): anybody can verify one alone."""
    headers = {"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300"}
    return document(signatures.jwks(get_portal().table), headers=headers)


def get_open_api(request: Request) -> Response:
    """Describe the API (OpenAPI 3.1), with the address that this portal is served at."""
    before, after = _description()
    address = json.dumps(base_url(request, get_portal().settings.public_url), ensure_ascii=False)
    caching = {"Cache-Control": "public, max-age=300"}
    return document(f"{before}{address}{after}", headers=caching)


@cache
def _description() -> tuple[str, str]:
    """Give the description as it is answered, before and after the portal's address.

    Read and written once: it is half a megabyte.
    """
    described = json.loads(_OPENAPI.read_text(encoding="utf-8"))
    described["servers"][0]["url"] = _ADDRESS
    before, after = compact_json(described).split(json.dumps(_ADDRESS))
    return before, after
