"""One-click unsubscribe (RFC 8058): what mail programs send, what scanners send, and what must not
happen.
"""

import re
import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import urljoin

import pytest

from chalicelib.domain.consent import Assurance
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant
from chalicelib.domain.links import LinkScope
from chalicelib.messages.rules import Message
from chalicelib.messages.transports import Email
from chalicelib.services import decisions
from chalicelib.store import link_requests, outbox
from chalicelib.store.lookup import Identification, fresh_subject
from tests.cast import ANNA, ANNA_PHONE
from tests.factories import a_decision
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import BASE, a_token, unasked
from tests.web.page_reader import Page, decide, open_page
from tests.web.running import RunningPortal

EMAIL, SMS, REVIEW = "newsletter.email", "newsletter.sms", "testimonials.text"
SKIN = "data_sharing.skin_institute"
MAIL = {"email": ANNA.value}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
MULTIPART = (
    b'--b0undary\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
    b"One-Click\r\n--b0undary--\r\n"
)


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic where Anna agreed to news both ways and to a review."""
    opened = portal.open_clinic()
    body: dict[str, Any] = {
        "subject": {**MAIL, "phone": ANNA_PHONE.value},
        "channel": "in-person",
        "decisions": {EMAIL: "yes", SMS: "yes", REVIEW: "yes"},
        "effective_at": "2026-11-20T10:00:00Z",
    }
    assert opened.call("receipts", body).status == 201
    return opened


def _place(
    portal: RunningPortal,
    program: Program,
    contact: Contact = ANNA,
    addresses: tuple[str, ...] = (),
) -> str:
    return f"/unsubscribe/{a_token(portal, program.clinic, contact, LinkScope.UNSUBSCRIBE, addresses=addresses)}"


def _as_multipart(client: Client, place: str) -> Answer:
    return client.send(
        "POST", place, MULTIPART, {"Content-Type": "multipart/form-data; boundary=b0undary"}
    )


@pytest.mark.parametrize("way", ["urlencoded", "multipart"])
def test_one_click_stops_at_once_by_either_encoding(
    program: Program, client: Client, portal: RunningPortal, way: str
) -> None:
    """200 without redirect or cookie; what is done by another contact goes on."""
    place = _place(portal, program)
    answer = client.post(place, ONE_CLICK) if way == "urlencoded" else _as_multipart(client, place)
    assert answer.status == 200
    assert not {"location", "set-cookie"} & set(answer.headers)
    states = program.states(**MAIL)
    assert (states[EMAIL], states[SMS], states[REVIEW]) == ("withdrawn", "granted", "granted")
    receipt = program.history(**MAIL)[-1]
    assert (receipt["channel"], receipt["assurance"], receipt["actor"]) == (
        "email-link",
        "link",
        "patient",
    )
    assert set(receipt["decisions"]) == {EMAIL}


def test_a_link_stops_what_it_names(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """And a phone's link what is sent to the phone."""
    client.post(_place(portal, program, addresses=(REVIEW,)), ONE_CLICK)
    assert (program.states(**MAIL)[REVIEW], program.states(**MAIL)[EMAIL]) == (
        "withdrawn",
        "granted",
    )
    client.post(_place(portal, program, ANNA_PHONE), ONE_CLICK)
    assert (program.states(**MAIL)[SMS], program.states(**MAIL)[EMAIL]) == ("withdrawn", "granted")


def test_nothing_else_stops_than_what_a_link_names_and_nothing_is_said_to_have_stopped_that_was_never_allowed(
    client: Client, portal: RunningPortal
) -> None:
    """The page names what the link names; of what the patient never agreed to it says only that
    this is a No.
    """
    program = portal.open_clinic()
    body = {"subject": MAIL, "channel": "in-person", "decisions": {REVIEW: "yes"}}
    program.call("receipts", {**body, "effective_at": "2026-11-20T10:00:00Z"})
    answer = client.post(f"{_place(portal, program)}?lang=en", ONE_CLICK)
    assert "By e-mail" in answer.text
    assert "It has stopped" not in answer.text
    assert (program.states(**MAIL)[REVIEW], program.states(**MAIL)[EMAIL]) == (
        "granted",
        "withdrawn",
    )
    answer = client.post(f"{_place(portal, program, addresses=(REVIEW,))}?lang=en", ONE_CLICK)
    assert "You have said No to this" in answer.text
    assert ("The text of my review" in answer.text, "By e-mail" in answer.text) == (True, False)
    assert program.states(**MAIL)[REVIEW] == "withdrawn"


