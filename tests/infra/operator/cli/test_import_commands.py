"""A clinic moves in from the command line: what each line would become, then for good."""

import json

from tests.cast import RIGA
from tests.infra.operator.cli.conftest import Terminal
from tests.web.running import RunningPortal

MAILCHIMP = (
    "Email Address,First Name,OPTIN_TIME,CONFIRM_TIME\n"
    "moved.in@example.org,Anna,2024-03-01 10:15:00,2024-03-01 10:20:00\n"
    "nonsense,Jānis,2024-03-01 10:15:00,2024-03-01 10:20:00\n"
)
FROM = ("--from", "mailchimp", "--purpose", "newsletter.email")


def test_a_dry_run_tells_of_each_line_and_records_nothing(consent: Terminal) -> None:
    """Nobody moves in blindly: what would come of the file is read first."""
    name = consent.write("members.csv", MAILCHIMP)
    said = consent("import", name, *FROM, "--dry-run")
    assert said.code == 5, said.err
    assert "recorded\t1" in said.out
    assert "rejected\t1" in said.out
    assert "line 3: " in said.err
    assert "Nothing was recorded" in said.err
    assert "moved.in@example.org" not in said.out + said.err
    asked = consent("status", "--email", "moved.in@example.org", "--purpose", "newsletter.email")
    assert "never_asked" in asked.out


def test_an_import_that_is_run_again_records_nothing_twice(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """After a broken line the same command is typed again."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    name = terminal.write("members.csv", MAILCHIMP)
    vouched = ("--same-as", "1.0", "--text-sha256", "0" * 64)
    first = terminal("import", name, *FROM, *vouched, "--json")
    assert (first.code, first.json()["outcomes"]["recorded"]) == (5, 1), first.err
    again = terminal("import", name, *FROM, *vouched, "--json").json()
    assert (again["outcomes"]["recorded"], again["outcomes"]["already"]) == (0, 1)
    [receipt] = json.loads(terminal("history", "--email", "moved.in@example.org", "--json").out)[
        "receipts"
    ]
    assert (receipt["channel"], receipt["effective_at"][:10]) == ("import", "2024-03-01")


def test_an_import_needs_its_scope_and_a_file_that_can_be_read(
    consent: Terminal, portal: RunningPortal
) -> None:
    """Nothing is guessed, and nobody imports by a key that may only ask."""
    name = consent.write("members.csv", "Nobody,Knows\n1,2\n")
    said = consent("import", name, *FROM)
    assert (said.code, said.out) == (1, ""), said.err
    assert consent("import", name, "--from", "nowhere").code == 2
    consent.works_for(RIGA, portal.new_key(RIGA, "status:read"))
    assert consent("import", name, *FROM).code == 3
