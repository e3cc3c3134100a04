"""Settings: one frozen object, read once from the environment, all faults reported together by variable name."""

from collections.abc import Mapping
from dataclasses import dataclass


class SettingsError(ValueError):
    """Variables that are missing or wrong; the message names each."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What differs between installations.

    `public_url` is the address patients see where the portal has its own domain; empty, the request's own address
    is used.
    """

    table: str
    region: str
    public_url: str


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Read TABLE_NAME, AWS_REGION and PUBLIC_URL; raise SettingsError naming every fault."""
    faults = [f"{name} is not set" for name in ("TABLE_NAME", "AWS_REGION") if not environ.get(name)]
    public_url = environ.get("PUBLIC_URL", "").rstrip("/")
    if public_url and not public_url.startswith(("https://", "http://127.0.0.1", "http://localhost")):
        faults.append("PUBLIC_URL must start with https://")
    if faults:
        raise SettingsError("; ".join(faults))
    return Settings(environ["TABLE_NAME"], environ["AWS_REGION"], public_url)
