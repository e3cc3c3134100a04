"""Fixtures of the store: tables in memory, Amazon's DynamoDB Local, and a portal on a new table."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from chalicelib.messages.delivery import Delivery
from chalicelib.messages.transports import AwsTransport
from chalicelib.portal import Portal
from chalicelib.store.aws import AwsClients
from infra.build.tools import dynamodb_local
from infra.local.aws import REGION, aws_environment
from infra.local.post_office import post_office
from tests.cast import Clock, a_portal, environment
from tests.memory_dynamodb import tables_in_memory
from tests.messages.outgoing import BASE, Sorting

_tables = itertools.count(1)
_endpoints = itertools.count(1)

TABLES = 60
"""After how many tables an emulator is started anew: DynamoDB Local takes six times as long for a
transaction beside six hundred tables, also after they were deleted."""


class Emulator:
    """An emulator of DynamoDB that is replaced by a new one when it has many tables."""

    def __init__(self, start: Callable[[], AbstractContextManager[str]]) -> None:
        self._start = start
        self._running = ExitStack()
        self._url = ""
        self._tables = TABLES

    def for_a_table(self) -> str:
        """Give the endpoint at which one more table may be made."""
        if self._tables == TABLES:
            self.stop()
            self._url = self._running.enter_context(self._start())
            self._tables = 0
        self._tables += 1
        return self._url

    def stop(self) -> None:
        """Stop what runs."""
        self._running.close()


@contextmanager
def in_memory() -> Iterator[str]:
    """Keep tables in memory, and give their endpoint: it is no address of anything."""
    endpoint = f"http://tables-{next(_endpoints)}.invalid"
    with tables_in_memory(endpoint):
        yield endpoint


@pytest.fixture(scope="session")
def endpoint() -> Iterator[Emulator]:
    """Keep tables in memory."""
    yield from running(in_memory)


@pytest.fixture(
    scope="session", params=[in_memory, dynamodb_local], ids=["Memory", "DynamoDBLocal"]
)
def on_both(request: pytest.FixtureRequest) -> Iterator[Emulator]:
    """Keep tables in memory, then in Amazon's DynamoDB Local.

    For tests of the store and of races, which name it `endpoint`.
    """
    yield from running(request.param)


def running(start: Callable[[], AbstractContextManager[str]]) -> Iterator[Emulator]:
    """Run an emulator."""
    emulator = Emulator(start)
    yield emulator
    emulator.stop()


@pytest.fixture
def clock() -> Clock:
    """Give the clock of the portal, to be moved."""
    return Clock()


@pytest.fixture
def portal(endpoint: Emulator, clock: Clock) -> Iterator[Portal]:
    """Give a portal with the two clinics of the cast on a new table."""
    url = endpoint.for_a_table()
    with environment(aws_environment(url)):
        portal = a_portal(url, f"portal-{next(_tables)}", clock=clock)
        yield portal
        portal.table.client.close()


@pytest.fixture
def round_trips(portal: Portal) -> Iterator[list[str]]:
    """List the calls that leave for DynamoDB, as the client sends them.

    `clear()` it before what is to be counted.
    """
    sent: list[str] = []

    def note(request: Any, **_: Any) -> None:
        sent.append(request.headers["X-Amz-Target"].decode().rpartition(".")[2])

    portal.table.client.meta.events.register("before-send.dynamodb", note)
    yield sent
    portal.table.client.meta.events.unregister("before-send.dynamodb", note)


@pytest.fixture
def post(portal: Portal, clock: Clock, tmp_path: Path) -> Iterator[Sorting]:
    """Give the portal a post of its own."""
    with post_office(tmp_path / "mailbox.jsonl") as (office, variables), environment(variables):
        aws = AwsClients(portal.table.session, REGION)
        sender = AwsTransport(aws, mail_from="consent@example.org", configuration="portal")
        yield Sorting(
            portal, office, Delivery(portal.table, portal.clinics, sender, BASE, now=clock), clock
        )
