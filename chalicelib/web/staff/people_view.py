"""What a person's card says: each member of the template's values, in the language of the page."""

from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.domain.clinic import Clinic, localized
from chalicelib.domain.consent import QuestionId, State
from chalicelib.domain.contacts import Contact, ContactKind, masked
from chalicelib.domain.guardians import ACTOR
from chalicelib.domain.instants import Instant, just_before
from chalicelib.domain.receipts import Receipt, reference
from chalicelib.domain.subjects import Subject
from chalicelib.presentation.i18n import format_day, format_time, format_when
from chalicelib.receipts.formats.registry import FORMATS, PAPER
from chalicelib.services.audit import PATIENT, PORTAL, FoundLine
from chalicelib.services.doers import DoerKind, doer_of
from chalicelib.services.message_history import MessageHistory, MessageRecord, WaitingItem
from chalicelib.services.person_record import KnownContact, PersonRecord, QuestionRecord
from chalicelib.services.person_watch import Watched
from chalicelib.web.staff.entrance import Desk

SEES_CONTACTS = ("receipts:write", "subjects:erase")
"""With one of these a role needs a person's contacts for its work; others see them masked."""

ACTIONS = (
    ("record", "GET /staff/people/{subject}/record"),
    ("withdraw", "GET /staff/people/{subject}/withdraw"),
    ("link", "GET /staff/people/{subject}/link"),
    ("form", "GET /staff/people/{subject}/form"),
    ("tablet", "GET /staff/people/{subject}/kiosk"),
    ("correct", "GET /staff/people/{subject}/correct"),
    ("contacts", "GET /staff/people/{subject}/contacts"),
    ("restrict", "GET /staff/people/{subject}/restrict"),
    ("merge", "GET /staff/people/{subject}/merge"),
    ("erase", "GET /staff/people/{subject}/erase"),
)
"""What can be done for a person, each with the address that leads there: shown to whom it lets
in."""

MOST_ROWS = 200
"""How many rows the page of who looked shows; of more, the newest."""

MOST_SHARING = 5
"""To how many who share a contact the card has a link."""


def describe(desk: Desk, record: PersonRecord) -> dict[str, Any]:
    """Give everything that the card of a person says."""
    person, country = record.person, desk.clinic.country
    return {
        "subject": person.id,
        "name": record.names[-1] if record.names else "",
        "child": _child(desk, record),
        "restricted": _day(desk, person.restricted_since),
        "proof_until": _day(desk, person.proof_until),
        "purposes": _purposes(desk, record.questions),
        "waiting": [_question(desk, each) for each in record.questions if each.waits],
        "contacts": [_contact(desk, person, each) for each in record.contacts],
        "many_share": record.many_share,
        "address": _address(desk, record),
        "merged": person.merged,
        "merged_into": person.merged_into,
        "receipts": [_receipt(desk, record, each) for each in record.history.receipts],
        "history": record.history,
        "total": person.version,
        "others": [_message(desk, each) for each in record.messages.others],
        "messages_whole": record.messages.whole,
        "formats": _formats(),
        "actions": _actions(desk),
        "watched": desk.leads_to("GET /staff/people/{subject}/looked"),
        "known_since": _day(desk, min(person.contacts.values(), default=None)),
        "latest": format_day(person.recorded_at, desk.lang, country) if person.version else None,
    }


