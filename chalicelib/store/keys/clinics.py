"""Clinics: their notices, the pages they showed, their QR codes, the portal's own keys."""

from chalicelib.store.keys.key import Key


def clinic_key(clinic: str) -> Key:
    """Which notice is in force, and the clinic's wrapped key."""
    return Key(f"CLINIC#{clinic}", "CLINIC")


def notice_key(clinic: str, version: str) -> Key:
    """One immutable notice version."""
    return Key(f"CLINIC#{clinic}", f"NOTICE#{version}")


def full_notice_key(clinic: str, version: str, lang: str) -> Key:
    """The full notice of one version in one language."""
    return Key(f"CLINIC#{clinic}", f"NOTICE#{version}#{lang}")


def code_key(code: str) -> Key:
    """The short code that stands for a clinic inside a QR code."""
    return Key(f"CODE#{code}", "CODE")


def shown_page_key(clinic: str, sha256: str) -> Key:
    """A page exactly as it was shown."""
    return Key(f"CLINIC#{clinic}#SHOWN#{sha256}", "SHOWN")


def prepared_page_key(clinic: str, name: str) -> Key:
    """A page prepared for whoever opens it, by the hash of all that its bytes depend on."""
    return Key(f"CLINIC#{clinic}#SHOWN#{name}", "PREPARED")


def listed_clinic_key(clinic: str) -> Key:
    """A clinic's place in the list of all clinics."""
    return Key("CLINICS", clinic)


def jwk_key(kid: str) -> Key:
    """A public key that signs, or once signed, receipts."""
    return Key("JWKS", kid)


def wrapped_signing_key() -> Key:
    """The key that signs receipts where KMS does not: the private half wrapped by KMS."""
    return Key("SIGNING", "WRAPPED")


def draft_key(clinic: str, version: str) -> Key:
    """A notice version that is being written or waits to be published."""
    return Key(f"CLINIC#{clinic}", f"DRAFT#{version}")


def portal_key_key() -> Key:
    """The portal's own wrapped key, which belongs to no clinic."""
    return Key("PORTAL", "KEY")
