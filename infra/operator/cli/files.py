"""Files that a command writes: whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from infra.operator.cli.errors import CommandError


def save(target: Path, content: bytes) -> None:
    """Write a file under a temporary name and rename it, so that no half file is ever there."""
    with writing(target) as file:
        file.write(content)


@contextmanager
def writing(target: Path) -> Iterator[BinaryIO]:
    """Give a file beside `target` that takes its name once it is whole; a failure leaves none.

    It may hold contacts, so only its owner can read it. Raise CommandError where the folder
    cannot be written.
    """
    unfinished = target.with_name(f".{target.name}.part")
    try:
        with open(unfinished, "wb", opener=_for_owner) as file:
            yield file
        unfinished.replace(target)
    except OSError as error:
        raise CommandError(f"{target} cannot be written ({error.strerror}).") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
