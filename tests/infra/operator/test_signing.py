"""The keys that sign are in KMS: what it gives is written as JWS wants it, and another key can take
over.
"""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import botocore.session
import pytest

from chalicelib.jobs.signing import ReceiptSigning
from chalicelib.notices.edition import make_edition
from chalicelib.notices.workflow import Person
from chalicelib.receipts import jws
from chalicelib.store import outbox, signatures
from chalicelib.store.kms_signer import KmsSigner
from chalicelib.store.signer import (
    KEY_KNOWN_FOR,
    SigningUnavailableError,
    TooLongToSignError,
)
from infra.local.aws import REGION
from infra.operator import publish, signing
from tests.cast import RIGA
from tests.factories import a_document
from tests.web.client import Client
from tests.web.page_reader import decide, receipt_number
from tests.web.running import RunningPortal, a_signing_key

DOCUMENT = b'{"clinic":"c","decisions":{},"effective_at":"","id":"i","notice":{},"previous":null,"recorded_at":"",'
SHORT = DOCUMENT + b'"subject":"s","version":1}'
LONG = DOCUMENT + b'"subject":"' + b"s" * 4000 + b'","version":1}'
_names = (f"alias/signs-{number}" for number in itertools.count(1))


def fresh_signer(portal: RunningPortal) -> KmsSigner:
    """Give a signer that has not asked KMS yet, as a process has that has just started."""
    return KmsSigner(portal.in_process.kms, portal.in_process.settings.signing_key)


def unpublished(jwk: Mapping[str, str]) -> None:
    """Take a public key, and publish it nowhere."""
    assert jwk["kid"]


@pytest.mark.parametrize(
    ("spec", "alg"), [("ECC_NIST_P256", "ES256"), ("ECC_NIST_EDWARDS25519", "Ed25519")]
)
def test_what_kms_signs_anybody_verifies(portal: RunningPortal, spec: str, alg: str) -> None:
    """The private key never leaves KMS, the proof needs none of it."""
    signer = KmsSigner(portal.in_process.kms, a_signing_key(next(_names), spec))
    key = signer.current(unpublished)
    protected = jws.header(key.jwk)
    for _ in range(8):  # a number of the signature that begins with zeros comes now and then
        signed = jws.compact(
            protected, SHORT, signer.sign(key, jws.signing_input(protected, SHORT))
        )
        proven = jws.verify(signed, {"keys": [key.jwk]})
        assert (proven.alg, proven.kid, proven.canonical) == (alg, key.kid, SHORT)


def test_a_long_receipt_is_signed_by_es256_and_waits_under_ed25519(portal: RunningPortal) -> None:
    """KMS signs undigested 4096 bytes at most; the error says so and which key has no such
    limit.
    """
    for spec in ("ECC_NIST_P256", "ECC_NIST_EDWARDS25519"):
        signer = KmsSigner(portal.in_process.kms, a_signing_key(next(_names), spec))
        key = signer.current(unpublished)
        message = jws.signing_input(jws.header(key.jwk), LONG)
        if spec == "ECC_NIST_P256":
            assert len(signer.sign(key, message)) == 64
        else:
            with pytest.raises(TooLongToSignError, match="4096"):
                signer.sign(key, message)


def test_a_key_that_is_away_or_no_signing_key_is_said_clearly(portal: RunningPortal) -> None:
    """An operator reads in the log what to mend."""
    kms = botocore.session.get_session().create_client("kms", REGION)
    with pytest.raises(SigningUnavailableError, match="NotFound"):
        KmsSigner(portal.in_process.kms, "alias/nobody").current(unpublished)
    with pytest.raises(SigningUnavailableError, match="ECC_NIST_P256"):
        KmsSigner(portal.in_process.kms, a_signing_key(next(_names), "RSA_2048")).current(
            unpublished
        )
    alias = a_signing_key(next(_names))
    signer = KmsSigner(portal.in_process.kms, alias)
    key = signer.current(unpublished)
    kms.disable_key(KeyId=key.name)
    with pytest.raises(SigningUnavailableError, match="Disabled"):
        signer.sign(key, b"anything")


