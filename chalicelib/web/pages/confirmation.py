"""What the owner of a contact is asked by message.

To confirm, or to take back a withdrawal. Programs that look through mail open every
link, run scripts and send forms as they find them. So opening a page changes nothing, and a form
counts only with a choice that nobody had made before.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import masked
from chalicelib.domain.links import LinkScope
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.submission import FieldError
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.presentation.templates import render
from chalicelib.services import confirmation
from chalicelib.services.confirmation import OpenConfirmation
from chalicelib.services.decisions import NoOpenQuestionError
from chalicelib.services.patient_decisions import CannotAgreeError
from chalicelib.store.links import OpenedLink, open_link
from chalicelib.web.requests import form_fields, mount, query, visitor
from chalicelib.web.responses import html, see_other
from chalicelib.web.typed_fields import Fields, first

CHOOSE = FieldError("sure", "choose_yes_no")
NOTHING_TICKED = FieldError("purpose", "nothing_ticked")


def confirm_page(request: Request, token: str) -> Response:
    """Show what will be confirmed."""
    opened = _open(token, LinkScope.CONFIRM)
    if opened.link.receipt is None:
        return _show_new_contact(request, opened)
    portal = get_portal()
    found = confirmation.confirmation_by_link(portal, opened, portal.clock())
    return _show(request, "confirm", opened.link.lang, found)


def confirm(request: Request, token: str) -> Response:
    """Confirm everything or what is ticked, or record that it was somebody else.

    Without a choice nothing happens.
    """
    fields = form_fields(request)
    opened = _open(token, LinkScope.CONFIRM)
    if opened.link.receipt is None:
        return _replace_contact(request, opened, fields)
    portal = get_portal()
    now, lang = portal.clock(), opened.link.lang
    found = confirmation.confirmation_by_link(portal, opened, now)
    if not found.questions:
        return _show(request, "confirm", lang, found)
    ticked, sure = _ticked(fields, found), first(fields, "sure")
    confirming = {"all": found.questions, "yes": ticked, "no": ()}
    if sure not in confirming:
        return _show_again(request, "confirm", lang, found, fields, CHOOSE)
    if sure == "yes" and not ticked:
        return _show_again(request, "confirm", lang, found, fields, NOTHING_TICKED)
    confirmed, base = confirming[sure], visitor(request).base_url
    try:
        receipt = confirmation.confirm(portal, found, confirmed, now, base=base, linked=True)
    except NoOpenQuestionError:
        return _show(request, "confirm", lang, found.without_questions())
    return _to_receipt(request, receipt, _language(request, found.clinic, lang))


def undo_page(request: Request, token: str) -> Response:
    """Show what was stopped, and offer it back."""
    portal, opened = get_portal(), _open(token, LinkScope.UNDO)
    found = confirmation.find_undoable(portal, opened, portal.clock())
    return _show(request, "undo", opened.link.lang, found)


def undo(request: Request, token: str) -> Response:
    """Let what is ticked count again.

    Without a tick nothing happens, nor for a child that decides alone by now.
    """
    fields = form_fields(request)
    portal, opened = get_portal(), _open(token, LinkScope.UNDO)
    now, sent_in = portal.clock(), opened.link.lang
    found = confirmation.find_undoable(portal, opened, now)
    if not found.questions:
        return _show(request, "undo", sent_in, found)
    ticked = _ticked(fields, found)
    if not ticked:
        return _show_again(request, "undo", sent_in, found, fields, NOTHING_TICKED)
    lang = _language(request, found.clinic, sent_in)
    try:
        receipt = confirmation.undo(
            portal, found, ticked, lang, now, base=visitor(request).base_url
        )
    except CannotAgreeError as error:
        clinic = found.clinic._replace(alone_from=found.clinic.decides_alone_from(now))
        shown, problem = replace(found, clinic=clinic), FieldError("errors", error.reason)
        return _show_again(request, "undo", sent_in, shown, fields, problem)
    except NoOpenQuestionError:
        return _show(request, "undo", sent_in, found.without_questions())
    return _to_receipt(request, receipt, lang)


def _show_new_contact(
    request: Request, opened: OpenedLink, errors: Sequence[FieldError] = ()
) -> Response:
    """Ask whether a new contact should take the place of an old one.

    Where that is done already, say so.
    """
    from chalicelib.services import own_contacts  # noqa: PLC0415 - nobody who confirms a Yes waits for it

    replacement = own_contacts.find_replacement(get_portal(), opened)
    if replacement is None:
        return _say_new_contact(request, opened, "over")
    _, change = replacement
    old, *_ = change.contacts
    contacts = {"old": masked(old), "new": masked(opened.recipient.contact)}
    answer = _say_new_contact(request, opened, "ask", faults=errors, **contacts)
    answer.status_code = 422 if errors else 200
    return answer


def _replace_contact(request: Request, opened: OpenedLink, fields: Fields) -> Response:
    """Put a new contact in the place of the old one, as chosen on the page."""
    from chalicelib.services import own_contacts  # noqa: PLC0415 - nobody who confirms a Yes waits for it
    from chalicelib.services.contact_changes import NotTheirsError  # noqa: PLC0415 - as above

    portal, sure = get_portal(), first(fields, "sure")
    if sure not in {"yes", "no"}:
        return _show_new_contact(request, opened, [CHOOSE])
    replacement = own_contacts.find_replacement(portal, opened)
    if replacement is None:
        return _say_new_contact(request, opened, "over")
    if sure == "no":
        return _say_new_contact(request, opened, "no")
    person, change = replacement
    base = visitor(request).base_url
    # Read before anything is recorded: afterwards nothing may fail.
    lang = _language(request, _clinic_of(opened), opened.link.lang)
    try:
        receipt = own_contacts.confirm_replacement(
            portal, opened, person, change, portal.clock(), base
        )
    except NotTheirsError:
        return _say_new_contact(request, opened, "over")
    return _to_receipt(request, receipt, lang)


def _say_new_contact(request: Request, opened: OpenedLink, kind: str, **filled: Any) -> Response:
    clinic = _clinic_of(opened)
    lang = _language(request, clinic, opened.link.lang)
    members = {"kind": kind, "faults": (), **filled}
    return html(
        render("pages/new_contact.html", lang, clinic=clinic, root=mount(request), **members)
    )


def _clinic_of(opened: OpenedLink) -> Clinic:
    return get_portal().directory.look_up(opened.link.clinic).published.clinic


def _open(token: str, scope: LinkScope) -> OpenedLink:
    portal = get_portal()
    return open_link(portal.table, portal.clinics, token, scope, portal.clock())


def _show(request: Request, page: str, sent_in: str, found: OpenConfirmation) -> Response:
    """Show a page with what is open; `sent_in` is the language of the message that led here."""
    lang = _language(request, found.clinic, sent_in)
    root = mount(request)
    return html(
        render(
            f"pages/{page}.html",
            lang,
            clinic=found.clinic,
            found=found,
            typed=None,
            faults=(),
            root=root,
        )
    )


def _show_again(  # noqa: PLR0917 - what a page needs
    request: Request,
    page: str,
    sent_in: str,
    found: OpenConfirmation,
    fields: Fields,
    error: FieldError,
) -> Response:
    """Show a page again with what is wrong and what was chosen."""
    lang = _language(request, found.clinic, sent_in)
    shown = render(
        f"pages/{page}.html",
        lang,
        clinic=found.clinic,
        found=found,
        typed={"purposes": _ticked(fields, found), "sure": first(fields, "sure")},
        faults=(error,),
        root=mount(request),
    )
    return html(shown, 422)


def _ticked(fields: Fields, found: OpenConfirmation) -> tuple[str, ...]:
    """Give the questions that are ticked, of those that are open."""
    ticked = fields.get("purpose", ())
    chosen = [question for question in found.questions if question in ticked]
    return tuple(chosen)


def _language(request: Request, clinic: Clinic, sent_in: str) -> str:
    """Give the language the message was in, unless another is asked for by name."""
    return negotiate(query(request, "lang"), sent_in, clinic.languages, clinic.default_language)


def _to_receipt(request: Request, receipt: Receipt, lang: str) -> Response:
    """Lead on to the page of a receipt."""
    clinic = receipt.document["clinic"]
    address = f"{mount(request)}/{clinic}/receipts/{receipt.id}"
    return see_other(f"{address}?lang={lang}")
