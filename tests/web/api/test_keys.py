"""A key opens its own clinic, for what it may do, while it is valid; and every use of it leaves a
line.
"""

import itertools
import json
import re
from typing import Any

import pytest

from app import app
from chalicelib.domain.api_keys import SCOPES
from infra.operator import keys
from tests.cast import RIGA, TBILISI
from tests.web.client import Answer, Client, Program
from tests.web.running import RunningPortal

ANNA = {"email": "anna.ozola@example.org"}
LIST = {"Content-Type": "text/csv"}
STAFF = {"subject": ANNA, "channel": "phone", "effective_at": "2026-11-10T10:00:00+02:00"}
OF_A_JOB = "status:read or links:write or export:read or imports:write"
CALLS: dict[str, tuple[str, dict[str, Any] | bytes]] = {
    "status": ("status:read", {"subjects": [ANNA]}),
    "history": ("status:read", {"subject": ANNA}),
    "GET changes": ("status:read", {}),
    "GET stats": ("stats:read", {}),
    "GET export?purpose=newsletter.email": ("export:read", {}),
    "export": (
        "export:read",
        {"purpose": "newsletter.email", "subjects": [{"subject_id": "0" * 32}]},
    ),
    "receipts": ("receipts:write", {**STAFF, "decisions": {"newsletter.email": "yes"}}),
    "withdrawals": ("receipts:write", {**STAFF, "all": True}),
    "scrub?purpose=newsletter.email": ("status:read", b"email\nanna.ozola@example.org\n"),
    "imports?from=sheet&system=x&purpose=newsletter.email&undated=2026-11-01&dry_run=1": (
        "imports:write",
        b"email,consent\nanna.ozola@example.org,yes\n",
    ),
    "GET receipts/{receipt}": ("receipts:read", {}),
    "notices": ("notices:write", {"version": "9.9"}),
    "GET notices": ("notices:read", {}),
    "GET notices/{version}": ("notices:read", {}),
    "GET notices/{version}/preview": ("notices:read or notices:approve", {}),
    "notices/{version}/approve": ("notices:approve", {"sha256": "0" * 64}),
    "notices/{version}/publish": ("notices:write", {}),
    "links": ("links:write", {"links": [ANNA]}),
    "jobs": ("links:write", {"kind": "links"}),
    "GET jobs": (OF_A_JOB, {}),
    "GET jobs/{job}": (OF_A_JOB, {}),
    "jobs/{job}/start": (OF_A_JOB, {}),
    "jobs/{job}/cancel": (OF_A_JOB, {}),
    "GET link-keys": ("links:write", {}),
    "link-keys": ("links:write", {"label": "Booking system"}),
    "link-keys/{key}/epoch": ("links:write", {}),
    "DELETE link-keys/{key}": ("links:write", {}),
    "links/revoke": ("links:write", {"ids": ["0" * 64]}),
    "publications": (
        "receipts:write",
        {
            "subject": ANNA,
            "purpose": "testimonials.photo",
            "places": [{"where": "Brochure", "since": "2026-03-01", "remover": "Ilze"}],
        },
    ),
    "GET publications": ("receipts:write", {}),
    "GET publications/{publication}": ("receipts:write", {}),
    "publications/{publication}/places": (
        "receipts:write",
        {"places": [{"where": "Brochure", "since": "2026-03-01", "remover": "Ilze"}]},
    ),
    "publications/{publication}/places/{place}/removed": (
        "receipts:write",
        {"removed_by": "Ilze"},
    ),
    "contacts": (
        "receipts:write",
        {"subject": ANNA, "replace": ANNA, "with": {"email": "anna.new@example.org"}},
    ),
    "GET contacts/worklist": ("status:read", {}),
    "GET audit": ("audit:read", {}),
    "GET audit/seals": ("audit:read", {}),
    "GET keys": ("keys:write", {}),
    "keys": ("keys:write", {"label": "A till", "kind": "worker", "scopes": ["keys:write"]}),
    "GET keys/{key}": ("keys:write", {}),
    "DELETE keys/{key}": ("keys:write", {}),
    "keys/{key}/rotate": ("keys:write", {}),
    "PUT webhooks/{name}": (
        "webhooks:write",
        {"url": "https://hooks.example.org/consents", "purposes": ["newsletter"]},
    ),
    "GET webhooks": ("webhooks:read", {}),
    "GET webhooks/{name}": ("webhooks:read", {}),
    "webhooks/{name}/rotate": ("webhooks:write", {}),
    "webhooks/{name}/test": ("webhooks:write", {}),
    "webhooks/{name}/replay": (
        "webhooks:write",
        {"from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"},
    ),
    "GET deliveries": ("webhooks:read", {}),
    "deliveries/{delivery}/acknowledge": ("webhooks:write", {}),
    "deliveries/{delivery}/redeliver": ("webhooks:write", {}),
    "DELETE webhooks/{name}": ("webhooks:write", {}),
    "erasures": ("subjects:erase", {"subject": ANNA}),
    "restrictions": ("subjects:erase", {"subject": ANNA, "restricted": True}),
}


