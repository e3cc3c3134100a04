"""Batches of paper forms: begun, gone on with, looked at and closed by the clinic's staff.

Each form is recorded as any other decision that staff took (`staff_decisions`). Its number is taken
in the transaction of its receipt, so no number leads to two receipts and none to no receipt.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from chalicelib.domain.batches import (
    MAX_FORMS,
    MAX_NUMBER,
    Batch,
    Numbering,
    UncountedNumberError,
    batch_id,
)
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import Contact, masked
from chalicelib.domain.decisions import Day
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant
from chalicelib.domain.local_time import local_day, whole_day
from chalicelib.domain.receipts import Receipt, reference
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.receipts.sd_jwt import with_disclosures
from chalicelib.services.authorized_call import (
    AuthorizedCall,
    EmptyBody,
    InvalidBodyError,
    UsedForAnotherBodyError,
)
from chalicelib.services.decisions import BusyError
from chalicelib.services.staff_decisions import (
    RecordedReceipt,
    StaffCall,
    clinic_as_asked,
    record_decision,
)
from chalicelib.store import batches
from chalicelib.store.batches import EnteredForm, KeptBatch
from chalicelib.store.clinics import Published
from chalicelib.store.keys.key import Key
from chalicelib.store.people import find_all, find_people
from chalicelib.store.personal_data import disclosures_of, reveal_contacts

PAGE = 25
"""How many forms one page of a batch lists."""

EARLIEST_DAY = "2000-01-01"
"""A form of before this day has a mistyped year."""


class BatchClosedError(RejectedError):
    """The batch was closed: nothing more is entered into it until somebody opens it again."""


class BatchFullError(RejectedError):
    """The batch has as many forms as one can have (`MAX_FORMS`)."""


class NumberTakenError(RejectedError):
    """A form of the batch has this number already. Nothing was stored.

    Carries the id of the receipt of that form, and the number that is free.
    """

    def __init__(self, receipt: str, free: str) -> None:
        super().__init__("the number is taken")
        self.receipt = receipt
        self.free = free


@dataclass(frozen=True, slots=True)
class NewBatch:
    """What the forms of a new batch have in common."""

    day: str
    """The day on the forms, such as ``2026-11-27``."""
    notice_version: str | None
    lang: str
    first_number: str
    witness: str
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class FormOfBatch:
    """One form of a batch as a list shows it. Nothing of the person is left after an erasure."""

    receipt: str
    subject: str
    answers: Mapping[str, str]
    by: str
    at: Instant
    number: str = ""
    """The form's number; "" once the person is erased."""
    contacts: tuple[str, ...] = ()
    """The person's contacts, masked."""
    scan: str = ""
    """The SHA-256 of the form's scan, where there is one that can be opened."""
    erased: bool = False

    @property
    def reference(self) -> str:
        """The short form of the receipt's id that a person can read aloud."""
        return reference(self.receipt)


@dataclass(frozen=True, slots=True)
class BatchView:
    """A batch with one page of its forms, the last entered first."""

    kept: KeptBatch
    forms: Sequence[FormOfBatch] = field(repr=False)
    page: int = 1
    pages: int = 1

    @property
    def batch(self) -> Batch:
        """The batch."""
        return self.kept.batch


def start_batch(portal: Portal, call: AuthorizedCall[NewBatch]) -> Batch:
    """Begin a batch; raise InvalidBodyError with every fault."""
    asked = call.body
    errors: list[dict[str, str]] = []
    numbering = _numbering(asked, errors)
    _check_day(asked, call.lookup.published.clinic, call.now, errors)
    if errors:
        raise InvalidBodyError(errors)
    at, day = day_of(call.lookup.published.clinic, asked.day)
    clinic_as_asked(portal, call.lookup.published, asked.notice_version, at, day.ends)
    batch = Batch(
        id=batch_id(call.now, secrets.token_hex(10)),
        day=asked.day,
        notice_version=asked.notice_version,
        lang=asked.lang,
        witness=asked.witness,
        numbering=numbering,
        by=call.key.id,
        started_at=call.now,
    )
    batches.create(portal.table, portal.clinics.key(call.clinic), batch)
    portal.table.put_new(call.audit("batches/start", about=batch.id))
    return batch


