"""Calls for jobs: lists, links, export and import that are too large for one call."""

from collections.abc import Callable, Mapping
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.jobs import JobState
from chalicelib.domain.lists import Mode, Target, targets_of
from chalicelib.portal import get_portal
from chalicelib.presentation.csv_encoding import NAMES
from chalicelib.presentation.csv_table import DELIMITERS
from chalicelib.services import jobs
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.import_files import PARAMETERS, read_rules
from chalicelib.services.job_export import SPREADSHEET
from chalicelib.services.job_import import values_of
from chalicelib.services.job_kinds import JSON_LINES
from chalicelib.services.job_registry import KINDS
from chalicelib.services.jobs import JobView, NewJob, ScopeMissingError
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.body_reader import BodyReader, is_word
from chalicelib.web.api.cursors import cursor_for, cursor_sent
from chalicelib.web.api.errors import SCOPE_MISSING, RefusedError
from chalicelib.web.api.links import LINK_SECONDS, MAX_LINK_SECONDS, MIN_LINK_SECONDS
from chalicelib.web.requests import mount
from chalicelib.web.responses import document

SCOPES = ("status:read", "links:write", "export:read", "imports:write")
"""Any one of these opens the calls for jobs; making a job takes the scope of its kind."""

MAX_LINE = 200
_OF_A_LIST = ("mode", "for", "column", "delimiter", "encoding")


def create_job(request: Request, clinic: str) -> Response:
    """Make a job, and give the address to which its file is uploaded."""
    call = authorize(request, clinic, SCOPES, read_job)
    try:
        view = jobs.create_job(get_portal(), call)
    except ScopeMissingError as missing:
        raise RefusedError(SCOPE_MISSING, scopes=missing.scope) from None
    address = f"{mount(request)}/v1/clinics/{clinic}/jobs/{view.job.id}"
    return document(_describe(view), 201, {"Location": address})


def list_jobs(request: Request, clinic: str) -> Response:
    """List the jobs that this key made, the newest first."""
    call = authorize(request, clinic, SCOPES, no_body)
    views, more = jobs.list_jobs(get_portal(), call, cursor_sent(request))
    answer: dict[str, Any] = {"jobs": [_describe(view) for view in views]}
    if more is not None:
        answer["cursor"] = cursor_for(more)
    return document(answer)


def get_job(request: Request, clinic: str, job: str) -> Response:
    """Tell how a job stands."""
    call = authorize(request, clinic, SCOPES, no_body)
    return document(_describe(jobs.read_job(get_portal(), call, job)))


def start_job(request: Request, clinic: str, job: str) -> Response:
    """Start a job, or a failed one again where it broke."""
    call = _without_body(request, clinic)
    return document(_describe(jobs.start_job(get_portal(), call, job)))


def cancel_job(request: Request, clinic: str, job: str) -> Response:
    """Cancel a job."""
    call = _without_body(request, clinic)
    return document(_describe(jobs.cancel_job(get_portal(), call, job)))


def read_job(body: BodyReader) -> NewJob:
    """Read a call for a new job: its kind, and what that kind needs to know."""
    kind = body.sent.get("kind")
    read = READERS.get(kind) if isinstance(kind, str) and kind in KINDS else None
    if read is None:
        body.error("/kind", f"One of: {', '.join(sorted(KINDS))}. Others are not offered.")
        body.check()
        return NewJob("", {})
    return NewJob(str(kind), read(body))


def _read_links(body: BodyReader) -> Mapping[str, Any]:
    body.only("kind", "lang", "purposes", "expires_in", "column")
    parameters: dict[str, Any] = {"lang": body.lang(), "expires_in": LINK_SECONDS}
    if body.has("column"):
        parameters["column"] = _line(body, "column")
    if body.has("purposes"):
        parameters["purposes"] = list(body.questions("/purposes", body.sent["purposes"]))
    if body.has("expires_in"):
        seconds = body.sent["expires_in"]
        is_number = isinstance(seconds, int) and not isinstance(seconds, bool)
        if is_number and MIN_LINK_SECONDS <= seconds <= MAX_LINK_SECONDS:
            parameters["expires_in"] = seconds
        else:
            detail = f"Seconds, from {MIN_LINK_SECONDS} to {MAX_LINK_SECONDS}."
            body.error("/expires_in", detail)
    return parameters


