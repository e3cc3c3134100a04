"""The state machine that carries jobs out (AWS Step Functions): started, asked about, stopped."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import ServiceUnavailableError
from chalicelib.domain.jobs import Job
from chalicelib.store.aws import AwsClients

OVER = frozenset({"FAILED", "TIMED_OUT", "ABORTED", "SUCCEEDED"})
"""What Step Functions says of an execution that does nothing more."""


class JobMachine:
    """The state machine of jobs, by its ARN."""

    def __init__(self, aws: AwsClients, arn: str) -> None:
        """Take the clients of AWS, and the machine."""
        if not arn:
            raise ServiceUnavailableError("no state machine for jobs")
        self._states = aws.client("stepfunctions")
        self._arn = arn

    def start(self, job: Job, name: str) -> None:
        """Start an execution under a name; the same name again is the same execution.

        What it is given names the job and the execution, and holds nothing of anybody.
        """
        told = {"clinic": job.clinic, "key": job.key, "job": job.id, "execution": name}
        with _named_errors():
            try:
                self._states.start_execution(
                    stateMachineArn=self._arn, name=name, input=json.dumps(told)
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                    raise

    def is_over(self, name: str) -> bool:
        """Tell whether an execution does nothing more, however it ended, or was never begun."""
        with _named_errors():
            try:
                described = self._states.describe_execution(executionArn=self._execution(name))
            except ClientError as error:
                if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                    raise
                return True
        return described["status"] in OVER

    def stop(self, name: str) -> None:
        """Stop an execution; one that is over, or was never begun, is let be."""
        with _named_errors():
            try:
                self._states.stop_execution(executionArn=self._execution(name))
            except ClientError as error:
                known = {"ExecutionDoesNotExist", "ValidationException"}
                if error.response["Error"]["Code"] not in known:
                    raise

    def _execution(self, name: str) -> str:
        return f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise ServiceUnavailableError(str(error.response["Error"]["Code"])) from error
    except BotoCoreError as error:
        raise ServiceUnavailableError(type(error).__name__) from error
