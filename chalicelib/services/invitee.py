"""Whoever answers the questions by a personal link: what the link proves, and what the clinic knows of them already."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from chalice.app import Request

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind, masked
from chalicelib.domain.decisions import Decision
from chalicelib.domain.guardians import ACTOR, is_of_consent_age, last_relation
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.subjects import Subject
from chalicelib.domain.submission import FormAnswers
from chalicelib.notices.purposes import NEWSLETTER
from chalicelib.portal import get_portal
from chalicelib.store.links import OldLinkError, OpenedLink, UnknownLinkError, open_link, opening
from chalicelib.store.lookup import Identification
from chalicelib.store.personal_data import reveal
from chalicelib.web.requests import query


@dataclass(frozen=True, slots=True)
class Invitee:
    """A link that was followed to the questions, who has its contact, and the contacts that need not be typed again.

    The link's own contact comes first: it alone is proven.
    """

    opened: OpenedLink
    token: str
    people: tuple[Subject, ...]
    known: tuple[Contact, ...]
    named: bool
    """Whether the name is known too."""
    addressed: bool = False
    """Whether the postal address is known too."""

    @property
    def query(self) -> str:
        """What the pages' addresses go on saying of them."""
        return f"&t={self.token}"

    def about(self, clinic: Clinic) -> Clinic:
        """Give the clinic with the questions the link is about."""
        return clinic.limited_to(self.opened.link.addresses)

    def recipient_view(self) -> Mapping[str, Any]:
        """Give what the page says of whoever holds the link: enough for them, and nothing for anybody else.

        A program's link shows nothing: whoever has it need not be the patient.
        """
        reach = [contact for contact in self.known if contact.kind in REACHABLE_KINDS]
        kinds = [contact.kind for contact in reach]
        shown = "" if self.by_program else ", ".join(map(masked, reach))
        return {"kinds": kinds, "masked": shown, "named": self.named, "addressed": self.addressed}

    @property
    def by_program(self) -> bool:
        """Whether a clinic's program made the link: who follows it has proved no contact."""
        return self.opened.link.by_program

    @property
    def evidence(self) -> Mapping[str, str]:
        """What a receipt keeps of the link: its id, and the bearer key that made it where that was a program."""
        link = self.opened.link
        return {"link": self.opened.id, **({"key": link.by} if link.by_program else {})}

    def names(self, typed: Sequence[str]) -> tuple[str, ...]:
        """Name the link for a bucket, and what was typed beside it: nobody who types its contact uses up its room."""
        return (f"link:{self.opened.id}", *typed)

    def refusal_reason(self, clinic: Clinic, said: FormAnswers, at: Instant) -> str | None:
        """Name what speaks against these answers being anybody's; None for nothing, as for every No.

        A child that the form itself names was asked about there.
        """
        if said.guardian is not None or Answer.YES not in said.answers.values():
            return None
        if len(self.people) > 1:
            return "several_people"
        return (
            "child_decides_alone" if any(is_of_consent_age(clinic, each.of_age, at) for each in self.people) else None
        )

    def act(self, decision: Decision, clinic: Clinic, said: FormAnswers) -> Decision:
        """Give the act as the link makes it: certain where the link's own contact confirms it, or it ever was.

        By a program's link what the clinic has confirmed first waits too, and what was last refused or withdrawn
        (`Decision.asks_only`). The newsletter counts: its confirmation is that a message reached the contact, and the
        portal's own tells the patient at once.
        """
        holder = self.opened.holder.contact
        kinds = [contact.kind for contact in said.contacts]
        standings = self.people[0].summaries if len(self.people) == 1 and said.guardian is None else {}
        unproven = set()
        for address in said.answers:
            confirmer = clinic.confirming_kind(address, kinds)
            by_number = holder.kind is ContactKind.REFERENCE and not clinic.questions[address].needs & set(
                REACHABLE_KINDS
            )
            ever = not self.by_program and address in standings and standings[address].first_yes is not None
            first = self.by_program and _confirmed_first(clinic, address)
            if first or (confirmer not in (holder.kind, None) and not by_number and not ever):
                unproven.add(address)
        children = [person for person in self.people if person.of_age]
        known = get_portal().receipts.history(clinic.id, children) if children and said.guardian is None else ()
        return replace(
            decision,
            assurance=Assurance.LINK,
            channel=Channel.EMAIL_LINK,
            actor=ACTOR if children else decision.actor,
            evidence={**last_relation(known), **(decision.evidence or {}), **self.evidence},
            confirm=frozenset(unproven),
            asks_only=self.by_program,
        )

    def signature(self, identification: Identification, said: FormAnswers) -> Identification:
        """Sign as the one person the link means, or somebody new; or for the child that is named.

        The link's own contact is proven, unless a program made the link. What was typed beside it is asked to confirm,
        and finds nobody's child.
        """
        holder = self.opened.holder.contact
        proves = () if self.by_program else (holder,)
        if said.guardian:
            return replace(identification, contacts=said.guardian.contacts([holder]), proves=proves)
        person = self.people[0].id if len(self.people) == 1 else None
        name = identification.name or self.opened.holder.name
        beside = tuple(contact for contact in said.contacts if contact not in self.known)
        joins = False if person else None
        contacts = (*self._own(), *identification.contacts)
        return replace(
            identification, contacts=contacts, name=name, person=person, proves=proves, beside=beside, joins=joins
        )

    def _own(self) -> tuple[Contact, ...]:
        """Give the person's own e-mail and phone where a program's link names them by the clinic's number.

        What waits is confirmed from there, and the page never shows them.
        """
        if not self.by_program or self.opened.holder.contact.kind is not ContactKind.REFERENCE or len(self.people) != 1:
            return ()
        portal, [person] = get_portal(), self.people
        key = portal.clinics.key(self.opened.link.clinic)
        found = reveal(portal.table, key, person).contacts
        own = [each for each, _ in found if each.kind in REACHABLE_KINDS and person.owns(key.lookup(each))]
        return tuple({each.kind: each for each in own}.values())


