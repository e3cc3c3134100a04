"""Clients in Python and TypeScript, generated from the document the running portal serves, calling
that portal.
"""

import base64
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from chalicelib.receipts import jws
from chalicelib.receipts.certificates import file_hash, verify_certificate
from chalicelib.receipts.formats.registry import FORMATS
from infra.build import tools
from tests.cast import RIGA, TBILISI
from tests.conftest import LocalStack

pytestmark = pytest.mark.bundle

HERE = Path(__file__).parent
QUESTION = "newsletter.email"
CHECKED = ("--strict", "--noUncheckedIndexedAccess", "--noEmitOnError", "--target", "es2022")
"""What the TypeScript compiler is told: everything it can check."""


def _described(local_stack: LocalStack, folder: Path) -> tuple[Path, str]:
    """Save the description as the portal serves it; give the file and the address it names."""
    with urllib.request.urlopen(f"{local_stack.base_url}/openapi.json") as answer:
        document = json.loads(answer.read())
    described = folder / "openapi.json"
    described.write_text(json.dumps(document), encoding="utf-8")
    [server] = document["servers"]
    return described, server["url"]


def _signing_keys(local_stack: LocalStack) -> dict[str, Any]:
    with urllib.request.urlopen(f"{local_stack.base_url}/.well-known/jwks.json") as answer:
        keys: dict[str, Any] = json.loads(answer.read())
    return keys


