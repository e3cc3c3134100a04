"""The forms on which staff record what somebody decided: fields in, a `StaffDecision` or faults out.

The questions are those of the notice in force on the day of the decision, or of the version that
the form bears. Where a page showed other ones, it is shown again with these: nobody answers a
question for somebody else that they never read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Channel
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.imported_times import Said, UnclearTimeError
from chalicelib.domain.instants import Instant
from chalicelib.domain.submission import NOTHING_KNOWN, FieldError, FormAnswers, KnownDetails
from chalicelib.domain.typed_times import read_typed_time
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import InvalidBodyError
from chalicelib.services.staff_decisions import StaffDecision, clinic_as_asked
from chalicelib.store.clinics import Published
from chalicelib.web.forms import read_consent, read_contacts
from chalicelib.web.typed_fields import MAX_TYPED, Fields, first

CHANNELS = (Channel.PAPER, Channel.IN_PERSON, Channel.PHONE, Channel.LETTER, Channel.EMAIL)
"""How somebody can tell the clinic's people what they decided, in the order of the page."""

WRITTEN = frozenset({Channel.LETTER, Channel.EMAIL})
MAX_EVIDENCE = 200
NOW = "now"
DAY = "day"

_NOT_OF_STAFF = frozenset({"phone_no_texts", "phone_no_texts_email", "contact_missing"})
"""What only keeps a patient from saving: nothing that staff record waits for a message."""

_KNOWN_TO_SERVICE = frozenset({"email_missing", "phone_missing"})
"""What the service tells of somebody whose record is open: it knows their contacts."""

_OF_POINTERS: Mapping[str, tuple[str, str]] = {
    "/notice_version": ("version", "version_unclear"),
    "/effective_at": ("day", "not_asked_then"),
    "/declared_adult": ("adult", "adult_missing"),
    "/guardian": ("child", "adults_only"),
    "/guardian/child_born": ("child_born", "child_born_impossible"),
    "/address": ("street", "street_missing"),
    "/subject/email": ("email", "email_missing"),
    "/subject/phone": ("phone", "phone_missing"),
}
"""The field and the problem that a place of an API body is on these pages (RFC 6901)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The notice that somebody answered: the questions to show, and whether it is known."""

    said: Said
    clinic: Clinic
    """The clinic as its notice of that day describes it."""
    known: bool = True
    named: str | None = None
    """The version that the form bears, where staff say so; None for the one in force on that day."""

    @property
    def shown(self) -> str:
        """What a page notes of the questions it shows."""
        return self.clinic.version if self.known else "unknown"


@dataclass(slots=True)
class Reader:
    """A form being read; faults are collected."""

    published: Published
    fields: Fields
    now: Instant
    errors: list[FieldError] = field(default_factory=list)

    def error(self, name: str, problem: str) -> None:
        """Note a fault of a field."""
        self.errors.append(FieldError(name, problem))

    def time(self) -> Said:
        """Read when it was decided: just now, or on a day. A day typed says so by itself."""
        typed = first(self.fields, "day")
        when = first(self.fields, "when")
        if when == NOW and not typed:
            return Said(self.now)
        if not typed:
            self.error("day" if when == DAY else "when", "time_missing")
            return Said(self.now)
        try:
            return read_typed_time(typed, self.published.clinic.country, self.now)
        except UnclearTimeError as unclear:
            self.error("day", str(unclear))
            return Said(self.now)

    def channel(self) -> Channel:
        """Read how it was told."""
        given = first(self.fields, "channel")
        if given in CHANNELS:
            return Channel(given)
        self.error("channel", "channel_missing")
        return Channel.IN_PERSON

    def lang(self, clinic: Clinic) -> str:
        """Read the language of the form, the clinic's own where none is given."""
        given = first(self.fields, "form_lang")
        return given if given in clinic.languages else clinic.default_language

    def evidence(self, channel: Channel, *, agreed: bool) -> Mapping[str, str] | None:
        """Read the form's number and the witness; who agrees in writing can be shown it again.

        As the API asks for it (GDPR Art. 7(1)).
        """
        given = {}
        for name in ("form", "witness"):
            text = first(self.fields, name)
            if len(text) > MAX_EVIDENCE or not text.isprintable():
                self.error(name, "line_too_long")
            elif text:
                given[name] = text
        needed = channel is Channel.PAPER or (agreed and channel in WRITTEN)
        if needed and not first(self.fields, "form"):
            self.error("form", "form_missing")
        return given or None

    def number(self) -> tuple[Contact, ...]:
        """Read the clinic's own number of the patient, where it is given."""
        typed = first(self.fields, "patient_ref")[:MAX_TYPED]
        if not typed:
            return ()
        try:
            return (normalise(ContactKind.REFERENCE, typed, self.published.clinic.country),)
        except InvalidContactError:
            self.error("patient_ref", "number_invalid")
            return ()


