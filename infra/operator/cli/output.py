"""What a command prints: results on stdout, everything said to a person on stderr.

With `--json` stdout holds JSON alone. Without it a result is a table in a terminal, and lines of
fields with tabs between them where stdout is a file or a pipe. Colours and progress appear in a
terminal only, and no colours where NO_COLOR is set.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    Cell = str | int | float | bool | None

STYLES = {
    "granted": "green",
    "permitted": "green",
    "yes": "green",
    "valid": "green",
    "done": "green",
    "in_force": "green",
    "pending": "yellow",
    "running": "yellow",
    "refused": "red",
    "withdrawn": "red",
    "expired": "red",
    "superseded": "red",
    "revoked": "red",
    "failed": "red",
}
"""The colours of words that say how something stands."""


@dataclass
class Output:
    """Where results and words go."""

    as_json: bool = False

    @cached_property
    def stdout(self) -> "Console":
        """The console of results."""
        from rich.console import Console  # noqa: PLC0415 - `consent --help` needs none

        return Console(file=sys.stdout, highlight=False, soft_wrap=False)

    @cached_property
    def stderr(self) -> "Console":
        """The console of words and progress."""
        from rich.console import Console  # noqa: PLC0415 - as above

        return Console(file=sys.stderr, highlight=False)

    def say(self, text: str, style: str | None = None) -> None:
        """Say something to a person."""
        self.stderr.print(text, style=style, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Say what deserves attention and stops nothing."""
        self.say(f"Warning: {text}", "yellow")

    def result(self, value: Any) -> None:
        """Print a JSON document: indented in a terminal, else on one line."""
        indent = 2 if sys.stdout.isatty() else None
        print(json.dumps(value, ensure_ascii=False, indent=indent), flush=True)

    def line_of_json(self, value: Any) -> None:
        """Print a JSON document on one line, at once: for what goes on and on."""
        print(json.dumps(value, ensure_ascii=False), flush=True)

    def line(self, text: str) -> None:
        """Print a line of a result."""
        self.stdout.print(text, markup=False, soft_wrap=True)

    def raw(self, content: bytes) -> None:
        """Print bytes as they are."""
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()

    def table(
        self,
        headings: Sequence[str],
        rows: Iterable[Sequence["Cell"]],
        wrapping: Sequence[str] = (),
    ) -> None:
        """Print rows: a table in a terminal, else fields with tabs between and no headings.

        The columns of `wrapping` are broken where the terminal is narrow, the others are not. A
        cell may have several lines.
        """
        if not self.stdout.is_terminal:
            for row in rows:
                print("\t".join(_plain(cell) for cell in row))
            return
        table = _new_table(headings, wrapping)
        for row in rows:
            table.add_row(*[_styled(cell) for cell in row])
        if table.row_count:
            self.stdout.print(table)
        else:
            self.say("Nothing to show.")

    def facts(self, pairs: Mapping[str, "Cell"]) -> None:
        """Print named values, one a line."""
        if not self.stdout.is_terminal:
            for name, value in pairs.items():
                print(f"{name}\t{_plain(value)}")
            return
        from rich.table import Table  # noqa: PLC0415 - as above

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in pairs.items():
            grid.add_row(name, _styled(value))
        self.stdout.print(grid)


def minute(instant: str | None) -> str:
    """Return an instant to the minute, as people read it: 2026-11-29 23:57 UTC."""
    if not instant:
        return ""
    return f"{instant[:10]} {instant[11:16]}" if len(instant) > len("2026-11-29") else instant


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 row", "2,000 rows"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _new_table(headings: Sequence[str], wrapping: Sequence[str]) -> "Table":
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - as above
    from rich.table import Table  # noqa: PLC0415 - as above

    table = Table(
        box=SIMPLE_HEAD,
        header_style="bold",
        pad_edge=False,
        collapse_padding=True,
        show_edge=False,
    )
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading not in wrapping)
    return table


def _plain(cell: "Cell") -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return " ".join(str(cell).split())


def _styled(cell: "Cell") -> Any:
    from rich.text import Text  # noqa: PLC0415 - as above

    lines = cell if isinstance(cell, str) else _plain(cell)
    return Text(lines, style=STYLES.get(lines, ""))
