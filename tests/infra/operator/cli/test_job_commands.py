"""Lists of any size from the command line: sent, worked on by jobs, fetched, and gone on with."""

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from chalicelib.jobs import long_jobs
from chalicelib.store import jobs
from infra.local.server import Reply, Request
from tests.cast import TBILISI
from tests.infra.operator.cli.conftest import Said, Terminal
from tests.policies import under_policy_of
from tests.web.api.test_jobs import jobs_key
from tests.web.client import Program
from tests.web.running import RunningPortal

LIST = "email;note\r\nyes@job.example;1\r\nno@job.example;2\r\nbroken\r\n"
SCRUB = ("scrub", "list.csv", "--purpose", "newsletter.email", "--job")


@dataclass
class Machine:
    """The state machine's part, played when a job is started or when the test says so."""

    portal: RunningPortal
    program: Program
    terminal: Terminal
    at_once: bool = True

    def watch(self, change: Callable[[Request, dict[str, Any]], None] = lambda *_: None) -> None:
        """Work on each job that is started; let `change` see and change what the API tells."""
        served = self.terminal.served

        def before(request: Request) -> Reply | None:
            if "/jobs" not in request.target:
                return None
            served.before = lambda _request: None
            reply = served.answer(request)
            served.before = before
            if request.target.endswith("/start") and reply.status == 200 and self.at_once:
                with contextlib.redirect_stdout(io.StringIO()):  # the portal's metrics
                    self.work(json.loads(reply.body)["id"])
            told = json.loads(reply.body)
            change(request, told)
            return Reply(reply.status, reply.headers, json.dumps(told).encode())

        served.before = before

    def work(self, job: str) -> None:
        """Plan a job, do its parts, and join them."""
        key = jobs_key(self.portal, self.program)
        portal = self.portal.in_process
        execution = jobs.read(portal.table, self.program.clinic, key, job).execution
        name = {"clinic": self.program.clinic, "key": key, "job": job, "execution": execution}

        def step(do: str, **more: Any) -> dict[str, Any]:
            function = "job_part" if do == "part" else "job_steps"
            with under_policy_of(portal, function):
                return long_jobs.step(portal, {"do": do, **name, **more})

        planned = step("plan")
        if not planned["go"]:
            return
        s3 = portal.aws.client("s3")
        got = s3.get_object(Bucket=planned["bucket"], Key=planned["manifest"])["Body"].read()
        for line in got.splitlines():
            assert step("part", plan=planned["plan"], part=json.loads(line))["go"]
        assert step("join")["go"]


@pytest.fixture
def machine(terminal: Terminal, portal: RunningPortal) -> Machine:
    """Give a clinic with a list, and the machine that works for it."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    terminal.monkeypatch.setenv("XDG_STATE_HOME", str(terminal.folder.parent / "state"))
    terminal.monkeypatch.setattr("infra.operator.cli.long_jobs.time.sleep", lambda _seconds: None)
    terminal.write("list.csv", LIST)
    words = ("record", "--email", "yes@job.example", "--yes", "newsletter.email")
    paper = ("--channel", "paper", "--effective-at", "2026-11-20T10:00:00Z", "--form", "A 1")
    assert terminal(*words, *paper).code == 0
    made = Machine(portal, program, terminal)
    made.watch()
    return made


def number_of(said: Said) -> str:
    """Give the job's id that a command says how to go on with."""
    return said.err.rpartition("consent jobs resume ")[2].split()[0]


def test_a_list_of_any_size_is_cleaned_with_its_certificate(
    terminal: Terminal, machine: Machine
) -> None:
    """A million rows are one command, as ten are."""
    said = terminal(*SCRUB)
    assert (said.code, said.out) == (0, ""), said.err
    saved = (terminal.folder / "list.permitted.csv").read_bytes().decode()
    assert saved == "email;note\r\nyes@job.example;1\r\n"
    assert "line 4" in said.err
    assert terminal("verify", "list.permitted.csv.certificate.jwt").code == 0
    report = terminal(*SCRUB, "--json").json()
    assert report["statement"]["permitted"] == 1
    listed = terminal("jobs", "list", "--json").json()["jobs"]
    assert [each["state"] for each in listed] == ["done", "done"]
    assert report["job"] in terminal("jobs", "list").out
    shown = terminal("jobs", "show", report["job"])
    assert ("State\tdone" in shown.out, "line 4" in shown.err) == (True, True)
    assert terminal.served.client  # nothing is left to be gone on with:
    assert not list((terminal.folder.parent / "state" / "consent" / "jobs").iterdir())
    assert machine.program.key not in shown.out + shown.err


