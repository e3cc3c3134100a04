"""Forms as patients send them: fields in, answers, contacts and faults out. Nothing typed is ever lost to a fault."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chalicelib.domain.ages import calendar_day
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.guardians import RELATIONS, Guardian, refusal_reason
from chalicelib.domain.instants import Instant
from chalicelib.domain.one_line import one_line
from chalicelib.domain.phones import can_be_written_to, exists, takes_texts
from chalicelib.domain.postal_address import MAX_PART, PARTS, PostalAddress, missing_parts
from chalicelib.domain.submission import NOTHING_KNOWN, FieldError, FormAnswers, KnownDetails, can_agree

MAX_NAME = 120
CHILD_FIELDS = ("relation", "child_name", "child_born_day", "child_born_month", "child_born_year")
MAX_TYPED = 320
"""RFC 3696: the longest e-mail address."""

Fields = Mapping[str, list[str]]
"""Form fields by name, each with the values sent, in order."""


@dataclass(slots=True)
class _Typed:
    """The contact fields of a form, read with one rule for every form."""

    clinic: Clinic
    fields: Fields
    contacts: list[Contact] = field(default_factory=list)
    faults: list[FieldError] = field(default_factory=list)

    def read(self) -> None:
        for kind in (ContactKind.EMAIL, ContactKind.PHONE):
            typed = first(self.fields, kind.value)[:MAX_TYPED]
            if typed and not self.has(kind):
                try:
                    self.contacts.append(normalise(kind, typed, self.clinic.country))
                except InvalidContactError:
                    self.faults.append(FieldError(kind.value, f"{kind.value}_invalid"))

    def has(self, kind: str) -> bool:
        return any(contact.kind.value == kind for contact in self.contacts) or any(f.field == kind for f in self.faults)


def first(fields: Fields, name: str) -> str:
    """Give the first value of a field, trimmed; empty if it was not sent."""
    return (fields.get(name) or [""])[0].strip()


def typed_again(fields: Fields | None) -> dict[str, Any]:
    """Give what was typed and ticked on a form, to fill it in again."""
    typed: dict[str, Any] = {}
    for name in fields or {}:
        if name != "state":
            typed[name] = first(fields or {}, name)[:MAX_TYPED]
    typed["purposes"] = tuple((fields or {}).get("purpose", ()))
    return typed


def _name(fields: Fields, field: str) -> str:
    """Read a name: one line, no control characters."""
    return one_line(first(fields, field)[:MAX_NAME])


def read_consent(
    clinic: Clinic,
    fields: Fields,
    at: Instant,
    known: KnownDetails = NOTHING_KNOWN,
) -> FormAnswers:
    """Read the consent form of a clinic that asks these questions at `at`; what is known need not be typed.

    A decision left open is no decision; at least one must be taken. One that is no longer asked (a contest that ended
    while the page was open) is said to be so, not dropped.
    """
    answers, faults = _answers(clinic, fields)
    typed = _Typed(clinic, fields, [*known.contacts])
    typed.read()
    agreed = Answer.YES in answers.values()
    guardian, about_child = _guardian(clinic, fields, at, named=agreed or bool(typed.contacts))
    name = guardian.child if guardian else _name(fields, "name") or None
    faults += [
        *about_child,
        *typed.faults,
        *_missing(clinic, answers, typed, named=bool(name or guardian or known.name)),
    ]
    faults += _phone_faults(clinic, answers, typed.contacts, known.contacts)
    address, missing = _address(clinic, answers, fields, known=known.address)
    faults += missing
    declares = guardian is None and _declares(clinic, answers, fields, faults)
    # As on the page; questions come before.
    order = ("child", "relation", "child_name", "child_born", "name", *PARTS, *clinic.contact_order, "adult")
    faults.sort(key=lambda fault: order.index(fault.field) if fault.field in order else -1)
    return FormAnswers(
        answers,
        tuple(typed.contacts),
        name,
        tuple(faults),
        declared_adult=declares,
        guardian=guardian,
        address=address,
    )


def read_changes(clinic: Clinic, fields: Fields, known: Collection[str]) -> FormAnswers:
    """Read the changes on a patient's own page: as `read_consent`, of somebody known by these (email, phone, name)."""
    answers, faults = _answers(clinic, fields)
    for address, answer in answers.items():
        if answer is Answer.YES and not can_agree(clinic.questions[address], known):
            faults.append(FieldError(f"decision.{address}", "contact_unknown"))
    declares = _declares(clinic, answers, fields, faults)
    return FormAnswers(answers, (), None, tuple(faults), declared_adult=declares)


