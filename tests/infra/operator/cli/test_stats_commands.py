"""A clinic's people read how many said what from the command line."""

from tests.cast import TBILISI
from tests.infra.operator.cli.conftest import Terminal
from tests.web.running import RunningPortal

PAPER = ("--channel", "paper", "--effective-at", "2026-11-20T10:00:00Z", "--form", "A 1")


def test_answers_are_counted_and_nobody_is_told_apart(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """The board's question how many said Yes this month is one command."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    for number in range(3):
        words = ("record", "--email", f"s{number}@stats.example", "--yes", "newsletter.email")
        assert terminal(*words, *PAPER).code == 0
    portal.seal()
    asked = ("stats", "--group", "question,state")
    said = terminal(*asked)
    assert (said.code, said.out) == (0, "newsletter.email\tgranted\t3\n"), said.err
    assert terminal(*asked, "--json").json()["counts"][0]["count"] == 3
    table = terminal(*asked, "--csv").out.splitlines()
    assert table == ["question,state,count", "newsletter.email,granted,3"]
    assert terminal("stats", "--group", "nonsense").code == 1
    terminal.works_for(program.clinic, portal.api_keys[TBILISI])
    assert terminal("stats").code == 1
    terminal.works_for(program.clinic, portal.new_key(program.clinic, "status:read"))
    assert terminal("stats").code == 3
