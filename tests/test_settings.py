import pytest

from chalicelib.domain.message_budgets import Budget, Budgets
from chalicelib.settings import Settings, SettingsError, read_settings

NEEDED = {"TABLE_NAME": "portal", "AWS_REGION": "eu-north-1"}


def test_without_a_signing_key_the_portal_serves_and_receipts_wait() -> None:
    """A clinic can start before its key is there."""
    assert read_settings(NEEDED) == Settings("portal", "eu-north-1", "", "")
    assert read_settings({**NEEDED, "SIGNING_KEY": "alias/signs"}).signing_key == "alias/signs"


def test_every_fault_is_told_by_its_name_at_once() -> None:
    """An operator mends the settings in one go."""
    with pytest.raises(SettingsError) as error:
        read_settings(
            {"PUBLIC_URL": "ftp://example.org", "SIGNING_KEY": "arn:aws:kms:eu-north-1:0:key/1"}
        )
    for name in ("TABLE_NAME", "AWS_REGION", "PUBLIC_URL", "SIGNING_KEY must be an alias"):
        assert name in str(error.value)


def test_where_receipts_are_signed_is_kms_or_a_wrapped_key_and_faults_are_told_together() -> None:
    """A misspelled choice is no choice: nothing is signed elsewhere than the operator thinks."""
    assert (
        read_settings(NEEDED).signing == read_settings({**NEEDED, "SIGNING": ""}).signing == "kms"
    )
    chosen = {**NEEDED, "SIGNING": "wrapped", "CLINIC_KEY_ARN": "arn:aws:kms:eu-north-1:0:key/1"}
    assert read_settings(chosen)[-2:] == ("wrapped", chosen["CLINIC_KEY_ARN"])
    with pytest.raises(
        SettingsError, match=r"TABLE_NAME.*CLINIC_KEY_ARN is not set.*SIGNING=wrapped"
    ):
        read_settings({"SIGNING": "wrapped"})
    with pytest.raises(SettingsError, match="SIGNING must be kms or wrapped"):
        read_settings({**NEEDED, "SIGNING": "Wrapped"})


def test_without_an_address_to_send_from_everything_waits_to_be_sent() -> None:
    """A clinic can start before its mail is set up."""
    assert not read_settings(NEEDED).mail_from
    settings = read_settings(
        {**NEEDED, "MAIL_FROM": "consent@example.org", "SMS_SENDER": "Sidraba"}
    )
    assert (settings.mail_from, settings.sms_sender) == ("consent@example.org", "Sidraba")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL_FROM", "Consent <consent@example.org>"),
        ("MAIL_FROM", "nobody"),
        ("SMS_SENDER", "12345"),
    ],
)
def test_what_the_services_would_refuse_is_told_at_once(name: str, value: str) -> None:
    """A misspelled sender is found when the portal starts, not when messages fail."""
    with pytest.raises(SettingsError, match=name):
        read_settings({**NEEDED, name: value})


def test_budgets_of_messages_have_defaults_and_can_be_set() -> None:
    """Nobody has to think of pumped messages to be safe from them.

    An operator of a hospital sets more.
    """
    assert read_settings(NEEDED).budgets == Budgets()
    settings = read_settings(
        {**NEEDED, "SMS_DAILY": "50000", "SMS_COUNTRY_DAILY": "20000", "MAIL_CLINIC_DAILY": "0"}
    )
    assert settings.budgets == Budgets(sms=50_000, sms_country=20_000, mail_clinic=0)
    with pytest.raises(SettingsError, match=r"SMS_CLINIC_DAILY.*MAIL_DAILY"):
        read_settings({**NEEDED, "SMS_CLINIC_DAILY": "-1", "MAIL_DAILY": "many"})


def test_letters_and_a_clinics_size_have_defaults_and_can_be_set() -> None:
    """A hospital's own SES quota, and its own number of patients."""
    usual = read_settings(NEEDED)
    assert (usual.letters_per_round, usual.clinic_posts_per_second) == (2_100, 64)
    given = {**NEEDED, "LETTERS_PER_ROUND": "600", "CLINIC_POSTS_PER_SECOND": "200"}
    larger = read_settings(given)
    assert (larger.letters_per_round, larger.clinic_posts_per_second) == (600, 200)
    for wrong in ("0", "1000", "-1", "many"):
        with pytest.raises(SettingsError, match="CLINIC_POSTS_PER_SECOND"):
            read_settings({**NEEDED, "CLINIC_POSTS_PER_SECOND": wrong})
    with pytest.raises(SettingsError, match="LETTERS_PER_ROUND"):
        read_settings({**NEEDED, "LETTERS_PER_ROUND": "all"})


@pytest.mark.parametrize("most", [0, 1, 3, 300, 2_000, 10_000, 40_000, 1_000_000])
def test_the_parts_of_a_budget_are_the_budget(most: int) -> None:
    """However many items count it, together they let through exactly as many as may go out."""
    shares = Budget("sms#all", most).shares()
    assert sum(shares) == most
    assert max(shares) - min(shares) <= 1
