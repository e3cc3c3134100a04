"""The export: the contacts of everybody who permits one question, for the clinic's own programs.

Whoever is in it permits it at the moment the page is made: the people are read strongly consistent,
then everybody who is known under their contacts, and `domain.permission` decides as for the status.
So nobody is in it whose consent ended before, or with whom somebody shares the contact who said No.

It goes through the clinic's list of people by opaque id. That order never changes: nobody comes
twice, and nobody is left out who was there all along.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.clinic import Question
from chalicelib.domain.consent import NoticeInForce, Status, resolve
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind
from chalicelib.domain.cursors import UnknownCursorError, read_cursor, write_cursor
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant
from chalicelib.domain.permission import SubjectQuery
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.changes import current_cursor
from chalicelib.services.lists import find_question
from chalicelib.services.named_subjects import NamedSubjects, find_named, query_named
from chalicelib.store.people import find_people, page_of_people
from chalicelib.store.personal_data import reveal_names

DEFAULT_LIMIT, MOST_LIMIT = 500, 1000
"""How many people one page goes through, whoever of them permits."""

AT_ONCE = 100
"""How many people are read at once where a whole part of the list is gone through."""

MOST_IN_A_FILE = 10_000
"""How many of a clinic's people are gone through for one file: a request has half a minute. Larger
clinics export by a program, page by page, or by a job."""

_KIND = "export"


class LongExportError(RejectedError):
    """The clinic has too many people for a file that one request gives."""


@dataclass(frozen=True, slots=True)
class ExportRow:
    """Somebody who permits a question: where to write to, and by which receipt.

    `email` and `phone` are given as far as the question is carried out by them; where it needs
    neither, both as far as they are known. `patient_ref` is the clinic's own number. A child's name
    is not given: the contact is its guardian's. What is not known is "".
    """

    subject: str
    email: str = field(repr=False)
    phone: str = field(repr=False)
    patient_ref: str = field(repr=False)
    name: str = field(repr=False)
    lang: str
    since: Instant
    receipt_id: str
    version: int
    notice_version: str
    expires_at: Instant | None


@dataclass(frozen=True, slots=True)
class ExportPage:
    """A page of the export.

    `cursor` is where it goes on, None at its end. `changes_cursor` is where the feed of changes
    was before the first page: whoever reads on from there misses nothing.
    """

    question: str
    rows: Sequence[ExportRow]
    cursor: str | None
    changes_cursor: str


@dataclass(frozen=True, slots=True)
class SubjectsToExport:
    """A question, and some people by opaque id."""

    purpose: str
    ids: tuple[str, ...]
    contacts: tuple[Contact, ...] = ()


def export_page(
    portal: Portal,
    call: AuthorizedCall[EmptyBody],
    purpose: str,
    cursor: str | None,
    limit: int,
) -> ExportPage:
    """Give a page of those who permit a question; it may be empty and go on.

    Raises UnknownCursorError, errors as `find_question`, UnavailableError.
    """
    question = find_question(call.shared, purpose)
    secret = portal.clinics.key(call.clinic).cursor_secret()
    after, changes_cursor = "", ""
    if cursor is None:
        changes_cursor = current_cursor(portal, call.lookup.published, call.now)
    else:
        place = read_cursor(secret, _KIND, cursor)
        if place["q"] != question.id:
            raise UnknownCursorError
        after, changes_cursor = place["a"], place["f"]
    people = page_of_people(portal.table, call.clinic, after, limit)
    rows = rows_of(portal, call.clinic, question, people, call.now)
    exported = [row.subject for row in rows]
    portal.table.put_new(call.audit("export", exported, about=question.id))
    if len(people) < limit:
        return ExportPage(question.id, rows, None, changes_cursor)
    place = {"q": question.id, "a": people[-1].id, "f": changes_cursor}
    return ExportPage(question.id, rows, write_cursor(secret, _KIND, place), changes_cursor)


def whole_export(portal: Portal, call: AuthorizedCall[EmptyBody], purpose: str) -> list[ExportRow]:
    """Give everybody who permits a question, for one file.

    Goes through `MOST_IN_A_FILE` people of the clinic at most. Raises LongExportError where there
    are more, and errors as `export_page`.
    """
    rows: list[ExportRow] = []
    cursor = None
    for _ in range(MOST_IN_A_FILE // MOST_LIMIT):
        page = export_page(portal, call, purpose, cursor, MOST_LIMIT)
        rows += page.rows
        cursor = page.cursor
        if cursor is None:
            return rows
    raise LongExportError


def export_subjects(portal: Portal, call: AuthorizedCall[SubjectsToExport]) -> list[ExportRow]:
    """Give the rows of some people, by opaque id: of those alone who permit the question."""
    question = find_question(call.shared, call.body.purpose)
    people = find_people(portal.table, call.clinic, call.body.ids)
    rows = rows_of(portal, call.clinic, question, list(people.values()), call.now)
    exported = [row.subject for row in rows]
    portal.table.put_new(call.audit("export", exported, about=question.id))
    return rows


def rows_of_shard(
    portal: Portal, clinic: str, question: Question, shard: str
) -> Iterator[list[ExportRow]]:
    """Go through one of the sixteen parts of a clinic's list of people, a hundred at a time.

    `shard` is the first digit of their ids (`keys.SHARDS`). Each hundred is decided anew by the
    portal's clock.
    """
    last = shard
    while True:
        people = page_of_people(portal.table, clinic, last, AT_ONCE)
        theirs = [person for person in people if person.id[0] == shard]
        if theirs:
            last = theirs[-1].id
            yield rows_of(portal, clinic, question, theirs, portal.clock())
        if len(theirs) < AT_ONCE:
            return


def rows_of(
    portal: Portal, clinic: str, question: Question, people: Sequence[Subject], now: Instant
) -> list[ExportRow]:
    """Give those of some people, as just read, who permit a question, with where to write to."""
    # What is in force is read again below, with the contacts: this only leaves out who said No.
    published = portal.clinics.remembered(clinic) or portal.directory.look_up(clinic).published
    notice = published.in_force_at(now)
    granting = {
        person.id: person
        for person in people
        if not person.erased and resolve(person.summaries.get(question.id), notice, now).permitted
    }
    if not granting:
        return []
    named = find_named(portal, clinic, granting)
    notice = named.lookup.published.in_force_at(now)
    queries = query_named(portal, clinic, named)
    chosen: dict[str, tuple[Status, dict[ContactKind, str]]] = {}
    for subject, query in queries.items():
        found = _where_permitted(named, subject, query, question, notice, now)
        if found is not None:
            chosen[subject] = found
    adults = [granting[subject] for subject in chosen if not granting[subject].of_age]
    names = reveal_names(portal.table, portal.clinics.key(clinic), adults)
    return [
        _row(granting[subject], status, contacts, names.get(subject, ""))
        for subject, (status, contacts) in chosen.items()
    ]


def _where_permitted(  # noqa: PLR0917 - of whom, what, when
    named: NamedSubjects,
    subject: str,
    query: SubjectQuery,
    question: Question,
    notice: NoticeInForce,
    now: Instant,
) -> tuple[Status, dict[ContactKind, str]] | None:
    """Tell where a person may be written to for a question; None where it is not permitted.

    Of several contacts of a kind that permit it, the one that the portal learnt of last.
    """
    result = query.permission(question.id, question.needs, notice, now)
    if not result.permitted:
        return None
    carriers = [kind for kind in REACHABLE_KINDS if kind in question.needs]
    person = named.people[subject]
    contacts: dict[ContactKind, str] = {}
    learnt: dict[ContactKind, Instant] = {}
    for contact in query.known:
        since = person.contacts.get(named.lookup.lookups[contact], "")
        latest = since >= learnt.get(contact.kind, "")
        if latest and query.permits(contact, question.id, notice, now):
            contacts[contact.kind], learnt[contact.kind] = contact.value, since
    if not contacts or any(kind not in contacts for kind in carriers):
        return None
    kinds = (*(carriers or REACHABLE_KINDS), ContactKind.REFERENCE)
    wanted = {kind: contacts[kind] for kind in kinds if kind in contacts}
    return result.status, wanted


def _row(person: Subject, status: Status, contacts: dict[ContactKind, str], name: str) -> ExportRow:
    answer = status.recorded_answer
    if answer is None or status.since is None:
        raise AssertionError("nobody permits what they did not answer")
    return ExportRow(
        person.id,
        contacts.get(ContactKind.EMAIL, ""),
        contacts.get(ContactKind.PHONE, ""),
        contacts.get(ContactKind.REFERENCE, ""),
        name,
        person.lang or answer.lang,
        status.since,
        answer.receipt_id,
        answer.version,
        answer.notice_version or "",
        answer.expires_at,
    )
