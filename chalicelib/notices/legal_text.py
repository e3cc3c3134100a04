"""A clinic's legal text as HTML: Markdown that keeps the lines, numbers and lists of a pasted text.

A legal text is cited by its numbers, but plain Markdown joins lines, counts points anew and knows
neither "1.1." nor "•". Here each point keeps its own mark, written out, whatever it is.
"""

import itertools
import re
from collections.abc import MutableMapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock, list_block
from markdown_it.token import Token
from markupsafe import Markup, escape

DEEPEST = 4
"""How far points are indented at most: a phone is narrow."""

_WIDTHS = (1, 3, 5)
"""The longest mark, in letters, of each width but the widest. A point's lines begin right of it."""

_RAISED = "[⁰¹²³⁴⁵⁶⁷⁸⁹]{0,3}"
_NUMBER = rf"\d{{1,3}}{_RAISED}"
_POINT = re.compile(
    rf"""(?P<mark>
        (?P<number>\(?{_NUMBER}(?:\.{_NUMBER}){{0,8}}[.)]{_RAISED}  # 1.  1)  (1)  1.1.  2.3.1.
        |{_NUMBER}(?:\.{_NUMBER}){{1,8}})(?=\s|$)           # 1.1 without a dot at its end
        |(?P<letter>\(?(?:[^\W\d_]|[ivx]{{2,4}})\)    # a)  (a)  ა)  iv)
        |[ivx]{{2,4}}\.)(?=\s|$)                      # iv.
        |(?P<bullet>[–—−](?=\s|$)|[•●▪◦‣■□∙·\uf0b7\uf0a7])
    )\s*(?P<text>.*)""",
    re.VERBOSE,
)
_INDENTED = re.compile(r"^(?:[ ]{4,}|[ ]*\t\s*)(?=\S)", re.MULTILINE)
_SYMBOL_FONT = str.maketrans({"\uf0b7": "•", "\uf0a7": "▪"})
"""Bullets of word processors, written in a font that nobody else has."""


class Part(NamedTuple):
    """A part of a legal text: its heading, "" for what stands before the first, and its HTML."""

    heading: Markup
    html: Markup


def legal_parts(text: str) -> list[Part]:
    """Render a legal text in parts: one for each heading of the second level (`##`).

    HTML in it is shown as it is written and is no part of the page.
    """
    # Deep indentation means nothing in a pasted text, but Markdown would overlook its points.
    tokens = _markdown().parse(_INDENTED.sub(_less_indented, text))
    begins = [
        at for at, each in enumerate(tokens) if (each.type, each.tag) == ("heading_open", "h2")
    ]
    begins = [at for at in begins if not tokens[at].level]
    parts = [Part(Markup(""), _rendered(tokens[: begins[0]] if begins else tokens))]
    for begin, end in itertools.zip_longest(begins, begins[1:]):
        heading, body = tokens[begin + 1 : begin + 2], tokens[begin + 3 : end]
        parts.append(Part(_rendered(heading), _rendered(body)))
    return [part for part in parts if part.heading or part.html.strip()]


def _rendered(tokens: Sequence[Token]) -> Markup:
    markdown = _markdown()
    return Markup(markdown.renderer.render(tokens, markdown.options, {}))  # noqa: S704 - `html` is False


@cache
def _markdown() -> MarkdownIt:
    # Without "code" an indented line is no program. Without "lheading" a line of dashes makes no
    # heading of the line above it.
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True})
    markdown.disable(["code", "lheading"])
    begins_within = ["paragraph", "reference", "blockquote"]
    markdown.block.ruler.at("list", _bullets, {"alt": begins_within})
    markdown.block.ruler.before("list", "points", _points, {"alt": [*begins_within, "list"]})
    markdown.add_render_rule("point_mark", _mark)
    return markdown


def _less_indented(indent: re.Match[str]) -> str:
    """Return the indentation of a line; a shallow one where a point follows."""
    rest = indent.string[indent.end() : indent.end() + 40]
    line, _, _ = rest.partition("\n")
    return "   " if _POINT.match(line) else indent[0]


def _bullets(state: StateBlock, first: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    """Read Markdown's lists with `-`, `*` or `+`, and none with numbers: it counts those anew."""
    numbered = _line(state, first)[:1].isdigit()
    return not numbered and list_block(state, first, end, silent)


def _points(state: StateBlock, first: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    """Read points that follow each other, blank lines between them or not, as one list."""
    if _point_at(state, first) is None:
        return False
    if silent:
        return True
    state.push("points_open", "ul", 1).attrs = {"class": "points", "role": "list"}
    line, number_depth = first, 0
    while line < end and state.sCount[line] >= state.blkIndent:
        point = _point_at(state, line)
        if not point:
            break
        depth = number_depth + 1
        if point["number"]:
            depth = _depth(point["number"], state.sCount[line] - state.blkIndent)
            number_depth = depth
        lines = _lines(state, line, end)
        _add_item(state, point, line, lines, min(depth, DEEPEST))
        line = _next_point(state, line + len(lines), end)
    state.push("points_close", "ul", -1)
    state.line = line
    return True


def _next_point(state: StateBlock, line: int, end: int) -> int:
    """Return the line of the point that follows behind blank lines; the same line without."""
    following = state.skipEmptyLines(line)
    is_point = following < end and _point_at(state, following)
    return following if is_point else line


def _add_item(
    state: StateBlock, point: re.Match[str], line: int, lines: Sequence[str], depth: int
) -> None:
    mark = point["mark"].translate(_SYMBOL_FONT)
    width = 1 + sum(len(mark) > longest for longest in _WIDTHS)
    texts = [point["text"], *lines[1:]]
    state.push("point_open", "li", 1).attrs = {"class": f"d{depth} w{width}"}
    state.push("point_mark", "span", 0).content = mark
    inline = state.push("inline", "", 0)
    inline.content = "\n".join(filter(None, texts))
    inline.map = [line, line + len(lines)]
    inline.children = []
    state.push("point_close", "li", -1)


def _point_at(state: StateBlock, line: int) -> re.Match[str] | None:
    return _POINT.match(_line(state, line))


def _line(state: StateBlock, line: int) -> str:
    """Return a line without its indentation."""
    start = state.bMarks[line] + state.tShift[line]
    return state.src[start : state.eMarks[line]].rstrip()


def _lines(state: StateBlock, first: int, end: int) -> list[str]:
    """Return the lines of a point: up to the next point, a blank line, or what ends a paragraph."""
    endings = state.md.block.ruler.getRules("paragraph")
    before, state.parentType = state.parentType, "paragraph"
    lines = [_line(state, first)]
    for line in range(first + 1, end):
        if state.isEmpty(line):
            break
        if any(ends(state, line, end, True) for ends in endings):  # noqa: FBT003 - as above
            break
        lines.append(_line(state, line))
    state.parentType = before
    return lines


def _depth(number: str, indent: int) -> int:
    """Return how deep a number is: 2 for 1.1; a simple one is deeper where it is indented."""
    parts = len(re.findall(r"\d+", number))
    is_indented = parts == 1 and indent > 0
    return parts + 1 if is_indented else parts


def _mark(
    _renderer: RendererProtocol,
    tokens: Sequence[Token],
    at: int,
    _options: Any,
    _env: MutableMapping[str, Any],
) -> str:
    return f'<span class="no">{escape(tokens[at].content)}</span> '