def test_links_come_by_a_job_as_they_come_by_calls(terminal: Terminal, machine: Machine) -> None:
    """A mailing tool that is set up for one way takes the other."""
    assert machine.at_once
    by_job = terminal("links", "list.csv", "--job", "-o", "a.csv", "--json")
    by_call = terminal("links", "list.csv", "-o", "b.csv", "--json")
    assert (by_job.code, by_call.code) == (5, 5), by_job.err
    assert by_job.json()["broken_lines"] == by_call.json()["broken_lines"] == [4]
    assert (by_job.json()["links"], by_call.json()["links"]) == (2, 2)
    heads = [(terminal.folder / name).read_bytes().split(b"\r\n")[0] for name in ("a.csv", "b.csv")]
    assert heads[0] == heads[1]
    assert heads[0].startswith(b"email;note;url;unsubscribe_url")
    assert "line 4" in terminal("links", "list.csv", "--job", "-o", "c.csv").err


def test_a_clinic_moves_in_by_a_job(terminal: Terminal, machine: Machine) -> None:
    """Ten thousand members are one command, and a report of every line is saved."""
    assert machine.at_once
    header = "Email Address,OPTIN_TIME,CONFIRM_TIME\n"
    times = "2024-03-01 10:15:00,2024-03-01 10:20:00\n"
    terminal.write("in.csv", f"{header}in@job.example,{times}nonsense,{times}")
    words = ("import", "in.csv", "--from", "mailchimp", "--purpose", "newsletter.email", "--job")
    said = terminal(*words, "--dry-run")
    assert said.code == 5, said.err
    assert ("line 3" in said.err, "dry run" in said.err) == (True, True)
    report = (terminal.folder / "in.report.csv").read_text("utf-8")
    assert ("recorded" in report, "rejected" in report, "in@job" in report) == (True, True, False)
    asked = ("status", "--email", "in@job.example", "--purpose", "newsletter.email")
    assert "never_asked" in terminal(*asked).out
    told = terminal(*words, "-o", "told.csv", "--json").json()
    assert (told["outcomes"]["recorded"], told["outcomes"]["rejected"]) == (1, 1)
    assert "never_asked" not in terminal(*asked).out


@pytest.mark.parametrize("command", ["scrub", "links", "import"])
def test_no_job_saves_its_result_over_the_list(
    terminal: Terminal, machine: Machine, command: str
) -> None:
    """A slip with -o costs nobody the list, and no job is made."""
    assert machine.at_once
    more = {
        "scrub": ("--purpose", "newsletter.email"),
        "links": (),
        "import": ("--from", "mailchimp", "--purpose", "newsletter.email"),
    }[command]
    said = terminal(command, "list.csv", *more, "--job", "-o", "list.csv")
    assert (said.code, "Name another -o FILE" in said.err) == (2, True)
    assert (terminal.folder / "list.csv").read_bytes().decode() == LIST
    assert terminal("jobs", "list", "--json").json()["jobs"] == []


def test_a_job_that_goes_on_is_not_saved_over_its_list(
    terminal: Terminal, machine: Machine
) -> None:
    """The list of the first command, and one that is sent instead, stay as they are."""
    terminal.write("list.csv", "nobody;knows\r\n1;2\r\n")
    number = number_of(terminal(*SCRUB))
    terminal.write("better.csv", LIST)
    before = {each.name: each.read_bytes() for each in terminal.folder.iterdir()}
    for slip in (
        ("-o", "list.csv"),
        ("--file", "better.csv", "-o", "better.csv"),
        ("--file", "list.permitted.csv"),
    ):
        said = terminal("jobs", "resume", number, *slip)
        assert (said.code, "Name another -o FILE" in said.err) == (2, True)
    assert {each.name: each.read_bytes() for each in terminal.folder.iterdir()} == before
    assert terminal("jobs", "resume", number, "--file", "better.csv").code == 0
    assert machine.at_once


