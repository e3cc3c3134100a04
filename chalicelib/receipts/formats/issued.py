"""What every format of a receipt is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import QuestionId, State
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt


@dataclass(frozen=True, slots=True)
class IssuedReceipt:
    """A receipt, and what is known beside it at the moment `at` of writing it.

    `clinic` is the clinic as the receipt's own notice version describes it. `now` tells how those decisions stand whose
    last word is still this receipt's; an address is absent where a later receipt has replaced it. `jws` is the signed
    receipt (RFC 7515, compact), None while it waits to be signed. `base_url` is the portal's address without a slash
    at the end. `disclosures` are what the receipt vouches for and does not tell (RFC 9901), none after an erasure.
    `shown_page` is the kept page whose SHA-256 the receipt names, None where the text is not known. The last three of
    what is known are given to the formats that need them (`formats.registry`).
    """

    receipt: Receipt
    clinic: Clinic
    lang: str
    now: Mapping[QuestionId, State]
    jws: str | None
    base_url: str
    at: Instant
    disclosures: Sequence[str] = ()
    shown_page: str | None = None
