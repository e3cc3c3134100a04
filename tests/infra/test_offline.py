import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from chalicelib.domain.consent import Assurance, Channel
from chalicelib.domain.decisions import NoticeRef, decide
from chalicelib.domain.receipts import Receipt
from chalicelib.receipts.sd_jwt import combined, redact_evidence
from infra.build.bundle import ROOT
from tests.factories import EMAIL_NEWS, IN_FORCE, a_decision, a_subject
from tests.keys import OwnKey, key_set
from tests.receipts.test_jws import receipts

SIGNER, STRANGER = OwnKey(), OwnKey()
_NO_NETWORK = """
import runpy, socket, sys
def refused(*_arguments, **_named):
    raise AssertionError("the network was used")
socket.socket.connect = socket.getaddrinfo = refused
sys.argv = ["infra", "verify", *sys.argv[1:]]
runpy.run_module("infra", run_name="__main__")
"""


@dataclass(frozen=True)
class Desk:
    """A folder with somebody's files in it, and nothing else: no settings, no network."""

    folder: Path

    def put(self, name: str, content: str | bytes) -> str:
        """Lay a file down."""
        (self.folder / name).write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
        return name

    def verify(self, *arguments: str) -> tuple[int, str]:
        """Run the command; give its exit code and all it said."""
        command = [sys.executable, "-c", _NO_NETWORK, *arguments, "--jwks", "jwks.json"]
        environ = {
            "PATH": os.defpath,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error",
            "PYTHONUTF8": "1",
        }
        done = subprocess.run(
            command, cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Give a desk with the portal's key set on it."""
    made = Desk(tmp_path)
    made.put("jwks.json", json.dumps(key_set(SIGNER)))
    return made


def signed(receipt: Receipt) -> str:
    """Sign a receipt."""
    return SIGNER.signed_receipt(receipt.canonical)


def test_a_signed_receipt_is_verified_without_the_portal(desk: Desk) -> None:
    """In ten years, when nobody runs the portal any more, the file and the keys still prove it."""
    [receipt] = receipts(1)
    code, told = desk.verify(
        desk.put("one.jws", signed(receipt) + "\n"), "--clinic", "riga-aesthetics"
    )
    assert code == 0, told
    for word in (
        "genuine",
        receipt.id,
        receipt.sha256,
        SIGNER.key.kid,
        "newsletter.email: yes",
        "does not prove",
    ):
        assert word in told


def test_a_receipt_and_its_signature_apart_are_verified_too(desk: Desk) -> None:
    """The clinic's archive may keep the JSON readable and the signature beside it."""
    [receipt] = receipts(1)
    head, payload, signature = signed(receipt).split(".")
    document = desk.put("one.json", json.dumps(json.loads(receipt.canonical), indent=2))
    flat = {"payload": payload, "protected": head, "signature": signature}
    for beside in (signed(receipt), f"{head}..{signature}", json.dumps(flat)):
        assert desk.verify(document, "--signature", desk.put("beside", beside))[0] == 0
    assert desk.verify(desk.put("flat.json", json.dumps(flat)))[0] == 0
    another = desk.put("beside", signed(receipts(1, source="poster")[0]))
    code, told = desk.verify(document, "--signature", another)
    assert (code, "another receipt's" in told) == (1, True)


def test_what_staff_wrote_down_is_verified_with_the_receipt_it_came_with(desk: Desk) -> None:
    """An archive keeps both in one file; another form's number written in does not pass (RFC 9901,
    7.1).
    """
    evidence, disclosures = redact_evidence({"form": "A-2026/117", "witness": "Ilze"})
    [receipt] = receipts(1, evidence=evidence)
    code, told = desk.verify(desk.put("one.sd-jwt", combined(signed(receipt), disclosures)))
    assert (code, "A-2026/117" in told, "Who saw or heard it: Ilze" in told) == (0, True, True), (
        told
    )
    code, told = desk.verify(desk.put("one.sd-jwt", combined(signed(receipt), [])))
    assert (code, "A-2026/117" in told) == (0, False), told
    _, others = redact_evidence({"form": "A-2026/118"})
    code, told = desk.verify(desk.put("one.sd-jwt", combined(signed(receipt), others)))
    assert (code, "not what the receipt vouches for" in told) == (1, True), told


def test_several_receipts_of_one_person_are_a_chain(desk: Desk) -> None:
    """Given in any order, a receipt taken away or replaced is named."""
    chain = receipts(3)
    files = [desk.put(f"{number}.jws", signed(receipt)) for number, receipt in enumerate(chain)]
    code, told = desk.verify(*reversed(files))
    assert (code, "unbroken chain from number 1 to number 3" in told) == (0, True), told
    code, told = desk.verify(files[0], files[2])
    assert (code, "Receipt 2 is missing" in told) == (1, True)
    replaced = desk.put("other.jws", signed(receipts(3)[1]))
    code, told = desk.verify(files[0], replaced, files[2])
    assert (code, "does not name receipt 1" in told) == (1, True)
    stranger = desk.put("stranger.jws", signed(receipts(1, person=2)[0]))
    code, told = desk.verify(files[0], stranger)
    assert (code, "chain" in told.partition("What this proves")[0]) == (0, False), told


def test_a_file_given_twice_breaks_no_chain(desk: Desk) -> None:
    """A shell's wildcard finds the copy in the other folder too."""
    chain = receipts(2)
    files = [desk.put(f"{number}.jws", signed(receipt)) for number, receipt in enumerate(chain)]
    copy = desk.put("copy.jws", signed(chain[0]))  # signed again: other bytes, the same receipt
    code, told = desk.verify(files[0], copy, files[0])
    assert (code, "chain" in told.partition("What this proves")[0]) == (0, False), told
    code, told = desk.verify(*files, copy, files[1])
    assert (code, "unbroken chain from number 1 to number 2" in told) == (0, True), told


def test_a_part_of_a_chain_is_told_as_the_part_it_is(desk: Desk) -> None:
    """Who has lost the first receipt has a proof for the others, and a gap or a branch is one
    wherever it is.
    """
    chain = receipts(4)
    files = [
        desk.put(f"{number}.jws", signed(receipt)) for number, receipt in enumerate(chain, start=1)
    ]
    code, told = desk.verify(files[2], files[1])
    assert (code, "unbroken chain from number 2 to number 3" in told) == (0, True), told
    assert "What came before number 2 was not given." in told
    code, told = desk.verify(files[1], files[3])
    assert (code, "NO unbroken chain. Receipt 3 is missing" in told) == (1, True), told
    branch = desk.put("branch.jws", signed(receipts(3)[2]))
    code, told = desk.verify(*files[1:3], branch)
    assert (code, "NO unbroken chain. There are two receipts 3" in told) == (1, True), told
    code, told = desk.verify(files[1], branch)
    assert (code, "does not name receipt 2" in told) == (1, True), told


SHOWN, STAFFS = "given to exactly the text", "staff recorded them, and named this version"
NOTHING = "nothing shows which text was read"
SYSTEMS = "took them over from another of its systems"


@pytest.mark.parametrize(
    ("channel", "answer", "told"),
    [
        ("qr", "yes", {SHOWN}),
        ("web", "no", {SHOWN}),
        ("kiosk", "yes", {SHOWN}),
        ("paper", "yes", {STAFFS}),
        ("phone", "no", {STAFFS}),
        ("email", "yes", {STAFFS}),
        ("import", "yes", {SYSTEMS}),
        ("api", "withdraw", set()),
        ("web", "withdraw", set()),
        ("paper", "withdraw", set()),
        ("unknown", "yes", {NOTHING}),
        ("unknown", "withdraw", {NOTHING}),
    ],
)
def test_what_a_receipt_proves_of_its_text_depends_on_how_it_was_given(
    desk: Desk, channel: str, answer: str, told: set[str]
) -> None:
    """A screen shows a text; on paper and by phone staff name one; a withdrawal may come without
    any.

    And a form from before the first version binds none.
    """
    decision = a_decision(
        {EMAIL_NEWS: answer}, channel=Channel("paper" if channel == "unknown" else channel)
    )
    if channel in {"api", "import"}:
        decision = replace(decision, assurance=Assurance.IMPORTED)
    if channel == "unknown":
        decision = replace(decision, notice=NoticeRef.unknown("lv"))
    receipt = decide(a_subject(), decision, IN_FORCE, known=False)[0]
    code, said = desk.verify(desk.put("one.jws", signed(receipt)))
    assert code == 0
    assert {words for words in (SHOWN, STAFFS, NOTHING, SYSTEMS) if words in said} == told
    assert ("Text shown:" in said) is (SHOWN in told)
    assert ("  Text not known\n" in said) is (NOTHING in told)
    assert "None" not in said


def test_what_proves_nothing_is_said_in_a_sentence(desk: Desk) -> None:
    """Each file gets its own, and one that is wrong makes the whole wrong."""
    [receipt] = receipts(1)
    good = desk.put("good.jws", signed(receipt))
    head, payload, signature = signed(receipt).split(".")
    changed = signature[:5] + ("B" if signature[5] == "A" else "A") + signature[6:]
    for content, told in {
        receipt.canonical: "without its signature",
        STRANGER.signed_receipt(receipt.canonical): "not among the keys",
        f"{head}.{payload}.{changed}": "something was changed",
        "Anna": "three parts",
        "{}": "not a receipt",
        b"\xff\xfe": "UTF-8",
    }.items():
        code, said = desk.verify(good, desk.put("bad", content))
        assert (code, told in said) == (1, True), said
    code, said = desk.verify(good, "--clinic", "tbilisi-ultrasound")
    assert (code, "not of tbilisi-ultrasound" in said) == (1, True)


def test_files_that_cannot_be_used_are_named(desk: Desk) -> None:
    """A mistyped name is a sentence, not a stack trace."""
    good = desk.put("good.jws", signed(receipts(1)[0]))
    code, told = desk.verify("nowhere.jws")
    assert (code, "nowhere.jws: cannot be read" in told) == (1, True)
    code, told = desk.verify(good, good, "--signature", good)
    assert (code, "one FILE" in told) == (1, True)
    for content in ("{", "[]", "{}", '{"keys": 1}'):
        desk.put("jwks.json", content)
        code, told = desk.verify(good)
        assert (code, "key set" in told) == (1, True)
