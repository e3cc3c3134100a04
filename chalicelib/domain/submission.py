"""A submitted form as a value: its answers and contacts, or which fields to correct."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.clinic import FIRST_NAME, Question
from chalicelib.domain.consent import Answer
from chalicelib.domain.contacts import Contact
from chalicelib.domain.guardians import Guardian
from chalicelib.domain.postal_address import PostalAddress


@dataclass(frozen=True, slots=True)
class FieldError:
    """One field that is to be corrected."""

    field: str
    problem: str
    """What is wrong, by a name for which the page has a sentence."""
    count: int = 0
    """A number in that sentence, such as the minutes to wait."""


@dataclass(frozen=True, slots=True)
class KnownDetails:
    """What a form need not ask for, because it is known already."""

    contacts: tuple[Contact, ...] = ()
    name: bool = False
    """Whether a name is known."""
    address: bool = False
    """Whether a postal address is known."""


NOTHING_KNOWN = KnownDetails()


@dataclass(frozen=True, slots=True)
class FormAnswers:
    """What a patient filled in. If it has `errors`, nothing of it may be stored."""

    answers: Mapping[str, Answer]
    contacts: tuple[Contact, ...]
    name: str | None
    errors: tuple[FieldError, ...]
    everything: bool = False
    """Whether everything is withdrawn."""
    declared_adult: bool = False
    """Whether the patient declared to be old enough to decide alone."""
    guardian: Guardian | None = None
    """Who decides for the patient, if that is a child; `name` is then the child's."""
    address: PostalAddress | None = None
    """The postal address, if a Yes needs one."""

    def identity(self) -> dict[str, Any]:
        """Give what makes two forms the same: it is hashed for the receipt's id, not stored."""
        identity: dict[str, Any] = {
            "answers": {question: answer.value for question, answer in self.answers.items()},
            "contacts": sorted(f"{contact.kind}:{contact.value}" for contact in self.contacts),
            "name": self.name,
            "everything": self.everything,
            "guardian": self.guardian and self.guardian.relation,
        }
        if self.address:
            identity["address"] = self.address.plain()
        return identity


def can_agree(question: Question, known: Collection[str]) -> bool:
    """Tell whether all is known that a Yes needs. Some contact always is."""
    return question.needs - {"contact", FIRST_NAME} <= set(known)
