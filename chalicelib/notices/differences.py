"""What differs between two versions of a clinic's document, and what of it is more than words.

A MINOR version keeps every consent, so it may change the wording and nothing else: a consent is to
what is done with the data, by whom and on which basis (EDPB 05/2020, 110). `TOPICS` lists the parts
that count as more than words.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.clinic import SHARING, Clinic, Controller, Option, Processing, Purpose, Text
from chalicelib.domain.instants import Instant


class Topic(StrEnum):
    """What a part of the document tells of the processing (GDPR Art. 13)."""

    CONTROLLER = "controller"
    BASIS = "legal basis"
    PURPOSE = "purpose"
    DATA = "data"
    RECIPIENT = "recipient"
    TRANSFER = "transfer to another country"
    RETENTION = "retention"
    AGE = "age"
    CONFIRMATION = "confirmation"
    AUTOMATED = "automated decisions"


TOPICS: Mapping[str, Topic] = {
    "country": Topic.BASIS,
    "controllers.*": Topic.CONTROLLER,
    "controllers.*.name": Topic.CONTROLLER,
    "controllers.*.registration": Topic.CONTROLLER,
    "controllers.*.lead": Topic.CONTROLLER,
    "proof_kept": Topic.RETENTION,
    "age.minimum": Topic.AGE,
    "age.guardian": Topic.AGE,
    "texts.recipients": Topic.RECIPIENT,
    "texts.transfers": Topic.TRANSFER,
    "texts.retention": Topic.RETENTION,
    "texts.automated": Topic.AUTOMATED,
    "purposes.*": Topic.PURPOSE,
    "purposes.*.legal_basis": Topic.BASIS,
    "purposes.*.data": Topic.DATA,
    "purposes.*.retention": Topic.RETENTION,
    "purposes.*.recipients": Topic.RECIPIENT,
    "purposes.*.needs": Topic.DATA,
    "purposes.*.ends": Topic.RETENTION,
    "purposes.*.confirm": Topic.CONFIRMATION,
    "purposes.*.controllers": Topic.CONTROLLER,
    "purposes.*.options.*": Topic.PURPOSE,
    "purposes.*.options.*.needs": Topic.DATA,
    "purposes.*.options.*.ends": Topic.RETENTION,
    "purposes.*.options.*.confirm": Topic.CONFIRMATION,
    "purposes.*.options.*.controllers": Topic.CONTROLLER,
    "purposes.data_sharing.title": Topic.RECIPIENT,
    "purposes.data_sharing.options.*.title": Topic.RECIPIENT,
}
"""The parts that count as more than words; ``*`` stands for any id.

A name that ends in ``*`` means that a part was added or removed. What is done without consent
(`without_consent`) is not here, because no consent rests on it. The titles under `data_sharing`
name the recipients: that of an option, or the purpose's own where it has none.
"""

_TEXTS_OF_PURPOSE = ("text", "data", "retention", "recipients")
_TEXTS_OF_PROCESSING = ("title", "text", "data", "retention", "recipients", "law", "interest")
_OF_CONTROLLER = ("name", "registration", "lead", "address", "email", "phone")


@dataclass(frozen=True, slots=True)
class Difference:
    """One part that differs, with its value before and after.

    What was added as a whole was None before; what was removed as a whole is None after.
    """

    place: str
    """Where in the document it is."""
    topic: str | None
    """What it tells of the processing; None where only words differ."""
    before: Any
    after: Any
    lang: str | None = None
    """The language in which a text differs."""

    def __str__(self) -> str:
        """Write it as one line."""
        place = f"{self.place} ({self.lang})" if self.lang else self.place
        return f"{place}: {_written(self.before)} → {_written(self.after)}"


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a document."""

    name: str
    """As `TOPICS` spells it, with ``*`` for ids."""
    place: str
    value: Any


def differences(before: Clinic, after: Clinic, at: Instant) -> tuple[Difference, ...]:
    """List every part in which two versions differ, the full legal notice aside.

    A question whose last day is over at `at` counts for neither: nobody's consent to it is left.
    """
    earlier = {part.place: part for part in _parts(before.open_at(at))}
    later = {part.place: part for part in _parts(after.open_at(at))}
    found: list[Difference] = []
    for place in dict.fromkeys([*later, *earlier]):
        old, new = earlier.get(place), later.get(place)
        if old and new:
            found += _compare(old, new)
        elif (part := new or old) and _is_whole(part) and not _is_within(place, found):
            old_value = old.value if old else None
            new_value = new.value if new else None
            found.append(Difference(place, TOPICS.get(part.name), old_value, new_value))
    return tuple(found)


def beyond_words(before: Clinic, after: Clinic, at: Instant) -> tuple[Difference, ...]:
    """List what differs and is more than words."""
    return tuple(each for each in differences(before, after, at) if each.topic)


def _is_whole(part: _Part) -> bool:
    """Tell whether a part is a whole purpose, option, controller or entry, by its id."""
    return part.name.endswith("*")


def _is_within(place: str, found: list[Difference]) -> bool:
    """Tell whether a place belongs to a part that was added or removed as a whole."""
    return any(place.startswith(f"{difference.place}.") for difference in found)


