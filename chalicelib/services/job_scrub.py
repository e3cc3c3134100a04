"""The kind of job that compares a list of any size with the consents (`services/lists.py`).

What comes back, and its certificate, are those of the call for small lists: of the whole file that
came and the whole file that goes, and of the time at which the first row was asked about.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.jobs import Fault
from chalicelib.domain.lists import ListCounts, Mode, Target
from chalicelib.presentation.csv_table import Dialect, read_rows
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.job_kinds import Chunk, Finished, JobKind, Task, Work
from chalicelib.services.list_certificates import Certified, issue_certificate
from chalicelib.services.lists import (
    ListOptions,
    ListQuestion,
    ask_of_list,
    broken_rows,
    find_question,
    list_header,
    scrub_rows,
)

_REFUSED, _BROKEN = "refused.", "broken."


def options_of(parameters: Mapping[str, Any]) -> ListOptions:
    """Read what is asked of a list from the parameters of its job."""
    target = parameters.get("for")
    return ListOptions(
        parameters["purpose"],
        Mode(parameters.get("mode", Mode.PERMITTED)),
        Target(target) if target else None,
        parameters.get("column"),
        parameters.get("delimiter"),
        parameters.get("encoding"),
    )


def check_list(task: Task, dialect: Dialect) -> None:
    """Raise UnclearColumnError, UnknownPurposeError, WrongBlocklistError for a list that cannot be
    asked about.
    """
    _asked(task.authorize(EmptyBody()), task, dialect)


def head_of_list(task: Task, dialect: Dialect | None) -> Work:
    """Give what stands before the first row that goes out, and how many of its cells changed."""
    if dialect is None:
        return Work(b"", 0)
    header, changed = list_header(_asked(task.authorize(EmptyBody()), task, dialect))
    return Work(header, 0, {"cells_changed": changed})


def scrub_part(task: Task, chunk: Chunk) -> Work:
    """Ask for each row of a part whether its contact may be written to; errors as `scrub_rows`."""
    dialect = chunk.dialect
    if dialect is None:
        return Work(b"", 0)
    call = task.authorize(EmptyBody())
    asked = _asked(call, task, dialect)
    rows = list(read_rows(chunk.content, dialect, chunk.first_line))
    scrubbed = scrub_rows(task.portal, asked, rows)
    counts = scrubbed.counts
    listed = {"purpose": asked.question.id, "rows": counts.rows, "permitted": counts.permitted}
    task.portal.table.put_new(call.audit("jobs/scrub/part", about=task.job.id, listed=listed))
    faults = []
    if counts.broken:
        faults = [Fault(line, reason) for line, reason in broken_rows(asked, rows)]
    return Work(scrubbed.content, counts.rows, _flat(counts), faults)


def certify_list(task: Task, finished: Finished) -> str:
    """Sign what was answered, and note it in the audit. Raises SigningUnavailableError."""
    call = task.authorize(EmptyBody())
    options = options_of(task.job.parameters)
    plan = finished.plan
    counts = _counts(finished)
    certificate = issue_certificate(
        task.portal,
        Certified(
            task.job.clinic,
            call.key.member,
            find_question(call.shared, options.purpose).id,
            options.mode,
            options.target,
            {"sha256": plan.sha256, "bytes": plan.size},
            {"sha256": finished.sha256, "bytes": finished.size},
            counts,
            finished.began_at,
        ),
    )
    task.portal.table.put_new(
        call.audit("scrub", about=task.job.id, listed=certificate.for_audit())
    )
    return certificate.signed


def _asked(call: AuthorizedCall[EmptyBody], task: Task, dialect: Dialect) -> ListQuestion:
    options = options_of(task.job.parameters)
    question = find_question(call.shared, options.purpose)
    return ask_of_list(call.shared, question, options, dialect)


def _flat(counts: ListCounts) -> dict[str, int]:
    """Write counts as a job keeps them: ``refused.withdrawn`` and so on."""
    flat = {"permitted": counts.permitted, "cells_changed": counts.cells_changed}
    flat |= {f"{_REFUSED}{reason}": number for reason, number in counts.refused.items()}
    return flat | {f"{_BROKEN}{why}": number for why, number in counts.broken.items()}


def _counts(finished: Finished) -> ListCounts:
    """Read the counts of a whole job as those of a list."""
    counts = ListCounts(rows=finished.rows, permitted=finished.counts.get("permitted", 0))
    for prefix, counter in ((_REFUSED, counts.refused), (_BROKEN, counts.broken)):
        found: Counter[str] = counter
        for name, number in finished.counts.items():
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] += number
    return counts


SCRUB = JobKind(
    scope="status:read",
    work=scrub_part,
    head=head_of_list,
    media_type="text/csv",
    file_name="list.csv",
    check=check_list,
    certify=certify_list,
)
