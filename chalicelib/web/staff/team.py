"""The team, for administrators: who may sign in, as what, and since when no more."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.one_line import one_line
from chalicelib.domain.staff import Role, StaffMember
from chalicelib.domain.submission import FieldError
from chalicelib.presentation import qr
from chalicelib.presentation.i18n import format_date
from chalicelib.services import staff_members, staff_sessions
from chalicelib.services.staff_members import InvitedAlreadyError, LastAdministratorError
from chalicelib.store import staff
from chalicelib.web.staff.ceremonies import desk_address
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.staff.sessions import session_rows
from chalicelib.web.typed_fields import Fields, first, typed_again

INVITE, MEMBER = "staff/team_invite.html", "staff/team_member.html"

NAME_LENGTH = 100
"""How long a name may be."""


def team_page(desk: Desk) -> Response:
    """List everybody who may sign in, and who could once."""
    rows = [_row(desk, each) for each in staff.members(desk.portal.table, desk.clinic.id)]
    return desk.page("staff/team.html", rows=rows)


def invite_page(desk: Desk) -> Response:
    """Ask whom to invite."""
    return desk.page(INVITE, roles=list(Role), typed={"lang": desk.lang, "role": ""})


def invite(desk: Desk) -> Response:
    """Invite somebody, and show their link, once."""
    form = desk.form(INVITE)
    name = one_line(first(form.fields, "name"))[:NAME_LENGTH]
    role, lang = first(form.fields, "role"), first(form.fields, "lang")
    faults = []
    if not name:
        faults.append(FieldError("name", "member_name_missing"))
    if role not in set(Role):
        faults.append(FieldError("role", "role_missing"))
    if lang not in LANGUAGES:
        faults.append(FieldError("lang", "language_missing"))
    if faults:
        return desk.page(
            INVITE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            roles=list(Role),
            typed=typed_again(form.fields),
            faults=tuple(faults),
        )
    try:
        member, secret = staff_members.invite(
            desk.portal.table,
            desk.clinic.id,
            name,
            Role(role),
            lang,
            by=desk.member.id,
            now=desk.now,
            nonce=form.nonce,
        )
    except InvitedAlreadyError:
        return desk.go("team")
    return _link(desk, member, secret)


def member_page(desk: Desk, member: str) -> Response:
    """Show somebody: their role, passkeys and sessions, and what can be changed."""
    return _show(desk, _member(desk, member))


def change_member(desk: Desk, member: str) -> Response:
    """Change a role, invite anew, end a session, or end the access: each at once."""
    fields = desk.form(MEMBER).fields
    found = _member(desk, member)
    what = first(fields, "do")
    if what == "invite":
        return _link(desk, found, _invited_again(desk, found))
    if what == "session":
        staff_sessions.end(desk.portal, first(fields, "session"), desk.member, found.id, desk.now)
        return desk.go(f"team/{found.id}", done="session")
    fault = _change(desk, found, what, fields)
    if fault is not None:
        return _show(desk, found, fault)
    return desk.go("team" if what == "end" else f"team/{found.id}", done=what)


def _change(desk: Desk, found: StaffMember, what: str, fields: Fields) -> FieldError | None:
    """Change a role or end an access; give what is wrong, where something is."""
    table, clinic = desk.portal.table, desk.clinic.id
    by, now = desk.member.id, desk.now
    try:
        if what == "role":
            role = first(fields, "role")
            if role not in set(Role):
                return FieldError("role", "role_missing")
            staff_members.change_role(table, clinic, found.id, Role(role), by=by, now=now)
        elif what == "end":
            if first(fields, "sure") != "yes":
                return FieldError("sure", "end_unticked")
            staff_members.end_access(table, clinic, found.id, by=by, now=now)
        else:
            raise NotFoundError
    except LastAdministratorError:
        return FieldError("role" if what == "role" else "sure", "last_administrator")
    return None


def _invited_again(desk: Desk, found: StaffMember) -> str:
    return staff_members.invite_again(
        desk.portal.table, desk.clinic.id, found.id, by=desk.member.id, now=desk.now
    )


def _link(desk: Desk, member: StaffMember, secret: str) -> Response:
    """Show the link of an invitation, to be handed over: it is not kept, and not shown again."""
    link = f"{desk_address(desk.request)}/invitations/{secret}"
    return desk.page("staff/team_link.html", member=member, link=link, drawing=qr.drawing(link))


def _show(desk: Desk, member: StaffMember, fault: FieldError | None = None) -> Response:
    return desk.page(
        MEMBER,
        HTTPStatus.UNPROCESSABLE_ENTITY if fault else HTTPStatus.OK,
        member=member,
        row=_row(desk, member),
        roles=list(Role),
        sessions=session_rows(desk, member),
        faults=(fault,) if fault else (),
    )


def _member(desk: Desk, member_id: str) -> StaffMember:
    found = staff.member(desk.portal.table, desk.clinic.id, member_id)
    if found is None:
        raise NotFoundError
    return found


def _row(desk: Desk, member: StaffMember) -> dict[str, object]:
    used = max((each.used_on for each in member.passkeys), default="")
    return {
        "member": member,
        "since": format_date(member.created_at[:10], desk.lang),
        "used": format_date(used, desk.lang) if used else "",
        "ended": format_date(member.ended_at[:10], desk.lang) if member.ended_at else "",
        "oneself": member.id == desk.member.id,
    }
