"""Recipients' programs at the desk: set up, looked after, taken away."""

from dataclasses import replace

import pytest

from chalicelib.domain.instants import instant, moment
from chalicelib.domain.staff import FRESH_FORM
from chalicelib.domain.webhooks import DisabledReason
from chalicelib.store import staff, webhooks
from tests.cast import RIGA, TBILISI
from tests.web.client import Answer, Program
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token

HOOK = "https://hooks.example.org/consent"
NEWS = "newsletter.email"
FORM = {"name": "mailing", "url": HOOK, "question": [NEWS]}
NEW = "settings/new-webhook"


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic of the test's own."""
    return portal.open_clinic()


@pytest.fixture
def desk(desk_client: SignIn, program: Program) -> DeskClient:
    """Give the administrator of that clinic."""
    return desk_client(program, "administrator")


def secret_on(answer: Answer) -> str:
    """Give the secret that a page shows; "" for none."""
    return Page(answer).fields.get("secret", "")


def test_a_recipient_is_set_up_and_its_secret_shown_once(
    desk: DeskClient, program: Program
) -> None:
    """As the API would: the program that is called finds it there."""
    answer = desk.submit(NEW, FORM)
    assert answer.status == 200
    assert secret_on(answer).startswith("whsec_")
    shown = desk.get("/staff/settings/webhooks/mailing")
    assert secret_on(shown) == ""
    [listed] = program.get("webhooks").json()["webhooks"]
    assert (listed["url"], listed["purposes"]) == (HOOK, [NEWS])
    assert "mailing" in desk.open("settings/webhooks").words
    deeds = [line["deed"] for line in program.get("audit?deed=webhooks/put").json()["lines"]]
    assert deeds == ["webhooks/put"]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "Two words"}, "#name"),
        ({"name": ""}, "#name"),
        ({"url": "http://hooks.example.org/"}, "#url"),
        ({"url": "https://127.0.0.1/"}, "#url"),
        ({"url": "https://hooks.example.org:8443/"}, "#url"),
        ({"url": "https://me:secret@hooks.example.org/"}, "#url"),
        ({"url": "https://хукс.example.org/"}, "#url"),
        ({"url": "https://hooks.example.org/" + "x" * 600}, "#url"),
        ({"url": "https://[/"}, "#url"),
        ({"url": ""}, "#url"),
        ({"email": "mail@example.org"}, "#url"),
        ({"url": "", "email": "no mail"}, "#email"),
        ({"question": []}, "#question"),
        ({"question": ["somebody.elses"]}, "#question"),
        ({"recipient": "nobody"}, "#recipient"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_in_five_languages(
    desk: DeskClient, program: Program, changed: dict[str, object], field: str
) -> None:
    """Nothing is stored, and what was typed is still there."""
    for lang in ("en", "ka"):
        answer = desk.submit(f"{NEW}?lang={lang}", {**FORM, **changed}, page=f"{NEW}?lang={lang}")
        page = Page(answer)
        assert answer.status == 422
        assert field in page.faults
        assert page.fields["url"] == {**FORM, **changed}["url"] or len(page.fields["url"]) == 320
    assert program.get("webhooks").json()["webhooks"] == []


def test_a_name_that_is_taken_changes_nothing(desk: DeskClient, program: Program) -> None:
    """A typed name never overwrites another recipient."""
    desk.submit(NEW, FORM)
    answer = desk.submit(NEW, {**FORM, "url": "https://other.example.org/"})
    assert (answer.status, Page(answer).faults) == (422, ["#name"])
    assert program.get("webhooks/mailing").json()["url"] == HOOK


def test_health_is_told_and_saving_enables_again(
    desk: DeskClient, program: Program, portal: RunningPortal
) -> None:
    """Who sees that a program is disabled sees why, and what to do."""
    desk.submit(NEW, FORM)
    kept = webhooks.find(portal.table, program.clinic, "mailing")
    now = portal.in_process.clock()
    broken = replace(
        kept.health,
        failures=10,
        disabled_since=now,
        disabled_because=DisabledReason.GONE.value,
    )
    webhooks.note_health(portal.table, kept, broken)
    path = "settings/webhooks/mailing"
    assert "410" in desk.open(path).words
    refused = desk.submit(path, {"do": "test"})
    assert refused.status == 422
    assert "disabled" in Page(refused).words
    answer = desk.submit(path, {"do": "change", "url": HOOK, "question": [NEWS]})
    assert answer.status == 303
    assert "in order" in Page(desk.follow(answer)).words


def test_a_test_is_sent_a_secret_rotated_and_what_was_missed_sent_again(
    desk: DeskClient, program: Program
) -> None:
    """By one button each, and the queue is counted."""
    first = secret_on(desk.submit(NEW, FORM))
    path = "settings/webhooks/mailing"
    assert desk.submit(path, {"do": "test"}).status == 303
    assert "Waiting: 1" in desk.open(path).words
    rotated = secret_on(desk.submit(path, {"do": "rotate"}))
    assert rotated.startswith("whsec_")
    assert rotated != first
    today = program.get("webhooks/mailing").json()["created_at"][:10]
    again = desk.submit(path, {"do": "replay", "since": "2026-11-01"})
    assert again.status == 200
    assert "1 message is put into the queue again" in Page(again).words
    for day in ("", "yesterday", "9999-12-31", "2026-02-30", "0001-01-01x"):
        answer = desk.submit(path, {"do": "replay", "since": day})
        assert (answer.status, Page(answer).faults) == (422, ["#since"]), day
    assert today


def test_a_recipient_of_mails_has_no_secret(desk: DeskClient) -> None:
    """A person who gets e-mails need not know what a signature is."""
    form = {"name": "doctor", "email": "doctor@example.org", "question": [NEWS]}
    answer = desk.submit(NEW, form)
    assert answer.status == 303
    shown = desk.follow(answer)
    assert "New secret" not in Page(shown).words
    refused = desk.submit("settings/webhooks/doctor", {"do": "rotate"})
    assert refused.status == 422


def test_nothing_is_taken_away_by_a_button_alone(desk: DeskClient, program: Program) -> None:
    """It needs a tick; then nothing more is sent there."""
    desk.submit(NEW, FORM)
    path = "settings/webhooks/mailing"
    for unsure in ({"do": "remove"}, {"do": "nonsense"}, {}):
        answer = desk.submit(path, unsure)
        assert (answer.status, Page(answer).faults) == (422, ["#sure"])
    assert desk.submit(path, {"do": "remove", "sure": "yes"}).status == 303
    assert program.get("webhooks").json()["webhooks"] == []
    assert desk.get(f"/staff/{path}").status == 404


def test_another_clinics_recipients_are_not_there(desk: DeskClient, desk_client: SignIn) -> None:
    """Neither listed, nor shown, nor changed."""
    desk.submit(NEW, FORM)
    for clinic in (RIGA, TBILISI):
        other = desk_client(clinic, "administrator")
        assert HOOK not in other.open("settings/webhooks").words
        assert other.get("/staff/settings/webhooks/mailing").status == 404
        token = Page(other.get(f"/staff/{NEW}")).fields["state"]
        answer = other.post("/staff/settings/webhooks/mailing", {"state": token, "do": "test"})
        assert answer.status in {404, 409}


def test_who_may_only_look_is_offered_no_button(
    desk: DeskClient, desk_client: SignIn, program: Program
) -> None:
    """The data protection officer sees where data goes, and changes nothing."""
    desk.submit(NEW, FORM)
    officer = desk_client(program, "protection")
    page = officer.open("settings/webhooks/mailing")
    assert HOOK in page.words
    assert "fieldset" not in page.tags
    assert officer.get(f"/staff/{NEW}").status == 403
    token = page.fields["state"]
    answer = officer.post("/staff/settings/webhooks/mailing", {"state": token, "do": "test"})
    assert answer.status == 403


@pytest.mark.parametrize("path", [NEW, "settings/webhooks/mailing"])
def test_where_decisions_are_sent_asks_again_who_it_is(
    portal: RunningPortal, desk: DeskClient, program: Program, path: str
) -> None:
    """A browser left open sends nobody's decisions elsewhere: the form that was open stores nothing."""
    assert desk.submit(NEW, FORM).status == 200
    state = form_token(desk.get(f"/staff/{path}"), path)
    [session] = staff.sessions(portal.table, program.clinic, desk.member.id)
    proven = instant(moment(session.proven_at) - FRESH_FORM)
    aged = replace(session, proven_at=proven)
    portal.table.write([staff.changed_session(session, aged)])
    elsewhere = {**FORM, "name": "theirs", "url": "https://elsewhere.example/", "do": "change"}
    for answer in (
        desk.get(f"/staff/{path}"),
        desk.post(f"/staff/{path}", {"state": state, **elsewhere}),
    ):
        assert (answer.status, "/staff/again" in answer.location) == (303, True)
    listed = program.get("webhooks").json()["webhooks"]
    assert [(each["name"], each["url"]) for each in listed] == [("mailing", HOOK)]
