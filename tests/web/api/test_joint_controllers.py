"""Six controllers, one decision: each sees what it shares, and a withdrawal told to any reaches
all.
"""

import re
from typing import Any

import pytest

from infra.__main__ import main
from infra.operator import keys
from tests.web.client import Client, Program
from tests.web.disclosed import evidence_of
from tests.web.page_reader import open_page
from tests.web.running import RunningPortal

KAUNAS = "kaunas-polyclinics"
HEART, PILLS = "ramaus-ritmo-klinika", "liepziedzio-vaistines"
CARDIOLOGY, PHARMACY, PROGRAMME = "data_sharing.cardiology", "data_sharing.pharmacy", "programme"
ONA = {"email": "ona.petrauskiene@example.org"}
FORM: dict[str, Any] = {
    "subject": ONA,
    "channel": "paper",
    "effective_at": "2026-11-10T10:00:00+02:00",
    "evidence": {"form": "K-1"},
    "name": "Ona Petrauskienė",
    "declared_adult": True,
}
STOP: dict[str, Any] = {
    "subject": ONA,
    "channel": "phone",
    "effective_at": "2026-11-11T10:00:00+02:00",
}


@pytest.fixture
def lead(portal: RunningPortal) -> Program:
    """Give the program of the one who leads a programme where Ona agreed to everything, on three
    forms.
    """
    lead = portal.open_clinic(KAUNAS)
    for number, address in enumerate((CARDIOLOGY, PHARMACY, PROGRAMME)):
        body = {**FORM, "decisions": {address: "yes"}, "evidence": {"form": f"K-{number}"}}
        assert lead.call("receipts", body).status == 201
    return lead


@pytest.fixture
def heart(portal: RunningPortal, lead: Program) -> Program:
    """Give the cardiology clinic's program."""
    return portal.member(lead.clinic, HEART)


@pytest.fixture
def pills(portal: RunningPortal, lead: Program) -> Program:
    """Give the pharmacies' program."""
    return portal.member(lead.clinic, PILLS)


def test_each_member_is_told_the_decisions_it_shares_and_no_others(
    lead: Program, heart: Program, pills: Program
) -> None:
    """The pharmacist does not learn who sees a cardiologist."""
    assert heart.states(**ONA) == {
        PROGRAMME: "granted",
        CARDIOLOGY: "granted",
        "newsletter.email": "never_asked",
        "newsletter.sms": "never_asked",
    }
    assert PHARMACY in pills.states(**ONA)
    assert CARDIOLOGY not in pills.states(**ONA)
    assert {CARDIOLOGY, PHARMACY} <= lead.states(**ONA).keys()


@pytest.mark.parametrize("name", ["horoscopes", PHARMACY])
def test_anothers_decision_is_answered_like_one_that_does_not_exist(
    heart: Program, name: str
) -> None:
    """Naming it teaches nothing."""
    answer = heart.call("status", {"subjects": [ONA], "purposes": [name]})
    assert answer.status == 422
    assert answer.json()["errors"] == [
        {"pointer": "/purposes/0", "detail": "The clinic's notice has no such purpose."}
    ]
    refused = heart.call("receipts", {**FORM, "decisions": {name: "yes"}})
    assert refused.json()["errors"][0]["detail"] == "The clinic's notice has no such decision."


def test_a_purpose_named_whole_means_what_the_member_shares_of_it(heart: Program) -> None:
    """`data_sharing` is cardiology to the cardiologist."""
    answer = heart.call("status", {"subjects": [ONA], "purposes": ["data_sharing"]})
    assert list(answer.json()["results"][0]["decisions"]) == [CARDIOLOGY]


def test_a_member_gets_the_receipts_it_shares_as_a_whole_and_no_part_of_another(
    lead: Program, heart: Program
) -> None:
    """A signed receipt cannot be told in part: the member is told that there is more, and not
    what.
    """
    answer = heart.call("history", {"subject": ONA}).json()
    assert [list(receipt["decisions"]) for receipt in answer["receipts"]] == [
        [CARDIOLOGY],
        [PROGRAMME],
    ]
    assert answer["withheld"] == 1
    whole = lead.call("history", {"subject": ONA}).json()
    assert "withheld" not in whole
    other = next(each for each in whole["receipts"] if PHARMACY in each["decisions"])
    refused = heart.receipt(other["id"])
    assert (refused.status, refused.json()["title"]) == (403, "Not for this key")
    assert heart.receipt(other["id"], "?format=pdf").status == 403
    assert heart.receipt(answer["receipts"][0]["id"]).status == 200
    assert lead.receipt(other["id"]).status == 200


def test_a_withdrawal_told_to_any_member_reaches_all(
    lead: Program, heart: Program, pills: Program
) -> None:
    """Ona tells the cardiologist; the pharmacies stop, and nobody was shown what she had agreed to
    there.
    """
    answer = heart.call("withdrawals", {**STOP, "all": True})
    assert answer.status == 201
    assert set(answer.json()) == {"id", "clinic", "effective_at", "recorded_at"}
    assert set(lead.states(**ONA).values()) == {"withdrawn"}
    assert pills.states(**ONA)[PHARMACY] == "withdrawn"
    receipt = lead.receipt(answer.json()["id"]).json()
    assert receipt["evidence"] == {"member": HEART}
    assert receipt["actor"].startswith("staff:key_")
    assert len(receipt["controllers"]) == 6


