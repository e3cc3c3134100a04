"""Status and history: what is permitted for a subject, and which receipts there are."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.consent import AnswerSummary, QuestionId
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import END_OF_TIME, Instant
from chalicelib.domain.permission import PermissionResult, SubjectQuery
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.named_subjects import NamedSubjects, find_subjects, query_named
from chalicelib.store.lookup import Lookup
from chalicelib.store.people import find_all, find_people

HISTORY = 1000
"""How many receipts one answer holds; with a `cursor` it goes on."""


@dataclass(frozen=True, slots=True)
class StatusQuestion:
    """Up to a hundred subjects, by their contacts, and the questions whose status is wanted.

    `as_sent` has the subjects as the program wrote them: the answers repeat that. `faults` has, by
    position, what is wrong with a subject that cannot be read: it has no contacts. `at` is the
    moment asked about, `known_at` the moment whose knowledge counts: None for now. `ids` has, by
    position, the opaque id of a subject that is named by it: it has no contacts either.
    """

    as_sent: tuple[Mapping[str, str], ...]
    subjects: tuple[tuple[Contact, ...], ...]
    questions: tuple[QuestionId, ...]
    at: Instant | None = None
    known_at: Instant | None = None
    faults: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    ids: Mapping[int, str] = field(default_factory=dict)
    changed_since: Instant | None = None
    """Since when it is asked what changed, such as the moment of a list's certificate."""

    @property
    def contacts(self) -> tuple[Contact, ...]:
        """Give the contacts of all subjects."""
        return tuple(contact for subject in self.subjects for contact in subject)


@dataclass(frozen=True, slots=True)
class SubjectStatus:
    """The status of one subject, and of which kinds of contact it has one of its own."""

    contact_kinds: tuple[ContactKind, ...]
    decisions: Mapping[QuestionId, PermissionResult]
    changed: frozenset[QuestionId] | None = None
    """Of which questions the answer is another than at a moment before; None where nobody asked."""


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """The status of all subjects, in the order asked; of one that cannot be read: nothing known."""

    at: Instant
    known_at: Instant
    results: tuple[SubjectStatus, ...]


