"""Recording: everything that one decision writes, in one transaction: all of it or none."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

from chalicelib.domain.consent import BY_CLINIC, Assurance, Channel
from chalicelib.domain.contacts import REACHABLE_KINDS, Contact, ContactKind
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.store import contacts, timeline
from chalicelib.store import people as roll
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys import (
    late_words_key,
    person_key,
    receipt_id_key,
    receipt_key,
    sealed_key,
    unsigned_key,
    words_key,
)
from chalicelib.store.lookup import Identification, Lookup
from chalicelib.store.outbox import OTHERS, outbox_writes
from chalicelib.store.personal_data import ADDRESS, EVIDENCE, NAME, encrypted_personal_data
from chalicelib.store.table import Put, Replace, SetBody, SetEntry, Write

MOST_PEOPLE = 20
"""How many may claim a contact. Beyond, only staff can add a person: nobody can fill it up for the others."""


def outbox_writes_for(
    key: ClinicKey, identification: Identification, lookup: Lookup, subject: Subject, receipt: Receipt
) -> list[Write]:
    """Leave word of what is to be told and to be confirmed, by the contacts it was said under.

    A receipt that decides nothing (`services.contact_changes`) leads to no message here, and neither does one taken
    over from another system: it is no news to the patient.
    """
    if receipt.document["channel"] == Channel.IMPORT:
        return []
    changed = any(entry["before"] != entry["after"] for entry in receipt.document["decisions"].values())
    reached = [contact for contact in identification.contacts if contact.kind in REACHABLE_KINDS]
    if identification.person is not None and identification.person != identification.fresh.id:
        known = {each: {one.id for one in lookup.stored_under[each]} for each in reached}
        reached = [each for each in reached if identification.person in known[each] or not known[each]]
    nothing = not receipt.document["decisions"] or (identification.follows and not changed)
    if nothing or not (reached or subject.contacts):
        return []
    return outbox_writes(key, subject, receipt, reached, identification.base, to=OTHERS if identification.apart else "")


def decision_writes(
    key: ClinicKey,
    identification: Identification,
    lookup: Lookup,
    before: Subject,
    *,
    after: Subject,
    receipt: Receipt,
    disclosures: Sequence[str],
) -> list[Write]:
    """Give what one decision writes: the receipt, where it is found, how the person stands, and what is sealed."""
    clinic = lookup.published.clinic.id
    # By a contact alone there comes one new person at most: whoever gives it again is the same.
    claimed = receipt.document["assurance"] == Assurance.SELF_ASSERTED and len(identification.contacts) > 1
    crowded = {contact for contact, people in lookup.stored_under.items() if claimed and len(people) >= MOST_PEOPLE}
    # A child is kept under its guardian's contact or not at all: a withdrawal by that contact must find it.
    kept = [
        each
        for each in identification.contacts
        if each not in crowded and not (crowded and each.kind is ContactKind.WARD)
    ]
    kept = [each for each in kept if each not in identification.beside]
    lookups = {key.lookup(contact): contact for contact in kept}
    numbered = before.numbered or any(contact.kind is ContactKind.REFERENCE for contact in lookups.values())
    after = replace(
        after,
        contacts={**dict.fromkeys(lookups, after.recorded_at), **before.contacts},
        numbered=numbered,
        kinds={**before.kinds, **{number: contact.kind.value for number, contact in lookups.items()}},
        typed=(*before.typed, *_typed(lookups, before)),
        base=identification.base or before.base,
        fences=timeline.with_page_start(before.fences, after.version, before.latest, after.recorded_at),
    )
    staff = receipt.document["assurance"] in BY_CLINIC
    proven = {key.lookup(contact) for contact in (kept if staff else identification.proves)} & after.contacts.keys()
    claim = (receipt.document["evidence"] or {}).get("confirms", "")
    after = replace(after, proven_by=after.proven_by or claim).prove(proven) if proven else after
    after = contacts.placed(before, after, lookup.known_by)
    stored = roll.dump_person(after)
    # A person as they were read: whoever was erased or restricted meanwhile is looked at again.
    was = lookup.stored.get(after.id)
    place = json.dumps({"subject": after.id, "version": after.version})
    made: list[Write] = [
        Put(receipt_key(clinic, after.id, after.version), {"body": receipt.canonical.decode()}),
        Put(receipt_id_key(clinic, receipt.id), {"body": place}),
        Put(unsigned_key(clinic, receipt.id), {"body": place}),
        SetBody(person_key(clinic, after.id), stored, was=was),
        *(contacts.rewritten(clinic, before, stored, was) if was is not None else ()),
        *contacts.settled(clinic, before, after, stored),
        *_words(clinic, before, after, receipt),
    ]
    new = {number: contact for number, contact in lookups.items() if number not in before.contacts}
    # What finds a child is its guardian's contact, which is kept, and a day of birth, which nobody needs again.
    sealed = {number: contact.value for number, contact in new.items() if contact.kind is not ContactKind.WARD}
    for number, value in sealed.items():
        blob = key.encrypt(after.id, after.salt, number, value)
        made.append(Replace(sealed_key(clinic, after.id, number), {"blob": blob}))  # it may have been theirs before
    # Whom no contact finds is greeted by no name; what staff wrote down belongs to the receipt, whoever it is of.
    told = {NAME: identification.name or "", ADDRESS: identification.address.plain() if identification.address else ""}
    beside = {**(told if after.contacts else {}), EVIDENCE: "~".join(disclosures)}
    return [*made, *(encrypted_personal_data(key, after, what, plain) for what, plain in beside.items() if plain)]


def detach_contacts(lookup: Lookup, before: Subject, after: Subject) -> list[Write]:
    """Take from a person the contacts that are theirs no longer; what was sealed of them is written over at once."""
    clinic = lookup.published.clinic.id
    gone = [number for number in before.contacts if number not in after.contacts]
    return [
        write
        for number in gone
        for write in (
            contacts.vacated_places(clinic, before, number, lookup.stored[before.id]),
            Replace(sealed_key(clinic, before.id, number), {}),
        )
    ]


def _typed(lookups: Mapping[str, Contact], before: Subject) -> list[str]:
    """Give the e-mails and phones that are new to a person: typed, until somebody proves them."""
    return [
        each for each, contact in lookups.items() if contact.kind in REACHABLE_KINDS and each not in before.contacts
    ]


def _words(clinic: str, before: Subject, after: Subject, receipt: Receipt) -> list[Write]:
    """Write a receipt's words into the pages that need them; a page that begins carries how everything stood."""
    name, said = f"{after.version:010d}", json.dumps(timeline.needed(receipt.document))
    given, late = receipt.document["effective_at"], late_words_key(clinic, after.id)
    *reached, own = timeline.pages_of(after.fences, after.version, given)
    writes: list[Write] = [SetEntry(words_key(clinic, after.id, page), name, said) for page in reached]
    begins, kept = timeline.begins(after.version), timeline.first_kept(after.fences, after.version)
    reaches_back = timeline.is_late(after.fences, after.version, given)
    if begins and kept == 1:  # the first fence is given up just now
        writes.append(Put(late, {"entries": {name: said} if reaches_back else {}}))
    elif reaches_back:
        writes.append(SetEntry(late, name, said))
    key = words_key(clinic, after.id, own)
    if not begins:
        return [*writes, SetEntry(key, name, said)]
    carried = {address: standing.stored() for address, standing in before.standings.items()}
    page = {"fence": after.fences[-1], "carried": carried}
    return [*writes, Put(key, {"body": json.dumps(page), "entries": {name: said}})]
