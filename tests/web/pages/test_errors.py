"""What a page says where something is to be mended: it is true there, and read with its field."""

from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.links import LinkScope
from tests.cast import ANNA, ANNA_PHONE
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import a_token, carried, token_in
from tests.web.page_reader import decide, open_page, receipt_number
from tests.web.running import RunningPortal

EMAIL, REVIEW = "newsletter.email", "testimonials.text"
LINA = Contact(ContactKind.EMAIL, "lina@example.org")
UNSAVED = "Nothing has been saved yet. What you chose and wrote is still here."
SAVED = "Nothing has changed: what was saved before stays as it was."
GOES_ON = "Nothing has stopped yet."
FIELDS = frozenset({"input", "textarea", "select"})

Refusals = Iterator[tuple[str, Answer, str]]


class _Refused(HTMLParser):
    """A page that was shown again: its elements by id, what describes them, and its summary."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.by_id: dict[str, tuple[str, dict[str, str]]] = {}
        self.described: set[str] = set()
        self.invalid = 0
        self.links: list[str] = []
        self.hints: list[dict[str, str]] = []
        self.wrong: list[dict[str, str]] = []
        self._form = False
        self._summary = False
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            assert given["id"] not in self.by_id, f"{given['id']} is there twice"
            self.by_id[given["id"]] = (tag, given)
        self.described |= set(given.get("aria-describedby", "").split())
        self.invalid += given.get("aria-invalid") == "true"
        self._summary |= given.get("id") == "errors"
        self._form |= tag == "form"
        classes = given.get("class", "").split()
        if self._form and "hint" in classes and "id" in given:
            self.hints.append(given)
        if "wrong" in classes:
            self.wrong.append(given)
        if self._summary and tag == "a":
            self.links.append(given["href"].removeprefix("#"))

    def handle_endtag(self, tag: str) -> None:
        """Leave the summary behind with its list, and a form with its end."""
        self._summary &= tag != "ul"
        self._form &= tag != "form"


def _held(answer: Answer) -> list[str]:
    """Hold a page that was shown again against what every such page must do; give its links."""
    page = _Refused(answer)
    assert "<title>Error: " in answer.text
    assert 'role="alert" tabindex="-1" id="errors"' in answer.text
    assert page.described <= set(page.by_id), "a description that is nowhere"
    for link in page.links:
        assert page.by_id[link][0] in FIELDS, f"{link} is no field"
    for each in page.wrong:
        assert each["id"] in page.described, "an error that is read with no field"
    for each in page.hints:
        assert each["id"] in page.described, f"{each['id']} is read with no field"
    assert bool(page.invalid) == bool(page.links)
    assert len(page.wrong) == len(page.links)
    return page.links


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic where Anna agreed to news by e-mail at the desk."""
    opened = portal.open_clinic()
    body: dict[str, Any] = {
        "subject": {"email": ANNA.value, "phone": ANNA_PHONE.value},
        "decisions": {EMAIL: "yes"},
        "channel": "in-person",
        "effective_at": "2026-01-02T03:04:05Z",
    }
    assert opened.call("receipts", body).status == 201
    return opened


def _of_forms(client: Client, program: Program) -> Refusals:
    """Send forms in which something is missing or wrong to the pages that need no link."""
    for place in ("", "/kiosk"):
        page = f"/{program.clinic}{place}?lang=en"
        state = open_page(client, page).fields["state"]
        wanted = {
            f"decision.{EMAIL}": "yes",
            "child": "yes",
            "child_born_day": "40",
            "email": "anna@",
        }
        yield f"nothing at {place}", client.post(page, {"state": state}), UNSAVED
        yield f"wrong at {place}", client.post(page, {"state": state, **wanted}), UNSAVED
        stop = f"/{program.clinic}{place}/withdraw?lang=en"
        state = open_page(client, stop).fields["state"]
        yield f"stop at {place}", client.post(stop, {"state": state, "enter": "no"}), GOES_ON
    for brought in ("", "no receipt"):
        sent = client.post("/verify?lang=en", {"receipt": brought})
        yield f"verify {brought}", sent, "Nothing you send here is kept."
    page = f"/{program.clinic}/link?lang=en"
    state = open_page(client, page).fields["state"]
    sent = client.post(page, {"state": state, "email": "anna@"})
    yield "link", sent, "Nothing has been sent yet. What you wrote is still here."


