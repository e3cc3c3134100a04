"""Commands as `consent` shows them: grouped, each with an example, with the same options.

`--profile`, `--clinic`, `--demo` and `--json` may stand before or behind the command's name.
"""

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import click

from infra.operator.cli.output import Output
from infra.operator.cli.portal import Portal
from infra.operator.cli.profiles import choose_profile

CONTEXT = {"help_option_names": ["-h", "--help"]}


@dataclass
class Work:
    """What a command works with: the output, and the portal that the options choose."""

    profile: str | None = None
    clinic: str | None = None
    demo: str | None = None
    output: Output = field(default_factory=Output)

    @cached_property
    def portal(self) -> Portal:
        """The portal's API; raise CommandError where none is known."""
        chosen = choose_profile(self.profile, self.clinic, self.demo)
        return Portal.of(chosen, self.output.say)

    def show(self, value: Any, in_words: Callable[[Output, Any], None]) -> None:
        """Print a result as JSON where that is asked for, else in words."""
        if self.output.as_json:
            self.output.result(value)
        else:
            in_words(self.output, value)


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    """Keep an option of every command; one behind the command's name wins."""
    work = context.ensure_object(Work)
    if option.name == "json" and value:
        work.output.as_json = True
    elif option.name in {"profile", "clinic", "demo"} and value is not None:
        setattr(work, option.name, value)


def common_options() -> list[click.Option]:
    """Return the options that every command takes."""
    shared: Any = {"expose_value": False, "callback": _remember, "is_eager": True}
    return [
        CommonOption(["--profile"], metavar="NAME", help="Profile to use.", **shared),
        CommonOption(
            ["--clinic"], metavar="ID", help="Clinic, instead of the profile's.", **shared
        ),
        CommonOption(
            ["--demo"], metavar="ID", help="Clinic of the portal that `make run` serves.", **shared
        ),
        CommonOption(["--json"], is_flag=True, help="Print JSON on stdout.", **shared),
    ]


class CommonOption(click.Option):
    """An option that every command takes; help shows it apart."""


class Command(click.Command):
    """A command with an example."""

    def __init__(self, *args: Any, example: str = "", common: bool = True, **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        super().__init__(*args, **kwargs)
        self.example = inspect.cleandoc(example)
        if common:
            self.params.extend(common_options())

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options, then those of every command."""
        _write_options(self, ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the example."""
        del ctx
        _write_example(self.example, formatter)


@dataclass(frozen=True)
class Section:
    """Commands under a heading of the help; places are module and name, loaded when needed."""

    heading: str
    places: Mapping[str, str]


class Group(click.Group):
    """Commands under headings."""

    def __init__(self, *args: Any, sections: Sequence[Section] = (), **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", CONTEXT)
        self.example = inspect.cleandoc(kwargs.pop("example", ""))
        super().__init__(*args, **kwargs)
        self.sections = sections
        self.params.extend(common_options())

    @property
    def places(self) -> dict[str, str]:
        """The place of each command that is loaded when needed."""
        return {name: place for part in self.sections for name, place in part.places.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help."""
        return [*self.places, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command by its name; load its module."""
        place = self.places.get(cmd_name)
        if place is None:
            return super().get_command(ctx, cmd_name)
        module, _, name = place.partition(":")
        loaded: click.Command = getattr(import_module(f"infra.operator.cli.{module}"), name)
        return loaded

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands first: they are what is looked for."""
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each heading with its commands."""
        sections = self.sections or [Section("Commands", dict.fromkeys(self.commands, ""))]
        width = max(len(name) for name in self.list_commands(ctx))
        for section in sections:
            rows = []
            for name in section.places:
                command = self.get_command(ctx, name)
                if command is None:
                    continue
                limit = max(formatter.width - width - 6, 30)
                rows.append((name.ljust(width), command.get_short_help_str(limit)))
            with formatter.section(section.heading):
                formatter.write_dl(rows)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples and the epilog."""
        _write_example(self.example, formatter)
        super().format_epilog(ctx, formatter)

    def subcommand(self, name: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Command]:
        """Make a command of this group of a function."""

        def made(function: Callable[..., Any]) -> Command:
            each = command(name, **kwargs)(function)
            self.add_command(each)
            return each

        return made


def command(name: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function."""
    return click.command(name, cls=Command, **kwargs)


def group(name: str, **kwargs: Any) -> Callable[[Callable[..., Any]], Group]:
    """Make a group of commands of a function."""
    return click.group(name, cls=Group, **kwargs)


def _write_options(
    shown: click.Command, ctx: click.Context, formatter: click.HelpFormatter
) -> None:
    own: list[tuple[str, str]] = []
    common: list[tuple[str, str]] = []
    for parameter in shown.get_params(ctx):
        record = parameter.get_help_record(ctx)
        if record is not None and isinstance(parameter, click.Option):
            (common if isinstance(parameter, CommonOption) else own).append(record)
    if own:
        with formatter.section("Options"):
            formatter.write_dl(own)
    if common:
        with formatter.section("Options of every command"):
            formatter.write_dl(common)


def _write_example(example: str, formatter: click.HelpFormatter) -> None:
    if not example:
        return
    several = len(example.splitlines()) > 1
    with formatter.section("Examples" if several else "Example"):
        for line in example.splitlines():
            formatter.write(f"{'':{formatter.current_indent}}{line}\n")


def in_a_terminal() -> bool:
    """Return whether a person can be asked: stdin and stderr are a terminal."""
    return sys.stdin.isatty() and sys.stderr.isatty()
