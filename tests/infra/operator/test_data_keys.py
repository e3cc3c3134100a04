"""The operator's commands about data keys, with a real key service: patients and programs notice
nothing.
"""

import pytest

from chalicelib.portal import get_portal
from chalicelib.store import people, webhooks
from chalicelib.store.encryption import encrypted_under
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.personal_data import reveal
from infra.__main__ import main
from tests.cast import ANNA, environment
from tests.web.client import Client
from tests.web.page_reader import decide, open_page
from tests.web.running import RunningPortal

MAIL = {"email": ANNA.value}
REVIEW = "testimonials.text"


def run(portal: RunningPortal, *arguments: str) -> int:
    """Run a command as an operator does."""
    with environment({"CLINIC_KEY_ARN": portal.settings["CLINIC_KEY_ARN"]}):
        return main(list(arguments))


def test_a_clinic_goes_on_through_a_rotation_and_a_new_wrapping(
    client: Client, portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """Open pages, states, history and links hold; contacts given before and after are read."""
    program = portal.open_clinic()
    page = open_page(client, f"/{program.clinic}").fields["state"]
    body = {
        "subject": MAIL,
        "name": "Anna",
        "channel": "in-person",
        "effective_at": "2026-11-20T10:00:00Z",
    }
    assert program.call("receipts", {**body, "decisions": {REVIEW: "yes"}}).status == 201
    assert run(portal, "data-key", "rotate", program.clinic) == 0
    assert "1 people, " in capsys.readouterr().out
    sent = client.post(
        f"/{program.clinic}", {"state": page, "phone": "26123456", f"decision.{REVIEW}": "yes"}
    )
    assert sent.status == 303
    assert program.states(**MAIL)[REVIEW] == "granted"
    before = portal.table.get([clinic_key(program.clinic)])[clinic_key(program.clinic)]
    assert run(portal, "data-key", "rewrap", program.clinic) == 0
    assert "2 data keys are wrapped anew" in capsys.readouterr().out
    after = portal.table.get([clinic_key(program.clinic)])[clinic_key(program.clinic)]
    assert after.blob != before.blob
    assert after.texts.keys() == before.texts.keys()
    assert after.texts != before.texts
    assert run(portal, "data-key", "reseal", program.clinic) == 0
    assert "0 things encrypted again" in capsys.readouterr().out
    assert decide(client, program.clinic, {**MAIL, f"decision.{REVIEW}": "no"}).status == 303
    assert program.states(**MAIL)[REVIEW] == "withdrawn"
    get_portal.cache_clear()  # a process that starts now unwraps what was wrapped anew
    receipt = program.history(**MAIL)[0]
    assert "Anna" not in str(receipt)
    starting = get_portal()
    anna = people.person(starting.table, program.clinic, receipt["subject"])
    revealed = reveal(starting.table, starting.clinics.key(program.clinic), anna)
    assert ([each.value for each, _ in revealed.contacts], revealed.names) == (
        [ANNA.value],
        ("Anna",),
    )


def test_the_secrets_of_recipients_are_encrypted_again_too(portal: RunningPortal) -> None:
    """A recipient verifies calls as before, and nothing stays under the key before."""
    program = portal.open_clinic()
    body = {"url": "https://hooks.example.org/", "purposes": ["newsletter"]}
    secret = program.call("webhooks/tool", body, method="PUT").json()["secret"]
    before = webhooks.find(portal.table, program.clinic, "tool")
    assert run(portal, "data-key", "rotate", program.clinic) == 0
    get_portal.cache_clear()  # a process that starts now
    after = webhooks.find(portal.table, program.clinic, "tool")
    assert after.sealed != before.sealed
    key = get_portal().clinics.key(program.clinic)
    assert after.secrets(key, get_portal().clock()) == [secret]
    assert encrypted_under(after.sealed) == key.newest != encrypted_under(before.sealed)


@pytest.mark.parametrize("command", ["rotate", "reseal", "rewrap"])
def test_a_clinic_that_is_not_there_has_no_key_to_change(
    command: str, portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistyped name is reported in one sentence."""
    assert run(portal, "data-key", command, "nowhere-clinic") == 1
    assert "No clinic “nowhere-clinic” is published." in capsys.readouterr().err


def test_without_the_key_that_wraps_nothing_is_rotated(
    portal: RunningPortal, capsys: pytest.CaptureFixture[str]
) -> None:
    """The operator reads which variable is missing, and the clinic keeps the key it has."""
    program = portal.open_clinic()
    with environment({"CLINIC_KEY_ARN": ""}):
        assert main(["data-key", "rotate", program.clinic]) == 1
    assert "CLINIC_KEY_ARN is not set" in capsys.readouterr().err
    key = clinic_key(program.clinic)
    assert portal.table.get([key])[key].texts == {}
