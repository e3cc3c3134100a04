"""Jobs by the API, and the steps that the state machine would call for, one by one."""

import csv
import hashlib
import io
import json
import urllib.request
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from chalicelib.domain.api_keys import digest
from chalicelib.domain.instants import instant, moment
from chalicelib.jobs import long_jobs
from chalicelib.receipts.certificates import verify_certificate
from chalicelib.services.jobs import STOPPED
from chalicelib.store import jobs
from chalicelib.store.job_machine import JobMachine
from chalicelib.store.keys.jobs import job_key
from chalicelib.store.writes import Put
from infra.operator import keys
from tests.cast import TBILISI
from tests.policies import under_policy_of
from tests.web.client import Program
from tests.web.running import RunningPortal

ROWS = 1200
FILE = "email;note\r\n" + "".join(
    f'p{number}@example.org;"{number};\r\nsecond line"\r\n' for number in range(ROWS)
)


class Work:
    """A job of a program, and the machine's part in it, played by the test."""

    def __init__(
        self, portal: RunningPortal, program: Program, kind: str = "links", **asked: Any
    ) -> None:
        self.portal = portal
        self.program = program
        made = program.call("jobs", {"kind": kind, **asked})
        assert made.status == 201, made.text
        self.id = made.json()["id"]
        self.upload_url = made.json().get("upload_url", "")
        key = jobs_key(portal, program)
        self.name = {"clinic": program.clinic, "key": key, "job": self.id}

    def upload(self, content: str | bytes) -> None:
        """Send the file, as a program would."""
        sent = content.encode() if isinstance(content, str) else content
        typed = {"Content-Type": "text/csv"}
        request = urllib.request.Request(self.upload_url, sent, typed, method="PUT")
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 200

    def start(self) -> None:
        """Start it."""
        assert self.program.call(f"jobs/{self.id}/start", {}).status == 200

    def read(self) -> dict[str, Any]:
        """Ask how it stands."""
        answer = self.program.get(f"jobs/{self.id}")
        assert answer.status == 200, answer.text
        described: dict[str, Any] = answer.json()
        return described

    def execution(self) -> str | None:
        """Give the name of its latest run."""
        return jobs.read(self.portal.table, *self.name.values()).execution

    def step(self, do: str, **more: Any) -> dict[str, Any]:
        """Do one step of the latest run, or of the `execution` given; under its function's policy."""
        function = "job_part" if do == "part" else "job_steps"
        portal = self.portal.in_process
        asked = {"do": do, **self.name, "execution": self.execution(), **more}
        with under_policy_of(portal, function):
            return long_jobs.step(portal, asked)

    def plan(self) -> tuple[str, list[dict[str, int]]]:
        """Plan it; give the plan's id and the parts to be done."""
        planned = self.step("plan")
        assert planned["go"], self.read()
        s3 = self.portal.in_process.aws.client("s3")
        got = s3.get_object(Bucket=planned["bucket"], Key=planned["manifest"])["Body"].read()
        return planned["plan"], [json.loads(line) for line in got.splitlines()]

    def part(self, plan: str, part: dict[str, int]) -> dict[str, Any]:
        """Do one part."""
        return self.step("part", plan=plan, part=part)

    def run(self) -> dict[str, Any]:
        """Do all of it."""
        plan, parts = self.plan()
        for part in parts:
            assert self.part(plan, part)["go"]
        assert self.step("join")["go"]
        return self.read()


def jobs_key(portal: RunningPortal, program: Program) -> str:
    """Give the id of a program's key."""
    record = portal.in_process.directory.api_key(digest(program.key or ""))
    assert record is not None
    return str(json.loads(record)["id"])


def fetched(url: str) -> bytes:
    """Fetch a file by its presigned address."""
    with urllib.request.urlopen(url) as answer:
        return bytes(answer.read())


def rows_of(content: bytes) -> list[dict[str, str]]:
    """Read a result."""
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), delimiter=";"))


