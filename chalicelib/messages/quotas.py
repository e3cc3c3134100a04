"""What a message counts in before it is sent: the buckets of its contact, and the day's budgets.

A contact gets so many messages of a kind at once from one clinic, and so many from all clinics
together. Where nothing reached a contact lately that is counted for all clinics alone: a write less
for nearly every message. Every day has a budget for a clinic, for a country and in all.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chalicelib import log
from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.instants import Instant
from chalicelib.domain.message_budgets import Budgets
from chalicelib.domain.phones import country
from chalicelib.domain.rate_limits import (
    ANYWHERE_EMAIL,
    ANYWHERE_PHONE,
    MESSAGE,
    MESSAGE_BESIDE_FIRST,
    RateLimit,
)
from chalicelib.messages.audience import AddressedMessage
from chalicelib.messages.rules import UNSOLICITED
from chalicelib.store import message_budgets, rate_limits
from chalicelib.store.clinics import Clinics
from chalicelib.store.items import Item
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.limits import bucket_key, shared_bucket_key
from chalicelib.store.message_budgets import BudgetPart, BudgetUse
from chalicelib.store.table import ConflictError, ContendedError, Table

ATTEMPTS = 3
"""How often a message is tried to be counted while others count in the same items of the table."""


@dataclass(slots=True)
class MessageQuotas:
    """What one message has still to be counted in."""

    limits: dict[Key, RateLimit]
    budgets: list[BudgetPart]
    now: Instant
    anywhere: Key | None = None
    """Which of the limits counts all messages to the contact; it is the first."""
    near: list[BudgetUse] = field(default_factory=list)
    """The budgets it was counted in that run out."""

    @property
    def keys(self) -> list[Key]:
        """What is to be read of them."""
        return [*self.limits, *(part.key for part in self.budgets)]

    def count(self, table: Table, found: Mapping[Key, Item]) -> None:
        """Count the message wherever it counts, one write each; `found` is what was read.

        Nothing is counted where it finds no room. Each counter has its own condition, so that none
        is ever exceeded, whoever else counts just then. Whoever finds no room in one after counting
        in another has counted there in vain: that is the safe side. Raises TooManyError where its
        contact has got as many as one may get at once, BudgetSpentError where as many went out
        today as may, ContendedError where others kept getting in first.
        """
        for _ in range(ATTEMPTS):
            try:
                self._count(table, found)
            except (ConflictError, ContendedError):
                found = table.get(self.keys)
            else:
                return
        raise ContendedError

    def _count(self, table: Table, found: Mapping[Key, Item]) -> None:
        """Count where it was not counted yet, and forget each counter as soon as that is done."""
        spends = rate_limits.take_from(self.limits, self.now, found)
        counts = [
            (part, *message_budgets.count_write(table, part, self.now, found))
            for part in self.budgets
        ]
        for spend in spends:
            table.write_one(spend)
            del self.limits[spend.key]
            if spend.fresh and spend.key == self.anywhere:
                self.limits.clear()
                break
        for part, count, near in counts:
            table.write_one(count)
            self.budgets.remove(part)
            if near is not None:
                self.near.append(near)


def quotas_of(
    clinics: Clinics, budgets: Budgets, message: AddressedMessage, now: Instant
) -> MessageQuotas:
    """Give what a message counts in."""
    context, contact = message.context, message.contact
    stop = context.about_a_stop(message.planned)
    sent_to = country(contact.value) if contact.kind is ContactKind.PHONE else None
    letter = message.planned.message in UNSOLICITED
    held = budgets.budgets_for(contact.kind, context.clinic.id, sent_to, stop=stop, letter=letter)
    parts = [message_budgets.draw(budget, now) for budget in held]
    own, anywhere = _own_bucket(message), _shared_bucket(clinics, message, stop=stop)
    if anywhere is None:
        return MessageQuotas({own: MESSAGE}, parts, now)
    of_all = ANYWHERE_PHONE if contact.kind is ContactKind.PHONE else ANYWHERE_EMAIL
    return MessageQuotas({anywhere: of_all, own: MESSAGE_BESIDE_FIRST}, parts, now, anywhere)


def note_budgets(near: Iterable[BudgetUse]) -> None:
    """Log and count each budget that runs out."""
    for budget in near:
        log.log().warning("message budget", budget=budget.scope, used=budget.used, most=budget.most)
        log.count("MessageBudgetNear")


def _own_bucket(message: AddressedMessage) -> Key:
    """Give the bucket of messages of this kind from this clinic to this contact."""
    key = message.context.key
    bucket = key.bucket(f"{message.planned.message}|{key.lookup(message.contact)}")
    return bucket_key(message.context.clinic.id, bucket)


def _shared_bucket(clinics: Clinics, message: AddressedMessage, *, stop: bool) -> Key | None:
    """Give the bucket that all clinics share for this contact; None without the portal's key."""
    portal_key = clinics.portal_key()
    if portal_key is None:
        log.log().warning(
            "no limit on messages across clinics: publish any clinic to make the portal's key"
        )
        return None
    return shared_bucket_key(portal_key.shared_bucket(message.contact, "stop" if stop else ""))
