"""A clinic looks after the keys of its programs from the command line."""

from tests.cast import RIGA, TBILISI
from tests.infra.operator.cli.conftest import Terminal
from tests.web.running import RunningPortal


def test_a_key_is_made_rotated_and_revoked(terminal: Terminal, portal: RunningPortal) -> None:
    """A new tool gets its key without asking whoever runs the portal, and loses it as easily."""
    program = portal.open_clinic()
    clinic, own = program.clinic, program.key or ""
    terminal.works_for(clinic, own)
    made = terminal("key", "create", "Newsletter tool", "--scope", "status:read")
    secret = made.out.strip()
    assert (made.code, secret.startswith("cpk_"), secret in made.err) == (0, True, False), made.err
    [entry] = [
        each
        for each in terminal("key", "list", "--json").json()["keys"]
        if each["label"] == "Newsletter tool"
    ]
    terminal.works_for(clinic, secret)
    ask = ("status", "--email", "a@example.org")
    assert terminal(*ask).code == 0
    assert terminal("key", "list").code == 3
    terminal.works_for(clinic, own)
    rotated = terminal("key", "rotate", entry["id"], "--overlap-hours", "0", "--json")
    terminal.works_for(clinic, secret)
    assert terminal(*ask).code == 3
    terminal.works_for(clinic, rotated.json()["secret"])
    assert terminal(*ask).code == 0
    terminal.works_for(clinic, own)
    assert terminal("key", "revoke", entry["id"], "--yes").code == 0
    assert entry["id"] not in terminal("key", "list", "--valid").out
    assert f"{entry['id']}\tNewsletter tool\tstatus:read\trevoked" in terminal("key", "list").out
    terminal.works_for(clinic, rotated.json()["secret"])
    assert terminal(*ask).code == 3


def test_a_key_made_before_is_not_shown_again(terminal: Terminal, portal: RunningPortal) -> None:
    """A script that is run again makes no second key, and is told what to do."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    words = ("key", "create", "Tool", "--scope", "status:read", "--idempotency-key", "tool-1")
    assert terminal(*words).out.startswith("cpk_")
    again = terminal(*words)
    assert (again.code, again.out, "Rotate" in again.err) == (0, "", True)


def test_another_clinics_key_is_not_there(terminal: Terminal, portal: RunningPortal) -> None:
    """Nobody ends a stranger's key by its id."""
    terminal.works_for(TBILISI, portal.api_keys[TBILISI])
    foreign = terminal("key", "list", "--json").json()["keys"][0]["id"]
    terminal.works_for(RIGA, portal.api_keys[RIGA])
    assert terminal("key", "revoke", foreign, "--yes").code == 1
    assert terminal("key", "rotate", foreign).code == 1
    terminal.works_for(TBILISI, portal.api_keys[TBILISI])
    assert foreign in terminal("key", "list", "--valid").out
