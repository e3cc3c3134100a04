"""People as the entries of a contact name them."""

import json

from chalicelib.receipts import Subject
from chalicelib.store.table import DamagedError, Item


def read_people(entry: Item | None) -> tuple[Subject, ...]:
    """Give everyone an item of a contact names, by id; raise DamagedError for one that cannot be read."""
    stored = entry.texts.values() if entry else ()
    try:
        found = [Subject.read(json.loads(each)) for each in stored]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DamagedError(type(error).__name__) from error
    return tuple(sorted(found, key=lambda subject: subject.id))
