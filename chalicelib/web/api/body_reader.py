"""A body of an API call, read part by part: JSON in, checked values out, each fault with its place (RFC 6901)."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from chalicelib.domain.ages import calendar_day
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Channel
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.decisions import Day
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.guardians import RELATIONS, Guardian
from chalicelib.domain.instants import (
    Instant,
    InvalidInstantError,
    instant,
    just_before,
    moment,
    parse_instant,
)
from chalicelib.domain.local_time import local_day, local_midnight
from chalicelib.domain.postal_address import MAX_PART, PARTS, PostalAddress, missing_parts
from chalicelib.web.forms import MAX_NAME

CLOCK_SKEW = timedelta(minutes=5)
WRITTEN = (Channel.LETTER, Channel.EMAIL)
OF_A_SYSTEM = (Channel.API, Channel.IMPORT)
STAFF_CHANNELS = (Channel.PAPER, Channel.PHONE, Channel.IN_PERSON, *WRITTEN, *OF_A_SYSTEM)
MAX_EVIDENCE = 200
MAX_ERRORS = 100
"""How many faults of a body are told: a body that is all faults gets an answer of bounded length."""

MAX_WORD = 64
"""How long a moment, a version or the name of a decision may be."""

MAX_CURSOR = 4000
MAX_POINTER = 200
SHA256_DIGITS = 64
EARLIEST: Instant = "2000-01-01T00:00:00.000Z"
"""Before this nothing can have been decided: a year mistyped is asked about."""
KINDS = {kind.value: kind for kind in (ContactKind.REFERENCE, ContactKind.EMAIL, ContactKind.PHONE)}


class InvalidBodyError(InvalidInputError):
    """A body with faults: ``[{"pointer": "/subjects/0", "detail": …}]``. Details never repeat what was sent."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(len(errors))
        self.errors = errors


