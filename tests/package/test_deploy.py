"""Deploying: what runs is what was built, from a bucket that nobody could take before us."""

import base64
import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.awsrequest import AWSResponse

from infra.build.bundle import ROOT
from infra.local.aws import ACCOUNT, aws_environment, ministack
from infra.operator.deploy import BUNDLES, Deployer, NotDeployedError, main
from tests.cast import environment

STACK = "consent-portal-trial"
FUNCTION = {"Handler": "app.handler", "Runtime": "python3.11", "CodeUri": "./deployment.zip"}
TEMPLATE = {
    "Transform": "AWS::Serverless-2016-10-31",
    "Parameters": {},
    "Outputs": {"Name": {"Value": {"Ref": "Function"}}},
}


class Nothing:
    """The body of an answer that has none."""

    def stream(self) -> Iterator[bytes]:
        """Give it in one piece."""
        yield b""


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """Run a local AWS with nothing in it."""
    with ministack() as url, environment(aws_environment(url)):
        yield url


def a_build(folder: Path, says: str, memory: int = 128) -> Path:
    """Build the smallest function there is."""
    folder.mkdir(exist_ok=True)
    function = {
        "Type": "AWS::Serverless::Function",
        "Properties": {**FUNCTION, "MemorySize": memory},
    }
    template = {**TEMPLATE, "Resources": {"Function": function}}
    (folder / "sam.json").write_text(json.dumps(template), encoding="utf-8")
    with zipfile.ZipFile(folder / "deployment.zip", "w") as archive:
        archive.writestr(
            zipfile.ZipInfo("app.py"), f"def handler(event, context):\n    return {says!r}\n"
        )
    return folder


def client(service: str) -> Any:
    """Give a client of the local AWS."""
    return botocore.session.get_session().create_client(service)


def answer_of(outputs: dict[str, str]) -> str:
    """Give what the deployed function says."""
    payload: bytes = client("lambda").invoke(FunctionName=outputs["Name"])["Payload"].read()
    return payload.decode().strip('"')


def listen(deployer: Deployer) -> list[tuple[str, dict[str, Any]]]:
    """List every call to S3 that a deployer makes, with what it was given."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        calls.append((model.name, dict(params)))

    deployer._s3.meta.events.register("provide-client-params.s3", note)  # noqa: SLF001 - the client it uses
    return calls


def test_what_runs_is_the_version_that_was_uploaded_whatever_is_put_in_its_place(
    aws: str, tmp_path: Path
) -> None:
    """Who may write to the bucket still cannot put other code into the next update."""
    deployer = Deployer(aws)
    calls = listen(deployer)
    outputs = deployer.deploy(STACK, a_build(tmp_path / "a", "first"), {})
    assert answer_of(outputs) == "first"
    [put] = [
        given for name, given in calls if name == "PutObject" and given["Key"].endswith(".zip")
    ]
    digest = hashlib.sha256((tmp_path / "a/deployment.zip").read_bytes())
    assert put["Key"] == f"{digest.hexdigest()}.zip"
    assert put["ChecksumSHA256"] == base64.b64encode(digest.digest()).decode()
    other = a_build(tmp_path / "b", "other") / "deployment.zip"
    client("s3").put_object(Bucket=put["Bucket"], Key=put["Key"], Body=other.read_bytes())
    assert (
        answer_of(deployer.deploy(STACK, a_build(tmp_path / "a", "first", memory=256), {}))
        == "first"
    )
    template = client("cloudformation").get_template(StackName=STACK, TemplateStage="Original")[
        "TemplateBody"
    ]
    code = (template if isinstance(template, dict) else json.loads(template))["Resources"][
        "Function"
    ]["Properties"]
    version = client("s3").get_object(
        Bucket=code["CodeUri"]["Bucket"],
        Key=code["CodeUri"]["Key"],
        VersionId=code["CodeUri"]["Version"],
    )
    assert version["Body"].read() == (tmp_path / "a/deployment.zip").read_bytes()


def test_the_same_build_is_uploaded_once(aws: str, tmp_path: Path) -> None:
    """A second deployment of it changes nothing and costs nothing."""
    deployer = Deployer(aws)
    deployer.deploy(STACK, a_build(tmp_path, "once"), {})
    calls = listen(deployer)
    assert answer_of(deployer.deploy(STACK, tmp_path, {})) == "once"
    assert "PutObject" not in [name for name, _ in calls]


def test_every_call_to_the_bucket_names_its_owner(aws: str, tmp_path: Path) -> None:
    """S3 itself then refuses a bucket of somebody else, whatever its name is."""
    deployer = Deployer(aws)
    calls = listen(deployer)
    deployer.deploy(STACK, a_build(tmp_path, "owner"), {})
    assert {name for name, _ in calls} == {"HeadBucket", "HeadObject", "PutObject"}
    assert {given["ExpectedBucketOwner"] for _, given in calls} == {ACCOUNT}


def test_a_bucket_of_another_account_is_refused_and_nothing_is_deployed(
    aws: str, tmp_path: Path
) -> None:
    """The local S3 does not check the owner; a stand-in answers 403 for another's bucket, as S3."""
    deployer = Deployer(aws)
    owners: list[str] = []

    def as_s3(request: Any, **_: Any) -> AWSResponse:
        owner = request.headers["x-amz-expected-bucket-owner"].decode()
        owners.append(owner)
        assert owner != "111122223333"
        return AWSResponse(request.url, 403, {}, Nothing())

    deployer._s3.meta.events.register("before-send.s3", as_s3)  # noqa: SLF001 - as above
    with pytest.raises(NotDeployedError, match="nothing was deployed"):
        deployer.deploy("consent-portal-refused", a_build(tmp_path, "refused"), {})
    assert owners == [ACCOUNT]
    stacks = client("cloudformation").describe_stacks()["Stacks"]
    assert "consent-portal-refused" not in {each["StackName"] for each in stacks}


