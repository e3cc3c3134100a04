"""Commands on the bearer keys of a clinic's programs and staff: create, list, rotate, revoke.

consent operator key create riga-aesthetics --label "Newsletter tool" --scopes status:read
consent operator key list riga-aesthetics
consent operator key rotate riga-aesthetics key_0123456789ab --overlap 24
consent operator key revoke riga-aesthetics key_0123456789ab
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

from chalicelib.domain.api_keys import (
    LONGEST_OVERLAP,
    ONLY_ON_REQUEST,
    SCOPES,
    USUAL_OVERLAP,
    BearerKey,
    KeyKind,
)
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import ending, instant, is_ending, moment
from chalicelib.portal import Portal, get_portal, system_clock
from chalicelib.services import keys as service
from chalicelib.services.keys import Rotation, UnknownKeyError
from chalicelib.store import audit, bearer_keys
from chalicelib.store.bearer_keys import StoredKey
from chalicelib.store.clinics import UnknownClinicError
from chalicelib.store.table import Table
from chalicelib.store.writes import Put
from infra.operator.arguments import (
    Commands,
    add_clinic,
    add_command,
    add_group,
    no_such_clinic,
    require_clinic,
)
from infra.operator.cli.errors import CommandError

OPERATOR = "operator"
"""Who the audit names for what a command did."""

_HOUR = timedelta(hours=1)

EVERYDAY_SCOPES = ("status:read", "receipts:read", "receipts:write")
"""The scopes of a new key unless others are named: to ask for answers and to record them.

Few programs need links, erasures or notices.
"""

EVERY_SCOPE = tuple(scope for scope in SCOPES if scope not in ONLY_ON_REQUEST)
"""Every scope that a key may have without being asked for by name."""


@dataclass(frozen=True, slots=True)
class Member:
    """One of several joint controllers, by id, and the ids of all controllers of the clinic."""

    id: str
    of: Sequence[str]


def add_to(commands: Commands) -> None:
    """Add the commands to a parser's commands."""
    purpose = "create, list, rotate and revoke the bearer keys of a clinic"
    key = add_group(commands, "key", purpose)
    _add_create(key)
    add_clinic(add_command(key, "list", "list the keys of a clinic, revoked ones too", _list))
    _add_rotate(key)
    command = add_command(
        key, "revoke", "revoke a key: calls with it are refused from now on", _revoke
    )
    add_clinic(command)
    command.add_argument("key", help="the key's id, as `key list` shows it")


def _add_create(key: Commands) -> None:
    purpose = "create a key for a program or for staff, and print it; it is shown only once"
    command = add_command(key, "create", purpose, _create)
    add_clinic(command)
    command.add_argument("--label", required=True, help="who uses the key, for the audit")
    default = ",".join(EVERYDAY_SCOPES)
    command.add_argument(
        "--scopes",
        help=f"what the key may do, comma-separated, of {', '.join(SCOPES)}; default: {default}",
    )
    command.add_argument(
        "--member",
        metavar="ID",
        help="one of several joint controllers: the key sees only what is shared with that one",
    )
    kinds = [kind.value for kind in KeyKind]
    command.add_argument("--kind", choices=kinds, default="program", help="who uses the key")
    command.add_argument(
        "--expires",
        metavar="WHEN",
        help="a last day such as 2027-03-31, or a period such as P1Y; left out: it does not end",
    )


def _add_rotate(key: Commands) -> None:
    purpose = "give a key a new secret, and print it; the one before stays valid for some hours"
    command = add_command(key, "rotate", purpose, _rotate)
    add_clinic(command)
    command.add_argument("key", help="the key's id, as `key list` shows it")
    usual, most = USUAL_OVERLAP // _HOUR, LONGEST_OVERLAP // _HOUR
    command.add_argument(
        "--overlap",
        type=int,
        default=usual,
        metavar="HOURS",
        help=f"how long earlier secrets stay valid, 0 to {most}; default: {usual}",
    )


