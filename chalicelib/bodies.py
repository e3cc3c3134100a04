"""Bodies of API calls: JSON in, checked values out, each fault with a JSON pointer (RFC 6901) to its place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from chalicelib.ages import calendar_day
from chalicelib.consent import Answer, Channel
from chalicelib.contact import Contact, InvalidContactError, Kind, normalise
from chalicelib.forms import MAX_NAME
from chalicelib.guardians import RELATIONS, Guardian
from chalicelib.instants import Instant, InvalidInstantError, instant, moment, parse_instant
from chalicelib.notice import Clinic

MAX_SUBJECTS = 100
CLOCK_SKEW = timedelta(minutes=5)
STAFF_CHANNELS = (Channel.PAPER, Channel.PHONE, Channel.IN_PERSON)
MAX_EVIDENCE = 200
EARLIEST: Instant = "2000-01-01T00:00:00.000Z"
"""Before this nothing can have been decided: a year mistyped is asked about."""
MAX_LINKS = 1000
MIN_LINK_SECONDS, LINK_SECONDS, MAX_LINK_SECONDS = 60, 30 * 86_400, 366 * 86_400
KINDS = {kind.value: kind for kind in (Kind.REFERENCE, Kind.EMAIL, Kind.PHONE)}
INVITED = "name, lang, purposes, expires_in"
_LINK = re.compile(r"[0-9a-f]{64}")


class InvalidBodyError(ValueError):
    """A body with faults: ``[{"pointer": "/subjects/0", "detail": …}]``. Details never repeat what was sent."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(len(errors))
        self.errors = errors


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


