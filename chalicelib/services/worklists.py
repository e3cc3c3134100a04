"""The day's work: every list with who works on it, how it is counted, its pages and its deeds.

One entry of `WORKLISTS` is one list. Another kind of work (requests of patients, campaigns) is one
entry more: its card stands on the desk's first page, its page and its buttons work by themselves,
and the page's template has a part of its name.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from chalicelib.domain.worklists import PeopleList
from chalicelib.notices.impact import ConsentCount
from chalicelib.portal import Portal
from chalicelib.services import worklist_people, worklist_tasks
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.publications import Removal
from chalicelib.services.worklist_rows import ListCount, RowsPage, UnknownRowError
from chalicelib.services.worklist_tasks import GivenUp

Count = Callable[[Portal, AuthorizedCall[Any]], ListCount]
Page = Callable[[Portal, AuthorizedCall[Any], str], RowsPage]
"""Gives the page of a list behind a place; the first for ""."""


@dataclass(frozen=True, slots=True)
class DeedForm:
    """What is sent with a button of a row: the day and name of a take-down, or a reason."""

    removed_on: str = ""
    removed_by: str = ""
    reason: GivenUp | None = None


Deed = Callable[[Portal, AuthorizedCall[Any], str, DeedForm], None]
"""Does something about one row of a list, by the row's id."""


@dataclass(frozen=True, slots=True)
class Worklist:
    """One list: its name in addresses, who sees it, who may do something about its rows.

    One of the `scopes` is enough to see it, one of `acting` to do something. `people` says that the
    list is counted with all people (`worklist_people.last_count`); else `count` does.
    """

    name: str
    scopes: tuple[str, ...]
    acting: tuple[str, ...]
    page: Page
    count: Count | None = None
    people: PeopleList | None = None
    deeds: Mapping[str, Deed] = field(default_factory=dict)


def _remind(portal: Portal, call: AuthorizedCall[Any], row: str, _: DeedForm) -> None:
    worklist_people.remind(portal, call, row)


def _send_link(
    on: PeopleList, portal: Portal, call: AuthorizedCall[Any], row: str, _: DeedForm
) -> None:
    worklist_people.send_link(on, portal, call, row)


def _acknowledge(portal: Portal, call: AuthorizedCall[Any], row: str, _: DeedForm) -> None:
    worklist_tasks.acknowledge(portal, call, row)


def _redeliver(portal: Portal, call: AuthorizedCall[Any], row: str, _: DeedForm) -> None:
    worklist_tasks.redeliver(portal, call, row)


def _tick(portal: Portal, call: AuthorizedCall[Any], row: str, form: DeedForm) -> None:
    removal = replace(call, body=Removal(form.removed_on, form.removed_by))
    worklist_tasks.mark_removed(portal, removal, row)


def _requeue(portal: Portal, call: AuthorizedCall[Any], row: str, _: DeedForm) -> None:
    worklist_tasks.requeue(portal, call, row)


def _give_up(portal: Portal, call: AuthorizedCall[Any], row: str, form: DeedForm) -> None:
    worklist_tasks.give_up(portal, call, row, form.reason or GivenUp.NO_LONGER_NEEDED)


def _of_people(on: PeopleList, scope: str, deeds: Mapping[str, Deed]) -> Worklist:
    page = partial(worklist_people.page_of, on)
    return Worklist(on.value, (scope,), (scope,), page, people=on, deeds=deeds)


_LISTS = (
    _of_people(PeopleList.WAITING, "receipts:write", {"remind": _remind}),
    Worklist(
        "bounced",
        ("receipts:write",),
        ("receipts:write",),
        worklist_tasks.bounced,
        count=worklist_tasks.count_bounced,
    ),
    Worklist(
        "unacknowledged",
        ("webhooks:read",),
        ("webhooks:write",),
        worklist_tasks.unacknowledged,
        count=worklist_tasks.count_unacknowledged,
        deeds={"acknowledge": _acknowledge, "redeliver": _redeliver},
    ),
    Worklist(
        "take-downs",
        ("receipts:write",),
        ("receipts:write",),
        worklist_tasks.take_downs,
        count=worklist_tasks.count_take_downs,
        deeds={"removed": _tick},
    ),
    _of_people(PeopleList.ENDING, "links:write", {"link": partial(_send_link, PeopleList.ENDING)}),
    _of_people(
        PeopleList.SUPERSEDED,
        "links:write",
        {"link": partial(_send_link, PeopleList.SUPERSEDED)},
    ),
    Worklist(
        "drafts",
        ("notices:write", "notices:approve"),
        ("notices:write", "notices:approve"),
        worklist_tasks.drafts,
        count=worklist_tasks.count_drafts,
    ),
    Worklist(
        "dead",
        ("receipts:write", "webhooks:write"),
        ("receipts:write", "webhooks:write"),
        worklist_tasks.dead,
        count=worklist_tasks.count_dead,
        deeds={"requeue": _requeue, "give-up": _give_up},
    ),
)

WORKLISTS: Mapping[str, Worklist] = {each.name: each for each in _LISTS}
"""Every list by its name, in the order in which the first page of the desk has them."""


def lists_for(scopes: Collection[str]) -> list[Worklist]:
    """Give the lists that somebody with these scopes works on."""
    return [each for each in WORKLISTS.values() if set(each.scopes) & set(scopes)]


def count_all(portal: Portal, call: AuthorizedCall[Any]) -> dict[str, ListCount]:
    """Count what there is to do on each list that the caller works on, by the list's name.

    Each list is one or a few round trips, however long it is. A count tells of nobody: nothing is
    audited.
    """
    own = lists_for(call.key.scopes)
    everybody: ConsentCount | None = None
    if any(each.people for each in own):
        everybody = worklist_people.last_count(portal, call)
    counts = {}
    for each in own:
        if each.people is not None:
            counts[each.name] = worklist_people.count_of(each.people, everybody)
        elif each.count is not None:
            counts[each.name] = each.count(portal, call)
    return counts


def act(  # noqa: PLR0917 - what is done, about which row, with what was sent
    portal: Portal,
    call: AuthorizedCall[Any],
    worklist: Worklist,
    deed: str,
    row: str,
    form: DeedForm,
) -> None:
    """Do something about a row of a list; raise UnknownRowError, and as the deed does."""
    if deed not in worklist.deeds or not row:
        raise UnknownRowError
    worklist.deeds[deed](portal, call, row, form)
