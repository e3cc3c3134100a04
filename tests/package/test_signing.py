"""Signatures on the deployed stack: by the stream, by the clock's round, checked by an operator."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from chalicelib.receipts import jws
from chalicelib.receipts.printed_code import printed_code
from chalicelib.settings import BY_KMS, BY_WRAPPED_KEY
from chalicelib.store import outbox
from chalicelib.store.keys.receipts import receipt_key
from chalicelib.store.signer import public_jwk
from chalicelib.store.statistics import counts
from chalicelib.store.table import Table
from infra.build.bundle import ROOT, bundle
from infra.local.aws import REGION
from infra.local.run import STACK
from infra.operator.deploy import Deployer
from tests.cast import TBILISI, environment
from tests.conftest import LocalStack

pytestmark = pytest.mark.bundle

CLINIC = "valmiera-hearing"


def client(local_stack: LocalStack, service: str) -> Any:
    """Give a client of the local AWS."""
    with environment(local_stack.settings):
        return botocore.session.get_session().create_client(service, REGION)


def decide(local_stack: LocalStack, ref: str, clinic: str = CLINIC) -> dict[str, Any]:
    """Let staff record a decision; give its receipt."""
    body = {
        "subject": {"patient_ref": ref},
        "decisions": {"newsletter.email": "no"},
        "channel": "in-person",
    }
    receipt: dict[str, Any] = json.loads(
        local_stack.call(clinic, "receipts", {**body, "effective_at": "2026-11-20T10:00:00Z"})
    )
    return receipt


def page(local_stack: LocalStack, target: str) -> str:
    """Open a page."""
    with urllib.request.urlopen(f"{local_stack.base_url}{target}") as answer:
        return str(answer.read().decode())


def signed(local_stack: LocalStack, receipt: Mapping[str, Any], seconds: float = 120) -> str:
    """Wait for a receipt's signature and give it signed."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return local_stack.call(
                receipt["clinic"], f"receipts/{receipt['id']}?format=jws"
            ).decode()
        except AssertionError as error:
            if "409" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(0.3)


