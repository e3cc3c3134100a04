"""The patient's own page, behind a link; the work is done in `web.pages.own_page`, which no other page waits for."""

from types import ModuleType

from chalice.app import Blueprint, Response

from chalicelib.web.errors import page
from chalicelib.web.requests import ANY_TYPE

manage = Blueprint(__name__)


@manage.route("/manage/{token}", methods=["GET"], content_types=ANY_TYPE)
@page(manage)
def own_page(token: str) -> Response:
    """Show what holds, every receipt, who could receive what; and the forms to change it."""
    answer: Response = _managing().view(manage.current_request, token)
    return answer


@manage.route("/manage/{token}", methods=["POST"], content_types=ANY_TYPE)
@page(manage)
def change(token: str) -> Response:
    """Change or stop what was chosen."""
    answer: Response = _managing().submit(manage.current_request, token)
    return answer


@manage.route("/manage/{token}/erase", methods=["GET"], content_types=ANY_TYPE)
@page(manage)
def erase_page(token: str) -> Response:
    """Show what erasing does, to whoever was asked by their own contact."""
    answer: Response = _managing().erase_page(manage.current_request, token)
    return answer


@manage.route("/manage/{token}/erase", methods=["POST"], content_types=ANY_TYPE)
@page(manage)
def erase(token: str) -> Response:
    """Erase whoever confirms it."""
    answer: Response = _managing().erase_person(manage.current_request, token)
    return answer


@manage.route("/manage/{token}/receipts/{receipt}", methods=["GET"], content_types=ANY_TYPE)
@page(manage)
def own_receipt(token: str, receipt: str) -> Response:
    """Hand out one receipt in the format asked for."""
    answer: Response = _managing().download_receipt(manage.current_request, token, receipt)
    return answer


@manage.route("/manage/{token}/export/{form}", methods=["GET"], content_types=ANY_TYPE)
@page(manage)
def export(token: str, form: str) -> Response:
    """Hand out everything, as `json` or `csv`."""
    answer: Response = _managing().download_data(manage.current_request, token, form)
    return answer


def _managing() -> ModuleType:
    from chalicelib.web.pages import own_page as managing  # noqa: PLC0415 - as above

    return managing
