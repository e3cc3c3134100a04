"""Whoever withdrew may say why, once it counts: a number grows, and nothing of them is kept."""

import gzip
import re
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.instants import instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.withdrawal_reasons import ASKED_FOR, WithdrawalReason
from chalicelib.portal import get_portal
from chalicelib.services.withdrawal_reasons import count_reason, is_asked_why
from chalicelib.store import withdrawal_reasons
from tests.cast import ANNA
from tests.web.client import Answer, Client
from tests.web.letterbox import a_token, confirmed
from tests.web.page_reader import Page, decide, open_page, receipt_number
from tests.web.running import RunningPortal

NEWS = "newsletter.email"
LIGHTEST = 8 * 1024


def counted(clinic: str) -> Counter[WithdrawalReason]:
    """Give the reasons that a clinic's patients gave."""
    return withdrawal_reasons.totals(get_portal().table, clinic, "2026-01-01", "2099-12-31")


def withdraw(client: Client, clinic: str, **contacts: str) -> Answer:
    """Stop everything from the open page."""
    state = open_page(client, f"/{clinic}/withdraw?lang=en").fields["state"]
    fields = {"state": state, "all": "yes", **contacts}
    return client.post(f"/{clinic}/withdraw?lang=en", fields)


def tell(client: Client, page: Page, reason: str | None) -> Answer:
    """Send the page's question with a reason ticked, or none."""
    [action] = [link for link in page.links if "/reason?" in link]
    ticked = {"reason": reason} if reason else {}
    return client.post(action.removeprefix(client.mount), ticked)


@pytest.mark.parametrize("known", [True, False])
def test_a_reason_is_counted_once_and_asked_of_everybody(
    client: Client, portal: RunningPortal, *, known: bool
) -> None:
    """The page asks alike whoever is known; a form that is sent four times is one answer."""
    program, other = portal.open_clinic(), portal.open_clinic()
    if known:
        fields = {f"decision.{NEWS}": "yes", "email": ANNA.value}
        assert confirmed(client, portal, program.clinic, fields).status == 303
    page = Page(client.follow(withdraw(client, program.clinic, email=ANNA.value)))
    for _ in range(4):
        told = tell(client, page, "too_many")
        assert told.status == 303
    assert "Thank you for telling us." in client.follow(told).text
    assert counted(program.clinic) == {WithdrawalReason.TOO_MANY: 1}
    assert counted(other.clinic) == {}


@pytest.mark.parametrize("reason", [None, "because", "TOO_MANY", "unsaid"])
def test_only_what_is_offered_is_counted(
    client: Client, portal: RunningPortal, reason: str | None
) -> None:
    """Nobody writes words into the counts; who ticked nothing is asked again, and need not."""
    clinic = portal.open_clinic().clinic
    page = Page(client.follow(withdraw(client, clinic, email=ANNA.value)))
    told = tell(client, page, reason)
    assert told.status == 303
    assert counted(clinic) == ({WithdrawalReason.UNSAID: 1} if reason == "unsaid" else {})
    assert ("Would you tell us why?" in client.follow(told).text) is (reason != "unsaid")


def test_only_a_withdrawal_of_the_last_hour_is_asked_about(
    client: Client, portal: RunningPortal
) -> None:
    """Neither a Yes, nor another clinic's receipt, nor yesterday's counts a reason."""
    program, other = portal.open_clinic(), portal.open_clinic()
    yes = decide(client, program.clinic, {"decision.testimonials.text": "yes", "email": ANNA.value})
    number = receipt_number(withdraw(client, program.clinic, email=ANNA.value))
    left = {"reason": "left"}
    for clinic, receipt, status in (
        (program.clinic, receipt_number(yes), 303),
        (other.clinic, number, 404),
        (program.clinic, "0" * 32, 404),
    ):
        assert client.post(f"/{clinic}/receipts/{receipt}/reason", left).status == status
    receipt = get_portal().receipts.find(program.clinic, number)
    later = instant(datetime.now(UTC) + ASKED_FOR + timedelta(seconds=5))
    assert is_asked_why(receipt, instant(datetime.now(UTC)))
    assert not is_asked_why(receipt, later)
    assert not count_reason(get_portal(), receipt, WithdrawalReason.LEFT, later)
    assert counted(program.clinic) == counted(other.clinic) == {}


def test_the_own_page_asks_after_a_stop_too(client: Client, portal: RunningPortal) -> None:
    """Whoever stops there is asked in the same words, and comes back to their page."""
    program = portal.open_clinic()
    fields = {f"decision.{NEWS}": "yes", "email": ANNA.value}
    assert confirmed(client, portal, program.clinic, fields).status == 303
    token = a_token(portal, program.clinic, ANNA, LinkScope.MANAGE)
    address = f"/manage/{token}?lang=en"
    state = open_page(client, address).fields["state"]
    stopped = client.post(address, {"state": state, "act": "stop", "all": "yes"})
    shown = client.follow(stopped).text
    assert "Would you tell us why?" in shown
    found = re.search(r'name="receipt" value="([0-9a-f]{32})"', shown)
    assert found
    form = {"state": state, "act": "why", "receipt": found[1]}
    for _ in range(2):
        told = client.post(address, {**form, "reason": "privacy"})
        assert "Thank you for telling us." in client.follow(told).text
    assert counted(program.clinic) == {WithdrawalReason.PRIVACY: 1}
    for wrong in ({"receipt": "0" * 32}, {"state": ""}):
        assert client.post(address, {**form, "reason": "left", **wrong}).status == 422
    assert sum(counted(program.clinic).values()) == 1


@pytest.mark.parametrize("lang", ["lt", "en", "ru"])
def test_the_page_stays_light(client: Client, portal: RunningPortal, lang: str) -> None:
    """What is asked on top costs a patient's phone little."""
    clinic = portal.open_clinic("kaunas-polyclinics").clinic
    address = withdraw(client, clinic, email=ANNA.value).location.removeprefix(client.mount)
    page = client.get(address.replace("lang=en", f"lang={lang}"))
    assert len(gzip.compress(page.body, 6)) <= LIGHTEST