@pytest.fixture(scope="module")
def program(settled: RunningPortal) -> Program:
    """Give the program of a clinic of its own."""
    return settled.open_clinic()


def test_a_list_comes_back_with_a_link_in_every_row(
    portal: RunningPortal, program: Program
) -> None:
    """A mailing for everybody is made without a thousand calls; every other cell stays as it is."""
    work = Work(portal, program, purposes=["newsletter.email"])
    assert work.read()["state"] == "created"
    work.upload(FILE)
    work.start()
    assert work.read()["state"] == "running"
    done = work.run()
    assert (done["state"], done["rows"], done["faults"]["count"]) == (
        "done",
        {"done": ROWS, "total": ROWS},
        0,
    )
    assert done["parts"]["total"] > 1
    result = fetched(done["download_url"])
    assert len(result) == done["size"]
    rows = rows_of(result)
    assert [row["email"] for row in rows] == [f"p{number}@example.org" for number in range(ROWS)]
    assert rows[7]["note"] == "7;\r\nsecond line"
    assert len({row["url"] for row in rows}) == ROWS
    address = urlsplit(rows[5]["url"])
    assert program.client.get(f"/{program.clinic}?{address.query}").status == 200


def test_a_part_that_is_done_twice_gives_the_same(portal: RunningPortal, program: Program) -> None:
    """Lambda may call twice, and the machine may try again: nobody gets two links."""
    work = Work(portal, program)
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    for part in [*parts, *parts]:
        work.part(plan, part)
    first = list(jobs.parts(portal.table, jobs.read(portal.table, *work.name.values()), plan))
    work.part(plan, parts[0])
    again = list(jobs.parts(portal.table, jobs.read(portal.table, *work.name.values()), plan))
    assert [part.output for part in first] == [part.output for part in again]
    work.step("join")
    done = work.read()
    assert done["rows"] == {"done": ROWS, "total": ROWS}
    assert work.step("join") == {"go": False}
    assert done["sha256"] == work.read()["sha256"]


def test_a_job_that_broke_goes_on_where_it_broke(portal: RunningPortal, program: Program) -> None:
    """Half an hour of work is not done again because of one part."""
    work = Work(portal, program)
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    for part in parts[:2]:
        work.part(plan, part)
    assert work.step("join") == {"go": False}
    failed = work.read()
    assert failed["state"] == "failed"
    assert f"{len(parts) - 2} of {len(parts)} parts" in failed["problem"]
    work.start()
    plan_again, missing = work.plan()
    assert (plan_again, missing) == (plan, parts[2:])
    for part in missing:
        work.part(plan, part)
    work.step("join")
    assert work.read()["rows"] == {"done": ROWS, "total": ROWS}


def test_a_job_that_was_started_again_is_failed_by_no_run_before(
    portal: RunningPortal, program: Program
) -> None:
    """The first run may come to its join when the second is at work: only the second counts."""
    work = Work(portal, program)
    work.upload(FILE)
    work.start()
    first = work.execution()
    plan, parts = work.plan()
    work.part(plan, parts[0])
    work.upload(FILE.replace("@example.org", "@example.com"))
    assert work.part(plan, parts[1]) == {"go": False}
    work.start()
    plan, parts = work.plan()
    for do in ("join", "broken", "plan"):
        assert work.step(do, execution=first) == {"go": False}
    assert work.step("part", execution=first, plan=plan, part=parts[0]) == {"go": False}
    told = work.read()
    assert (told["state"], told["parts"]["done"]) == ("running", 0)
    assert work.run()["state"] == "done"


def test_a_file_that_is_uploaded_anew_is_planned_anew(
    portal: RunningPortal, program: Program
) -> None:
    """No part of one file is joined with parts of another."""
    work = Work(portal, program)
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    work.part(plan, parts[0])
    work.upload(FILE.replace("@example.org", "@example.com"))
    assert work.part(plan, parts[1]) == {"go": False}
    failed = work.read()
    assert (failed["state"], failed["problem"]) == ("failed", long_jobs.CHANGED)
    work.start()
    done = work.run()
    result = rows_of(fetched(done["download_url"]))
    assert {row["email"].partition("@")[2] for row in result} == {"example.com"}


