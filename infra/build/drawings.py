"""Draws the pictures of the documents: an SVG file beside each Graphviz file `docs/pictures/*.dot`.

    python -m infra.build.drawings

A test compares the SVG files with what the text gives.
"""

import subprocess
import sys

from infra.build.bundle import ROOT
from infra.build.tools import graphviz_folder

PICTURES = ROOT / "docs" / "pictures"
_DRAW = """
const { instance } = require(process.argv[1]);
const read = require("fs").readFileSync(0, "utf8");
instance().then((graphviz) => process.stdout.write(graphviz.renderString(read, { format: "svg" })));
"""


def drawn(text: str) -> str:
    """Return a picture, described in Graphviz's language, as SVG."""
    command = ["node", "-e", _DRAW, str(graphviz_folder())]
    drawing = subprocess.run(command, input=text, check=True, capture_output=True, text=True)
    return drawing.stdout


def main() -> int:
    """Draw every picture again."""
    for source in sorted(PICTURES.glob("*.dot")):
        picture = source.with_suffix(".svg")
        picture.write_text(drawn(source.read_text(encoding="utf-8")), encoding="utf-8")
        print(picture.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
