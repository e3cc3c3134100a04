"""An operator makes, lists, rotates and revokes keys by command; the audit tells of each."""

import re
from typing import Any

import pytest

from chalicelib.domain.api_keys import PATTERN
from infra.__main__ import main
from infra.operator import keys
from tests.web.client import Program
from tests.web.running import RunningPortal


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run a command; give what it prints."""
    capsys.readouterr()
    assert main(["key", *words]) == code
    printed = capsys.readouterr()
    return printed.out + printed.err


def secret_in(text: str) -> str:
    """Give the one key that a command printed."""
    [secret] = re.findall(PATTERN, text)
    return str(secret)


def opens(clinic: str, secret: str) -> bool:
    """Tell whether a key lets a program in."""
    subjects = {"subjects": [{"email": "anna.ozola@example.org"}]}
    return Program(clinic, secret).call("status", subjects).status == 200


def test_a_key_is_made_rotated_and_revoked_by_command(
    portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever runs the portal helps a clinic that has no key with keys:write left."""
    clinic = portal.open_clinic().clinic
    printed = said(
        capsys, "create", clinic, "--label", "Till", "--kind", "worker", "--expires", "P1Y"
    )
    key_id, first = printed.split()[0], secret_in(printed)
    assert opens(clinic, first)
    second = secret_in(said(capsys, "rotate", clinic, key_id, "--overlap", "1"))
    assert opens(clinic, first)
    assert opens(clinic, second)
    third = secret_in(said(capsys, "rotate", clinic, key_id, "--overlap", "0"))
    assert [opens(clinic, each) for each in (first, second, third)] == [False, False, True]
    [line] = [each for each in said(capsys, "list", clinic).splitlines() if key_id in each]
    assert "worker\tTill" in line
    assert "valid since" in line
    assert said(capsys, "revoke", clinic, key_id) == f"{key_id} is revoked.\n"
    assert not opens(clinic, third)
    assert "revoked since" in said(capsys, "list", clinic)


def test_what_cannot_be_done_is_said_in_a_sentence(
    portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip changes nothing, and says what to write instead."""
    clinic = portal.open_clinic().clinic
    assert "has no key key_0" in said(capsys, "rotate", clinic, "key_0", code=1)
    assert "from 0 to 168" in said(capsys, "rotate", clinic, "key_0", "--overlap", "-1", code=1)
    wrong = ["create", clinic, "--label", "Till", "--expires", "soon"]
    assert "soon is neither a day" in said(capsys, *wrong, code=1)
    record, _ = keys.create(portal.table, clinic, "Till")
    keys.revoke(portal.table, clinic, record.id)
    assert "it is revoked" in said(capsys, "rotate", clinic, record.id, code=1)


def test_the_audit_says_what_an_operator_did_to_a_keys_holder(portal: RunningPortal) -> None:
    """A clinic sees that somebody beside it made a key of its own.

    Lines of the same millisecond stand in any order.
    """
    clinic = portal.open_clinic().clinic
    lines: list[dict[str, Any]] = portal.whole_audit(clinic)
    record, _ = keys.create(portal.table, clinic, "Till")
    keys.revoke(portal.table, clinic, record.id)
    added = [line for line in portal.whole_audit(clinic) if line not in lines]
    assert sorted((line["key"], line["call"], line["about"]) for line in added) == [
        ("operator", "keys/create", record.id),
        ("operator", "keys/revoke", record.id),
    ]
