"""The portal's command line: publish clinics, create and revoke keys, sign and verify receipts, send again what failed.

    python -m infra publish infra/clinics/riga-aesthetics.yaml --author "Ieva Liepa" --approver "Juris Klusums"
    python -m infra notice list riga-aesthetics
    python -m infra key create riga-aesthetics --label "Newsletter tool" --scopes status:read
    python -m infra key list riga-aesthetics
    python -m infra key revoke riga-aesthetics key_0123456789ab
    python -m infra sign
    python -m infra signing-key rotate
    python -m infra data-key rotate riga-aesthetics
    python -m infra verify-chains riga-aesthetics
    python -m infra messages list riga-aesthetics RECEIPT
    python -m infra messages waiting riga-aesthetics
    python -m infra messages budgets
    python -m infra messages dead riga-aesthetics
    python -m infra messages retry riga-aesthetics
    python -m infra migrate
    python -m infra recount riga-aesthetics --from 2026-11-01
    python -m infra failures list
    python -m infra failures replay
    python -m infra verify receipt.jws --jwks jwks.json

It works on the stack that `make run` left in `.local/env.json`, or on the one that the environment names
(TABLE_NAME, CLINIC_KEY_ARN, SIGNING_KEY, AWS_REGION and AWS credentials). `verify` needs neither.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.api_keys import SCOPES
from chalicelib.domain.errors import ConcurrentWriteError, ServiceUnavailableError
from chalicelib.portal import get_portal
from chalicelib.settings import SettingsError
from chalicelib.store.clinics import UnknownClinicError
from infra.build.catalogs import compile_stale
from infra.operator import (
    data_keys,
    failures,
    keys,
    messages,
    migration,
    notices,
    recount,
    signing,
    verify,
)
from infra.operator.clinic_file import FileError

LOCAL_ENVIRONMENT = Path(".local/env.json")


def main(arguments: list[str]) -> int:
    """Carry out one command; 0 when it worked, 1 with one clear sentence per fault when it did not."""
    asked = _parser().parse_args(arguments)
    if not asked.offline and "TABLE_NAME" not in os.environ and LOCAL_ENVIRONMENT.exists():
        os.environ.update(json.loads(LOCAL_ENVIRONMENT.read_text(encoding="utf-8")))
    compile_stale()
    try:
        return asked.run(asked) or 0
    except (
        FileError,
        data_keys.DataKeyCommandError,
        keys.KeyCommandError,
        messages.MessageCommandError,
        recount.RecountCommandError,
        failures.FailuresCommandError,
        signing.SealCommandError,
        verify.NotReadableError,
    ) as error:
        print(error, file=sys.stderr)
    except SettingsError as error:
        print(f"{error}. Start the local portal with `make run`, or set these for a stack on AWS.", file=sys.stderr)
    except (ConcurrentWriteError, ServiceUnavailableError, BotoCoreError, ClientError) as error:
        print(f"AWS cannot be asked: {error}. Is `make run` up, or are there credentials?", file=sys.stderr)
    return 1


def _create(asked: argparse.Namespace) -> None:
    portal, member = get_portal(), None
    if asked.member:
        try:
            controllers = portal.directory.look_up(asked.clinic).published.clinic.controllers
        except UnknownClinicError:
            raise keys.KeyCommandError(f"No clinic “{asked.clinic}” is published. Publish its file first.") from None
        member = keys.Member(asked.member, [each.id for each in controllers])
    scopes = asked.scopes.split(",") if asked.scopes else keys.EVERYDAY_SCOPES
    key, secret = keys.create(portal.table, asked.clinic, asked.label, scopes, member=member)
    print(f"{key.id} for {key.member or key.clinic}, {', '.join(key.scopes)}. This key is shown once:\n{secret}")


def _list(asked: argparse.Namespace) -> None:
    for key in keys.all_keys(get_portal().table, asked.clinic):
        print(
            key.id,
            key.label,
            ",".join(key.scopes),
            key.member or "all controllers",
            f"revoked {key.revoked_at}" if key.revoked_at else "valid",
            sep="\t",
        )


def _revoke(asked: argparse.Namespace) -> None:
    print(f"{keys.revoke(get_portal().table, asked.clinic, asked.key).id} is revoked.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m infra", description="Publish clinics, keys, signatures, messages.")
    parser.set_defaults(offline=False)
    commands = parser.add_subparsers(required=True)
    notices.add_commands(commands)
    key = commands.add_parser("key", help="bearer keys of a clinic's programs and staff").add_subparsers(required=True)
    create = key.add_parser("create", help="create a key; it is shown once")
    create.add_argument("clinic")
    create.add_argument("--label", required=True, help="who uses it, for the audit")
    create.add_argument(
        "--scopes",
        help=f"comma-separated, of {', '.join(SCOPES)}; default: {','.join(keys.EVERYDAY_SCOPES)}",
    )
    create.add_argument("--member", metavar="ID", help="one of several joint controllers: it sees what that one shares")
    create.set_defaults(run=_create)
    listed = key.add_parser("list", help="list a clinic's keys")
    listed.add_argument("clinic")
    listed.set_defaults(run=_list)
    revoke = key.add_parser("revoke", help="revoke a key")
    revoke.add_argument("clinic")
    revoke.add_argument("key")
    revoke.set_defaults(run=_revoke)
    signing.add_to(commands)
    messages.add_to(commands)
    recount.add_to(commands)
    failures.add_to(commands)
    migration.add_to(commands)
    data_keys.add_to(commands)
    verify.add_to(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
