"""A recipient's program is called over HTTPS, and nothing behind the public internet is."""

import ipaddress
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from standardwebhooks import Webhook as Verifier

from chalicelib.domain.instants import instant
from chalicelib.domain.webhooks import EventType, WebhookDelivery
from chalicelib.messages import webhooks
from chalicelib.messages.webhook_transport import (
    MOST_READ,
    TryResult,
    WebhookTransport,
    fault_of_url,
    is_public,
)

HOST = "hooks.example.org"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

PUBLIC = ("8.8.8.8", "93.184.215.14", "2001:4860:4860::8888", "2606:4700::1111", "2a00:1450::1")
NOT_PUBLIC = (
    "0.0.0.0",  # noqa: S104 - it is to be refused
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.8.8.8",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.251",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "::",
    "::1",
    "::8.8.8.8",
    "::ffff:8.8.8.8",
    "::ffff:127.0.0.1",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:808:808::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "hooks.example.org",
)


@dataclass
class Receiver:
    """A program on this machine: what it was sent, and what it answers."""

    answer: Callable[[BaseHTTPRequestHandler], None]
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0


@contextmanager
def receiving(
    answer: Callable[[BaseHTTPRequestHandler], None], context: ssl.SSLContext | None
) -> Iterator[Receiver]:
    """Run a program that answers over HTTP, or HTTPS where there is a context."""
    receiver = Receiver(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.got.append((self.path, dict(self.headers), body))
            receiver.answer(self)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def status(
    code: int, body: bytes = b"", **headers: str
) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer with a status."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        request.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a certificate of HOST that nobody has signed but itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "hooks.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + made.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def serving(certificate: Path) -> ssl.SSLContext:
    """Give what the receiver proves itself with."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def transport(certificate: Path, *addresses: str, seconds: float = 5) -> WebhookTransport:
    """Give a transport that trusts the test's certificate, and looks every name up as these."""
    context = ssl.create_default_context(cafile=certificate)
    return WebhookTransport(
        loopback=True,
        look_up=lambda *_: addresses or ("127.0.0.1",),
        context=context,
        seconds=seconds,
    )


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_may_be_called(address: str) -> None:
    """Recipients stand anywhere."""
    assert is_public(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_an_address_that_is_not_public_is_never_called(address: str) -> None:
    """No webhook reads the metadata of the machine it runs on, or asks a neighbour."""
    assert not is_public(address)
    tried = WebhookTransport(look_up=lambda *_: ("8.8.8.8", address))
    assert tried.post(f"https://{HOST}/", "{}", {}) == TryResult(error="not public")


def test_every_number_of_ipv4_is_judged_as_the_registry_judges_it() -> None:
    """Of each /8 the first and the last address: none is public that Python calls private."""
    for first in range(256):
        for written in (f"{first}.0.0.1", f"{first}.255.255.254"):
            address = ipaddress.ip_address(written)
            assert not is_public(written) or (address.is_global and not address.is_multicast)


def test_a_name_that_leads_elsewhere_a_moment_later_is_called_where_it_was_checked(
    certificate: Path, serving: ssl.SSLContext
) -> None:
    """DNS rebinding: the name is looked up once for each try, and its answer is what is called."""
    answers = iter([["127.0.0.1"], ["8.8.8.8", "10.0.0.1"]])
    asked = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return next(answers)

    context = ssl.create_default_context(cafile=certificate)
    tried = WebhookTransport(loopback=True, look_up=look_up, context=context)
    with receiving(status(200), serving) as receiver:
        url = f"https://{HOST}:{receiver.port}/in"
        assert tried.post(url, "{}", {}).received
        assert tried.post(url, "{}", {}) == TryResult(error="not public")
    assert len(asked) == 2
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.org/",
        "ftp://hooks.example.org/",
        "https://hooks.example.org:8443/",
        "https://user:word@hooks.example.org/",
        "https://hooks.example.org/#part",
        "https://localhost/",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://a..b/",
        "https:///",
        "https://hooks.example.org:99999/",
        "https://hooks.example.org/ ä",
        "",
    ],
)
def test_an_address_is_refused_before_anything_is_looked_up(url: str) -> None:
    """https, the full name of a host, port 443."""
    assert fault_of_url(url, loopback=False)

    def never(*_: Any) -> list[str]:
        raise AssertionError

    assert WebhookTransport(look_up=never).post(url, "{}", {}) == TryResult(error="address")


def test_what_is_sent_verifies_and_goes_to_the_named_host(
    certificate: Path, serving: ssl.SSLContext
) -> None:
    """The receiver's library of Standard Webhooks says that it is ours."""
    delivery = WebhookDelivery(
        "msg_1", "c", "tool", "m", EventType.TEST, "2026-11-22T08:15:00.000Z"
    )
    content = webhooks.payload(delivery)
    now = instant(datetime.now(UTC))
    headers = webhooks.headers(delivery, content, [SECRET], now)
    with receiving(status(204), serving) as receiver:
        url = f"https://{HOST}:{receiver.port}/in?a=b"
        assert transport(certificate).post(url, content, headers) == TryResult(204)
    [(path, sent, body)] = receiver.got
    assert path == "/in?a=b"
    assert sent["Host"] == f"{HOST}:{receiver.port}"
    assert sent["Content-Type"] == "application/json"
    assert Verifier(SECRET).verify(body, sent)["type"] == "test"


