"""A clinic's program, written against the client that `openapi-python-client` generates; run by
that tool's Python.

Arguments: the folder of the generated package, the portal's address, a clinic and its bearer key.
It prints what it got as JSON.
"""

import base64
import importlib
import json
import sys
import time

_, FOLDER, BASE_URL, CLINIC, KEY = sys.argv
sys.path.insert(0, FOLDER)
REF = "generated-client"
PATIENCE_SECONDS = 120


def called(tag, operation):  # noqa: ANN001, ANN201 - what is generated has no types here
    """Give the module of one operation."""
    return importlib.import_module(f"portal_client.api.{tag}.{operation}")


models = importlib.import_module("portal_client.models")
client = importlib.import_module("portal_client").AuthenticatedClient(
    BASE_URL, KEY, raise_on_unexpected_status=True
)


NOT_YET = 409  # it is recorded, and not signed yet


def receipt_as(number, wanted):  # noqa: ANN001, ANN201 - as above
    """Get a receipt in a format, waiting for its signature."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = called("receipts", "get_receipt").sync_detailed(
            CLINIC, number, client=client, format_=models.ReceiptFormat(wanted)
        )
        if answer.status_code != NOT_YET or time.monotonic() > deadline:
            return answer
        time.sleep(0.5)


decision = {
    "subject": {"patient_ref": REF},
    "decisions": {"testimonials.text": "yes"},
    "channel": "in-person",
    "effective_at": "2026-11-20T10:00:00Z",
    "evidence": {"witness": "Dr. Liepa"},
}
recorded = called("receipts", "record_decision").sync(
    CLINIC, client=client, body=models.StaffDecision.from_dict(decision)
)
formats = {}
for each in models.ReceiptFormat:
    answer = receipt_as(recorded.id, each.value)
    formats[each.value] = {
        "status": int(answer.status_code),
        "parsed": type(answer.parsed).__name__,
        "content": base64.b64encode(answer.content).decode(),
    }
question = models.StatusQuestion.from_dict(
    {"subjects": [{"patient_ref": REF}], "purposes": ["testimonials.text"]}
)
status = called("status", "get_status").sync(CLINIC, client=client, body=question)
withdrawal = {key: value for key, value in decision.items() if key != "decisions"} | {"all": True}
withdrawn = called("receipts", "record_withdrawal").sync(
    CLINIC, client=client, body=models.StaffWithdrawal.from_dict(withdrawal)
)
print(
    json.dumps(
        {
            "recorded": {"type": type(recorded).__name__, "id": recorded.id},
            "formats": formats,
            "status": status.to_dict(),
            "withdrawn": {"type": type(withdrawn).__name__, "version": withdrawn.version},
        }
    )
)
