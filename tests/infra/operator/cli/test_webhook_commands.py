"""Recipients are set up, and what they were told is followed up, from the command line."""

from tests.cast import TBILISI
from tests.infra.operator.cli.conftest import Terminal
from tests.web.api.test_webhook_deliveries import NOBODY, anna_says
from tests.web.running import RunningPortal

SET = ("webhook", "set", "tool", "--url", "https://hooks.example.org/consents")


def test_a_recipient_is_set_up_tried_and_taken_away(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """A tool hears of withdrawals a minute after somebody thought of it."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    made = terminal(*SET, "--purpose", "newsletter")
    assert (made.code, made.out.startswith("whsec_")) == (0, True), made.err
    again = terminal(*SET, "--purpose", "newsletter")
    assert again.out == ""
    assert "shown before: `consent webhook rotate tool` gives another" in again.err
    mailed = terminal(
        "webhook", "set", "front", "--mail-to", "front@tool.example", "--purpose", "newsletter"
    )
    assert (mailed.code, "secret" in mailed.err) == (0, False), mailed.err
    assert terminal("webhook", "remove", "front", "--yes").code == 0
    listed = terminal("webhook", "list")
    assert listed.out.startswith("tool\thttps://hooks.example.org/consents\tnewsletter.email")
    newer = terminal("webhook", "rotate", "tool", "--json").json()["secret"]
    assert newer.startswith("whsec_")
    assert newer != made.out.strip()
    assert terminal("webhook", "test", "tool").err.startswith("In its queue: msg_")
    assert terminal("webhook", "set", "tool").code == 2
    assert terminal(*SET, "--purpose", "nonsense").code == 1
    terminal.works_for(TBILISI, portal.api_keys[TBILISI])
    assert terminal("webhook", "remove", "tool", "--yes").code == 1
    terminal.works_for(program.clinic, program.key or "")
    assert terminal("webhook", "remove", "tool", "--yes").code == 0
    assert terminal("webhook", "list", "--json").json() == {"webhooks": []}


def test_what_is_not_confirmed_is_listed_and_acknowledged(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """On Monday somebody sees which system still has not taken Anna off its list."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    assert terminal(*SET, "--purpose", "newsletter").code == 0
    anna_says(portal, program, "yes")
    anna_says(portal, program, "no")
    found = terminal("deliveries", "list", "--open", "--json").json()["deliveries"]
    assert [each["type"] for each in found] == ["consent.granted", "consent.withdrawn"]
    shown = terminal("deliveries", "list", "--open").out.splitlines()
    assert shown[1].split("\t")[:3] == [found[1]["id"], "tool", "consent.withdrawn"]
    again = terminal("deliveries", "redeliver", found[0]["id"], "--json").json()
    assert again["deliveries"][0]["id"] == found[0]["id"]
    assert terminal("deliveries", "acknowledge", *(each["id"] for each in found)).code == 0
    assert terminal("deliveries", "list", "--open").out == ""
    assert len(terminal("deliveries", "list", "--recipient", "tool").out.splitlines()) == 2
    assert terminal("deliveries", "acknowledge", NOBODY).code == 1
    terminal.works_for(TBILISI, portal.api_keys[TBILISI])
    assert terminal("deliveries", "acknowledge", found[0]["id"]).code == 1
