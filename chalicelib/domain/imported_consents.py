"""What a line of an import says: whose answer, to which questions, since when, and what proves it.

An `ImportRules` is what the caller says of a whole file, a `Cells` one line of it. The readers in
`import_sources` make an `ImportedLine` of a line, or raise `NotImportedError` with the reason.
`without_duplicates` settles what one file says twice about the same contact.

Nothing here knows a store or a clock: what is recorded already is compared by `services.imports`.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, tzinfo
from enum import StrEnum

from chalicelib.domain.clinic import PROVEN_COUNTS, Clinic
from chalicelib.domain.consent import Answer, QuestionId
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.imported_times import Said
from chalicelib.domain.instants import Instant

MAX_NOTE = 500
"""How many characters of a line's own evidence are kept."""


class SourceForm(StrEnum):
    """Whose export a file is."""

    MAILCHIMP = "mailchimp"
    BREVO = "brevo"
    LISTMONK = "listmonk"
    SHEET = "sheet"
    """A plain table: a contact, answers by question or of one column, a date, evidence."""


class Outcome(StrEnum):
    """What became of a line, or would become of it."""

    RECORDED = "recorded"
    """It has a receipt now; what follows from it is told by question."""

    ALREADY = "already"
    """The very same was recorded by an import before; nothing is written again."""

    DUPLICATE = "duplicate"
    """Another line of the file says it about the same contact, and counts."""

    SKIPPED = "skipped"
    """It tells of no decision: an address that bounced, a contact that never agreed."""

    REJECTED = "rejected"
    """It cannot be imported; `reason` says why."""


NOT_CURRENT = "later_answer_stands"
"""What is told of an answer that was recorded with its date while a later one goes on counting."""


class NotImportedError(RejectedError):
    """A line that is not imported: rejected, or skipped because it decides nothing."""

    def __init__(self, reason: str, outcome: Outcome = Outcome.REJECTED) -> None:
        super().__init__(reason)
        self.reason = reason
        self.outcome = outcome


REASONS: Mapping[str, str] = {
    "broken_row": "The line cannot be read: {fault}.",
    "no_contact": "It has no contact of the kind that the question needs.",
    "contact_invalid": "Its e-mail or phone is none.",
    "no_answer": "Nothing says Yes or No: name a column, or say `answer` for the whole file.",
    "answer_unclear": "The answer is neither a Yes nor a No.",
    "date_missing": "Nothing says when it was decided: say `undated` for the whole file.",
    "date_unclear": "The date cannot be read for certain: write 2024-03-31, or 31.03.2024.",
    "date_too_early": "The date is before the year 2000.",
    "date_in_future": "The date is in the future.",
    "evidence_too_long": f"The evidence has more than {MAX_NOTE} characters, or is not printable.",
    "not_asked": "The clinic does not ask this question.",
    "needs_address": "The question needs a postal address: record it by `receipts`.",
    "age_not_declared": "The notice asks for an age: say `declared_adult=true` if the source did.",
    "too_young": "The person was too young to decide alone: a guardian's consent goes by `receipts`.",
    "several_people": "Several people share the contact: it is not clear whose Yes it is.",
    "conflict": "Others kept deciding for the same person: send the file again.",
    "bounced": "Mail to the address bounced: that is no decision of the person's.",
    "never_subscribed": "The contact never agreed there.",
    "not_confirmed": "The contact was asked to confirm and never did.",
    "switched_off": "The contact is switched off there, and nothing says that the person did it.",
    "other_line": "Line {other} says it about the same contact, and counts.",
}
"""Why a line was not imported, or not as it stands; `{…}` is filled in."""


@dataclass(frozen=True, slots=True)
class ImportRules:
    """What the caller says of a whole file."""

    form: SourceForm
    system: str
    """The system it comes from, as the receipts name it: "Mailchimp"."""

    zone: tzinfo
    """Of times that name no zone."""

    questions: tuple[QuestionId, ...] = ()
    """What the file is about; a sheet may have columns named as questions instead."""

    list_name: str = ""
    """The audience or list; sealed in the evidence."""

    answer: Answer | None = None
    """What a line says that does not say it itself: the export of those who unsubscribed."""

    undated: date | None = None
    """The day that counts for lines without one."""

    month_first: bool = False
    """Whether 03-31-2024 is how the file writes the last of March."""

    keep_ip: bool = False
    """Whether the addresses from which people agreed are taken over, sealed in the evidence."""

    declared_adult: bool = False
    """Whether everybody in the file declared the age that the notice asks for."""

    same_as: str | None = None
    """The version whose processing the text read then described, as the clinic vouches."""

    text_sha256: str | None = None
    """The SHA-256 of the text read then, which the clinic keeps."""

    lang: str = ""
    """The language of messages about the answers."""

    asks: bool = False
    """Whether those whose Yes waits are asked to confirm it. Else nobody is written to."""

    contact_column: str | None = None
    """The name of the column with the contacts, where it does not tell by itself."""


