"""Long jobs, batches of paper forms, and how far a walk through the table came."""

from chalicelib.store.keys.key import Key


def job_key(clinic: str, key_id: str, job: str) -> Key:
    """A job, below the bearer key that made it: another key finds none there."""
    return Key(f"CLINIC#{clinic}#JOBS#{key_id}", f"JOB#{job}")


def job_call_key(clinic: str, key_id: str, call: str) -> Key:
    """Which job a call with an Idempotency-Key made, by its HMAC."""
    return Key(f"CLINIC#{clinic}#JOBS#{key_id}", f"CALL#{call}")


def job_part_key(clinic: str, job: str, plan: str, number: int) -> Key:
    """What a part of a job led to."""
    return Key(f"CLINIC#{clinic}#JOB#{job}", f"{plan}#{number:06d}")


def batch_key(clinic: str, batch: str) -> Key:
    """A batch of paper forms that staff enter; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#BATCHES", f"BATCH#{batch}")


def batch_form_key(clinic: str, batch: str, form: str) -> Key:
    """One form of a batch, by the HMAC of its number."""
    return Key(f"CLINIC#{clinic}#BATCH#{batch}", f"FORM#{form}")


def bookmark_key() -> Key:
    """The part of the index of due times at which the last hourly round had to stop."""
    return Key("HOUSEKEEPING", "BOOKMARK")


def walk_key(clinic: str) -> Key:
    """How far the hourly rounds came through all of a clinic's people, and for which version."""
    return Key("HOUSEKEEPING", f"CLINIC#{clinic}")


def migration_key() -> Key:
    """How far an operator's rewriting of people kept as they were before has come."""
    return Key("MIGRATION", "BOOKMARK")
