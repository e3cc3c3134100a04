"""Copies the functions' logs on the local AWS into one file, which `tail -f` can follow."""

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions

_EVERY_SECONDS = 1.0


@contextlib.contextmanager
def copied(logs: Any, groups: list[str], target: Path) -> Iterator[None]:
    """Append new events of the log groups to `target`, until the end of the block."""
    stopping = threading.Event()
    thread = threading.Thread(target=_copy, args=(logs, groups, target, stopping), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _copy(logs: Any, groups: list[str], target: Path, stopping: threading.Event) -> None:
    seen: set[tuple[str, int, str]] = set()
    since = int(time.time() * 1000)
    finished = False
    with target.open("a") as file:
        while not finished:
            finished = stopping.wait(_EVERY_SECONDS)
            # Events of one millisecond may come in two reads: read two seconds again, skip known
            # ones.
            events = {}
            for group in groups:
                for event in _new(logs, group, since - 2000):
                    events[_identity(event)] = event
            for identity, event in sorted(events.items(), key=_timestamp):
                if identity not in seen:
                    file.write(event["message"].rstrip("\n") + "\n")
                since = max(since, identity[1])
            seen = set(events)
            file.flush()


def _new(logs: Any, group: str, since: int) -> Iterator[dict[str, Any]]:
    """Yield a group's events since a time in milliseconds; none while the emulator is away."""
    with contextlib.suppress(botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError):
        for page in logs.get_paginator("filter_log_events").paginate(
            logGroupName=group, startTime=since
        ):
            yield from page["events"]


def _identity(event: dict[str, Any]) -> tuple[str, int, str]:
    """Return what identifies an event; the emulator gives no event id."""
    return event["logStreamName"], int(event["timestamp"]), event["message"]


def _timestamp(entry: tuple[tuple[str, int, str], dict[str, Any]]) -> int:
    identity, _event = entry
    return identity[1]