@contextmanager
def key_away(local_stack: LocalStack) -> Iterator[None]:
    """Disable the key that signs, as an operator's mistake would, and enable it again."""
    kms = client(local_stack, "kms")
    key = kms.describe_key(KeyId=local_stack.settings["SIGNING_KEY"])["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=key)
    try:
        yield
    finally:
        kms.enable_key(KeyId=key)


def operator(local_stack: LocalStack, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line against the stack."""
    command = [sys.executable, "-m", "infra", *arguments]
    environ = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), **local_stack.settings}
    return subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )


def test_a_receipt_is_signed_by_itself_on_the_deployed_stack(
    local_stack: LocalStack, tmp_path: Path
) -> None:
    """Moments after the decision the signature is there, and holds without the portal."""
    receipt = decide(local_stack, "signed-1")
    receipt_jws = signed(local_stack, receipt)
    jwks = page(local_stack, "/.well-known/jwks.json")
    proven = jws.verify(receipt_jws, json.loads(jwks))
    assert (proven.document, proven.alg) == (receipt, "ES256")
    code = printed_code("vh", proven)
    assert "This receipt is genuine." in page(local_stack, f"/verify?code={code}&lang=en")
    form = f'--x\r\nContent-Disposition: form-data; name="file"; filename="a.jws"\r\n\r\n{receipt_jws}\r\n--x--\r\n'
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    sent = urllib.request.Request(f"{local_stack.base_url}/verify?lang=en", form.encode(), kind)
    with urllib.request.urlopen(sent) as answer:
        assert "This receipt is genuine." in answer.read().decode()
    (tmp_path / "one.jws").write_text(receipt_jws)
    (tmp_path / "jwks.json").write_text(jwks)
    files = (str(tmp_path / "one.jws"), "--jwks", str(tmp_path / "jwks.json"))
    command = [sys.executable, "-m", "infra", "verify", *files]
    assert (
        subprocess.run(
            command, cwd=ROOT, env={"PATH": os.defpath}, capture_output=True, check=False
        ).returncode
        == 0
    )


def test_without_its_key_the_portal_decides_all_the_same_and_signs_later(
    local_stack: LocalStack,
) -> None:
    """The key service is away: patients notice one sentence.

    When it is back the clock's round signs everything.
    """
    with environment(local_stack.settings):
        table = Table(local_stack.settings["TABLE_NAME"], region=REGION)
    before = decide(local_stack, "waits-0", TBILISI)
    signed(local_stack, before)
    days = {before["recorded_at"][:10]}  # two, should midnight pass

    def refused() -> int:
        return sum(counts(table, TBILISI, day).get("newsletter.email#refused#-", 0) for day in days)

    with environment(local_stack.settings), key_away(local_stack):
        counted = refused()
        receipts = [decide(local_stack, f"waits-{number}", TBILISI) for number in range(1, 4)]
        days |= {receipt["recorded_at"][:10] for receipt in receipts}
        for receipt in receipts:
            with pytest.raises(AssertionError, match="409"):
                signed(local_stack, receipt, 0)
            assert "It is being sealed" in page(
                local_stack, f"/{TBILISI}/receipts/{receipt['id']}?lang=en"
            )
        failed = operator(local_stack, "sign")
        assert (failed.returncode, "Try again" in failed.stderr) == (1, True)

    resources = client(local_stack, "cloudformation").describe_stack_resources(StackName=STACK)[
        "StackResources"
    ]
    [function] = [
        each["PhysicalResourceId"] for each in resources if each["LogicalResourceId"] == "CatchUp"
    ]
    event = {
        "version": "0",
        "account": "0",
        "region": REGION,
        "detail": {},
        "detail-type": "Scheduled Event",
    }
    event |= {"source": "aws.events", "time": "2026-11-22T08:15:00Z", "id": "1", "resources": []}
    answer = client(local_stack, "lambda").invoke(
        FunctionName=function, Payload=json.dumps(event).encode()
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
    with environment(local_stack.settings):
        assert refused() == counted + 3, "each is counted with its signature, once"
        assert not {each.number for each in outbox.unsigned_items(table)} & {
            receipt["id"] for receipt in receipts
        }
    jwks = json.loads(page(local_stack, "/.well-known/jwks.json"))
    for receipt in receipts:
        assert jws.verify(signed(local_stack, receipt, 0), jwks).document == receipt
        assert "Sealed, so that" in page(
            local_stack, f"/{TBILISI}/receipts/{receipt['id']}?lang=en"
        )


def _kid(kms: Any, key: str) -> str:
    return public_jwk(kms.get_public_key(KeyId=key)["PublicKey"])["kid"]


def test_a_stage_is_changed_to_a_wrapped_key_and_back_by_a_deployment(
    local_stack: LocalStack,
) -> None:
    """The bundle has all that signing by itself needs, and KMS is asked for no signature then."""
    receipts = [signed(local_stack, decide(local_stack, "changed-1"))]
    with environment(local_stack.settings):
        deployer = Deployer(local_stack.settings["AWS_ENDPOINT_URL"])
        deployer.deploy(STACK, bundle(), {"Signing": BY_WRAPPED_KEY})
        try:
            with key_away(local_stack):
                receipts.append(signed(local_stack, decide(local_stack, "changed-2")))
        finally:
            deployer.deploy(STACK, bundle(), {"Signing": BY_KMS})
    receipts.append(signed(local_stack, decide(local_stack, "changed-3")))
    jwks = json.loads(page(local_stack, "/.well-known/jwks.json"))
    kids = [jws.verify(receipt, jwks).kid for receipt in receipts]
    assert kids[0] == kids[2] != kids[1]


def test_an_operator_signs_rotates_and_checks_from_the_command_line(
    local_stack: LocalStack,
) -> None:
    """Each command says what it did, and its exit code whether all is well."""
    first = signed(local_stack, decide(local_stack, "rotated-1"))
    rotated = operator(local_stack, "signing-key", "rotate")
    assert rotated.returncode == 0, rotated.stderr
    # The function remembers for minutes which key signs; what can sign no more it asks for anew.
    before = json.loads(page(local_stack, "/.well-known/jwks.json"))
    with environment(local_stack.settings):
        kms = client(local_stack, "kms")
        for key in kms.list_keys()["Keys"]:
            about = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
            signs = about["KeyUsage"] == "SIGN_VERIFY" and about["Enabled"]
            if signs and _kid(kms, key["KeyId"]) == jws.verify(first, before).kid:
                kms.disable_key(KeyId=key["KeyId"])
    second = signed(local_stack, decide(local_stack, "rotated-2"))
    jwks = json.loads(page(local_stack, "/.well-known/jwks.json"))
    kids = [jws.verify(each, jwks).kid for each in (first, second)]
    assert kids[0] != kids[1]
    assert kids[1] in rotated.stdout
    done = operator(local_stack, "sign")
    assert (done.returncode, "0 failed" in done.stdout) == (0, True), done.stderr
    checked = operator(local_stack, "verify-chains", CLINIC)
    assert (checked.returncode, "no broken chain" in checked.stdout) == (0, True), checked.stderr
    assert "0 waiting" in checked.stdout
    nobody = operator(local_stack, "verify-chains", "nobody")
    assert (nobody.returncode, "No clinic" in nobody.stderr) == (1, True)
    unset = operator(
        LocalStack("", Path(), {**local_stack.settings, "SIGNING_KEY": ""}, {}), "sign"
    )
    assert (unset.returncode, "SIGNING_KEY is not set" in unset.stderr) == (1, True)


def test_a_receipt_that_is_overwritten_in_the_table_is_told_within_seconds(
    local_stack: LocalStack,
) -> None:
    """No policy can keep whoever may write a receipt from writing it again.

    The stream's function tells of it.
    """
    receipt = decide(local_stack, "P-overwritten")
    signed(local_stack, receipt)
    place = receipt_key(receipt["clinic"], receipt["subject"], receipt["version"])
    table, name = client(local_stack, "dynamodb"), local_stack.settings["TABLE_NAME"]
    where = {"TableName": name, "Key": {"pk": {"S": place.pk}, "sk": {"S": place.sk}}}
    whole = table.get_item(**where)["Item"]
    for changed in ({**whole, "body": {"S": "{}"}}, whole):
        table.put_item(TableName=name, Item=changed)
    deadline = time.monotonic() + 60
    while "WrittenOnceChanged" not in local_stack.log.read_text(encoding="utf-8"):
        assert time.monotonic() < deadline
        time.sleep(0.3)
