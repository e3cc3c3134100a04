"""What each function may do, as the policies say it; nothing is built for this."""

import fnmatch
import json
from typing import Any

import pytest

from chalicelib.store.keys import contact_key, dead_letter_key, receipt_key, roll_key, unsent_key, unsigned_key
from infra.bundle import ROOT

CLINIC, ID = "riga-aesthetics", "0" * 32
FUNCTIONS = json.loads((ROOT / ".chalice/config.json").read_text())["stages"]["portal"]["lambda_functions"]


def allowed(function: str) -> list[str]:
    """Give every action, or pattern of actions, that a function's policy allows."""
    policy = json.loads((ROOT / ".chalice" / FUNCTIONS[function]["iam_policy_file"]).read_text())
    return [action for each in policy["Statement"] if each["Effect"] == "Allow" for action in each["Action"]]


@pytest.mark.parametrize("action", ["dynamodb:DeleteItem", "kms:Sign", "ses:SendEmail", "sns:Publish"])
def test_what_answers_requests_may_neither_delete_nor_sign_nor_write_to_people(action: str) -> None:
    """Whoever broke into it could take no receipt away, forge none and write to nobody; what runs behind needs all."""
    assert not [each for each in allowed("api_handler") if fnmatch.fnmatchcase(action, each)]
    assert action in allowed("catch_up")


def test_what_erases_may_delete_and_what_forgets_may_not_sign() -> None:
    """The hourly round takes away whole people and signs nothing."""
    assert set(FUNCTIONS) == {"api_handler", "after_receipt", "catch_up", "housekeeping", "post_events"}
    round_ = allowed("housekeeping")
    assert "dynamodb:DeleteItem" in round_
    assert not {"kms:Sign", "dynamodb:Scan"} & set(round_)


def statement(function: str, sid: str) -> dict[str, Any]:
    """Give one statement of a function's policy."""
    policy = json.loads((ROOT / ".chalice" / FUNCTIONS[function]["iam_policy_file"]).read_text())
    [found] = [each for each in policy["Statement"] if each["Sid"] == sid]
    return dict(found)


def test_what_follows_a_decision_takes_away_nothing_but_its_own_marks() -> None:
    """The stream's function reads what patients typed; whoever broke into it could take no receipt and no person away.

    A condition on a key of several values holds for a request that names none, unless Null says that it must be there:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    """
    assert allowed("after_receipt").count("dynamodb:DeleteItem") == 1
    deleting = statement("after_receipt", "TakeAwayWhatWasDone")
    assert deleting["Action"] == ["dynamodb:DeleteItem"]
    assert deleting["Condition"]["Null"] == {"dynamodb:LeadingKeys": "false"}
    allowed_keys = deleting["Condition"]["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
    for key in (unsent_key(CLINIC, ID), unsigned_key(CLINIC, ID)):
        assert any(fnmatch.fnmatchcase(key.pk, each) for each in allowed_keys)
    for key in (receipt_key(CLINIC, ID, 1), roll_key(CLINIC, ID), contact_key(CLINIC, ID), dead_letter_key(CLINIC, ID)):
        assert not any(fnmatch.fnmatchcase(key.pk, each) for each in allowed_keys)


@pytest.mark.parametrize("function", ["after_receipt", "catch_up"])
def test_mail_goes_out_from_one_address_and_text_messages_to_phones_alone(function: str) -> None:
    """A function that sends can neither speak in another's name nor publish to a topic."""
    mail = statement(function, "SendMailFromOneAddress")
    assert mail["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}}
    denied = statement(function, "PublishToNoTopic")
    assert (denied["Effect"], denied["Action"]) == ("Deny", ["sns:Publish"])


def test_what_hears_of_bounces_may_only_mark_contacts() -> None:
    """It is told by a service outside; it can read nobody and write to nobody."""
    tables = [each for each in allowed("post_events") if each.startswith("dynamodb:")]
    assert tables == ["dynamodb:PutItem"]
    assert not {"ses:SendEmail", "sns:Publish", "kms:Sign"} & set(allowed("post_events"))
