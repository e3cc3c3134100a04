"""Calls of the desk's people, as its pages give them to services: for tests without a sign-in."""

from typing import TypeVar

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.instants import Instant
from chalicelib.portal import get_portal
from chalicelib.services.authorized_call import AuthorizedCall, HasContacts

Body = TypeVar("Body", bound=HasContacts)
ILZE = "staff_00000000000000a1"
"""The id of the member of staff who does it."""


def desk_call(
    clinic: str, body: Body, *scopes: str, now: Instant | None = None
) -> AuthorizedCall[Body]:
    """Give a call of a member of staff of a clinic."""
    portal = get_portal()
    now = now or portal.clock()
    lookup = portal.directory.look_up(clinic, body.contacts)
    shared = portal.clinics.with_all_past_questions(lookup.published)
    key = BearerKey(ILZE, clinic, "Ilze Bērziņa", scopes, now)
    return AuthorizedCall(key, body, lookup, now, shared, "https://portal.example.org/api")