def test_faults_are_told_by_line_and_repeat_no_row(portal: RunningPortal, program: Program) -> None:
    """A clinic finds the broken rows in its own file; nothing is guessed of them."""
    lines = ["email,name", "anna@example.org,Anna", "nobody-here,Berta", ",Clara", "d@example.org"]
    work = Work(portal, program)
    work.upload("\n".join(lines))
    work.start()
    done = work.run()
    told = {each["line"]: each["reason"] for each in done["faults"]["first"]}
    assert told.keys() == {3, 4, 5}
    assert done["counts"] == {"links": 1}
    listed = [json.loads(line) for line in fetched(done["faults"]["url"]).splitlines()]
    assert listed == done["faults"]["first"]
    assert "nobody-here" not in json.dumps(done["faults"])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No file was uploaded"),
        ("", "header"),
        ("name\nAnna\n", "no column"),
        ('email\n"' + "x" * 1_200_000, "not closed"),
    ],
)
def test_a_file_that_is_no_list_is_told_so(
    portal: RunningPortal, program: Program, content: str | None, problem: str
) -> None:
    """A clear reason, and the right file can be sent to the same job."""
    work = Work(portal, program)
    if content is not None:
        work.upload(content)
    work.start()
    assert work.step("plan") == {"go": False}
    failed = work.read()
    assert failed["state"] == "failed"
    assert problem in failed["problem"]
    work.upload_url = failed["upload_url"]
    work.upload(FILE)
    work.start()
    assert work.run()["state"] == "done"


def test_a_job_is_nobodys_but_the_keys_that_made_it(
    portal: RunningPortal, program: Program
) -> None:
    """Another key of the clinic, and another clinic, find nothing, and can stop nothing."""
    work = Work(portal, program)
    work.upload("email\nanna@example.org\n")
    work.start()
    work.run()
    colleague = Program(program.clinic, portal.new_key(program.clinic))
    stranger = portal.program(TBILISI)
    poking = Program(program.clinic, stranger.key)
    for other in (colleague, stranger, poking):
        answers = [other.get(f"jobs/{work.id}")]
        answers += [other.call(f"jobs/{work.id}/{what}", {}) for what in ("start", "cancel")]
        assert {answer.status for answer in answers} == {404}
    assert work.id not in colleague.get("jobs").text
    assert work.id not in stranger.get("jobs").text
    assert work.id in program.get("jobs").text
    assert work.read()["state"] == "done"


def test_an_address_opens_one_file_and_no_other(portal: RunningPortal, program: Program) -> None:
    """What was given out for one file names that file alone, below clinic, key and job."""
    work = Work(portal, program)
    place = urlsplit(work.upload_url)
    assert place.path.endswith(f"/{program.clinic}/{work.name['key']}/{work.id}/input")
    assert "X-Amz-Expires=3600" in place.query


def test_a_cancelled_job_does_nothing_more(portal: RunningPortal, program: Program) -> None:
    """Stopping is at once: parts that come later do nothing, and it cannot be started again."""
    work = Work(portal, program)
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    work.part(plan, parts[0])
    answer = program.call(f"jobs/{work.id}/cancel", {})
    assert (answer.status, answer.json()["state"]) == (200, "cancelled")
    assert work.part(plan, parts[1]) == {"go": False}
    assert work.step("join") == {"go": False}
    assert work.step("broken") == {"go": False}
    assert work.read()["state"] == "cancelled"
    again = program.call(f"jobs/{work.id}/start", {})
    assert (again.status, again.json()["title"]) == (409, "Not now")


