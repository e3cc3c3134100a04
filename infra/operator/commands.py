"""The portal's command line: reads the arguments, runs the command, and reports errors.

The commands work on the portal that `make run` describes in `.local/env.json`, or on the one that
the environment names (TABLE_NAME, CLINIC_KEY_ARN, SIGNING, SIGNING_KEY, AWS_REGION and AWS credentials).
`verify` needs neither.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import ConcurrentWriteError, ServiceUnavailableError
from chalicelib.settings import SettingsError
from infra.build.catalogs import compile_stale
from infra.operator import (
    audit,
    data_keys,
    failures,
    keys,
    messages,
    migration,
    notices,
    recount,
    signing,
    staff,
    verify,
)
from infra.operator.cli.errors import CommandError

LOCAL_ENVIRONMENT = Path(".local/env.json")
DESCRIPTION = "Look after a consent portal: notices, keys, signatures, messages."
WHICH_PORTAL = (
    "The commands work on the portal that `make run` has started in this folder, or, where "
    "TABLE_NAME is set, on the portal on AWS that the environment names (docs/operate.md). "
    "`verify` needs no portal. Each command has its own --help."
)


def main(words: list[str]) -> int:
    """Run one command; return 0 if it worked, else 1 with one sentence per error."""
    arguments = parser().parse_args(words)
    if not arguments.offline:
        _find_local_portal()
    compile_stale()
    try:
        return arguments.run(arguments) or 0
    except CommandError as error:
        print(error, file=sys.stderr)
    except SettingsError as error:
        remedy = "Start the local portal with `make run`, or set these for a stack on AWS."
        print(f"{error}. {remedy}", file=sys.stderr)
    except (ConcurrentWriteError, ServiceUnavailableError, BotoCoreError, ClientError) as error:
        remedy = "Is `make run` up, or are there credentials?"
        print(f"AWS does not answer: {error}. {remedy}", file=sys.stderr)
    return 1


def parser() -> argparse.ArgumentParser:
    """Return the parser with every command."""
    portal = argparse.ArgumentParser(
        prog="consent operator", description=DESCRIPTION, epilog=WHICH_PORTAL
    )
    portal.set_defaults(offline=False)
    commands = portal.add_subparsers(required=True, metavar="COMMAND")
    notices.add_to(commands)
    keys.add_to(commands)
    staff.add_to(commands)
    audit.add_to(commands)
    signing.add_to(commands)
    messages.add_to(commands)
    recount.add_to(commands)
    failures.add_to(commands)
    migration.add_to(commands)
    data_keys.add_to(commands)
    verify.add_to(commands)
    return portal


def _find_local_portal() -> None:
    """Take the settings of the portal that `make run` started, unless the environment names one."""
    if "TABLE_NAME" not in os.environ and LOCAL_ENVIRONMENT.exists():
        os.environ.update(json.loads(LOCAL_ENVIRONMENT.read_text(encoding="utf-8")))
