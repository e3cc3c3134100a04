"""A list for a mailing goes in, and the rows that may be written to come out, with a certificate."""

import codecs
import hashlib
import json
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from chalicelib.domain.instants import moment
from chalicelib.receipts import jws
from chalicelib.receipts.certificates import TYPE, Certificate, verify_certificate
from chalicelib.receipts.errors import UnprovenError
from chalicelib.services import lists
from tests.cast import TBILISI
from tests.web.client import Answer, Client, Program
from tests.web.running import RunningPortal, a_signing_key, environment, get_portal

STAFF: dict[str, Any] = {"channel": "phone", "effective_at": "2026-11-10T10:00:00+02:00"}
ANNA, BORIS, CLARA = "anna@example.org", "boris@example.org", "clara@example.org"
PHONE = "+37120000001"


def scrub(
    program: Program, content: bytes, purpose: str = "newsletter.email", **asked: str
) -> Answer:
    """Send a list."""
    query = urlencode({"purpose": purpose, **asked})
    return program.call(f"scrub?{query}", content, {"Content-Type": "text/csv"})


def told(answer: Answer, header: str) -> dict[str, str]:
    """Read a dictionary of structured fields."""
    return dict(re.findall(r"([a-z_-]+)=([^,]+)", answer.headers[header]))


def decide(program: Program, decisions: dict[str, str], **subject: str) -> None:
    """Record a decision at the desk."""
    body = {**STAFF, "subject": subject, "decisions": decisions}
    assert program.call("receipts", body).status == 201


@pytest.fixture(scope="module")
def clinic(settled: RunningPortal) -> Program:
    """Give a clinic where Anna agreed, Boris refused and Clara took it back; one phone agreed."""
    program = settled.open_clinic()
    decide(program, {"newsletter.email": "yes"}, email=ANNA)
    decide(program, {"newsletter.email": "no"}, email=BORIS)
    decide(program, {"newsletter.email": "yes"}, email=CLARA)
    stop = {**STAFF, "subject": {"email": CLARA}, "all": True}
    assert program.call("withdrawals", stop).status == 201
    decide(program, {"newsletter.sms": "yes"}, phone=PHONE)
    return program


LIST = (
    "E-pasts;Vārds\r\n"
    "anna@example.org;Anna\r\n"
    "boris@example.org;Boriss\r\n"
    '"clara@example.org";"Klāra; ""K"""\r\n'
    "ANNA@example.org ;Vēlreiz\r\n"
    "dora@example.org;\r\n"
    ";Nav adreses\r\n"
    "kas tas ir;?\r\n"
    "anna@example.org;Par;daudz\r\n"
)


def test_the_rows_that_are_permitted_come_back_byte_for_byte(clinic: Program) -> None:
    """Marketing sends what the tool exported, and gets what it may use."""
    answer = scrub(clinic, LIST.encode("cp1257"))
    assert answer.status == 200
    expected = "E-pasts;Vārds\r\nanna@example.org;Anna\r\nANNA@example.org ;Vēlreiz\r\n"
    assert answer.body == expected.encode("cp1257")
    assert answer.headers["content-type"] == "text/csv; charset=windows-1257; header=present"
    assert told(answer, "consent-list") == {
        "rows": "8",
        "asked": "5",
        "permitted": "2",
        "cells-changed": "0",
        "encoding": '"windows-1257"',
        "encoding-assumed": "?1",
        "delimiter": '"semicolon"',
        "columns": "(1)",
    }
    assert told(answer, "consent-refused") == {"refused": "1", "withdrawn": "1", "never_asked": "1"}
    assert told(answer, "consent-broken") == {
        "no_contact": "1",
        "unreadable_contact": "1",
        "unreadable_row": "1",
    }
    assert answer.headers["consent-broken-lines"] == "7, 8, 9"