@dataclass(slots=True)
class Body:
    """A body being read: what is wrong is collected, so that a program's author sees all of it at once."""

    clinic: Clinic
    body: Mapping[str, Any]
    errors: list[dict[str, str]] = field(default_factory=list)

    def error(self, pointer: str, detail: str) -> None:
        """Note a fault at a place, as far as that many are told."""
        if len(self.errors) < MAX_ERRORS:
            self.errors.append({"pointer": pointer[:MAX_POINTER], "detail": detail})

    def only(self, *names: str) -> None:
        """Note every member that is not one of these."""
        for name in sorted(self.body.keys() - set(names)):
            self.error(f"/{escaped(name)}", f"Not known here. Known: {', '.join(names)}.")

    def subject(self, pointer: str, value: object) -> tuple[Contact, ...]:
        """Read who is meant: one contact or several."""
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
                    self.error(f"{pointer}/{name}", number_for_a_text(value[name]) or f"Not a valid {name}.")
        return tuple(contacts)

    def addresses(self, pointer: str, value: object) -> tuple[str, ...]:
        """Read a list of purposes or decisions as the decisions they name."""
        if not isinstance(value, list) or not value:
            slip = "A text, where a list is due: put it in brackets. " if isinstance(value, str) else ""
            self.error(pointer, f'{slip}A list of purposes such as ["newsletter"] or ["newsletter.email"].')
            return ()
        found: list[str] = []
        for number, name in enumerate(value):
            addressed = self.clinic.resolve_names(name) if is_word(name) else ()
            if not addressed:
                self.error(f"{pointer}/{number}", "The clinic's notice has no such purpose.")
            found += addressed
        return tuple(dict.fromkeys(found))

    def decisions(self) -> dict[str, Answer]:
        """Read answers by decision."""
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
        """Read how staff took it."""
        value = self.body.get("channel")
        if value in [channel.value for channel in STAFF_CHANNELS]:
            return Channel(value)
        self.error("/channel", f"One of: {', '.join(STAFF_CHANNELS)}.")
        return Channel.IN_PERSON

    def moment(self, name: str, meaning: str) -> Instant | None:
        """Read a moment, which must be there."""
        value = self.body.get(name)
        try:
            return parse_instant(str(value) if is_word(value) else "")
        except InvalidInstantError:
            self.error(f"/{name}", f"{meaning} (RFC 3339), such as 2026-11-15T10:00:00+02:00.")
            return None

    def past(self, name: str, meaning: str, now: Instant) -> Instant:
        """Read a moment that is not to come; clocks may differ by minutes."""
        given = self.moment(name, meaning) or now
        if given > instant(moment(now) + CLOCK_SKEW):
            self.error(f"/{name}", "This is in the future.")
        return min(given, now)

    def effective(self, now: Instant) -> tuple[Instant, Day | None]:
        """Read when something was decided: a moment, or a day alone, which counts from its beginning at the clinic."""
        value = self.body.get("effective_at")
        written = _day(value)
        if written is None:
            given = self.past("effective_at", "When it was decided: a day such as 2026-11-15, or a moment", now)
            if given < EARLIEST:
                self.error("/effective_at", f"Not before {EARLIEST[:10]}.")
            return given, None
        date, country = written.isoformat(), self.clinic.country
        if date < EARLIEST[:10]:
            self.error("/effective_at", f"Not before {EARLIEST[:10]}.")
        if date > local_day(now, country):
            self.error("/effective_at", "This is in the future.")
            return now, None
        following = (written + timedelta(days=1)).isoformat()
        return local_midnight(date, country), Day(date, just_before(local_midnight(following, country)))

    def evidence(self, channel: Channel, *, agreed: bool) -> Mapping[str, str] | None:
        """Read what proves a decision that staff took; `agreed` where one of the answers is a Yes."""
        value = self.body.get("evidence")
        given = {} if value is None else value
        known = ["form", "sha256", "witness", *(["system"] if channel in OF_A_SYSTEM else [])]
        if not isinstance(given, Mapping) or not given.keys() <= set(known):
            self.error("/evidence", f"An object with {', '.join(known)}, as far as there is one of them.")
            return None
        # Who agrees in writing can be shown what they wrote; who only stops something need not (GDPR Art. 7(1), (3)).
        form_needed = channel is Channel.PAPER or (agreed and channel in WRITTEN) or "sha256" in given or value == {}
        if value is None and "evidence" in self.body and not form_needed:
            self.error("/evidence", "Leave it out where there is none.")
        form, sha256, witness = given.get("form"), given.get("sha256"), given.get("witness", "nobody")
        if (form_needed or "form" in given) and not _is_line(form):
            self.error("/evidence/form", "The reference of the form, letter, e-mail or note, as the clinic files it.")
        if "sha256" in given and not is_sha256(sha256):
            self.error("/evidence/sha256", "64 hexadecimal digits in lower case.")
        if not _is_line(witness):
            self.error("/evidence/witness", "Who saw or heard it: a name or a staff number.")
        if channel in OF_A_SYSTEM and not _is_line(given.get("system")):
            self.error("/evidence/system", "The name of the system in which it was decided or kept.")
        return {name: str(each) for name, each in given.items()} or None

    def guardian(self, name: str | None) -> Guardian | None:
        """Read who decided for a child."""
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

    def declared_adult(self, guardian: Guardian | None) -> bool | None:
        """Read whether the patient declared to be old enough, where staff tell it."""
        if "declared_adult" not in self.body:
            return None
        if guardian is not None:
            self.error("/declared_adult", "Not where a guardian decides.")
        return self.truth("declared_adult")

    def truth(self, name: str, *, default: bool | None = None) -> bool:
        """Read true or false."""
        value = self.body.get(name, default)
        if not isinstance(value, bool):
            self.error(f"/{name}", "true or false.")
        return value is True

    def name(self) -> str | None:
        """Read a name, where there is one."""
        return self.named("/name", self.body)

    def named(self, pointer: str, body: Mapping[str, Any]) -> str | None:
        """Read the name that a part of the body has, where there is one."""
        value = body.get("name")
        if "name" not in body:
            return None
        trimmed = value.strip() if isinstance(value, str) else ""
        if 0 < len(trimmed) <= MAX_NAME and trimmed.isprintable():
            return trimmed
        self.error(pointer, number_for_a_text(value) or "A name of at most 120 printable characters.")
        return None

    def address(self) -> PostalAddress | None:
        """Read a postal address, where there is one."""
        if "address" not in self.body:
            return None
        value = self.body["address"]
        if not isinstance(value, Mapping) or not value.keys() <= set(PARTS):
            self.error("/address", f"An object with {', '.join(PARTS)}.")
            return None
        parts = {part: part_of_an_address(value.get(part, "")) for part in PARTS}
        for part in PARTS:
            if parts[part] is None:
                slip = number_for_a_text(value[part]) or f"A text of at most {MAX_PART} printable characters."
                self.error(f"/address/{part}", slip)
        written = {part: text or "" for part, text in parts.items()}
        for part in missing_parts(written, self.clinic.country):
            if parts[part] is not None:
                self.error(f"/address/{part}", "A letter needs it.")
        return PostalAddress(**written)

    def cursor(self) -> Mapping[str, int]:
        """Read where a list goes on, as `cursor` wrote it; from its beginning where none is told."""
        if "cursor" not in self.body:
            return {}
        try:
            behind = json.loads(base64.urlsafe_b64decode(self.body["cursor"][:MAX_CURSOR]))
            return {str(name): max(0, int(number)) for name, number in behind.items()}
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            self.error("/cursor", "As the answer before gave it.")
            return {}

    def notice_version(self) -> str | None:
        """Read which version was signed, where it is told."""
        value = self.body.get("notice_version")
        if "notice_version" in self.body and not is_word(value):
            slip = number_for_a_text(value) or "A text."
            self.error("/notice_version", f'{slip} The version printed on the form, such as "1.0".')
        return str(value) if is_word(value) else None

    def lang(self) -> str:
        """Read the language, the clinic's own where none is told."""
        value = self.body.get("lang", self.clinic.default_language)
        if value not in self.clinic.languages:
            self.error("/lang", f"One of: {', '.join(self.clinic.languages)}.")
        return str(value)

    def checked(self) -> None:
        """Raise InvalidBodyError where anything was noted."""
        if self.errors:
            raise InvalidBodyError(self.errors)


