"""What a patient sends: the answers of a consent form, or a withdrawal.

Both lead to the page of the receipt.
"""

from chalice.app import Request, Response

from chalicelib.services.patient_decisions import FormResult
from chalicelib.store.shown_pages import CONSENT_PAGE, WITHDRAWAL_PAGE
from chalicelib.web.pages.form_submission import submit_answers, submit_withdrawal
from chalicelib.web.requests import mount
from chalicelib.web.responses import see_other


def decide(request: Request, clinic: str) -> Response:
    """Take the answers."""
    return submit_answers(CONSENT_PAGE, clinic, request, _to_receipt)


def withdraw(request: Request, clinic: str) -> Response:
    """Withdraw."""
    return submit_withdrawal(WITHDRAWAL_PAGE, clinic, request, _to_receipt)


def _to_receipt(request: Request, result: FormResult) -> Response:
    # The form's own receipt, always: another number would show a stranger what happened to a
    # contact since.
    number = result.decision.receipt_id
    return see_other(f"{mount(request)}/{result.clinic.id}/receipts/{number}?lang={result.lang}")
