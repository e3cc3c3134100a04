"""How people get in to the desk: by an invitation, by a passkey, and by a passkey again.

Whoever takes up an invitation begins anew: passkeys and sessions from before open nothing any more.
So whoever lost a device is safe from its finder, and an invitation that somebody else takes up
shows: the person's own passkey stops working.
"""

from dataclasses import dataclass, replace

from chalicelib import log
from chalicelib.domain.errors import ConcurrentWriteError, NotFoundError, RejectedError
from chalicelib.domain.instants import Instant
from chalicelib.domain.rate_limits import RateLimit
from chalicelib.domain.staff import Passkey, StaffMember, StaffSession, digest
from chalicelib.portal import Portal
from chalicelib.services import passkeys, staff_sessions
from chalicelib.services.passkeys import PasskeyRefusedError, RelyingParty
from chalicelib.services.staff_members import find_invitation
from chalicelib.store import audit, staff
from chalicelib.store.keys.desk import sign_in_bucket_key
from chalicelib.store.rate_limits import take_from
from chalicelib.store.table import ConflictError, ContendedError

SIGN_IN = RateLimit(burst=30, interval=10_000)
"""Tries to get in from one range of addresses: a whole clinic may share one."""

MOST_PASSKEYS = 10
"""How many passkeys somebody may have."""

LABEL_LENGTH = 60
"""How long the name of a passkey may be."""

TRIES = 5
"""How often a change of a member is tried while others change the same one."""


class LastPasskeyError(RejectedError):
    """Without this passkey nobody could sign in as this person."""


class TooManyPasskeysError(RejectedError):
    """Somebody has as many passkeys as one may have."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What a page sent back: its challenge and the browser's answer, and where from."""

    party: RelyingParty
    challenge: str
    answer: str
    network: str
    """The range of addresses it came from (`rate_limits.address_range`)."""
    agent: str = ""
    """What the browser says it is."""


def for_sign_in() -> str:
    """Give the purpose of the challenge of the page to sign in on."""
    return "sign-in"


def for_invitation(secret: str) -> str:
    """Give the purpose of the challenge of an invitation's page."""
    return f"join|{digest(secret)}"


def for_session(session: StaffSession, what: str) -> str:
    """Give the purpose of a challenge within a session: "again", or "add"."""
    return f"{what}|{session.digest}"


def sign_in(portal: Portal, proof: Proof, now: Instant) -> tuple[StaffMember, str]:
    """Begin a session of whoever proves a passkey; give who it is and the session's secret.

    Raises TooManyError, StaleChallengeError, and PasskeyRefusedError alike for a passkey that
    nobody has, one that was removed, somebody whose access has ended, and a wrong answer.
    """
    count_try(portal, proof.network, now)
    challenge = passkeys.spend_challenge(portal, for_sign_in(), proof.challenge, now)
    try:
        member = _proved(portal, proof, challenge, None, now)
        return member, staff_sessions.begin(portal, member, proof.agent, now)
    except (PasskeyRefusedError, NotFoundError):
        log.log().warning("sign-in refused")
        raise PasskeyRefusedError("refused") from None


def prove_again(
    portal: Portal, member: StaffMember, session: StaffSession, proof: Proof, now: Instant
) -> None:
    """Note that who is signed in proved it anew, by one of their passkeys. Errors as `sign_in`."""
    count_try(portal, proof.network, now)
    purpose = for_session(session, "again")
    challenge = passkeys.spend_challenge(portal, purpose, proof.challenge, now)
    _proved(portal, proof, challenge, member, now)
    staff_sessions.prove_again(portal, session, now)


def join(
    portal: Portal, secret: str, proof: Proof, label: str, now: Instant
) -> tuple[StaffMember, str]:
    """Take up an invitation with a new passkey; give who it is and the secret of their session.

    Raises NotFoundError where it is over or was taken up, TooManyError, StaleChallengeError,
    PasskeyRefusedError.
    """
    count_try(portal, proof.network, now)
    invitation, member = find_invitation(portal.table, secret, now)
    purpose = for_invitation(secret)
    challenge = passkeys.spend_challenge(portal, purpose, proof.challenge, now)
    made = passkeys.registered(proof.party, challenge, proof.answer, label=label, now=now)
    first = replace(made, used_on=now[:10])
    joined = replace(member, passkeys=(first,), invitation="")
    line = audit.line(member.clinic, member.id, "staff/join", now, [])
    before = staff_sessions.open_sessions(portal, member.clinic, member.id, now)
    try:
        portal.table.write(
            [
                staff.changed_invitation(secret, invitation, replace(invitation, used_at=now)),
                staff.changed_member(member, joined),
                staff.new_passkey(joined, made),
                line,
            ]
        )
    except ConflictError:
        # Taken up by another page meanwhile, or a passkey of an id that there is.
        raise NotFoundError from None
    for each in before:
        staff_sessions.end(portal, each.digest, joined, joined.id, now)
    return joined, staff_sessions.begin(portal, joined, proof.agent, now)


