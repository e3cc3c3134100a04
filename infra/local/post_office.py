"""Stands in for Amazon SES v2 and SNS on this machine: keeps every message, delivers none.

MiniStack has both services, but drops a mail's headers. AWS clients find this one by
AWS_ENDPOINT_URL_SESV2 and AWS_ENDPOINT_URL_SNS. It understands the calls that the portal makes:
SendEmail (REST-JSON) with simple or raw content, and Publish (the query protocol) to a phone
number.
"""

import base64
import email
import email.policy
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from infra.local.processes import LOOPBACK
from infra.local.server import Reply, Request, serving

Message = dict[str, Any]
"""A message: channel, to, subject, text, html, headers by name, sent_at."""

_OUTBOUND = "/v2/email/outbound-emails"
_JSON, _XML = (("Content-Type", "application/json"),), (("Content-Type", "text/xml"),)
_MAX_HEADER = 996
"""How many characters a header may have with its name (SES, MessageHeader)."""


class RefusalError(Exception):
    """The service answers with an error: its name, and a status of HTTP."""

    def __init__(self, code: str, status: int = 400) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass
class PostOffice:
    """Both services at one address, and the messages, kept in a file between runs."""

    kept: Path
    off: bool = False
    failing: dict[str, RefusalError] = field(default_factory=dict)
    """The error to answer, by recipient; "" stands for all recipients. Tests set it."""

    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def messages(self) -> list[Message]:
        """Return everything ever sent, newest last."""
        with self.lock:
            lines = self.kept.read_text(encoding="utf-8").splitlines() if self.kept.exists() else []
        return [json.loads(line) for line in lines]

    def sent_to(self, recipient: str) -> list[Message]:
        """Return what was sent to one address or number, newest last."""
        return [message for message in self.messages() if message["to"] == recipient]

    def fail(self, code: str, status: int = 400, *, to: str = "") -> None:
        """From now on answer this error to messages for one recipient, or for all."""
        self.failing[to] = RefusalError(code, status)

    def mend(self) -> None:
        """Accept all messages again."""
        self.failing.clear()
        self.off = False

    def __call__(self, request: Request) -> Reply:
        """Answer one call of either service; when off, break the connection."""
        if self.off:
            raise ConnectionResetError
        if request.method == "POST" and request.path == _OUTBOUND:
            return self._ses(request)
        if request.method == "POST" and request.path == "/":
            return self._sns(request)
        return Reply(404)

    def _ses(self, request: Request) -> Reply:
        try:
            number = self._keep(_mail(json.loads(request.body)))
        except RefusalError as refusal:
            named = (*_JSON, ("x-amzn-ErrorType", refusal.code))
            return Reply(refusal.status, named, json.dumps({"message": refusal.code}).encode())
        return Reply(200, _JSON, json.dumps({"MessageId": number}).encode())

    def _sns(self, request: Request) -> Reply:
        fields = parse_qs(request.body.decode())
        call = {name: values[0] for name, values in fields.items()}
        try:
            number = self._keep(_text_message(call))
        except RefusalError as refusal:
            body = (
                f"<ErrorResponse><Error><Code>{escape(refusal.code)}</Code></Error></ErrorResponse>"
            )
            return Reply(refusal.status, _XML, body.encode())
        result = f"<PublishResult><MessageId>{number}</MessageId></PublishResult>"
        return Reply(200, _XML, f"<PublishResponse>{result}</PublishResponse>".encode())

    def _keep(self, message: Message) -> str:
        refusal = self.failing.get(message["to"]) or self.failing.get("")
        if refusal:
            raise refusal
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        with self.lock:
            self.kept.parent.mkdir(parents=True, exist_ok=True)
            with self.kept.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**message, "sent_at": now}, ensure_ascii=False) + "\n")
        return str(uuid.uuid4())


def _mail(call: Mapping[str, Any]) -> Message:
    """Return the mail of a SendEmail call as its recipient sees it."""
    content = call.get("Content", {})
    sender = call.get("FromEmailAddress", "")
    if "Raw" in content:
        raw = base64.b64decode(content["Raw"]["Data"])
        return _as_read(email.message_from_bytes(raw, policy=email.policy.default))
    to = call.get("Destination", {}).get("ToAddresses", [])
    if not sender or len(to) != 1 or "@" not in to[0] or "Simple" not in content:
        raise RefusalError("BadRequestException")
    simple = content["Simple"]
    headers = {"From": sender, "To": to[0], "Subject": simple["Subject"]["Data"]}
    if call.get("ReplyToAddresses"):
        headers["Reply-To"] = ", ".join(call["ReplyToAddresses"])
    for extra in simple.get("Headers", []):
        written = f"{extra['Name']}{extra['Value']}"
        if len(written) > _MAX_HEADER or not written.isascii() or not written.isprintable():
            raise RefusalError("BadRequestException")
        headers[extra["Name"]] = extra["Value"]
    if call.get("ConfigurationSetName"):
        headers["X-SES-CONFIGURATION-SET"] = call["ConfigurationSetName"]
    if call.get("EmailTags"):
        tags = [f"{tag['Name']}={tag['Value']}" for tag in call["EmailTags"]]
        headers["X-SES-MESSAGE-TAGS"] = ", ".join(tags)
    return {
        "channel": "email",
        "to": to[0],
        "subject": headers["Subject"],
        "text": simple["Body"].get("Text", {}).get("Data"),
        "html": simple["Body"].get("Html", {}).get("Data"),
        "headers": headers,
    }


def _as_read(raw: EmailMessage) -> Message:
    parts: dict[str, str | None] = {}
    for name, kind in (("text", "plain"), ("html", "html")):
        part = raw.get_body((kind,))
        parts[name] = part.get_content() if part is not None else None
    headers = {name: str(value) for name, value in raw.items()}
    return {
        "channel": "email",
        "to": headers.get("To", ""),
        "subject": headers.get("Subject", ""),
        **parts,
        "headers": headers,
    }


def _text_message(call: Mapping[str, str]) -> Message:
    """Return the text message of a Publish call."""
    to = call.get("PhoneNumber", "")
    text = call.get("Message")
    if call.get("Action") != "Publish" or not to.startswith("+") or not text:
        raise RefusalError("InvalidParameter")
    attributes = {}
    for name, value in call.items():
        if name.startswith("MessageAttributes.entry.") and name.endswith(".Name"):
            attributes[value] = call.get(name.replace(".Name", ".Value.StringValue"), "")
    return {
        "channel": "sms",
        "to": to,
        "subject": None,
        "text": text,
        "html": None,
        "headers": attributes,
    }


@contextmanager
def post_office(kept: Path) -> Iterator[tuple[PostOffice, dict[str, str]]]:
    """Serve both services, and yield them with the variables by which AWS clients find them."""
    office = PostOffice(kept)
    with serving(0, office) as port:
        url = f"http://{LOOPBACK}:{port}"
        yield office, {"AWS_ENDPOINT_URL_SESV2": url, "AWS_ENDPOINT_URL_SNS": url}
