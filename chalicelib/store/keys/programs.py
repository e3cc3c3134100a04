"""Programs: bearer keys, link keys, and the links that they or messages give to patients."""

from chalicelib.store.keys.key import Key


def api_key_key(digest: str) -> Key:
    """A bearer key, by the SHA-256 of its secret."""
    return Key(f"KEY#{digest}", "KEY")


def key_name_key(clinic: str, key_id: str) -> Key:
    """Which bearer key has this id."""
    return Key(f"CLINIC#{clinic}#KEYS", f"APIKEY#{key_id}")


def link_key(link: str) -> Key:
    """A link into the portal, by the hash of its secret."""
    return Key(f"LINK#{link}", "LINK")


def link_secret_key(clinic: str, key_id: str) -> Key:
    """A link key of a clinic's program, by its id; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#LINKKEYS", f"KEY#{key_id}")


def links_call_key(call: str) -> Key:
    """The body of a call for links, by the HMAC of its bearer key and Idempotency-Key."""
    return Key(f"LINK#{call}", "CALL")
