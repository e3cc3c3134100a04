"""Bodies of API calls: JSON in, checked values out, each fault with a JSON pointer (RFC 6901) to its place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Channel
from chalicelib.domain.contacts import Contact
from chalicelib.domain.decisions import Day
from chalicelib.domain.guardians import Guardian
from chalicelib.domain.instants import Instant
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.web.api.body_reader import Body

MAX_SUBJECTS = 100


@dataclass(frozen=True, slots=True)
class StaffDecision:
    """A decision or withdrawal that staff took on paper, by phone or in person."""

    contacts: tuple[Contact, ...]
    name: str | None
    answers: Mapping[str, Answer]
    everything: bool
    channel: Channel
    effective_at: Instant
    evidence: Mapping[str, str] | None
    lang: str
    notice_version: str | None
    """The version printed on the form that was signed; None for the one in force on that day."""

    guardian: Guardian | None = None
    """Who decided for the patient, where the patient is a child."""

    declared_adult: bool | None = None
    """Whether the patient declared to be as old as the notice asks; None where staff do not tell."""

    address: PostalAddress | None = None
    """Where a letter reaches the patient, if that was told."""

    day: Day | None = None
    """Where staff know only the day on which it was decided."""

    @property
    def effective_until(self) -> Instant:
        """The latest it can have been decided."""
        return self.day.ends if self.day else self.effective_at


@dataclass(frozen=True, slots=True)
class StatusQuestion:
    """A status call: each subject as asked and its contacts, in the order asked, and the decisions asked for.

    `faults` has, by place in that order, what is wrong with a subject that names nobody: it has no contacts.
    `at` is the moment asked about, `known_at` the one whose knowledge is asked for: None for now.
    """

    asked: tuple[Mapping[str, str], ...]
    subjects: tuple[tuple[Contact, ...], ...]
    addresses: tuple[str, ...]
    at: Instant | None = None
    known_at: Instant | None = None
    faults: Mapping[int, Mapping[str, str]] = field(default_factory=dict)

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Give the contacts of all subjects."""
        return tuple(contact for subject in self.subjects for contact in subject)


@dataclass(frozen=True, slots=True)
class HistoryQuestion:
    """A history call: the contacts of one subject, and by person the last version that answers before it gave."""

    contacts: tuple[Contact, ...]
    behind: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class SubjectRequest:
    """A call about everything of one subject, or of everyone who shares its contacts; `restricted` if it says so."""

    contacts: tuple[Contact, ...]
    everyone: bool
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class ContactChange:
    """A call that replaces or removes one contact of a subject."""

    subject: tuple[Contact, ...]
    old: Contact
    new: Contact | None

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Give the contacts to look up."""
        new = (self.new,) if self.new else ()
        return tuple(dict.fromkeys((*self.subject, self.old, *new)))


def read_status(clinic: Clinic, body: Mapping[str, Any], now: Instant) -> StatusQuestion:
    """Read a status call; without `purposes` every decision of the notice is asked for.

    `at` may be any moment: a list for tomorrow's mailing asks about tomorrow. What will be
    known then nobody knows yet. A subject that cannot be read is a fault of its own and of no other.
    """
    reader = Body(clinic, body)
    reader.only("subjects", "purposes", "at", "known_at")
    subjects = body.get("subjects")
    if not isinstance(subjects, list) or not 1 <= len(subjects) <= MAX_SUBJECTS:
        reader.error("/subjects", f"A list of 1 to {MAX_SUBJECTS} subjects.")
        subjects = []
    contacts: list[tuple[Contact, ...]] = []
    faults: dict[int, Mapping[str, str]] = {}
    for number, each in enumerate(subjects):
        row = Body(clinic, {})
        named = row.subject(f"/subjects/{number}", each)
        contacts.append(() if row.errors else named)
        if row.errors:
            faults[number] = row.errors[0]
    wanted = tuple(clinic.questions)
    if "purposes" in body:
        wanted = reader.addresses("/purposes", body["purposes"])
    at = reader.moment("at", "The moment asked about") if "at" in body else None
    known_at = reader.past("known_at", "The moment whose knowledge is asked for", now) if "known_at" in body else None
    reader.checked()
    return StatusQuestion(tuple(subjects), tuple(contacts), wanted, at, known_at, faults)


def read_history(clinic: Clinic, body: Mapping[str, Any]) -> HistoryQuestion:
    """Read a history call."""
    reader = Body(clinic, body)
    reader.only("subject", "cursor")
    question = HistoryQuestion(reader.subject("/subject", body.get("subject")), reader.cursor())
    reader.checked()
    return question


def read_erasure(clinic: Clinic, body: Mapping[str, Any]) -> SubjectRequest:
    """Read a call that erases."""
    reader = Body(clinic, body)
    reader.only("subject", "everyone")
    about = SubjectRequest(reader.subject("/subject", body.get("subject")), reader.truth("everyone", default=False))
    reader.checked()
    return about


def read_restriction(clinic: Clinic, body: Mapping[str, Any]) -> SubjectRequest:
    """Read a call that restricts what is done with somebody's data, or lifts that."""
    reader = Body(clinic, body)
    reader.only("subject", "everyone", "restricted")
    contacts = reader.subject("/subject", body.get("subject"))
    about = SubjectRequest(contacts, reader.truth("everyone", default=False), reader.truth("restricted"))
    reader.checked()
    return about


