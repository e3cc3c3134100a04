"""Settings: one frozen object, read once from the environment, all faults reported together by variable name."""

from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(ValueError):
    """Variables that are missing or wrong; the message names each."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What differs between installations.

    `public_url` is the address patients see where the portal has its own domain; empty, the request's own address
    is used. `signing_key` is the KMS alias of the key that signs receipts; empty, nothing is signed and all wait.
    """

    table: str
    region: str
    public_url: str
    signing_key: str = ""


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read TABLE_NAME, AWS_REGION, PUBLIC_URL and SIGNING_KEY; raise SettingsError naming every fault."""
    faults = [f"{name} is not set" for name in ("TABLE_NAME", "AWS_REGION") if not environ.get(name)]
    public_url = environ.get("PUBLIC_URL", "").rstrip("/")
    if public_url and not public_url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        faults.append("PUBLIC_URL must start with https://")
    signing_key = environ.get("SIGNING_KEY", "")
    if signing_key and not signing_key.startswith("alias/"):
        faults.append("SIGNING_KEY must be an alias of KMS: alias/…, so that another key can take its place")
    if faults:
        raise SettingsError("; ".join(faults))
    return Settings(environ["TABLE_NAME"], environ["AWS_REGION"], public_url, signing_key)