def _of_links(client: Client, portal: RunningPortal, program: Program) -> Refusals:
    """Send forms in which something is missing to the pages behind a link."""
    known = program.history(email=ANNA.value)[-1]["id"]
    own = f"/manage/{a_token(portal, program.clinic, ANNA, LinkScope.MANAGE, known)}?lang=en"
    contact = portal.in_process.clinics.key(program.clinic).lookup(ANNA)[:12]
    for fields in (
        {"act": "change"},
        {"act": "change", f"decision.{EMAIL}": ["yes", "no"]},
        {"act": "stop"},
        {"act": "contact", "contact": contact, "new": "anna@"},
        {"act": "contact", "contact": contact},
        {"act": "erase"},
    ):
        state = open_page(client, own).fields["state"]
        yield f"own page: {fields}", client.post(own, {"state": state, **fields}), SAVED
    erase = a_token(portal, program.clinic, ANNA, LinkScope.ERASE, known)
    sent = client.post(f"/manage/{erase}/erase?lang=en", {})
    yield "erase", sent, "Nothing has been erased yet."
    stop = a_token(portal, program.clinic, ANNA, LinkScope.UNSUBSCRIBE, addresses=(EMAIL,))
    yield "unsubscribe", client.post(f"/unsubscribe/{stop}?lang=en", {}), GOES_ON


def _of_waiting(client: Client, portal: RunningPortal, program: Program) -> Refusals:
    """Confirm wrongly, by a link and by a code, and take a stop back wrongly."""
    said = decide(client, program.clinic, {f"decision.{REVIEW}": "yes", "phone": "26123456"})
    code = f"/{program.clinic}/receipts/{receipt_number(said)}/code?lang=en"
    yield "code", client.post(code, {"code": ""}), SAVED
    both = {f"decision.{EMAIL}": "yes", f"decision.{REVIEW}": "yes"}
    said = decide(client, program.clinic, {**both, "email": LINA.value})
    [letter] = carried(portal, LINA)
    confirm = f"/confirm/{token_in(letter, 'confirm')}?lang=en"
    yield "confirm", client.post(confirm, {"purpose": EMAIL}), SAVED
    yield "confirm nothing", client.post(confirm, {"sure": "yes"}), SAVED
    stopped = client.post(f"/{program.clinic}/withdraw", {"email": ANNA.value, "all": "yes"})
    number = receipt_number(stopped)
    undo = a_token(portal, program.clinic, ANNA, LinkScope.UNDO, number)
    yield "undo", client.post(f"/undo/{undo}?lang=en", {}), SAVED


def test_every_page_says_what_is_true_and_ties_each_error_to_its_field(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Whoever hears a page instead of seeing it hears at each field what is wrong with it; a link
    of the summary leads into the field; and nobody is told that nothing was saved where it was.
    """
    pages = [
        *_of_forms(client, program),
        *_of_links(client, portal, program),
        *_of_waiting(client, portal, program),
    ]
    for name, answer, truth in pages:
        assert answer.status == 422, name
        assert truth in answer.text, name
        others = {UNSAVED, SAVED, GOES_ON} - {truth}
        assert not any(other in answer.text for other in others if other not in truth), name
        assert _held(answer), name


def test_a_fault_of_the_whole_page_leads_nowhere_and_makes_no_field_wrong(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """A page that was open too long is told so on top; nothing the patient wrote is wrong."""
    known = program.history(email=ANNA.value)[-1]["id"]
    own = f"/manage/{a_token(portal, program.clinic, ANNA, LinkScope.MANAGE, known)}?lang=en"
    old = client.post(own, {"state": "forged", f"decision.{EMAIL}": "no"})
    assert (old.status, _held(old)) == (422, [])
    assert SAVED in old.text
