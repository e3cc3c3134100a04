"""The hourly round through everybody on the rolls: what they are to be told, what may be kept no longer.

Work goes with the number of people, memory does not: a hundred at a time. Where time runs out a bookmark says how far
the round came, and the next one goes on there. Whatever fails for one person is counted and left to the next round.
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
from chalicelib.store.table import BATCH, ContendedError, Item, Put, Table, UnavailableError

_UNREADABLE = (ValueError, LookupError, TypeError)


def run_housekeeping(portal: Portal, now: Instant, out_of_time: OutOfTime) -> "HousekeepingRun":
    """Go through everybody from where the last round stopped, as far as the time goes; say in the log how far."""
    made = HousekeepingRun(portal, now, out_of_time)
    try:
        begun, after = _bookmark(portal.table)
        made.whole = all(
            made.go_through(clinic, after if clinic == begun else "")
            for clinic in portal.clinics.all()
            if clinic >= begun
        )
        if made.whole:
            _mark(portal.table, "", "")
    except (UnavailableError, KeysUnavailableError) as error:
        made.whole = False
        log.fault(error)
    finally:
        log.log().info("housekeeping", extra={**made.done, "whole": made.whole})
        for name in ("told", "erased", "forgotten", "failed"):
            if made.done[name]:
                log.count(f"Housekeeping{name.capitalize()}", made.done[name])
        if made.done[Reason.NO_ADDRESS]:
            log.count("NoMessage", made.done[Reason.NO_ADDRESS])
        log.flush()
    return made


@dataclass(slots=True)
class HousekeepingRun:
    """One round: what it has done so far, by name, and whether it reached the end."""

    portal: Portal
    now: Instant
    out_of_time: OutOfTime
    done: Counter[str] = field(default_factory=Counter)
    whole: bool = False

    def go_through(self, clinic: str, after: str) -> bool:
        """Go through a clinic's roll, behind a person; tell False where time ran out before its end."""
        published = self.portal.directory.look_up(clinic).published
        places = people.iter_items(self.portal.table, clinic, after=after)
        while batch := list(itertools.islice(places, BATCH)):
            if self.out_of_time():
                return False
            self._attend(published, batch)
            _mark(self.portal.table, clinic, batch[-1].sk)
        return True

    def _attend(self, published: Published, places: Sequence[Item]) -> None:
        clinic, history, rule = published.clinic.id, published.published, published.clinic.proof_kept
        due: list[tuple[Subject, Sequence[Reminder]]] = []
        fates: list[tuple[str, RetentionAction]] = []
        for place in places:
            try:
                person = people.load_person(place)
                due.append((person, reminders.due_reminders(person, published, self.now)))
                fates.append((person.id, retention_action(person, history, rule, self.now)))
            except _UNREADABLE as error:
                self._failed(error)
        for person, unsaid in reminders.unsent_reminders(self.portal.table, clinic, [each for each in due if each[1]]):
            for letter in unsaid:
                self._try("told", partial(self._tell, clinic, person, letter))
        for subject, what in fates:
            if what is RetentionAction.ERASE:
                self._try("erased", partial(self._erase, published, subject))
            elif what is RetentionAction.DELETE:
                self._try("forgotten", partial(self._forget, clinic, subject))
        self.done["people"] += len(places)

    def _tell(self, clinic: str, person: Subject, letter: Reminder) -> bool:
        base = self.portal.settings.public_url or person.base
        if not base:
            # No link would lead anywhere: who was only ever entered by a program, without `PUBLIC_URL`. It is due
            # again every hour, so it is counted, and not logged for each.
            self.done[Reason.NO_ADDRESS] += 1
            return False
        key = self.portal.clinics.key(clinic)
        return reminders.enqueue_reminder(self.portal.table, key, person, letter, base)

    def _erase(self, published: Published, subject: str) -> bool:
        clinic, history = published.clinic, published.published

        def still(person: Subject) -> bool:  # whoever decided since the look is kept
            return retention_action(person, history, clinic.proof_kept, self.now) is RetentionAction.ERASE

        return erase(self.portal, clinic.id, subject, "portal", self.now, still) is not None

    def _forget(self, clinic: str, subject: str) -> bool:
        erasures.delete_person(self.portal.table, clinic, subject)
        return True

    def _try(self, name: str, deed: Callable[[], bool]) -> None:
        try:
            self.done[name] += deed()
        except (ContendedError, *_UNREADABLE) as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        self.done["failed"] += 1
        log.log().warning("housekeeping failed for one", error=type(error).__name__)


def _bookmark(table: Table) -> tuple[str, str]:
    key = bookmark_key()
    found = table.get([key]).get(key)
    if found is None:
        return "", ""
    kept = json.loads(found.body or "{}")
    return kept["clinic"], kept["after"]


def _mark(table: Table, clinic: str, after: str) -> None:
    table.put(Put(bookmark_key(), {"body": json.dumps({"clinic": clinic, "after": after})}))
