"""A bearer key is checked before anything else is done with a call: what has no good one costs one
read.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from chalicelib.portal import get_portal
from chalicelib.web.requests import MAX_JSON
from infra.operator import keys
from tests.cast import RIGA, TBILISI
from tests.web.client import Program
from tests.web.running import RunningPortal

WORST = b'{"subjects": [' + b"[" * 200_000


@pytest.fixture
def reads(portal: RunningPortal) -> Iterator[list[str]]:
    """List what leaves for DynamoDB while the application answers."""
    assert portal
    sent: list[str] = []

    def note(request: Any, **_: Any) -> None:
        sent.append(request.headers["X-Amz-Target"].decode().rpartition(".")[2])

    events = get_portal().table.client.meta.events
    events.register("before-send.dynamodb", note)
    yield sent
    events.unregister("before-send.dynamodb", note)


def test_a_key_that_opens_nothing_costs_one_read_and_its_body_is_not_looked_at(
    portal: RunningPortal, reads: list[str]
) -> None:
    """Unknown, revoked, another clinic's or without the scope: nobody keeps a function busy with a
    large body.
    """
    revoked = portal.new_key(RIGA, label="revoked")
    for key in keys.all_keys(portal.table, RIGA):
        if key.label == "revoked":
            keys.revoke(portal.table, RIGA, key.id)
    narrow = portal.new_key(RIGA, "receipts:read")
    refused = {"cpk_unknown": 401, revoked: 401, portal.api_keys[TBILISI]: 404, narrow: 403}
    for key, status in refused.items():
        for body in (WORST, b"{}", b"no json"):
            reads.clear()
            assert Program(RIGA, key).call("status", body).status == status
            assert reads == ["BatchGetItem"]


def test_a_key_of_endless_length_is_no_key(portal: RunningPortal, reads: list[str]) -> None:
    """What is read of a header has a bound."""
    answer = Program(RIGA, portal.api_keys[RIGA] + "x" * 8000).call(
        "status", {"subjects": [{"email": "a@example.org"}]}
    )
    assert (answer.status, reads) == (401, ["BatchGetItem"])


def test_a_good_key_is_one_read_with_what_it_asks_about(
    portal: RunningPortal, reads: list[str]
) -> None:
    """The status of one patient stays two round trips: one read, and the audit line."""
    program = portal.program()
    asked = {"subjects": [{"email": "anna@example.org"}]}
    program.call("status", asked)
    reads.clear()
    assert program.call("status", asked).status == 200
    assert reads == ["BatchGetItem", "PutItem"]


def test_a_key_that_opened_a_moment_ago_opens_nothing_once_it_is_revoked(
    portal: RunningPortal, reads: list[str]
) -> None:
    """And from the second call on its body is not looked at either."""
    program = portal.open_clinic()
    asked = {"subjects": [{"email": "anna@example.org"}]}
    assert program.call("status", asked).status == 200
    [key] = keys.all_keys(portal.table, program.clinic)
    keys.revoke(portal.table, program.clinic, key.id)
    assert program.call("status", asked).status == 401
    reads.clear()
    assert program.call("status", WORST).status == 401
    assert reads == ["BatchGetItem"]


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (415, b"<a/>", {"Content-Type": "text/xml"}),
        (415, b"{}", {"Content-Type": "application/x-www-form-urlencoded"}),
        (413, b"{}", {"Content-Length": str(MAX_JSON + 1)}),
        (413, b'{"a": "' + b"x" * MAX_JSON + b'"}', {}),
        (400, b"[" * 100_000, {}),
        (400, b'{"a":' * 40 + b"1" + b"}" * 40, {}),
        (400, b"{}", {"Idempotency-Key": "x" * 201}),
    ],
)
def test_a_body_of_another_kind_or_size_is_refused_by_its_own_status(
    portal: RunningPortal, status: int, body: bytes, headers: dict[str, str]
) -> None:
    """Each says what is wrong, as a problem (RFC 9457)."""
    answer = portal.program().call("status", body, headers)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_body_of_nothing_but_faults_is_answered_in_bounded_length(portal: RunningPortal) -> None:
    """A hundred faults are told, and none of them repeats a long name."""
    answer = portal.program().call("status", {f"{'y' * 300}{number}": 1 for number in range(2000)})
    assert answer.status == 422
    assert len(answer.json()["errors"]) == 100
    assert len(answer.body) < 60_000
