"""Reads a clinic's YAML file: its content as JSON types, the line of every part, and its slips.

A slip is a mistake that authors easily make in YAML. A comma or a colon in a text without quotes
has a meaning in YAML, a version is read as a number, and a missing space makes another field. The
parser's own messages do not help an author with these; ours name the slip and the remedy.
"""

import base64
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

import yaml

from chalicelib.notices.fields import DocumentError, unquoted_number
from infra.operator.cli.errors import CommandError

_FIELD = re.compile(r"(?:\s*- +)*\s*(?P<name>[\w.-]+):\s+(?P<text>\S.*)")
_BEFORE_ITS_COLON = re.compile(r"(?:\s*- +)*\s*[\w.-]+")
_NO_SPACE = re.compile(r"\s*[\w-]+:\S")
MAX_NAME = 80
"""Characters of a wrong file name that a fault repeats."""
LOGO_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
_NUMBERS = {f"tag:yaml.org,2002:{kind}" for kind in ("int", "float", "bool")}


class FileError(CommandError):
    """A clinic's file cannot be published; each line names file, place and remedy."""


@dataclass
class ClinicFile:
    """A clinic's file as it was read; places are named as in a `DocumentError`."""

    path: Path
    document: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    """The line on which each place begins."""

    numbers: dict[str, str] = field(default_factory=dict)
    """Numbers, true and false as they are written: once read, 1.10 and 1.1 are the same."""

    slips: list[DocumentError] = field(default_factory=list)
    """Texts without quotes that end at a comma."""

    cut_off: set[str] = field(default_factory=set)
    """Places of what follows such a comma, and was read as a field."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; raise FileError where it is no YAML, or no clinic's document."""
        file = cls(path)
        text = _read_text(path)
        try:
            loader = _OnceOnly(text)
            node = loader.get_single_node()
            document = _plain(loader.construct_document(node)) if node else None
        except yaml.MarkedYAMLError as error:
            line, problem = _explain(text.splitlines(), error)
            raise FileError(f"{path}:{line}: {problem}") from error
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            reason = str(error).partition("\n")[0]
            problem = f"holds a value that is none ({reason}). Check its dates, numbers and signs"
            raise FileError(f"{path}: {problem}") from error
        if node is None or not isinstance(document, dict):
            raise FileError(f"{path}: is no clinic's document. Write it as `key: value` lines")
        file.document = document
        file._note("", node)
        file._read_logo()
        return file

    def _read_logo(self) -> None:
        """Put the logo's content in the place of an SVG's text, or of a file's name.

        Raises FileError without that file.
        """
        brand = self.document.get("brand")
        if not isinstance(brand, dict) or not isinstance(brand.get("logo"), str):
            return
        written: str = brand["logo"]
        if written.lstrip().startswith("<"):
            media_type, content = LOGO_TYPES[".svg"], written.encode()
        else:
            media_type, content = self._logo_beside(written)
        encoded = base64.b64encode(content).decode()
        self.document["brand"] = {**brand, "logo": {"media_type": media_type, "content": encoded}}

    def _logo_beside(self, name: str) -> tuple[str, bytes]:
        """Return media type and content of a logo in a file beside this one."""
        where = self.place("brand.logo")
        media_type = LOGO_TYPES.get(Path(name).suffix.lower())
        if media_type is None or Path(name).name != name:
            remedy = "Write an SVG, or the name of an .svg or .png file that lies beside this one"
            raise FileError(f"{where}: is {name[:MAX_NAME]!r}. {remedy}")
        try:
            return media_type, (self.path.parent / name).read_bytes()
        except OSError as error:
            problem = f"{name} cannot be read ({error.strerror})"
            raise FileError(f"{where}: {problem}. Put it beside this file") from error

    def report(self, faults: Iterable[DocumentError]) -> Iterator[str]:
        """Yield the slips and these faults in the order of their lines, with file and line.

        Faults that only follow from a slip are left out.
        """
        own_faults = [fault for fault in faults if fault.place not in self.cut_off]
        for fault in sorted([*self.slips, *own_faults], key=self._line_of_fault):
            line = self._line_of_fault(fault)
            place = f"{self.path}:{line}" if line else str(self.path)
            yield f"{place}: {self._as_written(fault)}"

    def place(self, place: str) -> str:
        """Return a place of the document as file and line, and its own name."""
        line = self._line(place)
        where = f"{self.path}:{line}" if line else str(self.path)
        return f"{where}: {place}" if place else where

    def _line_of_fault(self, fault: DocumentError) -> int:
        return self._line(fault.place)

    def _as_written(self, fault: DocumentError) -> DocumentError:
        """Let a fault name a number as it is written in the file, where a text is expected."""
        written = self.numbers.get(fault.place)
        if not written or "and a text is due" not in fault.problem:
            return fault
        problem, remedy = unquoted_number(fault.place, written)
        return replace(fault, problem=problem, remedy=remedy)

    def refuse_slips(self) -> None:
        """Raise FileError where a text ends at a comma."""
        if self.slips:
            raise FileError("\n".join(self.report(())))

    def _line(self, place: str) -> int:
        """Return the line on which a place, or what it would be in, begins; 0 for the document."""
        while place and place not in self.lines:
            place = re.sub(r"(?:^|\.)[^.\[]*$|\[\d+\]$", "", place)
        return self.lines.get(place, 0)

    def _note(self, place: str, node: yaml.Node) -> None:
        """Record the lines of a part and of everything in it, and its slips."""
        if place:
            self.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS:
            self.numbers[place] = node.value
        elif isinstance(node, yaml.SequenceNode):
            for number, part in enumerate(node.value, start=1):
                self._note(f"{place}[{number}]", part)
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                at = f"{place}.{key.value}".lstrip(".")
                self.lines[at] = key.start_mark.line + 1
                self._note(at, value)
            if node.flow_style:
                self._note_commas(place, node)

    def _note_commas(self, place: str, node: yaml.MappingNode) -> None:
        """Record texts in `{…}` that end at a comma: what follows was read as an empty field."""
        name = text = ""
        for key, value in node.value:
            if not _is_empty(value):
                name = key.value
                text = value.value if isinstance(value, yaml.ScalarNode) else ""
                continue
            text = f"{text}, {key.value}"
            at = f"{place}.{name}".lstrip(".")
            self.cut_off.add(f"{place}.{key.value}".lstrip("."))
            problem = "ends at its comma, and what follows was read as another field"
            remedy = f"Put the whole text in quotes: `{name}: {_quoted(text)}`"
            self.slips = [slip for slip in self.slips if slip.place != at]
            self.slips.append(DocumentError(at, problem, remedy))


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}). Name a clinic's YAML file"
        raise FileError(message) from error
    except UnicodeDecodeError:
        raise FileError(f"{path}: is not UTF-8. Save the file in UTF-8") from None


