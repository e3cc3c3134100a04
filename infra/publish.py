"""Publish clinics: a readable file in, an immutable notice version in the table out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from markdown_it import MarkdownIt
from markupsafe import Markup

from chalicelib.clinic_document import InvalidClinicError, document_hash, read_clinic, read_full_notice
from chalicelib.i18n import ZONES, spoken_date
from chalicelib.instants import Instant, instant
from chalicelib.notice import Clinic
from chalicelib.pages import authorities, render
from chalicelib.store.clinics import Clinics, PublishError
from chalicelib.vault import Kms


@dataclass(frozen=True, slots=True)
class Draft:
    """A clinic's file, checked and ready to publish."""

    clinic: Clinic
    document: Mapping[str, Any]
    notices: Mapping[str, str]


class FileError(Exception):
    """A clinic's file that cannot be published; each line names file, place and remedy."""


def read_file(path: Path) -> Draft:
    """Read and check a clinic's file; raise FileError with every fault."""
    try:
        document = _plain(yaml.load(path.read_text(encoding="utf-8"), _OnceOnly))  # noqa: S506 - a SafeLoader
        clinic = read_clinic(document)
        days = _days(clinic)
        clinic = replace(
            clinic,
            sha256=document_hash(document),
            dates={day: {lang: spoken_date(day, lang) for lang in clinic.languages} for day in days},
            closes={day: _local_end(day, clinic.country) for day in days},
        )
        texts = read_full_notice(document, clinic.languages)
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}). Name a clinic's YAML file") from error
    except UnicodeDecodeError:
        raise FileError(f"{path}: is not UTF-8. Save the file in UTF-8") from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileError(f"{path}:{line}: is no YAML ({error.problem}). Check indentation, colons and quotes") from error
    except InvalidClinicError as error:
        raise FileError("\n".join(f"{path}: {fault}" for fault in error.faults)) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise FileError(f"{path}: holds a value that is none ({reason}). Check its dates, numbers and signs") from error
    return Draft(clinic, document, {lang: full_notice(clinic, lang, text) for lang, text in texts.items()})


def full_notice(clinic: Clinic, lang: str, text: str) -> str:
    """Render the full notice in a language: the items of GDPR Art. 13, then the clinic's own text in Markdown."""
    written = Markup(MarkdownIt("commonmark", {"html": False}).render(text))  # noqa: S704 - HTML in it is escaped
    authority = authorities()[clinic.authority]
    return render("pages/full_notice.html", lang, clinic=clinic, authority=authority, text=written)


def publish(draft: Draft, clinics: Clinics, kms: Kms, key_arn: str) -> bool:
    """Publish a draft; False where this version is in force already. Raises FileError with the reason."""
    new = clinics.is_new(draft.clinic.id)
    wrapped = kms.new_data_key(draft.clinic.id, key_arn) if new else None
    at = instant(datetime.now(UTC))
    try:
        return clinics.publish(draft.clinic, draft.document, draft.notices, wrapped_key=wrapped, at=at)
    except PublishError as error:
        raise FileError(f"{draft.clinic.id}: {error}") from error


def _days(clinic: Clinic) -> list[str]:
    """Give the dates of a clinic's document."""
    return sorted({clinic.effective, *(rule for rule in clinic.endings.values() if rule[0] != "P")})


def _local_end(day: str, country: str) -> Instant:
    """Tell when a day is over in a country."""
    following = date.fromisoformat(day) + timedelta(days=1)
    return instant(datetime(following.year, following.month, following.day, tzinfo=ZoneInfo(ZONES[country])))


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
