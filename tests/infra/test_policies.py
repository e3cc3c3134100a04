"""What each function may do, as the policies say it; the routes' and the store's tests hold the
portal to them.
"""

import inspect
import itertools
import json
import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest

from chalicelib.store import keys
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import DUE_INDEX
from chalicelib.store.keys.proof import written_once
from chalicelib.store.wrapped_signer import CONTEXT
from infra.local.template import template
from tests.policies import (
    FUNCTIONS,
    TABLE,
    TableRequest,
    allowed,
    applies,
    may_query_index,
    policy,
)

CLINIC, ID = "riga-aesthetics", "0" * 32
SENDS = ("after_receipt", "catch_up")
API, STREAM, CATCH_UP, ROUND, WEBHOOKS, REPORTS, JOB_STEPS, JOB_PART = (
    "api_handler",
    "after_receipt",
    "catch_up",
    "housekeeping",
    "send_webhooks",
    "post_events",
    "job_steps",
    "job_part",
)

PUT: dict[str, set[str]] = {
    "notice_key": {API},
    "full_notice_key": {API},
    "draft_key": {API},
    "prepared_page_key": {API},
    "shown_page_key": {API},
    "receipt_id_key": {API, CATCH_UP, JOB_PART},
    # In the seconds of an update in which functions of the version before run.
    "earlier_receipt_id_key": {API, CATCH_UP, JOB_PART},
    "receipt_key": {API, CATCH_UP, JOB_PART},
    "answers_page_key": {API, CATCH_UP, JOB_PART},
    "late_answers_key": {API, CATCH_UP, JOB_PART},
    "personal_data_key": {API, CATCH_UP, JOB_PART},
    "scan_key": {API},
    "confirmed_key": {API},
    "distinct_key": {API},
    "contact_key": {API, CATCH_UP, JOB_PART, ROUND},
    "open_orders_key": {API},
    "order_key": {API},
    "open_claims_key": {*SENDS},
    "api_key_key": {API},
    "key_name_key": {API},
    "staff_member_key": {API},
    "listed_session_key": {API},
    "session_key": {API},
    "invitation_key": {API},
    "passkey_key": {API},
    "account_key": {API},
    "spent_challenge_key": {API},
    "audit_seal_key": {CATCH_UP},
    "sealed_lines_key": {CATCH_UP},
    "sealing_key": {CATCH_UP},
    "link_key": {API, JOB_PART, *SENDS},
    "links_call_key": {API, JOB_PART},
    "link_secret_key": {API},
    "tablet_key": {API},
    "tablet_code_key": {API},
    "job_key": {API},
    "job_call_key": {API},
    "job_part_key": {JOB_PART},
    "batch_key": {API},
    "batch_form_key": {API},
    "audit_key": {API, JOB_PART, JOB_STEPS, ROUND},
    "erased_key": {API, ROUND},
    "outbox_key": {API, JOB_PART, ROUND, *SENDS},
    "letter_key": {API, ROUND},
    "reminder_key": {API, ROUND, *SENDS},
    "delivery_key": {*SENDS},
    "dead_letter_key": {API, *SENDS},
    "signature_key": {*SENDS},
    "jwk_key": {*SENDS},
    "wrapped_signing_key": {*SENDS},
    "counted_key": {STREAM, CATCH_UP},
    "bookmark_key": {ROUND},
    "walk_key": {ROUND},
    "consent_count_key": {ROUND},
    "counted_since_key": {ROUND},
    "reason_mark_key": {API},
    "feed_key": {API, ROUND, *SENDS},
    "feed_complete_key": {CATCH_UP},
    "count_request_key": {API},
    "undeliverable_key": {REPORTS},
    "listed_undeliverable_key": {REPORTS},
    "removal_request_key": {API},
    "publication_key": {API},
    "alert_key": {API},
    "listed_webhook_key": {API},
    "webhook_health_key": {API},
    "webhook_delivery_key": {API, *SENDS},
    "unacknowledged_key": {API, *SENDS},
    "webhook_queue_key": {API, WEBHOOKS, *SENDS},
}
"""Which functions write an item anew, by the name of what makes its key in `store.keys`."""

