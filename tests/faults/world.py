"""The portal's four functions on services in memory: one table, one stream, one key service, one
post, one clock.

Everything of the portal's own runs as it is: the chalice application with API Gateway's events, the
stream's function, the clock's two rounds, and the function that hears from SES. Only botocore's
clients, the time and the dice are ours.
"""

import base64
import contextlib
import importlib
import json
import logging
import pkgutil
import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from random import Random
from types import ModuleType
from typing import Any

import app as portal_app
import chalicelib
from chalicelib import log as journal
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import Instant, instant
from chalicelib.domain.message_outcomes import FINAL
from chalicelib.jobs import catch_up, housekeeping
from chalicelib.jobs.counting import count_feeds
from chalicelib.portal import Portal, get_portal
from chalicelib.settings import BY_KMS
from chalicelib.store import deliveries
from chalicelib.store.table import ContendedError, Table, UnavailableError
from infra.local.aws import REGION
from infra.operator import keys
from tests.cast import RIGA, TBILISI, Clock, FixedKeys, an_edition, environment, publish_edition
from tests.faults.dynamodb import MemoryTable
from tests.faults.services import DynamoClient, KeyServiceClient, MessageClient
from tests.faults.weather import CALM, Forecast, ProcessDied, Weather
from tests.web.client import Answer, Client

TABLE = "walk"
SETTINGS = {
    "TABLE_NAME": TABLE,
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "PUBLIC_URL": "https://consent.example.org",
    "SIGNING_KEY": "alias/portal-signing",
    "CLINIC_KEY_ARN": f"arn:aws:kms:{REGION}:000000000000:key/clinics",
    "MAIL_FROM": "consent@example.org",
}
SKEW = timedelta(seconds=45)
"""How far a function's clock may be off, either way."""

FUNCTIONS = ("api", "stream", "round", "reports")


class Log:
    """Where the functions write: every line is held against what no line may hold."""

    def __init__(self) -> None:
        self.never = re.compile(r"(?!)")
        self.lines = 0
        self.bytes = 0
        self.leaks: list[str] = []

    def write(self, text: str) -> int:
        """Take a line."""
        self.lines += text.count("\n")
        self.bytes += len(text.encode())
        if self.never.search(text):
            self.leaks.append(text)
        return len(text)

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""


