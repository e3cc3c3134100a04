"""Moves a clinic in: consents and refusals that another system recorded, line by line of its export.

Each answer is recorded with the time at which it was given, as `import` and `imported`. Two clocks
do the rest: what was said here later goes on counting, and the older answer becomes history
(docs/decisions/0005). A dry run goes the same way up to the writing.

A hundred lines are looked up in one round trip, and the receipts of about fourteen people stand in
one transaction. Where somebody else decided for one of them meanwhile, those are recorded one by
one. A receipt's id follows from what its line says, so the same line is recorded once, in whatever
file it comes, and also where the person was erased since.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalicelib import log
from chalicelib.domain.ages import age
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, QuestionId
from chalicelib.domain.contacts import Contact
from chalicelib.domain.decisions import Decision, NoticeRef, new_decision, receipt_id
from chalicelib.domain.guardians import is_of_consent_age
from chalicelib.domain.identity import SeveralPeopleError, all_subjects
from chalicelib.domain.imported_consents import (
    NOT_CURRENT,
    ImportedLine,
    ImportRules,
    LineResult,
    NotImportedError,
    Outcome,
    waiting,
)
from chalicelib.domain.instants import Instant
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.decisions import BusyError, Prepared
from chalicelib.store.keys.receipts import earlier_receipt_id_key, receipt_id_key, receipt_key
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.receipts import read_receipt
from chalicelib.store.table import BATCH, ConflictError, ContendedError
from chalicelib.store.withdrawal_orders import MANY

LINES = BATCH - 1
"""How many lines are looked up together: the clinic's own item is the hundredth."""


@dataclass(frozen=True, slots=True)
class Import:
    """How lines are to be imported.

    `since` is when the same import began: what it recorded in an earlier try counts as recorded,
    so that a part of it that is done twice tells the same.
    """

    rules: ImportRules
    dry_run: bool = False
    since: Instant | None = None


