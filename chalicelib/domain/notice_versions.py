"""The published versions of a clinic's notice: which one is in force at a moment.

A `history` is all versions a clinic has published, in the order of publication.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from chalicelib.domain.consent import NoticeInForce, major
from chalicelib.domain.instants import Instant


class PublishedVersion(NamedTuple):
    """One published version."""

    since: Instant
    """From when it is in force."""
    version: str
    published_at: Instant


class Stage(StrEnum):
    """How far a version has come."""

    DRAFT = "draft"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    """Published, and not in force yet."""
    IN_FORCE = "in_force"
    PAST = "past"
    OVERTAKEN = "overtaken"
    """Another version was published instead, before this one was in force."""


def history(published: Sequence[Sequence[str]]) -> tuple[PublishedVersion, ...]:
    """Read the stored list of a clinic's published versions.

    The oldest entries lack the time of publication: they were in force at once.
    """
    versions = []
    for since, version, *rest in published:
        published_at = rest[0] if rest else since
        versions.append(PublishedVersion(since, version, published_at))
    return tuple(versions)


def entry_at(
    history: Sequence[PublishedVersion], at: Instant, known_at: Instant | None = None
) -> PublishedVersion:
    """Give the version in force at a moment: the last published of those that had begun.

    Before the first had begun, that one. `known_at` leaves out what was published after it.
    """
    for entry in reversed(history):
        known = known_at is None or entry.published_at <= known_at
        if known and entry.since <= at:
            return entry
    return history[0]


def notice_at(
    history: Sequence[PublishedVersion], at: Instant, known_at: Instant | None = None
) -> NoticeInForce:
    """Give the notice in force at a moment, and when its MAJOR began."""
    entry = entry_at(history, at, known_at)
    begun = [entry.since]
    for each in history:
        known = known_at is None or each.published_at <= known_at
        if known and major(each.version) == major(entry.version):
            begun.append(each.since)
    return NoticeInForce(entry.version, min(begun))


def predecessor(
    history: Sequence[PublishedVersion], version: str, since: Instant
) -> PublishedVersion | None:
    """Give the version of the same MAJOR that was in force last before `since`; None for none.

    Whoever agreed to it keeps their consent under `version`.
    """
    for entry in reversed(history):
        same_major = major(entry.version) == major(version)
        if same_major and entry.since < since and _was_in_force(entry, history):
            return entry
    return None


def ends_at(history: Sequence[PublishedVersion], entry: PublishedVersion) -> Instant | None:
    """Tell when the next version replaces this one; None for the last, and for one overtaken."""
    in_force = [each for each in history if _was_in_force(each, history)]
    if entry not in in_force or entry == in_force[-1]:
        return None
    following = in_force[in_force.index(entry) + 1]
    return following.since


def stage(since: Instant, version: str, history: Sequence[PublishedVersion], at: Instant) -> Stage:
    """Tell how far a published version has come at a moment."""
    if entry_at(history, at).version == version and since <= at:
        return Stage.IN_FORCE
    if entry_at(history, since).version != version:
        return Stage.OVERTAKEN
    return Stage.SCHEDULED if since > at else Stage.PAST


def _was_in_force(entry: PublishedVersion, history: Sequence[PublishedVersion]) -> bool:
    """Tell whether a version was not overtaken before it began."""
    return entry_at(history, entry.since).version == entry.version


def version_numbers(version: str) -> tuple[int, ...]:
    """Give a version as numbers, so that 1.10 comes after 1.9."""
    return tuple(int(part) for part in version.split("."))