@dataclass(frozen=True, slots=True)
class StatusQuestion:
    """A status call: each subject as asked and its contacts, in the order asked, and the decisions asked for.

    `at` is the moment asked about, `known_at` the one whose knowledge is asked for: None for now.
    """

    asked: tuple[Mapping[str, str], ...]
    subjects: tuple[tuple[Contact, ...], ...]
    addresses: tuple[str, ...]
    at: Instant | None = None
    known_at: Instant | None = None

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Give the contacts of all subjects."""
        return tuple(contact for subject in self.subjects for contact in subject)


@dataclass(frozen=True, slots=True)
class HistoryQuestion:
    """A history call: the contacts of one subject."""

    contacts: tuple[Contact, ...]


@dataclass(frozen=True, slots=True)
class AboutSubject:
    """A call about everything of one subject, or of everyone who shares its contacts; `restricted` if it says so."""

    contacts: tuple[Contact, ...]
    everyone: bool
    restricted: bool = False


@dataclass(frozen=True, slots=True)
class Invitation:
    """One personal link asked for: for whom, in which language, about what, for how many seconds."""

    asked: Mapping[str, str]
    contact: Contact
    name: str | None
    lang: str
    addresses: tuple[str, ...]
    expires_in: int


@dataclass(frozen=True, slots=True)
class Invitations:
    """A call for links. Nobody is looked up: who it is turns out when a link is followed."""

    invitations: tuple[Invitation, ...]
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Revocation:
    """A call that revokes links by their ids."""

    links: tuple[str, ...]
    contacts: tuple[Contact, ...] = ()


@dataclass(slots=True)
class _Body:
    clinic: Clinic
    body: Mapping[str, Any]
    errors: list[dict[str, str]] = field(default_factory=list)

    def error(self, pointer: str, detail: str) -> None:
        self.errors.append({"pointer": pointer, "detail": detail})

    def only(self, *names: str) -> None:
        for name in sorted(self.body.keys() - set(names)):
            self.error(f"/{escaped(name)}", f"Not known here. Known: {', '.join(names)}.")

    def subject(self, pointer: str, value: object) -> tuple[Contact, ...]:
        if not isinstance(value, Mapping) or not value or not value.keys() <= KINDS.keys():
            self.error(pointer, "An object with email, phone or patient_ref.")
            return ()
        contacts = []
        for name, kind in KINDS.items():
            if name in value:
                try:
                    typed = value[name] if isinstance(value[name], str) else ""
                    contacts.append(normalise(kind, typed, self.clinic.country))
                except InvalidContactError:
                    self.error(f"{pointer}/{name}", f"Not a valid {name}.")
        return tuple(contacts)

    def addresses(self, pointer: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not value:
            self.error(pointer, "A list of purposes such as newsletter or newsletter.email.")
            return ()
        found: list[str] = []
        for number, name in enumerate(value):
            addressed = self.clinic.addressed(name) if isinstance(name, str) else ()
            if not addressed:
                self.error(f"{pointer}/{number}", "The clinic's notice has no such purpose.")
            found += addressed
        return tuple(dict.fromkeys(found))

    def decisions(self) -> dict[str, Answer]:
        value = self.body.get("decisions")
        if not isinstance(value, Mapping) or not value:
            self.error("/decisions", 'An object such as {"newsletter.email": "yes"}.')
            return {}
        answers = {}
        for address, answer in value.items():
            if address not in self.clinic.questions:
                self.error(f"/decisions/{escaped(address)}", "The clinic's notice has no such decision.")
            elif answer not in ("yes", "no"):
                self.error(f"/decisions/{escaped(address)}", "yes or no.")
            else:
                answers[address] = Answer(answer)
        return answers

    def channel(self) -> Channel:
        value = self.body.get("channel")
        if value in [channel.value for channel in STAFF_CHANNELS]:
            return Channel(value)
        self.error("/channel", f"One of: {', '.join(STAFF_CHANNELS)}.")
        return Channel.IN_PERSON

    def moment(self, name: str, meaning: str) -> Instant | None:
        try:
            return parse_instant(str(self.body.get(name, "")))
        except InvalidInstantError:
            self.error(f"/{name}", f"{meaning} (RFC 3339), such as 2026-11-15T10:00:00+02:00.")
            return None

    def past(self, name: str, meaning: str, now: Instant) -> Instant:
        given = self.moment(name, meaning) or now
        if given > instant(moment(now) + CLOCK_SKEW):
            self.error(f"/{name}", "This is in the future.")
        return min(given, now)

    def evidence(self, channel: Channel) -> Mapping[str, str] | None:
        value = self.body.get("evidence")
        if value is None:
            if channel is Channel.PAPER:
                self.error("/evidence/form", "A decision on paper names its form.")
            elif "evidence" in self.body:
                self.error("/evidence", "Leave it out where there is none.")
            return None
        if not isinstance(value, Mapping) or not value.keys() <= {"form", "sha256", "witness"}:
            self.error("/evidence", "An object with form and, if there are, the sha256 of its scan and its witness.")
            return None
        form, sha256, witness = value.get("form"), value.get("sha256"), value.get("witness", "nobody")
        if not _is_line(form):
            self.error("/evidence/form", "The reference of the form, as the clinic files it; no contact.")
        if "sha256" in value and not (isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256)):
            self.error("/evidence/sha256", "64 hexadecimal digits in lower case.")
        if not _is_line(witness):
            self.error("/evidence/witness", "Who saw it being signed: a name or a staff number; no contact.")
        return {name: str(each) for name, each in value.items()}

    def guardian(self, name: str | None) -> Guardian | None:
        value = self.body.get("guardian")
        if "guardian" not in self.body:
            return None
        if not isinstance(value, Mapping) or value.keys() != {"relation", "child_born"}:
            self.error("/guardian", "An object with relation and child_born; the child's name is the name.")
            return None
        born = _day(value["child_born"])
        if value["relation"] not in RELATIONS:
            self.error("/guardian/relation", f"One of: {', '.join(RELATIONS)}.")
        if born is None:
            self.error("/guardian/child_born", "The child's day of birth, such as 2016-03-27.")
        if "name" not in self.body:
            self.error("/name", "The child's name: with the day of birth it tells this child from its sisters.")
        return Guardian(str(value["relation"]), name, born)

    def truth(self, name: str, *, default: bool | None = None) -> bool:
        value = self.body.get(name, default)
        if not isinstance(value, bool):
            self.error(f"/{name}", "true or false.")
        return value is True

    def name(self) -> str | None:
        return self.named("/name", self.body)

    def named(self, pointer: str, body: Mapping[str, Any]) -> str | None:
        value = body.get("name")
        if "name" not in body:
            return None
        if isinstance(value, str) and 0 < len(value.strip()) <= MAX_NAME and value.isprintable():
            return value.strip()
        self.error(pointer, "A name of at most 120 printable characters.")
        return None

    def invitation(self, pointer: str, value: object) -> Invitation | None:
        if not isinstance(value, Mapping) or not value.keys() <= {*KINDS, "name", "lang", "purposes", "expires_in"}:
            self.error(pointer, f"An object with email, phone or patient_ref and perhaps {INVITED}.")
            return None
        asked = {name: each for name, each in value.items() if name in KINDS}
        contacts = self.subject(pointer, asked)
        if len(contacts) != 1:
            self.error(pointer, "Exactly one of email, phone and patient_ref.")
            return None
        lang, seconds = value.get("lang", self.clinic.default_language), value.get("expires_in", LINK_SECONDS)
        if lang not in self.clinic.languages:
            self.error(f"{pointer}/lang", f"One of: {', '.join(self.clinic.languages)}.")
        if (
            not isinstance(seconds, int)
            or isinstance(seconds, bool)
            or not MIN_LINK_SECONDS <= seconds <= MAX_LINK_SECONDS
        ):
            self.error(f"{pointer}/expires_in", f"Seconds, from {MIN_LINK_SECONDS} to {MAX_LINK_SECONDS}.")
            seconds = LINK_SECONDS
        addresses = self.addresses(f"{pointer}/purposes", value["purposes"]) if "purposes" in value else ()
        return Invitation(asked, contacts[0], self.named(f"{pointer}/name", value), str(lang), addresses, seconds)

    def notice_version(self) -> str | None:
        value = self.body.get("notice_version")
        if "notice_version" in self.body and not isinstance(value, str):
            self.error("/notice_version", 'The version printed on the form, such as "1.0".')
        return value if isinstance(value, str) else None

    def lang(self) -> str:
        value = self.body.get("lang", self.clinic.default_language)
        if value not in self.clinic.languages:
            self.error("/lang", f"One of: {', '.join(self.clinic.languages)}.")
        return str(value)

    def checked(self) -> None:
        if self.errors:
            raise InvalidBodyError(self.errors)


def _is_line(value: object) -> bool:
    """Tell whether a value is a line of text; an e-mail address in it would stand in a receipt for ever."""
    return (
        isinstance(value, str)
        and bool(value.strip())
        and value.isprintable()
        and len(value) <= MAX_EVIDENCE
        and "@" not in value
    )


def _day(value: object) -> date | None:
    """Read a date as JSON writes one (RFC 3339, full-date)."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", value, re.ASCII) if isinstance(value, str) else None
    return calendar_day(*found.groups()) if found else None


