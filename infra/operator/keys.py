"""Commands on the bearer keys of a clinic's programs and staff: create, list, revoke.

python -m infra key create riga-aesthetics --label "Newsletter tool" --scopes status:read
python -m infra key list riga-aesthetics
python -m infra key revoke riga-aesthetics key_0123456789ab
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from secrets import token_hex

from chalicelib.domain.api_keys import ONLY_ON_REQUEST, SCOPES, BearerKey, digest, new_secret
from chalicelib.portal import Portal, get_portal, system_clock
from chalicelib.store.clinics import UnknownClinicError
from chalicelib.store.keys import api_key_key, key_name_key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put
from infra.operator.arguments import (
    CommandError,
    Commands,
    add_clinic,
    add_command,
    add_group,
    no_such_clinic,
    require_clinic,
)

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
    key = add_group(commands, "key", "create, list and revoke the bearer keys of a clinic")
    _add_create(key)
    add_clinic(add_command(key, "list", "list the keys of a clinic, revoked ones too", _list))
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


def create(
    table: Table,
    clinic: str,
    label: str,
    scopes: Sequence[str] = EVERY_SCOPE,
    *,
    member: Member | None = None,
) -> tuple[BearerKey, str]:
    """Create a key for a clinic, or for one of its joint controllers.

    Return its record and the secret, of which only a hash is stored. Raise CommandError where the
    clinic, a scope or the controller does not exist, or the label is empty.
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
    secret = new_secret()
    key = BearerKey(
        f"key_{token_hex(6)}",
        clinic,
        label,
        tuple(scopes),
        system_clock(),
        member=member.id if member else None,
    )
    table.put(Put(api_key_key(digest(secret)), {"body": key.stored()}))
    table.put(Put(key_name_key(clinic, key.id), {"body": digest(secret)}))
    return key, secret


def revoke(table: Table, clinic: str, key_id: str) -> BearerKey:
    """Revoke a key: calls with it are refused from now on. Raise CommandError if there is none."""
    name = key_name_key(clinic, key_id)
    entry = table.get([name]).get(name)
    if entry is None or entry.body is None:
        raise CommandError(f"{clinic} has no key {key_id}.")
    place = api_key_key(entry.body)
    key = BearerKey.read(table.get([place])[place].body or "")
    if key.revoked_at is None:
        key = replace(key, revoked_at=system_clock())
        table.put(Put(place, {"body": key.stored()}))
    return key


def all_keys(table: Table, clinic: str) -> list[BearerKey]:
    """Return a clinic's keys, revoked ones too."""
    names = table.partition(key_name_key(clinic, "").pk, "APIKEY#")
    places = [api_key_key(name.body or "") for name in names]
    items = table.get(places).values()
    return [BearerKey.read(item.body or "") for item in items]


def _create(arguments: argparse.Namespace) -> None:
    portal = get_portal()
    member = _member(portal, arguments.clinic, arguments.member) if arguments.member else None
    scopes = arguments.scopes.split(",") if arguments.scopes else EVERYDAY_SCOPES
    key, secret = create(portal.table, arguments.clinic, arguments.label, scopes, member=member)
    print(f"{key.id} for {key.member or key.clinic}, {', '.join(key.scopes)}.", end=" ")
    print(f"This key is shown once:\n{secret}")


def _member(portal: Portal, clinic: str, controller: str) -> Member:
    try:
        published = portal.directory.look_up(clinic).published
    except UnknownClinicError:
        raise no_such_clinic(clinic) from None
    return Member(controller, [known.id for known in published.clinic.controllers])


def _list(arguments: argparse.Namespace) -> None:
    for key in all_keys(get_portal().table, arguments.clinic):
        state = f"revoked {key.revoked_at}" if key.revoked_at else "valid"
        controller = key.member or "all controllers"
        print(key.id, key.label, ",".join(key.scopes), controller, state, sep="\t")


def _revoke(arguments: argparse.Namespace) -> None:
    key = revoke(get_portal().table, arguments.clinic, arguments.key)
    print(f"{key.id} is revoked.")
