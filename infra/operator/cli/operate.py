"""`consent operator`: the commands that work on a portal's table and keys, with rights on AWS.

They are there in a checkout of the repository alone.
"""

import click

from infra.operator.cli.command import CONTEXT


class Operator(click.Command):
    """Passes everything behind its name on to the operator's own parser, `--help` too."""

    def __init__(self) -> None:
        super().__init__(
            "operator",
            callback=_run,
            context_settings={**CONTEXT, "ignore_unknown_options": True},
            add_help_option=False,
            params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
            help="First clinics, keys, messages, signatures, repairs.",
        )


def _run(words: tuple[str, ...]) -> int:
    from infra.operator.commands import main  # noqa: PLC0415 - loads what only a checkout has

    try:
        return main(list(words))
    except SystemExit as ended:  # argparse ends so after --help and after a wrong command line
        return int(ended.code or 0)


operator = Operator()
