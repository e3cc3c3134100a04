"""The call that compares a list for a mailing with the consents: CSV in, CSV out."""

from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import TypeVar

from chalice.app import Request, Response

from chalicelib.domain.lists import Mode, Target, targets_of
from chalicelib.portal import get_portal
from chalicelib.presentation.csv_table import DELIMITERS
from chalicelib.services.lists import (
    MAX_BYTES,
    ListOptions,
    ScrubbedList,
    SentList,
)
from chalicelib.services.lists import scrub_list as scrub
from chalicelib.web.api.auth import authorize
from chalicelib.web.api.body_reader import BodyReader
from chalicelib.web.api.errors import NO_CHOICE, UNKNOWN_CHOICE, RefusedError
from chalicelib.web.requests import RawBody, query
from chalicelib.web.responses import BinaryResponse

LIST = RawBody("text/csv", MAX_BYTES)

_DELIMITER_NAMES = {delimiter: name for name, delimiter in DELIMITERS.items()}

Choice = TypeVar("Choice", bound=StrEnum)


def scrub_list(request: Request, clinic: str) -> Response:
    """Give the rows of a list that may be written to, with a certificate of it."""
    call = authorize(request, clinic, "status:read", partial(read_list, request=request), raw=LIST)
    done = scrub(get_portal(), call)
    return BinaryResponse(done.content, {"Content-Type": _media_type(done), **_headers(done)})


def read_options(request: Request) -> ListOptions:
    """Read what the address says of a list; raise RefusedError for a word that is not known."""
    mode = _choice(request, "mode", Mode) or Mode.PERMITTED
    target = _choice(request, "for", Target)
    known = targets_of(mode)
    if target is not None and target not in known:
        if not known:
            raise RefusedError(NO_CHOICE, name="for")
        listed = "spreadsheet" if mode is not Mode.BLOCKLIST else "a mailing tool"
        raise RefusedError(UNKNOWN_CHOICE, name="for", known=f"{listed} with this mode")
    return ListOptions(
        query(request, "purpose") or "",
        mode,
        target,
        query(request, "column"),
        query(request, "delimiter"),
        query(request, "encoding"),
    )


def read_list(body: BodyReader, request: Request) -> SentList:
    """Read a list as it came, and what the address says of it; raise RefusedError as there."""
    return SentList(body.raw, read_options(request))


def _choice(request: Request, name: str, choices: type[Choice]) -> Choice | None:
    given = query(request, name)
    if given is None:
        return None
    if given not in list(choices):
        raise RefusedError(UNKNOWN_CHOICE, name=name, known=", ".join(choices))
    return choices(given)


def _media_type(done: ScrubbedList) -> str:
    """Name the encoding of the file that goes out: that of the list, or ours."""
    of_list = done.asked.mode in {Mode.PERMITTED, Mode.ANNOTATE}
    encoding = done.asked.dialect.encoding.name if of_list else "utf-8"
    charset = "utf-16" if encoding.startswith("utf-16") else encoding
    return f"text/csv; charset={charset}; header=present"


def _headers(done: ScrubbedList) -> Mapping[str, str]:
    """Write the counts as structured fields (RFC 9651): dictionaries and a list."""
    counts, asked = done.counts, done.asked
    dialect = asked.dialect
    told: dict[str, str] = {
        "rows": str(counts.rows),
        "asked": str(counts.asked),
        "permitted": str(counts.permitted),
        "cells-changed": str(counts.cells_changed),
        "encoding": f'"{dialect.encoding.name}"',
        "encoding-assumed": "?1" if dialect.encoding.assumed else "?0",
        "delimiter": f'"{_DELIMITER_NAMES[dialect.delimiter]}"',
    }
    columns = " ".join(str(column.position + 1) for column in asked.columns)
    told["columns"] = f"({columns})"
    return {
        "Consent-Certificate": done.certificate,
        "Consent-List": _dictionary(told),
        "Consent-Refused": _dictionary(counts.refused),
        "Consent-Broken": _dictionary(counts.broken),
        "Consent-Broken-Lines": ", ".join(map(str, counts.broken_lines)),
        "Cache-Control": "no-store",
    }


def _dictionary(members: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value}" for name, value in members.items())
