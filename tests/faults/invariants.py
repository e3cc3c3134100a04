"""What must hold after every walk, read by the store once nothing fails and every job has run."""

import hashlib
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.consent import Answer, AnswerSummary, NoticeInForce, State, resolve
from chalicelib.domain.decisions import recorded_answers
from chalicelib.domain.due_times import next_due
from chalicelib.domain.instants import END_OF_TIME, instant, moment
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject, with_restriction
from chalicelib.receipts import jws
from chalicelib.receipts.errors import UnprovenError
from chalicelib.store import outbox, signatures
from chalicelib.store.changes import SubjectEvent, read_part
from chalicelib.store.keys.counts import FEED_SHARDS
from chalicelib.store.people import iter_items, load_person
from chalicelib.store.statistics import counts
from tests.faults.walk import CLINICS, Stopped, Walk
from tests.faults.world import SKEW, Visitor

Chains = Mapping[str, list[Receipt]]
"""Every receipt of a clinic, by person, in order."""


@dataclass(frozen=True, slots=True)
class Clinic:
    """One clinic as the store tells of it after a walk."""

    id: str
    people: Mapping[str, Subject]
    chains: Chains
    in_force: NoticeInForce


def broken(walk: Walk) -> list[str]:
    """Settle a walk and name everything that does not hold.

    Nothing for a walk in which nothing was broken.
    """
    walk.settle()
    world, found = walk.world, list(walk.wrong)
    with world.calmly():
        clinics = [_read(walk, clinic) for clinic in CLINICS]
        found += _signed(walk, clinics)
        found += _outbox(walk)
        for clinic in clinics:
            found += _unbroken(clinic)
            found += _same_as_receipts(clinic)
            found += _found_by_contact(walk, clinic)
            found += _kept(walk, clinic)
            found += _due(walk, clinic)
            found += _once(clinic)
            found += _stopped(walk, clinic)
            found += _reported_by_status(walk, clinic)
            found += _counted(walk, clinic)
            found += _told(walk, clinic)
        found += _messages(walk)
        found += [f"personal in the log: {line.strip()}" for line in world.log.leaks[:3]]
    walk.replay()
    with world.calmly():
        for clinic in clinics:
            found += _counted(walk, clinic)
            found += _told(walk, clinic)
    return found


def _read(walk: Walk, clinic: str) -> Clinic:
    portal = walk.world.portal
    people = {
        person.id: person
        for person in (load_person(each) for each in iter_items(portal.table, clinic))
    }
    chains = {each.id: portal.receipts.history(clinic, [each]) for each in people.values()}
    return Clinic(clinic, people, chains, portal.directory.look_up(clinic).published.in_force)


def _unbroken(clinic: Clinic) -> Iterator[str]:
    """No gap in the versions, no break in the chain, and everybody's standing names the head."""
    for subject, chain in clinic.chains.items():
        previous = None
        for number, receipt in enumerate(chain, 1):
            if (receipt.document["version"], receipt.document["previous"]) != (number, previous):
                yield f"gap: receipt {number} of {subject} is version {receipt.document['version']}"
            previous = hashlib.sha256(receipt.canonical).hexdigest()
        person = clinic.people[subject]
        if (person.version, person.head) != (len(chain), previous):
            yield f"gap: {subject} stands at version {person.version} of {len(chain)}"


def _same_as_receipts(clinic: Clinic) -> Iterator[str]:
    """How everybody stands is what their receipts say, heard one after the other."""
    for subject, chain in clinic.chains.items():
        person = clinic.people[subject]
        if person.erased:
            continue
        summaries = _summaries(chain)
        restricted = person.restricted_since is not None
        if person.summaries != with_restriction(summaries, restricted=restricted):
            yield f"state: {subject} is not stored as {len(chain)} receipts say"


def _due(walk: Walk, clinic: Clinic) -> Iterator[str]:
    """For nobody is anything due before the time at which the index says that the round looks."""
    world = walk.world
    published = world.portal.directory.look_up(clinic.id).published
    now = instant(moment(world.instant) + SKEW)  # a round whose clock was fast did what is due then
    for item in iter_items(world.portal.table, clinic.id):
        person = clinic.people[item.sk]
        due = next_due(person, published.clinic, published.published, now)
        if (item.due_at or END_OF_TIME) > (due or END_OF_TIME):
            yield f"due: {person.id} is due at {due}, and looked at {item.due_at or 'never'}"


def _summaries(chain: list[Receipt]) -> dict[str, AnswerSummary]:
    summaries: dict[str, AnswerSummary] = {}
    for receipt in chain:
        for address, answer in recorded_answers(receipt.document).items():
            summaries[address] = summaries.get(address, AnswerSummary()).with_answer(answer)
    return summaries


