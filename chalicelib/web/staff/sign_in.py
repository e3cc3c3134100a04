"""Signing in to the desk."""

from chalice.app import Request, Response

from chalicelib.web.requests import query
from chalicelib.web.staff.entrance import visitor_page


def sign_in_page(request: Request) -> Response:
    """Ask who it is."""
    return visitor_page(request, "staff/sign_in.html", out=query(request, "out") == "yes")