def test_a_revoked_key_ends_its_jobs(portal: RunningPortal) -> None:
    """Whoever leaves takes nothing along, not even by a job that was started before."""
    clinic = portal.open_clinic().clinic
    record, secret = keys.create(portal.table, clinic, "a worker")
    work = Work(portal, Program(clinic, secret))
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    work.part(plan, parts[0])
    keys.revoke(portal.table, clinic, record.id)
    assert work.part(plan, parts[1]) == {"go": False}
    stored = jobs.read(portal.table, clinic, record.id, work.id)
    assert (stored.state, stored.problem) == ("failed", long_jobs.KEY_GONE)
    assert work.program.get(f"jobs/{work.id}").status == 401


def test_a_key_revoked_before_the_join_ends_its_job(portal: RunningPortal) -> None:
    """Nothing is put together any more, and the record says why."""
    clinic = portal.open_clinic().clinic
    record, secret = keys.create(portal.table, clinic, "a worker")
    work = Work(portal, Program(clinic, secret))
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    for part in parts:
        assert work.part(plan, part)["go"]
    keys.revoke(portal.table, clinic, record.id)
    assert work.step("join") == {"go": False}
    stored = jobs.read(portal.table, clinic, record.id, work.id)
    assert (stored.state, stored.problem) == ("failed", long_jobs.KEY_GONE)


def test_after_a_day_the_files_are_gone_and_the_counts_stay(
    portal: RunningPortal, program: Program
) -> None:
    """No address is given out any more, and nothing can be started."""
    work = Work(portal, program)
    work.upload("email\nanna@example.org\n")
    work.start()
    assert work.run()["rows"]["done"] == 1
    job = jobs.read(portal.table, *work.name.values())
    yesterday = instant(moment(job.created_at) - timedelta(days=1))
    key = job_key(job.clinic, job.key, job.id)
    portal.table.put(Put(key, {"body": replace(job, created_at=yesterday).stored()}))
    old = work.read()
    assert (old["state"], old["rows"]["done"]) == ("expired", 1)
    assert not {"upload_url", "download_url"} & old.keys()
    assert program.call(f"jobs/{work.id}/start", {}).status == 409


def test_the_same_call_makes_one_job(portal: RunningPortal, program: Program) -> None:
    """A program that lost the answer asks again, and has one job."""
    once = {"Idempotency-Key": "once"}
    first = program.call("jobs", {"kind": "links"}, once)
    again = program.call("jobs", {"kind": "links"}, once)
    assert (first.status, first.json()["id"]) == (again.status, again.json()["id"])
    other = program.call("jobs", {"kind": "links", "lang": "en"}, once)
    assert (other.status, other.json()["title"]) == (422, "Idempotency-Key used before")
    colleague = Program(program.clinic, portal.new_key(program.clinic))
    assert colleague.call("jobs", {"kind": "links"}, once).json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/kind"),
        ({"kind": "everything"}, "/kind"),
        ({"kind": ["links"]}, "/kind"),
        ({"kind": "links", "lang": "xx"}, "/lang"),
        ({"kind": "links", "expires_in": 5}, "/expires_in"),
        ({"kind": "links", "column": 7}, "/column"),
        ({"kind": "links", "purpose": "newsletter"}, "/purpose"),
        ({"kind": "scrub"}, "/purpose"),
        ({"kind": "export"}, "/purpose"),
        ({"kind": "export", "purpose": "newsletter.email", "format": "xml"}, "/format"),
        ({"kind": "scrub", "purpose": "newsletter"}, "/purpose"),
        ({"kind": "scrub", "purpose": "newsletter.email", "mode": "all"}, "/mode"),
        ({"kind": "scrub", "purpose": "newsletter.email", "mode": "blocklist"}, "/for"),
        ({"kind": "scrub", "purpose": "newsletter.email", "for": "brevo"}, "/for"),
        (
            {
                "kind": "scrub",
                "purpose": "newsletter.email",
                "mode": "broken",
                "for": "spreadsheet",
            },
            "/for",
        ),
        ({"kind": "scrub", "purpose": "newsletter.email", "encoding": "x"}, "/encoding"),
    ],
)
def test_what_a_kind_does_not_know_is_named(
    program: Program, body: dict[str, Any], pointer: str
) -> None:
    """Each fault with its place; nothing is made."""
    answer = program.call("jobs", body)
    assert answer.status == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


