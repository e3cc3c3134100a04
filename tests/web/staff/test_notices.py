"""A notice's way at the desk, from a file to force: chalicelib/web/staff/notices.py."""

import copy
import json
from typing import Any

import pytest

from chalicelib.domain.staff import Role
from tests.web.client import Answer
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token


def a_document(portal: RunningPortal, clinic: str, version: str = "1.1") -> dict[str, Any]:
    """Give the clinic's document with another number."""
    return copy.deepcopy(portal.documents[clinic]) | {"version": version}


def drafted(desk: DeskClient, document: object) -> Answer:
    """Paste a document into the form."""
    text = document if isinstance(document, str) else json.dumps(document)
    return desk.submit("notices", {"document": text})


def approved(desk: DeskClient, version: str, **fields: str) -> Answer:
    """Approve the text that the page shows."""
    path = f"notices/{version}"
    sha256 = desk.open(path).fields.get("sha256", "")
    return desk.submit(path, {"sha256": sha256, **fields})


def test_a_notice_goes_from_a_file_to_force(portal: RunningPortal, desk_client: SignIn) -> None:
    """Marketing writes it, the data protection officer approves it, and it is published."""
    program = portal.open_clinic()
    writer = desk_client(program, Role.MARKETING, "Ieva")
    officer = desk_client(program, Role.PROTECTION, "Juris")
    answer = drafted(writer, a_document(portal, program.clinic, "2.0"))
    assert (answer.status, answer.location) == (303, "/api/staff/notices/2.0?did=drafted")
    assert "approves it" in writer.open("notices/2.0?did=drafted").words
    assert "2.0" in officer.open("worklists/drafts").words
    shown = officer.get("/staff/notices/2.0/preview?lang=lv")
    assert shown.status == 200
    assert "form-action 'none'" in shown.headers["content-security-policy"]
    assert officer.get("/staff/notices/2.0/preview?lang=ka").status == 404
    answer = approved(officer, "2.0")
    assert (answer.status, answer.location) == (303, "/api/staff/notices/2.0?did=approved")
    assert officer.get("/staff/notices/2.0/publish").status == 403
    page = writer.open("notices/2.0/publish")
    assert "Publish version 2.0" in page.words
    untouched = writer.submit("notices/2.0/publish", {}, page="notices/2.0/publish")
    assert untouched.status == 422
    assert Page(untouched).faults == ["#seen"]
    answer = writer.submit("notices/2.0/publish", {"seen": "yes"}, page="notices/2.0/publish")
    assert (answer.status, answer.location) == (303, "/api/staff/notices/2.0?did=published")
    page = officer.open("notices/2.0")
    assert "Published by Ieva" in page.words
    assert "In force" in page.words
    document = json.loads(officer.get("/staff/notices/2.0/file").body)
    assert document == a_document(portal, program.clinic, "2.0"), "what the next draft begins with"
    gone = officer.get("/staff/notices/2.0/preview?lang=lv")
    assert (gone.status, gone.location) == (303, "/api/staff/notices/2.0")
    deeds = [line["call"] for line in portal.audit(program.clinic)]
    assert {"notices", "approve", "publish", "shown"} <= set(deeds)


def test_nobody_approves_their_own_text(portal: RunningPortal, desk_client: SignIn) -> None:
    """The page offers no button, and a form made by hand is refused."""
    program = portal.open_clinic()
    desk = desk_client(program, Role.ADMINISTRATOR, "Ieva")
    drafted(desk, a_document(portal, program.clinic))
    page = desk.open("notices/1.1")
    assert "Another person must approve it" in page.words
    other = desk_client(program, Role.PROTECTION, "Juris")
    drafted(desk_client(program, Role.MARKETING, "Zane"), a_document(portal, program.clinic, "1.2"))
    sha256 = other.open("notices/1.1").fields["sha256"]
    fields = {"sha256": sha256}
    answer = desk.submit("notices/1.1", fields, page="notices/1.2")
    assert answer.status == 422
    assert Page(answer).alerts == 1


