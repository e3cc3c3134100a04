"""Stored receipts: found by their id, or as the chain of a person.

A receipt stands in the partition of its person, under its number in the chain; a pointer leads to
it from its id.
"""

import heapq
import itertools
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from chalicelib.domain.consent import AnswerSummary, QuestionId
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject, with_restriction
from chalicelib.store import timeline
from chalicelib.store.keys import (
    Key,
    answers_page_key,
    late_answers_key,
    receipt_id_key,
    receipt_key,
    signature_key,
)
from chalicelib.store.table import Item, Table

NEWEST = 2000
"""How many receipts a person's own page and file hold."""

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

    def issued(self, clinic: str, number: str) -> tuple[Receipt, str | None]:
        """Give a receipt by its id, and the same as signed (JWS, compact).

        None while it waits for its signature. Two round trips; the signature stands beside the
        receipt. Raises UnknownReceiptError.
        """
        subject, version = self._place(clinic, number)
        receipt_place = receipt_key(clinic, subject, version)
        signature_place = signature_key(clinic, subject, version)
        found = self._table.get([receipt_place, signature_place])
        if receipt_place not in found:
            raise UnknownReceiptError(number)
        receipt = read_receipt(found[receipt_place])
        from chalicelib.store.signatures import signed_receipt  # noqa: PLC0415 - the first page shows no receipt

        return receipt, signed_receipt(receipt, found.get(signature_place))

    def _place(self, clinic: str, number: str) -> tuple[str, int]:
        """Give whose receipt has this id, and which of theirs it is; raise UnknownReceiptError."""
        pointer = receipt_id_key(clinic, number)
        pointing = self._table.get([pointer]).get(pointer)
        if pointing is None or pointing.body is None:
            raise UnknownReceiptError(number)
        place = json.loads(pointing.body)
        return place["subject"], place["version"]

    def answers_as_of(
        self, clinic: str, people: Sequence[Subject], at: Instant, known_at: Instant
    ) -> Mapping[str, Mapping[QuestionId, AnswerSummary]]:
        """Give how people stood at a time, as the portal knew it at another, by subject id.

        One round trip for a hundred people, none for those who have decided nothing since. For what
        was true a thousand receipts ago a few more.
        """
        answers: dict[str, Mapping[QuestionId, AnswerSummary]] = {}
        pages: dict[Key, Subject] = {}
        for person in people:
            page = timeline.page_for(person.page_starts, person.version, at, known_at)
            if person.latest <= at and person.recorded_at <= known_at:
                answers[person.id] = person.summaries
            elif page is None:
                answers[person.id] = self._answers_long_ago(clinic, person, at, known_at)
            else:
                pages[answers_page_key(clinic, person.id, page)] = person
        found = self._table.get(list(pages))
        for key, person in pages.items():
            answers[person.id] = _answers_on([found[key]], at, known_at)
        # Restricting forbids the use from now on, whatever time is asked about (GDPR Art. 18(2)).
        restricted = {person.id for person in people if person.restricted_since is not None}
        return {
            subject: with_restriction(then, restricted=subject in restricted)
            for subject, then in answers.items()
        }

    def _answers_long_ago(
        self, clinic: str, person: Subject, at: Instant, known_at: Instant
    ) -> Mapping[QuestionId, AnswerSummary]:
        """Give how somebody stood on an old page, of which the person keeps the start no longer."""

        def page_start(number: int) -> timeline.PageStart:
            key = answers_page_key(clinic, person.id, number)
            page = self._table.get([key])[key]
            latest, recorded_at = json.loads(page.body or "")["fence"]
            return latest, recorded_at

        pages = timeline.first_kept(person.page_starts, person.version)
        number = timeline.search(pages, page_start, at, known_at)
        page, late = (
            answers_page_key(clinic, person.id, number),
            late_answers_key(clinic, person.id),
        )
        found = self._table.get([page, late])
        return _answers_on([found[page], found[late]], at, known_at)

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


def _counting(person: Subject) -> list[int]:
    """Give the versions of the receipts that hold a person's last answers, in order."""
    versions: set[int] = set()
    for summary in person.summaries.values():
        versions.update(answer.version for answer in (summary.last, summary.claim) if answer)
    return sorted(versions)


def _answers_on(
    pages: Sequence[Item], at: Instant, known_at: Instant
) -> Mapping[QuestionId, AnswerSummary]:
    """Give how a person stood by a page of their answers, and by an item of late ones."""
    carried = json.loads(pages[0].body or "")["carried"]
    before = {question: AnswerSummary.read(summary) for question, summary in carried.items()}
    receipts = []
    for page in pages:
        receipts += [json.loads(text) for text in page.texts.values()]
    return timeline.answers_as_of(before, receipts, at, known_at)


def read_receipt(item: Item) -> Receipt:
    """Give the receipt an item of the table holds."""
    canonical = (item.body or "").encode()
    return Receipt(json.loads(canonical), canonical)