def test_jobs_are_listed_the_newest_first(portal: RunningPortal) -> None:
    """A program finds the job it started, page by page."""
    program = portal.open_clinic()
    made = [program.call("jobs", {"kind": "links"}).json()["id"] for _ in range(53)]
    first = program.get("jobs").json()
    second = program.get(f"jobs?cursor={first['cursor']}").json()
    listed = [job["id"] for page in (first, second) for job in page["jobs"]]
    assert sorted(listed) == sorted(made)
    assert len(first["jobs"]) == 50
    assert "cursor" not in second
    assert program.get("jobs?cursor=%ff").status == 400


def test_the_record_holds_no_contact(portal: RunningPortal) -> None:
    """What stays for a month, in the table and in the machine's history, names nobody."""
    program = portal.open_clinic()
    work = Work(portal, program)
    work.upload("email\nunusual.person@example.org\nbroken-unusual\n")
    work.start()
    work.run()
    assert b"unusual" not in portal.everything()


@pytest.fixture(scope="module")
def asked(settled: RunningPortal) -> Program:
    """Give a clinic where every third person agreed, and every third took it back."""
    program = settled.open_clinic()
    for number in range(30):
        body = {"subject": {"email": f"p{number}@example.org"}, "channel": "phone"}
        body |= {"effective_at": "2026-11-10T10:00:00+02:00"}
        if number % 3 < 2:
            decisions = {"newsletter.email": "yes"}
            assert program.call("receipts", {**body, "decisions": decisions}).status == 201
        if number % 3 == 1:
            assert program.call("withdrawals", {**body, "all": True}).status == 201
    return program


@pytest.mark.parametrize(
    "how", [{}, {"mode": "annotate"}, {"mode": "blocklist", "for": "mailchimp"}]
)
def test_a_large_list_is_answered_as_a_small_one_is(
    portal: RunningPortal, asked: Program, how: dict[str, str]
) -> None:
    """Whatever a call answers to a list, a job answers to it byte for byte, and signs it."""
    work = Work(portal, asked, "scrub", purpose="newsletter.email", **how)
    work.upload(FILE)
    work.start()
    done = work.run()
    assert done["parts"]["total"] > 1
    query = urlencode({"purpose": "newsletter.email", **how})
    small = asked.call(f"scrub?{query}", FILE.encode(), {"Content-Type": "text/csv"})
    result = fetched(done["download_url"])
    assert result == small.body
    assert done["counts"]["permitted"] == 10
    jwks = asked.client.get("/.well-known/jwks.json").json()
    ours = verify_certificate(done["certificate"], jwks).document
    theirs = verify_certificate(small.headers["consent-certificate"], jwks).document
    changing = {"id", "asked_at", "issued_at", "valid_until"}
    for name in ours.keys() - changing:
        assert ours[name] == theirs[name], name
    assert ours["output"]["sha256"] == hashlib.sha256(result).hexdigest()
    assert ours["asked_at"] <= ours["issued_at"]


@pytest.mark.parametrize("rows", ["", "=1+1,p0@example.org\n+2,p3@example.org\n"])
def test_a_job_counts_the_cells_of_the_header_that_changed(
    portal: RunningPortal, asked: Program, rows: str
) -> None:
    """A clinic that compares by a job is told of as many changed cells as by a call."""
    how = {"purpose": "newsletter.email", "for": "spreadsheet"}
    content = f"=note,email\n{rows}"
    work = Work(portal, asked, "scrub", **how)
    work.upload(content)
    work.start()
    done = work.run()
    small = asked.call(f"scrub?{urlencode(how)}", content.encode(), {"Content-Type": "text/csv"})
    assert fetched(done["download_url"]) == small.body
    told = dict(each.split("=") for each in small.headers["consent-list"].split(", "))
    assert done["counts"]["cells_changed"] == int(told["cells-changed"]) == 1 + rows.count("\n")


