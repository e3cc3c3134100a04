"""The people of a clinic's desk in the table: members, invitations, sessions, passkeys by their id.

Secrets stand nowhere: an invitation and a session are found by the SHA-256 of theirs. What ended
stays until DynamoDB clears it away (`ttl`), so that nothing a request reaches has to delete.
"""

from collections.abc import Collection
from datetime import timedelta

from chalicelib.domain.instants import Instant, moment
from chalicelib.domain.staff import (
    Invitation,
    Passkey,
    StaffMember,
    StaffSession,
    digest,
)
from chalicelib.store.items import Item
from chalicelib.store.keys.desk import (
    account_key,
    invitation_key,
    listed_session_key,
    passkey_key,
    session_key,
    staff_member_key,
)
from chalicelib.store.keys.key import Key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put, SetBody, Write

KEPT_AFTERWARDS = timedelta(days=30)
"""How long an invitation or a session that ended is still told as one that ended."""


def member(table: Table, clinic: str, member_id: str) -> StaffMember | None:
    """Give a clinic's member by id, also one whose access ended; None for nobody."""
    key = staff_member_key(clinic, member_id)
    return _member(table.get([key]).get(key))


def member_and(
    table: Table, clinic: str, member_id: str, other: Key
) -> tuple[StaffMember | None, Item | None]:
    """Give a member, and another item with the same round trip."""
    key = staff_member_key(clinic, member_id)
    found = table.get([key, other])
    return _member(found.get(key)), found.get(other)


def members(table: Table, clinic: str) -> list[StaffMember]:
    """Give everybody who may or could once sign in, in the order of their names."""
    prefix = staff_member_key(clinic, "")
    found = [StaffMember.read(item.body or "") for item in table.partition(prefix.pk, prefix.sk)]
    return sorted(found, key=lambda each: (not each.is_active, each.name.casefold(), each.id))


def named(table: Table, clinic: str, ids: Collection[str]) -> dict[str, StaffMember]:
    """Give those of a clinic's members who have these ids, also those whose access ended.

    A hundred in a round trip.
    """
    found = table.get([staff_member_key(clinic, each) for each in ids])
    members = [StaffMember.read(item.body or "") for item in found.values()]
    return {each.id: each for each in members}


def new_member(made: StaffMember) -> Put:
    """Give the write of somebody new."""
    return Put(staff_member_key(made.clinic, made.id), {"body": made.stored()})


def changed_member(before: StaffMember, after: StaffMember) -> SetBody:
    """Give the write of a member, on condition that they are as they were read."""
    key = staff_member_key(before.clinic, before.id)
    return SetBody(key, after.stored(), before.stored())


def new_invitation(secret: str, invitation: Invitation) -> Put:
    """Give the write of an invitation."""
    values = {"body": invitation.stored(), "ttl": _ttl(invitation.expires_at)}
    return Put(invitation_key(digest(secret)), values)


def invitation(table: Table, secret: str) -> Invitation | None:
    """Give an invitation by its secret, be it open or not; None where there is none."""
    key = invitation_key(digest(secret))
    found = table.get([key]).get(key)
    return Invitation.read(found.body or "") if found else None


def changed_invitation(secret: str, before: Invitation, after: Invitation) -> SetBody:
    """Give the write of an invitation, on condition that it is as it was read."""
    return SetBody(invitation_key(digest(secret)), after.stored(), before.stored())


def new_passkey(of: StaffMember, passkey: Passkey) -> Put:
    """Give the write by which a passkey leads to its owner."""
    return Put(passkey_key(digest(passkey.id)), {"body": f"{of.clinic} {of.id}"})


def owner_of_passkey(table: Table, passkey_id: str) -> StaffMember | None:
    """Give whose a passkey is; None where nobody has it, or not any more. Two round trips."""
    key = passkey_key(digest(passkey_id))
    found = table.get([key]).get(key)
    if found is None:
        return None
    clinic, _, member_id = (found.body or "").partition(" ")
    owner = member(table, clinic, member_id)
    if owner is None or passkey_id not in {each.id for each in owner.passkeys}:
        return None
    return owner


def new_account(of: StaffMember) -> Put:
    """Give the write by which an account of the clinic's own sign-in leads to its owner."""
    return Put(account_key(of.account), {"body": f"{of.clinic} {of.id}"})


def owner_of_account(table: Table, account: str) -> StaffMember | None:
    """Give whose an account is, also somebody whose access ended. Two round trips."""
    key = account_key(account)
    found = table.get([key]).get(key)
    if found is None:
        return None
    clinic, _, member_id = (found.body or "").partition(" ")
    return member(table, clinic, member_id)


def new_session(session: StaffSession) -> list[Write]:
    """Give the writes of a session: itself, and its place in the clinic's list."""
    ttl = _ttl(session.expires_at)
    return [
        Put(session_key(session.digest), {"body": session.stored(), "ttl": ttl}),
        Put(listed_session_key(session.clinic, session.digest, session.member), {"ttl": ttl}),
    ]


def changed_session(before: StaffSession, after: StaffSession) -> SetBody:
    """Give the write of a session, on condition that it is as it was read."""
    return SetBody(session_key(before.digest), after.stored(), before.stored())


def session(table: Table, session_digest: str) -> StaffSession | None:
    """Give a session by the hash of its secret, be it open or not; None where there is none."""
    key = session_key(session_digest)
    found = table.get([key]).get(key)
    return StaffSession.read(session_digest, found.body or "") if found else None


def sessions(table: Table, clinic: str, member_id: str) -> list[StaffSession]:
    """Give a member's sessions of the last weeks, the latest first."""
    place = listed_session_key(clinic, "", member_id)
    listed = [item.sk.removeprefix(place.sk) for item in table.partition(place.pk, place.sk)]
    found = table.get([session_key(each) for each in listed])
    read = [
        StaffSession.read(key.pk.rpartition("#")[2], item.body or "") for key, item in found.items()
    ]
    return sorted(read, key=lambda each: each.begun_at, reverse=True)


def _member(found: Item | None) -> StaffMember | None:
    return StaffMember.read(found.body or "") if found else None


def _ttl(ends: Instant) -> int:
    return int((moment(ends) + KEPT_AFTERWARDS).timestamp())
