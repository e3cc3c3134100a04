"""Pages in a language: the templates, what they may say and use, and the header that keeps them to themselves."""

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

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

from chalicelib.domain.consent import ON_A_PAGE
from chalicelib.domain.languages import ENDONYMS
from chalicelib.presentation import i18n

TEMPLATES = Path(__file__).resolve().parents[2] / "templates"
_KIOSK_SCRIPT = Path(__file__).with_name("kiosk.js")


def environment(templates: Path = TEMPLATES) -> Environment:
    """Give the Jinja environment; with compiled templates beside the sources (the bundle) nothing is parsed."""
    loader: BaseLoader = FileSystemLoader(templates)
    if (templates / "compiled").is_dir():
        loader = ModuleLoader(templates / "compiled")
    env = Environment(
        loader=loader,
        autoescape=select_autoescape(disabled_extensions=("txt",), default_for_string=True, default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    env.policies["ext.i18n.trimmed"] = True
    env.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
    env.filters["spoken_date"] = _spoken_date
    env.filters["in_words"] = _countries
    return env


@pass_context
def _spoken_date(context: Context, date: str) -> str:
    written: str = context["clinic"].dates[date][context["lang"]]
    return written


@pass_context
def _countries(context: Context, codes: Iterable[str]) -> str:
    """Name countries, by ISO 3166, in the page's language."""
    return ", ".join(i18n.country_name(code, context["lang"]) for code in codes)


@cache
def _speaking(lang: str) -> Environment:
    env = environment()
    env.install_gettext_translations(i18n.catalog(lang), newstyle=True)  # type: ignore[attr-defined]
    env.globals["lang"] = lang
    env.globals["endonyms"] = ENDONYMS
    env.globals["on_a_page"] = ON_A_PAGE
    env.globals["kiosk"] = ""  # the kiosk's pages set what stands before their addresses
    env.globals["kiosk_script"] = kiosk_script
    return env


def render(template: str, lang: str, **context: Any) -> str:
    """Render a template in a language. Same arguments, same bytes."""
    return _speaking(lang).get_template(template).render(**context)


@cache
def content_security_policy(*styles: str, script: bool = False, form: bool = True) -> str:
    """Allow the page's own styles (by their hash) and forms, and nothing else at all; the kiosk's pages its script too.

    `styles` are the templates a page includes beside `style.css`; without `form` no form can be sent.
    """
    env = environment()
    digests = [
        base64.b64encode(hashlib.sha256(env.get_template(style).render().encode()).digest()).decode()
        for style in ("style.css", *styles)
    ]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    scripted = " script-src 'self'; connect-src 'self';" if script else ""
    sent_to = "'self'" if form else "'none'"
    return (
        f"default-src 'none'; style-src {allowed}; img-src 'self'; form-action {sent_to};{scripted} "
        "frame-ancestors 'none'; base-uri 'none'"
    )


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the name of this very text of it, by which it may be kept for ever."""

    text: str
    version: str


@cache
def kiosk_script() -> Script:
    """Give the kiosk's script."""
    text = _KIOSK_SCRIPT.read_text(encoding="utf-8")
    return Script(text, hashlib.sha256(text.encode()).hexdigest()[:16])
