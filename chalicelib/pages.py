"""Pages in a language: the templates, what they may say and use, and the header that keeps them to themselves."""

import base64
import hashlib
import json
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

from chalicelib import i18n

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
_AUTHORITIES = Path(__file__).resolve().parent / "authorities.json"


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
    return env


@pass_context
def _spoken_date(context: Context, date: str) -> str:
    written: str = context["clinic"].dates[date][context["lang"]]
    return written


@cache
def _speaking(lang: str) -> Environment:
    env = environment()
    env.install_gettext_translations(i18n.catalog(lang), newstyle=True)  # type: ignore[attr-defined]
    env.globals["lang"] = lang
    env.globals["endonyms"] = i18n.ENDONYMS
    return env


def render(template: str, lang: str, **context: Any) -> str:
    """Render a template in a language. Same arguments, same bytes."""
    return _speaking(lang).get_template(template).render(**context)


@cache
def content_security_policy() -> str:
    """Allow the page's own styles (by their hash) and forms, and nothing else at all."""
    style = environment().get_template("style.css").render()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )


@cache
def authorities() -> dict[str, Any]:
    """Give the supervisory authorities by country: dated data with their source."""
    data: dict[str, Any] = json.loads(_AUTHORITIES.read_text(encoding="utf-8"))
    return data
