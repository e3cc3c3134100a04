"""An operator looks after messages by command."""

from pathlib import Path

import pytest

from chalicelib.portal import get_portal
from infra.__main__ import main
from tests.cast import CLINICS, IEVA, JURIS, RIGA
from tests.web.client import Client
from tests.web.letterbox import carried
from tests.web.page_reader import Page, decide
from tests.web.running import TABLE, RunningPortal

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


def test_a_clinic_names_the_countries_its_page_asks_a_phone_of(portal: RunningPortal, client: Client) -> None:
    """The patient reads in plain words which numbers work, beside the number that was typed."""
    clinic = portal.open_clinic(change=lambda document: document.update(sms_countries=["LV", "EE"])).clinic
    abroad = {**YES, "phone": "+44 7911 123456"}
    for lang, words in (
        ("lv", "Latvija, Igaunija"),
        ("ru", "Латвия, Эстония"),
        ("en", "Latvia, Estonia"),
    ):
        answer = decide(client, clinic, abroad, f"?lang={lang}")
        assert answer.status == 422
        page = Page(answer)
        assert words in page.words
        assert page.fields["phone"] == abroad["phone"]
        assert ("decision.newsletter.sms", "yes") in page.chosen
    assert decide(client, clinic, {**YES, "phone": "+372 5123 4567"}).status == 303


def test_publishing_what_is_published_makes_the_key_that_an_older_table_lacks(
    portal: RunningPortal, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
