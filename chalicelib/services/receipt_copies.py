"""A receipt in the format somebody asks for: what that format needs is read, and nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import NoticeInForce, QuestionId, State
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt, read_reference
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.receipts.errors import UnknownFormatError
from chalicelib.services.authorized_call import AuthorizedCall, Body
from chalicelib.store import people
from chalicelib.store.personal_data import kept_disclosures
from chalicelib.store.receipts import UnknownReceiptError

if TYPE_CHECKING:
    from chalicelib.receipts.formats.registry import Rendition


@dataclass(frozen=True, slots=True)
class StoredReceipt:
    """A receipt as it is stored, with its notice."""

    receipt: Receipt
    signed: str | None
    """The signed receipt (JWS, compact), None while it waits to be signed."""

    clinic: Clinic
    """The clinic as the receipt's own notice version describes it."""

    def language(self, wanted: str | None) -> str:
        """Give the language wanted where the notice has it, else the one the patient read."""
        if wanted in self.clinic.languages:
            return wanted
        lang: str = self.receipt.document["notice"]["lang"]
        return lang


@dataclass(frozen=True, slots=True)
class FullAccess:
    """The right to everything about a receipt: a patient's by link, a clinic's programs' by key.

    `person` is whom the receipt is about; where None, they are read when a format needs it. Whoever
    only has the receipt's number has no such access and may have the formats on paper: they tell no
    state and no subject.
    """

    in_force: NoticeInForce
    person: Subject | None = None


def find_receipt(
    portal: Portal, clinic: str, number: str, *, of: Subject | None = None
) -> StoredReceipt:
    """Give a receipt by its number; raise UnknownReceiptError.

    Also for a receipt of anybody else, where it must be one `of` a person. Those of records that
    were merged into a person's are theirs.
    """
    receipt, signed = portal.receipts.issued(clinic, number)
    if of is not None and receipt.document["subject"] not in {of.id, *of.merged}:
        raise UnknownReceiptError(number)
    return _with_notice(portal, receipt, signed)


def find_receipts(portal: Portal, clinic: str, number: str) -> list[StoredReceipt]:
    """Give the receipt with a number, or all with a reference, the oldest first.

    Two round trips. Raises UnknownReceiptError where there is none.
    """
    beginning = read_reference(number)
    if beginning is None:
        return [find_receipt(portal, clinic, number)]
    issued = portal.receipts.issued_with_reference(clinic, beginning)
    return [_with_notice(portal, *each) for each in issued]


def _with_notice(portal: Portal, receipt: Receipt, signed: str | None) -> StoredReceipt:
    document = receipt.document
    notice = portal.clinics.decided_under(document["clinic"], document["notice"])
    return StoredReceipt(receipt, signed, notice)


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

    Raises UnknownFormatError (also for a format that needs full access), UnsignedError while the
    signature that the format holds is still to come, FormatCannotExpressError where it has no way
    to say what the receipt says, and PressUnavailableError where nothing can be printed right now.
    """
    from chalicelib.receipts.formats import registry  # noqa: PLC0415 - no form needs it
    from chalicelib.receipts.formats.issued import IssuedReceipt  # noqa: PLC0415 - as above

    chosen = registry.find_format(format_name)
    if access is None and not chosen.by_number:
        raise UnknownFormatError
    states: Mapping[QuestionId, State] = {}
    disclosures: tuple[str, ...] = ()
    shown_page = None
    if access and chosen.need is registry.Need.STATES:
        states = _states(portal, stored.receipt, access, now)
    elif chosen.need is registry.Need.DISCLOSURES:
        key = portal.clinics.key(stored.clinic.id)
        disclosures = kept_disclosures(portal.table, key, stored.receipt)
    elif chosen.need is registry.Need.SHOWN_PAGE:
        shown_page = _shown_page(portal, stored)
    issued = IssuedReceipt(
        receipt=stored.receipt,
        clinic=stored.clinic,
        lang=lang,
        states=states,
        jws=stored.signed,
        base_url=base_url,
        at=now,
        disclosures=disclosures,
        shown_page=shown_page,
    )
    return registry.write(issued, chosen, portal.press)


def write_copy_for_program(
    portal: Portal, call: AuthorizedCall[Body], stored: StoredReceipt, format_name: str, lang: str
) -> "Rendition":
    """Write a receipt for a clinic's program, after the audit line; errors as `write_copy`."""
    portal.table.put_new(call.audit("receipt", (), stored.receipt.id))
    return write_copy(
        portal,
        stored,
        format_name,
        lang=lang,
        base_url=call.base_url,
        now=call.now,
        access=FullAccess(call.lookup.published.in_force),
    )


def _states(
    portal: Portal, receipt: Receipt, access: FullAccess, now: Instant
) -> Mapping[QuestionId, State]:
    """Tell how the decisions stand whose latest answer is this receipt's."""
    from chalicelib.domain.overview import current_states  # noqa: PLC0415 - no form needs it

    subject = receipt.document["subject"]
    person = access.person or people.person(portal.table, receipt.document["clinic"], subject)
    return current_states(receipt, person, access.in_force, now)


def _shown_page(portal: Portal, stored: StoredReceipt) -> str | None:
    """Give the page with the text that the decision is about, None where the text is not known."""
    sha256 = stored.receipt.document["notice"]["sha256"]
    if sha256 is None:
        return None
    return portal.clinics.kept_page(stored.clinic.id, sha256)
