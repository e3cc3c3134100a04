"""What a patient typed on a form, read: answers and contacts, or what is to be mended."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.clinic import Question
from chalicelib.domain.consent import Answer
from chalicelib.domain.contacts import Contact
from chalicelib.domain.guardians import Guardian
from chalicelib.domain.postal_address import PostalAddress


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing to mend: the field it belongs to and what is wrong, by a name the page has words for."""

    field: str
    problem: str
    count: int = 0
    """A number the words need: how many minutes to wait."""


@dataclass(frozen=True, slots=True)
class KnownDetails:
    """What a form need not ask for, because the clinic knows it: contacts, and whether a name and a postal address."""

    contacts: tuple[Contact, ...] = ()
    name: bool = False
    address: bool = False


NOTHING_KNOWN = KnownDetails()


@dataclass(frozen=True, slots=True)
class FormAnswers:
    """What a patient said on a form. With faults nothing of it may be stored."""

    answers: Mapping[str, Answer]
    contacts: tuple[Contact, ...]
    name: str | None
    errors: tuple[FieldError, ...]
    everything: bool = False
    declared_adult: bool = False
    guardian: Guardian | None = None
    """Who decides for the patient, where the patient is a child; `name` is the child's."""
    address: PostalAddress | None = None
    """Where a letter reaches them, if a Yes needs that."""

    def identity(self) -> dict[str, Any]:
        """Give what makes this submission the same as another: for the receipt's id, hashed at once."""
        return {
            "answers": {address: answer.value for address, answer in self.answers.items()},
            "contacts": sorted(f"{contact.kind}:{contact.value}" for contact in self.contacts),
            "name": self.name,
            "everything": self.everything,
            "guardian": self.guardian and self.guardian.relation,
            **({"address": self.address.plain()} if self.address else {}),
        }


def can_agree(question: Question, known: Collection[str]) -> bool:
    """Tell whether all that a Yes needs to know is known; how to reach them, in some way, it always is."""
    return question.needs - {"contact"} <= set(known)
