"""Calls about contacts: replace or remove one (GDPR Art. 16), list those that staff must check."""

from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.contacts import Contact
from chalicelib.domain.identity import SeveralPeopleError
from chalicelib.portal import get_portal
from chalicelib.services import contact_changes
from chalicelib.services.contact_changes import Change, ContactChange
from chalicelib.services.contact_worklist import read_worklist
from chalicelib.web.api.auth import authorize, no_body
from chalicelib.web.api.body_reader import BodyReader
from chalicelib.web.api.cursors import cursor_for, cursor_sent
from chalicelib.web.api.errors import WHOSE_CONTACT, RefusedError
from chalicelib.web.requests import mount
from chalicelib.web.responses import document


def change_contact(request: Request, clinic: str) -> Response:
    """Replace or remove one contact of a subject: the old one finds nobody any more."""
    call = authorize(request, clinic, "receipts:write", read_contact_change, for_all=True)
    try:
        receipt = contact_changes.change_contact(get_portal(), call)
    except SeveralPeopleError:
        raise RefusedError(WHOSE_CONTACT) from None
    address = f"{mount(request)}/v1/clinics/{clinic}/receipts/{receipt.id}"
    return document(receipt.canonical.decode(), 201, {"Location": address})


def list_contact_worklist(request: Request, clinic: str) -> Response:
    """List contacts that no message reaches and those patients want removed, by opaque ids."""
    call = authorize(request, clinic, "status:read", no_body)
    page = read_worklist(get_portal(), call, cursor_sent(request))
    entries: list[dict[str, Any]] = []
    for entry in page.entries:
        described = {
            "subject": entry.person.id,
            "patient_ref": page.references.get(entry.person.id),
            "kind": entry.kind,
            "reason": entry.reason,
            "since": entry.since,
        }
        entries.append(described)
    if page.more is None:
        return document({"entries": entries})
    return document({"entries": entries, "cursor": cursor_for(page.more)})


def read_contact_change(body: BodyReader) -> ContactChange:
    """Read a call that replaces or removes a contact: `replace` and `with`, or `remove`."""
    body.only("subject", "replace", "with", "remove")
    subject = body.about()
    replaces = body.has("replace")
    if body.has("remove") == replaces or replaces != body.has("with"):
        body.error("/replace", "Either replace and with, or remove.")
        body.check()
    old = _read_one(body, "replace" if replaces else "remove")
    new = _read_one(body, "with") if replaces else ()
    body.check()
    if new and (new[0].kind is not old[0].kind or new == old):
        body.error("/with", "Another one, of the same kind as the one it replaces.")
        body.check()
    return ContactChange(subject, Change(old[0], new[0] if new else None))


def _read_one(body: BodyReader, name: str) -> tuple[Contact, ...]:
    contacts = body.subject(f"/{name}", body.sent[name])
    if len(contacts) > 1:
        body.error(f"/{name}", "One contact.")
    return contacts
