"""The audit of a clinic: who looked at or changed what, when. Opaque ids, never a contact."""

import json
import secrets
from collections.abc import Sequence

from chalicelib.domain.instants import Instant
from chalicelib.store.keys import audit_key
from chalicelib.store.writes import Put


def line(
    clinic: str,
    by: str,
    what: str,
    at: Instant,
    subjects: Sequence[str],
    *,
    receipt: str | None = None,
    notice: str | None = None,
    links: int | None = None,
    link: str | None = None,
    link_by: str | None = None,
) -> Put:
    """Give one line, to be written: `by` is a bearer key's id, "patient" or "portal".

    `subjects` are opaque ids. `links` says how many personal links were made or revoked: for whom
    is sealed in each. `link` is the id of one that was followed, `link_by` the key that made it, or
    "portal".
    """
    told: dict[str, object] = {
        "key": by,
        "call": what,
        "at": at,
        "subjects": list(subjects),
        "receipt": receipt,
    }
    if notice is not None:
        told["notice"] = notice
    if links is not None:
        told["links"] = links
    if link is not None:
        told |= {"link": link, "link_by": link_by}
    return Put(audit_key(clinic, at, secrets.token_hex(8)), {"body": json.dumps(told)})
