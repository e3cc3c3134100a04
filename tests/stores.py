"""Fixtures of the store: MiniStack, Amazon's DynamoDB Local, and a portal on a new table."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.messages.delivery import Delivery
from chalicelib.messages.transports import AwsTransport
from chalicelib.portal import Portal
from chalicelib.store.aws import AwsClients
from infra.build.tools import dynamodb_local
from infra.local.aws import REGION, aws_environment, ministack
from infra.local.post_office import post_office
from tests.cast import Clock, a_portal, environment
from tests.messages.outgoing import BASE, Sorting

_tables = itertools.count(1)


@pytest.fixture(
    scope="session", params=[ministack, dynamodb_local], ids=["MiniStack", "DynamoDBLocal"]
)
def endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run one emulator after the other; every test of the store runs against both."""
    with request.param() as url:
        yield url


@pytest.fixture
def clock() -> Clock:
    """Give the clock of the portal, to be moved."""
    return Clock()


@pytest.fixture
def portal(endpoint: str, clock: Clock) -> Iterator[Portal]:
    """Give a portal with the two clinics of the cast on a new table."""
    with environment(aws_environment(endpoint)):
        portal = a_portal(endpoint, f"portal-{next(_tables)}", clock=clock)
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
