"""Raises an alarm when an item that is written once was changed or removed.

The portal itself never does that (`store.table`), but for the proof of an erased person when its
time is over. AWS's policies cannot keep whoever may write an item from writing it again. That a
chain then breaks is found by `verify-chains`; this says it at once.
"""

import re
from collections.abc import Sequence

from chalicelib import log
from chalicelib.store import people
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import person_key_of
from chalicelib.store.keys.proof import part_of_proof, written_once
from chalicelib.store.keys.receipts import RECEIPT_POINTER
from chalicelib.store.table import Table, UnavailableError


def report(table: Table, changed: Sequence[Key], removed: Sequence[Key]) -> None:
    """Log and count each of these items that is written once.

    The proof of whoever was erased may be removed.
    """
    touched = [key for key in changed if written_once(key)]
    touched += _wrongly_removed(table, [key for key in removed if written_once(key)])
    for key in touched:
        # Not whole: a receipt's number, which opens its page, may stand in either part.
        item = RECEIPT_POINTER if key.sk.startswith(RECEIPT_POINTER) else key.sk
        about = {"partition": re.split("#(?:RECEIPT|REFERENCE)#", key.pk)[0], "item": item}
        log.log().error("an item that is written once was changed", extra=about)
        log.count("WrittenOnceChanged")


def _wrongly_removed(table: Table, removed: Sequence[Key]) -> list[Key]:
    """Give those of removed items that nobody may remove: all but the proof of erased people.

    Where that cannot be told now, all of them: rather one alarm too many.
    """
    owners: dict[Key, Key] = {}
    for key in removed:
        owner = person_key_of(key)
        if owner is not None:
            owners[key] = owner
    try:
        found = table.get(list(owners.values())) if owners else {}
    except UnavailableError:
        return list(removed)
    wrongly = []
    for key in removed:
        stored = found.get(owners[key]) if key in owners else None
        still_here = stored is not None and not people.load_person(stored).erased
        if still_here or not part_of_proof(key):
            wrongly.append(key)
    return wrongly