def test_a_member_may_stop_what_it_does_not_share_and_cannot_start_it(
    lead: Program, heart: Program
) -> None:
    """Rights are exercised against any of them (GDPR Art. 26(3))."""
    answer = heart.call("withdrawals", {**STOP, "purposes": [PHARMACY]})
    assert "decisions" not in answer.json()
    states = lead.states(**ONA)
    assert (states[PHARMACY], states[CARDIOLOGY]) == ("withdrawn", "granted")
    assert heart.call("withdrawals", {**STOP, "purposes": ["horoscopes"]}).status == 422


def test_the_receipt_says_through_whom_a_decision_came(
    portal: RunningPortal, heart: Program
) -> None:
    """Form, member, key: the group can find the paper again."""
    receipt = heart.call("receipts", {**FORM, "decisions": {CARDIOLOGY: "no"}}).json()
    assert evidence_of(portal, heart, receipt["id"]) == {"form": "K-1", "member": HEART}


def test_a_call_repeated_with_its_key_tells_a_member_no_more(heart: Program) -> None:
    """A retry is no way around."""
    again = [
        heart.call("withdrawals", {**STOP, "all": True}, {"Idempotency-Key": "w-1"})
        for _ in range(2)
    ]
    assert again[0].body == again[1].body


def test_a_members_link_is_about_what_it_shares_and_opens_no_page_of_everything(
    portal: RunningPortal, lead: Program, pills: Program, client: Client
) -> None:
    """The pharmacist learns by no link that Ona sees a cardiologist, nor stops that for her."""
    [made] = pills.call("links", {"links": [ONA]}).json()["links"]
    assert "manage_url" not in made
    token = re.search(r"\?t=([A-Za-z0-9_-]{32})&", made["url"])
    assert token
    shown = client.get(f"/{lead.clinic}?t={token[1]}&lang=en&view=all").text
    assert f'name="decision.{PHARMACY}"' in shown
    assert f'name="decision.{CARDIOLOGY}"' not in shown
    stop = f"/unsubscribe/{made['unsubscribe_url'].rpartition('/')[2]}"
    assert client.post(stop, {"List-Unsubscribe": "One-Click"}).status == 200
    states = lead.states(**ONA)
    assert (states[PHARMACY], states[CARDIOLOGY]) == ("withdrawn", "granted")
    assert (
        portal.managing(lead.clinic)
        .call("links", {"links": [ONA]})
        .json()["links"][0]["manage_url"]
    )


def test_the_other_clinics_member_sees_nothing_here(portal: RunningPortal, lead: Program) -> None:
    """The same partner in another programme is somebody else."""
    other = portal.member(portal.open_clinic(KAUNAS).clinic, HEART)
    assert Program(lead.clinic, other.key).call("status", {"subjects": [ONA]}).status == 404
    assert set(other.states(**ONA).values()) == {"never_asked"}


def test_who_leaves_the_group_sees_nothing_of_it_any_more(
    portal: RunningPortal, lead: Program, heart: Program
) -> None:
    """The next notice no longer names the partner; its key still opens, and shows nothing."""

    def without_heart(document: dict[str, Any]) -> None:
        document["controllers"] = [each for each in document["controllers"] if each["id"] != HEART]
        for purpose in document["purposes"]:
            purpose["options"] = [
                each for each in purpose.get("options", []) if each["id"] != "cardiology"
            ]
            if not purpose["options"]:
                del purpose["options"]

    portal.republish(lead.clinic, "1.1", without_heart)
    assert heart.states(**ONA) == {}
    assert heart.call("links", {"links": [ONA]}).status == 403, (
        "a link about nothing would be one about everything"
    )
    assert lead.states(**ONA)[PROGRAMME] == "granted"


def test_the_page_names_at_each_option_who_receives_the_data(client: Client) -> None:
    """Ona sees the partner's full name before she says Yes."""
    words = " ".join(open_page(client, f"/{KAUNAS}?lang=en&view=all").words.split())
    assert (
        "Who receives it: VšĮ „Dviejų upių poliklinika“; UAB „Ramaus ritmo kardiologijos klinika“"
        in words
    )


def test_a_key_is_made_for_a_controller_there_is(
    portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip in the id makes no key that sees nothing, or worse, everything."""
    command = ["key", "create", KAUNAS, "--label", "Heart", "--member"]
    assert main([*command, HEART]) == 0
    assert f"for {HEART}" in capsys.readouterr().out
    assert [key.member for key in keys.all_keys(portal.table, KAUNAS) if key.label == "Heart"] == [
        HEART
    ]
    assert main([*command, "nobody"]) == 1
    assert "nobody is no controller" in capsys.readouterr().err
    assert main(["key", "create", "no-such-clinic", "--label", "Heart", "--member", HEART]) == 1
