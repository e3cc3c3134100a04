"""`consent`: a clinic's consents from the command line, by the API of any portal.

Each command is in a module of its own beside this one, and loaded when it is used. In a checkout
of the repository `consent operator` adds the commands that need rights on AWS.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import click

from infra.operator.cli.command import Section, Work, group
from infra.operator.cli.errors import CommandError, Exit
from infra.operator.cli.portal import own_version

SECTIONS = [
    Section(
        "Get started",
        {
            "login": "setup:login",
            "logout": "setup:logout",
            "profile": "setup:profile",
            "completion": "setup:completion",
        },
    ),
    Section(
        "Ask",
        {
            "status": "ask:status",
            "history": "ask:history",
            "receipt": "ask:receipt",
            "verify": "verify:verify",
        },
    ),
    Section(
        "Lists",
        {
            "scrub": "lists:scrub",
            "links": "links:links",
            "export": "exports:export",
            "import": "imports:import_file",
            "jobs": "jobs:jobs",
        },
    ),
    Section("Record", {"record": "record:record", "withdraw": "record:withdraw"}),
    Section(
        "What patients read",
        {"clinic": "notices:clinic", "notice": "notices:notice", "poster": "posters:poster"},
    ),
    Section(
        "Look after it",
        {
            "changes": "changes:changes",
            "stats": "stats:stats",
            "audit": "audit:audit",
            "key": "keys:key",
            "webhook": "webhooks:webhook",
            "deliveries": "webhooks:deliveries",
        },
    ),
]
OPERATE = Section("Run a portal (needs this repository)", {"operator": "operate:operator"})
ENDING = """
Exit codes: 0 done, 1 refused or invalid, 2 wrong command line, 3 not allowed,
4 portal not available, 5 done in part, 130 interrupted.
"""


def sections() -> list[Section]:
    """Return the headings of the help; the operator's where the repository is there."""
    there = find_spec("infra.operator.commands") is not None
    return [*SECTIONS, OPERATE] if there else SECTIONS


@group("consent", sections=sections(), epilog=ENDING)
@click.version_option(own_version(), prog_name="consent", message="%(prog)s %(version)s")
@click.pass_context
def consent(context: click.Context) -> None:
    """A clinic's consents from the command line: ask, record, publish, prove.

    Works with any consent portal, by its API and a key of the clinic.
    Begin with: consent login https://consent.example.org/api
    """
    context.ensure_object(Work)


def run(words: Sequence[str] | None = None) -> int:
    """Run a command line, report its error in sentences, and return the exit code."""
    work = Work()
    arguments = list(sys.argv[1:] if words is None else words)
    if "--json" in arguments:  # an error before the option is read is told as JSON too
        work.output.as_json = True
    try:
        done: Any = consent.main(arguments, prog_name="consent", standalone_mode=False, obj=work)
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.ClickException as error:
        error.show(sys.stderr)
        return Exit.USAGE
    except (click.Abort, KeyboardInterrupt):
        work.output.say("Interrupted.")
        return Exit.INTERRUPTED
    except BrokenPipeError:  # the reader of the pipe has seen enough
        sys.stderr.close()
        return Exit.DONE
    except CommandError as error:
        if work.output.as_json:
            work.output.result({"error": error.described(), "exit_code": int(error.code)})
        work.output.say(str(error), "red")
        return error.code
    return done if isinstance(done, int) else Exit.DONE


def main() -> None:
    """Run the command line of the process."""
    sys.exit(run())


if __name__ == "__main__":
    main()
