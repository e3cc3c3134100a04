"""The patient's own page, reached by a link alone.

Shows everything, changes, stops, hands out and erases.
"""

from collections.abc import Callable, Mapping, Sequence

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Channel
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.links import LinkScope
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.submission import FieldError, FormAnswers
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import format_day
from chalicelib.presentation.page import Page
from chalicelib.presentation.templates import render
from chalicelib.receipts.errors import FormatCannotExpressError, UnsignedError
from chalicelib.receipts.formats.registry import PAPER, find_format
from chalicelib.services.decisions import NoticeChangedError
from chalicelib.services.own_decisions import record_changes, record_stops
from chalicelib.services.own_page import OwnPage, open_own_page
from chalicelib.services.patient_decisions import CannotAgreeError, SubmittedForm
from chalicelib.services.receipt_copies import FullAccess, find_receipt, write_copy
from chalicelib.store.links import OldLinkError
from chalicelib.store.shown_pages import MANAGE_PAGE
from chalicelib.web.errors import retry_after
from chalicelib.web.form_state import FormState, form_secret, new_nonce
from chalicelib.web.forms import read_changes, read_stops
from chalicelib.web.pages.own_page_view import (
    CLINIC_ASKED,
    CONTACT_ASKED,
    describe,
    describe_questions,
)
from chalicelib.web.requests import base_url, form_fields, mount, query, visitor
from chalicelib.web.responses import JSON, BinaryResponse, html, rendered, see_other
from chalicelib.web.typed_fields import MAX_TYPED, Fields, first, typed_again

SEVERAL = FieldError("errors", "several_people")
TOO_OLD = FieldError("errors", "page_too_old")
NOTICE_CHANGED = FieldError("errors", "notice_changed")
CONTACT_GONE = FieldError("errors", "contact_gone")
ERASE_UNTICKED = FieldError("erase", "erase_unticked")

UNSTORED = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
"""The address is the key: it goes into no other site's log and stays in no cache (OWASP ASVS 5.0,
14.2.1)."""


DATA_TYPES = {"json": JSON, "csv": "text/csv; charset=utf-8"}
"""The media types of what a person takes along."""


def view(request: Request, token: str) -> Response:
    """Show the page."""
    page = _open(request, token)
    if not page.people:
        return _say(request, page, "unknown")
    if query(request, "looked") and not page.shared:
        return _show_who_looked(request, page)
    change = _purpose(request, page)
    if change and not page.shared:
        shown = _render_questions(request, page, _new_state(page), change)
    else:
        shown = _render(request, page, _new_state(page))
    return html(shown, headers=UNSTORED)


def submit(request: Request, token: str) -> Response:
    """Carry out what was chosen on the page; where nothing was, change nothing and say so."""
    page, fields = _open(request, token), form_fields(request)
    if not page.people:
        return _say(request, page, "unknown")
    carry_out = ACTIONS.get(first(fields, "act"), _change)
    try:
        return carry_out(request, page, fields)
    except TooManyError as error:
        return _show_too_many(request, page, fields, error)


def download_receipt(request: Request, token: str, receipt: str) -> Response:
    """Hand out one of the person's receipts in any format.

    The link proves the contact, so states may be shown too.
    """
    page, portal = _open(request, token), get_portal()
    found = find_receipt(portal, page.clinic.id, receipt, of=page.person)
    format_name, lang = query(request, "format"), found.language(page.lang)
    base = base_url(request, portal.settings.public_url)
    access = FullAccess(page.lookup.published.in_force, page.person)
    try:
        copy = write_copy(
            portal, found, format_name, lang=lang, base_url=base, now=page.now, access=access
        )
    except UnsignedError:
        return _say(request, page, "unsigned", 409, {"Retry-After": "60"})
    except FormatCannotExpressError:
        return _say(request, page, "unspeakable", 406)
    name = f"consent-receipt-{found.receipt.id}"
    answer = rendered(copy, name)
    if format_name not in PAPER:
        extension = find_format(format_name).extension
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{extension}"'
    answer.headers.update(UNSTORED)
    return answer


