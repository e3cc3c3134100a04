"""Sets papers with Typst; the whole program of the Lambda function `press`.

It imports nothing of the portal: its bundle is this module, `templates/print/`, and Typst in a
layer. Texts reach a template as data (`sys.inputs`), so that nothing in them is markup or code.
"""

import base64
import json
import re
import unicodedata
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typst

PRINT = Path(__file__).resolve().parents[2] / "templates" / "print"
"""The templates, and their fonts. A template can read files of this folder alone."""

_NAME = re.compile(r"[a-z]+(?:_[a-z]+)*")
_STEERING = frozenset({"Cc", "Cf", "Cs"})
"""Categories of characters that only steer how others are shown, such as right-to-left overrides:
with them a text could be read differently than it copies."""


def handle(event: Mapping[str, Any], _context: object) -> dict[str, str]:
    """Answer a call of the function: ``{"template": …, "values": …}`` to ``{"pdf": base64}``."""
    pdf = typeset(event["template"], event["values"])
    return {"pdf": base64.b64encode(pdf).decode()}


def typeset(template: str, values: Mapping[str, Any]) -> bytes:
    """Set a template of `templates/print/` as PDF/UA-1, dated `values["at"]` (RFC 3339).

    Raises ImportError without Typst, and RuntimeError (typst.TypstError) where Typst refuses: it
    writes no file that breaks PDF/UA-1 in a way that a program can tell.
    """
    import typst  # noqa: PLC0415 - in a layer of the function alone

    if not _NAME.fullmatch(template):
        raise RuntimeError(f"no template: {template}")
    written: bytes = typst.compile(
        PRINT / f"{template}.typ",
        root=PRINT,
        format="pdf",
        font_paths=_fonts(),
        ignore_system_fonts=True,
        sys_inputs={"values": json.dumps(_shown(values))},
        pdf_standards=["ua-1"],
        timestamp=datetime.fromisoformat(values["at"]).replace(microsecond=0),
    )
    return written


@cache
def _fonts() -> "typst.Fonts":
    """Read the fonts, once: that takes longer than setting a page."""
    import typst  # noqa: PLC0415 - as above

    return typst.Fonts(
        include_system_fonts=False,
        include_embedded_fonts=False,
        font_paths=[PRINT / "fonts"],
    )


def _shown(value: Any) -> Any:
    """Give values as they can be shown: composed (Unicode NFC), without steering characters.

    A line break has a space before it: a reader would join the words around it. Bytes, such as a
    logo's, come as ``{"base64": …}``.
    """
    if isinstance(value, Mapping) and value.keys() == {"base64"}:
        return list(base64.b64decode(value["base64"]))
    if isinstance(value, Mapping):
        return {name: _shown(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(part) for part in value]
    if isinstance(value, str):
        # ASCII is composed already: the drawing of a code is thousands of characters of it.
        composed = value if value.isascii() else unicodedata.normalize("NFC", value)
        return "".join(filter(_is_shown, composed)).replace("\n", " \n")
    return value


def _is_shown(character: str) -> bool:
    return character == "\n" or unicodedata.category(character) not in _STEERING
