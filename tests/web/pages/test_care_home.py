"""Very many people who share one phone, forty decisions ever asked of each: everybody is stopped,
whichever way.

A thousand are stopped by the page. Staff and one click place the same kind of order: they are tried
with a hundred.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import decide
from chalicelib.jobs.withdrawal_orders import carry_on
from chalicelib.portal import get_portal
from chalicelib.services.given_contacts import with_contacts, with_proof
from chalicelib.store import people as roll
from chalicelib.store import withdrawal_orders
from chalicelib.store.contacts import ContactPeople
from chalicelib.store.decisions import PersonalData, decision_writes
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import contact_key
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.writes import NextNumber, Write
from tests.factories import on_paper
from tests.web.client import Answer, Client, Program
from tests.web.page_reader import open_page
from tests.web.running import RunningPortal

PEOPLE, FEWER = 1000, 100
DECISIONS = 40
PHONE = Contact(ContactKind.PHONE, "+37126555555")
BY_PHONE = {"phone": PHONE.value}
SIGNED = "2026-11-10T10:00:00.000Z"


@dataclass(frozen=True)
class Home:
    """A care home: the clinic's program, the decisions it ever asked for, and who lives there."""

    portal: RunningPortal
    program: Program
    addresses: tuple[str, ...]
    people: tuple[str, ...]

    @property
    def lookup(self) -> str:
        """The key under which the home's phone is found."""
        return self.portal.in_process.clinics.key(self.program.clinic).lookup(PHONE)

    def open_orders(self) -> list[Key]:
        """Give the orders that are open for this home."""
        return [
            key
            for key in withdrawal_orders.open_orders(self.portal.table)
            if withdrawal_orders.clinic_of(key) == self.program.clinic
        ]

    def carry_on(self, pages: int = 1000) -> int:
        """Carry the home's orders on for some pages, as the clock's round does; tell how many
        requests that took.
        """
        asked, sent = itertools.count(), itertools.count()

        def note(**_: Any) -> None:
            next(sent)

        beside = self.portal.in_process
        events = beside.table.client.meta.events
        events.register("before-send.dynamodb", note)
        carry_on(beside, self.open_orders(), lambda: next(asked) > pages)
        events.unregister("before-send.dynamodb", note)
        return next(sent)

    def stopped(self, addresses: Sequence[str]) -> int:
        """Tell for how many people all of these are stopped by their own chain; what the table
        holds stays small.
        """
        items = [*self.portal.table.partition(contact_key(self.program.clinic, self.lookup).pk, "")]
        assert max(len(item.body or "") + len(str(item.texts)) for item in items) < 40_000
        people = list(roll.iter_people(self.portal.table, self.program.clinic))
        assert {person.id for person in people} == set(self.people)
        lasts = [[person.summaries[address].last for address in addresses] for person in people]
        return sum(all(word and word.answer == "withdraw" for word in words) for words in lasts)


def forty(document: dict[str, Any]) -> None:
    """Let the clinic ask for forty decisions."""
    sharing = next(purpose for purpose in document["purposes"] if purpose["id"] == "data_sharing")
    asked = sum(max(1, len(purpose.get("options", ()))) for purpose in document["purposes"])
    pattern = sharing["options"][0]
    sharing["options"] += [
        {**pattern, "id": f"r{number:02}"} for number in range(DECISIONS - asked)
    ]


@pytest.fixture(scope="module")
def home(settled: RunningPortal) -> Home:
    """Give a home of a thousand people."""
    return a_home(settled, PEOPLE)


@pytest.fixture(scope="module")
def smaller_home(settled: RunningPortal) -> Home:
    """Give a home of a hundred people."""
    return a_home(settled, FEWER)


def a_home(settled: RunningPortal, residents: int) -> Home:
    """Let very many people say Yes to everything, written as the store writes it, ten in a
    transaction.
    """
    program = settled.open_clinic(change=forty)
    beside, clinic = settled.in_process, program.clinic
    published = beside.directory.look_up(clinic).published
    addresses = tuple(published.clinic.questions)
    assert len(addresses) == DECISIONS
    key, people = beside.clinics.key(clinic), []
    waiting: list[Write] = []
    for number in range(residents):
        reference, before = Contact(ContactKind.REFERENCE, f"R-{number:04}"), fresh_subject()
        decision = on_paper(
            dict.fromkeys(addresses, "yes"), SIGNED, SIGNED, clinic=clinic, evidence=None
        )
        receipt, after = decide(before, decision, published.in_force, known=False)
        known = {
            key.lookup(reference): ContactPeople(),
            key.lookup(PHONE): ContactPeople(number=number - 1, free=number == 0),
        }
        lookup = Lookup(published, {}, {}, known_by=known)
        identification = Identification((reference, PHONE), None, before)
        given = {key.lookup(contact): contact for contact in identification.contacts}
        after = with_contacts(before, after, given, "")
        after = with_proof(key, after, identification, identification.contacts, receipt)
        data = PersonalData(given, None, None, ())
        writes = decision_writes(
            key, lookup, before, after=after, receipt=receipt, given=data, due=None
        )
        waiting += [write for write in writes if not isinstance(write, NextNumber)]
        people.append(before.id)
        if number % 10 == 9:
            beside.table.write(waiting)
            waiting = []
    head = contact_key(clinic, key.lookup(PHONE))
    beside.table.client.update_item(
        TableName=beside.settings.table,
        Key={"pk": {"S": head.pk}, "sk": {"S": head.sk}},
        UpdateExpression="SET #number = :last",
        ExpressionAttributeNames={"#number": "number"},
        ExpressionAttributeValues={":last": {"N": str(residents - 1)}},
    )
    return Home(settled, program, addresses, tuple(people))