def test_nothing_is_deployed_from_what_s3_keeps_otherwise_than_it_was_sent(
    aws: str, tmp_path: Path
) -> None:
    """An upload that was changed on the way is no deployment."""
    deployer = Deployer(aws)

    def otherwise(parsed: dict[str, Any], **_: Any) -> None:
        parsed["ChecksumSHA256"] = "A" * 43 + "="

    deployer._s3.meta.events.register("after-call.s3.HeadObject", otherwise)  # noqa: SLF001 - as above
    with pytest.raises(NotDeployedError, match="not what was uploaded"):
        deployer.deploy(STACK, a_build(tmp_path, "changed"), {})


def test_the_buckets_name_is_known_to_nobody_beforehand(aws: str, tmp_path: Path) -> None:
    """Nobody can take the bucket's name first: CloudFormation makes it up."""
    Deployer(aws).deploy(STACK, a_build(tmp_path, "name"), {})
    [stack] = client("cloudformation").describe_stacks(StackName=BUNDLES)["Stacks"]
    [bucket] = [each["OutputValue"] for each in stack["Outputs"]]
    assert re.fullmatch(rf"{BUNDLES}-bundles-[a-z0-9]{{8,}}", bucket)
    assert client("s3").get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    [denied] = json.loads(client("s3").get_bucket_policy(Bucket=bucket)["Policy"])["Statement"]
    assert (denied["Effect"], denied["Condition"]) == (
        "Deny",
        {"Bool": {"aws:SecureTransport": "false"}},
    )


class Template(yaml.SafeLoader):
    """Reads CloudFormation's short functions as what they are given."""


def _given(loader: yaml.SafeLoader, _: str, node: yaml.Node) -> object:
    return (
        loader.construct_sequence(node) if isinstance(node, yaml.SequenceNode) else str(node.value)
    )


Template.add_multi_constructor("!", _given)  # type: ignore[no-untyped-call]


def test_the_bucket_is_encrypted_shut_to_the_public_and_forgets_old_bundles() -> None:
    """What the local AWS does not carry out stands in the template all the same."""
    text = (ROOT / "infra/operator/bundles.yaml").read_text(encoding="utf-8")
    template = yaml.load(text, Template)  # noqa: S506 - safe
    bucket = template["Resources"]["Bundles"]
    made = bucket["Properties"]
    assert "BucketName" not in made
    assert bucket["DeletionPolicy"] == bucket["UpdateReplacePolicy"] == "Retain"
    assert set(made["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(made["PublicAccessBlockConfiguration"]) == 4
    [rule] = made["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    [life] = made["LifecycleConfiguration"]["Rules"]
    assert life["ExpirationInDays"] == life["NoncurrentVersionExpiration"]["NoncurrentDays"] == 400


def test_no_stage_takes_the_name_of_the_bundles_own_stack(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A portal in its place would take the bucket away from all others."""
    assert main(["bundles"]) == 2
    assert "bundles" in capsys.readouterr().err


def test_a_snapshot_for_a_python_that_has_none_is_refused_before_anything_is_built(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever asks for both learns at once which of the two to change."""
    with environment({"PYTHON_TARGET": "3.11", "SNAP_START": "on"}):
        assert main(["trial"]) == 1
    assert capsys.readouterr().err == "SNAP_START needs Python 3.12 or newer; this is 3.11.\n"
    with environment({"PYTHON_TARGET": "3.9"}):
        assert main(["trial"]) == 1
    assert "PYTHON_TARGET must be 3.11" in capsys.readouterr().err


def test_the_bucket_and_what_is_in_it_survive_a_stop_of_the_local_aws(tmp_path: Path) -> None:
    """`make run` deploys into the same local AWS again the next morning."""
    build = a_build(tmp_path / "build", "morning")
    for _ in range(2):
        with ministack(tmp_path / "data") as url, environment(aws_environment(url)):
            assert answer_of(Deployer(url).deploy(STACK, build, {})) == "morning"
