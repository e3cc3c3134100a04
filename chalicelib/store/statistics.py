"""Counts of what happened: how many answers a day came from which state to which, and how.

They count events, not people: a Yes that waits and is then confirmed counts once as pending and
once as granted. Each receipt is counted once: it comes into the clinic's feed (`changes`) in the
transaction that keeps its signature (`jobs.signing`), and the hourly round adds what stands behind
the last count of each part of the feed to the counts of its day, in one transaction with how far it
came (docs/decisions/0027-changes.md). Whoever reads adds what was not counted yet.

A day's counts have an item for each language, channel, assurance and source (`tally_key`); the name
of a count is ``question#pg``: the question, and the first letters of the states before and after
the answer. ``question#pgm`` is the same with how long a Yes had waited that was confirmed
(`Waited`). All days of a clinic stand in one partition in their order, so a year is read in a few
round trips. Until December 2026 each day had a partition of its own; those are read for days up to
the one that `counted_since_key` notes. Earlier counts have an item for each source
(``#shard#source``), the earliest one for each ``question#state#source``; such are also the
corrections of a recount.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from chalicelib.domain.consent import State
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.time_to_confirm import Waited
from chalicelib.store import changes
from chalicelib.store.changes import FeedItem
from chalicelib.store.items import Item
from chalicelib.store.keys.counts import (
    FEED_SHARDS,
    about_tally,
    count_key,
    counted_since_key,
    day_of_counts,
    earlier_count_key,
    feed_counted_key,
    is_of_one_source,
    is_tally,
    source_of_counts,
    tally_key,
)
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.receipts import counted_key
from chalicelib.store.table import ConflictError, ContendedError, Table
from chalicelib.store.writes import AddCounts, Put, SetNumber

_STATES = {state.value[0]: state for state in State}
"""The states by their first letters, which are all different."""

_MOST_TALLIES = 60
_MOST_NAMES = 100
"""How many items, and counts of one item, are added to in one transaction: DynamoDB takes a hundred
items, and an update of so long an expression."""

_NO_DAY = "9999"
"""After every day: where nothing is noted, each may have counts in a partition of its own."""

_READ_AT_ONCE = 200
"""How many items of the feed are counted in one transaction at most."""

_TRIES = 5
"""How often counts are read again because the round counted at that moment."""


class Tally(NamedTuple):
    """How many answers of one day are alike in everything that is counted.

    What earlier counts did not tell apart is None: the earliest know only the state after.
    """

    day: str
    question: str
    before: State | None
    after: State
    source: str
    lang: str | None
    channel: str | None
    assurance: str | None
    number: int
    waited: Waited | None = None
    """Within what a Yes was confirmed; None for another answer, and where nobody knows."""


def count_of_day(receipt: Receipt) -> Counter[str]:
    """Give what a receipt adds to the counters of its day, by ``question#state#source``."""
    document = receipt.document
    return Counter(
        f"{address}#{entry['after']}#{document['source'] or changes.UNKNOWN_SOURCE}"
        for address, entry in document["decisions"].items()
    )


def counted_write(receipt: Receipt) -> Put:
    """Give the mark of a receipt that is counted and not signed; a condition that there is none."""
    document = receipt.document
    return Put(counted_key(document["clinic"], receipt.id), {"body": document["recorded_at"]})


def count_feed(table: Table, clinic: str, now: Instant) -> Iterator[int]:
    """Add to the counts of the days what the feed has behind the last count, part by part.

    Gives after each transaction how many receipts it counted. Where another counts at the same
    moment, that one's work holds. Raises ContendedError, UnavailableError.
    """
    since = counted_since_key(clinic)
    if since not in table.get([since]):
        table.put_new(Put(since, {"body": now[:10]}))
    for shard in range(FEED_SHARDS):
        while (counted := _count_on(table, clinic, shard)) is not None:
            yield counted


def _count_on(table: Table, clinic: str, shard: int) -> int | None:
    """Count the next items of one part; None where there is none, or another counts."""
    key = feed_counted_key(clinic, shard)
    found = table.get([key]).get(key)
    was = int(found.number or 0) if found else None
    amounts: dict[Key, Counter[str]] = {}
    last, receipts = was or 0, 0
    for item in changes.read_part(table, clinic, shard, was or 0, _READ_AT_ONCE):
        more = _with_item(amounts, clinic, item)
        too_many = any(len(counts) > _MOST_NAMES for counts in more.values())
        if last > (was or 0) and (len(more) > _MOST_TALLIES or too_many):
            break
        amounts, last = more, item.number
        receipts += len(item.receipts)
    if last == (was or 0):
        return None
    added = [AddCounts(place, counts) for place, counts in amounts.items() if counts]
    try:
        table.write([*added, SetNumber(key, last, was)])
    except ConflictError:
        return None
    return receipts


