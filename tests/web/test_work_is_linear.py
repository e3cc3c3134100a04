"""Whatever anybody sends, the work grows no faster than its length: counted in calls, never
measured by a clock.

The routes are those of the application, the fields those of their pages, of the OpenAPI document
and of the source: a new one is tried without anybody's help.
"""

import functools
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from app import app
from chalicelib.domain.links import SHORT_WORDS, LinkScope
from chalicelib.domain.webhooks import acknowledgement_token
from chalicelib.portal import get_portal
from chalicelib.services import audit
from chalicelib.web.requests import MAX_QUERY
from tests.cast import ANNA
from tests.web import truth
from tests.web.client import FORM, Client, Program
from tests.web.letterbox import a_token
from tests.web.page_reader import Page, decide, receipt_number
from tests.web.running import RunningPortal

ONCE = 1000
"""Characters of a text at its single size; it is sent at two and four times that too."""

SLACK = 1_500
"""How many calls more or less are no growth: a retry, a cache that was emptied, a bucket that is
empty now, a page with one fault more. What grows by a square makes hundred thousands.
"""

WORST: Mapping[str, Callable[[int], str]] = {
    "combining marks": lambda n: "e" + "\u0301\u0323" * (n // 2),
    "characters that become eighteen": lambda n: "\ufdfa" * n,
    "digits": lambda n: "1" * n,
    "an address": lambda n: "a" * (n // 2) + "@" + "b." * (n // 4) + "lv",
    "full-width digits": lambda n: "+" + "２" * n,
}
ALL_AT_ONCE = "".join(make(60) for make in WORST.values())
TREE = Path(__file__).resolve().parents[2] / "chalicelib"
QUERIES = sorted(
    {
        name
        for file in TREE.rglob("*.py")
        for name in re.findall(r'query\([^"()]*, "(\w+)"\)', file.read_text())
    }
)
HEADERS = (
    "Accept-Language",
    "Authorization",
    "Idempotency-Key",
    "Origin",
    "Sec-Fetch-Site",
    "Content-Type",
    "Accept",
)
GROWS_FAST = {"email_validator", "phonenumbers", "idna", "chalicelib"}
"""Where a regular expression or Unicode's normal forms may only be asked about short texts."""

NOTICE = {
    "controllers.py",
    "document.py",
    "edition.py",
    "fields.py",
    "purposes.py",
    "workflow.py",
}
"""What reads a clinic's own notice, at most 300 KB, by expressions that look at one character."""

LISTS = {"csv_encoding.py", "csv_table.py"}
"""What reads a list, at most 4 MB, by expressions that never go back over what they have read."""

OUR_TEXT = {"page.py"}
"""What splits a page that our own template gave, at single characters."""


@dataclass
class Work:
    """What was done: how many calls, and the longest text given to what takes more than its
    length.
    """

    calls: int = 0
    longest: int = 0
    place: str = ""

    def note(self, frame: FrameType, event: str, done: Any) -> None:
        """Count one event of the interpreter (`sys.setprofile`)."""
        self.calls += event in {"call", "c_call"}
        if event != "c_call" or not self._grows_fast(frame, done):
            return
        texts = [value for value in frame.f_locals.values() if isinstance(value, str | bytes)]
        longest = max(map(len, texts), default=0)
        if longest > self.longest:
            self.longest, self.place = longest, f"{frame.f_code.co_filename}:{frame.f_lineno}"

    @staticmethod
    def _grows_fast(frame: FrameType, done: Any) -> bool:
        if done is unicodedata.normalize:
            return True
        if not isinstance(getattr(done, "__self__", None), re.Pattern):
            return False
        called = frame.f_back if frame.f_globals.get("__name__") == "re" and frame.f_back else frame
        return _may_not_read_long_texts(called.f_code.co_filename)


@functools.cache
def _may_not_read_long_texts(name: str) -> bool:
    """Tell whether expressions of a file may only be asked about short texts."""
    file = Path(name)
    is_ours = bool(GROWS_FAST & set(file.parts))
    return is_ours and file.name not in NOTICE | LISTS | OUR_TEXT


class Counting(Client):
    """A browser or a program that counts what the application does with each request, and nothing
    else.
    """

    def __init__(self, application: Callable[[dict[str, Any], None], dict[str, Any]] = app) -> None:
        super().__init__()
        self.application = application
        self.work = Work()
        self.answer = self.counted

    def counted(self, event: dict[str, Any], context: None) -> dict[str, Any]:
        """Answer, and count."""
        self.work = work = Work()
        sys.setprofile(work.note)
        try:
            return self.application(event, context)
        finally:
            sys.setprofile(None)


def check(what: str, client: Counting, ask: Callable[[int], object]) -> None:
    """Assert that asking with twice and four times as much is at most twice and four times the
    work.
    """
    works = []
    for size in (
        ONCE,
        ONCE,
        2 * ONCE,
        4 * ONCE,
    ):  # twice: the first loads and remembers what the others need not
        get_portal().limits._blocks.clear()  # noqa: SLF001 - so that each post reads all its buckets
        ask(size)
        works.append(client.work)
    _, one, two, four = works
    for work in works:
        assert work.longest <= MAX_QUERY, f"{what}: {work.longest} characters at {work.place}"
    calls = (one.calls, two.calls, four.calls)
    assert four.calls - two.calls <= 2 * max(two.calls - one.calls, 0) + SLACK, (what, calls)


@pytest.fixture(scope="module")
def right(settled: RunningPortal) -> dict[str, str]:
    """Give what leads somewhere, by the name of the part of an address; tokens by the word before
    them.
    """
    program = settled.open_clinic()
    number = receipt_number(
        decide(Client(), program.clinic, {"decision.newsletter.email": "yes", "email": ANNA.value})
    )
    tokens = {
        power.value: a_token(settled, program.clinic, ANNA, power, number) for power in LinkScope
    }
    recipient = {"email": "desk@partner.example.org", "purposes": ["newsletter"]}
    program.call("webhooks/partner", recipient, method="PUT")
    delivery = program.call("webhooks/partner/test", b"").json()["id"]
    proof = settled.in_process.clinics.key(program.clinic).acknowledgement(delivery)
    published = {
        "subject": {"email": ANNA.value},
        "purpose": "testimonials.photo",
        "places": [{"where": "Brochure", "since": "2026-03-01", "remover": "Ilze"}],
    }
    short = {word: tokens[power.value] for power, word in SHORT_WORDS.items()}
    return {
        **tokens,
        **short,
        "acknowledge": acknowledgement_token(program.clinic, delivery, proof),
        "name": "partner",
        "delivery": delivery,
        "publication": program.call("publications", published).json()["id"],
        "place": "1",
        "clinic": program.clinic,
        "receipt": number,
        "job": program.call("jobs", {"kind": "links"}).json()["id"],
        "version": "1.0",
        "sha256": "0" * 64,
        "picture_name": "signup.svg",
        "code": f"{program.clinic.removeprefix('clinic-')}-s",
        "form": "json",
        "key": str(program.key),
    }


@pytest.fixture(autouse=True)
def few_lines_of_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the own page read a hundred lines of the audit at most: each request here writes some."""
    monkeypatch.setattr(audit, "MOST_READ_FOR_PATIENT", 100)


def routes() -> list[tuple[str, str]]:
    """Give every method of every route; the desk's are tried by somebody signed in
    (tests/web/staff/test_every_place.py).
    """
    return [
        (method, resource)
        for resource, methods in app.routes.items()
        for method in methods
        if not truth.is_of_the_desk(resource)
    ]


def target(resource: str, right: Mapping[str, str], text: str | None = None) -> str:
    """Write an address that leads somewhere, or one with a text in each of its places."""
    first = resource.split("/")[1]

    def part(found: re.Match[str]) -> str:
        if text is not None:
            return quote(text, safe="")
        return right[first] if found[1] == "token" else right[found[1]]

    return re.sub(r"\{(\w+)\}", part, resource)


def sent(method: str, resource: str) -> dict[str, str]:
    """Give the type of what an address takes."""
    if method != "POST":
        return {}
    return {"Content-Type": "application/json" if resource.startswith("/v1/") else FORM}


@pytest.mark.parametrize(("method", "resource"), routes())
def test_no_address_query_or_header_makes_more_work_than_its_length(
    right: dict[str, str], method: str, resource: str
) -> None:
    """Whoever writes an address by hand cannot keep a function busy."""
    client, key = Counting(), {"Authorization": f"Bearer {right['key']}"}
    kind = sent(method, resource)

    def text(size: int) -> str:
        return (ALL_AT_ONCE * (size // len(ALL_AT_ONCE) + 1))[:size]

    def by_path(size: int) -> object:
        return client.send(method, target(resource, right, text(size)), b"", {**key, **kind})

    def by_query(names: list[str], size: int) -> object:
        asked = urlencode(dict.fromkeys(names, text(size)))
        return client.send(method, f"{target(resource, right)}?{asked}", b"", {**key, **kind})

    def by_header(size: int) -> object:
        return client.send(method, target(resource, right), b"", dict.fromkeys(HEADERS, text(size)))

    if "{" in resource:
        check(f"{method} {resource} by its path", client, by_path)
    check(f"{method} {resource} by its query", client, functools.partial(by_query, QUERIES))
    others = [name for name in QUERIES if name not in {"t", "receipt", "format", "code"}]
    check(
        f"{method} {resource} by its query, no link in it",
        client,
        functools.partial(by_query, others),
    )
    check(f"{method} {resource} by its headers", client, by_header)


def filled(schema: Mapping[str, Any], text: str) -> Any:
    """Give a body of a schema's shape with the same text wherever the schema takes one."""
    schema = truth.resolved(schema)
    whole = {name: filled(each, text) for name, each in schema.get("properties", {}).items()}
    for several in ("oneOf", "anyOf", "allOf"):
        for each in schema.get(several, []):
            part = filled(each, text)
            whole |= part if isinstance(part, dict) else {}
    if whole:
        return whole
    if schema.get("type") == "object":
        return {"newsletter.email": text, text: "yes"}
    if schema.get("type") == "array":
        return [filled(schema.get("items", {}), text)]
    return True if schema.get("type") == "boolean" else text


def taken(resource: str) -> Mapping[str, Any]:
    """Give what a call takes, by the type of the body; a call without a body takes nothing."""
    described: Mapping[str, Any] = truth.DOCUMENT["paths"][resource]["post"]
    content: Mapping[str, Any] = described.get("requestBody", {}).get("content", {})
    return content


def tables() -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """Give the worst lists: cells of any text, quotes, and many rows."""
    for name, make in WORST.items():
        yield name, lambda n, make=make: f"Email Address\n{make(n)}\n".encode()
    yield "quotes", lambda n: b"Email Address\n" + b'"' * n
    yield "cells", lambda n: b"Email Address,Name\n" + b",x" * n
    yield "rows", lambda n: b"Email Address\n" + b"anna@example.org\n" * (n // 20)
    yield "line ends", lambda n: b"Email Address\n" + b"\r\n" * n


def bodies(resource: str) -> Iterator[tuple[str, Callable[[int], bytes]]]:
    """Give the worst bodies for a call of the API: texts in every place, endless lists, many
    names.
    """
    schema = taken(resource).get("application/json", {"schema": {"type": "object"}})["schema"]
    members = [*filled(schema, ""), "id"]

    def of_text(make: Callable[[int], str], size: int) -> bytes:
        return json.dumps(filled(schema, make(size))).encode()

    for name, make in WORST.items():
        yield name, functools.partial(of_text, make)
    yield "lists in lists", lambda n: b'{"%s": ' % members[0].encode() + b"[" * n + b"]" * n + b"}"
    yield (
        "many names",
        lambda n: json.dumps({f"{number}": number for number in range(n // 4)}).encode(),
    )
    yield "long lists", lambda n: json.dumps({name: ["x"] * (n // 4) for name in members}).encode()
    yield (
        "many subjects",
        lambda n: json.dumps(
            {name: [{"email": "a@b.lv"}] * (n // 40) for name in members}
        ).encode(),
    )
    yield (
        "long numbers",
        lambda n: json.dumps({name: int("9" * min(n, 4000)) for name in members}).encode(),
    )


@pytest.mark.parametrize(
    "resource", [each for method, each in routes() if method == "POST" and "/v1/" in each]
)
def test_no_body_of_a_program_makes_more_work_than_its_length(
    right: dict[str, str], resource: str
) -> None:
    """A program that went wrong, or a key that leaked, cannot keep a function busy."""
    client = Counting()
    program, name = (
        Program(right["clinic"], right["key"], client),
        target(resource, right).partition(right["clinic"] + "/")[2],
    )
    for what, make in bodies(resource):
        check(
            f"{resource} with {what}",
            client,
            lambda size, make=make: program.call(name, make(size)),
        )


@pytest.mark.parametrize(
    "resource",
    [
        each
        for method, each in routes()
        if method == "POST" and "/v1/" in each and "text/csv" in taken(each)
    ],
)
def test_no_list_of_a_program_makes_more_work_than_its_length(
    right: dict[str, str], resource: str
) -> None:
    """A file that no mailing tool wrote keeps a function no longer busy than its length."""
    client = Counting()
    program = Program(right["clinic"], right["key"], client)
    name = target(resource, right).partition(right["clinic"] + "/")[2]
    asked = "?purpose=newsletter.email&from=sheet&column=Email+Address"
    csv = {"Content-Type": "text/csv"}
    for what, make in tables():
        check(
            f"{resource} with {what}",
            client,
            lambda size, make=make: program.call(name + asked, make(size), csv),
        )


def form(client: Client, place: str) -> dict[str, str]:
    """Give the fields of a page's forms with what they hold, and those that a patient fills in or
    ticks.
    """
    answer = client.get(place)
    page = Page(answer)
    named = dict.fromkeys(re.findall(r'name="([a-z][\w.-]*)"', answer.text), "")
    return {**named, **page.fields} | {"act": "erase", "purpose": "", "receipt": "", "code": ""}


@pytest.mark.parametrize(
    "resource", [each for method, each in routes() if method == "POST" and "/v1/" not in each]
)
def test_no_form_of_a_patient_makes_more_work_than_its_length(
    right: dict[str, str], resource: str
) -> None:
    """Nor anybody who sends forms by a program: 224 KB in a field of an e-mail took twelve seconds
    once.
    """
    client, place = Counting(), target(resource, right)
    fields = form(client, place)
    assert fields
    state = {"state": fields["state"]} if "state" in fields else {}

    def with_text(make: Callable[[int], str], size: int) -> object:
        return client.post(place, {**dict.fromkeys(fields, make(size)), **state})

    for what, make in WORST.items():
        check(f"{resource} with {what}", client, functools.partial(with_text, make))
    check(
        f"{resource} of many fields",
        client,
        lambda size: client.post(place, {**state, "purpose": ["x"] * (size // 25)}),
    )
    check(
        f"{resource} of one long field",
        client,
        lambda size: client.send(
            "POST", place, b"receipt=" + b"%EF%B7%BA" * size, {"Content-Type": FORM}
        ),
    )


UPLOADS: Mapping[str, Callable[[int], bytes]] = {
    "lists in lists": lambda n: b'{"a": ' + b"[" * n + b"]" * n + b"}",
    "names": lambda n: json.dumps({str(number): number for number in range(n)}).encode(),
    "full stops": lambda n: b"eyJ" + b"." * n,
    "tildes": lambda n: b"eyJhIjoxfQ.eyJhIjoxfQ.aaaa" + b"~aaaa" * n + b"~",
    "hexadecimal digits": lambda n: b"0123456789abcdef" * n,
    "dashes": lambda n: "−".encode() * n,
}


@pytest.mark.parametrize("upload", UPLOADS)
def test_no_file_to_be_verified_makes_more_work_than_its_length(upload: str) -> None:
    """Anybody may ask whether a file is a receipt."""
    client = Counting()

    def ask(size: int) -> object:
        part = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="r"\r\n\r\n'
            + UPLOADS[upload](size)
        )
        kind = {"Content-Type": "multipart/form-data; boundary=b"}
        return client.send("POST", "/verify", part + b"\r\n--b--\r\n", kind)

    check(f"an upload of {upload}", client, ask)


def test_what_takes_the_square_of_the_work_would_be_noticed() -> None:
    """A test that can find nothing proves nothing."""

    def a_loop_in_a_loop(event: dict[str, Any], _context: None) -> dict[str, Any]:
        size = event["size"] // 50
        return {"texts": [abs(each) for each in range(size) for _ in range(size)]}

    def normal_forms(event: dict[str, Any], _context: None) -> dict[str, Any]:
        text = "x" * event["size"]
        return {"text": unicodedata.normalize("NFKC", text)}

    for bad in (a_loop_in_a_loop, normal_forms):
        client = Counting(bad)
        with pytest.raises(AssertionError):
            check(
                bad.__name__,
                client,
                lambda size, client=client: client.counted({"size": size}, None),
            )