def create(
    table: Table,
    clinic: str,
    label: str,
    scopes: Sequence[str] = EVERY_SCOPE,
    *,
    member: Member | None = None,
    kind: KeyKind = KeyKind.PROGRAM,
    expires: str | None = None,
) -> tuple[BearerKey, str]:
    """Create a key for a clinic, or for one of its joint controllers.

    `expires` is a last day or a period (`instants.ending`); without it the key does not end.
    Return its record and the secret, of which only a hash is stored. Raise CommandError where the
    clinic, a scope or the controller does not exist, the label is empty or `expires` is neither.
    """
    require_clinic(table, clinic)
    if not label.strip():
        raise CommandError("A key needs a label: who uses it, for the audit.")
    unknown = ", ".join(sorted(set(scopes) - set(SCOPES)))
    if unknown:
        raise CommandError(f"Unknown scope: {unknown}. Known: {', '.join(SCOPES)}.")
    if member and member.id not in member.of:
        known = ", ".join(member.of)
        raise CommandError(f"{member.id} is no controller of {clinic}. Known: {known}.")
    if expires is not None and not is_ending(expires):
        raise CommandError(f"{expires} is neither a day such as 2027-03-31 nor a period like P1Y.")
    now = system_clock()
    key = BearerKey(
        f"key_{token_hex(6)}",
        clinic,
        label,
        tuple(scopes),
        now,
        member=member.id if member else None,
        kind=kind,
        expires_at=None if expires is None else instant(moment(ending(expires, now))),
    )
    return key, service.issue(table, key, _line(key.clinic, "keys/create", key.id))


def rotate(table: Table, clinic: str, key_id: str, overlap: timedelta) -> str:
    """Give a key a new secret, and return it. Raise CommandError where that cannot be."""
    line = _line(clinic, "keys/rotate", key_id)
    try:
        return service.give_new_secret(
            table, clinic, key_id, Rotation(overlap), now=system_clock(), line=line
        )
    except UnknownKeyError:
        raise _no_such_key(clinic, key_id) from None
    except RejectedError as error:
        raise CommandError(f"{key_id} gets no new secret: it is {error}.") from None


def revoke(table: Table, clinic: str, key_id: str) -> BearerKey:
    """Revoke a key: calls with it are refused from now on. Raise CommandError if there is none."""
    line = _line(clinic, "keys/revoke", key_id)
    try:
        return service.revoke(table, clinic, key_id, system_clock(), line).key
    except UnknownKeyError:
        raise _no_such_key(clinic, key_id) from None


def all_keys(table: Table, clinic: str) -> list[BearerKey]:
    """Return a clinic's keys, revoked ones too."""
    return [stored.key for stored in _all_stored(table, clinic)]


def _all_stored(table: Table, clinic: str) -> list[StoredKey]:
    keys, more = bearer_keys.page(table, clinic, "")
    while more is not None:
        found, more = bearer_keys.page(table, clinic, more)
        keys += found
    return keys


def _line(clinic: str, what: str, key_id: str) -> Put:
    return audit.line(clinic, OPERATOR, what, system_clock(), [], about=key_id)


def _no_such_key(clinic: str, key_id: str) -> CommandError:
    return CommandError(f"{clinic} has no key {key_id}.")


def _create(arguments: argparse.Namespace) -> None:
    portal = get_portal()
    member = _member(portal, arguments.clinic, arguments.member) if arguments.member else None
    scopes = arguments.scopes.split(",") if arguments.scopes else EVERYDAY_SCOPES
    key, secret = create(
        portal.table,
        arguments.clinic,
        arguments.label,
        scopes,
        member=member,
        kind=KeyKind(arguments.kind),
        expires=arguments.expires,
    )
    print(f"{key.id} for {key.member or key.clinic}, {', '.join(key.scopes)}.", end=" ")
    print(f"This key is shown once:\n{secret}")


def _member(portal: Portal, clinic: str, controller: str) -> Member:
    try:
        published = portal.directory.look_up(clinic).published
    except UnknownClinicError:
        raise no_such_clinic(clinic) from None
    return Member(controller, [known.id for known in published.clinic.controllers])


def _list(arguments: argparse.Namespace) -> None:
    now = system_clock()
    for stored in _all_stored(get_portal().table, arguments.clinic):
        key = stored.key
        state = f"{key.state(now)} since {key.since(now)}"
        controller = key.member or "all controllers"
        used = f"last used {stored.last_used_on or 'never'}"
        ends = f"ends {key.expires_at or 'never'}"
        print(key.id, key.kind, key.label, ",".join(key.scopes), controller, sep="\t", end="\t")
        print(state, ends, used, sep="\t")


def _rotate(arguments: argparse.Namespace) -> None:
    hours, most = arguments.overlap, LONGEST_OVERLAP // _HOUR
    if not 0 <= hours <= most:
        raise CommandError(f"--overlap is a whole number of hours, from 0 to {most}.")
    overlap = timedelta(hours=hours)
    secret = rotate(get_portal().table, arguments.clinic, arguments.key, overlap)
    print(f"{arguments.key} has a new secret; earlier ones are valid for {hours} more hours.")
    print(f"It is shown once:\n{secret}")


def _revoke(arguments: argparse.Namespace) -> None:
    key = revoke(get_portal().table, arguments.clinic, arguments.key)
    print(f"{key.id} is revoked.")