def list_batches(
    portal: Portal, call: AuthorizedCall[EmptyBody], after: str = ""
) -> tuple[list[KeptBatch], str | None]:
    """Give a page of the clinic's batches, the newest first, and the last id if more follow."""
    return batches.page(portal.table, portal.clinics.key(call.clinic), after)


def find_batch(portal: Portal, clinic: str, batch: str) -> KeptBatch:
    """Give a batch without its forms; raise UnknownBatchError."""
    return batches.find(portal.table, portal.clinics.key(clinic), batch)


def view_batch(
    portal: Portal, call: AuthorizedCall[EmptyBody], batch: str, page: int = 1
) -> BatchView:
    """Give a batch with a page of its forms; raise UnknownBatchError.

    Who sees a page has looked up everybody on it: the audit says so.
    """
    kept = find_batch(portal, call.clinic, batch)
    entered = batches.forms(portal.table, call.clinic, batch)
    pages = max(1, -(-len(entered) // PAGE))
    page = min(max(1, page), pages)
    shown = _told(portal, call.clinic, entered[(page - 1) * PAGE : page * PAGE])
    subjects = list(dict.fromkeys(form.subject for form in shown))
    portal.table.put_new(call.audit("batches", subjects, about=batch))
    return BatchView(kept, shown, page, pages)


def set_closed(
    portal: Portal, call: AuthorizedCall[EmptyBody], batch: str, *, closed: bool
) -> None:
    """Close a batch, or open it again; raise UnknownBatchError."""
    key = portal.clinics.key(call.clinic)
    kept = batches.find(portal.table, key, batch)
    if closed != (kept.batch.closed_at is not None):
        batches.close(portal.table, key, kept, call.now if closed else None)
        portal.table.put_new(
            call.audit("batches/close" if closed else "batches/reopen", about=batch)
        )


def asked_in(portal: Portal, published: Published, batch: Batch) -> Clinic:
    """Give the clinic as the forms of a batch show it: the questions printed on them.

    Raises InvalidBodyError where the version is not known any more.
    """
    at, day = day_of(published.clinic, batch.day)
    clinic, is_known = clinic_as_asked(portal, published, batch.notice_version, at, day.ends)
    return clinic.open_at(at) if is_known else clinic


def is_text_known(published: Published, batch: Batch) -> bool:
    """Tell whether it is known what the forms of a batch said: a Yes to any other permits nothing."""
    _, day = day_of(published.clinic, batch.day)
    return published.text_at(day.ends, batch.notice_version) is not None


def day_of(clinic: Clinic, day: str) -> tuple[Instant, Day]:
    """Give when a day begins at the clinic, and the day as a decision names it."""
    begins, ends = whole_day(day, clinic.country)
    return begins, Day(day, ends)


def record_form(
    portal: Portal, call: StaffCall, kept: KeptBatch, number: str, nonce: str
) -> RecordedReceipt:
    """Record one form of a batch under its number.

    `nonce` is that of the page it was sent from: sent twice it leads to the same receipt. Raises
    BatchClosedError, BatchFullError, NumberTakenError, and errors as
    `staff_decisions.record_decision`.
    """
    batch, key = kept.batch, portal.clinics.key(call.clinic)
    if batch.closed_at:
        raise BatchClosedError
    if kept.forms >= MAX_FORMS:
        raise BatchFullError
    place = batches.form_place(key, batch.id, number)
    call = replace(
        call, idempotency_key=f"batch|{batch.id}|{batches.digest_of(key, batch.id, number)}"
    )
    form = EnteredForm(
        digest=batches.digest_of(key, batch.id, number),
        receipt=call.receipt_id(key.receipt_secret()),
        by=call.key.id,
        at=call.now,
        nonce=nonce,
    )
    _check_free(portal, kept, place, form)
    try:
        recorded = record_decision(portal, call, batches.form_writes(place, batch, form))
    except UsedForAnotherBodyError:
        raise NumberTakenError(form.receipt, kept.next_number) from None
    except BusyError:
        _check_free(portal, kept, place, form)  # somebody else may have taken it just now
        raise
    counter = batch.numbering.counter(number)
    if counter is not None:
        batches.raise_counter(portal.table, call.clinic, batch.id, counter)
    return recorded


def _check_free(portal: Portal, kept: KeptBatch, place: Key, form: EnteredForm) -> None:
    """Refuse a number that another form has; the same page sent again has its own."""
    earlier = batches.find_form(portal.table, place)
    if earlier and (earlier.receipt, earlier.nonce) != (form.receipt, form.nonce):
        raise NumberTakenError(earlier.receipt, kept.next_number)


def _numbering(asked: NewBatch, errors: list[dict[str, str]]) -> Numbering:
    pointer = "/first_number"
    try:
        numbering = Numbering.from_first(asked.first_number)
    except UncountedNumberError:
        errors.append({"pointer": pointer, "detail": "It ends in digits, such as 2026-117."})
        return Numbering("", 1, 1)
    if len(asked.first_number) > MAX_NUMBER:
        errors.append({"pointer": pointer, "detail": f"At most {MAX_NUMBER} characters."})
    return numbering


def _check_day(asked: NewBatch, clinic: Clinic, now: Instant, errors: list[dict[str, str]]) -> None:
    if asked.day > local_day(now, clinic.country):
        errors.append({"pointer": "/effective_at", "detail": "This is in the future."})
    if asked.day < EARLIEST_DAY:
        errors.append({"pointer": "/effective_at", "detail": f"Not before {EARLIEST_DAY}."})


def _told(portal: Portal, clinic: str, entered: Sequence[EnteredForm]) -> list[FormOfBatch]:
    """Give forms with what may be shown of them, in five round trips; seven after a merge.

    What was written on a form is kept under the record its receipt names, also once that was merged
    into another; the contacts are that other's then.
    """
    if not entered:
        return []
    key = portal.clinics.key(clinic)
    receipts = portal.receipts.find_all(clinic, [form.receipt for form in entered])
    subjects = {receipt.document["subject"] for receipt in receipts.values()}
    known = find_all(portal.table, clinic, sorted(subjects))
    own = {subject: person for subject, person in known.items() if not person.erased}
    people = own
    if any(person.merged_into for person in own.values()):
        people = find_people(portal.table, clinic, sorted(own))
    contacts = reveal_contacts(portal.table, key, list(people.values()))
    disclosed = disclosures_of(portal.table, key, list(receipts.values()), own)
    shown = []
    for form in entered:
        receipt = receipts.get(form.receipt)
        if receipt is None:
            continue  # its proof is over
        subject = receipt.document["subject"]
        is_here = subject in own
        shown.append(
            FormOfBatch(
                receipt=form.receipt,
                subject=subject,
                answers={name: each["answer"] for name, each in _decisions(receipt)},
                by=form.by,
                at=form.at,
                number=_number(receipt, disclosed.get(receipt.id, ())),
                contacts=_masked(people.get(subject), contacts),
                scan=str((receipt.document["evidence"] or {}).get("sha256", "")) if is_here else "",
                erased=not is_here,
            )
        )
    return shown


def _decisions(receipt: Receipt) -> Sequence[tuple[str, Mapping[str, str]]]:
    return list(receipt.document["decisions"].items())


def _masked(person: Subject | None, contacts: Mapping[str, tuple[Contact, ...]]) -> tuple[str, ...]:
    return tuple(masked(each) for each in contacts[person.id]) if person else ()


def _number(receipt: Receipt, disclosures: Sequence[str]) -> str:
    evidence = with_disclosures(receipt.document["evidence"], disclosures)
    return str(evidence.get("form", ""))