def download_data(request: Request, token: str, form: str) -> Response:
    """Hand out everything the portal knows of the person, to take along: whole, or one part."""
    from chalicelib.services.data_export import FORMS, export_data  # noqa: PLC0415 - only what is asked for is loaded
    from chalicelib.services.data_export_parts import MOST_BYTES, ExportPart  # noqa: PLC0415 - as above

    if form not in FORMS:
        raise NotFoundError
    part = ExportPart.read(query(request, "part"), query(request, "receipts"))
    page = _open(request, token)
    everything = export_data(page)
    content = (part.of(everything) if part else everything).written(form)
    if len(content) > MOST_BYTES:  # the page lists its parts
        answer = see_other(f"{_address(request, page)}?lang={page.lang}#takeout")
        answer.headers.update(UNSTORED)
        return answer
    name = f"my-consents-{part.part.number}-of-{part.part.of}" if part else "my-consents"
    headers = {**UNSTORED, "Content-Disposition": f'attachment; filename="{name}.{form}"'}
    return BinaryResponse(content, {"Content-Type": DATA_TYPES[form], **headers})


def erase_page(request: Request, token: str) -> Response:
    """Show what erasing does to whoever followed the link from their own contact."""
    page = _open(request, token, LinkScope.ERASE)
    return _say(request, page, "erase_confirm")


def erase_person(request: Request, token: str) -> Response:
    """Erase the person, who ticked it on the page that their own contact was led to.

    Nothing brings it back.
    """
    from chalicelib.services.subject_rights import erase  # noqa: PLC0415 - only what is asked for is loaded

    page, fields = _open(request, token, LinkScope.ERASE), form_fields(request)
    if first(fields, "erase") != "yes":
        return _say(request, page, "erase_confirm", 422, faults=[ERASE_UNTICKED])
    erased = erase(get_portal(), page.clinic.id, page.person.id, "patient", page.now)
    if erased is None:
        raise OldLinkError(page.opened.link)
    log.count("ErasedByPatient")
    until = format_day(erased.proof_until, page.lang, page.clinic.country)
    return _say(request, page, "erased", until=until)


def _open(request: Request, token: str, scope: LinkScope = LinkScope.MANAGE) -> OwnPage:
    """Follow the link that the address holds."""
    portal = get_portal()
    wanted_lang = query(request, "lang")
    return open_own_page(portal, token, wanted_lang, portal.clock(), scope)


def _change(request: Request, page: OwnPage, fields: Fields) -> Response:
    """Record changed answers; the page of several people has no form for them to read."""
    state = _opened(page, fields)
    if page.shared:
        return _show_again(request, page, fields, [SEVERAL])
    if state is None:
        return _show_again(request, page, fields, [TOO_OLD])
    clinic = get_portal().clinics.version(page.clinic.id, state.version).open_at(page.now)
    answers = read_changes(clinic, fields, page.contact_details.known)
    if answers.errors:
        return _show_again(request, page, fields, answers.errors)
    form = _submitted(clinic, state, answers)
    try:
        receipt = record_changes(page, form, visitor(request))
    except CannotAgreeError as error:
        return _show_again(request, page, fields, [FieldError("errors", error.reason)])
    except NoticeChangedError:
        return _show_again(request, page, fields, [NOTICE_CHANGED])
    return _lead_back(request, page, receipt.id)


def _stop(request: Request, page: OwnPage, fields: Fields) -> Response:
    """Stop what is ticked, at once; a page that is too old still stops."""
    answers = read_stops(page.all_questions, fields)
    if answers.errors:
        return _show_again(request, page, fields, answers.errors)
    state = _opened(page, fields) or _new_state(page)
    clinic = get_portal().clinics.version(page.clinic.id, state.version)
    receipt = record_stops(page, _submitted(clinic, state, answers), visitor(request))
    return _lead_back(request, page, receipt.id)


def _submitted(clinic: Clinic, state: FormState, answers: FormAnswers) -> SubmittedForm:
    return SubmittedForm(
        clinic=clinic,
        notice=state.notice,
        nonce=state.nonce,
        channel=state.channel,
        source=state.source,
        answers=answers,
    )


