"""Whoever holds a receipt can check it: by its code, its file or by pasting it, and is told no more
than it says.
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.lists import ListCounts, Mode
from chalicelib.receipts import jws
from chalicelib.receipts.certificates import file_hash
from chalicelib.services.list_certificates import Certified, issue_certificate
from chalicelib.store.keys.receipts import signature_key
from chalicelib.web.requests import MAX_RAW_FILE, MAX_UPLOAD
from infra.__main__ import main
from tests.cast import RIGA, TBILISI
from tests.keys import OwnKey
from tests.store.people import meddle
from tests.web.client import Answer, Client, Program
from tests.web.page_reader import Page, decide, open_page, receipt_number
from tests.web.running import RunningPortal

BOUNDARY = "----WebKitFormBoundaryo7Rk"
YES = {"decision.newsletter.email": "yes", "decision.testimonials.text": "no"}


def upload(client: Client, parts: Mapping[str, bytes], boundary: str = BOUNDARY) -> Answer:
    """Send a form with a file as a browser does (RFC 7578)."""
    body = b""
    for name, content in parts.items():
        named = f'name="{name}"' + (
            '; filename="receipt.jws"\r\nContent-Type: text/plain' if name == "file" else ""
        )
        body += (
            f"--{BOUNDARY}\r\nContent-Disposition: form-data; {named}\r\n\r\n".encode()
            + content
            + b"\r\n"
        )
    body += f"--{BOUNDARY}--\r\n".encode()
    return client.send(
        "POST",
        "/verify?lang=en",
        body,
        {"Content-Type": f"multipart/form-data; boundary={boundary}"},
    )


def a_receipt(
    client: Client, program: Program, email: str = "anna.ozola@example.org"
) -> dict[str, str]:
    """Let Anna decide; give her receipt's number, JSON and code."""
    number = receipt_number(decide(client, program.clinic, {**YES, "email": email, "name": "Anna"}))
    page = client.get(f"/{program.clinic}/receipts/{number}?lang=en")
    [code] = re.findall(r"/verify\?code=([0-9a-z-]+)", page.text)
    return {"number": number, "json": program.receipt(number).text, "code": code}


def test_a_printed_code_leads_to_what_it_proves(client: Client, portal: RunningPortal) -> None:
    """A patient scans the code on the paper and reads in plain words what the paper is worth."""
    program = portal.open_clinic()
    receipt = a_receipt(client, program)
    portal.seal()
    page = open_page(client, f"/verify?code={receipt['code']}&lang=en")
    assert "This receipt is genuine." in page.words
    assert "What it does not prove" in page.words
    assert receipt["number"] in page.words
    document = json.loads(receipt["json"])
    assert document["notice"]["sha256"] in page.words
    notice = [link for link in page.links if "/notices/" in link]
    assert notice == [f"/api/{program.clinic}/notices/1.0?lang={document['notice']['lang']}"]
    assert client.get(notice[0].removeprefix("/api")).status == 200
    assert page.scripts == 0


def test_a_code_tells_a_stranger_no_more_than_the_receipts_page(
    client: Client, portal: RunningPortal
) -> None:
    """Who found the paper learns nothing of the person: same words whether the contact was known or
    not, for ever.
    """
    program = portal.open_clinic()
    first = a_receipt(client, program, "new@example.org")
    portal.seal()
    before = client.get(f"/verify?code={first['code']}&lang=en").text
    second = a_receipt(
        client, program, "new@example.org"
    )  # known by now: a Yes like this one waits to be confirmed
    portal.seal()
    assert client.get(f"/verify?code={first['code']}&lang=en").text == before
    pages = []
    for receipt in (first, second):
        document = json.loads(receipt["json"])
        page = open_page(client, f"/verify?code={receipt['code']}&lang=en")
        for hidden in (
            document["subject"],
            document["previous"] or "no hash",
            "pending",
            "granted",
            "never_asked",
        ):
            assert hidden not in page.words
        pages.append(re.sub(r"[0-9a-f]{32,}|\d\d:\d\d", "", page.words))
    assert json.loads(first["json"])["version"] != json.loads(second["json"])["version"]
    assert pages[0] == pages[1]


