"""A patient's own contacts, on their own page: one is removed at once, or replaced once the new one confirms itself."""

from collections.abc import Sequence
from enum import Enum

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import CONFIRM_WITHIN, Assurance, Channel
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.decisions import Decision, NoticeRef, new_decision, receipt_id
from chalicelib.domain.guardians import ACTOR
from chalicelib.domain.instants import Instant, ending
from chalicelib.domain.phones import takes_texts
from chalicelib.domain.rate_limits import contact_subjects
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.domain.submission import FieldError
from chalicelib.messages.rules import Message
from chalicelib.portal import Portal, get_portal
from chalicelib.services.contact_changes import Change, NotTheirsError, rectify
from chalicelib.services.own_page import OwnPage
from chalicelib.store import outbox, people, rate_limits, worklist
from chalicelib.store.links import OpenedLink
from chalicelib.store.outbox import OutboxEntry
from chalicelib.store.personal_data import reveal
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.web.form_state import FormState
from chalicelib.web.forms import MAX_TYPED, Fields, first
from chalicelib.web.requests import base_url, guard


class ContactRequest(Enum):
    """Who has to do something before a contact changes, by the word that the page's address has for it."""

    CONTACT = "sent"
    CLINIC = "asked"


def carry_out(visit: OwnPage, fields: Fields, state: FormState) -> Receipt | Sequence[FieldError] | ContactRequest:
    """Remove a contact, ask a new one to confirm itself, or, for the link's own, the clinic to remove it.

    Gives the receipt, what is to be mended, or who was asked. Raises TooManyError.
    """
    named = first(fields, "contact")
    contact = visit.own_contacts.get(named)
    if contact is None:
        return [FieldError("errors", "contact_gone")]
    if first(fields, "new"):
        return _ask(visit, fields, contact)
    if first(fields, "remove") != "yes":
        return [FieldError(f"contact-{named}", "remove_unticked")]
    if contact == visit.opened.holder.contact:
        return _wish(visit, contact)
    portal, clinic = get_portal(), visit.clinic
    seen = portal.directory.look_up(clinic.id, [contact])
    number = receipt_id(portal.clinics.key(clinic.id).receipt_secret(), state.nonce, {"removed": named})
    ref = NoticeRef(state.version, state.lang, state.sha256)
    decision = _act(clinic, ref, number, visit.person, visit.now, Assurance.LINK)
    try:
        return rectify(portal, decision, Change(contact), visit.person, seen, _base(visit))
    except NotTheirsError:
        return [FieldError("errors", "contact_gone")]


def _wish(visit: OwnPage, contact: Contact) -> ContactRequest:
    """Leave word for the clinic that the link's own contact should go: without it nobody could open the page again."""
    table, key = get_portal().table, get_portal().clinics.key(visit.clinic.id)
    held = guard(visit.request, "contact", (f"link:{visit.opened.id}",), visit.now)
    left = worklist.add_contact_wish(key.clinic, visit.person, key.lookup(contact), contact.kind, visit.now)
    rate_limits.spend(table, key, held, [left])  # where it was left before, that one holds
    return ContactRequest.CLINIC


def _ask(visit: OwnPage, fields: Fields, old: Contact) -> Sequence[FieldError] | ContactRequest:
    """Ask a new contact to confirm itself, whoever's it is: only from there the change can be made."""
    field, clinic = f"contact-{first(fields, 'contact')}", visit.clinic
    try:
        new = normalise(old.kind, first(fields, "new")[:MAX_TYPED], clinic.country)
    except InvalidContactError:
        return [FieldError(field, f"{old.kind.value}_invalid")]
    if new.kind is ContactKind.PHONE and not takes_texts(new.value, clinic.text_message_countries):
        return [FieldError(field, "phone_no_texts_email")]
    if new == old:
        return [FieldError(field, "contact_same")]
    portal, person = get_portal(), visit.person
    key = portal.clinics.key(clinic.id)
    word = OutboxEntry(
        kind=Message.NEW_CONTACT,
        clinic=clinic.id,
        subject=person.id,
        lang=visit.lang,
        base=_base(visit),
        addresses=(key.lookup(old),),
        at=visit.now,
        until=ending(CONFIRM_WITHIN, visit.now),
    )
    left = outbox.outbox_put(key, person.salt, key.letter_number(person.id, word.kind, visit.now), word, [new])
    held = guard(visit.request, "contact", (f"link:{visit.opened.id}", *contact_subjects([new])), visit.now)
    rate_limits.spend(portal.table, key, held, [left])
    return ContactRequest.CONTACT


def wished(portal: Portal, opened: OpenedLink) -> tuple[Subject, Change] | None:
    """Give whose contact the link's is to take the place of, and which; None where that is done, or they are gone."""
    link = opened.link
    key = portal.clinics.key(link.clinic)
    try:
        person = people.person(portal.table, link.clinic, link.subject or "")
        known = reveal(portal.table, key, person).contacts
    except (LookupError, ValueError):  # gone, or going
        return None
    old = next((contact for contact, _ in known if key.lookup(contact) in link.addresses), None)
    return (person, Change(old, opened.holder.contact)) if old else None


def confirm(portal: Portal, opened: OpenedLink, found: tuple[Subject, Change], now: Instant, base: str) -> Receipt:
    """Put a contact that confirmed itself in the place of the old one; raise NotTheirsError where that is gone."""
    person, change = found
    seen = portal.directory.look_up(opened.link.clinic, change.contacts)
    clinic = seen.published.clinic
    lang = opened.link.lang if opened.link.lang in clinic.languages else clinic.default_language
    number = receipt_id(portal.clinics.key(clinic.id).receipt_secret(), opened.id, {"contact": "changed"})
    ref = portal.evidence.notice_ref(CONSENT_PAGE, clinic, lang)
    decision = _act(clinic, ref, number, person, now, Assurance.CONTACT_CONFIRMED)
    return rectify(portal, decision, change, person, seen, base)


def _act(  # noqa: PLR0917 - an act has these parts
    clinic: Clinic, ref: NoticeRef, number: str, person: Subject, at: Instant, assurance: Assurance
) -> Decision:
    """Give the act of a patient, or guardian, who changes a contact: it decides nothing."""
    return new_decision(
        clinic,
        {},
        id=number,
        notice=ref,
        channel=Channel.EMAIL_LINK,
        assurance=assurance,
        at=at,
        actor=ACTOR if person.of_age else "patient",
    )


def _base(visit: OwnPage) -> str:
    return base_url(visit.request, get_portal().settings.public_url)
