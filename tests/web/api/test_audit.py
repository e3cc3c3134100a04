"""A clinic reads who looked at or changed what, when; and reading that is written down too."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.jobs.audit_seals import seal_audits
from chalicelib.portal import system_clock
from chalicelib.receipts.audit_seals import verify_seal
from chalicelib.services import audit as service
from chalicelib.services.audit import who_looked
from chalicelib.store import audit, signatures
from infra.operator.commands import main
from tests.web.client import Client, Program
from tests.web.running import RunningPortal

KAUNAS = "kaunas-polyclinics"
ANNA, BERTA = "a" * 32, "b" * 32
OLD = "2026-03-{:02d}T10:00:00.000Z"
"""Days of a month in which no other test does anything."""


def ago(days: float) -> Instant:
    """Give the moment so many days ago."""
    return instant(moment(system_clock()) - timedelta(days=days))


def wrote(portal: RunningPortal, clinic: str, at: Instant, **told: Any) -> None:
    """Leave a line of the audit, as a call of that time would have."""
    line = audit.line(
        clinic,
        told.get("by", "key_0123456789ab"),
        told.get("deed", "status"),
        at,
        told.get("subjects", [ANNA]),
    )
    assert portal.table.put_new(line)


def found(program: Program, query: str) -> list[dict[str, Any]]:
    """Ask for one page of the audit; give its lines."""
    answer = program.get(f"audit?{query}")
    assert answer.status == 200, answer.text
    lines: list[dict[str, Any]] = answer.json()["lines"]
    return lines


def every_page(program: Program, query: str) -> Iterator[dict[str, Any]]:
    """Ask for page after page; give every line."""
    target = f"audit?{query}"
    while target:
        page = program.get(target).json()
        yield from page["lines"]
        target = f"audit?{query}&cursor={quote(page['cursor'])}" if "cursor" in page else ""


def test_a_clinic_sees_who_asked_about_whom_by_opaque_ids(portal: RunningPortal) -> None:
    """Whether the newsletter tool looked at Anna, and when, is answered without her e-mail."""
    program = portal.open_clinic()
    subject = {"email": "anna.ozola@example.org"}
    body = {"subject": subject, "channel": "phone", "effective_at": "2026-11-10T10:00:00+02:00"}
    made = program.call("receipts", {**body, "decisions": {"newsletter.email": "yes"}}).json()
    program.call("status", {"subjects": [subject]})
    lines = found(program, f"subject={made['subject']}")
    assert [line["deed"] for line in lines] == ["receipts", "status"]
    assert lines[0]["receipt"] == made["id"]
    assert {line["key"][:4] for line in lines} == {"key_"}
    assert "ozola" not in program.get("audit").text


def test_the_audit_is_searched_by_time_key_deed_and_subject(portal: RunningPortal) -> None:
    """A question of an inspector has an answer of one call."""
    program = portal.open_clinic()
    wrote(portal, program.clinic, OLD.format(1))
    wrote(portal, program.clinic, OLD.format(2), deed="history", subjects=[BERTA])
    wrote(portal, program.clinic, OLD.format(3), by="patient", deed="own page", subjects=[BERTA])
    month = "from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z"

    def days(query: str) -> list[int]:
        return [int(line["at"][8:10]) for line in found(program, f"{month}{query}")]

    assert days("") == [1, 2, 3]
    assert days("&order=newest") == [3, 2, 1]
    assert days("&key=patient") == [3]
    assert days("&key=key_0123456789ab") == [1, 2]
    assert days("&key=staff_0123456789ab") == []
    assert days("&deed=history") == [2]
    assert days(f"&subject={BERTA}") == [2, 3]
    assert days(f"&subject={BERTA}&deed=history&key=patient") == []
    assert days(f"&from={OLD.format(2)}&to={OLD.format(3)}") == [2], "from is in it, to is not"


def test_a_plus_of_a_moment_need_not_be_escaped(portal: RunningPortal) -> None:
    """A moment with an offset, as a program writes it, is read wherever it stands."""
    program = portal.open_clinic()
    wrote(portal, program.clinic, OLD.format(1))
    day = "from=2026-03-01T12:00:00+02:00&to=2026-03-01T12:00:01+02:00"
    assert [line["at"] for line in found(program, day)] == [OLD.format(1)]
    assert found(program, day.replace("+", "%2B")) == found(program, day)


def test_another_clinics_lines_are_not_found(portal: RunningPortal) -> None:
    """Nobody learns from the audit whom another clinic looks at."""
    program, other = portal.open_clinic(), portal.open_clinic()
    wrote(portal, program.clinic, ago(1))
    assert [line["deed"] for line in found(other, f"subject={ANNA}")] == []
    assert (
        other.client.get(
            f"/v1/clinics/{program.clinic}/audit", {"Authorization": f"Bearer {other.key}"}
        ).status
        == 404
    )


def test_looking_at_the_audit_is_a_line_of_it(portal: RunningPortal) -> None:
    """Who watches is seen, and about whom they asked."""
    program = portal.open_clinic()
    found(program, f"subject={ANNA}&key=key_0123456789ab")
    program.get("audit/seals")
    lines = [line for line in found(program, "order=newest") if line["key"] != "operator"]
    assert [(line["deed"], line["subjects"], line["about"]) for line in lines] == [
        ("audit/seals", [], None),
        ("audit", [ANNA], "key_0123456789ab"),
    ]


@pytest.mark.parametrize("order", ["oldest", "newest"])
def test_all_pages_together_have_every_line_once_and_in_order(
    portal: RunningPortal, order: str
) -> None:
    """A program that reads page by page misses nothing, though lines stand in several places."""
    program = portal.open_clinic()
    for number in range(230):
        wrote(portal, program.clinic, f"2026-03-{5 + number % 3:02d}T10:{number % 60:02d}:00.000Z")
    month = f"from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z&order={order}"
    lines = list(every_page(program, month))
    assert len({line["id"] for line in lines}) == len(lines) == 230
    moments = [line["at"] for line in lines]
    assert moments == sorted(moments, reverse=order == "newest")


def test_a_search_with_few_hits_goes_on_where_it_stopped_reading(
    portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the audit, a call does a bounded amount of work, and nothing is missed."""
    monkeypatch.setattr(service, "MOST_READ", 10)
    program = portal.open_clinic()
    for number in range(35):
        subjects = [BERTA] if number in {3, 33} else [ANNA]
        wrote(portal, program.clinic, f"2026-03-05T10:{number:02d}:00.000Z", subjects=subjects)
    month = f"from=2026-03-01T00:00:00Z&to=2026-04-01T00:00:00Z&subject={BERTA}"
    assert "cursor" in program.get(f"audit?{month}").json()
    assert [line["at"][14:16] for line in every_page(program, month)] == ["03", "33"]


