"""Whoever may be written to is saved as a file, and the changes go on from there."""

import csv
import json

from infra.local.server import Reply, Request
from tests.infra.operator.cli.conftest import Terminal
from tests.web.running import RunningPortal

PAPER = ("--channel", "paper", "--effective-at", "2026-11-20T10:00:00Z", "--form", "A 1")


def test_everybody_who_permits_is_saved_page_by_page(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """A new mailing tool starts with whom it may write to, and misses nobody afterwards."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    for number in range(5):
        answer = "--no" if number == 3 else "--yes"
        who = ("--email", f"p{number}@export.example")
        assert terminal("record", *who, answer, "newsletter.email", *PAPER).code == 0
    terminal.monkeypatch.setattr("infra.operator.cli.exports.PAGE", 2)
    said = terminal("export", "--purpose", "newsletter.email", "-o", "all.csv", "--json")
    assert (said.code, said.json()["contacts"]) == (0, 4), said.err
    with (terminal.folder / "all.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    expected = {f"p{number}@export.example" for number in (0, 1, 2, 4)}
    assert {row["email"] for row in rows} == expected
    assert (terminal.folder / "all.csv").stat().st_mode & 0o077 == 0
    assert terminal("changes", "--since", said.json()["changes_cursor"]).code == 0
    by_line = ("--format", "jsonl", "-o", "all.jsonl")
    assert "4 contacts" in terminal("export", "--purpose", "newsletter.email", *by_line).err
    lines = (terminal.folder / "all.jsonl").read_text("utf-8").splitlines()
    assert {json.loads(line)["email"] for line in lines} == expected


def test_an_export_that_breaks_off_leaves_no_half_list(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """A list that ends in the middle of the alphabet is never taken for all."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    for number in range(3):
        who = ("--email", f"p{number}@half.example")
        assert terminal("record", *who, "--yes", "newsletter.email", *PAPER).code == 0
    terminal.monkeypatch.setattr("infra.operator.cli.exports.PAGE", 1)

    def away(request: Request) -> Reply | None:
        if "cursor" in request.target:
            return Reply(503, (("Retry-After", "0"),))
        return None

    terminal.served.before = away
    said = terminal("export", "--purpose", "newsletter.email", "-o", "all.csv")
    assert (said.code, list(terminal.folder.iterdir())) == (4, [])
    terminal.works_for(program.clinic, portal.new_key(program.clinic, "status:read"))
    assert terminal("export", "--purpose", "newsletter.email", "-o", "all.csv").code == 3
