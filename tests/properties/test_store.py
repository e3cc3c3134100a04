"""The store against a small reference model: random people and answers, a faulty network."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import pytest
from hypothesis import event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from chalicelib.domain.consent import Assurance, NoticeInForce, resolve
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Decision
from chalicelib.domain.instants import instant
from chalicelib.domain.receipts import Receipt
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.decisions import BusyError
from chalicelib.store import timeline
from chalicelib.store.lookup import Identification, fresh_subject
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.store.table import UnavailableError
from tests.cast import RIGA
from tests.factories import EMAIL_NEWS, SMS_NEWS, a_decision, on_paper
from tests.properties.faults import READ, WRITE, Fault, Faults
from tests.properties.reference import Reference
from tests.store.people import assert_unbroken

Got = TypeVar("Got")
ENDS = {SMS_NEWS: "P30D"}
CONFIRMED = frozenset({SMS_NEWS})
"""What waits to be confirmed whoever typed the contact.

The rest only where the contact was known.
"""
ANSWERS = st.dictionaries(
    st.sampled_from([EMAIL_NEWS, SMS_NEWS]), st.sampled_from(["yes", "no", "withdraw"]), min_size=1
)
READS = st.lists(
    st.sampled_from([Fault.LOST_REQUEST, Fault.LOST_REPLY, Fault.THROTTLED]), max_size=4
)
WRITES = (
    st.just([])
    | st.lists(st.sampled_from(Fault), max_size=4)
    | st.builds(lambda fault, times: [fault] * times, st.sampled_from(Fault), st.integers(2, 9))
)
LATE = st.none() | st.integers(1, 9) | st.just(40_000)
"""Minutes until staff enter a form.

