"""Calls for personal links, as bodies: whom a clinic invites, and which links it calls back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.contacts import Contact
from chalicelib.web.api.body_reader import KINDS, Body, is_sha256

MAX_LINKS = 1000
MIN_LINK_SECONDS, LINK_SECONDS, MAX_LINK_SECONDS = 60, 30 * 86_400, 366 * 86_400
INVITED = "name, lang, purposes, expires_in"


@dataclass(frozen=True, slots=True)
class Invitation:
    """One personal link asked for: for whom, in which language, about what, for how many seconds."""

    asked: Mapping[str, str]
    contact: Contact
    name: str | None
    lang: str
    addresses: tuple[str, ...]
    expires_in: int


@dataclass(frozen=True, slots=True)
class Invitations:
    """A call for links. Nobody is looked up: who it is turns out when a link is followed."""

    invitations: tuple[Invitation, ...]
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class Revocation:
    """A call that revokes links by their ids."""

    links: tuple[str, ...]
    contacts: tuple[Contact, ...] = ()


def read_links(clinic: Clinic, body: Mapping[str, Any]) -> Invitations:
    """Read a call for up to a thousand personal links."""
    reader = Body(clinic, body)
    reader.only("links")
    asked = body.get("links")
    if not isinstance(asked, list) or not 1 <= len(asked) <= MAX_LINKS:
        reader.error("/links", f"A list of 1 to {MAX_LINKS} links to make.")
        asked = []
    made = [_invitation(reader, f"/links/{number}", each) for number, each in enumerate(asked)]
    reader.checked()
    return Invitations(tuple(each for each in made if each))


def read_revocation(clinic: Clinic, body: Mapping[str, Any]) -> Revocation:
    """Read a call that revokes up to a thousand links, by the ids they were given when they were made."""
    reader = Body(clinic, body)
    reader.only("ids")
    ids = body.get("ids")
    if not isinstance(ids, list) or not 1 <= len(ids) <= MAX_LINKS:
        reader.error("/ids", f"A list of 1 to {MAX_LINKS} ids of links.")
        ids = []
    for number, each in enumerate(ids):
        if not is_sha256(each):
            reader.error(f"/ids/{number}", "64 hexadecimal digits.")
    reader.checked()
    return Revocation(tuple(ids))


def _invitation(reader: Body, pointer: str, value: object) -> Invitation | None:
    if not isinstance(value, Mapping) or not value.keys() <= {*KINDS, "name", "lang", "purposes", "expires_in"}:
        reader.error(pointer, f"An object with email, phone or patient_ref and perhaps {INVITED}.")
        return None
    asked = {name: each for name, each in value.items() if name in KINDS}
    contacts = reader.subject(pointer, asked)
    if len(contacts) != 1:
        reader.error(pointer, "Exactly one of email, phone and patient_ref.")
        return None
    lang, seconds = value.get("lang", reader.clinic.default_language), value.get("expires_in", LINK_SECONDS)
    if lang not in reader.clinic.languages:
        reader.error(f"{pointer}/lang", f"One of: {', '.join(reader.clinic.languages)}.")
    if not isinstance(seconds, int) or isinstance(seconds, bool) or not MIN_LINK_SECONDS <= seconds <= MAX_LINK_SECONDS:
        reader.error(f"{pointer}/expires_in", f"Seconds, from {MIN_LINK_SECONDS} to {MAX_LINK_SECONDS}.")
        seconds = LINK_SECONDS
    addresses = reader.addresses(f"{pointer}/purposes", value["purposes"]) if "purposes" in value else ()
    return Invitation(asked, contacts[0], reader.named(f"{pointer}/name", value), str(lang), addresses, seconds)