def test_a_receipt_that_waits_to_be_signed_says_so(client: Client, portal: RunningPortal) -> None:
    """Nobody is frightened by a signature that comes a moment later."""
    program = portal.open_clinic()
    receipt = a_receipt(client, program)
    page = open_page(client, f"/{program.clinic}/receipts/{receipt['number']}?lang=en")
    assert "It is being sealed" in page.words
    for answer in (
        client.get(f"/verify?code={receipt['code']}&lang=en"),
        upload(client, {"receipt": b"", "file": receipt["json"].encode()}),
    ):
        assert answer.status == 200
        assert "This receipt is being sealed." in Page(answer).words
        assert "genuine" not in Page(answer).words
    waiting = program.receipt(receipt["number"], "?format=jws")
    assert (waiting.status, waiting.headers["retry-after"]) == (409, "5")
    portal.seal()
    page = open_page(client, f"/{program.clinic}/receipts/{receipt['number']}?lang=en")
    assert "Sealed, so that any change would show." in page.words


def test_the_api_gives_the_signed_receipt(client: Client, portal: RunningPortal) -> None:
    """A clinic keeps the proof in its own archive and can show it without us."""
    program = portal.open_clinic()
    receipt = a_receipt(client, program)
    portal.seal()
    answer = program.receipt(receipt["number"], "?format=jws")
    assert answer.headers["content-type"] == "application/jose"
    jwks = client.get("/.well-known/jwks.json")
    assert jwks.headers["content-type"] == "application/jwk-set+json"
    assert jwks.headers["cache-control"] == "public, max-age=300"
    proven = jws.verify(answer.text, jwks.json())
    assert proven.canonical.decode() == receipt["json"]
    assert portal.program(TBILISI).receipt(receipt["number"], "?format=jws").status == 404


def test_a_decision_on_paper_claims_no_page_that_was_shown(
    client: Client, portal: RunningPortal
) -> None:
    """What staff recorded was said to a person, not to a screen: the page does not pretend
    otherwise.
    """
    program = portal.open_clinic()
    body = {
        "subject": {"patient_ref": "P-1"},
        "decisions": {"newsletter.email": "no"},
        "channel": "paper",
    }
    body |= {"effective_at": "2026-11-10T10:00:00+02:00", "evidence": {"form": "F-17"}}
    written = program.call("receipts", body).body
    portal.seal()
    page = Page(upload(client, {"receipt": b"", "file": written}))
    assert "The clinic’s staff recorded them, and named this version" in page.words
    assert "exactly the text" not in page.words
    assert "When it was recorded" in page.words


@pytest.mark.parametrize("way", ["page", "staff"])
def test_a_withdrawal_claims_no_text_at_all(
    client: Client, portal: RunningPortal, way: str
) -> None:
    """It may be sent without the page, and staff need name no version."""
    program = portal.open_clinic()
    body: dict[str, object] = {
        "subject": {"email": "anna.ozola@example.org"},
        "decisions": {"newsletter.email": "yes"},
    }
    body |= {"channel": "phone", "effective_at": "2026-11-10T10:00:00+02:00"}
    program.call("receipts", body)
    if way == "page":
        answer = client.post(
            f"/{program.clinic}/withdraw", {"email": "anna.ozola@example.org", "all": "yes"}
        )
        written = program.receipt(receipt_number(answer)).body
    else:
        del body["decisions"]
        written = program.call(
            "withdrawals", {**body, "all": True, "effective_at": "2026-11-11T10:00:00+02:00"}
        ).body
    portal.seal()
    page = Page(upload(client, {"receipt": b"", "file": written}))
    assert "This receipt is genuine." in page.words
    assert "Stop" in page.words
    for claim in ("exactly the text", "named this version"):
        assert claim not in page.words


