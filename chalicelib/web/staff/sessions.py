"""What somebody changes about their own session: the language, and its end."""

from chalice.app import Response

from chalicelib.domain.errors import InvalidInputError
from chalicelib.domain.languages import LANGUAGES
from chalicelib.services.staff_members import change_language as keep_language
from chalicelib.services.staff_sessions import end
from chalicelib.web.requests import mount
from chalicelib.web.responses import see_other
from chalicelib.web.staff.entrance import EVERY_PAGE, Desk, local_path, session_cookie
from chalicelib.web.typed_fields import first


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
