"""`make faults`: 20,000 operations in which anything may fail, and what must hold all the same.

`OPERATIONS` and `SEED` choose how many and which; `SEED=7.3 FROM=120 TO=160` walks a part of one
walk again.
"""

import os
import subprocess
import sys
import time
from collections import Counter

from tests.faults.runs import KINDS, Result, run, run_all, shortest

OPERATIONS = 20_000
SEED = "1"


def main() -> int:
    """Walk, tell the figures, and end with 1 where anything is broken."""
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of sets is part of a walk
        again = {**os.environ, "PYTHONHASHSEED": "0"}
        return subprocess.run(
            [sys.executable, "-m", "tests.faults"], env=again, check=False
        ).returncode
    variables = {name: os.environ.get(name) or "" for name in ("SEED", "OPERATIONS", "FROM", "TO")}
    seed = variables["SEED"] or SEED
    begun = time.monotonic()
    if variables["TO"]:
        results = [run(seed, int(variables["FROM"] or 0), int(variables["TO"]))]
        print("\n".join(results[0].log))
    else:
        results = []
        for result in run_all(seed, int(variables["OPERATIONS"] or OPERATIONS)):
            results.append(result)
            state = f"{len(result.broken)} broken" if result.broken else "whole"
            print(f"  {result.seed:8} {result.last - result.first} operations, {state}", flush=True)
    _tell(seed, results, time.monotonic() - begun)
    bad = next((each for each in results if each.broken), None)
    if bad is None:
        return 0
    if not variables["TO"]:
        print("\nLooking for the shortest part that is broken …", flush=True)
        bad = shortest(bad)
        print("\n".join([*bad.log, *(f"  {each}" for each in bad.broken)]))
    print(f"\nWalk it again: make faults SEED={bad.seed} FROM={bad.first} TO={bad.last}")
    return 1


def _tell(seed: str, results: list[Result], seconds: float) -> None:
    tally, faults = Counter[str](), Counter[str]()
    for each in results:
        tally += each.tally
        faults += each.faults
    print(f"\nSeed {seed}, {len(results)} walks, {seconds:.0f} seconds")
    for name, number in tally.items():
        print(f"  {number:8,} {name}")
    print("What they met:")
    for name, number in faults.most_common():
        print(f"  {number:8,} {name}")
    print("What was broken:")
    broken = [each for result in results for each in result.broken]
    for kind, meaning in KINDS.items():
        print(f"  {sum(each.startswith(kind) for each in broken):8,} {meaning}")
    for line in broken[:20]:
        print(f"    {line}")


if __name__ == "__main__":
    sys.exit(main())