@pytest.fixture(scope="module")
def clinic(settled: RunningPortal) -> str:
    """Give a clinic to create keys for."""
    return settled.open_clinic().clinic


def _method_and_address(name: str) -> tuple[str, str]:
    """Take a name of a call apart; without a method it is a POST."""
    method, _, address = name.rpartition(" ")
    return method or "POST", address


def _target(name: str, number: str = "0" * 32) -> str:
    _, address = _method_and_address(name)
    parts = {"receipt": number, "version": "8.8", "publication": number, "place": "1"}
    parts |= {"name": "newsletter-tool", "delivery": f"msg_{number}"}
    return address.format(**parts, key="key_0", job=number)


def _body(name: str, clinic: str) -> dict[str, Any] | bytes:
    body = CALLS[name][1]
    if isinstance(body, bytes):
        return body
    return body | ({"id": clinic} if name == "notices" else {})


def _ask(program: Program, name: str, number: str = "0" * 32) -> Answer:
    target = _target(name, number)
    method, _ = _method_and_address(name)
    if method in {"GET", "DELETE"}:
        return program.ask(method, target)
    body = _body(name, program.clinic)
    return program.call(target, body, LIST if isinstance(body, bytes) else None, method=method)


def _opens(answer: Answer) -> bool:
    """Tell whether the key was good; whether the patient is known by now depends on the tests
    before.
    """
    return answer.status in {200, 201, 202, 404} or "Nobody is known by it." in answer.text


def test_every_call_of_the_api_is_tried_here() -> None:
    """A route added without its test is noticed."""
    routes = {
        ("" if method == "POST" else f"{method} ") + route.partition("{clinic}/")[2]
        for route, methods in app.routes.items()
        for method in methods
        if route.startswith("/v1/")
    }
    assert routes == {name.partition("?")[0] for name in CALLS}


@pytest.mark.parametrize("name", CALLS)
def test_without_a_valid_key_nothing_is_told(portal: RunningPortal, name: str) -> None:
    """No key, another scheme, a wrong key: 401, with how to do better, and alike for any
    clinic's.
    """
    wrong = [
        "cpk_" + "A" * 43,
        portal.api_keys[RIGA][:-1],
        portal.api_keys[RIGA].swapcase(),
        "x y z",
        " ",
    ]
    answers = [_ask(Program(RIGA, key), name) for key in (None, *wrong)]
    client = Client()
    for header in (
        "Basic dTpw",
        "Bearer",
        portal.api_keys[RIGA],
        f"Bearer: {portal.api_keys[RIGA]}",
    ):
        target = f"/v1/clinics/{RIGA}/{_target(name)}"
        method, _ = _method_and_address(name)
        written = CALLS[name][1]
        kind = LIST if isinstance(written, bytes) else {}
        sent = written if isinstance(written, bytes) else json.dumps(written).encode()
        body = sent if method in {"POST", "PUT"} else b""
        answers.append(client.send(method, target, body, {"Authorization": header, **kind}))
    for answer in answers:
        assert answer.status == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("name", CALLS)
