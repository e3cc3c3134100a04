"""What a patient does on a page, and what the page says: read from the HTML as a browser reads
it.
"""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from chalicelib.domain.instants import instant
from chalicelib.store.shown_pages import (
    CONSENT_PAGE,
    KIOSK_PAGE,
    KIOSK_WITHDRAWAL_PAGE,
    WITHDRAWAL_PAGE,
)
from chalicelib.web.form_state import FormState, form_secret
from tests.web.client import Answer, Client, Fields

TEMPLATES = {
    "": CONSENT_PAGE,
    "/withdraw": WITHDRAWAL_PAGE,
    "/kiosk": KIOSK_PAGE,
    "/kiosk/withdraw": KIOSK_WITHDRAWAL_PAGE,
}
"""What each page that asks is made of, by its address below the clinic's."""


class Page(HTMLParser):
    """A page read by a real parser: its fields, links, language and text."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.lang = ""
        self.fields: dict[str, str] = {}
        self.chosen: list[tuple[str, str]] = []
        self.links: list[str] = []
        self.scripts = 0
        self.alerts = 0
        self.tags: list[str] = []
        self.words = ""
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a tag."""
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.alerts += given.get("role") == "alert"
        if tag == "html":
            self.lang = given["lang"]
        if tag not in {"img", "link"}:  # a logo is in the page itself, and leads nowhere
            self.links += [given[name] for name in ("href", "src", "action") if name in given]
        if tag == "input" and given.get("type") in ("radio", "checkbox"):
            if "checked" in given:
                self.chosen.append((given["name"], given["value"]))
        elif tag == "input":
            self.fields[given["name"]] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        """Take note of text."""
        self.words += data

    @property
    def faults(self) -> list[str]:
        """The places its error summary leads to; none for a fault of the page as a whole."""
        return [link for link in self.links if link.startswith("#") and link != "#main"]


def open_page(client: Client, target: str) -> Page:
    """Open a page that is there."""
    answer = client.get(target)
    assert answer.status == 200
    return Page(answer)


def decide(client: Client, clinic: str, fields: Fields, query: str = "") -> Answer:
    """Open the consent page and send it with these fields."""
    state = open_page(client, f"/{clinic}{query}").fields["state"]
    return client.post(f"/{clinic}{query}", {"state": state, **fields})


def receipt_number(answer: Answer) -> str:
    """Give the number of the receipt a form led to."""
    assert answer.status == 303, answer.text
    found = re.search(r"/receipts/([0-9a-f]{32})\?", answer.location)
    assert found
    return found[1]


def legible(text: str) -> str:
    """Leave out of a page or a message what may hold any letters by chance: links, forms' states,
    hashes and ids.
    """
    return re.sub(r"[A-Za-z0-9_-]{22,}|\b[0-9a-f]{16}\b", "", text)


def aged_state(client: Client, clinic: str, ago: timedelta, page: str = "") -> str:
    """Give a page's state as if it had been opened some time ago: signed with the clinic's secret
    by an older clock.
    """
    secret = form_secret(clinic, TEMPLATES[page.partition("?")[0]])
    soon = instant(datetime.now(UTC) + timedelta(seconds=1))
    state = FormState.from_token(
        secret, open_page(client, f"/{clinic}{page}").fields["state"], soon
    )
    assert state is not None
    return state._replace(opened_at=instant(datetime.now(UTC) - ago)).to_token(secret)
