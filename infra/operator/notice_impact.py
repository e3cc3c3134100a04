"""What publishing a version would change: worked out, printed, and asked about."""

import sys
from collections.abc import Iterator
from dataclasses import replace

from chalicelib.domain.subjects import Subject
from chalicelib.notices.edition import PublishedEdition
from chalicelib.notices.impact import Preview, preview
from chalicelib.notices.workflow import Draft
from chalicelib.portal import Portal
from chalicelib.store import consent_counts, publishing
from infra.operator.cli.clinic_file import FileError

PROGRESS_EVERY = 1000


def confirm(draft: Draft, ready: PublishedEdition, portal: Portal, *, yes: bool) -> None:
    """Print what publishing would change, and ask whether to go on if there is a terminal.

    Raise FileError on a no. A clinic's first version changes nothing, and is published unasked.
    """
    if publishing.is_new(portal.clinics, draft.clinic):
        return
    print_impact(impact_of(draft, ready, portal))
    if yes or not sys.stdin.isatty():
        return
    answer = input(f"Publish {draft.clinic} {draft.version}? [y/N] ")
    if answer.strip().lower() not in {"y", "yes"}:
        raise FileError(f"{draft.clinic} {draft.version}: not published")


def impact_of(draft: Draft, ready: PublishedEdition, portal: Portal) -> Preview:
    """Work out what publishing a draft would change; the consents are those counted last."""
    published = portal.directory.look_up(draft.clinic).published
    count = consent_counts.find(portal.table, draft.clinic)
    impact = preview(count, published, ready.clinic, ready.starts, portal.clock())
    changes = publishing.changes_beyond_words(
        portal.clinics, ready.clinic, published.published, impact.since
    )
    minor_reason = draft.override.reason if draft.override else None
    return replace(impact, beyond_words=changes, minor_reason=minor_reason)


def print_impact(impact: Preview) -> None:
    """Print what publishing would change."""
    print(f"{impact.change} change, in force from {impact.since}")
    if impact.supersedes is None:
        print("how many consents it supersedes: not counted yet; the hourly round does")
    else:
        as_of = f", as counted at {impact.counted_at}" if impact.counted_at else ""
        consents = sum(impact.supersedes.values())
        print(f"supersedes {consents} consents of {impact.people} people{as_of}")
        for question, count in sorted(impact.supersedes.items()):
            print(f"  {question}\t{count}")
    for question in impact.appear:
        print(f"asked from then on: {question}")
    for question in impact.disappear:
        print(f"no longer asked: {question}")
    for part in impact.changed:
        print(f"differs from what is in force: {part}")
    for change in impact.beyond_words:
        print(f"changes more than words: {change}")
    if impact.minor_reason:
        print(f"a MINOR all the same, for this reason: {impact.minor_reason}")
    for version in impact.overtakes:
        print(f"never begins: {version}, which is scheduled")


def with_progress(everybody: Iterator[Subject]) -> Iterator[Subject]:
    """Yield the same people, and print now and then how many have been read."""
    number = 0
    for number, person in enumerate(everybody, start=1):
        yield person
        if number % PROGRESS_EVERY == 0:
            print(f"{number} people looked at …", file=sys.stderr, flush=True)
    print(f"{number} people looked at.", file=sys.stderr)
