"""Deploy the bundle as a CloudFormation stack: to an AWS account, or in the same way to the local AWS.

    python -m infra.operator.deploy STAGE

The stack is called consent-portal-STAGE. What it is made of lies in a bucket of the stack consent-portal-bundles, made
by the first deployment (`bundles.yaml`). DOMAIN_NAME and CERTIFICATE_ARN in the environment give it a domain of its
own, MAIL_FROM an address to send mail from, SMS_SENDER a name for text messages, LOG_LEVEL more or less in its logs,
SMS_DAILY, SMS_COUNTRY_DAILY, SMS_CLINIC_DAILY, MAIL_DAILY and MAIL_CLINIC_DAILY how many messages a day go out at most.
What is not set stays as the deployment before had it.
"""

import base64
import copy
import hashlib
import json
import os
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from infra.build.bundle import NotBuiltError, bundle

_STAGE = re.compile(r"[a-z][a-z0-9-]{0,30}")
PARAMETERS = {
    "DOMAIN_NAME": "DomainName",
    "CERTIFICATE_ARN": "CertificateArn",
    "MAIL_FROM": "MailFrom",
    "SMS_SENDER": "SmsSender",
    "LOG_LEVEL": "LogLevel",
    "SECURITY_CONTACT": "SecurityContact",
    "ALARM_TOPIC": "AlarmTopic",
    "SMS_DAILY": "SmsDaily",
    "SMS_COUNTRY_DAILY": "SmsCountryDaily",
    "SMS_CLINIC_DAILY": "SmsClinicDaily",
    "MAIL_DAILY": "MailDaily",
    "MAIL_CLINIC_DAILY": "MailClinicDaily",
}


BUNDLES = "consent-portal-bundles"
"""The stack that owns the bucket from which all portals of an account and region are deployed."""


