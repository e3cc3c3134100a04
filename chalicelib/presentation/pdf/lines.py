"""Lines: text in runs, some bold, broken at its spaces to fit a width."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.presentation.pdf.tagged import BOLD, REGULAR, Fragment

BREAK = "\n"
"""A run that ends the line."""

_SPACES = " \t\n\r\f"
"""What HTML counts as space between words. A no-break space is not among them."""

Measure = Callable[[Sequence[Fragment]], float]


@dataclass(frozen=True, slots=True)
class Run:
    """A piece of text that looks the same throughout."""

    text: str
    bold: bool = False
    box: bool = False
    """Whether it is a box to tick with a pen, which is far larger than letters."""


Line = tuple[Fragment, ...]

BOX_SIZE = 21.0
"""The size at which the font's ballot box is 5.3 mm wide (its side is 1469/2048 of the size)."""
_BOX_RISE = -3.6


def readable(text: str) -> str:
    """Return a text as it can be set: letters composed, without characters that show nothing."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(letter for letter in composed if _is_shown(letter))


def _is_shown(letter: str) -> bool:
    """Tell whether a character is a space or can be seen."""
    if letter in _SPACES:
        return True
    return unicodedata.category(letter) not in {"Cc", "Cf", "Cs"} and not _selects_variant(letter)


def _selects_variant(letter: str) -> bool:
    """Tell whether a character only selects a variant of the one before it (Unicode 23.4)."""
    return "\ufe00" <= letter <= "\ufe0f" or "\U000e0100" <= letter <= "\U000e01ef"


def break_lines(
    runs: Sequence[Run], size: float, measure: Measure, width: Callable[[int], float]
) -> list[Line]:
    """Break runs into lines; `width` gives the width of the nth line.

    A word that is longer than a line is broken anywhere.
    """
    lines: list[Line] = []
    line: list[Fragment] = []
    for word in _words(runs, size):
        space = _space_behind(line, size)
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
        is_too_long = measure(word) > width(len(lines))
        parts = list(_letters(word)) if is_too_long else [word]
        for part in parts:
            if line and measure([*line, *part]) > width(len(lines)):
                lines.append(tuple(line))
                line = []
            line += part
    if line or not lines:
        lines.append(tuple(line))
    return [_joined(each) for each in lines]


def _space_behind(line: Sequence[Fragment], size: float) -> list[Fragment]:
    """Return the space between a line and the next word; none at the beginning."""
    return [replace(line[-1], text=" ", rise=0, size=size)] if line else []


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
    """Join neighbours that look the same."""
    joined: list[Fragment] = []
    for part in line:
        last = joined[-1] if joined else None
        if last and (last.font, last.size, last.rise) == (part.font, part.size, part.rise):
            joined[-1] = replace(last, text=last.text + part.text)
        else:
            joined.append(part)
    return tuple(joined)
