"""The counters: what a period's numbers say, as pictures with their tables, and as a file."""

from collections.abc import Iterator, Mapping, Sequence

from chalice.app import Response

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.staff import Role
from chalicelib.presentation import charts
from chalicelib.presentation.csv_table import neutral_cell, write_rows
from chalicelib.presentation.i18n import format_date, format_month, format_short_day
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.counters import (
    DRAWN,
    FEWEST,
    Counters,
    Period,
    Share,
    Step,
    read_counters,
)
from chalicelib.web.responses import BinaryResponse
from chalicelib.web.staff.entrance import Desk

COUNTERS = "staff/counters.html"

_COLUMNS = ("table", "from", "to", "name", "channel", "state", "count")


def counters_page(desk: Desk) -> Response:
    """Show the counters of a period."""
    call, period = desk.call(EmptyBody()), _period(desk)
    counters = read_counters(desk.portal, call, period, hide_small=_hides_small(desk))
    named = format_month if period is Period.YEAR else format_short_day
    return desk.page(
        COUNTERS,
        counters=counters,
        periods=list(Period),
        fewest=FEWEST,
        labels=[named(step.first, desk.lang) for step in counters.steps],
        begins=[_written(step, period, desk.lang) for step in counters.steps],
        titles=_titles(desk, call, counters),
        states=DRAWN,
        charts=charts,
    )


def download_counters(desk: Desk) -> Response:
    """Hand the same numbers out as CSV, in the words that programs read."""
    counters = read_counters(
        desk.portal, desk.call(EmptyBody()), _period(desk), hide_small=_hides_small(desk)
    )
    first, last = counters.steps[0].first, counters.steps[-1].last
    name = f"counters-{first.isoformat()}-{last.isoformat()}.csv"
    rows = [_COLUMNS, *_rows(counters)]
    return BinaryResponse(
        write_rows([[neutral_cell(str(cell)) for cell in row] for row in rows]).encode(),
        {
            "Content-Type": "text/csv; charset=utf-8; header=present",
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
        },
    )


def _period(desk: Desk) -> Period:
    """Give the period that the address names; four weeks for none that there is."""
    try:
        return Period(desk.query("period") or "")
    except ValueError:
        return Period.FOUR_WEEKS


def _hides_small(desk: Desk) -> bool:
    """Tell whether small numbers are hidden: who may open no record learns of no single person."""
    return desk.member.role is Role.MARKETING


def _written(step: Step, period: Period, lang: str) -> str:
    if period is Period.YEAR:
        return format_month(step.first, lang)
    return str(format_date(step.first.isoformat(), lang))


def _titles(
    desk: Desk, call: AuthorizedCall[EmptyBody], counters: Counters
) -> Mapping[QuestionId, str]:
    standing = counters.standing.states if counters.standing else {}
    asked = call.shared.questions
    return {each: asked[each].title(desk.lang) for each in {*counters.over_time, *standing}}


def _rows(counters: Counters) -> Iterator[Sequence[object]]:
    for question, states in counters.over_time.items():
        for state in DRAWN:
            for step, number in zip(counters.steps, states[state], strict=True):
                yield "answers", *_days(step), question, "", state, number
    whole = Step(counters.steps[0].first, counters.steps[-1].last)
    tables = {
        "sources": counters.sources,
        "languages": counters.languages,
        "time_to_confirm": counters.confirmed,
        "withdrawal_reasons": counters.reasons,
    }
    for table, shares in tables.items():
        for share in shares:
            yield table, *_days(whole), *_names(share), "", _number(share)


def _days(step: Step) -> tuple[str, str]:
    return step.first.isoformat(), step.last.isoformat()


def _names(share: Share) -> tuple[str, str]:
    name, *channel = share.name
    return name, channel[0] if channel else ""


def _number(share: Share) -> str:
    return f"<{FEWEST}" if share.number is None else str(share.number)
