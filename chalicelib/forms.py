"""Forms as patients send them: fields in, answers, contacts and faults out. Nothing typed is ever lost to a fault."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer

from chalicelib.consent import Answer, Channel
from chalicelib.contact import Contact, InvalidContactError, Kind, normalise
from chalicelib.notice import Clinic

OPEN_SECONDS = 2 * 60 * 60
"""How long an open page may be sent (CLINICS: sessions end after two hours)."""

MAX_NAME = 120
MAX_TYPED = 320
"""RFC 3696: the longest e-mail address."""

Fields = Mapping[str, list[str]]
"""Form fields by name, each with the values sent, in order."""


@dataclass(frozen=True, slots=True)
class FormState:
    """What an open page carries, signed: which text was shown (and its hash), where the patient came from, a nonce."""

    nonce: str
    version: str
    lang: str
    sha256: str
    source: str | None
    channel: Channel

    def sealed(self, secret: bytes) -> str:
        """Write the state into a form field."""
        return _serializer(secret).dumps(
            [self.nonce, self.version, self.lang, self.sha256, self.source, self.channel.value]
        )

    @classmethod
    def opened(cls, secret: bytes, sealed: str) -> "FormState | None":
        """Read a form field back; None for one that is forged, of another clinic or too old."""
        try:
            nonce, version, lang, sha256, source, channel = _serializer(secret).loads(sealed, max_age=OPEN_SECONDS)
        except BadData:
            return None
        return cls(nonce, version, lang, sha256, source, Channel(channel))


def new_nonce() -> str:
    """Give a number used once, 128 bits."""
    return secrets.token_urlsafe(16)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to mend: the field it belongs to and what is wrong, by a name the page has words for."""

    field: str
    problem: str


@dataclass(frozen=True, slots=True)
class Submission:
    """What a patient said on a form. With faults nothing of it may be stored."""

    answers: Mapping[str, Answer]
    contacts: tuple[Contact, ...]
    name: str | None
    faults: tuple[Fault, ...]
    everything: bool = False
    declared_adult: bool = False

    def said(self) -> dict[str, Any]:
        """Give what makes this submission the same as another: for the receipt's id, hashed at once."""
        return {
            "answers": {address: answer.value for address, answer in self.answers.items()},
            "contacts": sorted(f"{contact.kind}:{contact.value}" for contact in self.contacts),
            "name": self.name,
            "everything": self.everything,
        }


@dataclass(slots=True)
class _Typed:
    """The contact fields of a form, read with one rule for every form."""

    clinic: Clinic
    fields: Fields
    contacts: list[Contact] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def read(self) -> None:
        for kind in (Kind.EMAIL, Kind.PHONE):
            typed = first(self.fields, kind.value)[:MAX_TYPED]
            if typed and not self.has(kind):
                try:
                    self.contacts.append(normalise(kind, typed, self.clinic.country))
                except InvalidContactError:
                    self.faults.append(Fault(kind.value, f"{kind.value}_invalid"))

    def has(self, kind: str) -> bool:
        return any(contact.kind.value == kind for contact in self.contacts) or any(f.field == kind for f in self.faults)


def first(fields: Fields, name: str) -> str:
    """Give the first value of a field, trimmed; empty if it was not sent."""
    return (fields.get(name) or [""])[0].strip()


def read_consent(clinic: Clinic, fields: Fields, holder: Contact | None = None) -> Submission:
    """Read the consent form of a clinic that asks these questions now, from the holder of a link if there is one.

    A decision left open is no decision; at least one must be taken. One that is no longer asked (a contest that ended
    while the page was open) is said to be so, not dropped.
    """
    answers: dict[str, Answer] = {}
    faults: list[Fault] = []
    if any(name.startswith("decision.") and name.removeprefix("decision.") not in clinic.questions for name in fields):
        faults.append(Fault("errors", "question_closed"))
    for address in clinic.questions:
        given = set(fields.get(f"decision.{address}", [])) - {""}
        if given in ({"yes"}, {"no"}):
            answers[address] = Answer(given.pop())
        elif given:
            faults.append(Fault(f"decision.{address}", "answer_unclear"))
    if not answers and not faults:
        faults.append(Fault(f"decision.{next(iter(clinic.questions), '')}", "nothing_decided"))
    typed = _Typed(clinic, fields, [holder] if holder else [])
    typed.read()
    name = first(fields, "name")[:MAX_NAME] or None
    faults += typed.faults
    faults += _missing(clinic, answers, typed, name)
    declares = clinic.age_minimum is not None and Answer.YES in answers.values()
    if declares and first(fields, "adult") != "yes":
        faults.append(Fault("adult", "adult_missing"))
    order = ("name", *clinic.contact_order, "adult")  # as on the page; questions come before
    faults.sort(key=lambda fault: order.index(fault.field) if fault.field in order else -1)
    return Submission(answers, tuple(typed.contacts), name, tuple(faults), declared_adult=declares)


def _missing(clinic: Clinic, answers: Mapping[str, Answer], typed: _Typed, name: str | None) -> list[Fault]:
    agreed = [address for address, answer in answers.items() if answer is Answer.YES]
    needed = {need for address in agreed for need in clinic.questions[address].needs}
    missing = [Fault(kind, f"{kind}_missing") for kind in ("email", "phone") if kind in needed and not typed.has(kind)]
    if agreed and not missing and not typed.has("email") and not typed.has("phone"):
        missing.append(Fault(clinic.contact_order[0], "contact_missing"))
    if "name" in needed and not name:
        missing.append(Fault("name", "name_missing"))
    return missing


def read_withdrawal(clinic: Clinic, fields: Fields) -> Submission:
    """Read the withdrawal form: a contact, and `purpose` (repeatable) or `all=yes`."""
    faults: list[Fault] = []
    named = [name for name in fields.get("purpose", []) if name]
    # Enter in a field presses the page's first button, "enter": it stops what is ticked, or everything.
    everything = first(fields, "all") == "yes" or (first(fields, "enter") == "yes" and not named)
    addresses = [address for name in named for address in clinic.addressed(name)]
    if everything:
        addresses = list(clinic.questions)
    elif any(not clinic.addressed(name) for name in named):
        faults.append(Fault("purpose", "purpose_unknown"))
    elif not addresses:
        faults.append(Fault("purpose", "nothing_chosen"))
    typed = _Typed(clinic, fields)
    typed.read()
    if not typed.contacts and not typed.faults:
        faults.append(Fault(clinic.contact_order[0], "contact_missing"))
    answers = dict.fromkeys(addresses, Answer.WITHDRAW)
    return Submission(answers, tuple(typed.contacts), None, (*faults, *typed.faults), everything)


def _serializer(secret: bytes) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt="consent-form")
