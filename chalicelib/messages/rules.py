"""Which messages follow from a decision, and what the links in each kind of message open. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, QuestionId, State
from chalicelib.domain.contacts import REACHABLE_KINDS, ContactKind
from chalicelib.domain.links import LinkScope


class Message(StrEnum):
    """What the portal writes to people."""

    CONFIRM = "confirm"
    RECEIPT = "receipt"
    LINK = "link"
    ERASE = "erase"
    WITHDRAWN = "withdrawn"
    CHANGED = "changed"
    EXPIRING = "expiring"
    OF_AGE = "of_age"
    REMINDER = "reminder"
    REMOVED = "removed"
    NEW_CONTACT = "new_contact"


UNSOLICITED = frozenset({Message.CHANGED, Message.EXPIRING, Message.OF_AGE, Message.REMINDER})
"""What answers no act of the reader's own: such a mail can be stopped with one click (RFC 8058)."""

SCOPES_BY_MESSAGE: Mapping[Message, tuple[LinkScope, ...]] = {
    Message.CONFIRM: (LinkScope.CONFIRM,),
    Message.RECEIPT: (LinkScope.MANAGE,),
    Message.LINK: (LinkScope.MANAGE,),
    Message.ERASE: (LinkScope.ERASE,),
    Message.WITHDRAWN: (LinkScope.UNDO,),
    Message.CHANGED: (LinkScope.ASK, LinkScope.UNSUBSCRIBE),
    Message.EXPIRING: (LinkScope.ASK, LinkScope.UNSUBSCRIBE),
    Message.OF_AGE: (LinkScope.UNSUBSCRIBE,),
    Message.REMINDER: (LinkScope.CONFIRM, LinkScope.UNSUBSCRIBE),
    Message.REMOVED: (),
    Message.NEW_CONTACT: (LinkScope.CONFIRM,),
}
"""What the links in each message open."""


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """One message to send: what, to which kind of contact, about which decisions."""

    message: Message
    kind: ContactKind
    addresses: tuple[QuestionId, ...]


def messages_after(
    document: Mapping[str, Any], typed: Mapping[ContactKind, bool], known: Collection[ContactKind], clinic: Clinic
) -> tuple[PlannedMessage, ...]:
    """Tell which messages follow from an act, by its receipt's document and the kinds of contact it came with.

    `typed` says of each whether that contact is the person's own. One that is not is asked to confirm every Yes that
    it could, whether or not that one counts already: whether a message comes would tell its reader what the person
    had agreed to. Everything else goes only to own contacts: what was stopped is told to every kind that is `known`,
    so that a stranger's withdrawal is noticed; where there is neither, the one that was typed gets the receipt, of two
    the one by which people are known first (`identity.meant`): a phone typed beside an e-mail hears nothing of whether
    that is known. Whose link was followed is always told. Who stops what nobody does is told nothing: it may be a
    stranger's address.
    """
    decisions = document["decisions"]
    stopped = tuple(address for address, entry in decisions.items() if ended_consent(entry))
    own = [kind for kind, is_own in typed.items() if is_own]
    waiting = [
        address
        for address, entry in decisions.items()
        if entry["confirm_by"] and (entry["after"] == State.PENDING or clinic.confirmed_by(address, typed) not in own)
    ]
    planned = list(confirmation_requests(Message.CONFIRM, waiting, typed, clinic))
    if stopped:
        planned += [PlannedMessage(Message.WITHDRAWN, kind, stopped) for kind in _ordered(known, clinic)]
    repeated = not stopped and {entry["answer"] for entry in decisions.values()} == {Answer.WITHDRAW}
    by_link = document["assurance"] == Assurance.LINK and not stopped
    if by_link or not (planned or repeated):
        planned += [PlannedMessage(Message.RECEIPT, kind, tuple(decisions)) for kind in REACHABLE_KINDS if kind in own][
            :1
        ]
    return tuple(planned)


def confirmation_requests(
    message: Message, addresses: Iterable[QuestionId], typed: Collection[ContactKind], clinic: Clinic
) -> tuple[PlannedMessage, ...]:
    """Give one message to each contact that can confirm any of these decisions, about those it can."""
    by_kind: dict[ContactKind, list[QuestionId]] = {}
    for address in addresses:
        if kind := clinic.confirmed_by(address, typed):
            by_kind.setdefault(ContactKind(kind), []).append(address)
    return tuple(PlannedMessage(message, kind, tuple(about)) for kind, about in by_kind.items())


def ended_consent(entry: Mapping[str, Any]) -> bool:
    """Tell whether a decision of a receipt ended a consent."""
    return bool(entry["answer"] != Answer.YES and entry["before"] == State.GRANTED != entry["after"])


def _ordered(kinds: Collection[ContactKind], clinic: Clinic) -> list[ContactKind]:
    return [kind for kind in map(ContactKind, clinic.contact_order) if kind in kinds]
