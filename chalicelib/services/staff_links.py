"""The link to somebody's own page, sent by the clinic's people to a contact that is proven."""

import secrets
from contextlib import suppress
from typing import Any

from chalicelib import log
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.phones import can_be_written_to
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.known_person import KnownPerson
from chalicelib.store import bounces
from chalicelib.store.link_requests import link_writes
from chalicelib.store.outbox import LINK_REQUEST, OutboxEntry
from chalicelib.store.table import ConflictError


class NoContactError(RejectedError):
    """No message can reach the person at a contact that is proven to be theirs."""


def contact_for_link(
    portal: Portal, call: AuthorizedCall[Any], known: KnownPerson
) -> Contact | None:
    """Give the contact to which the link goes: an e-mail before a phone; None where there is none.

    None that somebody only typed, that takes no text messages, or from which messages came back.
    """
    key = portal.clinics.key(call.clinic)
    countries = call.lookup.published.clinic.text_message_countries
    fit = [contact for contact in known.proven if can_be_written_to(contact, countries)]
    marks = {contact: bounces.keys_of(call.clinic, key.lookup(contact)) for contact in fit}
    places = [place for keys in marks.values() for place in keys]
    found = portal.table.get(places) if places else {}
    reached = (each for each in fit if not bounces.undeliverable(found, marks[each]))
    return next(reached, None)


def send_own_link(portal: Portal, call: AuthorizedCall[Any], known: KnownPerson) -> Contact:
    """Put the message with somebody's link into the outbox, and give the contact it goes to.

    Once for each Idempotency-Key. How many messages a contact may get in a while is looked at when
    it is sent, as for those who ask for their link themselves. Raises NoContactError.
    """
    contact = contact_for_link(portal, call, known)
    if contact is None:
        raise NoContactError
    person, key = known.subject, portal.clinics.key(call.clinic)
    nonce = call.idempotency_key or secrets.token_urlsafe(16)
    number = key.outbox_number(person.id, "desk-link", f"{call.key.id}|{nonce}")
    clinic = call.lookup.published.clinic
    lang = person.lang if person.lang in clinic.languages else clinic.default_language
    wanted = OutboxEntry(LINK_REQUEST, call.clinic, person.id, lang, call.base_url)
    audited = call.audit("links", [person], links=1)
    with suppress(ConflictError):  # the same form was sent before
        portal.table.write([*link_writes(key, number, wanted, person, contact), audited])
        log.count("StaffLinkSent")
    return contact