def _is_empty(node: yaml.Node) -> bool:
    if not isinstance(node, yaml.ScalarNode):
        return False
    begin: int = node.start_mark.index
    return begin == node.end_mark.index


_OWN_SIGN = "has a text that begins with a sign of YAML's own. Put it in quotes: {example}"
_AT_ITS_MARK = {
    "'\\t'": "begins with a tab. Indent with spaces: YAML takes no tab",
    "<scalar>": "has more behind the end of its quotes. Put all of the text in one pair of quotes",
    "expected <block end>": "stands {column} spaces in, and fits neither what begins on line "
    "{begun} nor what is in that. Indent it exactly like the fields it belongs with, with spaces",
    "cannot start": _OWN_SIGN,
    "alias": _OWN_SIGN,
    "not allowed here": _OWN_SIGN,
    "chomping or indentation": _OWN_SIGN,
    "comment or a line break": _OWN_SIGN,
    "alphabetic or numeric": _OWN_SIGN,
    "node content": _OWN_SIGN,
}
"""Slips by words of the parser's message; they are on the line that the parser names."""

_WHERE_IT_BEGAN = {
    "but got ':'": "opens a bracket that is not closed before line {number}. Close it, or put the text in quotes",
    "but got": "opens a bracket in which a comma, a quote or the closing bracket is missing, "
    "at the latest on line {number}. Put each text in quotes",
    "expected ':'": "is neither `field: text` nor part of the text above it. "
    "Indent it like the lines of that text, or write the field's name before it",
    "unexpected end": 'opens a quote that is never closed. Close it, and write \\" for a quote inside',
}
"""Slips by words of the parser's message; they are on the line where the broken part began."""


