from collections.abc import Mapping

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chalicelib.domain.api_keys import PREFIX, BearerKey, digest, new_secret
from chalicelib.store.encryption import ClinicKey, encrypted_under
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI

KEY, SALT, OTHER_SALT = b"k" * 32, "5a" * 16, "a5" * 16


def test_what_is_sealed_for_a_person_is_read_back_with_that_persons_salt() -> None:
    """The clinic can write to Anna."""
    sealed = ClinicKey(RIGA, KEY).encrypt("anna", SALT, "email", ANNA.value)
    assert ClinicKey(RIGA, KEY).decrypt("anna", SALT, "email", sealed) == ANNA.value
    assert ANNA.value.encode() not in sealed


def test_the_same_contact_sealed_twice_looks_different() -> None:
    """Nobody can tell from the table that two people share an address."""
    key = ClinicKey(RIGA, KEY)
    assert key.encrypt("anna", SALT, "email", ANNA.value) != key.encrypt(
        "anna", SALT, "email", ANNA.value
    )


@pytest.mark.parametrize(
    ("clinic", "key", "subject", "salt", "what"),
    [
        pytest.param(RIGA, KEY, "bella", SALT, "email", id="another person"),
        pytest.param(RIGA, KEY, "anna", OTHER_SALT, "email", id="another salt"),
        pytest.param(RIGA, KEY, "anna", SALT, "phone", id="another thing"),
        pytest.param(TBILISI, KEY, "anna", SALT, "email", id="another clinic"),
        pytest.param(RIGA, b"K" * 32, "anna", SALT, "email", id="another key"),
    ],
)
def test_with_anything_else_it_stays_shut(
    clinic: str, key: bytes, subject: str, salt: str, what: str
) -> None:
    """Destroying one person's salt destroys that person's contact, for good and for nobody else
    (Art. 17).
    """
    sealed = ClinicKey(RIGA, KEY).encrypt("anna", SALT, "email", ANNA.value)
    with pytest.raises(ValueError, match=what):
        ClinicKey(clinic, key).decrypt(subject, salt, what, sealed)


@pytest.mark.parametrize(
    "harm", [lambda blob: blob[:-1], lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]), lambda _: b""]
)
def test_changed_bytes_do_not_open(harm: object) -> None:
    """What was altered in the table is noticed, not believed."""
    assert callable(harm)
    sealed = ClinicKey(RIGA, KEY).encrypt("anna", SALT, "email", ANNA.value)
    with pytest.raises(ValueError, match=r"."):
        ClinicKey(RIGA, KEY).decrypt("anna", SALT, "email", harm(sealed))


def test_each_use_of_a_clinics_key_is_a_key_of_its_own() -> None:
    """The secret that signs forms finds no contacts."""
    riga, tbilisi = ClinicKey(RIGA, KEY), ClinicKey(TBILISI, b"t" * 32)
    assert riga.form_secret() != tbilisi.form_secret()
    assert riga.form_secret() not in {KEY, bytes.fromhex(riga.lookup(ANNA))}
    assert riga.lookup(ANNA) != riga.lookup(ANNA_PHONE)


def test_a_clinics_key_says_nothing_of_itself() -> None:
    """A key that lands in a log line is not in it."""
    shown = repr(ClinicKey(RIGA, KEY))
    assert "kkkk" not in shown
    assert KEY.hex() not in shown


NEWER = {"0a0b0c0d": b"n" * 32, "01020304": b"m" * 32}


def turned(newest: str, *, known: Mapping[str, bytes] = NEWER) -> ClinicKey:
    """Give a clinic's key after rotations: the first as ever, and others by their ids."""
    return ClinicKey(RIGA, KEY, newest=newest, other=known.__getitem__)


def test_after_a_rotation_the_new_key_seals_and_each_older_one_opens_what_it_sealed() -> None:
    """Nothing is lost between the moment a key is changed and the moment the last contact is sealed
    anew.
    """
    first, second, third = ClinicKey(RIGA, KEY), turned("0a0b0c0d"), turned("01020304")
    sealed = [key.encrypt("anna", SALT, "email", ANNA.value) for key in (first, second, third)]
    assert [encrypted_under(each) for each in sealed] == ["", "0a0b0c0d", "01020304"]
    assert {third.decrypt("anna", SALT, "email", each) for each in sealed} == {ANNA.value}
    for each in sealed[1:]:
        with pytest.raises(ValueError, match="email"):
            first.decrypt("anna", SALT, "email", each)
        with pytest.raises(ValueError, match="email"):
            turned("0a0b0c0d", known=dict.fromkeys(NEWER, KEY)).decrypt("anna", SALT, "email", each)


def test_what_finds_and_proves_stays_as_it_was_after_a_rotation() -> None:
    """Everybody is still found under their contact, every link and every open page still holds."""
    before, after = ClinicKey(RIGA, KEY), turned("01020304")
    assert before.lookup(ANNA) == after.lookup(ANNA)
    assert before.bucket("x") == after.bucket("x")
    for secret in ("form_secret", "link_secret", "receipt_secret"):
        assert getattr(before, secret)() == getattr(after, secret)()


@pytest.mark.parametrize("known", [NEWER, {}], ids=["a key of that name", "no key of that name"])
def test_a_nonce_of_the_first_key_that_looks_like_another_keys_name_is_read_all_the_same(
    known: Mapping[str, bytes],
) -> None:
    """One in 2^64 begins so by chance; even that contact is not lost."""
    nonce = b"\x00ck\x01" + bytes.fromhex("0a0b0c0d") + b"rest"
    derived = HKDF(SHA256(), 32, salt=bytes.fromhex(SALT), info=b"subject").derive(KEY)
    sealed = nonce + AESGCM(derived).encrypt(
        nonce, ANNA.value.encode(), f"{RIGA}|anna|email".encode()
    )
    assert encrypted_under(sealed) == "0a0b0c0d"
    assert turned("01020304", known=known).decrypt("anna", SALT, "email", sealed) == ANNA.value


def test_a_bearer_key_is_random_recognisable_and_kept_as_a_hash() -> None:
    """A leaked table opens nothing; a leaked key is recognised by scanners."""
    first, second = new_secret(), new_secret()
    assert first != second
    assert first.startswith(PREFIX)
    assert len(first) >= 40
    assert first not in digest(first)
    assert len(digest(first)) == 64


def test_a_bearer_keys_record_is_read_back_as_it_was() -> None:
    """What a key may do is what it was made for."""
    key = BearerKey("key_1", RIGA, "Reģistratūra", ("status:read",), "2026-11-22T08:15:00.000Z")
    assert BearerKey.read(key.stored()) == key
