"""The command line takes a clinic's file through the same steps, with the same refusals."""

import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.__main__ import main
from tests.factories import a_document
from tests.web.client import Client, Program
from tests.web.letterbox import confirmed
from tests.web.page_reader import decide
from tests.web.running import RunningPortal

ANNA = "anna.ozola@example.org"
NAMES = ["--author", "Ieva Liepa", "--approver", "Juris Klusums"]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], portal: RunningPortal) -> Run:
    """Run a command: give its exit code and what it printed."""
    assert portal

    def command(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(each) for each in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command


def _file(portal: RunningPortal, tmp_path: Path, **changed: Any) -> Path:
    """Write the file of a clinic of its own (JSON is YAML)."""
    name = f"c{next(portal.numbers):03d}"
    path = tmp_path / f"{name}.yaml"
    path.write_text(
        json.dumps(a_document(id=f"clinic-{name}", code=name) | changed), encoding="utf-8"
    )
    return path


def _next(path: Path, version: str, **changed: Any) -> str:
    """Write the next version into the file and give the clinic's id."""
    document = json.loads(path.read_text(encoding="utf-8")) | {"version": version} | changed
    path.write_text(json.dumps(document), encoding="utf-8")
    return str(document["id"])


def _sha256(output: str) -> str:
    """Give the fingerprint that drafting printed."""
    return output.partition("sha256 ")[2].split()[0]


def test_a_file_reviewed_elsewhere_is_published_in_one_go_with_both_names(
    run: Run, portal: RunningPortal, tmp_path: Path, client: Client
) -> None:
    """A new clinic is one file and one command, and twice is once."""
    path = _file(portal, tmp_path)
    clinic = _next(path, "1.0")
    assert run("publish", path, *NAMES) == (0, f"{clinic} 1.0: published\n", "")
    assert run("publish", path, *NAMES) == (0, f"{clinic} 1.0: published already\n", "")
    assert client.get(f"/{clinic}").status == 200
    output = run("notice", "list", clinic)[1]
    assert output.startswith("1.0\tin_force\tin force from ")
    assert "by Ieva Liepa, approved by Juris Klusums" in output


def test_one_name_twice_publishes_nothing(
    run: Run, portal: RunningPortal, tmp_path: Path, client: Client
) -> None:
    """Nor does leaving a name out."""
    path = _file(portal, tmp_path)
    clinic = _next(path, "1.0")
    code, _, output = run("publish", path, "--author", "Ieva Liepa", "--approver", "ieva liepa")
    assert code == 1
    assert "Another person must approve it" in output
    assert client.get(f"/{clinic}").status == 404
    for names in (["--author", "Ieva"], ["--author", " ", "--approver", "Juris"]):
        with pytest.raises(SystemExit):
            main(["publish", str(path), *names])


def test_the_steps_one_by_one(run: Run, portal: RunningPortal, tmp_path: Path) -> None:
    """Draft, refused, mended, approved by another, published."""
    path = _file(portal, tmp_path, dpo={})
    clinic = _next(path, "1.0")
    drafted, approve = (
        run("notice", "draft", path, "--author", "Ieva Liepa"),
        ["notice", "approve", clinic, "1.0"],
    )
    approve.append("--sha256")
    assert drafted[0] == 0
    assert "not complete" in drafted[1]
    assert "dpo: has no contact. Write `email:` or `phone:` (GDPR Art. 13(1)(b))" in drafted[1]
    code, _, output = run(*approve, _sha256(drafted[1]), "--approver", "Juris Klusums")
    assert (code, "GDPR Art. 13(1)(b)" in output) == (1, True)
    assert run("publish", path, *NAMES)[0] == 1
    assert "13(1)(b)" in run("publish", path, *NAMES)[2]
    _next(path, "1.0", dpo={"phone": "+371 6420 0002"})
    drafted = run("notice", "draft", path, "--author", "Ieva Liepa")
    assert "not complete" not in drafted[1]
    assert "1.0\tdraft" in run("notice", "list", clinic)[1]
    code, _, output = run("notice", "publish", clinic, "1.0")
    assert (code, "not approved" in output) == (1, True)
    assert run(*approve, _sha256(drafted[1]), "--approver", "Ieva Liepa")[0] == 1
    assert run(*approve, _sha256(drafted[1]), "--approver", "Juris Klusums")[0] == 0
    assert "1.0\tapproved" in run("notice", "list", clinic)[1]
    assert run("notice", "publish", clinic, "1.0") == (0, f"{clinic} 1.0: published\n", "")
    assert run("notice", "draft", path, "--author", "Ieva Liepa")[0] == 1


def test_whoever_approves_is_shown_what_counts_unconfirmed_and_why(
    run: Run, portal: RunningPortal, tmp_path: Path
) -> None:
    """A clinic may trust what anybody types, if another person than the author sees the reason and
    agrees.
    """
    path = _file(portal, tmp_path)
    clinic = _next(path, "1.0")
    assert "warning" not in run("check", path)[1]
    purposes = json.loads(path.read_text(encoding="utf-8"))["purposes"]
    reason = "Every participant is seen by a doctor first."
    waived = [purposes[0], {**purposes[1], "confirm": {"required": False, "reason": reason}}]
    _next(path, "1.0", purposes=waived)
    output = f"warning: a Yes to research counts unconfirmed: {reason}"
    assert output in run("check", path)[1]
    drafted = run("notice", "draft", path, "--author", "Ieva Liepa")[1]
    assert output in drafted
    sha256 = _sha256(drafted)
    assert (
        output
        in run(
            "notice", "approve", clinic, "1.0", "--approver", "Juris Klusums", "--sha256", sha256
        )[1]
    )
    _next(path, "1.0", purposes=[purposes[0], {**purposes[1], "confirm": False}])
    code, _, refused = run("check", path)
    assert (code, "purposes[2].confirm: is false without a reason" in refused) == (1, True)


def test_only_the_text_that_was_read_is_approved(
    run: Run, portal: RunningPortal, tmp_path: Path
) -> None:
    """A draft replaced after the reviewer read it is another text, however few digits they type."""
    path = _file(portal, tmp_path)
    clinic = _next(path, "1.0")
    read = _sha256(run("notice", "draft", path, "--author", "Ieva Liepa")[1])
    _next(path, "1.0", dpo={"phone": "+371 6420 0003"})
    now = _sha256(run("notice", "draft", path, "--author", "Ieva Liepa")[1])
    approve = ["notice", "approve", clinic, "1.0", "--approver", "Juris Klusums"]
    for digits in (12, 64):
        code, _, output = run(*approve, "--sha256", read[:digits])
        assert (code, "not the text that was read" in output) == (1, True)
    for given in ([], ["--sha256", now[:11]], ["--sha256", ""], ["--sha256", now + "0"]):
        with pytest.raises(SystemExit):
            main([*approve, *given])
    assert "1.0\tdraft" in run("notice", "list", clinic)[1]
    assert run(*approve, "--sha256", now[:12].upper())[0] == 0
    assert "1.0\tapproved" in run("notice", "list", clinic)[1]


def test_a_clinic_with_only_a_phone_for_data_protection_is_shown(
    run: Run, portal: RunningPortal, tmp_path: Path, client: Client
) -> None:
    """A contact is a contact, whichever it is."""
    path = _file(portal, tmp_path, dpo={"phone": "+371 6420 0002"})
    clinic = _next(path, "1.0")
    assert run("publish", path, *NAMES)[0] == 0
    for page in ("", "/withdraw", "/notices/1.0"):
        answer = client.get(f"/{clinic}{page}?lang=en")
        assert answer.status == 200
    assert "+371 6420 0002" in client.get(f"/{clinic}?lang=en").text


def test_a_preview_counts_and_the_superseded_are_listed_to_be_asked_again(
    run: Run, portal: RunningPortal, tmp_path: Path, client: Client
) -> None:
    """The clinic knows before and after whose consent it loses, by opaque ids."""
    path = _file(portal, tmp_path)
    clinic = _next(path, "1.0")
    run("publish", path, *NAMES)
    confirmed(client, portal, clinic, {"decision.newsletter.email": "yes", "email": ANNA})
    decide(client, clinic, {"decision.newsletter.email": "no", "email": "bella@example.org"})
    assert run("notice", "superseded", clinic)[1] == ""
    _next(path, "2.0")
    drafted = run("notice", "draft", path, "--author", "Ieva Liepa")[1]
    assert "not counted yet" in run("notice", "publish", clinic, "2.0", "--preview")[1]
    portal.count_consents(clinic)
    code, output, _ = run("notice", "publish", clinic, "2.0", "--preview")
    assert code == 0
    assert "supersedes 1 consents of 1 people, as counted at 20" in output
    assert "\n  newsletter.email\t1" in output
    assert "2.0\tdraft" in run("notice", "list", clinic)[1]
    run(
        "notice",
        "approve",
        clinic,
        "2.0",
        "--approver",
        "Juris Klusums",
        "--sha256",
        _sha256(drafted),
    )
    run("notice", "publish", clinic, "2.0")
    [line] = run("notice", "superseded", clinic, "--purpose", "newsletter")[1].splitlines()
    subject, address, since = line.split("\t")
    program = Program(clinic, portal.new_key(clinic))
    assert {receipt["subject"] for receipt in program.history(email=ANNA)} == {subject}
    told_now = program.call(
        "status", {"subjects": [{"email": ANNA}], "purposes": [address]}
    ).json()["results"][0]
    assert (told_now["decisions"][address]["state"], told_now["decisions"][address]["since"]) == (
        "superseded",
        since,
    )
    assert run("notice", "superseded", clinic, "--purpose", "research")[1] == ""


def test_what_is_not_there_is_told_in_a_sentence(
    run: Run, portal: RunningPortal, tmp_path: Path
) -> None:
    """No command ends in a traceback."""
    clinic = portal.open_clinic().clinic
    assert (
        "has no draft 7.7"
        in run("notice", "approve", clinic, "7.7", "--approver", "Juris", "--sha256", "0" * 12)[2]
    )
    assert "No clinic “nowhere” is published" in run("notice", "list", "nowhere")[2]
    assert "No clinic “nowhere” is published" in run("notice", "superseded", "nowhere")[2]
    path = tmp_path / "list.yaml"
    path.write_text("- a list", encoding="utf-8")
    for command in (("check", path), ("notice", "draft", path, "--author", "Ieva")):
        assert "is no clinic's document" in run(*command)[2]
    path.write_text("id: 17", encoding="utf-8")
    assert "version: is missing or empty" in run("notice", "draft", path, "--author", "Ieva")[2]


def _longer(document: dict[str, Any]) -> dict[str, Any]:
    """Give the texts with a longer retention."""
    texts: dict[str, Any] = json.loads(json.dumps(document["texts"]))
    texts["retention"]["en"] = "Ten years"
    return texts


def test_a_minor_that_changes_more_than_words_is_refused_at_the_command_line_too(
    run: Run, portal: RunningPortal, tmp_path: Path, client: Client
) -> None:
    """What changes is listed before and after; a reason by the approver is kept and shown, in one
    go or by steps.
    """
    path = _file(portal, tmp_path)
    run("publish", path, *NAMES)
    clinic = _next(path, "1.1", texts=_longer(a_document()))
    changed = "texts.retention (en): “retention” → “Ten years”"
    code, output, refused = run("publish", path, *NAMES)
    assert (code, output) == (1, "")
    assert "1.1 changes more than words, so it needs a new MAJOR number: 2.0" in refused
    assert changed in refused
    assert "--minor-reason" in refused
    assert "1.1\t" not in run("notice", "list", clinic)[1]
    drafted = run("notice", "draft", path, "--author", "Ieva Liepa")[1]
    assert changed in drafted
    approve = [
        "notice",
        "approve",
        clinic,
        "1.1",
        "--approver",
        "Juris Klusums",
        "--sha256",
        _sha256(drafted),
    ]
    assert changed in run(*approve)[2]
    why = ["--minor-reason", "The law names ten years already"]
    assert run(*approve, *why)[0] == 0
    assert f"for this reason: {why[1]}" in run("notice", "publish", clinic, "1.1", "--preview")[1]
    code, output, _ = run("notice", "publish", clinic, "1.1")
    assert code == 0
    assert f"changes more than words: {changed}" in output
    assert why[1] in client.get(f"/{clinic}/notices/1.1?lang=en").text
    _next(path, "1.2", texts=a_document()["texts"])
    assert run("publish", path, *NAMES, "--minor-reason", "Back to what was meant")[0] == 0
    assert "Back to what was meant" in client.get(f"/{clinic}/notices/1.2?lang=lv").text
    with pytest.raises(SystemExit):
        main(["publish", str(path), *NAMES, "--minor-reason", "x" * 501])


def _at_a_terminal(portal: RunningPortal, *arguments: object, typed: str) -> str:
    """Run a command at a terminal of its own, type an answer, and give all that stood on it."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "infra", *map(str, arguments)]
    with (
        portal.tables.by_http(),
        subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs) as process,
    ):
        os.close(theirs)
        os.write(ours, f"{typed}\n".encode())
        shown = b""
        with contextlib.suppress(OSError):  # Linux: the other end is closed
            while part := os.read(ours, 1024):
                shown += part
        process.wait(timeout=60)
    os.close(ours)
    return shown.decode()


def test_publishing_at_a_terminal_shows_what_it_ends_and_asks(
    run: Run, portal: RunningPortal, tmp_path: Path, client: Client
) -> None:
    """Nobody ends a hundred people's consent with one word too many; a script says --yes and is not
    asked.
    """
    path = _file(portal, tmp_path)
    clinic = _next(path, "1.0")
    run("publish", path, *NAMES)
    confirmed(client, portal, clinic, {"decision.newsletter.email": "yes", "email": ANNA})
    portal.count_consents(clinic)
    _next(path, "2.0", texts=_longer(a_document()))
    shown = _at_a_terminal(portal, "publish", path, *NAMES, typed="")
    for output in (
        "supersedes 1 consents of 1 people",
        "differs from what is in force: texts.retention",
        "[y/N]",
    ):
        assert output in shown
    assert "not published" in shown
    assert "2.0\t" not in run("notice", "list", clinic)[1]
    drafted = run("notice", "draft", path, "--author", "Ieva Liepa")[1]
    run(
        "notice",
        "approve",
        clinic,
        "2.0",
        "--approver",
        "Juris Klusums",
        "--sha256",
        _sha256(drafted),
    )
    assert "not published" in _at_a_terminal(portal, "notice", "publish", clinic, "2.0", typed="n")
    assert "2.0\tapproved" in run("notice", "list", clinic)[1]
    shown = _at_a_terminal(portal, "notice", "publish", clinic, "2.0", "--yes", typed="n")
    assert "[y/N]" not in shown
    assert "2.0\tin_force" in run("notice", "list", clinic)[1]
    _next(path, "2.1")
    assert f"{clinic} 2.1: published" in _at_a_terminal(portal, "publish", path, *NAMES, typed="y")


def test_a_draft_is_written_as_pages_to_look_at(
    run: Run, portal: RunningPortal, tmp_path: Path
) -> None:
    """Who approves at the command line sees what patients will see; the pages lead to each other
    and send nothing.
    """
    path = _file(portal, tmp_path)
    clinic = _next(path, "1.0")
    sha256 = _sha256(run("notice", "draft", path, "--author", "Ieva Liepa")[1])
    code, output, _ = run("notice", "preview", clinic, "1.0", "--to", tmp_path / "pages")
    names = {lang: f"{clinic}-1.0-{lang}.html" for lang in ("lv", "en")}
    assert (code, output.splitlines()[-1]) == (0, f"sha256 {sha256}")
    for lang, name in names.items():
        page = (tmp_path / "pages" / name).read_text(encoding="utf-8")
        assert (tmp_path / "pages" / name).as_uri() in output
        assert f'<html lang="{lang}">' in page
        assert sha256 in page
        assert '<meta http-equiv="Content-Security-Policy" content="form-action \'none\'">' in page
        assert all(f'href="{other}"' in page for other in names.values() if other != name)
    assert run("notice", "preview", clinic, "7.0")[0] == 1


def test_a_file_is_looked_at_before_anything_is_stored(
    run: Run, portal: RunningPortal, tmp_path: Path
) -> None:
    """An author sees the pages while writing, without the portal."""
    path = _file(portal, tmp_path)
    code, output, _ = run("check", path, "--pages", tmp_path / "pages")
    assert (code, len(list((tmp_path / "pages").iterdir()))) == (0, 2)
    assert "ready to publish" in output


def test_a_contest_that_is_over_is_a_warning_and_no_fault(
    run: Run, portal: RunningPortal, tmp_path: Path
) -> None:
    """The file can be published; who wrote it learns that nobody is asked about the contest any
    more.
    """
    purposes = a_document()["purposes"]
    purposes[1]["ends"] = "2026-11-02"
    path = _file(portal, tmp_path, purposes=purposes)
    warning = (
        f"warning: {path}:1: purposes[2].ends: is over since 2026-11-02: nobody is asked about it."
    )
    code, output, _ = run("check", path)
    assert (code, "ready to publish" in output, warning in output) == (0, True, True)
    assert warning in run("notice", "draft", path, "--author", "Ieva Liepa")[1]
    assert run("publish", path, *NAMES)[0] == 0


def test_every_file_that_is_checked_is_told_about(
    run: Run, portal: RunningPortal, tmp_path: Path
) -> None:
    """A fault in the first does not hide the second, and each names its line."""
    bad, good = _file(portal, tmp_path, version=1.0), _file(portal, tmp_path)
    worse = _file(portal, tmp_path, languages="lv, en")
    code, output, faults = run("check", bad, good, worse)
    assert (code, f"{good}: " in output) == (1, True)
    assert (
        f'{bad}:1: version: is the number 1.0, and a text is due. Put it in quotes: `version: "1.0"`'
        in faults
    )
    assert (
        f"{worse}:1: languages: is 'lv, en', and a list is due. Write `languages: [lv, en]`"
        in faults
    )
