"""Somebody who followed the link to their own page: whose page it is, and what one look found."""

from dataclasses import dataclass
from functools import cached_property

from chalice.app import Request

from chalicelib import dossier
from chalicelib.asking import now
from chalicelib.boundary import NotFoundError
from chalicelib.dossier import Decision
from chalicelib.i18n import negotiate
from chalicelib.incoming import mount, query
from chalicelib.instants import Instant
from chalicelib.links import Power
from chalicelib.notice import Clinic
from chalicelib.receipts import Receipt, Subject
from chalicelib.store.links import OldLinkError, Opened, open_link
from chalicelib.store.register import Look
from chalicelib.store.sealed import Revealed, reveal
from chalicelib.wiring import portal


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
        """Every receipt of the person, oldest first; none where several are meant."""
        return () if self.shared else tuple(portal().register.history(self.clinic.id, self.people))

    @cached_property
    def revealed(self) -> Revealed:
        """What is kept sealed of the person; nothing where several are meant."""
        house = portal()
        return Revealed((), ()) if self.shared else reveal(house.table, house.clinics.key(self.clinic.id), self.person)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """How everything stands."""
        return dossier.decisions(self.people, self.ever, self.look.published.in_force, self.now, self.receipts)

    @property
    def disclosures(self) -> tuple[dossier.Disclosure, ...]:
        """Who could receive what."""
        published, clinics = self.look.published, portal().clinics
        named = {receipt.document["notice"]["version"] for receipt in self.receipts}
        versions = {version: clinics.version(self.clinic.id, version) for version in named}
        changes = [each.since for each in published.published]
        return dossier.disclosures(self.receipts, versions, published.in_force_at, changes, self.now)


def followed(request: Request, token: str) -> Visit:
    """Follow a link; raise UnknownLinkError, or OldLinkError where it is too old or its person is not there any more."""
    house, at = portal(), now()
    opened = open_link(house.table, house.clinics, token, Power.MANAGE, at)
    look = house.register.look(opened.link.clinic, [opened.holder.contact])
    people = look.people[opened.holder.contact]
    if opened.link.subject is None:  # made for whoever has the contact, and not for the children they decide for
        people = tuple(each for each in people if not each.of_age)
    else:
        people = tuple(each for each in people if each.id == opened.link.subject)
        if not people:
            raise OldLinkError(opened.link)
    return Visit(request, token, opened, look, people, at)
