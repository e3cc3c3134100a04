"""What the function behind the stream gave up is listed and repeated by command."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from app import after_receipt
from chalicelib.store.statistics import counts
from infra.__main__ import main
from infra.local.aws import REGION
from tests.cast import environment
from tests.messages.outgoing import left
from tests.web.client import Client
from tests.web.page_reader import decide, receipt_number
from tests.web.running import RunningPortal

NO = {"decision.newsletter.email": "no", "decision.newsletter.sms": "no"}


class Context:
    """What Lambda tells a function of its time."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """There is time enough."""
        return 60_000


def pointer(at: datetime, size: int = 25) -> dict[str, Any]:
    """Give a message as Lambda sends it to the queue.

    https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html
    """
    first, last = ((at + timedelta(seconds=each)).strftime("%Y-%m-%dT%H:%M:%SZ") for each in (0, 5))
    return {
        "requestContext": {
            "requestId": "316aa6d0-8154-xmpl-9af7-85d5f4a6bc81",
            "functionArn": "arn:aws:lambda:eu-north-1:123456789012:function:portal-after_receipt",
            "condition": "RetryAttemptsExhausted",
            "approximateInvokeCount": 11,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": "2026-11-29T00:13:49.717Z",
        "DDBStreamBatchInfo": {
            "shardId": "shardId-00000001573689847184-864758bb",
            "startSequenceNumber": "800000000003126276362",
            "endSequenceNumber": "800000000003126276362",
            "approximateArrivalOfFirstRecord": first,
            "approximateArrivalOfLastRecord": last,
            "batchSize": size,
            "streamArn": "arn:aws:dynamodb:eu-north-1:123456789012:table/portal/stream/2026-11-01T00:00:00.000",
        },
    }


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a queue for failures: what puts a message into it."""
    monkeypatch.chdir(tmp_path)  # away from a portal that runs in this folder
    sqs = botocore.session.get_session().create_client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName=f"failures-{tmp_path.name}")["QueueUrl"]
    with environment({"FAILURES_QUEUE": url}):
        yield lambda body: sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))


def test_what_was_given_up_is_listed_done_from_the_table_and_gone_from_the_queue(
    portal: RunningPortal, client: Client, queue: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """The stream forgets after a day; the operator loses nothing by looking later."""
    clinic, now = portal.open_clinic().clinic, datetime.now(UTC)
    number = receipt_number(decide(client, clinic, NO))
    assert portal.in_process.receipts.issued(clinic, number)[1] is None
    assert main(["failures", "list"]) == 0
    assert "Nothing was given up." in capsys.readouterr().out
    queue(pointer(now))
    queue({"neither": "nor"})
    assert main(["failures", "list"]) == 0
    out, err = capsys.readouterr()
    assert "25 records\tRetryAttemptsExhausted\t11 tries" in out
    assert "no pointer" in err
    assert main(["failures", "replay"]) in {0, 1}  # another test may have left what nobody can sign
    assert "replayed:" in capsys.readouterr().out
    day = portal.in_process.receipts.find(clinic, number).document["recorded_at"][:10]
    assert sum(counts(portal.table, clinic, day).values()) == len(NO)
    assert portal.in_process.receipts.issued(clinic, number)[1] is not None
    assert main(["recount", clinic]) == 0
    assert "1 receipts of these days. 0 had not been counted" in capsys.readouterr().out


def test_without_the_address_of_the_queue_the_command_says_so(
    portal: RunningPortal,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody believes that nothing was given up because a variable is missing."""
    assert portal
    monkeypatch.chdir(tmp_path)
    assert main(["failures", "list"]) == 1
    assert "FAILURES_QUEUE" in capsys.readouterr().err


def test_days_that_are_none_and_clinics_that_are_none_are_reported(
    portal: RunningPortal,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A slip in a command recounts nothing."""
    monkeypatch.chdir(tmp_path)
    clinic = portal.open_clinic().clinic
    assert main(["recount", clinic, "--from", "yesterday"]) == 1
    assert main(["recount", clinic, "--from", "2026-11-02", "--to", "2026-11-01"]) == 1
    assert main(["recount", "no-such-clinic"]) == 1
    assert "no-such-clinic" in capsys.readouterr().err


def test_the_streams_function_answers_lambda_which_records_failed(
    portal: RunningPortal, client: Client
) -> None:
    """Lambda sends again what the function names, and nothing else (ReportBatchItemFailures)."""
    clinic = portal.open_clinic().clinic
    receipt = portal.in_process.receipts.find(clinic, receipt_number(decide(client, clinic, NO)))
    record = left(receipt)
    record["dynamodb"]["SequenceNumber"] = "7"
    assert after_receipt({"Records": [record]}, Context()) == {"batchItemFailures": []}
    assert sum(counts(portal.table, clinic, receipt.document["recorded_at"][:10]).values()) == len(
        NO
    )
