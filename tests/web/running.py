"""The portal the routes are tried in: one local AWS, one table, five demo clinics, and clinics of a
test's own.
"""

import copy
import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from chalicelib.domain.api_keys import SCOPES
from chalicelib.domain.instants import Instant
from chalicelib.jobs import signing
from chalicelib.jobs.catch_up import publish_key
from chalicelib.jobs.due_people import DueWork
from chalicelib.jobs.publication_walk import RULES, Walk, walk_on
from chalicelib.notices.edition import make_edition
from chalicelib.portal import Portal, get_portal
from chalicelib.store import audit, outbox
from chalicelib.store.keys.key import SHARDS
from chalicelib.store.keys.messages import letter_key, outbox_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Delete
from infra.local.aws import ACCOUNT, REGION, aws_environment, ministack
from infra.local.demo import publish_demo
from infra.operator import keys, publish
from tests.cast import IEVA, JURIS, RIGA, an_edition, create_table, environment
from tests.faults.dynamodb import MOST_ITEMS
from tests.memory_dynamodb import Tables, tables_in_memory
from tests.web.client import Client, Program

TABLE = "portal"
LONG_AGO = "2026-01-01T08:00:00.000Z"
"""When the clinics were published; their documents say from 1 November on. So forms of that month
have a text.
"""

Change = Callable[[dict[str, Any]], None]


@dataclass
class RunningPortal:
    """What runs, the keys of the demo clinics, and a way to publish more."""

    settings: Mapping[str, str]
    api_keys: Mapping[str, str]
    tables: Tables
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @cached_property
    def in_process(self) -> Portal:
        """The portal in a process beside the application's: what one remembers the other does
        not.
        """
        return get_portal.__wrapped__()

    @property
    def table(self) -> Table:
        """The table, as that other process sees it."""
        return self.in_process.table

    def program(self, clinic: str = RIGA) -> Program:
        """Give the program of a demo clinic."""
        return Program(clinic, self.api_keys[clinic])

    def open_clinic(
        self, like: str = RIGA, change: Change | None = None, at: Instant = LONG_AGO
    ) -> Program:
        """Publish a clinic of its own, long ago, written like one of the demo clinics, and give its
        program.
        """
        name = f"z{next(self.numbers):03d}"
        document = copy.deepcopy(_document(like)) | {"id": f"clinic-{name}", "code": name}
        self._publish(document, change, at=at)
        return Program(document["id"], self.new_key(document["id"]))

    def republish(
        self, clinic: str, version: str, change: Change | None = None, at: Instant | None = None
    ) -> None:
        """Publish the next version of a clinic opened by `open_clinic`, from another process."""
        self._publish(copy.deepcopy(self.documents[clinic]) | {"version": version}, change, at)

    def new_key(self, clinic: str, *scopes: str, label: str = "a test") -> str:
        """Create a key with these scopes, or with all."""
        return keys.create(self.table, clinic, label, *([scopes] if scopes else []))[1]

    def managing(self, clinic: str) -> Program:
        """Give a program whose links open patients' own pages: its key has the scope that is asked
        for by name.
        """
        return Program(clinic, self.new_key(clinic, *SCOPES))

    def member(self, clinic: str, controller: str) -> Program:
        """Give the program of one of a clinic's joint controllers."""
        controllers = [
            each.id
            for each in self.in_process.directory.look_up(clinic).published.clinic.controllers
        ]
        member = keys.Member(controller, controllers)
        return Program(clinic, keys.create(self.table, clinic, controller, member=member)[1])

    def seal(self) -> None:
        """Sign what waits at the clinic opened last, as the stream's function does; what other
        tests left waits on.
        """
        assert self.in_process.signer is not None
        clinic = list(self.documents)[-1]
        waiting = [
            item for item in outbox.unsigned_items(self.table) if item.entry.clinic == clinic
        ]
        work = signing.ReceiptSigning(self.table, self.in_process.signer, lambda: False)
        for start in range(0, len(waiting), signing.GROUP):
            for item in work.sign_items(waiting[start : start + signing.GROUP]):
                signing.note_signed(self.table, item)
        assert (work.report.whole, work.report.failed) == (True, 0)

    def empty_outbox(self) -> None:
        """Take out what is left to be told or signed.

        Otherwise each test that sends or signs goes through what all tests before it left.
        """
        left = []
        for queue in (outbox_key, letter_key):
            for shard in SHARDS:
                left += self.table.partition(queue("", shard).pk, "")
        for start in range(0, len(left), MOST_ITEMS):
            some = left[start : start + MOST_ITEMS]
            self.table.write([Delete(item.key) for item in some])

    def count_consents(self, clinic: str) -> None:
        """Walk through a clinic's people, as the hourly round does; other tests' clinics wait."""
        now = self.in_process.clock()
        version = self.in_process.directory.look_up(clinic).published.in_force.version
        walk = Walk(version, RULES, asked=now, listed={})
        for _ in walk_on(DueWork(self.in_process, now), clinic, walk):
            pass

    def items(self) -> set[tuple[str, str]]:
        """Give the key of every item in the table but the audit's, to see what a request stored."""
        pages = self._pages(ProjectionExpression="pk, sk")
        found = {(item["pk"]["S"], item["sk"]["S"]) for page in pages for item in page["Items"]}
        return {(pk, sk) for pk, sk in found if "#AUDIT#" not in pk}

    def everything(self) -> bytes:
        """Give all that the table holds, keys and contents, to see what stands in it."""
        return repr([page["Items"] for page in self._pages()]).encode()

    def audit(self, clinic: str) -> list[dict[str, Any]]:
        """Give the audit of a clinic that was opened just now, without what an operator did."""
        return [line for line in self.whole_audit(clinic) if line["key"] != keys.OPERATOR]

    def whole_audit(self, clinic: str) -> list[dict[str, Any]]:
        """Give all of it, the oldest line first; midnight may have passed since."""
        now = datetime.now(UTC)
        days = [(now - timedelta(days=1)).date().isoformat(), now.date().isoformat()]
        return [line for day in days for line in audit.lines_of(self.table, clinic, day)]

    def _pages(self, **asked: str) -> Iterator[dict[str, Any]]:
        pages: Iterator[dict[str, Any]] = self.table.client.get_paginator("scan").paginate(
            TableName=TABLE, ConsistentRead=True, **asked
        )
        return pages

    def _publish(
        self, document: dict[str, Any], change: Change | None, at: Instant | None = None
    ) -> None:
        if change:
            change(document)
        ready, arn = make_edition(document), self.settings["CLINIC_KEY_ARN"]
        why = "For a test of what happens then."
        assert publish.publish(
            ready, self.in_process, arn, author=IEVA, approver=JURIS, minor_reason=why, at=at
        )
        self.documents[document["id"]] = document


