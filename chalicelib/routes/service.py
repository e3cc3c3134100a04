"""What the portal says of itself: whether it can serve, what its API offers, which keys sign its receipts."""

import json
from pathlib import Path

from chalice.app import Blueprint, Response

from chalicelib.boundary import api
from chalicelib.incoming import ANY_TYPE, base_url
from chalicelib.outgoing import document
from chalicelib.store import signatures
from chalicelib.store.keys import Key
from chalicelib.wiring import portal

service = Blueprint(__name__)

_OPENAPI = Path(__file__).resolve().parent.parent / "openapi.json"


@service.route("/health", methods=["GET"], content_types=ANY_TYPE)
@api
def health() -> Response:
    """Answer 200 when the table can be read; 503 when it cannot."""
    portal().table.get([Key("HEALTH", "HEALTH")])
    return document({"status": "ok"})


@service.route("/.well-known/jwks.json", methods=["GET"], content_types=ANY_TYPE)
@api
def jwks() -> Response:
    """Give every public key that ever signed a receipt (RFC 7517), so that anybody can verify one without us."""
    headers = {"Content-Type": "application/jwk-set+json", "Cache-Control": "public, max-age=300"}
    return document(signatures.jwks(portal().table), headers=headers)


@service.route("/openapi.json", methods=["GET"], content_types=ANY_TYPE)
@api
def openapi() -> Response:
    """Describe the API (OpenAPI 3.1), with the address that this portal is served at."""
    described = json.loads(_OPENAPI.read_text(encoding="utf-8"))
    described["servers"][0]["url"] = base_url(service.current_request, portal().settings.public_url)
    return document(described, headers={"Cache-Control": "public, max-age=300"})
