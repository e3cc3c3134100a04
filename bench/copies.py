"""Complete people in any number, made from a few who decided by the portal's own functions.

A person is taken with everything the portal keeps of them. A copy has ids, a contact and a salt of
its own; what depends on them is made anew as the portal makes it: the hash by which each receipt
names the one before, signatures, and what is encrypted or compressed. Everything else is the same,
byte for byte, so that a change of the table's layout changes the copies.

Two things differ from real people: nobody has the secret of a copied link, and a copy keeps the
first hex digit of each id, by which the shards of the table are chosen.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from bench.local_table import Row, as_json
from bench.request_units import Place, Stored, item_bytes
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.receipts import REFERENCE_DIGITS, Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.receipts import jws
from chalicelib.store import compact, people
from chalicelib.store.keys.people import personal_data_key

_ID = re.compile(rb"[0-9a-f]{32,64}")
_PASSING = ("LIMIT#", "BUDGET#", "JWKS", "AUDIT#", "FEED#", "#COUNT#feed", "KEY#")
"""What belongs to nobody, and is not copied: the feed of changes of copies is as if it was over."""

Values = list[bytes]
"""What stands in the places of a text that differ between copies."""


def email_of(number: int) -> str:
    """Give the e-mail address of a copy."""
    return f"p{number:08d}@example.org"


class _Text:
    """A text with the places in which copies differ."""

    def __init__(self, text: bytes, places: re.Pattern[bytes], index: Mapping[bytes, int]) -> None:
        at = [index[part] for part in places.findall(text)]
        self._format = places.sub(b"%b", text.replace(b"%", b"%%")) if at else text
        self._values = itemgetter(*at) if at else None

    def fill(self, values: Values) -> bytes:
        """Give the text of a copy."""
        return self._format % self._values(values) if self._values else self._format


@dataclass(frozen=True, slots=True)
class _Item:
    """An item of a person, ready to be copied; `size` is without its bytes, which may differ."""

    pk: _Text
    sk: _Text
    size: int
    content: _Text
    texts: Mapping[str, _Text]
    blob: int | None
    """Where the values have the item's bytes, in base64; None where it has none that differ."""


@dataclass(frozen=True, slots=True)
class Original:
    """Somebody who decided by the portal's own functions, and everything kept of them.

    `counted` is what their decisions added to the clinic's counters, by counter and name.
    """

    email: str
    person: Subject
    receipts: tuple[Receipt, ...]
    items: tuple[Stored, ...] = field(repr=False)
    counted: Mapping[Place, Mapping[str, int]] = field(repr=False)


Table = Mapping[Place, Stored]
"""Everything a table holds."""


def taken(portal: Portal, clinic: str, email: str, before: Table, after: Table) -> Original:
    """Give somebody who decided between two states of a table, and nobody else did."""
    key = portal.clinics.key(clinic)
    contact = Contact(ContactKind.EMAIL, email)
    [found] = portal.directory.look_up(clinic, [contact]).stored_under[contact]
    person = people.person(portal.table, clinic, found.id)
    receipts = tuple(portal.receipts.history(clinic, [person]))
    changed = {place: item for place, item in after.items() if before.get(place) is not item}
    ids = {person.id, key.lookup(contact), *(receipt.id for receipt in receipts)}
    items = []
    counted = {}
    for place, item in changed.items():
        if place[0].endswith("#COUNTS"):
            counted[place] = _difference(before.get(place), item)
        elif any(each in part for each in ids for part in place) or place[0].startswith("LINK#"):
            items.append(item)
        elif not any(part in place[0] for part in _PASSING):
            raise ValueError(f"whose is {place}?")
    items = [item for item in items if not any(part in item["pk"]["S"] for part in _PASSING)]
    return Original(email, person, receipts, tuple(items), counted)


def _difference(before: Stored | None, after: Stored) -> dict[str, int]:
    """Give what was added to each number of an item."""
    was = before or {}
    added = {}
    for name, value in after.items():
        if "N" in value:
            added[name] = int(value["N"]) - int(was.get(name, {"N": "0"})["N"])
    return added


