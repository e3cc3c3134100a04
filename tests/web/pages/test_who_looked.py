"""A patient sees who looked at their data: by whose key, what for, when; from the clinic's audit."""

import re
from typing import Any

import pytest

from chalicelib.domain.api_keys import KeyKind
from chalicelib.domain.links import LinkScope
from chalicelib.domain.staff import Role
from chalicelib.services import audit as audit_service
from chalicelib.store import audit
from chalicelib.web.pages import own_page_looked
from infra.operator import keys
from tests.cast import ANNA
from tests.web.api.test_audit import ago, wrote
from tests.web.client import Client, Program
from tests.web.letterbox import a_token
from tests.web.page_reader import open_page
from tests.web.running import RunningPortal
from tests.web.staff.desk_client import sign_in

KAUNAS = "kaunas-polyclinics"
MAIL = {"email": ANNA.value}
HER = {"subjects": [MAIL]}


def _known(program: Program, **subject: str) -> dict[str, Any]:
    """Let staff record a No of Anna's, or of somebody else; give the receipt."""
    question = next(iter(program.states(**MAIL)))
    body = {
        "subject": subject or MAIL,
        "decisions": {question: "no"},
        "channel": "phone",
        "effective_at": "2026-01-10T10:00:00+02:00",
    }
    answer = program.call("receipts", body)
    assert answer.status == 201, answer.text
    receipt: dict[str, Any] = answer.json()
    return receipt


def _place(portal: RunningPortal, clinic: str, receipt: str | None = None) -> str:
    """Give the address of the page behind a link to Anna's e-mail."""
    token = a_token(portal, clinic, ANNA, LinkScope.MANAGE, receipt)
    return f"/manage/{token}?lang=en&looked=1"


def _rows(client: Client, place: str) -> list[str]:
    """Give each row's words."""
    text = client.get(place).text
    _, _, listed = text.partition('<ul class="rows">')
    rows = listed.partition("</ul>")[0].split("<li>")[1:]
    return [" ".join(re.sub(r"<[^>]*>", " ", row).split()) for row in rows]


def _program(
    portal: RunningPortal, clinic: str, label: str, kind: KeyKind = KeyKind.PROGRAM
) -> tuple[Program, str]:
    """Give a program of a clinic whose key has this name, and the key's secret."""
    _, secret = keys.create(portal.table, clinic, label, kind=kind)
    return Program(clinic, secret), secret


def test_a_patient_sees_by_name_who_looked_what_for_and_when(
    client: Client, portal: RunningPortal
) -> None:
    """The program and the receptionist by the names that the clinic gave their keys, the newest
    first; not what the patient did.
    """
    opened = portal.open_clinic()
    receipt = _known(opened)
    mailer, secret = _program(portal, opened.clinic, "Newsletter tool")
    desk, _ = _program(portal, opened.clinic, "Ilze, reception", KeyKind.WORKER)
    for _ in range(3):
        mailer.call("status", HER)
    desk.call("history", {"subject": MAIL})
    desk.receipt(receipt["id"])
    place = _place(portal, opened.clinic, receipt["id"])
    rows = _rows(client, place)
    assert rows[0].startswith("Ilze, reception (member of staff) Read one of your receipts ")
    assert rows[1].startswith("Ilze, reception (member of staff) Read your answers so far ")
    assert rows[2].startswith("Newsletter tool (program) Asked what you agreed to ")
    assert rows[2].endswith("3 times that day")
    assert "Recorded an answer of yours" in rows[3]
    assert not any("page" in row for row in rows), "her own visits are left out"
    answer = client.get(place)
    assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == (
        "no-store",
        "no-referrer",
    )
    for kept in (secret, secret[-20:], ANNA.value, receipt["subject"], "key_"):
        assert kept not in answer.text


def test_nobody_sees_who_looked_at_somebody_else(client: Client, portal: RunningPortal) -> None:
    """Neither another patient's lines nor those of another clinic; a line about both names none."""
    opened, other = portal.open_clinic(), portal.open_clinic()
    receipt, _ = _known(opened), _known(other)
    bella = {"email": "bella.kalna@example.org"}
    theirs = _known(opened, **bella)
    lists, _ = _program(portal, opened.clinic, "About Bella alone")
    both, _ = _program(portal, opened.clinic, "About both")
    abroad, _ = _program(portal, other.clinic, "At the other clinic")
    lists.call("status", {"subjects": [bella]})
    both.call("status", {"subjects": [bella, MAIL]})
    abroad.call("status", HER)
    place = _place(portal, opened.clinic, receipt["id"])
    text = client.get(place).text
    assert "About both" in text
    assert "About Bella alone" not in text
    assert "At the other clinic" not in text
    for kept in (theirs["subject"], theirs["id"], "bella"):
        assert kept not in text.lower()


