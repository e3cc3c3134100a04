"""A finished day of a clinic's audit is sealed, and a sealed one verified.

Lines are written by many processes at once and are not chained then: no call waits for another.
Some hours after a day has ended its lines are read in order and chained, and the end is signed. A
line that comes later still goes into the next day's seal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from chalicelib.domain.instants import Instant, moment
from chalicelib.receipts import jws
from chalicelib.receipts.audit_seals import (
    TYPE,
    AuditSeal,
    chain_of,
    line_hash,
    seal_hash,
    verify_seal,
)
from chalicelib.receipts.errors import UnprovenError
from chalicelib.store import audit, audit_seals, signatures
from chalicelib.store.audit_seals import StoredSeal
from chalicelib.store.signer import Signer
from chalicelib.store.table import Table

SEALED_AFTER = timedelta(hours=6)
"""How long after a day has ended it is sealed. The longest-running function ends within minutes."""

_DAY = timedelta(days=1)


@dataclass(slots=True)
class DayCheck:
    """What verifying one day found; `faults` are sentences, none where everything holds."""

    day: str
    seal: AuditSeal | None = None
    faults: list[str] = field(default_factory=list)


def last_finished_day(now: Instant) -> str:
    """Give the latest day that is to be sealed by now."""
    return (moment(now) - SEALED_AFTER - _DAY).date().isoformat()


def seal_until(
    table: Table, signer: Signer, clinic: str, until: str, now: Instant
) -> Iterator[str]:
    """Seal every day of a clinic that is not sealed yet, up to one day; give each when it is done.

    A clinic's first seal is of that day: what it did before sealing began is not sealed. Raises
    SigningUnavailableError, UnavailableError; what is sealed by then stays.
    """
    before = audit_seals.last(table, clinic)
    day = _next(before.day) if before else until
    while day <= until:
        before = _seal(table, signer, clinic, day, before=before, now=now)
        yield day
        day = _next(day)


def verify_days(table: Table, clinic: str, days: Sequence[str] = ()) -> Iterator[DayCheck]:
    """Verify the named days of a clinic's audit, or every one from its first seal on.

    A day is right when its seal is the portal's and follows from the day before, and when its lines
    are exactly those that are sealed.
    """
    jwks = signatures.jwks(table)
    seals = {each.day: each for each in audit_seals.since(table, clinic, "")}
    for day in days or _every_day(seals):
        yield _verify_day(table, clinic, day, seals, jwks)


def _seal(
    table: Table,
    signer: Signer,
    clinic: str,
    day: str,
    *,
    before: StoredSeal | None,
    now: Instant,
) -> StoredSeal:
    """Seal one day, behind the seal of the day before; give the seal that then stands."""
    own = _hashes(table, clinic, day)
    late = _late(table, clinic, before)
    hashes = [*own, *late]
    previous = seal_hash(before.signed) if before else None
    seal = AuditSeal(
        clinic=clinic,
        day=day,
        lines=len(own),
        late=len(late),
        previous=previous,
        chain=chain_of(previous, hashes),
        sealed_at=now,
    )
    stored = StoredSeal(day, _sign(table, signer, seal), seal.chain)
    if audit_seals.keep(table, clinic, stored, hashes):
        return stored
    # Another process sealed the day in this moment; its seal counts.
    return audit_seals.read(table, clinic, day) or stored


def _sign(table: Table, signer: Signer, seal: AuditSeal) -> str:
    key = signer.current(lambda jwk: signatures.keep_key(table, jwk))
    protected, canonical = jws.header(key.jwk, TYPE), seal.canonical()
    signature = signer.sign(key, jws.signing_input(protected, canonical))
    return jws.compact(protected, canonical, signature)


def _late(table: Table, clinic: str, before: StoredSeal | None) -> list[bytes]:
    """Give the hashes of lines of the day before that came when it had been sealed."""
    if before is None:
        return []
    sealed = set(audit_seals.hashes_of(table, clinic, before))
    return [each for each in _hashes(table, clinic, before.day) if each not in sealed]


def _hashes(table: Table, clinic: str, day: str) -> list[bytes]:
    lines = audit.stored_lines(table, clinic, day)
    return [line_hash(each.place, each.body) for each in lines]


def _verify_day(
    table: Table,
    clinic: str,
    day: str,
    seals: Mapping[str, StoredSeal],
    jwks: Mapping[str, Any],
) -> DayCheck:
    check = DayCheck(day)
    stored = seals.get(day)
    if stored is None:
        check.faults.append("There is no seal of this day.")
        return check
    try:
        seal = verify_seal(stored.signed, jwks)
    except UnprovenError as error:
        check.faults.append(f"The seal is not proven: {error}")
        return check
    check.seal = seal
    hashes = audit_seals.hashes_of(table, clinic, stored)
    check.faults += _faults_of_seal(clinic, stored, seal, seals, hashes)
    late = _late_sealed(table, clinic, seals.get(_next(day)), jwks)
    check.faults += _faults_of_lines(table, clinic, day, [*hashes[: seal.lines], *late])
    return check


def _late_sealed(
    table: Table, clinic: str, after: StoredSeal | None, jwks: Mapping[str, Any]
) -> list[bytes]:
    """Give the hashes of a day's late lines, which the seal of the day after is over."""
    if after is None:
        return []
    try:
        seal = verify_seal(after.signed, jwks)
    except UnprovenError:
        return []  # that day's own check tells of it
    return audit_seals.hashes_of(table, clinic, after)[seal.lines :]


def _faults_of_seal(
    clinic: str,
    stored: StoredSeal,
    seal: AuditSeal,
    seals: Mapping[str, StoredSeal],
    hashes: Sequence[bytes],
) -> Iterator[str]:
    """Tell what is wrong with a seal by itself, and behind the one of the day before."""
    if (seal.clinic, seal.day) != (clinic, stored.day):
        yield f"The seal is of {seal.clinic}, {seal.day}."
    before = seals.get(_previous(stored.day))
    if before is not None and seal.previous != seal_hash(before.signed):
        yield "The seal does not follow from the seal of the day before."
    if before is None and (seal.previous is not None or _previous_exists(seals, stored.day)):
        yield "The seal of the day before is gone."
    if len(hashes) != seal.lines + seal.late or chain_of(seal.previous, hashes) != seal.chain:
        yield "The hashes of the lines do not lead to what the seal signs."


def _faults_of_lines(table: Table, clinic: str, day: str, sealed: Sequence[bytes]) -> Iterator[str]:
    """Tell which lines of a day are not as they were sealed."""
    missing = dict(zip(sealed, range(1, len(sealed) + 1), strict=True))
    for line in audit.stored_lines(table, clinic, day):
        found = line_hash(line.place, line.body)
        if missing.pop(found, None) is None:
            yield f"The line {line.place} is not sealed: it was changed, or added."
    for number in missing.values():
        yield f"The line sealed as number {number} of {len(sealed)} is gone, or changed."


def _every_day(seals: Mapping[str, StoredSeal]) -> Iterator[str]:
    """Give every day from the first seal to the last, those without one too."""
    if not seals:
        return
    day, until = min(seals), max(seals)
    while day <= until:
        yield day
        day = _next(day)


def _previous_exists(seals: Mapping[str, StoredSeal], day: str) -> bool:
    return any(each < day for each in seals)


def _next(day: str) -> str:
    return (date.fromisoformat(day) + _DAY).isoformat()


def _previous(day: str) -> str:
    return (date.fromisoformat(day) - _DAY).isoformat()
