"""What the API calls: the published version behind the alias `live`, another with each release."""

import json
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from infra.build.bundle import bundle
from infra.local.aws import aws_environment, ministack
from infra.operator.deploy import RELEASE, Deployer, release
from tests.cast import environment

pytestmark = pytest.mark.bundle

STACK = "consent-portal-release"


@pytest.fixture(scope="module")
def template() -> dict[str, Any]:
    """Give the template that is deployed."""
    read: dict[str, Any] = json.loads((bundle() / "sam.json").read_text())
    return read


@pytest.fixture(scope="module")
def deployer() -> Iterator[Deployer]:
    """Give a deployer to a local AWS with nothing in it."""
    with ministack() as url, environment(aws_environment(url)):
        yield Deployer(url)


def a_portal(folder: Path, template: dict[str, Any], says: str) -> Path:
    """Build the portal's own template around a function that says one thing."""
    folder.mkdir()
    (folder / "sam.json").write_text(json.dumps(template))
    code = (
        "import os\n"
        "def app(event, context):\n"
        f"    return {{'statusCode': 200, 'body': {says!r} + ' ' + os.environ['LOG_LEVEL']}}\n"
    )
    with zipfile.ZipFile(folder / "deployment.zip", "w") as archive:
        archive.writestr(zipfile.ZipInfo("chalicelib/entry.py"), code)
    for name in ("press.zip", "press-layer.zip"):
        with zipfile.ZipFile(folder / name, "w") as archive:
            archive.writestr(zipfile.ZipInfo("nothing.txt"), "")
    return folder


def page(deployer: Deployer, outputs: dict[str, str], template: dict[str, Any]) -> str:
    """Give what the API answers."""
    stage = template["Resources"]["RestAPI"]["Properties"]["StageName"]
    endpoint = deployer.client("sts").meta.endpoint_url
    url = f"{endpoint}/restapis/{outputs['RestAPIId']}/{stage}/_user_request_/a-clinic"
    with urllib.request.urlopen(url) as answer:
        return str(answer.read().decode())


def live(deployer: Deployer) -> tuple[str, str]:
    """Give the ARN that the API calls, and the release behind the alias."""
    resources = deployer.client("cloudformation").describe_stack_resources(StackName=STACK)
    [function] = [
        each["PhysicalResourceId"]
        for each in resources["StackResources"]
        if each["LogicalResourceId"] == "APIHandler"
    ]
    client = deployer.client("lambda")
    alias = client.get_alias(FunctionName=function, Name="live")
    version = client.get_function_configuration(FunctionName=function, Qualifier="live")
    return str(alias["AliasArn"]), str(version["Description"])


def test_the_api_calls_the_alias_and_may_call_nothing_else(template: dict[str, Any]) -> None:
    """A request that reached the unpublished function would never be served from a snapshot."""
    resources = template["Resources"]
    uris = {
        operation["x-amazon-apigateway-integration"]["uri"]["Fn::Sub"]
        for methods in resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"].values()
        for operation in methods.values()
    }
    assert len(uris) == 1
    assert "/functions/${ApiLive}/invocations" in uris.pop()
    permitted = resources["APIHandlerInvokePermission"]["Properties"]["FunctionName"]
    assert permitted == {"Ref": "ApiLive"}
    alias = resources["ApiLive"]["Properties"]
    assert alias["Name"] == "live"
    assert alias["FunctionVersion"] == {"Fn::GetAtt": ["ApiVersion", "Version"]}


def test_a_release_changes_the_function_its_version_and_the_alias(template: dict[str, Any]) -> None:
    """Lambda publishes no version of a function that is as it was, and CloudFormation makes none
    whose properties are as they were.
    """
    resources = template["Resources"]
    for name in ("APIHandler", "ApiVersion", "ApiLive"):
        assert f"${{{RELEASE}}}" in resources[name]["Properties"]["Description"]["Fn::Sub"]
    assert "DeletionPolicy" not in resources["ApiVersion"], "an old snapshot would cost for ever"
    others = [
        name
        for name, each in resources.items()
        if each["Type"] == "AWS::Serverless::Function" and RELEASE in json.dumps(each)
    ]
    assert others == ["APIHandler"]


def test_what_is_deployed_is_what_the_api_calls(
    deployer: Deployer, template: dict[str, Any], tmp_path: Path
) -> None:
    """Other code and another parameter both reach the patients; the same again changes nothing."""
    first = a_portal(tmp_path / "first", template, "first")
    outputs = deployer.deploy(STACK, first, {})
    arn, begun = live(deployer)
    assert arn.endswith(":live")
    assert page(deployer, outputs, template) == "first INFO"

    outputs = deployer.deploy(STACK, first, {"LogLevel": "DEBUG"})
    _, louder = live(deployer)
    assert page(deployer, outputs, template) == "first DEBUG"

    outputs = deployer.deploy(STACK, a_portal(tmp_path / "second", template, "second"), {})
    _, other = live(deployer)
    assert page(deployer, outputs, template) == "second DEBUG"

    deployer.deploy(STACK, tmp_path / "second", {})
    assert live(deployer) == (arn, other)
    assert len({begun, louder, other}) == 3


def test_a_release_is_named_by_all_that_it_is(template: dict[str, Any]) -> None:
    """Two deployments of the same have one name, whatever the one before was called."""
    same = release(template, {"LogLevel": "INFO"})
    assert release(template, {"LogLevel": "INFO", RELEASE: "before"}) == same
    assert release(template, {"LogLevel": "DEBUG"}) != same
    assert release({**template, "Description": "another"}, {"LogLevel": "INFO"}) != same