CHANGE: dict[str, set[str]] = {
    "clinic_key": {API},
    "draft_key": {API},
    "publication_key": {API},
    "contact_key": {API, CATCH_UP, JOB_PART, ROUND},
    "open_orders_key": {API, CATCH_UP},
    "order_key": {CATCH_UP},
    "answers_page_key": {API, CATCH_UP, JOB_PART},
    "late_answers_key": {API, CATCH_UP, JOB_PART},
    "person_key": {API, CATCH_UP, JOB_PART, ROUND},
    "open_claims_key": {API},
    "link_key": {API},
    "link_secret_key": {API},
    "api_key_key": {API},
    "key_name_key": {API},
    "tablet_key": {API},
    "tablet_code_key": {API},
    "staff_member_key": {API},
    "session_key": {API},
    "invitation_key": {API},
    "sign_in_bucket_key": {API},
    "job_key": {API, JOB_STEPS, JOB_PART},
    "batch_key": {API},
    "bucket_key": {API, *SENDS},
    "shared_bucket_key": {*SENDS},
    "budget_key": {*SENDS},
    "delivery_key": {*SENDS},
    "outbox_key": {*SENDS},
    "letter_key": {CATCH_UP},
    "tally_key": {ROUND},
    "reason_count_key": {API},
    "feed_counted_key": {ROUND},
    "webhook_key": {API},
    "webhook_health_key": {CATCH_UP, WEBHOOKS},
    "webhook_delivery_key": {API, CATCH_UP, WEBHOOKS},
}
"""Which functions change an item that is there."""

REMOVE: dict[str, set[str]] = {
    "outbox_key": {ROUND, *SENDS},
    "letter_key": {CATCH_UP, ROUND},
    "unsigned_key": {ROUND, CATCH_UP},
    "dead_letter_key": {CATCH_UP, ROUND},
    "open_claims_key": {CATCH_UP, ROUND},
    "personal_data_key": {CATCH_UP, ROUND},
    "scan_key": {CATCH_UP, ROUND},
    "contact_key": {CATCH_UP},
    "open_orders_key": {CATCH_UP},
    "order_key": {CATCH_UP},
    "erased_key": {CATCH_UP},
    "undeliverable_key": {CATCH_UP},
    "listed_undeliverable_key": {CATCH_UP},
    "earlier_undeliverable_key": {CATCH_UP},
    "receipt_id_key": {ROUND},
    "earlier_receipt_id_key": {ROUND},
    "counted_key": {ROUND},
    "receipt_key": {ROUND},
    "signature_key": {ROUND},
    "answers_page_key": {ROUND},
    "late_answers_key": {ROUND},
    "delivery_key": {ROUND},
    "reminder_key": {ROUND},
    "confirmed_key": {ROUND},
    "distinct_key": {ROUND},
    "person_key": {ROUND},
    "webhook_queue_key": {CATCH_UP, WEBHOOKS},
}
"""Which functions remove an item. Nobody whom a request reaches does."""

BY_HAND = {
    "count_key",
    "earlier_count_key",
    "code_key",
    "sign_in_provider_key",
    "listed_clinic_key",
    "migration_key",
    "portal_key_key",
}
"""What operators alone write, with credentials of their own."""

ACTIONS = {"dynamodb:PutItem": PUT, "dynamodb:UpdateItem": CHANGE, "dynamodb:DeleteItem": REMOVE}


def makers() -> dict[str, Callable[..., Key]]:
    """Give everything that makes a key of the table, by name."""
    found: dict[str, Callable[..., Key]] = {}
    for room in pkgutil.iter_modules(keys.__path__, f"{keys.__name__}."):
        functions = inspect.getmembers(import_module(room.name), inspect.isfunction)
        found |= {
            name: make
            for name, make in functions
            if inspect.signature(make).return_annotation is Key
        }
    return found


def an_item(maker: str) -> Key:
    """Give the key of one item of a kind."""
    make = makers()[maker]
    asked = inspect.signature(make).parameters.items()
    given = {
        name: 1 if each.annotation is int else {"clinic": CLINIC}.get(name, ID)
        for name, each in asked
    }
    return make(**given)


def partition(maker: str) -> str:
    """Give the partition of one item of a kind, which is all that IAM sees of where it stands."""
    return an_item(maker).pk


def asks(action: str, maker: str) -> TableRequest:
    """Ask to write one item of a kind, as the portal does: pages of words and tries are changed in
    one attribute.
    """
    changed = {
        "answers_page_key": "entries",
        "late_answers_key": "entries",
        "open_claims_key": "number",
    }.get(maker, "body")
    return TableRequest(action, an_item(maker), frozenset({"pk", "sk", changed}))


def test_every_kind_of_item_has_its_writers() -> None:
    """Whoever adds a kind of item says here who writes it, and the policies follow."""
    assert makers().keys() == BY_HAND | PUT.keys() | CHANGE.keys() | REMOVE.keys()


