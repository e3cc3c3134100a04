"""The body of an API call, read part by part: JSON in, checked values out.

Each fault has its place (RFC 6901). A call's own `read_…` function says which parts it takes.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from chalicelib.domain.ages import calendar_day
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Channel, QuestionId
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.decisions import Day
from chalicelib.domain.guardians import RELATIONS, Guardian
from chalicelib.domain.instants import (
    Instant,
    InvalidInstantError,
    instant,
    moment,
    parse_instant,
)
from chalicelib.domain.local_time import local_day, whole_day
from chalicelib.domain.postal_address import MAX_PART, PARTS, PostalAddress, missing_parts
from chalicelib.services.authorized_call import Body, InvalidBodyError
from chalicelib.services.staff_decisions import OF_A_SYSTEM
from chalicelib.web.forms import MAX_NAME

CLOCK_SKEW = timedelta(minutes=5)
WRITTEN = (Channel.LETTER, Channel.EMAIL)
STAFF_CHANNELS = (Channel.PAPER, Channel.PHONE, Channel.IN_PERSON, *WRITTEN, *OF_A_SYSTEM)
MAX_EVIDENCE = 200
MAX_ERRORS = 100
"""How many faults of a body an answer lists: the answer has a bounded length."""

MAX_WORD = 64
SHA256_DIGITS = 64
"""How long a moment, a version or the name of a decision may be."""

MAX_CURSOR = 4000
MAX_POINTER = 200
EARLIEST: Instant = "2000-01-01T00:00:00.000Z"
"""A decision before this has a mistyped year."""
SUBJECT_ID = "subject_id"
_SUBJECT_ID = re.compile("[0-9a-f]{32}")
KINDS = {kind.value: kind for kind in (ContactKind.REFERENCE, ContactKind.EMAIL, ContactKind.PHONE)}


def read_body(
    read: "Callable[[BodyReader], Body]",
    clinic: Clinic,
    sent: Mapping[str, Any] | bytes,
    now: Instant,
) -> Body:
    """Read a body by a function of one of the calls; raise InvalidBodyError with every fault."""
    raw, members = (sent, {}) if isinstance(sent, bytes) else (b"", sent)
    reader = BodyReader(clinic, members, now, raw=raw)
    body = read(reader)
    reader.check()
    return body


@dataclass(slots=True)
class BodyReader:
    """A body being read. Faults are collected: a program's author sees all of them at once."""

    clinic: Clinic
    sent: Mapping[str, Any]
    now: Instant
    errors: list[dict[str, str]] = field(default_factory=list)
    raw: bytes = b""
    """The bytes of a body that is no JSON."""

    def error(self, pointer: str, detail: str) -> None:
        """Note a fault at a place (RFC 6901), up to `MAX_ERRORS` of them."""
        if len(self.errors) < MAX_ERRORS:
            self.errors.append({"pointer": pointer[:MAX_POINTER], "detail": detail})

    def check(self) -> None:
        """Raise InvalidBodyError where a fault was noted."""
        if self.errors:
            raise InvalidBodyError(self.errors)

    def has(self, name: str) -> bool:
        """Tell whether the body has a member of this name."""
        return name in self.sent

    def only(self, *names: str) -> None:
        """Note every member that is not one of these."""
        known = f"Known: {', '.join(names)}." if names else "The body is empty."
        for name in sorted(self.sent.keys() - set(names)):
            self.error(f"/{escaped(name)}", f"Not known here. {known}")

    def items(self, name: str, most: int, what: str) -> list[Any]:
        """Read a list that has at least one entry, and not too many."""
        value = self.sent.get(name)
        if isinstance(value, list) and 1 <= len(value) <= most:
            return value
        self.error(f"/{name}", f"A list of 1 to {most} {what}.")
        return []

    def about(self) -> tuple[Contact, ...]:
        """Read the member `subject`."""
        return self.subject("/subject", self.sent.get("subject"))

    def subject(self, pointer: str, value: object) -> tuple[Contact, ...]:
        """Read a subject: one contact of it or several."""
        if not isinstance(value, Mapping) or not value or not value.keys() <= KINDS.keys():
            self.error(pointer, "An object with email, phone or patient_ref.")
            return ()
        contacts = []
        for name, kind in KINDS.items():
            if name not in value:
                continue
            given = value[name]
            typed = given if isinstance(given, str) else ""
            try:
                contacts.append(normalise(kind, typed, self.clinic.country))
            except InvalidContactError:
                self.error(f"{pointer}/{name}", not_quoted(given) or f"Not a valid {name}.")
        return tuple(contacts)

    def named_subject(self, pointer: str, value: object) -> tuple[tuple[Contact, ...], str]:
        """Read a subject that may also be named by its opaque id alone.

        Gives its contacts, or none and the id.
        """
        if not isinstance(value, Mapping) or SUBJECT_ID not in value:
            return self.subject(pointer, value), ""
        subject_id = value[SUBJECT_ID]
        if len(value) > 1:
            self.error(pointer, "An object with email, phone or patient_ref, or subject_id alone.")
        elif not is_word(subject_id) or not _SUBJECT_ID.fullmatch(subject_id):
            self.error(f"{pointer}/{SUBJECT_ID}", "The opaque id, as a receipt names its subject.")
        else:
            return (), subject_id
        return (), ""

    def questions(self, pointer: str, value: object) -> tuple[QuestionId, ...]:
        """Read a list of purposes or questions as the questions they name, each once."""
        if not isinstance(value, list) or not value:
            mistake = ""
            if isinstance(value, str):
                mistake = "A text, where a list is due: put it in brackets. "
            example = 'A list of purposes such as ["newsletter"] or ["newsletter.email"].'
            self.error(pointer, f"{mistake}{example}")
            return ()
        found: list[QuestionId] = []
        for number, name in enumerate(value):
            named = self.clinic.resolve_names(name) if is_word(name) else ()
            if not named:
                self.error(f"{pointer}/{number}", "The clinic's notice has no such purpose.")
            found += named
        return tuple(dict.fromkeys(found))

    def decisions(self) -> dict[QuestionId, Answer]:
        """Read answers by question."""
        value = self.sent.get("decisions")
        if not isinstance(value, Mapping) or not value:
            self.error("/decisions", 'An object such as {"newsletter.email": "yes"}.')
            return {}
        answers = {}
        for question, answer in value.items():
            pointer = f"/decisions/{escaped(question)}"
            if question not in self.clinic.questions:
                self.error(pointer, "The clinic's notice has no such decision.")
            elif answer not in ("yes", "no"):
                self.error(pointer, "yes or no.")
            else:
                answers[question] = Answer(answer)
        return answers

    def channel(self) -> Channel:
        """Read how staff took it."""
        value = self.sent.get("channel")
        if value in [channel.value for channel in STAFF_CHANNELS]:
            return Channel(value)
        self.error("/channel", f"One of: {', '.join(STAFF_CHANNELS)}.")
        return Channel.IN_PERSON

    def moment(self, name: str, meaning: str) -> Instant | None:
        """Read a moment, which must be there."""
        value = self.sent.get(name)
        try:
            return parse_instant(str(value) if is_word(value) else "")
        except InvalidInstantError:
            self.error(f"/{name}", f"{meaning} (RFC 3339), such as 2026-11-15T10:00:00+02:00.")
            return None

    def past(self, name: str, meaning: str) -> Instant:
        """Read a moment that is not to come; clocks may differ by minutes."""
        given = self.moment(name, meaning) or self.now
        if given > instant(moment(self.now) + CLOCK_SKEW):
            self.error(f"/{name}", "This is in the future.")
        return min(given, self.now)

    def effective(self) -> tuple[Instant, Day | None]:
        """Read when something was decided: a moment, or a day alone.

        A day counts from its beginning at the clinic.
        """
        day = _day(self.sent.get("effective_at"))
        if day is not None:
            return self._effective_day(day)
        meaning = "When it was decided: a day such as 2026-11-15, or a moment"
        given = self.past("effective_at", meaning)
        if given < EARLIEST:
            self.error("/effective_at", f"Not before {EARLIEST[:10]}.")
        return given, None

    def _effective_day(self, day: date) -> tuple[Instant, Day | None]:
        country = self.clinic.country
        written = day.isoformat()
        if written < EARLIEST[:10]:
            self.error("/effective_at", f"Not before {EARLIEST[:10]}.")
        if written > local_day(self.now, country):
            self.error("/effective_at", "This is in the future.")
            return self.now, None
        begins, ends = whole_day(written, country)
        return begins, Day(written, ends)

    def day(self, pointer: str, value: object, meaning: str) -> str:
        """Read a day that is not to come, as the clinic's country counts days."""
        given = _day(value)
        if given is None:
            self.error(pointer, f"{meaning}: a day such as 2026-11-15.")
            return self.now[:10]
        written = given.isoformat()
        if written > local_day(self.now, self.clinic.country):
            self.error(pointer, "This is in the future.")
        return written

    def evidence(self, channel: Channel, *, agreed: bool) -> Mapping[str, str] | None:
        """Read what proves a decision of staff; `agreed` where one of the answers is a Yes."""
        value = self.sent.get("evidence")
        given = {} if value is None else value
        known = ["form", "sha256", "witness"]
        if channel in OF_A_SYSTEM:
            known.append("system")
        if not isinstance(given, Mapping) or not given.keys() <= set(known):
            detail = f"An object with {', '.join(known)}, as far as there is one of them."
            self.error("/evidence", detail)
            return None
        # Who agrees in writing can be shown what they wrote; who only stops something need not
        # (GDPR Art. 7(1), (3)).
        in_writing = channel is Channel.PAPER or (agreed and channel in WRITTEN)
        needs_form = in_writing or "sha256" in given or value == {}
        if value is None and self.has("evidence") and not needs_form:
            self.error("/evidence", "Leave it out where there is none.")
        self._check_evidence(given, channel, needs_form=needs_form)
        return {name: str(text) for name, text in given.items()} or None

    def _check_evidence(
        self, given: Mapping[str, Any], channel: Channel, *, needs_form: bool
    ) -> None:
        if (needs_form or "form" in given) and not _is_line(given.get("form")):
            detail = "The reference of the form, letter, e-mail or note, as the clinic files it."
            self.error("/evidence/form", detail)
        if "sha256" in given and not is_sha256(given["sha256"]):
            self.error("/evidence/sha256", "64 hexadecimal digits in lower case.")
        if "witness" in given and not _is_line(given["witness"]):
            self.error("/evidence/witness", "Who saw or heard it: a name or a staff number.")
        if channel in OF_A_SYSTEM and not _is_line(given.get("system")):
            detail = "The name of the system in which it was decided or kept."
            self.error("/evidence/system", detail)

    def guardian(self, name: str | None) -> Guardian | None:
        """Read who decided for a child, whose name is the member `name`."""
        if not self.has("guardian"):
            return None
        value = self.sent["guardian"]
        if not isinstance(value, Mapping) or value.keys() != {"relation", "child_born"}:
            detail = "An object with relation and child_born; the child's name is the name."
            self.error("/guardian", detail)
            return None
        relation, born = value["relation"], _day(value["child_born"])
        if relation not in RELATIONS:
            self.error("/guardian/relation", f"One of: {', '.join(RELATIONS)}.")
        if born is None:
            self.error("/guardian/child_born", "The child's day of birth, such as 2016-03-27.")
        if not self.has("name"):
            detail = "The child's name: with the day of birth it tells this child from its sisters."
            self.error("/name", detail)
        return Guardian(str(relation), name, born)

    def declared_adult(self, guardian: Guardian | None) -> bool | None:
        """Read whether the patient declared to be old enough, where staff tell it."""
        if not self.has("declared_adult"):
            return None
        if guardian is not None:
            self.error("/declared_adult", "Not where a guardian decides.")
        return self.truth("declared_adult")

    def truth(self, name: str, *, default: bool | None = None) -> bool:
        """Read true or false."""
        value = self.sent.get(name, default)
        if not isinstance(value, bool):
            self.error(f"/{name}", "true or false.")
        return value is True

    def name(self) -> str | None:
        """Read a name, where there is one."""
        return self.named("/name", self.sent)

    def named(self, pointer: str, part: Mapping[str, Any]) -> str | None:
        """Read the name that a part of the body has, where there is one."""
        if "name" not in part:
            return None
        value = part["name"]
        name = value.strip() if isinstance(value, str) else ""
        if 0 < len(name) <= MAX_NAME and name.isprintable():
            return name
        detail = not_quoted(value) or f"A name of at most {MAX_NAME} printable characters."
        self.error(pointer, detail)
        return None

    def address(self) -> PostalAddress | None:
        """Read a postal address, where there is one."""
        if not self.has("address"):
            return None
        value = self.sent["address"]
        if not isinstance(value, Mapping) or not value.keys() <= set(PARTS):
            self.error("/address", f"An object with {', '.join(PARTS)}.")
            return None
        written: dict[str, str] = {}
        faulty = set()
        for part in PARTS:
            text = _part_of_address(value.get(part, ""))
            if text is None:
                faulty.add(part)
                text_due = f"A text of at most {MAX_PART} printable characters."
                self.error(f"/address/{part}", not_quoted(value[part]) or text_due)
            written[part] = text or ""
        for part in missing_parts(written, self.clinic.country):
            if part not in faulty:
                self.error(f"/address/{part}", "A letter needs it.")
        return PostalAddress(**written)

    def cursor(self) -> Mapping[str, int]:
        """Read where a list goes on, as `cursor` wrote it; its beginning where there is none."""
        if not self.has("cursor"):
            return {}
        try:
            behind = json.loads(base64.urlsafe_b64decode(self.sent["cursor"][:MAX_CURSOR]))
            return {str(name): max(0, int(number)) for name, number in behind.items()}
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            self.error("/cursor", "As the answer before gave it.")
            return {}

    def notice_version(self) -> str | None:
        """Read which version was signed, where it is given."""
        if not self.has("notice_version"):
            return None
        value = self.sent["notice_version"]
        if is_word(value):
            return str(value)
        mistake = not_quoted(value) or "A text."
        detail = f'{mistake} The version printed on the form, such as "1.0".'
        self.error("/notice_version", detail)
        return None

    def lang(self) -> str:
        """Read the language, the clinic's own where none is given."""
        value = self.sent.get("lang", self.clinic.default_language)
        if value not in self.clinic.languages:
            self.error("/lang", f"One of: {', '.join(self.clinic.languages)}.")
        return str(value)