@pytest.mark.parametrize("form", ["signed", "flattened", "json", "edited", "code", "typed"])
@pytest.mark.parametrize("way", ["pasted", "uploaded", "urlencoded"])
def test_a_receipt_is_taken_in_whatever_form_somebody_has_it(
    client: Client, portal: RunningPortal, form: str, way: str
) -> None:
    """A file from the clinic, a text from a message, a code from paper."""
    program = portal.open_clinic()
    receipt = a_receipt(client, program)
    portal.seal()
    signed = program.receipt(receipt["number"], "?format=jws").text
    head, payload, signature = signed.split(".")
    given = {
        "signed": f"\n{signed[:70]}\n{signed[70:]}\n",
        "flattened": json.dumps({"payload": payload, "protected": head, "signature": signature}),
        "json": receipt["json"],
        "edited": json.dumps(json.loads(receipt["json"]), indent=2),
        "code": receipt["code"],
        "typed": receipt["code"].upper().replace("-", " – "),
    }[form]
    before = portal.items()
    if way == "urlencoded":
        answer = client.post("/verify?lang=en", {"receipt": given})
    else:
        texts = (given.encode(), b"") if way == "pasted" else (b"", given.encode())
        answer = upload(client, dict(zip(("receipt", "file"), texts, strict=True)))
    assert answer.status == 200, answer.text
    assert "This receipt is genuine." in Page(answer).words
    assert portal.items() == before


def test_what_is_wrong_with_a_receipt_is_told(client: Client, portal: RunningPortal) -> None:
    """Changed, unknown, foreign, unreadable: each in words of its own, and nothing is stored."""
    program = portal.open_clinic()
    receipt = a_receipt(client, program)
    portal.seal()
    signed = program.receipt(receipt["number"], "?format=jws").text
    head, payload, signature = signed.split(".")
    document = json.loads(receipt["json"])
    mine = {**document, "clinic": "another-clinic", "id": "0" * 32}
    number, digest, clinic = receipt["code"].rsplit("-", 2)
    changed = "This is not the receipt that was issued"
    for given, told in {
        f"{head}.{payload}.{signature[:9]}{'B' if signature[9] == 'A' else 'A'}{signature[10:]}": changed,
        f"{head}.{payload[:-4]}AAAA.{signature}": changed,
        receipt["json"].replace('"answer":"yes"', '"answer":"no"'): changed,
        f"{number}-{'0' * 16}-{clinic}": changed,
        OwnKey().signed_receipt(receipt["json"].encode()): "This portal did not sign it",
        json.dumps(mine): "We have no such receipt",
        f"{'0' * 32}-{digest}-{clinic}": "We have no such receipt",
        f"{number}-{digest}-zzzz": "We have no such receipt",
        f"{number}-{digest}-ra": "We have no such receipt",  # of another clinic
        number: "We could not read this as a receipt",
        signed[:-1]: "We could not read this as a receipt",
        f"{head}..{signature}": "We could not read this as a receipt",
        "{": "We could not read this as a receipt",
        '{"id": "1"}': "We could not read this as a receipt",
        json.dumps({**document, "id": "x" * 3000}): "We have no such receipt",
        json.dumps({**document, "clinic": {"a": 1}}): "We have no such receipt",
        "\0": "We could not read this as a receipt",
        "Anna": "We could not read this as a receipt",
        "  \n": "There is nothing to check yet",
    }.items():
        before = portal.items()
        answer = upload(client, {"receipt": given.encode(), "file": b""})
        page = Page(answer)
        assert (answer.status, told in page.words) == (422, True), (given, page.words)
        assert page.alerts == 1
        assert "genuine." not in page.words
        assert portal.items() == before


