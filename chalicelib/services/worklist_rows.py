"""One list of the day's work as it is counted and shown: its number, its rows, its pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, masked
from chalicelib.domain.errors import NotFoundError, RejectedError
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.store.personal_data import reveal_contacts

PAGE = 50
"""How many rows a page of a list has at most."""

MOST_COUNTED = 100
"""Up to how many a list is counted; of a longer one it is said that there are more."""


class UnknownRowError(NotFoundError):
    """The list has no such row: it was done meanwhile, or is another clinic's."""


class NothingToDoError(RejectedError):
    """The row is done already: the person answered, or somebody else was quicker."""


@dataclass(frozen=True, slots=True)
class ListCount:
    """How much there is to do on a list.

    `number` is None where nobody counted yet; `more` says that there are at least so many. `first`
    is the moment of the row that comes first: since when it waits, or when it ends. `counted_at` is
    given where the number is not of this moment.
    """

    number: int | None
    more: bool = False
    first: Instant | None = None
    counted_at: Instant | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be done."""
        return self.number == 0 and not self.more


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a list: what is to be done, about whom, since when.

    `id` is what the buttons name. `subject` is the person's opaque id, where the row is about one.
    `who` are contacts that only their owner recognizes, and the clinic's own number. `receipt` is
    the id of the receipt it follows from. `kind` and `reason` are words of the list's own, such as
    the kind of a contact and why nothing reaches it; `detail` is what more there is to see.
    """

    id: str
    at: Instant | None = None
    subject: str = ""
    who: tuple[str, ...] = ()
    receipt: str = ""
    questions: tuple[QuestionId, ...] = ()
    until: Instant | None = None
    kind: str = ""
    reason: str = ""
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowsPage:
    """A page of a list; `more` is where it goes on. It may be empty though more follows.

    `looked_at` is among how many people or things the rows were found, where those are fewer than
    what was read.
    """

    rows: Sequence[Row]
    more: str | None = None
    looked_at: int | None = None


def who_they_are(
    portal: Portal, clinic: str, people: Sequence[Subject]
) -> Mapping[str, tuple[str, ...]]:
    """Give by subject id how a row names people: their own contacts masked, their number whole.

    A hundred contacts in a round trip.
    """
    key = portal.clinics.key(clinic)
    try:
        contacts = reveal_contacts(portal.table, key, people)
    except ValueError:  # one of them was erased in this very moment
        return {}
    return {subject: tuple(map(named, own)) for subject, own in contacts.items()}


def named(contact: Contact) -> str:
    """Write a contact for a row of a list: the clinic's own number is what it knows people by."""
    return masked(contact) if contact.kind in REACHABLE_KINDS else contact.value
