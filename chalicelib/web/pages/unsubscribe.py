"""Unsubscribing: by a mail program's own button (RFC 8058), or by hand.

The button works without cookie, redirect or page in between. Programs that look through mail open
its links and send the forms behind them as they find them. So the page for people holds no
one-click request, and stops nothing before something is ticked.
"""

from collections.abc import Collection, Sequence

from chalice.app import Request, Response

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.contacts import masked
from chalicelib.domain.submission import FieldError
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.presentation.page import Page
from chalicelib.presentation.templates import render
from chalicelib.services import unsubscribe
from chalicelib.services.unsubscribe import Unsubscription, open_unsubscription
from chalicelib.web.requests import (
    UnreadableBodyError,
    WrongTypeError,
    form_with_files,
    mount,
    query,
    visitor,
)
from chalicelib.web.responses import html
from chalicelib.web.typed_fields import Fields

FIELD, VALUE = "List-Unsubscribe", "One-Click"
"""All that a mail program sends (RFC 8058, 3.2)."""

NOTHING_TICKED = FieldError("purpose", "nothing_ticked")


def unsubscribe_page(request: Request, token: str) -> Response:
    """Show what can be stopped.

    Change nothing: what opens every link of a mail must not unsubscribe.
    """
    found = open_unsubscription(get_portal(), token, get_portal().clock())
    return html(_render(request, found, found.questions))


def stop(request: Request, token: str) -> Response:
    """Stop at once, and again as often as it is sent.

    All by the one-click request, by hand what is ticked.
    """
    portal = get_portal()
    found = open_unsubscription(portal, token, portal.clock())
    try:
        fields = form_with_files(request)
    except UnreadableBodyError:
        return _show_again(request, found, 400)
    except WrongTypeError:
        return _show_again(request, found, 415)
    chosen = found.questions if _is_one_click(fields) else _ticked(fields, found)
    if not chosen and not _is_one_click(fields):
        return _show_again(request, found, 422)
    unsubscribe.stop(portal, found, chosen, _language(request, found), visitor(request).base_url)
    return html(_render(request, found, chosen, stopped=True))


def _is_one_click(fields: Fields) -> bool:
    """Tell a mail program's request, however its line ends."""
    return [value.strip() for value in fields.get(FIELD, ())] == [VALUE]


def _ticked(fields: Fields, found: Unsubscription) -> tuple[QuestionId, ...]:
    """Give the questions that are ticked, of those the link can stop."""
    ticked = fields.get("purpose", ())
    chosen = [question for question in found.questions if question in ticked]
    return tuple(chosen)


def _language(request: Request, found: Unsubscription) -> str:
    """Give the language asked for by name, else the mail's."""
    default = found.opened.link.lang
    if default not in found.clinic.languages:
        default = found.clinic.default_language
    return negotiate(query(request, "lang"), None, found.clinic.languages, default)


def _show_again(request: Request, found: Unsubscription, status: int) -> Response:
    """Let the reader choose; nothing is stopped yet."""
    return html(_render(request, found, found.questions, errors=[NOTHING_TICKED]), status)


def _render(
    request: Request,
    found: Unsubscription,
    questions: Collection[QuestionId],
    *,
    stopped: bool = False,
    errors: Sequence[FieldError] = (),
) -> Page:
    return render(
        "pages/unsubscribe.html",
        _language(request, found),
        clinic=found.clinic,
        asked=found.all_questions,
        addresses=questions,
        root=mount(request),
        contact=masked(found.contact),
        stopped=stopped,
        faults=errors,
    )
