"""A clinic's legal text as HTML: Markdown that keeps the lines, numbers and lists of a text pasted from elsewhere.

Plain Markdown joins lines, counts numbered points anew and knows neither "1.1." nor "•". A legal text is cited by its
numbers: here each point keeps its own, written out, whatever they are and wherever one is left out.
"""

import re
from collections.abc import MutableMapping, Sequence
from functools import cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererProtocol
from markdown_it.rules_block import StateBlock, list_block
from markdown_it.token import Token
from markupsafe import Markup, escape

DEEPEST = 4
"""How far points are indented at most: a phone is narrow."""

_WIDTHS = (1, 3, 5)
"""How many letters a mark of each width but the last has: what follows it begins at one place on all its lines."""

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
"""Bullets as word processors write them in a font of their own, which no other font has."""


def legal_html(text: str) -> Markup:
    """Render a legal text; HTML in it is shown as it is written, and never becomes part of the page."""
    # Deep indentation means nothing in a pasted text; where a paragraph goes on, it would hide the point that follows.
    return Markup(_markdown().render(_INDENTED.sub(_less_indented, text)))  # noqa: S704 - `html` is False


@cache
def _markdown() -> MarkdownIt:
    # Without "code" an indented line is no program, without "lheading" a line of dashes makes no heading of the one
    # above it.
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True}).disable(["code", "lheading"])
    begins_within = ["paragraph", "reference", "blockquote"]
    markdown.block.ruler.at("list", _bullets, {"alt": begins_within})
    markdown.block.ruler.before("list", "points", _points, {"alt": [*begins_within, "list"]})
    markdown.add_render_rule("point_mark", _mark)
    return markdown


def _less_indented(indent: re.Match[str]) -> str:
    rest = indent.string[indent.end() : indent.end() + 40]
    return "   " if _POINT.match(rest.partition("\n")[0]) else indent[0]


def _bullets(state: StateBlock, first: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    """Read Markdown's lists with `-`, `*` or `+`. Numbered ones it would count anew, and take a year for a number."""
    return not _line(state, first)[:1].isdigit() and list_block(state, first, end, silent)


def _points(state: StateBlock, first: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - markdown-it's signature
    """Read points that follow each other, blank lines between them or not, as one list."""
    if _point_at(state, first) is None:
        return False
    if silent:
        return True
    state.push("points_open", "ul", 1).attrs = {"class": "points", "role": "list"}
    line, above = first, 0
    while line < end and state.sCount[line] >= state.blkIndent and (found := _point_at(state, line)):
        lines = _lines(state, line, end)
        if found["number"]:
            above = depth = _depth(found["number"], state.sCount[line] - state.blkIndent)
        else:
            depth = above + 1
        _item(state, found, line, lines, min(depth, DEEPEST))
        line += len(lines)
        following = state.skipEmptyLines(line)
        line = following if following < end and _point_at(state, following) else line
    state.push("points_close", "ul", -1)
    state.line = line
    return True


def _item(state: StateBlock, found: re.Match[str], line: int, lines: Sequence[str], depth: int) -> None:
    mark = found["mark"].translate(_SYMBOL_FONT)
    width = 1 + sum(len(mark) > letters for letters in _WIDTHS)
    state.push("point_open", "li", 1).attrs = {"class": f"d{depth} w{width}"}
    state.push("point_mark", "span", 0).content = mark
    inline = state.push("inline", "", 0)
    inline.content = "\n".join(filter(None, (found["text"], *lines[1:])))
    inline.map = [line, line + len(lines)]
    inline.children = []
    state.push("point_close", "li", -1)


def _point_at(state: StateBlock, line: int) -> re.Match[str] | None:
    return _POINT.match(_line(state, line))


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()


def _lines(state: StateBlock, first: int, end: int) -> list[str]:
    """Give the lines of a point: up to the next one, a blank line, or what would end a paragraph."""
    rules = state.md.block.ruler.getRules("paragraph")
    before, state.parentType = state.parentType, "paragraph"
    lines = [_line(state, first)]
    for line in range(first + 1, end):
        if state.isEmpty(line) or any(rule(state, line, end, True) for rule in rules):  # noqa: FBT003 - as above
            break
        lines.append(_line(state, line))
    state.parentType = before
    return lines


def _depth(number: str, indent: int) -> int:
    """Tell how deep a number stands: 2 for 1.1; a simple one deeper where it is indented."""
    parts = len(re.findall(r"\d+", number))
    return parts + 1 if parts == 1 and indent > 0 else parts


def _mark(
    _renderer: RendererProtocol, tokens: Sequence[Token], at: int, _options: Any, _env: MutableMapping[str, Any]
) -> str:
    return f'<span class="no">{escape(tokens[at].content)}</span> '
