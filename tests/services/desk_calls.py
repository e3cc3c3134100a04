"""Calls as the desk makes them for somebody who is signed in."""

from chalicelib.domain.api_keys import SCOPES, BearerKey, KeyKind
from chalicelib.domain.instants import Instant
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, Body
from tests.cast import RIGA
from tests.factories import NEXT_DAY

LASMA = "staff_000000000000000a"
"""Who works at the reception."""


def a_call(
    portal: Portal, body: Body, *, clinic: str = RIGA, at: Instant = NEXT_DAY, nonce: str = ""
) -> AuthorizedCall[Body]:
    """Give the call of somebody at the desk, with the contacts of its body looked up."""
    lookup = portal.directory.look_up(clinic, body.contacts)
    key = BearerKey(LASMA, clinic, "Lasma", SCOPES, at, kind=KeyKind.WORKER)
    shared = portal.clinics.with_all_past_questions(lookup.published)
    return AuthorizedCall(key, body, lookup, at, shared, "https://portal.example", nonce or None)
