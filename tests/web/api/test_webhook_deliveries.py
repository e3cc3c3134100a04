"""A clinic sees which systems have not confirmed a withdrawal, and says what is done."""

from typing import Any

import pytest

from chalicelib.domain.instants import instant, moment
from chalicelib.jobs import after_decision, catch_up
from chalicelib.messages.webhook_transport import TryResult
from chalicelib.store import outbox, webhook_deliveries, webhooks
from tests.cast import TBILISI, Clock
from tests.messages.programs import Program as Tool
from tests.messages.programs import sending
from tests.web.client import Program
from tests.web.running import RunningPortal

URL = "https://hooks.example.org/consents"
ANNA = {"email": "anna.ozola@example.org"}
STAFF = {"subject": ANNA, "channel": "phone", "effective_at": "2026-11-10T10:00:00+02:00"}
NOBODY = "msg_" + "0" * 36


def a_clinic(portal: RunningPortal, **recipient: Any) -> Program:
    """Open a clinic with one recipient."""
    program = portal.open_clinic()
    body = {"url": URL, "purposes": ["newsletter"], **recipient}
    assert program.call("webhooks/tool", body, method="PUT").status == 201
    return program


def anna_says(portal: RunningPortal, program: Program, answer: str, **decision: str) -> None:
    """Let staff record what Anna says, and let the stream's function do what follows."""
    decisions = decision or {"newsletter.email": answer}
    recorded = program.call("receipts", {**STAFF, "decisions": decisions})
    assert recorded.status == 201
    follow(portal)


def follow(portal: RunningPortal) -> None:
    """Do what the stream's function and the clock's round do."""
    portal.seal()
    clinic = list(portal.documents)[-1]
    notices = [
        item for item in outbox.recipient_notices(portal.table) if item.entry.clinic == clinic
    ]
    names = [{"pk": {"S": item.key.pk}, "sk": {"S": item.key.sk}} for item in notices]
    records = [{"eventName": "INSERT", "dynamodb": {"Keys": each}} for each in names]
    after_decision.handle(portal.table, {"Records": records}, None, lambda: False)


def listed(program: Program, query: str = "?acknowledged=false") -> list[dict[str, Any]]:
    """Give the deliveries that a query finds, of all pages."""
    answer = program.get(f"deliveries{query}").json()
    found: list[dict[str, Any]] = answer["deliveries"]
    while "cursor" in answer:
        more = "&" if query else "?"
        answer = program.get(f"deliveries{query}{more}cursor={answer['cursor']}").json()
        found += answer["deliveries"]
    return found


def send(portal: RunningPortal, tool: Tool) -> None:
    """Let the function that calls recipients do so, at the clinic opened last."""
    clinic, now = list(portal.documents)[-1], portal.in_process.clock()
    names = [kept.webhook.name for kept in webhooks.of_clinic(portal.table, clinic)]
    due = [
        place
        for name in names
        for place in webhook_deliveries.due_now(portal.table, clinic, name, now)
    ]
    sending(portal.in_process, tool, Clock(now)).send_new(due)


def test_a_withdrawal_stays_listed_until_its_recipient_says_that_it_is_done(
    portal: RunningPortal,
) -> None:
    """Received is not done."""
    program = a_clinic(portal)
    anna_says(portal, program, "yes")
    anna_says(portal, program, "no")
    before = listed(program)
    assert [each["type"] for each in before] == ["consent.granted", "consent.withdrawn"]
    assert {each["received_at"] for each in before} == {None}
    send(portal, Tool())
    withdrawal = listed(program)[1]
    assert (withdrawal["tries"], withdrawal["last_status"]) == (1, 200)
    assert withdrawal["received_at"]
    assert withdrawal["age_seconds"] >= 0
    assert "ozola" not in str(before)
    done = program.call(f"deliveries/{withdrawal['id']}/acknowledge", b"").json()
    assert done["acknowledged_at"]
    assert done["acknowledged_by"].startswith("key_")
    again = program.call(f"deliveries/{withdrawal['id']}/acknowledge", {}).json()
    assert again["acknowledged_at"] == done["acknowledged_at"]
    assert [each["type"] for each in listed(program)] == ["consent.granted"]
    acknowledged = listed(program, "?acknowledged=true")
    assert [each["id"] for each in acknowledged] == [withdrawal["id"]]
    assert len(listed(program, "")) == 2


