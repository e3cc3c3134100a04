"""How a clinic's people stand: how many in each state, counted by a walk through them, and kept.

A walk counts as it goes (`jobs.publication_walk`): when a version has come into force, and when
somebody asks for a new count, who prepares a MAJOR version or reads the statistics. Whoever previews
a publication, or reads them, reads the last count in one item.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from chalicelib.domain.instants import Instant
from chalicelib.notices.impact import ConsentCount
from chalicelib.store.items import Item
from chalicelib.store.keys.counts import consent_count_key, count_request_key
from chalicelib.store.keys.key import Key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put, Replace


def keep(table: Table, clinic: str, count: ConsentCount) -> None:
    """Keep a clinic's count in the place of the one before."""
    table.put(Put(consent_count_key(clinic), {"body": json.dumps(asdict(count))}))


def read(clinic: str, found: Mapping[Key, Item]) -> ConsentCount | None:
    """Read a clinic's count from what was read of the table; None where nobody counted yet."""
    item = found.get(consent_count_key(clinic))
    return ConsentCount(**json.loads(item.body or "")) if item else None


def find(table: Table, clinic: str) -> ConsentCount | None:
    """Give a clinic's last count; None where nobody counted yet."""
    return read(clinic, table.get([consent_count_key(clinic)]))


def ask_anew(clinic: str, now: Instant) -> Replace:
    """Give the write that asks for a new count; the next hourly round begins with it."""
    return Replace(count_request_key(clinic), {"body": now})


def find_with_request(table: Table, clinic: str) -> tuple[ConsentCount | None, Instant]:
    """Give a clinic's last count, and when somebody last asked for a new one; "" for nobody."""
    request = count_request_key(clinic)
    found = table.get([consent_count_key(clinic), request])
    asked_at = found[request].body if request in found else ""
    return read(clinic, found), asked_at or ""


def asked(table: Table, clinics: Sequence[str]) -> dict[str, Instant]:
    """Give when somebody last asked for a count, by clinic; a hundred clinics in a round trip."""
    keys = {count_request_key(clinic): clinic for clinic in clinics}
    return {keys[key]: item.body or "" for key, item in table.get(list(keys)).items()}
