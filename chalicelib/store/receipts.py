"""Stored receipts: found by their id, or as the chain of a person.

A receipt stands in the partition of its person, under its number in the chain, with the summaries
of the person's answers as they were before it; a pointer leads to it from its id, beside those of
the receipts with the same reference. It is written once. An earlier version kept no summaries
beside it, and each pointer in a partition of its own.
"""

import heapq
import itertools
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from chalicelib.domain import corrections
from chalicelib.domain.consent import AnswerSummary, QuestionId
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.stored_answers import read_answers, stored_answers
from chalicelib.domain.subjects import Subject, with_restriction
from chalicelib.store import compact, pages, timeline
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.receipts import (
    RECEIPT_POINTER,
    earlier_receipt_id_key,
    receipt_id_key,
    receipt_key,
    reference_pk,
    signature_key,
)
from chalicelib.store.table import DamagedError, Table

NEWEST = 2000
"""How many receipts a person's own page and file hold."""

KILOBYTE = 1024
"""Up to this size an item costs one write unit, two in a transaction."""

_FROM_THE_FIRST: Mapping[str, int] = MappingProxyType({})


class UnknownReceiptError(NotFoundError):
    """The clinic has no receipt with this id."""


class Receipts:
    """Reads receipts, and how people stood at some time by them."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, clinic: str, number: str) -> Receipt:
        """Give a receipt by its id, in two round trips; raise UnknownReceiptError."""
        subject, version = self._place(clinic, number)
        key = receipt_key(clinic, subject, version)
        found = self._table.get([key])
        if key not in found:
            raise UnknownReceiptError(number)
        return read_receipt(found[key])

    def find_all(self, clinic: str, numbers: Sequence[str]) -> dict[str, Receipt]:
        """Give those of some receipts that the clinic has, by their ids, in two round trips.

        Those of an earlier version that wait for `consent operator migrate` are left out.
        """
        pointers = self._table.get([receipt_id_key(clinic, number) for number in numbers])
        places = [receipt_key(clinic, *_pointed_to(each)) for each in pointers.values()]
        found = map(read_receipt, (self._table.get(places) if places else {}).values())
        return {receipt.id: receipt for receipt in found}

    def issued(self, clinic: str, number: str) -> tuple[Receipt, str | None]:
        """Give a receipt by its id, and the same as signed (JWS, compact).

        None while it waits for its signature. Two round trips; the signature stands beside the
        receipt. Raises UnknownReceiptError.
        """
        issued = self._issued_at(clinic, [self._place(clinic, number)])
        if not issued:
            raise UnknownReceiptError(number)
        return issued[0]

    def issued_with_reference(
        self, clinic: str, beginning: str
    ) -> list[tuple[Receipt, str | None]]:
        """Give every receipt with a reference, the oldest first, each as `issued` gives it.

        `beginning` is what their ids begin with (`domain.receipts.read_reference`). Two round
        trips. Raises UnknownReceiptError where there is none.
        """
        pointers = self._table.partition(reference_pk(clinic, beginning), RECEIPT_POINTER)
        issued = self._issued_at(clinic, [_pointed_to(pointer) for pointer in pointers])
        if not issued:
            raise UnknownReceiptError(beginning)
        return sorted(issued, key=lambda each: str(each[0].document["recorded_at"]))

    def _issued_at(
        self, clinic: str, places: Sequence[tuple[str, int]]
    ) -> list[tuple[Receipt, str | None]]:
        """Give the receipts at these places, each with the same as signed. One round trip."""
        from chalicelib.store.signatures import signed_receipt  # noqa: PLC0415 - the first page shows no receipt

        keys = [make(clinic, *place) for place in places for make in (receipt_key, signature_key)]
        found = self._table.get(keys) if keys else {}
        issued = []
        for place in places:
            stored = found.get(receipt_key(clinic, *place))
            if stored is not None:
                receipt = read_receipt(stored)
                signature = found.get(signature_key(clinic, *place))
                issued.append((receipt, signed_receipt(receipt, signature)))
        return issued

    def _place(self, clinic: str, number: str) -> tuple[str, int]:
        """Give whose receipt has this id, and which of theirs it is; raise UnknownReceiptError.

        As it is kept now, or as it was kept before: both are asked for at once.
        """
        places = [make(clinic, number) for make in (receipt_id_key, earlier_receipt_id_key)]
        found = self._table.get(places)
        pointers = [found[place] for place in places if place in found and found[place].body]
        if not pointers:
            raise UnknownReceiptError(number)
        return _pointed_to(pointers[0])

    def answers_as_of(
        self, clinic: str, people: Sequence[Subject], at: Instant, known_at: Instant
    ) -> Mapping[str, Mapping[QuestionId, AnswerSummary]]:
        """Give how people stood at a time, as the portal knew it at another, by subject id.

        Two round trips for a hundred people: the pages that hold the times of their receipts, and
        the receipts that answer. One where all times are held by the people themselves, none for
        those who have decided nothing since. For what was true a thousand receipts ago a few more.
        Raises DamagedError, UnavailableError.
        """
        answers: dict[str, Mapping[QuestionId, AnswerSummary]] = {}
        changed: list[Subject] = []
        for person in people:
            if person.latest <= at and person.recorded_at <= known_at:
                answers[person.id] = person.summaries
            else:
                changed.append(person)
        if not changed:
            return answers
        try:
            then = self._answers_then(
                clinic, [each for each in changed if not each.voids], at, known_at
            )
            for person in changed:
                if person.voids:
                    then[person.id] = self._without_voids(clinic, person, at, known_at)
        except (ValueError, LookupError, TypeError) as error:
            raise DamagedError(type(error).__name__) from error
        # Restricting forbids the use from now on, whatever time is asked about (GDPR Art. 18(2));
        # what somebody answered last says so by itself.
        restricted = {person.id for person in changed if person.restricted_since is not None}
        for subject, summaries in then.items():
            answers[subject] = with_restriction(summaries, restricted=subject in restricted)
        return answers

    def _without_voids(
        self, clinic: str, person: Subject, at: Instant, known_at: Instant
    ) -> dict[QuestionId, AnswerSummary]:
        """Give how somebody stood with entries that were corrected: by their whole chain.

        Few have any. The pages of times do not know that an answer counts no more.
        """
        documents = [receipt.document for receipt in self.history(clinic, [person])]
        return corrections.answers_as_of(documents, person.voids, at, known_at)

    def _answers_then(
        self, clinic: str, people: Sequence[Subject], at: Instant, known_at: Instant
    ) -> dict[str, Mapping[QuestionId, AnswerSummary]]:
        """Give how people stood who have decided something since."""
        plans = {
            person.id: page.plan(at, known_at)
            for person, page in pages.read_pages(self._table, clinic, people, at, known_at)
        }
        keys = {
            (subject, version): receipt_key(clinic, subject, version)
            for subject, plan in plans.items()
            for version in plan.versions
        }
        found = self._table.get(list(keys.values())) if keys else {}
        answers: dict[str, Mapping[QuestionId, AnswerSummary]] = {}
        for subject, plan in plans.items():
            before = plan.carried
            if plan.base is not None:
                before = summaries_before(found[keys[subject, plan.base]])
            read = [read_receipt(found[keys[subject, version]]).document for version in plan.read]
            answers[subject] = timeline.with_answers(before, [*plan.known, *read])
        return answers

    def history(
        self,
        clinic: str,
        people: Sequence[Subject],
        behind: Mapping[str, int] = _FROM_THE_FIRST,
        most: int | None = None,
    ) -> list[Receipt]:
        """Give every receipt of these people, in the order they were recorded.

        Of each person only those after the version that `behind` has for their id, and no more than
        `most` in all.
        """
        chains = []
        for person in people:
            first = receipt_key(clinic, person.id, behind.get(person.id, 0) + 1)
            chains.append(map(read_receipt, self._table.from_key(first, "RECEIPT#")))
        # Merged by time, each chain in its own order: of two at once the later version may carry
        # the earlier time.
        merged = heapq.merge(*chains, key=lambda receipt: str(receipt.document["recorded_at"]))
        return list(itertools.islice(merged, most))

    def numbered(self, clinic: str, person: Subject, versions: Sequence[int]) -> list[Receipt]:
        """Give the receipts of a person with these numbers in their chain, in this order.

        A hundred in a round trip. One that is not there is left out.
        """
        keys = [receipt_key(clinic, person.id, version) for version in versions]
        found = self._table.get(keys) if keys else {}
        return [read_receipt(found[key]) for key in keys if key in found]

    def newest(self, clinic: str, person: Subject) -> list[Receipt]:
        """Give the last `NEWEST` receipts of a person, after the older ones that still count.

        For who has been flooded with receipts: the rest is kept, and `history` reads it.
        """
        first = max(1, person.version - NEWEST + 1)
        older = [
            receipt_key(clinic, person.id, version)
            for version in _counting(person)
            if version < first
        ]
        found = self._table.get(older) if older else {}
        items = self._table.from_key(receipt_key(clinic, person.id, first), "RECEIPT#")
        return [read_receipt(item) for item in (*(found[key] for key in older), *items)]


def _pointed_to(pointer: Item) -> tuple[str, int]:
    """Give whose receipt an item leads to, and which of theirs it is."""
    place = json.loads(pointer.body or "{}")
    return place["subject"], place["version"]


def _counting(person: Subject) -> list[int]:
    """Give the versions of the receipts that hold a person's last answers, in order."""
    versions: set[int] = set()
    for summary in person.summaries.values():
        versions.update(answer.version for answer in (summary.last, summary.claim) if answer)
    return sorted(versions)