def read_contact_change(clinic: Clinic, body: Mapping[str, Any]) -> ContactChange:
    """Read a call that replaces or removes a contact: `replace` and `with`, or `remove`."""
    reader = Body(clinic, body)
    reader.only("subject", "replace", "with", "remove")
    subject = reader.subject("/subject", body.get("subject"))
    if ("remove" in body) == ("replace" in body) or ("replace" in body) != ("with" in body):
        reader.error("/replace", "Either replace and with, or remove.")
        reader.checked()
    given = {name: reader.subject(f"/{name}", body[name]) for name in ("replace", "with", "remove") if name in body}
    for name, contacts in given.items():
        if len(contacts) > 1:
            reader.error(f"/{name}", "One contact.")
    reader.checked()
    old = given.get("replace") or given["remove"]
    new = given.get("with")
    if new and (new[0].kind is not old[0].kind or new == old):
        reader.error("/with", "Another one, of the same kind as the one it replaces.")
    reader.checked()
    return ContactChange(subject, old[0], new[0] if new else None)


def read_staff_receipt(clinic: Clinic, body: Mapping[str, Any], now: Instant) -> StaffDecision:
    """Read a decision taken by staff."""
    reader = Body(clinic, body)
    reader.only(
        *("subject", "decisions", "channel", "effective_at", "evidence"),
        *("name", "address", "lang", "notice_version", "guardian", "declared_adult"),
    )
    return _staff(reader, reader.decisions(), now, everything=False)


def read_staff_withdrawal(clinic: Clinic, body: Mapping[str, Any], now: Instant) -> StaffDecision:
    """Read a withdrawal taken by staff: `purposes`, or `all`."""
    reader = Body(clinic, body)
    reader.only("subject", "purposes", "all", "channel", "effective_at", "evidence", "lang", "notice_version")
    everything = body.get("all") is True
    if everything == ("purposes" in body):
        reader.error("/purposes", "Either purposes, or all: true.")
    addresses = tuple(clinic.questions) if everything else reader.addresses("/purposes", body.get("purposes"))
    return _staff(reader, dict.fromkeys(addresses, Answer.WITHDRAW), now, everything=everything)


def _staff(reader: Body, answers: Mapping[str, Answer], now: Instant, *, everything: bool) -> StaffDecision:
    channel, name = reader.channel(), reader.name()
    guardian = reader.guardian(name)
    contacts = reader.subject("/subject", reader.body.get("subject"))
    effective_at, day = reader.effective(now)
    decision = StaffDecision(
        contacts=guardian.contacts(contacts) if guardian else contacts,
        name=name,
        address=reader.address(),
        answers=answers,
        everything=everything,
        channel=channel,
        effective_at=effective_at,
        evidence=reader.evidence(channel, agreed=Answer.YES in answers.values()),
        lang=reader.lang(),
        notice_version=reader.notice_version(),
        guardian=guardian,
        declared_adult=reader.declared_adult(guardian),
        day=day,
    )
    reader.checked()
    return decision