def test_all_rows_come_back_annotated(clinic: Program) -> None:
    """Whoever keeps the list in a table of their own sees the reason of each row."""
    answer = scrub(clinic, LIST.encode(), mode="annotate")
    lines = answer.body.decode().splitlines()
    assert lines[0] == "E-pasts;Vārds;permitted;reason"
    assert [line.rpartition(";")[2] for line in lines[1:]] == [
        "granted",
        "refused",
        "withdrawn",
        "granted",
        "never_asked",
        "no_contact",
        "unreadable_contact",
    ]
    assert lines[1] == "anna@example.org;Anna;true;granted"
    assert lines[3] == '"clara@example.org";"Klāra; ""K""";false;withdrawn'
    again = scrub(clinic, answer.body, mode="annotate")
    assert (again.status, "permitted already" in again.json()["detail"]) == (422, True)


BLOCKED = [
    ("mailchimp", "Email Address\r\nboris@example.org\r\nclara@example.org\r\n"),
    ("hubspot", "Email\r\nboris@example.org\r\nclara@example.org\r\n"),
    ("brevo", "EMAIL;SMS\r\nboris@example.org;\r\nclara@example.org;\r\n"),
    (
        "listmonk",
        "email,name\r\nboris@example.org,boris\r\nclara@example.org,clara\r\n",
    ),
]


@pytest.mark.parametrize(("tool", "expected"), BLOCKED)
def test_those_who_are_not_permitted_come_in_the_form_a_tool_imports(
    clinic: Program, tool: str, expected: str
) -> None:
    """Where the list lives in the tool, the tool is told whom to leave out."""
    content = f"email\n{ANNA}\n{BORIS}\n{CLARA}\n".encode()
    answer = scrub(clinic, content, mode="blocklist", **{"for": tool})
    assert answer.body.decode() == expected


def test_a_phone_is_blocked_in_the_form_of_all_countries(clinic: Program) -> None:
    """Brevo knows numbers by their country's code alone."""
    content = b"SMS\n20000001\n20000002\n"
    answer = scrub(clinic, content, "newsletter.sms", mode="blocklist", **{"for": "brevo"})
    assert answer.body == b"EMAIL;SMS\r\n;+37120000002\r\n"


@pytest.mark.parametrize(
    "spelled", ["20000001", "+371 2000 0001", "0037120000001", "(371) 20000001"]
)
def test_phones_are_read_as_everywhere_and_the_column_follows_from_the_question(
    clinic: Program, spelled: str
) -> None:
    """A number as the reception wrote it is found; the address beside it does not count for SMS."""
    content = f"Email,Mobile Phone\n{ANNA},{spelled}\n{ANNA},20000009\n".encode()
    answer = scrub(clinic, content, "newsletter.sms")
    assert answer.body == f"Email,Mobile Phone\n{ANNA},{spelled}\n".encode()
    assert told(answer, "consent-list")["columns"] == "(2)"


def test_a_spreadsheet_runs_no_cell_and_the_answer_says_how_many_changed(clinic: Program) -> None:
    """Every number with its country's code would be a formula; a name could be one on purpose."""
    content = b"Phone,Name\n+37120000001,=cmd()\n+37120000002,B\n"
    plain = scrub(clinic, content, "newsletter.sms")
    assert plain.body == b"Phone,Name\n+37120000001,=cmd()\n"
    answer = scrub(clinic, content, "newsletter.sms", **{"for": "spreadsheet"})
    assert answer.body == b"Phone,Name\n'+37120000001,'=cmd()\n"
    assert told(answer, "consent-list")["cells-changed"] == "2"


def test_every_broken_line_can_be_had_with_what_is_wrong(clinic: Program) -> None:
    """Whoever mends the list finds each line, and no contact is repeated."""
    answer = scrub(clinic, LIST.encode(), mode="broken")
    assert answer.body.decode().splitlines() == [
        "line,lines,fault",
        '7,1,"has no contact"',
        '8,1,"has a contact that cannot be read"',
        '9,1,"has 3 cells where the header has 2"',
    ]


