"""An edition: what is published of a clinic's document.

The document is checked, its dates are written in words, its full notices are rendered.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
from chalicelib.notices.legal_text import legal_parts
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.i18n import format_date
from chalicelib.presentation.templates import render

_SENTENCE = re.compile(r".*?[^\W\d_]{4}[)”“»’]*[.!?](?= )")


@dataclass(frozen=True, slots=True)
class PublishedEdition:
    """A version ready to be published."""

    clinic: Clinic
    document: Mapping[str, Any]
    notices: Mapping[str, str]
    """The full notices as HTML, by language."""
    starts: Instant
    """When the effective day begins where the clinic is."""


def make_edition(document: Mapping[str, Any]) -> PublishedEdition:
    """Make an edition of a document; raise InvalidDocumentError where it is not complete."""
    clinic, starts = read_complete_clinic(document)
    texts = read_full_notice(document, clinic.languages)
    notices = {lang: full_notice(clinic, lang, text) for lang, text in texts.items()}
    return PublishedEdition(clinic, document, notices, starts)


def read_complete_clinic(document: Mapping[str, Any]) -> tuple[Clinic, Instant]:
    """Return the clinic of a whole document, and when its effective day begins where the clinic is.

    Raises InvalidDocumentError with everything that is wrong or missing.
    """
    if faults := check(document, authorities()):
        raise InvalidDocumentError(faults)
    clinic = read_clinic(document)
    dates, closes = {}, {}
    for day in _days(clinic):
        dates[day] = {lang: format_date(day, lang) for lang in clinic.languages}
        closes[day] = local_midnight(_next(day), clinic.country)
    clinic = clinic._replace(sha256=document_hash(document), dates=dates, closes=closes)
    return clinic, local_midnight(clinic.effective, clinic.country)


def _days(clinic: Clinic) -> list[str]:
    """Return the days that the document names: the effective day, and last days of questions."""
    last_days = [rule for rule in clinic.endings.values() if not rule.startswith("P")]
    return sorted({clinic.effective, *last_days})


def full_notice(clinic: Clinic, lang: str, text: str) -> str:
    """Render the full notice: in brief, the items of GDPR Art. 13, then the clinic's own text."""
    return render(
        "pages/full_notice.html",
        lang,
        clinic=clinic,
        authority=authorities()[clinic.authority],
        brief={name: first_sentence(told[lang]) for name, told in clinic.texts.items()},
        parts=legal_parts(text),
    )


def first_sentence(text: str) -> str:
    """Return the first sentence of a text, or all of it where no end of one is sure.

    A dot behind a number or a short word may be an abbreviation's: "Art.", "2026. g.".
    """
    found = _SENTENCE.match(" ".join(text.split()))
    return found[0] if found else text


def _next(day: str) -> str:
    following = date.fromisoformat(day) + timedelta(days=1)
    return following.isoformat()
