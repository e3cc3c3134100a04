"""Lists for a mailing that are compared with the consents: what is asked, and what is counted."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

BROKEN_LINES = 100
"""How many broken lines are named; `Mode.BROKEN` lists all."""


class Mode(StrEnum):
    """Which rows come back."""

    PERMITTED = "permitted"
    """Those whose contact may be written to, byte for byte."""

    ANNOTATE = "annotate"
    """All that can be read, with two further columns: whether it is permitted, and why not."""

    BLOCKLIST = "blocklist"
    """The contacts that may not be written to, in the form that a tool imports to suppress them."""

    BROKEN = "broken"
    """The lines that could not be asked about, with what is wrong."""


class Target(StrEnum):
    """For what the list is: a tool's list of suppressed contacts, or a spreadsheet."""

    MAILCHIMP = "mailchimp"
    HUBSPOT = "hubspot"
    BREVO = "brevo"
    LISTMONK = "listmonk"
    SPREADSHEET = "spreadsheet"


def targets_of(mode: Mode) -> tuple[Target, ...]:
    """Give what a list may be written for in a mode; a list of broken lines is for nothing."""
    if mode is Mode.BROKEN:
        return ()
    if mode is Mode.BLOCKLIST:
        return tuple(each for each in Target if each is not Target.SPREADSHEET)
    return (Target.SPREADSHEET,)


class Unasked(StrEnum):
    """Why nothing was asked for a row. It is never permitted."""

    UNREADABLE_ROW = "unreadable_row"
    UNREADABLE_CONTACT = "unreadable_contact"
    NO_CONTACT = "no_contact"


RESTRICTED = "restricted"
"""The reason where a consent holds, but the person had processing restricted (GDPR Art. 18)."""

OTHER_CONTACT = "other_contact"
"""The reason where a consent holds, but not for the contact in the list."""


@dataclass(slots=True)
class ListCounts:
    """What was counted in a list, or in a part of one."""

    rows: int = 0
    permitted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    """Rows whose contact may not be written to, by the reason: a state in most cases."""

    broken: Counter[str] = field(default_factory=Counter)
    """Rows for which nothing could be asked, by `Unasked`."""

    broken_lines: list[int] = field(default_factory=list)
    """The lines of the first of them."""

    cells_changed: int = 0
    """How many cells got an apostrophe, so that no spreadsheet runs them."""

    @property
    def asked(self) -> int:
        """How many rows were asked about: `rows` without the broken ones."""
        return self.rows - self.broken.total()

    def note_broken(self, line: int, why: Unasked) -> None:
        """Count a row for which nothing could be asked."""
        self.broken[why.value] += 1
        if len(self.broken_lines) < BROKEN_LINES:
            self.broken_lines.append(line)
