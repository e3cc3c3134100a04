"""An operator's commands about a clinic's data keys: another one seals from now on, and what older ones sealed follows.

python -m infra data-key rotate riga-aesthetics
python -m infra data-key reseal riga-aesthetics
python -m infra data-key rewrap riga-aesthetics

Each may run while the portal does, may be stopped at any time and started again, and does nothing where nothing is
left. What a data key is good for: docs/decisions/0016-data-keys.md.
"""

import argparse
import itertools
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from chalicelib.domain.instants import instant
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal, get_portal
from chalicelib.store import outbox
from chalicelib.store import people as roll
from chalicelib.store.clinics import UnknownClinicError, WrappedKey, keep_data_key, wrapped_keys
from chalicelib.store.encryption import KEY_ID_BYTES, ClinicKey, encrypted_under
from chalicelib.store.keys import Key, clinic_key, personal_data_key
from chalicelib.store.table import BATCH, ConflictError, ContendedError, Table
from chalicelib.store.writes import SetBlob

ATTEMPTS = 8


class DataKeyCommandError(Exception):
    """A command that cannot be carried out; the message says why."""


@dataclass(slots=True)
class Progress:
    """How far it came: through how many people, how much was sealed anew, what nobody can open."""

    people: int = 0
    resealed: int = 0
    unreadable: int = 0
    after: str = ""
    """The last person of the roll it went through."""


def add_to(commands: Any) -> None:
    """Add the commands to a parser's commands."""
    key = commands.add_parser("data-key", help="the keys that seal a clinic's contacts").add_subparsers(required=True)
    rotate_ = key.add_parser("rotate", help="let another key seal from now on, and seal anew what older ones sealed")
    rotate_.set_defaults(run=_rotate)
    reseal_ = key.add_parser("reseal", help="seal anew what older keys sealed, from where that was stopped")
    reseal_.add_argument("--after", default="", help="go on behind this person, as the command told")
    reseal_.set_defaults(run=_reseal)
    rewrap_ = key.add_parser("rewrap", help="wrap the data keys anew, under the KMS key as it is now")
    rewrap_.set_defaults(run=_rewrap)
    for command in (rotate_, reseal_, rewrap_):
        command.add_argument("clinic")


def new_data_key(portal: Portal, clinic: str, key_arn: str) -> bytes:
    """Let KMS make a data key and return it wrapped; the encryption context ties it to its clinic."""
    answer = portal.aws.client("kms").generate_data_key_without_plaintext(
        KeyId=key_arn, KeySpec="AES_256", EncryptionContext={"clinic": clinic}
    )
    return bytes(answer["CiphertextBlob"])


def rotate(portal: Portal, clinic: str, wrapped: bytes) -> str:
    """Keep a new data key of a clinic and give its id: it seals from the next request on, everywhere."""
    key_id = secrets.token_hex(KEY_ID_BYTES)
    keep_data_key(portal.table, clinic, key_id, WrappedKey(wrapped, instant(datetime.now(UTC))))
    return key_id


def reseal(portal: Portal, clinic: str, after: str = "") -> Iterator[Progress]:
    """Seal anew what older data keys sealed of a clinic; tell how far that is, a hundred people at a time.

    Contacts, names, evidence, what is on its way to people. Not what lapses by itself: claims that wait for a code, for
    days, and links, whose own part of their key stands in the messages alone.
    """
    portal.directory.look_up(clinic)  # whoever rotated before, in another process: the newest key is known from here on
    key = portal.clinics.key(clinic)
    done = Progress()
    places = roll.iter_items(portal.table, clinic, after=after)
    while batch := list(itertools.islice(places, BATCH)):
        for place in batch:
            _person(portal.table, key, roll.load_person(place), done)
        done.people += len(batch)
        done.after = batch[-1].sk
        yield done
    for left_at, each in outbox.all_items(portal.table, clinic):
        salt = _salt(portal.table, each)
        if salt:
            _again(portal.table, key, (each.entry.subject, salt, each.encrypted_as), (left_at, each.encrypted), done)
    yield done


