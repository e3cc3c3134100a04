"""What the template of the stack says, held against the code."""

import ast
import json
from pathlib import Path

import yaml

from chalicelib.domain.message_budgets import Budgets
from chalicelib.domain.rate_limits import CLINIC_POSTS_PER_SECOND
from chalicelib.settings import BUDGETS, BY_KMS, BY_WRAPPED_KEY, LETTERS_PER_ROUND
from chalicelib.store.keys.webhooks import QUEUED
from infra.local.template import TEMPLATE as TEMPLATE_FILE
from infra.local.template import template
from infra.operator.deploy import PARAMETERS

ROOT = Path(__file__).resolve().parents[2]


TEMPLATE = template()


def counted() -> set[str]:
    """Give the name of everything the portal counts."""
    return {
        str(call.args[0].value)
        for path in (ROOT / "chalicelib").rglob("*.py")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and ast.unparse(call.func) == "log.count"
        and isinstance(call.args[0], ast.Constant)
    }


def test_every_alarm_watches_something_that_is_counted() -> None:
    """An alarm on a misspelled name would be silent for ever."""
    resources = TEMPLATE["Resources"].values()
    alarms = [
        each["Properties"] for each in resources if each.get("Type") == "AWS::CloudWatch::Alarm"
    ]
    written = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"][
        "POWERTOOLS_METRICS_NAMESPACE"
    ]
    watched = {alarm["MetricName"] for alarm in alarms}
    assert {"MessageBudgetNear", "MessageBudgetSpent"} <= watched <= counted()
    for alarm in alarms:
        assert alarm["Namespace"] == written
        assert alarm["Dimensions"] == [{"Name": "service", "Value": "consent-portal"}]


def test_budgets_are_set_by_the_deployment_and_have_one_default() -> None:
    """What the documentation says of a budget is what a new stack has, and `make deploy` can change
    it.
    """
    variables = TEMPLATE["Resources"]["AfterReceipt"]["Properties"]["Environment"]["Variables"]
    for variable, name in BUDGETS.items():
        parameter = PARAMETERS[variable]
        assert variables[variable] == {"Ref": parameter}
        assert TEMPLATE["Parameters"][parameter]["Default"] == str(getattr(Budgets(), name))
    assert TEMPLATE["Resources"]["CatchUp"]["Properties"]["Environment"]["Variables"] == variables
    everywhere = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    for variable, default in (
        ("LETTERS_PER_ROUND", LETTERS_PER_ROUND),
        ("CLINIC_POSTS_PER_SECOND", CLINIC_POSTS_PER_SECOND),
    ):
        parameter = PARAMETERS[variable]
        assert {**everywhere, **variables}[variable] == {"Ref": parameter}
        assert TEMPLATE["Parameters"][parameter]["Default"] == str(default)


