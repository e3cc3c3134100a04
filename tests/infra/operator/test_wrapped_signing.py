"""Receipts are signed by KMS or by a wrapped key, as the operator chose: for who reads them it is
the same.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from joserfc import jws as joserfc_jws
from joserfc.jwk import import_key
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from chalicelib.jobs.catch_up import publish_key
from chalicelib.jobs.signing import ReceiptSigning, sign_waiting
from chalicelib.portal import Portal
from chalicelib.receipts import jws
from chalicelib.settings import BY_KMS, BY_WRAPPED_KEY
from chalicelib.store import outbox, signatures
from chalicelib.store.items import Item
from chalicelib.store.keys.clinics import wrapped_signing_key
from chalicelib.store.kms_signer import KmsSigner
from chalicelib.store.signer import KEY_KNOWN_FOR, Signer, SigningUnavailableError
from chalicelib.store.wrapped_signer import WrappedSigner, destroy_key, replace_key
from chalicelib.store.writes import Put
from infra.operator import signing
from infra.operator.cli.errors import CommandError
from tests.faults.world import simulated
from tests.web.client import Client
from tests.web.page_reader import decide, receipt_number
from tests.web.running import RunningPortal, a_signing_key

CANONICAL = (
    b'{"clinic":"c","decisions":{},"effective_at":"","id":"i","notice":{},"previous":null,'
    b'"recorded_at":"","subject":"s","version":1}'
)
_names = (f"alias/beside-wrapped-{number}" for number in itertools.count(1))


@pytest.fixture(autouse=True)
def _no_wrapped_key(portal: RunningPortal) -> Iterator[None]:
    """Begin, and end, without a wrapped key in the table."""
    destroy_key(portal.table)
    yield
    destroy_key(portal.table)


def wrapped(portal: RunningPortal, clock: Callable[[], float] | None = None) -> WrappedSigner:
    """Give a signer that has not unwrapped the key yet, as a process has that has just started."""
    arn = portal.settings["CLINIC_KEY_ARN"]
    if clock is None:
        return WrappedSigner(portal.table, portal.in_process.kms, arn)
    return WrappedSigner(portal.table, portal.in_process.kms, arn, clock)


def by_kms(portal: RunningPortal) -> KmsSigner:
    """Give a signer with a key of its own in KMS."""
    return KmsSigner(portal.in_process.kms, a_signing_key(next(_names)))


BOTH = pytest.mark.parametrize("make", [by_kms, wrapped])


def choosing(portal: RunningPortal, signing_by: str) -> Portal:
    """Give a process of the portal whose receipts are signed so."""
    arn = portal.settings["CLINIC_KEY_ARN"]
    settings = portal.in_process.settings._replace(signing=signing_by, clinic_key=arn)
    return replace(portal.in_process, settings=settings)


def unpublished(jwk: Mapping[str, str]) -> None:
    """Take a public key, and publish it nowhere."""
    assert jwk["kid"]


def signed(signer: Signer) -> tuple[str, Mapping[str, str]]:
    """Give a signed receipt, and the public key that signed it."""
    key = signer.current(unpublished)
    protected = jws.header(key.jwk)
    signature = signer.sign(key, jws.signing_input(protected, CANONICAL))
    return jws.compact(protected, CANONICAL, signature), key.jwk


def stored_key(portal: RunningPortal) -> Item:
    """Give the wrapped key as the table holds it."""
    place = wrapped_signing_key()
    return portal.table.get([place])[place]


@BOTH
def test_what_either_signs_verifies_here_and_by_libraries_of_others(
    portal: RunningPortal, make: Callable[[RunningPortal], Signer]
) -> None:
    """No verifier has to know where a receipt was signed."""
    signer = make(portal)
    for _ in range(8):  # a number of the signature that begins with zeros comes now and then
        receipt, jwk = signed(signer)
        proven = jws.verify(receipt, {"keys": [jwk]})
        assert (proven.alg, proven.kid, proven.canonical) == ("ES256", jwk["kid"], CANONICAL)
        theirs = joserfc_jws.deserialize_compact(
            receipt, import_key(dict(jwk)), algorithms=["ES256"]
        )
        assert theirs.payload == CANONICAL
        other = JWS()
        other.deserialize(receipt, JWK(**{k: v for k, v in jwk.items() if k != "alg"}))
        assert other.payload == CANONICAL
        assert set(jwk) == {"kty", "crv", "x", "y", "kid", "alg", "use"}


@BOTH
def test_either_gives_its_public_key_to_be_published_before_it_signs(
    portal: RunningPortal, make: Callable[[RunningPortal], Signer]
) -> None:
    """No signature is ever without its key, and each process says which key it signs with once."""
    signer, published = make(portal), list[str]()
    first = signer.current(lambda jwk: published.append(jwk["kid"]))
    assert signer.current(lambda jwk: published.append(jwk["kid"])) == first
    assert published == [first.kid]


@BOTH
def test_either_signs_nothing_with_a_key_that_cannot_be_published(
    portal: RunningPortal, make: Callable[[RunningPortal], Signer]
) -> None:
    """Where the key set is away, the next try publishes the key all the same."""
    signer, published = make(portal), list[str]()

    def away(_jwk: Mapping[str, str]) -> None:
        raise SigningUnavailableError("away")

    with pytest.raises(SigningUnavailableError, match="away"):
        signer.current(away)
    kid = signer.current(lambda jwk: published.append(jwk["kid"])).kid
    assert published == [kid]


def test_the_private_half_is_unwrapped_once_and_no_signature_asks_kms(
    portal: RunningPortal,
) -> None:
    """A receipt costs no call of KMS; the table is asked again for the key every five minutes."""
    asked, at = list[str](), [0.0]
    events = portal.in_process.kms.client.meta.events
    events.register("before-call.kms", lambda model, **_: asked.append(model.name), "counted")
    try:
        signer = wrapped(portal, lambda: at[0])
        for minute in range(0, 3600, 60):
            at[0] = float(minute)
            signed(signer)
        assert asked == ["GenerateDataKeyPairWithoutPlaintext", "Decrypt"]
        signed(wrapped(portal))
        assert asked[2:] == ["Decrypt"]
    finally:
        events.unregister("before-call.kms", unique_id="counted")


def test_no_representation_of_the_signer_holds_the_key(portal: RunningPortal) -> None:
    """What a log or a traceback writes of it signs nothing."""
    signer = wrapped(portal)
    signed(signer)
    assert signer.current(unpublished).kid in repr(vars(signer))
    assert "PrivateKey" not in repr(vars(signer))


def test_of_two_processes_that_make_the_key_at_once_both_sign_with_the_first(
    portal: RunningPortal,
) -> None:
    """A new stage has one key, however many functions start in the same moment."""
    first, second = wrapped(portal), wrapped(portal)
    kids = list[str]()
    events = portal.in_process.kms.client.meta.events
    after = "after-call.kms.GenerateDataKeyPairWithoutPlaintext"

    def meanwhile(**_: object) -> None:
        """Let the second make its key while the first waits for its own."""
        events.unregister(after, unique_id="meanwhile")
        kids.append(second.current(unpublished).kid)

    events.register(after, meanwhile, "meanwhile")
    kids.append(first.current(unpublished).kid)
    assert kids == [stored_key(portal).body] * 2


@pytest.mark.parametrize("place", [0, 60, 100, -1])
def test_a_damaged_key_is_named_and_signs_nothing(portal: RunningPortal, place: int) -> None:
    """A receipt waits, rather than be signed by a key that nobody published."""
    signed(wrapped(portal))
    good = stored_key(portal)
    blob = bytearray(good.blob or b"")
    blob[place] ^= 1
    portal.table.put(Put(good.key, {"body": good.body, "blob": bytes(blob)}))
    for _ in range(2):
        with pytest.raises(SigningUnavailableError, match="wrapped signing key in the table"):
            wrapped(portal).current(unpublished)
    assert stored_key(portal).blob == bytes(blob)  # what is there is never made anew


def test_a_key_that_lost_its_half_or_has_anothers_signs_nothing(portal: RunningPortal) -> None:
    """Who can write to the table cannot have another key taken for the one that it names."""
    signed(wrapped(portal))
    good = stored_key(portal)
    replace_key(portal.table, portal.in_process.kms, portal.settings["CLINIC_KEY_ARN"])
    other = stored_key(portal)
    for values in (
        {"body": good.body},
        {"body": good.body, "blob": other.blob},
        {"blob": other.blob},
    ):
        portal.table.put(Put(good.key, values))
        with pytest.raises(SigningUnavailableError, match="damaged"):
            wrapped(portal).current(unpublished)


def test_what_is_wrapped_for_a_clinic_or_by_no_key_of_ours_is_not_unwrapped(
    portal: RunningPortal,
) -> None:
    """The encryption context keeps data keys and the signing key apart, in both directions."""
    kms, arn = portal.in_process.kms, portal.settings["CLINIC_KEY_ARN"]
    made = kms.client.generate_data_key_pair_without_plaintext(
        KeyId=arn, KeyPairSpec="ECC_NIST_P256", EncryptionContext={"clinic": "riga-aesthetics"}
    )
    blob = made["PrivateKeyCiphertextBlob"]
    portal.table.put(Put(wrapped_signing_key(), {"body": "anything", "blob": blob}))
    with pytest.raises(SigningUnavailableError, match="cannot be unwrapped: InvalidCiphertext"):
        wrapped(portal).current(unpublished)
    destroy_key(portal.table)
    nowhere = WrappedSigner(portal.table, kms, f"{arn[:-4]}0000")
    with pytest.raises(SigningUnavailableError, match="no signing key can be made: NotFound"):
        nowhere.current(unpublished)


def test_a_receipt_waits_while_the_key_is_damaged_and_is_signed_when_it_is_mended(
    client: Client, portal: RunningPortal
) -> None:
    """A fault of the key delays proofs and loses none; a rotation mends it."""
    program = portal.open_clinic()
    said = {"decision.newsletter.email": "yes", "email": "waits@example.org"}
    number = receipt_number(decide(client, program.clinic, said))
    portal.table.put(Put(wrapped_signing_key(), {"body": "gone", "blob": b"no key at all"}))
    signer, waiting = wrapped(portal), _waiting(portal, number)
    work = ReceiptSigning(portal.table, signer, lambda: False)
    assert all(item.unsigned for item in work.sign_items(waiting))
    assert work.report.failed
    assert program.receipt(number, "?format=jws").status == 409
    replace_key(portal.table, portal.in_process.kms, portal.settings["CLINIC_KEY_ARN"])
    work = ReceiptSigning(portal.table, signer, lambda: False)
    assert not any(item.unsigned for item in work.sign_items(waiting))
    jwks = client.get("/.well-known/jwks.json").json()
    proven = jws.verify(program.receipt(number, "?format=jws").text, jwks)
    assert proven.kid == stored_key(portal).body


def _waiting(portal: RunningPortal, number: str) -> list[outbox.OutboxItem]:
    return [item for item in outbox.unsigned_items(portal.table) if item.number == number]


def test_after_a_rotation_the_new_key_signs_within_five_minutes_and_the_old_is_destroyed(
    portal: RunningPortal,
) -> None:
    """What the old one signed verifies for ever; with what is left of it nobody signs again."""
    at = [0.0]
    signer = wrapped(portal, lambda: at[0])
    before, old = signed(signer)
    was = bytes(stored_key(portal).blob or b"")
    kid = signing.rotate(choosing(portal, BY_WRAPPED_KEY))
    assert was not in bytes(stored_key(portal).blob or b"")
    assert signatures.is_published(portal.table, kid)
    assert signed(signer)[1] == old
    at[0] = KEY_KNOWN_FOR
    after, new = signed(signer)
    assert new["kid"] == kid != old["kid"]
    with pytest.raises(SigningUnavailableError, match="another key"):
        signer.sign(replace(signer.current(unpublished), jwk=old), b"anything")
    for receipt in (before, after):
        assert jws.verify(receipt, {"keys": [old, new]})


def test_a_stage_may_change_between_the_two_and_back_and_every_receipt_verifies(
    client: Client, portal: RunningPortal
) -> None:
    """The choice binds nobody: receipts and the chain hold whatever it was and will be."""
    program, numbers = portal.open_clinic(), list[str]()
    for place, chosen in enumerate((BY_KMS, BY_WRAPPED_KEY, BY_KMS, BY_WRAPPED_KEY)):
        said = {"decision.newsletter.email": "yes", "email": f"stage{place}@example.org"}
        numbers.append(receipt_number(decide(client, program.clinic, said)))
        process = choosing(portal, chosen)
        for report in sign_waiting(portal.table, process.signer, lambda: False):
            assert not report.failed
    jwks = client.get("/.well-known/jwks.json").json()
    kids = [jws.verify(program.receipt(number, "?format=jws").text, jwks).kid for number in numbers]
    assert kids[0] == kids[2] != kids[1] == kids[3] == stored_key(portal).body
    assert not [
        fault for *_, found in signing.check_chains(portal.table, program.clinic) for fault in found
    ]


def test_a_wrapped_key_is_destroyed_by_command_where_it_signs_no_more(
    portal: RunningPortal,
) -> None:
    """Who goes back to KMS leaves no private key behind, and takes none away that signs."""
    receipt, jwk = signed(wrapped(portal))
    with pytest.raises(CommandError, match="SIGNING=kms"):
        signing.destroy(choosing(portal, BY_WRAPPED_KEY))
    assert signing.destroy(choosing(portal, BY_KMS))
    assert not signing.destroy(choosing(portal, BY_KMS))
    assert jws.verify(receipt, {"keys": [jwk]})
    assert signed(wrapped(portal))[1] != jwk


def test_the_round_publishes_the_key_of_certificates_too_where_a_wrapped_key_signs() -> None:
    """A new stage certifies lists within five minutes: what answers requests publishes no key."""
    with simulated("both keys", datetime(2026, 11, 23, 9, tzinfo=UTC), BY_WRAPPED_KEY) as world:
        portal = world.portal
        world.catch_up()
        assert portal.signer is not None
        assert portal.certifier is not None
        kids = {each.current(unpublished).kid for each in (portal.signer, portal.certifier)}
        assert len(kids) == 2
        assert {key["kid"] for key in signatures.jwks(portal.table)["keys"]} == kids


def test_lists_are_certified_by_kms_whatever_signs_receipts(portal: RunningPortal) -> None:
    """What answers requests signs certificates, and must not hold a private key for it."""
    process = choosing(portal, BY_WRAPPED_KEY)
    assert isinstance(process.signer, WrappedSigner)
    assert isinstance(process.certifier, KmsSigner)
    publish_key(portal.table, process.certifier)
    assert signatures.is_published(portal.table, process.certifier.current(unpublished).kid)
    in_kms = choosing(portal, BY_KMS)
    assert in_kms.signer is in_kms.certifier
