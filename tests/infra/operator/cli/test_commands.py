"""Each command asks or tells the portal what its words say, and prints it for people and programs."""

import json
from pathlib import Path

import pytest

from infra.local.server import Reply, Request
from infra.operator.cli.main import run
from infra.operator.cli.portal import seconds_to_wait
from tests.cast import CLINICS, RIGA, TBILISI
from tests.infra.operator.cli.conftest import Served, Terminal
from tests.web.running import RunningPortal

PAPER = ("--channel", "paper", "--effective-at", "2026-11-20T10:00:00Z", "--form", "A 1")


def test_a_decision_is_recorded_asked_for_and_taken_back(consent: Terminal) -> None:
    """A day at the reception: a form comes in, the mailing asks, the patient calls."""
    who = ("--email", "cli.day@example.org")
    yes = consent("record", *who, "--yes", "newsletter.email", *PAPER, "--json")
    assert yes.code == 0, yes.err
    assert yes.json()["decisions"]["newsletter.email"]["after"] == "granted"
    asked = consent("status", *who, "--purpose", "newsletter.email", "--require")
    assert asked.code == 0, asked.err
    assert asked.out.split("\t")[:3] == ["newsletter.email", "granted", "yes"]
    back = consent("withdraw", *who, "--all", "--channel", "phone", "--witness", "Ilze")
    assert (back.code, "withdrawn" in back.out) == (0, True), back.err
    asked = consent("status", *who, "--purpose", "newsletter.email", "--require", "--json")
    assert (asked.code, asked.err) == (1, "")
    [result] = asked.json()["results"]
    assert result["decisions"]["newsletter.email"]["state"] == "withdrawn"
    history = consent("history", *who)
    assert [line.split("\t")[:1] for line in history.out.splitlines()] == [["1"], ["2"]]


def test_what_changed_since_a_list_was_made_is_asked_for(consent: Terminal) -> None:
    """Whoever sent by an old list finds whom it should have left out."""
    who = ("--email", "cli.since@example.org")
    assert consent("record", *who, "--yes", "newsletter.email", *PAPER).code == 0
    ask = ("status", *who, "--purpose", "newsletter.email", "--changed-since")
    assert "granted (changed)" in consent(*ask, "2026-11-20T09:00:00Z").out
    assert consent(*ask, "2199-01-01T00:00:00Z").code == 1


def test_the_same_call_sent_again_with_its_key_is_recorded_once(consent: Terminal) -> None:
    """A script that was interrupted is simply run again."""
    words = ("record", "--email", "cli.again@example.org", "--no", "newsletter.email", *PAPER)
    first = consent(*words, "--idempotency-key", "cli-again", "--json").json()
    assert consent(*words, "--idempotency-key", "cli-again", "--json").json() == first


def test_contacts_come_from_a_file_or_stdin_and_faults_by_their_line(consent: Terminal) -> None:
    """A list of contacts stays out of the shell's history, and a typing error is found."""
    people = "".join(f"cli.{number}@example.org\n" for number in range(150))
    asked = consent("status", "-", "--purpose", "newsletter.email", "--json", typed=people)
    assert asked.code == 0, asked.err
    assert len(asked.json()["results"]) == 150
    name = consent.write("people.txt", "a@example.org\n\n+371 26 111 222\nref:P-1\n12345\n")
    said = consent("status", name, "--purpose", "newsletter.email")
    assert said.code == 5
    assert len(said.out.splitlines()) == 3
    assert "line 5 of people.txt" in said.err
    said = consent("status", consent.write("people.txt", "a@example.org\nhello\n"))
    assert (said.code, "Line 2 of people.txt" in said.err, said.out) == (1, True, "")
    assert consent("status", "--email", "x").code == 1
    assert consent("status", "nowhere.txt").code == 1
    assert consent("status", typed="").code == 2
    assert consent("history", "--email", "-", typed="a@example.org\n").code == 0


def test_what_the_portal_refuses_is_said_in_sentences(consent: Terminal) -> None:
    """Nobody has to read JSON to learn what to mend; a program reads the problem itself."""
    who = ("--email", "a@example.org")
    said = consent("status", *who, "--purpose", "nonsense")
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith("Invalid body. Nothing was stored.\n  /purposes/0: ")
    said = consent("status", *who, "--purpose", "nonsense", "--json")
    assert said.json()["exit_code"] == 1
    assert said.json()["error"]["status"] == 422
    assert said.json()["error"]["errors"][0]["pointer"] == "/purposes/0"
    assert consent("receipt", "get", "0" * 32).code == 1


def test_a_wrong_key_and_another_clinics_key_open_nothing(
    consent: Terminal, portal: RunningPortal
) -> None:
    """The exit code tells a script that it is the key, and no word shows it."""
    who = ("--email", "a@example.org")
    consent.works_for(TBILISI, portal.api_keys[RIGA])
    assert consent("status", *who).code == 1
    consent.works_for(RIGA, "cpk_" + "x" * 43)
    said = consent("status", *who)
    assert (said.code, "x" * 43 in said.err) == (3, False)
    consent.works_for(RIGA, "")
    assert consent("status", *who).code == 3
    consent.works_for(RIGA, portal.new_key(RIGA, "receipts:read"))
    assert consent("status", *who).code == 3


