"""How many bytes a person and a receipt take in the table, by how much they answered.

    python -m bench.stored_sizes

People of the five demo clinics decide by the portal's own rules. What is printed is the largest
item of those people; docs/storage.md has the table.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, NoticeInForce
from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.decisions import NoticeRef, decide, new_decision
from chalicelib.domain.instants import instant
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.store import pages, people
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import contact_key, person_key
from chalicelib.store.keys.receipts import receipt_key
from chalicelib.store.receipts import receipt_values
from infra.build.bundle import ROOT
from infra.operator.publish import read_file

QUESTIONS = (1, 4, 8, 12)
CONTACTS = (1, 3)
DECISIONS = (1, 8, 31)
"""How many times a person decided: the first time everything, then one question at a time."""

_IN_FORCE = NoticeInForce("1.0", "2026-11-01T08:00:00.000Z")


@dataclass(frozen=True, slots=True)
class Sizes:
    """The bytes of the largest items: of the list, of a contact, and of the last receipt."""

    person: int
    contact: int
    receipt: int


def sizes(questions: int, contacts: int, decisions: int) -> Sizes:
    """Measure people who answered so many questions, have so many contacts and decided so often."""
    clinics = _clinics()
    found = [
        _measure(clinic, _history(clinic, (questions, contacts, decisions), _chance(seed)))
        for clinic in clinics
        for seed in range(3)
    ]
    parts = zip(*((each.person, each.contact, each.receipt) for each in found), strict=True)
    return Sizes(*map(max, parts))


def item_size(key: Key, values: dict[str, Any]) -> int:
    """Give the bytes of an item with a body or a blob, as DynamoDB counts them."""
    texts = [*key, *values, *values.values()]
    names = len("pksk")
    return names + sum(len(each.encode() if isinstance(each, str) else each) for each in texts)


def _clinics() -> list[Clinic]:
    return [read_file(path).clinic for path in sorted((ROOT / "infra/clinics").glob("*.yaml"))]


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - examples, the same in each run


def _measure(clinic: Clinic, history: tuple[Subject, Subject, Receipt]) -> Sizes:
    before, after, receipt = history
    kept = people.kept_values(people.dump_person(after))
    contact = contact_key(clinic.id, next(iter(after.contacts)), 1)
    key = receipt_key(clinic.id, after.id, after.version)
    return Sizes(
        item_size(person_key(clinic.id, after.id), kept),
        item_size(contact, kept),
        item_size(key, receipt_values(key, receipt, before.summaries)),
    )


def _history(
    clinic: Clinic, size: tuple[int, int, int], chance: random.Random
) -> tuple[Subject, Subject, Receipt]:
    """Give a person before and after their last decision, and its receipt."""
    questions, contacts, decisions = size
    asked = [*clinic.questions, *(f"more.question{number}" for number in range(questions))]
    asked = asked[:questions]
    before = after = _somebody(contacts, chance)
    now = datetime(2026, 11, 20, 9, tzinfo=UTC)
    for number in range(decisions):
        now += timedelta(seconds=chance.randint(60, 3_000_000), milliseconds=chance.randint(0, 999))
        at, before = instant(now), after
        answers = dict.fromkeys(asked, Answer.YES)
        if number:
            answers = {chance.choice(asked): chance.choice(list(Answer))}
        decision = new_decision(
            clinic,
            answers,
            id=_hex(chance, 16),
            notice=NoticeRef("1.0", chance.choice(clinic.languages), _hex(chance, 32)),
            channel=chance.choice([Channel.WEB, Channel.QR, Channel.EMAIL_LINK]),
            assurance=Assurance.LINK if number else Assurance.SELF_ASSERTED,
            at=at,
            confirm=frozenset() if number else frozenset(asked),
        )
        receipt, after = decide(before, decision, _IN_FORCE, known=False)
        known = {lookup: since or at for lookup, since in after.contacts.items()}
        after = replace(after, contacts=known, certain=bool(number))
        times = receipt.document["effective_at"], receipt.document["recorded_at"]
        after, _ = pages.with_times(clinic.id, before, after, times)
    return before, after, receipt


def _somebody(contacts: int, chance: random.Random) -> Subject:
    lookups = [_hex(chance, 32) for _ in range(contacts)]
    kinds = [ContactKind.EMAIL, ContactKind.PHONE, ContactKind.REFERENCE]
    return Subject(
        id=_hex(chance, 16),
        salt=_hex(chance, 16),
        contacts=dict.fromkeys(lookups, ""),
        kinds={lookup: kind.value for lookup, kind in zip(lookups, kinds, strict=False)},
        typed=tuple(lookups[1:2]),
        places=dict.fromkeys(lookups[1:2], 1),
        proven_by=_hex(chance, 16),
        base="https://consent.example.org",
    )


def _hex(chance: random.Random, length: int) -> str:
    return chance.randbytes(length).hex()


def rows() -> Iterator[tuple[int, int, int, Sizes]]:
    """Give every row of the table: questions, contacts, decisions, sizes."""
    for questions in QUESTIONS:
        for contacts in CONTACTS:
            for decisions in DECISIONS:
                yield questions, contacts, decisions, sizes(questions, contacts, decisions)


def main() -> None:
    """Print the table as Markdown."""
    print("| questions answered | contacts | decisions | in the list | under a contact | receipt |")
    print("| --- | --- | --- | --- | --- | --- |")
    for questions, contacts, decisions, found in rows():
        cells = [questions, contacts, decisions, found.person, found.contact, found.receipt]
        print("|", " | ".join(map(str, cells)), "|")


if __name__ == "__main__":
    main()
