"""The recurring cast: two patients, two clinics, and a portal for them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
from botocore.loaders import create_loader

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import Instant
from chalicelib.notices.edition import PublishedEdition
from chalicelib.notices.workflow import Person, new_draft
from chalicelib.portal import Portal
from chalicelib.presentation.authorities import authorities
from chalicelib.settings import Settings
from chalicelib.store import publishing
from chalicelib.store.aws import AwsClients
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import KeyService, Kms
from chalicelib.store.publishing import Drafts
from chalicelib.store.shown_pages import ShownPages
from chalicelib.store.table import Table
from infra.local.aws import REGION, aws_environment
from infra.local.template import create_table as table_of_template
from infra.operator import publish

RIGA, TBILISI = "riga-aesthetics", "tbilisi-ultrasound"
CLINICS = Path(__file__).resolve().parent.parent / "infra" / "clinics"

ANNA = Contact(ContactKind.EMAIL, "anna.ozola@example.org")
ANNA_PHONE = Contact(ContactKind.PHONE, "+37126123456")
GIORGI = Contact(ContactKind.PHONE, "+995555123456")

IEVA, JURIS = Person("Ieva Liepa"), Person("Juris Klusums")
"""Who writes a clinic's notices, and who approves them."""


@dataclass(frozen=True)
class FixedKeys(KeyService):
    """Wraps nothing: for stores that have no KMS beside them (DynamoDB Local)."""

    def unwrap(self, clinic: str, wrapped: bytes) -> bytes:
        """Give the bytes back as they are."""
        assert clinic
        return wrapped


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for a while."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


_loader = create_loader()
"""botocore's descriptions of the services, shared by all tests.

Reading them costs more than most tests do.
"""


def with_shared_loader(session: Any) -> Any:
    """Give a botocore session what others have read already."""
    session.register_component("data_loader", _loader)
    return session


@cache
def an_edition(clinic: str) -> PublishedEdition:
    """Read a demo clinic's file and render its notices, once for all tests."""
    return publish.read_file(CLINICS / f"{clinic}.yaml")


def create_table(endpoint: str, name: str) -> None:
    """Create the portal's table with its stream."""
    with environment(aws_environment(endpoint)):
        session = with_shared_loader(botocore.session.get_session())
        client = session.create_client("dynamodb", REGION)
        table_of_template(client, name)


def publish_edition(
    table: Table,
    store: Clinics,
    ready: PublishedEdition,
    at: Instant,
    wrapped_key: bytes | None = None,
) -> bool:
    """Let Ieva write a version, Juris approve it, and publish it, all at one moment."""
    if publishing.is_published(store, ready.clinic):
        return False
    draft = new_draft(ready.document, ready.clinic.id, IEVA, at)
    Drafts(table).keep(draft)
    approved = draft.approve(JURIS, at, authorities())
    Drafts(table).change(draft, approved)
    return publishing.publish(store, ready, approved, IEVA, wrapped_key=wrapped_key, at=at)


@dataclass
class Clock:
    """A clock that stands where a test puts it.

    By default it is later than everything the tests publish.
    """

    at: Instant = "2026-11-23T09:00:00.000Z"

    def __call__(self) -> Instant:
        """Tell the time."""
        return self.at


def a_portal(endpoint: str, name: str, *clinics: str, clock: Clock | None = None) -> Portal:
    """Give a portal on a new table with clinics published, on an emulator without KMS too.

    The caller keeps `aws_environment(endpoint)` in the environment while it uses it.
    """
    create_table(endpoint, name)
    table = Table(name, region=REGION, host=endpoint)
    with_shared_loader(table.session)
    store = Clinics(table, FixedKeys(), clock or Clock())
    store.keep_portal_key(b"the portal's own key".ljust(32, b"."))
    for clinic in clinics or (RIGA, TBILISI):
        publish_edition(
            table,
            store,
            an_edition(clinic),
            "2026-11-01T08:00:00.000Z",
            wrapped_key=clinic.encode().ljust(32, b"."),
        )
    settings = Settings(name, REGION, "")
    return Portal(
        settings,
        table,
        Kms(table.session, REGION),
        store,
        ShownPages(store),
        AwsClients(table.session, REGION),
        sleep=lambda _: None,
    )
