"""A postal address: where a letter reaches a patient. It finds nobody: only e-mail, phone and number do.

It is kept as a name is: sealed under the person's own key, and erased with it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

MAX_PART = 120
"""Characters of each part."""

PARTS = ("street", "postcode", "place", "country")
"""The parts as forms and programs name them; the country may be left out."""

WITHOUT_POSTCODE = frozenset({"GE"})
"""Countries where letters are written without a postcode often enough that none is asked for (our own judgement)."""


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """Street with house and flat, postcode, town or village; the country where it is another than the clinic's."""

    street: str
    postcode: str
    place: str
    country: str = ""

    def plain(self) -> str:
        """Write it, to be sealed at once."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def read(cls, plain: str) -> Self:
        """Read one that was unsealed."""
        return cls(**json.loads(plain))

    def line(self) -> str:
        """Write it in one line."""
        return ", ".join(part for part in (self.street, self.place, self.postcode, self.country) if part)

    def masked(self) -> str:
        """Show enough of it for whoever lives there to know it, and for nobody else to find them."""
        return ", ".join(f"{part[:1]}•••" for part in (self.street, self.place))


def missing_parts(parts: Mapping[str, str], country: str) -> tuple[str, ...]:
    """Name the parts that a letter in a country needs and that are not there."""
    due = ("street", "place") if country in WITHOUT_POSTCODE else ("street", "postcode", "place")
    return tuple(part for part in due if not parts.get(part))
