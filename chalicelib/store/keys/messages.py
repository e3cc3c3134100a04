"""The outbox and what became of messages."""

from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import subject_pk


def outbox_key(clinic: str, number: str) -> Key:
    """What is still to be done after a decision: an item of the outbox, by its receipt's id.

    What no decision led to has another number that nobody can guess. In sixteen partitions, so that
    none takes every write.
    """
    return Key(f"UNSENT#{number[0]}", f"{clinic}#{number}")


def letter_key(clinic: str, number: str) -> Key:
    """The same for what nobody asked for (`outbox.LETTERS`): a queue of its own, in sixteen
    partitions.
    """
    return Key(f"UNASKED#{number[0]}", f"{clinic}#{number}")


def dead_letter_key(clinic: str, number: str) -> Key:
    """What could not be told: an item of the outbox that was given up."""
    return Key(f"DEADLETTER#{clinic}", number)


def delivery_key(clinic: str, subject: str, message: str) -> Key:
    """What became of one message: once per item of the outbox, kind of message and kind of
    contact.
    """
    return Key(subject_pk(clinic, subject), f"LETTER#{message}")


def undeliverable_key(clinic: str, lookup: str, reason: str) -> Key:
    """The mark of a contact that bounces, or complained.

    Apart from the contact, which its writer may not touch.
    """
    return Key(f"UNDELIVERABLE#{clinic}#{lookup}", reason)


def listed_undeliverable_key(clinic: str, lookup: str, reason: str) -> Key:
    """The same mark in the clinic's list of contacts that staff are to see to (`worklist`)."""
    return Key(f"UNDELIVERABLE#{clinic}", f"{lookup}#{reason}")


def earlier_undeliverable_key(clinic: str, lookup: str, reason: str) -> Key:
    """Where such a mark stood before it had a partition of its own.

    The last of them ends within a year.
    """
    return Key(f"CLINIC#{clinic}#CONTACT#{lookup}", f"UNDELIVERABLE#{reason}")


def budget_key(day: str, scope: str, shard: int) -> Key:
    """How many messages of a kind went out on a day: a part of a counter (`message_budgets`)."""
    return Key(f"BUDGET#{day}#{scope}", f"{shard:02d}")
