"""Text of one line: names, addresses, subjects and header values have no line break.

A line break in a header of a mail or of an HTTP answer would begin another header (CWE-93).
"""

import re

_BREAKS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
"""Control characters (Unicode's category Cc), and the separators of lines and paragraphs."""


def one_line(text: str) -> str:
    """Give a text with a space in the place of every line break and control character."""
    return _BREAKS.sub(" ", text).strip()


def is_one_line(text: str) -> bool:
    """Tell whether a text has no line break and no control character."""
    return not _BREAKS.search(text)