@dataclass(frozen=True, slots=True)
class _Taking:
    """The lines being imported: for whom, and by which version their answers are judged."""

    portal: Portal
    call: AuthorizedCall[Any]
    how: Import
    clinic: Clinic
    """The version that the clinic vouches for, else the one in force."""

    asked: frozenset[QuestionId]
    """What a Yes may be imported for."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """A line whose decision is made and not written yet."""

    line: ImportedLine
    decision: Decision
    identification: Identification
    prepared: Prepared
    alone: bool
    """Whether its answers reach several people, so that they cannot stand in one transaction."""

    @property
    def result(self) -> LineResult:
        """What is told of the line once it is written."""
        states = _states(self.prepared)
        return LineResult(self.line.line, Outcome.RECORDED, states=states)


def import_lines(
    portal: Portal, call: AuthorizedCall[Any], lines: Sequence[ImportedLine], how: Import
) -> list[LineResult]:
    """Import lines whose duplicates are settled, or tell what would become of each.

    Every hundred leave one audit line, in a dry run too: that looks people up. Raises
    UnavailableError; what was recorded until then stays, and the same lines may be sent again.
    """
    published = call.lookup.published
    version = how.rules.same_as
    clinic = portal.clinics.version(call.clinic, version) if version else published.clinic
    asked = clinic.questions.keys() & published.clinic.questions.keys()
    asked &= call.shared.questions.keys()
    taking = _Taking(portal, call, how, clinic, frozenset(asked))
    results: list[LineResult] = []
    for start in range(0, len(lines), LINES):
        left = list(lines[start : start + LINES])
        while left:
            told, left = _import_round(taking, left)
            results += told
    recorded = sum(result.outcome is Outcome.RECORDED for result in results)
    if recorded and not how.dry_run:
        log.count("ImportedDecisionRecorded", recorded)
    return results


def _import_round(
    taking: _Taking, lines: Sequence[ImportedLine]
) -> tuple[list[LineResult], list[ImportedLine]]:
    """Import up to a hundred lines; give their results, and the lines that must come after them.

    Those are of a person or a contact that another line of the round has changed.
    """
    portal, call, how = taking.portal, taking.call, taking.how
    results: list[LineResult] = []
    numbers = [_receipt_id(taking, line) for line in lines]
    before = _recorded_before(taking, numbers)
    contacts = list(dict.fromkeys(contact for line in lines for contact in line.contacts))
    lookup = portal.directory.look_up(call.clinic, contacts, most=MANY)
    ready: list[_Ready] = []
    later: list[ImportedLine] = []
    touched: set[str] = set()
    for line, number in zip(lines, numbers, strict=True):
        if number in before:
            results.append(replace(before[number], line=line.line))
            continue
        try:
            one = _prepare(taking, line, number, _about(lookup, line.contacts))
        except NotImportedError as error:
            results.append(LineResult(line.line, error.outcome, error.reason))
            continue
        touching = {one.prepared.after.id, *(lookup.lookups[each] for each in line.contacts)}
        if not how.dry_run and not touched.isdisjoint(touching):
            later.append(line)
            continue
        touched |= touching
        ready.append(one)
    what = "import/dry-run" if how.dry_run else "import"
    found = {person.id: person for person in all_subjects(lookup.stored_under)}
    found |= {each.prepared.after.id: each.prepared.after for each in ready if not how.dry_run}
    portal.table.put_new(call.audit(what, tuple(found.values())))
    if how.dry_run:
        return [*results, *(each.result for each in ready)], []
    return [*results, *_write(taking, ready)], later


def _about(lookup: Lookup, contacts: Sequence[Contact]) -> Lookup:
    """Give what a lookup found under some of its contacts."""
    lookups = {contact: lookup.lookups[contact] for contact in contacts}
    return replace(
        lookup,
        people={contact: lookup.people[contact] for contact in contacts},
        stored_under={contact: lookup.stored_under[contact] for contact in contacts},
        lookups=lookups,
        known_by={each: lookup.known_by[each] for each in lookups.values()},
        partly_read=lookup.partly_read & set(contacts),
    )


def _receipt_id(taking: _Taking, line: ImportedLine) -> str:
    """Give the id of a line's receipt: it follows from what is said, by whom, of which system.

    Where the clinic vouches for the text that was read, it is another: then a Yes counts that did
    not before.
    """
    key = taking.portal.clinics.key(taking.call.clinic)
    content = {
        **line.identity,
        "contacts": [key.lookup(contact) for contact in line.contacts],
        "system": taking.how.rules.system,
        "same_as": taking.how.rules.same_as,
    }
    return receipt_id(key.receipt_secret(), "import", content)


def _recorded_before(taking: _Taking, numbers: Iterable[str]) -> dict[str, LineResult]:
    """Give what is told of the receipts that are there already. One round trip, or two."""
    clinic, table = taking.call.clinic, taking.portal.table
    makers = (receipt_id_key, earlier_receipt_id_key)
    places = {make(clinic, number): number for number in numbers for make in makers}
    found = table.get(list(places))
    before = {places[key]: LineResult(0, Outcome.ALREADY) for key in found}
    if taking.how.since is None or not found:
        return before
    keys = {}
    for key, item in found.items():
        place = json.loads(item.body or "")
        keys[receipt_key(clinic, place["subject"], place["version"])] = places[key]
    for key, item in table.get(list(keys)).items():
        document = read_receipt(item).document
        if document["recorded_at"] >= taking.how.since:
            states = {name: entry["after"] for name, entry in document["decisions"].items()}
            before[keys[key]] = LineResult(0, Outcome.RECORDED, states=states)
    return before


def _prepare(taking: _Taking, line: ImportedLine, number: str, lookup: Lookup) -> _Ready:
    """Make the decision of a line; raise NotImportedError where it cannot be taken."""
    _check(taking, line)
    decision = _decision(taking, line, number)
    identification = Identification(
        line.contacts,
        None,
        fresh_subject(),
        base=taking.call.base_url,
        asks_to_confirm=taking.how.rules.asks,
    )
    if line.agrees and lookup.partly_read:
        raise NotImportedError("several_people")
    try:
        person = lookup.resolve_subject(decision, identification)
    except SeveralPeopleError:
        raise NotImportedError("several_people") from None
    _check_child(taking, line, person)
    everyone = {each.id for each in all_subjects(lookup.stored_under)}
    alone = bool(lookup.partly_read) or not everyone <= {person.id}
    prepared = decisions.prepare(taking.portal, decision, identification, lookup, person)
    return _Ready(line, decision, identification, prepared, alone)


def _check(taking: _Taking, line: ImportedLine) -> None:
    """Refuse a Yes that the notice does not ask for, or not of this person."""
    clinic = taking.clinic
    for question, answer in line.answers.items():
        if answer is Answer.YES and question not in taking.asked:
            raise NotImportedError("not_asked")
        if answer is Answer.YES and "address" in clinic.questions[question].needs:
            raise NotImportedError("needs_address")
    if not line.agrees:
        return
    if clinic.age_minimum is not None and not taking.how.rules.declared_adult:
        raise NotImportedError("age_not_declared")
    if line.born is None:
        return
    years = age(line.born, clinic.country, line.said.at)
    if years < clinic.decides_alone_from(line.said.at):
        raise NotImportedError("too_young")


def _check_child(taking: _Taking, line: ImportedLine, person: Subject) -> None:
    """Refuse a Yes of a child that was too young to decide alone when it was given."""
    clinic = taking.call.lookup.published.clinic
    if not line.agrees or not person.of_age:
        return
    if not is_of_consent_age(clinic, person.of_age, line.said.at):
        raise NotImportedError("too_young")


def _decision(taking: _Taking, line: ImportedLine, number: str) -> Decision:
    """Make a line's decision.

    Its notice is not known: the text read then was another's. The evidence names the version for
    which the clinic vouches, if it does.
    """
    call, rules = taking.call, taking.how.rules
    in_force = call.lookup.published.clinic
    return new_decision(
        taking.clinic,
        line.answers,
        id=number,
        notice=NoticeRef.unknown(rules.lang or in_force.default_language),
        channel=Channel.IMPORT,
        assurance=Assurance.IMPORTED,
        at=call.now,
        actor=f"staff:{call.key.id}",
        evidence=_evidence(taking, line),
        effective_at=line.said.at,
        confirm=waiting(in_force, line),
        day=line.said.day,
    )


def _evidence(taking: _Taking, line: ImportedLine) -> Mapping[str, str]:
    """Give what proves a line: the system in clear, the rest in words that are sealed."""
    rules, key = taking.how.rules, taking.call.key
    evidence = {"system": rules.system, "form": line.note}
    if line.agrees and rules.same_as and rules.text_sha256:
        evidence |= {"same_as": rules.same_as, "sha256": rules.text_sha256}
    if line.agrees and taking.clinic.age_minimum is not None:
        evidence["declared_age"] = str(taking.clinic.age_minimum)
    if key.member:
        evidence["member"] = key.member
    return evidence


def _states(prepared: Prepared) -> dict[QuestionId, str]:
    """Tell what follows from each answer of a receipt, or that a later one goes on counting."""
    states: dict[QuestionId, str] = {}
    for question, entry in prepared.receipt.document["decisions"].items():
        summary = prepared.after.summaries[question]
        told = [answer.receipt_id for answer in (summary.last, summary.claim) if answer]
        states[question] = entry["after"] if prepared.receipt.id in told else NOT_CURRENT
    return states


def _write(taking: _Taking, ready: Sequence[_Ready]) -> list[LineResult]:
    """Write decisions of different people, as many in a transaction as it holds."""
    results: list[LineResult] = []
    together: list[_Ready] = []
    size = 0
    for each in ready:
        if each.alone:
            results.append(_write_alone(taking, each))
            continue
        if size + len(each.prepared.writes) > BATCH:
            results += _write_together(taking, together)
            together, size = [], 0
        together.append(each)
        size += len(each.prepared.writes)
    return [*results, *_write_together(taking, together)]


def _write_together(taking: _Taking, ready: Sequence[_Ready]) -> list[LineResult]:
    """Write several decisions in one transaction; where it is refused, one by one."""
    if not ready:
        return []
    writes = [write for each in ready for write in each.prepared.writes]
    try:
        taking.portal.table.write(writes)
    except (ConflictError, ContendedError):
        return [_write_alone(taking, each) for each in ready]
    return [each.result for each in ready]


def _write_alone(taking: _Taking, ready: _Ready) -> LineResult:
    """Write one decision as a call for it alone would, with the people as they are stored by now.

    A No reaches everybody who answered under the contacts, a withdrawal everybody known there.
    """
    portal, decision = taking.portal, ready.decision
    try:
        if set(decision.answers.values()) == {Answer.WITHDRAW}:
            receipts = withdrawals.withdraw(portal, decision, ready.identification)
            receipt = receipts[0]
        else:
            receipt = decisions.answer(portal, decision, ready.identification)
    except SeveralPeopleError:
        return LineResult(ready.line.line, Outcome.REJECTED, "several_people")
    except BusyError:
        return LineResult(ready.line.line, Outcome.REJECTED, "conflict")
    states = _states(ready.prepared)
    if receipt.document["previous"] != ready.prepared.receipt.document["previous"]:
        # Somebody decided in between: what follows is told by the receipt that was written.
        entries = receipt.document["decisions"]
        states = {question: entry["after"] for question, entry in entries.items()}
    return LineResult(ready.line.line, Outcome.RECORDED, states=states)
