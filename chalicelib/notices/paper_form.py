"""What a clinic prints of a notice: the consent form for a pen, and the full notice to read.

A QR code binds the form to the version of the notice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.postal_address import PostalAddress
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.press import Paper, brand_values
from chalicelib.presentation.print_content import read_paper
from chalicelib.presentation.templates import render


@dataclass(frozen=True, slots=True)
class FilledIn:
    """What a form has printed on its lines. No answer is ever filled in."""

    name: str = field(default="", repr=False)
    child: bool = False
    """Whether the name is a child's, for whom somebody else decides."""
    email: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    address: PostalAddress | None = field(default=None, repr=False)


NOTHING_FILLED_IN = FilledIn()


def write_form(
    clinic: Clinic,
    lang: str,
    *,
    base_url: str,
    sha256: str,
    filled: FilledIn = NOTHING_FILLED_IN,
) -> Paper:
    """Write the form of a notice in a language: the notice's questions, boxes and lines for a pen.

    `sha256` names the consent page of the same version and language, for whoever enters what was
    signed.
    """
    page = form_page(clinic, lang, base_url=base_url, sha256=sha256, filled=filled)
    return _paper("form", clinic, page)


def form_page(
    clinic: Clinic,
    lang: str,
    *,
    base_url: str,
    sha256: str,
    filled: FilledIn = NOTHING_FILLED_IN,
) -> str:
    """Write what the form says, as HTML for `presentation.print_content`."""
    return render(
        "paper/form.html",
        lang,
        clinic=clinic,
        authority=authorities()[clinic.authority]["name"][lang],
        base_url=base_url,
        notice=f"{base_url}/{clinic.id}/notices/{clinic.version}?lang={lang}",
        sha256=sha256,
        filled=filled,
    )


def write_notice(
    clinic: Clinic,
    lang: str,
    *,
    article: str,
    sha256: str,
    times: Mapping[str, Any],
    base_url: str,
) -> Paper:
    """Write the full notice of a version in a language.

    `article` is its text as it was rendered when it was published, `sha256` the fingerprint of
    that, and `times` say when it is or was in force (`presentation.notice_times`).
    """
    page = render(
        "paper/notice.html",
        lang,
        clinic=clinic,
        article=Markup(article),  # noqa: S704 - rendered by the portal, see edition.py
        sha256=sha256,
        root=base_url,
        **times,
    )
    return _paper("notice", clinic, page)


def _paper(template: str, clinic: Clinic, page: str) -> Paper:
    """Give a page to the press, dated by the day from which the text is in force, so that the same
    text gives the same file.
    """
    at = f"{clinic.since or clinic.effective}T00:00:00.000Z"
    return Paper(template, {**read_paper(page), "at": at, "brand": brand_values(clinic.brand)})
