"""The chain of a person's receipts at a clinic: each names the SHA-256 of the one before."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from chalicelib.receipts.errors import BrokenChainError


class ChainLink(Protocol):
    """A receipt in its chain, signed or not."""

    @property
    def document(self) -> Mapping[str, Any]:
        """The receipt as JSON."""

    @property
    def sha256(self) -> str:
        """The hash of its canonical bytes."""


def verify_chain(links: Sequence[ChainLink], first: int = 1) -> None:
    """Check that receipts are one person's at one clinic, without a gap, each naming the last.

    They begin with number 1, or with `first` where somebody has only a later part: what came before
    is then not checked. Raises BrokenChainError with the number of the receipt that does not
    follow. Whether later receipts exist cannot be seen from the chain.
    """
    before: ChainLink | None = None
    for number, link in enumerate(links, start=first):
        _check_number(link, number, before)
        if before is not None:
            _check_same_person(link, number, before)
        _check_previous(link, number, before)
        before = link


def _check_number(link: ChainLink, number: int, before: ChainLink | None) -> None:
    version = link.document["version"]
    if before is not None and version == before.document["version"]:
        raise BrokenChainError(f"There are two receipts {version}.")
    if version != number:
        raise BrokenChainError(f"Receipt {number} is missing: after {number - 1} comes {version}.")


def _check_same_person(link: ChainLink, number: int, before: ChainLink) -> None:
    for member in ("clinic", "subject"):
        if link.document[member] != before.document[member]:
            raise BrokenChainError(
                f"Receipt {number} is of another clinic or another person than those before it."
            )


def _check_previous(link: ChainLink, number: int, before: ChainLink | None) -> None:
    """Check the hash; of the first receipt given only whether there is one, as from number 2 on."""
    previous = link.document["previous"]
    if before is None:
        has_previous = previous is not None
        follows = has_previous == (number > 1)
    else:
        follows = previous == before.sha256
    if not follows:
        raise BrokenChainError(
            f"Receipt {number} does not name receipt {number - 1} by its fingerprint."
        )
