"""The Lambda function that sets papers (`presentation.typesetting`): called, and waited for."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import PressUnavailableError
from chalicelib.store.aws import AwsClients


class PressFunction:
    """The press behind Lambda, by the function's name."""

    def __init__(self, aws: AwsClients, name: str) -> None:
        """Take the clients of AWS, and the function; nothing is made or asked before the first
        paper.
        """
        self._aws = aws
        self._name = name

    def pdf(self, template: str, values: Mapping[str, Any]) -> bytes:
        """Set a paper, of 4.5 MB at most; raise PressUnavailableError.

        Lambda answers with 6 MB at most, in which the file is written as base64.
        """
        payload = json.dumps({"template": template, "values": values})
        try:
            answer = self._aws.client("lambda").invoke(
                FunctionName=self._name, Payload=payload.encode()
            )
            content = answer["Payload"].read()
        except ClientError as error:
            raise PressUnavailableError(str(error.response["Error"]["Code"])) from error
        except BotoCoreError as error:
            raise PressUnavailableError(type(error).__name__) from error
        if "FunctionError" in answer:
            # Its own log says more; a text of the paper might be quoted there and here.
            raise PressUnavailableError(str(answer["FunctionError"]))
        return base64.b64decode(json.loads(content)["pdf"])