def test_a_code_that_is_wrong_in_the_address_is_told(client: Client, portal: RunningPortal) -> None:
    """GET changes nothing and explains as much."""
    program = portal.open_clinic()
    receipt = a_receipt(client, program)
    for code in (
        receipt["code"][:-1] + "x",
        "%00",
        receipt["number"],
        "%22%3E%3Cscript%3E",
        "x" * 5000,
    ):
        answer = client.get(f"/verify?code={code}")
        assert answer.status == 422
        assert "<script" not in answer.text
    assert client.get("/verify?code=").status == 200


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"x" * (MAX_UPLOAD + MAX_RAW_FILE + 1), f"multipart/form-data; boundary={BOUNDARY}"),
        (b"", f"multipart/form-data; boundary={BOUNDARY}"),
        (b"--x\r\n", "multipart/form-data; boundary=x"),
        (b"nothing of the kind", "multipart/form-data; boundary=x"),
        (b"{}", "multipart/form-data"),
        (b"{}", "application/json"),
        (b"receipt=a", "text/plain"),
        (b"receipt=%FF", "application/x-www-form-urlencoded"),
    ],
)
def test_a_form_that_is_none_is_refused(client: Client, body: bytes, kind: str) -> None:
    """A broken or enormous upload gets a page, not a stack trace."""
    answer = client.send("POST", "/verify", body, {"Content-Type": kind})
    known = kind.startswith(("multipart/", "application/x-www-form"))
    assert answer.status == (413 if len(body) > MAX_UPLOAD else 400 if known else 415)
    assert "<h1>" in answer.text


def test_too_many_parts_and_a_wrong_boundary_are_refused(client: Client) -> None:
    """What no browser sends is read no further."""
    assert upload(client, {f"part{number}": b"" for number in range(9)}).status == 400
    assert upload(client, {"receipt": b"a"}, boundary="another").status == 400


