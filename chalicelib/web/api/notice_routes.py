"""The API of a clinic's notices: draft, approval by another person, publication. Every call leaves an audit line.

The work is done in `web.api.notices`, which is loaded with the first of these calls: no patient waits for it.
"""

from types import ModuleType

from chalice.app import Blueprint, Response

from chalicelib.web.errors import BASE, api
from chalicelib.web.requests import ANY_TYPE

notices = Blueprint(__name__)


@notices.route(f"{BASE}/notices", methods=["POST"], content_types=ANY_TYPE)
@api
def draft_notice(clinic: str) -> Response:
    """Keep a document as a draft, complete or not, in place of an unpublished one of its number."""
    answer: Response = _reviewing().draft(notices.current_request, clinic)
    return answer


@notices.route(f"{BASE}/notices", methods=["GET"], content_types=ANY_TYPE)
@api
def list_notices(clinic: str) -> Response:
    """List every version, published or not, with who wrote, approved and published it."""
    answer: Response = _reviewing().listed(notices.current_request, clinic)
    return answer


@notices.route(f"{BASE}/notices/{{version}}", methods=["GET"], content_types=ANY_TYPE)
@api
def read_notice(clinic: str, version: str) -> Response:
    """Give a version with its whole document, so that who approves can read what they approve."""
    answer: Response = _reviewing().read(notices.current_request, clinic, version)
    return answer


@notices.route(f"{BASE}/notices/{{version}}/preview", methods=["GET"], content_types=ANY_TYPE)
@api
def show_notice(clinic: str, version: str) -> Response:
    """Give a draft as patients would see it, in one language."""
    answer: Response = _reviewing().shown(notices.current_request, clinic, version)
    return answer


@notices.route(f"{BASE}/notices/{{version}}/approve", methods=["POST"], content_types=ANY_TYPE)
@api
def approve_notice(clinic: str, version: str) -> Response:
    """Approve a draft, as another person than its author; what is approved is the text that was read, or nothing."""
    answer: Response = _reviewing().approve(notices.current_request, clinic, version)
    return answer


@notices.route(f"{BASE}/notices/{{version}}/publish", methods=["POST"], content_types=ANY_TYPE)
@api
def publish_notice(clinic: str, version: str) -> Response:
    """Publish an approved draft, in force from its effective day on; with `?preview=1` only tell what that would do."""
    answer: Response = _reviewing().publish(notices.current_request, clinic, version)
    return answer


def _reviewing() -> ModuleType:
    from chalicelib.web.api import notices as reviewing  # noqa: PLC0415 - 12 ms that no patient should wait for

    return reviewing