class Copier:
    """Makes copies of one person: all that is the same is prepared once."""

    def __init__(self, original: Original, portal: Portal, clinic: str) -> None:
        if portal.signer is None:
            raise ValueError("nothing signs the copies' receipts")
        self.original = original
        self._key = key = portal.clinics.key(clinic)
        self._signer = portal.signer
        self._signing_key = self._signer.current(lambda _: None)  # published with the original
        self._protected = jws.header(self._signing_key.jwk)
        self._index: dict[bytes, int] = {}
        person = original.person
        self._subject, self._salt = self._place(person.id), self._place(person.salt)
        self._email = self._place(original.email)
        self._lookup = self._place(key.lookup(Contact(ContactKind.EMAIL, original.email)))
        self._made_by_receipt = [self._places_of(receipt) for receipt in original.receipts]
        self._references = self._places_of_references()
        self._others = self._further_ids()
        alternatives = sorted(self._index, key=len, reverse=True)
        self._pattern = re.compile(b"(" + b"|".join(map(re.escape, alternatives)) + b")")
        self._canonical = [self._text(receipt.canonical) for receipt in original.receipts]
        self._blobs: list[Callable[[Values], bytes]] = []
        self._items = [self._prepared(item) for item in original.items]

    def copy(self, number: int) -> Iterator[Row]:
        """Give the rows of the copy with this number: another number is another person."""
        values = self._values(number)
        blobs = [make(values) for make in self._blobs]
        encoded = [base64.b64encode(blob) for blob in blobs]
        filled = [*values, *encoded]
        for item in self._items:
            size = item.size + (len(blobs[item.blob - len(values)]) if item.blob is not None else 0)
            texts = {name: text.fill(filled) for name, text in item.texts.items()}
            pk, sk = item.pk.fill(filled), item.sk.fill(filled)
            yield pk, sk, size, item.content.fill(filled), texts

    def _values(self, number: int) -> Values:
        """Give what a copy has in each place that differs."""
        values = list(self._index)
        email = email_of(number)
        values[self._email] = email.encode()
        values[self._lookup] = self._key.lookup(Contact(ContactKind.EMAIL, email)).encode()
        for at in (self._subject, self._salt, *self._others):
            values[at] = _renewed(values[at], number)
        for receipt_id, _, _ in self._made_by_receipt:
            values[receipt_id] = _renewed(values[receipt_id], number)
        for reference, receipt_id in self._references:
            values[reference] = values[receipt_id][:REFERENCE_DIGITS]
        for (_, sha256, signature), text in zip(
            self._made_by_receipt, self._canonical, strict=True
        ):
            canonical = text.fill(values)
            values[sha256] = hashlib.sha256(canonical).hexdigest().encode()
            signed = self._signer.sign(
                self._signing_key, jws.signing_input(self._protected, canonical)
            )
            values[signature] = jws.encode(signed).encode()
        return values

    def _place(self, text: str) -> int:
        return self._index.setdefault(text.encode(), len(self._index))

    def _places_of(self, receipt: Receipt) -> tuple[int, int, int]:
        """Give the places of a receipt's id, hash and signature."""
        for item in self.original.items:
            text = item.get("body", {}).get("S", "")
            found = re.search(r'"signature": ?"([A-Za-z0-9_-]+)"', text)
            at_this = item["sk"]["S"].endswith(f"#{receipt.document['version']:010d}")
            if found and at_this and self._protected in text:
                return self._place(receipt.id), self._place(receipt.sha256), self._place(found[1])
        raise ValueError(f"receipt {receipt.document['version']} has no signature")

    def _places_of_references(self) -> list[tuple[int, int]]:
        """Give the places of what each receipt's reference says of its id, and of the id."""
        ids = [receipt.id for receipt in self.original.receipts]
        return [(self._place(each[:REFERENCE_DIGITS]), self._place(each)) for each in ids]

    def _further_ids(self) -> list[int]:
        """Give the places of other ids in keys: those of links and messages."""
        keys = [item[part]["S"].encode() for item in self.original.items for part in ("pk", "sk")]
        ids = [each for key in keys for each in _ID.findall(key) if each not in self._index]
        return [self._place(each.decode()) for each in dict.fromkeys(ids)]

    def _text(self, text: bytes) -> _Text:
        return _Text(text, self._pattern, self._index)

    def _prepared(self, item: Stored) -> _Item:
        blob, size = None, item_bytes(item)
        content = as_json(item)
        index = self._index
        pattern = self._pattern
        if "blob" in item and (make := self._maker(item)):
            blob = len(self._index) + len(self._blobs)
            self._blobs.append(make)
            stored = bytes(item["blob"]["B"])
            size -= len(stored)
            encoded = base64.b64encode(stored)
            index = {**self._index, encoded: blob}
            pattern = re.compile(self._pattern.pattern[:-1] + b"|" + re.escape(encoded) + b")")
        texts = {
            name: self._text(value["S"].encode())
            for name, value in item.items()
            if "S" in value and name != "body"
        }
        return _Item(texts["pk"], texts["sk"], size, _Text(content, pattern, index), texts, blob)

    def _maker(self, item: Stored) -> Callable[[Values], bytes] | None:
        """Give what makes an item's bytes for a copy; None where they are the same for all."""
        place, blob = (item["pk"]["S"], item["sk"]["S"]), bytes(item["blob"]["B"])
        person = self.original.person
        sealed = personal_data_key(self._key.clinic, person.id, "")
        if place[0] == sealed.pk and place[1].startswith(sealed.sk):
            what = place[1].removeprefix(sealed.sk)
            plain = self._key.decrypt(person.id, person.salt, what, blob)
            return self._sealed(what, plain)
        if place[1].startswith(("RECEIPT#", "CONTACT")) or "#ROLL#" in place[0]:
            return self._packed(self._text(compact.unpack(blob).encode()))
        return None

    def _packed(self, text: _Text) -> Callable[[Values], bytes]:
        return lambda values: compact.pack(text.fill(values).decode())

    def _sealed(self, what: str, plain: str) -> Callable[[Values], bytes]:
        named, text = self._text(what.encode()), self._text(plain.encode())

        def make(values: Values) -> bytes:
            subject, salt = values[self._subject].decode(), values[self._salt].decode()
            return self._key.encrypt(
                subject, salt, named.fill(values).decode(), text.fill(values).decode()
            )

        return make


def _renewed(value: bytes, number: int) -> bytes:
    """Give another id of the same length, with the same first digit.

    Later copies come later in the order of keys: the file grows at its ends, and is written faster.
    """
    digest = hashlib.sha256(value + str(number).encode()).hexdigest().encode()
    return (value[:1] + b"%08x" % number + digest)[: len(value)]


def counters(originals: Sequence[tuple[Original, int]], before: Table) -> Iterator[Stored]:
    """Give the clinic's counters after so many copies of each, beside what they said before."""
    added: dict[Place, dict[str, int]] = {}
    for original, number in originals:
        for place, numbers in original.counted.items():
            sums = added.setdefault(place, {})
            for name, amount in numbers.items():
                sums[name] = sums.get(name, 0) + amount * number
    for (pk, sk), numbers in added.items():
        was = before.get((pk, sk), {"pk": {"S": pk}, "sk": {"S": sk}})
        new = {
            name: {"N": str(int(was.get(name, {"N": "0"})["N"]) + amount)}
            for name, amount in numbers.items()
        }
        yield {**was, **new}
