"""One paper form of a batch as it is entered: fields in, a decision of staff or faults out.

It is read as the form for a single decision is (`decision_form`). Staff type an e-mail and a phone
twice, for nobody reads a slip of the pen back to them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.batches import Batch
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Channel
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.imported_times import Said
from chalicelib.domain.submission import FieldError
from chalicelib.services.batches import day_of
from chalicelib.services.staff_decisions import StaffDecision
from chalicelib.web.staff.decision_form import Asked, Reader, read_decision
from chalicelib.web.typed_fields import MAX_TYPED, Fields, first

AGAIN = "_again"
"""What the name of a field ends with that is typed a second time."""

TWICE = (ContactKind.EMAIL, ContactKind.PHONE)
"""What is typed twice."""

_KNOWN_PERHAPS = frozenset({"email_missing", "phone_missing"})
"""What a person may have given before: the service knows, and says so where they have not."""


@dataclass(frozen=True, slots=True)
class EnteredForm:
    """What was typed of one form: a decision, its number, and what is to be mended."""

    decision: StaffDecision
    number: str
    errors: tuple[FieldError, ...]


def read_form(reader: Reader, clinic: Clinic, batch: Batch, *, known: bool) -> EnteredForm:
    """Read one form of a batch, by the clinic as its forms show it.

    `known` tells whether it is known what they said.
    """
    at, day = day_of(clinic, batch.day)
    asked = Asked(Said(at, day), clinic, known, batch.notice_version)
    reader.fields = {**reader.fields, **_in_common(asked, batch)}
    decision = read_decision(reader, asked)
    errors = [error for error in reader.errors if error.problem not in _KNOWN_PERHAPS]
    errors += _typed_differently(clinic, reader.fields)
    return EnteredForm(decision, first(reader.fields, "form"), tuple(errors))


def _in_common(asked: Asked, batch: Batch) -> Mapping[str, list[str]]:
    """Give the fields that the page of one decision has, and all forms of a batch share."""
    return {"shown": [asked.shown], "channel": [Channel.PAPER.value], "form_lang": [batch.lang]}


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
