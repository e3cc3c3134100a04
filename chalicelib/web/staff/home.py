"""The desk's first page."""

from chalice.app import Response

from chalicelib.web.staff.entrance import Desk


def home(desk: Desk) -> Response:
    """Say who is signed in and what they may do here."""
    return desk.page("staff/home.html")
