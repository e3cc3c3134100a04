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
from chalicelib.domain.clinic import SHARING, Clinic, localized
from chalicelib.domain.consent import QuestionId, State
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, masked
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant, just_before
from chalicelib.domain.links import LinkScope
from chalicelib.domain.overview import QuestionStatus
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.domain.submission import can_agree
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import format_day, format_time, format_when, negotiate
from chalicelib.receipts.formats.registry import FORMATS, PAPER
from chalicelib.store.links import OldLinkError, OpenedLink, open_link, opening
from chalicelib.store.lookup import Lookup
from chalicelib.store.personal_data import ContactDetails, reveal
from chalicelib.store.receipts import UnknownReceiptError
from chalicelib.web.requests import mount, query

OPENED = {LinkScope.MANAGE: "own page", LinkScope.ERASE: "erase page"}
"""What the audit calls a page that a link opened."""

RECEIPTS = 20
"""How many receipts a page shows at once."""


@dataclass(frozen=True)
class OwnPage:
    """Somebody who followed their link: whose page it is, and what one look found."""

    request: Request
    token: str
    opened: OpenedLink
    lookup: Lookup
    people: tuple[Subject, ...]
    now: Instant

    @property
    def clinic(self) -> Clinic:
        """The clinic as its notice in force describes it, without the questions that are over."""
        return self.lookup.published.clinic.open_at(self.now)

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
        clinic, own = self.lookup.published.clinic, self.opened.link.lang
        default = own if own in clinic.languages else clinic.default_language
        return negotiate(query(self.request, "lang"), None, clinic.languages, default)

    @property
    def address(self) -> str:
        """The page's own address."""
        return f"{mount(self.request)}/manage/{self.token}"

    @property
    def all_questions(self) -> Clinic:
        """The clinic with every question it ever asked."""
        return get_portal().clinics.with_all_past_questions(self.lookup.published)

    @cached_property
    def receipts(self) -> tuple[Receipt, ...]:
        """The person's receipts, oldest first: all, or of thousands the newest; none where several are meant."""
        return () if self.shared else tuple(get_portal().receipts.newest(self.clinic.id, self.person))

    @property
    def left_out(self) -> int:
        """How many older receipts are not among them."""
        return 0 if self.shared else self.person.version - len(self.receipts)

    @cached_property
    def contact_details(self) -> ContactDetails:
        """What is kept sealed of the person; nothing where several are meant."""
        portal = get_portal()
        return (
            ContactDetails((), ())
            if self.shared
            else reveal(portal.table, portal.clinics.key(self.clinic.id), self.person)
        )

    @property
    def contacts(self) -> tuple[tuple[Contact, Instant], ...]:
        """The contacts to hand out: the link's own and those that were proven; masked the rest, whose nobody knows."""
        key, holder, typed = get_portal().clinics.key(self.clinic.id), self.opened.holder.contact, self.person.typed
        return tuple(
            (contact if own else replace(contact, value=masked(contact)), since)
            for contact, since in self.contact_details.contacts
            for own in [contact == holder or key.lookup(contact) not in typed]
        )

    @property
    def own_contacts(self) -> dict[str, Contact]:
        """The person's e-mails and phones, by a name that a form can bear; none where several are meant."""
        key = get_portal().clinics.key(self.clinic.id)
        return {
            key.lookup(each)[:12]: each for each, _ in self.contact_details.contacts if each.kind in REACHABLE_KINDS
        }

    @property
    def decisions(self) -> tuple[QuestionStatus, ...]:
        """How everything stands."""
        return overview.question_statuses(
            self.people, self.all_questions, self.lookup.published.in_force, self.now, self.receipts
        )

    @property
    def disclosures(self) -> tuple[overview.RecipientPeriod, ...]:
        """Who could receive what."""
        published, clinics = self.lookup.published, get_portal().clinics
        named = {receipt.document["notice"]["version"] for receipt in self.receipts} - {None}
        versions = {version: clinics.version(self.clinic.id, version) for version in named}
        changes = [each.since for each in published.published]
        restricted = next((each.restricted_since for each in self.people if not self.shared), None)
        return overview.recipient_periods(
            self.receipts, versions, published.in_force_at, changes, self.now, restricted_since=restricted
        )