@dataclass(frozen=True, slots=True)
class Cells:
    """One line of a file: its number, its bytes, and its cells by column.

    A column's name is in lower case, with one underscore for what stands between words.
    """

    line: int
    raw: bytes
    cells: Mapping[str, str] = field(repr=False)
    fault: str | None = None

    def get(self, *names: str) -> str:
        """Give the first cell of these columns that is not empty; "" for none."""
        for name in names:
            if value := self.cells.get(name, "").strip():
                return value
        return ""

    def has(self, *names: str) -> bool:
        """Tell whether the file has one of these columns."""
        return not self.cells.keys().isdisjoint(names)


def column(name: str) -> str:
    """Give a column's name as `Cells` has it: "DOUBLE_OPT-IN" and "Double opt in" are the same."""
    words = name.strip().lstrip("﻿").casefold()
    for separator in (" ", "-"):
        words = words.replace(separator, "_")
    while "__" in words:
        words = words.replace("__", "_")
    return words.strip("_")


@dataclass(frozen=True, slots=True)
class ImportedLine:
    """What one line says. All its answers were given at one time."""

    line: int
    contacts: tuple[Contact, ...] = field(repr=False)
    answers: Mapping[QuestionId, Answer]
    said: Said
    proven: bool
    """Whether the line proves that the person agreed: they confirmed it from the contact there, or
    evidence is named."""

    note: str = field(default="", repr=False)
    """What proves it, in words: sealed in the receipt."""

    born: date | None = field(default=None, repr=False)

    @property
    def agrees(self) -> bool:
        """Whether one of the answers is a Yes."""
        return Answer.YES in self.answers.values()

    @property
    def identity(self) -> dict[str, object]:
        """What makes the same answer the same, in whatever file it comes."""
        return {
            "answers": dict(sorted(self.answers.items())),
            "at": self.said.at,
            "day": self.said.day.date if self.said.day else None,
        }


@dataclass(frozen=True, slots=True)
class LineResult:
    """What became of a line; `states` by question, of a line that was recorded."""

    line: int
    outcome: Outcome
    reason: str | None = None
    states: Mapping[QuestionId, str] = field(default_factory=dict)
    other: int | None = None
    """The line that counts in its place."""

    fault: str = ""

    @property
    def detail(self) -> str:
        """The reason in a sentence; "" where there is none. It repeats nothing of the line."""
        if self.reason is None:
            return ""
        return REASONS[self.reason].format(other=self.other, fault=self.fault)


def note(rules: ImportRules, cells: Cells, parts: Iterable[tuple[str, str]]) -> str:
    """Write what proves a line: the list, the line's hash, and what else is known, by name."""
    told = [
        ("list", rules.list_name),
        *parts,
        ("line sha256", hashlib.sha256(cells.raw).hexdigest()),
    ]
    return "; ".join(f"{name}: {value}" for name, value in told if value)


def waiting(clinic: Clinic, line: ImportedLine) -> frozenset[QuestionId]:
    """Give the questions whose Yes waits to be confirmed, as the clinic rules (`imported_yes`)."""
    if clinic.imported_yes == "counts" or (clinic.imported_yes == PROVEN_COUNTS and line.proven):
        return frozenset()
    return frozenset(each for each, answer in line.answers.items() if answer is Answer.YES)


def without_duplicates(
    lines: Sequence[ImportedLine],
) -> tuple[list[ImportedLine], list[LineResult]]:
    """Leave one answer of each contact to each question; give the lines that lost all of theirs.

    A No or a withdrawal wins over any Yes of the same file, whatever the dates: nobody is written
    to whom a part of the file has struck off. Of two alike the one said later wins, of two of the
    same time the first.
    """
    winners: dict[tuple[tuple[Contact, ...], QuestionId], ImportedLine] = {}
    for line in lines:
        for question in line.answers:
            place = (line.contacts, question)
            best = winners.get(place)
            if best is None or _wins(line, best, question):
                winners[place] = line
    kept, lost = [], []
    for line in lines:
        own = {
            question: answer
            for question, answer in line.answers.items()
            if winners[line.contacts, question] is line
        }
        if own:
            kept.append(replace(line, answers=own))
            continue
        other = min(winners[line.contacts, question].line for question in line.answers)
        lost.append(LineResult(line.line, Outcome.DUPLICATE, "other_line", other=other))
    return kept, lost


def _wins(line: ImportedLine, other: ImportedLine, question: QuestionId) -> bool:
    """Tell whether a line's answer wins over another's of the same contact."""
    return _weight(line, question) > _weight(other, question)


def _weight(line: ImportedLine, question: QuestionId) -> tuple[bool, Instant]:
    return line.answers[question] is not Answer.YES, line.said.at
