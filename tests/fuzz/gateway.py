"""The application behind a port of this machine, within this process, for a client by HTTP.

A request becomes the event that API Gateway would make of it, from a visitor of its own, and is
answered under the policy of the function that serves it on AWS.
"""

import base64

from app import app
from chalicelib.portal import get_portal
from infra.local.server import Reply, Request
from tests.policies import under_policy_of
from tests.web.client import Client


def answer(request: Request) -> Reply:
    """Answer one request."""
    headers = {name.title(): value for name, value in request.headers}
    event = Client(mount="").event(request.method, request.target, request.body, headers)
    with under_policy_of(get_portal(), "api_handler"):
        given = app(event, None)
    body = given["body"]
    content = base64.b64decode(body) if given.get("isBase64Encoded") else body.encode()
    return Reply(given["statusCode"], tuple(given["headers"].items()), content)
