"""A short walk in every test run, and four deliberate breakages that a walk must find."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.settings import BY_WRAPPED_KEY
from chalicelib.store import expressions, table
from chalicelib.store.table import Table
from chalicelib.store.writes import Put, Replace, Write
from tests.faults.runs import KINDS, Result, run
from tests.faults.walk import RESIDENTS
from tests.faults.weather import Fault

OPERATIONS = 250
PAGES = 3
"""Receipts on one page of the timeline in these walks, so that short ones have several."""


@pytest.fixture(autouse=True)
def _short_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chalicelib.store.timeline.RECEIPTS", PAGES)


def kinds(result: Result) -> set[str]:
    """Give what kinds of things are broken."""
    return {kind for kind in KINDS for each in result.broken if each.startswith(kind)}


def test_whatever_fails_nothing_is_lost_or_doubled_and_nobody_is_left_out() -> None:
    """A decision survives lost requests, dead processes, throttling and a late stream."""
    result = run("b", 0, OPERATIONS)
    assert result.broken == []
    assert {*Fault, "died before a write", "died after a write", "others acted between"} == set(
        result.faults
    )
    assert result.tally["acknowledged"] > OPERATIONS / 3
    assert result.tally["people they had to reach"] > RESIDENTS


def test_nothing_is_lost_or_doubled_where_a_wrapped_key_signs() -> None:
    """Where KMS or the table is away when a process wants its key, receipts wait and none is lost."""
    result = run("wrapped", 0, OPERATIONS // 2, BY_WRAPPED_KEY)
    assert result.broken == []
    assert result.faults["died after a write"]
    assert result.tally["receipts"] > OPERATIONS / 8


def test_a_walk_of_a_seed_is_the_same_again() -> None:
    """What broke once can be looked at, at leisure."""
    command = [sys.executable, "-m", "tests.faults"]
    environment = {**os.environ, "SEED": "again", "FROM": "10", "TO": "30"}
    root = Path(__file__).resolve().parents[2]

    def output() -> list[str]:
        done = subprocess.run(
            command, cwd=root, env=environment, capture_output=True, text=True, check=True
        )
        return [line for line in done.stdout.splitlines() if "seconds" not in line]

    first = output()
    assert any("receipts" in line for line in first)
    assert output() == first


def _without_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write the next receipt of a chain without checking whether somebody else was quicker."""
    write = Table.write

    def over(self: Table, writes: Sequence[Write]) -> None:
        write(self, [_unconditional(each) for each in writes])

    def _unconditional(each: Write) -> Write:
        return (
            Replace(each.key, each.values)
            if isinstance(each, Put) and each.key.sk.startswith("RECEIPT#")
            else each
        )

    monkeypatch.setattr(Table, "write", over)
    monkeypatch.setattr(table, "_allow", lambda _: None)  # it would refuse to write over a receipt
    always = f"{expressions.EXISTS} OR {expressions.IS_NEW}"
    monkeypatch.setattr(expressions, "_if_holds", lambda said, _: said.on(always))


def _only_the_first_person(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a withdrawal end with the first of those who share the contact."""
    everyone = withdrawals.withdraw

    def withdraw(portal: Portal, decision: Any, signature: Any, **more: Any) -> Any:
        seen = more.get("seen") or portal.directory.look_up(
            decision.clinic, signature.contacts, guard=signature.guard
        )
        people = {person.id for found in seen.stored_under.values() for person in found}
        if len(people) < 2:
            return everyone(portal, decision, signature, **more)
        return [
            decisions.record(
                portal, decision, replace(signature, person=min(people), proves=()), seen=seen
            )
        ]

    monkeypatch.setattr(withdrawals, "withdraw", withdraw)


def _counted_without_a_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a receipt each time somebody comes to its item, and keep no signature."""
    write = Table.write

    def without(self: Table, writes: Sequence[Write]) -> None:
        write(self, [each for each in writes if not each.key.sk.startswith("SIGNATURE#")])

    monkeypatch.setattr(Table, "write", without)


def _never_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Write no due time with a decision."""
    monkeypatch.setattr(decisions, "first_due", lambda *_: None)


@pytest.mark.parametrize(
    ("breakage", "found"),
    [
        (_without_looking, {"lost", "gap", "state", "contact"}),
        (_only_the_first_person, {"withdrawal"}),
        (_counted_without_a_mark, {"counted"}),
        (_never_due, {"due"}),
    ],
)
def test_a_deliberate_breakage_is_found(
    monkeypatch: pytest.MonkeyPatch, breakage: Callable[[pytest.MonkeyPatch], None], found: set[str]
) -> None:
    """A walk without a finding means something: it finds each of these planted faults."""
    breakage(monkeypatch)
    assert kinds(run("b", 0, OPERATIONS)) & found