def escaped(name: str) -> str:
    """Write a member's name as a step of a JSON pointer (RFC 6901, 3)."""
    return name.replace("~", "~0").replace("/", "~1")


def read_status(clinic: Clinic, body: Mapping[str, Any], now: Instant) -> StatusQuestion:
    """Read a status call; without `purposes` every decision of the notice is asked for.

    `at` may be any moment: a list for tomorrow's mailing asks about tomorrow. What will be
    known then nobody knows yet.
    """
    reader = _Body(clinic, body)
    reader.only("subjects", "purposes", "at", "known_at")
    subjects = body.get("subjects")
    if not isinstance(subjects, list) or not 1 <= len(subjects) <= MAX_SUBJECTS:
        reader.error("/subjects", f"A list of 1 to {MAX_SUBJECTS} subjects.")
        subjects = []
    contacts = tuple(reader.subject(f"/subjects/{number}", each) for number, each in enumerate(subjects))
    wanted = tuple(clinic.questions)
    if "purposes" in body:
        wanted = reader.addresses("/purposes", body["purposes"])
    at = reader.moment("at", "The moment asked about") if "at" in body else None
    known_at = reader.past("known_at", "The moment whose knowledge is asked for", now) if "known_at" in body else None
    reader.checked()
    return StatusQuestion(tuple(subjects), contacts, wanted, at, known_at)


