"""The kiosk: the questions on a tablet that patients share, and nothing of one left for the
next.
"""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant
from chalicelib.portal import get_portal
from chalicelib.services.patient_decisions import SubmittedForm, record_answers
from chalicelib.services.visitor import Visitor
from chalicelib.store.shown_pages import KIOSK_PAGE
from chalicelib.web.form_state import FormState, form_secret
from chalicelib.web.forms import read_consent
from tests.cast import RIGA, TBILISI
from tests.web.client import MOUNTS, Answer, Client, Fields
from tests.web.letterbox import carried
from tests.web.page_reader import Page, aged_state, decide, open_page
from tests.web.running import RunningPortal, counts_at_once

ANNA = "anna.ozola@example.org"
NEWS = {"decision.newsletter.email": "yes", "email": ANNA}
REVIEW = {"decision.testimonials.text": "yes", "email": ANNA}
ASKING = ("/kiosk?view=all&lang=en", "/kiosk/withdraw?lang=en")
OWN_PAGES = ("", "/withdraw")


class Tags(HTMLParser):
    """Every tag of a page with its attributes."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a tag."""
        self.found.append((tag, {name: value or "" for name, value in attrs}))

    def of(self, *names: str) -> list[dict[str, str]]:
        """Give the attributes of the tags with these names."""
        return [attributes for tag, attributes in self.found if tag in names]


def send(client: Client, clinic: str, fields: Fields, page: str = "/kiosk?lang=en") -> Answer:
    """Open a page of the kiosk and send it with these fields."""
    return client.post(
        f"/{clinic}{page}",
        {"state": open_page(client, f"/{clinic}{page}").fields["state"], **fields},
    )


def number_on(answer: Answer) -> str:
    """Give the receipt number that the page after a form tells."""
    assert answer.status == 200, answer.text
    found = re.search(r'<span class="mono">([0-9a-f]{32})</span>', answer.text)
    assert found
    return found[1]


def every_page(client: Client, clinic: str) -> dict[str, Answer]:
    """Give every page that the kiosk can show."""
    return {
        "start": client.get(f"/{clinic}/kiosk"),
        "first step": client.get(f"/{clinic}/kiosk?lang=en"),
        "a topic": send(client, clinic, {"go": "topic.newsletter"}),
        "contact": send(client, clinic, {**NEWS, "email": "", "go": "check"}),
        "check": send(client, clinic, {**NEWS, "go": "check"}),
        "questions": client.get(f"/{clinic}{ASKING[0]}"),
        "faults": send(client, clinic, {"email": ANNA}),
        "done": send(client, clinic, NEWS),
        "notice": client.get(f"/{clinic}/kiosk/notices/1.0?lang=en"),
        "withdrawal": client.get(f"/{clinic}/kiosk/withdraw?lang=en"),
        "withdrawal faults": send(client, clinic, {}, ASKING[1]),
        "withdrawn": send(client, clinic, {"all": "yes", "email": ANNA}, ASKING[1]),
    }


