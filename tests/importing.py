"""Imports without a request: a file is read and imported as the call does it."""

from typing import Any

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.imported_consents import LineResult
from chalicelib.domain.instants import Instant
from chalicelib.portal import Portal
from chalicelib.presentation.csv_table import read_table
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.import_files import by_line, read_lines, read_rules
from chalicelib.services.imports import Import, import_lines
from tests.cast import RIGA
from tests.factories import EMAIL_NEWS, EVENING, OPENING

VOUCHED = {"same_as": "1.0", "text_sha256": "ab" * 32}


def a_call(portal: Portal, clinic: str = RIGA, now: Instant = EVENING) -> AuthorizedCall[Any]:
    """Give a call by a key that may import."""
    key = BearerKey("key_0123456789ab", clinic, "moving in", ("imports:write",), OPENING)
    lookup = portal.directory.look_up(clinic)
    shared = portal.clinics.with_all_past_questions(lookup.published)
    return AuthorizedCall(key, EmptyBody(), lookup, now, shared, "https://portal.example.org")


def bring_in(
    portal: Portal,
    file: str,
    now: Instant = EVENING,
    *,
    clinic: str = RIGA,
    dry_run: bool = False,
    since: Instant | None = None,
    **said: str,
) -> list[LineResult]:
    """Import a file and give the result of each line."""
    call = a_call(portal, clinic, now)
    faults: list[dict[str, str]] = []
    values = {"from": "sheet", "system": "Old list", "purpose": EMAIL_NEWS, **VOUCHED, **said}
    rules = read_rules(values, call.shared, faults)
    assert faults == []
    table = read_table(file.encode())
    lines, results = read_lines(table.dialect, table.rows, rules, call.shared, now)
    return by_line(
        [*results, *import_lines(portal, call, lines, Import(rules, dry_run=dry_run, since=since))]
    )