def test_another_clinics_key_finds_nothing(portal: RunningPortal, name: str) -> None:
    """Another clinic's things are 404, as are those of a clinic that does not exist."""
    before = portal.program(RIGA).history(**ANNA)
    for clinic in (RIGA, "nobody"):
        answer = _ask(Program(clinic, portal.api_keys[TBILISI]), name)
        assert (answer.status, answer.json()["title"]) == (404, "Not found")
    assert portal.program(RIGA).history(**ANNA) == before


@pytest.fixture(scope="module")
def by_scope(settled: RunningPortal) -> dict[str, dict[str, str]]:
    """Give two clinics, and for each a key of every scope alone."""
    clinics = [settled.open_clinic().clinic for _ in range(2)]
    return {
        clinic: {scope: settled.new_key(clinic, scope) for scope in SCOPES} for clinic in clinics
    }


@pytest.mark.parametrize("name", CALLS)
def test_a_key_does_what_its_scopes_say_and_no_more(
    portal: RunningPortal, clinic: str, name: str
) -> None:
    """The newsletter tool can look; it cannot write."""
    needed = CALLS[name][0]
    others = set(SCOPES) - set(needed.split(" or "))
    refused = _ask(Program(clinic, portal.new_key(clinic, *others)), name)
    assert (refused.status, refused.headers["content-type"]) == (403, "application/problem+json")
    assert needed in refused.json()["detail"]


@pytest.mark.parametrize("name", CALLS)
def test_of_all_scopes_and_clinics_only_the_right_ones_open_a_call(
    by_scope: dict[str, dict[str, str]], name: str
) -> None:
    """Every address, with a key of every scope, of this clinic and of another: nothing leaks."""
    enough = set(CALLS[name][0].split(" or "))
    assert enough <= set(SCOPES)
    for clinic, (owner, secrets) in itertools.product(by_scope, by_scope.items()):
        for scope, secret in secrets.items():
            answer = _ask(Program(clinic, secret), name)
            if owner != clinic:
                assert (answer.status, answer.json()["title"]) == (404, "Not found"), scope
            elif scope in enough:
                assert _opens(answer), scope
            else:
                assert answer.status == 403, scope


@pytest.mark.parametrize("name", CALLS)
def test_a_revoked_key_opens_nothing_from_the_next_call_on(
    portal: RunningPortal, clinic: str, name: str
) -> None:
    """A worker who leaves has no access a second longer."""
    record, secret = keys.create(portal.table, clinic, "a worker")
    program = Program(clinic, secret)
    assert _opens(_ask(program, name))
    keys.revoke(portal.table, clinic, record.id)
    assert _ask(program, name).status == 401