def _explain(lines: Sequence[str], error: yaml.MarkedYAMLError) -> tuple[int, str]:
    """Return the line of the slip that makes a file no YAML, and what it is."""
    mark = error.problem_mark or error.context_mark
    problem = str(error.problem)
    at, column = (mark.line, mark.column) if mark else (0, 0)
    begun = error.context_mark.line if error.context_mark else at
    line = lines[at] if at < len(lines) else ""
    if problem == "mapping values are not allowed here":
        return _stray_colon(lines, at, column)
    if problem.endswith("but got ':'") and begun == at:
        return at + 1, _colon_in_a_text(line, column)
    known = {"column": column, "begun": begun + 1, "number": at + 1, "example": _example(line)}
    for where, slips in ((at, _AT_ITS_MARK), (begun, _WHERE_IT_BEGAN)):
        for words, slip in slips.items():
            if words in problem:
                return where + 1, slip.format(**known)
    return at + 1, f"is no YAML ({problem}). Check indentation, colons and quotes"


def _stray_colon(lines: Sequence[str], at: int, column: int) -> tuple[int, str]:
    """Return the line and the slip where the parser found a colon that it did not expect.

    The colon is inside a text, or its field is indented too far, or the field above lacks a space.
    """
    line = lines[at]
    if not _BEFORE_ITS_COLON.fullmatch(line[:column]):
        return at + 1, _colon_in_a_text(line, column)
    above = _line_above(lines, at)
    if _NO_SPACE.match(lines[above]):
        name, _, text = lines[above].strip().partition(":")
        return above + 1, f"has no space behind its colon. Write `{name}: {text}`"
    problem = f"is indented further than line {above + 1}, whose text it would go on with"
    return at + 1, f"{problem}. Indent it exactly like that line, with spaces"


def _line_above(lines: Sequence[str], at: int) -> int:
    """Return the index of the nearest line above that is not empty; `at` where there is none."""
    for number in range(at - 1, -1, -1):
        if lines[number].strip():
            return number
    return at


def _colon_in_a_text(line: str, column: int) -> str:
    """Describe a text with a colon and without quotes; a line may hold several fields in `{…}`."""
    piece = line
    if "{" in line[:column]:
        begin = max(line.rfind("{", 0, column), line.rfind(",", 0, column)) + 1
        end = re.search("[,}]|$", line[column:])
        piece = line[begin : column + end.start()] if end else line[begin:]
    return f"has a text with a colon and no quotes. Put the text in quotes: {_example(piece)}"


def _example(line: str) -> str:
    """Return the field of a line with its text in quotes."""
    found = _FIELD.match(line)
    if not found:
        return '`field: "text"`'
    return f"`{found['name']}: {_quoted(found['text'].strip())}`"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


class _OnceOnly(yaml.SafeLoader):
    """Reads YAML, and refuses a key that is there twice: PyYAML would silently take the second."""

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's signature
    ) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            problem = ""
            if not isinstance(key, yaml.ScalarNode):
                problem = "a field's name is no text"
            elif key.value in seen:
                problem = f"“{key.value}” stands twice"
            if problem:
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _plain(value: Any) -> Any:
    """Turn YAML's types into JSON's: dates become texts."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value
