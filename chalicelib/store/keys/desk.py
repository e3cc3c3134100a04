"""The desk: who signs in there, how, and the tablets it hands over."""

from chalicelib.store.keys.key import Key


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


def tablet_key(clinic: str, tablet: str) -> Key:
    """A kiosk tablet that was paired with a clinic; all of a clinic's stand together."""
    return Key(f"CLINIC#{clinic}#KIOSKS", f"TABLET#{tablet}")


def tablet_code_key(clinic: str, digest: str) -> Key:
    """A code that is typed at a tablet, by its HMAC."""
    return Key(f"CLINIC#{clinic}#KIOSKS", f"CODE#{digest}")
