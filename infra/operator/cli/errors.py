"""Why a command of `consent` could not be carried out, and its exit code."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """The exit codes of `consent`; docs/command-line.md lists them for scripts."""

    DONE = 0
    REFUSED = 1
    """The portal refused it as things are, a file is invalid, or a check failed."""
    USAGE = 2
    """The command line itself is wrong; nothing was sent."""
    NOT_ALLOWED = 3
    """The key is missing, revoked, or lacks the scope."""
    UNAVAILABLE = 4
    """The portal does not answer, or answers that it cannot now. Try again later."""
    IN_PART = 5
    """Done, except for rows that could not be taken; they are listed by line."""
    INTERRUPTED = 130
    """Stopped by Ctrl-C."""


class CommandError(Exception):
    """A command cannot be carried out; the message says why, and what to do."""

    code = Exit.REFUSED

    def described(self) -> dict[str, Any]:
        """Return the error for a program: the members of a problem (RFC 9457), as far as known."""
        return {"title": str(self)}


class NotAllowedError(CommandError):
    """No key is there to work with."""

    code = Exit.NOT_ALLOWED


class UnavailableError(CommandError):
    """The portal cannot be reached."""

    code = Exit.UNAVAILABLE


class ProblemError(CommandError):
    """The portal answered with a problem (RFC 9457).

    The message has the problem's title and detail, and a line for each fault that it lists.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.status = status
        self.problem = problem
        self.code = exit_code(status)

    def described(self) -> dict[str, Any]:
        """Return the problem as the portal sent it."""
        return {**self.problem, "status": self.status}


def exit_code(status: int) -> Exit:
    """Return the exit code for an answer's HTTP status of 400 or above."""
    if status in {401, 403}:
        return Exit.NOT_ALLOWED
    if status in {408, 425, 429} or status >= 500:  # noqa: PLR2004 - HTTP's own numbers
        return Exit.UNAVAILABLE
    return Exit.REFUSED
