"""The purposes in a clinic's document, and what the clinic does without consent.

What rests on consent is asked under `purposes`. What rests on another basis of GDPR Art. 6(1) is
described under `without_consent` and never asked: to ask for a consent that is not needed misleads
(EDPB 05/2020, 122).
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.clinic import (
    EXPLICIT_CONSENT,
    FIRST_NAME,
    Option,
    Processing,
    Purpose,
    Question,
    waits_by_default,
)
from chalicelib.domain.instants import is_ending
from chalicelib.notices.fields import FieldReader, describe

LEGAL_BASES = ("consent", EXPLICIT_CONSENT)
OTHER_BASES = (
    "contract",
    "legal_obligation",
    "vital_interests",
    "public_task",
    "legitimate_interests",
)
"""On what a clinic may use data without consent: GDPR Art. 6(1)(b) to (f), in that order."""

FULL_NAME = "full_name"
NEEDS = ("email", "phone", "name", FIRST_NAME, FULL_NAME, "contact", "address")

NEWSLETTER = "newsletter"
"""The purpose whose Yes from the web is always confirmed from the contact itself."""

PURPOSE_KEYS = (
    "id title text legal_basis data retention recipients options needs ends confirm controllers"
)
OPTION_KEYS = "id title text needs ends confirm controllers"
PROCESSING_KEYS = "id title text legal_basis data retention recipients law interest health_care"

_ID = re.compile(r"[a-z][a-z0-9_]{0,39}")


def read_purposes(reader: FieldReader, value: object) -> tuple[Purpose, ...]:
    """Read what the clinic asks for."""
    items = reader.items("purposes", value)
    return tuple(_purpose(reader, *item) for item in items)


def questions_of(purposes: Sequence[Purpose]) -> Mapping[str, Question]:
    """Return what is decided by itself, by id: each option, and each purpose without options."""
    questions = {}
    for purpose in purposes:
        for option in purpose.options or (None,):
            question_id = f"{purpose.id}.{option.id}" if option else purpose.id
            decided = option or purpose
            questions[question_id] = Question(
                question_id,
                purpose,
                option,
                decided.needs,
                decided.ends,
                confirm=decided.confirm,
                unconfirmed_because=decided.unconfirmed_because,
            )
    return questions


def read_without_consent(
    reader: FieldReader, value: Mapping[str, Any], purposes: Sequence[Purpose]
) -> tuple[Processing, ...]:
    """Read what the clinic does without consent; none where the document has no such part."""
    place = "without_consent"
    if place not in value:
        return ()
    entries = tuple(_processing(reader, *item) for item in reader.items(place, value[place]))
    ids = [entry.id for entry in entries]
    reader.check_distinct(place, ids)
    asked = {purpose.id for purpose in purposes}
    for each in sorted(asked.intersection(ids) - {""}):
        remedy = "Ask for it, or do it without: not both"
        reader.fault(place, f"has {each!r}, which is asked too", remedy)
    return entries


def _purpose(reader: FieldReader, place: str, value: Mapping[str, Any]) -> Purpose:
    reader.known_keys(place, value, PURPOSE_KEYS)
    options = _options(reader, place, value) if "options" in value else ()
    confirm, unconfirmed_because = _confirmation(reader, place, value, purpose=value)
    return Purpose(
        id=_id(reader, place, value),
        title=reader.text(f"{place}.title", value.get("title")),
        text=reader.text(f"{place}.text", value.get("text")),
        legal_basis=_basis_of_consent(reader, f"{place}.legal_basis", value.get("legal_basis")),
        data=reader.text(f"{place}.data", value.get("data")),
        retention=reader.text(f"{place}.retention", value.get("retention")),
        recipients=reader.optional_text(f"{place}.recipients", value.get("recipients")),
        options=options,
        needs=_needs(reader, f"{place}.needs", value.get("needs", [])),
        ends=_ends(reader, f"{place}.ends", value.get("ends")),
        controllers=_controllers(reader, f"{place}.controllers", value),
        confirm=confirm,
        unconfirmed_because=unconfirmed_because,
    )


def _options(reader: FieldReader, place: str, purpose: Mapping[str, Any]) -> tuple[Option, ...]:
    """Read a purpose's options; what belongs on each of them may not stand on the purpose."""
    items = reader.items(f"{place}.options", purpose["options"])
    options = tuple(_option(reader, *item, purpose=purpose) for item in items)
    reader.check_distinct(f"{place}.options", [option.id for option in options])
    for key in ("needs", "ends", "confirm"):
        if key in purpose:
            remedy = "Write it on each option instead"
            reader.fault(f"{place}.{key}", "stands on a purpose with options", remedy)
    return options


def _option(
    reader: FieldReader, place: str, value: Mapping[str, Any], *, purpose: Mapping[str, Any]
) -> Option:
    reader.known_keys(place, value, OPTION_KEYS)
    confirm, unconfirmed_because = _confirmation(reader, place, value, purpose=purpose)
    return Option(
        id=_id(reader, place, value),
        title=reader.text(f"{place}.title", value.get("title")),
        text=reader.optional_text(f"{place}.text", value.get("text")),
        needs=_needs(reader, f"{place}.needs", value.get("needs", [])),
        ends=_ends(reader, f"{place}.ends", value.get("ends")),
        controllers=_controllers(reader, f"{place}.controllers", value),
        confirm=confirm,
        unconfirmed_because=unconfirmed_because,
    )