def _run(command: Sequence[str | Path], folder: Path) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def results(local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Generate a Python client from the served description, run a program with it, give what it
    got.
    """
    folder = tmp_path_factory.mktemp("generated")
    python = tools.client_generator()
    described, address = _described(local_stack, folder)
    options = ["--meta", "none", "--path", described, "--output-path", folder / "portal_client"]
    _run([python, "-m", "openapi_python_client", "generate", *options], folder)
    program = [python, HERE / "generated_program.py", folder, address]
    given: dict[str, Any] = json.loads(
        _run([*program, RIGA, local_stack.keys[RIGA], TBILISI], folder)
    )
    return given


@pytest.fixture(scope="module")
def typescript_results(
    local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """Generate TypeScript's types from the served description, check and run a program with them,
    give what it got.
    """
    folder = tmp_path_factory.mktemp("typescript")
    modules = tools.typescript_modules()
    described, address = _described(local_stack, folder)
    (folder / "node_modules").symlink_to(modules)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    shutil.copy(HERE / "generated_program.ts", folder)
    _run([modules / ".bin" / "openapi-typescript", described, "-o", "portal.d.ts"], folder)
    compiled = [*CHECKED, "--module", "nodenext", "--lib", "es2022", "--types", "node"]
    _run([modules / ".bin" / "tsc", *compiled, "generated_program.ts"], folder)
    program = ["node", "generated_program.js", address]
    given: dict[str, Any] = json.loads(
        _run([*program, RIGA, local_stack.keys[RIGA], TBILISI], folder)
    )
    return given


@pytest.fixture(params=["results", "typescript_results"], ids=["python", "typescript"])
def day(request: pytest.FixtureRequest) -> dict[str, Any]:
    """What a clinic's program in Python, and one in TypeScript, got in the course of a day."""
    given: dict[str, Any] = request.getfixturevalue(request.param)
    return given


def test_a_generated_client_gets_a_receipt_in_every_format(
    local_stack: LocalStack, results: dict[str, Any]
) -> None:
    """A generated client gets signed receipts, pages and PDFs whole, without code around it."""
    formats = results["formats"]
    assert {name: each["status"] for name, each in formats.items()} == dict.fromkeys(formats, 200)
    bodies = {name: base64.b64decode(each["content"]) for name, each in formats.items()}
    assert set(bodies) == set(FORMATS)
    assert bodies["pdf"].startswith(b"%PDF-")
    assert bodies["html"].lower().startswith(b"<!doctype html>")
    keys = _signing_keys(local_stack)
    signed, selectively = bodies["jws"].decode(), bodies["sd-jwt"].decode()
    assert jws.verify(signed, keys).canonical == bodies["json"]
    assert selectively.startswith(f"{signed}~")
    assert json.loads(bodies["json"])["id"] == results["recorded"]["id"]
    assert json.loads(bodies["fhir-r5"])["resourceType"] == "Consent"


def test_a_generated_client_reads_statuses_and_receipts_as_what_they_are(
    results: dict[str, Any],
) -> None:
    """A withdrawal comes back as a receipt, with its version, and not as a bag of fields."""
    [result] = results["status"]["results"]
    assert result["decisions"]["testimonials.text"]["permitted"] is True
    assert results["recorded"]["type"] == "Receipt"
    assert results["withdrawn"] == {"type": "Receipt", "version": 2}


def test_a_day_ends_with_a_consent_that_was_given_and_taken_back(day: dict[str, Any]) -> None:
    """A program reads what it recorded as given and permitted, and after the withdrawal as not."""
    granted, after = day["granted"], day["after"]
    assert (granted["state"], granted["permitted"]) == ("granted", True)
    assert granted["receipt_id"] == day["recorded"]["id"]
    assert (after["state"], after["permitted"]) == ("withdrawn", False)
    assert (day["withdrawn"]["version"], after["version"]) == (2, 2)


def test_a_list_comes_back_with_the_permitted_row_and_a_certificate(
    local_stack: LocalStack, day: dict[str, Any]
) -> None:
    """A program gets its list as CSV, byte for byte, and can prove what it was told."""
    keys = _signing_keys(local_stack)
    header, row = day["scrubbed"]["rows"].splitlines(keepends=True)
    assert header == "E-mail;Name\r\n"
    assert row.startswith(day["contacts"][0]["email"])
    assert day["scrubbedAfter"]["rows"] == header
    for permitted, listed in ((1, day["scrubbed"]), (0, day["scrubbedAfter"])):
        certified = verify_certificate(listed["certificate"], keys).document
        assert (certified["purpose"], certified["permitted"]) == (QUESTION, permitted)
        assert certified["output"] == file_hash(listed["rows"].encode())


def test_links_changes_and_export_are_read_by_what_is_generated(day: dict[str, Any]) -> None:
    """A program finds its receipt in the changes, the patient in the export, and a link to send."""
    receipt = day["recorded"]["id"]
    [change] = [each for each in day["changes"] if each["question"] == QUESTION]
    assert (change["type"], change["receipt_id"]) == ("consent.granted", receipt)
    assert (change["before"], change["after"]) == ("never_asked", "granted")
    [contact] = day["contacts"]
    assert (contact["receipt_id"], contact["subject"]) == (receipt, change["subject"])
    link = day["links"][0]
    assert link["subject"] == {"email": contact["email"]}
    assert link["headers"]["List-Unsubscribe"] == f"<{link['unsubscribe_url']}>"
    with urllib.request.urlopen(link["url"]) as page:
        assert page.status == 200


def test_a_list_of_links_comes_to_a_typescript_program_as_text(
    typescript_results: dict[str, Any],
) -> None:
    """The same call takes and gives a list in CSV: the types say so, and the text is as sent."""
    header, row = typescript_results["table"].splitlines()
    assert header.startswith("Email,Name,url,unsubscribe_url")
    assert row.startswith("typescript.patient@example.org,Tīna,http")


def test_a_key_with_one_scope_is_refused_elsewhere(day: dict[str, Any]) -> None:
    """A program makes a key that reads receipts and nothing else, and is told why by a problem."""
    narrow = day["narrow"]
    assert narrow["scopes"] == ["receipts:read"]
    assert (narrow["read"], narrow["asked"]) == (200, 403)
    assert narrow["title"] == "This key may not do that"


def test_another_clinic_is_not_there_for_a_generated_client(day: dict[str, Any]) -> None:
    """A key of one clinic learns nothing of another, whichever call it tries."""
    names = ("status", "scrub", "changes", "keys", "receipt")
    assert day["refused"] == dict.fromkeys(names, 404)
