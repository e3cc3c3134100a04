"""The lists whose rows are people: a Yes that waits, a consent that ends soon, or was superseded.

A page is looked for among the people themselves, as they stand at this moment: so many of them are
looked at, in the order of their opaque ids, and the next page goes on behind the last. How many
there are in all is counted by the walk through all people (`jobs.publication_walk`).
"""

import json
from typing import Any

from chalicelib.domain.instants import instant, moment
from chalicelib.domain.subjects import Subject
from chalicelib.domain.worklists import Listed, PeopleList, listed
from chalicelib.messages.rules import Message
from chalicelib.notices.impact import ConsentCount
from chalicelib.portal import Portal
from chalicelib.services import confirmation
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.notices import COUNT_LASTS
from chalicelib.services.visitor import Visitor
from chalicelib.services.worklist_rows import (
    PAGE,
    ListCount,
    NothingToDoError,
    Row,
    RowsPage,
    UnknownRowError,
    who_they_are,
)
from chalicelib.store import consent_counts, outbox, people
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import reminder_key
from chalicelib.store.outbox import OutboxEntry
from chalicelib.store.table import ConflictError
from chalicelib.store.writes import Put

LOOKED_AT = 1_000
"""Among how many people one page is looked for at most."""

ASKED = "asked"
"""What the record is called that the desk sent somebody a link (`reminder_key`)."""


def last_count(portal: Portal, call: AuthorizedCall[Any]) -> ConsentCount | None:
    """Give the last count of the clinic's people; ask for a new one where that is a day old.

    One round trip, and a write where a new count is asked for.
    """
    count, asked_at = consent_counts.find_with_request(portal.table, call.clinic)
    fresh_since = instant(moment(call.now) - COUNT_LASTS)
    old = count is None or count.listed is None or count.counted_at < fresh_since
    if old and asked_at < fresh_since:
        portal.table.write_one(consent_counts.ask_anew(call.clinic, call.now))
    return count


def count_of(on: PeopleList, count: ConsentCount | None) -> ListCount:
    """Give how many people stand on a list, as they were last counted."""
    if count is None or count.listed is None:
        return ListCount(None)
    number = count.listed.get(on, 0)
    return ListCount(number, first=count.first.get(on), counted_at=count.counted_at)


def page_of(on: PeopleList, portal: Portal, call: AuthorizedCall[Any], after: str) -> RowsPage:
    """Give a page of people who stand on a list and were not sent a link about it yet.

    `after` is the opaque id of the last person looked at. Raises UnavailableError.
    """
    notice = call.lookup.published.in_force
    everybody = people.page_of_people(portal.table, call.clinic, after, LOOKED_AT)
    found: list[tuple[Subject, Listed]] = []
    looked_at = 0
    for person in everybody:
        looked_at += 1
        why = listed(on, person, notice, call.now)
        if why is not None:
            found.append((person, why))
        if len(found) == PAGE:
            break
    at_the_end = looked_at == len(everybody) < LOOKED_AT
    more = None if at_the_end else everybody[looked_at - 1].id
    open_ones = _not_asked(on, portal, call, found)
    who = who_they_are(portal, call.clinic, [person for person, _ in open_ones])
    rows = [_row(on, person, why, who.get(person.id, ())) for person, why in open_ones]
    rows.sort(key=lambda row: row.at or "")
    portal.table.put_new(call.audit(f"worklists/{on}", [person for person, _ in open_ones]))
    return RowsPage(rows, more, looked_at)


def _row(on: PeopleList, person: Subject, why: Listed, who: tuple[str, ...]) -> Row:
    return Row(
        id=why.receipt if on is PeopleList.WAITING else person.id,
        at=why.at,
        subject=person.id,
        who=who,
        receipt=why.receipt,
        questions=why.questions,
        until=why.until,
    )


def _asked_key(on: PeopleList, call: AuthorizedCall[Any], person: Subject, why: Listed) -> Key:
    """Give the place of the record that somebody was sent a link: once for each end or notice."""
    about = why.at
    if on is PeopleList.SUPERSEDED:
        about = call.lookup.published.in_force.version
    return reminder_key(call.clinic, person.id, ASKED, f"{on}|{about}")


def _not_asked(
    on: PeopleList,
    portal: Portal,
    call: AuthorizedCall[Any],
    found: list[tuple[Subject, Listed]],
) -> list[tuple[Subject, Listed]]:
    """Leave out whom the desk sent a link already; one read for a hundred."""
    if on is PeopleList.WAITING or not found:
        return found
    places = [_asked_key(on, call, person, why) for person, why in found]
    before = portal.table.get(places)
    return [each for place, each in zip(places, found, strict=True) if place not in before]


def remind(portal: Portal, call: AuthorizedCall[Any], receipt: str) -> None:
    """Send the messages again that ask to confirm a receipt's Yes, within the limits.

    Raises UnknownReceiptError, NothingToDoError, TooManyError.
    """
    document = portal.receipts.find(call.clinic, receipt).document
    person = people.find_people(portal.table, call.clinic, [document["subject"]])
    found = person.get(document["subject"])
    why = None
    if found is not None:
        why = listed(PeopleList.WAITING, found, call.lookup.published.in_force, call.now)
    if found is None or why is None:
        raise NothingToDoError
    lang = found.lang or str(document["notice"]["lang"])
    visitor = Visitor(call.key.id, call.base_url)
    confirmation.ask_again(portal, call.clinic, receipt, lang=lang, visitor=visitor, now=call.now)
    portal.table.put_new(call.audit("worklists/remind", [found], receipt))


def send_link(on: PeopleList, portal: Portal, call: AuthorizedCall[Any], subject: str) -> None:
    """Send somebody the link to their own page, where they answer again; once about each matter.

    Raises UnknownRowError for nobody, NothingToDoError where they stand on the list no more or
    were sent one before.
    """
    known = people.find_people(portal.table, call.clinic, [subject])
    if subject not in known:
        raise UnknownRowError
    person = known[subject]
    why = listed(on, person, call.lookup.published.in_force, call.now)
    if why is None:
        raise NothingToDoError
    key = portal.clinics.key(call.clinic)
    place = _asked_key(on, call, person, why)
    number = key.outbox_number(person.id, ASKED, place.sk)
    entry = OutboxEntry(
        Message.LINK,
        call.clinic,
        person.id,
        person.lang or call.lookup.published.clinic.default_language,
        call.base_url,
    )
    record = Put(place, {"body": json.dumps({"number": number, "at": call.now})})
    item = outbox.new_item(key, person.salt, number, entry, ())
    audited = call.audit("worklists/link", [person], why.receipt)
    try:
        portal.table.write([record, item, audited])
    except ConflictError:
        raise NothingToDoError from None
