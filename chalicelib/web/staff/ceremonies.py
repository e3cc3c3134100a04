"""What pages with passkeys share: whose passkeys these are, what a page asks, what came back."""

from dataclasses import dataclass

from chalice.app import Request, Response

from chalicelib.domain.browser_names import browser_name
from chalicelib.domain.one_line import one_line
from chalicelib.portal import get_portal
from chalicelib.presentation.templates import page_script
from chalicelib.services.passkeys import Ceremony, RelyingParty, own_address
from chalicelib.services.staff_entrance import LABEL_LENGTH, Proof
from chalicelib.web.requests import base_url, own_origins, visitor
from chalicelib.web.typed_fields import Fields, first


@dataclass(frozen=True, slots=True)
class Asking:
    """What a template needs to ask for a passkey (`staff/passkey.html`)."""

    kind: str
    """What the browser is to do: "create" or "get"."""
    options: str
    challenge: str
    party: str
    """The domain that the passkeys are of."""
    address: str
    """The page's own address at that domain."""


def party_of(request: Request) -> RelyingParty:
    """Give whose passkeys the portal's are."""
    public_url = get_portal().settings.public_url
    return RelyingParty.of(base_url(request, public_url), own_origins(request, public_url))


def asking(request: Request, kind: str, ceremony: Ceremony, path: str) -> Asking:
    """Give what a page below ``/staff/`` asks."""
    return Asking(
        kind,
        ceremony.options,
        ceremony.challenge,
        party_of(request).id,
        f"{desk_address(request)}/{path}",
    )


def desk_address(request: Request) -> str:
    """Give the absolute address of the desk, at the domain of its passkeys."""
    return f"{own_address(base_url(request, get_portal().settings.public_url))}/staff"


PROOF_FIELDS = ("challenge", "answer")
"""The fields of a form that are longer than what people type."""


def proof_of(request: Request, fields: Fields) -> Proof:
    """Give what a page sent back."""
    return Proof(
        party=party_of(request),
        challenge=first(fields, "challenge"),
        answer=first(fields, "answer"),
        network=visitor(request).network,
        agent=str(request.headers.get("user-agent", "")),
    )


def label_of(request: Request, fields: Fields) -> str:
    """Give the name of a new passkey: what was typed, else which browser made it."""
    typed = one_line(first(fields, "label"))[:LABEL_LENGTH]
    return typed or browser_name(str(request.headers.get("user-agent", "")))


def script() -> str:
    """Give the script of pages with passkeys."""
    return page_script("passkeys.js")


def signed_in(answer: Response, cookie: dict[str, str]) -> Response:
    """Give an answer that signs the browser in, or out."""
    answer.headers.update(cookie)
    return answer
