"""People: under their contacts, in the clinic's list, and what is theirs."""

from chalicelib.store.keys.key import Key


def contact_key(clinic: str, lookup: str, place: int = 0) -> Key:
    """One person known under a contact (by its HMAC); place 0 also counts the further ones."""
    return Key(f"CLINIC#{clinic}#CONTACT#{lookup}", f"CONTACT#{place:06d}" if place else "CONTACT")


def open_orders_key(clinic: str, lookup: str) -> Key:
    """The withdrawal orders that are open for everybody under a contact."""
    return Key(f"CLINIC#{clinic}#CONTACT#{lookup}", "ORDERS")


def order_key(clinic: str, number: str) -> Key:
    """A withdrawal order that is being carried out; in sixteen partitions."""
    return Key(f"ORDER#{number[0]}", f"{clinic}#{number}")


def subject_pk(clinic: str, subject: str) -> str:
    """The partition of one person at one clinic."""
    return f"CLINIC#{clinic}#SUBJECT#{subject}"


def removal_request_key(clinic: str, subject: str, lookup: str) -> Key:
    """That somebody wants a contact removed which their own page cannot remove."""
    return Key(f"CLINIC#{clinic}", f"WISH#{subject}#{lookup}")


def publication_key(clinic: str, publication: str) -> Key:
    """Where something of a person was published, such as a photo."""
    return Key(f"CLINIC#{clinic}", f"PUBLICATION#{publication}")


def erased_key(clinic: str, subject: str) -> Key:
    """The mark of an erased person of whom empty things are still to be cleared away.

    In sixteen partitions.
    """
    return Key(f"ERASED#{subject[0]}", f"{clinic}#{subject}")


def reminder_key(clinic: str, subject: str, kind: str, reference: str) -> Key:
    """The record of an unsolicited message to a person: once per kind and what it is about."""
    return Key(subject_pk(clinic, subject), f"TOLD#{kind}#{reference}")


def person_key(clinic: str, subject: str) -> Key:
    """How one person stands, in the clinic's list of people: sixteen partitions that list
    everybody.
    """
    return Key(f"CLINIC#{clinic}#ROLL#{subject[0]}", subject)


DUE_INDEX = "due"
"""The index of those in the lists of people for whom something will be due, of all clinics."""


def due_shard(subject: str) -> str:
    """The part of the index of due times that holds a person; sixteen parts."""
    return f"DUE#{subject[0]}"


def clinic_of_person(key: Key) -> str:
    """Give the clinic in whose list of people a place is."""
    return key.pk.removeprefix("CLINIC#").partition("#")[0]


def personal_data_key(clinic: str, subject: str, what: str) -> Key:
    """A contact, a name or evidence of one person, encrypted under that person's key."""
    return Key(subject_pk(clinic, subject), f"SEALED#{what}")


def scan_key(clinic: str, subject: str, scan: str) -> Key:
    """What is known of the scan of a person's form; the file itself is in S3."""
    return Key(subject_pk(clinic, subject), f"SCAN#{scan}")


def distinct_key(clinic: str, first: str, second: str) -> Key:
    """That staff said of two who share a contact that they are two people, by opaque ids.

    It stands with the one whose id comes first.
    """
    one, other = sorted((first, second))
    return Key(subject_pk(clinic, one), f"DISTINCT#{other}")


def confirmed_key(clinic: str, subject: str, receipt_id: str, by: str) -> Key:
    """That somebody else confirmed a claim of a person's receipt, by opaque id."""
    return Key(subject_pk(clinic, subject), f"CONFIRMED#{receipt_id}#{by}")


def open_claims_key(clinic: str, receipt_id: str) -> Key:
    """The contacts with which a receipt's claims can be confirmed by a code, and tries so far."""
    return Key(f"CLINIC#{clinic}#RECEIPT#{receipt_id}", "WAITS")


def person_key_of(key: Key) -> Key | None:
    """Give the place in the list of people of the person in whose partition an item stands.

    None for any other item.
    """
    clinic, parted, subject = key.pk.removeprefix("CLINIC#").partition("#SUBJECT#")
    return person_key(clinic, subject) if parted else None
