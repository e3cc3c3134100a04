import base64
import binascii
import contextlib
import gzip
import json
import zlib
from collections.abc import Iterator
from typing import Any, get_args

import pytest

from chalicelib.domain.api_keys import SCOPES, BearerKey, digest
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.store import compact
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import personal_data_key, subject_pk
from chalicelib.store.writes import Count, SetNumber, Write
from infra.operator import keys
from infra.operator.cli.errors import CommandError
from tests.cast import ANNA, ANNA_PHONE, GIORGI, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, NOON, SMS_NEWS, a_decision, on_paper
from tests.store.people import only_person, signed

NAME = "Anna Ozoliņa"


STORED = {"values", "stored", "blob", "body", "was"}
"""What a write stores, or found stored: it may be personal."""


@pytest.mark.parametrize(
    "kind", [each for each in get_args(Write) if each not in {Count, SetNumber}]
)
def test_a_write_never_says_what_it_stores(kind: Any) -> None:
    """A traceback or a log that shows a write shows which item, and nothing of a patient's."""
    write = kind(**{name: f"told {name}" for name in kind._fields} | {"key": Key("A", "B")})
    said = repr(write)
    assert said.startswith(f"{kind.__name__}(key=Key(")
    assert not [name for name in STORED if f"told {name}" in said]


def every_item(portal: Portal) -> Iterator[dict[str, Any]]:
    """Give every item of the table as DynamoDB has it."""
    yield from (
        portal.table.client.get_paginator("scan")
        .paginate(TableName=portal.settings.table)
        .search("Items")
    )


def readings(value: bytes) -> Iterator[bytes]:
    """Give what somebody could read out of some bytes: as they are, unpacked, decoded."""
    yield value
    for unpack in (
        gzip.decompress,
        zlib.decompress,
        binascii.unhexlify,
        base64.b64decode,
        base64.urlsafe_b64decode,
    ):
        with contextlib.suppress(ValueError, OSError, EOFError, zlib.error):
            yield unpack(value)
    with contextlib.suppress(ValueError):
        yield compact.unpack(value).encode()


def everything_readable(portal: Portal) -> Iterator[bytes]:
    """Give all that can be read in the table without a key, keys of items and maps included."""
    for item in every_item(portal):
        for attribute in item.values():
            [(kind, value)] = attribute.items()
            yield from readings(
                value if kind == "B" else json.dumps(value, ensure_ascii=False).strip('"').encode()
            )


def test_no_contact_and_no_name_can_be_read_in_any_item(portal: Portal) -> None:
    """Who gets hold of the table gets no patient list (GDPR Art. 32)."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE, name=NAME))
    noted = {"form": f"A-1 {NAME}", "witness": ANNA_PHONE.value}
    decisions.record(
        portal, on_paper({SMS_NEWS: "yes"}, NOON, NOON, evidence=noted), signed(GIORGI, name=NAME)
    )
    withdrawals.withdraw(portal, a_decision({SMS_NEWS: "withdraw"}, NOON), signed(ANNA_PHONE))
    read = list(everything_readable(portal))
    assert any(b"Sidraba rasa" in each for each in read), "what is packed would have been found"
    anna = only_person(portal, RIGA, ANNA)
    assert any(anna.salt.encode() in each for each in read), "people are packed, and read here too"
    hidden = [
        ANNA.value,
        "anna.ozola",
        ANNA_PHONE.value,
        ANNA_PHONE.value[1:],
        GIORGI.value[4:],
        NAME,
        "Ozoli",
    ]
    for secret in hidden:
        spelled = {secret, secret.upper(), json.dumps(secret)[1:-1]}
        forms = {
            form
            for each in spelled
            for form in (each.encode(), base64.b64encode(each.encode())[:-4])
        }
        assert not [form for form in forms for each in read if form in each]


def test_the_clinic_itself_can_read_a_contact_and_a_name(portal: Portal) -> None:
    """Sealed is not lost: Anna can be written to."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, name=NAME))
    anna, key = only_person(portal, RIGA, ANNA), portal.clinics.key(RIGA)
    for what, plain in ((key.lookup(ANNA), ANNA.value), ("name#1", NAME)):
        place = personal_data_key(RIGA, anna.id, what)
        blob = bytes(portal.table.get([place])[place].blob or b"")
        assert key.decrypt(anna.id, anna.salt, what, blob) == plain
        with pytest.raises(ValueError, match=r"."):
            portal.clinics.key(TBILISI).decrypt(anna.id, anna.salt, what, blob)


def test_each_contact_is_sealed_once(portal: Portal) -> None:
    """Coming back adds a receipt, not another copy of the address."""
    for _ in range(3):
        decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(ANNA, ANNA_PHONE))
    sealed = list(
        portal.table.partition(subject_pk(RIGA, only_person(portal, RIGA, ANNA).id), "SEALED#")
    )
    assert len(sealed) == 2


def test_a_bearer_key_opens_until_it_is_revoked_and_stands_nowhere_in_the_table(
    portal: Portal,
) -> None:
    """A key is made once, shown once, and taken back in one command."""
    key, secret = keys.create(portal.table, RIGA, "newsletter program", ("status:read",))
    found = portal.directory.look_up(RIGA, api_key_digest=digest(secret)).api_key
    assert found is not None
    assert BearerKey.read(found) == key
    assert not [each for each in everything_readable(portal) if secret.encode() in each]
    revoked = keys.revoke(portal.table, RIGA, key.id)
    assert revoked.revoked_at is not None
    found = portal.directory.look_up(RIGA, api_key_digest=digest(secret)).api_key
    assert found is not None
    assert BearerKey.read(found) == revoked
    assert keys.revoke(portal.table, RIGA, key.id) == revoked, (
        "revoking again keeps the day it was revoked"
    )


def test_an_unknown_bearer_key_is_nothing(portal: Portal) -> None:
    """A guess opens nothing."""
    assert portal.directory.look_up(RIGA, api_key_digest=digest("cpk_guess")).api_key is None


def test_keys_are_listed_and_revoked_by_their_own_clinic_only(portal: Portal) -> None:
    """One clinic cannot lock another out."""
    first, _ = keys.create(portal.table, RIGA, "one")
    second, _ = keys.create(portal.table, RIGA, "two")
    assert {key.id for key in keys.all_keys(portal.table, RIGA)} == {first.id, second.id}
    assert set(first.scopes) == set(SCOPES) - {"links:manage"}, "own pages are for their patients"
    assert keys.all_keys(portal.table, TBILISI) == []
    with pytest.raises(CommandError, match="has no key"):
        keys.revoke(portal.table, TBILISI, first.id)
    with pytest.raises(CommandError, match="Unknown scope: everything"):
        keys.create(portal.table, RIGA, "three", ("everything",))
