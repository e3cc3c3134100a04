import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import pytest

from chalicelib import log as journal
from chalicelib.domain.consent import Assurance, Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import NoticeRef
from chalicelib.domain.message_budgets import Budgets
from chalicelib.domain.rate_limits import ANYWHERE_PHONE
from chalicelib.notices.edition import make_edition
from chalicelib.portal import Portal
from chalicelib.store import message_budgets, outbox
from infra.operator.messages import spent
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI, an_edition, publish_edition
from tests.factories import EMAIL_NEWS, NOON, SMS_NEWS
from tests.messages.outgoing import Sorting, decided

DAY = "2026-11-23"
"""The day of the portal's clock."""

STAFF = {"assurance": Assurance.STAFF_WITNESSED, "channel": Channel.IN_PERSON}


def phones(number: int, start: int = 0) -> Iterator[Contact]:
    """Give mobile numbers of Latvia, each another."""
    return (
        Contact(ContactKind.PHONE, f"+371261{each:05d}") for each in range(start, start + number)
    )


def limited(post: Sorting, **changed: int) -> Sorting:
    """Give the post with smaller budgets."""
    return replace(post, delivery=replace(post.delivery, budgets=Budgets(**changed)))


def texts(post: Sorting) -> int:
    """Tell how many text messages went out."""
    return sum(message["channel"] == "sms" for message in post.office.messages())


def ask(portal: Portal, *contacts: Contact, clinic: str = RIGA) -> None:
    """Let each of these be typed into a form of a clinic."""
    for contact in contacts:
        decided(portal, {SMS_NEWS: "yes"}, contact, clinic=clinic)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param("+447911123456", id="abroad"),
        pytest.param("+37167000001", id="landline"),
        pytest.param("+881621234567", id="satellite"),
        pytest.param("+37190000000", id="premium rate"),
    ],
)
def test_a_number_that_takes_no_text_message_decides_and_withdraws_and_is_sent_nothing(
    portal: Portal, post: Sorting, number: str
) -> None:
    """Who pumps messages to such numbers by a clinic's form earns nothing; their real owner keeps
    every right.
    """
    contact = Contact(ContactKind.PHONE, number)
    ask(portal, contact)
    post.round()
    decided(portal, {SMS_NEWS: "withdraw"}, contact, at=NOON)
    post.round()
    assert (post.mails(contact), post.waits()) == ([], 0)
    assert portal.directory.look_up(RIGA, [contact]).known()


def test_a_clinic_that_names_a_neighbour_writes_to_it(portal: Portal, post: Sorting) -> None:
    """A patient from Estonia gets the code of a clinic near the border."""
    estonian = Contact(ContactKind.PHONE, "+37251234567")
    document = {**an_edition(RIGA).document, "version": "1.1", "sms_countries": ["LV", "EE"]}
    assert publish_edition(
        portal.table, portal.clinics, make_edition(document), "2026-11-20T08:00:00.000Z"
    )
    decided(portal, {SMS_NEWS: "yes"}, estonian, notice=NoticeRef("1.1", "lv", "ab" * 32))
    post.round()
    assert len(post.mails(estonian)) == 1


def test_a_clinics_budget_stops_its_messages_until_the_morning_and_loses_none(
    portal: Portal, post: Sorting
) -> None:
    """A flood of forms costs at most the day's budget; who asked meanwhile gets their code the next
    morning.
    """
    post = limited(post, sms_clinic=5)
    ask(portal, *phones(8))
    ask(portal, Contact(ContactKind.PHONE, "+995555123456"), clinic=TBILISI)
    for _ in range(3):
        post.round()
    assert (texts(post), post.waits()) == (5 + 1, 3)  # the other clinic has a budget of its own
    assert {each.entry.due for each in outbox.items_of(portal.table, RIGA)} == {
        "2026-11-24T06:00:00.000Z"
    }
    assert {each.entry.tries for each in outbox.items_of(portal.table, RIGA)} == {0}
    post.round(timedelta(hours=20))
    assert texts(post) == 6
    post.round(timedelta(hours=1))
    assert (texts(post), post.waits()) == (9, 0)