def a_signing_key(alias: str, spec: str = "ECC_NIST_P256") -> str:
    """Make a key that signs, behind an alias."""
    kms = botocore.session.get_session().create_client("kms", REGION)
    key = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    kms.create_alias(AliasName=alias, TargetKeyId=key)
    return alias


def places_of_jobs() -> dict[str, str]:
    """Make the bucket of jobs, and a state machine that does nothing: tests go through its steps
    by themselves.
    """
    session = botocore.session.get_session()
    bucket = "portal-jobs"
    place = {"LocationConstraint": REGION}
    session.create_client("s3", REGION).create_bucket(
        Bucket=bucket, CreateBucketConfiguration=place
    )
    nothing = {
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": True}},
    }
    machine = session.create_client("stepfunctions", REGION).create_state_machine(
        name="portal-jobs",
        definition=json.dumps(nothing),
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/jobs",
    )
    return {"JOB_BUCKET": bucket, "JOB_MACHINE": machine["stateMachineArn"]}


def place_of_scans() -> dict[str, str]:
    """Make the bucket of scanned forms."""
    place = {"LocationConstraint": REGION}
    s3 = botocore.session.get_session().create_client("s3", REGION)
    s3.create_bucket(Bucket="portal-scans", CreateBucketConfiguration=place)
    return {"SCAN_BUCKET": "portal-scans", "SCAN_OWNER": ACCOUNT}


def counts_at_once(document: dict[str, Any]) -> None:
    """Let every Yes but one to the newsletter count unconfirmed, for the reason that a clinic has
    to give.
    """
    for purpose in document["purposes"]:
        if purpose["id"] != "newsletter":
            for decided in purpose.get("options", [purpose]):
                decided["confirm"] = {
                    "required": False,
                    "reason": "The reception sees everybody who answers.",
                }


@cache
def _document(clinic: str) -> dict[str, Any]:
    """Give a demo clinic's document, with a notice that is quickly rendered."""
    written = an_edition(clinic)
    return {**written.document, "notice": dict.fromkeys(written.clinic.languages, "In full.")}


@contextmanager
def portal_in_memory(keys_file: Path) -> Iterator[RunningPortal]:
    """Start the local AWS, its tables in memory, and publish the demo clinics."""
    with (
        ministack() as url,
        tables_in_memory(url) as tables,
        environment(aws_environment(url)),
    ):
        create_table(url, TABLE)
        arn = (
            botocore.session.get_session()
            .create_client("kms", REGION)
            .create_key()["KeyMetadata"]["Arn"]
        )
        alias = a_signing_key("alias/portal-signing")
        settings = {
            **aws_environment(url),
            "TABLE_NAME": TABLE,
            "CLINIC_KEY_ARN": arn,
            "SIGNING_KEY": alias,
            **places_of_jobs(),
            **place_of_scans(),
        }
        given = publish_demo(settings, keys_file, at=LONG_AGO)
        running = RunningPortal(
            settings, {clinic: entry["api_key"] for clinic, entry in given.items()}, tables
        )
        with environment(settings):
            publish_key(running.table, running.in_process.signer)
        yield running
    get_portal.cache_clear()


@contextmanager
def at_home(running: RunningPortal) -> Iterator[None]:
    """Let the application find this portal, as a process that has just started."""
    with environment({**running.settings, "PUBLIC_URL": ""}):
        get_portal.cache_clear()
        yield
    get_portal.cache_clear()


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPortal]:
    """Give the portal in memory, started once."""
    with portal_in_memory(tmp_path_factory.mktemp("routes") / "keys.json") as running:
        yield running


@pytest.fixture(scope="module", autouse=True)
def _at_home(settled: RunningPortal) -> Iterator[None]:
    """Let the application find this portal, as a process that has just started, and leave nothing
    behind.
    """
    with at_home(settled):
        yield
        settled.empty_outbox()


@pytest.fixture
def portal(settled: RunningPortal) -> RunningPortal:
    """Give the portal."""
    assert os.environ["TABLE_NAME"] == TABLE
    return settled


@pytest.fixture
def client() -> Client:
    """Give a patient's browser."""
    return Client()
