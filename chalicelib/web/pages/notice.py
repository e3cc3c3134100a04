"""What was published and shown, for ever.

The full notice of a version, and each page exactly as it was.
"""

import re
from collections.abc import Mapping
from typing import Any

from chalice.app import Request, Response
from markupsafe import Markup

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.errors import NotFoundError
from chalicelib.portal import get_portal
from chalicelib.presentation import notice_times
from chalicelib.presentation.templates import content_security_policy, render, unfolded
from chalicelib.store.clinics import FullNotice
from chalicelib.web.requests import base_url, language, mount, query
from chalicelib.web.responses import html, kept_html, printable


def notice_page(request: Request, clinic: str, version: str) -> Response:
    """Show the full notice of a version, for ever."""
    portal = get_portal()
    published = portal.directory.look_up(clinic).published
    shown = portal.clinics.version(clinic, version)
    lang = language(request, shown)
    full = portal.clinics.full_notice(clinic, version, lang)
    times = notice_times.describe_times(published.published, version, shown, lang, portal.clock())
    if format_name := query(request, "format"):
        if format_name != "pdf":
            raise NotFoundError
        return _printed(request, shown, lang, full, times)
    is_open = query(request, "all") == "yes"
    folded = Markup(full.html)  # noqa: S704 - rendered by the portal when it was published, see edition.py
    filled = {
        "article": unfolded(full.html) if is_open else folded,
        "is_open": is_open,
        "sha256": full.sha256,
        "minor_reason": full.minor_reason,
        "topics": full.topics,
        **times,
        "root": mount(request),
    }
    page = render("pages/notice.html", lang, clinic=shown, **filled)
    policy = content_security_policy("notice.css", brand=page.brand)
    return html(page, headers={"Content-Security-Policy": policy})


def _printed(
    request: Request, shown: Clinic, lang: str, full: FullNotice, times: Mapping[str, Any]
) -> Response:
    """Give the notice to print."""
    from chalicelib.notices.paper_form import write_notice  # noqa: PLC0415 - no page needs it

    portal = get_portal()
    base = base_url(request, portal.settings.public_url)
    paper = write_notice(
        shown, lang, article=full.html, sha256=full.sha256, times=times, base_url=base
    )
    return printable(portal.press.pdf(*paper), f"notice-{shown.id}-{shown.version}-{lang}")


def shown_page(_: Request, clinic: str, sha256: str) -> Response:
    """Give a page exactly as it was shown: its bytes have this SHA-256."""
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise NotFoundError
    return kept_html(get_portal().clinics.kept_page(clinic, sha256))
