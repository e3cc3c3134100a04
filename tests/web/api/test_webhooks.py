"""A clinic says whom the portal tells of decisions, and sees how that goes."""

from typing import Any

import pytest

from chalicelib.store import webhook_deliveries
from tests.cast import RIGA, TBILISI
from tests.web.client import Answer, Program
from tests.web.running import RunningPortal

URL = "https://hooks.example.org/consents"
TOOL = {"url": URL, "purposes": ["newsletter"]}
KAUNAS = "kaunas-polyclinics"


def put(program: Program, body: Any = TOOL, name: str = "tool") -> Answer:
    """Put a recipient."""
    return program.call(f"webhooks/{name}", body, method="PUT")


def test_a_recipient_is_put_listed_and_taken_away(portal: RunningPortal) -> None:
    """Its secret is shown once, when it gets it."""
    program = portal.open_clinic()
    first = put(program)
    assert first.status == 201
    made = first.json()
    assert made["secret"].startswith("whsec_")
    assert made["purposes"] == ["newsletter.email", "newsletter.sms"]
    assert (made["last_success"], made["failures_in_a_row"]) == (None, 0)
    again = put(program, {**TOOL, "events": ["consent.withdrawn"]})
    assert (again.status, again.json()["secret"]) == (200, None)
    assert again.json()["created_at"] == made["created_at"]
    assert again.json()["events"] == ["consent.withdrawn"]
    [listed] = program.get("webhooks").json()["webhooks"]
    assert listed == program.get("webhooks/tool").json()
    assert "secret" not in listed
    assert program.ask("DELETE", "webhooks/tool").json()["name"] == "tool"
    assert program.get("webhooks").json() == {"webhooks": []}
    for answer in (
        program.get("webhooks/tool"),
        program.ask("DELETE", "webhooks/tool"),
        program.call("webhooks/tool/test", {}),
        program.call("webhooks/tool/rotate", {}),
    ):
        assert answer.status == 404
    assert put(program).status == 201


def test_a_secret_is_kept_encrypted_and_in_no_answer_or_line(portal: RunningPortal) -> None:
    """Whoever reads the table cannot sign."""
    program = portal.open_clinic()
    secret = put(program).json()["secret"]
    newer = program.call("webhooks/tool/rotate", b"").json()
    assert newer["secret"].startswith("whsec_")
    assert newer["secret"] != secret
    assert newer["old_secret_until"] > newer["created_at"]
    everything = portal.everything()
    for word in (secret, newer["secret"], secret.removeprefix("whsec_")):
        assert word.encode() not in everything


def test_another_clinic_sees_none_of_them(portal: RunningPortal) -> None:
    """Nor does it change or call them."""
    program, other = portal.open_clinic(), portal.open_clinic(TBILISI)
    put(program)
    assert other.get("webhooks").json() == {"webhooks": []}
    assert other.get("webhooks/tool").status == 404
    assert other.call("webhooks/tool/test", {}).status == 404
    assert put(other, {**TOOL, "url": "https://theirs.example.org/"}).status == 201
    assert program.get("webhooks/tool").json()["url"] == URL


