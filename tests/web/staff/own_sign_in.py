"""A clinic's own sign-in: a real provider on this machine, and one that answers what it is told."""

import json
import secrets
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import RSAKey

from chalicelib.domain.sign_in_providers import SignInProvider
from chalicelib.domain.staff import Role
from chalicelib.portal import get_portal
from chalicelib.store import sign_in_providers
from chalicelib.web.staff.account import BEGUN_COOKIE
from tests.web.client import Answer, Client

KEY = RSAKey.generate_key(2048, {"kid": "1"})
GROUPS = (("desk", Role.RECEPTION), ("it", Role.ADMINISTRATOR), ("news", Role.MARKETING))


def set_up(clinic: str, issuer: str, claim: str = "groups") -> SignInProvider:
    """Let a clinic's people sign in at a provider."""
    portal = get_portal()
    salt, now = secrets.token_hex(16), portal.clock()
    provider = SignInProvider(clinic, issuer, "consent-desk", GROUPS, claim, salt, now)
    sign_in_providers.keep(portal.table, portal.clinics.key(clinic), provider, "s3cret & more")
    return provider


class OwnBrowser(Client):
    """A browser that keeps the cookies of the sign-in."""

    def __init__(self) -> None:
        super().__init__()
        self.cookies: dict[str, str] = {}

    def send(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send anything, with the cookies so far."""
        kept = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = super().send(method, target, body, {"Cookie": kept, **headers})
        if cookie := answer.headers.get("set-cookie"):
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
        return answer

    def begin(self, clinic: str, query: str = "") -> str:
        """Go to the provider; give its address."""
        answer = self.get(f"/staff/oidc/{clinic}{query}")
        assert answer.status == 303, answer.text
        assert BEGUN_COOKIE in self.cookies
        return answer.location

    def back(self, **answered: str) -> Answer:
        """Come back with what the provider answered."""
        return self.get(f"/staff/oidc/callback?{urlencode(answered)}")


def asked(address: str) -> dict[str, str]:
    """Give what a provider is asked."""
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@dataclass(frozen=True)
class RealProvider:
    """A provider from PyPI, in a process of its own."""

    issuer: str

    def tell(self, subject: str, **claims: object) -> None:
        """Say what it tells of somebody."""
        self._send("PUT", f"{self.issuer}/users/{subject}", claims)

    def sign_in(self, browser: OwnBrowser, clinic: str, subject: str, query: str = "") -> Answer:
        """Sign somebody in there, and give what the portal answers to who comes back."""
        address = browser.begin(clinic, query)
        request = urllib.request.Request(address, f"sub={subject}".encode(), method="POST")
        came = asked(_location(request))
        return browser.back(**came)

    @staticmethod
    def _send(method: str, url: str, body: object) -> None:
        request = urllib.request.Request(url, json.dumps(body).encode(), method=method)
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=10):
            pass


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follow nothing."""


def _location(request: urllib.request.Request) -> str:
    try:
        urllib.request.build_opener(_Stay).open(request, timeout=10)
    except urllib.error.HTTPError as error:
        return str(error.headers["Location"])
    raise AssertionError("the provider led nowhere")


@contextmanager
def real_provider() -> Iterator[RealProvider]:
    """Run the provider from PyPI."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield RealProvider(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(10)


@dataclass
class ToldProvider:
    """A provider that answers what it is told, by path; it notes what it was sent."""

    answers: dict[str, object] = field(default_factory=dict)
    sent: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, body, and the header Authorization."""
    key: RSAKey = field(default_factory=lambda: KEY)
    issuer: str = ""

    def describe(self, **changes: object) -> None:
        """Say what it says of itself, with some of it changed."""
        described = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }
        self.answers["/.well-known/openid-configuration"] = {**described, **changes}
        self.answers["/jwks"] = {"keys": [self.key.as_dict(private=False)]}

    def token(self, claims: Mapping[str, Any], key: Any = None, **header: str) -> None:
        """Say which ID token it gives for a code."""
        head = {"alg": "RS256", "kid": "1", **header}
        payload = json.dumps(claims).encode()
        signed = jws.serialize_compact(head, payload, key or self.key, algorithms=[head["alg"]])
        self.answers["/token"] = {"id_token": signed, "token_type": "Bearer"}


@contextmanager
def told_provider() -> Iterator[ToldProvider]:
    """Run a provider that answers what it is told."""
    told = ToldProvider()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            told.sent.append((self.path, body, self.headers.get("Authorization", "")))
            answer = told.answers.get(self.path)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.issuer = f"http://127.0.0.1:{server.server_port}"
    told.describe()
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
