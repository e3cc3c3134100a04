"""The reference the store is held against: who knows whom, and whose last word it is."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.consent import Act, Receipt
from chalicelib.contact import Contact
from chalicelib.instants import moment

LASTS = {"newsletter.sms": timedelta(days=30)}
"""Which consents end by themselves."""


@dataclass
class Person:
    """One person: contacts, the last word on each decision (state, since, until), the last proven No, receipts."""

    id: str
    contacts: set[Contact]
    words: dict[str, tuple[str, datetime, datetime | None]] = field(default_factory=dict)
    stopped: dict[str, datetime] = field(default_factory=dict)
    receipts: list[str] = field(default_factory=list)

    def state(self, address: str, now: datetime) -> str:
        """Tell how a decision stands."""
        state, _, until = self.words.get(address, ("never_asked", now, None))
        return "expired" if state in {"granted", "pending"} and until and until <= now else state

    def hear(self, address: str, answer: str, at: datetime, now: datetime, *, proven: bool) -> None:
        """Take in one answer given `at` a time and learnt `now`."""
        before = self.state(address, now)
        if address in self.words and at < self.words[address][1]:
            claimed = self.words[address][0] == "pending" and proven
            if not claimed or (address in self.stopped and at <= self.stopped[address]):
                return
            if answer != "yes":
                self.stopped[address] = at
                return
        if answer == "yes" and not proven and before in {"granted", "pending"}:
            return
        if answer == "yes":
            until = at + LASTS[address] if address in LASTS else None
            self.words[address] = ("granted" if proven else "pending", at, until)
        elif before in {"refused", "withdrawn"}:
            self.words[address] = (before, at, None)
        else:
            stops = answer == "withdraw" or before in {"granted", "expired"}
            self.words[address] = ("withdrawn" if stops else "refused", at, None)
        if self.words[address][0] in {"refused", "withdrawn"}:
            self.stopped[address] = at


@dataclass
class Reference:
    """Everybody a clinic knows."""

    people: list[Person] = field(default_factory=list)

    def under(self, contacts: Sequence[Contact]) -> list[Person]:
        """Give everyone who has any of these contacts."""
        return [person for person in self.people if person.contacts & set(contacts)]

    def hear(self, receipt: Receipt, act: Act, contacts: Sequence[Contact], now: datetime) -> None:
        """Take in one act that is stored."""
        known, staff = self.under(contacts), act.actor != "patient"
        person = next((each for each in known if each.id == receipt.document["subject"]), None)
        if person is None:
            assert not any(set(contacts) <= each.contacts for each in known), "this person was known already"
            person = Person(receipt.document["subject"], set(contacts))
            self.people.append(person)
        for address, answer in act.answers.items():
            at = moment(receipt.document["effective_at"])
            person.hear(address, answer, at, now, proven=staff or not known)
        person.receipts.append(receipt.id)