@dataclass(frozen=True, slots=True)
class HistoryQuestion:
    """One subject, by its contacts or by its opaque id.

    `behind` has by person the last version given before.
    """

    contacts: tuple[Contact, ...]
    behind: Mapping[str, int]
    id: str = ""


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Receipts of one subject, oldest first.

    `cursor` is `HistoryQuestion.behind` of the next page, None where this is the last. `withheld`
    counts the receipts of this page that the key's controller may not see.
    """

    receipts: tuple[Receipt, ...]
    withheld: int
    cursor: Mapping[str, int] | None


def find_status(portal: Portal, call: AuthorizedCall[StatusQuestion]) -> StatusAnswer:
    """Give the status of up to a hundred subjects, now or at another time.

    It is read strongly consistent. `known_at` alone asks for what this call would have answered
    then.
    """
    question = call.body
    # For now, all that the table holds counts: also an answer recorded by a clock that runs ahead.
    latest = question.at or question.known_at or END_OF_TIME
    latest_known = question.known_at or END_OF_TIME
    at = question.at or question.known_at or call.now
    known_at = question.known_at or call.now
    named = _find_named(portal, call)
    subjects = _query_subjects(portal, call, named, at=latest, known_at=latest_known)
    notice = call.lookup.published.in_force_at(at, known_at)
    needs = {wanted: call.shared.questions[wanted].needs for wanted in question.questions}
    changes = _find_changes(portal, call, named, needs)
    results = []
    for number, (lookup, subject) in enumerate(subjects):
        decisions = subject.permissions(needs, notice, at)
        changed = changes(number, subject, decisions) if changes else None
        kinds = subject.own_kinds(lookup.lookups, latest_known)
        results.append(SubjectStatus(kinds, decisions, changed))
    asked = {**{person.id: person for person in call.lookup.known()}, **named.people}
    portal.table.put_new(call.audit("status", tuple(asked.values())))
    return StatusAnswer(at, known_at, tuple(results))


def _query_subjects(
    portal: Portal,
    call: AuthorizedCall[StatusQuestion],
    named: NamedSubjects,
    *,
    at: Instant,
    known_at: Instant,
) -> list[tuple[Lookup, SubjectQuery]]:
    """Give each subject of a call as it stood at a moment, with the lookup that found it."""
    question = call.body
    people = call.lookup.known()
    summaries = portal.receipts.answers_as_of(call.clinic, people, at, known_at)
    by_id = query_named(portal, call.clinic, named, at=at, known_at=known_at)
    subjects = []
    for number, contacts in enumerate(question.subjects):
        if subject_id := question.ids.get(number):
            subjects.append((named.lookup, by_id.get(subject_id, SubjectQuery({}, {}))))
            continue
        subject = query_subject(call.lookup, contacts, summaries, at=at, known_at=known_at)
        subjects.append((call.lookup, subject))
    return subjects


Changes = Callable[
    [int, SubjectQuery, Mapping[QuestionId, PermissionResult]], frozenset[QuestionId]
]
"""Tells what changed for the subject at a position, by how it stands now."""


def _find_changes(
    portal: Portal,
    call: AuthorizedCall[StatusQuestion],
    named: NamedSubjects,
    needs: Mapping[QuestionId, frozenset[str]],
) -> Changes | None:
    """Read how everybody stood at the moment since which changes are asked for.

    None where nobody asks. Another answer changes a question, and so does time: an end, another
    notice, a contact that somebody proved, a restriction.
    """
    since = call.body.changed_since
    if since is None:
        return None
    then = _query_subjects(portal, call, named, at=since, known_at=since)
    notice = call.lookup.published.in_force_at(since, since)

    def changes(
        number: int, subject: SubjectQuery, decisions: Mapping[QuestionId, PermissionResult]
    ) -> frozenset[QuestionId]:
        before = then[number][1].permissions(needs, notice, since)
        # A restriction counts for whatever moment is asked about: when it began is looked at.
        restricted = any((person.restricted_since or "") > since for person in subject.people)
        changed = set()
        for asked, result in decisions.items():
            fresh = restricted and result.status.restricted
            if fresh or _outcome(result) != _outcome(before[asked]):
                changed.add(asked)
        return frozenset(changed)

    return changes


def _outcome(result: PermissionResult) -> tuple[object, ...]:
    """Give what a change shows in: the state, what is permitted, and the answer it rests on."""
    answer = result.status.recorded_answer
    return result.status.state, result.permitted, answer and answer.receipt_id


def query_subject(
    lookup: Lookup,
    contacts: Sequence[Contact],
    summaries: Mapping[str, Mapping[QuestionId, AnswerSummary]],
    *,
    at: Instant,
    known_at: Instant,
) -> SubjectQuery:
    """Give the subject that contacts name, as a lookup of them found it.

    `summaries` has the answers of everybody found, by subject id (`Receipts.answers_as_of`).
    """
    under = {contact: lookup.known_under(contact, known_at) for contact in contacts}
    return SubjectQuery(under, lookup.stopped(under, summaries, at=at, known_at=known_at))


def _find_named(portal: Portal, call: AuthorizedCall[StatusQuestion]) -> NamedSubjects:
    """Read the subjects that are named by opaque id; nothing is read where none is."""
    if not call.body.ids:
        return NamedSubjects({}, {}, call.lookup)
    return find_subjects(portal, call.clinic, tuple(call.body.ids.values()))


def _merged_records(
    portal: Portal, call: AuthorizedCall[HistoryQuestion], people: Sequence[Subject]
) -> tuple[Subject, ...]:
    """Give the other records that were merged into these people's: their chains are theirs too."""
    ids = [subject for person in people for subject in person.merged]
    return tuple(find_all(portal.table, call.clinic, ids).values()) if ids else ()


def find_history(portal: Portal, call: AuthorizedCall[HistoryQuestion]) -> HistoryPage:
    """Give the receipts of one subject, oldest first, a thousand at a time.

    One of several joint controllers gets those that it may see as a whole.
    """
    people = call.lookup.known()
    if call.body.id:
        people = tuple(find_people(portal.table, call.clinic, [call.body.id]).values())
    people = (*people, *_merged_records(portal, call, people))
    behind = call.body.behind
    found = portal.receipts.history(call.clinic, people, behind, HISTORY + 1)
    page = found[:HISTORY]
    portal.table.put_new(call.audit("history", people))
    visible = tuple(receipt for receipt in page if call.may_see(receipt))
    cursor = None
    if len(found) > HISTORY:
        last = {receipt.document["subject"]: receipt.document["version"] for receipt in page}
        cursor = {**behind, **last}
    return HistoryPage(visible, len(page) - len(visible), cursor)
