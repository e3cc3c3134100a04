"""Status of a hundred people at another time: round trips and bytes, by how often each decided."""

import json
from dataclasses import replace
from typing import Any

from bench.roundtrips import CLINIC, PortalClient, portal_client
from chalicelib.domain.consent import Answer, Assurance, Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision, NoticeRef
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.subjects import Subject
from chalicelib.portal import get_portal
from chalicelib.services import decisions
from chalicelib.store import people
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import contact_key, subject_pk
from chalicelib.store.keys.receipts import receipt_key
from chalicelib.store.lookup import Identification, fresh_subject
from chalicelib.store.writes import Put

PEOPLE, BUDGET = 100, 4
LENGTHS = (1, 10, 1000)
FIRST = "2026-11-01T09:00:00.000Z"
ADDRESS = "newsletter.email"


def run() -> dict[str, Any]:
    """Measure how much a question about the past reads.

    Gives ``{"history": {receipts per person: {question: {"round_trips", "bytes", "budget"}}}}``.
    """
    measured: dict[str, Any] = {}
    with portal_client() as client:
        client.status(["first@example.org"])
        for receipts in LENGTHS:
            print(f"  writing {receipts} receipts for each of {PEOPLE} people …")
            emails = _people_with(receipts)
            measured[str(receipts)] = _measure(client, emails, receipts)
    return {"history": measured}


def _measure(client: PortalClient, emails: list[str], receipts: int) -> dict[str, Any]:
    """Ask for everybody's status at several times, and print what each question costs."""
    middle = _minute(receipts // 2)
    questions = {
        "now": {},
        "at the middle": {"at": middle},
        "as known at the middle": {"known_at": middle},
        "at the first, as known at the middle": {"at": FIRST, "known_at": middle},
    }
    measured = {}
    for name, times in questions.items():
        cost = _cost_of_status(client, emails, times)
        measured[name] = {**cost, "budget": BUDGET}
        kilobytes = cost["bytes"] / 1024 / PEOPLE
        print(
            f"  {receipts:>4} receipts each, {name:<38} "
            f"{cost['round_trips']} round trips (budget {BUDGET}), {kilobytes:.1f} KB a person"
        )
    return measured


def _people_with(receipts: int) -> list[str]:
    """Record so many decisions of one person, and copy that history to all others.

    Gives their e-mail addresses. The decisions are a minute apart.
    """
    portal = get_portal()
    emails = [f"p{number}.of{receipts}@example.org" for number in range(PEOPLE)]
    contacts = [Contact(ContactKind.EMAIL, email) for email in emails]
    for number in range(receipts):
        answer = Answer.NO if number % 2 else Answer.YES
        receipt_id = f"{receipts:016x}{number:016x}"
        decision = _decision(receipt_id, _minute(number), answer)
        who = Identification(contacts[:1], None, fresh_subject())  # type: ignore[arg-type]
        decisions.record(portal, decision, who)
    [one] = portal.directory.look_up(CLINIC, contacts[:1]).known()
    for contact in contacts[1:]:
        _copy_history(one, contacts[0], contact)
    return emails


def _copy_history(one: Subject, contact: Contact, other: Contact) -> None:
    """Copy a person to another, as if that person had decided the same.

    Of the receipts only those are copied to which the questions lead: a missing one fails.
    """
    table, key = get_portal().table, get_portal().clinics.key(CLINIC)
    pseudonym, other_pseudonym = key.lookup(contact), key.lookup(other)
    person = replace(
        one, id=fresh_subject().id, contacts={other_pseudonym: one.contacts[pseudonym]}, kinds={}
    )
    kept = people.kept_values(people.dump_person(person))
    table.put_new(Put(contact_key(CLINIC, other_pseudonym), kept))
    pk = subject_pk(CLINIC, one.id)
    middle = one.version // 2
    versions = {*range(1, 4), *range(middle - 1, middle + 4)}
    receipts = [receipt_key(CLINIC, one.id, version) for version in versions if version > 0]
    for item in [*table.partition(pk, "WORDS#"), *table.get(receipts).values()]:
        attributes = {"body": item.body, "blob": item.blob, "entries": item.texts}
        copied = {name: value for name, value in attributes.items() if value}
        table.put_new(Put(Key(subject_pk(CLINIC, person.id), item.sk), copied))


def _decision(number: str, at: Instant, answer: Answer) -> Decision:
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
    """Give a minute of the days' twelve hours after `FIRST`."""
    day, minute_of_day = divmod(number, 12 * 60)
    hour, minute = divmod(minute_of_day, 60)
    first = moment(FIRST)
    return instant(first.replace(day=1 + day, hour=9 + hour, minute=minute))


def _cost_of_status(
    client: PortalClient, emails: list[str], times: dict[str, str]
) -> dict[str, int]:
    """Ask for everybody's status; count the calls to DynamoDB and the bytes of their answers."""
    sizes: list[int] = []

    def note_size(parsed: dict[str, Any], **_: Any) -> None:
        answer = json.dumps(parsed.get("Responses", {}), default=bytes.hex)
        sizes.append(len(answer))

    events = get_portal().table.client.meta.events
    events.register("after-call.dynamodb", note_size)
    client.status(emails, times)
    events.unregister("after-call.dynamodb", note_size)
    return {"round_trips": len(sizes), "bytes": sum(sizes)}