def read_history(clinic: Clinic, body: Mapping[str, Any]) -> HistoryQuestion:
    """Read a history call."""
    reader = _Body(clinic, body)
    reader.only("subject")
    contacts = reader.subject("/subject", body.get("subject"))
    reader.checked()
    return HistoryQuestion(contacts)


def read_erasure(clinic: Clinic, body: Mapping[str, Any]) -> AboutSubject:
    """Read a call that erases."""
    reader = _Body(clinic, body)
    reader.only("subject", "everyone")
    about = AboutSubject(reader.subject("/subject", body.get("subject")), reader.truth("everyone", default=False))
    reader.checked()
    return about


def read_restriction(clinic: Clinic, body: Mapping[str, Any]) -> AboutSubject:
    """Read a call that restricts what is done with somebody's data, or lifts that."""
    reader = _Body(clinic, body)
    reader.only("subject", "everyone", "restricted")
    contacts = reader.subject("/subject", body.get("subject"))
    about = AboutSubject(contacts, reader.truth("everyone", default=False), reader.truth("restricted"))
    reader.checked()
    return about


def read_staff_receipt(clinic: Clinic, body: Mapping[str, Any], now: Instant) -> StaffDecision:
    """Read a decision taken by staff."""
    reader = _Body(clinic, body)
    reader.only(
        "subject", "decisions", "channel", "effective_at", "evidence", "name", "lang", "notice_version", "guardian"
    )
    return _staff(reader, reader.decisions(), now, everything=False)


def read_staff_withdrawal(clinic: Clinic, body: Mapping[str, Any], now: Instant) -> StaffDecision:
    """Read a withdrawal taken by staff: `purposes`, or `all`."""
    reader = _Body(clinic, body)
    reader.only("subject", "purposes", "all", "channel", "effective_at", "evidence", "lang", "notice_version")
    everything = body.get("all") is True
    if everything == ("purposes" in body):
        reader.error("/purposes", "Either purposes, or all: true.")
    addresses = tuple(clinic.questions) if everything else reader.addresses("/purposes", body.get("purposes"))
    return _staff(reader, dict.fromkeys(addresses, Answer.WITHDRAW), now, everything=everything)


def read_links(clinic: Clinic, body: Mapping[str, Any]) -> Invitations:
    """Read a call for up to a thousand personal links."""
    reader = _Body(clinic, body)
    reader.only("links")
    asked = body.get("links")
    if not isinstance(asked, list) or not 1 <= len(asked) <= MAX_LINKS:
        reader.error("/links", f"A list of 1 to {MAX_LINKS} links to make.")
        asked = []
    made = [reader.invitation(f"/links/{number}", each) for number, each in enumerate(asked)]
    reader.checked()
    return Invitations(tuple(each for each in made if each))


def read_revocation(clinic: Clinic, body: Mapping[str, Any]) -> Revocation:
    """Read a call that revokes up to a thousand links, by the ids they were given when they were made."""
    reader = _Body(clinic, body)
    reader.only("ids")
    ids = body.get("ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_LINKS:
        reader.error("/ids", f"A list of 1 to {MAX_LINKS} ids of links.")
        ids = []
    for number, each in enumerate(ids):
        if not isinstance(each, str) or not _LINK.fullmatch(each):
            reader.error(f"/ids/{number}", "64 hexadecimal digits.")
    reader.checked()
    return Revocation(tuple(ids))


def _staff(reader: _Body, answers: Mapping[str, Answer], now: Instant, *, everything: bool) -> StaffDecision:
    channel, name = reader.channel(), reader.name()
    guardian = reader.guardian(name)
    contacts = reader.subject("/subject", reader.body.get("subject"))
    decision = StaffDecision(
        contacts=guardian.contacts(contacts) if guardian else contacts,
        name=name,
        answers=answers,
        everything=everything,
        channel=channel,
        effective_at=reader.past("effective_at", "When it was decided", now),
        evidence=reader.evidence(channel),
        lang=reader.lang(),
        notice_version=reader.notice_version(),
        guardian=guardian,
    )
    if decision.effective_at < EARLIEST:
        reader.error("/effective_at", f"Not before {EARLIEST[:10]}.")
    reader.checked()
    return decision
