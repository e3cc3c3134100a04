"""The deployment bundle, unpacked elsewhere, under Amazon's runtime client."""

import base64
import gzip
import hashlib
import http.client
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from chalicelib.receipts.document import canonical_receipt
from chalicelib.store.keys.receipts import receipt_key
from chalicelib.store.outbox import unsigned_write
from chalicelib.store.statistics import counts
from chalicelib.store.table import Table
from chalicelib.store.writes import Put
from infra.build.bundle import bundle
from infra.local.aws import REGION
from infra.local.lambda_gateway import DOMAIN, Function, deployed_bundle, runtime_client, unpacked
from infra.operator import publish
from tests.cast import CLINICS, RIGA, TBILISI, environment
from tests.codes import code_in
from tests.conftest import LocalStack
from tests.web.letterbox import letters

pytestmark = pytest.mark.bundle

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,*/*;q=0.8"
TYPED = {"email": "Day.Patient@Example.org", "phone": "26 777 888", "name": "Dagmāra Dienasgaita"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text, unpacked if it travelled packed."""
        packed = self.headers.get("content-encoding") == "gzip"
        return (gzip.decompress(self.body) if packed else self.body).decode()


@dataclass
class Deployed:
    """The bundle as deployed, and what its function wrote to its log."""

    base: str
    log: Path
    keys: Mapping[str, str]

    def ask(self, method: str, address: str, body: str = "", **headers: str) -> Answer:
        """Send one request.

        An address from the portal itself starts with a slash and carries its prefix.
        """
        place = urlsplit(self.base)
        link = http.client.HTTPConnection(str(place.hostname), place.port, timeout=30)
        path = address if address.startswith(place.path + "/") else place.path + address
        sent = {"Accept": BROWSER, "Accept-Encoding": "gzip"} | {
            k.replace("_", "-"): v for k, v in headers.items()
        }
        try:
            link.request(method, path, body.encode() or None, sent)
            answer = link.getresponse()
            return Answer(
                answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
            )
        finally:
            link.close()

    def call(self, what: str, body: Mapping[str, Any]) -> Any:
        """Ask the clinic's API."""
        address = f"/v1/clinics/{RIGA}/{what}"
        key = f"Bearer {self.keys[RIGA]}"
        answer = self.ask(
            "POST", address, json.dumps(body), Authorization=key, Content_Type="application/json"
        )
        assert answer.status in {200, 201}, answer.text
        return json.loads(answer.text)


@pytest.fixture(params=[False, True], ids=["stage", "custom domain"])
def deployed(
    request: pytest.FixtureRequest, local_stack: LocalStack, tmp_path: Path
) -> Iterator[Deployed]:
    """Deploy the bundle beside the local stack, on its table and key."""
    log = tmp_path / "function.log"
    with deployed_bundle(
        bundle(), local_stack.settings, custom_domain=request.param, log=log
    ) as base:
        yield Deployed(base, log, local_stack.keys)


def _state(page: str) -> str:
    return re.findall(r'name="state" value="([^"]+)"', page)[0]


def test_the_whole_day_runs_from_the_bundle(deployed: Deployed, local_stack: LocalStack) -> None:
    """The bundle serves the whole path: scan, decide, receipt, status, confirm, withdraw."""
    number = hashlib.sha256(deployed.base.encode()).hexdigest()[:8]
    email = f"{number}.{TYPED['email']}"

    picture = deployed.ask("GET", f"/{RIGA}/qr/signup.png?lang=lv&src=desk")
    assert picture.headers["content-type"] == "image/png"
    code = code_in(picture.body)
    outside = f"https://{DOMAIN}{urlsplit(deployed.base).path}"  # as the real gateway is reached
    assert code.startswith(f"{outside}/q/")
    scanned = deployed.ask("GET", code.removeprefix(outside))
    assert scanned.status == 302
    page = deployed.ask("GET", scanned.headers["location"])
    assert page.status == 200
    assert page.headers["content-encoding"] == "gzip"
    assert len(page.body) <= 14 * 1024
    assert '<html lang="lv">' in page.text

    answers = {
        "decision.newsletter.email": "yes",
        "decision.testimonials.photo": "no",
        "email": email,
    }
    form = urlencode({"state": _state(page.text), **answers, "name": TYPED["name"]})
    sent = deployed.ask("POST", scanned.headers["location"], form, **FORM)
    assert sent.status == 303
    receipt = deployed.ask("GET", sent.headers["location"])
    assert receipt.status == 200
    shown = re.findall(r'href="([^"]+/shown/([0-9a-f]{64}))"', receipt.text)[0]
    assert hashlib.sha256(deployed.ask("GET", shown[0]).text.encode()).hexdigest() == shown[1]

    question = {
        "subjects": [{"email": email.upper()}],
        "purposes": ["newsletter.email", "testimonials.photo"],
    }

    def states() -> dict[str, str]:
        status = deployed.call("status", question)["results"][0]["decisions"]
        return {name: each["state"] for name, each in status.items()}

    assert states() == {"newsletter.email": "pending", "testimonials.photo": "refused"}
    receipt_id = re.findall(r"/receipts/([0-9a-f]{32})\?", sent.headers["location"])[0]
    [(token, _)] = letters(local_stack, RIGA, receipt_id)
    asking = deployed.ask("GET", f"/confirm/{token}")
    assert (asking.status, '<html lang="lv">' in asking.text) == (200, True)
    sure = urlencode({"purpose": "newsletter.email", "sure": "yes"})
    assert deployed.ask("POST", f"/confirm/{token}", sure, **FORM).status == 303
    assert states() == {"newsletter.email": "granted", "testimonials.photo": "refused"}

    form = urlencode({"email": email, "all": "yes"})
    stopped = deployed.ask("POST", f"/{RIGA}/withdraw?lang=ru", form, **FORM)
    assert stopped.status == 303
    status = deployed.call("status", question)["results"][0]["decisions"]["newsletter.email"]
    assert (status["state"], status["permitted"], status["version"]) == ("withdrawn", False, 3)
    first, second, third = deployed.call("history", {"subject": {"email": email}})["receipts"]
    assert (first["channel"], first["source"], first["version"]) == ("qr", "desk", 1)
    assert (second["channel"], second["evidence"], third["version"]) == (
        "email-link",
        {"confirms": first["id"]},
        3,
    )

    written = deployed.log.read_text()
    for secret in (
        email,
        TYPED["name"],
        deployed.keys[RIGA],
        _state(page.text),
        first["id"],
        token,
    ):
        spellings = {
            secret,
            secret.lower(),
            quote(secret),
            base64.b64encode(secret.encode()).decode(),
        }
        assert not any(spelling in written for spelling in spellings)
    assert '"route":"/{clinic}"' in written


def test_a_mail_programs_one_click_stops_the_newsletter(deployed: Deployed) -> None:
    """One click as mail programs send it: no cookie, Origin or Sec-Fetch, each encoding, twice."""
    number = hashlib.sha256(deployed.base.encode()).hexdigest()[8:16]
    boundary = "----MailProgram7MA4YWxkTrZu0gW"
    field = 'Content-Disposition: form-data; name="List-Unsubscribe"'
    part = f"--{boundary}\r\n{field}\r\n\r\nOne-Click\r\n--{boundary}--\r\n"
    multipart = f"multipart/form-data; boundary={boundary}"
    for name, body, kind in (
        ("gmail", "List-Unsubscribe=One-Click", FORM["Content-Type"]),
        ("apple", part, multipart),
    ):
        email = f"{name}.{number}@example.org"
        decision = {
            "subject": {"email": email},
            "channel": "in-person",
            "decisions": {"newsletter.email": "yes"},
        }
        deployed.call("receipts", {**decision, "effective_at": datetime.now(UTC).isoformat()})
        link = deployed.call("links", {"links": [{"email": email}]})["links"][0]
        assert link["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        address = urlsplit(link["headers"]["List-Unsubscribe"].strip("<>")).path
        program = {"Accept": "*/*", "User_Agent": "Mozilla/5.0", "Content_Type": kind}
        question = {"subjects": [{"email": email}], "purposes": ["newsletter.email"]}
        for method, sent in (("GET", ""), ("POST", "unsubscribe=now")):
            assert (
                deployed.ask(method, address, sent, **{**program, **FORM}).status
                == {"GET": 200, "POST": 422}[method]
            )
        state = deployed.call("status", question)["results"][0]["decisions"]["newsletter.email"]
        assert state["state"] == "granted", "opening a link or sending any form stops nothing"
        for _ in range(2):
            answer = deployed.ask("POST", address, body, **program)
            assert (answer.status, answer.headers["content-type"]) == (
                200,
                "text/html; charset=utf-8",
            )
            assert not {"location", "set-cookie"} & set(answer.headers)
        state = deployed.call("status", question)["results"][0]["decisions"]["newsletter.email"]
        assert (state["state"], state["channel"], state["assurance"], state["version"]) == (
            "withdrawn",
            "email-link",
            "link",
            2,
        )
        assert address.rpartition("/")[2] not in deployed.log.read_text()


