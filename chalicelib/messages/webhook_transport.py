"""Calls a recipient's program over HTTPS, and nothing that is not on the public internet.

The address is a clinic's word, so it may lead anywhere (OWASP: server-side request forgery). The
host is resolved at each try; every address it has must be public, and the connection goes to one of
those that were checked, whatever the name leads to a moment later. The certificate must be of the
host. A redirect is not followed.
"""

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from chalicelib.domain.errors import ServiceUnavailableError

SECONDS = 15.0
"""How long one try takes at most, from the connection to the last byte that is read."""

MOST_READ = 4096
"""How many bytes of an answer are read; none is kept."""

HTTPS_PORT = 443
USER_AGENT = "consent-portal-webhooks"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""Gives all IP addresses of a host; raises OSError where it has none."""

_NOT_PUBLIC = tuple(
    map(
        ipaddress.ip_network,
        (
            "100.64.0.0/10",  # shared by carriers (RFC 6598)
            "192.0.0.0/24",  # assigned to protocols (RFC 6890)
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "168.63.129.16/32",  # the metadata of one cloud, at a public address
            "64:ff9b::/96",  # NAT64: an IPv4 address in another form (RFC 6052)
            "64:ff9b:1::/48",  # the same within a network (RFC 8215)
            "2001::/23",  # assigned to protocols (RFC 2928), Teredo among them
            "2002::/16",  # 6to4 (RFC 3056)
            "fec0::/10",  # site-local, as it was (RFC 3879)
            "::/96",  # IPv4-compatible, as it was (RFC 4291, 2.5.5.1)
            "5f00::/16",  # segment routing (RFC 9602)
        ),
    )
)
"""What Python's `is_global` does not rule out in every version."""


@dataclass(frozen=True, slots=True)
class TryResult:
    """What came of one try: the status of the answer, or in one word why there was none."""

    status: int | None = None
    error: str = ""
    retry_after: timedelta | None = None

    @property
    def received(self) -> bool:
        """Whether the recipient took it (2xx)."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110, 15.3


URL_FAULTS: Mapping[str, str] = {
    "url_letters": "Only ASCII letters, without spaces.",
    "url_no_address": "Not an address.",
    "url_https": "It must begin with https://.",
    "url_credentials": "No user name, no password and no fragment.",
    "url_host": "The full name of a host, such as hooks.example.org.",
    "url_port": "No other port than 443.",
}
"""What may be wrong with an address, by name, as the API says it."""


class UnreachableError(ServiceUnavailableError):
    """There was no answer that could be read; says in one word why."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer that was read whole."""

    status: int
    content: bytes


def fault_of_url(url: str, *, loopback: bool) -> str | None:
    """Name what is wrong with an address that is to be called (`URL_FAULTS`); None where it is fine.

    With `loopback` a program on this machine may be called as well, for trying things out.
    """
    if not url.isascii() or not url.isprintable() or " " in url:
        return "url_letters"
    try:
        parts = urlsplit(url)
        port = parts.port or HTTPS_PORT
    except ValueError:
        return "url_no_address"
    host = parts.hostname or ""
    if loopback and host in {"127.0.0.1", "localhost"} and parts.scheme in {"http", "https"}:
        return None
    faults = {
        "url_https": parts.scheme != "https",
        "url_credentials": "@" in parts.netloc or bool(parts.fragment),
        "url_host": not _is_full_name(host),
        "url_port": port != HTTPS_PORT and not loopback,
    }
    return next((fault for fault, is_so in faults.items() if is_so), None)


def is_public(written: str) -> bool:
    """Tell whether an IP address is one of the public internet, for one receiver."""
    try:
        address = ipaddress.ip_address(written)
    except ValueError:  # a zone such as fe80::1%eth0 is of one link alone
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return False
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    return not any(
        address in network for network in _NOT_PUBLIC if network.version == address.version
    )