def test_a_country_and_the_whole_account_have_budgets_across_clinics(
    portal: Portal, post: Sorting
) -> None:
    """Who goes from clinic to clinic finds no more than one country, or everybody together, may
    cost.
    """
    country = limited(post, sms_country=2)
    ask(portal, *phones(3))
    ask(portal, Contact(ContactKind.PHONE, "+995555123456"), clinic=TBILISI)
    country.round()
    assert texts(post) == 2 + 1
    whole = limited(post, sms=4)
    ask(portal, *phones(3, 10))
    whole.round()
    assert texts(post) == 4


def test_text_messages_do_not_spend_the_budget_of_mails(portal: Portal, post: Sorting) -> None:
    """A flood of text messages keeps no mail from anybody."""
    post = limited(post, sms=0)
    ask(portal, ANNA_PHONE)
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    post.round()
    assert (len(post.mails(ANNA)), len(post.mails(ANNA_PHONE))) == (1, 0)


def test_mails_have_a_budget_too(portal: Portal, post: Sorting) -> None:
    """A clinic's mails end where its budget ends."""
    post = limited(post, mail_clinic=1)
    decided(portal, {EMAIL_NEWS: "yes"}, ANNA)
    decided(portal, {EMAIL_NEWS: "yes"}, Contact(ContactKind.EMAIL, "bella@example.org"))
    post.round()
    assert (len(post.office.messages()), post.waits()) == (1, 1)


def test_word_of_a_stop_goes_out_when_the_budget_is_spent_within_a_budget_of_its_own(
    portal: Portal, post: Sorting
) -> None:
    """Nobody can flood a clinic to keep Anna from hearing that something was stopped in her
    name.
    """
    post = limited(post, sms_clinic=2)
    owners = list(phones(3, 50))
    for owner in owners:
        decided(portal, {SMS_NEWS: "yes"}, owner, **STAFF)
    ask(portal, *phones(4))
    post.round()
    assert texts(post) == 2
    post.empty()
    for owner in owners:
        decided(portal, {SMS_NEWS: "withdraw"}, owner, at=NOON)
    post.round()
    told = [message["text"] for message in post.office.messages()]
    assert len(told) == 2
    assert all("/u/" in text for text in told)


def test_word_that_a_stop_was_undone_goes_out_too(portal: Portal, post: Sorting) -> None:
    """Whoever brought back what a stranger had stopped gets the receipt of it, flood or not."""
    post = limited(post, sms_clinic=1)
    ask(portal, *phones(2))
    post.round()
    assert (texts(post), post.waits()) == (1, 1)
    undoing = {"assurance": Assurance.LINK, "evidence": {"undoes": "f" * 32}}
    decided(portal, {SMS_NEWS: "yes"}, ANNA_PHONE, **undoing)
    post.round()
    assert (len(post.mails(ANNA_PHONE)), post.waits()) == (1, 1)


def test_one_phone_typed_into_many_clinics_forms_rings_ten_times(
    portal: Portal, post: Sorting
) -> None:
    """A stranger's phone is left in peace, by however many clinics' forms it is named."""
    ids = [RIGA]
    for number in range(5):
        document = {**an_edition(RIGA).document, "id": f"clinic-{number}", "code": f"z{number}"}
        ready = make_edition(document)
        publish_edition(
            portal.table,
            portal.clinics,
            ready,
            "2026-11-01T08:00:00.000Z",
            wrapped_key=bytes([number] * 32),
        )
        ids.append(ready.clinic.id)
    for clinic in ids:
        for purpose in (SMS_NEWS, "testimonials.text"):
            decided(portal, {purpose: "yes"}, ANNA_PHONE, clinic=clinic)
    ask(portal, Contact(ContactKind.PHONE, "+37126000000"))
    post.round()
    assert len(post.mails(ANNA_PHONE)) == ANYWHERE_PHONE.burst
    assert len(post.mails(Contact(ContactKind.PHONE, "+37126000000"))) == 1
    assert post.waits() > 0