def _with_item(
    amounts: Mapping[Key, Counter[str]], clinic: str, item: FeedItem
) -> dict[Key, Counter[str]]:
    """Give what is to be added, with the receipts of one more item."""
    more = dict(amounts)
    for receipt in item.receipts:
        about = receipt.lang, receipt.channel, receipt.assurance, receipt.source
        place = tally_key(clinic, receipt.day, about)
        names = [f"{question}#{states}" for question, states in receipt.changes.items()]
        more[place] = more.get(place, Counter()) + Counter(names)
    return more


def tallies(table: Table, clinic: str, days: Sequence[str], began: str = "") -> list[Tally]:
    """Give the counts of some days, with what is in the feed and not counted yet.

    A few round trips, and one more for each of the days that may have counts in a partition of its
    own: from `began`, the day of the clinic's first notice, to the update that ended it. Raises
    ContendedError where the round counts each time.
    """
    wanted = frozenset(days)
    for _ in range(_TRIES):
        counted, since = _counted(table, clinic)
        found = list(_uncounted(table, clinic, counted, wanted))
        for day, what, item in _items_of_days(table, clinic, days):
            if day in wanted:
                found += _read_tallies(day, what, item)
        for day in (each for each in days if began <= each <= since):
            for item in table.partition(earlier_count_key(clinic, day, "").pk, ""):
                found += _read_tallies(day, item.sk, item)
        if _counted(table, clinic)[0] == counted:
            return found
    raise ContendedError


def _items_of_days(
    table: Table, clinic: str, days: Sequence[str]
) -> Iterator[tuple[str, str, Item]]:
    """Give what counts from the first of the days to the last: day, what it is about, the item."""
    if days:
        first, last = count_key(clinic, min(days), ""), count_key(clinic, max(days), "\U0010ffff")
        for item in table.between(first.pk, first.sk, last.sk):
            yield *day_of_counts(item.key), item


def _counted(table: Table, clinic: str) -> tuple[tuple[int, ...], str]:
    """Give up to which number each part of the feed is counted, and the last day of which counts
    may stand apart.
    """
    keys = [feed_counted_key(clinic, shard) for shard in range(FEED_SHARDS)]
    since = counted_since_key(clinic)
    found = table.get([*keys, since])
    numbers = tuple(int(found[key].number or 0) if key in found else 0 for key in keys)
    return numbers, (found[since].body or "") if since in found else _NO_DAY


def _uncounted(
    table: Table, clinic: str, counted: Sequence[int], days: frozenset[str]
) -> Iterator[Tally]:
    for shard, number in enumerate(counted):
        for item in changes.read_part(table, clinic, shard, number):
            for receipt in item.receipts:
                if receipt.day not in days:
                    continue
                about = receipt.source, receipt.lang, receipt.channel, receipt.assurance
                for question, states in receipt.changes.items():
                    yield _tally(receipt.day, question, states, about, 1)


_About = tuple[str, str | None, str | None, str | None]
"""Source, language, channel and assurance."""


def _tally(day: str, question: str, states: str, about: _About, number: int) -> Tally:
    """Read a count by the letters of its states, and of how long a Yes had waited."""
    before, after = (_STATES[letter] for letter in states[:2])
    step = Waited(states[2:]) if states[2:] else None
    return Tally(day, question, before, after, *about, number, step)


def _read_tallies(day: str, what: str, item: Item) -> Iterator[Tally]:
    """Read the counts of an item, of whichever kind it is."""
    if not is_tally(what) and not is_of_one_source(what):
        question, state, source = what.split("#", 2)
        number = int(item.number or 0)
        yield Tally(day, question, None, State(state), source, None, None, None, number)
        return
    about: _About
    if is_tally(what):
        lang, channel, assurance, source = about_tally(what)
        about = source, lang, channel, assurance
    else:
        about = source_of_counts(what), None, None, None
    for name, number in item.counts.items():
        question, _, states = name.rpartition("#")
        yield _tally(day, question, states, about, number)


def counts(table: Table, clinic: str, day: str) -> dict[str, int]:
    """Give a day's counters by ``question#state#source``."""
    return _by_state(tallies(table, clinic, [day]))


def _by_state(found: Iterable[Tally]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for tally in found:
        total[f"{tally.question}#{tally.after}#{tally.source}"] += tally.number
    return dict(total)


def correct(
    table: Table, clinic: str, day: str, what: str, number: int, *, was: int | None
) -> None:
    """Let a day's counters say `number` about ``question#state#source``, where they say `was`.

    The difference is kept in an item of its own. Raises ConflictError where they say something else
    by now. Who counts at the same moment is not in the way, and loses nothing.
    """
    key = count_key(clinic, day, what)
    if counts(table, clinic, day).get(what, 0) != (was or 0):
        raise ConflictError([key])
    found = table.get([key]).get(key)
    corrected = int(found.number or 0) if found else None
    table.write_one(SetNumber(key, (corrected or 0) + number - (was or 0), corrected))
