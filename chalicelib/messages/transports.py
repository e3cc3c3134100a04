"""Hands e-mails to Amazon SES and text messages to SNS; tells what may be tried again.

Nothing else knows the two services. A call is made once: whoever sends keeps count of the tries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.header import Header
from email.utils import formataddr
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from chalicelib.domain.errors import RejectedError, ServiceUnavailableError
from chalicelib.domain.one_line import one_line
from chalicelib.store.aws import AwsClients

_NEVER = frozenset(
    {
        "MessageRejected",
        "BadRequestException",
        "InvalidParameter",
        "ParameterValueInvalid",
        "ValidationException",
    }
)
"""What the services answer to a message they will not take, now or later.

Everything else may pass: throttling, a paused account, an address of ours that is not verified yet.
"""


class TransportUnavailableError(ServiceUnavailableError):
    """The message was not taken now; trying again later is right.

    Carries the service's name for the reason.
    """


class MessageRefusedError(RejectedError):
    """The message will never be taken as it is. Carries the service's name for the reason."""


@dataclass(frozen=True, slots=True)
class Email:
    """One e-mail, ready to be sent: to whom, in whose name, answered where, what it says both ways.

    `headers` come beside those every mail has, `tags` come back with what becomes of it (SES event
    publishing).
    """

    to: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    tags: Mapping[str, str]
    sender: str
    reply_to: str


@dataclass(frozen=True, slots=True)
class TextMessage:
    """One text message, ready to be sent."""

    to: str = field(repr=False)
    text: str = field(repr=False)


class AwsTransport:
    """Sends by both services; `mail_from` is the address all mail comes from."""

    def __init__(
        self, aws: AwsClients, *, mail_from: str, configuration: str = "", sms_sender: str = ""
    ) -> None:
        self._aws = aws
        self._mail_from = mail_from
        self._configuration = configuration
        self._sms_sender = sms_sender

    def send(self, message: Email | TextMessage) -> str:
        """Send a message and give the service's number for it.

        Raises TransportUnavailableError, MessageRefusedError.
        """
        if isinstance(message, Email):
            return self.send_email(message)
        return self.send_text(message)

    def send_email(self, email: Email) -> str:
        """Send an e-mail; number and errors as for `send`."""
        simple = {
            "Subject": _utf8(one_line(email.subject)),
            "Body": {"Text": _utf8(email.text), "Html": _utf8(email.html)},
            "Headers": _name_value_pairs(email.headers),
        }
        request: dict[str, Any] = {
            "FromEmailAddress": _from(email.sender, self._mail_from),
            "Destination": {"ToAddresses": [one_line(email.to)]},
            "ReplyToAddresses": [one_line(email.reply_to)] if email.reply_to else [],
            "Content": {"Simple": simple},
            "EmailTags": _name_value_pairs(email.tags),
        }
        if self._configuration:
            request["ConfigurationSetName"] = self._configuration
        return str(self._call("sesv2", "send_email", request)["MessageId"])

    def send_text(self, message: TextMessage) -> str:
        """Send a text message; number and errors as for `send`."""
        attributes = {"AWS.SNS.SMS.SMSType": _string("Transactional")}
        if self._sms_sender:
            attributes["AWS.SNS.SMS.SenderID"] = _string(self._sms_sender)
        request = {
            "PhoneNumber": message.to,
            "Message": message.text,
            "MessageAttributes": attributes,
        }
        return str(self._call("sns", "publish", request)["MessageId"])

    def _call(self, service: str, operation: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            call = getattr(self._aws.client(service), operation)
            answer: Mapping[str, Any] = call(**request)
        except ParamValidationError as error:  # its text repeats the message
            raise MessageRefusedError(type(error).__name__) from None
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code"))
            refused = MessageRefusedError if code in _NEVER else TransportUnavailableError
            raise refused(code) from None  # not chained: what the services say may name the address
        except BotoCoreError as error:
            raise TransportUnavailableError(type(error).__name__) from None
        return answer


def _from(name: str, address: str) -> str:
    """Write who a mail is from.

    A name beyond ASCII as encoded words, each short enough (RFC 2047, 2).
    """
    name = one_line(name)
    if name.isascii():
        return formataddr((name, address))
    return f"{Header(name, 'utf-8').encode(linesep='')} <{address}>"


def _utf8(content: str) -> dict[str, str]:
    return {"Data": content, "Charset": "UTF-8"}


def _string(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def _name_value_pairs(values: Mapping[str, str]) -> list[dict[str, str]]:
    pairs = []
    for name, value in values.items():
        pairs.append({"Name": name, "Value": one_line(value)})
    return pairs