class NotDeployedError(Exception):
    """The stack could not be deployed; the message is fit for a person."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """One version of one object in the bucket: what was uploaded, whatever is written under its key afterwards."""

    bucket: str
    key: str
    version: str

    def url(self, region: str) -> str:
        """Give its address, as CloudFormation reads a template."""
        return f"https://s3.{region}.amazonaws.com/{self.bucket}/{self.key}?versionId={self.version}"


class Deployer:
    """Puts one build into one account and region, those of the environment's AWS settings."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        self._session = boto3.Session()
        self._endpoint_url = endpoint_url
        if not self._session.region_name:
            raise NotDeployedError("No AWS region is set: export AWS_DEFAULT_REGION, for example eu-north-1.")
        self.region = str(self._session.region_name)
        self._s3 = self.client("s3")
        self._cloudformation = self.client("cloudformation")

    def client(self, service: str) -> Any:
        """Make boto3's client of a service; all share one session."""
        # A bucket in the path works for an emulator on an address without names, and for AWS just as well.
        config = Config(s3={"addressing_style": "path"})
        return self._session.client(service, endpoint_url=self._endpoint_url, config=config)

    def deploy(self, stack: str, build: Path, parameters: dict[str, str]) -> dict[str, str]:
        """Create or update `stack` from the bundle in `build`; return its outputs by name.

        A parameter that is not given keeps the value it has.
        """
        bucket = self._bucket()
        code = self._upload(bucket, (build / "deployment.zip").read_bytes(), "zip")
        template = with_code(json.loads((build / "sam.json").read_text()), code)
        written = self._upload(bucket, json.dumps(template, separators=(",", ":")).encode(), "json")
        before = self._described(stack)
        kept = {each["ParameterKey"]: each["ParameterValue"] for each in (before or {}).get("Parameters", [])}
        chosen = {name: value for name, value in kept.items() if name in template["Parameters"]} | parameters
        request = {
            "StackName": stack,
            # A template with this many addresses is larger than what may be sent in the call itself.
            "TemplateURL": written.url(self.region),
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in chosen.items()],
        }
        if before is None:
            self._change("create", stack, request | {"EnableTerminationProtection": True})
        else:
            self._change("update", stack, request)
        return self._outputs(stack)

    def _bucket(self) -> str:
        """Return the bucket for bundles in this region, made the first time; raise NotDeployedError unless it is ours.

        A name that could be guessed could be taken by another account, which would then serve us its code.
        """
        template = (Path(__file__).parent / "bundles.yaml").read_text(encoding="utf-8")
        wanted = {"StackName": BUNDLES, "TemplateBody": template}
        if self._described(BUNDLES) is None:
            self._change("create", BUNDLES, wanted | {"EnableTerminationProtection": True})
        else:
            self._change("update", BUNDLES, wanted)
        bucket = self._outputs(BUNDLES)["Bucket"]
        try:
            self._s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=self._account)
        except ClientError as error:
            told = f"The bucket {bucket} is gone, or not of the account {self._account}"
            remedy = f"Look at it; to get another, delete the stack {BUNDLES} and deploy again"
            raise NotDeployedError(f"{told}: nothing was deployed. {remedy}.") from error
        return bucket

    @cached_property
    def _account(self) -> str:
        return str(self.client("sts").get_caller_identity()["Account"])

    def _upload(self, bucket: str, content: bytes, suffix: str) -> Uploaded:
        """Store `content` under its hash, unless exactly that is there already; S3 refuses what arrives changed."""
        digest = hashlib.sha256(content)
        checksum = base64.b64encode(digest.digest()).decode()
        ours = {"Bucket": bucket, "Key": f"{digest.hexdigest()}.{suffix}", "ExpectedBucketOwner": self._account}
        there = self._kept(ours)
        if there.get("ChecksumSHA256") != checksum or there.get("ContentLength") != len(content):
            self._s3.put_object(**ours, Body=content, ChecksumSHA256=checksum)
            there = self._kept(ours)
        if there.get("ChecksumSHA256") != checksum or not there.get("VersionId"):
            raise NotDeployedError(
                f"What {bucket} keeps as {ours['Key']} is not what was uploaded: nothing was deployed."
            )
        return Uploaded(bucket, ours["Key"], there["VersionId"])

    def _kept(self, where: dict[str, str]) -> dict[str, Any]:
        """Return what S3 says of an object, its checksum too; nothing where there is none."""
        try:
            return dict(self._s3.head_object(**where, ChecksumMode="ENABLED"))
        except ClientError as error:
            if error.response["Error"]["Code"] in {"404", "NoSuchKey"}:
                return {}
            raise

    def _outputs(self, stack: str) -> dict[str, str]:
        described = self._described(stack) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}

    def _described(self, stack: str) -> dict[str, Any] | None:
        """Return what CloudFormation says of the stack, or None when there is no such stack."""
        try:
            described: dict[str, Any] = self._cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return described

    def _change(self, action: str, stack: str, request: dict[str, Any]) -> None:
        try:
            getattr(self._cloudformation, f"{action}_stack")(**request)
        except ClientError as error:
            if "No updates are to be performed" in str(error):
                return
            raise
        seconds = 1 if self._endpoint_url else 5
        waiter = self._cloudformation.get_waiter(f"stack_{action}_complete")
        try:
            waiter.wait(StackName=stack, WaiterConfig={"Delay": seconds, "MaxAttempts": 1800 // seconds})
        except WaiterError as error:
            raise NotDeployedError(f"The stack {stack} did not {action}: {self._first_failure(stack)}") from error

    def _first_failure(self, stack: str) -> str:
        events = self._cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        if not failed:
            return "no reason was given."
        return f"{failed[-1]['LogicalResourceId']}: {failed[-1].get('ResourceStatusReason', 'no reason was given.')}"


def with_code(template: dict[str, Any], code: Uploaded) -> dict[str, Any]:
    """Return the template with every function's code taken from what was uploaded instead of the file beside it."""
    placed = copy.deepcopy(template)
    for resource in placed["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": code.bucket, "Key": code.key, "Version": code.version}
    return placed


def main(arguments: list[str]) -> int:
    """Deploy to the stage named; say where the portal is."""
    if len(arguments) != 1 or not _STAGE.fullmatch(arguments[0]):
        print("Name the stage in lower-case letters, for example: make deploy STAGE=prod", file=sys.stderr)
        return 2
    if f"consent-portal-{arguments[0]}" == BUNDLES:
        print(f"The stack {BUNDLES} keeps the bundles of every stage; call this one otherwise.", file=sys.stderr)
        return 2
    parameters = {name: os.environ[variable] for variable, name in PARAMETERS.items() if os.environ.get(variable)}
    try:
        deployer = Deployer()
        outputs = deployer.deploy(f"consent-portal-{arguments[0]}", bundle(), parameters)
    except (NotBuiltError, NotDeployedError, BotoCoreError, ClientError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The portal is at {outputs['EndpointURL']}")
    if not outputs.get("MailFrom"):
        print("It sends no e-mail yet: verify an address in SES, then deploy again with MAIL_FROM=that address.")
    print("To publish clinics, create keys and look after it, first set:")
    print(f"export AWS_REGION={deployer.region} TABLE_NAME={outputs['TableName']} \\")
    print(f"  CLINIC_KEY_ARN={outputs['ClinicKeyArn']} SIGNING_KEY={outputs['SigningKeyAlias']} \\")
    print(f"  FAILURES_QUEUE={outputs['FailuresQueue']}")
    print('then, for example: make publish FILE=my-clinic.yaml AUTHOR="Ieva Liepa" APPROVER="Juris Klusums"')
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