class Visitor(Client):
    """A browser or program: its request goes to the application as API Gateway hands it on."""

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send anything."""
        event = self.event(method, target, body, headers)
        asked = (
            getattr(portal_app.app, "current_request", None),
            getattr(portal_app.app, "lambda_context", None),
        )
        try:
            given = portal_app.app(event, None)
        finally:
            portal_app.app.current_request, portal_app.app.lambda_context = (
                asked  # of whom this one came between
            )
        content = given["body"] if isinstance(given["body"], bytes) else given["body"].encode()
        named = {name.lower(): value for name, value in given["headers"].items()}
        return Answer(given["statusCode"], named, content)


class Context:
    """What Lambda hands to a function beside its event: always time enough."""

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        """Tell how much time is left."""
        return 300_000


@dataclass
class World:
    """The services, and the portal's functions that run on them."""

    at: datetime
    skews: dict[str, timedelta] = field(
        default_factory=lambda: dict.fromkeys(FUNCTIONS, timedelta())
    )
    running: str = "api"
    weather: Weather = field(default_factory=Weather)
    table: MemoryTable = field(default_factory=MemoryTable)
    log: Log = field(default_factory=Log)
    api_keys: dict[str, str] = field(default_factory=dict)
    messages: MessageClient = field(init=False)
    kms: KeyServiceClient = field(init=False)

    def __post_init__(self) -> None:
        """Set up the post and the key service under the same weather."""
        self.messages, self.kms = MessageClient(self.weather), KeyServiceClient(self.weather)

    @property
    def now(self) -> datetime:
        """The time by the clock of the function that runs."""
        return self.at + self.skews[self.running]

    @property
    def instant(self) -> Instant:
        """The same, as the portal writes it."""
        return instant(self.now)

    @property
    def portal(self) -> Portal:
        """The portal of the process that runs now."""
        return get_portal()

    def start(self) -> None:
        """Start a new process: it remembers nothing of the one before."""
        get_portal.cache_clear()
        portal = get_portal()
        connect(portal.table, DynamoClient(self.table, self.weather))
        portal.kms._client = self.kms  # noqa: SLF001 - where a botocore client would stand
        object.__setattr__(
            portal, "sleep", lambda _: None
        )  # nobody needs to wait for a simulated table
        assert portal.post is not None
        portal.aws._clients.update(sesv2=self.messages, sns=self.messages)  # noqa: SLF001 - as above

    def open_clinics(self, *clinics: str) -> None:
        """Publish clinics of the cast and make a key for each."""
        at = instant(self.at - timedelta(days=20))
        shop = type(self.portal.clinics)(self.portal.table, FixedKeys(), Clock(at))
        shop.keep_portal_key(b"portal".ljust(32, b"."))
        for clinic in clinics:
            publish_edition(
                self.portal.table,
                shop,
                an_edition(clinic),
                at,
                wrapped_key=clinic.encode().ljust(32, b"."),
            )
            self.api_keys[clinic] = keys.create(self.portal.table, clinic, "a walk")[1]

    @contextlib.contextmanager
    def calmly(self, function: str = "api") -> Iterator[None]:
        """Run a function in fair weather: for what the walk itself wants to know."""
        before, self.running = self.running, function
        try:
            with self.weather.during(CALM, Random(0)):
                yield
        finally:
            self.running = before

    def run(
        self, function: str, forecast: Forecast, rng: Random, operation: Callable[[], Any]
    ) -> Any:
        """Run one function in some weather.

        None where its process died, and another takes its place.
        """
        before, self.running = self.running, function
        sending, self.messages.sending = self.messages.sending, []
        try:
            with self.weather.during(forecast, rng):
                return operation()
        except ProcessDied:
            self.messages.unnoted_because("the process died", self.messages.sending)
            self.start()
            return None
        finally:
            self.running, self.messages.sending = before, sending

    def stream(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Hand a batch of records to the stream's function; raises what it raises."""
        portal_app.after_receipt(
            {"Records": [_as_lambda_gets(each) for each in records]}, Context()
        )

    def catch_up(self) -> None:
        """Let the clock's round do what the stream could not."""
        portal_app.catch_up(_a_tick(), Context())

    def run_housekeeping(self) -> None:
        """Let the hourly round go through everybody."""
        parts = [
            lambda: count_feeds(self.portal, lambda: False),
            lambda: housekeeping.run_housekeeping(self.portal, self.instant, lambda: False),
        ]
        catch_up.run_all(parts)

    def report(self, message: str) -> None:
        """Let SES report what became of a mail."""
        portal_app.post_events(
            {"Records": [{"Sns": {"Message": message, "Subject": None}}]}, Context()
        )

    def lookup(self, clinic: str, contact: Contact) -> str:
        """Give the key by which a contact is found."""
        return self.portal.clinics.key(clinic).lookup(contact)


def connect(table: Table, client: DynamoClient) -> None:
    """Put a client in the place of botocore's."""
    table.client = client


def contact_of(kind: str, value: str) -> Contact:
    """Give a contact."""
    return Contact(ContactKind(kind), value)


def _as_lambda_gets(record: Mapping[str, Any]) -> dict[str, Any]:
    """Write a record as JSON has it: bytes in base64."""

    def plain(value: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value

    message = dict(record["dynamodb"])
    if "NewImage" in message:
        message["NewImage"] = {name: plain(value) for name, value in message["NewImage"].items()}
    return {**record, "dynamodb": message}


def _a_tick() -> dict[str, Any]:
    return {
        "id": "",
        "source": "aws.events",
        "account": "",
        "time": "",
        "region": REGION,
        "resources": [],
    } | {
        "detail": {},
        "detail-type": "Scheduled Event",
        "version": "0",
    }


@contextlib.contextmanager
def simulated(seed: str, at: datetime, signing: str = BY_KMS) -> Iterator[World]:
    """Give a world whose time, randomness, log and services depend on the seed alone.

    `signing` says where receipts are signed.
    """
    world = World(at)
    with (
        environment({**SETTINGS, "SIGNING": signing}),
        contextlib.redirect_stdout(world.log),  # type: ignore[type-var]
        _time_of(world),
        _dice(Random(seed)),
        _watched(world),
        _logged(world.log),
    ):
        try:
            world.start()
            world.open_clinics(RIGA, TBILISI)
            world.table.records.clear()
            yield world
        finally:
            get_portal.cache_clear()


@contextlib.contextmanager
def _time_of(world: World) -> Iterator[None]:
    class Simulated(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return world.now.astimezone(tz)

    telling = [module for module in _own_modules() if getattr(module, "datetime", None) is datetime]
    for module in telling:
        module.datetime = Simulated  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for module in telling:
            module.datetime = datetime  # type: ignore[attr-defined]


def _own_modules() -> list[ModuleType]:
    """Load every module of the portal, so that none comes later with a clock of its own.

    `entry` starts a process.
    """
    names = [each.name for each in pkgutil.walk_packages(chalicelib.__path__, "chalicelib.")]
    return [importlib.import_module(name) for name in names if name != "chalicelib.entry"]


@contextlib.contextmanager
def _dice(rng: Random) -> Iterator[None]:
    """Let every random id come from the seed, so that a walk can be walked again."""
    ours: dict[str, Callable[..., Any]] = {
        "token_bytes": lambda size=32: rng.randbytes(size),
        "token_hex": lambda size=32: rng.randbytes(size).hex(),
        "token_urlsafe": lambda size=32: _urlsafe(rng.randbytes(size)),
        "randbelow": rng.randrange,
    }
    theirs = {name: getattr(secrets, name) for name in ours}
    modules = [secrets, *_own_modules(), keys]
    places = [
        (m, name) for m in modules for name, it in theirs.items() if getattr(m, name, None) is it
    ]
    for module, name in places:
        setattr(module, name, ours[name])
    try:
        yield
    finally:
        for module, name in places:
            setattr(module, name, theirs[name])


def _urlsafe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


@contextlib.contextmanager
def _watched(world: World) -> Iterator[None]:
    """See which message is taken to be sent, and whether it was noted that it had been."""
    take, settle = deliveries.claim, deliveries.record_outcome

    def taking(*args: Any, **more: Any) -> deliveries.DeliveryLease | None:
        lease = take(*args, **more)
        if lease is not None:
            world.messages.sending = [lease.key]
        return lease

    def settling(table: Table, lease: deliveries.DeliveryLease, state: str, **more: str) -> None:
        try:
            settle(table, lease, state, **more)
        except (ContendedError, UnavailableError):
            world.messages.unnoted_because("the table did not take the note", [lease.key])
            raise
        if state in FINAL:
            world.messages.noted.add(lease.key)

    deliveries.claim, deliveries.record_outcome = taking, settling  # type: ignore[assignment]
    try:
        yield
    finally:
        deliveries.claim, deliveries.record_outcome = take, settle  # type: ignore[assignment]


@contextlib.contextmanager
def _logged(log: Log) -> Iterator[None]:
    handlers = [
        each for each in logging.getLogger("consent-portal").handlers if hasattr(each, "stream")
    ]
    handlers = handlers or [each for each in journal.log().handlers if hasattr(each, "stream")]
    streams = [each.stream for each in handlers]  # type: ignore[attr-defined]
    for each in handlers:
        each.stream = log  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for each, stream in zip(handlers, streams, strict=True):
            each.stream = stream  # type: ignore[attr-defined]


def json_of(answer: Answer) -> Any:
    """Read an answer's body."""
    return json.loads(answer.body)
