"""Prints how dense the code is: the median, over all functions, of syntax nodes per line.

    python -m infra.build.density          # the figure
    python -m infra.build.density -v       # and the densest functions

A node is what `ast.walk` yields; a function's lines are all from its `def` to its end. Projects of
this field that read well (warehouse, httpx, healthchecks) have 5 to 8. No check fails by it.
"""

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.build.bundle import ROOT

_DENSEST = 15


def densities(folder: Path) -> Iterator[tuple[float, str]]:
    """Yield the nodes per line of every function below a folder, with its place."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef):
                continue
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            nodes = sum(1 for _ in ast.walk(node))
            yield nodes / lines, f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def main(arguments: list[str]) -> int:
    """Print the figure; with -v the densest functions too."""
    found = sorted(densities(ROOT / "chalicelib"), reverse=True)
    median = statistics.median(density for density, _ in found)
    compared = f"median of {len(found)} functions; models of the field: 5 to 8"
    print(f"{median:.1f} syntax nodes per line ({compared})")
    if "-v" in arguments:
        for density, place in found[:_DENSEST]:
            print(f"{density:6.1f}  {place}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
