"""Personal links for a clinic's own messages: made a thousand at a time, and revoked."""

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from chalicelib.domain.api_keys import OWN_PAGES
from chalicelib.domain.consent import QuestionId
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.links import Link, LinkRecipient, LinkScope, LinkSecret
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.store import links


class NothingSharedError(RejectedError):
    """The controller that the key belongs to shares none of the clinic's questions."""


class UsedForOtherLinksError(RejectedError):
    """The Idempotency-Key was used before for other links. Nothing was made."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """One personal link to make: for whom, in which language, about what, for how many seconds.

    `as_sent` is the contact as the call wrote it. No question named means all of them.
    """

    as_sent: Mapping[str, str]
    contact: Contact
    name: str | None
    lang: str
    questions: tuple[QuestionId, ...]
    expires_in: int

    @property
    def recipient(self) -> LinkRecipient:
        """Whom the link is for."""
        return LinkRecipient(self.contact, self.name)


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


@dataclass(frozen=True, slots=True)
class PersonalLink:
    """A link that was made, with its tokens; `manage` only where it opens the own page."""

    id: str
    as_sent: Mapping[str, str]
    link: Link
    ask: str
    unsubscribe: str
    manage: str | None

    def url(self, base: str) -> str:
        """Give the address of the questions."""
        return f"{base}/{self.link.clinic}?t={self.ask}&lang={self.link.lang}"

    def unsubscribe_url(self, base: str) -> str:
        """Give the address that stops what the link is about."""
        return f"{base}/unsubscribe/{self.unsubscribe}"

    def manage_url(self, base: str) -> str | None:
        """Give the address of the own page; None where the link opens none."""
        if self.manage is None:
            return None
        return f"{base}/manage/{self.manage}?lang={self.link.lang}"

    def headers(self, base: str) -> dict[str, str]:
        """Give the headers by which a mail program shows a button to unsubscribe (RFC 8058)."""
        return {
            "List-Unsubscribe": f"<{self.unsubscribe_url(base)}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }


def opens_own_pages(call: AuthorizedCall[Any]) -> bool:
    """Tell whether the links that a key makes open patients' own pages."""
    return OWN_PAGES in call.key.scopes and call.key.member is None


def make_links(portal: Portal, call: AuthorizedCall[Invitations]) -> list[PersonalLink]:
    """Make up to a thousand links; the same call with the same Idempotency-Key gives the same ones.

    None opens the patient's own page, unless the key has the scope `OWN_PAGES`: that page is sent
    to the patient's own contact, by the portal. One of several joint controllers never gets one,
    because the page shows what is decided about all of them.
    Raises NothingSharedError, UsedForOtherLinksError.
    """
    key = portal.clinics.key(call.clinic)
    clinic_secret = key.link_secret()
    is_member = call.key.member is not None
    if is_member and not call.shared.questions:
        raise NothingSharedError
    if not _first_or_same(portal, call, clinic_secret):
        raise UsedForOtherLinksError
    manages = opens_own_pages(call)
    new = []
    for number, given in enumerate(call.body.invitations):
        invitation = given
        if is_member and not given.questions:
            # No question named would mean all, also those that this controller does not share.
            invitation = replace(given, questions=tuple(call.shared.questions))
        link_secret = _link_secret(call, clinic_secret, number, invitation)
        new.append((link_secret, _link(call, invitation, manages=manages), invitation.recipient))
    kept = links.keep_links(portal.table, key, new)
    made = []
    for invitation, (link_secret, _, _), link in zip(call.body.invitations, new, kept, strict=True):
        made.append(_personal_link(link_secret, link, invitation.as_sent, clinic_secret))
    portal.table.put_new(call.audit("links", links=len(made)))
    return made


def revoke_links(portal: Portal, call: AuthorizedCall[Revocation]) -> int:
    """Revoke links by their ids and give how many were still good: they open nothing any more."""
    revoked = links.revoke(portal.table, call.clinic, call.body.links, call.now)
    portal.table.put_new(call.audit("links/revoke", links=revoked))
    return revoked


def _link(call: AuthorizedCall[Invitations], invitation: Invitation, *, manages: bool) -> Link:
    ends = instant(moment(call.now) + timedelta(seconds=invitation.expires_in))
    return Link(
        clinic=call.clinic,
        subject=None,
        lang=invitation.lang,
        addresses=invitation.questions,
        receipt=None,
        created_at=call.now,
        expires_at=ends,
        by=call.key.id,
        manages=manages,
    )


def _personal_link(
    link_secret: LinkSecret, link: Link, as_sent: Mapping[str, str], clinic_secret: bytes
) -> PersonalLink:
    return PersonalLink(
        id=link_secret.link_id,
        as_sent=as_sent,
        link=link,
        ask=link_secret.token(clinic_secret, LinkScope.ASK),
        unsubscribe=link_secret.token(clinic_secret, LinkScope.UNSUBSCRIBE),
        manage=link_secret.token(clinic_secret, LinkScope.MANAGE) if link.manages else None,
    )


def _first_or_same(portal: Portal, call: AuthorizedCall[Invitations], clinic_secret: bytes) -> bool:
    """Tell whether the Idempotency-Key, if there is one, is new or was used for this very body.

    The body is kept as an HMAC: a plain hash of one address could be found by trying addresses.
    """
    if not call.idempotency_key:
        return True
    sent = []
    for given in call.body.invitations:
        recipient = given.recipient.plain()
        sent.append([recipient, given.lang, given.questions, given.expires_in])
    key = _digest(clinic_secret, f"call|{call.key.id}|{call.idempotency_key}")
    body = _digest(clinic_secret, f"body|{key}|{json.dumps(sent)}")
    return links.remember_call(portal.table, key, body, call.now)


def _link_secret(
    call: AuthorizedCall[Invitations], clinic_secret: bytes, number: int, invitation: Invitation
) -> LinkSecret:
    """Give the random part of a link: the same again for the same call with an Idempotency-Key."""
    if not call.idempotency_key:
        return LinkSecret.fresh()
    unique = [
        call.key.id,
        call.idempotency_key,
        number,
        invitation.recipient.plain(),
        invitation.lang,
        invitation.questions,
        invitation.expires_in,
    ]
    return LinkSecret.derived(clinic_secret, json.dumps(unique))


def _digest(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), "sha256").hexdigest()
