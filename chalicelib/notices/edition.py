"""An edition: a clinic's document checked, its dates written in words, its full notices rendered; what is published."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.instants import Instant
from chalicelib.domain.local_time import local_midnight
from chalicelib.notices.document import (
    InvalidDocumentError,
    check,
    document_hash,
    read_clinic,
    read_full_notice,
)
from chalicelib.notices.legal_text import legal_html
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.i18n import format_date
from chalicelib.presentation.templates import render


@dataclass(frozen=True, slots=True)
class PublishedEdition:
    """A version ready to be published: the clinic, its document, its full notices by language.

    `starts` is when its effective day begins where the clinic is.
    """

    clinic: Clinic
    document: Mapping[str, Any]
    notices: Mapping[str, str]
    starts: Instant


def edition(document: Mapping[str, Any]) -> PublishedEdition:
    """Make an edition of a document; raise InvalidClinicError with everything that is wrong or missing."""
    clinic, starts = described(document)
    texts = read_full_notice(document, clinic.languages)
    notices = {lang: full_notice(clinic, lang, text) for lang, text in texts.items()}
    return PublishedEdition(clinic, document, notices, starts)


def described(document: Mapping[str, Any]) -> tuple[Clinic, Instant]:
    """Give the clinic as a whole document describes it, and when its effective day begins where the clinic is.

    Raises InvalidClinicError with everything that is wrong or missing.
    """
    if faults := check(document, authorities()):
        raise InvalidDocumentError(faults)
    clinic = read_clinic(document)
    days = sorted({clinic.effective, *(rule for rule in clinic.endings.values() if rule[0] != "P")})
    clinic = replace(
        clinic,
        sha256=document_hash(document),
        dates={day: {lang: format_date(day, lang) for lang in clinic.languages} for day in days},
        closes={day: local_midnight(_next(day), clinic.country) for day in days},
    )
    return clinic, local_midnight(clinic.effective, clinic.country)


def full_notice(clinic: Clinic, lang: str, text: str) -> str:
    """Render the full notice in a language: the items of GDPR Art. 13, then the clinic's own text in Markdown."""
    authority = authorities()[clinic.authority]
    return render("pages/full_notice.html", lang, clinic=clinic, authority=authority, text=legal_html(text))


def _next(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
