"""Commands on the people of a clinic's desk: invite, list, end access.

consent operator staff invite riga-aesthetics --name "Inese Kalniņa" --role administrator
consent operator staff list riga-aesthetics
consent operator staff end riga-aesthetics staff_0123456789ab
consent operator staff accounts riga-aesthetics --issuer https://login.example.org/realms/clinic
    --client-id consent-desk --group sg-reception=reception --group sg-it=administrator

The first administrator is invited so; the others they invite themselves.
"""

import argparse
import getpass
import os
import secrets
from urllib.parse import urlsplit

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.one_line import one_line
from chalicelib.domain.sign_in_providers import SignInProvider
from chalicelib.domain.staff import INVITATION_LIFETIME, Role, StaffMember
from chalicelib.messages.webhook_transport import URL_FAULTS, fault_of_url
from chalicelib.portal import get_portal, system_clock
from chalicelib.services import staff_members
from chalicelib.services.passkeys import own_address
from chalicelib.services.staff_members import OPERATOR, LastAdministratorError
from chalicelib.store import sign_in_providers, staff
from chalicelib.store.table import Table
from infra.operator.arguments import Commands, add_clinic, add_command, add_group, require_clinic
from infra.operator.cli.errors import CommandError

SECRET = "OIDC_CLIENT_SECRET"  # noqa: S105 - the name of a variable
"""The variable that may hold the secret; on the command line others could read it."""

_HOURS = INVITATION_LIFETIME.total_seconds() // 3600


def add_to(commands: Commands) -> None:
    """Add the commands to a parser's commands."""
    group = add_group(commands, "staff", "invite people to a clinic's desk, list them, end access")
    _add_invite(group)
    add_clinic(add_command(group, "list", "list the people of a clinic's desk", _list))
    command = add_command(group, "end", "end somebody's access at once", _end)
    add_clinic(command)
    command.add_argument("member", help="the person's id, as `staff list` shows it")
    _add_accounts(group)


def _add_invite(group: Commands) -> None:
    purpose = "invite somebody, and print the link, which is shown once and works once"
    command = add_command(group, "invite", purpose, _invite)
    add_clinic(command)
    who = command.add_mutually_exclusive_group(required=True)
    who.add_argument("--name", help="who it is, for the team and the audit")
    who.add_argument(
        "--again", metavar="MEMBER", help="somebody who is there and lost all passkeys"
    )
    roles = [role.value for role in Role]
    command.add_argument(
        "--role", choices=roles, default="administrator", help="default: administrator"
    )
    command.add_argument(
        "--lang", choices=LANGUAGES, default="en", help="the language of their pages; default: en"
    )
    command.add_argument(
        "--url",
        metavar="ADDRESS",
        help="the portal's address, such as https://consent.example.org/api; default: PUBLIC_URL",
    )


def _add_accounts(group: Commands) -> None:
    purpose = "let people sign in with the clinic's own accounts (OpenID Connect)"
    command = add_command(group, "accounts", purpose, _accounts)
    add_clinic(command)
    command.add_argument("--issuer", help="the provider's issuer, exactly as it names itself")
    command.add_argument("--client-id", help="what the portal is called there")
    command.add_argument(
        "--group",
        action="append",
        default=[],
        metavar="GROUP=ROLE",
        help="which group has which role; the first that somebody is in counts",
    )
    command.add_argument(
        "--claim", default="groups", help="the claim that names the groups; default: groups"
    )
    command.add_argument("--off", action="store_true", help="let nobody sign in so any more")


def link_of(secret: str, base_url: str) -> str:
    """Return the address at which an invitation is taken up."""
    return f"{own_address(base_url.rstrip('/'))}/staff/invitations/{secret}"


def invite(table: Table, clinic: str, name: str, role: Role, lang: str) -> tuple[StaffMember, str]:
    """Invite somebody; return who it is and the invitation's secret. Raise CommandError."""
    require_clinic(table, clinic)
    written = one_line(name)
    if not written:
        raise CommandError("Somebody needs a name: it stands in the team and in the audit.")
    return staff_members.invite(table, clinic, written, role, lang, by=OPERATOR, now=system_clock())


