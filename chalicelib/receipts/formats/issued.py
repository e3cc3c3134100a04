"""What every format of a receipt is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import QuestionId, State
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt


@dataclass(frozen=True, slots=True)
class IssuedReceipt:
    """A receipt, and what is known beside it at the moment `at` of writing it in `lang`.

    `states`, `disclosures` and `shown_page` are given to the formats that need them
    (`formats.registry.Need`).
    """

    receipt: Receipt
    clinic: Clinic
    """The clinic as the receipt's own notice version describes it."""

    lang: str
    states: Mapping[QuestionId, State]
    """How the decisions stand now; those that a later receipt has replaced are absent."""

    jws: str | None
    """The signed receipt (RFC 7515, compact), None while it waits to be signed."""

    base_url: str
    """The portal's address, without a slash at the end."""

    at: Instant
    disclosures: Sequence[str] = ()
    """What staff wrote about the decisions (`receipts.sd_jwt`); none after an erasure."""

    shown_page: str | None = None
    """The kept page whose SHA-256 the receipt names, None where the text is not known."""
