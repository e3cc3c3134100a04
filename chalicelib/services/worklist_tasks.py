"""The lists whose rows are things to do: bounced contacts, deliveries, take-downs, drafts, messages.

Each reads what is listed already beside what it is about, and does what the API's calls do.
"""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from chalicelib.domain.instants import Instant, instant
from chalicelib.domain.notice_versions import Stage
from chalicelib.domain.publications import PublicationState
from chalicelib.domain.subjects import Subject
from chalicelib.notices.workflow import VersionSummary, list_versions
from chalicelib.portal import Portal
from chalicelib.services import contact_worklist, publications, webhook_deliveries
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.publications import PublicationStatus
from chalicelib.services.webhook_deliveries import DeliveryFilter
from chalicelib.services.worklist_rows import (
    MOST_COUNTED,
    PAGE,
    ListCount,
    NothingToDoError,
    Row,
    RowsPage,
    UnknownRowError,
    who_they_are,
)
from chalicelib.store import outbox, people, worklist
from chalicelib.store import webhook_deliveries as stored_deliveries
from chalicelib.store.outbox import OutboxItem
from chalicelib.store.publishing import Drafts
from chalicelib.store.table import ConflictError

DRAFTS = frozenset({Stage.DRAFT, Stage.APPROVED})
"""The versions that are still to be approved or published."""


_LOOKS_UP = "status:read"


class GivenUp(StrEnum):
    """Why staff let go of a message that could not be sent: one of these, never free text."""

    TOLD_OTHERWISE = "told_otherwise"
    NO_LONGER_NEEDED = "no_longer_needed"
    WRONG_CONTACT = "wrong_contact"


def count_bounced(portal: Portal, call: AuthorizedCall[Any]) -> ListCount:
    """Count the contacts that no message reaches, and those that patients want removed."""
    found, more = worklist.undelivered(portal.table, call.clinic)
    wishes = worklist.removal_requests(portal.table, call.clinic)
    entries = [*found, *itertools.islice(wishes, MOST_COUNTED + 1)]
    first = min((entry.since for entry in entries), default=None)
    if len(entries) > MOST_COUNTED:
        return ListCount(MOST_COUNTED, more=True, first=first)
    return ListCount(len(entries), more=more is not None, first=first)


def bounced(portal: Portal, call: AuthorizedCall[Any], after: str) -> RowsPage:
    """Give a page of these contacts; the first begins with what patients want removed."""
    page = contact_worklist.read_worklist(portal, call, after)
    known = {entry.person.id: entry.person for entry in page.entries}
    who = who_they_are(portal, call.clinic, list(known.values()))
    rows = [
        Row(
            id=f"{entry.person.id}.{entry.kind}.{entry.reason}",
            at=entry.since,
            subject=entry.person.id,
            who=who.get(entry.person.id, ()),
            kind=entry.kind,
            reason=entry.reason,
        )
        for entry in page.entries
    ]
    return RowsPage(rows, page.more)


def count_unacknowledged(portal: Portal, call: AuthorizedCall[Any]) -> ListCount:
    """Count what no recipient said to be done; one round trip."""
    marks = stored_deliveries.unacknowledged(portal.table, call.clinic, "")
    ids = [number for number, _ in itertools.islice(marks, MOST_COUNTED + 1)]
    first = _time_of(ids[0]) if ids else None
    return ListCount(min(len(ids), MOST_COUNTED), more=len(ids) > MOST_COUNTED, first=first)


def _time_of(delivery: str) -> Instant:
    """Give the moment of a delivery's event, which its id begins with (`webhooks.first_id_at`)."""
    milliseconds = int(delivery.removeprefix("msg_")[:12], 16)
    return instant(datetime.fromtimestamp(milliseconds / 1000, UTC))


def unacknowledged(portal: Portal, call: AuthorizedCall[Any], after: str) -> RowsPage:
    """Give a page of deliveries that no recipient said to be done, the oldest first."""
    wanted = DeliveryFilter(acknowledged=False)
    page = webhook_deliveries.list_deliveries(portal, call, wanted, after)
    rows = [
        Row(
            id=delivery.id,
            at=delivery.at,
            subject=delivery.subject,
            receipt=delivery.receipt_id,
            questions=delivery.questions,
            kind=delivery.type,
            reason=_how_far(delivery.received_at, delivery.failed),
            detail={"recipient": delivery.webhook, "received_at": delivery.received_at},
        )
        for delivery in page.deliveries
    ]
    return RowsPage(rows, page.more)


def _how_far(received_at: Instant, failed: int) -> str:
    if received_at:
        return "received"
    return "failed" if failed else "on_its_way"


def acknowledge(portal: Portal, call: AuthorizedCall[Any], delivery: str) -> None:
    """Note on the recipient's word that it is done there; raise UnknownDeliveryError."""
    webhook_deliveries.acknowledge(portal, call, delivery)


def redeliver(portal: Portal, call: AuthorizedCall[Any], delivery: str) -> None:
    """Send a delivery again; raise UnknownDeliveryError, WebhookDisabledError."""
    webhook_deliveries.redeliver(portal, call, delivery)


def count_take_downs(portal: Portal, call: AuthorizedCall[Any]) -> ListCount:
    """Count the places to be cleared, of the clinic's first hundred publications."""
    entries, more = publications.take_downs_after(portal, call, "")
    rows = [row for entry in entries for row in _places(entry, ())]
    first = min((row.at for row in rows if row.at), default=None)
    return ListCount(len(rows), more=more is not None, first=first)


