"""Lists of suppressed contacts in the form that each mailing tool imports.

What the tools take, by their own manuals and code (checked in November 2026):

- Mailchimp: "Add contacts" of a file, with the status "Unsubscribed" for all of them; the address
  stands under "Email Address".
- HubSpot: "Import an opt-out list"; the address stands under "Email".
- Brevo: an import with "Blocklist the imported email contacts", or those of SMS; the attributes are
  EMAIL and SMS, the delimiter is a semicolon.
- listmonk: an import with the mode "blocklist"; it needs a column email and a column name, and skips
  a row whose name is empty. A name that it has already stays.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from chalicelib.domain.contacts import ContactKind
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.lists import Target

EMAIL, PHONE = ContactKind.EMAIL, ContactKind.PHONE


class WrongBlocklistError(InvalidInputError):
    """There is no blocklist of this kind for this decision; the message says why."""


@dataclass(frozen=True, slots=True)
class Blocklist:
    """The columns of a tool's file, in their order, and what stands between them."""

    columns: tuple[str, ...]
    kinds: tuple[ContactKind, ...]
    """The kinds of contact that the tool suppresses, in the order of their columns."""

    delimiter: str = ","
    with_name: bool = False

    @property
    def header(self) -> bytes:
        """The first line."""
        return self._line(self.columns)

    def row(self, contacts: Mapping[ContactKind, str]) -> bytes:
        """Write the line of some contacts; nothing where the tool suppresses none of their kinds."""
        cells = [contacts.get(kind, "") for kind in self.kinds]
        if not any(cells):
            return b""
        if self.with_name:
            cells.append(cells[0].partition("@")[0] or "-")
        return self._line(cells)

    def _line(self, cells: Iterable[str]) -> bytes:
        written = self.delimiter.join([_quoted(cell, self.delimiter) for cell in cells])
        return f"{written}\r\n".encode()


BLOCKLISTS: Mapping[Target, Blocklist] = {
    Target.MAILCHIMP: Blocklist(("Email Address",), (EMAIL,)),
    Target.HUBSPOT: Blocklist(("Email",), (EMAIL,)),
    Target.BREVO: Blocklist(("EMAIL", "SMS"), (EMAIL, PHONE), delimiter=";"),
    Target.LISTMONK: Blocklist(("email", "name"), (EMAIL,), with_name=True),
}


def check_blocklist(target: Target | None, carriers: Collection[ContactKind]) -> None:
    """Check that a tool suppresses contacts of the kind that a decision is carried out by.

    Raises WrongBlocklistError.
    """
    blocklist = BLOCKLISTS.get(target) if target else None
    if blocklist is None:
        raise WrongBlocklistError(f"A blocklist needs for= and one of: {', '.join(BLOCKLISTS)}.")
    if carriers and not set(carriers) & set(blocklist.kinds):
        raise WrongBlocklistError(
            f"The list of {target} is by e-mail address, and this decision is carried out by phone."
        )


def _quoted(cell: str, delimiter: str) -> str:
    if re.search(rf'["\r\n{delimiter}]', cell):
        return '"' + cell.replace('"', '""') + '"'
    return cell