def test_a_portal_that_is_busy_is_asked_again(consent: Terminal, served: Served) -> None:
    """A deployment in the middle of a script stops nothing, and writes nothing twice."""
    answers = [503, 429, 502]

    def busy(request: Request) -> Reply | None:
        if request.method == "POST" and answers:
            return Reply(answers.pop(0), (("Retry-After", "0"),))
        return None

    served.before = busy
    said = consent("record", "--email", "busy@example.org", "--no", "newsletter.sms", *PAPER)
    assert said.code == 0, said.err
    assert said.err.count("busy") == 3
    keys = {request.header("Idempotency-Key") for request in served.requests}
    assert (len(served.requests), len(keys)) == (4, 1)


def test_a_portal_that_stays_away_has_an_exit_code_of_its_own(
    consent: Terminal, served: Served
) -> None:
    """A script can tell “later” from “never”."""
    served.before = lambda _request: Reply(503, (("Retry-After", "0"),))
    said = consent("status", "--email", "a@example.org", "--json")
    assert (said.code, said.json()["error"]["status"]) == (4, 503)
    assert len(served.requests) == 5


def test_the_wait_follows_retry_after_and_has_an_end() -> None:
    """A portal that asks for a minute gets it; one that asks for a day does not get that."""
    assert seconds_to_wait(1, "7") == 7
    assert seconds_to_wait(1, "86400") == 60
    assert seconds_to_wait(1, "Sun, 06 Nov 1994 08:49:37 GMT") == 0
    assert 2 <= seconds_to_wait(4, "soon") <= 6
    assert seconds_to_wait(1, None) <= 0.75


def test_a_portal_that_has_moved_is_not_followed_with_the_key(
    consent: Terminal, served: Served
) -> None:
    """The key goes where its owner sent it, and nowhere else."""
    served.before = lambda _request: Reply(308, (("Location", "https://elsewhere.example/"),))
    said = consent("status", "--email", "a@example.org")
    assert (said.code, "https://elsewhere.example/" in said.err) == (1, True)


def test_a_receipt_is_saved_signed_and_verified(consent: Terminal, portal: RunningPortal) -> None:
    """What proves a consent lies in the clinic's own files, checked, whatever becomes of the portal."""
    program = portal.open_clinic()
    assert program.key
    consent.works_for(program.clinic, program.key)
    words = ("record", "--email", "proof@example.org", "--yes", "newsletter.email", *PAPER)
    number = consent(*words, "--json").json()["id"]
    portal.seal()
    said = consent("receipt", "get", number, "--format", "jws", "-o", "proof.jws")
    assert (said.code, said.out) == (0, "")
    assert (consent.folder / "proof.jws").stat().st_mode & 0o077 == 0
    said = consent("verify", "proof.jws", "--clinic", program.clinic)
    assert (said.code, "proof.jws: genuine." in said.out) == (0, True), said.err
    said = consent("verify", "proof.jws", "--clinic", TBILISI, "--json")
    assert (said.code, said.json()["files"][0]["genuine"]) == (1, False)
    document = json.loads(consent("receipt", "get", number).out)
    assert document["id"] == number
    assert consent("receipt", "get", number, "--format", "pdf").code == 0
    said = consent("verify", "proof.jws", "--url", consent.served.base_url, "--json")
    assert said.json()["files"][0]["receipt"]["id"] == number


def test_a_receipt_that_waits_for_its_signature_is_asked_for_again(
    consent: Terminal, served: Served
) -> None:
    """Nobody has to count seconds."""
    words = ("record", "--email", "waits@example.org", "--no", "newsletter.email", *PAPER)
    number = consent(*words, "--json").json()["id"]
    seen: list[str] = []

    def not_signed_yet(request: Request) -> Reply | None:
        if "/receipts/" in request.target and not seen:
            seen.append(request.target)
            return Reply(409, (("Retry-After", "0"),))
        return None

    served.before = not_signed_yet
    assert consent("receipt", "get", number).code == 0
    assert len(seen) == 1


