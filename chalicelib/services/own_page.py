"""A visit to the patient's own page: whose page it is, what is known, and how the page says it.

A link is for one person. One that the clinic made for somebody new has no person yet: then whoever is known under its
contact is meant. Where several share that contact, nobody's history is shown to the others: together they can stop
things, and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from chalice.app import Request

from chalicelib.domain import overview
from chalicelib.domain.clinic import SHARING, Clinic, spoken
from chalicelib.domain.consent import Address, State
from chalicelib.domain.contacts import REACH, Contact, masked
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant, just_before
from chalicelib.domain.links import Power
from chalicelib.domain.overview import Decision
from chalicelib.domain.receipts import Receipt, Subject
from chalicelib.domain.submission import can_agree
from chalicelib.portal import portal
from chalicelib.presentation.i18n import negotiate, spoken_day, spoken_time, spoken_when
from chalicelib.receipts.formats.registry import FORMATS, PAPER
from chalicelib.store.links import OldLinkError, Opened, open_link, opening
from chalicelib.store.lookup import Look
from chalicelib.store.personal_data import Revealed, reveal
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.web.pages.decision_form import now
from chalicelib.web.requests import mount, query

OPENED = {Power.MANAGE: "own page", Power.ERASE: "erase page"}
"""What the audit calls a page that a link opened."""

RECEIPTS = 20
"""How many receipts a page shows at once."""


@dataclass(frozen=True)
class Visit:
    """Somebody who followed their link: whose page it is, and what one look found."""

    request: Request
    token: str
    opened: Opened
    look: Look
    people: tuple[Subject, ...]
    now: Instant

    @property
    def clinic(self) -> Clinic:
        """The clinic as its notice in force describes it, without the questions that are over."""
        return self.look.published.clinic.asking(self.now)

    @property
    def shared(self) -> bool:
        """Whether several people are meant, and nobody's own things can be shown."""
        return len(self.people) > 1

    @property
    def person(self) -> Subject:
        """The one whose page it is; raise NotFoundError where that is nobody, or several."""
        if len(self.people) != 1:
            raise NotFoundError
        return self.people[0]

    @property
    def lang(self) -> str:
        """The language asked for, else the link's own."""
        clinic, own = self.look.published.clinic, self.opened.link.lang
        default = own if own in clinic.languages else clinic.default_language
        return negotiate(query(self.request, "lang"), None, clinic.languages, default)

    @property
    def address(self) -> str:
        """The page's own address."""
        return f"{mount(self.request)}/manage/{self.token}"

    @property
    def ever(self) -> Clinic:
        """The clinic with every question it ever asked."""
        return portal().clinics.ever_asked(self.look.published)

    @cached_property
    def receipts(self) -> tuple[Receipt, ...]:
        """The person's receipts, oldest first: all, or of thousands the newest; none where several are meant."""
        return () if self.shared else tuple(portal().register.newest(self.clinic.id, self.person))

    @property
    def left_out(self) -> int:
        """How many older receipts are not among them."""
        return 0 if self.shared else self.person.version - len(self.receipts)

    @cached_property
    def revealed(self) -> Revealed:
        """What is kept sealed of the person; nothing where several are meant."""
        house = portal()
        return Revealed((), ()) if self.shared else reveal(house.table, house.clinics.key(self.clinic.id), self.person)

    @property
    def contacts(self) -> tuple[tuple[Contact, Instant], ...]:
        """The contacts to hand out: the link's own and those that were proven; masked the rest, whose nobody knows."""
        key, holder, typed = portal().clinics.key(self.clinic.id), self.opened.holder.contact, self.person.typed
        return tuple(
            (contact if own else replace(contact, value=masked(contact)), since)
            for contact, since in self.revealed.contacts
            for own in [contact == holder or key.lookup(contact) not in typed]
        )

    @property
    def own_contacts(self) -> dict[str, Contact]:
        """The person's e-mails and phones, by a name that a form can bear; none where several are meant."""
        key = portal().clinics.key(self.clinic.id)
        return {key.lookup(each)[:12]: each for each, _ in self.revealed.contacts if each.kind in REACH}

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """How everything stands."""
        return overview.decisions(self.people, self.ever, self.look.published.in_force, self.now, self.receipts)

    @property
    def disclosures(self) -> tuple[overview.Disclosure, ...]:
        """Who could receive what."""
        published, clinics = self.look.published, portal().clinics
        named = {receipt.document["notice"]["version"] for receipt in self.receipts} - {None}
        versions = {version: clinics.version(self.clinic.id, version) for version in named}
        changes = [each.since for each in published.published]
        restricted = next((each.restricted_since for each in self.people if not self.shared), None)
        return overview.disclosures(
            self.receipts, versions, published.in_force_at, changes, self.now, restricted_since=restricted
        )


def enter(request: Request, token: str, power: Power = Power.MANAGE) -> Visit:
    """Follow a link to the own page; raise UnknownLinkError, or OldLinkError where whose it was is gone.

    Or, by its `power`, to the page on which erasing is confirmed.
    """
    house, at = portal(), now()
    opened = open_link(house.table, house.clinics, token, power, at)
    look = house.register.look(opened.link.clinic, [opened.holder.contact])
    holder = opened.holder.contact
    if opened.link.subject is None:  # made for whoever has the contact, and not for the children they decide for
        people = tuple(each for each in look.likely(holder) if not each.of_age)
    else:
        people = tuple(each for each in look.people[holder] if each.id == opened.link.subject)
        if not people:
            raise OldLinkError(opened.link)
    house.table.put_new(opening(opened, OPENED[power], people, at))
    return Visit(request, token, opened, look, people, at)


