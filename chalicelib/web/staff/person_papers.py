"""What staff send or hand to somebody whose record is open: the link to their page, the form."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.domain.contacts import REACHABLE_KINDS, ContactKind, masked
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.known_person import KnownPerson, open_person
from chalicelib.services.staff_links import NoContactError, contact_for_link, send_own_link
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.web.responses import printable
from chalicelib.web.staff.entrance import Desk

LINK_PAGE = "staff/send_link.html"


def link_page(desk: Desk, subject: str) -> Response:
    """Say to which contact the link goes, or why to none; or that it is on its way."""
    call = desk.call(EmptyBody())
    person = open_person(desk.portal, call, subject)
    contact = contact_for_link(desk.portal, call, person)
    sent = desk.query("sent")
    if sent in REACHABLE_KINDS:
        contact = next((each for each in person.proven if each.kind == sent), contact)
    return desk.page(
        LINK_PAGE,
        person=person,
        contact=masked(contact) if contact else "",
        by_text=contact is not None and contact.kind is ContactKind.PHONE,
        sent=bool(contact and sent in REACHABLE_KINDS),
    )


def send_link(desk: Desk, subject: str) -> Response:
    """Send the link to the contact that the page named."""
    form = desk.form(LINK_PAGE)
    call = desk.call(EmptyBody(), idempotency_key=form.nonce)
    person = open_person(desk.portal, call, subject)
    try:
        contact = send_own_link(desk.portal, call, person)
    except NoContactError:
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return desk.page(LINK_PAGE, status, person=person, contact="", by_text=False, sent=False)
    return desk.go(f"people/{subject}/link", sent=contact.kind.value)


def person_form(desk: Desk, subject: str) -> Response:
    """Give the consent form with the name and the contacts of somebody filled in, to be signed."""
    person = open_person(desk.portal, desk.call(EmptyBody()), subject)
    return _form(desk, person, person.subject.lang)


def blank_form(desk: Desk) -> Response:
    """Give the consent form of the notice in force, with nothing filled in."""
    return _form(desk, None, "")


def _form(desk: Desk, person: KnownPerson | None, usual: str) -> Response:
    """Write the form in the language asked for, else the person's or the clinic's."""
    from chalicelib.notices import paper_form  # noqa: PLC0415 - no other page needs it

    asked = desk.clinic.open_at(desk.now)
    wanted = [desk.query("form_lang"), usual]
    lang = next((each for each in wanted if each in asked.languages), asked.default_language)
    filled = paper_form.NOTHING_FILLED_IN
    if person is not None:
        contacts = {contact.kind.value: contact.value for contact in reversed(person.proven)}
        filled = paper_form.FilledIn(
            name=person.name,
            child=bool(person.subject.of_age),
            email=contacts.get("email", ""),
            phone=contacts.get("phone", ""),
            address=person.details.addresses[-1] if person.details.addresses else None,
        )
    sha256 = desk.portal.shown_pages.page_sha256(CONSENT_PAGE, asked, lang)
    paper = paper_form.write_form(asked, lang, base_url=desk.base_url, sha256=sha256, filled=filled)
    return printable(
        desk.portal.press.pdf(*paper), f"consent-form-{asked.id}-{asked.version}-{lang}"
    )
