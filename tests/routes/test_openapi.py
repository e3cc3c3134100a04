"""The OpenAPI document tells a program's developer the truth about what exists."""

import json

from openapi_spec_validator import OpenAPIV31SpecValidator

from app import app
from tests.routes.client import Client
from tests.routes.truth import DOCUMENT


def test_the_document_is_valid_openapi_3_1() -> None:
    """A developer's generator reads it without complaint."""
    assert DOCUMENT["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_the_document_names_every_address_and_method_and_no_other() -> None:
    """Nothing is hidden from a developer, nothing promised that is not there."""
    described = {(path, method.upper()) for path, operations in DOCUMENT["paths"].items() for method in operations}
    assert described == {(path, method) for path, methods in app.routes.items() for method in methods}


def test_the_document_is_served_as_it_is_kept(client: Client) -> None:
    """A program can fetch what it talks to, and may keep it for a while."""
    answer = client.get("/openapi.json")
    assert answer.json() == DOCUMENT
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_every_call_that_needs_a_key_names_its_scope() -> None:
    """A clinic can give each program the least it needs."""
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            assert ("security" in operation) == path.startswith("/v1/"), path
    assert "status:read" in json.dumps(DOCUMENT["paths"]["/v1/clinics/{clinic}/status"]["post"]["security"])


def test_health_tells_that_the_portal_can_serve(client: Client) -> None:
    """An operator's probe needs no key."""
    assert client.get("/health").json() == {"status": "ok"}
