"""Draws the charts of docs/performance.md and writes its tables, from docs/figures.json.

    python -m bench.document

A test compares the charts and the document with what the figures give.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import figures
from bench.drawing import Row, bars, stacks
from bench.figures import KEPT
from infra.build.bundle import ROOT

DOCUMENT = ROOT / "docs" / "performance.md"
PICTURES = KEPT.parent / "pictures"

Figures = Mapping[str, Any]

_BEFORE, _NOW, _RAW = "#a9b4ba", "#1f6f8b", "#4a5a63"


def charts(kept: Figures) -> dict[str, str]:
    """Give every chart by the name of its file."""
    before, now = kept["before"], kept["now"]
    both = {"before": _BEFORE, "now": _NOW}
    return {
        "perf-units.svg": bars(
            "What a decision writes, with everything behind it",
            "write units",
            [
                Row(name, {"before": was, "now": now["units"][name]["write"]}, _goal(now, name))
                for name, was in before["units"].items()
            ],
            both,
        ),
        "perf-warm.svg": bars(
            "Processor time of a deed",
            "times the same calls made raw",
            [
                Row(name, {"before": before["warm"][name], "now": now["warm"][name]}, goal)
                for name, goal in _WARM_GOALS.items()
            ],
            both,
        ),
        "perf-rate.svg": bars(
            "Consents a second at one connection",
            "on this kind of machine",
            _rates(kept),
            {"others": _BEFORE, "this portal": _NOW, "a raw record": _RAW},
        ),
        "perf-people.svg": bars(
            "Read units of a deed, by how many people there are",
            "read units, logarithmic",
            [Row(deed, values) for deed, values in _by_people(now, "read").items()],
            _colours_of_sizes(now),
            log=True,
        ),
        "perf-dollars.svg": stacks(
            "A million decisions, mail aside",
            "US dollars",
            {
                f"of {answers}": {name: cost for name, cost in parts.items() if name != "sum"}
                for answers, parts in now["model"]["decision"].items()
            },
            now["model"]["goal"],
        ),
    }


_WARM_GOALS = {"page": 1.3, "decision": 1.4, "status of 1": 1.3, "status of 100": 1.6}


def _goal(now: Figures, deed: str) -> float | None:
    budget = now["units"][deed].get("budget")
    return None if budget is None else float(budget)


def _rates(kept: Figures) -> list[Row]:
    raw = kept["raw_record_a_second"]
    before, now = kept["before"]["warm"]["rate"], kept["now"]["warm"]["rate"]
    return [
        *(Row(peer["name"], {"others": (peer["low"], peer["high"])}) for peer in kept["peers"]),
        Row("this portal, before", {"this portal": round(before * raw)}),
        Row("this portal, now", {"this portal": round(now * raw)}),
        Row("five items, written raw", {"a raw record": raw}),
    ]


def _by_people(now: Figures, counted: str) -> dict[str, dict[str, float]]:
    sizes = now["people"]
    names = next(iter(sizes.values()))["deeds"]
    return {
        name: {_people(size): told["deeds"][name][counted] for size, told in sizes.items()}
        for name in names
    }


def _people(size: str) -> str:
    return f"{int(size):,} people"


def _colours_of_sizes(now: Figures) -> dict[str, str]:
    tones = ("#cfd8dc", "#7fb3c4", "#1f6f8b", "#0d3b4c")
    return dict(zip(map(_people, now["people"]), tones, strict=False))


def tables(kept: Figures) -> dict[str, str]:
    """Give every table of the document by the name between its marks."""
    before, now = kept["before"], kept["now"]
    return {
        "when": f"Measured on {kept['date']}, {kept['machine']}.",
        "goals": _goals(before, now),
        "units": _units(now),
        "people": _people_table(now),
        "dollars": _dollars(before, now),
        "signing": _signing(now),
        "month": _month(now),
        "limits": _limits(now),
    }


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    marks = ["---", *["---:" for _ in head[1:]]]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, marks, *rows))


def _goals(before: Figures, now: Figures) -> str:
    units, warm, cold = now["units"], now["warm"], now["coldstart"]
    one, eight = "first decision, 1 answer", "first decision, 8 answers"
    rows: list[tuple[str, object, object, object]] = [
        (
            "cold start, × hello-world, over TLS, by instructions",
            "4.4–4.8",
            "≤ 3.0",
            cold["instructions_ratio"],
        ),
        (
            "the same of a program that only makes the page's calls",
            "",
            "",
            cold["calls_instructions_ratio"],
        ),
        *(
            (f"{name}, × the same calls raw", before["warm"][name], f"≤ {goal}", warm[name])
            for name, goal in _WARM_GOALS.items()
        ),
        (
            "decisions at one connection, × a raw record",
            before["warm"]["rate"],
            "≥ 0.7",
            warm["rate"],
        ),
        ("write units, 1 answer", before["units"][one], "≤ 30", _number(units[one]["write"])),
        ("write units, 8 answers", before["units"][eight], "≤ 40", _number(units[eight]["write"])),
        *(
            (
                f"write units, {name}",
                before["units"][name],
                "no growth",
                _number(units[name]["write"]),
            )
            for name in ("decision 32, 1 answer", "decision 64, 8 answers")
        ),
        ("calls of KMS for a decision", before["kms"], 1, units[one]["kms"]),
        *(
            (
                f"$ a million decisions, {answers}",
                was,
                "≤ 35",
                now["model"]["decision"][answers]["sum"],
            )
            for answers, was in before["dollars"].items()
        ),
    ]
    return _table(["", "before", "goal", "now"], rows)


def _units(now: Figures) -> str:
    rows = [
        (
            name,
            f"{_number(told['write_front'])} + {_number(told['write_behind'])}",
            f"{_number(told['read_front'])} + {_number(told['read_behind'])}",
            f"{told['round_trips']} + {told['round_trips_behind']}",
            told["kms"],
        )
        for name, told in now["units"].items()
    ]
    head = ["at once + behind", "write units", "read units", "round trips", "calls of KMS"]
    return _table(head, rows)


def _people_table(now: Figures) -> str:
    sizes = now["people"]
    head = ["round trips, read units", *map(_people, sizes)]
    rows = [
        (
            name,
            *(
                f"{told['deeds'][name]['round_trips']:,}, {_number(told['deeds'][name]['read'])}"
                for told in sizes.values()
            ),
        )
        for name in next(iter(sizes.values()))["deeds"]
    ]
    return _table(head, rows)


def _dollars(before: Figures, now: Figures) -> str:
    decision = now["model"]["decision"]
    names = next(iter(decision.values()))
    rows = [(name, *(f"{parts[name]:.2f}" for parts in decision.values())) for name in names]
    was = ("before, in all", *(f"{before['dollars'][answers]:.2f}" for answers in decision))
    return _table(["$ a million decisions", *decision], [*rows, was])


def _signing(now: Figures) -> str:
    """Compare the two ways of signing receipts."""
    model, units = now["model"], now["units"]
    chosen = (
        ("`SIGNING=kms`, the default", "kms", "decision"),
        ("`SIGNING=wrapped`", "kms_wrapped", "decision_wrapped"),
    )
    rows = [
        (
            name,
            units["first decision, 1 answer"][calls],
            *(f"{parts['sum']:.2f}" for parts in model[decision].values()),
        )
        for name, calls, decision in chosen
    ]
    answers = (f"$, {each}" for each in model["decision"])
    return _table(["a million decisions", "calls of KMS for one", *answers], rows)


def _month(now: Figures) -> str:
    month, sizes = now["model"]["month"], now["model"]["sizes"]
    names = next(iter(month.values()))
    rows: list[tuple[object, ...]] = [
        (f"$ a month: {name}", *(f"{parts[name]:,.2f}" for parts in month.values()))
        for name in names
    ]
    for name, told in (
        ("gb", "GB in the table after three years"),
        ("partitions", "partitions"),
        ("busiest_second", "decisions in the busiest second"),
        ("days_of_letters", "days until a MAJOR's letters reach everybody"),
    ):
        rows.append((told, *(f"{size[name]:,g}" for size in sizes.values())))
    return _table(["", *map(_people, month)], rows)


def _limits(now: Figures) -> str:
    rows = [
        (
            limit["name"],
            f"{limit['decisions_a_second']:,.0f}",
            f"{limit['people'] / 1e6:,.0f} million",
            limit["then"],
        )
        for limit in now["model"]["limits"]
    ]
    return _table(["limit", "decisions a second", "people", "what then"], rows)


def _number(value: float) -> str:
    return f"{value:,.6g}"


def with_tables(text: str, written: Mapping[str, str]) -> str:
    """Give a document with its tables anew, each between the marks of its name.

    Raises LookupError for a mark without a table.
    """

    def anew(found: re.Match[str]) -> str:
        return f"{found[1]}\n{written[found[2]]}\n{found[3]}"

    marked = re.compile(r"(<!-- figures: ([a-z]+) -->)\n.*?(<!-- end -->)", re.DOTALL)
    return marked.sub(anew, text)


def main() -> int:
    """Draw the charts, and write the tables into the document."""
    kept = figures.read()
    for name, picture in charts(kept).items():
        (PICTURES / name).write_text(picture, encoding="utf-8")
        print(Path("docs/pictures", name))
    document = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(with_tables(document, tables(kept)), encoding="utf-8")
    print(DOCUMENT.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
