"""Verifies receipts offline, with nothing but the files and the public keys, and tells what it proves.

Both `consent verify` and the operator's `verify` use it.
"""

import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chalicelib.domain.consent import ON_A_PAGE, Assurance
from chalicelib.receipts import jws, sd_jwt
from chalicelib.receipts.chain import verify_chain
from chalicelib.receipts.document import canonical_receipt
from chalicelib.receipts.errors import BadSignatureError, BrokenChainError, UnprovenError
from chalicelib.receipts.jws import VerifiedDocument
from infra.operator.cli.errors import CommandError

PROVES = """
What this proves:
  - The answers above were recorded under these numbers, at these times, for these clinics.{texts}
  - Nothing was changed since the portal signed, if the key set is truly the portal's: fetch it from
    its own /.well-known/jwks.json.
  - Where receipts are a chain, none between the first and the last shown here is missing or
    replaced.
What it does not prove:
  - Who the person is, beyond what they wrote or what the clinic saw.
  - That the answers still hold: later receipts may exist. Ask the clinic.
  - The time, beyond what the portal's own clock showed.
  - Anything to somebody who has no receipt: only whoever has one can see a change."""
"""What is printed at the end; `{texts}` depends on the receipts."""

SHOWN = "Text shown"
"""The text was on the screen where the answers were given."""

NAMED = "Text named by staff"
TAKEN_OVER = "Text named with what was taken over"
"""The clinic named the text with answers that it took over from another system."""

BELONGS = "Text it belongs to"
"""A withdrawal may be sent without any text being shown."""

UNKNOWN = "Text not known"
"""None of the clinic's texts was in force when the answers were given."""

OF_TEXTS = {
    SHOWN: f"""
  - Where “{SHOWN}” stands, they were given to exactly the text with that fingerprint.""",
    NAMED: f"""
  - Where “{NAMED}” stands, the clinic's staff recorded them, and named this version of
    the text.""",
    TAKEN_OVER: f"""
  - Where “{TAKEN_OVER}” stands, the clinic took them over from another of its systems,
    and named this version of the text.""",
    BELONGS: "",
    UNKNOWN: f"""
  - Where “{UNKNOWN}” stands, they were recorded by staff, and
    nothing shows which text was read.""",
}

WORDS = {"form": "Form or note in the clinic's files", "witness": "Who saw or heard it"}
"""Names of what staff noted, which comes with a receipt only as `format=sd-jwt`."""

UNSIGNED = (
    "is a receipt without its signature, so that it proves nothing by itself. "
    "Ask the clinic for the signed receipt (GET …/receipts/{id}?format=jws) and give that, "
    "or this file with --signature; or compare it with the portal's own record at /verify."
)


@dataclass(frozen=True, slots=True)
class Checked:
    """A file and what came of it: the receipt, or why it proves nothing."""

    path: Path
    receipt: VerifiedDocument | None
    fault: str = ""

    def described(self) -> dict[str, Any]:
        """Return the result for a program."""
        if self.receipt is None:
            return {"file": str(self.path), "genuine": False, "reason": self.fault}
        return {
            "file": str(self.path),
            "genuine": True,
            "receipt": self.receipt.document,
            "disclosed": self.receipt.disclosed,
            "sha256": self.receipt.sha256,
            "kid": self.receipt.kid,
            "alg": self.receipt.alg,
        }


@dataclass(frozen=True, slots=True)
class Chain:
    """Several receipts of one person at a clinic; `fault` says where they are no unbroken chain."""

    clinic: str
    first: int
    last: int
    fault: str = ""

    def described(self) -> dict[str, Any]:
        """Return the result for a program."""
        told = {"clinic": self.clinic, "first": self.first, "last": self.last}
        return {**told, "unbroken": not self.fault, "reason": self.fault or None}


def check_files(
    paths: Sequence[Path], jwks: Mapping[str, Any], signature: Path | None, clinic: str | None
) -> tuple[list[Checked], list[Chain]]:
    """Verify each file, then the receipts of each person as a chain.

    Raise CommandError where a file cannot be read.
    """
    if signature and len(paths) > 1:
        raise CommandError("--signature belongs to one FILE. Verify the files one by one")
    signed = read_text(signature) if signature else None
    texts = [(path, read_text(path)) for path in paths]
    checked = [_checked(path, text, signed, jwks, clinic) for path, text in texts]
    return checked, list(_chains([each.receipt for each in checked if each.receipt]))


def print_checks(checked: Sequence[Checked], chains: Sequence[Chain]) -> bool:
    """Print what was found, faults on stderr; return whether all is right."""
    for each in checked:
        if each.receipt is None:
            print(f"{each.path}: NOT PROVEN. {each.fault}", file=sys.stderr)
        else:
            print(f"{each.path}: genuine.\n{_describe(each.receipt)}")
    for chain in chains:
        _print_chain(chain)
    verified = [each.receipt for each in checked if each.receipt]
    if verified:
        print(_what_it_proves(verified))
    return all_right(checked, chains)


def all_right(checked: Sequence[Checked], chains: Sequence[Chain]) -> bool:
    """Return whether every file is genuine and every chain unbroken."""
    return all(each.receipt for each in checked) and not any(chain.fault for chain in chains)


def read_key_set(path: Path) -> Mapping[str, Any]:
    """Read a portal's public keys; raise CommandError where the file holds none."""
    try:
        jwks = json.loads(read_text(path))
    except ValueError:
        raise CommandError(f"{path}: is no JSON. Give the portal's key set") from None
    return require_key_set(jwks, str(path))


