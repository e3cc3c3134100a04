"""The audit of a clinic: who looked at or changed what, when. Opaque ids, never a contact."""

import json
import secrets
from collections.abc import Sequence

from chalicelib.instants import Instant
from chalicelib.store.keys import audit_key
from chalicelib.store.table import Put


def line(
    clinic: str,
    by: str,
    what: str,
    at: Instant,
    subjects: Sequence[str],
    *,
    receipt: str | None = None,
    notice: str | None = None,
) -> Put:
    """Give one line, to be written: `by` is a bearer key's id, "patient" or "portal"; `subjects` are opaque ids."""
    told = {"key": by, "call": what, "at": at, "subjects": list(subjects), "receipt": receipt}
    if notice is not None:
        told["notice"] = notice
    return Put(audit_key(clinic, at, secrets.token_hex(8)), {"body": json.dumps(told)})