def _read_scrub(body: BodyReader) -> Mapping[str, Any]:
    body.only("kind", "purpose", *_OF_A_LIST)
    parameters: dict[str, Any] = {"mode": Mode.PERMITTED.value, **_named(body, *_OF_A_LIST)}
    _read_purpose(body, parameters)
    words: dict[str, list[str]] = {"mode": list(Mode), "for": list(Target)}
    words |= {"delimiter": list(DELIMITERS), "encoding": list(NAMES)}
    _check_words(body, parameters, words)
    if parameters["mode"] in list(Mode):
        _check_target(body, Mode(parameters["mode"]), parameters.get("for"))
    return parameters


def _check_target(body: BodyReader, mode: Mode, target: str | None) -> None:
    """Note a fault where a list cannot be written for this in its mode."""
    known = targets_of(mode)
    if target is None and mode is not Mode.BLOCKLIST:
        return
    if target is not None and target not in list(Target):
        return  # named already
    if not known:
        body.error("/for", "None is known with the mode broken.")
    elif target not in known:
        body.error("/for", "spreadsheet, or a mailing tool with the mode blocklist.")


def _read_export(body: BodyReader) -> Mapping[str, Any]:
    body.only("kind", "purpose", "format", "for")
    parameters: dict[str, Any] = {"format": "csv", **_named(body, "format", "for")}
    _read_purpose(body, parameters)
    _check_words(body, parameters, {"format": ["csv", JSON_LINES], "for": [SPREADSHEET]})
    return parameters


def _read_purpose(body: BodyReader, parameters: dict[str, Any]) -> None:
    """Read the one decision that a list or an export is for."""
    purpose = body.sent.get("purpose")
    questions = body.clinic.resolve_names(str(purpose)) if is_word(purpose) else ()
    if len(questions) == 1:
        parameters["purpose"] = questions[0]
        return
    known = ", ".join(questions or body.clinic.questions)
    body.error("/purpose", f"It is for one decision: one of {known}.")


def _read_import(body: BodyReader) -> Mapping[str, Any]:
    """Read what the call for small files takes in its address, as texts; `dry_run` is a truth."""
    body.only("kind", "dry_run", "delimiter", "encoding", *PARAMETERS)
    parameters: dict[str, Any] = _named(body, "delimiter", "encoding", *PARAMETERS)
    read_rules(values_of(parameters), body.clinic, body.errors)
    _check_words(body, parameters, {"delimiter": list(DELIMITERS), "encoding": list(NAMES)})
    parameters["dry_run"] = body.truth("dry_run", default=False)
    return parameters


def _check_words(
    body: BodyReader, parameters: Mapping[str, Any], choices: Mapping[str, list[str]]
) -> None:
    for name, words in choices.items():
        if name in parameters and parameters[name] not in words:
            body.error(f"/{name}", f"One of: {', '.join(words)}.")


def _named(body: BodyReader, *names: str) -> dict[str, str]:
    return {name: _line(body, name) for name in names if body.has(name)}


def _line(body: BodyReader, name: str) -> str:
    value = body.sent[name]
    if isinstance(value, str) and 0 < len(value) <= MAX_LINE and value.isprintable():
        return value
    body.error(f"/{name}", f"A text of at most {MAX_LINE} printable characters.")
    return ""


READERS: Mapping[str, Callable[[BodyReader], Mapping[str, Any]]] = {
    "export": _read_export,
    "import": _read_import,
    "links": _read_links,
    "scrub": _read_scrub,
}
"""What reads the parameters of each kind of job."""


def _without_body(request: Request, clinic: str) -> AuthorizedCall[EmptyBody]:
    return authorize(request, clinic, SCOPES, no_body, body_optional=True)


def _describe(view: JobView) -> dict[str, Any]:
    """Write a job as the API tells it."""
    job = view.job
    described: dict[str, Any] = {
        "id": job.id,
        "kind": job.kind,
        "parameters": dict(job.parameters),
        "state": view.state,
        "created_at": job.created_at,
        "expires_at": job.expires_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "parts": {"done": view.parts_done, "total": job.plan.parts if job.plan else None},
        "rows": {"done": view.rows_done, "total": job.plan.rows if job.plan else None},
        "counts": dict(view.counts),
        "faults": {
            "count": view.faults,
            "first": [{"line": each.line, "reason": each.reason} for each in job.first_faults],
        },
    }
    if view.faults_url:
        described["faults"]["url"] = view.faults_url
    if view.upload_url:
        described["upload_url"] = view.upload_url
    if view.download_url:
        described["download_url"] = view.download_url
    if job.problem and view.state is JobState.FAILED:
        described["problem"] = job.problem
    if job.result:
        described |= {"size": job.result.size, "sha256": job.result.sha256}
        if job.result.certificate:
            described["certificate"] = job.result.certificate
    return described