def _tell_why(request: Request, page: OwnPage, fields: Fields) -> Response:
    """Count why somebody just stopped something here."""
    from chalicelib.web.pages.withdrawal_reason import tell_why_on_own_page  # noqa: PLC0415 - few tell

    done = tell_why_on_own_page(page, fields) if _opened(page, fields) else None
    if done is None:
        return _show_again(request, page, fields, [TOO_OLD])
    return _lead_back(request, page, done)


def _erase(request: Request, page: OwnPage, fields: Fields) -> Response:
    """Ask the person, by their own contact, whether they mean it.

    Whoever has this page's address may not be them. Never from a page that is too old, or without
    the tick, which no program that sends forms as they are makes.
    """
    from chalicelib.services.erasure_requests import request_erasure  # noqa: PLC0415 - only what is asked for is loaded

    if first(fields, "erase") != "yes":
        return _show_again(request, page, fields, [ERASE_UNTICKED])
    if _opened(page, fields) is None:
        return _show_again(request, page, fields, [TOO_OLD])
    if not request_erasure(page, visitor(request)):
        return _say(request, page, "erase_nowhere", 409)
    return _say(request, page, "erase_asked")


def _change_contact(request: Request, page: OwnPage, fields: Fields) -> Response:
    """Replace or remove one of the person's contacts; never from a page that is too old."""
    state = _opened(page, fields)
    if state is None:
        return _show_again(request, page, fields, [TOO_OLD])
    contact = page.own_contacts.get(first(fields, "contact"))
    if contact is None:
        return _show_again(request, page, fields, [CONTACT_GONE])
    if first(fields, "new"):
        return _replace_contact(request, page, fields, contact)
    return _remove_contact(request, page, fields, contact, state)


def _replace_contact(request: Request, page: OwnPage, fields: Fields, contact: Contact) -> Response:
    """Ask a new contact to confirm that it takes the place of an old one."""
    from chalicelib.services import own_contacts  # noqa: PLC0415 - only what is asked for is loaded

    typed = first(fields, "new")[:MAX_TYPED]
    try:
        own_contacts.ask_new_contact(page, contact, typed, visitor(request))
    except own_contacts.UnusableContactError as error:
        return _show_again(request, page, fields, [_contact_error(fields, error.problem)])
    return _lead_back(request, page, CONTACT_ASKED)


def _remove_contact(
    request: Request, page: OwnPage, fields: Fields, contact: Contact, state: FormState
) -> Response:
    """Remove a contact; for the link's own, ask the clinic to."""
    from chalicelib.services import own_contacts  # noqa: PLC0415 - only what is asked for is loaded
    from chalicelib.services.contact_changes import NotTheirsError  # noqa: PLC0415 - as above

    if first(fields, "remove") != "yes":
        return _show_again(request, page, fields, [_contact_error(fields, "remove_unticked")])
    if contact == page.holder:
        own_contacts.ask_clinic_to_remove(page, contact, visitor(request))
        return _lead_back(request, page, CLINIC_ASKED)
    try:
        receipt = own_contacts.remove_contact(
            page, contact, state.notice, state.nonce, visitor(request)
        )
    except NotTheirsError:
        return _show_again(request, page, fields, [CONTACT_GONE])
    return _lead_back(request, page, receipt.id)


def _contact_error(fields: Fields, problem: str) -> FieldError:
    """Give an error at the contact that a form is about."""
    return FieldError(f"contact-{first(fields, 'contact')}", problem)


ACTIONS: Mapping[str, Callable[[Request, OwnPage, Fields], Response]] = {
    "stop": _stop,
    "erase": _erase,
    "contact": _change_contact,
    "why": _tell_why,
}
"""What each form of the page does, by its field `act`; one without changes answers."""


def _lead_back(request: Request, page: OwnPage, done: str) -> Response:
    answer = see_other(f"{_address(request, page)}?lang={page.lang}&done={done}")
    answer.headers.update(UNSTORED)
    return answer


def _address(request: Request, page: OwnPage) -> str:
    """Give the page's own address."""
    return f"{mount(request)}/manage/{page.token}"