def test_a_joint_controller_sees_the_recipients_of_what_it_shares(portal: RunningPortal) -> None:
    """One of several may not redirect, or listen to, what concerns the others."""
    lead = portal.open_clinic(KAUNAS)
    clinic = portal.in_process.directory.look_up(lead.clinic).published.clinic
    question = next(each for each in clinic.questions.values() if each.controllers)
    outside = next(each.id for each in clinic.controllers if each.id not in question.controllers)
    assert put(lead, {"url": URL, "purposes": [question.id]}).status == 201
    member = portal.member(lead.clinic, outside)
    assert member.get("webhooks").json() == {"webhooks": []}
    assert member.get("webhooks/tool").status == 404
    assert put(member, {"url": URL, "purposes": [question.id]}).status == 422
    own = portal.member(lead.clinic, question.controllers[0])
    assert [each["name"] for each in own.get("webhooks").json()["webhooks"]] == ["tool"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/url"),
        ({"purposes": ["newsletter"]}, "/url"),
        ({**TOOL, "email": "a@example.org"}, "/url"),
        ({**TOOL, "url": "http://hooks.example.org/"}, "/url"),
        ({**TOOL, "url": "https://127.0.0.1/"}, "/url"),
        ({**TOOL, "url": "https://hooks.example.org/" + "a" * 500}, "/url"),
        ({**TOOL, "url": 7}, "/url"),
        ({"email": "nobody", "purposes": ["newsletter"]}, "/email"),
        ({"url": URL}, "/purposes"),
        ({"url": URL, "purposes": []}, "/purposes"),
        ({"url": URL, "purposes": ["nothing"]}, "/purposes/0"),
        ({"url": URL, "recipient": "nobody"}, "/recipient"),
        ({"url": URL, "recipient": ["skincare_maker"]}, "/recipient"),
        ({**TOOL, "events": ["consent.lost"]}, "/events/0"),
        ({**TOOL, "events": [7]}, "/events/0"),
        ({**TOOL, "events": []}, "/events"),
        ({**TOOL, "secret": "whsec_mine"}, "/secret"),
    ],
)
def test_a_body_that_is_wrong_is_told_where(
    portal: RunningPortal, body: dict[str, Any], pointer: str
) -> None:
    """And nothing is stored."""
    program = portal.program()
    answer = put(program, body, "wrong")
    assert answer.status == 422
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}
    assert program.get("webhooks/wrong").status == 404


@pytest.mark.parametrize("name", ["Tool", "-tool", "a" * 65, "a.b", "%C4%81", "a%23b"])
def test_a_name_is_a_word_of_small_letters(portal: RunningPortal, name: str) -> None:
    """It stands in addresses and keys."""
    answer = put(portal.program(), TOOL, name)
    assert (answer.status, answer.json()["title"]) == (400, "Not a name")


def test_a_recipient_of_data_hears_of_its_own_option(portal: RunningPortal) -> None:
    """Named by the option that patients answer."""
    program = portal.open_clinic(RIGA)
    made = put(program, {"url": URL, "recipient": "skincare_maker"}).json()
    assert made["purposes"] == ["data_sharing.skincare_maker"]
    by_mail = put(
        program, {"email": "Desk@Example.org", "recipient": "skin_institute"}, "institute"
    )
    assert by_mail.status == 201
    assert (by_mail.json()["secret"], by_mail.json()["url"]) == (None, None)
    assert program.call("webhooks/institute/rotate", {}).status == 409


def test_a_test_event_waits_in_the_queue(portal: RunningPortal) -> None:
    """A clinic sees that its program is called before it relies on that."""
    program = portal.open_clinic()
    put(program)
    answer = program.call("webhooks/tool/test", {})
    assert answer.status == 202
    kept = webhook_deliveries.find(portal.table, program.clinic, answer.json()["id"])
    assert (kept.delivery.type, kept.delivery.webhook) == ("test", "tool")
    due = webhook_deliveries.due_now(portal.table, program.clinic, "tool", "9999")
    assert [place.delivery for place in due] == [kept.delivery.id]


def test_a_clinic_has_no_more_than_fifty(portal: RunningPortal) -> None:
    """Each decision asks for all of them."""
    program = portal.open_clinic()
    for number in range(50):
        assert put(program, TOOL, f"tool-{number}").status == 201
    assert put(program, TOOL, "one-more").status == 409
    assert put(program, TOOL, "tool-7").status == 200


def test_the_audit_says_which_recipient(portal: RunningPortal) -> None:
    """Who redirected the newsletter tool is found among changes of all others."""
    program = portal.open_clinic()
    put(program)
    program.get("webhooks/tool")
    days = {"from": "2026-11-20T00:00:00Z", "to": "2026-12-15T00:00:00Z"}
    for deed, body in (("rotate", b""), ("test", b""), ("replay", days)):
        assert program.call(f"webhooks/tool/{deed}", body).status in {200, 202}
    program.ask("DELETE", "webhooks/tool")
    told = {line["deed"]: line["about"] for line in program.get("audit").json()["lines"]}
    deeds = ("put", "show", "rotate", "test", "replay", "delete")
    assert {deed: told[f"webhooks/{deed}"] for deed in deeds} == dict.fromkeys(deeds, "tool")