@pytest.mark.parametrize(("action", "function"), list(itertools.product(ACTIONS, FUNCTIONS)))
def test_a_function_may_write_where_it_writes_and_nowhere_else(action: str, function: str) -> None:
    """Whoever broke into one of them could write only where it does: IAM tells items apart by their
    partition.

    What shares a partition with something a function writes it may write too: see
    docs/decisions/0015-who-may-write.md.
    """
    own = {maker for maker, functions in ACTIONS[action].items() if function in functions}
    beside = {partition(maker) for maker in own}
    for maker in makers():
        may = allowed(function, asks(action, maker))
        assert may or maker not in own, f"{function} must be allowed {action} on {partition(maker)}"
        assert not may or partition(maker) in beside, (
            f"{function} needs no {action} on {partition(maker)}"
        )


def statements_about_the_table(function: str) -> Iterator[dict[str, Any]]:
    """Give the statements that allow a function something in the table."""
    yield from (
        dict(each)
        for each in policy(function)
        if each["Resource"] == TABLE and each["Effect"] == "Allow"
    )


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_pattern_of_a_policy_is_used_and_holds_without_a_key_too(function: str) -> None:
    """No right is left over from something a function no longer does.

    A condition on a key of several values holds for a request that names none, unless Null says
    that it must be there:
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
    """
    for statement in statements_about_the_table(function):
        writes = [each for each in statement["Action"] if each in ACTIONS]
        assert not writes or statement["Condition"]["Null"]["dynamodb:LeadingKeys"] == "false"
        for action, pattern in itertools.product(
            writes,
            statement.get("Condition", {})
            .get("ForAllValues:StringLike", {})
            .get("dynamodb:LeadingKeys", ()),
        ):
            own = [maker for maker, functions in ACTIONS[action].items() if function in functions]
            narrowed = {
                **statement["Condition"],
                "ForAllValues:StringLike": {"dynamodb:LeadingKeys": [pattern]},
            }
            assert any(
                applies({**statement, "Condition": narrowed}, asks(action, maker)) for maker in own
            ), pattern


@pytest.mark.parametrize(
    "maker",
    ["receipt_key", "signature_key", "receipt_id_key", "earlier_receipt_id_key", "audit_key"],
)
def test_what_answers_requests_changes_no_receipt_in_place(maker: str) -> None:
    """A receipt, its place, its signature and the audit are bodies: the API may change none of
    them.
    """
    for attributes in ({"body"}, {"body", "entries"}, {"blob"}):
        asked = TableRequest(
            "dynamodb:UpdateItem", an_item(maker), frozenset({"pk", "sk", *attributes})
        )
        assert not allowed(API, asked)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("maker", ["audit_key", "audit_seal_key", "sealed_lines_key"])
def test_no_function_may_change_or_delete_a_line_of_the_audit_or_a_seal(
    function: str, maker: str
) -> None:
    """Who looked at a patient's data stays known, whatever runs: the audit is only added to."""
    for action in ("dynamodb:UpdateItem", "dynamodb:DeleteItem"):
        for attributes in ({"body"}, {"blob"}, {"ttl"}, set()):
            attributes_named = frozenset({"pk", "sk", *attributes})
            assert not allowed(function, TableRequest(action, an_item(maker), attributes_named))
    assert written_once(an_item(maker))


def actions(function: str) -> list[str]:
    """Give every action that a function's policy allows."""
    return [
        action
        for each in policy(function)
        if each["Effect"] == "Allow"
        for action in each["Action"]
    ]