def _compare(before: _Part, after: _Part) -> Iterator[Difference]:
    """Compare a part before and after: a text language by language, in those that both have."""
    topic = TOPICS.get(after.name)
    old, new = before.value, after.value
    both_texts = isinstance(old, dict) and isinstance(new, dict)
    shared = [lang for lang in new if lang in old] if both_texts else []
    for lang in shared:
        # A line that is broken elsewhere is the same text.
        if old[lang].split() != new[lang].split():
            yield Difference(after.place, topic, old[lang], new[lang], lang)
    if not shared and old != new:
        yield Difference(after.place, topic, old, new)


def _parts(clinic: Clinic) -> Iterator[_Part]:
    yield _single("name", _text(clinic.name))
    yield _single("country", clinic.country)
    yield _single("authority", clinic.authority)
    yield _single("languages", list(clinic.languages))
    for controller in clinic.controllers:
        yield from _parts_of_controller(controller)
    yield _single("dpo", ", ".join(clinic.dpo.values()))
    yield _single("age.minimum", clinic.age_minimum)
    yield _single("age.guardian", clinic.guardian)
    yield _single("confirm_within", clinic.confirm_within)
    yield _single("list_valid_hours", clinic.list_valid_hours)
    yield _single("proof_kept", clinic.proof_kept)
    yield _single("sms_countries", ", ".join(clinic.sms_countries))
    yield _single("imported_yes", clinic.imported_yes)
    yield _single("look_up_reasons", clinic.look_up_reasons)
    yield _single("brand.colour", clinic.brand.colour)
    yield _single("brand.logo", clinic.brand.logo and clinic.brand.logo.address)
    for name, text in clinic.texts.items():
        yield _single(f"texts.{name}", _text(text))
    for purpose in clinic.purposes:
        yield from _parts_of_purpose(purpose)
    for processing in clinic.without_consent:
        yield from _parts_of_processing(processing)


def _single(place: str, value: Any) -> _Part:
    """Return a part that there is one of: its name is its place."""
    return _Part(place, place, value)


def _parts_of_controller(controller: Controller) -> Iterator[_Part]:
    name, place = "controllers.*", f"controllers.{controller.id}"
    yield _Part(name, place, controller.id)
    for key in _OF_CONTROLLER:
        yield _Part(f"{name}.{key}", f"{place}.{key}", getattr(controller, key))


def _parts_of_purpose(purpose: Purpose) -> Iterator[_Part]:
    name, place = "purposes.*", f"purposes.{purpose.id}"
    names_recipient = purpose.id == SHARING and not purpose.options
    title_name = "purposes.data_sharing.title" if names_recipient else f"{name}.title"
    yield _Part(name, place, purpose.id)
    yield _Part(title_name, f"{place}.title", _text(purpose.title))
    for key in _TEXTS_OF_PURPOSE:
        yield _Part(f"{name}.{key}", f"{place}.{key}", _text(getattr(purpose, key)))
    yield _Part(f"{name}.legal_basis", f"{place}.legal_basis", purpose.legal_basis)
    yield from _parts_of_decision(purpose, name, place)
    for option in purpose.options:
        yield from _parts_of_option(purpose, option)


def _parts_of_option(purpose: Purpose, option: Option) -> Iterator[_Part]:
    name, place = "purposes.*.options.*", f"purposes.{purpose.id}.options.{option.id}"
    title_name = f"{name}.title"
    if purpose.id == SHARING:
        title_name = "purposes.data_sharing.options.*.title"
    yield _Part(name, place, option.id)
    yield _Part(title_name, f"{place}.title", _text(option.title))
    yield _Part(f"{name}.text", f"{place}.text", _text(option.text))
    yield from _parts_of_decision(option, name, place)


def _parts_of_decision(decided: Purpose | Option, name: str, place: str) -> Iterator[_Part]:
    """Yield what a purpose without options, or an option, tells of its decision."""
    values = {
        "needs": sorted(decided.needs),
        "ends": decided.ends,
        "confirm": decided.confirm,
        "unconfirmed_because": decided.unconfirmed_because,
        "controllers": sorted(decided.controllers),
    }
    for key, value in values.items():
        yield _Part(f"{name}.{key}", f"{place}.{key}", value)


def _parts_of_processing(processing: Processing) -> Iterator[_Part]:
    name, place = "without_consent.*", f"without_consent.{processing.id}"
    yield _Part(name, place, processing.id)
    for key in _TEXTS_OF_PROCESSING:
        yield _Part(f"{name}.{key}", f"{place}.{key}", _text(getattr(processing, key)))
    for key in ("legal_basis", "health_care"):
        yield _Part(f"{name}.{key}", f"{place}.{key}", getattr(processing, key))


def _text(text: Text | None) -> dict[str, str] | None:
    return None if text is None else dict(text)


def _written(value: Any) -> str:
    """Write a value for a person."""
    match value:
        case None | []:
            return "nothing"
        case dict():
            return " / ".join(f"{lang}: “{text}”" for lang, text in value.items())
        case list():
            return ", ".join(value)
        case str():
            return f"“{value}”"
        case _:
            return str(value).lower()