def told(visit: Visit) -> Mapping[str, Any]:
    """Give what the page says of this person alone."""
    clinic, lang, known = visit.clinic, visit.lang, visit.revealed.known
    decisions = visit.decisions
    stands = {each.question.address: _spoken(visit, each) for each in decisions}
    contacts = [contact for contact, _ in visit.revealed.contacts] or [visit.opened.holder.contact]
    return {
        "address": visit.address,
        "contacts": [masked(contact) for contact in contacts],
        "postal": visit.revealed.addresses[-1].masked() if visit.revealed.addresses else "",
        "child": visit.revealed.child if not visit.shared and visit.person.of_age else "",
        "shared": visit.shared,
        "rows": [
            {
                "id": name,
                "masked": masked(each),
                "kind": each.kind.value,
                "holder": each == visit.opened.holder.contact,
            }
            for name, each in visit.own_contacts.items()
        ],
        "restricted": _restricted(visit),
        "done": _just_done(visit),
        "told": stands,
        "dropped": [
            stands[each.question.address]
            for each in decisions
            if each.question.address not in clinic.questions and each.status.state is not State.NEVER_ASKED
        ],
        "stoppable": [
            stands[each.question.address] for each in decisions if each.status.state in {State.GRANTED, State.PENDING}
        ],
        "lacking": [
            address for address, question in clinic.questions.items() if visit.shared or not can_agree(question, known)
        ],
        **_receipts(visit, stands),
        "formats": (*reversed(PAPER), *(each for each in FORMATS if each not in PAPER)),
        "recipients": [
            {
                "name": spoken(each.recipient, lang),
                # Of an option of data sharing the recipient is the title.
                "title": None if each.question.purpose.id == SHARING else each.question.title(lang),
                "since": spoken_day(each.since, lang, clinic.country),
                "until": each.until and spoken_day(each.until, lang, clinic.country),
            }
            for each in visit.disclosures
        ],
    }


def _receipts(visit: Visit, stands: Mapping[Address, Mapping[str, Any]]) -> dict[str, Any]:
    """Give the receipts of one page, newest first; where the pages before and after begin, and each receipt's own.

    Anybody who knows a contact can stop things by it, again and again: the page must not grow with that.
    """
    newest = list(reversed(visit.receipts))
    asked = query(visit.request, "from") or ""
    start = int(asked[:6]) // RECEIPTS * RECEIPTS if asked.isascii() and asked.isdecimal() else 0
    start = start if start < len(newest) else 0
    return {
        "receipts": [
            {
                "id": receipt.id,
                "changed": None if receipt.document["decisions"] else receipt.document["evidence"],
                "when": spoken_when(receipt.document, visit.lang, visit.clinic.country),
                "said": [
                    (each["title"], receipt.document["decisions"][address]["answer"])
                    for address, each in stands.items()
                    if address in receipt.document["decisions"]
                ],
            }
            for receipt in newest[start : start + RECEIPTS]
        ],
        "start": start,
        "newer": start - RECEIPTS if start else None,
        "older": start + RECEIPTS if start + RECEIPTS < len(newest) else None,
        "left_out": visit.left_out and start + RECEIPTS >= len(newest),
        "starts": {receipt.id: place // RECEIPTS * RECEIPTS for place, receipt in enumerate(newest)},
    }


def _restricted(visit: Visit) -> str | None:
    """Tell since when the use of the person's data is restricted (GDPR Art. 18), if it is."""
    since = min((each.restricted_since for each in visit.people if each.restricted_since), default=None)
    return since and spoken_day(since, visit.lang, visit.clinic.country)


def _just_done(visit: Visit) -> str | None:
    """Tell what the person has just done, as the address names it.

    ``withdraw``, ``answer``, ``contact`` (changed), ``sent`` (a message to a new contact) or ``asked`` (the clinic).
    """
    number = query(visit.request, "done")
    if number in {None, "sent", "asked"}:
        return number
    try:
        done = portal().register.receipt(visit.clinic.id, number).document
    except UnknownReceiptError:
        return None
    if done["subject"] not in {person.id for person in visit.people}:
        return None
    if not done["decisions"]:
        return "contact"
    return "withdraw" if {entry["answer"] for entry in done["decisions"].values()} == {"withdraw"} else "answer"


def _spoken(visit: Visit, decision: Decision) -> dict[str, Any]:
    """Give how one decision stands, for a person to read."""
    status, lang, country = decision.status, visit.lang, visit.clinic.country
    ends = status.word and status.word.expires_at
    confirm_by = status.word and status.word.confirm_by
    return {
        "address": decision.question.address,
        "title": decision.question.title(lang),
        "state": status.state.value,
        "since": status.since and spoken_day(status.since, lang, country),
        "ends": ends and spoken_day(just_before(ends), lang, country),
        "confirm_by": confirm_by and spoken_time(confirm_by, lang, country),
        "word": status.word,
        "controllers": [each["name"] for each in decision.receipt["controllers"]] if decision.receipt else [],
    }
