import pytest

from chalicelib.bearer import PREFIX, BearerKey, digest, new_secret
from chalicelib.vault import ClinicKey
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI

KEY, SALT, OTHER_SALT = b"k" * 32, "5a" * 16, "a5" * 16


def test_what_is_sealed_for_a_person_is_read_back_with_that_persons_salt() -> None:
    """The clinic can write to Anna."""
    sealed = ClinicKey(RIGA, KEY).seal("anna", SALT, "email", ANNA.value)
    assert ClinicKey(RIGA, KEY).unseal("anna", SALT, "email", sealed) == ANNA.value
    assert ANNA.value.encode() not in sealed


def test_the_same_contact_sealed_twice_looks_different() -> None:
    """Nobody can tell from the table that two people share an address."""
    key = ClinicKey(RIGA, KEY)
    assert key.seal("anna", SALT, "email", ANNA.value) != key.seal("anna", SALT, "email", ANNA.value)


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
def test_with_anything_else_it_stays_shut(clinic: str, key: bytes, subject: str, salt: str, what: str) -> None:
    """Destroying one person's salt destroys that person's contact, for good and for nobody else (Art. 17)."""
    sealed = ClinicKey(RIGA, KEY).seal("anna", SALT, "email", ANNA.value)
    with pytest.raises(ValueError, match=what):
        ClinicKey(clinic, key).unseal(subject, salt, what, sealed)


@pytest.mark.parametrize(
    "harm", [lambda blob: blob[:-1], lambda blob: blob[:-1] + bytes([blob[-1] ^ 1]), lambda _: b""]
)
def test_changed_bytes_do_not_open(harm: object) -> None:
    """What was altered in the table is noticed, not believed."""
    assert callable(harm)
    sealed = ClinicKey(RIGA, KEY).seal("anna", SALT, "email", ANNA.value)
    with pytest.raises(ValueError, match=r"."):
        ClinicKey(RIGA, KEY).unseal("anna", SALT, "email", harm(sealed))


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