def test_utf_16_goes_out_as_it_came_in(clinic: Program) -> None:
    """What Excel calls Unicode text stays that."""
    content = codecs.BOM_UTF16_LE + LIST.encode("utf-16-le")
    answer = scrub(clinic, content)
    expected = "E-pasts;Vārds\r\nanna@example.org;Anna\r\nANNA@example.org ;Vēlreiz\r\n"
    assert answer.body == codecs.BOM_UTF16_LE + expected.encode("utf-16-le")
    assert "charset=utf-16;" in answer.headers["content-type"]


def test_nothing_but_granted_is_permitted(portal: RunningPortal) -> None:
    """Pending, expired and superseded consents are none, whatever the list says."""
    program = portal.open_clinic()
    client = Client()
    page = client.get(f"/{program.clinic}?view=all").text
    state = re.findall(r'name="state" value="([^"]+)"', page)[0]
    form = {"state": state, "decision.testimonials.text": "yes", "email": BORIS, "name": "Boris"}
    assert client.post(f"/{program.clinic}", form).status == 303
    decide(program, {"testimonials.text": "yes", "newsletter.email": "yes"}, email=ANNA)
    content = f"email\n{ANNA}\n{BORIS}\n".encode()
    assert scrub(program, content, "testimonials.text").body == f"email\n{ANNA}\n".encode()
    refused = told(scrub(program, content, "testimonials.text"), "consent-refused")
    assert refused == {"pending": "1"}
    portal.republish(program.clinic, "2.0", _another_purpose)
    superseded = scrub(program, content, "testimonials.text")
    assert superseded.body == b"email\n"
    assert told(superseded, "consent-refused")["superseded"] in {"1", "2"}


def _another_purpose(document: dict[str, Any]) -> None:
    for purpose in document["purposes"]:
        purpose["data"] = {lang: f"{text} And more." for lang, text in purpose["data"].items()}


def test_an_expired_consent_is_none(portal: RunningPortal) -> None:
    """A Yes that has ended is refused with its reason."""

    def short(document: dict[str, Any]) -> None:
        for purpose in document["purposes"]:
            if purpose["id"] == "newsletter":
                for option in purpose["options"]:
                    option["ends"] = "P1D"

    program = portal.open_clinic(change=short)
    decide(program, {"newsletter.email": "yes"}, email=ANNA)
    answer = scrub(program, f"email\n{ANNA}\n".encode())
    assert (answer.body, told(answer, "consent-refused")) == (b"email\n", {"expired": "1"})


def test_a_restricted_person_is_not_permitted_and_the_reason_is_said(
    portal: RunningPortal,
) -> None:
    """A consent that may not be used just now is not used (GDPR Art. 18)."""
    program = portal.open_clinic()
    decide(program, {"newsletter.email": "yes"}, email=ANNA)
    body = {"subject": {"email": ANNA}, "restricted": True}
    assert program.call("restrictions", body).status == 200
    answer = scrub(program, f"email\n{ANNA}\n".encode(), mode="annotate")
    assert answer.body == f"email,permitted,reason\n{ANNA},false,restricted\n".encode()


def test_the_audit_says_what_was_asked_and_counted_and_names_nobody(
    portal: RunningPortal,
) -> None:
    """Who compared which list, when: without a copy of it."""
    program = portal.open_clinic()
    decide(program, {"newsletter.email": "yes"}, email=ANNA)
    content = f"email\n{ANNA}\n{BORIS}\n".encode()
    certificate = _certificate(scrub(program, content))
    line = portal.audit(program.clinic)[-1]
    assert line["call"] == "scrub"
    assert line["list"] == {
        "certificate": certificate["id"],
        "purpose": "newsletter.email",
        "mode": "permitted",
        "input_sha256": hashlib.sha256(content).hexdigest(),
        "rows": 2,
        "permitted": 1,
        "refused": {"never_asked": 1},
        "broken": {},
    }
    assert "@" not in json.dumps(line)


