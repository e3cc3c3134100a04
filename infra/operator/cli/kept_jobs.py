"""What this machine remembers of a job: which file goes in, and where the result is to be saved.

With it `consent jobs resume ID` goes on after Ctrl-C or a lost connection. It holds no key, no
address that opens a file, and nothing of the file itself. One file a job, in the user's folder for
state (XDG Base Directory Specification).
"""

import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from infra.operator.cli.errors import CommandError
from infra.operator.cli.files import save

_ID = re.compile(r"[\w-]{1,200}")


@dataclass(frozen=True, slots=True)
class KeptJob:
    """A job that was begun here."""

    id: str
    url: str
    clinic: str
    source: str | None
    """The file that is sent; None where the job needs none."""

    target: str | None
    """The file that the result is saved to."""

    def keep(self) -> None:
        """Write it down."""
        path = _place(self.id)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        save(path, json.dumps(asdict(self), ensure_ascii=False, indent=1).encode())

    def forget(self) -> None:
        """Remove what was written down; it is done."""
        _place(self.id).unlink(missing_ok=True)

    @classmethod
    def find(cls, number: str) -> Self | None:
        """Return what is known of a job, None where it was begun elsewhere."""
        try:
            return cls(**json.loads(_place(number).read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            message = f"{_place(number)} cannot be read. Remove it, and name the files by options."
            raise CommandError(message) from error


def _place(number: str) -> Path:
    if not _ID.fullmatch(number):
        raise CommandError(f"“{number}” is not the id of a job.")
    base = os.environ.get("XDG_STATE_HOME", "")
    folder = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "state"
    return folder / "consent" / "jobs" / f"{number}.json"
