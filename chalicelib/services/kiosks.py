"""A clinic's kiosk tablets: paired by a code of the desk, listed, revoked; known by their cookie."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from chalicelib.domain.consent import SOURCE
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError, RejectedError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.kiosks import CODE, CODE_HOLDS, MOST_TABLETS, Pairing, Tablet
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.visitor import Visitor
from chalicelib.store import audit, kiosks
from chalicelib.store.kiosks import PAIRING, StoredTablet
from chalicelib.store.table import ConflictError
from chalicelib.store.writes import Put

TRIES = 5
"""How many codes are made until one is free."""


class UnknownTabletError(NotFoundError):
    """The clinic has no tablet of this id."""


class TabletNameError(RejectedError):
    """The name is no source (`consent.SOURCE`)."""


class TabletNameTakenError(RejectedError):
    """Another tablet of the clinic is called so."""


class TooManyTabletsError(RejectedError):
    """The clinic has as many tablets as it may have: one must be revoked first."""


class WrongCodeError(RejectedError):
    """No such code can be typed here now: it is mistyped, used, too old, or another clinic's."""


@dataclass(frozen=True, slots=True)
class NewTablet:
    """What a new tablet is to be called."""

    name: str
    contacts: tuple[Contact, ...] = ()


@dataclass(frozen=True, slots=True)
class IssuedCode:
    """A code as the desk shows it, once, and until when it may be typed."""

    code: str
    until: Instant


def list_tablets(portal: Portal, call: AuthorizedCall[EmptyBody]) -> list[Tablet]:
    """Give the clinic's tablets, those too that are revoked, by their names."""
    portal.table.put_new(call.audit("kiosks"))
    return sorted(
        (each.tablet for each in kiosks.of_clinic(portal.table, call.clinic)),
        key=lambda tablet: (bool(tablet.revoked_at), tablet.name, tablet.paired_at),
    )


def paired_tablets(portal: Portal, clinic: str) -> list[Tablet]:
    """Give the clinic's tablets that are paired now."""
    found = kiosks.of_clinic(portal.table, clinic)
    return [each.tablet for each in found if not each.tablet.revoked_at]


def make_pairing_code(portal: Portal, call: AuthorizedCall[NewTablet]) -> IssuedCode:
    """Make the code by which a tablet is paired.

    Raises TabletNameError, TabletNameTakenError, TooManyTabletsError.
    """
    name = call.body.name
    if not SOURCE.fullmatch(name):
        raise TabletNameError
    paired = paired_tablets(portal, call.clinic)
    if any(tablet.name == name for tablet in paired):
        raise TabletNameTakenError
    if len(paired) >= MOST_TABLETS:
        raise TooManyTabletsError
    pairing = Pairing(name, call.key.id, code_ends(call.now))

    def write(digest: str) -> Put:
        return kiosks.new_pairing(call.clinic, digest, pairing)

    line = call.audit("kiosks/pairing-code")
    return IssuedCode(write_code(portal, call.clinic, PAIRING, write, line), pairing.until)


def pair(
    portal: Portal, clinic: str, code: str, visitor: Visitor, now: Instant
) -> tuple[Tablet, str]:
    """Pair the tablet at which a code was typed: give it, and what its cookie is to hold.

    The try is counted before anybody looks at the code. Raises TooManyError, WrongCodeError.
    """
    key = portal.clinics.key(clinic)
    check = visitor.rate_limit_check("kiosk-pair", (), now)
    portal.limits.spend(key, check._replace(typed_at=visitor.network))
    typed = "".join(code.split())
    if not CODE.fullmatch(typed):
        raise WrongCodeError
    stored = kiosks.read_pairing(portal.table, clinic, key.tablet_code(PAIRING, typed))
    if stored is None or not stored.pairing.may_be_taken(now):
        raise WrongCodeError
    secret, pairing = secrets.token_urlsafe(32), stored.pairing
    tablet = Tablet(
        secrets.token_hex(8),
        clinic,
        pairing.name,
        hashed(secret),
        now,
        pairing.by,
        seen_on=now[:10],
    )
    line = audit.line(clinic, pairing.by, "kiosks/pair", now, (), about=tablet.id)
    used = kiosks.taken(stored, replace(pairing, tablet=tablet.id))
    try:
        portal.table.write([kiosks.new(tablet), used, line])
    except ConflictError:  # another tablet took it in this moment
        raise WrongCodeError from None
    return tablet, f"{tablet.id}.{secret}"


def revoke_tablet(portal: Portal, call: AuthorizedCall[EmptyBody], tablet: str) -> Tablet:
    """Revoke a tablet: from its next request on it is one that was never paired.

    Raises UnknownTabletError, ConcurrentWriteError.
    """
    for _ in range(TRIES):
        stored = kiosks.read(portal.table, call.clinic, tablet)
        if stored is None:
            raise UnknownTabletError
        if stored.tablet.revoked_at:
            return stored.tablet
        revoked = replace(stored.tablet, revoked_at=call.now, revoked_by=call.key.id)
        line = call.audit("kiosks/revoke", about=tablet)
        try:
            portal.table.write([kiosks.changed(stored, revoked), line])
        except ConflictError:
            continue
        return revoked
    raise ConcurrentWriteError(tablet)


def find_tablet(portal: Portal, clinic: str, cookie: str) -> StoredTablet | None:
    """Give the tablet that a cookie names; None for one that is not paired with this clinic."""
    number, _, secret = cookie.partition(".")
    if not number or not secret:
        return None
    stored = kiosks.read(portal.table, clinic, number)
    if stored is None or stored.tablet.revoked_at:
        return None
    return stored if hmac.compare_digest(stored.tablet.secret, hashed(secret)) else None


def note_seen(portal: Portal, stored: StoredTablet, now: Instant) -> None:
    """Note that a tablet was seen on this day: once a day, and no page fails because of it."""
    if stored.tablet.seen_on < now[:10]:
        kiosks.note(portal.table, stored, replace(stored.tablet, seen_on=now[:10]))


def write_code(
    portal: Portal, clinic: str, kind: str, write: Callable[[str], Put], line: Put
) -> str:
    """Make a code that is free, keep it with its audit line, and give it."""
    key = portal.clinics.key(clinic)
    for _ in range(TRIES):
        code = f"{secrets.randbelow(1_000_000):06d}"
        try:
            portal.table.write([write(key.tablet_code(kind, code)), line])
        except ConflictError:  # one of the last day
            continue
        return code
    raise ConcurrentWriteError(clinic)


def code_ends(now: Instant) -> Instant:
    """Tell until when a code made now may be typed."""
    return instant(moment(now) + CODE_HOLDS)


def hashed(secret: str) -> str:
    """Give the hash under which a secret of 256 bits is kept."""
    return hashlib.sha256(secret.encode()).hexdigest()
