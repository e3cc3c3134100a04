"""An operator looks after messages by command."""

import re
from pathlib import Path

import pytest

from chalicelib.domain.message_outcomes import Reason
from chalicelib.portal import get_portal
from infra.__main__ import main
from infra.build.bundle import ROOT
from infra.operator.messages import EXPLANATIONS
from tests.cast import CLINICS, IEVA, JURIS, RIGA
from tests.web.client import Client
from tests.web.letterbox import carried
from tests.web.page_reader import Page, decide, receipt_number
from tests.web.running import TABLE, RunningPortal

STAFF = {"channel": "in-person", "effective_at": "2026-11-20T10:00:00Z"}
YES = {"decision.newsletter.sms": "yes", "phone": "26 333 111"}


def test_what_waits_and_what_a_day_may_bring_is_shown(
    portal: RunningPortal,
    client: Client,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who is told that a budget runs out sees whose it is, and that nothing was lost."""
    monkeypatch.chdir(tmp_path)  # away from a portal that runs in this folder
    clinic = portal.open_clinic().clinic
    assert decide(client, clinic, YES).status == 303
    assert main(["messages", "waiting", clinic]) == 0
    out = capsys.readouterr().out
    assert "1 to be sent." in out
    assert "26333111" not in out
    carried(portal)
    assert main(["messages", "waiting", clinic]) == 0
    assert "Nothing waits." in capsys.readouterr().out
    assert main(["messages", "budgets"]) == 0
    assert f"sms#clinic#{clinic}\t1 of 300\n" in capsys.readouterr().out
    assert main(["messages", "budgets", "--day", "2020-01-01"]) == 0
    assert f"sms#clinic#{clinic}\t0 of 300\n" in capsys.readouterr().out
    assert main(["messages", "waiting", "no-such-clinic"]) == 1


def test_a_clinic_names_the_countries_its_page_asks_a_phone_of(
    portal: RunningPortal, client: Client
) -> None:
    """The patient reads in plain words which numbers work, beside the number that was typed."""
    clinic = portal.open_clinic(
        change=lambda document: document.update(sms_countries=["LV", "EE"])
    ).clinic
    abroad = {**YES, "phone": "+44 7911 123456"}
    for lang, words in (
        ("lv", "Latvija, Igaunija"),
        ("ru", "Латвия, Эстония"),
        ("en", "Latvia, Estonia"),
    ):
        answer = decide(client, clinic, abroad, f"?lang={lang}&view=all")
        assert answer.status == 422
        page = Page(answer)
        assert words in page.words
        assert page.fields["phone"] == abroad["phone"]
        assert ("decision.newsletter.sms", "yes") in page.chosen
    assert decide(client, clinic, {**YES, "phone": "+372 5123 4567"}).status == 303


def test_publishing_what_is_published_makes_the_key_that_an_older_table_lacks(
    portal: RunningPortal,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After an update one command that changes nothing else brings the limit across clinics."""
    monkeypatch.chdir(tmp_path)
    place = {"pk": {"S": "PORTAL"}, "sk": {"S": "KEY"}}
    client = portal.table.client
    before = client.get_item(TableName=TABLE, Key=place)["Item"]
    client.delete_item(TableName=TABLE, Key=place)
    get_portal.cache_clear()
    path = CLINICS / f"{RIGA}.yaml"
    assert main(["publish", str(path), "--author", IEVA.name, "--approver", JURIS.name]) == 0
    assert "published" in capsys.readouterr().out
    made = client.get_item(TableName=TABLE, Key=place)["Item"]
    assert made["blob"] != before["blob"]
    assert get_portal().clinics.portal_key() is not None


def test_why_a_patient_got_no_mail_is_read_from_her_receipt(
    portal: RunningPortal,
    client: Client,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The operator has the receipt's number alone, and reads what waits, what went out, what did
    not and why.
    """
    monkeypatch.chdir(tmp_path)
    clinic = portal.open_clinic().clinic
    number = receipt_number(decide(client, clinic, YES))
    assert main(["messages", "list", clinic, number]) == 0
    assert "decided\t-\twaits\tdue\t0 tries\n" in capsys.readouterr().out
    carried(portal)
    assert main(["messages", "list", clinic, number]) == 0
    out = capsys.readouterr().out
    assert re.search(
        r"^Receipt 1 of person [0-9a-f]{32}\.\nconfirm\tSMS\tsent\t2\S+Z\tid \d+\n$", out
    )
    withdrawn = receipt_number(
        client.post(f"/{clinic}/withdraw", {"phone": "26 999 999", "all": "yes"})
    )
    carried(portal)
    assert main(["messages", "list", clinic, withdrawn]) == 0
    out = capsys.readouterr().out
    assert "-\t-\tno_message\tnothing_ended: it only took back what nobody had agreed to" in out
    assert "26333111" not in out


def test_a_receipt_that_leaves_nothing_to_send_says_so(
    portal: RunningPortal,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Known by the clinic's number alone: why nothing was ever planned is shown; another clinic has
    no such receipt.
    """
    monkeypatch.chdir(tmp_path)
    program = portal.open_clinic()
    given = {**STAFF, "subject": {"patient_ref": "P-77"}, "decisions": {"newsletter.sms": "no"}}
    answer = program.call("receipts", given)
    number = answer.json()["id"]
    assert main(["messages", "list", program.clinic, number]) == 0
    assert "no_message\tnobody_known: no e-mail and no phone" in capsys.readouterr().out
    assert main(["messages", "list", RIGA, number]) == 1
    assert f"The clinic has no receipt “{number}”." in capsys.readouterr().err
    assert main(["messages", "list", "no-such-clinic", number]) == 1


def test_every_reason_is_explained_to_operators() -> None:
    """Whoever adds a reason says what it means, in the command and in the operators' page."""
    assert set(EXPLANATIONS) == set(Reason)
    page = (ROOT / "docs/operate.md").read_text(encoding="utf-8")
    assert [reason for reason in Reason if f"`{reason}`" not in page] == []
