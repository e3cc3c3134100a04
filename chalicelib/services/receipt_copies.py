"""A receipt in the format somebody asks for: what that format needs is read, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import NoticeInForce, QuestionId, State
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.receipts.errors import UnknownFormatError
from chalicelib.store import people
from chalicelib.store.personal_data import kept_disclosures

if TYPE_CHECKING:
    from chalicelib.receipts.formats.registry import Rendition


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt, itself signed (None while that waits), and the clinic as the receipt's own notice describes it."""

    receipt: Receipt
    signed: str | None
    clinic: Clinic

    def language(self, wanted: str | None) -> str:
        """Give the language wanted where the notice is written in it, else the one the patient read."""
        if wanted in self.clinic.languages:
            return wanted
        lang: str = self.receipt.document["notice"]["lang"]
        return lang


@dataclass(frozen=True, slots=True)
class FullAccess:
    """The right to everything about a receipt: the patient has it by their link, the clinic's programs by their key.

    `person` is whom the receipt is about; where None, they are read when a format needs it. Whoever only has the
    receipt's number has no such access and may have the formats on paper: they tell no state and no subject.
    """

    in_force: NoticeInForce
    person: Subject | None = None


def find_receipt(portal: Portal, clinic: str, number: str) -> StoredReceipt:
    """Give a receipt by its number; raise UnknownReceiptError."""
    receipt, signed = portal.receipts.issued(clinic, number)
    return StoredReceipt(receipt, signed, portal.clinics.decided_under(clinic, receipt.document["notice"]))


def write_copy(
    portal: Portal,
    stored: StoredReceipt,
    format_name: str | None,
    *,
    lang: str,
    base_url: str,
    now: Instant,
    access: FullAccess | None = None,
) -> "Rendition":
    """Write a receipt in one of the `FORMATS`.

    Raises UnknownFormatError (also for a format that needs full access), UnsignedError while the signature that the
    format holds is still to come, and FormatCannotExpressError where it has no way to say what the receipt says.
    """
    from chalicelib.receipts.formats import registry  # noqa: PLC0415 - a patient who answers needs no format
    from chalicelib.receipts.formats.issued import IssuedReceipt  # noqa: PLC0415 - as above

    chosen = registry.find_format(format_name)
    if access is None and not chosen.by_number:
        raise UnknownFormatError
    need = chosen.need
    issued = IssuedReceipt(
        receipt=stored.receipt,
        clinic=stored.clinic,
        lang=lang,
        now=_states(portal, stored.receipt, access, now) if access and need is registry.Need.STATES else {},
        jws=stored.signed,
        base_url=base_url,
        at=now,
        disclosures=_disclosures(portal, stored) if need is registry.Need.DISCLOSURES else (),
        shown_page=_shown_page(portal, stored) if need is registry.Need.SHOWN_PAGE else None,
    )
    return registry.write(issued, chosen)


def _states(portal: Portal, receipt: Receipt, access: FullAccess, now: Instant) -> Mapping[QuestionId, State]:
    """Tell how the decisions stand whose latest answer is this receipt's."""
    from chalicelib.domain.overview import current_states  # noqa: PLC0415 - only formats for programs need it

    subject = receipt.document["subject"]
    person = access.person or people.person(portal.table, receipt.document["clinic"], subject)
    return current_states(receipt, person, access.in_force, now)


def _disclosures(portal: Portal, stored: StoredReceipt) -> tuple[str, ...]:
    return kept_disclosures(portal.table, portal.clinics.key(stored.clinic.id), stored.receipt)


def _shown_page(portal: Portal, stored: StoredReceipt) -> str | None:
    """Give the page with the text that the decision is about, None where the text is not known."""
    sha256 = stored.receipt.document["notice"]["sha256"]
    if sha256 is None:
        return None
    return portal.clinics.kept_page(stored.clinic.id, sha256)
