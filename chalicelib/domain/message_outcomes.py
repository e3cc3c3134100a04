"""What can become of one message, and for which reasons none was sent.

Both are kept beside the receipts of the person, logged and counted, so that `consent operator
messages list` can explain to an operator why somebody got no mail. The values are stored: none is
ever renamed.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from chalicelib.domain.consent import Channel
from chalicelib.domain.receipts import repeats_another


class Outcome(StrEnum):
    """What became of one message, or of an item of the outbox that led to none."""

    SENDING = "sending"
    """Somebody is sending it just now, or died while doing so."""

    WAITING = "waiting"
    """The service did not take it; it is tried again."""

    SENT = "sent"
    SKIPPED = "skipped"
    """Its contact is not written to."""

    REFUSED = "refused"
    """The service will never take it as it is. An operator may send it again."""

    NO_MESSAGE = "no_message"
    """Nothing is to be sent, or no longer."""


FINAL = frozenset({Outcome.SENT, Outcome.SKIPPED})
"""After these a message is never sent again, whoever repeats its item."""


class Reason(StrEnum):
    """Why a message was not sent."""

    # The decision itself left nothing in the outbox.
    IMPORTED = "imported"
    """The receipt was taken over from another system: it is no news to the patient."""
    NOTHING_DECIDED = "nothing_decided"
    """The receipt decides nothing: it tells of a contact that was changed, or shared."""
    NOTHING_CHANGED = "nothing_changed"
    """The receipt only followed from another, and changed nothing."""
    NOBODY_KNOWN = "nobody_known"
    """No e-mail and no phone was given, and none is known."""

    # The item of the outbox led to no message.
    PERSON_GONE = "person_gone"
    """Nothing is kept of the person any more: their proof was over."""
    PERSON_ERASED = "person_erased"
    RECEIPT_GONE = "receipt_gone"
    CONTACTS_UNREADABLE = "contacts_unreadable"
    """The key is gone under which the contacts were encrypted."""
    NOT_DUE_ANY_MORE = "not_due_any_more"
    """A reminder whose reader has answered since, or had processing restricted."""
    NOTHING_ENDED = "nothing_ended"
    """Only withdrawals, and nothing was agreed to: the contact may be a stranger's."""
    NOT_THEIR_OWN_CONTACT = "not_their_own_contact"
    """The contact was only typed; the person has proven another."""
    NO_CONTACT_THAT_CONFIRMS = "no_contact_that_confirms"
    """The contacts that were given are not of the kind that confirms the question."""

    # One message of the item was left out.
    TIME_OVER = "time_over"
    """There is no time left to confirm."""
    ANSWERED_SINCE = "answered_since"
    """The question was confirmed, refused or withdrawn before the message could go."""
    CONFIRMED_ELSEWHERE = "confirmed_elsewhere"
    """The contact has confirmed it already, as another person who has it too."""
    LATER_FORM_ASKS = "later_form_asks"
    """A later form with the same contacts asks for the same: its message stands for both."""
    ANOTHER_ITEM = "another_item"
    """Another item of the outbox writes to this contact: a withdrawal for very many people."""

    # The contact is not written to.
    NO_TEXT_MESSAGES = "no_text_messages"
    """The phone takes no text messages, or is of a country the clinic does not name."""
    TOO_MANY = "too_many"
    """The contact got as many messages of this kind as one may get.

    This one is not worth waiting for.
    """
    BOUNCE = "bounce"
    """A mail to it bounced within the last thirty days."""
    COMPLAINT = "complaint"
    """Its reader called a mail spam, and asked for none of this kind."""

    # No item was left at all, by the hourly round or for a link that somebody asked for.
    NO_ADDRESS = "no_address"
    """The portal does not know the address its links have to begin with (`PUBLIC_URL`)."""
    TOO_MANY_PEOPLE = "too_many_people"
    """More people share the contact than one request for a link reaches."""


def why_nothing_is_left(
    document: Mapping[str, Any], *, follows: bool, reachable: bool, asks: bool = False
) -> Reason | None:
    """Tell why a decision leaves nothing in the outbox, by its receipt's document.

    None where it leaves an item. `follows` says that it only follows from another decision,
    `reachable` that a contact was given or is known. What was taken over from another system is no
    news to the patient, unless the import `asks` them to confirm what waits; a receipt that decides
    nothing tells of a contact (`services.contact_changes`), and has an item of its own kind; what
    was taken over from another record of the same person decides nothing anew.
    """
    decisions = document["decisions"]
    waits = any(entry["confirm_by"] for entry in decisions.values())
    if document["channel"] == Channel.IMPORT and not (asks and waits):
        return Reason.IMPORTED
    if not decisions or repeats_another(document):
        return Reason.NOTHING_DECIDED
    if follows and all(entry["before"] == entry["after"] for entry in decisions.values()):
        return Reason.NOTHING_CHANGED
    if not reachable:
        return Reason.NOBODY_KNOWN
    return None
