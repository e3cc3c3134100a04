"""A browser with a device that has passkeys, as the desk's script drives it."""

import re
from collections.abc import Mapping
from html import unescape

from chalicelib.web.staff.entrance import SESSION_COOKIE
from tests.authenticator import Authenticator
from tests.web.client import Answer, Client, Fields
from tests.web.page_reader import Page


class PasskeyBrowser(Client):
    """A browser that keeps the desk's cookie."""

    def __init__(self, device: Authenticator | None = None, address: str = "") -> None:
        super().__init__(address=address)
        self.device = device or Authenticator()
        self.cookie = ""

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send anything with the cookie, and keep the one that comes."""
        agent = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/143.0 Safari/537.36"}
        kept = {"Cookie": f"{SESSION_COOKIE}={self.cookie}"} if self.cookie else {}
        answer = super().send(method, target, body, {**agent, **kept, **headers})
        given = answer.headers.get("set-cookie", "")
        if given:
            name, _, value = given.partition(";")[0].partition("=")
            assert name == SESSION_COOKIE
            assert "; Secure; HttpOnly; SameSite=Lax" in given
            self.cookie = value
        return answer

    def answered(self, answer: Answer) -> dict[str, str]:
        """Give what the page's script would send: the device's answer with the page's fields."""
        asked = re.search(
            r'data-passkey="(\w+)" data-party="([^"]+)" data-options="([^"]+)"', answer.text
        )
        assert asked, answer.text
        kind, party, options = asked[1], asked[2], unescape(asked[3])
        assert party == self.host
        made = self.device.create(options) if kind == "create" else self.device.get(options)
        return {**_fields(answer), "answer": made}

    def press(self, target: str, fields: Fields | None = None) -> Answer:
        """Open a page with a passkey's form, press its button and answer."""
        opened = self.get(target)
        assert opened.status == 200, opened.text
        return self.post(target, {**self.answered(opened), **(fields or {})})

    def landed(self, answer: Answer) -> str:
        """Give where an answer leads, below the portal."""
        assert answer.status == 303, answer.text
        return answer.location.removeprefix(self.mount)


def _fields(answer: Answer) -> dict[str, str]:
    """Give the fields of the passkey's form: those of the page's other forms are others."""
    form = answer.text.partition("data-passkey=")[2].partition("</form>")[0]
    return Page(Answer(200, {}, f"<form {form}</form>".encode())).fields
