"""A program follows what changed at a clinic from the command line."""

import json

from infra.local.server import Reply, Request
from tests.cast import TBILISI
from tests.infra.operator.cli.conftest import Terminal
from tests.web.running import RunningPortal

PAPER = ("--channel", "paper", "--effective-at", "2026-11-20T10:00:00Z", "--form", "A 1")


def _record(consent: Terminal, *words: str) -> None:
    said = consent("record", "--email", "feed@example.org", *words, *PAPER)
    assert said.code == 0, said.err


def test_changes_are_read_from_where_the_last_reading_ended(
    terminal: Terminal, portal: RunningPortal
) -> None:
    """A program that was down catches up by itself, and is told nothing twice."""
    program = portal.open_clinic()
    terminal.works_for(program.clinic, program.key or "")
    _record(terminal, "--yes", "newsletter.email")
    portal.seal()
    lines = [json.loads(line) for line in terminal("changes", "--json").out.splitlines()]
    assert [each.get("type") for each in lines] == ["consent.granted", None]
    cursor = lines[-1]["cursor"]
    _record(terminal, "--no", "newsletter.sms")
    portal.seal()
    said = terminal("changes", "--since", cursor)
    assert "newsletter.sms\trefused" in said.out
    assert "newsletter.email" not in said.out
    assert "--since" in said.err
    assert "feed@example.org" not in said.out + said.err
    terminal.works_for(TBILISI, portal.api_keys[TBILISI])
    assert terminal("changes", "--since", cursor).code == 1


def test_whoever_follows_is_told_what_is_new_until_it_is_stopped(
    consent: Terminal, portal: RunningPortal
) -> None:
    """One line in a terminal shows withdrawals as they come, and Ctrl-C says where to go on."""
    program = portal.open_clinic()
    consent.works_for(program.clinic, program.key or "")
    waited: list[float] = []

    def later(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 1:
            _record_aside()
        else:
            raise KeyboardInterrupt

    def _record_aside() -> None:
        body = {
            "subject": {"email": "feed@example.org"},
            "decisions": {"newsletter.email": "yes"},
            "channel": "paper",
            "evidence": {"form": "A 2"},
            "effective_at": "2026-11-20T10:00:00Z",
        }
        assert program.call("receipts", body).status == 201
        portal.seal()

    consent.monkeypatch.setattr("infra.operator.cli.changes.time.sleep", later)
    said = consent("changes", "--follow")
    assert (said.code, "newsletter.email\tgranted" in said.out) == (130, True), said.err
    assert "--since" in said.err


def test_the_cursor_of_a_broken_reading_is_told(consent: Terminal) -> None:
    """A portal that goes away in the middle loses nobody their place."""
    assert consent("changes", "--json").code == 0

    def away(request: Request) -> Reply | None:
        if "since" in request.target:
            return Reply(503, (("Retry-After", "0"),))
        return None

    consent.served.before = away
    said = consent("changes", "--since", "somewhere")
    assert (said.code, "--since somewhere" in said.err) == (4, True)
