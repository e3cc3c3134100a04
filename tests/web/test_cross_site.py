"""No other website makes a patient's browser send a form."""

from collections.abc import Mapping

import pytest

from app import app
from tests.cast import RIGA, environment
from tests.web.client import Client
from tests.web.page_reader import Page, open_page
from tests.web.running import RunningPortal
from tests.web.truth import is_of_the_desk

NO = {"decision.newsletter.email": "no"}
FROM_ANYWHERE = {"/unsubscribe/{token}"}
"""Forms that mail programs send without any page (RFC 8058)."""

POSTS = sorted(
    resource
    for resource, methods in app.routes.items()
    if "POST" in methods and not resource.startswith("/v1/")
)
STRANGE: list[Mapping[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": ""},
    {"Sec-Fetch-Site": "cross-site", "Origin": "https://portal.example.org"},
    {"Origin": "https://evil.example"},
    {"Origin": "https://portal.example.org.evil.example"},
    {"Origin": "http://portal.example.org"},
    {"Origin": "https://portal.example.org:8443"},
    {"Origin": ""},
]
OWN: list[Mapping[str, str]] = [
    {},
    {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    {"Sec-Fetch-Site": "none"},
    {"Origin": "null"},
    {"Origin": "https://portal.example.org"},
    {"Origin": "https://PORTAL.example.org"},
]


def test_the_walk_finds_the_forms() -> None:
    """A test over no forms proves nothing."""
    assert {"/{clinic}", "/{clinic}/withdraw", "/verify"} <= set(POSTS)


REFUSED = [
    (resource, headers)
    for resource in POSTS
    if resource not in FROM_ANYWHERE
    for headers in (STRANGE[:2] if is_of_the_desk(resource) else STRANGE)
]
"""Every form with what tells that it comes from elsewhere; the desk's have one door for all."""


@pytest.mark.parametrize(("resource", "headers"), REFUSED)
def test_a_form_of_another_website_is_refused_everywhere(
    client: Client, portal: RunningPortal, resource: str, headers: Mapping[str, str]
) -> None:
    """Before it is read: nothing is stored, and the page says so in the visitor's language."""
    before = portal.items()
    answer = client.post(resource.replace("{clinic}", RIGA) + "?lang=en", NO, headers)
    assert answer.status == 403
    assert "This form was sent from another website, and nothing was saved." in Page(answer).words
    assert portal.items() == before


@pytest.mark.parametrize("headers", OWN)
def test_the_portals_own_form_is_taken_whatever_browser_sends_it(
    client: Client, headers: Mapping[str, str]
) -> None:
    """Old browsers say nothing, others say null because our pages tell nobody where they are."""
    state = open_page(client, f"/{RIGA}").fields["state"]
    assert client.post(f"/{RIGA}", {**NO, "state": state}, headers).status == 303


def test_a_page_is_looked_at_from_wherever_its_link_stands(client: Client) -> None:
    """A link on the clinic's website opens the page; only forms are held back."""
    assert client.get(f"/{RIGA}", {"Sec-Fetch-Site": "cross-site"}).status == 200


def test_the_public_address_is_the_portals_own_too(client: Client, portal: RunningPortal) -> None:
    """Behind a domain of its own the portal hears another host than the browser asked."""
    portal.in_process  # noqa: B018 - made before the environment changes
    with environment({"PUBLIC_URL": "https://consent.example.org/riga"}):
        from chalicelib.portal import get_portal  # noqa: PLC0415 - read anew

        get_portal.cache_clear()
        state = open_page(client, f"/{RIGA}").fields["state"]
        statuses = {
            origin: client.post(f"/{RIGA}", {**NO, "state": state}, {"Origin": origin}).status
            for origin in ("https://consent.example.org", "https://riga.example.org")
        }
    get_portal.cache_clear()
    assert statuses == {"https://consent.example.org": 303, "https://riga.example.org": 403}