def test_the_start_screen_has_a_way_in_for_each_language_and_nothing_of_anybody(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever steps up to the tablet finds their language, whatever the one before them did."""
    for clinic in portal.api_keys:
        answer = client.get(f"/{clinic}/kiosk?src=tablet-2", {"Accept-Language": "en"})
        shown = get_portal().directory.look_up(clinic).published.clinic
        page = Page(answer)
        for lang in shown.languages:
            assert f"{client.mount}/{clinic}/kiosk?lang={lang}&src=tablet-2" in page.links
            assert f"{client.mount}/{clinic}/kiosk/withdraw?lang={lang}&src=tablet-2" in page.links
            assert open_page(client, f"/{clinic}/kiosk?lang={lang}").lang == lang
        assert page.lang == shown.default_language
        assert not {"form", "input"} & set(page.tags)
        assert answer.headers["clear-site-data"] == '"cache"'


def test_a_language_the_clinic_does_not_speak_leads_to_the_start_screen(client: Client) -> None:
    """A mistyped address on the tablet is no dead end."""
    assert "form" not in open_page(client, f"/{RIGA}/kiosk?lang=ka").tags


def test_no_page_of_the_kiosk_is_kept_anywhere_and_only_its_own_script_may_run(
    client: Client, portal: RunningPortal
) -> None:
    """Nothing is cached, set or loaded from elsewhere; the pages on patients' own phones allow no
    script at all.
    """
    clinic = portal.open_clinic().clinic
    for name, answer in every_page(client, clinic).items():
        assert answer.headers["cache-control"] == "no-store", name
        assert "set-cookie" not in answer.headers, name
        policy = answer.headers["content-security-policy"].split("; ")
        assert {
            "default-src 'none'",
            "script-src 'self'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        } <= set(policy)
        assert "unsafe" not in answer.headers["content-security-policy"], name
        (script,) = Tags(answer).of("script")
        assert script["src"].startswith(f"{client.mount}/kiosk.js?v="), name
        assert script["data-start"] == f"{client.mount}/{clinic}/kiosk", name
        assert not [
            attribute
            for _, given in Tags(answer).found
            for attribute in given
            if attribute.startswith("on")
        ]
    for page in OWN_PAGES:
        assert "script-src" not in client.get(f"/{clinic}{page}").headers["content-security-policy"]


def test_a_browser_is_asked_to_remember_and_to_suggest_nothing(
    client: Client, portal: RunningPortal
) -> None:
    """No field completes itself with what somebody else wrote, and each brings up the keyboard that
    suits it.
    """
    keyboards = {"email": "email", "phone": "tel", "name": "text"}
    for clinic in portal.api_keys:
        for target in ASKING:
            tags = Tags(client.get(f"/{clinic}{target}"))
            typed = [
                field
                for field in tags.of("input")
                if field.get("type") not in {"hidden", "radio", "checkbox"}
            ]
            assert typed
            for field in typed:
                numbers = "numeric" if field["name"].startswith("child_born") else "text"
                assert (field["autocomplete"], field.get("spellcheck", "false")) == ("off", "false")
                assert field["inputmode"] == keyboards.get(field["name"], numbers)
            assert [form["autocomplete"] for form in tags.of("form")] == ["off"]


def test_nothing_is_chosen_and_nothing_written_in_advance(
    client: Client, portal: RunningPortal
) -> None:
    """A Yes is the patient's own here too."""
    for clinic in portal.api_keys:
        for target in ASKING:
            page = open_page(client, f"/{clinic}{target}")
            assert page.chosen == []
            assert {value for name, value in page.fields.items() if name != "state"} == {""}


def test_a_decision_is_told_with_its_number_and_without_an_address(
    client: Client, portal: RunningPortal
) -> None:
    """The answer to the form is the page itself; the receipt names kiosk, tablet and what was
    shown.
    """
    program = portal.open_clinic()
    answer = send(client, program.clinic, NEWS, "/kiosk?lang=en&src=tablet-2")
    assert "location" not in answer.headers
    assert "refresh" not in answer.headers, (
        "nobody is out_of_time away from their receipt (WCAG 2.2, 2.2.1)"
    )
    assert f"{client.mount}/{program.clinic}/kiosk?src=tablet-2" in Page(answer).links, (
        "Next person"
    )
    number = number_on(answer)
    assert "Check your mail at a•••@e•••.org" in answer.text
    assert any(number in text for text in carried(portal, Contact(ContactKind.EMAIL, ANNA)))
    assert not [link for link in Page(answer).links if number in link]
    (receipt,) = program.history(email=ANNA)
    assert (receipt["id"], receipt["channel"], receipt["source"]) == (number, "kiosk", "tablet-2")
    assert program.states(email=ANNA)["newsletter.email"] == "pending"
    assert "One more step" in answer.text
    assert set(portal.program(TBILISI).states(email=ANNA).values()) == {"never_asked"}
    kept = client.get(f"/{program.clinic}/shown/{receipt['notice']['sha256']}")
    assert Page(kept).fields["state"] == ""
    assert 'autocomplete="off"' in kept.text
    assert "sandbox" in kept.headers["content-security-policy"]
    assert (
        f"/shown/{receipt['notice']['sha256']}"
        in client.get(f"/{program.clinic}/receipts/{number}").text
    )


def test_a_no_needs_no_contact_and_promises_no_message(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever says only No leaves nothing behind but the No."""
    answer = send(client, portal.open_clinic().clinic, {"decision.newsletter.email": "no"})
    assert number_on(answer)
    assert "We also write" not in answer.text


def test_the_receipt_on_paper_shows_the_questions_as_the_tablet_showed_them(
    client: Client, portal: RunningPortal
) -> None:
    """What the script may have to say later is no part of what the patient was asked."""
    clinic = portal.open_clinic().clinic
    number = number_on(send(client, clinic, NEWS))
    paper = client.get(f"/{clinic}/receipts/{number}?format=html&lang=en")
    assert "You decide what we may do with your data" in paper.text
    assert "Are you still there?" not in paper.text


def test_a_yes_is_taken_back_at_the_kiosk(client: Client, portal: RunningPortal) -> None:
    """As easily as it was given, on the same tablet, at this clinic and at no other."""
    one, other = (
        portal.open_clinic(change=counts_at_once),
        portal.open_clinic(change=counts_at_once),
    )
    for program in (one, other):
        number_on(send(client, program.clinic, REVIEW))
    answer = send(client, one.clinic, {"all": "yes", "email": ANNA}, ASKING[1])
    assert "It has stopped" in answer.text
    assert one.states(email=ANNA)["testimonials.text"] == "withdrawn"
    assert other.states(email=ANNA)["testimonials.text"] == "granted"
    assert one.history(email=ANNA)[-1]["channel"] == "kiosk"


def test_a_stop_at_the_kiosk_promises_a_message_only_where_something_stopped(
    client: Client, portal: RunningPortal
) -> None:
    """What only waited, or was never said, brings none, and the page says the same to everybody."""
    program = portal.open_clinic()
    number_on(send(client, program.clinic, NEWS))
    carried(portal)
    answer = send(client, program.clinic, {"all": "yes", "email": ANNA}, ASKING[1])
    assert "If this stops something you had allowed, we also write to you" in answer.text
    assert "the e-mail or phone you gave" not in answer.text
    assert carried(portal, Contact(ContactKind.EMAIL, ANNA)) == []


def test_a_known_and_an_unknown_contact_are_answered_alike(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody at the reception learns whether somebody is a patient here."""
    clinic = portal.open_clinic().clinic
    number_on(send(client, clinic, NEWS))

    def told(fields: Fields, page: str) -> str:
        answer = send(client, clinic, fields, page)
        of_each = r"[\w.-]{40,}|[0-9a-f]{32}|\w{4}-\w{4}</p>|<time.*?</time>|<path d=\"M[0-9].*?/>"
        text = re.sub(of_each, "", answer.text, flags=re.DOTALL)
        return re.sub(r"viewBox=\"0 0 \d+ \d+\"", "", text)

    for fields, page in ((NEWS, ASKING[0]), ({"all": "yes"}, ASKING[1])):
        assert told({**fields, "email": ANNA}, page) == told(
            {**fields, "email": "aigars@example.org"}, page
        )


@pytest.mark.parametrize("shown", TEMPLATES := ("", "/withdraw", "/kiosk", "/kiosk/withdraw"))
@pytest.mark.parametrize("sent", TEMPLATES)
def test_the_state_of_one_page_is_none_for_another(
    client: Client, portal: RunningPortal, shown: str, sent: str
) -> None:
    """A form counts with the page it was on: nobody can turn one kind of page into another."""
    program = portal.open_clinic()
    state = open_page(client, f"/{program.clinic}{shown}?lang=en").fields["state"]
    answer = client.post(f"/{program.clinic}{sent}?lang=en", {"state": state, **NEWS})
    recorded = bool(program.history(email=ANNA))
    assert recorded is (shown == sent and not sent.endswith("withdraw"))
    if not recorded and sent.startswith("/kiosk") and shown != sent:
        assert (answer.status, answer.location) == (303, f"{client.mount}/{program.clinic}/kiosk")


@pytest.mark.parametrize("page", ASKING)
def test_what_was_typed_hours_ago_is_not_shown_again(client: Client, page: str) -> None:
    """A forgotten page that the next person sends again leads to the start screen; a slow patient
    keeps everything.
    """
    fields = {"email": ANNA, "purpose": "nothing-of-the-kind"}
    for ago, status in (
        (timedelta(hours=1, minutes=59), 422),
        (timedelta(hours=2, minutes=1), 303),
    ):
        answer = client.post(
            f"/{RIGA}{page}", {"state": aged_state(client, RIGA, ago, page), **fields}
        )
        assert answer.status == status
        assert (ANNA in answer.text) is (status == 422)


def _recorded(client: Client, portal: RunningPortal, clinic: str, ago: timedelta) -> dict[str, Any]:
    """Record a form of the kiosk as if it had been sent some time ago; give the form."""
    form: dict[str, Any] = {
        "state": open_page(client, f"/{clinic}/kiosk?lang=en").fields["state"],
        **NEWS,
    }
    state = FormState.from_token(
        form_secret(clinic, KIOSK_PAGE), form["state"], instant(datetime.now(UTC))
    )
    assert state is not None
    shown = portal.in_process.clinics.version(clinic, state.version)
    answers = read_consent(
        shown, {name: [value] for name, value in form.items()}, instant(datetime.now(UTC))
    )
    submitted = SubmittedForm(
        shown, state.notice, state.nonce, state.channel, state.source, answers
    )
    record_answers(
        portal.in_process, submitted, None, Visitor("tablet", ""), instant(datetime.now(UTC) - ago)
    )
    return form


def test_a_form_sent_again_by_the_next_person_shows_nothing(
    client: Client, portal: RunningPortal
) -> None:
    """A double tap shows the receipt; the same form sent again a minute later leads to the start
    screen.
    """
    program = portal.open_clinic()
    target = f"/{program.clinic}/kiosk?lang=en&src=tablet-2"
    number_on(client.post(target, _recorded(client, portal, program.clinic, timedelta(seconds=20))))
    assert len(program.history(email=ANNA)) == 1
    program = portal.open_clinic()
    target = f"/{program.clinic}/kiosk?lang=en&src=tablet-2"
    answer = client.post(target, _recorded(client, portal, program.clinic, timedelta(seconds=70)))
    assert (answer.status, answer.text) == (303, "")
    assert answer.location == f"{client.mount}/{program.clinic}/kiosk?src=tablet-2"
    assert len(program.history(email=ANNA)) == 1


@pytest.mark.parametrize("mount", MOUNTS)
def test_every_link_of_the_kiosk_stays_in_the_kiosk(portal: RunningPortal, mount: str) -> None:
    """Nobody gets lost on the tablet, or into a mail program; wherever the portal stands, no link
    is dead.
    """
    client = Client(MOUNTS[mount])
    clinic = portal.open_clinic().clinic
    visited = set()
    for name, answer in every_page(client, clinic).items():
        for link in Page(answer).links:
            if link.startswith(f"{client.mount}/"):
                visited.add(link.removeprefix(client.mount))
            else:
                assert link.startswith(("#", "?lang=")), f"{name}: {link}"
    assert {target.partition("?")[0] for target in visited} == {
        "/kiosk.js",
        *(f"/{clinic}/kiosk{rest}" for rest in ("", "/withdraw", "/notices/1.0", "/done")),
    }
    for target in visited:
        assert client.get(target).status == (303 if "/kiosk/done" in target else 200)


def test_looking_at_the_kiosk_stores_nothing_about_anybody(
    client: Client, portal: RunningPortal
) -> None:
    """GET changes nothing but keeps the evidence of what is shown."""
    clinic = portal.open_clinic().clinic
    before = portal.items()
    for target in ("", "?lang=en", "/withdraw?lang=en", "/notices/1.0"):
        assert client.get(f"/{clinic}/kiosk{target}").status == 200
    assert {sk for _, sk in portal.items() - before} == {"SHOWN"}


def test_the_script_may_be_kept_for_ever_by_the_name_of_its_text(client: Client) -> None:
    """A tablet loads it once; a new release is another address."""
    (script,) = Tags(client.get(f"/{RIGA}/kiosk")).of("script")
    kept = client.get(script["src"].removeprefix(client.mount))
    assert kept.headers["content-type"] == "text/javascript; charset=utf-8"
    assert kept.headers["cache-control"] == "public, max-age=31536000, immutable"
    for other in ("/kiosk.js", "/kiosk.js?v=0123456789abcdef"):
        answer = client.get(other)
        assert (answer.headers["cache-control"], answer.body) == ("no-cache", kept.body)


def test_no_message_is_promised_to_a_phone_that_none_can_reach(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody waits for a text message abroad, or on a landline, that is never sent."""
    clinic = portal.open_clinic().clinic
    promise = "We also write to the e-mail or phone you gave."
    no = {"decision.newsletter.sms": "no"}
    assert promise in send(client, clinic, {**no, "phone": "26 777 111"}).text
    for phone in ("+44 7911 123456", "+371 6700 0001"):
        answer = send(client, clinic, {**no, "phone": phone})
        assert number_on(answer)
        assert promise not in answer.text


def test_the_kiosk_of_no_clinic_is_not_found(client: Client) -> None:
    """A mistyped address says so, without a script and in the visitor's language."""
    for target in (
        "/nobody/kiosk",
        "/nobody/kiosk?lang=en",
        "/nobody/kiosk/withdraw",
        f"/{RIGA}/kiosk/notices/9.9",
    ):
        answer = client.get(target)
        assert answer.status == 404
        assert "script" not in Page(answer).tags


def test_the_same_patient_is_free_to_answer_on_their_own_phone_later(
    client: Client, portal: RunningPortal
) -> None:
    """The kiosk is one more way to the same records: a No by phone stops the Yes from the
    tablet.
    """
    program = portal.open_clinic(change=counts_at_once)
    number_on(send(client, program.clinic, REVIEW))
    decide(client, program.clinic, {"decision.testimonials.text": "no", "email": ANNA})
    assert program.states(email=ANNA)["testimonials.text"] == "withdrawn"
