"""Links that a clinic's program makes by itself, without a call, under a link key.

The token is the key's id and, behind a full stop, in base64url: 12 bytes nonce and the claims under
AES-256-GCM, with the id as associated data. The claims are JSON, padded with spaces: `epoch` of the
key, `made` and `ends` in seconds since 1970, one of `email`, `phone` and `patient_ref`, and perhaps
`lang` and `purposes`. So an address names nobody, and nobody without the key can make one.

Such a link asks, and unsubscribes; it opens nothing else (docs/decisions/0030).
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, Self

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import QuestionId
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.links import Link

NONCE_BYTES, SECRET_BYTES, TAG_BYTES = 12, 32, 16
MAX_TOKEN = 640
SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=366)
"""How long a link may open something, from when it was made."""

CLOCK_SKEW = timedelta(minutes=5)
MOST_PURPOSES = 50
_TOKEN = re.compile(r"([a-z0-9]+(?:-[a-z0-9]+)*)-([0-9a-f]{8})\.([A-Za-z0-9_-]{40,})", re.ASCII)
_KINDS = {
    kind.value: kind for kind in (ContactKind.EMAIL, ContactKind.PHONE, ContactKind.REFERENCE)
}
_CLAIMS = {"epoch", "made", "ends", "lang", "purposes", *_KINDS}


class BadClaimsError(InvalidInputError):
    """What a token says makes no link."""


class ProgramToken(NamedTuple):
    """A token taken apart: whose key it names, and what is encrypted under it."""

    clinic: str
    key_id: str
    nonce: bytes
    encrypted: bytes


@dataclass(frozen=True, slots=True)
class LinkKey:
    """The record of a link key, without its secret."""

    id: str
    """``riga-aesthetics-3f2a9c1d``: it names the clinic, so that a token is opened by one read."""

    clinic: str
    label: str
    epoch: int
    """Tokens of an earlier epoch ask no more."""

    created_at: Instant
    made_by: str
    """The bearer key that made it. Links under it ask as long as that one is good."""

    salt: str = field(repr=False)
    member: str | None = None
    """The joint controller whose key made it; then the links are about what that one shares."""

    questions: tuple[QuestionId, ...] = ()
    """What the links may be about; none for everything."""

    revoked_at: Instant | None = None

    def stored(self) -> str:
        """Write the record as JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)

    @classmethod
    def read(cls, stored: str) -> Self:
        """Read a record from JSON."""
        values = json.loads(stored)
        values["questions"] = tuple(values["questions"])
        return cls(**values)


def read_program_token(token: str) -> ProgramToken | None:
    """Take a token apart; None for what is none."""
    found = _TOKEN.fullmatch(token) if len(token) <= MAX_TOKEN else None
    if found is None:
        return None
    clinic, number, content = found.groups()
    try:
        sealed = base64.urlsafe_b64decode(content + "=" * (-len(content) % 4))
    except binascii.Error:
        return None
    return ProgramToken(clinic, f"{clinic}-{number}", sealed[:NONCE_BYTES], sealed[NONCE_BYTES:])


def link_of(
    claims: bytes, key: LinkKey, clinic: Clinic, now: Instant
) -> tuple[Link, Contact, bool]:
    """Give the link that a token's claims make, whom it is for, and whether its epoch is over.

    `clinic` has every question that it ever asked. Raises BadClaimsError.
    """
    try:
        said: Any = json.loads(claims)
    except ValueError:
        raise BadClaimsError("no JSON") from None
    if not isinstance(said, dict) or not said.keys() <= _CLAIMS:
        raise BadClaimsError("claims")
    epoch, made, ends = (_number(said, name) for name in ("epoch", "made", "ends"))
    lasts = timedelta(seconds=ends - made)
    if not SHORTEST <= lasts <= LONGEST or _at(made) > instant(moment(now) + CLOCK_SKEW):
        raise BadClaimsError("times")
    if not 1 <= epoch <= key.epoch:
        raise BadClaimsError("epoch")
    link = Link(
        clinic=clinic.id,
        subject=None,
        lang=_language(said, clinic),
        addresses=_questions(said, key, clinic),
        receipt=None,
        created_at=_at(made),
        expires_at=_at(ends),
        by=key.made_by,
    )
    return link, _contact(said, clinic), epoch < key.epoch


def _number(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 1 << 33:
        raise BadClaimsError(name)
    return value


def _at(seconds: int) -> Instant:
    return instant(datetime.fromtimestamp(seconds, UTC))


def _language(said: Mapping[str, Any], clinic: Clinic) -> str:
    lang = said.get("lang", clinic.default_language)
    return lang if lang in clinic.languages else clinic.default_language


def _questions(said: Mapping[str, Any], key: LinkKey, clinic: Clinic) -> tuple[QuestionId, ...]:
    """Give what the link is about: what it names, as far as the key's controller shares it."""
    names = said.get("purposes", [])
    if not isinstance(names, list) or len(names) > MOST_PURPOSES:
        raise BadClaimsError("purposes")
    found: list[QuestionId] = []
    for name in names:
        questions = clinic.resolve_names(name) if isinstance(name, str) else ()
        if not questions:
            raise BadClaimsError("purposes")
        found += questions
    if not key.questions:
        return tuple(dict.fromkeys(found))
    shared = tuple(each for each in found or key.questions if each in key.questions)
    if not shared:
        raise BadClaimsError("purposes")
    return tuple(dict.fromkeys(shared))


def _contact(said: Mapping[str, Any], clinic: Clinic) -> Contact:
    named = [name for name in _KINDS if name in said]
    if len(named) != 1 or not isinstance(said[named[0]], str):
        raise BadClaimsError("contact")
    try:
        return normalise(_KINDS[named[0]], said[named[0]], clinic.country)
    except InvalidContactError:
        raise BadClaimsError("contact") from None
