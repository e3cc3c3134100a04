"""Commands on a clinic's data keys, which encrypt contacts: take a new one, encrypt again, rewrap.

consent operator data-key rotate riga-aesthetics
consent operator data-key reseal riga-aesthetics
consent operator data-key rewrap riga-aesthetics

Each may run while the portal does, may be stopped at any time and started again, and does nothing
where nothing is left. What data keys are for: docs/decisions/0016-data-keys.md.
"""

import argparse
import itertools
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal, get_portal
from chalicelib.store import outbox, people, publications, sign_in_providers, webhooks
from chalicelib.store.clinics import UnknownClinicError, WrappedKey, keep_data_key, wrapped_keys
from chalicelib.store.encryption import KEY_ID_BYTES, ClinicKey, encrypted_under
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.keys.key import Key
from chalicelib.store.keys.people import personal_data_key
from chalicelib.store.table import BATCH, ConflictError, ContendedError, Table
from chalicelib.store.writes import SetBlob
from infra.operator.arguments import (
    Commands,
    add_clinic,
    add_command,
    add_group,
    key_arn,
    require_clinic,
)

ATTEMPTS = 8


@dataclass(slots=True)
class Progress:
    """Progress of a run: people read, values encrypted again, values that cannot be decrypted."""

    people: int = 0
    reencrypted: int = 0
    unreadable: int = 0
    after: str = ""
    """The last person read."""


def add_to(commands: Commands) -> None:
    """Add the commands to a parser's commands."""
    key = add_group(commands, "data-key", "change the keys that encrypt a clinic's contacts")
    purpose = "make a new data key, use it from now on, and encrypt again what older keys encrypted"
    add_clinic(add_command(key, "rotate", purpose, _rotate))
    purpose = (
        "encrypt with the newest data key what older ones encrypted, where `rotate` was stopped"
    )
    reseal = add_command(key, "reseal", purpose, _reencrypt)
    add_clinic(reseal)
    reseal.add_argument(
        "--after",
        default="",
        metavar="PERSON",
        help="go on after this person, as the stopped run printed; default: begin anew",
    )
    purpose = "wrap the data keys with the KMS key that CLINIC_KEY_ARN names now"
    add_clinic(add_command(key, "rewrap", purpose, _rewrap))


def new_data_key(portal: Portal, clinic: str, key_arn: str) -> bytes:
    """Let KMS make a data key and return it wrapped.

    Its encryption context binds it to the clinic: KMS does not unwrap it for another.
    """
    answer = portal.aws.client("kms").generate_data_key_without_plaintext(
        KeyId=key_arn, KeySpec="AES_256", EncryptionContext={"clinic": clinic}
    )
    return bytes(answer["CiphertextBlob"])


def rotate(portal: Portal, clinic: str, wrapped: bytes) -> str:
    """Store a new data key of a clinic and return its id; it encrypts from the next request on."""
    key_id = secrets.token_hex(KEY_ID_BYTES)
    keep_data_key(portal.table, clinic, key_id, WrappedKey(wrapped, portal.clock()))
    return key_id


def reencrypt(portal: Portal, clinic: str, after: str = "") -> Iterator[Progress]:
    """Encrypt with a clinic's newest data key what older ones encrypted.

    Yield the progress after every hundred people. Contacts, names, evidence, the outbox and where
    something was published are encrypted again. What expires by itself within days is not: contacts
    that wait for their code, and links, part of whose key is only in the message.
    """
    portal.directory.look_up(clinic)  # reads the newest key, which another process may have made
    key = portal.clinics.key(clinic)
    done = Progress()
    items = people.iter_items(portal.table, clinic, after=after)
    while batch := list(itertools.islice(items, BATCH)):
        for item in batch:
            _reencrypt_person(portal.table, key, people.load_person(item), done)
        done.people += len(batch)
        done.after = batch[-1].sk
        yield done
    for place, waiting in outbox.all_items(portal.table, clinic):
        salt = _salt(portal.table, waiting) if waiting.encrypted else ""
        if salt:
            name = (waiting.entry.subject, salt, waiting.encrypted_as)
            _reencrypt_value(portal.table, key, name, (place, waiting.encrypted), done)
    for place, encrypted, name in publications.encrypted_values(portal.table, clinic):
        _reencrypt_value(portal.table, key, name, (place, encrypted), done)
    for place, encrypted, name in sign_in_providers.encrypted_values(portal.table, clinic):
        _reencrypt_value(portal.table, key, name, (place, encrypted), done)
    for place, encrypted, name in webhooks.encrypted_values(portal.table, clinic):
        _reencrypt_value(portal.table, key, name, (place, encrypted), done)
    yield done