def test_kms_is_asked_for_the_key_once_in_five_minutes_and_when_it_cannot_sign(
    portal: RunningPortal,
) -> None:
    """At busy times a receipt costs one call of KMS; after a rotation the new key signs within
    minutes, and at once where the old one may sign no more.
    """
    kms = botocore.session.get_session().create_client("kms", REGION)
    alias, at = a_signing_key(next(_names)), [0.0]
    keys = portal.in_process.kms
    asked: list[str] = []
    keys.client.meta.events.register("before-call.kms", lambda model, **_: asked.append(model.name))
    signer = KmsSigner(keys, alias, clock=lambda: at[0])
    published: list[str] = []

    def publish(jwk: Mapping[str, str]) -> None:
        published.append(jwk["kid"])

    first = signer.current(publish)
    for _ in range(3):
        assert signer.current(publish) == first
        signer.sign(first, SHORT)
    assert asked == ["GetPublicKey", "Sign", "Sign", "Sign"]
    assert published == [first.kid]

    _turn_to_another_key(kms, alias)
    at[0] = KEY_KNOWN_FOR - 1
    assert signer.current(publish) == first
    at[0] = KEY_KNOWN_FOR
    second = signer.current(publish)
    assert published == [first.kid, second.kid]

    _turn_to_another_key(kms, alias)
    kms.disable_key(KeyId=second.name)
    assert signer.current(publish) == second
    with pytest.raises(SigningUnavailableError):
        signer.sign(second, SHORT)
    third = signer.current(publish)
    assert published == [first.kid, second.kid, third.kid]
    assert signer.sign(third, SHORT)


def test_a_receipt_met_by_a_key_that_may_sign_no_more_is_signed_by_the_next_at_once(
    client: Client, portal: RunningPortal
) -> None:
    """A rotation delays no receipt."""
    kms = botocore.session.get_session().create_client("kms", REGION)
    alias = a_signing_key(next(_names))
    signer = KmsSigner(portal.in_process.kms, alias)
    old = signer.current(lambda jwk: signatures.keep_key(portal.table, jwk))
    _turn_to_another_key(kms, alias)
    kms.disable_key(KeyId=old.name)
    program = portal.open_clinic()
    said = {"decision.newsletter.email": "no", "email": "rotated@example.org"}
    number = receipt_number(decide(client, program.clinic, said))
    waiting = [item for item in outbox.unsigned_items(portal.table) if item.number == number]
    work = ReceiptSigning(portal.table, signer, lambda: False)
    assert not any(item.unsigned for item in work.sign_items(waiting))
    assert work.report.failed == 0
    jwks = client.get("/.well-known/jwks.json").json()
    proven = jws.verify(program.receipt(number, "?format=jws").text, jwks)
    assert proven.kid != old.kid


def _turn_to_another_key(kms: Any, alias: str) -> None:
    made = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["Arn"]
    kms.update_alias(AliasName=alias, TargetKeyId=made)


def test_after_a_rotation_a_new_key_signs_and_both_verify(
    client: Client, portal: RunningPortal
) -> None:
    """A receipt from before is proof as long as it is kept, and nobody has to sign anything
    again.
    """
    program = portal.open_clinic()
    numbers = []
    for email in ("before@example.org", "after@example.org"):
        said = {"decision.newsletter.email": "yes", "email": email}
        numbers.append(receipt_number(decide(client, program.clinic, said)))
        portal.seal()
        if len(numbers) == 1:
            kid = signing.rotate(portal.in_process)
            # The function's own process would learn of it within five minutes.
            object.__setattr__(portal.in_process, "signer", fresh_signer(portal))
            assert kid in {
                key["kid"] for key in signatures.jwks(portal.table)["keys"]
            }  # before it ever signed
    jwks = client.get("/.well-known/jwks.json").json()
    kids = [jws.verify(program.receipt(number, "?format=jws").text, jwks).kid for number in numbers]
    assert kids[1] == kid != kids[0]
    for number in numbers:
        page = client.get(f"/{program.clinic}/receipts/{number}?lang=en")
        assert "Sealed, so that any change would show." in page.text
    assert [
        fault for *_, found in signing.check_chains(portal.table, program.clinic) for fault in found
    ] == []
    assert client.get(f"/{RIGA}").status == 200


def test_the_key_that_signs_is_published_with_a_clinic(portal: RunningPortal) -> None:
    """A list can be certified before the first receipt is signed: a new portal makes nobody wait."""
    alias = a_signing_key(next(_names))
    kid = KmsSigner(portal.in_process.kms, alias).current(unpublished).kid
    assert not signatures.is_published(portal.table, kid)
    settings = portal.in_process.settings._replace(signing_key=alias)
    beside = replace(portal.in_process, settings=settings)
    ready, author = make_edition(a_document()), Person("Ieva Liepa")
    approver = Person("Juris Klusums")
    arn = portal.settings["CLINIC_KEY_ARN"]
    publish.publish(ready, beside, arn, author=author, approver=approver)
    assert signatures.is_published(portal.table, kid)
