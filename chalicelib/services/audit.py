"""Who looked at or changed what at a clinic, when: its audit, searched.

A search reads one stretch of time, `LONGEST` at most, and of that no more than `MOST_READ` lines:
an audit of years is never gone through at once. Lines hold opaque ids, never a contact.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.store import audit, audit_seals, bearer_keys
from chalicelib.store.audit import StoredLine
from chalicelib.store.audit_seals import StoredSeal
from chalicelib.store.receipts import receipt_ids
from chalicelib.store.table import Table

LONGEST = timedelta(days=31)
"""The longest stretch of time that is searched at once."""

LINES = 100
"""How many lines a page holds."""

MOST_READ = 10_000
"""How many lines are read for one page; one with few that fit says where the search goes on."""

MOST_READ_FOR_PATIENT = 5_000
"""How many lines are read to tell a person who looked: no page of theirs reads an audit without
end.
"""

PATIENT, PORTAL = "patient", "portal"
"""Who did something where no bearer key did: the person, or the portal by itself."""


class PeriodError(InvalidInputError):
    """The stretch of time is longer than is searched at once, or ends before it begins."""


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """What is looked for: from one moment up to another, by whom, which deed, about whom.

    `subject` is a person's opaque id. `after` is the place of the last line that was read before.
    """

    since: Instant
    until: Instant
    key: str | None = None
    deed: str | None = None
    subject: str | None = None
    newest_first: bool = False
    after: str | None = None
    contacts: tuple[Contact, ...] = ()

    def fits(self, told: dict[str, Any], receipts: Collection[str]) -> bool:
        """Tell whether a line is one that is looked for; `receipts` are the person's, by id.

        Who recorded or read a receipt is told by its id alone.
        """
        if self.key is not None and told["key"] != self.key:
            return False
        if self.deed is not None and told["call"] != self.deed:
            return False
        if self.subject is None or self.subject in told["subjects"]:
            return True
        return told["receipt"] in receipts


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line of the audit: its own id, and what it tells."""

    id: str
    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Lines that were found, and the place at which the search goes on; None at its end."""

    lines: list[FoundLine]
    more: str | None


@dataclass(frozen=True, slots=True)
class Looked:
    """What others did with a person's data, the newest first, and since when that is all of it."""

    lines: list[FoundLine]
    since: Instant
    whole: bool
    """Whether `LONGEST` was read; otherwise the lines are too many, and `since` is nearer."""


def period(since: Instant | None, until: Instant | None, now: Instant) -> tuple[Instant, Instant]:
    """Give the stretch that is searched: up to now, and of the `LONGEST`, where it is left open.

    Raises PeriodError.
    """
    end = until or now
    try:
        begin = since or instant(moment(end) - LONGEST)
    except OverflowError:  # before the year 1
        raise PeriodError from None
    if begin > end or moment(end) - moment(begin) > LONGEST:
        raise PeriodError
    return begin, end


def read_audit(portal: Portal, call: AuthorizedCall[EmptyBody], search: AuditSearch) -> AuditPage:
    """Search the clinic's audit; that somebody did is a line of it too.

    The key of one of several joint controllers is shown what that controller's keys did, and
    nothing else: other lines are about people and decisions that it may not share.
    """
    shown = None if call.key.member is None else _own_lines(portal.table, call, call.key.member)
    found = search_lines(portal.table, call.clinic, search, shown)
    subjects = [search.subject] if search.subject is not None else []
    portal.table.put_new(call.audit("audit", subjects, about=search.key))
    return found


def list_seals(
    portal: Portal, call: AuthorizedCall[EmptyBody], after: str
) -> tuple[list[StoredSeal], str | None]:
    """Give a page of the seals of the clinic's audit, the oldest first, and where it goes on."""
    portal.table.put_new(call.audit("audit/seals"))
    return audit_seals.page(portal.table, call.clinic, after)


def search_lines(
    table: Table,
    clinic: str,
    search: AuditSearch,
    shown: Callable[[dict[str, Any]], bool] | None = None,
) -> AuditPage:
    """Give a page of the lines that fit, of those that `shown` lets pass."""
    lines: list[FoundLine] = []
    receipts = receipt_ids(table, clinic, search.subject) if search.subject else set()
    last = None
    for read, stored in enumerate(_from_place(table, clinic, search)):
        if read == MOST_READ or len(lines) == LINES:
            return AuditPage(lines, last)
        last = stored.place
        told = stored.told
        if search.fits(told, receipts) and (shown is None or shown(told)):
            lines.append(FoundLine(stored.id, told))
    return AuditPage(lines, None)


def who_looked(portal: Portal, clinic: str, subject: str, until: Instant) -> Looked:
    """Give the lines about a person within `LONGEST` before a moment, the newest first.

    For the person's own page: what somebody else did, not they. At most `MOST_READ_FOR_PATIENT`
    lines are read, whomever they are about. Nothing is written: whoever shows it says so in the
    audit.
    """
    begin, end = period(None, until, until)
    search = AuditSearch(begin, end, subject=subject, newest_first=True)
    receipts = receipt_ids(portal.table, clinic, subject)
    lines: list[FoundLine] = []
    for read, stored in enumerate(_from_place(portal.table, clinic, search), start=1):
        told = stored.told
        if told["key"] != PATIENT and search.fits(told, receipts):
            lines.append(FoundLine(stored.id, told))
        if read == MOST_READ_FOR_PATIENT:
            return Looked(lines, told["at"], whole=False)
    return Looked(lines, begin, whole=True)


def _from_place(table: Table, clinic: str, search: AuditSearch) -> Iterator[StoredLine]:
    """Give the lines of the stretch from the place on at which the page before ended."""
    first, last = search.since, search.until
    if search.after is not None:
        first, last = (first, search.after) if search.newest_first else (search.after, last)
    lines = audit.lines_between(table, clinic, first, last, newest_first=search.newest_first)
    for stored in lines:
        if stored.place != search.after:
            yield stored


def _own_lines(
    table: Table, call: AuthorizedCall[EmptyBody], member: str
) -> Callable[[dict[str, Any]], bool]:
    """Give what tells the lines of one joint controller's keys from others."""
    keys, more = bearer_keys.page(table, call.clinic, "")
    while more is not None:
        found, more = bearer_keys.page(table, call.clinic, more)
        keys += found
    own = {each.key.id for each in keys if each.key.member == member}
    return lambda told: told["key"] in own