def test_without_a_period_the_last_31_days_are_searched(portal: RunningPortal) -> None:
    """Whoever just asks sees what happened lately, and is told which days these are."""
    program = portal.open_clinic()
    wrote(portal, program.clinic, ago(30), subjects=[BERTA])
    wrote(portal, program.clinic, ago(32), subjects=[BERTA])
    answer = program.get(f"audit?subject={BERTA}").json()
    assert len(answer["lines"]) == 1
    assert moment(answer["to"]) - moment(answer["from"]) == timedelta(days=31)


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ("from=2026-01-01T00:00:00Z&to=2026-03-01T00:00:00Z", "Unknown period"),
        ("from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "Unknown period"),
        ("from=2026-03-02", "Unknown moment"),
        ("to=yesterday", "Unknown moment"),
        ("from=0001-01-01T00:00:00Z", "Unknown period"),
        ("to=0001-01-01T00:00:00Z", "Unknown period"),
        ("key=anna.ozola@example.org", "Unknown key"),
        ("subject=anna.ozola@example.org", "Unknown subject"),
        ("subject=", "Unknown subject"),
        ("order=backwards", "Unknown choice"),
        ("cursor=zzz", "Unknown cursor"),
        ("cursor=MjAyNi0xMS05OVQwODoxNTowMC4wMDBaIzBhMWIyYzNkNGU1ZjYwNzE%3D", "Unknown cursor"),
    ],
)
def test_what_cannot_be_searched_for_is_said(portal: RunningPortal, query: str, title: str) -> None:
    """A slip is told and repeats nothing; a contact that stands in the address is written nowhere."""
    program = portal.open_clinic()
    answer = program.get(f"audit?{query}")
    assert (answer.status, answer.json()["title"]) == (400, title)
    assert "ozola" not in answer.text
    assert portal.audit(program.clinic) == []