def test_every_call_leaves_a_line_with_key_and_subject_and_no_contact(
    portal: RunningPortal,
) -> None:
    """Who looked, at whom, when: by opaque ids, so that the audit itself tells no contact."""
    program = portal.open_clinic()
    number = program.call("receipts", CALLS["receipts"][1], {"Idempotency-Key": "1"}).json()["id"]
    program.call("receipts", CALLS["receipts"][1], {"Idempotency-Key": "1"})
    # With the same Idempotency-Key a publication has the receipt's id: so the calls below find it.
    program.call("publications", CALLS["publications"][1], {"Idempotency-Key": "1"})
    for name in CALLS:
        if not any(part in name for part in ("notices", "keys/", "deliveries/", "{job}")):
            assert _ask(program, name, number).status in {200, 201, 202}
    lines = portal.audit(program.clinic)
    calls = [line["call"] for line in lines]
    expected = [
        "receipts",
        "receipts",
        "status",
        "history",
        "changes",
        "stats",
        "export",
        "export",
        "receipts",
        "withdrawals",
    ]
    expected += [
        "scrub",
        "receipt",
        "import/dry-run",
        "links",
        "jobs/links",
        "jobs",
        "links/revoke",
        "publications",
        "publications",
        "publications/list",
        "publications/read",
        "publications/places",
        "publications/removed",
        "contacts",
        "contacts/worklist",
        "audit",
        "audit/seals",
        "link-keys/list",
        "link-keys/create",
        "keys/list",
        "keys/create",
        "webhooks/put",
        "webhooks",
        "webhooks/show",
        "webhooks/rotate",
        "webhooks/test",
        "webhooks/replay",
        "deliveries",
        "webhooks/delete",
        "erasures",
        "restrictions",
    ]
    assert sorted(calls) == sorted(expected)
    subject = program.receipt(number).json()["subject"]
    assert {line["receipt"] for line in lines if line["call"] in {"receipts", "receipt"}} >= {
        number
    }
    for line in lines:
        assert re.fullmatch(r"key_[0-9a-f]{12}", line["key"])
        assert line["at"].endswith("Z")
        if line["call"] in {"status", "history"}:
            assert line["subjects"] == [subject]
        assert "ozola" not in json.dumps(line)


def test_a_refused_call_reads_nothing_and_leaves_nothing(portal: RunningPortal) -> None:
    """Strangers cannot fill the audit."""
    clinic = portal.open_clinic().clinic
    Program(clinic, "cpk_wrong").call("status", CALLS["status"][1])
    Program(clinic, portal.api_keys[TBILISI]).call("status", CALLS["status"][1])
    assert portal.audit(clinic) == []


SENT = "anna.ozola@example"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"anna.ozola@example"',
        b"{anna.ozola@example",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"subjects":' + b"[" * 100_000,
        b"1" * 5000,
    ],
)
@pytest.mark.parametrize(
    "name", [name for name in CALLS if "{" not in name and " " not in name and "?" not in name]
)
def test_a_body_that_is_no_json_object_is_a_problem(
    portal: RunningPortal, name: str, body: bytes
) -> None:
    """Told as what it is, without its content."""
    answer = portal.program().call(name, body)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert SENT not in answer.text


def test_a_problem_repeats_nothing_that_was_sent(portal: RunningPortal) -> None:
    """Problems end in logs: no value of a body, address or header stands in one."""
    program = portal.program()
    bodies: list[tuple[str, Any]] = [
        ("status", {"subjects": [{"email": SENT}, {"phone": SENT}, SENT], "purposes": [SENT]}),
        ("history", {"subject": SENT}),
        (
            "receipts",
            dict.fromkeys(
                ("subject", "decisions", "channel", "effective_at", "evidence", "lang"), SENT
            ),
        ),
        (
            "receipts",
            {
                **STAFF,
                "decisions": {"newsletter.email": SENT},
                "evidence": {"form": 7, "sha256": SENT},
            },
        ),
        (
            "withdrawals",
            {"subject": {"email": SENT}, "purposes": [SENT], "all": SENT, "channel": SENT},
        ),
    ]
    answers = [program.call(name, body) for name, body in bodies]
    assert {answer.status for answer in answers} == {422}
    answers += [program.receipt(SENT), program.receipt("0" * 32, f"?format={SENT}")]
    answers += [Program(SENT.replace("@", "%40"), program.key).call("status", {})]
    answers += [Program(RIGA, SENT).call("status", {})]
    answers += [program.call("receipts", CALLS["receipts"][1], {"Idempotency-Key": SENT * 20})]
    for answer in answers:
        problem = answer.json()
        assert problem["status"] == answer.status >= 400
        assert SENT not in answer.text
        assert all(
            error["pointer"].startswith("/") and error["detail"]
            for error in problem.get("errors", [])
        )
