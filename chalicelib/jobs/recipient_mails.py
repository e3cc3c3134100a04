"""Mails of the clock's round about recipients: to those without a program, and to clinics.

A recipient without a program gets one mail for each event, with a link to the page on which it says
that it is done. The clinic of a recipient that is disabled, and for which something waits, gets one
mail a day.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.deadline import OutOfTime
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.message_budgets import BudgetSpentError
from chalicelib.domain.webhooks import (
    CLINIC_TOLD_AGAIN,
    TRIES,
    DisabledReason,
    WebhookDelivery,
    WebhookHealth,
    acknowledgement_token,
    next_try,
)
from chalicelib.messages import recipient_mails as mails
from chalicelib.messages.delivery import Delivery
from chalicelib.messages.quotas import MessageQuotas, note_budgets
from chalicelib.messages.transports import (
    AwsTransport,
    Email,
    MessageRefusedError,
    TransportUnavailableError,
)
from chalicelib.store import message_budgets, webhook_deliveries, webhooks
from chalicelib.store.encryption import KeysUnavailableError
from chalicelib.store.lookup import Directory
from chalicelib.store.table import ContendedError, UnavailableError
from chalicelib.store.webhook_deliveries import KeptDelivery, QueuedDelivery
from chalicelib.store.webhooks import KeptWebhook, UnknownWebhookError

MOST_AT_ONCE = 50
"""How many mails one recipient gets in one round."""

_AWAY = (ContendedError, UnavailableError, KeysUnavailableError, TransportUnavailableError)


def send_mails(delivery: Delivery, out_of_time: OutOfTime) -> None:
    """Go through the recipients of all clinics; what fails for one holds up no other."""
    if delivery.transport is None:
        return
    try:
        for clinic, name in webhooks.listed(delivery.table):
            if out_of_time():
                return
            try:
                kept = webhooks.find(delivery.table, clinic, name)
                _RecipientMails(delivery, delivery.transport, kept, out_of_time).send()
            except UnknownWebhookError:
                continue
            except BudgetSpentError as spent:
                log.log().info("recipient waits for the budget", clinic=clinic, scope=spent.scope)
            except _AWAY as error:
                log.log().info("recipient left", clinic=clinic, error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one recipient, the others are written to
                log.fault(error)
    finally:
        log.flush()


@dataclass(slots=True)
class _RecipientMails:
    """The mails of one recipient in one round; `luck` spreads what is tried again."""

    work: Delivery
    transport: AwsTransport
    kept: KeptWebhook
    out_of_time: OutOfTime
    luck: Callable[[], float] = random.random

    def send(self) -> None:
        """Write to the recipient what is due, then to its clinic where it is disabled."""
        health = self.kept.health
        if self.kept.webhook.email and health.may_be_tried(self.work.now()):
            self._tell_recipient()
        if self.kept.health.disabled_since:
            self._tell_clinic()

    def _tell_recipient(self) -> None:
        webhook = self.kept.webhook
        due = webhook_deliveries.due_now(
            self.work.table, webhook.clinic, webhook.name, self.work.now()
        )
        for place in itertools.islice(due, MOST_AT_ONCE):
            if self.out_of_time() or self.kept.health.disabled_since:
                return
            kept = webhook_deliveries.read_many(
                self.work.table, webhook.clinic, [place.delivery]
            ).get(place.delivery)
            if kept is None or not kept.stands_at(place, webhook.made):
                webhook_deliveries.drop_place(self.work.table, place)
                continue
            self._mail(kept, place)

    def _mail(self, kept: KeptDelivery, place: QueuedDelivery) -> None:
        """Send one mail; raise BudgetSpentError, with nothing written, where none may go out."""
        webhook, now = self.kept.webhook, self.work.now()
        key = self.work.clinics.key(webhook.clinic)
        delivery = kept.delivery
        proof = key.acknowledgement(delivery.id)
        base = self.work.public_url or webhook.base
        token = acknowledgement_token(webhook.clinic, delivery.id, proof)
        address = f"{base}/acknowledge/{token}"
        email = mails.mail_to_recipient(self._clinic(), webhook, delivery, address)
        self._count_mail()
        enabled_at = self.kept.health.enabled_at
        taken = webhook_deliveries.claim(self.work.table, kept, now, enabled_at)
        if taken is None:
            return
        try:
            self.transport.send(email)
        except MessageRefusedError as error:
            self._failed(taken, place, str(error), refused=True)
        except TransportUnavailableError as error:
            self._failed(taken, place, str(error), refused=False)
            raise
        else:
            webhook_deliveries.note_received(self.work.table, taken, place, None, now)
            self._note("RecipientMailSent", delivery)
            health = replace(self.kept.health, last_success=now, failures=0)
            self._keep_health(health)

    def _failed(
        self, taken: KeptDelivery, place: QueuedDelivery, error: str, *, refused: bool
    ) -> None:
        now, failed = self.work.now(), taken.delivery.failed + 1
        because = DisabledReason.REFUSED if refused else None
        if because is None and failed >= TRIES:
            because = DisabledReason.FAILING
        health = replace(self.kept.health, failures=self.kept.health.failures + 1)
        if because:
            health = replace(health, disabled_since=now, disabled_because=because.value)
        # First, so that a recipient is disabled before the delivery gets its ten tries anew.
        self._keep_health(health)
        webhook_deliveries.note_failed(
            self.work.table,
            taken,
            place,
            status=None,
            error=error,
            failed=0 if because else failed,
            due=next_try(failed, now, None, self.luck()),
        )
        self._note("RecipientMailFailed", taken.delivery)

    def _tell_clinic(self) -> None:
        """Tell the clinic once a day that the recipient is disabled, while something waits."""
        webhook, now = self.kept.webhook, self.work.now()
        told = self.kept.health.clinic_told
        if told and instant(moment(told) + CLINIC_TOLD_AGAIN) > now:
            return
        queue = webhook_deliveries.due_now(self.work.table, webhook.clinic, webhook.name, _WHENEVER)
        waiting = list(itertools.islice(queue, mails.MOST_COUNTED + 1))
        if not waiting:
            return
        email = mails.mail_to_clinic(self._clinic(), webhook, self.kept.health, waiting)
        if not email.to:
            log.log().warning("clinic has no address to be told at", clinic=webhook.clinic)
            return
        self._count_mail()
        self._send_to_clinic(email)
        self._keep_health(replace(self.kept.health, clinic_told=now))

    def _send_to_clinic(self, email: Email) -> None:
        webhook = self.kept.webhook
        try:
            self.transport.send(email)
        except MessageRefusedError as error:
            log.log().warning("clinic not told", clinic=webhook.clinic, error=str(error))
            return
        log.log().info("clinic told", clinic=webhook.clinic, webhook=webhook.name)
        log.count("ClinicToldOfRecipient")

    def _count_mail(self) -> None:
        """Count a mail in the day's budgets, among those of withdrawals: it may be about one."""
        clinic, now = self.kept.webhook.clinic, self.work.now()
        budgets = self.work.budgets.budgets_for(ContactKind.EMAIL, clinic, None, stop=True)
        parts = [message_budgets.draw(budget, now) for budget in budgets]
        quotas = MessageQuotas({}, parts, now)
        quotas.count(self.work.table, self.work.table.get(quotas.keys))
        note_budgets(quotas.near)

    def _clinic(self) -> Clinic:
        clinic = self.kept.webhook.clinic
        published = Directory(self.work.table, self.work.clinics).look_up(clinic).published
        return self.work.clinics.with_all_past_questions(published)

    def _keep_health(self, health: WebhookHealth) -> None:
        kept = webhooks.note_health(self.work.table, self.kept, health)
        self.kept = replace(self.kept, health=kept)

    def _note(self, outcome: str, delivery: WebhookDelivery) -> None:
        log.log().info(
            outcome, clinic=delivery.clinic, webhook=delivery.webhook, delivery=delivery.id
        )


_WHENEVER = "9999"
"""Later than every due time."""