def test_the_status_can_be_asked_by_the_id_that_a_webhook_told(portal: RunningPortal) -> None:
    """The program needs no contact to do what the event is about."""
    program = a_clinic(portal)
    anna_says(portal, program, "yes")
    [told] = listed(program)
    answer = program.call("status", {"subjects": [{"subject_id": told["subject"]}]})
    [result] = answer.json()["results"]
    assert result["decisions"]["newsletter.email"]["state"] == "granted"


def test_a_list_is_limited_by_recipient_and_time_and_goes_on_by_cursor(
    portal: RunningPortal,
) -> None:
    """However many there are."""
    program = a_clinic(portal)
    program.call("webhooks/other", {"url": URL, "purposes": ["newsletter.email"]}, method="PUT")
    anna_says(portal, program, "yes")
    for _ in range(120):
        assert program.call("webhooks/tool/test", b"").status == 202
    assert len(program.get("deliveries?acknowledged=false").json()["deliveries"]) == 100
    assert len(listed(program)) == len(listed(program, "")) == 122
    assert len(listed(program, "?acknowledged=false&recipient=other")) == 1
    tomorrow = instant(moment("2027-11-30T00:00:00.000Z"))
    assert listed(program, f"?acknowledged=false&since={tomorrow}") == []
    assert len(listed(program, "?since=2026-11-01T00:00:00Z")) == 122
    for wrong in ("acknowledged=maybe", "since=yesterday", "cursor=QUJD"):
        assert program.get(f"deliveries?{wrong}").status == 400


def test_a_delivery_is_sent_again_under_its_id(portal: RunningPortal) -> None:
    """A program that lost what it took asks for it."""
    program = a_clinic(portal)
    anna_says(portal, program, "yes")
    tool = Tool()
    send(portal, tool)
    [told] = listed(program)
    assert program.call(f"deliveries/{told['id']}/redeliver", b"").status == 202
    send(portal, tool)
    assert tool.taken == {told["id"]: 2}
    assert listed(program)[0]["tries"] == 2


def test_a_range_is_sent_again_two_hundred_at_a_time(portal: RunningPortal) -> None:
    """A program that was restored from a backup catches up."""
    program = a_clinic(portal)
    for _ in range(210):
        program.call("webhooks/tool/test", b"")
    tool = Tool()
    send(portal, tool)
    assert len(tool.taken) == 210
    days = {"from": "2026-11-20T00:00:00Z", "to": "2026-12-15T00:00:00Z"}
    first = program.call("webhooks/tool/replay", days)
    assert (first.status, first.json()["queued"]) == (202, 200)
    rest = program.call("webhooks/tool/replay", {**days, "cursor": first.json()["cursor"]})
    assert rest.json() == {"queued": 10}
    send(portal, tool)
    assert set(tool.taken.values()) == {2}
    earlier = {"from": "2026-10-20T00:00:00Z", "to": "2026-10-25T00:00:00Z"}
    assert program.call("webhooks/tool/replay", earlier).json() == {"queued": 0}
    for wrong in (
        {**days, "to": "2027-01-30T00:00:00Z"},
        {**days, "to": days["from"]},
        {"from": days["from"]},
        {**days, "cursor": "QUJD"},
        {**days, "cursor": 7},
    ):
        assert program.call("webhooks/tool/replay", wrong).status == 422


def test_another_clinic_and_another_controller_see_no_delivery(portal: RunningPortal) -> None:
    """Nor do they acknowledge or repeat one."""
    program = a_clinic(portal)
    anna_says(portal, program, "yes")
    [told] = listed(program)
    other = portal.open_clinic(TBILISI)
    for stranger, number in ((other, told["id"]), (program, NOBODY), (program, "x" * 300)):
        for deed in ("acknowledge", "redeliver"):
            assert stranger.call(f"deliveries/{number}/{deed}", b"").status == 404
    assert listed(other, "") == []
    assert len(listed(program)) == 1


