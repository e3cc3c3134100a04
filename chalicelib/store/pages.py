"""Pages of a person's receipts in the table: when each was given and recorded (`timeline`).

A page is written when the person holds no more times, and again for a receipt that came in late for
it. Its body holds its start, its entries the times of receipts that follow each other, by the
version of the first. An earlier version began a page with its first receipt: its body also holds
the summaries as they were before it, and its entries parts of the receipts.
"""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from chalicelib.domain.consent import AnswerSummary
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject
from chalicelib.store import timeline
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.receipts import answers_page_key, late_answers_key
from chalicelib.store.table import Table
from chalicelib.store.timeline import Page, PageStart, Times
from chalicelib.store.writes import Put, SetEntry, Write


def with_times(
    clinic: str, before: Subject, after: Subject, times: Times
) -> tuple[Subject, list[Write]]:
    """Give a person with the times of their latest receipt, and what is written to pages."""
    starts = timeline.with_page_start(
        before.page_starts, after.version, before.latest, after.recorded_at
    )
    written = timeline.hold_times(before.times, after.version, times)
    after = replace(after, page_starts=starts, times=written.held)
    late = set(timeline.late_pages(starts, after.version, times[0]))
    writes: list[Write] = []
    if written.chunk:
        chunk, page = written.chunk, timeline.page_of(written.first)
        if page in late:  # a transaction writes an item once, and this receipt comes next
            late.remove(page)
            chunk = f"{chunk} {timeline.write_times([times])}"
        writes.append(_page_write(clinic, before, written.first, chunk))
    name, one = _entry_name(after.version), timeline.write_times([times])
    reached = [answers_page_key(clinic, after.id, page) for page in sorted(late)]
    writes += [SetEntry(key, name, one) for key in reached]
    return after, [*writes, *_late_writes(clinic, after, times[0], one)]


def _page_write(clinic: str, before: Subject, first: int, chunk: str) -> Write:
    """Write times to the person's last page, from receipt `first` on."""
    key, name = answers_page_key(clinic, before.id, timeline.page_of(first)), _entry_name(first)
    if not timeline.begins_page(first):
        return SetEntry(key, name, chunk)
    body = json.dumps({"fence": before.page_starts[-1]})
    return Put(key, {"body": body, "entries": {name: chunk}})


def _late_writes(clinic: str, after: Subject, effective_at: Instant, times: str) -> list[Write]:
    """Write times that came in late for an old page into an item of their own.

    Old is a page of which the person keeps the start no longer.
    """
    key, name = late_answers_key(clinic, after.id), _entry_name(after.version)
    late = timeline.is_late(after.page_starts, after.version, effective_at)
    first_given_up = (
        timeline.begins_page(after.version)
        and timeline.first_kept(after.page_starts, after.version) == 1
    )
    if first_given_up:
        return [Put(key, {"entries": {name: times} if late else {}})]
    return [SetEntry(key, name, times)] if late else []


def _entry_name(version: int) -> str:
    return f"{version:010d}"


def read_pages(
    table: Table, clinic: str, people: Sequence[Subject], at: Instant, known_at: Instant
) -> Iterator[tuple[Subject, Page]]:
    """Give for each person the page that tells which receipts answer what was true at a time.

    One round trip; none where the people hold the times themselves, a few more for a page whose
    start somebody keeps no longer. Raises LookupError, ValueError or TypeError where one cannot be
    read.
    """
    numbers: dict[str, int] = {}
    wanted: dict[str, list[Key]] = {}
    for person in people:
        number = timeline.page_for(person.page_starts, person.version, at, known_at)
        if number is None:
            number = _search(table, clinic, person, at, known_at)
            late = [late_answers_key(clinic, person.id)]
            wanted[person.id] = [answers_page_key(clinic, person.id, number), *late]
        elif not _holds_all_of(person, number):
            wanted[person.id] = [answers_page_key(clinic, person.id, number)]
        numbers[person.id] = number
    keys = list(itertools.chain.from_iterable(wanted.values()))
    found = table.get(keys) if keys else {}
    for person in people:
        items = [found[key] for key in wanted.get(person.id, ())]
        yield person, _read_page(person, numbers[person.id], items)


def _holds_all_of(person: Subject, page: int) -> bool:
    """Tell whether a person holds the times of all receipts of a page."""
    held = timeline.times_held(person.times, person.version)
    return _is_last(person, page) and any(map(timeline.begins_page, held))


def _is_last(person: Subject, page: int) -> bool:
    return timeline.page_of(person.version) == page


def _search(table: Table, clinic: str, person: Subject, at: Instant, known_at: Instant) -> int:
    """Find an old page, of which the person keeps the start no longer."""

    def page_start(number: int) -> PageStart:
        key = answers_page_key(clinic, person.id, number)
        page = table.get([key])[key]
        latest, recorded_at = json.loads(page.body or "")["fence"]
        return latest, recorded_at

    pages = timeline.first_kept(person.page_starts, person.version)
    return timeline.search(pages, page_start, at, known_at)


def _read_page(person: Subject, number: int, items: Sequence[Item]) -> Page:
    """Read a page from its items, and from the times that the person holds."""
    times: dict[int, Times] = {}
    answers: dict[int, Mapping[str, Any]] = {}
    carried = None
    for item in items:
        for name, text in item.texts.items():
            if text.startswith("{"):  # as an earlier version kept it
                answers[int(name)] = json.loads(text)
            else:
                times.update(enumerate(timeline.read_times(text), int(name)))
        before = json.loads(item.body).get("carried") if item.body else None
        if before is not None:
            carried = {name: AnswerSummary.read(summary) for name, summary in before.items()}
    if _is_last(person, number):
        times |= timeline.times_held(person.times, person.version)
    return Page(number, times, answers, carried)