def number_for_a_text(value: object) -> str:
    """Say so where a number, true or false stands in place of a text; nothing otherwise."""
    return "A number or a truth value, where a text is due: put it in quotes." if isinstance(value, int | float) else ""


def part_of_an_address(value: object) -> str | None:
    """Give a part of an address without the spaces around it; None for what is none."""
    if not isinstance(value, str) or len(value) > MAX_PART:
        return None
    text = value.strip()
    return text if text.isprintable() else None


def _is_line(value: object) -> bool:
    """Tell whether a value is a line of text, as staff would note it."""
    return isinstance(value, str) and len(value) <= MAX_EVIDENCE and bool(value.strip()) and value.isprintable()


def is_sha256(value: object) -> bool:
    """Tell whether a value is a SHA-256 in hexadecimal: 64 digits in lower case."""
    return isinstance(value, str) and len(value) == SHA256_DIGITS and bool(re.fullmatch(r"[0-9a-f]+", value))


def is_word(value: object) -> bool:
    """Tell whether a value is a text as short as a moment, a version or the name of a decision."""
    return isinstance(value, str) and len(value) <= MAX_WORD


def _day(value: object) -> date | None:
    """Read a date as JSON writes one (RFC 3339, full-date)."""
    found = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", str(value), re.ASCII) if is_word(value) else None
    return calendar_day(*found.groups()) if found else None


def cursor(behind: Mapping[str, int]) -> str:
    """Write where a list goes on, by what was given last; it names nobody but by opaque ids."""
    return base64.urlsafe_b64encode(json.dumps(behind).encode()).decode()


def escaped(name: str) -> str:
    """Write a member's name as a step of a JSON pointer (RFC 6901, 3)."""
    return name.replace("~", "~0").replace("/", "~1")
