"""Whom a command is about: a contact from an option, from a file, from stdin, or asked for.

An option stands in the shell's history and in the list of processes; stdin and a file do not.
"""

import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from infra.operator.cli.command import in_a_terminal
from infra.operator.cli.errors import CommandError
from infra.operator.cli.portal import PlaceOf

_PHONE = re.compile(r"\+?[\d\s().-]{5,}")
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Named:
    """One subject as the API takes it, and where it stood: `line 3 of contacts.txt`, or nothing."""

    subject: dict[str, str]
    place: str = ""


def subject_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name one person."""
    for name, text in (
        ("--patient-ref", "The clinic's own number of the patient."),
        ("--phone", "Phone number, in any spelling; - asks for it or reads a line of stdin."),
        ("--email", "E-mail address; - asks for it or reads a line of stdin."),
    ):
        function = click.option(name, metavar="CONTACT", help=text)(function)
    return function


def one_subject(email: str | None, phone: str | None, patient_ref: str | None) -> dict[str, str]:
    """Return one person's contacts; ask for one, or read a line of stdin, where none is given."""
    given = {"email": email, "phone": phone, "patient_ref": patient_ref}
    subject = {kind: _typed(kind, value) for kind, value in given.items() if value is not None}
    if subject:
        return subject
    return read_contact(_ask("E-mail, phone or ref:NUMBER"))


def many_subjects(
    email: str | None, phone: str | None, patient_ref: str | None, file: str | None
) -> list[Named]:
    """Return the people named by options, else by the lines of a file (`-` is stdin)."""
    if file is None:
        return [Named(one_subject(email, phone, patient_ref))]
    if email or phone or patient_ref:
        raise click.UsageError("Give contacts by options or by a file, not by both.")
    return list(_lines(file))


def read_contact(text: str) -> dict[str, str]:
    """Return a contact of its kind: an e-mail has an @, a number of the clinic's begins `ref:`.

    Raise CommandError where it is none.
    """
    text = text.strip()
    if text.lower().startswith("ref:"):
        return {"patient_ref": text[len("ref:") :].strip()}
    if "@" in text:
        return {"email": text}
    if _PHONE.fullmatch(text):
        return {"phone": text}
    raise CommandError("That is no e-mail, no phone and no ref:NUMBER.")


def place_in_file(named: list[Named]) -> PlaceOf:
    """Return what turns `/subjects/3/email` into the line on which that subject stands."""

    def place_of(pointer: str) -> str | None:
        found = re.match(r"/(?:subjects|links)/(\d+)", pointer)
        if not found or int(found[1]) >= len(named):
            return None
        return named[int(found[1])].place or None

    return place_of


def _lines(file: str) -> Iterator[Named]:
    where = "stdin" if file == STDIN else file
    try:
        text = sys.stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(f"{file} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError:
        raise CommandError(f"{where} is no text in UTF-8.") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield Named(read_contact(line), f"line {number} of {where}")
        except CommandError as error:
            raise CommandError(f"Line {number} of {where}: {error}") from None


def _typed(kind: str, value: str) -> str:
    return _ask(f"{kind.replace('_', ' ').capitalize()}:") if value == STDIN else value


def _ask(question: str) -> str:
    """Ask for a line where there is a terminal, else read one from stdin."""
    if in_a_terminal():
        return str(click.prompt(question.rstrip(":"), err=True)).strip()
    line = sys.stdin.readline().strip()
    if not line:
        raise click.UsageError(
            "Whom is it about? Give --email, --phone, --patient-ref, or a line of stdin."
        )
    return line
