"""Certificates of lists: what the portal answered, signed, and until when it may be used."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.lists import ListCounts, Mode, Target
from chalicelib.portal import Portal
from chalicelib.receipts import certificates, jws
from chalicelib.store import signatures
from chalicelib.store.signer import SigningUnavailableError
from chalicelib.store.table import Table


@dataclass(frozen=True, slots=True)
class Certified:
    """What a certificate is to say.

    `source` and `result` describe the file that came and the file that goes
    (`certificates.file_hash`), `asked_at` is when the first row was asked about: from then on the
    list grows old. `member` is the joint controller whose key asked, None for the clinic's own.
    """

    clinic: str
    member: str | None
    purpose: str
    mode: Mode
    target: Target | None
    source: Mapping[str, Any]
    result: Mapping[str, Any]
    counts: ListCounts
    asked_at: Instant


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate, and it signed as a JWS in compact form."""

    document: Mapping[str, Any]
    signed: str

    def for_audit(self) -> dict[str, object]:
        """Give what the audit keeps: the certificate, the list it is of, the counts."""
        document = self.document
        counts = {name: document[name] for name in ("rows", "permitted", "refused", "broken")}
        return {
            "certificate": document["id"],
            "purpose": document["purpose"],
            "mode": document["mode"],
            "input_sha256": document["input"]["sha256"],
            **counts,
        }


def issue_certificate(portal: Portal, certified: Certified) -> IssuedCertificate:
    """Sign what was answered; it is valid as long as the clinic's notice in force says.

    Raises SigningUnavailableError where the key service is away, or the key is not published yet:
    the round of every five minutes publishes it.
    """
    clinic = portal.directory.look_up(certified.clinic).published.clinic
    ends = moment(certified.asked_at) + timedelta(hours=clinic.list_valid_hours)
    counts = certified.counts
    document = {
        "id": secrets.token_hex(16),
        "clinic": certified.clinic,
        "controller": certified.member,
        "purpose": certified.purpose,
        "mode": certified.mode.value,
        "for": certified.target.value if certified.target else None,
        "input": dict(certified.source),
        "output": dict(certified.result),
        "rows": counts.rows,
        "asked": counts.asked,
        "permitted": counts.permitted,
        "refused": dict(counts.refused),
        "broken": dict(counts.broken),
        "asked_at": certified.asked_at,
        "issued_at": portal.clock(),
        "valid_until": instant(ends),
    }
    return IssuedCertificate(document, _signed(portal, document))


def _signed(portal: Portal, document: Mapping[str, Any]) -> str:
    """Sign a certificate by the portal's key, and give it as a JWS in compact form.

    The key must be published already: what signs for requests may publish none (docs/decisions/
    0025-certificates.md). Raises SigningUnavailableError.
    """
    if portal.certifier is None:
        raise SigningUnavailableError("SIGNING_KEY is not set")
    key = portal.certifier.current(lambda jwk: _check_published(portal.table, jwk))
    canonical = certificates.canonical_certificate(document)
    protected = jws.header(key.jwk, certificates.TYPE)
    signature = portal.certifier.sign(key, jws.signing_input(protected, canonical))
    return jws.compact(protected, canonical, signature)


def _check_published(table: Table, jwk: Mapping[str, str]) -> None:
    if not signatures.is_published(table, jwk["kid"]):
        raise SigningUnavailableError("the key that signs is not published yet")
