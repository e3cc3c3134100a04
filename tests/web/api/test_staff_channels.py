"""Staff record in what way a decision really came: by letter, by e-mail, from another system, now
or earlier.
"""

from typing import Any

import pytest

from chalicelib.domain.consent import Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.languages import LANGUAGES
from chalicelib.presentation.i18n import catalog
from chalicelib.presentation.templates import environment
from tests.web.client import Answer, Client, Program
from tests.web.disclosed import evidence_of
from tests.web.letterbox import carried
from tests.web.page_reader import Page, decide
from tests.web.running import RunningPortal

NEWS, REVIEW = "newsletter.email", "testimonials.text"
ANNA = {"email": "anna.ozola@example.org"}
MAILBOX = Contact(ContactKind.EMAIL, ANNA["email"])
WHEN = "2026-11-10T10:00:00+02:00"
YES = {"subject": ANNA, "decisions": {NEWS: "yes"}, "channel": "in-person", "effective_at": WHEN}
STOP = {"subject": ANNA, "all": True, "effective_at": "2026-11-20T10:00:00+02:00"}
SYSTEM = {"evidence": {"system": "Mailchimp"}}


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic where nobody has decided yet."""
    return portal.open_clinic()


def _pointers(answer: Answer) -> list[str]:
    assert answer.status == 422, answer.text
    return [error["pointer"] for error in answer.json()["errors"]]


def _news(program: Program) -> dict[str, Any]:
    answer = program.call("status", {"subjects": [ANNA], "purposes": [NEWS]})
    told: dict[str, Any] = answer.json()["results"][0]["decisions"][NEWS]
    return told


@pytest.mark.parametrize("channel", ["letter", "email"])
def test_a_withdrawal_in_writing_needs_no_papers_number(
    portal: RunningPortal, program: Program, channel: str
) -> None:
    """Staff who open the post record what came, and invent nothing."""
    program.call("receipts", YES)
    answer = program.call("withdrawals", {**STOP, "channel": channel})
    assert (answer.status, answer.json()["channel"], answer.json()["evidence"]) == (
        201,
        channel,
        None,
    )
    assert (_news(program)["state"], _news(program)["channel"]) == ("withdrawn", channel)
    filed = program.call(
        "withdrawals", {**STOP, "channel": channel, "evidence": {"form": "Post 2026/31"}}
    ).json()
    assert evidence_of(portal, program, filed["id"]) == {"form": "Post 2026/31"}
    named = {**STOP, "channel": channel, **SYSTEM}
    assert _pointers(program.call("withdrawals", named)) == ["/evidence"], (
        "a letter came through no system"
    )


@pytest.mark.parametrize("channel", ["letter", "email"])
def test_a_yes_in_writing_names_where_it_is_filed(program: Program, channel: str) -> None:
    """The clinic must be able to show that the person consented (GDPR Art. 7(1)); a No needs no
    proof.
    """
    said = {**YES, "channel": channel}
    assert _pointers(program.call("receipts", said)) == ["/evidence/form"]
    assert program.call("receipts", {**said, "decisions": {NEWS: "no"}}).status == 201
    receipt = program.call("receipts", {**said, "evidence": {"form": "Post 2026/32"}}).json()
    assert (receipt["channel"], receipt["assurance"]) == (channel, "staff-witnessed")


@pytest.mark.parametrize("channel", ["api", "import"])
def test_what_another_system_tells_names_the_system(
    portal: RunningPortal, program: Program, channel: str
) -> None:
    """Years later it can be told where a decision was taken, and that nobody here saw the
    person.
    """
    for call, body in (("receipts", YES), ("withdrawals", STOP)):
        said = {**body, "channel": channel}
        assert _pointers(program.call(call, said)) == ["/evidence/system"]
        wrong = {**said, "evidence": {"system": "x" * 201}}
        assert _pointers(program.call(call, wrong)) == ["/evidence/system"]
        receipt = program.call(
            call, {**said, "evidence": {"system": "Mailchimp", "form": "4711"}}
        ).json()
        assert (receipt["channel"], receipt["assurance"]) == (channel, "imported")
        assert receipt["evidence"]["system"] == "Mailchimp"
        assert evidence_of(portal, program, receipt["id"]) == {
            "system": "Mailchimp",
            "form": "4711",
        }
    assert _news(program)["state"] == "withdrawn"


def test_an_import_is_silent_and_a_withdrawal_in_it_stops_all_the_same(
    portal: RunningPortal, program: Program
) -> None:
    """A clinic takes its old list over without a thousand messages that nobody expects."""
    carried(portal)
    taken = program.call("receipts", {**YES, "channel": "import", **SYSTEM}).json()
    assert (_news(program)["permitted"], _news(program)["assurance"]) == (True, "imported")
    assert taken["effective_at"] == "2026-11-10T08:00:00.000Z"
    program.call("withdrawals", {**STOP, "channel": "import", **SYSTEM})
    assert _news(program)["state"] == "withdrawn"
    assert carried(portal, MAILBOX) == []


def test_what_another_system_tells_now_is_told_to_the_patient(
    portal: RunningPortal, program: Program
) -> None:
    """Only what was recorded long ago is no news."""
    carried(portal)
    program.call("receipts", {**YES, "channel": "api", **SYSTEM})
    assert len(carried(portal, MAILBOX)) == 1
    program.call("withdrawals", {**STOP, "channel": "api", **SYSTEM})
    assert len(carried(portal, MAILBOX)) == 1


def test_an_imported_yes_does_not_outdo_a_later_no(program: Program, client: Client) -> None:
    """It counts from its own day, however late it is taken over."""
    decide(client, program.clinic, {f"decision.{NEWS}": "no", **ANNA})
    program.call("receipts", {**YES, "channel": "import", **SYSTEM})
    assert (_news(program)["state"], _news(program)["permitted"]) == ("withdrawn", False)


def test_formats_and_the_verifier_say_in_what_way_it_came(
    portal: RunningPortal, program: Program, client: Client
) -> None:
    """An inspector reads that it was taken over, and from where; nothing claims that somebody
    verified it.
    """
    number = program.call("receipts", {**YES, "channel": "import", **SYSTEM}).json()["id"]
    portal.seal()
    written = {
        form: program.receipt(number, f"?format={form}&lang=en")
        for form in ("kantara", "dpv", "html")
    }
    assert written["kantara"].json()["collectionMethod"] == "import"
    assert '"dpv:hasIndicationMethod": "import"' in written["dpv"].text.replace('":"', '": "')
    assert "Taken over from another system of the clinic (Mailchimp)" in written["html"].text
    for release in ("fhir-r4", "fhir-r5"):
        assert program.receipt(number, f"?format={release}").json()["verification"] == [
            {"verified": False}
        ]
    page = client.get(f"/{program.clinic}/receipts/{number}?lang=en")
    check = next(link for link in Page(page).links if "/verify?code=" in link)
    verified = " ".join(Page(client.get(check[check.index("/verify") :])).words.split())
    assert "Taken over from another system of the clinic (Mailchimp)" in verified
    assert "The clinic took them over from another of its systems" in verified


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_way_has_words_of_its_own_in_every_language(lang: str) -> None:
    """Nobody reads that their letter was a phone call."""
    env = environment()
    env.install_gettext_translations(catalog(lang), newstyle=True)  # type: ignore[attr-defined]
    way = env.get_template("pages/words.html").make_module({"lang": lang}).way  # type: ignore[attr-defined]
    words = {str(way(channel.value)).strip() for channel in Channel}
    assert len(words - {""}) == len(Channel)
