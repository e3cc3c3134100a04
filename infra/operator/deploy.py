"""Deploys the bundle as a CloudFormation stack: to an AWS account, or likewise to the local AWS.

    python -m infra.operator.deploy STAGE

The stack is called consent-portal-STAGE. Its bundle is uploaded to a bucket of the stack
consent-portal-bundles (`bundles.yaml`), which the first deployment makes. Environment variables
change the stack's parameters; one that is not set keeps the value of the last deployment:

    DOMAIN_NAME, CERTIFICATE_ARN    a domain of the portal's own
    MAIL_FROM, SMS_SENDER           the address that mail, and the name that text messages come from
    SECURITY_CONTACT, ALARM_TOPIC   for security.txt, and for alarms
    LOG_LEVEL                       how much is logged
    SMS_DAILY, SMS_COUNTRY_DAILY, SMS_CLINIC_DAILY, MAIL_DAILY, MAIL_CLINIC_DAILY
                                    how many messages go out on one day at most
    SNAP_START                      on or off: whether the pages' function is restored from a snapshot

PYTHON_TARGET names the Python that Lambda runs, 3.13 if it is not set (infra/build/bundle.py).
"""

import base64
import copy
import hashlib
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from infra.build.bundle import DEPLOYED, NotBuiltError, PythonVersion, bundle, named_target

_STAGE = re.compile(r"[a-z][a-z0-9-]{0,30}")
PARAMETERS = {
    "DOMAIN_NAME": "DomainName",
    "CERTIFICATE_ARN": "CertificateArn",
    "MAIL_FROM": "MailFrom",
    "SMS_SENDER": "SmsSender",
    "LOG_LEVEL": "LogLevel",
    "SECURITY_CONTACT": "SecurityContact",
    "ALARM_TOPIC": "AlarmTopic",
    "SNAP_START": "SnapStart",
    "SMS_DAILY": "SmsDaily",
    "SMS_COUNTRY_DAILY": "SmsCountryDaily",
    "SMS_CLINIC_DAILY": "SmsClinicDaily",
    "MAIL_DAILY": "MailDaily",
    "MAIL_CLINIC_DAILY": "MailClinicDaily",
    "LETTERS_PER_ROUND": "LettersPerRound",
    "CLINIC_POSTS_PER_SECOND": "ClinicPostsPerSecond",
    "JOB_PARTS": "JobParts",
    "SIGNING": "Signing",
}


RELEASE = "Release"
"""The parameter that names what is deployed (infra/template.yaml)."""

_OF_A_FILE = {"AWS::Lambda::Function": "Code", "AWS::Lambda::LayerVersion": "Content"}
"""Where resources that chalice does not write name the file of the build that they are made of."""

BUNDLES = "consent-portal-bundles"
"""The stack that owns the bucket from which all portals of an account and region are deployed."""


