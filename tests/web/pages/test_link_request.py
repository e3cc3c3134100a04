"""Send me my link: everybody gets the same answer after the same work."""

import json
from typing import Any

import pytest

from chalicelib.domain.rate_limits import CONTACT
from chalicelib.store import outbox
from chalicelib.store.keys.key import Key
from tests.cast import ANNA, ANNA_PHONE
from tests.web.client import MOUNTS, Answer, Client, Program
from tests.web.page_reader import Page, open_page
from tests.web.running import RunningPortal

STRANGER = "nobody.here@example.org"


@pytest.fixture(scope="module")
def program(settled: RunningPortal) -> Program:
    """Give a clinic that knows Anna by her e-mail."""
    opened = settled.open_clinic()
    body = {
        "subject": {"email": ANNA.value},
        "channel": "in-person",
        "decisions": {"newsletter.email": "yes"},
    }
    assert opened.call("receipts", {**body, "effective_at": "2026-11-20T10:00:00Z"}).status == 201
    return opened


def _ask(client: Client, program: Program, lang: str = "lv", **typed: str) -> Answer:
    place = f"/{program.clinic}/link?lang={lang}"
    return client.post(place, {"state": open_page(client, place).fields["state"], **typed})


def _left(portal: RunningPortal, before: set[tuple[str, str]]) -> list[Any]:
    keys = [Key(*key) for key in portal.items() - before if key[0].startswith("UNSENT#")]
    return list(portal.table.get(keys).values())


@pytest.mark.parametrize("mount", MOUNTS)
def test_known_or_not_the_answer_is_the_same(
    program: Program, portal: RunningPortal, mount: str
) -> None:
    """Status, body, headers, the page it leads to, and what the request leaves behind."""
    client = Client(MOUNTS[mount])
    items, left = portal.items(), []
    answers = []
    for email in (ANNA.value, "asta.zolao@example.org"):
        answers.append(_ask(client, program, email=email))
        left += _left(portal, items)
        items = portal.items()
    known, unknown = answers
    assert (known.status, known.headers, known.body) == (
        unknown.status,
        unknown.headers,
        unknown.body,
    )
    assert known.status == 303
    assert client.follow(known).body == client.follow(unknown).body
    one, other = left
    assert (len(one.body), len(one.blob)) == (len(other.body), len(other.blob))
    told = client.follow(_ask(client, program, lang="en", phone="26123456"))
    assert "a message with your link is on its way" in told.text


def test_one_request_leaves_one_item_that_the_post_can_read(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Both contacts typed are written to, in the language of the page, from the address it was
    asked at.
    """
    before = portal.items()
    _ask(client, program, lang="ru", email="Anna.Ozola@Example.org", phone="26 123 456")
    [item] = _left(portal, before)
    body = json.loads(item.body)
    assert item.key.pk.startswith("UNSENT#")
    assert (body["kind"], body["clinic"], body["lang"]) == ("wanted", program.clinic, "ru")
    assert body["base"] == "https://portal.example.org/api"
    key = portal.in_process.clinics.key(program.clinic)
    [waiting] = outbox.still_there(portal.table, [item.key])
    assert set(waiting.contacts(key, body["subject"])) == {ANNA, ANNA_PHONE}
    assert "ozola" not in f"{item.body}{item.key}".lower()
    assert b"ozola" not in bytes(item.blob).lower()


def test_nobody_uses_up_the_room_of_whoever_has_the_contact(
    client: Client, settled: RunningPortal
) -> None:
    """A stranger asks for Anna's link over and over from elsewhere; her own wish is still answered
    like everybody's.
    """
    program = settled.open_clinic()
    stranger = Client(address="203.0.113.7")
    assert {_ask(stranger, program, email=ANNA.value).status for _ in range(CONTACT.burst + 1)} == {
        303
    }
    assert _ask(client, program, email=ANNA.value).status == 303
    while (refused := _ask(stranger, program, email=ANNA.value)).status == 303:
        pass
    assert (refused.status, Page(refused).fields["email"]) == (429, ANNA.value)
    assert _ask(client, program, email=ANNA.value).status == 303


BAD = {
    "nobody": ({}, "#email"),
    "a bad e-mail": ({"email": "anna@"}, "#email"),
    "a bad phone": ({"phone": "12"}, "#phone"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_missing_is_said_and_nothing_is_sent(
    program: Program, client: Client, portal: RunningPortal, case: str
) -> None:
    """The form again, with what was typed."""
    fields, place = BAD[case]
    before = portal.items()
    answer = _ask(client, program, **fields)
    assert (answer.status, Page(answer).faults) == (422, [place])
    assert Page(answer).fields["email"] == fields.get("email", "")
    assert not _left(portal, before)


@pytest.mark.parametrize("state", ["", "forged", "of the withdrawal page"])
def test_a_form_of_elsewhere_sends_nobody_anything(
    program: Program, client: Client, portal: RunningPortal, state: str
) -> None:
    """Another site cannot have messages sent; the page is shown again with what was typed."""
    if state.startswith("of"):
        state = open_page(client, f"/{program.clinic}/withdraw").fields["state"]
    before = portal.items()
    answer = client.post(f"/{program.clinic}/link", {"state": state, "email": STRANGER})
    assert (answer.status, Page(answer).fields["email"]) == (422, STRANGER)
    assert not _left(portal, before)


def test_opening_the_page_sends_nothing(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Not even the one that says it is on its way; and no clinic, no page."""
    before = portal.items()
    for query in ("", "?sent=yes", "?sent=no&lang=ru"):
        open_page(client, f"/{program.clinic}/link{query}")
    assert not _left(portal, before)
    assert client.get("/no-such-clinic/link").status == 404
    assert client.post("/no-such-clinic/link", {"email": STRANGER}).status == 404
