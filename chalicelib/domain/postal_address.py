"""A postal address: where a letter reaches a patient. Nobody is found by it.

It is encrypted under the person's own key, as a name is, and erased with it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Self

from chalicelib.domain.clinic import WITHOUT_POSTCODE

MAX_PART = 120
"""Characters of each part at most."""

PARTS = ("street", "postcode", "place", "country")
"""The names of the parts in forms and in the API; the country may be left out."""


@dataclass(frozen=True, slots=True)
class PostalAddress:
    """Street with house and flat, postcode, town or village; the country if not the clinic's."""

    street: str
    postcode: str
    place: str
    country: str = ""

    def plain(self) -> str:
        """Write it in clear, to be encrypted at once."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)

    @classmethod
    def read(cls, plain: str) -> Self:
        """Read one that was decrypted."""
        return cls(**json.loads(plain))

    def line(self) -> str:
        """Write it in one line."""
        parts = (self.street, self.place, self.postcode, self.country)
        return ", ".join(part for part in parts if part)

    def masked(self) -> str:
        """Give the first letters of street and place: whoever lives there knows it, nobody else."""
        return ", ".join(f"{part[:1]}•••" for part in (self.street, self.place))


def missing_parts(parts: Mapping[str, str], country: str) -> tuple[str, ...]:
    """Name the parts that a letter in a country needs and that are missing."""
    needed = ["street", "postcode", "place"]
    if country in WITHOUT_POSTCODE:
        needed.remove("postcode")
    return tuple(part for part in needed if not parts.get(part))
