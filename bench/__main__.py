"""Run the benchmarks, all or those named.

    python -m bench [page_size] [pdf_size] [roundtrips] [units] [history] [warm] [coldstart]
                    [restore]

Each prints what it measured. The figures are written to build/bench.json; those of the benchmarks
that did not run now stay there.
"""

import importlib
import json
import sys

from infra.build.bundle import ROOT
from infra.build.catalogs import compile_catalogs

BENCHMARKS = (
    "page_size",
    "pdf_size",
    "roundtrips",
    "units",
    "history",
    "warm",
    "coldstart",
    "restore",
)


def main(named: list[str]) -> int:
    """Run the benchmarks named, or all."""
    unknown = sorted(set(named) - set(BENCHMARKS))
    if unknown:
        known = ", ".join(BENCHMARKS)
        print(f"There is no benchmark {', '.join(unknown)}; there are {known}.", file=sys.stderr)
        return 2
    compile_catalogs(ROOT / "locales")
    kept = ROOT / "build" / "bench.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    for name in named or BENCHMARKS:
        print(f"{name}:", flush=True)
        benchmark = importlib.import_module(f"bench.{name}")
        found |= benchmark.run()
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print("written to build/bench.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
