"""Calls for personal links: to make them, and to revoke them."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.contacts import Contact
from chalicelib.portal import get_portal
from chalicelib.presentation.contact_columns import UnclearColumnError
from chalicelib.presentation.csv_encoding import UnreadableTableError
from chalicelib.services import links
from chalicelib.services.authorized_call import InvalidBodyError
from chalicelib.services.link_lists import (
    ColumnTakenError,
    LinkedList,
    LinkList,
    LinkOptions,
    LongLinkListError,
    link_list,
)
from chalicelib.services.links import Invitation, Invitations, PersonalLink, Revocation
from chalicelib.services.lists import MAX_BYTES
from chalicelib.web.api.auth import authorize
from chalicelib.web.api.body_reader import KINDS, BodyReader, escaped, is_sha256
from chalicelib.web.requests import RawBody, has_type, parameters
from chalicelib.web.responses import BinaryResponse, document

MAX_LINKS = 1000
MIN_LINK_SECONDS, LINK_SECONDS, MAX_LINK_SECONDS = 60, 30 * 86_400, 366 * 86_400
LIST = RawBody("text/csv", MAX_BYTES)
_OF_A_LIST = ("lang", "purposes", "expires_in", "column", "delimiter", "encoding")
_MORE = ("name", "lang", "purposes", "expires_in")


def create_links(request: Request, clinic: str) -> Response:
    """Make up to a thousand links: of a JSON object, or of each row of a list in CSV."""
    if has_type(request, LIST.media_type):
        return _link_list(request, clinic)
    call = authorize(request, clinic, "links:write", read_links)
    made = links.make_links(get_portal(), call)
    return document({"links": [_describe(link, call.base_url) for link in made]}, 201)


def _link_list(request: Request, clinic: str) -> Response:
    """Give a list back with the links of each row."""
    read = partial(read_link_list, sent=parameters(request))
    call = authorize(request, clinic, "links:write", read, raw=LIST)
    try:
        done = link_list(get_portal(), call)
    except UnclearColumnError as error:
        raise InvalidBodyError.at("/column", str(error)) from None
    except UnreadableTableError as error:
        where = f"Line {error.line}: " if error.line else ""
        raise InvalidBodyError.at("", f"{where}{error}") from None
    except (ColumnTakenError, LongLinkListError) as error:
        raise InvalidBodyError.at("", str(error)) from None
    return BinaryResponse(done.content, _list_headers(done), 201)


def _list_headers(done: LinkedList) -> dict[str, str | list[str]]:
    """Name the encoding, and write the counts as structured fields (RFC 9651)."""
    linked, encoding = done.linked, done.dialect.encoding.name
    charset = "utf-16" if encoding.startswith("utf-16") else encoding
    broken = ", ".join(f"{reason}={count}" for reason, count in linked.broken.items())
    return {
        "Content-Type": f"text/csv; charset={charset}; header=present",
        "Consent-Links": f"rows={linked.rows}, linked={linked.linked}",
        "Consent-Broken": broken,
        "Consent-Broken-Lines": ", ".join(map(str, linked.broken_lines)),
        "Cache-Control": "no-store",
    }


def read_link_list(body: BodyReader, sent: Mapping[str, str]) -> LinkList:
    """Read a list in CSV, and what the address says of its links (`sent`)."""
    for name in sorted(sent.keys() - set(_OF_A_LIST)):
        body.error(f"/{escaped(name)}", "Not known here.")
    lang = sent.get("lang", body.clinic.default_language)
    if lang not in body.clinic.languages:
        body.error("/lang", f"One of: {', '.join(body.clinic.languages)}.")
    names = [name.strip() for name in sent.get("purposes", "").split(",")]
    questions: tuple[str, ...] = ()
    if "purposes" in sent:
        questions = body.questions("/purposes", names)
    seconds = sent.get("expires_in", str(LINK_SECONDS))
    number = int(seconds) if re.fullmatch(r"[0-9]{1,9}", seconds, re.ASCII) else None
    expires_in = _read_seconds(body, "/expires_in", {"expires_in": number})
    options = LinkOptions(lang, questions, expires_in, sent.get("column"))
    return LinkList(body.raw, options, sent.get("delimiter"), sent.get("encoding"))


def revoke_links(request: Request, clinic: str) -> Response:
    """Revoke links by their ids: they open nothing any more, not even the page that stops."""
    call = authorize(request, clinic, "links:write", read_revocation)
    return document({"revoked": links.revoke_links(get_portal(), call)})


def read_links(body: BodyReader) -> Invitations:
    """Read a call for up to a thousand personal links."""
    body.only("links")
    invitations = []
    for number, value in enumerate(body.items("links", MAX_LINKS, "links to make")):
        invitation = _read_invitation(body, f"/links/{number}", value)
        if invitation:
            invitations.append(invitation)
    return Invitations(tuple(invitations))


def read_revocation(body: BodyReader) -> Revocation:
    """Read a call that revokes up to a thousand links, by the ids that making them gave."""
    body.only("ids")
    ids = body.items("ids", MAX_LINKS, "ids of links")
    for number, value in enumerate(ids):
        if not is_sha256(value):
            body.error(f"/ids/{number}", "64 hexadecimal digits.")
    return Revocation(tuple(ids))


def _read_invitation(body: BodyReader, pointer: str, value: object) -> Invitation | None:
    if not isinstance(value, Mapping) or not value.keys() <= {*KINDS, *_MORE}:
        detail = f"An object with email, phone or patient_ref and perhaps {', '.join(_MORE)}."
        body.error(pointer, detail)
        return None
    sent = {name: given for name, given in value.items() if name in KINDS}
    contacts = body.subject(pointer, sent)
    if len(contacts) != 1:
        body.error(pointer, "Exactly one of email, phone and patient_ref.")
        return None
    return _invitation(body, pointer, value, sent, contacts[0])


def _invitation(
    body: BodyReader,
    pointer: str,
    value: Mapping[str, Any],
    sent: Mapping[str, str],
    contact: Contact,
) -> Invitation:
    lang = value.get("lang", body.clinic.default_language)
    if lang not in body.clinic.languages:
        body.error(f"{pointer}/lang", f"One of: {', '.join(body.clinic.languages)}.")
    questions: tuple[str, ...] = ()
    expires_in = _read_seconds(body, f"{pointer}/expires_in", value)
    if "purposes" in value:
        questions = body.questions(f"{pointer}/purposes", value["purposes"])
    name = body.named(f"{pointer}/name", value)
    return Invitation(sent, contact, name, str(lang), questions, expires_in)


def _read_seconds(body: BodyReader, pointer: str, value: Mapping[str, Any]) -> int:
    seconds = value.get("expires_in", LINK_SECONDS)
    is_number = isinstance(seconds, int) and not isinstance(seconds, bool)
    if is_number and MIN_LINK_SECONDS <= seconds <= MAX_LINK_SECONDS:
        return int(seconds)
    body.error(pointer, f"Seconds, from {MIN_LINK_SECONDS} to {MAX_LINK_SECONDS}.")
    return LINK_SECONDS


def _describe(made: PersonalLink, base: str) -> dict[str, Any]:
    link = made.link
    described: dict[str, Any] = {"id": made.id, "subject": made.as_sent, "url": made.url(base)}
    manage_url = made.manage_url(base)
    if manage_url is not None:
        described["manage_url"] = manage_url
    return described | {
        "unsubscribe_url": made.unsubscribe_url(base),
        "headers": made.headers(base),
        "expires_at": link.expires_at,
        "revoked_at": link.revoked_at,
    }
