"""Which messages follow from a decision, and what the links in each kind of message open. Pure."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, QuestionId, State
from chalicelib.domain.contacts import REACHABLE_KINDS, ContactKind
from chalicelib.domain.links import LinkScope
from chalicelib.domain.message_outcomes import Reason


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
    TAKEN_DOWN = "taken_down"


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
    Message.TAKEN_DOWN: (),
}
"""What the links in each message open."""


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """One message to send: what, to which kind of contact, about which decisions."""

    message: Message
    kind: ContactKind
    addresses: tuple[QuestionId, ...]

    @property
    def name(self) -> str:
        """What its record is called among those of its item, such as "confirm#email"."""
        return f"{self.message}#{self.kind}"


def messages_after(
    document: Mapping[str, Any],
    given: Mapping[ContactKind, bool],
    known: Collection[ContactKind],
    clinic: Clinic,
) -> tuple[PlannedMessage, ...]:
    """Tell which messages follow from a decision, by its receipt and the contacts it came with.

    `given` says of each of those kinds whether the contact is the person's own; `known` are the
    kinds of all contacts of their own.

    - Each contact that was given is asked to confirm what waits and what it can confirm. One that
      is not the person's own is asked whether or not that Yes counts already: whether a message
      comes would tell its reader what the person had agreed to.
    - What was stopped goes to every own contact that is known, given or not, so that a stranger's
      withdrawal is noticed.
    - Where there is neither, and always for who followed a link, one own contact gets the receipt.
      Of two that is the one by which people are known first (`identity.resolve_subject`): a phone
      given beside an e-mail does not learn whether that is known.
    - A withdrawal of what nobody had agreed to brings no message: the contact may be a stranger's.
    """
    decisions = document["decisions"]
    stopped = tuple(address for address, entry in decisions.items() if ended_consent(entry))
    waiting = _waiting(decisions, given, clinic)
    planned = list(confirmation_requests(Message.CONFIRM, waiting, given, clinic))
    if stopped:
        planned += [
            PlannedMessage(Message.WITHDRAWN, kind, stopped) for kind in _ordered(known, clinic)
        ]
    by_link = document["assurance"] == Assurance.LINK and not stopped
    if by_link or not (planned or _only_withdraws_in_vain(decisions)):
        own = [kind for kind in REACHABLE_KINDS if given.get(kind)]
        planned += [PlannedMessage(Message.RECEIPT, kind, tuple(decisions)) for kind in own[:1]]
    return tuple(planned)


def why_no_message_follows(
    document: Mapping[str, Any], given: Mapping[ContactKind, bool]
) -> Reason:
    """Tell why `messages_after` gave none for this receipt."""
    decisions = document["decisions"]
    if document["assurance"] != Assurance.LINK and _only_withdraws_in_vain(decisions):
        return Reason.NOTHING_ENDED
    stopped = any(ended_consent(entry) for entry in decisions.values())
    if stopped or not given:
        return Reason.NOBODY_KNOWN
    return Reason.NOT_THEIR_OWN_CONTACT


def _waiting(
    decisions: Mapping[str, Mapping[str, Any]], given: Mapping[ContactKind, bool], clinic: Clinic
) -> list[QuestionId]:
    """Give what a contact that was given is asked to confirm."""
    waiting = []
    for question, entry in decisions.items():
        if not entry["confirm_by"]:
            continue
        confirming = clinic.confirming_kind(question, given)
        asks_a_stranger = confirming is None or not given[ContactKind(confirming)]
        if entry["after"] == State.PENDING or asks_a_stranger:
            waiting.append(question)
    return waiting


def _only_withdraws_in_vain(decisions: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether a receipt holds nothing but withdrawals, none of which ended a consent."""
    if any(ended_consent(entry) for entry in decisions.values()):
        return False
    return {entry["answer"] for entry in decisions.values()} == {Answer.WITHDRAW}


def confirmation_requests(
    message: Message,
    addresses: Iterable[QuestionId],
    given: Collection[ContactKind],
    clinic: Clinic,
) -> tuple[PlannedMessage, ...]:
    """Give one message to each contact that can confirm any of these decisions, about those it
    can.
    """
    by_kind: dict[ContactKind, list[QuestionId]] = {}
    for address in addresses:
        kind = clinic.confirming_kind(address, given)
        if kind:
            by_kind.setdefault(ContactKind(kind), []).append(address)
    return tuple(PlannedMessage(message, kind, tuple(about)) for kind, about in by_kind.items())


def ended_consent(entry: Mapping[str, Any]) -> bool:
    """Tell whether a decision of a receipt ended a consent."""
    if entry["answer"] == Answer.YES or entry["before"] != State.GRANTED:
        return False
    return bool(entry["after"] != State.GRANTED)


def _ordered(kinds: Collection[ContactKind], clinic: Clinic) -> list[ContactKind]:
    """Give kinds of contact in the order in which the clinic knows its patients by them."""
    order = [ContactKind(kind) for kind in clinic.contact_order]
    return [kind for kind in order if kind in kinds]
