"""A clinic's team: who is invited to its desk, what their role is, and when their access ends."""

from dataclasses import replace

from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError, RejectedError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.staff import (
    INVITATION_LIFETIME,
    Invitation,
    Role,
    StaffMember,
    digest,
    new_member_id,
    new_secret,
)
from chalicelib.store import audit, staff
from chalicelib.store.table import ConflictError, Table
from chalicelib.store.writes import Write

OPERATOR = "operator"
"""Who invited the first administrator, in the audit too."""

TRIES = 5


class InvitedAlreadyError(RejectedError):
    """The same form was sent twice: whom it invites is there, and their link was shown then."""


class LastAdministratorError(RejectedError):
    """Nobody would be left who can invite others."""


def invite(
    table: Table,
    clinic: str,
    name: str,
    role: Role,
    lang: str,
    *,
    by: str,
    now: Instant,
    nonce: str = "",
) -> tuple[StaffMember, str]:
    """Make somebody new, and give them and the secret of their invitation, which is shown once.

    Raises InvitedAlreadyError where the form with this nonce was sent before.
    """
    secret = new_secret()
    made = StaffMember(
        new_member_id(nonce),
        clinic,
        name,
        role,
        lang,
        created_at=now,
        invited_by=by,
        invitation=digest(secret),
    )
    invitation = _invitation(made, now)
    line = audit.line(clinic, by, "staff/invite", now, [], about=made.id)
    try:
        table.write([staff.new_member(made), staff.new_invitation(secret, invitation), line])
    except ConflictError:
        raise InvitedAlreadyError from None
    return made, secret


def invite_again(table: Table, clinic: str, member_id: str, *, by: str, now: Instant) -> str:
    """Give a new invitation to somebody who lost their passkeys; those before are over.

    Raises NotFoundError where nobody has this id, their access has ended, or they come by the
    clinic's own accounts; ConcurrentWriteError.
    """
    for _ in range(TRIES):
        before = staff.member(table, clinic, member_id)
        if before is None or not before.is_active or before.account:
            raise NotFoundError
        secret = new_secret()
        after = replace(before, invitation=digest(secret))
        made = staff.new_invitation(secret, _invitation(after, now))
        line = audit.line(clinic, by, "staff/invite", now, [], about=member_id)
        try:
            table.write([staff.changed_member(before, after), made, line])
        except ConflictError:
            continue
        return secret
    raise ConcurrentWriteError


def find_invitation(table: Table, secret: str, now: Instant) -> tuple[Invitation, StaffMember]:
    """Give an open invitation and whom it is for, the latest alone; raise NotFoundError."""
    invitation = staff.invitation(table, secret)
    if invitation is None or not invitation.is_open(now):
        raise NotFoundError
    member = staff.member(table, invitation.clinic, invitation.member)
    if member is None or not member.is_active or member.invitation != digest(secret):
        raise NotFoundError
    return invitation, member


def change_role(
    table: Table, clinic: str, member_id: str, role: Role, *, by: str, now: Instant
) -> StaffMember:
    """Give somebody another role, from their next request on.

    Raises NotFoundError, LastAdministratorError, ConcurrentWriteError.
    """
    return _change(table, clinic, member_id, "staff/role", by, now, role=role)


def change_language(table: Table, clinic: str, member_id: str, lang: str, now: Instant) -> None:
    """Show somebody their pages in another language. Errors as for `change_role`."""
    _change(table, clinic, member_id, "staff/language", member_id, now, lang=lang)


def end_access(table: Table, clinic: str, member_id: str, *, by: str, now: Instant) -> None:
    """End somebody's access: their next request is refused. Errors as for `change_role`."""
    _change(table, clinic, member_id, "staff/end", by, now, ended_at=now)


def _change(  # noqa: PLR0917 - whom, what, by whom, when
    table: Table, clinic: str, member_id: str, what: str, by: str, now: Instant, **changes: object
) -> StaffMember:
    for _ in range(TRIES):
        before = staff.member(table, clinic, member_id)
        if before is None or not before.is_active:
            raise NotFoundError
        after = replace(before, **changes)  # type: ignore[arg-type]  # fields of a member
        line = audit.line(clinic, by, what, now, [], about=member_id)
        writes: list[Write] = [staff.changed_member(before, after), line]
        if _is_administrator(before) and not _is_administrator(after):
            another = _another(table, before)
            writes.append(staff.changed_member(another, another))
        try:
            table.write(writes)
        except ConflictError:
            continue
        return after
    raise ConcurrentWriteError


def _is_administrator(member: StaffMember) -> bool:
    return member.is_active and member.role is Role.ADMINISTRATOR


def _another(table: Table, member: StaffMember) -> StaffMember:
    """Give another administrator, who must still be one when this one is none any more.

    So two who end each other's access in one moment do not both. Who was invited and never came
    does not count: the link may be lost. Raises LastAdministratorError.
    """
    for each in staff.members(table, member.clinic):
        if each.id != member.id and _is_administrator(each) and not each.is_only_invited:
            return each
    raise LastAdministratorError


def _invitation(member: StaffMember, now: Instant) -> Invitation:
    expires_at = instant(moment(now) + INVITATION_LIFETIME)
    return Invitation(member.clinic, member.id, expires_at)
