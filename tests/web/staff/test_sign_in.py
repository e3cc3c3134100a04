"""Getting in to the desk: invitation, passkey, signing in, proving it again, and who does not."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.instants import instant, moment
from chalicelib.domain.staff import Role, digest
from chalicelib.services import staff_members
from chalicelib.services.staff_entrance import SIGN_IN
from chalicelib.store import staff
from tests.authenticator import PRESENT, Authenticator
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.passkey_browser import PasskeyBrowser


def invited(portal: RunningPortal, clinic: str, role: Role = Role.RECEPTION) -> tuple[str, str]:
    """Invite somebody; give their id and the invitation's address."""
    now = portal.in_process.clock()
    member, secret = staff_members.invite(
        portal.table, clinic, "Inese Kalniņa", role, "en", by=staff_members.OPERATOR, now=now
    )
    return member.id, f"/staff/invitations/{secret}"


def joined(portal: RunningPortal, clinic: str, role: Role = Role.RECEPTION) -> PasskeyBrowser:
    """Let somebody take up an invitation."""
    browser = PasskeyBrowser()
    browser.press(invited(portal, clinic, role)[1])
    assert browser.cookie
    return browser


def test_an_invitation_leads_to_a_passkey_and_to_the_desk(portal: RunningPortal) -> None:
    """One link, one press, and one stands at the desk; then a second passkey is asked for."""
    program = portal.open_clinic()
    member, address = invited(portal, program.clinic)
    browser = PasskeyBrowser()
    page = Page(browser.get(address))
    assert "Inese Kalniņa" in page.words
    assert "Reception" in page.words
    answer = browser.press(address, {"label": "Reception laptop"})
    assert browser.landed(answer) == "/staff/passkeys/add?first=yes"
    assert "A second passkey" in Page(browser.follow(answer)).words
    assert "one passkey" in Page(browser.get("/staff")).words
    deeds = [line["call"] for line in portal.audit(program.clinic) if line["key"] == member]
    assert sorted(deeds) == ["staff/join", "staff/sign-in"]


def test_an_invitation_works_once_and_for_a_day(portal: RunningPortal) -> None:
    """A link in an old mail opens nothing, and says nothing."""
    clinic = portal.open_clinic().clinic
    _, address = invited(portal, clinic)
    first, late = PasskeyBrowser(), PasskeyBrowser()
    asked = late.answered(late.get(address))
    first.press(address)
    over = late.get(address)
    assert over.status == 404
    assert "Inese" not in over.text
    assert late.post(address, asked).status == 404
    assert not late.cookie
    assert over.body == late.get("/staff/invitations/none-of-this-kind").body


def test_an_invitation_of_yesterday_is_over(portal: RunningPortal) -> None:
    """Its day is over, whatever the browser sends."""
    clinic, now = portal.open_clinic().clinic, portal.in_process.clock()
    before = instant(moment(now) - timedelta(hours=24))
    _, secret = staff_members.invite(
        portal.table, clinic, "Inese", Role.READER, "en", by=staff_members.OPERATOR, now=before
    )
    assert PasskeyBrowser().get(f"/staff/invitations/{secret}").status == 404


def test_whoever_has_a_passkey_signs_in_and_goes_where_they_wanted(portal: RunningPortal) -> None:
    """Signing out and in again, to the page that was bookmarked."""
    browser = joined(portal, portal.open_clinic().clinic)
    state = Page(browser.get("/staff")).fields["state"]
    browser.post("/staff/sign-out", {"state": state})
    wanted = browser.get("/staff/passkeys")
    assert browser.landed(wanted) == "/staff/sign-in?next=%2Fstaff%2Fpasskeys"
    answer = browser.press(browser.landed(wanted))
    assert browser.landed(answer) == "/staff/passkeys"
    page = Page(browser.follow(answer))
    assert "Chrome, Windows" in page.words


@pytest.mark.parametrize("wanted", ["https://evil.example", "//evil.example", "/staff//evil"])
def test_signing_in_leads_to_no_other_website(portal: RunningPortal, wanted: str) -> None:
    """A link to our own page of signing in is no way to a false one (CWE-601)."""
    browser = joined(portal, portal.open_clinic().clinic)
    answer = browser.press("/staff/sign-in", {"next": wanted})
    assert browser.landed(answer) == "/staff"


def test_who_is_nobody_and_whose_access_ended_are_answered_alike(portal: RunningPortal) -> None:
    """Nobody learns who works at a clinic, nor whose access ended."""
    program = portal.open_clinic()
    gone, wrong = joined(portal, program.clinic), joined(portal, program.clinic)
    [ended] = [each for each in staff.members(portal.table, program.clinic) if each.passkeys][:1]
    if gone.device.credentials[0].user.decode() != ended.id:
        gone, wrong = wrong, gone
    staff_members.end_access(
        portal.table, program.clinic, ended.id, by="operator", now=portal.in_process.clock()
    )
    wrong.device.flags = PRESENT
    stranger = PasskeyBrowser(Authenticator())
    stranger.press(invited(portal, program.clinic)[1])
    stranger.device.credentials[0].id = b"nobody's" * 4
    answers = []
    for browser in (gone, wrong, stranger):
        browser.cookie = ""
        answer = browser.press("/staff/sign-in")
        assert answer.status == 422
        assert not browser.cookie
        answers.append(Page(answer).words)
    assert len(set(answers)) == 1


