"""Verify receipts without the portal: no network, no AWS, nothing but the files and the public keys.

python -m infra verify receipt.jws --jwks jwks.json
python -m infra verify receipt.json --signature receipt.jws --jwks jwks.json --clinic riga-aesthetics
"""

import argparse
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from chalicelib.domain.consent import ON_A_PAGE, Assurance
from chalicelib.receipts import jws, sd_jwt
from chalicelib.receipts.chain import verify_chain
from chalicelib.receipts.document import canonical_receipt
from chalicelib.receipts.errors import BadSignatureError, BrokenChainError, UnprovenError
from chalicelib.receipts.jws import VerifiedDocument

PROVES = """
What this proves:
  - The answers above were recorded under these numbers, at these times, for these clinics.{texts}
  - Nothing was changed since the portal signed, if the key set is truly the portal's: fetch it from its own
    /.well-known/jwks.json.
  - Where receipts are a chain, none between the first and the last shown here is missing or replaced.
What it does not prove:
  - Who the person is, beyond what they wrote or what the clinic saw.
  - That the answers still hold: later receipts may exist. Ask the clinic.
  - The time, beyond the word of the portal's own clock.
  - Anything to somebody who holds no receipt: a change shows to whoever holds one, and to nobody else."""

SHOWN, NAMED, BELONGS = "Text shown", "Text named by staff", "Text it belongs to"
TAKEN_OVER = "Text named with what was taken over"
UNKNOWN = "Text not known"
"""What a receipt proves of its text: it was on the screen; staff named it, or the clinic with what it took over from
another system; a withdrawal may be sent without any; or none of the clinic's texts was in force then."""

OF_TEXTS = {
    SHOWN: f"""
  - Where “{SHOWN}” stands, they were given to exactly the text with that fingerprint.""",
    NAMED: f"""
  - Where “{NAMED}” stands, the clinic's staff recorded them, and named this version of the text.""",
    TAKEN_OVER: f"""
  - Where “{TAKEN_OVER}” stands, the clinic took them over from another of its systems,
    and named this version of the text.""",
    BELONGS: "",
    UNKNOWN: f"""
  - Where “{UNKNOWN}” stands, they were recorded by staff, and nothing shows which text was read.""",
}

WORDS = {"form": "Form or note in the clinic's files", "witness": "Who saw or heard it"}
"""What staff wrote down and the receipt vouches for, where it came along (`format=sd-jwt`)."""

UNSIGNED = (
    "is a receipt without its signature, so that it proves nothing by itself. Ask the clinic for the signed receipt "
    "(GET …/receipts/{id}?format=jws) and give that, or this file with --signature; or compare it with the portal's "
    "own record at /verify."
)


class NotReadableError(Exception):
    """A file that cannot be read; the message says which and why."""


def add_to(commands: Any) -> None:
    """Add the command to a parser's commands."""
    command = commands.add_parser("verify", help="verify signed receipts, offline")
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a signed receipt, or its JSON")
    command.add_argument(
        "--jwks", required=True, type=Path, help="the portal's public keys, its /.well-known/jwks.json"
    )
    command.add_argument("--signature", type=Path, help="the signature of the one FILE, where that is unsigned JSON")
    command.add_argument("--clinic", help="whose receipts they should be")
    command.set_defaults(run=run, offline=True)


def run(asked: argparse.Namespace) -> int:
    """Verify each file, then those of one person as a chain; 0 when everything holds."""
    try:
        jwks = json.loads(_text(asked.jwks))
    except ValueError:
        raise NotReadableError(f"{asked.jwks}: is no JSON. Give the portal's key set") from None
    if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list):
        raise NotReadableError(f"{asked.jwks}: is no key set (RFC 7517). Give the portal's /.well-known/jwks.json")
    if asked.signature and len(asked.files) > 1:
        raise NotReadableError("--signature belongs to one FILE. Verify the files one by one")
    signature = _text(asked.signature) if asked.signature else None
    texts = [(path, _text(path)) for path in asked.files]
    proven = []
    for path, text in texts:
        try:
            proven.append(_verified(text, signature, jwks, asked.clinic))
        except UnprovenError as error:
            print(f"{path}: NOT PROVEN. {error}", file=sys.stderr)
        else:
            print(f"{path}: genuine.\n{_told(proven[-1])}")
    whole = len(proven) == len(texts)
    whole &= _chained(proven)
    if proven:
        of_texts = {_of_text(each.document) for each in proven}
        print(PROVES.format(texts="".join(told for name, told in OF_TEXTS.items() if name in of_texts)))
    return 0 if whole else 1