def test_another_clinics_key_gets_nothing(portal: RunningPortal, clinic: Program) -> None:
    """A list cannot be compared with another clinic's consents."""
    stranger = Program(clinic.clinic, portal.api_keys[TBILISI])
    assert scrub(stranger, f"email\n{ANNA}\n".encode()).status == 404
    other = portal.open_clinic()
    assert scrub(other, f"email\n{ANNA}\n".encode()).body == b"email\n"


def test_a_joint_controller_asks_only_what_it_shares(portal: RunningPortal) -> None:
    """The pharmacies learn nothing of who sees a cardiologist."""
    lead = portal.open_clinic("kaunas-polyclinics")
    pills = portal.member(lead.clinic, "liepziedzio-vaistines")
    content = f"email\n{ANNA}\n".encode()
    for purpose in ("data_sharing.cardiology", "data_sharing.horoscopes"):
        answer = scrub(pills, content, purpose)
        assert (answer.status, answer.json()["title"]) == (400, "Which decision?")
    assert scrub(lead, content, "data_sharing.cardiology").status == 200
    shared = scrub(pills, content, "data_sharing.pharmacy")
    assert shared.status == 200
    assert _certificate(shared)["controller"] == "liepziedzio-vaistines"


WRONG = [
    ({"purpose": "newsletter"}, b"email\n", 400, "newsletter.email, newsletter.sms"),
    ({"purpose": ""}, b"email\n", 400, "no such decision"),
    ({"mode": "all"}, b"email\n", 400, "permitted, annotate, blocklist, broken"),
    ({"mode": "blocklist"}, b"email\n", 400, "mailchimp, hubspot, brevo, listmonk"),
    ({"mode": "blocklist", "for": "spreadsheet"}, b"email\n", 400, "a mailing tool"),
    ({"for": "mailchimp"}, b"email\n", 400, "spreadsheet"),
    ({"mode": "broken", "for": "spreadsheet"}, b"email\n", 400, "none is known"),
    ({"for": "outlook"}, b"email\n", 400, "mailchimp"),
    ({"delimiter": "pipe"}, b"email\n", 422, "comma, semicolon, tab"),
    ({"encoding": "latin"}, b"email\n", 422, "windows-1257"),
    ({"column": "Fax"}, b"email\n", 422, "no column has it"),
    ({}, b"Name;City\n", 422, "Name, City"),
    ({}, b"email,E-mail\n", 422, "email, E-mail"),
    ({}, b"", 422, "blank"),
    ({}, b'email\n"' + b"x" * 1_100_000, 422, "line 2"),
    (
        {"purpose": "newsletter.sms", "mode": "blocklist", "for": "hubspot"},
        b"phone\n",
        400,
        "by phone",
    ),
]


@pytest.mark.parametrize(("asked", "content", "status", "detail"), WRONG)
def test_what_cannot_be_answered_is_refused_with_what_to_do(
    clinic: Program, asked: dict[str, str], content: bytes, status: int, detail: str
) -> None:
    """Nothing is guessed, and an error names the choice."""
    answer = scrub(clinic, content, **asked)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
    assert detail in answer.json()["detail"]


def test_a_list_that_is_no_csv_or_too_long_is_refused(clinic: Program) -> None:
    """A larger list is shown its way."""
    target = "scrub?purpose=newsletter.email"
    wrong = clinic.call(target, b"email\n", {"Content-Type": "application/vnd.ms-excel"})
    assert (wrong.status, "text/csv" in wrong.json()["detail"]) == (415, True)
    rows = b"email\n" + b"x@x.lv\n" * (lists.MAX_ROWS + 1)
    large = b"email\n" + b"x" * lists.MAX_BYTES
    for content in (rows, large):
        answer = scrub(clinic, content)
        assert answer.status == 413
        assert "10000 rows and 4000000 bytes" in answer.json()["detail"]
        assert "jobs" in answer.json()["detail"]


def test_an_answer_that_would_be_too_long_is_refused(clinic: Program) -> None:
    """Lambda gives back six megabytes: better a word before than a broken answer."""
    wide = "email" + "," * 300 + "\n"
    cells = ANNA + ",=" * 300 + "\n"
    answer = scrub(clinic, (wide + cells * 6_000).encode(), **{"for": "spreadsheet"})
    assert answer.status == 413


