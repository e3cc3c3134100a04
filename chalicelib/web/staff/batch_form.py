"""One paper form as it is entered: fields in, a decision of staff or faults out.

What a form may say is read as from the patients' own form (`web.forms`). Staff type an e-mail and a
phone twice, for nobody reads a slip of the pen back to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.batches import MAX_NUMBER, Batch
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Channel
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.one_line import one_line
from chalicelib.domain.postal_address import PARTS
from chalicelib.domain.submission import FieldError, FormAnswers, KnownDetails
from chalicelib.services.batches import day_of
from chalicelib.services.staff_decisions import StaffDecision
from chalicelib.web.forms import read_consent
from chalicelib.web.typed_fields import MAX_TYPED, Fields, first

MAX_WITNESS = 120
AGAIN = "_again"
"""What the name of a field ends with that is typed a second time."""

TWICE = (ContactKind.EMAIL, ContactKind.PHONE)
"""What is typed twice."""

_ASKED_OF_THE_TABLE = frozenset({"email_missing", "phone_missing"})
"""What a person may have given before: the service knows, and says so where they have not."""

_FOR_THE_PATIENT = frozenset({"phone_no_texts", "phone_no_texts_email"})
"""What would keep a patient from confirming: a Yes on paper waits for nothing."""


@dataclass(frozen=True, slots=True)
class EnteredFields:
    """What was typed of one form: a decision, its number, and what is to be mended."""

    decision: StaffDecision
    number: str
    errors: tuple[FieldError, ...]


def read_form(clinic: Clinic, batch: Batch, fields: Fields) -> EnteredFields:
    """Read one form of a batch, by the clinic as its forms show it."""
    at, day = day_of(clinic, batch.day)
    given, errors = _patient_number(clinic, fields)
    known = KnownDetails(given)
    answers = read_consent(clinic, fields, at, known)
    errors += _relevant(answers, fields)
    errors += _typed_differently(clinic, fields)
    number = one_line(first(fields, "number"))
    witness = one_line(first(fields, "witness"))
    if not answers.contacts and not any(error.field in TWICE for error in errors):
        errors.append(FieldError(clinic.contact_order[0], "contact_missing"))
    if not number or len(number) > MAX_NUMBER:
        errors.append(FieldError("number", "number_long" if number else "number_missing"))
    if len(witness) > MAX_WITNESS:
        errors.append(FieldError("witness", "witness_long"))
    evidence = {"form": number, "witness": witness} if witness else {"form": number}
    guardian = answers.guardian
    decision = StaffDecision(
        contacts=guardian.contacts(answers.contacts) if guardian else answers.contacts,
        name=answers.name,
        answers=answers.answers,
        everything=False,
        channel=Channel.PAPER,
        effective_at=at,
        evidence=evidence,
        lang=batch.lang,
        notice_version=batch.notice_version,
        guardian=guardian,
        declared_adult=answers.declared_adult or None,
        address=answers.address,
        day=day,
    )
    return EnteredFields(decision, number, tuple(dict.fromkeys(errors)))


def with_scan(decision: StaffDecision, sha256: str) -> StaffDecision:
    """Give a decision with the hash of its form's scan among what proves it."""
    return replace(decision, evidence={**(decision.evidence or {}), "sha256": sha256})


def _patient_number(clinic: Clinic, fields: Fields) -> tuple[tuple[Contact, ...], list[FieldError]]:
    typed = first(fields, "patient_ref")[:MAX_TYPED]
    if not typed:
        return (), []
    try:
        return (normalise(ContactKind.REFERENCE, typed, clinic.country),), []
    except InvalidContactError:
        return (), [FieldError("patient_ref", "patient_ref_invalid")]


def _relevant(answers: FormAnswers, fields: Fields) -> list[FieldError]:
    """Give what is wrong with the form that staff can mend here."""
    ignored = _ASKED_OF_THE_TABLE | _FOR_THE_PATIENT | {"contact_missing"}
    if not any(first(fields, part) for part in PARTS):
        ignored |= {f"{part}_missing" for part in PARTS}  # the service asks for what is not known
    return [error for error in answers.errors if error.problem not in ignored]


def _typed_differently(clinic: Clinic, fields: Fields) -> Sequence[FieldError]:
    """Compare what was typed twice: two spellings of one address or number are the same."""
    errors = []
    for kind in TWICE:
        once, again = (first(fields, kind + end)[:MAX_TYPED] for end in ("", AGAIN))
        if _normal(clinic, kind, once) != _normal(clinic, kind, again):
            errors.append(FieldError(kind + AGAIN, f"{kind}_differs"))
    return errors


def _normal(clinic: Clinic, kind: ContactKind, typed: str) -> Contact | str:
    try:
        return normalise(kind, typed, clinic.country) if typed else ""
    except InvalidContactError:
        return typed
