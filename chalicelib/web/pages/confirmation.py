"""What the owner of a contact is asked by message: to confirm, to type a code, to take back a withdrawal.

Programs that look through mail open every link, run scripts and send forms as they find them. So opening a page changes
nothing, and a form counts only with a choice that nobody had made before.
"""

from dataclasses import replace
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import masked
from chalicelib.domain.guardians import is_of_consent_age
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.submission import FieldError
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.presentation.templates import render
from chalicelib.services import confirmation as confirming
from chalicelib.services.confirmation import OpenConfirmation
from chalicelib.services.decisions import NoOpenQuestionError
from chalicelib.store import people
from chalicelib.store.links import OpenedLink, open_link
from chalicelib.web.errors import retry_after
from chalicelib.web.forms import MAX_NAME, Fields, first
from chalicelib.web.requests import base_url, form_fields, guard, mount, query
from chalicelib.web.responses import html, see_other


def confirm_page(request: Request, token: str) -> Response:
    """Show what will be confirmed."""
    opened = _opened(token, LinkScope.CONFIRM)
    if opened.link.receipt is None:
        return _new_contact(request, opened, None)
    return _asking(request, "confirm", opened.link.lang, confirming.by_link(get_portal(), opened, get_portal().clock()))


def confirm(request: Request, token: str) -> Response:
    """Confirm what is ticked, or say that it was somebody else; without a choice nothing happens."""
    fields = form_fields(request)
    opened = _opened(token, LinkScope.CONFIRM)
    if opened.link.receipt is None:
        return _new_contact(request, opened, fields)
    now = get_portal().clock()
    found = confirming.by_link(get_portal(), opened, now)
    if not found.addresses:
        return _asking(request, "confirm", opened.link.lang, found)
    ticked = _ticked(fields, found)
    sure = first(fields, "sure")
    if sure not in ("yes", "no"):
        return _asking(
            request, "confirm", opened.link.lang, found, fields, faults=(FieldError("sure", "choose_yes_no"),)
        )
    if sure == "yes" and not ticked:
        return _asking(
            request, "confirm", opened.link.lang, found, fields, faults=(FieldError("purpose", "nothing_ticked"),)
        )
    lang = _language(request, found.clinic, opened.link.lang)
    try:
        receipt = confirming.confirm(
            get_portal(), found, ticked if sure == "yes" else (), now, base=_base(request), linked=True
        )
    except NoOpenQuestionError:
        return _asking(request, "confirm", lang, replace(found, addresses=()))
    return _receipt(request, receipt, lang)


def code_page(request: Request, clinic: str, receipt: str) -> Response:
    """Ask for the code from the text message."""
    return _code(request, clinic, receipt, ())


def confirm_by_code(request: Request, clinic: str, receipt: str) -> Response:
    """Confirm with the code from the text message; five tries for a receipt, ten at once for a phone."""
    fields = form_fields(request)
    code = "".join(each for each in first(fields, "code")[:MAX_NAME] if each.isdigit())
    if not code:
        return _code(request, clinic, receipt, (FieldError("code", "code_missing"),))
    now = get_portal().clock()
    try:
        held = guard(request, "code", (), now)
        found = confirming.by_code(get_portal(), clinic, receipt, code, held)
    except TooManyError as error:
        answer = _code(request, clinic, receipt, (FieldError("errors", "too_many", error.minutes),))
        answer.status_code = 429
        answer.headers.update(retry_after(error))
        return answer
    if found is None or not found.addresses:
        return _code(request, clinic, receipt, (FieldError("code", "code_wrong"),))
    try:
        confirmed = confirming.confirm(get_portal(), found, found.addresses, now, base=_base(request), linked=False)
    except NoOpenQuestionError:
        return _code(request, clinic, receipt, (FieldError("code", "code_wrong"),))
    return _receipt(request, confirmed, _language(request, found.clinic, found.receipt.document["notice"]["lang"]))


def undo_page(request: Request, token: str) -> Response:
    """Show what was stopped, and offer it back."""
    opened = _opened(token, LinkScope.UNDO)
    return _asking(request, "undo", opened.link.lang, confirming.undoable(get_portal(), opened, get_portal().clock()))


