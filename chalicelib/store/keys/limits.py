"""Token buckets (`domain.rate_limits`)."""

from chalicelib.store.keys.key import Key


def bucket_key(clinic: str, digest: str) -> Key:
    """One token bucket, by the HMAC of what it is for."""
    return Key(f"CLINIC#{clinic}#LIMIT#{digest}", "LIMIT")


def shared_bucket_key(digest: str) -> Key:
    """One token bucket that all clinics share, by the HMAC of what it is for."""
    return Key(f"LIMIT#{digest}", "LIMIT")
