"""A recipient without a program gets a mail, and a clinic hears of one that is disabled."""

import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.instants import instant, moment
from chalicelib.domain.webhooks import WebhookDelivery
from chalicelib.jobs import after_decision, recipient_mails
from chalicelib.messages.transports import MessageRefusedError, TransportUnavailableError
from chalicelib.messages.webhook_transport import TryResult
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.acknowledgements import (
    OpenedAcknowledgement,
    UnknownAcknowledgementError,
    acknowledge,
)
from chalicelib.store import audit, webhook_deliveries, webhooks
from infra.local.post_office import Message
from tests.cast import ANNA, RIGA, TBILISI, Clock
from tests.factories import EMAIL_NEWS, NOON, a_decision
from tests.faults.weather import ProcessDied
from tests.keys import OwnKey
from tests.messages.outgoing import BASE, Sorting, in_time, left
from tests.messages.programs import Program, a_recipient, rounds
from tests.policies import under_policy_of
from tests.store.people import signed

DESK = "desk@partner.example.org"


def mail_round(portal: Portal, post: Sorting, after: timedelta = timedelta()) -> None:
    """Let some time pass, then write what is to be written about recipients."""
    post.clock.at = instant(moment(post.clock.at) + after)
    with under_policy_of(portal, "catch_up"):
        recipient_mails.send_mails(post.delivery, in_time)


def anna_says(portal: Portal, answer: str, at: str = NOON) -> None:
    """Let Anna answer, and let the stream write what follows."""
    receipt = decisions.record(portal, a_decision({EMAIL_NEWS: answer}, at), signed(ANNA))
    with under_policy_of(portal, "after_receipt"):
        after_decision.handle(portal.table, {"Records": [left(receipt)]}, OwnKey(), in_time)


def told(post: Sorting, to: str = DESK) -> list[Message]:
    """Give what somebody got."""
    return post.office.sent_to(to)


def only_delivery(portal: Portal) -> WebhookDelivery:
    """Give the clinic's only delivery."""
    [kept] = webhook_deliveries.deliveries_after(portal.table, RIGA, "")
    return kept.delivery


def token_in(message: Message) -> str:
    """Give the token of the link in a mail."""
    [found] = re.findall(rf"{re.escape(BASE)}/acknowledge/(\S+)\?lang=lv", message["text"])
    return str(found)


def test_a_recipient_without_a_program_hears_by_mail_and_says_that_it_is_done(
    portal: Portal, post: Sorting
) -> None:
    """In the clinic's language, by an opaque reference, and never by a patient's contact."""
    a_recipient(portal, url="", email=DESK)
    anna_says(portal, "yes")
    mail_round(portal, post)
    mail_round(portal, post)
    [mail] = told(post)
    assert "Pacients ir piekritis tālāk minētajam" in mail["text"]
    delivery = only_delivery(portal)
    assert delivery.subject in mail["text"]
    assert "ozola" not in mail["text"] + mail["html"]
    assert delivery.received_at
    assert not delivery.acknowledged_at
    token = token_in(mail)
    opened = OpenedAcknowledgement.of(portal, token)
    assert not only_delivery(portal).acknowledged_at
    done = acknowledge(portal, opened, post.clock.at)
    again = acknowledge(portal, OpenedAcknowledgement.of(portal, token), "2027-01-01T00:00:00.000Z")
    assert done.acknowledged_at == again.acknowledged_at == post.clock.at
    assert done.acknowledged_by == "page"
    lines = audit.lines_of(portal.table, RIGA, post.clock.at[:10])
    told_of = [each["about"] for each in lines if each["call"] == "deliveries/acknowledge"]
    assert told_of == [delivery.id]
    assert list(webhook_deliveries.unacknowledged(portal.table, RIGA, "")) == []


def test_a_link_of_another_clinic_or_delivery_opens_nothing(portal: Portal, post: Sorting) -> None:
    """Nobody acknowledges what no mail told them of."""
    a_recipient(portal, url="", email=DESK)
    anna_says(portal, "yes")
    mail_round(portal, post)
    token = token_in(told(post)[0])
    clinic, number, proof = token.split(".")
    wrong = [
        f"{TBILISI}.{number}.{proof}",
        f"{clinic}.{number}.{'0' * 32}",
        f"{clinic}.{number[:-1]}0.{proof}x",
        f"{clinic}.{number}",
        f"{clinic}.{number}.ä",
        "x",
        "..",
    ]
    for each in wrong:
        with pytest.raises(UnknownAcknowledgementError):
            OpenedAcknowledgement.of(portal, each)


def test_a_program_that_is_disabled_is_told_to_its_clinic_once_a_day(
    portal: Portal, post: Sorting, clock: Clock
) -> None:
    """While something waits for it, and not when it works again."""
    a_recipient(portal)
    anna_says(portal, "yes")
    rounds(portal, Program(lambda _: TryResult(410)), clock)
    clinic = portal.directory.look_up(RIGA).published.clinic
    officer = clinic.dpo.get("email") or clinic.lead.email
    before = len(told(post, officer))
    mail_round(portal, post)
    mail_round(portal, post, timedelta(hours=23))
    assert len(told(post, officer)) == before + 1
    mail = told(post, officer)[-1]
    assert "tool" in mail["subject"]
    assert "410" in mail["text"]
    mail_round(portal, post, timedelta(hours=2))
    assert len(told(post, officer)) == before + 2
    a_recipient(portal)
    rounds(portal, Program(), clock)
    mail_round(portal, post, timedelta(days=2))
    assert len(told(post, officer)) == before + 2


class Failing:
    """A mail service that takes nothing."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def send(self, *_: object) -> str:
        """Take no mail."""
        raise self.error


def test_a_mail_that_does_not_go_out_is_tried_again(portal: Portal, post: Sorting) -> None:
    """Under the same link; where the address is refused, the recipient is disabled."""
    a_recipient(portal, url="", email=DESK)
    anna_says(portal, "yes")
    away = replace(post.delivery, transport=Failing(TransportUnavailableError("Throttling")))
    recipient_mails.send_mails(away, in_time)
    assert only_delivery(portal).last_error == "Throttling"
    recipient_mails.send_mails(away, in_time)
    assert only_delivery(portal).tries == 1
    mail_round(portal, post, timedelta(minutes=10))
    assert len(told(post)) == 1
    anna_says(portal, "withdraw", "2026-11-22T13:00:00.000Z")
    refusing = replace(post.delivery, transport=Failing(MessageRefusedError("MessageRejected")))
    recipient_mails.send_mails(refusing, in_time)
    health = webhooks.find(portal.table, RIGA, "tool").health
    assert health.disabled_because == "refused"
    assert len(list(webhook_deliveries.due_now(portal.table, RIGA, "tool", "9999"))) == 1


def test_a_recipient_is_disabled_before_its_delivery_begins_to_count_anew(
    portal: Portal, post: Sorting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that dies in between does not write ten times more to a dead address."""
    a_recipient(portal, url="", email=DESK)
    anna_says(portal, "yes")

    def dies(*_: object, **__: object) -> None:
        raise ProcessDied

    refusing = replace(post.delivery, transport=Failing(MessageRefusedError("MessageRejected")))
    with monkeypatch.context() as patched, suppress(ProcessDied):
        patched.setattr(webhook_deliveries, "note_failed", dies)
        recipient_mails.send_mails(refusing, in_time)
    assert webhooks.find(portal.table, RIGA, "tool").health.disabled_because == "refused"
