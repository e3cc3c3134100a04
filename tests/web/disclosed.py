"""What a receipt vouches for, as somebody else's program reads it: an SD-JWT, the portal's public
keys, a library.
"""

from typing import Any

from jwcrypto.jwk import JWK
from sd_jwt.verifier import SDJWTVerifier

from tests.web.client import Client, Program
from tests.web.running import RunningPortal


def verified(client: Client, presented: str) -> dict[str, Any]:
    """Verify an SD-JWT (RFC 9901) by the published keys and give the receipt with what was
    disclosed in its place.
    """
    keys = {key["kid"]: JWK(**key) for key in client.get("/.well-known/jwks.json").json()["keys"]}
    payload: dict[str, Any] = SDJWTVerifier(
        presented, lambda _, header: keys[header["kid"]]
    ).get_verified_payload()
    return payload


def presented(portal: RunningPortal, program: Program, number: str) -> str:
    """Sign what waits and give a receipt as an SD-JWT."""
    portal.seal()
    answer = program.receipt(number, "?format=sd-jwt")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/sd-jwt")
    return answer.text


def evidence_of(portal: RunningPortal, program: Program, number: str) -> Any:
    """Give the evidence of a receipt in words."""
    return verified(program.client, presented(portal, program, number))["evidence"]
