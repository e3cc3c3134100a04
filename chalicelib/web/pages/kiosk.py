"""The kiosk: the consent page for a shared tablet at the reception; nothing of one patient is left for the next.

A form that was taken is answered with the page that says so, not with an address that leads to it: neither the address
bar nor the history holds a receipt number. `chalicelib/presentation/kiosk.js` says what it adds to these pages.
"""

from datetime import timedelta

from chalice.app import Request, Response
from markupsafe import Markup

from chalicelib.domain.instants import moment
from chalicelib.portal import get_portal
from chalicelib.presentation import notice_times, qr
from chalicelib.presentation.i18n import catalog, format_time
from chalicelib.presentation.templates import content_security_policy, kiosk_script, render
from chalicelib.store.shown_pages import KIOSK_PAGE, KIOSK_WITHDRAWAL_PAGE
from chalicelib.web.form_state import state_of
from chalicelib.web.pages.decision_form import FormResult, asking, take_answers, take_withdrawal
from chalicelib.web.requests import base_url, form_fields, language, mount, query, source
from chalicelib.web.responses import html, script, see_other

SENT_AGAIN_WITHIN = timedelta(minutes=1)
"""How long a form sent twice shows its receipt again: for an impatient finger or a bad line, not for the next one."""

CLEARED = {"Clear-Site-Data": '"cache"'}
"""Browsers that keep whole pages for Back, unstored ones too, forget them (Clear Site Data, 3.1)."""


def kiosk_page(request: Request, clinic: str) -> Response:
    """Show the questions in the language asked for; without one the start screen."""
    seen = get_portal().directory.look_up(clinic).published.clinic
    if query(request, "lang") in seen.languages:
        return _dressed(asking(KIOSK_PAGE, seen.open_at(get_portal().clock()), request))
    ways = [
        {"lang": lang, "start": catalog(lang).gettext("Start"), "withdraw": catalog(lang).gettext("Take back a Yes")}
        for lang in seen.languages
    ]
    filled = {"ways": ways, "root": mount(request), "kept_query": _kept_query(request)}
    return _dressed(html(render("pages/kiosk/start.html", seen.default_language, clinic=seen, **filled), 200, CLEARED))


def kiosk_decide(request: Request, clinic: str) -> Response:
    """Take the answers and say so."""
    return _unless_forgotten(request, KIOSK_PAGE, clinic, take_answers(KIOSK_PAGE, clinic, request, _done))


def kiosk_withdrawal_page(request: Request, clinic: str) -> Response:
    """Show the withdrawal form."""
    seen = get_portal().directory.look_up(clinic).published.clinic
    return _dressed(asking(KIOSK_WITHDRAWAL_PAGE, seen, request))


def kiosk_withdraw(request: Request, clinic: str) -> Response:
    """Withdraw and say so."""
    template = KIOSK_WITHDRAWAL_PAGE
    return _unless_forgotten(request, template, clinic, take_withdrawal(template, clinic, request, _done))


def kiosk_notice(request: Request, clinic: str, version: str) -> Response:
    """Show the full notice, with the way back to the questions and no other."""
    portal = get_portal()
    published = portal.directory.look_up(clinic).published.published
    shown = portal.clinics.version(clinic, version)
    lang = language(request, shown)
    filled = {
        "article": Markup(portal.clinics.full_notice(clinic, version, lang).html),  # noqa: S704 - see routes/patient.py
        **notice_times.describe_times(published, version, shown, lang, get_portal().clock()),
        "root": mount(request),
        "kept_query": _kept_query(request),
    }
    return _dressed(html(render("pages/kiosk/notice.html", lang, clinic=shown, **filled)))


def kiosk_js(request: Request) -> Response:
    """Give the kiosk's script; by the address that names this text of it, for ever."""
    current = kiosk_script()
    return script(current.text, kept=query(request, "v") == current.version)


def _done(request: Request, taken: FormResult) -> Response:
    """Say what was taken, and how to take the receipt along; much later, to whoever sends the form again, nothing."""
    shown, lang = taken.clinic, taken.lang
    told = taken.receipt.document
    if moment(taken.decision.recorded_at) - moment(told["recorded_at"]) > SENT_AGAIN_WITHIN:
        return see_other(_start(request, shown.id))
    number, answers = taken.decision.receipt_id, {answer.value for answer in taken.decision.answers.values()}
    receipt = f"{base_url(request, get_portal().settings.public_url)}/{shown.id}/receipts/{number}?lang={lang}"
    filled = {
        "said": shown.describe_answers(
            {address: {"answer": answer} for address, answer in taken.decision.answers.items()}
        ),
        "agreed": "yes" in answers,
        "certain": shown.always_waits(told["decisions"], taken.decision.recorded_at),
        "withdrawn": answers == {"withdraw"},
        "number": number,
        "at": told["effective_at"],
        "when": format_time(told["effective_at"], lang, shown.country),
        "told": taken.reachable,
        "drawing": qr.drawing(receipt),
        "root": mount(request),
        "kept_query": _kept_query(request),
    }
    return html(render("pages/kiosk/done.html", lang, clinic=shown, **filled))


def _unless_forgotten(request: Request, template: str, clinic: str, answer: Response) -> Response:
    """Give the answer to a form, unless it would show what was typed hours ago: on a shared tablet, to another."""
    mended = answer.status_code == 422  # noqa: PLR2004 - Unprocessable Content
    if mended and state_of(template, clinic, form_fields(request)) is None:
        return see_other(_start(request, clinic))
    return _dressed(answer)


def _start(request: Request, clinic: str) -> str:
    src = source(request)
    return f"{mount(request)}/{clinic}/kiosk" + (f"?src={src}" if src else "")


def _kept_query(request: Request) -> str:
    src = source(request)
    return f"&src={src}" if src else ""


def _dressed(answer: Response) -> Response:
    """Allow a page the kiosk's look and script, and a notice's look: the script shows a notice on the page it is on."""
    answer.headers["Content-Security-Policy"] = content_security_policy("kiosk.css", "notice.css", script=True)
    return answer
