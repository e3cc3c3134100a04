"""What an open page carries in its form, signed.

Which text was shown and when, and a number used once.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from itsdangerous import BadData, URLSafeSerializer

from chalicelib.domain.consent import Channel
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.portal import get_portal
from chalicelib.web.typed_fields import Fields, first

if TYPE_CHECKING:
    from chalicelib.domain.decisions import NoticeRef

FORM_LIFETIME = timedelta(hours=2)
"""How long an open page may be sent."""


class FormState(NamedTuple):
    """What an open page carries, signed.

    Which text was shown (and its hash), where the patient came from, a nonce. `opened_at` stays as
    it is when the page is shown again with what is to be mended: a page is open for two hours in
    all, not since the last try.
    """

    nonce: str
    version: str
    lang: str
    sha256: str
    source: str | None
    channel: Channel
    opened_at: Instant

    @property
    def notice(self) -> "NoticeRef":
        """The text that the page showed."""
        from chalicelib.domain.decisions import NoticeRef  # noqa: PLC0415 - showing a page needs none

        return NoticeRef(self.version, self.lang, self.sha256)

    def to_token(self, secret: bytes) -> str:
        """Write the state into a form field."""
        return str(_serializer(secret).dumps(self))

    @classmethod
    def from_token(cls, secret: bytes, sealed: str, now: Instant) -> "FormState | None":
        """Read a form field back.

        None for one that is forged, of another clinic, too old, or of a time to come.
        """
        try:
            nonce, version, lang, sha256, source, channel, opened_at = _serializer(secret).loads(
                sealed
            )
        except BadData:
            return None
        if not opened_at <= now <= instant(moment(opened_at) + FORM_LIFETIME):
            return None
        return cls(nonce, version, lang, sha256, source, Channel(channel), opened_at)


def new_nonce() -> str:
    """Give a number used once, 128 bits."""
    return secrets.token_urlsafe(16)


def _serializer(secret: bytes) -> URLSafeSerializer:
    """Sign by HMAC-SHA-256, keys derived by HMAC too.

    By itself itsdangerous would take SHA-1 for both.
    """
    signing = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
    return URLSafeSerializer(secret, salt="open-form", signer_kwargs=signing)


def state_of(template: str, clinic: str, fields: Fields) -> FormState | None:
    """Give what an open page of a clinic carried.

    None for one that is forged, another page's or too old.
    """
    return FormState.from_token(
        form_secret(clinic, template), first(fields, "state"), get_portal().clock()
    )


def form_secret(clinic: str, template: str) -> bytes:
    """Give the secret that signs the state of one page of one clinic.

    The state of a withdrawal page is not accepted as one of a consent page.
    """
    return get_portal().clinics.key(clinic).form_secret() + template.encode()
