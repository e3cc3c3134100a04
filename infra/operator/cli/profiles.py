"""Which portal, clinic and key a command works with, and the file that remembers them.

The file is `consent/profiles.json` in the user's folder for configuration (XDG Base Directory
Specification), readable by its owner alone. It is written whole beside the old one and then
renamed, so that a broken write loses no profile.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from infra.operator.cli.errors import CommandError

DEMO = Path(".local/demo.json")
"""Where `make run` tells addresses and keys of the portal on this machine."""

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_NAME = re.compile(r"[\w.-]{1,64}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A portal's base address without a slash at its end, a clinic's id, and a bearer key of it."""

    url: str
    clinic: str = ""
    key: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """The portal's host, for sentences."""
        return urlsplit(self.url).netloc or self.url


@dataclass(slots=True)
class Profiles:
    """The profiles by name, and which one is used where none is named."""

    current: str = ""
    named: dict[str, Profile] = field(default_factory=dict)

    @classmethod
    def load(cls) -> Self:
        """Read the file; no file is no profiles. Raise CommandError where it cannot be read."""
        path = profiles_file()
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            named = {name: Profile(**values) for name, values in stored["profiles"].items()}
            return cls(stored["current"], named)
        except FileNotFoundError:
            return cls()
        except OSError as error:
            raise CommandError(f"{path} cannot be read ({error.strerror}).") from error
        except (ValueError, KeyError, TypeError, AttributeError):
            remedy = "Remove it and run `consent login` again"
            raise CommandError(f"{path} is not a file of profiles. {remedy}.") from None

    def save(self) -> None:
        """Write the file, for its owner alone."""
        path = profiles_file()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        stored: dict[str, Any] = {"current": self.current, "profiles": {}}
        for name, profile in sorted(self.named.items()):
            stored["profiles"][name] = {
                "url": profile.url,
                "clinic": profile.clinic,
                "key": profile.key,
            }
        unfinished = path.with_suffix(".part")
        unfinished.unlink(missing_ok=True)
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123 - with its mode from the first byte
            json.dump(stored, file, indent=2, ensure_ascii=False)
            file.write("\n")
        unfinished.replace(path)

    def find(self, name: str) -> Profile:
        """Return a profile by its name; raise CommandError where there is none."""
        if name not in self.named:
            known = ", ".join(sorted(self.named)) or "none"
            raise CommandError(f"There is no profile “{name}”. Known: {known}.")
        return self.named[name]


def profiles_file() -> Path:
    """Return where the profiles are kept."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    return folder / "consent" / "profiles.json"


def valid_name(name: str) -> bool:
    """Return whether a profile may have this name."""
    return bool(_NAME.fullmatch(name))


def choose_profile(
    profile: str | None = None, clinic: str | None = None, demo: str | None = None
) -> Profile:
    """Return what a command works with; raise CommandError where that is not known.

    In this order: `demo` (a clinic of the portal that `make run` serves), the named profile,
    CONSENT_URL with CONSENT_CLINIC and CONSENT_KEY, the current profile, the portal of `make run`
    in this folder. CONSENT_PROFILE names a profile too. `clinic` overrides the clinic; of the
    portal of `make run` it brings that clinic's key.
    """
    if demo is not None:
        return _of_demo(demo)
    profile = profile or os.environ.get("CONSENT_PROFILE") or None
    if profile is None and (url := os.environ.get("CONSENT_URL", "")):
        given = Profile(
            normal_url(url),
            os.environ.get("CONSENT_CLINIC", ""),
            os.environ.get("CONSENT_KEY", ""),
        )
        return replace(given, clinic=clinic or given.clinic)
    known = Profiles.load()
    name = profile or known.current
    if name:
        found = known.find(name)
        return replace(found, clinic=clinic or found.clinic)
    if DEMO.exists():
        return _of_demo(clinic)
    remedy = "Run `consent login URL`, or set CONSENT_URL, CONSENT_CLINIC and CONSENT_KEY"
    raise CommandError(f"No portal is known. {remedy}.")


def normal_url(typed: str) -> str:
    """Return a portal's base address without a slash at its end.

    Raise CommandError where it is none, or would send the key unencrypted over a network.
    """
    url = typed.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        remedy = "Write it with https://, such as https://consent.example.org/api"
        raise CommandError(f"“{typed}” is not the address of a portal. {remedy}.")
    if parts.username or parts.password or parts.query or parts.fragment:
        remedy = "Give scheme, host and path alone"
        raise CommandError(f"The address of a portal has no user, query or fragment. {remedy}.")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise CommandError("Over http:// anybody on the way reads the key. Use https://.")
    return url


def _of_demo(clinic: str | None) -> Profile:
    try:
        demo: Mapping[str, Any] = json.loads(DEMO.read_text(encoding="utf-8"))
    except OSError:
        message = f"{DEMO} is not here: start the portal with `make run` in this folder."
        raise CommandError(message) from None
    clinics: Mapping[str, Any] = demo["clinics"]
    if not clinic:
        return Profile(demo["base_url"])
    if clinic not in clinics:
        known = ", ".join(clinics)
        raise CommandError(f"`make run` serves no clinic “{clinic}”. Known: {known}.")
    return Profile(demo["base_url"], clinic, clinics[clinic]["api_key"])
