"""Items that are written once: the portal's one way to the table refuses to change or remove
them.
"""

import json
import re
from typing import Any

import pytest

from chalicelib.domain.rate_limits import CONTACT
from chalicelib.store.keys.audit import audit_key
from chalicelib.store.keys.clinics import (
    clinic_key,
    draft_key,
    full_notice_key,
    jwk_key,
    notice_key,
    shown_page_key,
)
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.messages import outbox_key
from chalicelib.store.keys.people import contact_key, open_claims_key, person_key, personal_data_key
from chalicelib.store.keys.proof import part_of_proof, written_once
from chalicelib.store.keys.receipts import (
    answers_page_key,
    earlier_receipt_id_key,
    receipt_id_key,
    receipt_key,
    signature_key,
)
from chalicelib.store.table import Table, WrittenOnceError
from chalicelib.store.writes import (
    AddCounts,
    Delete,
    FirstEntry,
    MoveEntry,
    NextNumber,
    Put,
    RemoveEntry,
    Replace,
    SetBlob,
    SetBody,
    SetEntry,
    SetKept,
    Spend,
    Try,
    Write,
)
from infra.build.bundle import ROOT

FILTERS = 5
"""How many filters AWS lets a stream's function have, unless asked for more."""

CLINIC, ID, AT = "riga-aesthetics", "0" * 32, "2026-11-29T09:00:00.000Z"
PROOF = [
    receipt_key(CLINIC, ID, 1),
    signature_key(CLINIC, ID, 1),
    receipt_id_key(CLINIC, ID),
    earlier_receipt_id_key(CLINIC, ID),
]
ONCE = [
    *PROOF,
    audit_key(CLINIC, AT, "0" * 16),
    notice_key(CLINIC, "1.0"),
    full_notice_key(CLINIC, "1.0", "lv"),
    shown_page_key(CLINIC, "ab" * 32),
    jwk_key("kid"),
]
OFTEN = [
    clinic_key(CLINIC),
    draft_key(CLINIC, "1.0"),
    person_key(CLINIC, ID),
    personal_data_key(CLINIC, ID, "name#1"),
    answers_page_key(CLINIC, ID, 1),
    contact_key(CLINIC, ID),
    open_claims_key(CLINIC, ID),
]


def a_table() -> Table:
    """Give a table that nobody answers for: whatever is sent to it takes a second and fails
    otherwise.
    """
    return Table("portal", region="eu-north-1", host="http://127.0.0.1:9")


def harm(key: Key) -> list[Write]:
    """Give every way to change or remove an item."""
    return [
        Replace(key, {"body": "{}"}),
        SetBody(key, "{}", was="{}"),
        SetKept(key, b"1", was="{}"),
        SetEntry(key, "name", "{}"),
        RemoveEntry(key, "name"),
        FirstEntry(key, "name", "{}"),
        SetBlob(key, b"1", was=b"0"),
        NextNumber(key, 1),
        MoveEntry(key, "name", "{}", kept=b"{}"),
        AddCounts(key, {"a": 1}),
        Try(key, 5),
        Spend(key, CONTACT, 0, fresh=True),
        Delete(key),
        Delete(key, empty=True),
    ]


@pytest.mark.parametrize("key", ONCE)
def test_what_is_written_once_is_changed_by_no_write_of_the_portal(key: Key) -> None:
    """A mistake anywhere in the portal overwrites no receipt, no audit and no text: nothing is even
    sent.
    """
    for write in harm(key):
        with pytest.raises(WrittenOnceError):
            a_table().write([Put(outbox_key(CLINIC, ID), {}), write])
    with pytest.raises(WrittenOnceError):
        a_table().put(Put(key, {"body": "{}"}))


@pytest.mark.parametrize("key", ONCE)
def test_only_a_persons_proof_goes_and_only_where_it_is_said_to_be_over(key: Key) -> None:
    """The audit and the texts stay, whoever asks for what."""
    assert part_of_proof(key) == (key in PROOF)
    assert written_once(key)
    if key not in PROOF:
        with pytest.raises(WrittenOnceError):
            a_table().write([Delete(key, over=True)])


def test_everything_else_may_change() -> None:
    """How somebody stands, a draft, what is sealed: the portal works on."""
    assert not [key for key in OFTEN if written_once(key)]


@pytest.mark.parametrize("call", ["write", "put"])
def test_the_error_names_the_kind_of_item_and_nobody(call: str) -> None:
    """A receipt's number opens its page, and a person's id is a person's: neither gets into a
    log.
    """
    key, table = receipt_key(CLINIC, ID, 1), a_table()
    asked: Any = [Replace(key, {})] if call == "write" else Put(key, {})
    with pytest.raises(WrittenOnceError, match=r"^Replace of RECEIPT$"):
        getattr(table, call)(asked)


def told_to_the_stream(event: str, key: Key) -> bool:
    """Tell whether the filters of the template let a record of the table's stream through to its
    function.
    """
    template = (ROOT / "infra/template.yaml").read_text(encoding="utf-8")
    patterns = [json.loads(each) for each in re.findall(r"- Pattern: '(.*)'", template)]
    assert 0 < len(patterns) <= FILTERS
    return any(
        event in pattern["eventName"]
        and all(
            any(
                each == wanted if isinstance(wanted, str) else each.startswith(wanted["prefix"])
                for wanted in rules["S"]
            )
            for name, rules in pattern["dynamodb"]["Keys"].items()
            for each in [getattr(key, name)]
        )
        for pattern in patterns
    )


@pytest.mark.parametrize("key", ONCE)
def test_a_change_of_what_is_written_once_reaches_the_function_that_tells_of_it(key: Key) -> None:
    """A filter on the stream that let only what is new through would keep an intruder's change from
    everybody.
    """
    assert told_to_the_stream("MODIFY", key)
    assert told_to_the_stream("REMOVE", key)
    assert not told_to_the_stream("INSERT", key)
    assert told_to_the_stream("INSERT", outbox_key(CLINIC, ID))


@pytest.mark.parametrize("key", OFTEN)
def test_what_changes_often_wakes_nobody(key: Key) -> None:
    """The function behind the stream is paid by the call."""
    assert not told_to_the_stream("MODIFY", key)