def add_passkey(
    portal: Portal,
    member: StaffMember,
    session: StaffSession,
    proof: Proof,
    *,
    label: str,
    now: Instant,
) -> None:
    """Add a passkey to who is signed in.

    Raises StaleChallengeError, PasskeyRefusedError, TooManyPasskeysError, ConcurrentWriteError.
    """
    if member.account:
        raise PasskeyRefusedError("comes by the clinic's own accounts")
    purpose = for_session(session, "add")
    challenge = passkeys.spend_challenge(portal, purpose, proof.challenge, now)
    made = passkeys.registered(proof.party, challenge, proof.answer, label=label, now=now)
    pointer = staff.new_passkey(member, made)
    for _ in range(TRIES):
        before = _read(portal, member)
        if len(before.passkeys) >= MOST_PASSKEYS:
            raise TooManyPasskeysError
        line = audit.line(member.clinic, member.id, "staff/passkey-add", now, [])
        after = before.with_passkey(made)
        try:
            portal.table.write([staff.changed_member(before, after), pointer, line])
        except ConflictError as conflict:
            if pointer.key in conflict.keys:
                raise PasskeyRefusedError("known already") from None
            continue
        return
    raise ConcurrentWriteError


def remove_passkey(portal: Portal, member: StaffMember, passkey_id: str, now: Instant) -> None:
    """Remove one of somebody's passkeys: it opens nothing from now on.

    Raises NotFoundError where they have none of this id, LastPasskeyError, ConcurrentWriteError.
    """
    for _ in range(TRIES):
        before = _read(portal, member)
        if passkey_id not in {each.id for each in before.passkeys}:
            raise NotFoundError
        if len(before.passkeys) == 1:
            raise LastPasskeyError
        line = audit.line(member.clinic, member.id, "staff/passkey-remove", now, [])
        after = before.without_passkey(passkey_id)
        try:
            portal.table.write([staff.changed_member(before, after), line])
        except ConflictError:
            continue
        return
    raise ConcurrentWriteError


def _proved(
    portal: Portal, proof: Proof, challenge: bytes, expected: StaffMember | None, now: Instant
) -> StaffMember:
    """Give whose passkey an answer is of, and keep its counter. Raises PasskeyRefusedError."""
    named = passkeys.passkey_named(proof.answer)
    for _ in range(TRIES):
        member = staff.owner_of_passkey(portal.table, named)
        if member is None or not member.is_active or member.account:
            # Who comes by the clinic's own accounts comes by these alone: they end with the job.
            raise PasskeyRefusedError("nobody's")
        if expected is not None and member.id != expected.id:
            raise PasskeyRefusedError("another member's")
        passkey = _passkey(member, named)
        used = passkeys.proved(proof.party, challenge, proof.answer, member, passkey, now=now)
        if used == passkey:
            return member
        after = member.with_passkey(used)
        try:
            portal.table.write([staff.changed_member(member, after)])
        except ConflictError:
            continue
        return after
    raise ConcurrentWriteError


def _passkey(member: StaffMember, passkey_id: str) -> Passkey:
    return next(each for each in member.passkeys if each.id == passkey_id)


def _read(portal: Portal, member: StaffMember) -> StaffMember:
    found = staff.member(portal.table, member.clinic, member.id)
    if found is None or not found.is_active:
        raise NotFoundError
    return found


def count_try(portal: Portal, network: str, now: Instant) -> None:
    """Count a try to get in. Raises TooManyError, ContendedError; nothing is read before."""
    key = portal.clinics.portal_key()
    if key is None:  # the challenge could not be signed either
        return
    bucket = sign_in_bucket_key(key.bucket(f"sign-in|range|{network}"))
    for _ in range(TRIES):
        [spend] = take_from({bucket: SIGN_IN}, now, portal.table.get([bucket]))
        try:
            portal.table.write_one(spend)
        except (ConflictError, ContendedError):
            continue
        return
    raise ContendedError
