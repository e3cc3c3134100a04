"""What staff said of people who share a contact: that they are two, and are not to be asked again.

A mark holds opaque ids and goes with the one in whose partition it stands.
"""

import json
from collections.abc import Iterable

from chalicelib.domain.instants import Instant
from chalicelib.store.keys.people import distinct_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Replace

Ids = tuple[str, str]
"""The opaque ids of two people, in order."""


def distinct_write(clinic: str, pair: Ids, by: str, at: Instant) -> Replace:
    """Give the mark that two are two; who says it again replaces it."""
    return Replace(distinct_key(clinic, *pair), {"body": json.dumps({"by": by, "at": at})})


def known_distinct(table: Table, clinic: str, pairs: Iterable[Ids]) -> set[Ids]:
    """Give those of some pairs of whom staff said that they are two; a hundred in a round trip."""
    keys = {distinct_key(clinic, *pair): pair for pair in pairs}
    found = table.get(list(keys)) if keys else {}
    return {pair for key, pair in keys.items() if key in found}
