"""The clinic's settings at the desk: how patients see it, its notices and recipients, its posters.

What stands in the clinic's document is shown, and changed by a draft of a notice, which somebody
else approves.
"""

from typing import NamedTuple

from chalice.app import Response

from chalicelib.domain.brand import Brand
from chalicelib.domain.clinic import localized
from chalicelib.domain.consent import SOURCE
from chalicelib.domain.languages import ENDONYMS
from chalicelib.domain.short_address import SIGN_UP, WITHDRAW
from chalicelib.domain.submission import FieldError
from chalicelib.notices.colours import DARK_SURFACE, LIGHT_SURFACE, contrast
from chalicelib.presentation import qr
from chalicelib.presentation.i18n import format_day
from chalicelib.presentation.posters import MOST_LANGUAGES, POSTERS, SHEETS, SIZES, Occasion
from chalicelib.web.staff.entrance import Desk

PAGE, POSTERS_PAGE = "staff/settings.html", "staff/posters.html"


class Shade(NamedTuple):
    """One colour of the clinic on what it stands on, and their contrast (WCAG 2.2, 1.4.3)."""

    use: str
    colour: str
    behind: str
    contrast: str


def settings_page(desk: Desk) -> Response:
    """Show the clinic as patients see it, and where the rest is set up."""
    clinic, lang = desk.clinic, desk.lang
    recipients = [
        {
            "title": question.title(lang),
            "recipient": localized(question.recipient, lang) if question.recipient else "",
            "controllers": clinic.controller_names(question),
        }
        for question in clinic.questions.values()
    ]
    versions = [
        {
            "version": each.version,
            "since": format_day(each.since, lang, clinic.country),
            "in_force": each.version == desk.published.in_force.version,
        }
        for each in reversed(desk.published.published)
    ]
    notice_lang = lang if lang in clinic.languages else clinic.default_language
    return desk.page(
        PAGE,
        shades=_shades(clinic.brand),
        recipients=recipients,
        versions=versions,
        notice_lang=notice_lang,
    )


def _shades(brand: Brand) -> list[Shade]:
    pairs = [
        ("header", brand.fill, brand.on_fill),
        ("link", LIGHT_SURFACE, brand.link),
        ("dark_header", brand.dark_fill, brand.dark_on_fill),
        ("dark_link", DARK_SURFACE, brand.dark_link),
    ]
    return [
        Shade(use, colour, behind, f"{contrast(colour, behind):.1f}")
        for use, behind, colour in pairs
    ]


def posters_page(desk: Desk) -> Response:
    """Show the addresses of posters for a size, languages and a place, with a preview.

    What was asked for stands in the address, so that it can be kept.
    """
    clinic = desk.clinic
    parameters = desk.request.query_params
    named = parameters is not None and "languages" in parameters
    asked = parameters.getlist("languages") if parameters and named else []
    languages = [lang for lang in clinic.languages if lang in asked]
    size = (desk.query("size") or "a4").lower()
    place = (desk.query("src") or "").strip().lower()
    faults = []
    if size not in SIZES:
        size = "a4"
    if len(languages) > MOST_LANGUAGES:
        faults.append(FieldError("languages", "too_many_languages"))
        languages = languages[:MOST_LANGUAGES]
    if place and not SOURCE.fullmatch(place):
        faults.append(FieldError("src", "place_name"))
    source = "" if faults else place
    languages = languages or list(clinic.languages[:MOST_LANGUAGES])
    behind = f"?lang={','.join(languages)}" + (f"&src={source}" if source else "")
    base = f"{desk.root}/{clinic.id}/qr/"
    sheets = [
        {"name": name, "address": f"{base}{name}.pdf{behind}&size={size}"} for name in POSTERS
    ]
    sheets += [{"name": name, "address": f"{base}{name}.pdf{behind}"} for name in SHEETS]
    sheets.append({"name": "screen", "address": f"{base}screen.svg{behind}"})
    lang = languages[0] if len(languages) == 1 else None
    occasion = Occasion(clinic, tuple(languages), desk.base_url, lang, source or None)
    addresses = {kind: occasion.address(kind) for kind in (SIGN_UP, WITHDRAW)}
    return desk.page(
        POSTERS_PAGE,
        422 if faults else 200,
        faults=faults,
        typed={"src": place},
        size=size,
        sizes=[(each, each.upper()) for each in SIZES],
        languages=[(each, ENDONYMS[each]) for each in clinic.languages],
        chosen=languages,
        sheets=sheets,
        previews=[(kind, each, qr.drawing(each)) for kind, each in addresses.items()],
    )
