"""The desk in a real browser, served from this process at `localhost`: passkeys need a domain."""

import contextlib
import io
import threading
from collections.abc import Iterator
from typing import Any

from playwright.sync_api import Browser, BrowserContext, CDPSession, ConsoleMessage, Page

from chalicelib.web.staff.entrance import SESSION_COOKIE
from infra.local.server import Reply, Request, serving
from tests.browser.phone import LOCALES, PATIENCE
from tests.web.client import Client

STAGE = "/api"
DESKTOP = {"width": 1280, "height": 900}


class DeskServer:
    """The portal of the tests behind a real socket, one request after the other."""

    def __init__(self) -> None:
        self.client = Client()
        self._one = threading.Lock()

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        if not request.target.startswith(f"{STAGE}/"):
            return Reply(404)
        target = request.target.removeprefix(STAGE)
        headers = {**dict(request.headers), "X-Forwarded-Proto": "http"}
        with self._one, contextlib.redirect_stdout(io.StringIO()):
            given = self.client.send(request.method, target, request.body, headers)
        told = {name: value for name, value in given.headers.items() if name != "content-length"}
        return Reply(given.status, tuple(told.items()), given.body)


@contextlib.contextmanager
def desk_served() -> Iterator[str]:
    """Serve the portal that the process knows; give its address."""
    server = DeskServer()
    with serving(0, server.answer) as port:
        server.client.host = f"localhost:{port}"
        yield f"http://localhost:{port}{STAGE}"


class Workplace:
    """Somebody's computer: Chromium, with a device for passkeys that says yes by itself.

    What is wrong with any page it sees is collected in `complaints`.
    """

    def __init__(self, browser: Browser, lang: str = "en", **options: Any) -> None:
        self.complaints: list[str] = []
        settings = {"viewport": DESKTOP, "locale": LOCALES[lang]}
        self.context: BrowserContext = browser.new_context(**(settings | options))
        self.context.set_default_timeout(PATIENCE)
        self.context.on("console", self._told)
        self.context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        self.page: Page = self.context.new_page()
        self.devices: CDPSession = self.context.new_cdp_session(self.page)
        self.devices.send("WebAuthn.enable")

    def plug_in(self, transport: str = "internal") -> str:
        """Give the computer a device for passkeys; give its number."""
        options = {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": transport,
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        added = self.devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
        return str(added["authenticatorId"])

    def unplug(self, device: str) -> None:
        """Take a device away."""
        self.devices.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": device})

    def verified(self, device: str, *, so: bool) -> None:
        """Let the device know its owner's finger, or not."""
        what = {"authenticatorId": device, "isUserVerified": so}
        self.devices.send("WebAuthn.setUserVerified", what)

    def press(self, button: str) -> None:
        """Press the button with this text, and wait for the next page."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=button, exact=True).click()

    def sign_in(self, url: str, secret: str) -> None:
        """Keep the cookie of a session, as after signing in at `url`."""
        kept = {"name": SESSION_COOKIE, "value": secret, "url": url.replace("http:", "https:")}
        self.context.add_cookies([{**kept, "secure": True, "httpOnly": True}])  # type: ignore[typeddict-item]

    def cookie(self) -> str:
        """Give the secret of the session, which no script of a page can read."""
        [kept] = [each for each in self.context.cookies() if each["name"] == SESSION_COOKIE]
        assert kept["httpOnly"]
        assert kept["secure"]
        return str(kept["value"])

    def close(self) -> None:
        """Go home."""
        self.context.close()

    def _told(self, message: ConsoleMessage) -> None:
        meant = "the server responded with a status of 4" in message.text
        if message.type in {"error", "warning"} and not meant:
            self.complaints.append(f"console: {message.text}")
