"""A clinic's YAML file: read into JSON shapes, with the line of everything in it and the slips that are easily made.

YAML takes a comma or a colon in a text without quotes for a sign of its own, a version for a number and a missing
space for another field. What YAML itself says of that helps no author; what was meant can mostly be told.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

import yaml

from chalicelib.notices.fields import DocumentError, unquoted_number

_FIELD = re.compile(r"(?:\s*- +)*\s*(?P<name>[\w.-]+):\s+(?P<text>\S.*)")
_BEFORE_ITS_COLON = re.compile(r"(?:\s*- +)*\s*[\w.-]+")
_NO_SPACE = re.compile(r"\s*[\w-]+:\S")
_NUMBERS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool")}


class FileError(Exception):
    """A clinic's file that cannot be published; each line names file, place and remedy."""


@dataclass
class ClinicFile:
    """A clinic's file as it was read; places are named as `Fault` names them."""

    path: Path
    document: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    """On which line each place begins."""

    numbers: dict[str, str] = field(default_factory=dict)
    """Numbers, true and false as they are written: once read, 1.10 is no longer to be told from 1.1."""

    slips: list[DocumentError] = field(default_factory=list)
    """Texts that end at a comma, for want of quotes."""

    cut_off: set[str] = field(default_factory=set)
    """What stands behind such a comma, and was read as a field."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; raise FileError where it is no YAML, or holds no document."""
        file = cls(path)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise FileError(f"{path}: cannot be read ({error.strerror}). Name a clinic's YAML file") from error
        except UnicodeDecodeError:
            raise FileError(f"{path}: is not UTF-8. Save the file in UTF-8") from None
        try:
            loader = _OnceOnly(text)
            node = loader.get_single_node()
            document = _plain(loader.construct_document(node)) if node else None
        except yaml.MarkedYAMLError as error:
            line, told = _explained(text.splitlines(), error)
            raise FileError(f"{path}:{line}: {told}") from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            reason = str(error).partition("\n")[0]
            told = f"holds a value that is none ({reason}). Check its dates, numbers and signs"
            raise FileError(f"{path}: {told}") from error
        if node is None or not isinstance(document, dict):
            raise FileError(f"{path}: is no clinic's document. Write it as `key: value` lines")
        file.document = document
        file._note("", node)
        return file

    def told(self, faults: Iterable[DocumentError]) -> Iterator[str]:
        """Write the slips and these faults, each with file and line, by line; nothing of what a slip led to."""
        own = (*self.slips, *(each for each in faults if each.place not in self.cut_off))
        for fault in sorted(own, key=lambda each: self._line(each.place)):
            written = self.numbers.get(fault.place)
            if written and "and a text is due" in fault.problem:
                problem, remedy = unquoted_number(fault.place, written)
                fault = replace(fault, problem=problem, remedy=remedy)  # noqa: PLW2901 - the same fault, said better
            line = self._line(fault.place)
            yield f"{self.path}:{line}: {fault}" if line else f"{self.path}: {fault}"

    def unslipped(self) -> None:
        """Raise FileError where a text ends at a comma."""
        if self.slips:
            raise FileError("\n".join(self.told(())))

    def _line(self, place: str) -> int:
        """Tell on which line a place begins, or what it would be part of; 0 for the whole document."""
        while place and place not in self.lines:
            place = re.sub(r"(?:^|\.)[^.\[]*$|\[\d+\]$", "", place)
        return self.lines.get(place, 0)

    def _note(self, place: str, node: yaml.Node) -> None:
        """Note the line of a part and of everything in it."""
        if place:
            self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS:
            self.numbers[place] = node.value
        elif isinstance(node, yaml.SequenceNode):
            for number, each in enumerate(node.value, start=1):
                self._note(f"{place}[{number}]", each)
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                at = f"{place}.{key.value}".lstrip(".")
                self.lines[at] = key.start_mark.line + 1
                self._note(at, value)
            if node.flow_style:
                self._note_commas(place, node)

    def _note_commas(self, place: str, node: yaml.MappingNode) -> None:
        """Note texts in `{…}` that a comma cuts: what follows it was read as a field with nothing in it."""
        name, text = "", ""
        for key, value in node.value:
            empty = isinstance(value, yaml.ScalarNode) and value.start_mark.index == value.end_mark.index
            if not empty:
                name, text = key.value, value.value if isinstance(value, yaml.ScalarNode) else ""
                continue
            text = f"{text}, {key.value}"
            at = f"{place}.{name}".lstrip(".")
            self.cut_off.add(f"{place}.{key.value}".lstrip("."))
            problem = "ends at its comma, and what follows was read as another field"
            slip = DocumentError(at, problem, f"Put the whole text in quotes: `{name}: {_quoted(text)}`")
            self.slips = [*(each for each in self.slips if each.place != at), slip]