def take_downs(portal: Portal, call: AuthorizedCall[Any], after: str) -> RowsPage:
    """Give a page of places that something is to be taken down from, one row for each."""
    page = publications.find_all(portal, call, PublicationState.TAKE_DOWN, after)
    subjects = list({entry.publication.subject for entry in page.entries})
    known = list(people.find_people(portal.table, call.clinic, subjects).values())
    who = who_they_are(portal, call.clinic, known)
    rows = [
        row
        for entry in page.entries
        for row in _places(entry, who.get(entry.publication.subject, ()))
    ]
    return RowsPage(rows, page.more)


def _places(entry: PublicationStatus, who: tuple[str, ...]) -> list[Row]:
    """Give the rows of one publication: the places where it still stands."""
    publication, status = entry.publication, entry.status
    return [
        Row(
            id=f"{publication.id}.{number}",
            at=status.since if status else None,
            subject=publication.subject if status else "",
            who=who,
            questions=(publication.question,),
            reason=status.state if status else "erased",
            detail={"where": place.where, "remover": place.remover, "since": place.since},
        )
        for number, place in enumerate(publication.places, start=1)
        if place.stands
    ]


def mark_removed(portal: Portal, call: AuthorizedCall[publications.Removal], row: str) -> None:
    """Tick the place of a row: it does not stand there any more.

    Raises UnknownRowError, UnknownPublicationError, UnknownPlaceError, PublicationChangedError.
    """
    publication, _, number = row.partition(".")
    if not (number.isascii() and number.isdecimal()):
        raise UnknownRowError
    publications.mark_removed(portal, call, publication, int(number[:4]))


def open_drafts(portal: Portal, call: AuthorizedCall[Any]) -> list[VersionSummary]:
    """Give the versions that are still to be approved or published, by number."""
    drafts = Drafts(portal.table).all(call.clinic)
    summaries = list_versions(call.lookup.published.published, drafts, call.now)
    return [summary for summary in summaries if summary.state in DRAFTS]


def count_drafts(portal: Portal, call: AuthorizedCall[Any]) -> ListCount:
    """Count the drafts of the notice."""
    found = open_drafts(portal, call)
    first = min((each.drafted_at for each in found if each.drafted_at), default=None)
    return ListCount(len(found), first=first)


def drafts(portal: Portal, call: AuthorizedCall[Any], after: str) -> RowsPage:
    """Give all drafts: a clinic has a few, so that there is one page."""
    found = open_drafts(portal, call) if not after else []
    portal.table.put_new(call.audit("notices"))
    rows = [
        Row(
            id=each.version,
            at=each.drafted_at,
            kind=each.state,
            detail={"author": each.author or "", "approver": each.approver or ""},
        )
        for each in found
    ]
    return RowsPage(rows)


def count_dead(portal: Portal, call: AuthorizedCall[Any]) -> ListCount:
    """Count the messages that were given up; one round trip."""
    found, more = outbox.dead_letters_after(portal.table, call.clinic, "", MOST_COUNTED)
    first = min((since for item in found if (since := _given_up_at(item))), default=None)
    return ListCount(len(found), more=more is not None, first=first)


def dead(portal: Portal, call: AuthorizedCall[Any], after: str) -> RowsPage:
    """Give a page of messages that were given up after ten tries.

    Whom they are to is for those alone who may look people up: whoever sends them again needs none
    of it.
    """
    found, more = outbox.dead_letters_after(portal.table, call.clinic, after, PAGE)
    subjects = [item.entry.subject for item in found] if _LOOKS_UP in call.key.scopes else []
    known = people.find_people(portal.table, call.clinic, subjects)
    who = who_they_are(portal, call.clinic, list(known.values()))
    rows = [_dead_row(item, known.get(item.entry.subject), who) for item in found]
    portal.table.put_new(call.audit("worklists/dead", list(known.values())))
    return RowsPage(rows, more)


def _given_up_at(item: OutboxItem) -> Instant | None:
    """Give when a message was last tried, or when what it tells of was."""
    return item.entry.due or item.entry.at


def _dead_row(item: OutboxItem, person: Subject | None, who: Any) -> Row:
    entry = item.entry
    return Row(
        id=item.number,
        at=_given_up_at(item),
        subject=person.id if person else "",
        who=who.get(person.id, ()) if person else (),
        receipt=entry.receipt or "",
        questions=entry.addresses,
        kind=entry.kind,
        reason=str(entry.tries),
    )


def requeue(portal: Portal, call: AuthorizedCall[Any], number: str) -> None:
    """Send a message again that was given up; what was sent of it stays sent.

    Raises UnknownRowError, NothingToDoError where somebody else works on it just now.
    """
    item = _dead_letter(portal, call, number)
    audited = call.audit("worklists/requeue", _about(item), item.entry.receipt, about=number)
    try:
        portal.table.write([*outbox.requeue_writes(item, call.now), audited])
    except ConflictError:
        raise NothingToDoError from None


def give_up(portal: Portal, call: AuthorizedCall[Any], number: str, reason: GivenUp) -> None:
    """Let go of a message that could not be sent; the audit says who did, and why.

    Raises UnknownRowError, NothingToDoError where somebody else was quicker.
    """
    item = _dead_letter(portal, call, number)
    deed = f"worklists/give-up/{reason}"
    audited = call.audit(deed, _about(item), item.entry.receipt, about=number)
    try:
        portal.table.write([outbox.let_go_write(item, call.now), audited])
    except ConflictError:
        raise NothingToDoError from None


def _dead_letter(portal: Portal, call: AuthorizedCall[Any], number: str) -> OutboxItem:
    item = outbox.find_dead_letter(portal.table, call.clinic, number)
    if item is None:
        raise UnknownRowError
    return item


def _about(item: OutboxItem) -> Sequence[str]:
    return [item.entry.subject] if item.entry.subject else []
