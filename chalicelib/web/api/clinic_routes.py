"""The API of a clinic's programs and staff: every call leaves an audit line.

The work is done in modules that are loaded with the first of their calls: no patient waits for them.
"""

from types import ModuleType

from chalice.app import Blueprint, Response

from chalicelib.web.errors import BASE, api
from chalicelib.web.requests import ANY_TYPE

clinic_api = Blueprint(__name__)


@clinic_api.route(f"{BASE}/status", methods=["POST"], content_types=ANY_TYPE)
@api
def status(clinic: str) -> Response:
    """Tell the truth about up to a hundred subjects, now or at another time."""
    answer: Response = _desk().status(clinic_api.current_request, clinic)
    return answer


@clinic_api.route(f"{BASE}/history", methods=["POST"], content_types=ANY_TYPE)
@api
def history(clinic: str) -> Response:
    """Give the receipts of one subject, oldest first."""
    answer: Response = _desk().history(clinic_api.current_request, clinic)
    return answer


@clinic_api.route(f"{BASE}/receipts", methods=["POST"], content_types=ANY_TYPE)
@api
def staff_receipt(clinic: str) -> Response:
    """Record a decision that staff took on paper, by phone or in person."""
    answer: Response = _desk().staff_receipt(clinic_api.current_request, clinic)
    return answer


@clinic_api.route(f"{BASE}/withdrawals", methods=["POST"], content_types=ANY_TYPE)
@api
def staff_withdrawal(clinic: str) -> Response:
    """Record a withdrawal that staff took."""
    answer: Response = _desk().staff_withdrawal(clinic_api.current_request, clinic)
    return answer


@clinic_api.route(f"{BASE}/receipts/{{receipt}}", methods=["GET"], content_types=ANY_TYPE)
@api
def receipt_by_id(clinic: str, receipt: str) -> Response:
    """Give one receipt in the format asked for."""
    answer: Response = _desk().receipt_by_id(clinic_api.current_request, clinic, receipt)
    return answer


@clinic_api.route(f"{BASE}/links", methods=["POST"], content_types=ANY_TYPE)
@api
def make_links(clinic: str) -> Response:
    """Make up to a thousand personal links."""
    answer: Response = _inviting().make_links(clinic_api.current_request, clinic)
    return answer


@clinic_api.route(f"{BASE}/links/revoke", methods=["POST"], content_types=ANY_TYPE)
@api
def revoke_links(clinic: str) -> Response:
    """Revoke links by their ids."""
    answer: Response = _inviting().revoke_links(clinic_api.current_request, clinic)
    return answer


@clinic_api.route(f"{BASE}/erasures", methods=["POST"], content_types=ANY_TYPE)
@api
def erasures(clinic: str) -> Response:
    """Erase a subject's contact data at once."""
    answer: Response = _subject_rights().erasures(clinic_api.current_request, clinic)
    return answer


@clinic_api.route(f"{BASE}/restrictions", methods=["POST"], content_types=ANY_TYPE)
@api
def restrictions(clinic: str) -> Response:
    """Restrict what is done with a subject's data, or lift that."""
    answer: Response = _subject_rights().restrictions(clinic_api.current_request, clinic)
    return answer


@clinic_api.route(f"{BASE}/contacts", methods=["POST"], content_types=ANY_TYPE)
@api
def contact_change(clinic: str) -> Response:
    """Replace or remove one contact of a subject."""
    answer: Response = _subject_rights().contact_change(clinic_api.current_request, clinic)
    return answer


@clinic_api.route(f"{BASE}/contacts/worklist", methods=["GET"], content_types=ANY_TYPE)
@api
def contacts_to_see_to(clinic: str) -> Response:
    """List the contacts that staff are to see to."""
    answer: Response = _subject_rights().contacts_to_see_to(clinic_api.current_request, clinic)
    return answer


def _desk() -> ModuleType:
    from chalicelib.web.api import decisions  # noqa: PLC0415 - as above

    return decisions


def _inviting() -> ModuleType:
    from chalicelib.web.api import links  # noqa: PLC0415 - as above

    return links


def _subject_rights() -> ModuleType:
    from chalicelib.web.api import subject_rights  # noqa: PLC0415 - as above

    return subject_rights
