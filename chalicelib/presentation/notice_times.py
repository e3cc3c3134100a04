"""When a version of a notice is or was in force, as its page says it: in words, in the clinic's zone.

The clinic's list of publications (`notice_versions`) decides: the document itself names only the earliest day.
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
    """Give what a version's page says at a moment: of this version, of all, and which one is in force (None for none).

    Each has its `version`, its `stage`, and in words since when and until when it is or was in force.
    """
    versions = [_describe(published, entry, clinic, lang, at) for entry in reversed(published)]
    return {
        "this": next(each for each in versions if each["version"] == version),
        "versions": versions,
        "current": next((each["version"] for each in versions if each["stage"] is Stage.IN_FORCE), None),
    }


def _describe(
    published: Sequence[PublishedVersion], entry: PublishedVersion, clinic: Clinic, lang: str, at: Instant
) -> dict[str, Any]:
    end = ends_at(published, entry)
    return {
        "version": entry.version,
        "stage": stage(entry.since, entry.version, published, at),
        "since": format_day(entry.since, lang, clinic.country),
        "until": end and format_day(end, lang, clinic.country),
        "next": end and entry_at(published, end).version,
    }
