"""A mailing tool gets the contacts of those who permit it, and of nobody else."""

import csv
import io
import json
from typing import Any

import pytest

from tests.web.client import Answer, Program
from tests.web.running import RunningPortal

NEWS, TEXTS = "newsletter.email", "newsletter.sms"
AT_THE_DESK = {"channel": "in-person", "effective_at": "2026-11-10T10:00:00+02:00"}


def decide(program: Program, subject: dict[str, str], answers: dict[str, str], **more: str) -> str:
    """Record answers at the desk, and give the opaque id of who gave them."""
    body = {"subject": subject, "decisions": answers, **AT_THE_DESK, **more}
    given = program.call("receipts", body)
    assert given.status == 201, given.text
    return str(given.json()["subject"])


def page_of(program: Program, purpose: str = NEWS, **query: str) -> dict[str, Any]:
    """Give a page of the export."""
    answer = asked(program, purpose, **query)
    assert answer.status == 200, answer.text
    return dict(answer.json())


def asked(program: Program, purpose: str = NEWS, **query: str) -> Answer:
    """Ask for a page of the export."""
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return program.get(f"export?purpose={purpose}{more}")


def everything(program: Program, limit: str) -> list[dict[str, Any]]:
    """Give the contacts of all pages."""
    page = page_of(program, limit=limit)
    found = list(page["contacts"])
    while "cursor" in page:
        page = page_of(program, limit=limit, cursor=page["cursor"])
        found += page["contacts"]
    return found


def test_only_who_permits_it_is_exported_with_the_contact_that_carries_it_out(
    portal: RunningPortal,
) -> None:
    """A newsletter by e-mail goes to e-mail addresses, one by text message to phones."""
    program = portal.open_clinic()
    anna = {"email": "anna@example.org", "phone": "26123456", "patient_ref": "P-1"}
    subject = decide(program, anna, {NEWS: "yes", TEXTS: "yes"}, name="Anna Ozola")
    decide(program, {"email": "no@example.org"}, {NEWS: "no"})
    decide(program, {"email": "gone@example.org"}, {NEWS: "yes"})
    decide(program, {"email": "gone@example.org"}, {NEWS: "no"})
    [row] = page_of(program)["contacts"]
    assert row["subject"] == subject
    assert (row["email"], row["phone"], row["patient_ref"]) == ("anna@example.org", None, "P-1")
    assert (row["name"], row["lang"], row["version"]) == ("Anna Ozola", "lv", 1)
    [texted] = page_of(program, TEXTS)["contacts"]
    assert (texted["email"], texted["phone"]) == (None, "+37126123456")
    status = program.call("status", {"subjects": [anna], "purposes": [NEWS]}).json()
    told = status["results"][0]["decisions"][NEWS]
    assert (told["since"], told["receipt_id"]) == (row["since"], row["receipt_id"])


def test_who_shares_a_contact_with_somebodys_no_is_not_exported(portal: RunningPortal) -> None:
    """The export decides as the status does."""
    program = portal.open_clinic()
    family = "family@example.org"
    decide(program, {"email": family, "patient_ref": "P-2"}, {NEWS: "no"})
    decide(program, {"email": family, "patient_ref": "P-1"}, {NEWS: "yes"})
    assert page_of(program)["contacts"] == []
    decide(program, {"email": "own@example.org", "patient_ref": "P-1"}, {NEWS: "yes"})
    [row] = page_of(program)["contacts"]
    assert row["email"] == "own@example.org", "of two contacts the one that permits it"


def test_who_is_restricted_or_erased_is_not_exported(portal: RunningPortal) -> None:
    """What may be used no longer leaves the portal no longer."""
    program = portal.open_clinic()
    anna, giorgi = {"email": "anna@example.org"}, {"email": "giorgi@example.org"}
    for subject in (anna, giorgi):
        decide(program, subject, {NEWS: "yes"})
    assert program.call("restrictions", {"subject": anna, "restricted": True}).status == 200
    assert program.call("erasures", {"subject": giorgi}).status == 200
    assert page_of(program)["contacts"] == []


def test_pages_are_stable_while_people_decide(portal: RunningPortal) -> None:
    """Nobody comes twice, nobody who was there all along is left out, and who stopped is out."""
    program = portal.open_clinic()
    emails = [f"p{number}@example.org" for number in range(12)]
    for email in emails:
        decide(program, {"email": email}, {NEWS: "yes"})
    page = page_of(program, limit="3")
    seen = [row["email"] for row in page["contacts"]]
    stops = [email for email in emails if email not in seen][:2]
    for email in stops:
        decide(program, {"email": email}, {NEWS: "no"})
    while "cursor" in page:
        decide(program, {"email": f"new{len(seen)}@example.org"}, {NEWS: "yes"})
        page = page_of(program, limit="3", cursor=page["cursor"])
        seen += [row["email"] for row in page["contacts"]]
    assert len(seen) == len(set(seen))
    assert {*emails} - {*stops} <= {*seen}
    assert not {*stops} & {*seen}