def test_after_ctrl_c_it_goes_on(terminal: Terminal, machine: Machine) -> None:
    """The laptop may be closed: the portal works on, and the result is fetched later."""
    machine.at_once = False

    def closed(_seconds: float) -> None:
        raise KeyboardInterrupt

    terminal.monkeypatch.setattr("infra.operator.cli.long_jobs.time.sleep", closed)
    said = terminal(*SCRUB)
    assert said.code == 130
    number = number_of(said)
    kept = terminal.folder.parent / "state" / "consent" / "jobs" / f"{number}.json"
    assert kept.stat().st_mode & 0o077 == 0
    assert machine.program.key not in kept.read_text("utf-8")
    assert "X-Amz" not in kept.read_text("utf-8")
    assert not (terminal.folder / "list.permitted.csv").exists()
    machine.work(number)
    resumed = terminal("jobs", "resume", number)
    assert resumed.code == 0, resumed.err
    assert (terminal.folder / "list.permitted.csv").exists()
    assert terminal("verify", "list.permitted.csv.certificate.jwt").code == 0


def test_a_list_that_was_not_sent_is_sent_again(terminal: Terminal, machine: Machine) -> None:
    """A network that breaks while the list is sent costs a moment, or one command later."""
    broken = f"{terminal.served.base_url}/nowhere"
    tries = 2

    def away(request: Request, told: dict[str, Any]) -> None:
        nonlocal tries
        if request.method == "GET" and "upload_url" in told and tries:
            tries -= 1
            told["upload_url"] = broken

    machine.watch(away)
    said = terminal(*SCRUB)
    assert (said.code, tries) == (0, 0), said.err
    tries = 100
    (terminal.folder / "list.permitted.csv").unlink()
    said = terminal(*SCRUB)
    assert (said.code, "nowhere" in said.err) == (4, False)
    tries = 0
    assert terminal("jobs", "resume", number_of(said)).code == 0
    assert (terminal.folder / "list.permitted.csv").exists()


def test_a_job_that_failed_takes_a_better_list(terminal: Terminal, machine: Machine) -> None:
    """What was wrong with the list is said, and the next command goes on with it mended."""
    assert machine.at_once
    terminal.write("list.csv", "nobody;knows\r\n1;2\r\n")
    said = terminal(*SCRUB)
    assert (said.code, "knows" in said.err) == (1, True), said.err
    terminal.write("better.csv", LIST)
    resumed = terminal("jobs", "resume", number_of(said), "--file", "better.csv")
    assert resumed.code == 0, resumed.err
    assert b"yes@job.example" in (terminal.folder / "list.permitted.csv").read_bytes()


def test_a_result_that_is_not_the_portals_is_not_saved(
    terminal: Terminal, machine: Machine
) -> None:
    """A result that was cut or changed on its way never becomes a list to send to."""

    def changed(_request: Request, told: dict[str, Any]) -> None:
        if "sha256" in told:
            told["sha256"] = "0" * 64

    machine.watch(changed)
    said = terminal(*SCRUB)
    assert (said.code, "not what the portal says" in said.err) == (1, True)
    assert [each.name for each in terminal.folder.iterdir()] == ["list.csv"]


def test_a_job_is_cancelled_and_another_clinics_is_not_there(
    terminal: Terminal, machine: Machine, portal: RunningPortal
) -> None:
    """Nobody reads or stops a stranger's list."""
    machine.at_once = False

    def closed(_seconds: float) -> None:
        raise KeyboardInterrupt

    terminal.monkeypatch.setattr("infra.operator.cli.long_jobs.time.sleep", closed)
    number = number_of(terminal(*SCRUB))
    terminal.works_for(TBILISI, portal.api_keys[TBILISI])
    assert terminal("jobs", "cancel", number).code == 1
    assert terminal("jobs", "show", number).code == 1
    said = terminal("jobs", "resume", number)
    assert (said.code, machine.program.clinic in said.err) == (1, True)
    terminal.works_for(machine.program.clinic, machine.program.key or "")
    assert terminal("jobs", "cancel", number, "--json").json()["state"] == "cancelled"
    assert terminal("jobs", "resume", number).code == 1
    assert terminal("jobs", "resume", "../../etc/passwd").code == 1
