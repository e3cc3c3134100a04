"""Reference models: what was true of a question by both clocks, and who knows whom."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from chalicelib.domain.consent import CONFIRM_WITHIN, Assurance
from chalicelib.domain.contacts import Contact
from chalicelib.domain.decisions import Decision
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.receipts import Receipt

LASTS = {"newsletter.sms": timedelta(days=30)}
"""Which consents end by themselves."""

WAITS = timedelta(days=int(CONFIRM_WITHIN.strip("PD")))
"""How long a Yes waits to be confirmed."""


@dataclass(frozen=True)
class GivenAnswer:
    """One answer: question, when given and learnt, under which MAJOR, until when it waits."""

    address: str
    answer: str
    at: datetime
    learnt: datetime
    number: int
    major: int = 1
    confirm_by: datetime | None = None
    until: datetime | None = None
    """Where only the day is known on which it was given: the last moment it can have been."""

    @property
    def order(self) -> tuple[datetime, bool, int]:
        """The order of answers: in doubt a stop comes last, else the one recorded later."""
        stops = self.answer != "yes"
        return (self.until if stops and self.until else self.at), stops, self.number

    def ended(self, now: datetime) -> bool:
        """Tell whether a Yes is over by itself."""
        return self.address in LASTS and self.at + LASTS[self.address] <= now


@dataclass(frozen=True)
class Issue:
    """One notice version: when it was published, from when it holds, its MAJOR."""

    published: datetime
    since: datetime
    major: int


def in_force(issues: Sequence[Issue], at: datetime, known: datetime) -> int:
    """Give the MAJOR in force at one time as published at another."""
    return [
        issues[0].major,
        *(each.major for each in issues if each.published <= known and each.since <= at),
    ][-1]


def true_state(
    answers: Iterable[GivenAnswer],
    address: str,
    at: datetime,
    known: datetime,
    issues: Sequence[Issue],
) -> str:
    """Give the state of a question `at` one time as `known` at another: every answer in order."""

    def lapsed(yes: GivenAnswer, now: datetime, major: int) -> str | None:
        return "expired" if yes.ended(now) else "superseded" if yes.major != major else None

    counted = [
        each
        for each in answers
        if each.address == address and each.at <= at and each.learnt <= known
    ]
    counted = [
        each for each in counted if each.confirm_by is None or at < each.confirm_by
    ]  # else as if never made
    state, yes, claim = "never_asked", None, None
    for each in sorted(counted, key=lambda one: one.order):
        if each.confirm_by:
            then = in_force(issues, each.at, each.at)
            claim = claim if state == "granted" and yes and not lapsed(yes, each.at, then) else each
        elif each.answer == "yes":
            state, yes, claim = "granted", each, None
        else:
            stopped = state if state in {"refused", "withdrawn"} else None
            fresh = "refused" if state == "never_asked" and each.answer == "no" else "withdrawn"
            state, yes, claim = stopped or fresh, None, None
    major = in_force(issues, at, known)
    settled = (lapsed(yes, at, major) if yes else None) or state
    waiting = lapsed(claim, at, major) or "pending" if claim else settled
    return waiting if waiting == "pending" or settled == "never_asked" else settled


@dataclass
class Person:
    """A person: contacts, those only typed, whether any was proven, answers, receipts."""

    id: str
    contacts: set[Contact]
    typed: set[Contact] = field(default_factory=set)
    certain: bool = False
    answers: list[GivenAnswer] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)

    def state(self, address: str, at: datetime, known: datetime) -> str:
        """Tell how a decision stands; the one notice of the clinic never changes."""
        return true_state(self.answers, address, at, known, [Issue(at, at, 1)])


@dataclass
class Reference:
    """Everybody a clinic knows."""

    people: list[Person] = field(default_factory=list)

    def under(self, contacts: Sequence[Contact]) -> list[Person]:
        """Give everyone who has any of these contacts."""
        return [person for person in self.people if person.contacts & set(contacts)]

    def own(self, contact: Contact) -> list[Person]:
        """Give a contact's owners: who proved it, else who typed it and proved nothing."""
        proven = [
            each for each in self.under([contact]) if each.certain and contact not in each.typed
        ]
        return proven or [each for each in self.under([contact]) if not each.certain]

    def surely(self, contacts: Sequence[Contact]) -> list[Person]:
        """Give whom contacts mean without doubt: who proved one, or typed only proven ones."""
        own = [each for contact in contacts for each in self.own(contact)]
        return [each for each in own if each.certain or each.typed <= set(contacts)]

    def record(self, receipt: Receipt, decision: Decision, contacts: Sequence[Contact]) -> None:
        """Take in one decision that is stored."""
        known = [each for contact in contacts for each in self.own(contact)]
        person = next(
            (each for each in self.people if each.id == receipt.document["subject"]), None
        )
        if person is None:
            shared = [
                each
                for each in self.surely(contacts)
                if all(each in self.own(one) for one in contacts)
            ]
            assert not shared, "this person was known already"
            person = Person(receipt.document["subject"], set(contacts), set(contacts))
            self.people.append(person)
        if decision.assurance is not Assurance.SELF_ASSERTED:
            person.typed, person.certain = person.typed - set(contacts), True
        at, learnt = (moment(receipt.document[clock]) for clock in ("effective_at", "recorded_at"))
        for address, answer in decision.answers.items():
            typed = decision.assurance is Assurance.SELF_ASSERTED and (
                bool(known) or address in decision.confirm
            )
            confirm_by = learnt + WAITS if typed and answer == "yes" else None
            assert receipt.document["decisions"][address]["confirm_by"] == (
                confirm_by and instant(confirm_by)
            )
            person.answers.append(
                GivenAnswer(address, answer, at, learnt, len(person.receipts), 1, confirm_by)
            )
        person.receipts.append(receipt.id)