def read_stops(ever: Clinic, fields: Fields) -> FormAnswers:
    """Read the withdrawals on a patient's own page: `purpose` (repeatable) or `all=yes`, ticked, and never by a button.

    A program that opens every link of a mail and sends every form ticks nothing, and so stops nothing.
    """
    everything = first(fields, "all") == "yes"
    named = [name for name in fields.get("purpose", []) if name in ever.questions]
    faults = () if named or everything else (FieldError("purpose", "nothing_ticked"),)
    answers = dict.fromkeys(ever.questions if everything else named, Answer.WITHDRAW)
    return FormAnswers(answers, (), None, faults, everything)


def read_contacts(clinic: Clinic, fields: Fields) -> tuple[tuple[Contact, ...], tuple[FieldError, ...]]:
    """Read an e-mail address, a phone number or both, and what is to be mended."""
    typed = _Typed(clinic, fields)
    typed.read()
    if not typed.contacts and not typed.faults:
        typed.faults.append(FieldError(clinic.contact_order[0], "contact_missing"))
    return tuple(typed.contacts), tuple(typed.faults)


def read_written_to(clinic: Clinic, fields: Fields) -> tuple[tuple[Contact, ...], tuple[FieldError, ...]]:
    """Read the contacts a message is asked to: as `read_contacts`, and one of them must be such that it can come."""
    contacts, faults = read_contacts(clinic, fields)
    if faults or any(can_be_written_to(each, clinic.text_message_countries) for each in contacts):
        return contacts, faults
    return contacts, (FieldError("phone", "phone_no_texts_email"),)


def _answers(clinic: Clinic, fields: Fields) -> tuple[dict[str, Answer], list[FieldError]]:
    answers: dict[str, Answer] = {}
    faults: list[FieldError] = []
    if any(name.startswith("decision.") and name.removeprefix("decision.") not in clinic.questions for name in fields):
        faults.append(FieldError("errors", "question_closed"))
    for address in clinic.questions:
        given = set(fields.get(f"decision.{address}", [])) - {""}
        if given in ({"yes"}, {"no"}):
            answers[address] = Answer(given.pop())
        elif given:
            faults.append(FieldError(f"decision.{address}", "answer_unclear"))
    if not answers and not faults:
        faults.append(FieldError(f"decision.{next(iter(clinic.questions), '')}", "nothing_decided"))
    return answers, faults


def _declares(clinic: Clinic, answers: Mapping[str, Answer], fields: Fields, faults: list[FieldError]) -> bool:
    declares = clinic.age_minimum is not None and Answer.YES in answers.values()
    if declares and first(fields, "adult") != "yes":
        faults.append(FieldError("adult", "adult_missing"))
    return declares


def _guardian(clinic: Clinic, fields: Fields, at: Instant, *, named: bool) -> tuple[Guardian | None, list[FieldError]]:
    """Read who decides for a child, if anybody does; `named` where the answers need to know for which child.

    The box decides. Fields filled in without it are asked about: an answer must not go to the wrong person.
    """
    if first(fields, "child") != "yes":
        begun = clinic.guardian and any(first(fields, name) for name in CHILD_FIELDS)
        return None, [FieldError("child", "child_unclear")] if begun else []
    if not clinic.guardian:
        return None, [FieldError("errors", "adults_only")]
    faults = []
    relation, child = first(fields, "relation"), _name(fields, "child_name")
    if relation not in RELATIONS:
        faults.append(FieldError("relation", "relation_missing"))
    if named and not child:
        faults.append(FieldError("child_name", "child_name_missing"))
    year, month, day = (first(fields, f"child_born_{part}") for part in ("year", "month", "day"))
    born = calendar_day(year, month, day)
    if born is not None and (problem := refusal_reason(clinic, born, at)):
        faults.append(FieldError("child_born", problem))
    elif born is None and (year or month or day):
        faults.append(
            FieldError("child_born", "child_born_impossible" if year and month and day else "child_born_missing")
        )
    elif born is None and named:
        faults.append(FieldError("child_born", "child_born_missing"))
    return Guardian(relation, child or None, born), faults


