"""Amazon's DynamoDB Local with its data in a file, and rows written into that file directly.

It keeps all tables in one SQLite file, `shared-local-instance.db`: a table of rows for each table,
with the item as JSON, its keys, and hashes of the keys for scans. Through its API a million people
would take a day. It must not run while rows are written.
"""

import base64
import hashlib
import itertools
import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from bench.request_units import Stored, item_bytes

Row = tuple[Any, ...]
"""A row as `RowWriter` writes it (`row_of`)."""

_FILE = "shared-local-instance.db"
_SALT = b"LocalDdb"
"""What DynamoDB Local 2 begins each hash of a key with."""

_BATCH = 10_000


def key_hash(*parts: bytes) -> bytes:
    """Give DynamoDB Local's hash of a key's part, or of the hashes of both parts."""
    return hashlib.sha1(_SALT + b"".join(parts), usedforsecurity=False).digest()


def as_json(item: Stored) -> bytes:
    """Write an item as DynamoDB Local keeps it: bytes in base64."""

    def plain(value: Any) -> str:
        return base64.b64encode(bytes(value)).decode()

    return json.dumps(item, ensure_ascii=False, default=plain, separators=(",", ":")).encode()


def row_of(item: Stored) -> Row:
    """Give the row of an item: keys, size, JSON, and the attributes that an index is by."""
    texts = {name: value["S"].encode() for name, value in item.items() if "S" in value}
    return texts["pk"], texts["sk"], item_bytes(item), as_json(item), texts


class RowWriter:
    """Writes rows into the file of a DynamoDB Local that does not run.

    Its indexes are taken away before and made again after, and its pages hold more than one item.
    """

    def __init__(self, folder: Path, table: str) -> None:
        self._file = sqlite3.connect(folder / _FILE, isolation_level=None)
        self._file.executescript(
            "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000;"
            "PRAGMA page_size = 16384; VACUUM;"
        )
        [info] = self._file.execute("SELECT TableInfo FROM dm WHERE TableName = ?", [table])
        self._columns = _index_columns(json.loads(info[0]))
        names = ["hashKey", "rangeKey", "hashValue", "rangeValue", "itemSize", "ObjectJSON"]
        if self._columns:
            names += ["hashRangeValue", *self._columns]
        marks = ", ".join("?" * len(names))
        self._insert = f'INSERT OR REPLACE INTO "{table}" ({", ".join(names)}) VALUES ({marks})'  # noqa: S608 - names of ours
        self._indexes = self._file.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ?"
            " AND sql IS NOT NULL",
            [table],
        ).fetchall()

    def write(self, rows: Iterable[Row]) -> int:
        """Write rows, those that are there anew; give how many."""
        for name, _ in self._indexes:
            self._file.execute(f'DROP INDEX "{name}"')
        written = 0
        values = itertools.starmap(self._values, rows)
        while batch := list(itertools.islice(values, _BATCH)):
            self._file.execute("BEGIN")
            self._file.executemany(self._insert, batch)
            self._file.execute("COMMIT")
            written += len(batch)
        for _, made in self._indexes:
            self._file.execute(made)
        return written

    def close(self) -> None:
        """Close the file: now DynamoDB Local may open it."""
        self._file.close()

    def _values(
        self, pk: bytes, sk: bytes, size: int, content: bytes, texts: Mapping[str, bytes]
    ) -> Row:
        hash_value, range_value = key_hash(pk), key_hash(sk)
        values = pk, sk, hash_value, range_value, size, content
        if not self._columns:
            return values
        indexed = [texts.get(name) for name in self._columns.values()]
        return *values, key_hash(hash_value, range_value), *indexed


def _index_columns(info: Mapping[str, Any]) -> dict[str, str]:
    """Give the attribute of each column that an index of the table is by."""
    columns: dict[str, str] = {}
    for name, elements in info.get("SQLiteIndex", {}).items():
        for element in elements if name else ():
            columns[element["SQLiteColumnName"]] = element["DynamoDBAttribute"]["AttributeName"]
    return columns