def permitted(home: Home, addresses: Sequence[str]) -> set[bool]:
    """Tell whether any of these is permitted for whoever is found by the phone."""
    answer = home.program.call("status", {"subjects": [BY_PHONE], "purposes": list(addresses)})
    assert answer.status == 200
    return {told["permitted"] for told in answer.json()["results"][0]["decisions"].values()}


def counted(home: Home, deed: Any) -> tuple[Answer, int]:
    """Do something at the application; tell how many requests to DynamoDB it took."""
    sent = itertools.count()

    def note(**_: Any) -> None:
        next(sent)

    events = get_portal().table.client.meta.events
    events.register("before-send.dynamodb", note)
    answer: Answer = deed()
    events.unregister("before-send.dynamodb", note)
    assert home.open_orders()
    return answer, next(sent)


def test_by_the_page(home: Home, client: Client) -> None:
    """Interrupted in the middle, it goes on where it was; nobody learns from the page that others
    share the phone.
    """
    mine = home.addresses
    state = open_page(client, f"/{home.program.clinic}/withdraw").fields["state"]
    form = {"state": state, "phone": PHONE.value, "purpose": mine}
    answer, requests = counted(home, lambda: client.post(f"/{home.program.clinic}/withdraw", form))
    assert answer.status == 303
    assert requests <= 4
    assert permitted(home, mine) == {False}
    first = home.carry_on(pages=20)
    assert 400 < home.stopped(mine) < 600
    assert permitted(home, mine) == {False}
    rest = home.carry_on()
    assert not home.open_orders()
    assert home.stopped(mine) == PEOPLE
    assert first + rest <= 1.2 * PEOPLE
    receipt = home.program.receipt(answer.location.rpartition("/")[2].partition("?")[0])
    assert receipt.json()["decisions"].keys() == set(mine)


def test_by_staff(smaller_home: Home) -> None:
    """The call says that it goes on, and, asked again, that it is complete."""
    mine = smaller_home.addresses[:20]
    body = {
        "subject": BY_PHONE,
        "purposes": list(mine),
        "channel": "phone",
        "effective_at": "2026-11-20T10:00:00Z",
    }
    key = {"Idempotency-Key": "care-home"}
    answer, requests = counted(
        smaller_home, lambda: smaller_home.program.call("withdrawals", body, key)
    )
    assert (answer.status, answer.json()["complete"]) == (201, False)
    # One of them keeps the text, for the first call of a process alone: this may be it.
    assert requests <= 9
    assert permitted(smaller_home, mine) == {False}
    again = smaller_home.program.call("withdrawals", body, key)
    assert (again.status, again.json()) == (201, answer.json())
    assert smaller_home.carry_on() <= FEWER + 50
    done = smaller_home.program.call("withdrawals", body, key)
    assert (done.status, done.json()["id"]) == (201, answer.json()["id"])
    assert "complete" not in done.json()
    assert smaller_home.stopped(mine) == FEWER


def test_by_one_click(smaller_home: Home, client: Client) -> None:
    """A mail program's request, sent three times, is one withdrawal."""
    mine = smaller_home.addresses[20:]
    body = {"links": [{**BY_PHONE, "purposes": list(mine), "lang": "en"}]}
    link = smaller_home.program.call("links", body).json()["links"][0]["unsubscribe_url"]
    place, click = f"/{link.partition('/api/')[2]}", {"List-Unsubscribe": "One-Click"}
    answer, requests = counted(smaller_home, lambda: client.post(place, click))
    assert answer.status == 200
    assert requests <= 8
    assert permitted(smaller_home, mine) == {False}
    smaller_home.carry_on(pages=3)
    assert client.post(place, click).status == 200
    assert len(smaller_home.open_orders()) == 1
    assert smaller_home.carry_on() <= FEWER + 50
    assert smaller_home.stopped(mine) == FEWER
    assert client.post(place, click).status == 200
    assert smaller_home.carry_on() <= 50, "there is nothing left, and nobody gets another receipt"
