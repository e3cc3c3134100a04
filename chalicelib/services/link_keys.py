"""Link keys of a clinic's programs: made, listed, revoked, and moved on to the next epoch."""

import secrets
from dataclasses import dataclass, replace

from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError, RejectedError
from chalicelib.domain.program_links import LinkKey
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.links import NothingSharedError
from chalicelib.store import link_keys
from chalicelib.store.link_keys import StoredLinkKey
from chalicelib.store.table import ConflictError

MOST_LINK_KEYS = 20
"""How many link keys of a clinic may be good at once."""


class UnknownLinkKeyError(NotFoundError):
    """The clinic has no link key of this id, or it is another controller's."""


class TooManyLinkKeysError(RejectedError):
    """The clinic has as many good link keys as it may have: one must be revoked first."""


@dataclass(frozen=True, slots=True)
class NewLinkKey:
    """What a new link key is called."""

    label: str
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class IssuedLinkKey:
    """A link key and its secret, which is shown once."""

    key: LinkKey
    secret: str


def create_link_key(portal: Portal, call: AuthorizedCall[NewLinkKey]) -> IssuedLinkKey:
    """Make a link key. Links under it are about what the controller of the caller's key shares.

    Raises NothingSharedError, TooManyLinkKeysError.
    """
    member = call.key.member
    if member is not None and not call.shared.questions:
        raise NothingSharedError
    good = [each for each in _own(portal, call) if each.key.revoked_at is None]
    if len(good) >= MOST_LINK_KEYS:
        raise TooManyLinkKeysError
    key = LinkKey(
        id=f"{call.clinic}-{secrets.token_hex(4)}",
        clinic=call.clinic,
        label=call.body.label,
        epoch=1,
        created_at=call.now,
        made_by=call.key.id,
        salt=secrets.token_hex(16),
        member=member,
        questions=tuple(call.shared.questions) if member is not None else (),
    )
    secret, put = link_keys.new(portal.clinics.key(call.clinic), key)
    portal.table.write([put, call.audit("link-keys/create")])
    return IssuedLinkKey(key, secret)


def list_link_keys(portal: Portal, call: AuthorizedCall[EmptyBody]) -> list[LinkKey]:
    """Give the clinic's link keys, those too that are revoked, the newest first."""
    found = sorted((each.key for each in _own(portal, call)), key=lambda key: key.created_at)
    portal.table.put_new(call.audit("link-keys/list"))
    return found[::-1]


def raise_epoch(portal: Portal, call: AuthorizedCall[EmptyBody], key_id: str) -> LinkKey:
    """Let the next epoch of a key begin: links made before ask no more, and go on unsubscribing.

    Raises UnknownLinkKeyError, ConcurrentWriteError.
    """
    stored = _find(portal, call, key_id)
    following = replace(stored.key, epoch=stored.key.epoch + 1)
    return _change(portal, call, stored, following, "link-keys/epoch")


def revoke_link_key(portal: Portal, call: AuthorizedCall[EmptyBody], key_id: str) -> LinkKey:
    """Revoke a key: no link under it asks any more; they go on unsubscribing.

    Raises UnknownLinkKeyError, ConcurrentWriteError.
    """
    stored = _find(portal, call, key_id)
    if stored.key.revoked_at is not None:
        return stored.key
    revoked = replace(stored.key, revoked_at=call.now)
    return _change(portal, call, stored, revoked, "link-keys/revoke")


def _own(
    portal: Portal, call: AuthorizedCall[NewLinkKey] | AuthorizedCall[EmptyBody]
) -> list[StoredLinkKey]:
    """Give the link keys that a key may see: of a joint controller its own."""
    member = call.key.member
    found = link_keys.of_clinic(portal.table, call.clinic)
    return [each for each in found if member is None or each.key.member == member]


def _find(portal: Portal, call: AuthorizedCall[EmptyBody], key_id: str) -> StoredLinkKey:
    stored = link_keys.read(portal.table, call.clinic, key_id)
    member = call.key.member
    if stored is None or (member is not None and stored.key.member != member):
        raise UnknownLinkKeyError
    return stored


def _change(
    portal: Portal,
    call: AuthorizedCall[EmptyBody],
    stored: StoredLinkKey,
    key: LinkKey,
    what: str,
) -> LinkKey:
    try:
        portal.table.write([link_keys.changed(stored, key), call.audit(what)])
    except ConflictError:
        raise ConcurrentWriteError(key.id) from None
    return key