def test_the_text_that_was_read_is_approved_and_no_other(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Somebody drafted it anew while the page was open."""
    program = portal.open_clinic()
    writer = desk_client(program, Role.MARKETING, "Ieva")
    officer = desk_client(program, Role.PROTECTION, "Juris")
    drafted(writer, a_document(portal, program.clinic))
    answer = approved(officer, "1.1", sha256="0" * 64)
    assert answer.status == 422
    assert "read it again" in Page(answer).words
    assert "Draft, not approved" in officer.open("notices/1.1").words


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "Choose the clinic’s file"),
        ('{\n "id": 1,\n oops}', "look at line 3"),
        ("[1]", "look at line 1"),
        ("[" * 3_000, "This is no JSON"),
        ('{"id": "elsewhere", "version": "1.1"}', "cannot be kept"),
        ('{"id": "x"}', "cannot be kept"),
    ],
)
def test_what_is_no_document_says_where_it_is_wrong(
    settled: RunningPortal, desk_client: SignIn, text: str, problem: str
) -> None:
    """The page again, with what was pasted, and nothing kept."""
    desk = desk_client(settled.open_clinic(), Role.MARKETING)
    answer = drafted(desk, text)
    assert answer.status == 422
    page = Page(answer)
    assert problem in page.words
    assert page.alerts == 1
    assert text.replace("\n", "") in page.words.replace("\n", "")


def test_a_number_that_was_published_is_refused(portal: RunningPortal, desk_client: SignIn) -> None:
    """What is published never changes."""
    program = portal.open_clinic()
    desk = desk_client(program, Role.MARKETING)
    answer = drafted(desk, portal.documents[program.clinic])
    assert answer.status == 422
    assert "Raise the number" in Page(answer).words


def test_a_file_is_taken_as_it_is_and_an_incomplete_text_says_what_is_missing(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """A draft may be unfinished; it is neither approved nor published."""
    program = portal.open_clinic()
    desk = desk_client(program, Role.MARKETING, "Ieva")
    document = a_document(portal, program.clinic)
    del document["texts"]
    state = form_token(desk.get("/staff/notices"), "notices")
    parts = [("state", "", state), ("file", '; filename="clinic.json"', json.dumps(document))]
    body = "".join(
        f'--xyz\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{text}\r\n'
        for name, more, text in parts
    )
    headers = {"Content-Type": "multipart/form-data; boundary=xyz"}
    answer = desk.send("POST", "/staff/notices", f"{body}--xyz--\r\n".encode(), headers)
    assert answer.status == 303, answer.text
    officer = desk_client(program, Role.PROTECTION, "Juris")
    page = officer.open("notices/1.1")
    assert "What is missing" in page.words
    assert "texts" in page.words
    assert "sha256" not in page.fields
    assert officer.get("/staff/notices/1.1/publish").status == 403
    assert desk.get("/staff/notices/1.1/publish").status == 404


def test_a_minor_that_changes_more_than_words_needs_a_reason(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """The approver reads what changes and says why everybody's Yes may stay."""
    program = portal.open_clinic()
    document = a_document(portal, program.clinic)
    document["proof_kept"] = "P9Y"
    desk = desk_client(program, Role.MARKETING, "Ieva")
    officer = desk_client(program, Role.PROTECTION, "Juris")
    drafted(desk, document)
    page = officer.open("notices/1.1")
    assert "It changes more than words" in page.words
    answer = approved(officer, "1.1")
    assert Page(answer).faults == ["#minor_reason"]
    assert approved(officer, "1.1", minor_reason="x" * 501).status == 422
    assert approved(officer, "1.1", minor_reason="Only a longer proof.").status == 303


def test_another_clinics_versions_are_not_there(portal: RunningPortal, desk_client: SignIn) -> None:
    """Neither to read nor to approve nor to publish."""
    program, other = portal.open_clinic(), portal.open_clinic()
    writer = desk_client(program, Role.MARKETING, "Ieva")
    drafted(writer, a_document(portal, program.clinic))
    stranger = desk_client(other, Role.ADMINISTRATOR, "Juris")
    for path in ("notices/1.1", "notices/1.1/preview", "notices/1.1/publish", "notices/../x"):
        assert stranger.get(f"/staff/{path}").status == 404
    reception = desk_client(program, Role.RECEPTION)
    assert reception.open("notices/1.1")
    assert reception.post("/staff/notices", {"document": "{}"}).status == 403