def find_invitee(request: Request, clinic: str, now: Instant) -> Invitee | None:
    """Follow the personal link that ``?t=`` holds, if any; raise UnknownLinkError, OldLinkError.

    Four round trips: the link, who has its contact, the audit line, what else is known of that person. Of whom a
    program's link means nothing is known but what the program told: two for its key, and no last one.
    """
    token = query(request, "t")
    if token is None:
        return None
    portal = get_portal()
    opened = open_link(portal.table, portal.clinics, token, LinkScope.ASK, now)
    if opened.link.clinic != clinic:
        raise UnknownLinkError
    holder = opened.holder.contact
    lookup = portal.directory.look_up(clinic, [holder])
    if opened.link.subject is None:  # made for whoever has the contact, and not for the children they decide for
        people = tuple(each for each in lookup.likely_matches(holder) if not each.of_age)
    else:
        people = tuple(each for each in lookup.people[holder] if each.id == opened.link.subject)
        if not people:
            raise OldLinkError(opened.link)
    portal.table.put_new(opening(opened, "link", people, now))
    others, known = ((), frozenset()) if opened.link.by_program else _beside(clinic, people, holder)
    named = "name" in known or opened.holder.name is not None
    return Invitee(opened, token, people, (holder, *others), named, "address" in known)


def _confirmed_first(clinic: Clinic, address: str) -> bool:
    question = clinic.questions[address]
    return question.confirm and question.purpose.id != NEWSLETTER


def _beside(clinic: str, people: Sequence[Subject], holder: Contact) -> tuple[tuple[Contact, ...], frozenset[str]]:
    """Give what else is known of the one person a link means: another contact, and what all is known of."""
    if len(people) != 1:
        return (), frozenset()
    portal = get_portal()
    found = reveal(portal.table, portal.clinics.key(clinic), people[0])
    known = [
        contact for contact, _ in found.contacts if contact.kind in REACHABLE_KINDS and contact.kind is not holder.kind
    ]
    return tuple({contact.kind: contact for contact in known}.values()), found.known
