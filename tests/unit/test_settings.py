import pytest

from chalicelib.settings import Settings, SettingsError, read_settings

NEEDED = {"TABLE_NAME": "portal", "AWS_REGION": "eu-north-1"}


def test_without_a_signing_key_the_portal_serves_and_receipts_wait() -> None:
    """A clinic can start before its key is there."""
    assert read_settings(NEEDED) == Settings("portal", "eu-north-1", "", "")
    assert read_settings({**NEEDED, "SIGNING_KEY": "alias/signs"}).signing_key == "alias/signs"


def test_every_fault_is_told_by_its_name_at_once() -> None:
    """An operator mends the settings in one go."""
    with pytest.raises(SettingsError) as told:
        read_settings({"PUBLIC_URL": "ftp://example.org", "SIGNING_KEY": "arn:aws:kms:eu-north-1:0:key/1"})
    for name in ("TABLE_NAME", "AWS_REGION", "PUBLIC_URL", "SIGNING_KEY must be an alias"):
        assert name in str(told.value)
