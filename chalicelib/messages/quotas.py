"""What a message counts in before it is sent: the buckets of its contact, and the day's budgets.

A contact gets so many messages of a kind at once from one clinic, and so many from all clinics
together. Every day has a budget for a clinic, for a country and in all.
"""

from collections.abc import Iterable

from chalicelib import log
from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.instants import Instant
from chalicelib.domain.message_budgets import Budgets
from chalicelib.domain.phones import country
from chalicelib.domain.rate_limits import ANYWHERE_EMAIL, ANYWHERE_PHONE, MESSAGE, RateLimit
from chalicelib.messages.audience import AddressedMessage
from chalicelib.store import message_budgets, rate_limits
from chalicelib.store.clinics import Clinics
from chalicelib.store.keys import Key, bucket_key, shared_bucket_key
from chalicelib.store.message_budgets import BudgetUse
from chalicelib.store.table import Table
from chalicelib.store.writes import Write


def counts_of(
    table: Table, clinics: Clinics, budgets: Budgets, message: AddressedMessage, now: Instant
) -> tuple[list[Write], list[BudgetUse]]:
    """Give the writes that count a message wherever it counts, and the budgets that run out.

    One round trip. Raises TooManyError where its contact has got as many as one may get at once,
    BudgetSpentError where as many went out today as may.
    """
    context, contact = message.context, message.contact
    stop = context.about_a_stop(message.planned)
    limits = _limits(clinics, message, stop=stop)
    sent_to = country(contact.value) if contact.kind is ContactKind.PHONE else None
    held = list(budgets.budgets_for(contact.kind, context.clinic.id, sent_to, stop=stop))
    found = table.get([*limits, *message_budgets.keys_of(held, now)])
    spends = rate_limits.take_from(limits, now, found)
    counts, near = message_budgets.count_writes(held, now, found)
    return [*spends, *counts], near


def note_budgets(near: Iterable[BudgetUse]) -> None:
    """Log and count each budget that runs out."""
    for budget in near:
        log.log().warning("message budget", budget=budget.scope, used=budget.used, most=budget.most)
        log.count("MessageBudgetNear")


def _limits(clinics: Clinics, message: AddressedMessage, *, stop: bool) -> dict[Key, RateLimit]:
    """Give the token buckets a message takes from: one of the clinic, one that all clinics
    share.
    """
    key, contact = message.context.key, message.contact
    own_bucket = key.bucket(f"{message.planned.message}|{key.lookup(contact)}")
    limits = {bucket_key(message.context.clinic.id, own_bucket): MESSAGE}
    portal_key = clinics.portal_key()
    if portal_key is None:
        log.log().warning(
            "no limit on messages across clinics: publish any clinic to make the portal's key"
        )
        return limits
    shared_bucket = portal_key.shared_bucket(contact, "stop" if stop else "")
    of_phone = contact.kind is ContactKind.PHONE
    limits[shared_bucket_key(shared_bucket)] = ANYWHERE_PHONE if of_phone else ANYWHERE_EMAIL
    return limits