def test_the_streams_function_answers_for_single_records() -> None:
    """One conflict sends one record again, and not twenty-five."""
    source = TEMPLATE["Resources"]["AfterReceipt"]["Properties"]["Events"][
        "AfterReceiptDynamodbEventSource"
    ]
    assert source["Properties"]["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_webhooks_lead_to_no_machine_of_the_stack() -> None:
    """What is for trying things out on one machine is never set in AWS."""
    written = (ROOT / "infra" / "template.yaml").read_text(encoding="utf-8")
    assert "LOOPBACK" not in written
    assert "WEBHOOKS_TO_LOOPBACK" not in (ROOT / ".chalice/config.json").read_text()


def test_webhooks_have_a_reader_of_the_stream_of_their_own() -> None:
    """A recipient that is slow keeps back neither signatures nor messages."""
    events = TEMPLATE["Resources"]["SendWebhooks"]["Properties"]["Events"]
    [filtered] = events["QueuedNow"]["Properties"]["FilterCriteria"]["Filters"]
    assert f'{{"prefix":"{QUEUED}"}}' in filtered["Pattern"]
    after = TEMPLATE["Resources"]["AfterReceipt"]["Properties"]["Events"]
    assert QUEUED not in str(after)
    assert events["TriedAgain"]["Properties"]["Schedule"] == "rate(5 minutes)"


def test_what_answers_requests_knows_the_key_that_signs_lists_and_the_machine_of_jobs() -> None:
    """A list is answered with its certificate in a real stack too, and not in tests alone."""
    variables = TEMPLATE["Resources"]["APIHandler"]["Properties"]["Environment"]["Variables"]
    assert variables["SIGNING_KEY"] == {"Ref": "SigningAlias"}
    assert "SIGNING" not in variables
    assert variables["JOB_MACHINE"] == {"Ref": "JobMachine"}


def test_receipts_are_signed_by_kms_unless_the_operator_says_otherwise() -> None:
    """What is chosen reaches the functions that sign receipts, and no other: least of all the one
    of which snapshots are taken.
    """
    assert TEMPLATE["Parameters"]["Signing"]["Default"] == BY_KMS
    assert TEMPLATE["Parameters"]["Signing"]["AllowedValues"] == [BY_KMS, BY_WRAPPED_KEY]
    assert "SIGNING" not in TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    told = {
        name: resource["Properties"].get("Environment", {}).get("Variables", {}).get("SIGNING")
        for name, resource in TEMPLATE["Resources"].items()
        if "Handler" in resource.get("Properties", {})
    }
    assert {name for name, signing in told.items() if signing} == {"AfterReceipt", "CatchUp"}
    assert told["AfterReceipt"] == told["CatchUp"] == {"Ref": "Signing"}
    restored = {
        name
        for name, each in TEMPLATE["Resources"].items()
        if "SnapStart" in each.get("Properties", {})
    }
    assert restored == {"APIHandler"}


def test_no_name_stands_twice_at_one_place_of_the_template() -> None:
    """YAML keeps the last of two and says nothing: the first would silently be gone."""
    parts: list[tuple[str, yaml.Node]] = [("", yaml.compose(TEMPLATE_FILE.read_text()))]
    twice = []
    while parts:
        place, node = parts.pop()
        if isinstance(node, yaml.SequenceNode):
            parts += [(place, each) for each in node.value]
        if isinstance(node, yaml.MappingNode):
            names = [name.value for name, _ in node.value]
            twice += [f"{place}/{name}" for name in set(names) if names.count(name) > 1]
            parts += [(f"{place}/{name.value}", each) for name, each in node.value]
    assert twice == []


def test_files_of_jobs_are_encrypted_shut_and_gone_after_a_day() -> None:
    """A list of thousands of patients lies nowhere longer, or more openly, than the job needs."""
    resources = TEMPLATE["Resources"]
    bucket = resources["JobFiles"]["Properties"]
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    encrypted = rule["ServerSideEncryptionByDefault"]
    assert encrypted["SSEAlgorithm"] == "aws:kms"
    assert encrypted["KMSMasterKeyID"] == {"GetAtt": "JobFilesKey.Arn"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    [lifecycle] = bucket["LifecycleConfiguration"]["Rules"]
    assert (lifecycle["Status"], lifecycle["ExpirationInDays"]) == ("Enabled", 1)
    assert lifecycle["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    [shut] = resources["JobFilesPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (shut["Effect"], shut["Principal"], shut["Action"]) == ("Deny", "*", "s3:*")
    assert shut["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_scans_are_encrypted_shut_and_kept_when_the_stack_goes() -> None:
    """A signed form is proof; a version of it that was erased is gone after a day."""
    resources = TEMPLATE["Resources"]
    bucket = resources["Scans"]["Properties"]
    [rule] = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    encrypted = rule["ServerSideEncryptionByDefault"]
    assert encrypted["KMSMasterKeyID"] == {"GetAtt": "ScansKey.Arn"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    [lifecycle] = bucket["LifecycleConfiguration"]["Rules"]
    assert lifecycle["NoncurrentVersionExpiration"] == {"NoncurrentDays": 1}
    assert "ExpirationInDays" not in lifecycle
    assert {resources[name]["DeletionPolicy"] for name in ("Scans", "ScansKey")} == {"Retain"}
    [shut] = resources["ScansPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert (shut["Effect"], shut["Action"]) == ("Deny", "s3:*")
    variables = TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]
    assert variables["SCAN_OWNER"] == {"Ref": "AWS::AccountId"}


def test_the_machine_of_jobs_uses_nothing_that_the_local_aws_ignores() -> None:
    """What is tested on the local AWS is what runs in AWS."""
    definition = TEMPLATE["Resources"]["JobMachine"]["Properties"]["DefinitionString"]["Sub"]
    machine = json.loads(definition.replace("${JobParts}", "20"))
    parts = machine["States"]["Parts"]
    assert not {"ItemBatcher", "ResultWriter", "MaxConcurrencyPath"} & parts.keys()
    assert parts["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    reached = {machine["StartAt"]}
    for state in machine["States"].values():
        reached |= {state[name] for name in ("Next", "Default") if name in state}
        reached |= {each["Next"] for each in state.get("Catch", ())}
        reached |= {each["Next"] for each in state.get("Choices", ())}
    assert reached == machine["States"].keys()
