"""Clinics' files: read, check, and take through draft, approval and publication in one go."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from chalicelib.clinic_document import InvalidClinicError
from chalicelib.edition import Edition, edition
from chalicelib.instants import Instant
from chalicelib.meaning import Difference
from chalicelib.pages import authorities
from chalicelib.publication import BeyondWordsError, Draft, Person, ReviewError, drafted
from chalicelib.store.clinics import PORTAL, now
from chalicelib.store.drafts import Drafts
from chalicelib.wiring import Portal

AT_THE_COMMAND_LINE = Person("the command line")
"""Who published what was published here: the operator, of whom the portal knows no more."""


class FileError(Exception):
    """A clinic's file that cannot be published; each line names file, place and remedy."""


def read_file(path: Path) -> Edition:
    """Read and check a clinic's file; raise FileError with every fault."""
    document = read_document(path)
    try:
        return edition(document)
    except InvalidClinicError as error:
        raise FileError("\n".join(f"{path}: {fault}" for fault in error.faults)) from error


def read_document(path: Path) -> dict[str, Any]:
    """Read a clinic's file as it is, complete or not, in JSON shapes; raise FileError where it cannot be read."""
    try:
        document = _plain(yaml.load(path.read_text(encoding="utf-8"), _OnceOnly))  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}). Name a clinic's YAML file") from error
    except UnicodeDecodeError:
        raise FileError(f"{path}: is not UTF-8. Save the file in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileError(f"{path}:{line}: is no YAML ({error.problem}). Check indentation, colons and quotes") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise FileError(f"{path}: holds a value that is none ({reason}). Check its dates, numbers and signs") from error
    if not isinstance(document, dict):
        raise FileError(f"{path}: is no clinic's document. Write it as `key: value` lines")
    return document


def publish(
    ready: Edition,
    house: Portal,
    key_arn: str,
    *,
    author: Person,
    approver: Person,
    minor_reason: str | None = None,
    look_over: Callable[[Draft, Edition], None] = lambda _draft, _ready: None,
    at: Instant | None = None,
) -> bool:
    """Draft, approve and publish what was written by one person and reviewed by another; False where it is published.

    `minor_reason` is the approver's where a MINOR changes more than words. `look_over` is shown what is about to be
    published, before anything is stored, and may raise. `at` is when it is published: now. Raises FileError with the
    reason.
    """
    begun = at or now()
    drafts = Drafts(house.table)
    try:
        if house.clinics.holds(ready.clinic):
            return False
        draft = drafted(ready.document, ready.clinic.id, author, begun)
        changes = beyond_words(ready, house, begun)
        approved = draft.approve(approver, begun, authorities(), changes=changes, reason=minor_reason)
        look_over(approved, ready)
        drafts.keep(draft)
        drafts.change(draft, approved)
        return publish_draft(ready, approved, house, key_arn, AT_THE_COMMAND_LINE, at=at)
    except (InvalidClinicError, ReviewError) as error:
        raise FileError(f"{ready.clinic.id}: {in_words(error)}") from error


def beyond_words(ready: Edition, house: Portal, at: Instant) -> tuple[Difference, ...]:
    """Tell what a version changes beyond words under a MINOR number, were it published at a moment."""
    if house.clinics.is_new(ready.clinic.id):
        return ()
    published = house.register.look(ready.clinic.id).published.published
    return house.clinics.beyond_words(ready.clinic, published, max(at, ready.starts))


def in_words(error: Exception) -> str:
    """Write what stands in the way of a step; where a MINOR changes more than words, with each change in its line."""
    if not isinstance(error, BeyondWordsError):
        return str(error)
    advice = f"{error} (--minor-reason)"
    return "\n  ".join((advice, *map(str, error.changes)))


def publish_draft(
    ready: Edition, draft: Draft, house: Portal, key_arn: str, by: Person, *, at: Instant | None = None
) -> bool:
    """Publish an approved draft; a new clinic gets its data key. False where it is published; raises ReviewError."""
    if house.clinics.portal_key() is None:
        house.clinics.keep_portal_key(house.kms.new_data_key(PORTAL, key_arn))
    wrapped = house.kms.new_data_key(draft.clinic, key_arn) if house.clinics.is_new(draft.clinic) else None
    return house.clinics.publish(ready, draft, by, wrapped_key=wrapped, at=at or now())


class _OnceOnly(yaml.SafeLoader):
    """Reads YAML, and refuses a key that stands twice: plain YAML would quietly take the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"“{key.value}” stands twice", key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


def _plain(value: Any) -> Any:
    """Bring YAML's values into JSON's: dates become texts."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if isinstance(value, date) else value