def asked_in_force(portal: Portal, published: Published, reader: Reader) -> Asked:
    """Give the questions to show for the day and the version that a form names.

    Where these are unclear, a fault is noted, and the questions of now are given.
    """
    said, named = reader.time(), first(reader.fields, "version") or None
    last = said.day.ends if said.day else said.at
    try:
        clinic, known = clinic_as_asked(portal, published, named, said.at, last)
    except InvalidBodyError:
        reader.error("version", "version_unclear")
        return Asked(said, published.clinic.open_at(reader.now))
    return Asked(said, clinic.open_at(said.at), known, named)


def read_decision(
    reader: Reader, asked: Asked, person: str | None = None, known: KnownDetails = NOTHING_KNOWN
) -> StaffDecision:
    """Read a decision about the questions `asked`; faults are noted in the reader.

    `person` is whose record is open; `known` says which of their name and address are known, and
    the service knows their contacts.
    """
    clinic, fields, said = asked.clinic, reader.fields, asked.said
    if first(fields, "shown") != asked.shown:
        reader.error("errors", "other_questions")
    channel = reader.channel()
    form = read_consent(clinic, fields, said.at, known)
    contacts = (*reader.number(), *form.contacts)
    let_pass = _NOT_OF_STAFF if person is None else _NOT_OF_STAFF | _KNOWN_TO_SERVICE
    reader.errors += [each for each in form.errors if each.problem not in let_pass]
    if person is None and not contacts and not _has_fault(reader, "email", "phone", "patient_ref"):
        reader.error("email", "nobody_named")
    agreed = Answer.YES in form.answers.values()
    return StaffDecision(
        contacts=form.guardian.contacts(contacts) if form.guardian else contacts,
        name=form.name,
        answers=form.answers,
        everything=False,
        channel=channel,
        effective_at=said.at,
        evidence=reader.evidence(channel, agreed=agreed),
        lang=reader.lang(clinic),
        notice_version=asked.named,
        guardian=form.guardian,
        declared_adult=_declared_adult(form),
        address=form.address,
        day=said.day,
        person=person,
    )


def _declared_adult(form: FormAnswers) -> bool | None:
    return True if form.declared_adult else None


def _has_fault(reader: Reader, *names: str) -> bool:
    return any(each.field in names for each in reader.errors)


def read_withdrawal(reader: Reader, all_questions: Clinic, person: str | None) -> StaffDecision:
    """Read a withdrawal of what is ticked, or of everything; faults are noted in the reader."""
    fields = reader.fields
    everything = first(fields, "all") == "yes"
    stopped = [name for name in fields.get("purpose", []) if name in all_questions.questions]
    if everything:
        stopped = list(all_questions.questions)
    if not stopped:
        reader.error("purpose", "nothing_ticked")
    said, channel = reader.time(), reader.channel()
    contacts: tuple[Contact, ...] = ()
    if person is None:
        contacts = _contacts_to_stop(reader, all_questions)
    return StaffDecision(
        contacts=contacts,
        name=None,
        answers=dict.fromkeys(stopped, Answer.WITHDRAW),
        everything=everything,
        channel=channel,
        effective_at=said.at,
        evidence=reader.evidence(channel, agreed=False),
        lang=reader.lang(reader.published.clinic),
        notice_version=None,
        day=said.day,
        person=person,
    )


def _contacts_to_stop(reader: Reader, clinic: Clinic) -> tuple[Contact, ...]:
    """Read the contacts of a withdrawal: an e-mail, a phone, the clinic's number, or several."""
    number = reader.number()
    contacts, errors = read_contacts(clinic, reader.fields)
    if number or _has_fault(reader, "patient_ref"):
        errors = tuple(each for each in errors if each.problem != "contact_missing")
    reader.errors += [
        replace(each, problem="nobody_named") if each.problem == "contact_missing" else each
        for each in errors
    ]
    return (*number, *contacts)


def faults_of(invalid: InvalidBodyError) -> list[FieldError]:
    """Give the faults that a service found, as fields of these pages; its own words stay there."""
    found = []
    for error in invalid.errors:
        name, problem = _OF_POINTERS.get(error["pointer"], ("errors", "not_recorded"))
        found.append(FieldError(name, problem))
    return found