def rewrap(portal: Portal, clinic: str, key_arn: str) -> int:
    """Wrap every data key of a clinic anew and tell how many; each still opens what it opened."""
    place = clinic_key(clinic)
    item = portal.table.get([place]).get(place)
    if item is None:
        raise UnknownClinicError(clinic)
    others = wrapped_keys(item)
    for key_id, each in others.items():
        again = _wrapped_again(portal, clinic, each.wrapped, key_arn)
        keep_data_key(portal.table, clinic, key_id, WrappedKey(again, each.made_at))
    first = bytes(item.blob or b"")
    portal.table.write([SetBlob(place, _wrapped_again(portal, clinic, first, key_arn), was=first)])
    return 1 + len(others)


def _wrapped_again(portal: Portal, clinic: str, wrapped: bytes, key_arn: str) -> bytes:
    """Unwrap a data key and return it wrapped under the KMS key named, as that is now."""
    plain = portal.kms.unwrap(clinic, wrapped)
    answer = portal.aws.client("kms").encrypt(KeyId=key_arn, Plaintext=plain, EncryptionContext={"clinic": clinic})
    return bytes(answer["CiphertextBlob"])


def _person(table: Table, key: ClinicKey, person: Subject, done: Progress) -> None:
    if person.erased:
        return
    start = personal_data_key(key.clinic, person.id, "")
    for item in table.partition(start.pk, start.sk):
        what = item.sk.removeprefix(start.sk)
        if item.blob is not None:  # one that is theirs no longer was written over
            _again(table, key, (person.id, person.salt, what), (item.key, bytes(item.blob)), done)


def _salt(table: Table, each: outbox.OutboxItem) -> str:
    if each.entry.kind == outbox.LINK_REQUEST:
        return each.entry.subject
    try:
        return roll.person(table, each.entry.clinic, each.entry.subject).salt
    except LookupError:
        return ""


def _again(table: Table, key: ClinicKey, named: tuple[str, str, str], found: tuple[Key, bytes], done: Progress) -> None:
    """Seal one thing anew, unless it is sealed under the newest key or was changed meanwhile."""
    place, sealed = found
    if encrypted_under(sealed) == key.newest:
        return
    try:
        plain = key.decrypt(*named, sealed)
    except ValueError:
        done.unreadable += 1
        return
    for attempt in range(1, ATTEMPTS + 1):
        try:
            table.write([SetBlob(place, key.encrypt(*named, plain), was=sealed)])
        except ConflictError:  # sealed by the portal itself since, or gone
            return
        except ContendedError:
            if attempt == ATTEMPTS:
                raise
        else:
            done.resealed += 1
            return


def _rotate(asked: argparse.Namespace) -> int:
    portal = get_portal()
    _require(portal, asked.clinic)
    key_id = rotate(portal, asked.clinic, new_data_key(portal, asked.clinic, _key_arn()))
    print(f"The data key {key_id} seals from now on. What older keys sealed is sealed anew:", flush=True)
    return _told(portal, asked.clinic, "")


def _reseal(asked: argparse.Namespace) -> int:
    portal = get_portal()
    _require(portal, asked.clinic)
    return _told(portal, asked.clinic, asked.after)


def _rewrap(asked: argparse.Namespace) -> int:
    portal = get_portal()
    _require(portal, asked.clinic)
    print(f"{rewrap(portal, asked.clinic, _key_arn())} data keys are wrapped anew.")
    return 0


def _told(portal: Portal, clinic: str, after: str) -> int:
    done = Progress()
    for done in reseal(portal, clinic, after):
        print(f"{done.people} people so far, {done.resealed} things sealed anew (--after {done.after})", flush=True)
    print(f"Done: {done.people} people, {done.resealed} things sealed anew.")
    if done.unreadable:
        print(f"{done.unreadable} things could not be opened, and are as they were.", file=sys.stderr)
    return 1 if done.unreadable else 0


def _require(portal: Portal, clinic: str) -> None:
    try:
        portal.directory.look_up(clinic)
    except UnknownClinicError:
        raise DataKeyCommandError(f"No clinic “{clinic}” is published.") from None


def _key_arn() -> str:
    arn = os.environ.get("CLINIC_KEY_ARN", "")
    if not arn:
        raise DataKeyCommandError("CLINIC_KEY_ARN is not set: the KMS key that wraps data keys, as `make deploy` told.")
    return arn
