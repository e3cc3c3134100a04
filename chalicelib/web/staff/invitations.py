"""An invitation to the desk: whoever has its link makes a passkey, and is signed in."""

from http import HTTPStatus

from chalice.app import Request, Response

from chalicelib.domain.clinic import localized
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.staff import StaffMember
from chalicelib.portal import get_portal
from chalicelib.services import passkeys, staff_entrance
from chalicelib.services.passkeys import PasskeyRefusedError, StaleChallengeError
from chalicelib.services.staff_members import find_invitation
from chalicelib.web.errors import retry_after
from chalicelib.web.requests import form_fields, mount, query
from chalicelib.web.responses import see_other
from chalicelib.web.staff.ceremonies import (
    asking,
    label_of,
    party_of,
    proof_of,
    script,
    signed_in,
)
from chalicelib.web.staff.entrance import session_cookie, visitor_page
from chalicelib.web.typed_fields import first


def invitation_page(request: Request, token: str) -> Response:
    """Say who is invited to which desk, and ask for a passkey."""
    return _page(request, token)


def take_up(request: Request, token: str) -> Response:
    """Keep the passkey, sign in, and ask for a second one."""
    portal, fields = get_portal(), form_fields(request)
    label = first(fields, "label")
    try:
        proof = proof_of(request, fields)
        named = label_of(request, fields)
        _, secret = staff_entrance.join(portal, token, proof, named, portal.clock())
    except NotFoundError:
        return _over(request)
    except StaleChallengeError:
        return _page(request, token, "stale", label)
    except PasskeyRefusedError:
        return _page(request, token, "refused", label)
    except TooManyError as error:
        return _page(request, token, "too_many", label, error)
    answer = see_other(f"{mount(request)}/staff/passkeys/add?first=yes")
    return signed_in(answer, session_cookie(secret))


def _page(
    request: Request,
    token: str,
    wrong: str = "",
    label: str = "",
    wait: TooManyError | None = None,
) -> Response:
    portal = get_portal()
    now = portal.clock()
    try:
        _, member = find_invitation(portal.table, token, now)
    except NotFoundError:
        return _over(request)
    clinic = portal.clinics.in_force(member.clinic).clinic
    lang = _language(request, member)
    name = localized(clinic.name, lang)
    ceremony = passkeys.ask_to_register(
        portal,
        party_of(request),
        staff_entrance.for_invitation(token),
        member,
        clinic=name,
        now=now,
    )
    status = HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK
    return visitor_page(
        request,
        "staff/invitation.html",
        HTTPStatus.TOO_MANY_REQUESTS if wait else status,
        script=script(),
        lang=lang,
        headers=retry_after(wait) if wait else None,
        asking=asking(request, "create", ceremony, f"invitations/{token}"),
        clinic=clinic,
        clinic_name=name,
        member=member,
        again=bool(member.passkeys),
        typed={"label": label},
        wrong=wrong,
        minutes=wait.minutes if wait else 0,
    )


def _over(request: Request) -> Response:
    """Say alike of an invitation that is over, was taken up, or never was."""
    return visitor_page(request, "staff/invitation_over.html", HTTPStatus.NOT_FOUND)


def _language(request: Request, member: StaffMember) -> str:
    named = query(request, "lang")
    return named if named in LANGUAGES else member.lang
