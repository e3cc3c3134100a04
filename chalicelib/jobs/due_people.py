"""What is due for people, done for a hundred at a time: reminders left, contacts and proof removed.

Then each person's place in the index of due times moves on to what is due for them next. Whatever
fails for one person is counted, and leaves the place where it is: the next hour tries again.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import NamedTuple

from chalicelib import log
from chalicelib.domain.due_times import next_due
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import END_OF_TIME, Instant, instant, moment
from chalicelib.domain.message_outcomes import Reason
from chalicelib.domain.reminders import Reminder
from chalicelib.domain.retention import RetentionAction, retention_action
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.scans import remove_scans
from chalicelib.services.subject_rights import erase
from chalicelib.store import erasures, people, reminders
from chalicelib.store.clinics import Published
from chalicelib.store.encryption import KeysUnavailableError
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import clinic_of_person
from chalicelib.store.scans import ScansUnavailableError
from chalicelib.store.table import ConflictError, ContendedError
from chalicelib.store.writes import NOT_DUE, SetDue

NO_ADDRESS_AGAIN = timedelta(days=1)
"""When a message is tried again that leads nowhere, because no address of the portal is known."""

_UNREADABLE = (ValueError, LookupError, TypeError)


@dataclass(slots=True)
class DueWork:
    """What one round does for people: what it has done so far, by name."""

    portal: Portal
    now: Instant
    done: Counter[str] = field(default_factory=Counter)
    stuck: set[str] = field(default_factory=set)
    """The clinics that nothing can be done for in this round: their keys cannot be had."""
    unreached: set[str] = field(default_factory=set)
    """The people who were to be reminded, and to whom no link would lead."""
    _published: dict[str, Published] = field(default_factory=dict)

    def do_what_is_due(self, places: Sequence[Key]) -> None:
        """Read the people of these places anew, and do what is due for those still due.

        The index may lag behind: whoever decided just now is due at another time by now.
        Raises UnavailableError.
        """
        found = self.portal.table.get(
            [place for place in places if clinic_of_person(place) not in self.stuck]
        )
        items: dict[str, list[Item]] = {}
        for place, item in found.items():
            if (item.due_at or END_OF_TIME) <= self.now:
                items.setdefault(clinic_of_person(place), []).append(item)
        for clinic, due in items.items():
            self.attend_to(clinic, due)

    def attend_to(self, clinic: str, items: Sequence[Item]) -> Sequence[Subject] | None:
        """Do what is due for people of a clinic, and move them on in the index of due times.

        Gives the people as they were read, or None where nothing can be done for the clinic in this
        round. Raises UnavailableError.
        """
        if clinic in self.stuck:
            return None
        self.done["people"] += len(items)
        try:
            return _Attendance(self, self.look_up(clinic), items).attend()
        except (KeysUnavailableError, NotFoundError) as error:
            self.stuck.add(clinic)
            self.note_failure(error)
            log.fault(error)
            return None

    def look_up(self, clinic: str) -> Published:
        """Give what a clinic has published, read once a round; errors as of `Directory.look_up`."""
        if clinic not in self._published:
            self._published[clinic] = self.portal.directory.look_up(clinic).published
        return self._published[clinic]

    def note_failure(self, error: Exception) -> None:
        """Count what failed, and log its kind."""
        self.done["failed"] += 1
        log.log().warning("housekeeping failed for one", error=type(error).__name__)


class _PersonDue(NamedTuple):
    """One person as they were read, and what is due for them."""

    item: Item
    person: Subject
    reminders: Sequence[Reminder]
    action: RetentionAction


@dataclass(slots=True)
class _Attendance:
    """What is done for some people of one clinic."""

    work: DueWork
    published: Published
    items: Sequence[Item]
    again: dict[str, Instant] = field(default_factory=dict)
    """Who is to be tried again earlier than something new is due for them, and when."""
    failed: set[str] = field(default_factory=set)

    def attend(self) -> Sequence[Subject]:
        """Leave the reminders that are due, erase or delete whose time is over, move on the others.

        Gives the people as they were read.
        """
        found = [due for item in self.items if (due := self._read(item)) is not None]
        self._remind(found)
        for due in found:
            subject = due.person.id
            if due.action is RetentionAction.ERASE:
                self._try("erased", subject, partial(self._erase, subject))
            elif due.action is RetentionAction.DELETE:
                self._try("deleted", subject, partial(self._delete, subject))
            elif subject not in self.failed:
                self._try("moved", subject, partial(self._move_on, due.item, due.person))
        return [due.person for due in found]

    def _read(self, item: Item) -> _PersonDue | None:
        """Read a person and what is due for them; None for one who cannot be read."""
        try:
            person = people.load_person(item)
            found = reminders.due_reminders(person, self.published, self.work.now)
            return _PersonDue(item, person, found, self._retention_action(person))
        except _UNREADABLE as error:
            self.work.note_failure(error)
            return None

    def _remind(self, found: Sequence[_PersonDue]) -> None:
        table, clinic = self.work.portal.table, self.published.clinic.id
        due = [(each.person, each.reminders) for each in found if each.reminders]
        for person, unsent in reminders.unsent_reminders(table, clinic, due):
            for reminder in unsent:
                self._try("reminded", person.id, partial(self._enqueue, person, reminder))

    def _enqueue(self, person: Subject, reminder: Reminder) -> bool:
        portal = self.work.portal
        base = portal.settings.public_url or person.base
        if not base:
            # No link would lead anywhere: who was only ever entered by a program, without
            # `PUBLIC_URL`. It is tried again every day, so it is counted, and not logged for each.
            self.work.unreached.add(person.id)
            self.work.done[Reason.NO_ADDRESS] = len(self.work.unreached)
            self.again[person.id] = instant(moment(self.work.now) + NO_ADDRESS_AGAIN)
            return False
        key = portal.clinics.key(self.published.clinic.id)
        return reminders.enqueue_reminder(portal.table, key, person, reminder, base)

    def _retention_action(self, person: Subject) -> RetentionAction:
        published = self.published
        return retention_action(
            person, published.published, published.clinic.proof_kept, self.work.now
        )

    def _erase(self, subject: str) -> bool:
        def is_still_over(person: Subject) -> bool:
            """Tell of a person as they are now: whoever has decided since is kept."""
            return self._retention_action(person) is RetentionAction.ERASE

        clinic, now = self.published.clinic.id, self.work.now
        erased = erase(self.work.portal, clinic, subject, "portal", now, is_still_over)
        return erased is not None

    def _delete(self, subject: str) -> bool:
        portal, clinic = self.work.portal, self.published.clinic.id
        remove_scans(portal, clinic, subject)
        erasures.delete_person(portal.table, clinic, subject)
        return True

    def _move_on(self, item: Item, person: Subject) -> bool:
        """Move a person to what is due for them next; whoever decided just now was moved by
        that.
        """
        published, again = self.published, self.again.get(person.id)
        following = next_due(person, published.clinic, published.published, self.work.now)
        if again:
            following = min(again, following or END_OF_TIME)
        if (following or NOT_DUE) == (item.due_at or NOT_DUE):
            return False
        move = SetDue(item.key, following or NOT_DUE, was=people.kept_in(item) or "")
        try:
            self.work.portal.table.write_one(move)
        except ConflictError:
            return False
        return True

    def _try(self, name: str, subject: str, action: Callable[[], bool]) -> None:
        """Do something for one person, and count it by name; a failure holds up nobody else."""
        try:
            self.work.done[name] += action()
        except (ContendedError, ScansUnavailableError, *_UNREADABLE) as error:
            self.failed.add(subject)
            self.work.note_failure(error)