def _missing(clinic: Clinic, answers: Mapping[str, Answer], typed: _Typed, *, named: bool) -> list[FieldError]:
    agreed = [address for address, answer in answers.items() if answer is Answer.YES]
    needed = {need for address in agreed for need in clinic.questions[address].needs}
    missing = [
        FieldError(kind, f"{kind}_missing") for kind in ("email", "phone") if kind in needed and not typed.has(kind)
    ]
    if agreed and not missing and not typed.has("email") and not typed.has("phone"):
        missing.append(FieldError(clinic.contact_order[0], "contact_missing"))
    if "name" in needed and not named:
        missing.append(FieldError("name", "name_missing"))
    return missing


def _phone_faults(
    clinic: Clinic, answers: Mapping[str, Answer], contacts: Sequence[Contact], known: Collection[Contact]
) -> list[FieldError]:
    """Tell what is wrong with a phone number that was typed: it does not exist, or cannot be asked to confirm a Yes.

    A number that takes no text message is taken as a contact wherever nothing has to be confirmed by it.
    """
    phone = next((each for each in contacts if each.kind is ContactKind.PHONE and each not in known), None)
    if phone is None:
        return []
    if not exists(phone.value):
        return [FieldError("phone", "phone_invalid")]
    kinds = [each.kind for each in contacts]
    asked = [
        address
        for address, answer in answers.items()
        if answer is Answer.YES
        and address in clinic.needs_confirmation
        and clinic.confirming_kind(address, kinds) == ContactKind.PHONE
    ]
    if not asked or takes_texts(phone.value, clinic.text_message_countries):
        return []
    by_phone = any("phone" in clinic.questions[address].needs for address in asked)
    return [FieldError("phone", "phone_no_texts" if by_phone else "phone_no_texts_email")]


def _address(
    clinic: Clinic, answers: Mapping[str, Answer], fields: Fields, *, known: bool
) -> tuple[PostalAddress | None, list[FieldError]]:
    """Read the postal address where a Yes needs it; none is taken that nothing needs (GDPR Art. 5(1)(c))."""
    agreed = [address for address, answer in answers.items() if answer is Answer.YES]
    if not any("address" in clinic.questions[address].needs for address in agreed):
        return None, []
    parts = {part: one_line(first(fields, part)[:MAX_PART]) for part in PARTS}
    if known and not any(parts.values()):
        return None, []
    missing = [FieldError(part, f"{part}_missing") for part in missing_parts(parts, clinic.country)]
    return (None, missing) if missing else (PostalAddress(**parts), [])


def read_withdrawal(clinic: Clinic, fields: Fields, *, known: bool = False) -> FormAnswers:
    """Read the withdrawal form: a contact, unless it is known whose it is, and `purpose` (repeatable) or `all=yes`."""
    faults: list[FieldError] = []
    named = [name for name in fields.get("purpose", []) if name]
    # Enter in a field presses the page's first button, "enter": it stops what is ticked, or everything.
    everything = first(fields, "all") == "yes" or (first(fields, "enter") == "yes" and not named)
    addresses = [address for name in named for address in clinic.resolve_names(name)]
    if everything:
        addresses = list(clinic.questions)
    elif any(not clinic.resolve_names(name) for name in named):
        faults.append(FieldError("purpose", "purpose_unknown"))
    elif not addresses:
        faults.append(FieldError("purpose", "nothing_chosen"))
    contacts, missing = ((), ()) if known else read_contacts(clinic, fields)
    answers = dict.fromkeys(addresses, Answer.WITHDRAW)
    return FormAnswers(answers, contacts, None, (*faults, *missing), everything)
