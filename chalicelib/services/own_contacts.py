"""A patient's own contacts, on their own page.

One is removed at once, or replaced once the new one is confirmed.
"""

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import CONFIRM_WITHIN, Assurance, Channel
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.decisions import Decision, NoticeRef, new_decision, receipt_id
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.guardians import ACTOR
from chalicelib.domain.instants import Instant, ending
from chalicelib.domain.phones import takes_texts
from chalicelib.domain.rate_limits import contact_subjects
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.messages.rules import Message
from chalicelib.portal import Portal
from chalicelib.services.contact_changes import Change, rectify
from chalicelib.services.own_page import ID_LENGTH, OwnPage
from chalicelib.services.visitor import Visitor
from chalicelib.store import outbox, people, worklist
from chalicelib.store.links import OpenedLink
from chalicelib.store.outbox import OutboxEntry
from chalicelib.store.personal_data import reveal
from chalicelib.store.shown_pages import CONSENT_PAGE


class UnusableContactError(RejectedError):
    """What was typed cannot take the place of a contact; `problem` is the page's name for why.

    Nothing was stored.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def remove_contact(
    page: OwnPage, contact: Contact, notice: NoticeRef, nonce: str, visitor: Visitor
) -> Receipt:
    """Remove one of the person's contacts at once.

    Raise NotTheirsError where it is theirs no longer.
    """
    portal, clinic = page.portal, page.clinic
    contact_id = page.key.lookup(contact)[:ID_LENGTH]
    lookup = portal.directory.look_up(clinic.id, [contact])
    secret = page.key.receipt_secret()
    number = receipt_id(secret, nonce, {"removed": contact_id})
    decision = _decision_to_change(clinic, page.person, number, notice, Assurance.LINK, page.now)
    receipt = rectify(portal, decision, Change(contact), page.person, lookup, visitor.base_url)
    log.count("ContactRectified")
    return receipt


def ask_clinic_to_remove(page: OwnPage, contact: Contact, visitor: Visitor) -> None:
    """Ask the clinic to remove the link's own contact: without it nobody could open the page again.

    Asked again while the first request is open, that one stays. Raises TooManyError.
    """
    key = page.key
    request = worklist.request_removal(
        key.clinic, page.person, key.lookup(contact), contact.kind, page.now
    )
    check = visitor.rate_limit_check("contact", (page.link_subject,), page.now)
    page.portal.limits.spend(key, check, [request])


def ask_new_contact(page: OwnPage, old: Contact, typed: str, visitor: Visitor) -> None:
    """Ask a new contact, whoever's it is, to confirm that it takes the place of an old one.

    Only from there it can. Raises UnusableContactError, TooManyError.
    """
    new = _usable_contact(page.clinic, old, typed)
    key, person = page.key, page.person
    entry = OutboxEntry(
        kind=Message.NEW_CONTACT,
        clinic=page.clinic.id,
        subject=person.id,
        lang=page.lang,
        base=visitor.base_url,
        addresses=(key.lookup(old),),
        at=page.now,
        until=ending(CONFIRM_WITHIN, page.now),
    )
    number = key.outbox_number(person.id, entry.kind, page.now)
    message = outbox.new_item(key, person.salt, number, entry, [new])
    counted = (page.link_subject, *contact_subjects([new]))
    check = visitor.rate_limit_check("contact", counted, page.now)
    page.portal.limits.spend(key, check, [message])


def _usable_contact(clinic: Clinic, old: Contact, typed: str) -> Contact:
    try:
        new = normalise(old.kind, typed, clinic.country)
    except InvalidContactError:
        raise UnusableContactError(f"{old.kind.value}_invalid") from None
    if new.kind is ContactKind.PHONE and not takes_texts(new.value, clinic.text_message_countries):
        raise UnusableContactError("phone_no_texts_email")
    if new == old:
        raise UnusableContactError("contact_same")
    return new


def find_replacement(portal: Portal, opened: OpenedLink) -> tuple[Subject, Change] | None:
    """Give the person whose contact the link's own is to replace, and which.

    None where it was replaced already, or the person was erased.
    """
    link = opened.link
    key = portal.clinics.key(link.clinic)
    try:
        person = people.person(portal.table, link.clinic, link.subject or "")
        known = reveal(portal.table, key, person).contacts
    except (LookupError, ValueError):  # erased, or being erased
        return None
    for contact, _ in known:
        if key.lookup(contact) in link.addresses:
            return person, Change(contact, opened.recipient.contact)
    return None


def confirm_replacement(  # noqa: PLR0917 - which contact of whom, by which link
    portal: Portal, opened: OpenedLink, person: Subject, change: Change, now: Instant, base: str
) -> Receipt:
    """Put a contact that was confirmed in the place of the old one.

    Raise NotTheirsError where the old one is gone.
    """
    lookup = portal.directory.look_up(opened.link.clinic, change.contacts)
    clinic, lang = lookup.published.clinic, opened.link.lang
    if lang not in clinic.languages:
        lang = clinic.default_language
    secret = portal.clinics.key(clinic.id).receipt_secret()
    number = receipt_id(secret, opened.id, {"contact": "changed"})
    notice = portal.shown_pages.notice_ref(CONSENT_PAGE, clinic, lang)
    decision = _decision_to_change(clinic, person, number, notice, Assurance.CONTACT_CONFIRMED, now)
    return rectify(portal, decision, change, person, lookup, base)


def _decision_to_change(  # noqa: PLR0917 - a decision has these parts
    clinic: Clinic,
    person: Subject,
    number: str,
    notice: NoticeRef,
    assurance: Assurance,
    now: Instant,
) -> Decision:
    """Make the decision of a patient, or guardian, who changes a contact.

    It answers no question.
    """
    return new_decision(
        clinic,
        {},
        id=number,
        notice=notice,
        channel=Channel.EMAIL_LINK,
        assurance=assurance,
        at=now,
        actor=ACTOR if person.of_age else "patient",
    )
