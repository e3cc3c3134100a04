"""The patient's own page, reached by a personal link.

Whose page it is, and what is known of that person. A link is for one person. One that the clinic
made for somebody new names nobody yet: then it is for whoever is known under its contact. Where
several share that contact, nobody's history is shown to the others: together they can stop things,
and nothing else.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, masked
from chalicelib.domain.decisions import recorded_answers
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.overview import (
    QuestionStatus,
    RecipientPeriod,
    question_statuses,
    recipient_periods,
)
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.services.opened_links import OPENED, look_up_holder, subjects_of_link
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.links import OpenedLink, audit_line, open_link
from chalicelib.store.lookup import Lookup
from chalicelib.store.people import find_all
from chalicelib.store.personal_data import ContactDetails, reveal
from chalicelib.store.receipts import UnknownReceiptError

ID_LENGTH = 12
"""How many characters of a contact's lookup name it in a form of the page."""


@dataclass(frozen=True)
class OwnPage:
    """A patient's own page as it was opened: the link, the people it is for, and what is read of
    them when needed.
    """

    portal: Portal = field(repr=False)
    token: str = field(repr=False)
    opened: OpenedLink
    lookup: Lookup
    people: tuple[Subject, ...]
    wanted_lang: str | None
    now: Instant

    @property
    def holder(self) -> Contact:
        """The contact that the link came to."""
        return self.opened.recipient.contact

    @property
    def link_subject(self) -> str:
        """The link as rate limits name it."""
        return f"link:{self.opened.id}"

    @cached_property
    def clinic(self) -> Clinic:
        """The clinic as its notice in force describes it, without the questions that are over."""
        return self.lookup.published.clinic.open_at(self.now)

    @property
    def key(self) -> ClinicKey:
        """The clinic's key."""
        return self.portal.clinics.key(self.opened.link.clinic)

    @property
    def shared(self) -> bool:
        """Whether the link is for several people: then nothing of anybody's own is shown."""
        return len(self.people) > 1

    @property
    def person(self) -> Subject:
        """The one whose page it is; raise NotFoundError where that is nobody, or several."""
        if len(self.people) != 1:
            raise NotFoundError
        return self.people[0]

    @cached_property
    def lang(self) -> str:
        """The language asked for, else the link's own."""
        clinic, default = self.lookup.published.clinic, self.opened.link.lang
        if default not in clinic.languages:
            default = clinic.default_language
        return negotiate(self.wanted_lang, None, clinic.languages, default)

    @property
    def all_questions(self) -> Clinic:
        """The clinic with every question it ever asked."""
        return self.portal.clinics.with_all_past_questions(self.lookup.published)

    @cached_property
    def receipts(self) -> tuple[Receipt, ...]:
        """The person's receipts, oldest first: all, or of thousands the newest.

        Empty where several share the page.
        """
        if self.shared:
            return ()
        return tuple(self.portal.receipts.newest(self.clinic.id, self.person))

    @cached_property
    def merged_records(self) -> tuple[Subject, ...]:
        """Other records of the person that were merged into this one; none on a shared page."""
        if self.shared or not self.person.merged:
            return ()
        found = find_all(self.portal.table, self.clinic.id, self.person.merged)
        return tuple(found[subject] for subject in self.person.merged if subject in found)

    @cached_property
    def merged_receipts(self) -> tuple[Receipt, ...]:
        """The receipts of those records, oldest first."""
        others = self.merged_records
        return tuple(self.portal.receipts.history(self.clinic.id, others)) if others else ()

    @cached_property
    def all_receipts(self) -> tuple[Receipt, ...]:
        """The receipts of both, in the order they were recorded."""
        if not self.merged_receipts:
            return self.receipts
        everything = (*self.receipts, *self.merged_receipts)
        return tuple(sorted(everything, key=lambda receipt: str(receipt.document["recorded_at"])))

    @property
    def left_out(self) -> int:
        """How many older receipts are not among them."""
        return 0 if self.shared else self.person.version - len(self.receipts)

    @cached_property
    def contact_details(self) -> ContactDetails:
        """What is kept encrypted of the person; nothing where several share the page."""
        if self.shared:
            return ContactDetails((), ())
        return reveal(self.portal.table, self.key, self.person)

    @property
    def contacts_to_export(self) -> tuple[tuple[Contact, Instant], ...]:
        """The contacts to hand out: those that were proven in clear, the others masked.

        They may be somebody else's.
        """
        contacts = []
        for contact, since in self.contact_details.contacts:
            proven = contact == self.holder or self.key.lookup(contact) not in self.person.typed
            shown = contact if proven else replace(contact, value=masked(contact))
            contacts.append((shown, since))
        return tuple(contacts)

    @cached_property
    def own_contacts(self) -> Mapping[str, Contact]:
        """The person's e-mails and phones, by an id that a form can bear.

        Empty where several share the page.
        """
        own = {}
        for contact, _ in self.contact_details.contacts:
            if contact.kind in REACHABLE_KINDS:
                own[self.key.lookup(contact)[:ID_LENGTH]] = contact
        return own

    @cached_property
    def statuses(self) -> tuple[QuestionStatus, ...]:
        """The status of every question ever asked."""
        in_force = self.lookup.published.in_force
        return question_statuses(self.people, self.all_questions, in_force, self.now, self.receipts)

    @cached_property
    def recipients(self) -> tuple[RecipientPeriod, ...]:
        """Who could be given what, and when."""
        published, clinics = self.lookup.published, self.portal.clinics
        named = {
            answer.notice_version
            for receipt in self.receipts
            for answer in recorded_answers(receipt.document).values()
            if answer.notice_version
        }
        return recipient_periods(
            self.receipts,
            {version: clinics.version(self.clinic.id, version) for version in named},
            published.in_force_at,
            [version.since for version in published.published],
            self.now,
            restricted_since=self.people[0].restricted_since if len(self.people) == 1 else None,
        )

    def find_own_receipt(self, number: str) -> Receipt | None:
        """Give a receipt of the people the page is for, by its number; None for anybody else's."""
        try:
            receipt = self.portal.receipts.find(self.clinic.id, number)
        except UnknownReceiptError:
            return None
        ids = {each for person in self.people for each in (person.id, *person.merged)}
        own = receipt.document["subject"] in ids
        return receipt if own else None


def open_own_page(
    portal: Portal,
    token: str,
    wanted_lang: str | None,
    now: Instant,
    scope: LinkScope = LinkScope.MANAGE,
) -> OwnPage:
    """Follow a link to the own page, or by its `scope` to the page on which erasing is confirmed.

    Three round trips: the link, who has its contact, the audit line. Raises UnknownLinkError, and
    OldLinkError where the person is gone.
    """
    opened = open_link(portal.table, portal.clinics, token, scope, now)
    lookup = look_up_holder(portal, opened)
    people = subjects_of_link(opened, lookup)
    portal.table.put_new(audit_line(opened, OPENED[scope], people, now))
    return OwnPage(portal, token, opened, lookup, people, wanted_lang, now)
