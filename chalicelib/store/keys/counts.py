"""Counts, and the feed of changes they are made from."""

from collections.abc import Sequence

from chalicelib.store.keys.key import Key

FEED_SHARDS = 4
"""Among how many partitions a clinic's feed of changes is spread, by the person's id: as many as
functions may append at once."""


def consent_count_key(clinic: str) -> Key:
    """How many consents a clinic's people had granted when they were last counted."""
    return Key("HOUSEKEEPING", f"GRANTED#{clinic}")


def count_request_key(clinic: str) -> Key:
    """That somebody asked for a new count of the clinic's consents, and when."""
    return Key(f"CLINIC#{clinic}", "COUNT")


def count_key(clinic: str, day: str, what: str) -> Key:
    """Counts of one day, by what they are about; all days of a clinic stand in their order.

    `what` is ``question#state#source`` where an operator corrects them (`statistics.correct`).
    """
    return Key(f"CLINIC#{clinic}#COUNTS", f"{day}#{what}")


def earlier_count_key(clinic: str, day: str, what: str) -> Key:
    """Where that was kept until December 2026: each day in a partition of its own."""
    return Key(f"CLINIC#{clinic}#COUNT#{day}", what)


def counted_since_key(clinic: str) -> Key:
    """The last day of which counts may still stand in a partition of its own."""
    return Key(f"CLINIC#{clinic}#COUNTS", "SINCE")


def day_of_counts(key: Key) -> tuple[str, str]:
    """Give the day of an item of `count_key`, and what its counts are about."""
    day, _, what = key.sk.partition("#")
    return day, what


def tally_key(clinic: str, day: str, about: Sequence[str]) -> Key:
    """The counts of one day that are about the same (`statistics.Tally`), the source last."""
    return count_key(clinic, day, "#".join(("+", *about)))


def is_tally(what: str) -> bool:
    """Tell whether an item holds counts as `tally_key` places them: no question begins so."""
    return what.startswith("+#")


def about_tally(what: str) -> list[str]:
    """Give what an item of counts is about; a source may hold what parts them."""
    return what.split("#", 4)[1:]


def is_of_one_source(what: str) -> bool:
    """Tell whether an item holds counts of one source, as they were kept before there were others.

    A question's id never begins with "#".
    """
    return what.startswith("#")


def source_of_counts(what: str) -> str:
    """Give the source that such an item is about."""
    return what.split("#", 2)[2]


def reason_count_key(clinic: str, day: str) -> Key:
    """How often each reason for a withdrawal was given on a day; nothing about anybody."""
    return Key(f"CLINIC#{clinic}#REASONS", f"DAY#{day}")


def reason_mark_key(clinic: str, mark: str) -> Key:
    """That a page asked why, and was answered: by an HMAC, for an hour."""
    return Key(f"CLINIC#{clinic}#REASONS", f"ASKED#{mark}")


def feed_shard(subject: str) -> int:
    """Give the part of a clinic's feed in which everything about a person stands."""
    return int(subject[0], 16) % FEED_SHARDS


def feed_key(clinic: str, shard: int, number: int) -> Key:
    """One item of a clinic's feed of changes: in each part they are numbered without a gap."""
    return Key(f"CLINIC#{clinic}#FEED#{shard}", f"{number:012d}")


def feed_counted_key(clinic: str, shard: int) -> Key:
    """Up to which number a part of the feed is in the daily counts."""
    return Key(f"CLINIC#{clinic}#COUNT#feed", str(shard))


def feed_complete_key() -> Key:
    """Until when every receipt of each clinic is in its feed, as the last round found."""
    return Key("HOUSEKEEPING", "FEED")