def test_the_page_speaks_every_language_and_keeps_the_code(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever checks a Georgian receipt in Lithuanian reads the page in Lithuanian."""
    program = portal.open_clinic(TBILISI)
    receipt = a_receipt(client, program)
    portal.seal()
    for lang in LANGUAGES:
        form, found = (
            client.get(f"/verify?lang={lang}"),
            client.get(f"/verify?code={receipt['code']}&lang={lang}"),
        )
        for answer in (form, found):
            assert answer.status == 200
            assert Page(answer).lang == lang
        others = [
            link for link in Page(found).links if link.startswith("?lang=") and "code=" in link
        ]
        assert others == [
            f"?lang={each}&code={receipt['code']}" for each in LANGUAGES if each != lang
        ]
    assert Page(client.get("/verify", {"Accept-Language": "ka, en;q=0.5"})).lang == "ka"
    assert Page(client.get("/verify", {"Accept-Language": "fr"})).lang == "en"


def test_the_page_keeps_to_itself(client: Client, portal: RunningPortal) -> None:
    """A code in an address goes nowhere else, and no cache keeps what it leads to."""
    receipt = a_receipt(client, portal.program(RIGA), "keeps@example.org")
    headers = client.get(f"/verify?code={receipt['code']}").headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert Client("").get(f"/verify?code={receipt['code']}").status == 200


def test_a_pdf_is_answered_with_what_to_do(client: Client, portal: RunningPortal) -> None:
    """The first thing a patient uploads is the file just downloaded; it can be changed, so its code
    is what counts.
    """
    program = portal.open_clinic()
    receipt = a_receipt(client, program)
    pdf = client.get(f"/{program.clinic}/receipts/{receipt['number']}?format=pdf").body
    answer = upload(client, {"receipt": b"", "file": pdf})
    assert answer.status == 422
    assert "Type the code that is printed on it" in answer.text
    by_code = upload(client, {"receipt": receipt["code"].encode(), "file": b""})
    assert "compare the two" in by_code.text


def test_a_file_that_is_no_text_is_no_receipt(client: Client) -> None:
    """A photo of the receipt gets a page that says so."""
    answer = upload(client, {"receipt": b"", "file": b"\xff\xd8\xff\xe0" + bytes(range(256))})
    assert answer.status == 422
    assert "could not read this" in answer.text


@pytest.mark.parametrize(
    "spelled",
    [
        "https://consent.example.org/api/verify?code={}&lang=ka",
        "Code: {}.",
        "„{}“",
        "\ufeff{}\r\n",
    ],
)
def test_a_code_is_found_in_what_people_paste_around_it(
    client: Client, portal: RunningPortal, spelled: str
) -> None:
    """The link from the QR code, the line from a letter, the quotation marks of a word
    processor.
    """
    code = a_receipt(client, portal.open_clinic())["code"]
    for written in (code, code.upper(), code.replace("-", ""), code.replace("-", "-\n")):
        answer = client.post("/verify?lang=en", {"receipt": spelled.format(written)})
        assert answer.status == 200, written
    assert client.post("/verify?lang=en", {"receipt": spelled.format("a" + code)}).status == 422


def test_what_was_typed_is_still_there_after_a_fault(client: Client, portal: RunningPortal) -> None:
    """Fifty characters typed on a phone are not typed twice for one that was wrong."""
    code = a_receipt(client, portal.open_clinic())["code"]
    wrong = code[:-20] + "0" + code[-19:] if code[-20] != "0" else code[:-20] + "1" + code[-19:]
    answer = client.post("/verify?lang=en", {"receipt": wrong})
    assert answer.status == 422
    assert f">{wrong}</textarea>" in answer.text


def test_an_enormous_form_is_read_no_further_whatever_its_kind(client: Client) -> None:
    """Nobody keeps a function busy with megabytes of JSON."""
    body = b"receipt=" + b"x" * MAX_UPLOAD
    assert (
        client.send(
            "POST", "/verify", body, {"Content-Type": "application/x-www-form-urlencoded"}
        ).status
        == 413
    )


def test_a_kept_signature_that_does_not_hold_is_the_portals_fault(
    client: Client, portal: RunningPortal
) -> None:
    """Who holds an honest receipt is not told that somebody changed it."""
    program = portal.open_clinic()
    receipt = a_receipt(client, program)
    portal.seal()
    document = program.receipt(receipt["number"]).json()
    place = signature_key(program.clinic, document["subject"], document["version"])
    kept = json.loads(portal.table.get([place])[place].body or "")
    meddle(
        portal.in_process, place, json.dumps({**kept, "signature": "A" * len(kept["signature"])})
    )
    assert client.get(f"/verify?code={receipt['code']}").status == 503


LIST = b"email,name\nanna.ozola@example.org,Anna\nboris@example.org,Boris\n"


def a_list(program: Program, content: bytes = LIST) -> tuple[str, bytes]:
    """Let a clinic compare a list; give the certificate and the list that came back."""
    answer = program.call("scrub?purpose=newsletter.email", content, {"Content-Type": "text/csv"})
    assert answer.status == 200
    return answer.headers["consent-certificate"], answer.body


def test_a_certificate_of_a_list_is_told_in_plain_words(
    client: Client, portal: RunningPortal
) -> None:
    """An inspector sees which clinic compared what, when, and until when it might be used."""
    program = portal.open_clinic()
    body = {
        "subject": {"email": "anna.ozola@example.org"},
        "decisions": {"newsletter.email": "yes"},
        "channel": "phone",
        "effective_at": "2026-11-10T10:00:00+02:00",
    }
    assert program.call("receipts", body).status == 201
    certificate, came_back = a_list(program)
    page = Page(upload(client, {"file": certificate.encode(), "receipt": b"", "list": came_back}))
    assert "This certificate is genuine." in page.words
    assert "The list may be used until" in page.words
    assert "The file you added is exactly the one that came back." in page.words
    for told in ("Rows in the list2", "Rows that may be written to1", "What the list is forNews"):
        assert told in page.words
    assert "may no longer be used" not in page.words
    assert page.scripts == 0


def test_another_list_and_the_one_before_are_told_apart_from_the_one_that_came_back(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever took the wrong file, or changed one letter, sees it before anybody is written to."""
    certificate, came_back = a_list(portal.open_clinic())
    before = upload(client, {"receipt": certificate.encode(), "list": LIST})
    assert "This is the list before it was compared" in before.text
    changed = upload(client, {"receipt": certificate.encode(), "list": came_back[:-1] + b"x"})
    assert (changed.status, "This is another list" in changed.text) == (200, True)
    without = upload(client, {"receipt": certificate.encode(), "list": b""})
    assert "The file you added" not in without.text


def test_an_expired_certificate_says_so_first(client: Client, portal: RunningPortal) -> None:
    """A list of last month is the breach: nobody overlooks that it is one."""
    program = portal.open_clinic()
    _, came_back = a_list(program)
    certified = Certified(
        program.clinic,
        None,
        "newsletter.email",
        Mode.PERMITTED,
        None,
        file_hash(LIST),
        file_hash(came_back),
        ListCounts(),
        "2026-01-02T08:00:00.000Z",
    )
    signed = issue_certificate(portal.in_process, certified).signed
    page = Page(upload(client, {"receipt": signed.encode(), "list": came_back}))
    assert "This list may no longer be used" in page.words
    assert "It was valid until" in page.words
    assert "may be used until" not in page.words


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_certificate_that_was_changed_proves_nothing_in_any_language(
    client: Client, portal: RunningPortal, lang: str
) -> None:
    """Nobody can give a list another day."""
    certificate, _ = a_list(portal.open_clinic())
    head, payload, signature = certificate.split(".")
    wrong = ".".join([head, payload[:-3] + "AAA", signature])
    answer = client.post(f"/verify?lang={lang}", {"receipt": wrong})
    assert answer.status == 422
    right = client.post(f"/verify?lang={lang}", {"receipt": certificate})
    assert right.status == 200
    assert certificate not in right.text


def test_a_list_as_large_as_a_call_answers_is_compared_and_a_larger_file_is_refused(
    client: Client, portal: RunningPortal
) -> None:
    """The list alone may be large: a receipt never is."""
    certificate, _ = a_list(portal.open_clinic())
    large = b"x" * 3_900_000
    answer = upload(client, {"receipt": certificate.encode(), "list": large})
    assert (answer.status, "This is another list" in answer.text) == (200, True)
    too_large = upload(client, {"receipt": certificate.encode(), "list": large + b"x" * 500_000})
    assert too_large.status == 413
    receipt = upload(client, {"receipt": b"", "file": b"x" * (MAX_UPLOAD + 1)})
    assert receipt.status == 413


def test_the_operators_command_checks_a_certificate_with_its_list(
    client: Client,
    portal: RunningPortal,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An inspector needs the two files and the public keys, and no portal."""
    certificate, came_back = a_list(portal.open_clinic())
    keys, signed, listed = (tmp_path / name for name in ("jwks.json", "a.jwt", "a.csv"))
    keys.write_text(client.get("/.well-known/jwks.json").text)
    signed.write_text(f"{certificate}\n")
    listed.write_bytes(came_back)
    command = ["verify", str(signed), "--list", str(listed), "--jwks", str(keys)]
    assert main(command) == 0
    assert "genuine" in capsys.readouterr().out
    listed.write_bytes(came_back + b"eve@example.org,Eve\n")
    assert main(command) == 1
    assert "is not the list" in " ".join(capsys.readouterr().err.split())
    head, payload, signature = certificate.split(".")
    signed.write_text(".".join([head, payload[:-3] + "AAA", signature]))
    listed.write_bytes(came_back)
    assert main(command) == 1
    assert "NOT PROVEN" in capsys.readouterr().err
