"""Round trips to DynamoDB, counted at the client, for each thing the portal does: the budget of the design."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode

import botocore.session

from infra.local import demo
from infra.local.aws import REGION, aws_environment, ministack

CLINIC = "riga-aesthetics"
BUDGET = {
    "page": 1,
    "capture, new person": 2,
    "capture, known person": 2,
    "withdrawal": 2,
    "status of 1": 2,
    "status of 100": 4,
    "staff receipt": 2,
}


def run() -> dict[str, Any]:
    """Count each action's round trips with warm caches; give ``{"roundtrips": {action: {"count", "budget"}}}``."""
    with desk() as front:
        front.page()  # the first of everything fills the caches
        front.give("first@example.org")
        front.status(["first@example.org"])
        counted = {
            "page": front.counted(front.page),
            "capture, new person": front.counted(front.give, "anna@example.org"),
            "capture, known person": front.counted(front.give, "anna@example.org", answer="no"),
            "withdrawal": front.counted(front.withdraw, "anna@example.org"),
            "status of 1": front.counted(front.status, ["anna@example.org"]),
            "status of 100": front.counted(front.status, [f"p{number}@example.org" for number in range(100)]),
            "staff receipt": front.counted(front.staff, "anna@example.org"),
        }
    for action, count in counted.items():
        print(f"  {action:<24} {count} round trips to DynamoDB (budget {BUDGET[action]})")
    return {"roundtrips": {name: {"count": count, "budget": BUDGET[name]} for name, count in counted.items()}}


class Desk:
    """The portal's front desk, in this process, with a counter on its DynamoDB client."""

    def __init__(self, app: Any, client: Any, api_key: str) -> None:
        self._app = app
        self._key = api_key
        self._trips = 0
        self._state = ""
        client.meta.events.register("before-send.dynamodb", self._count)

    def _count(self, **_: Any) -> None:
        self._trips += 1

    def counted(self, action: Any, *given: Any, **named: Any) -> int:
        """Carry out an action and tell how many round trips it took."""
        if action != self.page:
            self.page("/withdraw" if action == self.withdraw else "")
        before = self._trips
        action(*given, **named)
        return self._trips - before

    def page(self, path: str = "") -> None:
        """Open the consent page, or the withdrawal page."""
        page = self._ask("GET", path, 200)
        self._state = re.findall(r'name="state" value="([^"]+)"', page)[0]

    def give(self, email: str, *, answer: str = "yes") -> None:
        """Send the consent form."""
        self._ask("POST", "", 303, {"state": self._state, "decision.newsletter.email": answer, "email": email})

    def withdraw(self, email: str) -> None:
        """Send the withdrawal form."""
        self._ask("POST", "/withdraw", 303, {"state": self._state, "email": email, "all": "yes"})

    def status(self, emails: list[str], when: Mapping[str, str] | None = None) -> None:
        """Ask for the status of some people, now or at another time."""
        self._call("/status", 200, {"subjects": [{"email": email} for email in emails], **(when or {})})

    def staff(self, email: str) -> None:
        """Record a decision taken at the desk."""
        body = {"subject": {"email": email}, "decisions": {"newsletter.email": "yes"}, "channel": "in-person"}
        self._call("/receipts", 201, {**body, "effective_at": datetime.now(UTC).isoformat()})

    def _ask(self, method: str, path: str, expected: int, form: Mapping[str, str] | None = None) -> str:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return self._send(method, f"/{{clinic}}{path}", headers, urlencode(form or {}), expected)

    def _call(self, path: str, expected: int, body: Mapping[str, Any]) -> str:
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        return self._send("POST", f"/v1/clinics/{{clinic}}{path}", headers, json.dumps(body), expected)

    def _send(self, method: str, route: str, headers: dict[str, str], body: str, expected: int) -> str:
        path = route.replace("{clinic}", CLINIC)
        context: dict[str, Any] = {"resourcePath": route, "httpMethod": method, "path": f"/api{path}"}
        context |= {"identity": {}, "domainName": "portal.example.org"}
        event = {
            "path": path,
            "requestContext": context,
            "pathParameters": {"proxy": path.lstrip("/")},
            "headers": headers,
            "multiValueQueryStringParameters": None,
            "stageVariables": None,
            "body": body,
            "isBase64Encoded": False,
        }
        answer = self._app(event, None)
        if answer["statusCode"] != expected:
            raise RuntimeError(f"{method} {path} answered {answer['statusCode']} instead of {expected}")
        return str(answer["body"])


@contextmanager
def desk() -> Iterator[Desk]:
    """Give a front desk on a portal of its own, with the demo clinics published."""
    before = dict(os.environ)
    with TemporaryDirectory() as scratch, ministack() as url:
        os.environ.update(aws_environment(url), TABLE_NAME="portal-bench", POWERTOOLS_METRICS_DISABLED="true")
        session = botocore.session.get_session()
        keys = [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}]
        session.create_client("dynamodb", REGION).create_table(
            TableName="portal-bench",
            BillingMode="PAY_PER_REQUEST",
            KeySchema=keys,
            AttributeDefinitions=[{"AttributeName": each["AttributeName"], "AttributeType": "S"} for each in keys],
        )
        arn = session.create_client("kms", REGION).create_key()["KeyMetadata"]["Arn"]
        clinics = demo.publish_demo({**os.environ, "CLINIC_KEY_ARN": arn}, Path(scratch) / "keys.json")
        from app import app  # noqa: PLC0415 - after the environment is this benchmark's
        from chalicelib import log  # noqa: PLC0415
        from chalicelib.portal import get_portal  # noqa: PLC0415

        log.log().setLevel("ERROR")
        try:
            yield Desk(app, get_portal().table.client, clinics[CLINIC]["api_key"])
        finally:
            get_portal.cache_clear()
            os.environ.clear()
            os.environ.update(before)
