"""Whoever reads the logs learns what happened, and nothing about anybody."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Day:
    """What a day left in the logs, and what may not be there."""

    application: list[str]
    libraries: list[str]
    secrets: dict[str, list[str]]

    @property
    def records(self) -> list[dict[str, object]]:
        """The application's lines, each a JSON object."""
        return [json.loads(line) for line in self.application]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    """Live a whole day, errors and a lost store included, in a process of its own."""
    folder = tmp_path_factory.mktemp("day")
    command = [sys.executable, "-m", "tests.web.day", str(folder)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    run = subprocess.run(
        command,
        cwd=ROOT,
        env={**kept, "LOG_LEVEL": "DEBUG"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    secrets = json.loads((folder / "secrets.json").read_text(encoding="utf-8"))
    return Day(run.stdout.splitlines(), run.stderr.splitlines(), secrets)


def spellings(secret: str) -> Iterator[tuple[str, bool]]:
    """Give the ways in which a secret could stand in a line, each with whether its case matters."""
    digits = "".join(sign for sign in secret if sign.isdigit())
    yield from (
        (each, False)
        for each in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret))
    )
    yield json.dumps(secret)[1:-1], False
    yield secret.encode().hex(), False
    if len(digits) >= 8 and not set(secret) - set("+0123456789 "):
        yield digits[-8:], False
    for form in {secret, secret.lower(), secret.replace(" ", "")}:
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + form.encode()).decode().rstrip("=")
            certain = encoded[4 if shift else 0 : -1]
            if len(certain) >= 8:
                yield certain, True
                yield certain.translate(str.maketrans("+/", "-_")), True


@pytest.mark.parametrize("kind", ["contacts", "keys", "links", "states"])
def test_no_line_holds_a_contact_a_name_a_key_or_a_form(day: Day, kind: str) -> None:
    """In no spelling: case, percent-encoding, JSON escapes, hexadecimal or base64."""
    text = "\n".join([*day.application, *day.libraries])
    folded = text.casefold()
    assert len(day.secrets[kind]) >= (3 if kind == "links" else 4)
    for secret in day.secrets[kind]:
        for spelled, exactly in spellings(secret):
            assert spelled not in text
            assert exactly or spelled.casefold() not in folded


def test_the_search_would_find_what_it_looks_for() -> None:
    """A test that can find nothing proves nothing."""
    secret = "Anna.Ozola@example.org"
    for line in (
        f"x {secret.upper()} y",
        f"GET /{quote(secret, safe='')}",
        base64.b64encode(b'{"email": "' + secret.encode() + b'"}').decode(),
        base64.urlsafe_b64encode(b"email=" + secret.lower().encode()).decode(),
    ):
        assert any(
            spelled in line or spelled.casefold() in line.casefold()
            for spelled, _ in spellings(secret)
        )


def test_no_line_of_a_request_leads_to_a_receipt(day: Day) -> None:
    """A receipt's number opens its page: the route is logged, not the address."""
    assert len(day.secrets["receipts"]) == 4 + len(day.secrets["links"])
    text = "\n".join(day.application)
    assert not [number for number in day.secrets["receipts"] if number in text]


def test_every_line_is_structured(day: Day) -> None:
    """Route, status, clinic and duration of every request; where it failed, the kind and place of
    the error.
    """
    requests = [record for record in day.records if record.get("message") == "request"]
    assert len(requests) > 100
    for record in requests:
        assert str(record["route"]).startswith("/")
        assert isinstance(record["status"], int)
        assert isinstance(record["ms"], float)
        assert {"level", "method", "request_id", "service", "timestamp"} <= record.keys()
    assert {record["status"] for record in requests} >= {200, 303, 400, 401, 404, 422, 503}
    assert {record.get("clinic") for record in requests} <= {
        "riga-aesthetics",
        "tbilisi-ultrasound",
        None,
    }
    faults = [record for record in day.records if record.get("message") == "unexpected"]
    assert {record["error"] for record in faults} <= {"UnavailableError", "KeysUnavailableError"}
    assert len(faults) == len([record for record in requests if record["status"] == 503])
    metrics = {
        name for record in day.records if "_aws" in record for name in record if name[0].isupper()
    }
    assert {
        "DecisionRecorded",
        "WithdrawalRecorded",
        "StaffDecisionRecorded",
        "UnexpectedError",
    } <= metrics
    assert all(
        record.get("message") in {"request", "unexpected"} or "_aws" in record
        for record in day.records
    )
