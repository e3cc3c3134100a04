"""Erasure and the hourly run on the deployed stack: each function's rights are enough."""

import json
from typing import Any

import pytest

from chalicelib.jobs.publication_walk import walks
from chalicelib.store import erasures
from chalicelib.store.keys.clinics import listed_clinic_key
from chalicelib.store.keys.jobs import bookmark_key
from chalicelib.store.keys.people import subject_pk
from chalicelib.store.table import Table
from infra.local.aws import REGION
from infra.local.run import STACK
from tests.cast import RIGA, environment
from tests.conftest import LocalStack
from tests.package.test_signing import client

pytestmark = pytest.mark.bundle

PATIENT = {"email": "erased.patient@example.org"}


def strike(local_stack: LocalStack, function: str) -> None:
    """Let the clock strike for a function."""
    resources = client(local_stack, "cloudformation").describe_stack_resources(StackName=STACK)[
        "StackResources"
    ]
    [name] = [
        each["PhysicalResourceId"] for each in resources if each["LogicalResourceId"] == function
    ]
    event: dict[str, Any] = {
        "version": "0",
        "account": "0",
        "region": REGION,
        "detail": {},
        "resources": [],
    }
    event |= {
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "time": "2026-11-22T08:15:00Z",
        "id": "1",
    }
    answer = client(local_stack, "lambda").invoke(
        FunctionName=name, Payload=json.dumps(event).encode()
    )
    assert "FunctionError" not in answer, answer["Payload"].read()


def test_what_is_erased_by_call_is_swept_up_by_the_clock(local_stack: LocalStack) -> None:
    """Nothing encrypted is left an hour later, and the receipt is still there."""
    body = {"subject": PATIENT, "decisions": {"newsletter.email": "no"}, "channel": "in-person"}
    receipt = json.loads(
        local_stack.call(RIGA, "receipts", {**body, "effective_at": "2026-11-20T10:00:00Z"})
    )
    with environment(local_stack.settings):
        table = Table(local_stack.settings["TABLE_NAME"], region=REGION)
        pk = subject_pk(RIGA, receipt["subject"])
        assert len(list(table.partition(pk, "SEALED#"))) == 1
        [done] = json.loads(local_stack.call(RIGA, "erasures", {"subject": PATIENT}))["erased"]
        assert done["subject"] == receipt["subject"]
        assert local_stack.states(RIGA, PATIENT)["newsletter.email"] == "never_asked"
        strike(local_stack, "CatchUp")
        assert list(table.partition(pk, "SEALED#")) == list(erasures.waiting(table)) == []
        assert json.loads(local_stack.call(RIGA, f"receipts/{receipt['id']}")) == receipt


def test_the_hourly_round_reaches_its_end(local_stack: LocalStack) -> None:
    """Through the whole index of due times, and through the people of every clinic once."""
    with environment(local_stack.settings):
        table = Table(local_stack.settings["TABLE_NAME"], region=REGION)
        strike(local_stack, "Housekeeping")
        assert not table.get([bookmark_key()]), "nothing was left to the next round"
        walked = {clinic for clinic, walk in walks(table).items() if walk.done}
        assert walked == {item.sk for item in table.partition(listed_clinic_key("").pk, "")}
        assert walked
