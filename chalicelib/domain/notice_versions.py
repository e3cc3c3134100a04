"""What was published when, and from when it holds: which version is in force at a moment. Pure."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.consent import NoticeInForce, major
from chalicelib.domain.instants import Instant


class PublishedVersion(NamedTuple):
    """One published version: from when it is in force, its number, when it was published."""

    since: Instant
    version: str
    published_at: Instant


class Stage(StrEnum):
    """Where a version stands in its life."""

    DRAFT = "draft"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    IN_FORCE = "in_force"
    PAST = "past"
    OVERTAKEN = "overtaken"


def history(published: Sequence[Sequence[str]]) -> tuple[PublishedVersion, ...]:
    """Read a clinic's list of published versions, oldest first; the first entries lacked the time of publication."""
    return tuple(PublishedVersion(each[0], each[1], each[2] if len(each) > 2 else each[0]) for each in published)  # noqa: PLR2004


def entry_at(history: Sequence[PublishedVersion], at: Instant, known_at: Instant | None = None) -> PublishedVersion:
    """Give the version in force at a moment: the last published of those that had begun; the first one before it.

    `known_at` leaves out what was published after that moment.
    """
    known = [entry for entry in history if known_at is None or entry.published_at <= known_at]
    return next((entry for entry in reversed(known) if entry.since <= at), history[0])


def notice_at(history: Sequence[PublishedVersion], at: Instant, known_at: Instant | None = None) -> NoticeInForce:
    """Give the notice in force at a moment, and when its MAJOR began."""
    entry = entry_at(history, at, known_at)
    alike = [each for each in history if major(each.version) == major(entry.version)]
    begun = [each.since for each in alike if known_at is None or each.published_at <= known_at]
    return NoticeInForce(entry.version, min([entry.since, *begun]))


def predecessor(history: Sequence[PublishedVersion], version: str, since: Instant) -> PublishedVersion | None:
    """Give the version of the same MAJOR that was in force last before a version begins; None where there is none.

    Those who agreed to it keep their consent under the new one. A version overtaken before its day bound nobody.
    """
    alike = [
        entry
        for entry in history
        if major(entry.version) == major(version)
        and entry.since < since
        and entry_at(history, entry.since).version == entry.version
    ]
    return alike[-1] if alike else None


def ends_at(history: Sequence[PublishedVersion], entry: PublishedVersion) -> Instant | None:
    """Tell when the next version takes over from this one; None for the last, and for one that never is in force."""
    begun = [each for each in history if entry_at(history, each.since).version == each.version]
    if entry not in begun or entry == begun[-1]:
        return None
    return begun[begun.index(entry) + 1].since


def stage(since: Instant, version: str, history: Sequence[PublishedVersion], at: Instant) -> Stage:
    """Tell where a published version stands; one overtaken before its day came was never in force."""
    if entry_at(history, at).version == version and since <= at:
        return Stage.IN_FORCE
    if entry_at(history, since).version != version:
        return Stage.OVERTAKEN
    return Stage.SCHEDULED if since > at else Stage.PAST


def version_numbers(version: str) -> tuple[int, ...]:
    """Give a version's numbers, so that 1.10 comes after 1.9."""
    return tuple(int(part) for part in version.split("."))