def receipt_values(
    key: Key, receipt: Receipt, before: Mapping[QuestionId, AnswerSummary]
) -> dict[str, Any]:
    """Give the attributes of a receipt's item: the receipt, and the summaries before it, packed.

    The receipt is kept as it is while the item stays below a kilobyte, else packed with them: a
    write is charged by the kilobyte begun.
    """
    canonical = receipt.canonical.decode()
    summaries = compact.dump(stored_answers(before)) if before else ""
    values: dict[str, Any] = {"body": canonical}
    if summaries:
        values["blob"] = compact.pack(summaries)
    names = "pkskbodyblob"
    size = sum(map(len, (names, *key, receipt.canonical, values.get("blob", b""))))
    if size <= KILOBYTE:
        return values
    return {"blob": compact.pack(f"{canonical}\n{summaries}")}


def read_receipt(item: Item) -> Receipt:
    """Give the receipt an item of the table holds; raise ValueError where it is none."""
    body = item.body
    if not body and item.blob:
        body, _, _ = compact.unpack(bytes(item.blob)).partition("\n")
    canonical = (body or "").encode()
    return Receipt(json.loads(canonical), canonical)


def receipt_ids(table: Table, clinic: str, subject: str) -> set[str]:
    """Give the ids of a person's receipts, none where there is no such person."""
    items = table.from_key(receipt_key(clinic, subject, 0), "RECEIPT#")
    return {read_receipt(item).id for item in items}


def summaries_before(item: Item) -> Mapping[QuestionId, AnswerSummary]:
    """Give the summaries as they were before a receipt, from its item.

    Raise ValueError, LookupError or TypeError where they cannot be read.
    """
    packed = compact.unpack(bytes(item.blob)) if item.blob else ""
    summaries = packed if item.body else packed.partition("\n")[2]
    return read_answers(json.loads(summaries)) if summaries else {}
