"""The audit and the seals of its days."""

from chalicelib.store.keys.key import Key

AUDIT_SHARDS = 4
"""Among how many partitions one clinic's audit of a day is spread: each takes 1,000 lines a
second."""


def audit_key(clinic: str, recorded_at: str, entry: str) -> Key:
    """One line of the clinic's audit, by its own id in one of a day's partitions."""
    shard = int(entry[0], 16) % AUDIT_SHARDS
    return Key(f"{_audit(clinic, recorded_at)}#{shard}", f"{recorded_at}#{entry}")


def audit_partitions(clinic: str, day: str) -> list[str]:
    """Give every partition in which a day's audit may stand: before there were shards, in one."""
    return [_audit(clinic, day), *(f"{_audit(clinic, day)}#{n}" for n in range(AUDIT_SHARDS))]


def audit_seal_key(clinic: str, day: str) -> Key:
    """The seal of one day of the clinic's audit."""
    return Key(f"CLINIC#{clinic}#AUDITSEALS", f"SEAL#{day}")


def sealed_lines_key(clinic: str, day: str, chain: str, part: int) -> Key:
    """The hashes of the lines that a seal is over, by the seal's own hash; in parts."""
    return Key(audit_seal_key(clinic, day).pk, f"LINES#{day}#{chain}#{part:04d}")


def sealing_key() -> Key:
    """How far sealing the audits of all clinics has come."""
    return Key("AUDITSEALS", "BOOKMARK")


def _audit(clinic: str, day: str) -> str:
    return f"CLINIC#{clinic}#AUDIT#{day[:10]}"
