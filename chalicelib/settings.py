"""Settings: one frozen object, read once from the environment, all faults reported together by
variable name.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from chalicelib.domain.message_budgets import Budgets
from chalicelib.domain.rate_limits import CLINIC_POSTS_PER_SECOND

_CONTACT = re.compile(r"(?:mailto:[!-~]+@[!-~]+|https://[!-~]+|tel:\+[0-9-]+)")
"""What RFC 9116, 2.5.3 takes as a contact."""

_ADDRESS = re.compile(r"[!-~]+@[!-~]+\.[!-~]+")
_SENDER = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]{1,11}")
"""What SNS takes as a sender id."""

_NUMBER = re.compile(r"[0-9]{1,9}")

_PER_SECOND = re.compile(r"[1-9][0-9]{0,2}")

LETTERS_PER_ROUND = 2_100
"""How many letters that nobody asked for go out in a round of five minutes: half of the fourteen a
second that SES gives an account at first, so that patients' mails have the other half."""

BUDGETS = {f"{name.upper()}_DAILY": name for name in Budgets._fields}
"""The variables that set how many messages a day may go out: SMS_DAILY, SMS_COUNTRY_DAILY,
SMS_CLINIC_DAILY, MAIL_DAILY and MAIL_CLINIC_DAILY.
"""


BY_KMS, BY_WRAPPED_KEY = "kms", "wrapped"
"""Where receipts are signed, as SIGNING says it: in KMS, or in the process that signs, with a key
that KMS unwraps for it (docs/decisions/0045-where-receipts-are-signed.md)."""


class SettingsError(ValueError):
    """Variables that are missing or wrong; the message names each."""


class Settings(NamedTuple):
    """What differs between installations.

    `public_url` is the address patients see where the portal has its own domain; empty, the
    request's own address is used. `signing_key` is the KMS alias of the key that signs receipts and
    certificates of lists; empty, nothing is signed and all wait. `signing` says whether a key
    wrapped by the KMS key `clinic_key` (ARN) signs receipts instead. `mail_from` is the address
    e-mails come from, `mail_configuration` the SES configuration set that reports what became of
    them, `sms_sender` the name text messages come from; without `mail_from` everything waits to be
    sent. `budgets` are
    how many messages a day may go out, `letters_per_round` how many that nobody asked for in five
    minutes, `clinic_posts_per_second` how many forms of one kind one clinic takes.
    `job_bucket` and `job_machine` are the S3 bucket and the state machine (ARN) of jobs; without
    them there are no jobs. `scan_bucket` is the S3 bucket of scanned forms, `scan_owner` the account
    that must own it; without the bucket no scan is taken. `press_function` is the Lambda function
    that sets papers; without it the process does so itself, if it has Typst. `security_contact` is
    where somebody who found a weakness writes (RFC 9116); empty, it is security@ at the portal's
    own domain (RFC 2142). `webhooks_to_loopback` lets webhooks lead to this machine, for trying
    things out: the template never sets it.
    """

    table: str
    region: str
    public_url: str
    signing_key: str = ""
    mail_from: str = ""
    mail_configuration: str = ""
    sms_sender: str = ""
    budgets: Budgets = Budgets()
    security_contact: str = ""
    letters_per_round: int = LETTERS_PER_ROUND
    clinic_posts_per_second: int = CLINIC_POSTS_PER_SECOND
    job_bucket: str = ""
    job_machine: str = ""
    press_function: str = ""
    webhooks_to_loopback: bool = False
    scan_bucket: str = ""
    scan_owner: str = ""
    signing: str = BY_KMS
    clinic_key: str = ""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from the environment; raise SettingsError naming every fault."""
    faults = [
        f"{name} is not set" for name in ("TABLE_NAME", "AWS_REGION") if not environ.get(name)
    ]
    public_url = environ.get("PUBLIC_URL", "").rstrip("/")
    if public_url and not public_url.startswith(
        ("https://", "http://127.0.0.1", "http://localhost")
    ):
        faults.append("PUBLIC_URL must start with https://")
    signing_key = environ.get("SIGNING_KEY", "")
    if signing_key and not signing_key.startswith("alias/"):
        faults.append(
            "SIGNING_KEY must be an alias of KMS: alias/…, so that another key can take its place"
        )
    signing = environ.get("SIGNING") or BY_KMS
    if signing not in {BY_KMS, BY_WRAPPED_KEY}:
        faults.append(f"SIGNING must be {BY_KMS} or {BY_WRAPPED_KEY}")
    if signing == BY_WRAPPED_KEY and not environ.get("CLINIC_KEY_ARN"):
        faults.append(f"CLINIC_KEY_ARN is not set, which SIGNING={BY_WRAPPED_KEY} needs")
    mail_from, sms_sender = environ.get("MAIL_FROM", ""), environ.get("SMS_SENDER", "")
    if mail_from and not _ADDRESS.fullmatch(mail_from):
        faults.append("MAIL_FROM must be an e-mail address alone, such as consent@example.org")
    if sms_sender and not _SENDER.fullmatch(sms_sender):
        faults.append(
            "SMS_SENDER must be 1 to 11 letters and digits, at least one of them a letter"
        )
    security_contact = environ.get("SECURITY_CONTACT", "")
    if security_contact and not _CONTACT.fullmatch(security_contact):
        faults.append(
            "SECURITY_CONTACT must be mailto:, https:// or tel: with what follows, such as mailto:a@example.org"
        )
    usual = Budgets()
    daily = {
        name: _number(environ, variable, getattr(usual, name), "messages a day", faults)
        for variable, name in BUDGETS.items()
    }
    letters = _number(environ, "LETTERS_PER_ROUND", LETTERS_PER_ROUND, "letters", faults)
    posts = environ.get("CLINIC_POSTS_PER_SECOND") or str(CLINIC_POSTS_PER_SECOND)
    if not _PER_SECOND.fullmatch(posts):
        faults.append("CLINIC_POSTS_PER_SECOND must be a whole number from 1 to 999")
    if faults:
        raise SettingsError("; ".join(faults))
    return Settings(
        environ["TABLE_NAME"],
        environ["AWS_REGION"],
        public_url,
        signing_key,
        mail_from,
        environ.get("MAIL_CONFIGURATION", ""),
        sms_sender,
        Budgets(**daily),
        security_contact,
        letters,
        int(posts),
        environ.get("JOB_BUCKET", ""),
        environ.get("JOB_MACHINE", ""),
        environ.get("PRESS_FUNCTION", ""),
        environ.get("WEBHOOKS_TO_LOOPBACK") == "1",
        environ.get("SCAN_BUCKET", ""),
        environ.get("SCAN_OWNER", ""),
        signing,
        environ.get("CLINIC_KEY_ARN", ""),
    )


def _number(
    environ: Mapping[str, str], variable: str, usual: int, what: str, faults: list[str]
) -> int:
    """Read a number; the usual one where none is set, or where a fault is added."""
    given = environ.get(variable) or str(usual)
    if _NUMBER.fullmatch(given):
        return int(given)
    faults.append(f"{variable} must be a whole number of {what}")
    return usual
