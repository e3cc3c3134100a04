"""What differs between two versions of a clinic's document, and which of it is more than words.

A MINOR version keeps every consent, so it may change how something is said and nothing else: a consent is to what
is done with the data, by whom and on which basis (EDPB 05/2020, 110). `TOPICS` lists what counts as more than words.
Pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.clinic import SHARING, Clinic, Option, Processing, Purpose, Text
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
"""The parts that count as more than words, ``*`` for any id; an id alone means that one was added or removed.

What is done without consent (`without_consent`) is none of them: no consent rests on it.
The titles under `data_sharing` name the recipients: that of an option, or the purpose's own where it has none.
"""


@dataclass(frozen=True, slots=True)
class Difference:
    """One part that differs: its place in the document, what it tells (None for words alone), before and after.

    A text differs in a language, `lang`. What was added or removed as a whole is None on the other side.
    """

    place: str
    topic: str | None
    before: Any
    after: Any
    lang: str | None = None

    def __str__(self) -> str:
        """Write it as one line."""
        place = f"{self.place} ({self.lang})" if self.lang else self.place
        return f"{place}: {_written(self.before)} → {_written(self.after)}"


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a document: its name in `TOPICS`'s spelling, its place, its value."""

    name: str
    place: str
    value: Any


def differences(before: Clinic, after: Clinic, at: Instant) -> tuple[Difference, ...]:
    """List every part in which two versions differ, the full legal notice aside.

    A question whose last day is over at `at` counts for neither: nobody's consent to it is left.
    """
    earlier, later = ({part.place: part for part in _parts(each.open_at(at))} for each in (before, after))
    found: list[Difference] = []
    for place in dict.fromkeys((*later, *earlier)):
        then, now = earlier.get(place), later.get(place)
        if then and now:
            found += _compared(then, now)
        elif (one := now or then) and one.name.endswith("*") and not _within(place, found):
            found.append(Difference(place, TOPICS.get(one.name), then and then.value, now and now.value))
    return tuple(found)


def _within(place: str, found: list[Difference]) -> bool:
    """Tell whether a place belongs to a purpose that was added or removed as a whole."""
    return any(place.startswith(f"{each.place}.") for each in found)


def beyond_words(before: Clinic, after: Clinic, at: Instant) -> tuple[Difference, ...]:
    """List what differs and is more than words."""
    return tuple(each for each in differences(before, after, at) if each.topic)


def _compared(before: _Part, after: _Part) -> Iterator[Difference]:
    topic, earlier, later = TOPICS.get(after.name), before.value, after.value
    shared = [lang for lang in later if lang in earlier] if _is_text(earlier) and _is_text(later) else []
    if not shared:
        if earlier != later:
            yield Difference(after.place, topic, earlier, later)
        return
    for lang in shared:
        if earlier[lang].split() != later[lang].split():  # where a line is broken says nothing
            yield Difference(after.place, topic, earlier[lang], later[lang], lang)


def _is_text(value: Any) -> bool:
    return isinstance(value, dict)


def _parts(clinic: Clinic) -> Iterator[_Part]:
    yield _one("name", _text(clinic.name))
    yield _one("country", clinic.country)
    yield _one("authority", clinic.authority)
    yield _one("languages", list(clinic.languages))
    for each in clinic.controllers:
        place = f"controllers.{each.id}"
        yield _Part("controllers.*", place, each.id)
        for key in ("name", "registration", "lead", "address", "email", "phone"):
            yield _Part(f"controllers.*.{key}", f"{place}.{key}", getattr(each, key))
    yield _one("dpo", ", ".join(clinic.dpo.values()))
    yield _one("age.minimum", clinic.age_minimum)
    yield _one("age.guardian", clinic.guardian)
    yield _one("confirm_within", clinic.confirm_within)
    yield _one("proof_kept", clinic.proof_kept)
    yield _one("sms_countries", ", ".join(clinic.sms_countries))
    for key, text in clinic.texts.items():
        yield _one(f"texts.{key}", _text(text))
    for purpose in clinic.purposes:
        yield from _of_purpose(purpose)
    for processing in clinic.without_consent:
        place = f"without_consent.{processing.id}"
        yield _Part("without_consent.*", place, processing.id)
        for key in ("title", "text", "data", "retention", "recipients", "law", "interest"):
            yield _Part(f"without_consent.*.{key}", f"{place}.{key}", _text(getattr(processing, key)))
        yield _Part("without_consent.*.legal_basis", f"{place}.legal_basis", processing.legal_basis)
    for told in clinic.without_consent:
        yield from _of_processing(told)


def _one(place: str, value: Any) -> _Part:
    return _Part(place, place, value)


def _of_purpose(purpose: Purpose) -> Iterator[_Part]:
    place = f"purposes.{purpose.id}"
    sharing = purpose.id == SHARING
    yield _Part("purposes.*", place, purpose.id)
    named = "purposes.data_sharing.title" if sharing and not purpose.options else "purposes.*.title"
    yield _Part(named, f"{place}.title", _text(purpose.title))
    for key in ("text", "data", "retention", "recipients"):
        yield _Part(f"purposes.*.{key}", f"{place}.{key}", _text(getattr(purpose, key)))
    yield _Part("purposes.*.legal_basis", f"{place}.legal_basis", purpose.legal_basis)
    yield from _of_decided(purpose, "purposes.*", place)
    for option in purpose.options:
        below = f"{place}.options.{option.id}"
        name = "purposes.*.options.*"
        yield _Part(name, below, option.id)
        titled = "purposes.data_sharing.options.*.title" if sharing else f"{name}.title"
        yield _Part(titled, f"{below}.title", _text(option.title))
        yield _Part(f"{name}.text", f"{below}.text", _text(option.text))
        yield from _of_decided(option, name, below)


def _of_processing(told: Processing) -> Iterator[_Part]:
    """Give what is done without consent. No consent is to it, so none of it is on the list of what counts."""
    place, name = f"without_consent.{told.id}", "without_consent.*"
    yield _Part(name, place, told.id)
    for key in ("title", "text", "data", "retention", "recipients", "law", "interest"):
        yield _Part(f"{name}.{key}", f"{place}.{key}", _text(getattr(told, key)))
    for key in ("legal_basis", "health_care"):
        yield _Part(f"{name}.{key}", f"{place}.{key}", getattr(told, key))


def _of_decided(decided: Purpose | Option, name: str, place: str) -> Iterator[_Part]:
    """Give what a purpose says of its decision, or each of its options."""
    yield _Part(f"{name}.needs", f"{place}.needs", sorted(decided.needs))
    yield _Part(f"{name}.ends", f"{place}.ends", decided.ends)
    yield _Part(f"{name}.confirm", f"{place}.confirm", decided.confirm)
    yield _Part(f"{name}.unconfirmed_because", f"{place}.unconfirmed_because", decided.unconfirmed_because)
    yield _Part(f"{name}.controllers", f"{place}.controllers", sorted(decided.controllers))


def _text(text: Text | None) -> dict[str, str] | None:
    return None if text is None else dict(text)


def _written(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return " / ".join(f"{lang}: “{text}”" for lang, text in value.items())
    if isinstance(value, list):
        return ", ".join(value) or "nothing"
    return f"“{value}”" if isinstance(value, str) else str(value).lower()