def test_a_message_that_is_tried_again_counts_once(portal: Portal, post: Sorting) -> None:
    """A service that is away for an hour does not spend the day's budget."""
    post = limited(post, sms_clinic=1)
    ask(portal, ANNA_PHONE)
    post.office.fail("InternalFailure", 500)
    post.round()
    post.office.mend()
    post.round(timedelta(minutes=2))
    assert len(post.mails(ANNA_PHONE)) == 1
    assert message_budgets.used(portal.table, f"sms#clinic#{RIGA}", DAY).used == 1


def logged(post: Sorting, capsys: pytest.CaptureFixture[str]) -> tuple[str, list[dict[str, Any]]]:
    """Give what one round writes into the log, as text and as entries, its metrics among them."""
    handler, log = journal.log().registered_handler, io.StringIO()
    before = handler.setStream(log)  # type: ignore[attr-defined]
    journal.flush()  # what others counted
    capsys.readouterr()
    post.round()
    journal.flush()
    handler.setStream(before)  # type: ignore[attr-defined]
    written = log.getvalue() + capsys.readouterr().out
    return written, [json.loads(line) for line in written.splitlines()]


def test_the_operator_is_told_before_and_when_a_budget_is_spent(
    portal: Portal, post: Sorting, capsys: pytest.CaptureFixture[str]
) -> None:
    """At 80 percent there is time to look who asks; the log and the command say which budget it
    is.
    """
    post = limited(post, sms_clinic=10)
    ask(portal, *phones(7))
    assert "MessageBudget" not in logged(post, capsys)[0]
    ask(portal, *phones(4, 20))
    written, entries = logged(post, capsys)
    near = [each for each in entries if each.get("message") == "message budget"]
    assert [(each["budget"], each["used"]) for each in near] == [
        (f"sms#clinic#{RIGA}", used) for used in (8, 9, 10)
    ]
    assert [each for each in entries if each.get("outcome") == "waits for the budget"]
    metrics = [each for each in entries if "_aws" in each]
    assert sum(sum(each.get("MessageBudgetNear", [])) for each in metrics) == len(near)
    assert sum(sum(each.get("MessageBudgetSpent", [])) for each in metrics) == 1
    assert "+371" not in written
    shown = {each.scope: (each.used, each.most) for each in spent(portal, DAY)}
    assert shown[f"sms#clinic#{RIGA}"] == (10, 10)
    assert shown["sms#country#LV"] == (10, 1_000)
    assert shown["sms#all"] == (10, 2_000)
    assert shown[f"sms#clinic#{TBILISI}"] == (0, 300)


def test_two_senders_at_once_never_send_more_than_the_budget(portal: Portal, post: Sorting) -> None:
    """The counters are exact, however many functions send at once."""
    post = limited(post, sms_clinic=6)
    ask(portal, *phones(16))
    found = list(outbox.due_items(portal.table, "9999"))
    both = Barrier(2)

    def send(items: list[Any]) -> None:
        both.wait()
        post.delivery.carry(items, lambda: False)

    senders = [Thread(target=send, args=(part,)) for part in (found[::2], found[1::2])]
    for each in senders:
        each.start()
    for each in senders:
        each.join()
    for _ in range(3):
        post.round()
    assert texts(post) == 6
    assert message_budgets.used(portal.table, f"sms#clinic#{RIGA}", DAY).used == 6


def test_a_table_without_the_portals_key_still_sends(portal: Portal, post: Sorting) -> None:
    """After an update messages go out before anybody has published again."""
    portal.table.client.delete_item(
        TableName=portal.settings.table, Key={"pk": {"S": "PORTAL"}, "sk": {"S": "KEY"}}
    )
    ask(portal, ANNA_PHONE)
    post.round()
    assert len(post.mails(ANNA_PHONE)) == 1


def test_nothing_of_a_phone_stands_in_the_counters(portal: Portal, post: Sorting) -> None:
    """Who steals the table cannot try phone numbers: what all clinics share is under the portal's
    own key.
    """
    ask(portal, ANNA_PHONE)
    post.round()
    scanned = portal.table.client.scan(TableName=portal.settings.table)["Items"]
    kept = [each for each in scanned if each["pk"]["S"].startswith(("BUDGET#", "LIMIT#"))]
    assert len(kept) == 1 + 3
    assert ANNA_PHONE.value.removeprefix("+") not in json.dumps(kept, default=str)
    assert all("ttl" in each for each in kept)