def test_ten_thousand_rows_are_answered_in_one_call(clinic: Program) -> None:
    """A clinic's whole list, in one go: each row in its place."""
    rows = [f"p{number}@example.org,{number}\n" for number in range(lists.MAX_ROWS - 3)]
    rows.insert(0, f"{ANNA},first\n")
    rows.insert(5000, f"{ANNA},middle\n")
    rows.append(f"{ANNA},last\n")
    answer = scrub(clinic, ("email,n\n" + "".join(rows)).encode())
    assert answer.body.decode() == f"email,n\n{ANNA},first\n{ANNA},middle\n{ANNA},last\n"
    assert told(answer, "consent-list")["asked"] == "10000"


def _certificate(answer: Answer) -> dict[str, Any]:
    return dict(_verified(answer.headers["consent-certificate"]).document)


def _verified(signed: str) -> Certificate:
    jwks = Client().get("/.well-known/jwks.json").json()
    return verify_certificate(signed, jwks)


def test_who_changed_since_a_list_was_made_can_be_seen(portal: RunningPortal) -> None:
    """A mailing made from an old list shows whom it should have left out, and for whom it held."""
    program = portal.open_clinic()
    for person in (ANNA, BORIS, CLARA):
        decide(program, {"newsletter.email": "yes"}, email=person)
    content = f"email\n{ANNA}\n{BORIS}\n{CLARA}\n".encode()
    certificate = _certificate(scrub(program, content))
    assert certificate["permitted"] == 3
    decide(program, {"newsletter.email": "yes"}, email="dora@example.org")
    stop = {"channel": "phone", "effective_at": portal.in_process.clock(), "all": True}
    assert program.call("withdrawals", {**stop, "subject": {"email": BORIS}}).status == 201
    held = {"subject": {"email": CLARA}, "restricted": True}
    assert program.call("restrictions", held).status == 200
    people = [{"email": each} for each in (ANNA, BORIS, CLARA, "dora@example.org", "e@example.org")]
    body = {"subjects": people, "changed_since": certificate["issued_at"]}
    results = program.call("status", body).json()["results"]
    letters = [each["decisions"]["newsletter.email"] for each in results]
    assert [each["changed"] for each in letters] == [False, True, True, True, False]
    assert [each["permitted"] for each in letters] == [True, False, False, True, False]
    texts = [each["decisions"]["newsletter.sms"] for each in results]
    assert [each["changed"] for each in texts] == [False, True, False, False, False]
    for wrong in ({"at": certificate["issued_at"]}, {"changed_since": "2030-01-01T00:00:00Z"}):
        answer = program.call("status", {**body, **wrong})
        assert answer.status == 422
        assert {each["pointer"] for each in answer.json()["errors"]} == {"/changed_since"}
    plain = program.call("status", {"subjects": people}).json()["results"][0]
    assert "changed" not in plain["decisions"]["newsletter.email"]


def test_a_list_costs_few_round_trips(portal: RunningPortal) -> None:
    """Ten thousand rows fit into one call, also where families share a contact."""
    program = portal.open_clinic()
    for number in range(30):
        for person in ("A", "B"):
            subject = {"email": f"family{number}@example.org", "patient_ref": f"{number}-{person}"}
            decide(program, {"newsletter.email": "yes"}, **subject)
    rows = [f"family{number % 30}@example.org\n" for number in range(100)]
    rows += [f"p{number}@example.org\n" for number in range(900)]
    content = ("email\n" + "".join(rows)).encode()
    trips: list[str] = []
    scrub(program, content)
    events = get_portal().table.client.meta.events
    handler = "before-send.dynamodb"
    events.register(handler, lambda **_: trips.append("trip"), unique_id="trips")
    answer = scrub(program, content)
    events.unregister(handler, unique_id="trips")
    assert told(answer, "consent-list")["permitted"] == "100"
    assert 10 <= len(trips) <= 4 * 10