def test_a_joint_controllers_key_is_shown_with_its_controllers_name(
    client: Client, portal: RunningPortal
) -> None:
    """The patient learns which of the organisations looked."""
    lead = portal.open_clinic(KAUNAS)
    receipt = _known(lead)
    heart = portal.member(lead.clinic, "ramaus-ritmo-klinika")
    heart.call("status", HER)
    name = next(
        each.name
        for each in portal.in_process.directory.look_up(lead.clinic).published.clinic.controllers
        if each.id == "ramaus-ritmo-klinika"
    )
    [row] = [
        row for row in _rows(client, _place(portal, lead.clinic, receipt["id"])) if name in row
    ]
    assert "Asked what you agreed to" in row


def test_those_who_share_a_contact_are_not_shown_who_looked_at_each_other(
    client: Client, portal: RunningPortal
) -> None:
    """A link for several people shows what it always shows, and does not offer the record."""
    opened = portal.open_clinic()
    for reference in ("P-1", "P-2"):
        _known(opened, **MAIL, patient_ref=reference)
    mailer, _ = _program(portal, opened.clinic, "Newsletter tool")
    mailer.call("status", {"subjects": [{"patient_ref": "P-1"}]})
    page = client.get(_place(portal, opened.clinic))
    assert (page.status, "Newsletter tool" in page.text) == (200, False)
    assert "looked=1" not in page.text
    assert "Several people use this" in page.text


def test_an_audit_with_very_many_lines_is_read_only_so_far_and_the_page_says_so(
    client: Client, portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No patient's page reads without end; what it covers is told truly."""
    opened = portal.open_clinic()
    receipt = _known(opened)
    subject = receipt["subject"]
    wrote(portal, opened.clinic, ago(20), subjects=[subject], by="portal", deed="restrictions")
    for _ in range(4):
        wrote(portal, opened.clinic, ago(10), subjects=["b" * 32])
    place = _place(portal, opened.clinic, receipt["id"])
    whole = open_page(client, place).words
    assert "The portal itself" in whole
    assert "Too much is recorded" not in whole
    assert re.search(r"Period: \d+ \w+ \d{4} – ", whole)
    part_of_day = r"Period: \d+ \w+ \d{4}, \d+:\d\d – "
    with monkeypatch.context() as few:
        few.setattr(own_page_looked, "MOST_ROWS", 1)
        assert re.search(part_of_day, open_page(client, place).words)
    monkeypatch.setattr(audit_service, "MOST_READ_FOR_PATIENT", 4)
    part = open_page(client, place).words
    assert "The portal itself" not in part
    assert "Too much is recorded to show all of it." in part
    assert re.search(part_of_day, part)


def test_trying_an_import_out_is_not_told_as_an_answer_taken_over(
    client: Client, portal: RunningPortal
) -> None:
    """A dry run writes no answer of anybody's."""
    opened = portal.open_clinic()
    receipt = _known(opened)
    about = {"subjects": [receipt["subject"]], "by": "portal"}
    wrote(portal, opened.clinic, ago(1), deed="import/dry-run", **about)
    wrote(portal, opened.clinic, ago(2), deed="import", **about)
    rows = _rows(client, _place(portal, opened.clinic, receipt["id"]))
    assert rows[1].startswith("The portal itself Something else ")
    assert rows[2].startswith("The portal itself Took over an answer from another system ")


def test_the_first_page_offers_the_record_and_reads_none_of_it(
    client: Client, portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page stays quick, however much its clinic's programs ask."""
    opened = portal.open_clinic()
    receipt = _known(opened)
    place = _place(portal, opened.clinic, receipt["id"])

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the audit was read")

    monkeypatch.setattr(audit, "lines_between", refuse)
    assert "?lang=en&looked=1" in open_page(client, place.removesuffix("&looked=1")).links
    with pytest.raises(AssertionError):
        client.get(place)


def test_somebody_at_the_desk_is_told_as_the_clinics_and_not_by_name(
    client: Client, portal: RunningPortal
) -> None:
    """Which colleague it was the clinic knows, and its data protection officer."""
    program = portal.open_clinic()
    receipt = _known(program)
    desk = sign_in(portal.in_process, program.clinic, Role.RECEPTION, "Maija Bērziņa")
    assert desk.get(f"/staff/people/{receipt['subject']}").status == 200
    first = _rows(client, _place(portal, program.clinic, receipt["id"]))[0]
    assert first.startswith("Somebody at the clinic’s desk Looked you up, or opened your record")
    assert "Maija" not in first
