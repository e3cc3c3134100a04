"""Guardians: who decides for a child, when that is right, and until when it holds.

The child is the patient, another person than the guardian whose e-mail or phone is the contact. No name and no day of
birth stands in a receipt; a Yes ends when the child comes of age, and then the child is asked (docs/decisions/0009).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from chalicelib.domain.ages import age, comes_of_age_at, has_reached, is_believable
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance
from chalicelib.domain.contacts import Contact, child_contact
from chalicelib.domain.decisions import Decision
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt

RELATIONS = ("parent", "guardian", "representative")
"""What somebody who decides for a child is to it: a parent, its guardian, another legal representative."""

ACTOR = "guardian"


@dataclass(frozen=True, slots=True)
class Guardian:
    """Somebody who decides for a child. Name and day of birth may be missing where nothing is agreed to."""

    relation: str
    child: str | None = field(default=None, repr=False)
    born: date | None = field(default=None, repr=False)

    @property
    def evidence(self) -> Mapping[str, str]:
        """Give what the receipt says of the guardian: what they are to the child, and no more."""
        return {"guardian": self.relation}

    def contacts(self, given: Sequence[Contact]) -> tuple[Contact, ...]:
        """Give the contacts that find the child, its own lookups first: under each contact, its name and birth."""
        if self.child is None or self.born is None:
            return tuple(given)
        return (*(child_contact(contact, self.child, self.born) for contact in given), *given)

    def comes_of_age_at(self, clinic: Clinic, at: Instant) -> Instant:
        """Tell when the child comes of age: every Yes given for it ends by then."""
        return comes_of_age_at(self.born, clinic.country, at) if self.born else ""


def refusal_reason(clinic: Clinic, born: date, at: Instant) -> str | None:
    """Name what speaks against somebody deciding for a child born on a day; None for nothing."""
    if age(born, clinic.country, at) < 0:
        return "child_born_later"
    if not is_believable(born, clinic.country, at):
        return "child_born_impossible"
    if age(born, clinic.country, at) >= clinic.decides_alone_from(at):
        return "child_decides_alone"
    return None


def is_of_consent_age(clinic: Clinic, comes_of_age: Instant, at: Instant) -> bool:
    """Tell whether a known child has reached the age from which it decides alone: nobody starts anything for it then.

    `comes_of_age` is what is kept of a child (`Subject.of_age`), "" for whoever is none.
    """
    return bool(comes_of_age) and has_reached(comes_of_age, clinic.decides_alone_from(at), clinic.country, at)


def becomes_independent(clinic: Clinic, comes_of_age: Instant, decision: Decision) -> bool:
    """Tell whether a known child stops being one: staff record its own answer, and it is old enough to decide alone.

    A withdrawal may be anybody's who has the contact.
    """
    own = decision.assurance is Assurance.STAFF_WITNESSED and decision.actor != ACTOR
    return (
        own
        and Answer.WITHDRAW not in decision.answers.values()
        and is_of_consent_age(clinic, comes_of_age, decision.effective_at)
    )


def last_relation(receipts: Sequence[Receipt]) -> Mapping[str, str]:
    """Give what a child's chain says last of its guardian: what they are to it, for who decides without being asked."""
    told = [receipt.document["evidence"] or {} for receipt in receipts]
    return next(({"guardian": each["guardian"]} for each in reversed(told) if "guardian" in each), {})