def _found_by_contact(walk: Walk, clinic: Clinic) -> Iterator[str]:
    """Under each contact stands everybody who has it, exactly as among the people, and nobody
    else.
    """
    portal = walk.world.portal
    contacts = {c for each in walk.cast if each.clinic == clinic.id for c in each.contacts}
    lookups = {portal.clinics.key(clinic.id).lookup(contact): contact for contact in contacts}
    for lookup, contact in lookups.items():
        reach = portal.directory.look_up(clinic.id, [contact]).stored_under[contact]
        under = {person.id: person for person in reach}
        having = {each.id: each for each in clinic.people.values() if lookup in each.contacts}
        if under.keys() != having.keys():
            yield f"contact: {len(under)} are found under one that {len(having)} have"
        for subject in under.keys() & having.keys():
            if under[subject] != having[subject]:
                yield f"contact: {subject} does not stand there as among the people"


def _kept(walk: Walk, clinic: Clinic) -> Iterator[str]:
    """Nothing that was acknowledged is lost."""
    kept = {receipt.id: receipt for chain in clinic.chains.values() for receipt in chain}
    for each in walk.acknowledged:
        if each.clinic != clinic.id:
            continue
        if each.receipt not in kept:
            yield f"lost: receipt {each.receipt} was acknowledged by {each.by.strip()}"
        elif not _same(each.document or {}, kept[each.receipt].document):
            yield f"lost: receipt {each.receipt} is not what was acknowledged by {each.by.strip()}"


def _same(acknowledged: Mapping[str, Any], kept: Mapping[str, Any]) -> bool:
    """Tell whether a program was told a receipt as it is kept.

    Of a withdrawal for very many it has only a part: the rest follows.
    """
    if acknowledged.get("complete", True) and acknowledged:
        return acknowledged == kept
    return all(kept[name] == value for name, value in acknowledged.items() if name != "complete")


def _once(clinic: Clinic) -> Iterator[str]:
    """A decision leaves one receipt with a person.

    The exception: sending it again stopped what was granted since.
    """
    for subject, chain in clinic.chains.items():
        if len({receipt.id for receipt in chain}) < len(chain):
            yield f"doubled: {subject} has a receipt twice"
        marked: Counter[str] = Counter()
        for receipt in chain:
            document = receipt.document
            staff = document["assurance"] == "staff-witnessed"
            mark = document["effective_at"] if staff else document["source"]
            if not mark or (not staff and document["assurance"] != "self-asserted"):
                continue  # a confirmation bears the source of what it confirms
            changed = any(
                entry["before"] != entry["after"] for entry in document["decisions"].values()
            )
            stops = any(entry["answer"] != "yes" for entry in document["decisions"].values())
            if marked[mark] and (staff or not (changed and stops)):
                yield f"doubled: {subject} has two receipts of the act {mark}"
            marked[mark] += 1


def _stopped(walk: Walk, clinic: Clinic) -> Iterator[str]:
    """A withdrawal reached everybody who was known under the contact when it was sent."""
    for each in walk.stopped:
        if each.clinic == clinic.id:
            for subject, version in each.people.items():
                yield from _reached(clinic, each, subject, version)


def _reached(clinic: Clinic, each: Stopped, subject: str, version: int) -> Iterator[str]:
    chain = clinic.chains.get(subject, [])
    earlier = [
        receipt for receipt in chain[:version] if receipt.document["effective_at"] <= each.at
    ]
    before, after = _summaries(earlier), chain[version:]
    for address in each.addresses:
        summary = before.get(address)
        allowed = resolve(summary, clinic.in_force, each.at).state in {State.GRANTED, State.PENDING}
        if summary is None or not allowed:
            continue
        answers = [
            receipt.document["decisions"][address]["answer"]
            for receipt in after
            if _about(receipt, address)
        ]
        if (
            not any(answer != Answer.YES for answer in answers)
            and not clinic.people[subject].erased
        ):
            yield f"withdrawal: {address} of {subject} was not stopped at {each.at}"


def _about(receipt: Receipt, address: str) -> bool:
    return address in receipt.document["decisions"]


