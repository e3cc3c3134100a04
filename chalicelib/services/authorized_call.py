"""A call of a clinic's program or staff whose bearer key was checked, as services are given it."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import Contact
from chalicelib.domain.decisions import receipt_id
from chalicelib.domain.errors import InvalidInputError, RejectedError
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.store import audit
from chalicelib.store.lookup import Lookup
from chalicelib.store.writes import Put


class HasContacts(Protocol):
    """What the body of every call has: the contacts of those it is about, or none."""

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Give the contacts to look up."""


class UsedForAnotherBodyError(RejectedError):
    """The Idempotency-Key was used before for another body. What was recorded then stays."""


class InvalidBodyError(InvalidInputError):
    """The body of a call has faults: each with the JSON pointer of its place (RFC 6901).

    `errors` are such as ``{"pointer": "/subjects/0", "detail": …}``. A detail never repeats what
    was sent.
    """

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__(len(errors))
        self.errors = errors

    @classmethod
    def at(cls, pointer: str, detail: str) -> Self:
        """Give the error of a single fault."""
        return cls([{"pointer": pointer, "detail": detail}])


Body = TypeVar("Body", bound=HasContacts)


@dataclass(frozen=True, slots=True)
class EmptyBody:
    """The body of a call that has none."""

    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorizedCall(Generic[Body]):
    """An authorized call: by which key, with which body, and what one lookup found."""

    key: BearerKey
    body: Body
    lookup: Lookup
    now: Instant
    shared: Clinic
    """The clinic with every question it ever asked, as far as the key's controller shares them."""

    base_url: str
    """The absolute address of the portal, as the program reached it."""

    idempotency_key: str | None = None

    @property
    def clinic(self) -> str:
        """The clinic's id."""
        return self.key.clinic

    def receipt_id(self, secret: bytes) -> str:
        """Give the id of the receipt that the call leads to: the same for the same Idempotency-Key.

        `secret` is the clinic's (`ClinicKey.receipt_secret`).
        """
        nonce = self.idempotency_key or secrets.token_urlsafe(16)
        return receipt_id(secret, nonce, {"key": self.key.id})

    def may_see(self, receipt: Receipt) -> bool:
        """Tell whether the key's controller shares every decision of a receipt.

        A receipt is signed as a whole, so none is given in part.
        """
        if self.key.member is None:
            return True
        decided: set[str] = set(receipt.document["decisions"])
        return decided <= self.shared.questions.keys()

    def audit(
        self,
        what: str,
        subjects: Sequence[Subject | str] = (),
        receipt: str | None = None,
        *,
        notice: str | None = None,
        links: int | None = None,
        about: str | None = None,
        listed: Mapping[str, object] | None = None,
    ) -> Put:
        """Give the audit line of this call: opaque ids, a receipt, a notice; never a contact.

        `subjects` are people or their opaque ids; `about` as in `audit.line`.
        """
        ids = [each if isinstance(each, str) else each.id for each in subjects]
        return audit.line(
            self.key.clinic,
            self.key.id,
            what,
            self.now,
            ids,
            receipt=receipt,
            notice=notice,
            links=links,
            about=about,
            listed=listed,
        )
