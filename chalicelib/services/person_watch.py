"""Who looked at a person's data or changed it, for the clinic's staff."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services.audit import FoundLine, Looked, who_looked
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.doers import Doer, find_doers
from chalicelib.services.look_up_limits import take_look_up
from chalicelib.store.people import find_all


@dataclass(frozen=True, slots=True)
class Watched:
    """The lines of the audit about a person, and who stands behind the ids in them."""

    looked: Looked
    lines: tuple[FoundLine, ...]
    doers: Mapping[str, Doer]


def who_looked_at(
    portal: Portal, call: AuthorizedCall[Any], subject: str
) -> tuple[Subject, Watched]:
    """Give the lines about a person of the last 31 days, the newest first.

    One of several joint controllers sees what its own keys did. A line of the audit, and one
    look-up of the limit. Raises NotFoundError, TooManyError.
    """
    person = find_all(portal.table, call.clinic, [subject]).get(subject)
    if person is None:
        raise NotFoundError
    take_look_up(portal, call, call.audit("people/looked", [person]))
    looked = who_looked(portal, call.clinic, subject, call.now)
    doers = find_doers(portal.table, call.clinic, {line.told["key"] for line in looked.lines})
    lines = looked.lines
    if call.key.member is not None:
        lines = [line for line in lines if _is_of(doers, line, call.key.member)]
    return person, Watched(looked, tuple(lines), doers)


def _is_of(doers: Mapping[str, Doer], line: FoundLine, member: str) -> bool:
    doer = doers.get(line.told["key"])
    return doer is not None and doer.member == member
