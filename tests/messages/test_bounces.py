import json
from typing import Any

import pytest

from chalicelib.messages import bounces
from chalicelib.messages.bounces import BounceReport
from tests.cast import RIGA

LOOKUP = "ab" * 32
AT = "2026-11-22T08:15:00.000Z"
MAIL = {
    "timestamp": "2026-11-22T08:14:58.000Z",
    "source": "consent@example.org",
    "messageId": "0102018f-1",
    "destination": ["anna.ozola@example.org"],
    "headersTruncated": False,
    "tags": {
        "ses:configuration-set": ["portal"],
        "ses:from-domain": ["example.org"],
        "clinic": [RIGA],
        "lookup": [LOOKUP],
        "message": ["receipt"],
    },
}


def bounce(kind: str = "Permanent", **changed: Any) -> dict[str, Any]:
    """Give SES's report of a bounce, as its documentation shows it."""
    part = {
        "bounceType": kind,
        "bounceSubType": "General",
        "bouncedRecipients": [{"emailAddress": "anna.ozola@example.org", "action": "failed", "status": "5.1.1"}],
        "timestamp": AT,
        "feedbackId": "0102018f-2",
        "reportingMTA": "dsn; mta.example.org",
    }
    return {"eventType": "Bounce", "mail": MAIL, "bounce": part, **changed}


COMPLAINT = {
    "eventType": "Complaint",
    "mail": MAIL,
    "complaint": {
        "complainedRecipients": [{"emailAddress": "anna.ozola@example.org"}],
        "timestamp": AT,
        "feedbackId": "0102018f-3",
        "complaintFeedbackType": "abuse",
    },
}
DELIVERY = {"eventType": "Delivery", "mail": MAIL, "delivery": {"timestamp": AT, "recipients": ["anna@example.org"]}}


def test_a_permanent_bounce_and_a_complaint_name_the_contact_by_its_lookup_key() -> None:
    """An address that is gone, and a person who is annoyed, are left alone."""
    assert bounces.read(json.dumps(bounce())) == [BounceReport(RIGA, LOOKUP, "bounce", AT)]
    assert bounces.read(json.dumps(COMPLAINT)) == [BounceReport(RIGA, LOOKUP, "complaint", AT)]


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(json.dumps(bounce("Transient")), id="a full mailbox"),
        pytest.param(json.dumps(bounce("Undetermined")), id="a bounce nobody understands"),
        pytest.param(json.dumps(DELIVERY), id="delivered"),
        pytest.param("Successfully validated SNS topic for Amazon SES event publishing.", id="the first try"),
        pytest.param("[]", id="no object"),
        pytest.param(json.dumps(bounce(mail={**MAIL, "tags": {}})), id="somebody else's mail"),
        pytest.param(json.dumps(bounce(mail={**MAIL, "tags": {"clinic": [RIGA], "lookup": ["x"]}})), id="no lookup"),
        pytest.param(
            json.dumps(bounce(mail={**MAIL, "tags": {"clinic": ["A#B"], "lookup": [LOOKUP]}})), id="no clinic"
        ),
    ],
)
def test_nothing_else_marks_anybody(told: str) -> None:
    """A full mailbox is emptied some day; a mail of another program says nothing of ours."""
    assert bounces.read(told) == []


def test_a_report_is_read_without_its_addresses() -> None:
    """What we keep of a report names no address."""
    assert "anna" not in repr(bounces.read(json.dumps(bounce())))