def test_a_withdrawal_meanwhile_is_in_the_list(portal: RunningPortal, asked: Program) -> None:
    """Each part asks the table: who withdraws after the upload is not written to."""
    person = {"subject": {"email": "p900@example.org"}, "channel": "phone"}
    person |= {"effective_at": "2026-11-10T10:00:00+02:00"}
    yes = {"decisions": {"newsletter.email": "yes"}}
    assert asked.call("receipts", {**person, **yes}).status == 201
    work = Work(portal, asked, "scrub", purpose="newsletter.email")
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    assert asked.call("withdrawals", {**person, "all": True}).status == 201
    for part in parts:
        work.part(plan, part)
    work.step("join")
    assert b"p900@" not in fetched(work.read()["download_url"])


def test_each_part_leaves_a_line_in_the_audit(portal: RunningPortal) -> None:
    """Whom a job looked up is known, also of one that was cancelled half way."""
    program = portal.open_clinic()
    work = Work(portal, program, "scrub", purpose="newsletter.email")
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    work.part(plan, parts[0])
    program.call(f"jobs/{work.id}/cancel", {})
    calls = [line["call"] for line in portal.audit(program.clinic)]
    assert sorted(calls) == ["jobs/cancel", "jobs/scrub", "jobs/scrub/part", "jobs/start"]


MOVING = "Email Address,CONFIRM_TIME,OPTIN_TIME\n" + "".join(
    f'in{number}@example.org,"2024-03-01 10:{number % 60:02d}:00","2024-03-01 09:00:00"\n'
    for number in range(500)
)
SAID = {"from": "mailchimp", "purpose": "newsletter.email", "list": "News"}


def test_a_clinic_of_any_size_moves_in(portal: RunningPortal) -> None:
    """Each line is recorded once, though a part is done twice, with what the call would tell."""
    program = portal.open_clinic()
    content = MOVING + "not-an-address,,\nin3@example.org\n"
    trial = Work(portal, program, "import", **SAID, dry_run=True)
    trial.upload(content)
    trial.start()
    assert trial.run()["state"] == "done"
    asked = {"subjects": [{"email": "in7@example.org"}], "purposes": ["newsletter.email"]}
    before = program.call("status", asked).json()["results"][0]["decisions"]["newsletter.email"]
    assert before["state"] == "never_asked"

    work = Work(portal, program, "import", **SAID)
    work.upload(content)
    work.start()
    plan, parts = work.plan()
    assert len(parts) > 1
    for part in [*parts, parts[0], *parts]:
        assert work.part(plan, part)["go"], work.read()
    work.step("join")
    done = work.read()
    assert (done["counts"], done["faults"]["count"]) == ({"recorded": 500, "rejected": 2}, 2)
    report = list(csv.DictReader(io.StringIO(fetched(done["download_url"]).decode())))
    assert [int(row["line"]) for row in report] == list(range(2, 504))
    told = program.call("status", asked).json()["results"][0]["decisions"]["newsletter.email"]
    assert (told["channel"], told["assurance"], told["version"]) == ("import", "imported", 1)
    dry = list(csv.DictReader(io.StringIO(fetched(trial.read()["download_url"]).decode())))
    assert [row["states"] for row in dry] == [row["states"] for row in report]