def test_a_joint_controller_is_shown_what_its_own_keys_did(portal: RunningPortal) -> None:
    """The pharmacy does not learn whom the heart centre asks about."""
    lead = portal.open_clinic(KAUNAS)
    heart = portal.member(lead.clinic, "ramaus-ritmo-klinika")
    subject = {"subjects": [{"email": "ona.petrauskiene@example.org"}]}
    lead.call("status", subject)
    heart.call("status", subject)
    wrote(portal, lead.clinic, ago(1), by="patient", deed="own page")
    own = found(heart, "")
    assert [line["deed"] for line in own] == ["status"]
    assert len(found(lead, "deed=status")) == 2


def test_a_patient_can_be_told_who_looked_within_31_days(portal: RunningPortal) -> None:
    """What her own page will show: what others did, the newest first, not what she did herself."""
    program = portal.open_clinic()
    wrote(portal, program.clinic, ago(40))
    wrote(portal, program.clinic, ago(3))
    wrote(portal, program.clinic, ago(2), deed="history")
    wrote(portal, program.clinic, ago(1), by="patient", deed="own page")
    wrote(portal, program.clinic, ago(1), subjects=[BERTA])
    looked = who_looked(portal.in_process, program.clinic, ANNA, system_clock())
    assert [line.told["call"] for line in looked.lines] == ["history", "status"]
    assert looked.whole


def test_the_seals_of_the_days_are_given_and_verify(portal: RunningPortal, client: Client) -> None:
    """A clinic keeps them, and can prove later that its audit was not rewritten."""
    program = portal.open_clinic()
    signer, now = portal.in_process.signer, "2027-01-{:02d}T07:00:00.000Z"
    for day in (3, 4, 5):
        seal_audits(portal.in_process, signer, now.format(day), lambda: False)
    seals = program.get("audit/seals").json()["seals"]
    assert [each["day"] for each in seals] == ["2027-01-02", "2027-01-03", "2027-01-04"]
    jwks = client.get("/.well-known/jwks.json").json()
    assert jwks == signatures.jwks(portal.table)
    for each in seals:
        seal = verify_seal(each["jws"], jwks)
        assert (seal.clinic, seal.day) == (program.clinic, each["day"])


def test_an_operator_lists_and_verifies_the_audit_by_command(
    portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever runs the portal answers an inspector, and the audit says that they looked."""
    clinic = portal.open_clinic().clinic
    for day in (1, 2, 3):
        wrote(portal, clinic, OLD.format(day), subjects=[BERTA])
    capsys.readouterr()
    period = ["--from", "2026-03-02", "--to", "2026-03-03"]
    assert main(["audit", clinic, *period, "--subject", BERTA, "--newest"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["at"] for line in lines] == [OLD.format(3), OLD.format(2)]
    assert portal.whole_audit(clinic)[-1]["call"] == "audit"
    assert main(["audit", clinic, "--from", "2026-01-01"]) == 1
    assert main(["audit", clinic, "--from", "2026-1-1"]) == 1
    assert main(["audit", "nobody"]) == 1
    assert main(["verify-audit", clinic]) == 1, "nothing is sealed yet, and should be"
    assert "Sealed up to no day" in capsys.readouterr().err
    assert main(["verify-audit", clinic, "2026-03-02"]) == 1
    assert "There is no seal of this day." in capsys.readouterr().err