def test_a_link_that_names_what_the_clinic_has_not_asked_stops_nothing_else(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """One click takes back no more than its mail spoke of."""
    assert (
        client.post(_place(portal, program, addresses=("nothing.known",)), ONE_CLICK).status == 200
    )
    assert program.states(**MAIL)[EMAIL] == "granted"


def test_it_can_be_sent_again_and_writes_nothing_more(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Mail programs repeat themselves; what was agreed to since stops again."""
    place = _place(portal, program)
    client.post(place, ONE_CLICK)
    before = portal.items()
    for _ in range(2):
        assert client.post(place, ONE_CLICK).status == _as_multipart(client, place).status == 200
    assert portal.items() == before
    again = {"subject": MAIL, "channel": "in-person", "decisions": {EMAIL: "yes"}}
    program.call("receipts", {**again, "effective_at": instant(datetime.now(UTC))})
    assert program.states(**MAIL)[EMAIL] == "granted"
    client.post(place, ONE_CLICK)
    assert program.states(**MAIL)[EMAIL] == "withdrawn"


def test_it_stops_for_everybody_who_is_known_under_the_contact(
    client: Client, portal: RunningPortal
) -> None:
    """A message to a shared address is stopped by whoever reads it."""
    program = portal.open_clinic()
    for number in ("P-1", "P-2"):
        body = {
            "subject": {**MAIL, "patient_ref": number},
            "channel": "in-person",
            "decisions": {EMAIL: "yes"},
        }
        program.call("receipts", {**body, "effective_at": "2026-11-20T10:00:00Z"})
    client.post(_place(portal, program), ONE_CLICK)
    assert {program.states(patient_ref=number)[EMAIL] for number in ("P-1", "P-2")} == {"withdrawn"}


def test_who_is_not_known_yet_is_stopped_too(client: Client, portal: RunningPortal) -> None:
    """A form signed before and entered later does not outlive this word; a second click adds
    nothing.
    """
    program = portal.open_clinic()
    somebody = Contact(ContactKind.EMAIL, "somebody.new@example.org")
    place = _place(portal, program, somebody)
    client.post(place, ONE_CLICK)
    assert program.states(email=somebody.value)[EMAIL] == "withdrawn"
    before = portal.items()
    client.post(place, ONE_CLICK)
    assert portal.items() == before


def test_who_opens_the_link_ticks_what_should_stop(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """What opens every link of a mail and sends every form stops nothing: a tick does, and no more
    than is ticked.
    """
    place = _place(portal, program, addresses=(EMAIL, REVIEW))
    before = portal.items()
    page = open_page(client, f"{place}?lang=en")
    assert (page.tags.count("button"), page.fields, page.chosen) == (1, {}, [])
    assert "By e-mail" in page.words
    sent = client.post(place, page.fields)
    assert (sent.status, Page(sent).faults) == (422, ["#purpose"])
    assert client.post(place, {"purpose": SMS}).status == 422, "the link is not about that"
    assert portal.items() == before
    done = client.post(f"{place}?lang=en", {"purpose": REVIEW})
    assert (done.status, "The text of my review" in done.text, "By e-mail" in done.text) == (
        200,
        True,
        False,
    )
    states = program.states(**MAIL)
    assert (states[REVIEW], states[EMAIL], states[SMS]) == ("withdrawn", "granted", "granted")
    client.post(place, {"purpose": EMAIL})
    assert program.states(**MAIL)[EMAIL] == "withdrawn"


@pytest.mark.parametrize(
    "body", [b"List-Unsubscribe=One-Click\r\n", b"List-Unsubscribe=One-Click%0D%0A"]
)
def test_a_line_that_ends_is_still_one_click(
    program: Program, client: Client, portal: RunningPortal, body: bytes
) -> None:
    """Senders vary; a mail program tells nobody that it was refused."""
    sent = client.send(
        "POST", _place(portal, program), body, {"Content-Type": "application/x-www-form-urlencoded"}
    )
    assert sent.status == 200
    assert program.states(**MAIL)[EMAIL] == "withdrawn"


def test_a_scanner_that_plays_every_mail_changes_nothing(
    client: Client, portal: RunningPortal
) -> None:
    """It opens each link in each body and sends each form as it finds it; only the header's one
    click stops a thing.
    """

    def a_month(document: dict[str, Any]) -> None:
        testimonials = next(each for each in document["purposes"] if each["id"] == "testimonials")
        testimonials["options"][0]["ends"] = "P30D"

    program, mails = portal.open_clinic(change=a_month), list[Email]()
    now = datetime.now(UTC)
    parent, of_age = (
        Contact(ContactKind.EMAIL, "parent@example.org"),
        instant(now + timedelta(days=20)),
    )
    child = a_decision(
        {REVIEW: "yes"}, instant(now), clinic=program.clinic, of_age=of_age, actor="guardian"
    )
    child = replace(child, assurance=Assurance.STAFF_WITNESSED)
    decisions.record(
        portal.in_process, child, Identification((parent,), None, fresh_subject(), base=BASE)
    )
    mails += unasked(portal, program.clinic, parent, instant(now + timedelta(days=12)))
    staff = {
        "subject": MAIL,
        "channel": "in-person",
        "effective_at": instant(now - timedelta(hours=1)),
    }
    program.call("receipts", {**staff, "decisions": {REVIEW: "yes", SKIN: "yes"}})
    decide(client, program.clinic, {**MAIL, f"decision.{EMAIL}": "yes"})
    mails += unasked(portal, program.clinic, ANNA, instant(now + timedelta(days=4)))
    mails += unasked(portal, program.clinic, ANNA, instant(now + timedelta(days=20)))
    client.post(f"/{program.clinic}/withdraw", {**MAIL, "purpose": SKIN})
    portal.table.put_new(
        link_requests.link_request(
            portal.in_process.clinics.key(program.clinic), [ANNA], "en", BASE, instant(now)
        )
    )
    [person] = portal.in_process.directory.look_up(program.clinic, [ANNA]).people[ANNA]
    key = portal.in_process.clinics.key(program.clinic)
    words = {
        Message.ERASE: (),
        Message.NEW_CONTACT: (key.lookup(ANNA),),
        Message.TAKEN_DOWN: (REVIEW,),
    }
    for kind, about in words.items():
        until = instant(now + timedelta(days=3))
        word = outbox.OutboxEntry(
            kind,
            program.clinic,
            person.id,
            "en",
            BASE,
            addresses=about,
            at=instant(now),
            until=until,
        )
        portal.table.put_new(outbox.new_item(key, person.salt, secrets.token_hex(16), word, [ANNA]))
    for version in ("1.1", "2.0"):
        portal.republish(program.clinic, version)
        mails += unasked(portal, program.clinic, ANNA, instant(datetime.now(UTC)))
    moved = {"email": "moved@example.org"}
    program.call("receipts", {**staff, "subject": moved, "decisions": {REVIEW: "yes"}})
    program.call(
        "contacts", {"subject": moved, "replace": moved, "with": {"email": "here@example.org"}}
    )
    mails += unasked(
        portal,
        program.clinic,
        Contact(ContactKind.EMAIL, moved["email"]),
        instant(datetime.now(UTC)),
    )
    newest = program.history(**MAIL)[-1]["id"]
    own = f"/manage/{a_token(portal, program.clinic, ANNA, LinkScope.MANAGE, newest)}?lang=en"
    page = open_page(client, own)
    change = {"state": page.fields["state"], "act": "contact", "contact": page.fields["contact"]}
    assert client.post(own, {**change, "new": "newer@example.org"}).status == 303
    mails += unasked(
        portal,
        program.clinic,
        Contact(ContactKind.EMAIL, "newer@example.org"),
        instant(datetime.now(UTC)),
    )
    assert {mail.tags["message"] for mail in mails} == set(Message)
    before = _written(portal, program)
    for mail in mails:
        links = {
            link.removeprefix(BASE)
            for link in re.findall(r"https://[^\s\"<]+", f"{mail.text} {mail.html}")
        }
        assert links or mail.tags["message"] in {Message.REMOVED, Message.TAKEN_DOWN}
        sent = [answer.status for link in links for answer in _played(client, link)]
        # Whoever ticks no reason for a withdrawal is led back.
        assert set(sent) <= {422, 303}, (mail.tags["message"], sent)
        assert _written(portal, program) == before, mail.tags["message"]
    stopped = next(mail for mail in mails if mail.tags["message"] == "reminder")
    client.post(stopped.headers["List-Unsubscribe"].strip("<>").removeprefix(BASE), ONE_CLICK)
    assert program.states(**MAIL)[EMAIL] != "pending"


def _written(portal: RunningPortal, program: Program) -> tuple[Any, ...]:
    """Give all that is kept, but for the pages that were shown, and that the clinic's program
    asked.
    """
    kept = {(pk, sk) for pk, sk in portal.items() if sk != "SHOWN" and "#AUDIT#" not in pk}
    return kept, program.states(**MAIL), program.history(**MAIL)


def _played(client: Client, link: str) -> list[Answer]:
    """Open a link and send every form behind it as it is found; give the answers to these."""
    opened = client.get(link)
    assert opened.status == 200, link
    forms = re.findall(r'<form method="post" action="([^"]*)".*?</form>', opened.text, re.DOTALL)
    found = [
        Page(replace(opened, body=each[0].encode()))
        for each in re.finditer(r"<form.*?</form>", opened.text, re.DOTALL)
    ]
    assert len(forms) == len(found)
    answers = []
    for action, page in zip(forms, found, strict=True):
        whole = urljoin(f"{client.mount}{link}", unescape(action))
        answers.append(
            client.post(whole.removeprefix(client.mount), page.fields | dict(page.chosen))
        )
    return answers


BAD: dict[str, tuple[int, bytes, str]] = {
    "nothing": (422, b"", "application/x-www-form-urlencoded"),
    "another pair": (422, b"List-Unsubscribe=Two-Clicks", "application/x-www-form-urlencoded"),
    "in lower case": (422, b"list-unsubscribe=one-click", "application/x-www-form-urlencoded"),
    "other fields": (422, b"unsubscribe=yes", "application/x-www-form-urlencoded"),
    "no form": (415, b'{"List-Unsubscribe": "One-Click"}', "application/json"),
    "broken multipart": (400, MULTIPART[:-20], "multipart/form-data; boundary=b0undary"),
    "no type": (415, b"List-Unsubscribe=One-Click", ""),
}


@pytest.mark.parametrize("case", BAD)
def test_anything_else_stops_nothing_and_gives_the_choice(
    program: Program, client: Client, portal: RunningPortal, case: str
) -> None:
    """A program that sends forms at random unsubscribes nobody."""
    status, body, kind = BAD[case]
    place = _place(portal, program)
    before = portal.items()
    answer = client.send("POST", f"{place}?lang=en", body, {"Content-Type": kind} if kind else {})
    assert answer.status == status
    assert Page(answer).faults == ["#purpose"]
    assert portal.items() == before


def test_a_wrong_token_is_harmless(program: Program, client: Client, portal: RunningPortal) -> None:
    """Not there; and a token for something else unsubscribes nobody."""
    number = program.history(**MAIL)[-1]["id"]
    powers = [power for power in LinkScope if power is not LinkScope.UNSUBSCRIBE]
    before = portal.items()
    tokens = [a_token(portal, program.clinic, ANNA, power, number) for power in powers]
    links = {key for key in portal.items() if key[0].startswith("LINK#")}
    for token in (*tokens, "x", "A" * 32):
        for answer in (
            client.post(f"/unsubscribe/{token}", ONE_CLICK),
            client.get(f"/unsubscribe/{token}"),
        ):
            assert answer.status == 404
    assert portal.items() - before <= links
    assert program.states(**MAIL)[EMAIL] == "granted"


def test_a_link_of_one_clinic_stops_nothing_at_another(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """The other clinic's messages go on."""
    other = portal.open_clinic()
    body = {"subject": MAIL, "channel": "in-person", "decisions": {EMAIL: "yes"}}
    other.call("receipts", {**body, "effective_at": "2026-11-20T10:00:00Z"})
    client.post(_place(portal, program), ONE_CLICK)
    assert (program.states(**MAIL)[EMAIL], other.states(**MAIL)[EMAIL]) == ("withdrawn", "granted")


def test_the_pages_show_no_contact_in_clear(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """A mail that was forwarded says whom it was for to nobody."""
    place = _place(portal, program)
    for answer in (client.get(place), client.post(place, ONE_CLICK), client.post(place, {})):
        assert not re.search(r"ozola|anna", answer.text.lower())
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == (
            "no-store",
            "no-referrer",
        )
        assert "a•••@e•••.org" in answer.text
