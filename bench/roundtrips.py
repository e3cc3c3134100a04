"""Round trips to DynamoDB, counted at the client, for each action: the budget of the design."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import parse_qs, urlencode

import botocore.session

from infra.local import demo
from infra.local.aws import REGION, aws_environment, ministack
from infra.local.template import create_table

CLINIC = "riga-aesthetics"
TABLE = "portal-bench"
BUDGET = {
    "page": 1,
    "capture, new person": 2,
    "capture, known person": 2,
    "withdrawal": 2,
    "status of 1": 2,
    "status of 100": 4,
    "staff receipt": 2,
    "scrub, for 100 rows of 1,000": 4,
    "import of 99 lines": 15,
    "links of a list of 1,000": 13,
    "page of changes": 9,
    "page of the export": 26,
}
ROWS = 1_000
"""How many rows the list has that is scrubbed."""


def run() -> dict[str, Any]:
    """Count each action's round trips with warm caches.

    Gives ``{"roundtrips": {action: {"count", "budget"}}}``.
    """
    hundred = [f"p{number}@example.org" for number in range(100)]
    with portal_client() as client:
        client.page()  # the first of everything fills the caches
        client.give("first@example.org")
        client.status(["first@example.org"])
        people = [f"p{number}@example.org" for number in range(ROWS)]
        client.scrub(people)
        counted = {
            "page": client.counted(client.page),
            "capture, new person": client.counted(client.give, "anna@example.org"),
            "capture, known person": client.counted(client.give, "anna@example.org", answer="no"),
            "withdrawal": client.counted(client.withdraw, "anna@example.org"),
            "status of 1": client.counted(client.status, ["anna@example.org"]),
            "status of 100": client.counted(client.status, hundred),
            "staff receipt": client.counted(client.staff, "anna@example.org"),
            "scrub, for 100 rows of 1,000": client.counted(client.scrub, people) * 100 / ROWS,
            "import of 99 lines": client.counted(client.bring_in, hundred[1:]),
            "links of a list of 1,000": client.counted(client.link, people),
            "page of changes": client.counted(client.read, "/changes"),
            "page of the export": client.counted(client.read, "/export?purpose=newsletter.email"),
        }
    for action, count in counted.items():
        print(f"  {action:<28} {count} round trips to DynamoDB (budget {BUDGET[action]})")
    measured = {}
    for action, count in counted.items():
        measured[action] = {"count": count, "budget": BUDGET[action]}
    return {"roundtrips": measured}


class PortalClient:
    """A client of the portal in this process that counts the requests to DynamoDB."""

    def __init__(self, app: Any, client: Any, api_key: str) -> None:
        self._app = app
        self._key = api_key
        self.dynamodb = client
        self._trips = 0
        self._state = ""
        client.meta.events.register("before-send.dynamodb", self._count)

    def _count(self, **_: Any) -> None:
        self._trips += 1

    def counted(self, action: Any, *given: Any, **named: Any) -> int:
        """Carry out an action and give how many round trips it took."""
        if action != self.page:
            self.page("/withdraw" if action == self.withdraw else "")
        before = self._trips
        action(*given, **named)
        return self._trips - before

    def page(self, path: str = "") -> None:
        """Open the consent page, or the withdrawal page."""
        page = self._send_form("GET", path, 200)
        self._state = re.findall(r'name="state" value="([^"]+)"', page)[0]

    def give(self, email: str, *, answer: str = "yes") -> None:
        """Send the consent form."""
        form = {"state": self._state, "decision.newsletter.email": answer, "email": email}
        self._send_form("POST", "", 303, form)

    def withdraw(self, email: str) -> None:
        """Send the withdrawal form."""
        form = {"state": self._state, "email": email, "all": "yes"}
        self._send_form("POST", "/withdraw", 303, form)

    def status(self, emails: list[str], when: Mapping[str, str] | None = None) -> None:
        """Ask for the status of some people, now or at another time."""
        subjects = [{"email": email} for email in emails]
        self._call_api("/status", 200, {"subjects": subjects, **(when or {})})

    def scrub(self, emails: list[str]) -> None:
        """Compare a list with the consents."""
        self._send_list("/scrub", 200, ["email", *emails], purpose="newsletter.email")

    def bring_in(self, emails: list[str]) -> None:
        """Import a consent of each, with a form as evidence."""
        lines = ["email,consent,evidence", *(f"{email},yes,Form 7" for email in emails)]
        said = {"from": "sheet", "system": "Old list", "purpose": "newsletter.email"}
        self._send_list("/imports", 200, lines, **said, undated="2025-03-01")

    def link(self, emails: list[str]) -> None:
        """Make the links of a list."""
        self._send_list("/links", 201, ["email", *emails])

    def _send_list(self, path: str, expected: int, lines: list[str], **said: str) -> None:
        event = self.api_event(path, {})
        event["headers"]["content-type"] = "text/csv"
        event["multiValueQueryStringParameters"] = {name: [text] for name, text in said.items()}
        event["body"] = "\n".join(lines) + "\n"
        self.answer(event, expected)

    def staff(self, email: str) -> None:
        """Record a decision taken at the desk."""
        body = {
            "subject": {"email": email},
            "decisions": {"newsletter.email": "yes"},
            "channel": "in-person",
            "effective_at": datetime.now(UTC).isoformat(),
        }
        self._call_api("/receipts", 201, body)

    def read(self, path: str) -> str:
        """Ask for something by a GET of the API."""
        address, _, asked = path.partition("?")
        headers = {"authorization": f"Bearer {self._key}"}
        event = _event("GET", f"/v1/clinics/{{clinic}}{address}", headers, "")
        parameters = parse_qs(asked) or None
        return self.answer({**event, "multiValueQueryStringParameters": parameters}, 200)

    def _send_form(
        self, method: str, path: str, expected: int, form: Mapping[str, str] | None = None
    ) -> str:
        return self.answer(self.form_event(method, path, form or {}), expected)

    def _call_api(self, path: str, expected: int, body: Mapping[str, Any]) -> str:
        return self.answer(self.api_event(path, body), expected)

    def form_event(self, method: str, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Give the event of a page or of its form."""
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return _event(method, f"/{{clinic}}{path}", headers, urlencode(form))

    def api_event(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Give the event of a call of the API."""
        headers = {"authorization": f"Bearer {self._key}", "content-type": "application/json"}
        return _event("POST", f"/v1/clinics/{{clinic}}{path}", headers, json.dumps(body))

    def answer(self, event: dict[str, Any], expected: int) -> str:
        """Give the body of the answer to an event; raise RuntimeError for another status."""
        answer = self._app(event, None)
        status = answer["statusCode"]
        if status != expected:
            asked = f"{event['requestContext']['httpMethod']} {event['path']}"
            raise RuntimeError(f"{asked} answered {status} instead of {expected}")
        return str(answer["body"])


def _event(method: str, route: str, headers: dict[str, str], body: str) -> dict[str, Any]:
    """Give an event of API Gateway (payload 1.0)."""
    path = route.replace("{clinic}", CLINIC)
    context: dict[str, Any] = {
        "resourcePath": route,
        "httpMethod": method,
        "path": f"/api{path}",
        "identity": {},
        "domainName": "portal.example.org",
    }
    return {
        "path": path,
        "requestContext": context,
        "pathParameters": {"proxy": path.lstrip("/")},
        "headers": headers,
        "multiValueQueryStringParameters": None,
        "stageVariables": None,
        "body": body,
        "isBase64Encoded": False,
    }


def _signing_key(session: Any) -> str:
    """Make a key that signs, and give its alias."""
    kms = session.create_client("kms", REGION)
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName="alias/bench-signing", TargetKeyId=made)
    return "alias/bench-signing"


@contextmanager
def portal_client() -> Iterator[PortalClient]:
    """Give a client of a portal on a table of its own, with the demo clinics published."""
    before = dict(os.environ)
    with TemporaryDirectory() as scratch, ministack() as url:
        os.environ.update(aws_environment(url))
        os.environ["TABLE_NAME"] = TABLE
        os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
        session = botocore.session.get_session()
        create_table(session.create_client("dynamodb", REGION), TABLE)
        arn = session.create_client("kms", REGION).create_key()["KeyMetadata"]["Arn"]
        os.environ["SIGNING_KEY"] = _signing_key(session)
        environment = {**os.environ, "CLINIC_KEY_ARN": arn}
        clinics = demo.publish_demo(environment, Path(scratch) / "keys.json")
        from app import app  # noqa: PLC0415 - after the environment is this benchmark's
        from chalicelib import log  # noqa: PLC0415
        from chalicelib.jobs.catch_up import publish_key  # noqa: PLC0415
        from chalicelib.portal import get_portal  # noqa: PLC0415

        log.log().setLevel("ERROR")
        publish_key(get_portal().table, get_portal().signer)
        try:
            yield PortalClient(app, get_portal().table.client, clinics[CLINIC]["api_key"])
        finally:
            get_portal.cache_clear()
            os.environ.clear()
            os.environ.update(before)
