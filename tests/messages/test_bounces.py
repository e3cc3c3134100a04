import json
from typing import Any

import pytest

from chalicelib.messages import bounces
from chalicelib.messages.bounces import BounceReport, IgnoredReport
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
        "bouncedRecipients": [
            {"emailAddress": "anna.ozola@example.org", "action": "failed", "status": "5.1.1"}
        ],
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
DELIVERY = {
    "eventType": "Delivery",
    "mail": MAIL,
    "delivery": {"timestamp": AT, "recipients": ["anna@example.org"]},
}


def test_a_permanent_bounce_and_a_complaint_name_the_contact_by_its_lookup_key() -> None:
    """An address that is gone, and a person who is annoyed, are left alone."""
    assert bounces.interpret(json.dumps(bounce())) == BounceReport(RIGA, LOOKUP, "bounce", AT)
    assert bounces.interpret(json.dumps(COMPLAINT)) == BounceReport(RIGA, LOOKUP, "complaint", AT)


NOT_OURS = [
    pytest.param(bounce(mail={**MAIL, "tags": {}}), id="somebody else's mail"),
    pytest.param(
        bounce(mail={**MAIL, "tags": {"clinic": [RIGA], "lookup": ["x"]}}), id="no lookup"
    ),
    pytest.param(
        bounce(mail={**MAIL, "tags": {"clinic": ["A#B"], "lookup": [LOOKUP]}}), id="no clinic"
    ),
]


@pytest.mark.parametrize("event", NOT_OURS)
def test_a_bounce_of_another_programs_mail_marks_nobody(event: dict[str, Any]) -> None:
    """A mail of another program says nothing of ours."""
    report = bounces.interpret(json.dumps(event))
    assert isinstance(report, IgnoredReport)
    assert report.reason == "not_ours"


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        pytest.param(bounce("Transient"), "passing_bounce", id="a full mailbox"),
        pytest.param(bounce("Undetermined"), "passing_bounce", id="a bounce nobody understands"),
        pytest.param(DELIVERY, "another_event", id="delivered"),
    ],
)
def test_what_may_pass_marks_nobody_and_names_its_mail(event: dict[str, Any], reason: str) -> None:
    """A full mailbox is emptied some day; who looks for a mail that never came finds that it
    bounced.
    """
    report = bounces.interpret(json.dumps(event))
    assert report == IgnoredReport(reason, RIGA, MAIL["messageId"])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "Successfully validated SNS topic for Amazon SES event publishing.", id="the first try"
        ),
        pytest.param("[]", id="no object"),
        pytest.param(
            json.dumps(bounce(bounce={"bounceType": "Permanent", "timestamp": "soon"})),
            id="no time",
        ),
    ],
)
def test_what_is_no_event_marks_nobody(text: str) -> None:
    """SES sends a line of text when it first tries the topic."""
    report = bounces.interpret(text)
    assert isinstance(report, IgnoredReport)
    assert report.reason == "no_event"


def test_a_report_is_read_without_its_addresses() -> None:
    """What we keep of a report names no address."""
    for event in (
        bounce(),
        bounce("Transient"),
        bounce(mail={**MAIL, "messageId": "<anna.ozola@example.org>"}),
    ):
        assert "anna" not in repr(bounces.interpret(json.dumps(event)))