def test_a_notice_is_drafted_and_rendered_by_the_bundle(deployed: Deployed) -> None:
    """What renders Markdown and knows local midnights is deployed too."""
    document = {
        **publish.read_file(CLINICS / f"{RIGA}.yaml").document,
        "version": "9.0",
        "effective": "2199-12-31",
    }
    drafted = deployed.call("notices", document)
    assert (drafted["state"], drafted["missing"]) == ("draft", [])
    seen = deployed.call("notices/9.0/publish?preview=1", {})
    assert (seen["change"], seen["since"]) == ("major", "2199-12-30T22:00:00.000Z")


def test_a_browser_gets_the_picture_intact(deployed: Deployed) -> None:
    """An address bar and an <img> ask with very different Accept headers.

    Some programs with none.
    """
    for accept in (BROWSER, "image/avif,image/webp,*/*;q=0.8", "*/*", "image/png"):
        picture = deployed.ask("GET", f"/{TBILISI}/qr/withdraw.png?lang=ka", Accept=accept)
        assert picture.status == 200, accept
        assert code_in(picture.body).endswith("/q/tu-w-ka")


def test_the_streams_function_counts_a_receipt_once_however_often_it_comes(
    local_stack: LocalStack, tmp_path: Path
) -> None:
    """A clinic's numbers are true though streams repeat themselves."""
    document = {
        "id": "c0ffee",
        "clinic": "counted-clinic",
        "source": "desk",
        "effective_at": "2026-11-22T08:15:00.000Z",
        "recorded_at": "2026-11-22T08:15:00.000Z",
        "subject": "5" * 32,
        "version": 1,
        "previous": None,
        "notice": {"version": "1.0", "lang": "lv", "sha256": "0" * 64},
        "channel": "qr",
        "assurance": "self-asserted",
        "actor": "patient",
        "evidence": None,
        "decisions": {
            "newsletter.email": {
                "answer": "yes",
                "before": "never_asked",
                "after": "granted",
                "confirm_by": None,
                "expires_at": None,
            }
        },
    }
    canonical = canonical_receipt(json.dumps(document)).decode()
    left = unsigned_write("counted-clinic", "5" * 32, 1, "c0ffee")
    with environment(local_stack.settings):
        table = Table(local_stack.settings["TABLE_NAME"], region=REGION)
        table.put_new(Put(receipt_key("counted-clinic", "5" * 32, 1), {"body": canonical}))
        table.put_new(left)  # the stack's own stream tells of it as well
    keys = {"pk": {"S": left.key.pk}, "sk": {"S": left.key.sk}}
    change = {"Keys": keys, "NewImage": {}, "SequenceNumber": "1"}
    event = {"Records": [{"eventName": "INSERT", "eventID": "1", "dynamodb": change}]}
    task = unpacked(bundle() / "deployment.zip", tmp_path / "task")
    client, handler = runtime_client(tmp_path / "runtime"), "chalicelib.entry.after_receipt"
    with Function(task, client, local_stack.settings, handler, tmp_path / "log") as function:
        for _ in range(3):
            assert function(event) == {"batchItemFailures": []}
    with environment(local_stack.settings):
        assert counts(table, "counted-clinic", "2026-11-22") == {"newsletter.email#granted#desk": 1}


def test_a_decision_reaches_the_second_function_by_the_tables_own_stream(
    local_stack: LocalStack,
) -> None:
    """What happens after a receipt happens by itself, on the deployed stack."""
    body = {
        "subject": {"patient_ref": "stream-1"},
        "decisions": {"newsletter.email": "no"},
        "channel": "in-person",
    }
    written = local_stack.call(RIGA, "receipts", {**body, "effective_at": "2026-11-20T10:00:00Z"})
    recorded_at = json.loads(written)["recorded_at"]
    with environment(local_stack.settings):
        table = Table(local_stack.settings["TABLE_NAME"], region=REGION)
        for _ in range(240):
            counted = counts(table, RIGA, recorded_at[:10])
            if counted.get("newsletter.email#refused#-"):
                return
            time.sleep(0.5)
    raise AssertionError(f"two minutes later it is not counted: {counted}")
