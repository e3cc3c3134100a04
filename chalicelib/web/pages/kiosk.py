"""The kiosk: the consent page for a shared tablet at the reception.

Nothing of one patient is left for the next. A form that was recorded is answered with the page that
says so, not with an address that leads to it: neither the address bar nor the history holds a
receipt number. `chalicelib/presentation/kiosk.js` says what it adds to these pages.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any, NamedTuple

from chalice.app import Request, Response
from markupsafe import Markup

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.receipts import reference
from chalicelib.domain.submission import FieldError
from chalicelib.portal import get_portal
from chalicelib.presentation import notice_times, qr
from chalicelib.presentation.i18n import catalog, format_time
from chalicelib.presentation.page import Page
from chalicelib.presentation.templates import content_security_policy, kiosk_script, render
from chalicelib.services.patient_decisions import FormResult
from chalicelib.store.shown_pages import KIOSK_PAGE, KIOSK_WITHDRAWAL_PAGE
from chalicelib.web.errors import retry_after
from chalicelib.web.form_state import state_of
from chalicelib.web.pages.decision_form import show_consent_form, show_withdrawal_form
from chalicelib.web.pages.form_submission import submit_answers, submit_withdrawal
from chalicelib.web.pages.receipt_view import view_receipt, way_to_mend
from chalicelib.web.requests import (
    base_url,
    form_fields,
    language,
    mount,
    query,
    source,
    visitor,
)
from chalicelib.web.responses import html, script, see_other
from chalicelib.web.saved_form import AT_THE_KIOSK, SavedForm, read_saved_form, saved_form
from chalicelib.web.typed_fields import first

SENT_AGAIN_WITHIN = timedelta(minutes=1)
"""How long a form sent twice shows its receipt again: for an impatient finger or a bad line, not
for the next one."""

CLEARED = {"Clear-Site-Data": '"cache"'}
"""Browsers that keep whole pages for Back, unstored ones too, forget them (Clear Site Data,
3.1)."""


def kiosk_page(request: Request, clinic: str) -> Response:
    """Show the questions in the language asked for; without one the start screen."""
    seen = get_portal().directory.look_up(clinic).published.clinic
    if query(request, "lang") in seen.languages:
        return with_policy(show_consent_form(KIOSK_PAGE, seen, request))
    page = render(
        "pages/kiosk/start.html",
        seen.default_language,
        clinic=seen,
        ways=[_ways_to_start(lang) for lang in seen.languages],
        root=mount(request),
        kept_query=kept_query(request),
        paired=_is_paired(request, clinic),
    )
    return with_policy(html(page, headers=CLEARED))


def _is_paired(request: Request, clinic: str) -> bool:
    """Tell whether the tablet is paired with the clinic, and note that it was seen today."""
    if "cookie" not in request.headers:
        return False
    from chalicelib.services.kiosks import note_seen  # noqa: PLC0415 - few tablets are paired
    from chalicelib.web.pages.kiosk_tablet import tablet_of  # noqa: PLC0415 - as above

    stored = tablet_of(request, clinic)
    if stored is None:
        return False
    note_seen(get_portal(), stored, get_portal().clock())
    return True


def _ways_to_start(lang: str) -> dict[str, str]:
    """Give the start screen's two buttons in a language."""
    words = catalog(lang)
    return {
        "lang": lang,
        "start": words.gettext("Start"),
        "withdraw": words.gettext("Withdraw"),
        "code": words.gettext("I have a code from the reception"),
    }


def kiosk_decide(request: Request, clinic: str) -> Response:
    """Record the answers and say so."""
    answer = submit_answers(KIOSK_PAGE, clinic, request, done)
    return _unless_forgotten(request, KIOSK_PAGE, clinic, answer)


def kiosk_withdrawal_page(request: Request, clinic: str) -> Response:
    """Show the withdrawal form."""
    seen = get_portal().directory.look_up(clinic).published.clinic
    return with_policy(show_withdrawal_form(KIOSK_WITHDRAWAL_PAGE, seen, request))


def kiosk_withdraw(request: Request, clinic: str) -> Response:
    """Withdraw and say so."""
    answer = submit_withdrawal(KIOSK_WITHDRAWAL_PAGE, clinic, request, done)
    return _unless_forgotten(request, KIOSK_WITHDRAWAL_PAGE, clinic, answer)


def kiosk_notice(request: Request, clinic: str, version: str) -> Response:
    """Show the full notice, with the way back to the questions and no other."""
    portal = get_portal()
    published = portal.directory.look_up(clinic).published.published
    shown = portal.clinics.version(clinic, version)
    lang = language(request, shown)
    full = portal.clinics.full_notice(clinic, version, lang)
    times = notice_times.describe_times(published, version, shown, lang, portal.clock())
    page = render(
        "pages/kiosk/notice.html",
        lang,
        clinic=shown,
        article=Markup(full.html),  # noqa: S704 - see pages/notice.py
        root=mount(request),
        kept_query=kept_query(request),
        back="/code" if query(request, "handed") else "",
        **times,
    )
    return with_policy(html(page))


def kiosk_js(request: Request) -> Response:
    """Give the kiosk's script; by the address that names this text of it, for ever."""
    current = kiosk_script()
    return script(current.text, kept=query(request, "v") == current.version)


