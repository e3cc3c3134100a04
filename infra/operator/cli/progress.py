"""Progress in a terminal: how much of a file is sent, how many rows are done, and the time left."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from infra.operator.cli.output import Output


class Bar:
    """One line of progress; it does nothing where stderr is no terminal."""

    def __init__(self, progress: "Progress | None" = None, task: "TaskID | None" = None) -> None:
        self._progress = progress
        self._task = task

    def update(self, done: int, total: int | None = None) -> None:
        """Show how much is done, of how much if that is known."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=total)


@contextmanager
def bar(output: "Output", words: str, *, unit: str) -> Iterator[Bar]:
    """Show progress until the end of the block; `unit` is "rows" or "bytes"."""
    if not output.stderr.is_terminal or output.as_json:
        yield Bar()
        return
    from rich import progress as shown  # noqa: PLC0415 - most commands show none

    columns: list[Any] = [
        shown.TextColumn("{task.description}"),
        shown.BarColumn(bar_width=18),
        shown.TaskProgressColumn(),
    ]
    if unit == "bytes":
        columns += [shown.DownloadColumn(), shown.TransferSpeedColumn()]
    else:
        columns += [shown.MofNCompleteColumn(), _RowsASecond()]
    columns.append(shown.TimeRemainingColumn(compact=True))
    with shown.Progress(*columns, console=output.stderr, transient=True) as progress:
        yield Bar(progress, progress.add_task(words, total=None))


def _RowsASecond() -> Any:  # noqa: N802 - a class that is made when rich is there
    from rich.progress import ProgressColumn, Task  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    class RowsASecond(ProgressColumn):
        """How many rows are done in a second."""

        def render(self, task: Task) -> Text:
            """Write the speed."""
            speed = task.finished_speed or task.speed
            return Text(f"{speed:,.0f} rows/s" if speed else "", style="progress.data.speed")

    return RowsASecond()
