"""Status of a hundred people at another time, by how much each has decided: round trips, and what comes back."""

import json
from typing import Any

from bench.roundtrips import CLINIC, Desk, desk
from chalicelib.domain.consent import Answer, Assurance, Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision, NoticeRef
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.subjects import Subject
from chalicelib.portal import get_portal
from chalicelib.services import decisions
from chalicelib.store.keys import contact_key, subject_pk
from chalicelib.store.lookup import Identification, fresh_subject

PEOPLE, BUDGET = 100, 4
LENGTHS = (1, 10, 1000)
FIRST = "2026-11-01T09:00:00.000Z"
ADDRESS = "newsletter.email"


def run() -> dict[str, Any]:
    """Measure; give ``{"history": {receipts per person: {question: {"round_trips", "bytes", "budget"}}}}``."""
    measured: dict[str, Any] = {}
    with desk() as front:
        front.status(["first@example.org"])
        for receipts in LENGTHS:
            print(f"  writing {receipts} receipts for each of {PEOPLE} people …")
            emails = _crowd(receipts)
            middle = _minute(receipts // 2)
            questions = {
                "now": {},
                "at the middle": {"at": middle},
                "as known at the middle": {"known_at": middle},
                "at the first, as known at the middle": {"at": FIRST, "known_at": middle},
            }
            for name, asked in questions.items():
                told = _weighed(front, emails, asked)
                measured.setdefault(str(receipts), {})[name] = {**told, "budget": BUDGET}
                print(
                    f"  {receipts:>4} receipts each, {name:<38} {told['round_trips']} round trips (budget {BUDGET}), "
                    f"{told['bytes'] / 1024 / PEOPLE:.1f} KB a person"
                )
    return {"history": measured}


def _crowd(receipts: int) -> list[str]:
    """Let one person decide so often, minute by minute, and give that history to ninety-nine others as well."""
    portal = get_portal()
    contacts = [Contact(ContactKind.EMAIL, f"p{number}.of{receipts}@example.org") for number in range(PEOPLE)]
    for number in range(receipts):
        at = _minute(number)
        decision = _act(f"{receipts:016x}{number:016x}", at, Answer.NO if number % 2 else Answer.YES)
        decisions.record(portal, decision, Identification(contacts[:1], None, fresh_subject()))  # type: ignore[arg-type]
    [one] = portal.directory.look_up(CLINIC, contacts[:1]).known()
    for contact in contacts[1:]:
        _copy(one, contacts[0], contact)
    return [contact.value for contact in contacts]


def _copy(one: Subject, contact: Contact, other: Contact) -> None:
    """Give a person's words to another, item by item, as if that person had decided the same."""
    portal, twin = get_portal(), fresh_subject().id
    key = portal.clinics.key(CLINIC)
    entry = contact_key(CLINIC, key.lookup(contact))
    items = [portal.table.get([entry])[entry], *portal.table.partition(subject_pk(CLINIC, one.id), "WORDS#")]
    for item in items:
        written = json.dumps({"body": item.body, "entries": item.texts})
        kept = json.loads(written.replace(one.id, twin).replace(key.lookup(contact), key.lookup(other)))
        pk = contact_key(CLINIC, key.lookup(other)).pk if item.key == entry else subject_pk(CLINIC, twin)
        attributes = {"pk": {"S": pk}, "sk": {"S": item.sk}}
        if kept["entries"]:
            attributes["entries"] = {"M": {name: {"S": text} for name, text in kept["entries"].items()}}  # type: ignore[dict-item]
        if kept["body"]:
            attributes["body"] = {"S": kept["body"]}
        portal.table.client.put_item(TableName=portal.settings.table, Item=attributes)


def _act(number: str, at: Instant, answer: Answer) -> Decision:
    return Decision(
        receipt_id=number,
        clinic=CLINIC,
        answers={ADDRESS: answer},
        notice=NoticeRef("1.0", "lv", "0" * 64),
        controllers=(),
        channel=Channel.PAPER,
        source=None,
        assurance=Assurance.STAFF_WITNESSED,
        actor="staff:bench",
        evidence={"form": "B-1"},
        effective_at=at,
        recorded_at=at,
        endings={},
    )


def _minute(number: int) -> Instant:
    return instant(moment(FIRST).replace(hour=9 + number // 60 % 12, minute=number % 60, day=1 + number // 720))


def _weighed(front: Desk, emails: list[str], asked: dict[str, str]) -> dict[str, int]:
    """Ask for everybody's status; count the calls to DynamoDB and the bytes of what came back."""
    weights: list[int] = []

    def weigh(parsed: dict[str, Any], **_: Any) -> None:
        weights.append(len(json.dumps(parsed.get("Responses", {}), default=bytes.hex)))

    events = get_portal().table.client.meta.events
    events.register("after-call.dynamodb", weigh)
    front.status(emails, asked)
    events.unregister("after-call.dynamodb", weigh)
    return {"round_trips": len(weights), "bytes": sum(weights)}
