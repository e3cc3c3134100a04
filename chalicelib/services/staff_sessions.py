"""Signing in to the desk and out again: sessions of a clinic's staff.

Whoever calls `begin` has proved who somebody is (by a passkey, or the clinic's own sign-in). The
session's secret goes into a cookie and nowhere else.
"""

from dataclasses import replace
from typing import NamedTuple

from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.staff import StaffMember, StaffSession, digest, new_secret
from chalicelib.portal import Portal
from chalicelib.store import audit, staff
from chalicelib.store.clinics import Published
from chalicelib.store.keys.clinics import clinic_key
from chalicelib.store.table import ConflictError

MAX_SECRET = 100
"""How many characters of a cookie are looked at: ours have 43."""

AGENT_LENGTH = 120
"""How much is kept of what a browser says it is."""

TRIES = 5


class SignedIn(NamedTuple):
    """Who is signed in, their session, and their clinic as it is now."""

    member: StaffMember
    session: StaffSession
    published: Published


def begin(
    portal: Portal,
    member: StaffMember,
    agent: str,
    now: Instant,
    proven_at: Instant | None = None,
) -> str:
    """Begin a session of somebody who just proved who they are, and give its secret.

    `proven_at` is when they did, where that was not just now. Raises NotFoundError where their
    access has ended.
    """
    if not member.is_active:
        raise NotFoundError
    secret = new_secret()
    session = StaffSession(
        digest=digest(secret),
        clinic=member.clinic,
        member=member.id,
        begun_at=now,
        proven_at=proven_at or now,
        agent=agent[:AGENT_LENGTH],
    )
    line = audit.line(member.clinic, member.id, "staff/sign-in", now, [])
    portal.table.write([*staff.new_session(session), line])
    return secret


def find(portal: Portal, secret: str, now: Instant) -> SignedIn | None:
    """Give who is signed in by a cookie; None where nobody is, or not any more.

    Two round trips. The member is read with each request, so that access ends at once.
    """
    if not secret or len(secret) > MAX_SECRET:
        return None
    session = staff.session(portal.table, digest(secret))
    if session is None or not session.is_open(now):
        return None
    clinic = clinic_key(session.clinic)
    member, found = staff.member_and(portal.table, session.clinic, session.member, clinic)
    if member is None or not member.is_active:
        return None
    published = portal.clinics.published(session.clinic, found)
    return SignedIn(member, session, published)


def prove_again(portal: Portal, session: StaffSession, now: Instant) -> None:
    """Note that somebody proved anew who they are. Raises ConcurrentWriteError."""
    for _ in range(TRIES):
        before = staff.session(portal.table, session.digest)
        if before is None:
            raise NotFoundError
        after = replace(before, proven_at=now)
        line = audit.line(session.clinic, session.member, "staff/again", now, [])
        try:
            portal.table.write([staff.changed_session(before, after), line])
        except ConflictError:
            continue
        return
    raise ConcurrentWriteError


def end(portal: Portal, session_digest: str, by: StaffMember, of: str, now: Instant) -> None:
    """End a session of the member `of`, at once; one that has ended stays as it is.

    Raises NotFoundError where that member has no such session, ConcurrentWriteError.
    """
    for _ in range(TRIES):
        before = staff.session(portal.table, session_digest)
        if before is None or (before.clinic, before.member) != (by.clinic, of):
            raise NotFoundError
        if before.ended_at is not None:
            return
        line = audit.line(by.clinic, by.id, "staff/sign-out", now, [], about=of)
        try:
            after = replace(before, ended_at=now)
            portal.table.write([staff.changed_session(before, after), line])
        except ConflictError:
            continue
        return
    raise ConcurrentWriteError


def open_sessions(portal: Portal, clinic: str, member: str, now: Instant) -> list[StaffSession]:
    """Give the sessions in which a member is signed in, the latest first."""
    found = staff.sessions(portal.table, clinic, member)
    return [each for each in found if each.is_open(now)]
