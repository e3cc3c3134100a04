"""The forms by which patients decide and withdraw: how they are shown, and shown again with errors.

The patient's own device and the kiosk both use them: they differ in their template and in what
follows a form. `pages.form_submission` takes what comes back. The first page that a patient opens
is made here, so what only a personal link or a submitted form needs is not loaded with this module.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from chalice.app import Request, Response

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Channel
from chalicelib.domain.instants import Instant
from chalicelib.portal import get_portal
from chalicelib.presentation.page import Page
from chalicelib.store.shown_pages import (
    CONSENT_PAGE,
    KIOSK_PAGE,
    KIOSK_WITHDRAWAL_PAGE,
    STEPS,
    UNTYPED,
    WITHDRAWAL_PAGE,
)
from chalicelib.web.form_state import FormState, form_secret, new_nonce, state_of
from chalicelib.web.requests import language, mount, query, source
from chalicelib.web.responses import html
from chalicelib.web.typed_fields import Fields, typed_again

if TYPE_CHECKING:
    from chalicelib.domain.submission import FieldError
    from chalicelib.services.hand_over import HandedOver
    from chalicelib.services.invitee import Invitee
    from chalicelib.services.withdrawal_source import WithdrawalSource


class FormPage(NamedTuple):
    """A form as it is shown: the clinic whose questions it asks, and who need not type a contact."""

    template: str
    """The template of the whole form, by which its state is signed."""
    clinic: Clinic
    request: Request
    known: "Invitee | HandedOver | WithdrawalSource | None" = None
    in_steps: bool = False
    """Whether each topic has a page of its own, instead of all standing on one."""

    @property
    def opens_with(self) -> str:
        """The template of its first page."""
        return STEPS[self.template].page if self.in_steps else self.template

    @property
    def evidence(self) -> str:
        """The template of what a receipt is bound to: everything that is shown."""
        return STEPS[self.template].shown if self.in_steps else self.template


def show_consent_form(template: str, clinic: Clinic, request: Request) -> Response:
    """Show the first page of the questions that are open today; all of them for `view=all`.

    Nothing is chosen. A personal link asks those it is about.
    """
    now = get_portal().clock()
    invitee = read_invitee(template, clinic.id, request, now)
    return _show(consent_form_page(template, clinic, request, invitee, now))


def show_withdrawal_form(template: str, clinic: Clinic, request: Request) -> Response:
    """Show what can be withdrawn, nothing chosen."""
    known = read_withdrawal_source(template, clinic.id, request, get_portal().clock())
    return _show(FormPage(template, clinic, request, known))


def read_invitee(template: str, clinic: str, request: Request, now: Instant) -> "Invitee | None":
    """Give who followed a personal link to the questions.

    Nobody at a tablet that patients share.
    """
    token = query(request, "t")
    if template != CONSENT_PAGE or token is None:
        return None
    from chalicelib.services.invitee import find_invitee  # noqa: PLC0415 - most patients come without a link

    return find_invitee(get_portal(), clinic, token, now)


def read_withdrawal_source(
    template: str, clinic: str, request: Request, now: Instant
) -> "WithdrawalSource | None":
    """Give the link or receipt by which somebody withdraws.

    None at a tablet that patients share.
    """
    token, receipt = query(request, "t"), query(request, "receipt")
    if template != WITHDRAWAL_PAGE or not (token or receipt):
        return None
    from chalicelib.services.withdrawal_source import find_withdrawal_source  # noqa: PLC0415 - as above

    return find_withdrawal_source(get_portal(), clinic, token=token, receipt=receipt, now=now)


def consent_form_page(
    template: str,
    clinic: Clinic,
    request: Request,
    known: "Invitee | HandedOver | None",
    now: Instant,
) -> FormPage:
    """Give the page of the questions that are open now; without any there is no way in steps."""
    asked = clinic.open_at(now)
    if known:
        asked = known.limit_questions(asked)
    in_steps = bool(asked.purposes) and query(request, "view") != "all"
    return FormPage(template, asked, request, known, in_steps=in_steps)


def _show(page: FormPage) -> Response:
    state = new_state(page)
    if page.known is not None:
        return html(render_form(page, state))
    shown = get_portal().shown_pages.untyped_page(
        page.opens_with, page.clinic, state.lang, **_filled(page, state)
    )
    return html(shown)


def show_again(page: FormPage, fields: Fields, errors: "Sequence[FieldError]") -> Response:
    """Show the same page again: the errors first, what was typed kept, nothing stored."""
    state = state_of(page.template, page.clinic.id, fields)
    fresh = new_state(page)
    if state is None:
        state = fresh
    elif state.sha256 != fresh.sha256:  # another text or language than the form came from
        state = fresh._replace(opened_at=state.opened_at)
    return html(render_form(page, state, fields, errors), 422)


def render_form(
    page: FormPage,
    state: FormState,
    fields: Fields | None = None,
    errors: "Sequence[FieldError]" = (),
    **step: Any,
) -> Page:
    """Render a page of the form with what was typed and what is wrong; `step` fills in a step."""
    filled = {**UNTYPED, "typed": typed_again(fields), "faults": errors, **step}
    filled["holder"] = page.known and page.known.recipient_view()
    return get_portal().shown_pages.page(
        page.opens_with, page.clinic, state.lang, **_filled(page, state), **filled
    )


def _filled(page: FormPage, state: FormState) -> dict[str, str]:
    """Give what differs between two visits in which nothing is typed."""
    secret = form_secret(page.clinic.id, page.template)
    return {
        "root": mount(page.request),
        "state": state.to_token(secret),
        "kept_query": _kept_query(page, state),
    }


def _kept_query(page: FormPage, state: FormState) -> str:
    """Give what the links of a page keep of its own address.

    The campaign, the QR code, the link or the receipt.
    """
    kept: dict[str, Any] = {}
    if state.source:
        kept["src"] = state.source
    if state.channel is Channel.QR:
        kept["via"] = "qr"
    receipt = query(page.request, "receipt")
    if page.known and receipt and page.template == WITHDRAWAL_PAGE:
        kept["receipt"] = receipt
    elif page.known:
        kept["t"] = query(page.request, "t")
    return "".join(f"&{name}={value}" for name, value in kept.items())


def new_state(page: FormPage) -> FormState:
    """Give what a form carries that is opened now."""
    lang = language(page.request, page.clinic)
    return FormState(
        nonce=new_nonce(),
        version=page.clinic.version,
        lang=lang,
        sha256=get_portal().shown_pages.page_sha256(page.evidence, page.clinic, lang),
        source=source(page.request),
        channel=_channel(page.template, page.request),
        opened_at=get_portal().clock(),
    )


def _channel(template: str, request: Request) -> Channel:
    if template in {KIOSK_PAGE, KIOSK_WITHDRAWAL_PAGE}:
        return Channel.KIOSK
    return Channel.QR if query(request, "via") == "qr" else Channel.WEB
