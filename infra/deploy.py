"""Deploy the bundle as a CloudFormation stack: to an AWS account, or in the same way to the local AWS.

    python -m infra.deploy STAGE

The stack is called consent-portal-STAGE. DOMAIN_NAME and CERTIFICATE_ARN in the environment give it a domain of its
own, MAIL_FROM an address to send mail from, SMS_SENDER a name for text messages, LOG_LEVEL more or less in its logs,
SMS_DAILY, SMS_COUNTRY_DAILY, SMS_CLINIC_DAILY, MAIL_DAILY and MAIL_CLINIC_DAILY how many messages a day go out at most.
What is not set stays as the deployment before had it.
"""

import copy
import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import botocore.config
import botocore.exceptions
import botocore.session

from infra.bundle import NotBuiltError, bundle

_STAGE = re.compile(r"[a-z][a-z0-9-]{0,30}")
_PARAMETERS = {
    "DOMAIN_NAME": "DomainName",
    "CERTIFICATE_ARN": "CertificateArn",
    "MAIL_FROM": "MailFrom",
    "SMS_SENDER": "SmsSender",
    "LOG_LEVEL": "LogLevel",
    "ALARM_TOPIC": "AlarmTopic",
    "SMS_DAILY": "SmsDaily",
    "SMS_COUNTRY_DAILY": "SmsCountryDaily",
    "SMS_CLINIC_DAILY": "SmsClinicDaily",
    "MAIL_DAILY": "MailDaily",
    "MAIL_CLINIC_DAILY": "MailClinicDaily",
}


class NotDeployedError(Exception):
    """The stack could not be deployed; the message is fit for a person."""


class Deployer:
    """Puts one build into one account and region, those of the environment's AWS settings."""

    def __init__(self, endpoint_url: str | None = None) -> None:
        self._session = botocore.session.get_session()
        self._endpoint_url = endpoint_url
        self.region = self._session.get_config_variable("region")
        if not self.region:
            raise NotDeployedError("No AWS region is set: export AWS_DEFAULT_REGION, for example eu-north-1.")
        self._s3 = self._client("s3")
        self._cloudformation = self._client("cloudformation")

    def _client(self, service: str) -> Any:
        # A bucket in the path works for an emulator on an address without names, and for AWS just as well.
        config = botocore.config.Config(s3={"addressing_style": "path"})
        return self._session.create_client(service, endpoint_url=self._endpoint_url, config=config)

    def deploy(self, stack: str, build: Path, parameters: dict[str, str]) -> dict[str, str]:
        """Create or update `stack` from the bundle in `build`; return its outputs by name.

        A parameter that is not given keeps the value it has.
        """
        bucket = self._bucket()
        code = self._upload(bucket, (build / "deployment.zip").read_bytes(), "zip")
        template = with_code(json.loads((build / "sam.json").read_text()), bucket, code)
        key = self._upload(bucket, json.dumps(template, separators=(",", ":")).encode(), "json")
        before = self._described(stack)
        kept = {each["ParameterKey"]: each["ParameterValue"] for each in (before or {}).get("Parameters", [])}
        chosen = {name: value for name, value in kept.items() if name in template["Parameters"]} | parameters
        request = {
            "StackName": stack,
            # A template with this many addresses is larger than what may be sent in the call itself.
            "TemplateURL": f"https://s3.{self.region}.amazonaws.com/{bucket}/{key}",
            "Capabilities": ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            "Parameters": [{"ParameterKey": name, "ParameterValue": value} for name, value in chosen.items()],
        }
        if before is None:
            self._change("create", stack, request | {"EnableTerminationProtection": True})
        else:
            self._change("update", stack, request)
        described = self._described(stack) or {}
        return {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}

    def _bucket(self) -> str:
        """Return the account's bucket for bundles in this region, made the first time."""
        account = self._client("sts").get_caller_identity()["Account"]
        bucket = f"consent-portal-bundles-{account}-{self.region}"
        try:
            self._s3.head_bucket(Bucket=bucket)
        except botocore.exceptions.ClientError:
            where = {} if self.region == "us-east-1" else {"LocationConstraint": self.region}
            self._s3.create_bucket(Bucket=bucket, **({"CreateBucketConfiguration": where} if where else {}))
        return bucket

    def _upload(self, bucket: str, content: bytes, suffix: str) -> str:
        """Store `content` under its hash unless it is there already; return the key."""
        key = f"{hashlib.sha256(content).hexdigest()}.{suffix}"
        try:
            self._s3.head_object(Bucket=bucket, Key=key)
        except botocore.exceptions.ClientError:
            self._s3.put_object(Bucket=bucket, Key=key, Body=content)
        return key

    def _described(self, stack: str) -> dict[str, Any] | None:
        """Return what CloudFormation says of the stack, or None when there is no such stack."""
        try:
            described: dict[str, Any] = self._cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
        except botocore.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return described

    def _change(self, action: str, stack: str, request: dict[str, Any]) -> None:
        try:
            getattr(self._cloudformation, f"{action}_stack")(**request)
        except botocore.exceptions.ClientError as error:
            if "No updates are to be performed" in str(error):
                return
            raise
        seconds = 1 if self._endpoint_url else 5
        waiter = self._cloudformation.get_waiter(f"stack_{action}_complete")
        try:
            waiter.wait(StackName=stack, WaiterConfig={"Delay": seconds, "MaxAttempts": 1800 // seconds})
        except botocore.exceptions.WaiterError as error:
            raise NotDeployedError(f"The stack {stack} did not {action}: {self._first_failure(stack)}") from error

    def _first_failure(self, stack: str) -> str:
        events = self._cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        failed = [event for event in events if event["ResourceStatus"].endswith("_FAILED")]
        if not failed:
            return "no reason was given."
        return f"{failed[-1]['LogicalResourceId']}: {failed[-1].get('ResourceStatusReason', 'no reason was given.')}"


def with_code(template: dict[str, Any], bucket: str, key: str) -> dict[str, Any]:
    """Return the template with every function's code taken from the bucket instead of the file beside it."""
    placed = copy.deepcopy(template)
    for resource in placed["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = {"Bucket": bucket, "Key": key}
    return placed


def main(arguments: list[str]) -> int:
    """Deploy to the stage named; say where the portal is."""
    if len(arguments) != 1 or not _STAGE.fullmatch(arguments[0]):
        print("Name the stage in lower-case letters, for example: make deploy STAGE=prod", file=sys.stderr)
        return 2
    parameters = {name: os.environ[variable] for variable, name in _PARAMETERS.items() if os.environ.get(variable)}
    try:
        deployer = Deployer()
        outputs = deployer.deploy(f"consent-portal-{arguments[0]}", bundle(), parameters)
    except (
        NotBuiltError,
        NotDeployedError,
        botocore.exceptions.BotoCoreError,
        botocore.exceptions.ClientError,
    ) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The portal is at {outputs['EndpointURL']}")
    if not outputs.get("MailFrom"):
        print("It sends no e-mail yet: verify an address in SES, then deploy again with MAIL_FROM=that address.")
    print("To publish clinics, create keys and look after it, first set:")
    print(f"export AWS_REGION={deployer.region} TABLE_NAME={outputs['TableName']} \\")
    print(f"  CLINIC_KEY_ARN={outputs['ClinicKeyArn']} SIGNING_KEY={outputs['SigningKeyAlias']}")
    print('then, for example: make publish FILE=my-clinic.yaml AUTHOR="Ieva Liepa" APPROVER="Juris Klusums"')
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
