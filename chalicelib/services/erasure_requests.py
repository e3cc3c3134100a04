"""Asking a patient, by a message to their own contact, whether they want to be erased."""

import secrets
from datetime import timedelta

from chalicelib.domain.contacts import REACHABLE_KINDS
from chalicelib.domain.instants import instant, moment
from chalicelib.messages.rules import Message
from chalicelib.services.own_page import OwnPage
from chalicelib.services.visitor import Visitor
from chalicelib.store import outbox

ERASE_WITHIN = timedelta(days=3)
"""For how long the link in the message opens that asks whether somebody wants to be erased."""


def request_erasure(page: OwnPage, visitor: Visitor) -> bool:
    """Send the message that asks; give False where no contact of the person's own is known.

    Raises TooManyError. It goes to the link's own contact, else to another that is theirs.
    """
    key, person = page.key, page.person
    reachable = [
        contact for contact, _ in page.contact_details.contacts if contact.kind in REACHABLE_KINDS
    ]
    own = [contact for contact in reachable if person.owns(key.lookup(contact))]
    if not own:
        return False
    recipient = page.holder if page.holder in own else own[0]
    until = instant(moment(page.now) + ERASE_WITHIN)
    entry = outbox.OutboxEntry(
        Message.ERASE, page.clinic.id, person.id, page.lang, visitor.base_url, until=until
    )
    message = outbox.new_item(key, person.salt, secrets.token_hex(16), entry, [recipient])
    check = visitor.rate_limit_check("erase", (page.link_subject,), page.now)
    page.portal.limits.spend(key, check, [message])
    return True