class NotDeployedError(Exception):
    """The stack could not be deployed; the message is fit for a person."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """One version of one object in the bucket, which later uploads under its key do not change."""

    bucket: str
    key: str
    version: str

    def url(self, region: str) -> str:
        """Return the address at which CloudFormation can read it."""
        bucket = f"https://s3.{region}.amazonaws.com/{self.bucket}"
        return f"{bucket}/{self.key}?versionId={self.version}"


class Deployer:
    """Deploys to the account and region of the environment's AWS settings."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        self._session = boto3.Session()
        self._endpoint_url = endpoint_url
        if not self._session.region_name:
            remedy = "export AWS_DEFAULT_REGION, for example eu-north-1"
            raise NotDeployedError(f"No AWS region is set: {remedy}.")
        self.region = str(self._session.region_name)
        self._s3 = self.client("s3")
        self._cloudformation = self.client("cloudformation")

    def client(self, service: str) -> Any:
        """Return a boto3 client of a service; all share one session."""
        # An emulator has no host name per bucket. AWS accepts a bucket in the path as well.
        config = Config(s3={"addressing_style": "path"})
        return self._session.client(service, endpoint_url=self._endpoint_url, config=config)

    def deploy(self, stack: str, build: Path, parameters: dict[str, str]) -> dict[str, str]:
        """Create or update `stack` from the bundle in `build`; return its outputs by name.

        A parameter that is not given keeps the value it has.
        """
        bucket = self._bucket()
        built = json.loads((build / "sam.json").read_text())
        uploaded = {
            name: self._upload(bucket, (build / name).read_bytes(), "zip")
            for name in files_of(built)
        }
        template = with_code(built, uploaded)
        written = self._upload(bucket, json.dumps(template, separators=(",", ":")).encode(), "json")
        chosen = self._kept_parameters(stack, template) | parameters
        if RELEASE in template["Parameters"]:
            chosen[RELEASE] = release(template, chosen)
        self._create_or_update(
            {
                "StackName": stack,
                # The template may be larger than what may be sent in the call itself.
                "TemplateURL": written.url(self.region),
                "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
                "Parameters": [
                    {"ParameterKey": name, "ParameterValue": value}
                    for name, value in chosen.items()
                ],
            }
        )
        return self._outputs(stack)

    def _kept_parameters(self, stack: str, template: dict[str, Any]) -> dict[str, str]:
        """Return the stack's present parameters, without those the template no longer has."""
        described = self._describe(stack) or {}
        kept = {}
        for parameter in described.get("Parameters", []):
            if parameter["ParameterKey"] in template["Parameters"]:
                kept[parameter["ParameterKey"]] = parameter["ParameterValue"]
        return kept

    def _create_or_update(self, request: dict[str, Any]) -> None:
        if self._describe(request["StackName"]) is None:
            self._change("create", request | {"EnableTerminationProtection": True})
        else:
            self._change("update", request)

    def _bucket(self) -> str:
        """Return the bucket for bundles in this region, made by the first deployment.

        Raise NotDeployedError unless it belongs to our account: another account could take a name
        that can be guessed, and would then deliver its own code to us.
        """
        template = (Path(__file__).parent / "bundles.yaml").read_text(encoding="utf-8")
        self._create_or_update({"StackName": BUNDLES, "TemplateBody": template})
        bucket = self._outputs(BUNDLES)["Bucket"]
        try:
            self._s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=self._account)
        except ClientError as error:
            problem = f"The bucket {bucket} is gone, or not of the account {self._account}"
            remedy = f"Look at it; to get another, delete the stack {BUNDLES} and deploy again"
            raise NotDeployedError(f"{problem}: nothing was deployed. {remedy}.") from error
        return bucket

    @cached_property
    def _account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    def _upload(self, bucket: str, content: bytes, suffix: str) -> Uploaded:
        """Store `content` under its hash, unless it is there already.

        S3 compares the checksum, and refuses content that was changed on the way.
        """
        digest = hashlib.sha256(content)
        checksum = base64.b64encode(digest.digest()).decode()
        key = f"{digest.hexdigest()}.{suffix}"
        ours = {"Bucket": bucket, "Key": key, "ExpectedBucketOwner": self._account}
        there = self._stored(ours)
        if there.get("ChecksumSHA256") != checksum or there.get("ContentLength") != len(content):
            self._s3.put_object(**ours, Body=content, ChecksumSHA256=checksum)
            there = self._stored(ours)
        if there.get("ChecksumSHA256") != checksum or not there.get("VersionId"):
            problem = f"What {bucket} keeps as {key} is not what was uploaded"
            raise NotDeployedError(f"{problem}: nothing was deployed.")
        return Uploaded(bucket, key, there["VersionId"])

    def _stored(self, where: dict[str, str]) -> dict[str, Any]:
        """Return S3's metadata of an object, with its checksum; empty where there is none."""
        try:
            return dict(self._s3.head_object(**where, ChecksumMode="ENABLED"))
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
                return {}
            raise

    def _outputs(self, stack: str) -> dict[str, str]:
        described = self._describe(stack) or {}
        outputs = described.get("Outputs", [])
        return {output["OutputKey"]: output["OutputValue"] for output in outputs}

    def _describe(self, stack: str) -> dict[str, Any] | None:
        """Return CloudFormation's description of the stack, or None when there is no such stack."""
        try:
            answer = self._cloudformation.describe_stacks(StackName=stack)
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        described: dict[str, Any] = answer["Stacks"][0]
        return described

    def _change(self, action: str, request: dict[str, Any]) -> None:
        """Create or update a stack and wait until it is done; raise NotDeployedError if it
        fails.
        """
        stack = request["StackName"]
        try:
            getattr(self._cloudformation, f"{action}_stack")(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return
            raise
        seconds = 1 if self._endpoint_url else 5
        waiter = self._cloudformation.get_waiter(f"stack_{action}_complete")
        waiting = {"Delay": seconds, "MaxAttempts": 1800 // seconds}
        try:
            waiter.wait(StackName=stack, WaiterConfig=waiting)
        except WaiterError as error:
            reason = self._first_failure(stack)
            raise NotDeployedError(f"The stack {stack} did not {action}: {reason}") from error

    def _first_failure(self, stack: str) -> str:
        events = self._cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        if not failed:
            return "no reason was given."
        first = failed[-1]  # the newest event comes first
        reason = first.get("ResourceStatusReason", "no reason was given.")
        return f"{first['LogicalResourceId']}: {reason}"


def release(template: dict[str, Any], parameters: Mapping[str, str]) -> str:
    """Return a name for a template, the code it names and its parameters: 16 hexadecimal digits.

    Whatever is changed gives another name, and with it a new version of the pages' function; the
    same again gives the same, and CloudFormation has nothing to do.
    """
    others = {name: value for name, value in parameters.items() if name != RELEASE}
    content = json.dumps([template, others], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def files_of(template: Mapping[str, Any]) -> list[str]:
    """Return the names of the files of the build that a template's functions and layers are made
    of.
    """
    return sorted({_file_of(resource) for resource in template["Resources"].values()} - {""})


def with_code(template: dict[str, Any], uploaded: Mapping[str, Uploaded]) -> dict[str, Any]:
    """Return the template with the uploaded file for every function and layer, by the name of the
    file of the build.
    """
    placed = copy.deepcopy(template)
    for resource in placed["Resources"].values():
        if not (name := _file_of(resource)):
            continue
        file, properties = uploaded[name], resource["Properties"]
        if resource["Type"] in _OF_A_FILE:
            properties[_OF_A_FILE[resource["Type"]]] = {
                "S3Bucket": file.bucket,
                "S3Key": file.key,
                "S3ObjectVersion": file.version,
            }
        else:
            properties["CodeUri"] = {
                "Bucket": file.bucket,
                "Key": file.key,
                "Version": file.version,
            }
    return placed


def _file_of(resource: Mapping[str, Any]) -> str:
    """Return the name of the file of the build that a resource is made of; empty for another
    resource.
    """
    if resource["Type"] == "AWS::Serverless::Function":
        return str(resource["Properties"]["CodeUri"]).removeprefix("./")
    if resource["Type"] in _OF_A_FILE:
        return str(resource["Properties"][_OF_A_FILE[resource["Type"]]]["S3Key"])
    return ""


def main(arguments: list[str]) -> int:
    """Deploy to the stage named, and print the portal's address."""
    stage = arguments[0] if len(arguments) == 1 else ""
    if not _STAGE.fullmatch(stage):
        example = "make deploy STAGE=prod"
        print(f"Name the stage in lower-case letters, for example: {example}", file=sys.stderr)
        return 2
    stack = f"consent-portal-{stage}"
    if stack == BUNDLES:
        problem = f"The stack {BUNDLES} keeps the bundles of every stage"
        print(f"{problem}; call this one otherwise.", file=sys.stderr)
        return 2
    try:
        target = named_target(DEPLOYED)
        parameters = _parameters(target)
        deployer = Deployer()
        outputs = deployer.deploy(stack, bundle(target=target), parameters)
    except (NotBuiltError, NotDeployedError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    _print_next_steps(deployer.region, outputs)
    return 0


def _parameters(target: PythonVersion) -> dict[str, str]:
    """Return the stack's parameters that the environment sets, for functions in a Python."""
    chosen = {}
    for variable, name in PARAMETERS.items():
        value = os.environ.get(variable)
        if value:
            chosen[name] = value
    if not target.restores and chosen.pop("SnapStart", "off") == "on":
        raise NotDeployedError(f"SNAP_START needs Python 3.12 or newer; this is {target}.")
    return chosen


def _print_next_steps(region: str, outputs: dict[str, str]) -> None:
    print(f"The portal is at {outputs['EndpointURL']}")
    if not outputs.get("MailFrom"):
        remedy = "verify an address in SES, then deploy again with MAIL_FROM=that address"
        print(f"It sends no e-mail yet: {remedy}.")
    print("To publish clinics, create keys and look after it, first set:")
    print(f"export AWS_REGION={region} TABLE_NAME={outputs['TableName']} \\")
    print(f"  CLINIC_KEY_ARN={outputs['ClinicKeyArn']} SIGNING_KEY={outputs['SigningKeyAlias']} \\")
    print(f"  SIGNING={outputs['Signing']} FAILURES_QUEUE={outputs['FailuresQueue']}")
    names = 'AUTHOR="Ieva Liepa" APPROVER="Juris Klusums"'
    print(f"then, for example: make publish FILE=my-clinic.yaml {names}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