def invite_again(table: Table, clinic: str, member: str) -> str:
    """Return the secret of a new invitation of somebody. Raise CommandError."""
    require_clinic(table, clinic)
    try:
        return staff_members.invite_again(table, clinic, member, by=OPERATOR, now=system_clock())
    except NotFoundError:
        raise CommandError(f"Nobody with access to {clinic} is {member}.") from None


def _invite(arguments: argparse.Namespace) -> None:
    portal = get_portal()
    base_url = arguments.url or portal.settings.public_url
    if urlsplit(base_url).scheme not in {"http", "https"}:
        raise CommandError("Where is the portal? Name it: --url https://consent.example.org/api")
    if arguments.again:
        member = arguments.again
        secret = invite_again(portal.table, arguments.clinic, member)
    else:
        role = Role(arguments.role)
        made, secret = invite(portal.table, arguments.clinic, arguments.name, role, arguments.lang)
        member = f"{made.id} ({made.name}, {made.role})"
    print(f"{member} is invited to {arguments.clinic}.", end=" ")
    print(f"This link is shown once, and works once within {_HOURS:.0f} hours:")
    print(link_of(secret, base_url))


def _list(arguments: argparse.Namespace) -> None:
    table = get_portal().table
    require_clinic(table, arguments.clinic)
    for each in staff.members(table, arguments.clinic):
        state = f"ended {each.ended_at}" if each.ended_at else f"since {each.created_at}"
        passkeys = f"{len(each.passkeys)} passkeys"
        print(each.id, each.role, each.name, passkeys, state, sep="\t")


def _end(arguments: argparse.Namespace) -> None:
    table, now = get_portal().table, system_clock()
    try:
        staff_members.end_access(table, arguments.clinic, arguments.member, by=OPERATOR, now=now)
    except NotFoundError:
        reason = f"Nobody with access to {arguments.clinic} is {arguments.member}."
        raise CommandError(reason) from None
    except LastAdministratorError:
        reason = f"{arguments.member} is the only administrator of {arguments.clinic}"
        raise CommandError(f"{reason} who ever signed in: invite another one first.") from None
    print(f"The access of {arguments.member} is ended.")


def _accounts(arguments: argparse.Namespace) -> None:
    portal, clinic = get_portal(), arguments.clinic
    require_clinic(portal.table, clinic)
    if arguments.off:
        sign_in_providers.remove(portal.table, clinic)
        print(f"Accounts of {clinic} sign in no more. `staff end` ends who is there.")
        return
    provider = _provider(arguments, loopback=portal.settings.webhooks_to_loopback)
    secret = os.environ.get(SECRET) or getpass.getpass("The client's secret: ")
    if not secret.strip():
        raise CommandError(f"The client's secret is asked for, or stands in {SECRET}.")
    sign_in_providers.keep(portal.table, portal.clinics.key(clinic), provider, secret.strip())
    base_url = portal.settings.public_url or "https://…"
    print(f"People of {clinic} sign in at {own_address(base_url)}/staff/oidc/{clinic}.")
    print(f"Register there as the redirect URI: {own_address(base_url)}/staff/oidc/callback")


def _provider(arguments: argparse.Namespace, *, loopback: bool) -> SignInProvider:
    """Read what names a provider; raise CommandError."""
    if not (arguments.issuer and arguments.client_id and arguments.group):
        raise CommandError("Name --issuer, --client-id and at least one --group, or --off.")
    if fault := fault_of_url(arguments.issuer, loopback=loopback):
        raise CommandError(f"--issuer: {URL_FAULTS[fault]}")
    groups = []
    for each in arguments.group:
        name, _, role = each.rpartition("=")
        if not name or role not in set(Role):
            roles = ", ".join(Role)
            raise CommandError(f"--group {each}: say GROUP=ROLE; roles are {roles}.")
        groups.append((name, Role(role)))
    return SignInProvider(
        clinic=arguments.clinic,
        issuer=arguments.issuer,
        client_id=arguments.client_id,
        groups=tuple(groups),
        claim=arguments.claim,
        salt=secrets.token_hex(16),
        made_at=system_clock(),
    )
