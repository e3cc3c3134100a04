"""Notice versions on their way: drafts and what happened to each, one item a version, changed only as it was read."""

import gzip
import json
from collections.abc import Sequence

import rfc8785

from chalicelib.domain.notice_versions import numbers
from chalicelib.notices.workflow import Draft, ReviewError
from chalicelib.store.clinics import UnknownDraftError
from chalicelib.store.keys import draft_key
from chalicelib.store.table import ConflictError, Item, Put, SetBody, Table, Write


class DraftChangedError(ReviewError):
    """Somebody else changed the draft since it was read. Nothing was stored."""


class Drafts:
    """Keeps drafts; a published one stays as it was published, its source with it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, clinic: str, version: str) -> Draft:
        """Give a draft, published or not; raise UnknownDraftError."""
        key = draft_key(clinic, version)
        item = self._table.get([key]).get(key)
        if item is None:
            raise UnknownDraftError(version)
        return _read(item)

    def all(self, clinic: str) -> list[Draft]:
        """Give every draft of a clinic, published ones too, by number."""
        key = draft_key(clinic, "")
        return sorted(map(_read, self._table.partition(*key)), key=lambda draft: numbers(draft.version))

    def keep(self, draft: Draft, also: Sequence[Write] = ()) -> None:
        """Keep a draft in place of an unpublished one of its number, whose approval falls with it.

        Raises ReviewError where the version is published, DraftChangedError when somebody else was first.
        """
        key = draft_key(draft.clinic, draft.version)
        there = self._table.get([key]).get(key)
        document = gzip.compress(rfc8785.dumps(dict(draft.document)), mtime=0)
        if there is None:
            self._write(draft, Put(key, {"body": draft.stored(), "blob": document}), also)
            return
        if _read(there).release is not None:
            raise ReviewError(f"{draft.version} is published and never changes. Raise the number")
        self._write(draft, SetBody(key, draft.stored(), was=there.body or "", blob=document), also)

    def change(self, before: Draft, after: Draft, also: Sequence[Write] = ()) -> None:
        """Keep what happened to a draft; raise DraftChangedError when it is no longer the one that was read."""
        self._write(after, update_draft(before, after), also)

    def _write(self, draft: Draft, write: Write, also: Sequence[Write]) -> None:
        try:
            self._table.write([write, *also])
        except ConflictError as conflict:
            raise DraftChangedError(
                f"{draft.version} was changed at the same moment. Read it and try again"
            ) from conflict


def update_draft(before: Draft, after: Draft) -> SetBody:
    """Write a step of a draft's life, provided that it is still the draft that was read."""
    return SetBody(draft_key(before.clinic, before.version), after.stored(), was=before.stored())


def _read(item: Item) -> Draft:
    return Draft.read(item.body or "", json.loads(gzip.decompress(item.blob or b"")))
