"""The objects of a PDF file and the table that says where each of them is.

Sources: ISO 32000-1:2008 (PDF 1.7), 7.5.7 object streams, 7.5.8 cross-reference streams. The same
objects give the same bytes.
"""

import hashlib
import zlib

_HEADER = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
_FREE, _IN_FILE, _IN_STREAM = 0, 1, 2
"""How an entry of the table gives a place: none, in the file, in the stream of objects."""


class PdfObjects:
    """The numbered objects of a file: those with a stream, and others, which share one stream."""

    def __init__(self) -> None:
        self._objects: list[str] = []
        self._streams: dict[int, bytes] = {}

    def reserve(self) -> int:
        """Return the number of an object that is to be `set` later."""
        return self.add("null")

    def add(self, content: str) -> int:
        """Add an object and return its number."""
        self._objects.append(content)
        return len(self._objects)

    def set(self, number: int, content: str) -> None:
        """Set the content of an object."""
        self._objects[number - 1] = content

    def stream(self, content: bytes, entries: str = "", *, plain: bool = False) -> int:
        """Add a stream, compressed unless it is to stay `plain`; return its number."""
        number = self.reserve()
        packed, compression = content, ""
        if not plain:
            packed, compression = zlib.compress(content, 9), "/Filter/FlateDecode"
        head = f"<<{entries}{compression}/Length {len(packed)}>>stream\n"
        self._streams[number] = head.encode() + packed + b"\nendstream"
        return number

    def file(self, catalog: int, info: int) -> bytes:
        """Return the file whose document catalog and information are these objects."""
        members = [number for number in self._numbers() if number not in self._streams]
        holder = self._pack(members)
        table = self.reserve()
        content = bytearray(_HEADER)
        places = {}
        for number, stream in self._streams.items():
            places[number] = len(content)
            content += f"{number} 0 obj\n".encode() + stream + b"\nendobj\n"
        rows = [(_FREE, 0, 65535)]
        positions = {number: position for position, number in enumerate(members)}
        for number in range(1, table):
            if number in positions:
                rows.append((_IN_STREAM, holder, positions[number]))
            else:
                rows.append((_IN_FILE, places[number], 0))
        rows.append((_IN_FILE, len(content), 0))
        entries = f"/Root {catalog} 0 R/Info {info} 0 R"
        return bytes(content) + _table(table, rows, bytes(content), entries)

    def _numbers(self) -> range:
        return range(1, len(self._objects) + 1)

    def _pack(self, members: list[int]) -> int:
        """Put objects into one stream, behind an index of their places; return its number."""
        bodies = [self._objects[number - 1] for number in members]
        index = []
        place = 0
        for number, body in zip(members, bodies, strict=True):
            index.append(f"{number} {place}")
            place += len(body.encode()) + 1
        head = " ".join(index) + "\n"
        content = head + "\n".join(bodies)
        entries = f"/Type/ObjStm/N {len(members)}/First {len(head)}"
        return self.stream(content.encode("ascii"), entries)


def _table(number: int, rows: list[tuple[int, int, int]], before: bytes, entries: str) -> bytes:
    """Write the cross-reference stream, which comes behind everything else in the file."""
    packed = zlib.compress(b"".join(_row(*row) for row in rows), 9)
    name = hashlib.sha256(before).hexdigest()[:32]
    head = (
        f"{number} 0 obj\n<</Type/XRef/Size {len(rows)}/W[1 4 2]{entries}"
        f"/ID[<{name}><{name}>]/Filter/FlateDecode/Length {len(packed)}>>stream\n"
    )
    end = f"\nendstream\nendobj\nstartxref\n{len(before)}\n%%EOF\n"
    return head.encode() + packed + end.encode()


def _row(kind: int, first: int, second: int) -> bytes:
    """Write an entry of the table in the widths that its ``/W`` names."""
    return kind.to_bytes(1, "big") + first.to_bytes(4, "big") + second.to_bytes(2, "big")
