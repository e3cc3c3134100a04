"""Counting why somebody withdrew, when they care to say so."""

import hmac

from chalicelib.domain.consent import Answer
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.withdrawal_reasons import ASKED_FOR, WithdrawalReason
from chalicelib.portal import Portal
from chalicelib.store import withdrawal_reasons


def is_asked_why(receipt: Receipt, now: Instant) -> bool:
    """Tell whether the page of a receipt asks why: for an hour after a withdrawal.

    Its number, which nobody can guess, is all that the answer needs: whoever withdrew has it.
    """
    at = receipt.document["recorded_at"]
    answers = {entry["answer"] for entry in receipt.document["decisions"].values()}
    return answers == {Answer.WITHDRAW} and at <= now <= instant(moment(at) + ASKED_FOR)


def count_reason(portal: Portal, receipt: Receipt, reason: WithdrawalReason, now: Instant) -> bool:
    """Count a reason, once for each receipt; tell False where none is asked for, or one was given.

    Nothing that is kept leads from the reason to the receipt or to a person. Raises ContendedError,
    UnavailableError.
    """
    if not is_asked_why(receipt, now):
        return False
    clinic = receipt.document["clinic"]
    secret = portal.clinics.key(clinic).form_secret()
    mark = hmac.digest(secret, f"why|{receipt.id}".encode(), "sha256").hex()
    return withdrawal_reasons.count(portal.table, clinic, reason, mark, now)
