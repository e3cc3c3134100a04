"""The mailbox of `make run`: the messages sent, as JSON for programs and as a page for people."""

import json
from email.headerregistry import HeaderRegistry
from pathlib import Path

from jinja2 import Environment

from infra.local.post_office import Message
from infra.local.server import Reply, Request

_PAGE = Path(__file__).with_suffix(".html")
# A mail's links open beside the mailbox: inside the frame they would replace the mail.
_OPENING = '<base target="_blank">'
_HEADERS = (
    ("content-type", "text/html; charset=utf-8"),
    ("cache-control", "no-store"),
    ("referrer-policy", "origin"),
)


def mailbox(request: Request, messages: list[Message]) -> Reply:
    """Show the messages: a page where the browser prefers one, JSON for everybody else."""
    if "text/html" not in (request.header("accept") or ""):
        body = json.dumps(messages, ensure_ascii=False).encode()
        return Reply(
            200, (("content-type", "application/json"), ("cache-control", "no-store")), body
        )
    environment = Environment(autoescape=True, trim_blocks=True)
    # A Georgian sender travels as RFC 2047 writes it; a mail program shows the name.
    environment.globals["readable"] = HeaderRegistry()
    page = environment.from_string(_PAGE.read_text(encoding="utf-8"))
    return Reply(200, _HEADERS, page.render(messages=messages, opening=_OPENING).encode())
