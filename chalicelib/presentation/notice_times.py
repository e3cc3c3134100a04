"""When a version of a notice is or was in force, for its page: in words, by the clinic's clock.

The clinic's list of publications (`domain.notice_versions`) decides. The document itself names only
the earliest day.
"""

from collections.abc import Sequence
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.instants import Instant
from chalicelib.domain.notice_versions import PublishedVersion, Stage, ends_at, entry_at, stage
from chalicelib.presentation.i18n import format_day


def describe_times(
    published: Sequence[PublishedVersion], version: str, clinic: Clinic, lang: str, at: Instant
) -> dict[str, Any]:
    """Return what a version's page tells at a moment: of `this` version, and of all `versions`.

    Each has its `version`, its `stage`, `since` when and `until` when it is or was in force, and
    the `next`. `current` is the number of the version in force, None for none.
    """
    versions = [_describe(published, entry, clinic, lang, at) for entry in reversed(published)]
    [this] = [each for each in versions if each["version"] == version]
    in_force = [each["version"] for each in versions if each["stage"] is Stage.IN_FORCE]
    return {
        "this": this,
        "versions": versions,
        "current": in_force[0] if in_force else None,
    }


def _describe(
    published: Sequence[PublishedVersion],
    entry: PublishedVersion,
    clinic: Clinic,
    lang: str,
    at: Instant,
) -> dict[str, Any]:
    end = ends_at(published, entry)
    return {
        "version": entry.version,
        "stage": stage(entry.since, entry.version, published, at),
        "since": format_day(entry.since, lang, clinic.country),
        "until": end and format_day(end, lang, clinic.country),
        "next": end and entry_at(published, end).version,
    }
