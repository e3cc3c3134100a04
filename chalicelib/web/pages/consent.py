"""The pages that ask a patient: the consent form and the withdrawal form.

`pages.form_submission` takes what comes back.
"""

from chalice.app import Request, Response

from chalicelib.domain.clinic import Clinic
from chalicelib.portal import get_portal
from chalicelib.store.shown_pages import CONSENT_PAGE, WITHDRAWAL_PAGE
from chalicelib.web.pages.decision_form import show_consent_form, show_withdrawal_form


def consent_page(request: Request, clinic: str) -> Response:
    """Show the questions."""
    return show_consent_form(CONSENT_PAGE, _in_force(clinic), request)


def withdrawal_page(request: Request, clinic: str) -> Response:
    """Show the withdrawal form."""
    return show_withdrawal_form(WITHDRAWAL_PAGE, _in_force(clinic), request)


def _in_force(clinic: str) -> Clinic:
    """Give the clinic as its notice in force describes it."""
    return get_portal().clinics.in_force(clinic).clinic