def require_key_set(jwks: Any, whence: str) -> Mapping[str, Any]:
    """Return a key set (RFC 7517); raise CommandError where it is none."""
    if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list):
        remedy = "Give the portal's /.well-known/jwks.json"
        raise CommandError(f"{whence}: is no key set (RFC 7517). {remedy}")
    return jwks


def _checked(
    path: Path, text: str, signature: str | None, jwks: Mapping[str, Any], clinic: str | None
) -> Checked:
    try:
        return Checked(path, _verify(text, signature, jwks, clinic))
    except UnprovenError as error:
        return Checked(path, None, str(error))


def _what_it_proves(verified: Sequence[VerifiedDocument]) -> str:
    """Return what these receipts prove and what not, depending on how their texts were shown."""
    relations = {_relation_to_text(receipt.document) for receipt in verified}
    explained = [text for relation, text in OF_TEXTS.items() if relation in relations]
    return PROVES.format(texts="".join(explained))


def _verify(
    text: str, signature: str | None, jwks: Mapping[str, Any], clinic: str | None
) -> VerifiedDocument:
    """Verify a receipt, signed itself or by the signature beside it; raise UnprovenError."""
    canonical = canonical_receipt(text) if signature is not None else None
    signed = jws.read_signed(text if signature is None else signature, canonical)
    if signed is None:
        canonical_receipt(text)
        raise UnprovenError(f"This {UNSIGNED}")
    verified = sd_jwt.verify(signed, jwks)
    if canonical is not None and verified.canonical != canonical:
        raise BadSignatureError("The signature is another receipt's.")
    issuer = verified.document["clinic"]
    if clinic is not None and issuer != clinic:
        raise UnprovenError(f"It is a receipt of {issuer}, not of {clinic}.")
    return verified


def _chains(verified: Sequence[VerifiedDocument]) -> Iterator[Chain]:
    """Check the receipts of each person as a chain, where there are several.

    The same receipt twice counts once. A chain begins with the earliest receipt that was given:
    whoever lost an earlier one can still prove the later ones.
    """
    distinct = {receipt.sha256: receipt for receipt in verified}
    by_person = sorted(distinct.values(), key=_person_and_number)
    for (clinic, _subject), group in itertools.groupby(by_person, key=_person):
        receipts = list(group)
        if len(receipts) > 1:
            yield _chain(clinic, receipts)


def _chain(clinic: str, receipts: Sequence[VerifiedDocument]) -> Chain:
    first, last = receipts[0].document["version"], receipts[-1].document["version"]
    try:
        verify_chain(receipts, first)
    except BrokenChainError as error:
        return Chain(clinic, first, last, str(error))
    return Chain(clinic, first, last)


def _print_chain(chain: Chain) -> None:
    """Print whether one person's receipts are a chain."""
    if chain.fault:
        told = f"The receipts at {chain.clinic} are NO unbroken chain. {chain.fault}"
        print(told, file=sys.stderr)
        return
    numbers = f"from number {chain.first} to number {chain.last}"
    before = f" What came before number {chain.first} was not given." if chain.first > 1 else ""
    print(f"The receipts at {chain.clinic} are an unbroken chain {numbers}.{before}")


def _person(receipt: VerifiedDocument) -> tuple[str, str]:
    return receipt.document["clinic"], receipt.document["subject"]


def _person_and_number(receipt: VerifiedDocument) -> tuple[str, str, int]:
    return (*_person(receipt), receipt.document["version"])


def _relation_to_text(receipt: Mapping[str, Any]) -> str:
    """Return what a receipt proves about its text, by the same rules as the page `/verify`."""
    if receipt["notice"]["version"] is None:
        return UNKNOWN
    if {entry["answer"] for entry in receipt["decisions"].values()} == {"withdraw"}:
        return BELONGS
    if receipt.get("assurance") == Assurance.IMPORTED:
        return TAKEN_OVER
    return SHOWN if receipt.get("channel") in ON_A_PAGE else NAMED


def _describe(verified: VerifiedDocument) -> str:
    """Return a receipt's content in lines for a person."""
    receipt = verified.document
    answers = [f"{question}: {entry['answer']}" for question, entry in receipt["decisions"].items()]
    decided = receipt.get("effective_date", receipt["effective_at"])
    lines = [
        f"Receipt {receipt['id']}, number {receipt['version']} of this person at {receipt['clinic']}",
        f"Answers: {', '.join(answers)}",
        f"Decided {decided}, recorded {receipt['recorded_at']}",
        _describe_text(receipt),
    ]
    for name, value in verified.disclosed.items():
        lines.append(f"{WORDS[name]}: {value}")
    lines.append(f"SHA-256 of the receipt: {verified.sha256}")
    lines.append(f"Signed with key {verified.kid} ({verified.alg})")
    return "\n".join(f"  {line}" for line in lines)


def _describe_text(receipt: Mapping[str, Any]) -> str:
    relation = _relation_to_text(receipt)
    if relation == UNKNOWN:
        return relation
    notice = receipt["notice"]
    which = f"notice {notice['version']} in {notice['lang']}, SHA-256 {notice['sha256']}"
    return f"{relation}: {which}"


def read_text(path: Path) -> str:
    """Read a file of text; raise CommandError where it is none."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{path}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError:
        raise CommandError(f"{path}: is no text in UTF-8, and so no receipt") from None