def describe_looked(desk: Desk, person: Subject, watched: Watched) -> dict[str, Any]:
    """Give who looked at a person's data, what the same one did on the same day together."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for line in watched.lines:
        row = _looked(desk, watched, line)
        place = line.told["key"], row["deed"], _day(desk, line.told["at"]) or ""
        rows.setdefault(place, row)["times"] += 1
    cut = len(rows) > MOST_ROWS
    return {
        "subject": person.id,
        "rows": list(rows.values())[:MOST_ROWS],
        "since": _time(desk, watched.looked.since),
        "whole": watched.looked.whole and not cut,
    }


def _looked(desk: Desk, watched: Watched, line: FoundLine) -> dict[str, Any]:
    by, doer = line.told["key"], watched.doers.get(line.told["key"])
    return {
        "name": doer.name if doer else "",
        "kind": doer.kind.value if doer else by if by in {PATIENT, PORTAL} else "unknown",
        "deed": line.told["call"],
        "reason": line.told.get("about") or "",
        "when": _time(desk, line.told["at"]),
        "times": 0,
    }


def _actions(desk: Desk) -> list[dict[str, str]]:
    """Give what this person may do, each with the last part of its address."""
    return [
        {"name": name, "path": line.rpartition("/")[2]}
        for name, line in ACTIONS
        if desk.leads_to(line)
    ]


def _child(desk: Desk, record: PersonRecord) -> dict[str, Any] | None:
    """Tell that a guardian decides, until when, and what they are to the child."""
    of_age = record.person.of_age
    if not of_age:
        return None
    return {
        "until": _day(desk, of_age),
        "grown": of_age <= desk.now,
        "relation": record.relation,
    }


def _purposes(desk: Desk, questions: Iterable[QuestionRecord]) -> list[dict[str, Any]]:
    """Give each purpose with how its questions stand."""
    purposes: dict[str, dict[str, Any]] = {}
    for each in questions:
        purpose = each.question.purpose
        title = localized(purpose.title, desk.lang)
        told = purposes.setdefault(purpose.id, {"id": purpose.id, "title": title, "questions": []})
        told["questions"].append(_question(desk, each))
    return list(purposes.values())


def _question(desk: Desk, record: QuestionRecord) -> dict[str, Any]:
    question, status = record.question, record.result.status
    answer = status.recorded_answer
    told: dict[str, Any] = {
        "id": question.id,
        "title": question.title(desk.lang),
        "option": localized(question.option.title, desk.lang) if question.option else "",
        "state": status.state.value,
        "since": _day(desk, status.since),
        "blocked": record.is_blocked,
        "asked": question.id in desk.clinic.open_at(desk.now).questions,
        "answer": None,
    }
    if answer is not None:
        ends = answer.expires_at if status.state is State.GRANTED else None
        told["answer"] = {
            "version": answer.notice_version,
            "channel": answer.channel.value,
            "assurance": answer.assurance.value,
            "reference": reference(answer.receipt_id) if answer.receipt_id else "",
            "receipt": answer.receipt_id,
            "ends": _day(desk, just_before(ends)) if ends else None,
            "confirm_by": _time(desk, answer.confirm_by) if record.waits else None,
        }
    return told


def _contact(desk: Desk, person: Subject, known: KnownContact) -> dict[str, Any]:
    contact = known.contact
    return {
        "kind": contact.kind.value,
        "value": contact.value if _sees(desk, contact) else masked(contact),
        "proven": known.proven,
        "own": known.proven or not person.certain,
        "since": _day(desk, known.since),
        "undelivered": {why: _day(desk, at) for why, at in known.undelivered.items()},
        "shared_with": known.shared_with[:MOST_SHARING],
        "shared": len(known.shared_with),
    }


def _sees(desk: Desk, contact: Contact) -> bool:
    return contact.kind is ContactKind.REFERENCE or desk.may(*SEES_CONTACTS)


def _address(desk: Desk, record: PersonRecord) -> str:
    if record.address is None:
        return ""
    if not desk.may(*SEES_CONTACTS):
        return record.address.masked()
    return record.address.line()


def _receipt(desk: Desk, record: PersonRecord, receipt: Receipt) -> dict[str, Any]:
    document, country = receipt.document, desk.clinic.country
    by = doer_of(document)
    doer = record.doers.get(by)
    evidence = record.evidence.get(document["version"], {})
    history = record.messages.by_receipt.get(receipt.id)
    return {
        "id": receipt.id,
        "number": document["version"],
        "reference": reference(receipt.id),
        "when": format_when(document, desk.lang, country),
        "recorded": _time(desk, document["recorded_at"]),
        "late": document["effective_at"][:10] != document["recorded_at"][:10],
        "channel": document["channel"],
        "assurance": document["assurance"],
        "version": document["notice"]["version"],
        "guardian": document["actor"] == ACTOR,
        "by_staff": bool(by),
        "by": doer.name if doer else "",
        "program": doer is not None and doer.kind is DoerKind.PROGRAM,
        "form": evidence.get("form", ""),
        "scan": _scan(desk, record, document),
        "witness": evidence.get("witness", ""),
        "changed": (document["evidence"] or {}) if not document["decisions"] else None,
        "said": _said(desk, document["decisions"]),
        "messages": _messages(desk, history) if history else None,
    }


def _scan(desk: Desk, record: PersonRecord, document: Mapping[str, Any]) -> str:
    """Give the hash of the scan of a receipt's form; "" where none can be opened."""
    sha256 = str((document["evidence"] or {}).get("sha256", ""))
    is_kept = sha256 in record.scans
    return sha256 if is_kept and desk.leads_to("GET /staff/people/{subject}/scans/{scan}") else ""


def _said(desk: Desk, decisions: Mapping[QuestionId, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Give what a receipt changed, question by question."""
    clinic = _all_questions(desk)
    said = []
    for question, entry in decisions.items():
        known = clinic.questions.get(question)
        title = known.title(desk.lang) if known else question
        said.append({"title": title, "before": entry["before"], "after": entry["after"]})
    return said


def _all_questions(desk: Desk) -> Clinic:
    return desk.portal.clinics.with_all_past_questions(desk.published)


def _messages(desk: Desk, history: MessageHistory) -> dict[str, Any]:
    return {
        "sent": [_message(desk, each) for each in history.records],
        "waiting": [_waiting(desk, each) for each in history.waiting],
        "nothing": history.nothing.value if history.nothing else "",
    }


def _message(desk: Desk, record: MessageRecord) -> dict[str, Any]:
    return {
        "message": record.message,
        "channel": record.channel,
        "outcome": record.outcome,
        "reason": record.reason,
        "at": _time(desk, record.at) if record.at else "",
    }


def _waiting(desk: Desk, item: WaitingItem) -> dict[str, Any]:
    return {
        "given_up": item.given_up,
        "tries": item.tries,
        "due": _time(desk, item.due) if item.due else "",
    }


def _formats() -> dict[str, str]:
    """Give the formats of a receipt with their labels, those for people first."""
    others = [name for name in FORMATS if name not in PAPER]
    return {name: FORMATS[name].label for name in (*reversed(PAPER), *others)}


def _day(desk: Desk, at: Instant | None) -> Any:
    return format_day(at, desk.lang, desk.clinic.country) if at else None


def _time(desk: Desk, at: Instant | None) -> Any:
    return format_time(at, desk.lang, desk.clinic.country) if at else None
