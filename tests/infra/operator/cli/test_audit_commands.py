"""Who looked at whose data is read from the command line."""

from tests.cast import TBILISI
from tests.infra.operator.cli.conftest import Terminal
from tests.web.running import RunningPortal


def test_the_audit_tells_who_asked_and_never_whom_by_contact(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """A complaint about a nosy employee is answered in a minute."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    assert terminal("status", "--email", "audit@example.org").code == 0
    assert terminal("notice", "list").code == 0
    said = terminal("audit", "--deed", "status")
    assert [line.split("\t")[2] for line in said.out.splitlines()] == ["status"]
    assert "audit@example.org" not in said.out
    lines = terminal("audit", "--newest", "--json").json()["lines"]
    deeds = [each["deed"] for each in lines]
    assert deeds.index("status") > deeds.index("audit")
    limited = terminal("audit", "--limit", "1", "--json")
    assert (len(limited.json()["lines"]), "--limit 1" in limited.err) == (1, True)
    terminal.works_for(program.clinic, portal.api_keys[TBILISI])
    assert terminal("audit").code == 1
    terminal.works_for(program.clinic, portal.new_key(program.clinic, "status:read"))
    assert terminal("audit").code == 3
