"""The OpenAPI document tells a program's developer the truth about what exists."""

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from app import app
from tests.web.client import MOUNTS, Client, Program
from tests.web.running import RunningPortal
from tests.web.truth import DOCUMENT, examples_of, is_of_the_desk, validator

SIGNED = "2026-11-20T10:00:00Z"


def test_the_document_is_valid_openapi_3_1() -> None:
    """A developer's generator reads it without complaint."""
    assert DOCUMENT["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors()) == []


def test_the_document_names_every_address_and_method_and_no_other() -> None:
    """Nothing is hidden from a developer, nothing promised that is not there.

    The desk is for people, and no program's.
    """
    described = {
        (path, method.upper())
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
    }
    assert described == {
        (path, method)
        for path, methods in app.routes.items()
        for method in methods
        if not is_of_the_desk(path)
    }


@pytest.mark.parametrize("mount", MOUNTS.values(), ids=MOUNTS)
def test_the_document_names_the_address_it_is_served_at(portal: RunningPortal, mount: str) -> None:
    """A program fetches what it talks to, under a stage or a path too, and calls the address that
    stands in it.
    """
    assert portal
    client = Client(mount)
    answer = client.get("/openapi.json")
    served = answer.json()
    [server] = served["servers"]
    assert server["url"] == f"https://{client.host}{mount}"
    assert served == DOCUMENT | {"servers": [DOCUMENT["servers"][0] | {"url": server["url"]}]}
    assert answer.headers["cache-control"] == "public, max-age=300"


def test_a_withdrawal_is_answered_by_one_of_two_shapes_and_never_both(
    portal: RunningPortal,
) -> None:
    """A generated client tells a receipt from what a joint controller may know of one."""
    place = "/v1/clinics/{clinic}/withdrawals"
    shape = validator(
        ("paths", place, "post", "responses", "201", "content", "application/json", "schema")
    )
    body = {
        "subject": {"email": "anna.ozola@example.org"},
        "all": True,
        "channel": "phone",
        "effective_at": SIGNED,
    }
    answer = portal.open_clinic().call("withdrawals", body)
    assert answer.status == 201, answer.text
    receipt = answer.json()
    told = {name: receipt[name] for name in ("id", "clinic", "effective_at", "recorded_at")}
    shape.validate(receipt)
    shape.validate(told)
    assert not shape.is_valid({name: value for name, value in receipt.items() if name != "version"})


def test_every_call_that_needs_a_key_names_its_scope() -> None:
    """A clinic can give each program the least it needs."""
    for path, operations in DOCUMENT["paths"].items():
        for operation in operations.values():
            assert ("security" in operation) == path.startswith("/v1/"), path
    assert "status:read" in json.dumps(
        DOCUMENT["paths"]["/v1/clinics/{clinic}/status"]["post"]["security"]
    )


def test_health_tells_that_the_portal_can_serve(client: Client) -> None:
    """An operator's probe needs no key."""
    assert client.get("/health").json() == {"status": "ok"}


SENT = (
    "receipts",
    "status",
    "history",
    "withdrawals",
    "links",
    "links/revoke",
    "contacts",
    "restrictions",
    "erasures",
)
"""The calls whose examples can be sent as they are, after the first made the patient known."""


def request_examples(call: str) -> dict[str, Any]:
    """Return the examples of what a call of a clinic's API is sent, by their names."""
    operation = DOCUMENT["paths"][f"/v1/clinics/{{clinic}}/{call}"]["post"]
    return examples_of(operation["requestBody"]["content"]["application/json"])


def test_every_example_of_a_request_can_be_sent_as_it_is(portal: RunningPortal) -> None:
    """A developer's first call, copied from the document, works."""
    program = portal.open_clinic()
    for call in SENT:
        for name, body in request_examples(call).items():
            answer = program.call(call, body)
            assert answer.status in {200, 201}, (call, name, answer.text)


def test_the_examples_of_a_notice_can_be_sent_with_the_names_of_a_clinic_and_its_draft(
    portal: RunningPortal,
) -> None:
    """The steps from a draft to an approval are those that the document shows."""
    program = portal.open_clinic()
    reviewer = Program(program.clinic, portal.new_key(program.clinic, label="Juris Klusums"))
    [document] = request_examples("notices").values()
    drafted = program.call("notices", document | {"id": program.clinic})
    assert drafted.status == 201, drafted.text
    sha256 = drafted.json()["sha256"]
    for body in request_examples("notices/{version}/approve").values():
        answer = reviewer.call("notices/1.1/approve", body | {"sha256": sha256})
        assert (answer.status, answer.json()["title"]) == (409, "Not complete")


def problem_example(response: str, name: str) -> Any:
    """Return an example of a problem in JSON."""
    described = DOCUMENT["components"]["responses"][response]
    return examples_of(described["content"]["application/problem+json"])[name]


def test_the_problems_that_come_are_those_that_are_shown(portal: RunningPortal) -> None:
    """A developer recognizes a problem by the document, word for word."""
    program = portal.open_clinic()
    clinic = program.clinic
    [example, _] = request_examples("receipts").values()
    unknown_decision = {**example, "decisions": {"newsletter.fax": "yes"}}
    narrow_key = portal.new_key(clinic, "status:read")
    answers = {
        ("BadRequest", "body"): program.call("receipts", b"[]"),
        ("Unauthorized", "missing"): Program(clinic, None).get("notices"),
        ("Unauthorized", "unknown"): Program(clinic, "no.key").get("notices"),
        ("Forbidden", ""): Program(clinic, narrow_key).get("notices"),
        ("NotFound", ""): program.receipt("0" * 32),
        ("ContentTooLarge", ""): program.call("receipts", b" " * 1_048_577),
        ("UnsupportedMediaType", ""): program.call("receipts", {}, {"Content-Type": "text/plain"}),
        ("InvalidBody", ""): program.call("receipts", unknown_decision),
        ("InvalidBodyOrUsedKey", "body"): program.call("receipts", unknown_decision),
    }
    for (response, name), answer in answers.items():
        assert answer.json() == problem_example(response, name)
