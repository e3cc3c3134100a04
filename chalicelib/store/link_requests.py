"""Requests for a link: an item of the outbox for whoever asks, and one for each person it reaches."""

import contextlib
import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.contacts import Contact
from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.subjects import Subject
from chalicelib.store import outbox
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys.messages import outbox_key
from chalicelib.store.keys.people import reminder_key
from chalicelib.store.outbox import LINK_REQUEST, OutboxEntry, OutboxItem
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Put, Write

LINK_REQUEST_TTL = timedelta(days=1)
"""For how long a request for a link is kept at most, whatever fails: whoever still wants one asks
again."""

MAX_SUBJECTS_PER_REQUEST = 5
"""How many people one request reaches under one contact: no more messages go there at once
(`rate_limits.MESSAGE`)."""


def link_request(
    key: ClinicKey, contacts: Sequence[Contact], lang: str, base: str, now: Instant
) -> Put:
    """Give the item of somebody who asks for their link, whoever that is.

    Whoever carries it out looks for the people under these contacts then. So asking is the same
    work, and the item the same, whether or not anybody is known. The key it is encrypted under is
    its own, and gone with it.
    """
    own = secrets.token_hex(16)
    entry = OutboxEntry(LINK_REQUEST, key.clinic, own, lang, base)
    put = outbox.new_item(key, own, own, entry, contacts)
    over = moment(now) + LINK_REQUEST_TTL
    return put._replace(values={**put.values, "ttl": int(over.timestamp())})


def expand_link_request(
    table: Table, key: ClinicKey, item: OutboxItem, people: Mapping[Contact, Sequence[Subject]]
) -> tuple[int, int]:
    """Put an item for each person whose own a contact is in the place of a request for a link.

    Gives how many people get one, and how many do not because too many share the contact. Each
    write is one alone: the request goes last, and expanding it twice gives the same numbers, so
    nobody gets two links. A record beside the person leads to their item, so that erasing them
    finds it. Anybody can make up very many people under one contact: those who are certain come
    first, then those who decided last.
    """
    reached = left_out = 0
    for contact, known in people.items():
        own = [person for person in known if person.owns(key.lookup(contact))]
        own.sort(key=lambda person: (person.certain, person.recorded_at), reverse=True)
        chosen = own[:MAX_SUBJECTS_PER_REQUEST]
        reached += len(chosen)
        left_out += len(own) - len(chosen)
        for person in chosen:
            unique = f"{item.number}|{person.id}|{contact.kind}"
            number = hashlib.sha256(unique.encode()).hexdigest()[:32]
            for write in link_writes(key, number, item.entry, person, contact):
                with contextlib.suppress(ConflictError):  # expanded before
                    table.write_one(write)
    outbox.remove(table, item)
    return reached, left_out


def link_writes(
    key: ClinicKey, number: str, wanted: OutboxEntry, person: Subject, contact: Contact
) -> list[Write]:
    """Give the record beside a person that leads to the item that sends them their link, and then
    the item.

    `wanted` is what was asked for; the same `number` is the same message.
    """
    entry = replace(wanted, kind="link", subject=person.id)
    record = reminder_key(key.clinic, person.id, entry.kind, number)
    return [
        Put(record, {"body": json.dumps({"number": number})}),
        outbox.new_item(key, person.salt, number, entry, [contact]),
    ]


def link_requests(table: Table, clinic: str) -> Iterator[OutboxItem]:
    """Give the requests for a link at a clinic that nobody has expanded yet."""
    queued = outbox.queued(table, outbox_key, clinic)
    return (item for item in queued if item.entry.kind == LINK_REQUEST)