def enter(request: Request, token: str, power: LinkScope = LinkScope.MANAGE) -> OwnPage:
    """Follow a link to the own page; raise UnknownLinkError, or OldLinkError where whose it was is gone.

    Or, by its `power`, to the page on which erasing is confirmed.
    """
    portal = get_portal()
    at = portal.clock()
    opened = open_link(portal.table, portal.clinics, token, power, at)
    lookup = portal.directory.look_up(opened.link.clinic, [opened.holder.contact])
    holder = opened.holder.contact
    if opened.link.subject is None:  # made for whoever has the contact, and not for the children they decide for
        people = tuple(each for each in lookup.likely_matches(holder) if not each.of_age)
    else:
        people = tuple(each for each in lookup.people[holder] if each.id == opened.link.subject)
        if not people:
            raise OldLinkError(opened.link)
    portal.table.put_new(opening(opened, OPENED[power], people, at))
    return OwnPage(request, token, opened, lookup, people, at)


def describe(visit: OwnPage) -> Mapping[str, Any]:
    """Give what the page says of this person alone."""
    clinic, lang, known = visit.clinic, visit.lang, visit.contact_details.known
    decisions = visit.decisions
    stands = {each.question.id: _describe_status(visit, each) for each in decisions}
    contacts = [contact for contact, _ in visit.contact_details.contacts] or [visit.opened.holder.contact]
    return {
        "address": visit.address,
        "contacts": [masked(contact) for contact in contacts],
        "postal": visit.contact_details.addresses[-1].masked() if visit.contact_details.addresses else "",
        "child": visit.contact_details.child if not visit.shared and visit.person.of_age else "",
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
            stands[each.question.id]
            for each in decisions
            if each.question.id not in clinic.questions and each.status.state is not State.NEVER_ASKED
        ],
        "stoppable": [
            stands[each.question.id] for each in decisions if each.status.state in {State.GRANTED, State.PENDING}
        ],
        "lacking": [
            address for address, question in clinic.questions.items() if visit.shared or not can_agree(question, known)
        ],
        **_receipts(visit, stands),
        "formats": (*reversed(PAPER), *(each for each in FORMATS if each not in PAPER)),
        "recipients": [
            {
                "name": localized(each.recipient, lang),
                # Of an option of data sharing the recipient is the title.
                "title": None if each.question.purpose.id == SHARING else each.question.title(lang),
                "since": format_day(each.since, lang, clinic.country),
                "until": each.until and format_day(each.until, lang, clinic.country),
            }
            for each in visit.disclosures
        ],
    }


def _receipts(visit: OwnPage, stands: Mapping[QuestionId, Mapping[str, Any]]) -> dict[str, Any]:
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
                "when": format_when(receipt.document, visit.lang, visit.clinic.country),
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


def _restricted(visit: OwnPage) -> str | None:
    """Tell since when the use of the person's data is restricted (GDPR Art. 18), if it is."""
    since = min((each.restricted_since for each in visit.people if each.restricted_since), default=None)
    return since and format_day(since, visit.lang, visit.clinic.country)


def _just_done(visit: OwnPage) -> str | None:
    """Tell what the person has just done, as the address names it.

    ``withdraw``, ``answer``, ``contact`` (changed), ``sent`` (a message to a new contact) or ``asked`` (the clinic).
    """
    number = query(visit.request, "done")
    if number in {None, "sent", "asked"}:
        return number
    try:
        done = get_portal().receipts.find(visit.clinic.id, number).document
    except UnknownReceiptError:
        return None
    if done["subject"] not in {person.id for person in visit.people}:
        return None
    if not done["decisions"]:
        return "contact"
    return "withdraw" if {entry["answer"] for entry in done["decisions"].values()} == {"withdraw"} else "answer"


def _describe_status(visit: OwnPage, decision: QuestionStatus) -> dict[str, Any]:
    """Give how one decision stands, for a person to read."""
    status, lang, country = decision.status, visit.lang, visit.clinic.country
    ends = status.recorded_answer and status.recorded_answer.expires_at
    confirm_by = status.recorded_answer and status.recorded_answer.confirm_by
    return {
        "address": decision.question.id,
        "title": decision.question.title(lang),
        "state": status.state.value,
        "since": status.since and format_day(status.since, lang, country),
        "ends": ends and format_day(just_before(ends), lang, country),
        "confirm_by": confirm_by and format_time(confirm_by, lang, country),
        "word": status.recorded_answer,
        "controllers": [each["name"] for each in decision.receipt["controllers"]] if decision.receipt else [],
    }
