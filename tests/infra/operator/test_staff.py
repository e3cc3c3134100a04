"""An operator invites the first administrator of a clinic's desk by command."""

import re

import pytest

from chalicelib.store import sign_in_providers
from infra.__main__ import main
from infra.local.demo import DEMO_PEOPLE, invite_demo
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.passkey_browser import PasskeyBrowser

ADDRESS = "https://portal.example.org/api"


def said(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run a command; give what it prints."""
    capsys.readouterr()
    assert main(["staff", *words]) == code
    printed = capsys.readouterr()
    return printed.out + printed.err


def path_in(text: str) -> str:
    """Give the one link that a command printed, below the portal."""
    [path] = re.findall(rf"{ADDRESS}(/staff/invitations/[\w-]{{43}})\n", text)
    return str(path)


def test_the_first_administrator_is_invited_by_command(
    portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """A clinic that begins has nobody who could invite anybody."""
    clinic = portal.open_clinic().clinic
    printed = said(capsys, "invite", clinic, "--name", "Inese Kalniņa", "--url", ADDRESS)
    browser = PasskeyBrowser()
    browser.press(path_in(printed))
    assert "Inese Kalniņa" in Page(browser.get("/staff/team")).words
    member = printed.split()[0]
    assert f"{member}\tadministrator\tInese Kalniņa\t1 passkeys" in said(capsys, "list", clinic)
    again = path_in(said(capsys, "invite", clinic, "--again", member, "--url", ADDRESS))
    assert PasskeyBrowser().get(again).status == 200
    assert "only administrator" in said(capsys, "end", clinic, member, code=1)
    invited = said(capsys, "invite", clinic, "--name", "Guntis", "--url", f"{ADDRESS}/")
    assert "only administrator" in said(capsys, "end", clinic, member, code=1)
    PasskeyBrowser().press(path_in(invited))
    assert said(capsys, "end", clinic, member) == f"The access of {member} is ended.\n"
    assert browser.get("/staff").status == 303


def test_what_cannot_be_done_is_said_in_a_sentence(
    portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do instead."""
    clinic = portal.open_clinic().clinic
    assert "--url https://" in said(capsys, "invite", clinic, "--name", "Inese", code=1)
    url = ("--url", ADDRESS)
    assert "No clinic" in said(capsys, "invite", "nowhere", "--name", "Inese", *url, code=1)
    assert "No clinic" in said(capsys, "list", "nowhere", code=1)
    assert "needs a name" in said(capsys, "invite", clinic, "--name", " ", *url, code=1)
    for words in (("invite", clinic, "--again", "staff_0", *url), ("end", clinic, "staff_0")):
        assert "Nobody with access" in said(capsys, *words, code=1)


def test_whoever_tries_the_demo_comes_in_as_whoever_they_like(portal: RunningPortal) -> None:
    """`make run` prints links at `localhost`; started again, it prints others for the same people."""
    clinic = portal.open_clinic().clinic
    local = "http://127.0.0.1:8000/api"
    first = invite_demo(portal.table, [clinic], local)
    second = invite_demo(portal.table, [clinic], local)
    assert first[clinic].keys() == second[clinic].keys() == {role.value for role in DEMO_PEOPLE}
    before, link = first[clinic]["reception"], second[clinic]["reception"]
    assert link.startswith("http://localhost:8000/api/staff/invitations/")
    browser = PasskeyBrowser()
    assert browser.get(before.removeprefix("http://localhost:8000/api")).status == 404
    browser.press(link.removeprefix("http://localhost:8000/api"))
    assert "Rita" in Page(browser.get("/staff")).words


ACCOUNTS = ("--issuer", "https://login.example.org/realms/clinic", "--client-id", "desk")


def test_the_clinics_own_accounts_are_let_in_by_command(
    portal: RunningPortal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret is read from where nobody else reads it, kept sealed, and printed nowhere."""
    clinic, other = portal.open_clinic().clinic, portal.open_clinic().clinic
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "very s3cret")
    groups = ("--group", "cn=desk,dc=clinic=reception", "--group", "it=administrator")
    printed = said(capsys, "accounts", clinic, *ACCOUNTS, *groups)
    assert f"/staff/oidc/{clinic}" in printed
    assert "/staff/oidc/callback" in printed
    assert "s3cret" not in printed
    assert b"s3cret" not in portal.everything()
    beside = portal.in_process
    found = sign_in_providers.find(beside.table, clinic)
    assert found is not None
    provider, sealed = found
    assert provider.groups == (("cn=desk,dc=clinic", "reception"), ("it", "administrator"))
    key = beside.clinics.key(clinic)
    assert sign_in_providers.secret_of(key, provider, sealed) == "very s3cret"
    assert sign_in_providers.find(beside.table, other) is None
    assert "sign in no more" in said(capsys, "accounts", clinic, "--off")
    assert sign_in_providers.find(beside.table, clinic) is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Name --issuer, --client-id and at least one --group"),
        (ACCOUNTS, "at least one --group"),
        ((*ACCOUNTS, "--group", "desk"), "say GROUP=ROLE"),
        ((*ACCOUNTS, "--group", "desk=queen"), "roles are reception"),
        ((*ACCOUNTS, "--group", "=reader"), "say GROUP=ROLE"),
        (
            ("--issuer", "http://login.example.org", "--client-id", "d", "--group", "a=reader"),
            "It must begin with https://.",
        ),
    ],
)
def test_accounts_that_could_not_sign_in_are_not_set_up(
    portal: RunningPortal,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    sentence: str,
) -> None:
    """The operator hears what is lacking before anybody stands at a closed door."""
    clinic = portal.open_clinic().clinic
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "very s3cret")
    assert sentence in said(capsys, "accounts", clinic, *words, code=1)
    assert sign_in_providers.find(portal.in_process.table, clinic) is None