def rewrap(portal: Portal, clinic: str, key_arn: str) -> int:
    """Wrap every data key of a clinic with the KMS key named; return how many there are.

    The data keys stay the same: each still decrypts what it encrypted.
    """
    place = clinic_key(clinic)
    item = portal.table.get([place]).get(place)
    if item is None:
        raise UnknownClinicError(clinic)
    later = wrapped_keys(item)
    for key_id, key in later.items():
        again = _wrapped_again(portal, clinic, key.wrapped, key_arn)
        keep_data_key(portal.table, clinic, key_id, WrappedKey(again, key.made_at))
    first = bytes(item.blob or b"")
    again = _wrapped_again(portal, clinic, first, key_arn)
    portal.table.write([SetBlob(place, again, was=first)])
    return 1 + len(later)


def _wrapped_again(portal: Portal, clinic: str, wrapped: bytes, key_arn: str) -> bytes:
    """Unwrap a data key and return it wrapped with the current key material of the KMS key."""
    plain = portal.kms.unwrap(clinic, wrapped)
    answer = portal.aws.client("kms").encrypt(
        KeyId=key_arn, Plaintext=plain, EncryptionContext={"clinic": clinic}
    )
    return bytes(answer["CiphertextBlob"])


def _reencrypt_person(table: Table, key: ClinicKey, person: Subject, done: Progress) -> None:
    if person.erased:
        return
    start = personal_data_key(key.clinic, person.id, "")
    for item in table.partition(start.pk, start.sk):
        name = (person.id, person.salt, item.sk.removeprefix(start.sk))
        if item.blob is not None:  # a contact that is no longer theirs was overwritten
            _reencrypt_value(table, key, name, (item.key, bytes(item.blob)), done)


def _salt(table: Table, waiting: outbox.OutboxItem) -> str:
    """Return the salt under which an item of the outbox is encrypted; empty if the person is gone.

    A request for a link belongs to no person: its subject is the salt.
    """
    entry = waiting.entry
    if entry.kind == outbox.LINK_REQUEST:
        return entry.subject
    try:
        return people.person(table, entry.clinic, entry.subject).salt
    except LookupError:
        return ""


def _reencrypt_value(
    table: Table,
    key: ClinicKey,
    name: tuple[str, str, str],
    found: tuple[Key, bytes],
    done: Progress,
) -> None:
    """Encrypt one value again, unless the newest key encrypted it or it was changed meanwhile.

    `name` is what the value is encrypted for: person, salt, name of the value.
    """
    place, encrypted = found
    if encrypted_under(encrypted) == key.newest:
        return
    try:
        plain = key.decrypt(*name, encrypted)
    except ValueError:
        done.unreadable += 1
        return
    for attempt in range(1, ATTEMPTS + 1):
        try:
            table.write([SetBlob(place, key.encrypt(*name, plain), was=encrypted)])
        except ConflictError:  # the portal wrote it meanwhile, or it is gone
            return
        except ContendedError:
            if attempt == ATTEMPTS:
                raise
        else:
            done.reencrypted += 1
            return


def _rotate(arguments: argparse.Namespace) -> int:
    portal = get_portal()
    clinic = arguments.clinic
    require_clinic(portal.table, clinic)
    key_id = rotate(portal, clinic, new_data_key(portal, clinic, key_arn()))
    print(f"The data key {key_id} encrypts from now on.", end=" ")
    print("What older keys encrypted is encrypted again:", flush=True)
    return _reencrypt_and_report(portal, clinic, "")


def _reencrypt(arguments: argparse.Namespace) -> int:
    portal = get_portal()
    require_clinic(portal.table, arguments.clinic)
    return _reencrypt_and_report(portal, arguments.clinic, arguments.after)


def _rewrap(arguments: argparse.Namespace) -> int:
    portal = get_portal()
    require_clinic(portal.table, arguments.clinic)
    number = rewrap(portal, arguments.clinic, key_arn())
    print(f"{number} data keys are wrapped anew.")
    return 0


def _reencrypt_and_report(portal: Portal, clinic: str, after: str) -> int:
    done = Progress()
    for done in reencrypt(portal, clinic, after):
        counts = f"{done.people} people so far, {done.reencrypted} things encrypted again"
        print(f"{counts} (--after {done.after})", flush=True)
    print(f"Done: {done.people} people, {done.reencrypted} things encrypted again.")
    if not done.unreadable:
        return 0
    message = f"{done.unreadable} things could not be decrypted, and are as they were."
    print(message, file=sys.stderr)
    return 1
