"""Jobs on the deployed bundle: the state machine of the template calls the functions of the bundle."""

import csv
import hashlib
import io
import json
import time
import urllib.error
import urllib.request
from typing import Any

import pytest

from chalicelib.receipts.certificates import verify_certificate
from tests.cast import RIGA
from tests.conftest import LocalStack

pytestmark = pytest.mark.bundle

ROWS = 2_000
FILE = "E-mail,Note\n" + "".join(
    f'job{number}@example.org,"a, {number}"\n' for number in range(ROWS)
)


def upload(url: str, content: bytes) -> None:
    """Send a file to a presigned address, as curl would."""
    request = urllib.request.Request(url, content, {"Content-Type": "text/csv"}, method="PUT")
    with urllib.request.urlopen(request) as answer:
        assert answer.status == 200


def made(local_stack: LocalStack, **asked: Any) -> dict[str, Any]:
    """Make a job."""
    job: dict[str, Any] = json.loads(local_stack.call(RIGA, "jobs", asked))
    return job


def settled(local_stack: LocalStack, job: str) -> dict[str, Any]:
    """Wait until a job is over."""
    for _ in range(600):
        told: dict[str, Any] = json.loads(local_stack.call(RIGA, f"jobs/{job}"))
        if told["state"] not in {"running", "joining"}:
            return told
        time.sleep(0.5)
    raise AssertionError(f"five minutes later it is {told['state']}: {told['parts']}")


def test_two_thousand_rows_come_back_with_links_from_the_deployed_stack(
    local_stack: LocalStack,
) -> None:
    """Upload, start, wait, fetch: a program needs nothing but these four."""
    job = made(local_stack, kind="links", purposes=["newsletter.email"])
    upload(job["upload_url"], FILE.encode())
    local_stack.call(RIGA, f"jobs/{job['id']}/start", {})
    done = settled(local_stack, job["id"])
    assert done["state"] == "done", done
    assert done["rows"] == {"done": ROWS, "total": ROWS}
    assert done["parts"]["total"] > 1
    with urllib.request.urlopen(done["download_url"]) as answer:
        assert answer.headers["content-type"] == "text/csv"
        content = answer.read()
    assert hashlib.sha256(content).hexdigest() == done["sha256"]
    rows = list(csv.DictReader(io.StringIO(content.decode())))
    assert [row["E-mail"] for row in rows] == [f"job{number}@example.org" for number in range(ROWS)]
    assert len({row["url"] for row in rows}) == ROWS


def test_a_list_is_compared_with_the_consents_on_the_deployed_stack(
    local_stack: LocalStack,
) -> None:
    """The function that joins signs the certificate, with the key that signs receipts."""
    agreed = {"email": "job17@example.org"}
    body = {"subject": agreed, "channel": "phone", "effective_at": "2026-11-10T10:00:00Z"}
    local_stack.call(RIGA, "receipts", {**body, "decisions": {"newsletter.email": "yes"}})
    job = made(local_stack, kind="scrub", purpose="newsletter.email")
    upload(job["upload_url"], FILE.encode())
    local_stack.call(RIGA, f"jobs/{job['id']}/start", {})
    done = settled(local_stack, job["id"])
    assert done["state"] == "done", done
    with urllib.request.urlopen(done["download_url"]) as answer:
        content = answer.read()
    assert content == b'E-mail,Note\njob17@example.org,"a, 17"\n'
    keys = f"{local_stack.base_url}/.well-known/jwks.json"
    with urllib.request.urlopen(keys) as answer:
        jwks = json.load(answer)
    certificate = verify_certificate(done["certificate"], jwks).document
    assert certificate["output"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert certificate["input"]["sha256"] == hashlib.sha256(FILE.encode()).hexdigest()
    assert (certificate["rows"], certificate["permitted"]) == (ROWS, 1)


def test_everybody_who_agreed_is_exported_by_the_deployed_stack(local_stack: LocalStack) -> None:
    """Without an upload: the machine goes through the sixteen parts of the clinic's people."""
    body: dict[str, Any] = {"channel": "phone", "effective_at": "2026-11-10T10:00:00Z"}
    body["decisions"] = {"newsletter.email": "yes"}
    people = [f"exported{number}@example.org" for number in range(5)]
    for person in people:
        local_stack.call(RIGA, "receipts", {**body, "subject": {"email": person}})
    job = made(local_stack, kind="export", purpose="newsletter.email")
    local_stack.call(RIGA, f"jobs/{job['id']}/start", {})
    done = settled(local_stack, job["id"])
    assert (done["state"], done["parts"]["total"]) == ("done", 16), done
    with urllib.request.urlopen(done["download_url"]) as answer:
        rows = list(csv.DictReader(io.StringIO(answer.read().decode())))
    assert {row["email"] for row in rows} >= set(people)
    assert len(rows) == done["counts"]["exported"]


def test_a_job_is_cancelled_on_the_deployed_stack(local_stack: LocalStack) -> None:
    """The machine stops, and what still runs of it does nothing more."""
    job = made(local_stack, kind="links")
    upload(job["upload_url"], FILE.encode())
    local_stack.call(RIGA, f"jobs/{job['id']}/start", {})
    told = json.loads(local_stack.call(RIGA, f"jobs/{job['id']}/cancel", {}))
    assert told["state"] == "cancelled"
    time.sleep(3)
    told = json.loads(local_stack.call(RIGA, f"jobs/{job['id']}"))
    assert (told["state"], "download_url" in told) == ("cancelled", False)


def test_an_upload_address_takes_nothing_under_another_name(local_stack: LocalStack) -> None:
    """A signature is for one file: with another in its place it opens nothing."""
    job = made(local_stack, kind="links")
    other = job["upload_url"].replace("/input?", "/result-0?")
    request = urllib.request.Request(other, b"x", {"Content-Type": "text/csv"}, method="PUT")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request)