def _secret(page: OwnPage) -> bytes:
    """Give the secret that signs the page's state: a state of another link is not accepted here."""
    return form_secret(page.clinic.id, f"{MANAGE_PAGE}|{page.opened.id}")


def _opened(page: OwnPage, fields: Fields) -> FormState | None:
    """Give the state that the sent page was opened with; None for one that is forged or too old."""
    return FormState.from_token(_secret(page), first(fields, "state"), page.now)


def _new_state(page: OwnPage) -> FormState:
    clinic, lang = page.clinic, page.lang
    return FormState(
        nonce=new_nonce(),
        version=clinic.version,
        lang=lang,
        sha256=get_portal().shown_pages.page_sha256(MANAGE_PAGE, clinic, lang),
        source=None,
        channel=Channel.EMAIL_LINK,
        opened_at=page.now,
    )


def _show_again(
    request: Request, page: OwnPage, fields: Fields, errors: Sequence[FieldError]
) -> Response:
    """Show the page again: the errors first, what was typed kept, nothing stored."""
    sent = _opened(page, fields)
    state = _new_state(page)
    if sent:
        state = state._replace(opened_at=sent.opened_at)
    if page.shared or first(fields, "act") in ACTIONS:
        shown = _render(request, page, state, fields, errors)
    else:
        shown = _render_questions(request, page, state, _purpose(request, page), fields, errors)
    return html(shown, 422, UNSTORED)


def _show_too_many(
    request: Request, page: OwnPage, fields: Fields, error: TooManyError
) -> Response:
    answer = _show_again(request, page, fields, [FieldError("errors", "too_many", error.minutes)])
    answer.status_code = 429
    answer.headers.update(retry_after(error))
    return answer


def _say(
    request: Request,
    page: OwnPage,
    kind: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **filled: object,
) -> Response:
    """Show a page that only says something."""
    shown = render(
        "pages/own.html",
        page.lang,
        clinic=page.lookup.published.clinic,
        root=mount(request),
        kind=kind,
        back=f"{_address(request, page)}?lang={page.lang}",
        **{"faults": (), **filled},
    )
    return html(shown, status, {**UNSTORED, **(headers or {})})


def _render(
    request: Request,
    page: OwnPage,
    state: FormState,
    fields: Fields | None = None,
    errors: Sequence[FieldError] = (),
) -> Page:
    """Render the first page: how everything stands, and what to do about it."""
    address = _address(request, page)
    own = describe(page, address, query(request, "from"), query(request, "done"))
    return render(
        "pages/own/overview.html",
        page.lang,
        clinic=page.clinic,
        root=mount(request),
        state=state.to_token(_secret(page)),
        typed=typed_again(fields),
        faults=errors,
        own=own,
    )


def _render_questions(  # noqa: PLR0917 - whose page, of which purpose, and what was sent
    request: Request,
    page: OwnPage,
    state: FormState,
    purpose: str | None,
    fields: Fields | None = None,
    errors: Sequence[FieldError] = (),
) -> Page:
    """Render the page with the questions of one purpose, or with all of them."""
    return get_portal().shown_pages.page(
        MANAGE_PAGE,
        page.clinic,
        page.lang,
        root=mount(request),
        state=state.to_token(_secret(page)),
        kept_query=f"&change={purpose}" if purpose else "",
        typed=typed_again(fields),
        faults=errors,
        own=describe_questions(page, purpose),
    )


def _purpose(request: Request, page: OwnPage) -> str | None:
    """Give the purpose that ``?change=`` names; None where the clinic asks no such one."""
    wanted = query(request, "change")
    return wanted if wanted in {purpose.id for purpose in page.clinic.purposes} else None


def _show_who_looked(request: Request, page: OwnPage) -> Response:
    """Show who looked at the person's data; opening the page is in the audit already."""
    from chalicelib.web.pages.own_page_looked import describe_looked  # noqa: PLC0415 - only what is asked for is loaded

    shown = render(
        "pages/own/looked.html",
        page.lang,
        clinic=page.clinic,
        root=mount(request),
        kept_query="&looked=1",
        looked=describe_looked(page),
    )
    return html(shown, headers=UNSTORED)