@pytest.mark.parametrize(
    ("said", "pointer"),
    [({}, "/from"), ({**SAID, "tz": "Mars"}, "/tz"), ({**SAID, "dry_run": "yes"}, "/dry_run")],
)
def test_what_is_wrong_with_an_import_is_told_at_once(
    program: Program, said: dict[str, str], pointer: str
) -> None:
    """Not after the upload of a large file."""
    answer = program.call("jobs", {"kind": "import", **said})
    assert answer.status == 422
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_everybody_who_may_be_written_to_is_exported(
    portal: RunningPortal, asked: Program, form: str
) -> None:
    """All of them in one file, each once, as the call gives them page by page."""
    made = asked.call("jobs", {"kind": "export", "purpose": "newsletter.email", "format": form})
    assert "upload_url" not in made.json()
    work = Work(portal, asked, "export", purpose="newsletter.email", format=form)
    work.start()
    done = work.run()
    assert (done["parts"]["total"], done["counts"]) == (16, {"exported": 10})
    result = fetched(done["download_url"]).decode()
    told = asked.get(f"export?purpose=newsletter.email&format={form}").body.decode()
    assert sorted(result.splitlines()) == sorted(told.splitlines())
    if form == "csv":
        assert result.splitlines()[0] == told.splitlines()[0]


def test_an_export_that_is_started_again_is_of_that_moment(
    portal: RunningPortal, program: Program
) -> None:
    """Nobody is in it who withdrew between the two."""
    person = {"subject": {"email": "late@example.org"}, "channel": "phone"}
    person |= {"effective_at": "2026-11-10T10:00:00+02:00"}
    yes = {"decisions": {"newsletter.email": "yes"}}
    assert program.call("receipts", {**person, **yes}).status == 201
    work = Work(portal, program, "export", purpose="newsletter.email")
    work.start()
    plan, parts = work.plan()
    for part in parts[:-1]:
        work.part(plan, part)
    assert work.step("join") == {"go": False}
    assert program.call("withdrawals", {**person, "all": True}).status == 201
    work.start()
    again = work.run()
    assert (again["state"], again["counts"]) == ("done", {"exported": 0})


def test_an_execution_that_ended_by_itself_is_told(portal: RunningPortal, program: Program) -> None:
    """Whoever waits for a job hears that somebody stopped it in the console, and goes on."""
    work = Work(portal, program)
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    work.part(plan, parts[0])
    job = jobs.read(portal.table, *work.name.values())
    machine = JobMachine(portal.in_process.aws, portal.in_process.settings.job_machine)
    machine.stop(str(job.execution))
    assert work.read()["state"] == "running", "it may only just begin"
    earlier = replace(job, started_at=instant(moment(job.created_at) - timedelta(minutes=1)))
    key = job_key(job.clinic, job.key, job.id)
    portal.table.put(Put(key, {"body": earlier.stored()}))
    told = work.read()
    assert (told["state"], told["problem"]) == ("failed", STOPPED)
    work.start()
    assert work.plan() == (plan, parts[1:])


def test_an_execution_that_never_began_is_told(portal: RunningPortal, program: Program) -> None:
    """A start that broke half way leaves a job that can be asked about, and started again."""
    work = Work(portal, program)
    work.upload(FILE)
    work.start()
    job = jobs.read(portal.table, *work.name.values())
    earlier = instant(moment(job.created_at) - timedelta(minutes=1))
    never = replace(job, started_at=earlier, execution=f"{job.id}-00000000")
    key = job_key(job.clinic, job.key, job.id)
    portal.table.put(Put(key, {"body": never.stored()}))
    told = work.read()
    assert (told["state"], told["problem"]) == ("failed", STOPPED)
    work.start()
    assert work.run()["state"] == "done"


def test_a_key_with_a_new_secret_keeps_its_jobs(portal: RunningPortal) -> None:
    """Changing the secret in the middle of a long job loses nothing."""
    program = portal.open_clinic()
    work = Work(portal, program)
    work.upload(FILE)
    work.start()
    plan, parts = work.plan()
    work.part(plan, parts[0])
    answer = program.call(f"keys/{work.name['key']}/rotate", {"overlap_hours": 0})
    assert answer.status == 200, answer.text
    assert program.get(f"jobs/{work.id}").status == 401
    program.key = answer.json()["secret"]
    for part in parts:
        assert work.part(plan, part)["go"], work.read()
    work.step("join")
    assert work.read()["rows"]["done"] == ROWS