def test_whoever_reads_on_in_the_changes_after_an_export_misses_nothing(
    portal: RunningPortal,
) -> None:
    """A program begins with everybody, goes on with what changed, and asks for new contacts."""
    program = portal.open_clinic()
    first = decide(program, {"email": "anna@example.org"}, {NEWS: "yes"})
    page = page_of(program)
    second = decide(program, {"email": "giorgi@example.org"}, {NEWS: "yes"})
    refused = decide(program, {"email": "no@example.org"}, {NEWS: "no"})
    assert program.get(f"changes?since={page['changes_cursor']}").status == 200
    ids = [first, second, refused, "0" * 32]
    body = {"purpose": NEWS, "subjects": [{"subject_id": each} for each in ids]}
    answer = program.call("export", body)
    assert {row["email"] for row in answer.json()["contacts"]} == {
        "anna@example.org",
        "giorgi@example.org",
    }


def test_rows_come_as_csv_and_as_json_lines_too(portal: RunningPortal) -> None:
    """A mailing tool takes a file as it is; a spreadsheet runs none of its cells."""
    program = portal.open_clinic()
    decide(program, {"phone": "26123456"}, {TEXTS: "yes"}, name='=cmd|"x", Ltd')
    [row] = page_of(program, TEXTS)["contacts"]
    for wanted in ({"format": "csv"}, {"format": "csv", "for": "spreadsheet"}):
        answer = asked(program, TEXTS, **wanted)
        assert answer.headers["content-type"].startswith("text/csv")
        [cells] = csv.DictReader(io.StringIO(answer.text, newline=""))
        quote = "'" if "for" in wanted else ""
        assert cells["phone"] == f"{quote}+37126123456"
        assert cells["name"] == f'{quote}=cmd|"x", Ltd'
        assert cells["email"] == ""
        assert answer.headers["changes-cursor"]
        assert "next-cursor" not in answer.headers
    lines = asked(program, TEXTS, format="jsonl")
    assert [json.loads(line) for line in lines.text.splitlines()] == [row]
    accepted = program.client.get(
        f"/v1/clinics/{program.clinic}/export?purpose={TEXTS}&limit=1",
        {"Authorization": f"Bearer {program.key}", "Accept": "text/csv, */*"},
    )
    assert accepted.headers["content-type"].startswith("text/csv")
    assert accepted.headers["next-cursor"]
    for wrong in ({"format": "xml"}, {"for": "mailchimp"}):
        assert asked(program, TEXTS, **wrong).status == 400


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("purpose=", 400),
        ("purpose=newsletter", 400),
        ("purpose=horoscopes", 400),
        ("purpose=newsletter.email&limit=0", 422),
        ("purpose=newsletter.email&limit=1001", 422),
        ("purpose=newsletter.email&cursor=x", 422),
    ],
)
def test_what_cannot_be_asked_for_is_refused(
    portal: RunningPortal, query: str, status: int
) -> None:
    """A program is told what is wrong; a purpose with options is exported by option."""
    assert portal.open_clinic().get(f"export?{query}").status == status


def test_a_cursor_leads_on_in_its_own_clinic_and_for_its_own_decision(
    portal: RunningPortal,
) -> None:
    """What one clinic or purpose was given opens nothing in another."""
    program, other = portal.open_clinic(), portal.open_clinic()
    for each in (program, other):
        for number in range(3):
            decide(each, {"email": f"p{number}@example.org"}, {NEWS: "yes"})
    cursor = page_of(program, limit="1")["cursor"]
    assert len(page_of(program, cursor=cursor)["contacts"]) == 2
    assert asked(other, cursor=cursor).status == 422
    assert asked(program, TEXTS, cursor=cursor).status == 422
    assert asked(program, cursor=f"A{cursor[1:]}").status == 422
    assert asked(Program(other.clinic, program.key)).status == 404


def test_a_joint_controller_exports_what_it_shares(portal: RunningPortal) -> None:
    """Another controller's decision is to it an unknown purpose."""
    lead = portal.open_clinic("kaunas-polyclinics")
    pills = portal.member(lead.clinic, "liepziedzio-vaistines")
    assert asked(pills, "data_sharing.cardiology").status == 400
    assert asked(pills, "data_sharing.pharmacy").status == 200
    body = {"purpose": "data_sharing.cardiology", "subjects": [{"subject_id": "0" * 32}]}
    assert pills.call("export", body).status == 400


def test_an_export_is_audited_by_opaque_ids(portal: RunningPortal) -> None:
    """Everybody can be told who took their contact, and when."""
    program = portal.open_clinic()
    subject = decide(program, {"email": "anna@example.org"}, {NEWS: "yes"})
    everything(program, "1")
    lines = [line for line in portal.audit(program.clinic) if line["call"] == "export"]
    assert [line["subjects"] for line in lines] == [[subject], []]
    assert {line["about"] for line in lines} == {NEWS}
    assert "anna" not in json.dumps(lines)
