"""Which portal, clinic and key the command line works with, and how it keeps them."""

import json
import stat
from pathlib import Path

import pytest

from infra.operator.cli.errors import CommandError
from infra.operator.cli.profiles import normal_url, profiles_file
from tests.cast import RIGA, TBILISI
from tests.infra.operator.cli.conftest import Served, Terminal
from tests.web.running import RunningPortal


def test_a_login_is_kept_for_its_owner_alone(terminal: Terminal, portal: RunningPortal) -> None:
    """The next command needs no address and no key, and nobody else on the machine reads it."""
    key = portal.api_keys[RIGA]
    page = f"{terminal.served.base_url}/{RIGA}"
    said = terminal("login", page, typed=f"{key}\n")
    assert (said.code, said.out) == (0, ""), said.err
    assert key not in said.err
    assert stat.S_IMODE(profiles_file().stat().st_mode) == 0o600
    assert terminal("status", "--email", "nobody@example.org").code == 0
    listed = terminal("profile", "list", "--json")
    assert listed.json()["profiles"] == [
        {"name": RIGA, "current": True, "url": terminal.served.base_url, "clinic": RIGA}
    ]
    assert key not in listed.out + terminal("profile", "show").out


def test_a_login_with_a_wrong_key_is_not_kept(terminal: Terminal, portal: RunningPortal) -> None:
    """A mistyped key is noticed when it is typed, not on the day of the mailing."""
    base = terminal.served.base_url
    for clinic, key in ((RIGA, "cpk_wrong"), (TBILISI, portal.api_keys[RIGA])):
        said = terminal("login", base, "--clinic", clinic, typed=f"{key}\n")
        assert (said.code, key in said.err) == (3, False), said.err
    assert terminal("login", base, "--clinic", RIGA, typed="\n").code == 3
    assert not profiles_file().exists()
    assert terminal("status", "--email", "a@example.org").code == 1


def test_a_key_that_may_not_ask_for_a_status_can_log_in(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """A key that only writes notices is as good a key."""
    key = portal.new_key(RIGA, "notices:read")
    said = terminal("login", terminal.served.base_url, "--clinic", RIGA, typed=key)
    assert said.code == 0, said.err
    assert terminal("notice", "list").code == 0
    said = terminal("status", "--email", "a@example.org")
    assert (said.code, "status:read" in said.err) == (3, True)


def test_profiles_are_chosen_listed_and_forgotten(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """Whoever works for two clinics says for which, and never mixes their keys."""
    for clinic in (RIGA, TBILISI):
        page = f"{terminal.served.base_url}/{clinic}"
        assert terminal("login", page, typed=portal.api_keys[clinic]).code == 0
    assert terminal("profile", "show", "--json").json()["clinic"] == TBILISI
    assert terminal("--profile", RIGA, "profile", "show", "--json").json()["clinic"] == RIGA
    assert terminal("profile", "show", "--json", "--profile", RIGA).json()["clinic"] == RIGA
    assert terminal("profile", "use", RIGA).code == 0
    assert terminal("profile", "show", "--json").json()["clinic"] == RIGA
    assert terminal("profile", "list").out.splitlines()[0].startswith("*\triga-aesthetics\t")
    assert terminal("logout").code == 0
    assert portal.api_keys[RIGA] not in profiles_file().read_text(encoding="utf-8")
    said = terminal("profile", "use", RIGA)
    assert (said.code, TBILISI in said.err) == (1, True)


def test_the_portal_of_make_run_is_found_in_its_folder(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """A newcomer tries every command against the demo without a login."""
    keys = {clinic: {"api_key": key} for clinic, key in portal.api_keys.items()}
    (terminal.folder / ".local").mkdir()
    demo = {"base_url": terminal.served.base_url, "clinics": keys}
    terminal.write(".local/demo.json", json.dumps(demo))
    ask = ("status", "--email", "nobody@example.org")
    assert terminal("--clinic", RIGA, *ask).code == 0
    assert terminal(*ask, "--demo", TBILISI).code == 0
    said = terminal("--demo", "nowhere", *ask)
    assert (said.code, TBILISI in said.err) == (1, True)
    said = terminal(*ask)
    assert (said.code, "--clinic" in said.err) == (1, True)


def test_a_key_is_never_sent_over_a_network_in_the_clear() -> None:
    """Whoever types http:// for https:// is told so before anything leaves the machine."""
    assert normal_url("http://127.0.0.1:8000/api/") == "http://127.0.0.1:8000/api"
    assert normal_url(" https://c.example.org ") == "https://c.example.org"
    for wrong in ("http://c.example.org", "c.example.org", "https://u:p@c.example.org", "ftp://c"):
        with pytest.raises(CommandError):
            normal_url(wrong)


def test_an_address_without_a_portal_is_said_so(terminal: Terminal, served: Served) -> None:
    """A mistyped path is not taken for a portal."""
    host = served.base_url.removesuffix("/api")
    said = terminal("login", f"{host}/nothing/here", "--clinic", RIGA, typed="cpk_x")
    assert (said.code, said.out) == (1, "")


def test_a_broken_file_of_profiles_is_named(terminal: Terminal) -> None:
    """Whoever edited the file by hand learns which one it is."""
    path = profiles_file()
    path.parent.mkdir(parents=True)
    for content in ("{", "[]", '{"current": "", "profiles": {"a": {"urn": ""}}}'):
        path.write_text(content, encoding="utf-8")
        said = terminal("profile", "list")
        assert (said.code, str(path) in said.err) == (1, True)
    assert Path("config") not in path.parents
