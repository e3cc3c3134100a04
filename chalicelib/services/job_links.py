"""The kind of job that makes personal links: a list in, the same rows with their links out.

Which columns come behind a row is said by `services/link_lists.py`, as for the call. A row that
cannot be read, or names nobody, is left out and told as a fault. A part that is done twice makes
the same links.
"""

from chalicelib.domain.jobs import Fault
from chalicelib.presentation.csv_table import Dialect, read_rows
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.job_kinds import Chunk, JobKind, Task, Work
from chalicelib.services.link_lists import (
    MAX_LINK_ROWS,
    LinkOptions,
    broken_rows,
    link_columns,
    link_rows,
    linked_header,
)


def check_links(task: Task, dialect: Dialect) -> None:
    """Raise UnclearColumnError where no column has the contacts, ColumnTakenError where one has the
    name of one that is added.
    """
    linked_header(task.authorize(EmptyBody()), dialect)
    link_columns(dialect, _options(task))


def head_of_links(task: Task, dialect: Dialect | None) -> Work:
    """Give the header of the upload with the further columns."""
    header = linked_header(task.authorize(EmptyBody()), dialect) if dialect else b""
    return Work(header, 0)


def work_on_links(task: Task, chunk: Chunk) -> Work:
    """Make the links of a part, a thousand in a call; errors as `link_rows`."""
    dialect = chunk.dialect
    if dialect is None:
        return Work(b"", 0)
    options = _options(task)
    rows = list(read_rows(chunk.content, dialect, chunk.first_line))
    plan = task.job.plan.id if task.job.plan else ""
    written: list[bytes] = []
    faults: list[Fault] = []
    links = 0
    for start in range(0, len(rows), MAX_LINK_ROWS):
        batch = rows[start : start + MAX_LINK_ROWS]
        name = f"{task.job.id}|{plan}|{batch[0].line}"
        call = task.authorize(EmptyBody(), idempotency_key=name)
        linked = link_rows(task.portal, call, dialect, batch, options)
        written.append(linked.content)
        links += linked.linked
        if linked.broken:
            broken = broken_rows(call, dialect, batch, options)
            faults += [Fault(line, reason) for line, reason in broken]
    return Work(b"".join(written), len(rows), {"links": links}, faults)


def _options(task: Task) -> LinkOptions:
    said = task.job.parameters
    questions = tuple(said.get("purposes", ()))
    return LinkOptions(said["lang"], questions, said["expires_in"], said.get("column"))


LINKS = JobKind(
    scope="links:write",
    work=work_on_links,
    head=head_of_links,
    media_type="text/csv",
    file_name="links.csv",
    check=check_links,
)
