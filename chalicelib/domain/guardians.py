"""Guardians: who may decide for a child, and until when that holds.

The patient is the child, another subject than the guardian whose e-mail or phone is the contact. No
receipt holds the child's name or day of birth. A Yes given for a child ends when it comes of age;
then it is asked itself (docs/decisions/0009).
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
"""What somebody who decides for a child can be: parent, guardian, other legal representative."""

ACTOR = "guardian"
"""How a receipt names who decided, where it was not the patient (`Decision.actor`)."""


@dataclass(frozen=True, slots=True)
class Guardian:
    """Somebody who decides for a child. Without a Yes the child need not be named."""

    relation: str
    """One of `RELATIONS`."""
    child: str | None = field(default=None, repr=False)
    """The child's name."""
    born: date | None = field(default=None, repr=False)
    """The child's day of birth."""

    @property
    def evidence(self) -> Mapping[str, str]:
        """What the receipt holds of the guardian: what they are to the child, and no more."""
        return {"guardian": self.relation}

    def contacts(self, given: Sequence[Contact]) -> tuple[Contact, ...]:
        """Give the contacts that find the child: its own under each one given, then those."""
        if self.child is None or self.born is None:
            return tuple(given)
        own = [child_contact(contact, self.child, self.born) for contact in given]
        return (*own, *given)

    def comes_of_age_at(self, clinic: Clinic, at: Instant) -> Instant:
        """Tell when the child comes of age; "" where its day of birth is not known."""
        if self.born is None:
            return ""
        return comes_of_age_at(self.born, clinic.country, at)


def refusal_reason(clinic: Clinic, born: date, at: Instant) -> str | None:
    """Name why nobody can decide for a child born on a day; None where a guardian can."""
    years = age(born, clinic.country, at)
    if years < 0:
        return "child_born_later"
    if not is_believable(born, clinic.country, at):
        return "child_born_impossible"
    if years >= clinic.decides_alone_from(at):
        return "child_decides_alone"
    return None


def is_of_consent_age(clinic: Clinic, comes_of_age: Instant, at: Instant) -> bool:
    """Tell whether a known child decides alone by now: no guardian can agree for it.

    `comes_of_age` is what is stored of a child (`Subject.of_age`): "" for anybody else.
    """
    if not comes_of_age:
        return False
    return has_reached(comes_of_age, clinic.decides_alone_from(at), clinic.country, at)


def becomes_independent(clinic: Clinic, comes_of_age: Instant, decision: Decision) -> bool:
    """Tell whether a decision makes a known child a person who decides alone.

    So it is when staff record the child's own answer and it is old enough. A withdrawal does not:
    it can come from anybody who has the contact.
    """
    by_child = decision.assurance is Assurance.STAFF_WITNESSED and decision.actor != ACTOR
    if not by_child or Answer.WITHDRAW in decision.answers.values():
        return False
    return is_of_consent_age(clinic, comes_of_age, decision.effective_at)


def last_relation(receipts: Sequence[Receipt]) -> Mapping[str, str]:
    """Give what the last receipt that names a guardian holds of them; empty where none does."""
    for receipt in reversed(receipts):
        evidence = receipt.document["evidence"] or {}
        if "guardian" in evidence:
            return {"guardian": evidence["guardian"]}
    return {}