def test_a_notice_goes_from_a_file_to_publication(consent: Terminal, portal: RunningPortal) -> None:
    """Two people and three commands, and every fault has its line in the file."""
    program = portal.open_clinic()
    clinic = program.clinic
    scopes = ("notices:read", "notices:write", "notices:approve")
    ieva, juris = (portal.new_key(clinic, *scopes, label=name) for name in ("Ieva", "Juris"))
    consent.works_for(clinic, ieva)
    document = {**portal.documents[clinic], "version": "1.1"}
    name = consent.write("clinic.yaml", json.dumps(document, ensure_ascii=False))
    assert consent("clinic", "check", name).out.endswith(": ready to publish\n")
    drafted = consent("notice", "draft", name, "--json")
    assert drafted.code == 0, drafted.err
    sha256 = drafted.json()["sha256"]
    assert consent("notice", "approve", "1.1", "--sha256", sha256).code == 3  # herself
    assert consent("notice", "approve", "1.1", "--sha256", sha256[:4]).code == 2
    assert consent("notice", "preview", "1.1", "-o", "page.html").code == 0
    assert sha256.encode() in (consent.folder / "page.html").read_bytes()
    consent.works_for(clinic, juris)
    assert consent("notice", "approve", "1.1", "--sha256", "0" * 12).code == 1
    assert consent("notice", "approve", "1.1", "--sha256", sha256[:12]).code == 0
    assert consent("notice", "publish", "1.1").code == 2  # nobody to ask
    said = consent("notice", "publish", "1.1", "--preview", "--json")
    assert said.json()["change"] == "minor"
    assert consent("notice", "publish", "1.1", "--preview").code == 0
    assert consent("notice", "publish", "1.1", "--yes").code == 0
    listed = consent("notice", "list").out
    assert [line.split("\t")[0] for line in listed.splitlines()] == ["1.0", "1.1"]
    assert consent("notice", "show", "1.1", "--json").json()["document"]["version"] == "1.1"


def test_a_fault_in_a_clinics_file_is_told_with_its_line(
    consent: Terminal, portal: RunningPortal
) -> None:
    """Whoever wrote the file finds the place without counting."""
    text = (CLINICS / f"{RIGA}.yaml").read_text(encoding="utf-8")
    number = text[: text.index("\npurposes:")].count("\n") + 2
    name = consent.write("clinic.yaml", text.replace("\npurposes:", "\npurpose:"))
    said = consent("clinic", "check", name)
    assert (said.code, f"clinic.yaml:{number}: " in said.err, said.out) == (1, True, "")
    said = consent("clinic", "check", name, "--json")
    assert any(f":{number}:" in fault for fault in said.json()["files"][0]["faults"])
    program = portal.open_clinic()
    consent.works_for(program.clinic, program.key or "")
    said = consent("notice", "draft", name)
    assert (said.code, "clinic.yaml:" in said.err) == (1, True)


def test_a_code_for_the_wall_is_saved(consent: Terminal) -> None:
    """The poster's code is one command away, and its address another."""
    assert consent("poster", "signup", "--lang", "lv", "-o", "code.svg").code == 0
    assert (consent.folder / "code.svg").read_bytes().startswith(b"<?xml")
    assert consent("poster", "withdraw", "-o", "code.png").code == 0
    assert (consent.folder / "code.png").read_bytes().startswith(b"\x89PNG")
    address = f"{consent.served.base_url}/{RIGA}/qr/signup.svg?src=desk\n"
    assert consent("poster", "signup", "--source", "desk").out == address
    assert consent("poster", "signup", "-o", "code.docx").code == 2


def test_sheets_for_the_wall_and_the_desk_are_saved(consent: Terminal) -> None:
    """Whoever prints for a whole clinic does it by a script."""
    asked = ("both", "--lang", "lv,en", "--size", "a5", "-o", "both.pdf")
    assert consent("poster", *asked).code == 0
    assert (consent.folder / "both.pdf").read_bytes().startswith(b"%PDF-")
    assert consent("poster", "screen", "--source", "hall", "-o", "hall.svg").code == 0
    assert b"<svg" in (consent.folder / "hall.svg").read_bytes()
    assert consent("poster", "card", "-o", "card.svg").code == 2


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("status", "--nonsense"),
        ("record", "--email", "a@example.org", "--channel", "paper"),
        ("withdraw", "--email", "a@example.org", "--channel", "phone"),
        ("status", "people.txt", "--email", "a@example.org"),
    ],
)
def test_a_wrong_command_line_sends_nothing(consent: Terminal, words: tuple[str, ...]) -> None:
    """A typing error is told apart from a refusal by its exit code."""
    said = consent(*words)
    assert (said.code, said.out, consent.served.requests) == (2, "", [])
    assert "--help" in said.err or "?" in said.err


def test_a_file_that_cannot_be_written_leaves_none_behind(consent: Terminal) -> None:
    """No half file is taken for a whole one."""
    said = consent("poster", "signup", "-o", "nowhere/code.svg")
    assert (said.code, "nowhere/code.svg cannot be written" in said.err) == (1, True)
    assert list(consent.folder.iterdir()) == []


def test_operators_commands_are_reached_in_a_checkout(
    portal: RunningPortal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One word for everything: what needs rights on AWS is `consent operator`."""
    assert portal
    monkeypatch.chdir(tmp_path)
    assert run(["operator", "key", "list", RIGA]) == 0
    assert "key_" in capsys.readouterr().out
    assert run(["operator", "key", "list", "nowhere", "--nonsense"]) == 2
    assert run(["operator", "--help"]) == 0
    assert "usage: consent operator" in capsys.readouterr().out
