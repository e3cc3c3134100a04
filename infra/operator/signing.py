"""Commands on signatures: sign what waits, change the signing key, check a clinic's chains.

consent operator sign
consent operator signing-key rotate
consent operator signing-key destroy
consent operator verify-chains riga-aesthetics
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.jobs import signing
from chalicelib.portal import Portal, get_portal
from chalicelib.receipts import jws
from chalicelib.receipts.chain import verify_chain
from chalicelib.receipts.document import read_document
from chalicelib.receipts.errors import BrokenChainError, UnprovenError
from chalicelib.settings import BY_WRAPPED_KEY, SettingsError
from chalicelib.store import people, signatures
from chalicelib.store.keys.clinics import wrapped_signing_key
from chalicelib.store.keys.people import subject_pk
from chalicelib.store.receipts import read_receipt
from chalicelib.store.signer import (
    SigningUnavailableError,
    public_jwk,
)
from chalicelib.store.table import Table
from chalicelib.store.wrapped_signer import destroy_key, replace_key
from infra.operator.arguments import (
    Commands,
    add_clinic,
    add_command,
    add_group,
    require_clinic,
)
from infra.operator.cli.errors import CommandError

_EVERY_SECONDS = 2.0


def add_to(commands: Commands) -> None:
    """Add the commands to a parser's commands."""
    add_command(commands, "sign", "sign every receipt that waits to be signed", _sign)
    purpose = "check every receipt of a clinic: the signatures, and each person's chain"
    add_clinic(add_command(commands, "verify-chains", purpose, _verify_chains))
    key = add_group(commands, "signing-key", "change the key that signs receipts")
    purpose = "sign with a new key from now on; the public part of the old key stays published"
    add_command(key, "rotate", purpose, _rotate)
    purpose = "remove the wrapped key, where KMS signs; what it signed stays verifiable"
    add_command(key, "destroy", purpose, _destroy)


def rotate(portal: Portal) -> str:
    """Make a new key the current one, where SIGNING says that receipts are signed; return its id.

    Its public part is published before it signs anything.
    """
    _signer(portal)
    if portal.settings.signing == BY_WRAPPED_KEY:
        return replace_key(portal.table, portal.kms, portal.settings.clinic_key)
    kms = portal.aws.client("kms")
    created = kms.create_key(
        Description="Signs the receipts of the consent portal",
        KeySpec="ECC_NIST_P256",
        KeyUsage="SIGN_VERIFY",
    )
    made = created["KeyMetadata"]["Arn"]
    jwk = public_jwk(kms.get_public_key(KeyId=made)["PublicKey"])
    signatures.keep_key(portal.table, jwk)
    kms.update_alias(AliasName=portal.settings.signing_key, TargetKeyId=made)
    return jwk["kid"]


def destroy(portal: Portal) -> bool:
    """Destroy the private part of the wrapped key, and tell whether there was one.

    Raise CommandError where it signs: `rotate` destroys it there.
    """
    if portal.settings.signing == BY_WRAPPED_KEY:
        raise CommandError(
            "Receipts are signed by the wrapped key: deploy with SIGNING=kms before it is destroyed,"
            " or rotate it."
        )
    place = wrapped_signing_key()
    if place not in portal.table.get([place]):
        return False
    destroy_key(portal.table)
    return True


def check_chains(table: Table, clinic: str) -> Iterator[tuple[str, Counter[str], list[str]]]:
    """Check the receipts of each person of a clinic.

    Yield the person's id, how much is checked so far, and what is wrong with the chain.
    """
    jwks = signatures.jwks(table)
    seen: Counter[str] = Counter()
    for person in people.iter_people(table, clinic):
        seen["people"] += 1
        yield person.id, seen, list(_faults(table, clinic, person, jwks, seen))


def _faults(
    table: Table, clinic: str, person: Subject, jwks: Mapping[str, Any], seen: Counter[str]
) -> Iterator[str]:
    """Check one person's receipts; yield a sentence for everything that is wrong."""
    pk = subject_pk(clinic, person.id)
    kept = {item.sk.partition("#")[2]: item for item in table.partition(pk, "SIGNATURE#")}
    receipts = []
    for item in table.partition(pk, "RECEIPT#"):
        number = item.sk.partition("#")[2]
        seen["receipts"] += 1
        try:
            receipt = read_receipt(item)
            read_document(receipt.canonical)
            signed = signatures.signed_receipt(receipt, kept.pop(number, None))
            seen["waiting" if signed is None else "signed"] += 1
            if signed is not None:
                jws.verify(signed, jwks)
        except (UnprovenError, ValueError) as error:
            yield f"receipt {int(number)}: {error}"
            continue
        receipts.append(receipt)
    for number in kept:
        yield f"receipt {int(number)}: is gone, its signature is there."
    try:
        verify_chain(receipts)
    except BrokenChainError as error:
        yield str(error)
    if not _reaches_last(receipts, person):
        yield f"The roll names another receipt {person.version} as this person's last."


def _reaches_last(receipts: Sequence[Receipt], person: Subject) -> bool:
    """Return whether the receipts reach the last one that the person's record names.

    They may go beyond it, if the person decided after the record was read.
    """
    if len(receipts) < person.version:
        return False
    return not person.version or receipts[person.version - 1].sha256 == person.head


def _signer(portal: Portal) -> Any:
    if portal.signer is None:
        raise SettingsError("SIGNING_KEY is not set")
    return portal.signer


def _sign(_arguments: argparse.Namespace) -> int:
    portal = get_portal()
    printed = time.monotonic()
    for tally in signing.sign_waiting(portal.table, _signer(portal), lambda: False):
        if time.monotonic() - printed > _EVERY_SECONDS:
            printed = time.monotonic()
            print(f"{tally.signed} signed …", flush=True)
    print(f"{tally.signed} signed, {tally.failed} failed.")
    if not tally.whole or tally.failed:
        print("Some still wait; the log above says why. Try again.", file=sys.stderr)
        return 1
    return 0


def _rotate(_arguments: argparse.Namespace) -> int:
    try:
        portal = get_portal()
        kid = rotate(portal)
    except SigningUnavailableError as error:
        raise CommandError(f"The new key cannot be used: {error}.") from error
    print(f"SIGNING={portal.settings.signing}: from now on the key {kid} signs.", end=" ")
    print("What others signed stays verifiable: their public keys stay published.")
    return 0


def _destroy(_arguments: argparse.Namespace) -> int:
    there = destroy(get_portal())
    print("The wrapped key is destroyed." if there else "There is no wrapped key.", end=" ")
    print("What such keys signed stays verifiable: their public parts stay published.")
    return 0


def _verify_chains(arguments: argparse.Namespace) -> int:
    table = get_portal().table
    require_clinic(table, arguments.clinic)
    printed = time.monotonic()
    seen = Counter[str]()
    broken = 0
    for person, seen, faults in check_chains(table, arguments.clinic):
        broken += bool(faults)
        for fault in faults:
            print(f"BROKEN: person {person}: {fault}", file=sys.stderr)
        if time.monotonic() - printed > _EVERY_SECONDS:
            printed = time.monotonic()
            print(f"{seen['people']} people, {seen['receipts']} receipts …", flush=True)
    print(
        f"{arguments.clinic}: {seen['people']} people, {seen['receipts']} receipts, {seen['signed']} signed, "
        f"{seen['waiting']} waiting to be signed; {broken or 'no'} broken chain{'s' if broken > 1 else ''}."
    )
    return 1 if broken else 0
