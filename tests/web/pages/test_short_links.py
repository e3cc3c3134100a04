"""The short addresses that text messages hold."""

import re

import pytest

from chalicelib.domain.links import SHORT_WORDS, LinkScope, path_of
from tests.cast import ANNA, ANNA_PHONE
from tests.web.client import Client
from tests.web.letterbox import a_token, carried
from tests.web.page_reader import decide, receipt_number
from tests.web.running import RunningPortal

SMS = "newsletter.sms"


@pytest.mark.parametrize("scope", SHORT_WORDS)
def test_a_short_address_leads_to_the_page_of_its_link(
    client: Client, portal: RunningPortal, scope: LinkScope
) -> None:
    """Fewer characters in the message, the same page on the phone."""
    program = portal.open_clinic()
    token = a_token(portal, program.clinic, ANNA, scope)
    answer = client.get(f"/{SHORT_WORDS[scope]}/{token}")
    assert answer.status == 302
    assert answer.location == client.mount + path_of(scope, token, program.clinic)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("word", SHORT_WORDS.values())
def test_what_is_no_token_leads_nowhere(client: Client, word: str) -> None:
    """Nothing that was typed or forged stands in an address that the portal sends anybody to."""
    for wrong in ("x", "A" * 31, "A" * 33, f"{'A' * 30}%0d", "..%2f" * 6):
        assert client.get(f"/{word}/{wrong}").status == 404


def test_a_token_for_one_scope_opens_no_other_by_a_short_address(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever has a link that undoes has none that shows decisions."""
    program = portal.open_clinic()
    token = a_token(portal, program.clinic, ANNA, LinkScope.UNDO)
    assert client.get(f"/a/{token}").status == 404
    assert client.follow(client.get(f"/m/{token}")).status == 404


def test_a_text_message_leads_to_what_it_asks_about(client: Client, portal: RunningPortal) -> None:
    """One press on the link in the message shows the Yes that waits."""
    program = portal.open_clinic()
    carried(portal)  # what came before this test is away
    fields = {"phone": ANNA_PHONE.value, f"decision.{SMS}": "yes"}
    assert receipt_number(decide(client, program.clinic, fields))
    [text] = carried(portal, ANNA_PHONE)
    [path] = re.findall(r"/c/[\w-]{32}", text)
    shown = client.follow(client.get(path))
    asked = portal.in_process.directory.look_up(program.clinic).published.clinic.questions[SMS]
    assert shown.status == 200
    assert any(title in shown.text for title in asked.purpose.title.values())


def test_no_clinic_can_be_called_like_a_short_address(client: Client) -> None:
    """A clinic's page is never taken for somebody's link, nor the other way round."""
    for word in SHORT_WORDS.values():
        assert client.get(f"/{word}").status == 404
        assert client.get(f"/{word}/withdraw").status == 404