def test_another_hosts_certificate_is_none(certificate: Path, serving: ssl.SSLContext) -> None:
    """Whoever stands at the address must prove to be the host that was named."""
    with receiving(status(200), serving) as receiver:
        url = f"https://other.example.org:{receiver.port}/"
        assert transport(certificate).post(url, "{}", {}) == TryResult(error="tls")
        untrusting = WebhookTransport(loopback=True, look_up=lambda *_: ["127.0.0.1"])
        own = f"https://{HOST}:{receiver.port}/"
        assert untrusting.post(own, "{}", {}) == TryResult(error="tls")
    assert receiver.got == []


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(
    certificate: Path, serving: ssl.SSLContext, code: int
) -> None:
    """An address that was checked leads nowhere else."""
    with receiving(status(code, Location="http://169.254.169.254/"), serving) as receiver:
        result = transport(certificate).post(f"https://{HOST}:{receiver.port}/", "{}", {})
    assert (result.status, result.received, len(receiver.got)) == (code, False, 1)


def test_how_long_to_wait_is_read_as_seconds_or_as_a_date(
    certificate: Path, serving: ssl.SSLContext
) -> None:
    """RFC 9110, 10.2.3."""

    def waits(value: str) -> timedelta | None:
        with receiving(status(503, Retry_After=value), serving) as receiver:
            url = f"https://{HOST}:{receiver.port}/"
            return transport(certificate).post(url, "{}", {}).retry_after

    assert waits("120") == timedelta(seconds=120)
    assert waits("soon") is None
    assert waits("9" * 40) == timedelta(seconds=10**8)
    later = (datetime.now(UTC) + timedelta(hours=2)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    assert timedelta(hours=1) < (waits(later) or timedelta()) <= timedelta(hours=2)


def test_gone_is_told_as_it_is_and_a_long_answer_is_not_read(
    certificate: Path, serving: ssl.SSLContext
) -> None:
    """Nothing of an answer but its status is used."""
    with receiving(status(410, b"x" * 50 * MOST_READ), serving) as receiver:
        url = f"https://{HOST}:{receiver.port}/"
        assert transport(certificate).post(url, "{}", {}) == TryResult(410)


def test_a_slow_program_has_no_more_than_its_time(
    certificate: Path, serving: ssl.SSLContext
) -> None:
    """One that never answers, and one that answers byte by byte."""
    over = threading.Event()

    def silent(_: BaseHTTPRequestHandler) -> None:
        over.wait(20)

    def dripping(request: BaseHTTPRequestHandler) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000:
            if over.wait(0.1):
                return
            request.wfile.write(bytes([letter]))
            request.wfile.flush()

    for answer in (silent, dripping):
        with receiving(answer, serving) as receiver:
            url = f"https://{HOST}:{receiver.port}/"
            result = transport(certificate, seconds=0.5).post(url, "{}", {})
            over.set()
        over.clear()
        assert result == TryResult(error="timeout")


class Slow(ssl.SSLContext):
    """Begins each handshake late, as after a connection that took long."""

    late = 0.0

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Wait, then shake hands."""
        time.sleep(self.late)
        return super().wrap_socket(*args, **kwargs)


def test_time_that_is_over_during_the_handshake_is_over(certificate: Path) -> None:
    """A program that is slow from the first byte on has no more time than one that drips later."""
    over = threading.Event()

    def dripping(request: BaseHTTPRequestHandler) -> None:
        for letter in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 80:
            if over.wait(0.1):
                return
            request.wfile.write(bytes([letter]))
            request.wfile.flush()

    serving, calling = Slow(ssl.PROTOCOL_TLS_SERVER), Slow(ssl.PROTOCOL_TLS_CLIENT)
    serving.load_cert_chain(certificate)
    calling.load_verify_locations(certificate)
    serving.late, calling.late = 1.4, 0.8
    slow = WebhookTransport(
        loopback=True, look_up=lambda *_: ["127.0.0.1"], context=calling, seconds=1
    )
    with receiving(dripping, serving) as receiver:
        begun = time.monotonic()
        result = slow.post(f"https://{HOST}:{receiver.port}/", "{}", {})
        took = time.monotonic() - begun
        over.set()
    assert result == TryResult(error="timeout")
    assert took < 5


def test_what_is_no_answer_and_what_is_not_there_are_told_apart(certificate: Path) -> None:
    """The clinic sees in one word why there was no answer."""

    def nonsense(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"what?\r\n\r\n")

    with receiving(nonsense, None) as receiver:
        local = transport(certificate)
        assert local.post(f"http://127.0.0.1:{receiver.port}/", "{}", {}).error == "answer"
    assert local.post(f"http://127.0.0.1:{receiver.port}/", "{}", {}).error == "connection"

    def unknown(*_: Any) -> list[str]:
        raise OSError

    assert WebhookTransport(look_up=unknown).post(f"https://{HOST}/", "{}", {}).error == "name"
