"""Keeps the last figures of the benchmarks in docs/figures.json, for the document and its charts.

    python -m bench.figures "two shared cores, x86-64"

Reads build/bench.json, build/scale.json and build/model.json; what one of them lacks stays as it
was kept before. The charts and tables follow with `python -m bench.document`.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from infra.build.bundle import ROOT

KEPT = ROOT / "docs" / "figures.json"

_OF_A_DEED = (
    "write",
    "write_front",
    "write_behind",
    "read_front",
    "read_behind",
    "round_trips",
    "round_trips_behind",
    "kms",
    "kms_wrapped",
    "budget",
)


def read() -> dict[str, Any]:
    """Read the kept figures."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return kept


def write(figures: Mapping[str, Any]) -> None:
    """Keep figures."""
    text = json.dumps(figures, indent=1, ensure_ascii=False)
    KEPT.write_text(text + "\n", encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Take the figures that were measured last."""
    kept = read()
    measured = kept["now"]
    bench, scale, model = (_built(name) for name in ("bench", "scale", "model"))
    if "units" in bench:
        measured["units"] = {name: _deed(told) for name, told in bench["units"].items()}
    if "warm" in bench:
        measured["warm"] = {name: told["ratio"] for name, told in bench["warm"].items()}
    if "coldstart" in bench:
        ratios = ("ratio", "instructions_ratio", "calls_ratio", "calls_instructions_ratio")
        wanted = (*ratios, "budget", "bundle_bytes")
        measured["coldstart"] = {name: bench["coldstart"].get(name) for name in wanted}
    if "roundtrips" in bench:
        measured["roundtrips"] = bench["roundtrips"]
    if scale:
        measured["people"] = scale["people"]
    if model:
        measured["model"] = model
    machine = " ".join(arguments) or kept["machine"]
    write({**kept, "date": datetime.now(UTC).date().isoformat(), "machine": machine})
    print("kept in docs/figures.json")
    return 0


def _built(name: str) -> dict[str, Any]:
    path = ROOT / "build" / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def _deed(told: Mapping[str, Any]) -> dict[str, Any]:
    return {name: told[name] for name in _OF_A_DEED if name in told}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