Decisions are a minute apart, so that it was signed between two of them.
"""
PERSONAS = ("anna", "bella", "giorgi")
_families = itertools.count(1)


@dataclass(frozen=True)
class Acknowledged:
    """A decision that was acknowledged, with its receipt."""

    decision: Decision
    contacts: tuple[Contact, ...]
    receipt: Receipt


class Clinic(RuleBasedStateMachine):
    """Anna and Bella share a phone, Giorgi has only a phone.

    Each decides, confirms, lets the time to confirm pass, withdraws and signs papers, at random.
    """

    portal: Portal
    """The portal under test; set by the test below."""

    def __init__(self) -> None:
        super().__init__()
        self.faults = Faults(self.portal.table.client)
        self.model = Reference()
        self.now = datetime(2026, 11, 22, 8, tzinfo=UTC)
        self.acknowledged: list[Acknowledged] = []
        number = next(_families)
        email = [
            Contact(ContactKind.EMAIL, f"{name}{number}@example.org")
            for name in ("anna", "bella", "carl")
        ]
        phone = [Contact(ContactKind.PHONE, f"+3712{which}{number:06}") for which in (1, 2)]
        self.contacts = {
            "anna": (email[0], phone[0]),
            "bella": (email[1], phone[0]),
            "giorgi": (phone[1],),
        }
        self.stray = email[2]

    def teardown(self) -> None:
        """Read every chain to its end: nothing acknowledged is lost or doubled, without a gap."""
        for person in self.model.people:
            [found] = [each for each in self.looked(*person.contacts) if each.id == person.id]
            receipts = self.portal.receipts.history(RIGA, [found])
            assert_unbroken(sorted(receipts, key=lambda receipt: int(receipt.document["version"])))
            assert [receipt.id for receipt in receipts] == person.receipts
            assert (found.version, found.head) == (len(receipts), receipts[-1].sha256)
        self.faults.close()

    def looked(self, *contacts: Contact) -> list:  # type: ignore[type-arg]
        """Look people up."""
        lookup = self.portal.directory.look_up(RIGA, contacts)
        return list(
            {each.id: each for people in lookup.stored_under.values() for each in people}.values()
        )

    def signed(self, contacts: tuple[Contact, ...]) -> Identification:
        """Sign as each request does: with an id of its own for somebody who might be new."""
        return Identification(contacts, None, fresh_subject())

    def until_acknowledged(self, operation: Callable[[], Got]) -> Got:
        """Send the same decision again for as long as the answer is “try again”."""
        while True:
            try:
                return operation()
            except (UnavailableError, BusyError) as error:
                event(f"sent again after {type(error).__name__}")

    @initialize()
    def open(self) -> None:
        """Open the clinic to people nobody knows."""
        assert self.looked(*self.everyone()) == []

    def everyone(self) -> list[Contact]:
        """Give every contact there is."""
        return list(
            dict.fromkeys(
                [contact for own in self.contacts.values() for contact in own] + [self.stray]
            )
        )

    @rule(who=st.sampled_from(PERSONAS), answers=ANSWERS, late=LATE, reads=READS, writes=WRITES)
    def decide(
        self,
        who: str,
        answers: Mapping[str, str],
        late: int | None,
        reads: list[Fault],
        writes: list[Fault],
    ) -> None:
        """Decide on the page, or on paper that staff enter some minutes late.

        Send it until it is acknowledged.
        """
        decision, contacts = self.a_decision(who, answers, late), self.contacts[who]
        self.faults.plan(READ, reads)
        self.faults.plan(WRITE, writes)
        receipt = self.until_acknowledged(
            lambda: decisions.record(self.portal, decision, self.signed(contacts))
        )
        self.faults.clear()
        assert receipt.id == decision.receipt_id
        self.model.record(receipt, decision, contacts)
        self.acknowledged.append(Acknowledged(decision, contacts, receipt))

    @rule(who=st.sampled_from(PERSONAS), answers=ANSWERS, writes=WRITES)
    def decide_and_walk_away(
        self, who: str, answers: Mapping[str, str], writes: list[Fault]
    ) -> None:
        """Decide without trying again: the decision is stored as a whole, or not at all."""
        decision, contacts = self.a_decision(who, answers, None), self.contacts[who]
        self.faults.plan(WRITE, writes)
        try:
            receipt = decisions.record(self.portal, decision, self.signed(contacts))
        except (UnavailableError, BusyError):
            self.faults.clear()
            try:
                receipt = self.portal.receipts.find(RIGA, decision.receipt_id)
            except UnknownReceiptError:
                event("given up, not stored")
                return
            event("given up, stored")
        self.faults.clear()
        self.model.record(receipt, decision, contacts)

    @rule(data=st.data(), reads=READS, writes=WRITES)
    def withdraw(self, data: st.DataObject, reads: list[Fault], writes: list[Fault]) -> None:
        """Withdraw by one contact, for everybody who typed it, and for a new person if need be."""
        known = sorted(
            {contact for person in self.model.people for contact in person.contacts},
            key=lambda c: c.value,
        )
        contact = data.draw(st.sampled_from([*known, self.stray]))
        people = self.model.under([contact])
        meant = len(people) + (not self.model.surely([contact]))
        decision = self.a_decision("anna", {EMAIL_NEWS: "withdraw", SMS_NEWS: "withdraw"}, None)
        self.faults.plan(READ, reads)
        self.faults.plan(WRITE, writes)
        receipts = self.until_acknowledged(
            lambda: withdrawals.withdraw(self.portal, decision, self.signed((contact,)))
        )
        self.faults.clear()
        assert len({receipt.document["subject"] for receipt in receipts}) == len(receipts) == meant
        for receipt in receipts:
            self.model.record(receipt, decision, (contact,))

    @precondition(lambda self: self.model.people)
    @rule(data=st.data(), answers=ANSWERS, reads=READS, writes=WRITES)
    def confirm(
        self,
        data: st.DataObject,
        answers: Mapping[str, str],
        reads: list[Fault],
        writes: list[Fault],
    ) -> None:
        """Confirm from one's own contact: it counts at once, for this person alone."""
        person = data.draw(st.sampled_from(self.model.people))
        contact = data.draw(st.sampled_from(sorted(person.contacts, key=lambda each: each.value)))
        self.now += timedelta(minutes=1)
        confirmed = Assurance.CONTACT_CONFIRMED
        decision = a_decision(answers, instant(self.now), assurance=confirmed, endings=ENDS)
        self.faults.plan(READ, reads)
        self.faults.plan(WRITE, writes)
        signed = replace(self.signed((contact,)), person=person.id, proves=(contact,))
        receipt = self.until_acknowledged(lambda: decisions.record(self.portal, decision, signed))
        self.faults.clear()
        assert receipt.document["subject"] == person.id
        self.model.record(receipt, decision, (contact,))

    @precondition(lambda self: self.acknowledged)
    @rule(data=st.data(), reads=READS, writes=WRITES)
    def send_again(self, data: st.DataObject, reads: list[Fault], writes: list[Fault]) -> None:
        """Send an old decision again at another time: its receipt comes back, nothing changes."""
        earlier = data.draw(st.sampled_from(self.acknowledged))
        decision = replace(earlier.decision, recorded_at=instant(self.now))
        self.faults.plan(READ, reads)
        self.faults.plan(WRITE, writes)
        again = self.until_acknowledged(
            lambda: decisions.record(self.portal, decision, self.signed(earlier.contacts))
        )
        self.faults.clear()
        assert again == earlier.receipt

    @rule(days=st.integers(1, 31))
    def time_passes(self, days: int) -> None:
        """Let what ends by itself end."""
        self.now += timedelta(days=days)

    @precondition(lambda self: self.model.people)
    @rule(at=st.integers(0, 20), known=st.integers(0, 20))
    def look_back(self, at: int, known: int) -> None:
        """Ask about one time as known at another: the same as replaying all answers."""
        then, learnt = self.now - timedelta(minutes=at), self.now - timedelta(minutes=known)
        people = self.looked(*self.everyone())
        recorded = self.portal.receipts.answers_as_of(RIGA, people, instant(then), instant(learnt))
        notice = NoticeInForce("1.0", instant(then))
        assert {
            person.id: {
                address: person.state(address, then, learnt) for address in (EMAIL_NEWS, SMS_NEWS)
            }
            for person in self.model.people
        } == {
            subject: {
                address: str(resolve(summaries.get(address), notice, instant(then)).state)
                for address in (EMAIL_NEWS, SMS_NEWS)
            }
            for subject, summaries in recorded.items()
        }

    @invariant()
    def everybody_stands_as_the_model_says(self) -> None:
        """Under every contact the same people, each with the same state of everything."""
        lookup = self.portal.directory.look_up(RIGA, self.everyone())
        for contact, people in lookup.stored_under.items():
            own = {person.id for person in lookup.people[contact]}
            assert own == {person.id for person in self.model.own(contact)}
            in_force, at = lookup.published.in_force, instant(self.now)
            recorded = {
                person.id: {
                    address: str(resolve(person.summaries.get(address), in_force, at).state)
                    for address in (EMAIL_NEWS, SMS_NEWS)
                }
                for person in people
            }
            assert recorded == {
                person.id: {
                    address: person.state(address, self.now, self.now)
                    for address in (EMAIL_NEWS, SMS_NEWS)
                }
                for person in self.model.under([contact])
            }

    def a_decision(self, who: str, answers: Mapping[str, str], late: int | None) -> Decision:
        """Make a decision of now.

        Staff record only whom they know, or who shares no contact with anybody.
        """
        self.now += timedelta(minutes=1)
        at = instant(self.now)
        under = self.model.under(self.contacts[who])
        mine = [
            person
            for person in under
            if all(person in self.model.own(each) for each in self.contacts[who])
        ]
        if late is None or (under and not mine):
            return a_decision(answers, at, endings=ENDS, confirm=CONFIRMED)
        return on_paper(answers, instant(self.now - timedelta(minutes=late)), at, endings=ENDS)


def test_no_acknowledged_decision_is_lost_and_none_is_doubled(portal: Portal) -> None:
    """The clinic reads what patients were shown.

    Whatever the network does, a patient who was told “recorded” has one receipt.
    """
    Clinic.portal = portal
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(timeline, "RECEIPTS", 3)  # so that twenty steps turn several pages
        run_state_machine_as_test(Clinic, settings=settings.get_profile("store"))