def resolve(host: str, port: int) -> list[str]:
    """Give all IP addresses of a host; raise OSError where it has none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class WebhookTransport:
    """Calls programs; with `loopback` those on this machine too, which AWS never sets."""

    def __init__(
        self,
        *,
        loopback: bool = False,
        look_up: Resolve = resolve,
        context: ssl.SSLContext | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._loopback = loopback
        self._look_up = look_up
        self._context = context
        self._seconds = seconds

    def post(self, url: str, content: str, headers: Mapping[str, str]) -> TryResult:
        """Send one try and tell what came of it; raises nothing."""
        try:
            connection, target, host = self._way_to(url)
        except UnreachableError as error:
            return TryResult(error=str(error))
        sent = {
            "Host": host,
            "Content-Type": "application/json",
            "User-Agent": USER_AGENT,
            **headers,
        }
        try:
            status, answered, _ = self._ask(connection, "POST", target, content.encode(), sent)
        except UnreachableError as error:
            return TryResult(error=str(error))
        return TryResult(status, retry_after=_retry_after(answered.get("Retry-After")))

    def fetch(
        self,
        url: str,
        most: int,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Read what stands at an address, or what is answered to `content`; no redirect is followed.

        Raises UnreachableError, also where the answer has more than `most` bytes.
        """
        connection, target, host = self._way_to(url)
        sent = {"Host": host, "User-Agent": USER_AGENT, **(headers or {})}
        method = "GET" if content is None else "POST"
        status, _, answered = self._ask(connection, method, target, content, sent, most)
        return Fetched(status, answered)

    def _way_to(self, url: str) -> tuple[HTTPConnection, str, str]:
        """Give a connection to a checked address, the target there, and the host's name.

        Raises UnreachableError.
        """
        if fault_of_url(url, loopback=self._loopback):
            raise UnreachableError("address")
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (HTTPS_PORT if parts.scheme == "https" else 80)
        try:
            addresses = self._look_up(host, port)
        except (OSError, UnicodeError):
            raise UnreachableError("name") from None
        if not addresses or not all(map(self._may_be_called, addresses)):
            raise UnreachableError("not public")
        # What the portal runs on may have no IPv6.
        address = min(addresses, key=lambda each: ":" in each)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return self._connection(parts.scheme, address, host, port), target, parts.netloc

    def _may_be_called(self, address: str) -> bool:
        if is_public(address):
            return True
        return self._loopback and ipaddress.ip_address(address).is_loopback

    def _connection(self, scheme: str, address: str, host: str, port: int) -> HTTPConnection:
        """Give a connection to the very address that was checked."""
        if scheme != "https":
            return HTTPConnection(address, port, timeout=self._seconds)
        if self._context is None:
            self._context = ssl.create_default_context()
        return HTTPSConnection(
            address,
            port,
            timeout=self._seconds,
            ssl_context=self._context,
            server_hostname=host,
        )

    def _ask(  # noqa: PLR0917 - a request has these parts
        self,
        connection: HTTPConnection,
        method: str,
        target: str,
        content: bytes | None,
        headers: Mapping[str, str],
        most: int | None = None,
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request and read its answer, in all within the time of one try.

        With `most` it is read whole, and has no more bytes; without, only its status counts. Raises
        UnreachableError.
        """
        over = threading.Event()
        deadline = threading.Timer(self._seconds, _hang_up, (connection, over))
        deadline.daemon = True
        deadline.start()
        try:
            _connect(connection, over)
            connection.request(
                method, target, content, headers, preload_content=False, decode_content=False
            )
            answer = connection.getresponse()
            if most is not None:
                read = answer.read(most + 1)
            else:
                read = b""
                with suppress(HTTPError, OSError):
                    answer.read(MOST_READ)
        except ssl.SSLError:
            raise UnreachableError("timeout" if over.is_set() else "tls") from None
        except TimeoutError:
            raise UnreachableError("timeout") from None
        except (HTTPError, OSError, ValueError) as error:
            raise UnreachableError(_word_for(error, over)) from None
        except Exception:  # noqa: BLE001 - http.client's own, for an answer that is none
            raise UnreachableError("timeout" if over.is_set() else "answer") from None
        finally:
            deadline.cancel()
            connection.close()
        if most is not None and over.is_set():
            raise UnreachableError("timeout")
        if most is not None and len(read) > most:
            raise UnreachableError("too long")
        return answer.status, answer.headers, read


def _connect(connection: HTTPConnection, over: threading.Event) -> None:
    """Connect; raise TimeoutError where the time was over meanwhile.

    During a TLS handshake there is no socket that `_hang_up` could end. Whenever it comes, one of
    the two sees the other: it notes that the time is over before it looks for a socket.
    """
    connection.connect()
    if over.is_set():
        raise TimeoutError


def _hang_up(connection: HTTPConnection, over: threading.Event) -> None:
    """End a try whose time is over: a recipient that answers byte by byte has no more than that."""
    over.set()
    open_socket: Any = connection.sock
    if open_socket is not None:
        with suppress(OSError):
            open_socket.shutdown(socket.SHUT_RDWR)


def _word_for(error: Exception, over: threading.Event) -> str:
    """Say in one word why there was no answer, without the address or what was sent."""
    name = type(error).__name__
    if over.is_set() or "Timeout" in name:
        return "timeout"
    if "SSL" in name or "Certificate" in name:
        return "tls"
    return "connection"


def _retry_after(value: str | None) -> timedelta | None:
    """Read how long to wait (RFC 9110, 10.2.3): seconds, or a date; None for neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdecimal():
        return timedelta(seconds=min(int(text[:9]), 10**8))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(timedelta(), until - datetime.now(UTC))


def _is_full_name(host: str) -> bool:
    """Tell whether a host is a name with a dot, and no IP address in any form that is read as
    one.
    """
    labels = host.removesuffix(".").split(".")
    last = labels[-1]
    if ":" in host or len(labels) == 1 or not all(labels):
        return False
    return not last.isdigit() and not last.startswith("0x")
