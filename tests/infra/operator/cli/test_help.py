"""What `consent` says of itself: read by people in eighty columns, and kept as it was agreed."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from infra.operator.cli.command import Command, Group
from infra.operator.cli.main import consent, run

HELP = Path(__file__).with_name("help.txt")
"""The help as it is; `.venv/bin/python -m tests.infra.operator.cli.test_help` writes it anew."""


def commands(group: Group, *names: str) -> Iterator[tuple[str, click.Command]]:
    """Give every command with its whole name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield " ".join((*names, name)), found
        if isinstance(found, Group):
            yield from commands(found, *names, name)


ALL = dict(commands(consent))
OWN = {name: each for name, each in ALL.items() if name != "operator"}
"""All but the operator's, whose help is argparse's."""


def helped(command: click.Command, name: str) -> str:
    """Give a command's help as a terminal of eighty columns shows it."""
    names = ["consent", *name.split()]
    given = {**command.context_settings, "terminal_width": 80}
    context = click.Context(command, info_name=" ".join(names), **given)
    return command.get_help(context)


def whole() -> str:
    """Give the help of everything."""
    parts = [helped(consent, ""), *(helped(each, name) for name, each in OWN.items())]
    return "\n\n\n".join(parts) + "\n"


def test_the_help_is_as_it_was_agreed() -> None:
    """A change of what people read is seen in review."""
    assert whole() == HELP.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", OWN)
def test_every_command_fits_and_has_an_example(name: str) -> None:
    """Whoever asks for help sees how it is typed, and nothing is cut off."""
    command = OWN[name]
    text = helped(command, name)
    assert not [line for line in text.splitlines() if len(line) > 80], text
    assert "..." not in (command.get_short_help_str(limit=60))
    if isinstance(command, Command):
        assert command.example.startswith(f"consent {name.split(maxsplit=1)[0]}")


def test_every_heading_and_command_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing that can be done has to be guessed."""
    assert run([]) in {0, 2}
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    for section in consent.sections:
        assert section.heading in shown
        assert all(name in shown for name in section.places)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_learns_the_commands(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Tab completes commands and options."""
    assert run(["completion", shell]) == 0
    assert "_CONSENT_COMPLETE" in capsys.readouterr().out


def test_completion_offers_commands_and_options(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the shell asks is answered, without a portal."""
    for typed, offered in (
        ("consent sta", "status"),
        ("consent key cr", "create"),
        ("consent status --ch", "--changed-since"),
    ):
        monkeypatch.setenv("_CONSENT_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", typed)
        monkeypatch.setenv("COMP_CWORD", str(len(typed.split()) - 1))
        with pytest.raises(SystemExit):
            run([])
        assert offered in capsys.readouterr().out


if __name__ == "__main__":
    HELP.write_text(whole(), encoding="utf-8")
