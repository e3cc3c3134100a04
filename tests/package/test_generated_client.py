"""A client generated from the document the running portal serves, calling that portal."""

import base64
import json
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from chalicelib.receipts import jws
from chalicelib.receipts.formats.registry import FORMATS
from infra.build import tools
from tests.cast import RIGA
from tests.conftest import LocalStack

pytestmark = pytest.mark.bundle

SCRIPT = Path(__file__).parent / "generated_program.py"


@pytest.fixture(scope="module")
def results(local_stack: LocalStack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Generate a client from the served description, run a program with it, give its results."""
    folder = tmp_path_factory.mktemp("generated")
    python = tools.client_generator()
    with urllib.request.urlopen(f"{local_stack.base_url}/openapi.json") as answer:
        document = json.loads(answer.read())
    described = folder / "openapi.json"
    described.write_text(json.dumps(document), encoding="utf-8")
    options = ["--meta", "none", "--path", described, "--output-path", folder / "portal_client"]
    generate = [python, "-m", "openapi_python_client", "generate", *options]
    subprocess.run(generate, check=True, capture_output=True, cwd=folder)
    [server] = document["servers"]
    command = [python, SCRIPT, folder, server["url"], RIGA, local_stack.keys[RIGA]]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    given: dict[str, Any] = json.loads(done.stdout)
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
    with urllib.request.urlopen(f"{local_stack.base_url}/.well-known/jwks.json") as answer:
        keys = json.loads(answer.read())
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