def undo(request: Request, token: str) -> Response:
    """Let what is ticked count again; without a tick nothing happens, nor for a child that decides alone by now."""
    fields = form_fields(request)
    opened = _opened(token, LinkScope.UNDO)
    now = get_portal().clock()
    found = confirming.undoable(get_portal(), opened, now)
    if not found.addresses:
        return _asking(request, "undo", opened.link.lang, found)
    ticked = _ticked(fields, found)
    if not ticked:
        return _asking(
            request, "undo", opened.link.lang, found, fields, faults=(FieldError("purpose", "nothing_ticked"),)
        )
    if is_of_consent_age(found.clinic, _of_age(found), now):
        clinic = replace(found.clinic, alone_from=found.clinic.decides_alone_from(now))
        wrong = FieldError("errors", "child_decides_alone")
        return _asking(request, "undo", opened.link.lang, replace(found, clinic=clinic), fields, faults=(wrong,))
    lang = _language(request, found.clinic, opened.link.lang)
    try:
        return _receipt(request, confirming.undo(get_portal(), found, ticked, lang, now, base=_base(request)), lang)
    except NoOpenQuestionError:
        return _asking(request, "undo", lang, replace(found, addresses=()))


def _new_contact(request: Request, opened: OpenedLink, fields: Fields | None) -> Response:
    """Ask whether a new contact should take the place of an old one, and carry that out."""
    from chalicelib.services import own_contacts  # noqa: PLC0415 - nobody who confirms a Yes waits for it
    from chalicelib.services.contact_changes import NotTheirsError  # noqa: PLC0415 - as above

    portal = get_portal()
    clinic = portal.directory.look_up(opened.link.clinic).published.clinic
    lang = _language(request, clinic, opened.link.lang)
    root = mount(request)
    filled: dict[str, Any] = {"clinic": clinic, "root": root, "faults": (), "kind": "over"}
    found, sure = own_contacts.find_replacement(portal, opened), first(fields, "sure") if fields is not None else None
    status = 200
    if found and sure == "yes":
        try:
            return _receipt(
                request,
                own_contacts.confirm_replacement(portal, opened, *found, get_portal().clock(), _base(request)),
                lang,
            )
        except NotTheirsError:
            found = None
    if found and sure == "no":
        filled["kind"] = "no"
    elif found:
        faults = (FieldError("sure", "choose_yes_no"),) if fields is not None else ()
        old, new = masked(found[1].old), masked(opened.holder.contact)
        filled |= {"kind": "ask", "old": old, "new": new, "faults": faults}
        status = 422 if faults else 200
    return html(render("pages/new_contact.html", lang, **filled), status)


def _opened(token: str, power: LinkScope) -> OpenedLink:
    portal = get_portal()
    return open_link(portal.table, portal.clinics, token, power, get_portal().clock())


def _asking(
    request: Request,
    what: str,
    sent_in: str,
    found: OpenConfirmation,
    fields: Fields | None = None,
    *,
    faults: tuple[FieldError, ...] = (),
) -> Response:
    typed = None if fields is None else {"purposes": _ticked(fields, found), "sure": first(fields, "sure")}
    filled = {
        "found": found,
        "typed": typed,
        "faults": faults,
        "root": mount(request),
    }
    lang = _language(request, found.clinic, sent_in)
    return html(render(f"pages/{what}.html", lang, clinic=found.clinic, **filled), 422 if faults else 200)


def _code(request: Request, clinic: str, number: str, faults: tuple[FieldError, ...]) -> Response:
    receipt = get_portal().receipts.find(clinic, number)
    shown = get_portal().clinics.decided_under(clinic, receipt.document["notice"])
    lang = _language(request, shown, receipt.document["notice"]["lang"])
    filled = {"receipt": receipt.document, "faults": faults, "root": mount(request), "typed": {}}
    return html(render("pages/code.html", lang, clinic=shown, **filled), 422 if faults else 200)


def _of_age(found: OpenConfirmation) -> Instant:
    return people.person(get_portal().table, found.clinic.id, found.receipt.document["subject"]).of_age


def _ticked(fields: Fields, found: OpenConfirmation) -> tuple[str, ...]:
    return tuple(address for address in found.addresses if address in fields.get("purpose", ()))


def _language(request: Request, clinic: Clinic, sent_in: str) -> str:
    """Speak the language the message was in, unless another is asked for by name."""
    return negotiate(query(request, "lang"), sent_in, clinic.languages, clinic.default_language)


def _receipt(request: Request, receipt: Receipt, lang: str) -> Response:
    document = receipt.document
    return see_other(f"{mount(request)}/{document['clinic']}/receipts/{receipt.id}?lang={lang}")


def _base(request: Request) -> str:
    return base_url(request, get_portal().settings.public_url)