def _confirmation(
    reader: FieldReader, place: str, value: Mapping[str, Any], *, purpose: Mapping[str, Any]
) -> tuple[bool, str]:
    """Read whether a Yes counts only once confirmed by message, and the reason where it does not.

    A newsletter is always confirmed. What rests on explicit consent, and all data sharing, is
    confirmed unless the clinic gives a reason: anybody can type anybody's contact, and the
    controller must show that the person consented (GDPR Art. 7(1)).
    """
    place = f"{place}.confirm"
    always = purpose.get("id") == NEWSLETTER
    by_default = always or waits_by_default(purpose.get("id"), purpose.get("legal_basis"))
    confirm, reason = value.get("confirm", by_default), ""
    if isinstance(confirm, Mapping):
        reader.known_keys(place, confirm, "required reason")
        reason = reader.line(f"{place}.reason", confirm.get("reason"), required=False)
        confirm = confirm.get("required")
    if confirm is True:
        return True, ""
    if confirm is not False:
        reader.fault(place, f"is {confirm!r}", "Write true, or `{required: false, reason: …}`")
    elif always:
        reader.fault(place, "is false", "A newsletter is always confirmed first; leave it out")
    elif by_default and not reason:
        example = "`{required: false, reason: …}`"
        remedy = f"Leave it out, or write {example} for whoever approves the notice"
        reader.fault(place, "is false without a reason", remedy)
    return False, reason


def _basis_of_consent(reader: FieldReader, place: str, value: object) -> str:
    if value in OTHER_BASES:
        remedy = "It needs no consent, so do not ask: write it under `without_consent` instead"
        reader.fault(place, f"is {value!r}", remedy)
        return LEGAL_BASES[0]
    return reader.choice(place, value, LEGAL_BASES)


def _processing(reader: FieldReader, place: str, value: Mapping[str, Any]) -> Processing:
    reader.known_keys(place, value, PROCESSING_KEYS)
    basis = value.get("legal_basis")
    if basis in LEGAL_BASES:
        remedy = "What rests on consent is asked: write it under `purposes`"
        reader.fault(f"{place}.legal_basis", f"is {basis!r}", remedy)
        basis = OTHER_BASES[0]
    health_care = value.get("health_care", False)
    if not isinstance(health_care, bool):
        remedy = "Write true where health data is used for care"
        reader.fault(f"{place}.health_care", describe(health_care), remedy)
    interest = reader.optional_text(f"{place}.interest", value.get("interest"))
    if basis == "legitimate_interests" and interest is None:
        reader.text_expected(f"{place}.interest", None)
    return Processing(
        id=_id(reader, place, value),
        title=reader.text(f"{place}.title", value.get("title")),
        text=reader.text(f"{place}.text", value.get("text")),
        legal_basis=reader.choice(f"{place}.legal_basis", basis, OTHER_BASES),
        data=reader.text(f"{place}.data", value.get("data")),
        retention=reader.text(f"{place}.retention", value.get("retention")),
        recipients=reader.optional_text(f"{place}.recipients", value.get("recipients")),
        law=reader.optional_text(f"{place}.law", value.get("law")),
        interest=interest,
        health_care=health_care is True,
    )


def _id(reader: FieldReader, place: str, value: Mapping[str, Any]) -> str:
    remedy = "Use lower-case letters, digits and underscores"
    return reader.matching(f"{place}.id", value.get("id"), _ID, remedy)


def _needs(reader: FieldReader, place: str, value: object) -> frozenset[str]:
    """Read what a Yes needs to know of the patient. An address comes with the name.

    A first name is a name too; `name` alone means the full name.
    """
    if not isinstance(value, list):
        reader.list_expected(place, value, ", ".join(NEEDS))
        return frozenset()
    if any(each not in NEEDS for each in value):
        reader.fault(place, describe(value), f"Write a list of: {', '.join(NEEDS)}")
        return frozenset()
    named = {"address", FIRST_NAME, FULL_NAME}.isdisjoint(value)
    needs = frozenset(value if named else [*value, "name"]) - {FULL_NAME}
    return needs - {FIRST_NAME} if {"address", FULL_NAME}.intersection(value) else needs


def _ends(reader: FieldReader, place: str, value: object) -> str | None:
    if value is None:
        return None
    if is_ending(str(value)):
        return str(value)
    remedy = "Write a last day (2027-03-31) or a period (P1Y, P6M, P30D)"
    reader.fault(place, f"is {value!r}", remedy)
    return None


def _controllers(reader: FieldReader, place: str, value: Mapping[str, Any]) -> tuple[str, ...]:
    """Read which of the clinic's controllers a decision concerns, by id; none for all of them."""
    if "controllers" not in value:
        return ()
    ids = value["controllers"]
    if not isinstance(ids, list) or not ids:
        reader.list_expected(place, ids, "ids of `controllers`; or leave it out for all")
        return ()
    known = [reader.choice(place, each, reader.controllers or ("",)) for each in ids]
    reader.check_distinct(place, known)
    return tuple(known)
