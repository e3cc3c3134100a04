"""Fixtures of all tests: compiled catalogs, and the portal as `make run` starts it."""

import contextlib
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import settings

from chalicelib import log as journal
from chalicelib.domain.api_keys import SCOPES
from chalicelib.portal import Portal, get_portal
from chalicelib.store import table
from infra.build.catalogs import compile_stale
from infra.local.post_office import PostOffice
from infra.local.run import portal_running
from infra.operator import keys as bearer_keys
from tests.cast import environment
from tests.stores import clock, endpoint, portal, post, round_trips

__all__ = ["clock", "endpoint", "portal", "post", "round_trips"]

_SETTINGS_OF_THE_DEVELOPER = (
    "AWS_",
    "TABLE_NAME",
    "CLINIC_KEY_ARN",
    "PUBLIC_URL",
    "SIGNING",
    "MAIL_",
    "SMS_",
)
EFFORT = "effort"
"""The property of a test report that holds the effort of a visit.

Its value: the name, then taps and fields to give and to withdraw consent.
"""

FIGURES = "figures"
"""The property of a test report that holds what a page is in figures.

Its value: the page, screens of a small phone, bytes packed, requests.
"""

TASKS = "tasks"
"""The property of a test report that holds what a task at the desk took.

Its value: the task, presses of the mouse, characters typed, seconds in the test's browser.
"""

# The same examples in every run (`EXPLORE=1` looks for new ones).
# No deadline: a machine may be busy.
settings.register_profile("everywhere", deadline=None, derandomize="EXPLORE" not in os.environ)
settings.load_profile("everywhere")

# An emulator on a busy machine may take longer to answer than DynamoDB ever does.
table.READ_SECONDS = 30


class FailuresAtOnce:
    """Names each failed test at once, so that a run that is stopped early tells its failures too."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        self._terminal = terminal

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Write the name of a test that failed, the step, and the last line of why."""
        if report.failed:
            why = report.longreprtext.strip().rpartition("\n")[2]
            self._terminal.write_line(f"\n{report.when} of {report.nodeid} failed: {why[:300]}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what giving and withdrawing cost on every path, whichever process counted it."""
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    efforts = _reported(reports, EFFORT)
    if efforts:
        terminalreporter.section("taps + fields to give and to withdraw consent")
        width = max(len(visit) for visit, *_ in efforts)
        for visit, *counted in efforts:
            line = "{:{}} {:2} + {}   {:2} + {}".format(visit, width, *counted)
            terminalreporter.write_line(line)

    _print_tasks(terminalreporter, reports)
    pages = _reported(reports, FIGURES)
    if pages:
        terminalreporter.section("screens of 360 × 740, bytes packed and requests of each page")
        width = max(len(page) for page, *_ in pages)
        for page, *counted in pages:
            terminalreporter.write_line("{:{}} {:5} {:6} {:2}".format(page, width, *counted))


def _print_tasks(terminal: pytest.TerminalReporter, reports: list[pytest.TestReport]) -> None:
    tasks = _reported(reports, TASKS)
    if tasks:
        terminal.section("clicks, characters typed and seconds of tasks at the desk")
        width = max(len(task) for task, *_ in tasks)
        for task, *counted in tasks:
            terminal.write_line("{:{}} {:3} {:4} {:6}".format(task, width, *counted))


def _reported(reports: list[pytest.TestReport], name: str) -> list[tuple[Any, ...]]:
    """Give the values of a property from all reports, each once, in order."""
    found = set()
    for report in reports:
        for key, value in getattr(report, "user_properties", ()):
            if key == name:
                found.add(tuple(value))
    return sorted(found)


@pytest.fixture(scope="session", autouse=True)
def no_settings_of_the_developer() -> Iterator[None]:
    """Keep the developer's own AWS account and portal settings out of every test."""
    with environment({}):
        names = [name for name in os.environ if name.startswith(_SETTINGS_OF_THE_DEVELOPER)]
        for name in names:
            del os.environ[name]
        yield


@pytest.fixture(scope="session", autouse=True)
def logger_made_before_any_test() -> None:
    """Make the process's logger before any test runs.

    One made inside a test would write to that test's captured output.
    """
    journal.log()


def pytest_configure(config: pytest.Config) -> None:
    """Compile the translations that are missing or older than their source.

    Some tests read them at import.
    """
    if not hasattr(config, "workerinput"):  # once, before there are others
        compile_stale()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Name failures at once, in the one process that writes to the terminal."""
    plugins = session.config.pluginmanager
    terminal = plugins.get_plugin("terminalreporter")
    if terminal is not None:
        plugins.register(FailuresAtOnce(terminal))


@dataclass(frozen=True)
class LocalStack:
    """The portal on the local AWS: its address, log, settings and the clinics' keys."""

    base_url: str
    log: Path
    settings: Mapping[str, str]
    keys: Mapping[str, str] = field(repr=False)
    post_office: PostOffice | None = None

    @cached_property
    def in_process(self) -> Portal:
        """A portal in this process on the same table, with the stack's settings."""
        with environment(self.settings):
            made = get_portal.__wrapped__()
            _ = made.table.client, made.kms.client, made.aws.client("kms")
            return made

    def managing(self, clinic: str) -> Self:
        """Give this stack with a key of the clinic that may also make links to own pages."""
        _, key = bearer_keys.create(self.in_process.table, clinic, "own pages", SCOPES)
        return replace(self, keys={clinic: key})

    def call(self, clinic: str, what: str, body: Mapping[str, Any] | None = None) -> bytes:
        """Call the clinic's API (POST with a body, else GET) and give the body of a 2xx answer."""
        request = urllib.request.Request(
            f"{self.base_url}/v1/clinics/{clinic}/{what}",
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self.keys[clinic]}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{what}: {error.code} {error.read().decode()}") from None

    def status(self, clinic: str, subject: Mapping[str, str]) -> dict[str, dict[str, Any]]:
        """Ask for a subject's status: every decision of the clinic, by question."""
        results = json.loads(self.call(clinic, "status", {"subjects": [subject]}))["results"]
        decisions: dict[str, dict[str, Any]] = results[0]["decisions"]
        return decisions

    def states(self, clinic: str, subject: Mapping[str, str]) -> dict[str, str]:
        """Ask for a subject's status: the state of every decision, by question."""
        decisions = self.status(clinic, subject)
        return {address: decision["state"] for address, decision in decisions.items()}

    def history(self, clinic: str, subject: Mapping[str, str]) -> list[dict[str, Any]]:
        """Ask for a subject's receipts, oldest first."""
        answer = json.loads(self.call(clinic, "history", {"subject": subject}))
        receipts: list[dict[str, Any]] = answer["receipts"]
        return receipts


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Start the portal as `make run` does, once for all tests."""
    with running_stack(tmp_path_factory.mktemp("portal")) as stack:
        yield stack


@contextlib.contextmanager
def running_stack(folder: Path) -> Iterator[LocalStack]:
    """Start the portal as `make run` does.

    The bundle, the local AWS, CloudFormation, the demo clinics and the front server.
    """
    with contextlib.ExitStack() as stack:
        # Bringing it up sets the local AWS in the environment; other tests must not find it there.
        with environment({}):
            running = stack.enter_context(portal_running(0, folder))
        get_portal.cache_clear()
        keys = {clinic: given["api_key"] for clinic, given in running.clinics.items()}
        log = folder / "portal.log"
        yield LocalStack(running.base_url, log, running.settings, keys, running.post_office)
