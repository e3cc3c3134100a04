"""Somebody's own sessions: the language, where they are signed in, and the end of each."""

from chalice.app import Response

from chalicelib.domain.browser_names import browser_name
from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.staff import StaffMember
from chalicelib.presentation.i18n import format_time
from chalicelib.services.staff_members import change_language as keep_language
from chalicelib.services.staff_sessions import end, open_sessions
from chalicelib.web.requests import mount
from chalicelib.web.responses import see_other
from chalicelib.web.staff.entrance import EVERY_PAGE, Desk, local_path, session_cookie
from chalicelib.web.typed_fields import first

SESSIONS = "staff/sessions.html"
EVERYWHERE = "all"
"""What the form sends in the place of one session, to end all."""


def change_language(desk: Desk) -> Response:
    """Show the desk in another language from now on, and the page that was open."""
    fields = desk.form(EVERY_PAGE).fields
    lang = first(fields, "language")
    if lang not in LANGUAGES:
        raise InvalidInputError
    keep_language(desk.portal.table, desk.clinic.id, desk.member.id, lang, desk.now)
    return desk.go(local_path(first(fields, "next")))


def sign_out(desk: Desk) -> Response:
    """End the session: its cookie opens nothing any more, wherever it is."""
    desk.form(EVERY_PAGE)
    end(desk.portal, desk.session.digest, desk.member, desk.member.id, desk.now)
    answer = see_other(f"{mount(desk.request)}/staff/sign-in?out=yes")
    answer.headers.update(session_cookie(""))
    return answer


def sessions_page(desk: Desk) -> Response:
    """List where somebody is signed in, this browser among them."""
    return desk.page(SESSIONS, rows=session_rows(desk, desk.member))


def end_sessions(desk: Desk) -> Response:
    """End one of one's own sessions, or all of them: then this browser is signed out too."""
    fields = desk.form(SESSIONS).fields
    ended = first(fields, "session")
    if ended != EVERYWHERE:
        end(desk.portal, ended, desk.member, desk.member.id, desk.now)
        return desk.go("sessions", ended="yes")
    for each in open_sessions(desk.portal, desk.clinic.id, desk.member.id, desk.now):
        end(desk.portal, each.digest, desk.member, desk.member.id, desk.now)
    answer = see_other(f"{desk.root}/staff/sign-in?out=yes")
    answer.headers.update(session_cookie(""))
    return answer


def session_rows(desk: Desk, member: StaffMember) -> list[dict[str, object]]:
    """Give a member's open sessions as a page lists them."""
    return [
        {
            "digest": each.digest,
            "browser": browser_name(each.agent),
            "since": format_time(each.begun_at, desk.lang, desk.clinic.country),
            "here": each.digest == desk.session.digest,
        }
        for each in open_sessions(desk.portal, member.clinic, member.id, desk.now)
    ]