def not_quoted(value: object) -> str:
    """Explain that a number, true or false stands in place of a text; "" where none does."""
    if isinstance(value, int | float):
        return "A number or a truth value, where a text is due: put it in quotes."
    return ""


def _part_of_address(value: object) -> str | None:
    """Give a part of an address without the spaces around it; None for what is none."""
    if not isinstance(value, str) or len(value) > MAX_PART:
        return None
    text = value.strip()
    return text if text.isprintable() else None


def _is_line(value: object) -> bool:
    """Tell whether a value is a line of text, as staff would note it."""
    if not isinstance(value, str) or len(value) > MAX_EVIDENCE:
        return False
    return bool(value.strip()) and value.isprintable()


def is_sha256(value: object) -> bool:
    """Tell whether a value is a SHA-256 in hexadecimal: 64 digits in lower case."""
    if not isinstance(value, str) or len(value) != SHA256_DIGITS:
        return False
    return bool(re.fullmatch(r"[0-9a-f]+", value))


def is_word(value: object) -> bool:
    """Tell whether a value is a text as short as a moment, a version or the name of a decision."""
    return isinstance(value, str) and len(value) <= MAX_WORD


def _day(value: object) -> date | None:
    """Read a date as JSON writes one (RFC 3339, full-date)."""
    if not is_word(value):
        return None
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", str(value), re.ASCII)
    return calendar_day(*found.groups()) if found else None


def cursor(behind: Mapping[str, int]) -> str:
    """Write where a list goes on, by what was given last; it names nobody but by opaque ids."""
    return base64.urlsafe_b64encode(json.dumps(behind).encode()).decode()


def escaped(name: str) -> str:
    """Write a member's name as a step of a JSON pointer (RFC 6901, 3)."""
    return name.replace("~", "~0").replace("/", "~1")
