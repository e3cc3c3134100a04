"""Somebody signed in to a clinic's desk, in the process: asks as a browser with their cookie."""

from collections.abc import Mapping
from typing import Any

from chalicelib.domain.staff import Passkey, Role, StaffMember
from chalicelib.portal import Portal
from chalicelib.services import staff_members, staff_sessions
from chalicelib.store import staff
from chalicelib.web.staff.entrance import SESSION_COOKIE
from tests.web.client import Answer, Client, Fields
from tests.web.page_reader import Page


class DeskClient(Client):
    """A browser in which somebody is signed in to a desk."""

    def __init__(self, member: StaffMember, secret: str) -> None:
        super().__init__()
        self.member = member
        self.secret = secret

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send anything, with the cookie of the session."""
        cookie = {"Cookie": f"other=1; {SESSION_COOKIE}={self.secret}"}
        return super().send(method, target, body, {**cookie, **headers})

    def open(self, path: str) -> Page:
        """Open a page below ``/staff/`` that is there."""
        answer = self.get(f"/staff/{path}".rstrip("/"))
        assert answer.status == 200, answer.text
        return Page(answer)

    def submit(self, path: str, fields: Fields, *, page: str | None = None, **more: Any) -> Answer:
        """Open the page of a form below ``/staff/`` and send it with these fields to `path`.

        `page` is the page the form stands on, where that is another.
        """
        found = self.get(f"/staff/{path if page is None else page}".rstrip("/"))
        assert found.status == 200, found.text
        return self.post(
            f"/staff/{path}".rstrip("/"), {"state": form_token(found, path), **fields}, **more
        )

    def submit_with_file(self, path: str, fields: Fields, name: str, content: bytes) -> Answer:
        """Open the page of a form below ``/staff/`` and send it with a file (RFC 7578)."""
        found = self.get(f"/staff/{path}")
        return self.send_with_file(
            path, {"state": form_token(found, path), **fields}, name, content
        )

    def send_with_file(self, path: str, fields: Fields, name: str, content: bytes) -> Answer:
        """Send a form with a file, as a browser does: its name and type are what it likes."""
        boundary = "----a-boundary-of-the-test"
        disposition = "Content-Disposition: form-data"
        parts = [f'{disposition}; name="{each}"\r\n\r\n{fields[each]}'.encode() for each in fields]
        head = (
            f'{disposition}; name="{name}"; filename="form.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
        )
        parts.append(head.encode() + content)
        body = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), part) for part in parts)
        kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        body += f"--{boundary}--\r\n".encode()
        return self.send("POST", f"/staff/{path}", body, kind)


def form_token(answer: Answer, path: str) -> str:
    """Give the token of the page's own form; those of signing out and the language are others."""
    states = tokens(answer.text)
    assert states, f"the page of {path} has no form"
    return states[0]


def tokens(text: str) -> list[str]:
    """Give the tokens of the forms in the main part of a page."""
    main = text[text.index("<main") : text.index("</main>")]
    return [part.partition('"')[0] for part in main.split('name="state" value="')[1:]]


def sign_in(portal: Portal, clinic: str, role: Role, name: str = "Ilze Kalniņa") -> DeskClient:
    """Make somebody of a role at a clinic, and sign them in."""
    now = portal.clock()
    invited, _ = staff_members.invite(
        portal.table, clinic, name, role, "en", by=staff_members.OPERATOR, now=now
    )
    member = invited.with_passkey(Passkey("b2YtYS10ZXN0", "", "a test", now))
    portal.table.write([staff.changed_member(invited, member)])
    secret = staff_sessions.begin(portal, member, "a test", now)
    return DeskClient(member, secret)