def test_what_a_browser_sent_once_signs_nobody_in_again(portal: RunningPortal) -> None:
    """A copied answer is worth nothing, and neither is half a form."""
    browser = joined(portal, portal.open_clinic().clinic)
    sent = browser.answered(browser.get("/staff/sign-in"))
    assert browser.post("/staff/sign-in", sent).status == 303
    copied = PasskeyBrowser()
    for fields in (sent, {}, {"challenge": sent["challenge"]}, {"answer": sent["answer"]}):
        assert copied.post("/staff/sign-in", fields).status == 422
    assert not copied.cookie


def test_an_answer_from_another_website_is_refused(portal: RunningPortal) -> None:
    """A page that looks like ours gets nothing that ours would take."""
    browser = joined(portal, portal.open_clinic().clinic)
    browser.cookie, browser.device.origin = "", "https://portal.example.org.evil.example"
    assert browser.press("/staff/sign-in").status == 422
    browser.device.origin = "https://portal.example.org"
    fields = browser.answered(browser.get("/staff/sign-in"))
    foreign = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    assert browser.post("/staff/sign-in", fields, foreign).status == 403
    assert not browser.cookie


def test_too_many_tries_from_one_place_have_to_wait(portal: RunningPortal) -> None:
    """Whoever guesses is slowed down; another place goes on."""
    portal.open_clinic()
    guessing = PasskeyBrowser(address="203.0.113.9")
    answers = [guessing.post("/staff/sign-in", {}).status for _ in range(SIGN_IN.burst + 1)]
    assert answers[0] == 422
    assert answers[-1] == 429
    assert PasskeyBrowser().post("/staff/sign-in", {}).status == 422


def test_a_new_invitation_begins_anew(portal: RunningPortal) -> None:
    """Whoever lost a laptop is safe from its finder: its passkey and its session open nothing."""
    program = portal.open_clinic()
    lost = joined(portal, program.clinic)
    member = lost.device.credentials[0].user.decode()
    secret = staff_members.invite_again(
        portal.table, program.clinic, member, by="operator", now=portal.in_process.clock()
    )
    new = PasskeyBrowser()
    assert "open nothing any more" in Page(new.get(f"/staff/invitations/{secret}")).words
    assert lost.get("/staff").status == 200
    new.press(f"/staff/invitations/{secret}")
    assert new.get("/staff").status == 200
    assert lost.get("/staff").status == 303
    assert lost.press("/staff/sign-in").status == 422


def test_of_several_invitations_the_latest_alone_is_good(portal: RunningPortal) -> None:
    """One that went astray is over when another is made, and stays so."""
    program = portal.open_clinic()
    member, astray = invited(portal, program.clinic)
    secret = staff_members.invite_again(
        portal.table, program.clinic, member, by="operator", now=portal.in_process.clock()
    )
    assert PasskeyBrowser().get(astray).status == 404
    assert PasskeyBrowser().press(f"/staff/invitations/{secret}").status == 303
    assert PasskeyBrowser().get(astray).status == 404


def test_what_matters_asks_again_and_leads_back(portal: RunningPortal) -> None:
    """A laptop that was left open for ten minutes makes no passkey for whoever sits down."""
    program = portal.open_clinic()
    browser = joined(portal, program.clinic)
    assert browser.get("/staff/passkeys/add").status == 200
    long_ago(portal, browser.cookie)
    asked = browser.get("/staff/passkeys/add")
    assert browser.landed(asked) == "/staff/again?next=%2Fstaff%2Fpasskeys%2Fadd"
    assert browser.get("/staff/passkeys").status == 200
    other = joined(portal, program.clinic)
    mine, browser.device = browser.device, other.device
    with pytest.raises(AssertionError):
        browser.landed(browser.press(browser.landed(asked)))
    browser.device = mine
    answer = browser.press(browser.landed(asked))
    assert browser.landed(answer) == "/staff/passkeys/add"
    assert browser.follow(answer).status == 200


def long_ago(portal: RunningPortal, secret: str) -> None:
    """Let ten minutes pass since somebody proved who they are."""
    session = staff.session(portal.table, digest(secret))
    assert session is not None
    then = instant(moment(session.proven_at) - timedelta(minutes=10))
    earlier = replace(session, begun_at=then, proven_at=then)
    portal.table.write([staff.changed_session(session, earlier)])


def test_the_pages_allow_their_own_script_and_no_other(portal: RunningPortal) -> None:
    """The policy names the script by its hash; without it the page says what is needed."""
    portal.open_clinic()
    answer = PasskeyBrowser().get("/staff/sign-in?lang=en")
    policy = answer.headers["content-security-policy"]
    assert "script-src 'sha256-" in policy
    assert "unsafe" not in policy
    assert "This page needs JavaScript" in answer.text
    assert len(answer.body) < 40_000
