"""Run the benchmarks, all or those named: `python -m bench [page_size] [pdf_size] [roundtrips] [history] [coldstart]`.

Each prints what it found; together they are written to build/bench.json, beside what earlier runs of others left there.
"""

import importlib
import json
import sys

from infra.build.bundle import ROOT
from infra.build.catalogs import compile_catalogs

BENCHMARKS = ("page_size", "pdf_size", "roundtrips", "history", "coldstart")


def main(named: list[str]) -> int:
    """Run the benchmarks named, or all."""
    if unknown := set(named) - set(BENCHMARKS):
        print(
            f"There is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}.", file=sys.stderr
        )
        return 2
    compile_catalogs(ROOT / "locales")
    kept = ROOT / "build" / "bench.json"
    found = json.loads(kept.read_text()) if kept.exists() else {}
    for name in named or BENCHMARKS:
        print(f"{name}:", flush=True)
        found |= importlib.import_module(f"bench.{name}").run()
    kept.parent.mkdir(exist_ok=True)
    kept.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print("written to build/bench.json")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
