"""Who may ask: bearer keys, links, the desk's people and tablets."""

from chalicelib.store.keys.key import Key


def api_key_key(digest: str) -> Key:
    """A bearer key, by the SHA-256 of its secret."""
    return Key(f"KEY#{digest}", "KEY")


def key_name_key(clinic: str, key_id: str) -> Key:
    """Which bearer key has this id."""
    return Key(f"CLINIC#{clinic}#KEYS", f"APIKEY#{key_id}")


def staff_member_key(clinic: str, member: str) -> Key:
    """Somebody who may sign in to a clinic's desk; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#STAFF#MEMBERS", f"MEMBER#{member}")


def listed_session_key(clinic: str, digest: str, member: str = "") -> Key:
    """A session's place in the list of all sessions of a clinic's staff, by member."""
    return Key(f"CLINIC#{clinic}#STAFF#MEMBERS", f"SESSION#{member}#{digest}")


def session_key(digest: str) -> Key:
    """Somebody signed in to a desk, by the SHA-256 of the secret in their cookie."""
    return Key(f"STAFF#{digest}", "SESSION")


def invitation_key(digest: str) -> Key:
    """An invitation to a desk, by the SHA-256 of its secret."""
    return Key(f"STAFF#{digest}", "INVITATION")


def passkey_key(digest: str) -> Key:
    """Whose a passkey is, by the SHA-256 of its id."""
    return Key(f"STAFF#{digest}", "PASSKEY")


def account_key(digest: str) -> Key:
    """Whose an account of the clinic's own sign-in is, by a hash of clinic, issuer and subject."""
    return Key(f"STAFF#{digest}", "ACCOUNT")


def sign_in_provider_key(clinic: str) -> Key:
    """Where a clinic's own accounts sign in, with the portal's sealed secret there."""
    return Key(f"CLINIC#{clinic}#STAFF#MEMBERS", "PROVIDER")


def spent_challenge_key(digest: str) -> Key:
    """The mark of a passkey's challenge that was answered, by the SHA-256 of the challenge."""
    return Key(f"STAFF#{digest}", "CHALLENGE")


def sign_in_bucket_key(digest: str) -> Key:
    """The token bucket of who signs in from one range of addresses, by its HMAC."""
    return Key(f"STAFF#{digest}", "LIMIT")


def link_key(link: str) -> Key:
    """A link into the portal, by the hash of its secret."""
    return Key(f"LINK#{link}", "LINK")


def link_secret_key(clinic: str, key_id: str) -> Key:
    """A link key of a clinic's program, by its id; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#LINKKEYS", f"KEY#{key_id}")


def tablet_key(clinic: str, tablet: str) -> Key:
    """A kiosk tablet that was paired with a clinic; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#KIOSKS", f"TABLET#{tablet}")


def tablet_code_key(clinic: str, digest: str) -> Key:
    """A code that is typed at a tablet, by its HMAC."""
    return Key(f"CLINIC#{clinic}#KIOSKS", f"CODE#{digest}")


def links_call_key(call: str) -> Key:
    """The body of a call for links, by the HMAC of its bearer key and Idempotency-Key."""
    return Key(f"LINK#{call}", "CALL")


def bucket_key(clinic: str, digest: str) -> Key:
    """One token bucket, by the HMAC of what it is for."""
    return Key(f"CLINIC#{clinic}#LIMIT#{digest}", "LIMIT")


def shared_bucket_key(digest: str) -> Key:
    """One token bucket that all clinics share, by the HMAC of what it is for."""
    return Key(f"LIMIT#{digest}", "LIMIT")
