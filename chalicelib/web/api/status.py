"""Calls that ask: the status of subjects, and the receipts of one."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.local_time import local_day
from chalicelib.domain.permission import PermissionResult
from chalicelib.portal import get_portal
from chalicelib.services.status import (
    HistoryQuestion,
    StatusQuestion,
    find_history,
    find_status,
)
from chalicelib.web.api.auth import authorize
from chalicelib.web.api.body_reader import BodyReader, cursor
from chalicelib.web.responses import compact_json, document

MAX_SUBJECTS = 100


def get_status(request: Request, clinic: str) -> Response:
    """Give the status of up to a hundred subjects, now or at another time."""
    call = authorize(request, clinic, "status:read", read_status)
    found = find_status(get_portal(), call)
    country = call.lookup.published.clinic.country
    results = []
    written: dict[int, str] = {}
    for number, (sent, subject) in enumerate(zip(call.body.as_sent, found.results, strict=True)):
        members = {"subject": compact_json(sent)}
        if number in call.body.faults:
            members["error"] = compact_json(call.body.faults[number])
        else:
            members["contact_kinds"] = _write_kinds(subject.contact_kinds)
            members["decisions"] = _write_decisions(
                subject.decisions, country, subject.changed, written
            )
        results.append(_object(members))
    times = {"at": compact_json(found.at), "known_at": compact_json(found.known_at)}
    return document(_object({**times, "results": f"[{','.join(results)}]"}))


@cache
def _write_kinds(kinds: tuple[ContactKind, ...]) -> str:
    return compact_json(kinds)


def _write_decisions(
    decisions: Mapping[str, PermissionResult],
    country: str,
    changed: frozenset[str] | None,
    written: dict[int, str],
) -> str:
    """Write what is permitted of each question, and where that was asked whether it `changed`.

    Most have the same result, for all subjects: that nobody answered them. So `written` holds each
    result that was written, by its `id`; they all live until the answer is whole.
    """
    for result in decisions.values():
        if id(result) not in written:
            written[id(result)] = compact_json(_describe(result, country))
    members = {question: written[id(result)] for question, result in decisions.items()}
    if changed is not None:
        for question, text in members.items():
            word = "true" if question in changed else "false"
            members[question] = f'{text[:-1]},"changed":{word}}}'
    return _object(members)


def _object(members: Mapping[str, str]) -> str:
    """Write a JSON object of members that are written; their names are plain words."""
    return "{" + ",".join([f'"{name}":{text}' for name, text in members.items()]) + "}"


def get_history(request: Request, clinic: str) -> Response:
    """Give the receipts of one subject, oldest first, a thousand at a time."""
    call = authorize(request, clinic, "status:read", read_history)
    page = find_history(get_portal(), call)
    # Receipts are written as they are stored, byte for byte: the next one holds the hash.
    receipts = ",".join(receipt.canonical.decode() for receipt in page.receipts)
    members = {"receipts": f"[{receipts}]"}
    if call.key.member:
        members["withheld"] = str(page.withheld)
    if page.cursor is not None:
        members["cursor"] = f'"{cursor(page.cursor)}"'
    return document(_object(members))


def read_status(body: BodyReader) -> StatusQuestion:
    """Read a status call; without `purposes` every question of the notice is asked for.

    `at` may be any moment: a list for tomorrow's mailing asks about tomorrow. `known_at` cannot be
    to come. A subject that cannot be read is a fault of its own and of no other.
    """
    body.only("subjects", "purposes", "at", "known_at", "changed_since")
    subjects = body.items("subjects", MAX_SUBJECTS, "subjects")
    contacts: list[tuple[Contact, ...]] = []
    faults, ids = {}, {}
    for number, subject in enumerate(subjects):
        own = BodyReader(body.clinic, {}, body.now)
        read, subject_id = own.named_subject(f"/subjects/{number}", subject)
        contacts.append(() if own.errors else read)
        if subject_id:
            ids[number] = subject_id
        if own.errors:
            faults[number] = own.errors[0]
    wanted = tuple(body.clinic.questions)
    if body.has("purposes"):
        wanted = body.questions("/purposes", body.sent["purposes"])
    at = body.moment("at", "The moment asked about") if body.has("at") else None
    known_at = None
    if body.has("known_at"):
        known_at = body.past("known_at", "The moment whose knowledge is asked for")
    since = None
    if body.has("changed_since"):
        since = body.past("changed_since", "The moment since which changes are asked for")
        if at is not None or known_at is not None:
            body.error("/changed_since", "Not together with at or known_at: it compares with now.")
    return StatusQuestion(
        tuple(subjects), tuple(contacts), wanted, at, known_at, faults, ids, since
    )


def read_history(body: BodyReader) -> HistoryQuestion:
    """Read a history call."""
    body.only("subject", "cursor")
    contacts, subject_id = body.named_subject("/subject", body.sent.get("subject"))
    return HistoryQuestion(contacts, body.cursor(), subject_id)


def _describe(result: PermissionResult, country: str) -> dict[str, Any]:
    status, last = result.status, result.status.recorded_answer
    day = local_day(status.since, country) if status.since and status.day_only else None
    return {
        "state": status.state,
        "permitted": result.permitted,
        "holds_for": result.holds_for,
        "restricted": status.restricted,
        "since": status.since,
        "since_date": day,
        # None while a withdrawal for very many people has not reached this one yet.
        "receipt_id": (last and last.receipt_id) or None,
        "version": (last and last.version) or None,
        "notice_version": last and last.notice_version,
        "lang": last and last.lang,
        "channel": last and last.channel,
        "assurance": last and last.assurance,
    }