@pytest.mark.parametrize("lost", [True, False])
def test_who_got_the_data_hears_that_the_person_was_restricted_and_erased(
    portal: RunningPortal, *, lost: bool
) -> None:
    """GDPR Art. 19: each recipient to whom it was disclosed, and nobody else."""
    program = a_clinic(portal, recipient="skincare_maker")
    for name, recipient in (("institute", "skin_institute"), ("late", "skincare_maker")):
        body = {"url": URL, "recipient": recipient, "events": ["subject.erased"]}
        program.call(f"webhooks/{name}", body, method="PUT")
    anna_says(portal, program, "", **{"data_sharing.skincare_maker": "yes"})
    anna_says(portal, program, "", **{"data_sharing.skincare_maker": "no"})
    for restricted in (True, True, False):
        program.call("restrictions", {"subject": ANNA, "restricted": restricted})
    program.call("erasures", {"subject": ANNA})
    if lost:  # the stream tells nothing of it; the clock's round comes to it
        catch_up.tell_recipients(portal.table, lambda: False)
    else:
        follow(portal)
    told = [(each["recipient"], each["type"]) for each in listed(program)]
    assert told[2:4] == [("tool", "subject.restricted"), ("tool", "subject.unrestricted")]
    assert sorted(told[4:]) == [("late", "subject.erased"), ("tool", "subject.erased")]
    waiting = [
        item
        for item in outbox.recipient_notices(portal.table)
        if item.entry.clinic == program.clinic
    ]
    assert waiting == []


def test_who_got_the_data_hears_of_a_new_contact(portal: RunningPortal) -> None:
    """Art. 19 for Art. 16: that it changed, and not to what."""
    program = a_clinic(portal)
    program.call("webhooks/texts", {"url": URL, "purposes": ["testimonials"]}, method="PUT")
    anna_says(portal, program, "yes")
    changed = {"subject": ANNA, "replace": ANNA, "with": {"email": "anna.new@example.org"}}
    assert program.call("contacts", changed).status == 201
    follow(portal)
    told = listed(program)
    assert [(each["recipient"], each["type"]) for each in told] == [
        ("tool", "consent.granted"),
        ("tool", "contact.rectified"),
    ]
    assert told[1]["questions"] == []
    assert "anna" not in str(told)


def test_a_recipient_taken_away_or_disabled_is_not_sent_to_again(portal: RunningPortal) -> None:
    """The clinic is told why."""
    program = a_clinic(portal)
    anna_says(portal, program, "yes")
    [told] = listed(program)
    send(portal, Tool(lambda _: TryResult(410)))
    days = {"from": "2026-11-20T00:00:00Z", "to": "2026-12-15T00:00:00Z"}
    for name, body in (
        (f"deliveries/{told['id']}/redeliver", {}),
        ("webhooks/tool/replay", days),
        ("webhooks/tool/test", {}),
    ):
        answer = program.call(name, body)
        assert (answer.status, answer.json()["title"]) == (409, "The recipient is disabled")
    shown = program.get("webhooks/tool").json()
    assert (shown["disabled_because"], shown["failures_in_a_row"]) == ("gone", 1)
    program.ask("DELETE", "webhooks/tool")
    assert program.call(f"deliveries/{told['id']}/redeliver", {}).status == 404
    assert program.call(f"deliveries/{told['id']}/acknowledge", {}).status == 200
    assert listed(program) == []


def test_the_audit_says_which_delivery(portal: RunningPortal) -> None:
    """Who said that a withdrawal is done at its recipient is found by it."""
    program = a_clinic(portal)
    anna_says(portal, program, "yes")
    [told] = listed(program)
    for deed in ("redeliver", "acknowledge"):
        program.call(f"deliveries/{told['id']}/{deed}", b"")
        [line] = program.get(f"audit?deed=deliveries/{deed}").json()["lines"]
        assert (line["about"], line["subjects"]) == (told["id"], [told["subject"]])
