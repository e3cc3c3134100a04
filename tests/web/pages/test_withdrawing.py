"""A patient takes a Yes back: at once, without login, and nobody learns who is known."""

import re
from datetime import timedelta

import pytest

from tests.cast import RIGA
from tests.web.client import MOUNTS, Answer, Client, Program
from tests.web.letterbox import confirmed
from tests.web.page_reader import Page, aged_state, decide, open_page, receipt_number
from tests.web.running import RunningPortal

ANNA = "anna.ozola@example.org"
STRANGER = "a.nobody@example.org"
"""Masked it looks as Anna's does: what a page shows of it was typed just now."""


def _where_anna_agreed(portal: RunningPortal) -> Program:
    program = portal.open_clinic()
    fields = {
        "decision.newsletter.email": "yes",
        "decision.newsletter.sms": "yes",
        "email": ANNA,
        "phone": "26123456",
    }
    assert confirmed(Client(), portal, program.clinic, fields).status == 303
    return program


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic where Anna agreed to news by e-mail and by text message, and confirmed both:
    three receipts.
    """
    return _where_anna_agreed(portal)


@pytest.fixture(scope="module")
def unchanged(settled: RunningPortal) -> Program:
    """Give such a clinic for tests that change nothing there."""
    return _where_anna_agreed(settled)


def _without_what_differs(answer: Answer) -> bytes:
    """Take out the receipt's number in all its forms, the tokens of the form just saved and of the
    next one, and the time, which differ for everybody.
    """
    text = re.sub(rb"\b[0-9a-f]{32}(-[0-9a-f]{16})?\b", b"NUMBER", answer.body)
    text = re.sub(rb'(class="ref">)[^<]*', rb"\1REFERENCE", text)
    text = re.sub(rb'([?;&]saved=|name="(?:saved|state)" value=")[^"&]+', rb"\1TOKEN", text)
    return re.sub(rb"<time[^>]*>[^<]*</time>", b"TIME", text)


@pytest.mark.parametrize("mount", MOUNTS)
@pytest.mark.parametrize(
    "chosen",
    [{"all": "yes"}, {"purpose": "newsletter.email"}, {"purpose": ["newsletter", "contests"]}],
)
def test_the_answer_does_not_tell_whether_the_contact_is_known(
    program: Program, mount: str, chosen: dict[str, str]
) -> None:
    """Status, headers, and the page it leads to are alike, byte for byte but for number and
    time.
    """
    client = Client(MOUNTS[mount])
    address = f"/{program.clinic}/withdraw?lang=en"
    known, unknown = (
        client.post(
            address, {"state": open_page(client, address).fields["state"], "email": email, **chosen}
        )
        for email in (ANNA, STRANGER)
    )
    assert known.status == unknown.status == 303
    assert known.body == unknown.body
    assert known.headers.keys() == unknown.headers.keys()
    for name in known.headers.keys() - {"location"}:
        assert known.headers[name] == unknown.headers[name]
    alike = [
        answer.location.replace(receipt_number(answer), "NUMBER") for answer in (known, unknown)
    ]
    assert alike[0] == alike[1]
    after = [client.follow(answer) for answer in (known, unknown)]
    assert after[0].headers == after[1].headers
    assert b"TIME" in _without_what_differs(after[0])
    assert _without_what_differs(after[0]) == _without_what_differs(after[1])


def test_a_withdrawal_counts_at_once(program: Program, client: Client) -> None:
    """From the next question on nothing is permitted."""
    assert program.states(email=ANNA)["newsletter.email"] == "granted"
    answer = client.post(f"/{program.clinic}/withdraw", {"email": ANNA, "all": "yes"})
    assert answer.status == 303
    states = program.states(email=ANNA)
    assert states["newsletter.email"] == states["newsletter.sms"] == "withdrawn"
    assert program.receipt(receipt_number(answer)).json()["version"] == 4


def test_one_contact_is_enough_for_what_was_agreed_with_two(
    program: Program, client: Client
) -> None:
    """Whoever changed their e-mail can still stop everything by phone."""
    client.post(f"/{program.clinic}/withdraw", {"phone": "8 26 12 34 56", "all": "yes"})
    assert program.states(email=ANNA)["newsletter.email"] == "withdrawn"


def test_stopping_one_thing_leaves_the_others(program: Program, client: Client) -> None:
    """Withdrawing one purpose leaves the others as they are."""
    client.post(f"/{program.clinic}/withdraw", {"email": ANNA, "purpose": "newsletter.email"})
    states = program.states(email=ANNA)
    assert (states["newsletter.email"], states["newsletter.sms"]) == ("withdrawn", "granted")


def test_a_purpose_stands_for_all_its_options(program: Program, client: Client) -> None:
    """A program may name the purpose alone."""
    client.post(
        f"/{program.clinic}/withdraw", {"email": ANNA, "purpose": ["newsletter", "contests"]}
    )
    states = program.states(email=ANNA)
    assert (states["newsletter.email"], states["newsletter.sms"]) == ("withdrawn", "withdrawn")


@pytest.mark.parametrize("case", ["absent", "forged", "too old", "of the consent page"])
def test_a_page_left_open_still_withdraws(program: Program, client: Client, case: str) -> None:
    """Stopping is never refused for a formality."""
    consent = open_page(client, f"/{program.clinic}").fields["state"]
    state = {
        "absent": {},
        "forged": {"state": "forged"},
        "too old": {"state": aged_state(client, program.clinic, timedelta(days=30), "/withdraw")},
        "of the consent page": {"state": consent},
    }[case]
    answer = client.post(
        f"/{program.clinic}/withdraw?lang=ru", {**state, "email": ANNA, "all": "yes"}
    )
    assert program.states(email=ANNA)["newsletter.email"] == "withdrawn"
    document = program.receipt(receipt_number(answer)).json()
    shown = client.get(f"/{program.clinic}/shown/{document['notice']['sha256']}")
    assert 'name="all"' in shown.text


def test_a_page_of_an_older_notice_still_withdraws(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """A new version does not stand in the way of stopping the old."""
    state = open_page(client, f"/{program.clinic}/withdraw").fields["state"]
    portal.republish(
        program.clinic,
        "1.1",
        lambda document: document["texts"]["intro"].update(en="Welcome again!"),
    )
    client.post(f"/{program.clinic}/withdraw", {"state": state, "email": ANNA, "all": "yes"})
    assert program.states(email=ANNA)["newsletter.email"] == "withdrawn"


def test_everything_includes_what_the_clinic_no_longer_asks_for(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """A purpose dropped from the notice is stopped with the rest."""

    def drop(document: dict[str, list[dict[str, object]]]) -> None:
        document["purposes"] = [each for each in document["purposes"] if each["id"] != "newsletter"]

    portal.republish(program.clinic, "1.1", drop)
    answer = client.post(f"/{program.clinic}/withdraw", {"email": ANNA, "all": "yes"})
    assert (
        program.receipt(receipt_number(answer)).json()["decisions"]["newsletter.sms"]["after"]
        == "withdrawn"
    )
    assert client.follow(answer).status == 200


BAD = {
    "nobody": ({"all": "yes"}, "#email"),
    "a bad e-mail": ({"all": "yes", "email": "anna@"}, "#email"),
    "a bad phone": ({"all": "yes", "phone": "12"}, "#phone"),
    "nothing chosen": ({"email": ANNA}, "#purpose"),
    "an unknown purpose": ({"email": ANNA, "purpose": ["newsletter", "horoscopes"]}, "#purpose"),
    "all of something else": ({"email": ANNA, "all": "no"}, "#purpose"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_missing_is_said_and_what_was_typed_is_kept(
    unchanged: Program, client: Client, portal: RunningPortal, case: str
) -> None:
    """The form again, an error summary first, nothing stopped and nothing lost."""
    fields, place = BAD[case]
    before = portal.items()
    answer = client.post(f"/{unchanged.clinic}/withdraw?lang=ru", fields)
    page = Page(answer)
    assert answer.status == 422
    assert (page.lang, page.faults) == ("ru", [place])
    assert page.fields["email"] == fields.get("email", "")
    assert {sk for _, sk in portal.items() - before} <= {"SHOWN"}
    assert unchanged.states(email=ANNA)["newsletter.email"] == "granted"


def test_a_stranger_who_types_a_known_address_starts_nothing_and_learns_nothing(
    program: Program, client: Client
) -> None:
    """Yes stays pending, what was granted stays granted, and the receipt page is what a new patient
    sees.
    """
    fields = {"decision.newsletter.email": "yes", "decision.testimonials.text": "yes"}
    known, unknown = (
        decide(client, program.clinic, {**fields, "email": each}, "?lang=en")
        for each in (ANNA, STRANGER)
    )
    states = program.states(email=ANNA)
    assert (states["newsletter.email"], states["testimonials.text"]) == ("granted", "pending")
    assert program.states(email=STRANGER)["testimonials.text"] == "pending"
    told = program.call("status", {"subjects": [{"email": ANNA}]}).json()["results"][0]["decisions"]
    assert not told["testimonials.text"]["permitted"]
    assert told["newsletter.email"]["version"] == 2
    assert (known.status, known.headers.keys()) == (unknown.status, unknown.headers.keys())
    pages = [client.follow(answer) for answer in (known, unknown)]
    assert _without_what_differs(pages[0]) == _without_what_differs(pages[1])
    for word in (ANNA, "26123456", "pending", "granted"):
        assert word not in pages[0].text


def test_a_withdrawal_at_one_clinic_is_no_business_of_another(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """The other clinic's consents stay as they are."""
    other = portal.open_clinic()
    confirmed(client, portal, other.clinic, {"decision.newsletter.email": "yes", "email": ANNA})
    client.post(f"/{program.clinic}/withdraw", {"email": ANNA, "all": "yes"})
    assert other.states(email=ANNA)["newsletter.email"] == "granted"


def test_the_same_withdrawal_sent_twice_is_one_receipt(program: Program, client: Client) -> None:
    """A double click withdraws once."""
    state = open_page(client, f"/{program.clinic}/withdraw").fields["state"]
    fields = {"state": state, "email": ANNA, "all": "yes"}
    first, again = (client.post(f"/{program.clinic}/withdraw", fields) for _ in range(2))
    assert first.location == again.location
    assert len(program.history(email=ANNA)) == 4


def test_no_contact_ever_stands_in_an_address(program: Program, client: Client) -> None:
    """Addresses are kept by browsers, proxies and logs; contacts are not."""
    answers = [
        decide(
            client,
            program.clinic,
            {"decision.newsletter.email": "yes", "email": ANNA, "name": "Anna Ozola"},
        ),
        client.post(f"/{program.clinic}/withdraw", {"email": ANNA, "all": "yes"}),
        client.post(f"/{RIGA}/withdraw", {"phone": "26123456", "all": "yes"}),
    ]
    for answer in answers:
        links = [answer.location, *Page(client.follow(answer)).links]
        assert not [
            link for link in links if re.search(r"ozola|anna|26123456", link, re.IGNORECASE)
        ]