_OWN_SIGN = "has a text that begins with a sign of YAML's own. Put it in quotes: {example}"
_AT_ITS_MARK = {
    "'\\t'": "begins with a tab. Indent with spaces: YAML takes no tab",
    "<scalar>": "has more behind the end of its quotes. Put all of the text in one pair of quotes",
    "expected <block end>": "stands {column} spaces in, and fits neither what begins on line {begun} nor what is in "
    "that. Indent it exactly like the fields it belongs with, with spaces",
    "cannot start": _OWN_SIGN,
    "alias": _OWN_SIGN,
    "not allowed here": _OWN_SIGN,
    "chomping or indentation": _OWN_SIGN,
    "comment or a line break": _OWN_SIGN,
    "alphabetic or numeric": _OWN_SIGN,
    "node content": _OWN_SIGN,
}
_WHERE_IT_BEGAN = {
    "but got ':'": "opens a bracket that is not closed before line {number}. Close it, or put the text in quotes",
    "but got": "opens a bracket in which a comma, a quote or the closing bracket is missing, at the latest on line "
    "{number}. Put each text in quotes",
    "expected ':'": "is neither `field: text` nor part of the text above it. Indent it like the lines of that text, or "
    "write the field's name before it",
    "unexpected end": 'opens a quote that is never closed. Close it, and write \\" for a quote inside',
}
"""What slip YAML's own words mean, on the line they name, or on the line where what they are about began."""


def _explained(lines: Sequence[str], error: yaml.MarkedYAMLError) -> tuple[int, str]:
    """Say what slip makes a file no YAML, and on which line."""
    mark, problem = error.problem_mark or error.context_mark, str(error.problem)
    at, column = (mark.line, mark.column) if mark else (0, 0)
    begun = error.context_mark.line if error.context_mark else at
    line = lines[at] if at < len(lines) else ""
    if problem == "mapping values are not allowed here":
        return _stray_colon(lines, at, column)
    if problem.endswith("but got ':'") and begun == at:
        return at + 1, _colon_in_a_text(line, column)
    known = {"column": column, "begun": begun + 1, "number": at + 1, "example": _example(line)}
    for where, slips in ((at, _AT_ITS_MARK), (begun, _WHERE_IT_BEGAN)):
        for words, told in slips.items():
            if words in problem:
                return where + 1, told.format(**known)
    return at + 1, f"is no YAML ({problem}). Check indentation, colons and quotes"


def _stray_colon(lines: Sequence[str], at: int, column: int) -> tuple[int, str]:
    """Tell a colon inside a text from a field that is indented too far, or follows one without a space."""
    line = lines[at]
    if not _BEFORE_ITS_COLON.fullmatch(line[:column]):
        return at + 1, _colon_in_a_text(line, column)
    above = next((number for number in range(at - 1, -1, -1) if lines[number].strip()), at)
    if _NO_SPACE.match(lines[above]):
        name, _, text = lines[above].strip().partition(":")
        return above + 1, f"has no space behind its colon. Write `{name}: {text}`"
    told = f"is indented further than line {above + 1}, whose text it would go on with"
    return at + 1, f"{told}. Indent it exactly like that line, with spaces"


def _colon_in_a_text(line: str, column: int) -> str:
    begin = max(line.rfind(sign, 0, column) for sign in "{,") + 1 if "{" in line[:column] else 0
    ends = [place for place in (line.find(sign, column) for sign in ",}") if place >= 0] if begin else []
    piece = line[begin : min(ends, default=len(line))]
    return f"has a text with a colon and no quotes. Put the text in quotes: {_example(piece)}"


def _example(line: str) -> str:
    """Write the field of a line with its text in quotes."""
    found = _FIELD.match(line)
    return f"`{found['name']}: {_quoted(found['text'].strip())}`" if found else '`field: "text"`'


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class _OnceOnly(yaml.SafeLoader):
    """Reads YAML, and refuses a key that stands twice: plain YAML would quietly take the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a field's name is no text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"“{key.value}” stands twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _plain(value: Any) -> Any:
    """Bring YAML's values into JSON's: dates become texts."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
