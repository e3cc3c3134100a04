"""Sending takes several writes, each alone: what holds when a process dies, or is refused, between
any two of them.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.links import LinkScope
from chalicelib.domain.message_budgets import Budgets
from chalicelib.portal import Portal
from chalicelib.store import deliveries, message_budgets, outbox
from chalicelib.store.links import open_link
from tests.cast import ANNA, ANNA_PHONE, RIGA
from tests.factories import EMAIL_NEWS, SMS_NEWS
from tests.messages.outgoing import Sorting, decided, in_time

WRITES = ("PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems")
STEPS = (
    "the contact's limit",
    "the budget of all",
    "the budget of the clinic",
    "taking the message",
    "its link",
    "its outcome",
    "removing the item",
)
"""The writes of one e-mail, in order."""


class DiedError(BaseException):
    """The process died."""


@contextmanager
def before_write(portal: Portal, number: int, act: Callable[[], None]) -> Iterator[None]:
    """Let something happen once, right before a write leaves for DynamoDB: the first is 0."""
    seen = 0

    def meet(request: Any, **_: Any) -> None:
        nonlocal seen
        if request.headers["X-Amz-Target"].decode().rpartition(".")[2] not in WRITES:
            return
        seen += 1
        if seen == number + 1:
            act()

    portal.table.client.meta.events.register("before-send.dynamodb", meet)
    try:
        yield
    finally:
        portal.table.client.meta.events.unregister("before-send.dynamodb", meet)


def die() -> None:
    """End the process."""
    raise DiedError


def used(portal: Portal, scope: str) -> int:
    """Tell how many messages counted in a budget today."""
    return message_budgets.used(portal.table, scope, "2026-11-23").used


def links_in(post: Sorting) -> list[str]:
    """Give the tokens of the links to Anna's own page in what she got."""
    texts = [message["text"] for message in post.mails()]
    return [token for text in texts for token in re.findall(r"/manage/([\w=-]{32})", text)]


def test_a_mail_costs_seven_writes_alone_of_items_below_a_kilobyte(
    portal: Portal, post: Sorting, round_trips: list[str]
) -> None:
    """Seven write units: in a transaction each of these would cost two."""
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    items = [item.now_signed() for item in outbox.due_items(portal.table, post.clock())]
    round_trips.clear()
    post.delivery.carry(items, in_time)
    assert [call for call in round_trips if call in WRITES] == [
        *["UpdateItem"] * 3,
        *["PutItem"] * 2,
        "UpdateItem",
        "DeleteItem",
    ]
    scanned = portal.table.client.scan(TableName=portal.settings.table)["Items"]
    written = ("LINK#", "LETTER#", "LIMIT#", "BUDGET#")
    sizes = [
        len(str(item))
        for item in scanned
        if item["pk"]["S"].startswith(written) or item["sk"]["S"].startswith(written)
    ]
    assert len(sizes) == 5
    assert max(sizes) < 1024


@pytest.mark.parametrize("number", range(len(STEPS)), ids=STEPS)
def test_who_dies_before_any_step_has_sent_nothing_twice_and_leaves_the_rest_to_another(
    portal: Portal, post: Sorting, number: int
) -> None:
    """Anna gets one mail whose link opens her page, whenever a function of ours dies.

    The exception every sender has: it dies after the mail service took the mail, before that is
    written down. At worst a message is counted that was not sent.
    """
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    items = list(outbox.due_items(portal.table, post.clock()))
    with before_write(portal, number, die), pytest.raises(DiedError):
        post.delivery.carry(items, in_time)
    sent = STEPS[number] in {"its outcome", "removing the item"}
    assert len(post.mails()) == int(sent)
    post.round(deliveries.LEASE)
    again = STEPS[number] == "its outcome"
    assert (len(post.mails()), post.waits()) == (1 + int(again), 0)
    for token in links_in(post):
        opened = open_link(portal.table, portal.clinics, token, LinkScope.MANAGE, post.clock())
        assert opened.recipient.contact == ANNA
    counted_before = STEPS[number] in {"the budget of the clinic", "taking the message"}
    assert used(portal, "email#all") == 1 + int(counted_before)


def test_whoever_finds_the_budget_spent_between_reading_and_counting_sends_nothing(
    portal: Portal, post: Sorting
) -> None:
    """The last message of a day's budget goes to one of two, however close they come."""
    small = replace(post.delivery, budgets=Budgets(sms_clinic=1))
    decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE)
    [slow] = outbox.due_items(portal.table, post.clock())
    other = replace(ANNA_PHONE, value="+37126111222")
    decided(portal, {SMS_NEWS: "yes"}, other)
    [quick] = [
        each for each in outbox.due_items(portal.table, post.clock()) if each.number != slow.number
    ]
    with before_write(portal, 0, lambda: _carry(small, quick)):
        small.carry([slow], in_time)
    assert (len(post.mails(other)), len(post.mails(ANNA_PHONE))) == (1, 0)
    assert used(portal, f"sms#clinic#{RIGA}") == 1
    [waits] = outbox.items_of(portal.table, RIGA)
    assert (waits.number, waits.entry.due) == (slow.number, "2026-11-24T06:00:00.000Z")


def test_whoever_finds_the_limit_reached_between_reading_and_counting_sends_nothing(
    portal: Portal, post: Sorting
) -> None:
    """A phone rings as often as it may, whoever else writes to it in the same moment."""
    for _ in range(6):
        decided(portal, {SMS_NEWS: "no"}, ANNA_PHONE)
    first, *others = outbox.due_items(portal.table, post.clock())

    def meanwhile() -> None:
        for item in others:
            _carry(post.delivery, item)

    with before_write(portal, 0, meanwhile):
        post.delivery.carry([first], in_time)
    assert len(post.mails(ANNA_PHONE)) == 5
    assert deliveries.states(portal.table, first) == {"receipt#phone": "skipped too_many"}


def test_a_message_that_another_took_between_reading_and_taking_is_not_sent_twice(
    portal: Portal, post: Sorting
) -> None:
    """Two functions that carry out the same item at the same time send one mail."""
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    [item] = outbox.due_items(portal.table, post.clock())
    with before_write(
        portal, STEPS.index("taking the message"), lambda: _carry(post.delivery, item)
    ):
        post.delivery.carry([item], in_time)
    assert (len(post.mails()), post.waits()) == (1, 0)
    assert used(portal, "email#all") == 2  # counted by both


def _carry(delivery: Any, item: outbox.OutboxItem) -> None:
    delivery.carry([item], in_time)
