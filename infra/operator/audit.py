"""Commands on a clinic's audit: list it, and verify the seals of its days.

consent operator audit riga-aesthetics --from 2026-11-01 --deed history
consent operator verify-audit riga-aesthetics
"""

import argparse
import json
import sys
from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.ages import calendar_day
from chalicelib.domain.instants import (
    Instant,
    InvalidInstantError,
    instant,
    moment,
    parse_instant,
)
from chalicelib.portal import get_portal, system_clock
from chalicelib.services.audit import LONGEST, AuditSearch, PeriodError, period, search_lines
from chalicelib.services.audit_seals import last_finished_day, verify_days
from chalicelib.store import audit
from infra.operator.arguments import Commands, add_clinic, add_command, require_clinic
from infra.operator.cli.errors import CommandError
from infra.operator.keys import OPERATOR

_DAY = timedelta(days=1)


def add_to(commands: Commands) -> None:
    """Add the commands to a parser's commands."""
    purpose = "list who looked at or changed what at a clinic, one JSON object a line"
    command = add_command(commands, "audit", purpose, _list)
    add_clinic(command)
    usual = f"{LONGEST.days} days, the longest that is searched at once"
    command.add_argument(
        "--from", dest="since", metavar="WHEN", help=f"a day or a moment (UTC); left out: {usual}"
    )
    command.add_argument(
        "--to", dest="until", metavar="WHEN", help="a day, which is included, or a moment"
    )
    command.add_argument("--key", help="a key's id, patient, portal or operator")
    command.add_argument("--deed", help="what was done, such as status or keys/create")
    command.add_argument("--subject", help="a person's opaque id, as receipts name it")
    command.add_argument("--newest", action="store_true", help="the newest first")
    purpose = "check that a clinic's audit is as it was sealed, day by day"
    command = add_command(commands, "verify-audit", purpose, _verify)
    add_clinic(command)
    command.add_argument("day", nargs="?", help="one day, such as 2026-11-22; left out: every one")


def _list(arguments: argparse.Namespace) -> None:
    table, now = get_portal().table, system_clock()
    require_clinic(table, arguments.clinic)
    try:
        since, until = period(
            _moment(arguments.since, last=False), _moment(arguments.until, last=True), now
        )
    except PeriodError:
        reason = f"--from comes before --to, by {LONGEST.days} days at most."
        raise CommandError(reason) from None
    search = AuditSearch(
        since,
        until,
        key=arguments.key,
        deed=arguments.deed,
        subject=arguments.subject,
        newest_first=arguments.newest,
    )
    table.put_new(audit.line(arguments.clinic, OPERATOR, "audit", now, []))
    while True:
        page = search_lines(table, arguments.clinic, search)
        for found in page.lines:
            print(json.dumps({"id": found.id, **found.told}, ensure_ascii=False))
        if page.more is None:
            return
        search = replace(search, after=page.more)


def _verify(arguments: argparse.Namespace) -> int:
    table, now = get_portal().table, system_clock()
    require_clinic(table, arguments.clinic)
    days = [_day(arguments.day)] if arguments.day else []
    checked = faulty = lines = 0
    last = ""
    for check in verify_days(table, arguments.clinic, days):
        checked += 1
        last = check.day
        lines += check.seal.lines if check.seal else 0
        faulty += bool(check.faults)
        for fault in check.faults:
            print(f"{check.day}: {fault}", file=sys.stderr)
    behind = last < last_finished_day(now) and not days
    if behind:
        until = last_finished_day(now)
        print(f"Sealed up to {last or 'no day'}, and {until} should be.", file=sys.stderr)
    print(f"{checked} days checked, {lines} lines sealed, {faulty} days with faults.")
    return 1 if faulty or behind else 0


def _moment(written: str | None, *, last: bool) -> Instant | None:
    """Read a moment, or a day: its beginning, or its end where it is the last."""
    if written is None:
        return None
    try:
        return parse_instant(written)
    except InvalidInstantError:
        midnight = parse_instant(f"{_day(written)}T00:00:00Z")
    return instant(moment(midnight) + _DAY) if last else midnight


def _day(written: str) -> str:
    parts = written.split("-")
    day = calendar_day(*parts) if len(parts) == len("ymd") else None
    if day is None or day.isoformat() != written:
        raise CommandError(f"{written} is no day such as 2026-11-22.")
    return written
