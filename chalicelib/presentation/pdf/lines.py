"""Lines: a text in pieces, some bold, broken where it has spaces to fit a width."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.presentation.pdf.tagged import BOLD, REGULAR, Fragment

BREAK = "\n"
"""A run that ends the line."""

_SPACES = " \t\n\r\f"
"""What HTML counts as space between words; a no-break space is none."""

Measure = Callable[[Sequence[Fragment]], float]


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text in one manner; `box` is a box to tick with a pen, far larger than the letters."""

    text: str
    bold: bool = False
    box: bool = False


Line = tuple[Fragment, ...]

BOX_SIZE = 21.0
"""The size at which the font's ballot box is 5.3 mm wide (its side is 1469/2048 of the size)."""
_BOX_RISE = -3.6


def readable(text: str) -> str:
    """Bring a text into what can be set: composed letters, and no character that only steers how others are shown."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(
        letter
        for letter in composed
        if letter in _SPACES or (unicodedata.category(letter) not in {"Cc", "Cf", "Cs"} and not _selects(letter))
    )


def broken(runs: Sequence[Run], size: float, measure: Measure, width: Callable[[int], float]) -> list[Line]:
    """Break runs into lines; `width` gives the room on the nth line. A word longer than a line breaks anywhere."""
    lines: list[Line] = []
    line: list[Fragment] = []
    for word in _words(runs, size):
        space = [replace(line[-1], text=" ", rise=0, size=size)] if line else []
        if word is None:
            lines.append((*line, *space))
            line = []
            continue
        if measure([*line, *space, *word]) <= width(len(lines)):
            line += [*space, *word]
            continue
        if line:
            lines.append((*line, *space))  # the space stays at the end, so that the text reads on
            line = []
        for letter in _letters(word) if measure(word) > width(len(lines)) else [word]:
            if line and measure([*line, *letter]) > width(len(lines)):
                lines.append(tuple(line))
                line = []
            line += letter
    if line or not lines:
        lines.append(tuple(line))
    return [_joined(each) for each in lines]


def _words(runs: Sequence[Run], size: float) -> Iterator[list[Fragment] | None]:
    """Yield words, of which a part may be bold, and None for a break."""
    word: list[Fragment] = []
    for run in runs:
        if run.text == BREAK:
            if word:
                yield word
            word = []
            yield None
            continue
        text = readable(run.text)
        while text:
            part = text.lstrip(_SPACES)
            if part != text and word:
                yield word
                word = []
            end = next((place for place, letter in enumerate(part) if letter in _SPACES), len(part))
            if end:
                word.append(_fragment(part[:end], run, size))
            text = part[end:]
    if word:
        yield word


def _fragment(text: str, run: Run, size: float) -> Fragment:
    if run.box:
        return Fragment(text, REGULAR, BOX_SIZE, _BOX_RISE)
    return Fragment(text, BOLD if run.bold else REGULAR, size)


def _letters(word: Sequence[Fragment]) -> Iterator[list[Fragment]]:
    for part in word:
        for letter in part.text:
            yield [replace(part, text=letter)]


def _joined(line: Sequence[Fragment]) -> Line:
    """Join neighbours of one manner."""
    joined: list[Fragment] = []
    for part in line:
        last = joined[-1] if joined else None
        if last and (last.font, last.size, last.rise) == (part.font, part.size, part.rise):
            joined[-1] = replace(last, text=last.text + part.text)
        else:
            joined.append(part)
    return tuple(joined)


def _selects(letter: str) -> bool:
    return "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"
