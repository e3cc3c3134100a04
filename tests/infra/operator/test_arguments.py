"""What all commands of an operator share."""

import pytest

from infra.__main__ import main
from tests.web.running import RunningPortal

NOWHERE = "nowhere-clinic"
COMMANDS = [
    ["data-key", "rotate", NOWHERE],
    ["data-key", "reseal", NOWHERE],
    ["data-key", "rewrap", NOWHERE],
    ["key", "create", NOWHERE, "--label", "Newsletter tool"],
    ["key", "create", NOWHERE, "--label", "Cardiology", "--member", "heart-clinic"],
    ["messages", "list", NOWHERE, "0f3c"],
    ["messages", "waiting", NOWHERE],
    ["messages", "dead", NOWHERE],
    ["messages", "retry", NOWHERE],
    ["notice", "list", NOWHERE],
    ["notice", "superseded", NOWHERE],
    ["recount", NOWHERE],
    ["verify-chains", NOWHERE],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_mistyped_clinic_is_told_in_the_same_sentence_by_every_command(
    command: list[str], portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator reads what is wrong and what to do, whichever command it was."""
    assert portal
    assert main(command) == 1
    remedy = "Check its id, or publish its file first."
    assert capsys.readouterr().err == f"No clinic “{NOWHERE}” is published. {remedy}\n"
