"""Somebody's own passkeys and sessions: listed, added, removed, ended."""

from fido2.utils import websafe_encode

from chalicelib.domain.staff import Role, digest
from chalicelib.store import staff
from tests.web.client import Answer
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.desk_client import form_token
from tests.web.staff.passkey_browser import PasskeyBrowser
from tests.web.staff.test_sign_in import joined, long_ago


def removal(answer: Answer) -> list[str]:
    """Give where a list of passkeys leads to remove one."""
    links = [link.removeprefix("/api") for link in Page(answer).links]
    return [link for link in links if link.endswith("/remove")]


def submit(browser: PasskeyBrowser, target: str, **fields: str) -> Answer:
    """Open a page and send its own form."""
    state = form_token(browser.get(target), target)
    return browser.post(target, {"state": state, **fields})


def test_a_second_passkey_lets_in_like_the_first(portal: RunningPortal) -> None:
    """Made on another device, under the name it was given."""
    browser = joined(portal, portal.open_clinic().clinic)
    answer = browser.press("/staff/passkeys/add?first=yes", {"label": "My  phone\r\nX"})
    assert browser.landed(answer) == "/staff/passkeys?added=yes"
    listed = Page(browser.follow(answer))
    assert "My  phone X" in listed.words
    assert "You have one passkey" not in listed.words
    browser.cookie = ""
    assert browser.press("/staff/sign-in").status == 303
    phone = browser.device.credentials.pop()
    browser.cookie = ""
    assert browser.press("/staff/sign-in").status == 303
    assert phone.counter == 1


def test_a_removed_passkey_opens_nothing_and_the_last_one_stays(portal: RunningPortal) -> None:
    """Nobody locks themselves out by a slip."""
    browser = joined(portal, portal.open_clinic().clinic)
    assert removal(browser.get("/staff/passkeys")) == []
    only = f"/staff/passkeys/{digest(_id(browser))[:24]}/remove"
    state = Page(browser.get("/staff")).fields["state"]
    assert "your only passkey" in Page(browser.get(only)).words
    assert browser.post(only, {"state": state}).status == 409
    browser.press("/staff/passkeys/add")
    lost, _ = removal(browser.get("/staff/passkeys"))
    answer = submit(browser, lost)
    assert browser.landed(answer) == "/staff/passkeys?removed=yes"
    assert browser.get(lost).status == 404
    browser.cookie = ""
    second = browser.device.credentials.pop()
    assert browser.press("/staff/sign-in").status == 422
    browser.device.credentials.append(second)
    assert browser.press("/staff/sign-in").status == 303


def test_nobody_removes_anothers_passkey(portal: RunningPortal) -> None:
    """An address with it is not there for anybody else, of this clinic or another."""
    program, other = portal.open_clinic(), portal.open_clinic()
    browser = joined(portal, program.clinic)
    browser.press("/staff/passkeys/add")
    place = removal(browser.get("/staff/passkeys"))[0]
    for clinic in (program.clinic, other.clinic):
        assert joined(portal, clinic).get(place).status == 404


def test_whoever_finds_an_open_desk_adds_no_passkey(portal: RunningPortal) -> None:
    """Nor invites anybody: after a while a form is led to the passkey too, and stores nothing."""
    program = portal.open_clinic()
    browser = joined(portal, program.clinic, Role.ADMINISTRATOR)
    fields = browser.answered(browser.get("/staff/passkeys/add"))
    guest = {"state": form_token(browser.get("/staff/team/invite"), ""), "name": "A friend"}
    long_ago(portal, browser.cookie)
    long_ago(portal, browser.cookie)
    for target, sent in (
        ("/staff/passkeys/add", fields),
        ("/staff/team/invite", {**guest, "role": "administrator", "lang": "en"}),
    ):
        assert browser.landed(browser.get(target)).startswith("/staff/again?next=")
        assert browser.landed(browser.post(target, sent)).startswith("/staff/again?next=")
    [member] = staff.members(portal.table, program.clinic)
    assert len(member.passkeys) == 1


def test_a_page_of_another_session_adds_nothing(portal: RunningPortal) -> None:
    """The challenge is of one session, as the form's token is."""
    program = portal.open_clinic()
    mine, theirs = joined(portal, program.clinic), joined(portal, program.clinic)
    sent = mine.answered(mine.get("/staff/passkeys/add"))
    assert theirs.post("/staff/passkeys/add", sent).status == 409
    state = form_token(theirs.get("/staff/passkeys/add"), "")
    assert theirs.post("/staff/passkeys/add", {**sent, "state": state}).status == 422


def test_a_session_elsewhere_is_seen_and_ended(portal: RunningPortal) -> None:
    """A tablet that was forgotten somewhere is signed out from here, and no other is."""
    program = portal.open_clinic()
    browser, stranger = joined(portal, program.clinic), joined(portal, program.clinic)
    here = browser.cookie
    browser.cookie = ""
    browser.press("/staff/sign-in")
    there = browser.cookie
    browser.cookie = here
    listed = Page(browser.get("/staff/sessions"))
    assert listed.words.count("Chrome, Windows") == 2
    theirs = digest(stranger.cookie)
    assert submit(browser, "/staff/sessions", session=theirs).status == 404
    assert submit(browser, "/staff/sessions", session=digest(there)).status == 303
    for cookie, status in ((there, 303), (here, 200), (stranger.cookie, 200)):
        browser.cookie = cookie
        assert browser.get("/staff").status == status


def test_signing_out_everywhere_leaves_none(portal: RunningPortal) -> None:
    """This browser too."""
    browser = joined(portal, portal.open_clinic().clinic)
    first = browser.cookie
    browser.cookie = ""
    browser.press("/staff/sign-in")
    second = browser.cookie
    answer = submit(browser, "/staff/sessions", session="all")
    assert browser.landed(answer) == "/staff/sign-in?out=yes"
    for cookie in (first, second):
        browser.cookie = cookie
        assert browser.get("/staff").status == 303


def test_signing_in_anew_ends_the_session_before(portal: RunningPortal) -> None:
    """One browser has one session."""
    browser = joined(portal, portal.open_clinic().clinic)
    before = browser.cookie
    browser.press("/staff/sign-in")
    assert browser.cookie != before
    browser.cookie = before
    assert browser.get("/staff").status == 303


def _id(browser: PasskeyBrowser) -> str:
    return websafe_encode(browser.device.credentials[0].id)
