"""Pages in a language: the templates, what they can use, and the header that protects them."""

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import (
    BaseLoader,
    Environment,
    FileSystemLoader,
    ModuleLoader,
    StrictUndefined,
    pass_context,
    select_autoescape,
)
from jinja2.runtime import Context
from markupsafe import Markup

from chalicelib.domain.brand import NO_BRAND, Brand
from chalicelib.domain.clinic import Clinic, Text, localized
from chalicelib.domain.consent import ON_A_PAGE
from chalicelib.domain.languages import ENDONYMS
from chalicelib.domain.phones import dialled
from chalicelib.presentation import i18n
from chalicelib.presentation.page import Page

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
_KIOSK_SCRIPT = Path(__file__).with_name("kiosk.js")


def environment(templates: Path = TEMPLATES) -> Environment:
    """Return the Jinja environment.

    In the bundle compiled templates are beside the sources, and none is parsed.
    """
    loader: BaseLoader = FileSystemLoader(templates)
    if (templates / "compiled").is_dir():
        loader = ModuleLoader(templates / "compiled")
    env = Environment(
        loader=loader,
        autoescape=select_autoescape(
            disabled_extensions=("txt",),
            default_for_string=True,
            default=True,
        ),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    env.policies["ext.i18n.trimmed"] = True
    env.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    env.filters["date_in_words"] = _date_in_words
    for case in ("since", "until", "through", "on"):
        env.filters[f"date_{case}"] = attrgetter(case)
    env.filters["country_names"] = _country_names
    env.filters["in_words"] = _in_words
    env.filters["reference"] = _reference
    env.filters["dialled"] = dialled
    return env


@pass_context
def _date_in_words(context: Context, date: str) -> i18n.DateWords:
    """Write a date of the clinic's document in the page's language."""
    return i18n.format_date(date, context["lang"])


def _reference(receipt_id: str) -> str:
    """Give what people call a receipt by (`receipts.reference`)."""
    from chalicelib.domain.receipts import reference  # noqa: PLC0415 - the first page names none

    return reference(receipt_id)


@pass_context
def _in_words(context: Context, text: Text) -> str:
    """Give a clinic's text in the page's language, or in the first that it has."""
    return localized(text, context["lang"])


@pass_context
def _country_names(context: Context, countries: Iterable[str]) -> str:
    """Name countries, by ISO 3166, in the page's language."""
    names = [i18n.country_name(country, context["lang"]) for country in countries]
    return ", ".join(names)


@cache
def _in_language(lang: str) -> Environment:
    env = environment()
    env.install_gettext_translations(i18n.catalog(lang), newstyle=True)  # type: ignore[attr-defined]
    env.globals["lang"] = lang
    env.globals["endonyms"] = ENDONYMS
    env.globals["on_a_page"] = ON_A_PAGE
    env.globals["kiosk"] = ""  # the kiosk's pages set what stands before their addresses
    env.globals["kiosk_script"] = kiosk_script
    return env


def render(template: str, lang: str, **context: Any) -> Page:
    """Render a template in a language. The same arguments give the same bytes.

    It has the colours of the `clinic` among them, else the portal's own.
    """
    clinic = context.get("clinic")
    brand = clinic.brand if isinstance(clinic, Clinic) else NO_BRAND
    html = _in_language(lang).get_template(template).render(**context, brand=brand)
    return Page.of(brand, html)


def unfolded(article: str) -> Markup:
    """Return a published notice with all its parts open, to read or print it in one go.

    Browsers of before 2025 print a folded part as they show it.
    """
    opened = article.replace('<details class="more"', '<details open class="more"')
    return Markup(opened)  # noqa: S704 - rendered by the portal when it was published, see edition.py


@cache
def content_security_policy(
    *styles: str,
    brand: Brand = NO_BRAND,
    script: bool = False,
    inline: str = "",
    form: bool = True,
) -> str:
    """Allow a page its own styles, by their hashes, its pictures, its forms, and nothing else.

    `styles` are the templates that a page includes beside `style.css`, `brand` is that whose
    colours it has. Without `form` no form can be sent; with `script` the page may run the portal's
    script, as the kiosk does; `inline` is a script that stands in the page. The hashes are of what
    the templates give, never of what a page holds.
    """
    env = environment()
    own = ("style.css", "brand.css", *styles)
    hashes = " ".join(f"'sha256-{_hash(env, style, brand)}'" for style in own)
    scripts = " script-src 'self'; connect-src 'self';" if script else ""
    if inline:
        scripts = f" script-src 'sha256-{_digest(inline)}';"
    form_target = "'self'" if form else "'none'"
    return (
        f"default-src 'none'; style-src {hashes}; img-src data:; form-action {form_target};"
        f"{scripts} frame-ancestors 'none'; base-uri 'none'"
    )


def _hash(env: Environment, style: str, brand: Brand) -> str:
    """Return the SHA-256 of a style, as CSP writes it."""
    return _digest(env.get_template(style).render(brand=brand))


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


class Script(NamedTuple):
    """A script, and the version by which a browser may keep it for ever."""

    text: str
    version: str
    """From a hash of the text."""


@cache
def kiosk_script() -> Script:
    """Return the kiosk's script."""
    text = _KIOSK_SCRIPT.read_text(encoding="utf-8")
    return Script(text, hashlib.sha256(text.encode()).hexdigest()[:16])


@cache
def page_script(name: str) -> str:
    """Return one of the portal's scripts that stand in a page, such as ``passkeys.js``."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
