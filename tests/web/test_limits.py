"""Limits as a patient meets them: generous, told in words, and the same for everybody."""

import re

import pytest

from chalicelib.domain.rate_limits import CONTACT, RANGE
from tests.web.client import Answer, Client, Fields
from tests.web.page_reader import Page, decide, open_page
from tests.web.running import RunningPortal

NO = {"decision.newsletter.email": "no", "name": "Anna Ozola"}


def stop(client: Client, clinic: str, email: str, **what: str) -> Answer:
    """Send the withdrawal page's form."""
    return client.post(f"/{clinic}/withdraw?lang=en", {"email": email, **(what or {"all": "yes"})})


def until_refused(send: Client, clinic: str, fields: Fields, room: int) -> Answer:
    """Send a form as often as there is room, and give the answer to one more."""
    assert {decide(send, clinic, fields, "?lang=en").status for _ in range(room)} == {303}
    return decide(send, clinic, fields, "?lang=en")


def test_too_many_tries_for_a_contact_are_refused_and_nothing_typed_is_lost(
    client: Client, portal: RunningPortal
) -> None:
    """The page says how long to wait, keeps every word and stores nothing; somebody else is taken
    at once.
    """
    clinic = portal.open_clinic().clinic
    typed = {**NO, "email": "anna.ozola@example.org"}
    assert until_refused(client, clinic, typed, CONTACT.burst).status == 429
    in_english = "?lang=en&view=all"
    open_page(client, f"/{clinic}{in_english}")  # what is asked is kept with the first visit
    before = portal.items()
    answer = decide(Client(), clinic, typed, in_english)
    page = Page(answer)
    assert (answer.status, page.alerts, page.faults) == (429, 1, [])
    assert 0 < int(answer.headers["retry-after"]) <= CONTACT.interval / 1000
    assert "Too many tries. Please wait 1 minute and send this page again" in page.words
    assert page.chosen == [("decision.newsletter.email", "no")]
    assert {name: page.fields[name] for name in ("name", "email")} == {
        "name": "Anna Ozola",
        "email": typed["email"],
    }
    assert portal.items() == before
    assert decide(client, clinic, {**NO, "email": "bella@example.org"}).status == 303


def test_a_network_is_refused_alone(portal: RunningPortal) -> None:
    """A script in the waiting room stops itself; whoever sits beside it has mobile data, and the
    other clinic.
    """
    clinic, other = portal.open_clinic().clinic, portal.open_clinic().clinic
    here, near, away = (
        Client(address=each) for each in ("198.51.100.7", "198.51.100.200", "203.0.113.7")
    )
    statuses = [
        decide(
            here, clinic, {"decision.newsletter.email": "no", "email": f"p{number}@example.org"}
        ).status
        for number in range(2 * RANGE.burst)
    ]
    assert statuses[: RANGE.burst] == [303] * RANGE.burst
    assert 429 in statuses
    while decide(near, clinic, NO).status != 429:
        pass
    assert decide(away, clinic, NO).status == 303
    assert decide(near, other, NO).status == 303
    assert stop(near, clinic, "anna.ozola@example.org").status == 303, (
        "stopping has room of its own"
    )


def test_whoever_uses_up_the_room_for_stopping_has_stopped(
    client: Client, portal: RunningPortal
) -> None:
    """A stranger cannot keep Anna from stopping: only what was just done for her is refused, and
    nothing else.
    """
    program = portal.open_clinic()
    anna = "anna.ozola@example.org"
    decide(client, program.clinic, {"decision.testimonials.text": "no", "email": anna})
    stranger = Client()
    while stop(stranger, program.clinic, anna, purpose="newsletter.email").status != 429:
        assert program.states(email=anna)["newsletter.email"] == "withdrawn"
    refused = stop(client, program.clinic, anna, purpose="newsletter.email")
    assert refused.status == 429
    assert (
        "You can also tell us at the reception, by phone or in writing: it counts the same."
        in Page(refused).words
    )
    assert stop(client, program.clinic, anna, purpose="newsletter.sms").status == 303
    assert stop(client, program.clinic, anna).status == 303
    here = {
        "subject": {"email": anna},
        "channel": "in-person",
        "effective_at": "2026-11-20T10:00:00Z",
    }
    assert program.call("withdrawals", {**here, "purposes": ["newsletter.email"]}).status == 201


@pytest.mark.parametrize("page", ["", "/withdraw"])
def test_a_refusal_tells_nobody_who_is_known(
    client: Client, portal: RunningPortal, page: str
) -> None:
    """Anna, who decided here, and somebody who never did are refused at the same count, in the same
    words.
    """
    program = portal.open_clinic()
    decide(client, program.clinic, {**NO, "email": "known@example.org"})
    told = []
    for email in ("known@example.org", "nobody@example.org"):
        sent, answer = 1 if email.startswith("known") and not page else 0, None
        while answer is None or answer.status == 303:
            state = open_page(client, f"/{program.clinic}{page}").fields["state"]
            typed = {"all": "yes"} if page else {"decision.newsletter.email": "no"}
            answer = client.post(
                f"/{program.clinic}{page}", {**typed, "state": state, "email": email}
            )
            sent += 1
        words = re.sub(r'name="state" value="[^"]+"', "", answer.text).replace(email, "")
        told.append((sent, answer.status, words, {**answer.headers, "retry-after": ""}))
    assert told[0] == told[1]


def test_what_is_to_be_mended_uses_up_nothing(client: Client, portal: RunningPortal) -> None:
    """Who mistypes an address a dozen times still gets through."""
    clinic = portal.open_clinic().clinic
    fields = {"decision.newsletter.email": "yes", "email": "anna.ozola@"}
    assert {decide(client, clinic, fields).status for _ in range(CONTACT.burst + 2)} == {422}
    assert decide(client, clinic, {**fields, "email": "anna.ozola@example.org"}).status == 303
