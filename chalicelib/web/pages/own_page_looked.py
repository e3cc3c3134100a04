"""What the patient's own page says of who looked at their data: the clinic's audit, in words.

Names of keys, deeds and times; never a secret of a key, nor whom else a line is about.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.api_keys import BearerKey, KeyKind
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.staff import MEMBER_PREFIX
from chalicelib.presentation.i18n import format_day, format_time
from chalicelib.services.audit import PORTAL, FoundLine, who_looked
from chalicelib.services.own_page import OwnPage
from chalicelib.store import bearer_keys

MOST_ROWS = 200
"""How many rows the page shows; of more, the newest."""


@dataclass(slots=True)
class _Row:
    """What one key did on one day, of one kind: how often, and when last."""

    by: str
    deed: str
    last: str
    times: int = 1


def describe_looked(page: OwnPage) -> Mapping[str, Any]:
    """Give who looked at the data of the person whose page it is, the newest first.

    The audit of 31 days is read, or of an audit with very many lines its newest part: `since` and
    `whole` say what is told. Raises NotFoundError where several share the page.
    """
    portal, clinic, lang = page.portal, page.clinic, page.lang
    found = who_looked(portal, clinic.id, page.person.id, page.now)
    rows = _rows(page, found.lines)
    keys = bearer_keys.named(portal.table, clinic.id, {row.by for row in rows})
    cut = len(rows) > MOST_ROWS
    since = rows[MOST_ROWS - 1].last if cut else found.since
    whole = found.whole and not cut
    return {
        # Of a record that is cut the first day was read in part: its time says from when.
        "since": (format_day if whole else format_time)(since, lang, clinic.country),
        "until": format_day(page.now, lang, clinic.country),
        "whole": whole,
        "rows": [_described(page, row, keys.get(row.by)) for row in rows[:MOST_ROWS]],
    }


def _rows(page: OwnPage, lines: Iterable[FoundLine]) -> list[_Row]:
    """Put together what the same key did on the same day; the newest first, as the lines are."""
    rows: dict[tuple[str, str, str], _Row] = {}
    for line in lines:
        by, at, call = line.told["key"], line.told["at"], line.told["call"]
        # A dry run takes nothing over; it has no words of its own.
        deed = call if call == "import/dry-run" else call.partition("/")[0]
        place = by, deed, format_day(at, page.lang, page.clinic.country)
        if place in rows:
            rows[place].times += 1
        else:
            rows[place] = _Row(by, deed, at)
    return list(rows.values())


def _described(page: OwnPage, row: _Row, key: BearerKey | None) -> dict[str, Any]:
    return {
        "name": key.label if key else None,
        "worker": key is not None and key.kind is KeyKind.WORKER,
        "portal": row.by == PORTAL,
        # Who it was, the clinic knows: a colleague's name is theirs (CJEU C-579/21, 83).
        "desk": row.by.startswith(MEMBER_PREFIX),
        "controller": _controller(page.clinic, key),
        "deed": row.deed,
        "when": format_time(row.last, page.lang, page.clinic.country),
        "times": row.times,
    }


def _controller(clinic: Clinic, key: BearerKey | None) -> str | None:
    """Name the joint controller whose key it is; None for a key of the clinic as a whole."""
    if key is None or key.member is None:
        return None
    names = {each.id: each.name for each in clinic.controllers}
    return names.get(key.member, key.member)