def kiosk_start_over(request: Request, clinic: str) -> Response:
    """Lead to the start screen: what a form led to has no address of its own."""
    return see_other(start_address(request, clinic))


def kiosk_confirm(request: Request, clinic: str) -> Response:
    """Confirm with the code from the text message, or have it sent again, and say so.

    For whoever has just saved a form here; after ten minutes only the start screen comes.
    """
    from chalicelib.services.confirmation import ask_again  # noqa: PLC0415 - few need it
    from chalicelib.web.pages.confirmation_code import try_code  # noqa: PLC0415 - as above

    portal, fields = get_portal(), form_fields(request)
    now = portal.clock()
    saved = read_saved_form(clinic, first(fields, "saved"), now, AT_THE_KIOSK)
    if saved is None:
        return see_other(start_address(request, clinic))
    document = portal.receipts.find(clinic, saved.receipt).document
    seen = portal.clinics.decided_under(clinic, document["notice"])
    lang = language(request, seen)
    page = _Done(request, seen, document, lang, saved)
    try:
        if first(fields, "again"):
            ask_again(portal, clinic, saved.receipt, lang=lang, visitor=visitor(request), now=now)
            return page.show(again=True)
        tried = try_code(request, clinic, saved.receipt, fields)
    except TooManyError as error:
        answer = page.show(wait=error.minutes)
        answer.status_code = 429
        answer.headers.update(retry_after(error))
        return answer
    if isinstance(tried, FieldError):
        answer = page.show(faults=(tried,))
        answer.status_code = 422
        return answer
    return _Done(request, seen, tried.document, lang, saved._replace(phone="")).show()


def done(request: Request, result: FormResult) -> Response:
    """Show what was recorded and how to keep the receipt.

    Nothing of it to who sends the form again much later.
    """
    clinic, decision = result.clinic, result.decision
    if result.recorded_before > SENT_AGAIN_WITHIN:
        return see_other(start_address(request, clinic.id))
    # The form's own answers and number: others would show what happened to a contact since.
    given = {question: {"answer": answer.value} for question, answer in decision.answers.items()}
    document = result.receipt.document
    decided = document["decisions"]
    own = {each: {**entry, **given[each]} for each, entry in decided.items() if each in given}
    document = {**document, "id": decision.receipt_id, "decisions": {**given, **own}}
    page = _Done(request, clinic, document, result.lang, saved_form(result))
    return page.show(told=result.reachable)


class _Done(NamedTuple):
    """What the last page is about: a receipt, and what its sender may see of the form."""

    request: Request
    clinic: Clinic
    document: Mapping[str, Any]
    lang: str
    saved: SavedForm | None

    def show(
        self,
        *,
        told: bool = False,
        again: bool = False,
        wait: int = 0,
        faults: Sequence[FieldError] = (),
    ) -> Response:
        """Show the page; `told` says that the contact is written to."""
        portal, clinic, document = get_portal(), self.clinic, self.document
        root, kept = mount(self.request), kept_query(self.request)
        viewed = view_receipt(clinic, document, portal.clock())
        mend = None
        if self.saved and viewed["kind"] in {"waits", "unsure"}:
            address = f"{root}/{clinic.id}/kiosk?lang={document['notice']['lang']}{kept}"
            mend = way_to_mend(KIOSK_PAGE, clinic, self.request, document, address)
        base = base_url(self.request, portal.settings.public_url)
        receipt = f"{base}/{clinic.id}/receipts/{document['id']}?lang={self.lang}"
        page = render(
            "pages/kiosk/done.html",
            self.lang,
            clinic=clinic,
            **viewed,
            saved=self.saved,
            token=self.saved.to_token(clinic.id) if self.saved else "",
            mend=mend,
            told=told,
            again=again,
            wait=wait,
            faults=faults,
            number=document["id"],
            reference=reference(document["id"]),
            at=document["effective_at"],
            when=format_time(document["effective_at"], self.lang, clinic.country),
            drawing=qr.drawing(receipt),
            root=root,
            kept_query=kept,
        )
        return with_policy(html(page))


def _unless_forgotten(request: Request, template: str, clinic: str, answer: Response) -> Response:
    """Give the answer to a form, unless it would show what was typed hours ago.

    On a shared tablet somebody else would see it.
    """
    shown_again = answer.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    if shown_again and state_of(template, clinic, form_fields(request)) is None:
        return see_other(start_address(request, clinic))
    return with_policy(answer)


def start_address(request: Request, clinic: str) -> str:
    """Give the address of the start screen."""
    start = f"{mount(request)}/{clinic}/kiosk"
    src = source(request)
    return f"{start}?src={src}" if src else start


def kept_query(request: Request) -> str:
    """Give what links keep of a page's address: the tablet's name."""
    src = source(request)
    return f"&src={src}" if src else ""


def with_policy(answer: Response) -> Response:
    """Allow a page the kiosk's styles and script, and a notice's styles.

    The script shows a notice on the page it is on.
    """
    if isinstance(answer.body, Page):
        answer.headers["Content-Security-Policy"] = content_security_policy(
            "kiosk.css", "notice.css", brand=answer.body.brand, script=True
        )
    return answer