def test_the_certificate_says_what_was_asked_and_answered(clinic: Program) -> None:
    """Years later anybody can tell which list went out, and that it had been compared."""
    content = LIST.encode()
    answer = scrub(clinic, content)
    certificate = _verified(answer.headers["consent-certificate"])
    document = certificate.document
    assert document["clinic"] == clinic.clinic
    assert (document["purpose"], document["mode"], document["for"]) == (
        "newsletter.email",
        "permitted",
        None,
    )
    assert document["input"] == {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    assert certificate.part_of(hashlib.sha256(answer.body).hexdigest()) == "output"
    assert (document["rows"], document["asked"], document["permitted"]) == (8, 5, 2)
    assert document["refused"] == {"refused": 1, "withdrawn": 1, "never_asked": 1}
    assert sum(document["broken"].values()) == 3
    assert document["asked_at"] <= document["issued_at"] < document["valid_until"]
    changed = answer.body.replace(b"Anna", b"Anne", 1)
    assert certificate.part_of(hashlib.sha256(changed).hexdigest()) is None


def test_a_list_is_valid_as_long_as_the_clinic_says(portal: RunningPortal) -> None:
    """A clinic that writes in the afternoon does not use the list of the morning."""

    def four_hours(document: dict[str, Any]) -> None:
        document["list_valid_hours"] = 4

    for change, hours in ((None, 24), (four_hours, 4)):
        program = portal.open_clinic(change=change)
        certificate = _certificate(scrub(program, b"email\n"))
        begun, ends = certificate["asked_at"], certificate["valid_until"]
        assert moment(ends) - moment(begun) == timedelta(hours=hours)


def test_a_certificate_is_no_receipt_and_a_receipt_no_certificate(
    portal: RunningPortal,
) -> None:
    """What one proves nobody can make the other say."""
    program = portal.open_clinic()
    body = {**STAFF, "subject": {"email": ANNA}, "decisions": {"newsletter.email": "yes"}}
    number = program.call("receipts", body).json()["id"]
    portal.seal()
    receipt = program.receipt(number, "?format=jws").text
    certificate = scrub(program, b"email\n").headers["consent-certificate"]
    jwks = Client().get("/.well-known/jwks.json").json()
    assert jws.verify(receipt, jwks)
    assert verify_certificate(certificate, jwks)
    with pytest.raises(UnprovenError):
        jws.verify(certificate, jwks)
    with pytest.raises(UnprovenError):
        verify_certificate(receipt, jwks)
    assert (jws.kind_of(certificate), jws.kind_of(receipt)) == (TYPE, jws.TYPE)


def test_every_changed_character_of_a_certificate_shows(clinic: Program) -> None:
    """Nobody can turn 3 permitted rows into 8, or give an old list another day."""
    signed = scrub(clinic, LIST.encode()).headers["consent-certificate"]
    jwks = Client().get("/.well-known/jwks.json").json()
    for place in range(0, len(signed), 7):
        letter = "A" if signed[place] != "A" else "B"
        with pytest.raises(UnprovenError):
            verify_certificate(signed[:place] + letter + signed[place + 1 :], jwks)


def test_without_the_key_service_nothing_is_answered(
    portal: RunningPortal, clinic: Program
) -> None:
    """No list goes out without its certificate, and none is half answered."""
    lines = len(portal.audit(clinic.clinic))
    for alias in ("alias/nobody", a_signing_key("alias/not-published-yet"), ""):
        with environment({**portal.settings, "SIGNING_KEY": alias, "PUBLIC_URL": ""}):
            get_portal.cache_clear()
            answer = scrub(clinic, f"email\n{ANNA}\n".encode())
        assert (answer.status, answer.headers["content-type"]) == (503, "application/problem+json")
        assert ANNA not in answer.text
        assert "consent-certificate" not in answer.headers
    get_portal.cache_clear()
    assert len(portal.audit(clinic.clinic)) == lines
