"""The hourly round through all people: who is due a reminder, whose data may be kept no longer.

The work grows with the number of people, the memory does not: a hundred at a time. Where time runs
out a bookmark says how far the round came, and the next one goes on there. Whatever fails for one
person is counted and left to the next round.
"""

import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from chalicelib import log
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import Instant
from chalicelib.domain.message_outcomes import Reason
from chalicelib.domain.reminders import Reminder
from chalicelib.domain.retention import RetentionAction, retention_action
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.subject_rights import erase
from chalicelib.store import erasures, people, reminders
from chalicelib.store.clinics import Published
from chalicelib.store.encryption import KeysUnavailableError
from chalicelib.store.keys import bookmark_key
from chalicelib.store.table import BATCH, ContendedError, Item, Table, UnavailableError
from chalicelib.store.writes import Put

_UNREADABLE = (ValueError, LookupError, TypeError)


def run_housekeeping(portal: Portal, now: Instant, out_of_time: OutOfTime) -> "HousekeepingRun":
    """Go through everybody from where the last round stopped, as far as the time goes, and log how
    far that was.
    """
    run = HousekeepingRun(portal, now, out_of_time)
    try:
        run.whole = run.go_through_all()
    except (UnavailableError, KeysUnavailableError) as error:
        run.whole = False
        log.fault(error)
    finally:
        run.log_and_count()
    return run


@dataclass(slots=True)
class HousekeepingRun:
    """One round: what it has done so far, by name, and whether it reached the end."""

    portal: Portal
    now: Instant
    out_of_time: OutOfTime
    done: Counter[str] = field(default_factory=Counter)
    whole: bool = False

    def go_through_all(self) -> bool:
        """Go through the clinics in order, from the bookmark on; tell False where time ran out."""
        table = self.portal.table
        bookmarked, after = _read_bookmark(table)
        for clinic in self.portal.clinics.all():
            if clinic < bookmarked:
                continue
            if not self._go_through(clinic, after if clinic == bookmarked else ""):
                return False
        _write_bookmark(table, "", "")
        return True

    def log_and_count(self) -> None:
        """Log what was done, and count it."""
        log.log().info("housekeeping", extra={**self.done, "whole": self.whole})
        for name in ("reminded", "erased", "deleted", "failed"):
            if self.done[name]:
                log.count(f"Housekeeping{name.capitalize()}", self.done[name])
        if self.done[Reason.NO_ADDRESS]:
            log.count("NoMessage", self.done[Reason.NO_ADDRESS])
        log.flush()

    def _go_through(self, clinic: str, after: str) -> bool:
        """Go through a clinic's people, from behind one of them; tell False where time ran out."""
        published = self.portal.directory.look_up(clinic).published
        items = people.iter_items(self.portal.table, clinic, after=after)
        while batch := list(itertools.islice(items, BATCH)):
            if self.out_of_time():
                return False
            self._work_through(published, batch)
            _write_bookmark(self.portal.table, clinic, batch[-1].sk)
        return True

    def _work_through(self, published: Published, batch: Sequence[Item]) -> None:
        """Leave the reminders a batch of people are due, then erase or delete whose time is
        over.
        """
        clinic = published.clinic.id
        due: list[tuple[Subject, Sequence[Reminder]]] = []
        actions: list[tuple[str, RetentionAction]] = []
        for item in batch:
            try:
                person = people.load_person(item)
                reminders_due = reminders.due_reminders(person, published, self.now)
                if reminders_due:
                    due.append((person, reminders_due))
                actions.append((person.id, self._retention_action(published, person)))
            except _UNREADABLE as error:
                self._note_failure(error)
        for person, unsent in reminders.unsent_reminders(self.portal.table, clinic, due):
            for reminder in unsent:
                self._try("reminded", partial(self._enqueue, clinic, person, reminder))
        for subject, action in actions:
            if action is RetentionAction.ERASE:
                self._try("erased", partial(self._erase, published, subject))
            elif action is RetentionAction.DELETE:
                self._try("deleted", partial(self._delete, clinic, subject))
        self.done["people"] += len(batch)

    def _retention_action(self, published: Published, person: Subject) -> RetentionAction:
        return retention_action(person, published.published, published.clinic.proof_kept, self.now)

    def _enqueue(self, clinic: str, person: Subject, reminder: Reminder) -> bool:
        base = self.portal.settings.public_url or person.base
        if not base:
            # No link would lead anywhere: who was only ever entered by a program, without
            # `PUBLIC_URL`. It is due again every hour, so it is counted, and not logged for each.
            self.done[Reason.NO_ADDRESS] += 1
            return False
        key = self.portal.clinics.key(clinic)
        return reminders.enqueue_reminder(self.portal.table, key, person, reminder, base)

    def _erase(self, published: Published, subject: str) -> bool:
        def is_still_over(person: Subject) -> bool:
            """Tell of a person as they are now: whoever has decided since is kept."""
            return self._retention_action(published, person) is RetentionAction.ERASE

        erased = erase(self.portal, published.clinic.id, subject, "portal", self.now, is_still_over)
        return erased is not None

    def _delete(self, clinic: str, subject: str) -> bool:
        erasures.delete_person(self.portal.table, clinic, subject)
        return True

    def _try(self, name: str, action: Callable[[], bool]) -> None:
        """Do something for one person, and count it by name; a failure holds up nobody else."""
        try:
            self.done[name] += action()
        except (ContendedError, *_UNREADABLE) as error:
            self._note_failure(error)

    def _note_failure(self, error: Exception) -> None:
        self.done["failed"] += 1
        log.log().warning("housekeeping failed for one", error=type(error).__name__)


def _read_bookmark(table: Table) -> tuple[str, str]:
    """Give the clinic and the person up to which the last round came.

    "" and "" where it came to the end.
    """
    key = bookmark_key()
    found = table.get([key]).get(key)
    if found is None:
        return "", ""
    bookmark = json.loads(found.body or "{}")
    return bookmark["clinic"], bookmark["after"]


def _write_bookmark(table: Table, clinic: str, after: str) -> None:
    bookmark = {"clinic": clinic, "after": after}
    table.put(Put(bookmark_key(), {"body": json.dumps(bookmark)}))