@pytest.mark.parametrize("action", ["dynamodb:DeleteItem", "ses:SendEmail", "sns:Publish"])
def test_what_answers_requests_may_neither_delete_nor_write_to_people(action: str) -> None:
    """Whoever broke into it could take no receipt away and write to nobody; what runs behind needs
    all.
    """
    assert action not in actions(API)
    assert action in actions(CATCH_UP)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_may_do_more_to_the_table_than_read_and_write_items(function: str) -> None:
    """None scans it, writes by PartiQL or in batches that carry no condition, or changes the table
    itself.
    """
    known = {*ACTIONS, "dynamodb:BatchGetItem", "dynamodb:Query"}
    stream = {
        "dynamodb:DescribeStream",
        "dynamodb:GetRecords",
        "dynamodb:GetShardIterator",
        "dynamodb:ListStreams",
    }
    granted = {each for each in actions(function) if each.startswith("dynamodb:")}
    assert granted <= (known | stream if function in {STREAM, WEBHOOKS} else known)
    assert not [each for each in actions(function) if "*" in each]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_index_of_due_times_is_read_by_the_hourly_round_alone(function: str) -> None:
    """Whoever broke into another function could not list for whom something is due, of all
    clinics.
    """
    [index] = template()["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]
    assert index["IndexName"] == DUE_INDEX
    assert may_query_index(function, DUE_INDEX) == (function == ROUND)
    assert not may_query_index(function, "another")


def statement(function: str, sid: str) -> dict[str, Any]:
    """Give one statement of a function's policy."""
    [found] = [each for each in policy(function) if each["Sid"] == sid]
    return dict(found)


@pytest.mark.parametrize("function", [API, *SENDS])
def test_what_signs_may_sign_with_the_key_behind_the_alias_alone(function: str) -> None:
    """No function can sign with another key of the account."""
    sid = "SignWithTheKeyBehindTheAlias"
    assert statement(function, sid)["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": [{"Ref": "SigningAlias"}]}
    }
    signs = [each["Sid"] for each in policy(function) if "kms:Sign" in each["Action"]]
    assert signs == [sid]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_what_signs_receipts_may_unwrap_the_key_that_signs_them(function: str) -> None:
    """Whoever broke into the pages' function could read the wrapped key, and do nothing with it.

    KMS unwraps only what was wrapped for the very context that is named, and the policies say which
    contexts a function may name: a clinic's, or that of signing.
    """
    by_context = [
        (each["Sid"], each["Action"], each.get("Condition"))
        for each in policy(function)
        if each["Resource"] == {"Fn::GetAtt": ["ClinicKey", "Arn"]}
    ]
    clinics = (
        "UnwrapClinicDataKeys",
        ["kms:Decrypt"],
        {"StringLike": {"kms:EncryptionContext:clinic": "*"}},
    )
    [(purpose, signing)] = CONTEXT.items()
    own = (
        "MakeAndUnwrapTheSigningKey",
        ["kms:Decrypt", "kms:GenerateDataKeyPairWithoutPlaintext"],
        {"StringEquals": {f"kms:EncryptionContext:{purpose}": signing}},
    )
    assert by_context == [
        *([] if function == REPORTS else [clinics]),
        *([own] * (function in SENDS)),
    ]
    every = [each["Resource"] for each in policy(function) if "kms:Decrypt" in each["Action"]]
    assert "*" not in every
    assert set(CONTEXT) != {"clinic"}


def test_what_answers_requests_may_not_say_which_keys_are_the_portals() -> None:
    """Whoever broke into it could not have a key of their own taken for the portal's."""
    for maker in ("jwk_key", "wrapped_signing_key"):
        assert not allowed(API, TableRequest("dynamodb:PutItem", an_item(maker), frozenset()))


def test_what_prints_may_write_its_log_and_nothing_else() -> None:
    """Whoever broke into the press by a text it sets would find no table, no key and no name."""
    resources = template()["Resources"]
    press, role = resources["Press"]["Properties"], resources["PressRole"]["Properties"]
    assert press["Role"] == {"GetAtt": "PressRole.Arn"}
    [own] = role["Policies"]
    [granted] = own["PolicyDocument"]["Statement"]
    assert granted["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert granted["Resource"] == {"GetAtt": "PressLog.Arn"}
    assert "ManagedPolicyArns" not in role
    assert "Environment" not in press
    assert resources["Press"]["Type"] == "AWS::Lambda::Function"  # the Globals of SAM reach it not


def test_what_answers_requests_may_have_papers_set_and_call_no_other_function() -> None:
    """A page reaches the press, and nothing reaches it but the pages."""
    for function in FUNCTIONS:
        called = [
            each["Resource"]
            for each in policy(function)
            if "lambda:InvokeFunction" in each["Action"]
        ]
        assert called == ([{"Fn::GetAtt": ["Press", "Arn"]}] if function == API else [])
    variables = template()["Resources"]["APIHandler"]["Properties"]["Environment"]["Variables"]
    assert variables["PRESS_FUNCTION"] == {"Ref": "Press"}


@pytest.mark.parametrize("function", SENDS)
def test_mail_goes_out_from_one_address_and_text_messages_to_phones_alone(function: str) -> None:
    """A function that sends can neither speak in another's name nor publish to a topic."""
    mail = statement(function, "SendMailFromOneAddress")
    assert mail["Condition"] == {"StringEquals": {"ses:FromAddress": {"Ref": "MailFrom"}}}
    denied = statement(function, "PublishToNoTopic")
    assert (denied["Effect"], denied["Action"]) == ("Deny", ["sns:Publish"])


def test_what_hears_of_bounces_may_only_mark_contacts() -> None:
    """It is told by a service outside; it can read nobody and write to nobody."""
    assert {each for each in actions(REPORTS) if not each.startswith("logs:")} == {
        "dynamodb:PutItem",
        "kms:Decrypt",
    }


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_policy_is_no_longer_than_iam_takes(function: str) -> None:
    """All of a role's own policies together hold 10,240 characters, white space aside."""
    assert len(json.dumps(policy(function), separators=(",", ":"))) < 9000


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_name_that_a_policy_fills_in_is_one_text(function: str) -> None:
    """A stack whose policies CloudFormation cannot read is not deployed at all."""
    written = json.dumps(policy(function))
    assert '"Fn::Sub": [' not in written
