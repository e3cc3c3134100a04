"""Signing in to the desk by a passkey, and proving again who one is."""

import re
from http import HTTPStatus

from chalice.app import Request, Response

from chalicelib.domain.rate_limits import TooManyError
from chalicelib.portal import get_portal
from chalicelib.services import passkeys, staff_entrance, staff_sessions
from chalicelib.services.passkeys import PasskeyRefusedError, StaleChallengeError
from chalicelib.web.errors import retry_after
from chalicelib.web.requests import form_fields, mount, query
from chalicelib.web.responses import see_other
from chalicelib.web.staff.ceremonies import (
    PROOF_FIELDS,
    asking,
    party_of,
    proof_of,
    script,
    signed_in,
)
from chalicelib.web.staff.entrance import (
    Desk,
    local_path,
    session_cookie,
    session_secret,
    visitor_page,
)
from chalicelib.web.typed_fields import first

AGAIN = "staff/again.html"


def sign_in_page(request: Request) -> Response:
    """Ask for a passkey: any of the portal's, for the device knows whose it is."""
    return _page(request, query(request, "next"))


def sign_in(request: Request) -> Response:
    """Sign in whoever proves a passkey, and lead on to where they wanted to go.

    What does not prove anything is answered alike, whatever it was.
    """
    portal, fields = get_portal(), form_fields(request)
    now, wanted = portal.clock(), first(fields, "next")
    try:
        _, secret = staff_entrance.sign_in(portal, proof_of(request, fields), now)
    except StaleChallengeError:
        return _page(request, wanted, "stale")
    except PasskeyRefusedError:
        return _page(request, wanted, "refused")
    except TooManyError as error:
        return _page(request, wanted, "too_many", error)
    end_before(request)
    answer = see_other(f"{mount(request)}/staff/{local_path(wanted)}".rstrip("/"))
    return signed_in(answer, session_cookie(secret))


def end_before(request: Request) -> None:
    """End the session that a browser had before it got another one."""
    portal = get_portal()
    now = portal.clock()
    before = staff_sessions.find(portal, session_secret(request), now)
    if before is not None:
        session = before.session
        staff_sessions.end(portal, session.digest, before.member, before.member.id, now)


def again_page(desk: Desk) -> Response:
    """Ask who is signed in to prove it, before something that matters.

    Who came by the clinic's own sign-in proves it there.
    """
    if desk.member.account:
        return desk.go(f"oidc/{desk.clinic.id}", again="yes", next=local_path(desk.query("next")))
    return _again(desk, desk.query("next"))


def again(desk: Desk) -> Response:
    """Take note of the proof, and lead back."""
    form = desk.form(AGAIN, long=PROOF_FIELDS)
    wanted = first(form.fields, "next")
    try:
        proof = proof_of(desk.request, form.fields)
        staff_entrance.prove_again(desk.portal, desk.member, desk.session, proof, desk.now)
    except StaleChallengeError:
        return _again(desk, wanted, "stale")
    except PasskeyRefusedError:
        return _again(desk, wanted, "refused")
    return desk.go(local_path(wanted))


def own_clinic(named: str | None) -> str:
    """Give the clinic that an address names, for the link to its own sign-in; "" for none."""
    return named if named and re.fullmatch(r"[a-z0-9-]{1,64}", named) else ""


def _again(desk: Desk, wanted: str | None, wrong: str = "") -> Response:
    ceremony = passkeys.ask_to_prove(
        desk.portal,
        party_of(desk.request),
        staff_entrance.for_session(desk.session, "again"),
        desk.member,
        now=desk.now,
    )
    return desk.page(
        AGAIN,
        HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        script=script(),
        asking=asking(desk.request, "get", ceremony, "again"),
        next=local_path(wanted),
        wrong=wrong,
    )


def _page(
    request: Request, wanted: str | None, wrong: str = "", wait: TooManyError | None = None
) -> Response:
    portal = get_portal()
    ceremony = passkeys.ask_to_prove(
        portal, party_of(request), staff_entrance.for_sign_in(), now=portal.clock()
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return visitor_page(
        request,
        "staff/sign_in.html",
        HTTPStatus.TOO_MANY_REQUESTS if wait else status,
        script=script(),
        headers=retry_after(wait) if wait else None,
        asking=asking(request, "get", ceremony, "sign-in"),
        next=local_path(wanted),
        out=query(request, "out") == "yes",
        own=own_clinic(query(request, "clinic")),
        wrong=wrong,
        minutes=wait.minutes if wait else 0,
    )
