"""Writes the mails about recipients: word to one without a program, word to the clinic of one that
is disabled. Pure.

No contact of a patient stands in them: the person is named by the portal's opaque id, by which the
clinic tells who it is.
"""

import re
from collections.abc import Sequence
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.webhooks import Webhook, WebhookDelivery, WebhookHealth
from chalicelib.messages.transports import Email
from chalicelib.presentation.i18n import format_time
from chalicelib.presentation.templates import render

MOST_COUNTED = 100
"""Up to how many events that wait are counted for a clinic."""


def titles(clinic: Clinic, delivery: WebhookDelivery, lang: str) -> list[str]:
    """Give the titles of the questions that a delivery is about, as far as the clinic has them."""
    known = [clinic.questions[each] for each in delivery.questions if each in clinic.questions]
    return [question.title(lang) for question in known]


def mail_to_recipient(
    clinic: Clinic, webhook: Webhook, delivery: WebhookDelivery, address: str
) -> Email:
    """Write what a recipient is told; `address` leads to the page on which it says that it is done.

    In the clinic's own language, for the portal knows no other of a recipient.
    """
    lang = clinic.default_language
    values = {
        "type": delivery.type.value,
        "titles": titles(clinic, delivery, lang),
        "reference": delivery.subject,
        "address": f"{address}?lang={lang}",
    }
    return _email("to_recipient", clinic, webhook.email, webhook.clinic, values)


def mail_to_clinic(
    clinic: Clinic, webhook: Webhook, health: WebhookHealth, waiting: Sequence[object]
) -> Email:
    """Write to the clinic that a recipient is disabled, and how much waits for it.

    To its data protection officer, where the notice names one with an e-mail address.
    """
    lang = clinic.default_language
    values = {
        "recipient": webhook.name,
        "since": format_time(health.disabled_since, lang, clinic.country),
        "because": health.disabled_because,
        "waiting": len(waiting),
        "many": len(waiting) > MOST_COUNTED,
    }
    to = clinic.dpo.get("email") or clinic.lead.email
    return _email("recipient_disabled", clinic, to, webhook.clinic, values)


def _email(kind: str, clinic: Clinic, to: str, of: str, values: dict[str, Any]) -> Email:
    lang = clinic.default_language
    given = {"clinic": clinic, "links": {"unsubscribe": ""}, "child": "", **values}
    subject = render(f"email/{kind}/subject.txt", lang, **given)
    text = render(f"email/{kind}/body.txt", lang, **given)
    html = render(f"email/{kind}/body.html", lang, **given)
    return Email(
        to=to,
        subject=" ".join(subject.split()),
        text=re.sub(r"\n{3,}", "\n\n", text).strip() + "\n",
        html=html.strip() + "\n",
        # RFC 3834, 5: no automatic responder answers it.
        headers={"Auto-Submitted": "auto-generated", "Content-Language": lang},
        tags={"clinic": of, "message": kind},
        sender=clinic.name[lang],
        reply_to=clinic.lead.email,
    )
