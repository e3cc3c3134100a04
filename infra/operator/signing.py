"""An operator's commands about signatures: sign what waits, change the signing key, check every chain of a clinic.

python -m infra sign
python -m infra signing-key rotate
python -m infra verify-chains riga-aesthetics
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from chalicelib.domain.subjects import Subject
from chalicelib.jobs import signing
from chalicelib.portal import Portal, get_portal
from chalicelib.receipts import jws
from chalicelib.receipts.chain import verify_chain
from chalicelib.receipts.document import read_document
from chalicelib.receipts.errors import BrokenChainError, UnprovenError
from chalicelib.settings import SettingsError
from chalicelib.store import people, signatures
from chalicelib.store.keys import clinic_key, subject_pk
from chalicelib.store.kms_signer import SigningUnavailableError, public_jwk
from chalicelib.store.receipts import read_receipt
from chalicelib.store.table import Table

_EVERY_SECONDS = 2.0


class SealCommandError(Exception):
    """A command that cannot be carried out; the message says why."""


def add_to(commands: Any) -> None:
    """Add the commands to a parser's commands."""
    sign = commands.add_parser("sign", help="sign every receipt that waits")
    sign.set_defaults(run=_sign)
    chains = commands.add_parser("verify-chains", help="check every receipt of a clinic: chains and signatures")
    chains.add_argument("clinic")
    chains.set_defaults(run=_verify_chains)
    key = commands.add_parser("signing-key", help="the key that signs receipts").add_subparsers(required=True)
    rotate_ = key.add_parser("rotate", help="let a new key sign from now on; the old one's public half stays published")
    rotate_.set_defaults(run=_rotate)


def rotate(portal: Portal) -> str:
    """Put a new key behind the alias and give its id; its public half is published before it signs anything."""
    _signer(portal)
    kms = portal.aws.client("kms")
    asked = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"}
    made = kms.create_key(Description="Signs the receipts of the consent portal", **asked)["KeyMetadata"]["Arn"]
    jwk = public_jwk(kms.get_public_key(KeyId=made)["PublicKey"])
    signatures.keep_key(portal.table, jwk)
    kms.update_alias(AliasName=portal.settings.signing_key, TargetKeyId=made)
    return jwk["kid"]


def check_chains(table: Table, clinic: str) -> Iterator[tuple[str, Counter[str], list[str]]]:
    """Check person after person of a clinic: give whose chain, how much is checked so far, what the chain lacks."""
    jwks = signatures.jwks(table)
    seen: Counter[str] = Counter()
    for person in people.iter_people(table, clinic):
        seen["people"] += 1
        yield person.id, seen, list(_faults(table, clinic, person, jwks, seen))


def _faults(table: Table, clinic: str, person: Subject, jwks: Mapping[str, Any], seen: Counter[str]) -> Iterator[str]:
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
    # Who decided while this was read has a longer chain than the roll told.
    if len(receipts) < person.version or (person.version and receipts[person.version - 1].sha256 != person.head):
        yield f"The roll names another receipt {person.version} as this person's last."


def _signer(portal: Portal) -> Any:
    if portal.signer is None:
        raise SettingsError("SIGNING_KEY is not set")
    return portal.signer


def _sign(_asked: argparse.Namespace) -> int:
    portal = get_portal()
    said = time.monotonic()
    for tally in signing.sign_waiting(portal.table, _signer(portal), lambda: False):
        if time.monotonic() - said > _EVERY_SECONDS:
            said = time.monotonic()
            print(f"{tally.signed} signed …", flush=True)
    print(f"{tally.signed} signed, {tally.failed} failed.")
    if not tally.whole or tally.failed:
        print("Some still wait; the log above says why. Try again.", file=sys.stderr)
        return 1
    return 0


def _rotate(_asked: argparse.Namespace) -> int:
    try:
        kid = rotate(get_portal())
    except SigningUnavailableError as error:
        raise SealCommandError(f"The new key cannot be used: {error}.") from error
    print(f"From now on the key {kid} signs. What others signed stays verifiable: their public keys stay published.")
    return 0


def _verify_chains(asked: argparse.Namespace) -> int:
    table = get_portal().table
    if not table.get([clinic_key(asked.clinic)]):
        raise SealCommandError(f"No clinic “{asked.clinic}” is published.")
    said, seen, broken = time.monotonic(), Counter[str](), 0
    for person, seen, faults in check_chains(table, asked.clinic):
        broken += bool(faults)
        for fault in faults:
            print(f"BROKEN: person {person}: {fault}", file=sys.stderr)
        if time.monotonic() - said > _EVERY_SECONDS:
            said = time.monotonic()
            print(f"{seen['people']} people, {seen['receipts']} receipts …", flush=True)
    print(
        f"{asked.clinic}: {seen['people']} people, {seen['receipts']} receipts, {seen['signed']} signed, "
        f"{seen['waiting']} waiting to be signed; {broken or 'no'} broken chain{'s' if broken > 1 else ''}."
    )
    return 1 if broken else 0