def _verified(text: str, signature: str | None, jwks: Mapping[str, Any], clinic: str | None) -> VerifiedDocument:
    canonical = canonical_receipt(text) if signature is not None else None
    signed = jws.read_signed(text if signature is None else signature, canonical)
    if signed is None:
        canonical_receipt(text)
        raise UnprovenError(f"This {UNSIGNED}")
    proven = sd_jwt.verify(signed, jwks)
    if canonical is not None and proven.canonical != canonical:
        raise BadSignatureError("The signature is another receipt's.")
    if clinic is not None and proven.document["clinic"] != clinic:
        raise UnprovenError(f"It is a receipt of {proven.document['clinic']}, not of {clinic}.")
    return proven


def _chained(proven: Sequence[VerifiedDocument]) -> bool:
    """Check the receipts of each person as a chain, where there are several; a single one stands for itself.

    The same receipt twice is one. A chain begins with the first that was given: who lost an earlier one has no less.
    """
    whole = True
    distinct = {each.sha256: each for each in proven}.values()
    by_person = sorted(distinct, key=lambda each: (*_person(each), each.document["version"]))
    for person, group in itertools.groupby(by_person, key=_person):
        links = list(group)
        if len(links) == 1:
            continue
        first, last = links[0].document["version"], links[-1].document["version"]
        try:
            verify_chain(links, first)
        except BrokenChainError as error:
            whole = False
            print(f"The receipts at {person[0]} are NO unbroken chain. {error}", file=sys.stderr)
        else:
            before = f" What came before number {first} was not given." if first > 1 else ""
            print(f"The receipts at {person[0]} are an unbroken chain from number {first} to number {last}.{before}")
    return whole


def _person(proven: VerifiedDocument) -> tuple[str, str]:
    return proven.document["clinic"], proven.document["subject"]


def _of_text(receipt: Mapping[str, Any]) -> str:
    """Tell what a receipt may claim of its text, as the page `/verify` does."""
    if receipt["notice"]["version"] is None:
        return UNKNOWN
    if {entry["answer"] for entry in receipt["decisions"].values()} == {"withdraw"}:
        return BELONGS
    if receipt.get("assurance") == Assurance.IMPORTED:
        return TAKEN_OVER
    return SHOWN if receipt.get("channel") in ON_A_PAGE else NAMED


def _told(proven: VerifiedDocument) -> str:
    told = proven.document
    answers = ", ".join(f"{address}: {entry['answer']}" for address, entry in told["decisions"].items())
    notice, of_text = told["notice"], _of_text(told)
    if of_text != UNKNOWN:
        of_text += f": notice {notice['version']} in {notice['lang']}, SHA-256 {notice['sha256']}"
    noted = [f"  {WORDS[name]}: {words}" for name, words in proven.disclosed.items()]
    return "\n".join(
        (
            f"  Receipt {told['id']}, number {told['version']} of this person at {told['clinic']}",
            f"  Said: {answers}",
            f"  Decided {told.get('effective_date', told['effective_at'])}, recorded {told['recorded_at']}",
            f"  {of_text}",
            *noted,
            f"  SHA-256 of the receipt: {proven.sha256}",
            f"  Signed with key {proven.kid} ({proven.alg})",
        )
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise NotReadableError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise NotReadableError(f"{path}: is no text in UTF-8, and so no receipt") from None