def _reported_by_status(walk: Walk, clinic: Clinic) -> Iterator[str]:
    """A status permits only what the receipts of everybody under the contact permit."""
    portal, world = walk.world.portal, walk.world
    contacts = sorted(
        {c for each in walk.cast if each.clinic == clinic.id for c in each.contacts}, key=str
    )
    for start in range(0, len(contacts), 100):
        batch = contacts[start : start + 100]
        body = {"subjects": [{contact.kind.value: contact.value} for contact in batch]}
        headers = {
            "Authorization": f"Bearer {world.api_keys[clinic.id]}",
            "Content-Type": "application/json",
        }
        target = f"/v1/clinics/{clinic.id}/status"
        results = json.loads(
            Visitor().send("POST", target, json.dumps(body).encode(), headers).body
        )["results"]
        for contact, result in zip(batch, results, strict=True):
            people = [
                each
                for each in portal.directory.look_up(clinic.id, [contact]).known()
                if not each.restricted_since
            ]
            summaries = [_summaries(clinic.chains[each.id]) for each in people]
            for address, decision in result["decisions"].items():
                states = [
                    resolve(each.get(address), clinic.in_force, world.instant).state
                    for each in summaries
                ]
                if decision["permitted"] and not (states and State.GRANTED in states):
                    yield f"status: {address} is permitted, and the receipts say {states}"


def _signed(walk: Walk, clinics: list[Clinic]) -> Iterator[str]:
    """Every receipt is signed by a published key, and nothing waits to be."""
    portal = walk.world.portal
    if waiting := len(list(outbox.unsigned_items(portal.table))):
        yield f"unsigned: {waiting} wait"
    jwks = signatures.jwks(portal.table)
    for clinic in clinics:
        for chain in clinic.chains.values():
            for receipt in chain:
                _, signed = portal.receipts.issued(clinic.id, receipt.id)
                if signed is None:
                    yield f"unsigned: {receipt.id}"
                elif not _proves(signed, jwks, receipt):
                    yield f"unsigned: {receipt.id} bears another's signature"


def _proves(signed: str, jwks: Mapping[str, Any], receipt: Receipt) -> bool:
    try:
        return jws.verify(signed, jwks).canonical == receipt.canonical
    except UnprovenError:
        return False


def _counted(walk: Walk, clinic: Clinic) -> Iterator[str]:
    """Each receipt is counted once.

    The clock's round counts what the stream lost, and a late stream does not count it again.
    """
    tallies: dict[str, Counter[str]] = {}
    for receipt in itertools.chain.from_iterable(clinic.chains.values()):
        day = tallies.setdefault(receipt.document["recorded_at"][:10], Counter())
        for address, entry in receipt.document["decisions"].items():
            day[f"{address}#{entry['after']}#{receipt.document['source'] or '-'}"] += 1
    for day, tally in tallies.items():
        counted = counts(walk.world.portal.table, clinic.id, day)
        if counted != tally:
            wrong = {
                name
                for name in counted.keys() | tally.keys()
                if counted.get(name) != tally.get(name)
            }
            name = min(wrong)
            yield f"counted: {name} on {day} is {counted.get(name)}, and the receipts say {tally.get(name)}"


def _told(walk: Walk, clinic: Clinic) -> Iterator[str]:
    """The feed has every receipt once, in the order of its chain, and each erased person once.

    Each part is numbered without a gap: nobody who reads on misses what came in before it.
    """
    table = walk.world.portal.table
    versions: dict[str, list[int]] = {subject: [] for subject in clinic.chains}
    erased: Counter[str] = Counter()
    for shard in range(FEED_SHARDS):
        for number, item in enumerate(read_part(table, clinic.id, shard, 0), 1):
            if item.number != number:
                yield f"feed: number {number} of part {shard} is {item.number}"
            for receipt in item.receipts:
                versions.setdefault(receipt.subject, []).append(receipt.version)
            if item.event is SubjectEvent.ERASED:
                erased[item.subject] += 1
    for subject, chain in clinic.chains.items():
        if versions[subject] != list(range(1, len(chain) + 1)):
            yield f"feed: {subject} has {len(chain)} receipts, and is told as {versions[subject]}"
    for subject, person in clinic.people.items():
        if erased[subject] != int(person.erased):
            yield f"feed: {subject} is told {erased[subject]} times to be erased"


def _outbox(walk: Walk) -> Iterator[str]:
    """The outbox is empty: everything was sent, or given up for a reason."""
    table = walk.world.portal.table
    if waiting := sum(len(list(outbox.items_of(table, clinic))) for clinic in CLINICS):
        yield f"unsent: {waiting} wait"


def _messages(walk: Walk) -> Iterator[str]:
    """No message goes out twice, unless the portal could not know of the first.

    Its reply was lost, the process died before it was noted, or the table did not take the note:
    sending is at least once, and only then more than once.
    """
    client = walk.world.messages
    before: dict[object, int] = {}
    for number, delivery in enumerate(client.deliveries):
        first = before.get(delivery.entry)
        if first is not None and first not in client.unnoted:
            yield f"message twice: {delivery.entry}"
        before[delivery.entry] = number
