"""What a person takes along, in parts: where it is too long for one file.

A part is a file of the same format. The first has everything but the receipts, and as many of the
oldest receipts as fit; each of the others has the receipts that follow, with their evidence. A part
is named by the receipts that it holds, so that all parts listed at one time fit together, whatever
is decided while they are fetched.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.receipts import Receipt
from chalicelib.services.data_export import FORMS, DataExport, Part, export_data
from chalicelib.services.own_page import OwnPage

MOST_BYTES = 4_000_000
"""How long a file may be. Lambda answers no more than 6 MB (its quotas), in which bytes are base64:
a third longer."""

SURELY_ONE = 500_000
"""With fewer bytes of receipts than these the file is one: in no form is it eight times as long."""

_RANGE = re.compile(r"([0-9]{1,6})-([0-9]{1,6})")


@dataclass(frozen=True, slots=True)
class ExportPart:
    """Which of the parts it is, the versions of the first and last receipt in it, and its bytes."""

    part: Part
    first: int
    last: int
    size: int

    @property
    def query(self) -> str:
        """The part as an address names it."""
        return f"part={self.part.number}-{self.part.of}&receipts={self.first}-{self.last}"

    @classmethod
    def read(cls, part: str | None, receipts: str | None) -> Self | None:
        """Read a part from an address; None where it names none. Raises NotFoundError."""
        if part is None and receipts is None:
            return None
        named = _RANGE.fullmatch(part or ""), _RANGE.fullmatch(receipts or "")
        if named[0] is None or named[1] is None:
            raise NotFoundError
        number, of = map(int, named[0].groups())
        first, last = map(int, named[1].groups())
        if not 1 <= number <= of or of == 1:
            raise NotFoundError
        return cls(Part(number, of), first, last, 0)

    def of(self, everything: DataExport) -> DataExport:
        """Give what this part holds of everything."""
        return everything.limited(self.part, range(self.first, self.last + 1))


def list_parts(page: OwnPage) -> dict[str, tuple[ExportPart, ...]]:
    """Give the parts of the file of the one whose page it is, for each form of it.

    None for a form in which it is one file, as almost always.
    """
    if page.shared or sum(len(receipt.canonical) for receipt in page.receipts) < SURELY_ONE:
        return dict.fromkeys(FORMS, ())
    everything = export_data(page)
    return {form: divide(everything, form) for form in FORMS}


def divide(everything: DataExport, form: str) -> tuple[ExportPart, ...]:
    """Divide everything into parts of `MOST_BYTES` at most; none where it is not too long."""
    groups: list[list[Receipt]] = [[]]
    sizes = [len(everything.limited(Part(1, 1), range(0)).written(form))]
    frame = len(everything.limited(Part(2, 2), range(0)).written(form))
    for receipt in everything.receipts:
        size = everything.size_of(receipt, form)
        if sizes[-1] + size > MOST_BYTES:
            groups.append([])
            sizes.append(frame)
        groups[-1].append(receipt)
        sizes[-1] += size
    if len(groups) == 1:
        return ()
    return tuple(_named(groups, sizes))


def _named(groups: Sequence[Sequence[Receipt]], sizes: Sequence[int]) -> list[ExportPart]:
    parts: list[ExportPart] = []
    last = 0
    for number, (group, size) in enumerate(zip(groups, sizes, strict=True), start=1):
        first = last + 1
        last = group[-1].document["version"] if group else last
        parts.append(ExportPart(Part(number, len(groups)), first, last, size))
    return parts
