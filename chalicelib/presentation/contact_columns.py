"""Finds the column with the contacts in a table, by the names that programs and people give it.

`contact_columns.json` has the names by program and language. Case, blanks, hyphens and full stops
make no difference: "E-mail 1 - Value" is "email1value".
"""

import json
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.errors import InvalidInputError

_DIGITS = 6
"""With so many digits the name of a column may be a phone number: the file has no header."""


class UnclearColumnError(InvalidInputError):
    """No telling which column has the contacts; the message lists the columns, for a person."""


@dataclass(frozen=True, slots=True)
class ContactColumn:
    """A column that holds contacts: its position from 0, its name, and the kind of its contacts.

    `kind` is None where the column was named and may hold either: then each cell tells.
    """

    position: int
    name: str
    kind: ContactKind | None


def find_contact_columns(
    columns: Sequence[str], wanted: Collection[ContactKind], named: str | None = None
) -> tuple[ContactColumn, ...]:
    """Find the column of each of the `wanted` kinds that the table has; or the one that is `named`.

    Raises UnclearColumnError where there is none, or more than one of a kind.
    """
    if named is not None:
        return (_named_column(columns, wanted, named),)
    known = _known_names()
    found = []
    for kind in wanted:
        of_kind = [
            ContactColumn(position, name, kind)
            for position, name in enumerate(columns)
            if known.get(_folded(name)) is kind
        ]
        if len(of_kind) > 1:
            several = ", ".join(column.name for column in of_kind)
            raise UnclearColumnError(
                f"There are several columns of this kind: {several}. Write column= and one of them."
            )
        found += of_kind
    if not found:
        words = " or ".join(wanted)
        raise UnclearColumnError(
            f"There is no column {words} that is known by its name. {_listed(columns)}"
        )
    return tuple(found)


def _named_column(
    columns: Sequence[str], wanted: Collection[ContactKind], named: str
) -> ContactColumn:
    places = [place for place, name in enumerate(columns) if name == named.strip()]
    if not places:
        places = [place for place, name in enumerate(columns) if _folded(name) == _folded(named)]
    if len(places) != 1:
        how_many = "several columns have" if places else "no column has"
        raise UnclearColumnError(f"The name in column= must be that of one column: {how_many} it.")
    name = columns[places[0]]
    kind = _known_names().get(_folded(name))
    if len(wanted) == 1:
        (kind,) = wanted
    return ContactColumn(places[0], name, kind)


def _listed(columns: Sequence[str]) -> str:
    """List the columns, unless they may be contacts: then the first line is no header."""
    for name in columns:
        if "@" in name or sum(character.isdecimal() for character in name) >= _DIGITS:
            return "The first line looks like a row: it must be the header."
    names = ", ".join(name or "(no name)" for name in columns)
    return f"Write column= and one of: {names}."


@cache
def _known_names() -> dict[str, ContactKind]:
    table = json.loads(Path(__file__).with_name("contact_columns.json").read_text(encoding="utf-8"))
    known = {}
    for kind, groups in table.items():
        for names in groups.values():
            for name in names:
                known[_folded(name)] = ContactKind(kind)
    return known


def _folded(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "".join([character for character in plain if character.isalnum()])
