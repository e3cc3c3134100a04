"""What each function may do, as the policies say it; nothing is built for this."""

import fnmatch
import json

import pytest

from infra.bundle import ROOT

FUNCTIONS = json.loads((ROOT / ".chalice/config.json").read_text())["stages"]["portal"]["lambda_functions"]


def allowed(function: str) -> list[str]:
    """Give every action, or pattern of actions, that a function's policy allows."""
    policy = json.loads((ROOT / ".chalice" / FUNCTIONS[function]["iam_policy_file"]).read_text())
    return [action for each in policy["Statement"] if each["Effect"] == "Allow" for action in each["Action"]]


@pytest.mark.parametrize("action", ["dynamodb:DeleteItem", "kms:Sign"])
def test_what_answers_requests_may_neither_delete_nor_sign(action: str) -> None:
    """Whoever broke into it could take no receipt away and forge none; what runs behind needs both."""
    assert not [each for each in allowed("api_handler") if fnmatch.fnmatchcase(action, each)]
    assert action in allowed("catch_up")


def test_what_erases_may_delete_and_what_forgets_may_not_sign() -> None:
    """The hourly round takes away whole people and signs nothing."""
    assert set(FUNCTIONS) == {"api_handler", "after_receipt", "catch_up", "housekeeping"}
    round_ = allowed("housekeeping")
    assert "dynamodb:DeleteItem" in round_
    assert not {"kms:Sign", "dynamodb:Scan"} & set(round_)
