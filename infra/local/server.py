"""A small threaded HTTP server on the loopback interface; a handler turns requests into replies."""

import contextlib
import http.server
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.local.processes import LOOPBACK

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Request:
    """An HTTP request; `target` is path and query exactly as they came."""

    method: str
    target: str
    headers: Headers
    body: bytes
    client: str = LOOPBACK

    @property
    def path(self) -> str:
        """The path, still percent-encoded."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query without its question mark, still percent-encoded."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """Return a header's value by its name in any case, the last one if there are several."""
        return header(self.headers, name)


@dataclass(frozen=True)
class Reply:
    """What goes back to the client."""

    status: int
    headers: Headers = ()
    body: bytes = b""


def header(headers: Headers, name: str) -> str | None:
    """Return a header's value by its name in any case, the last one if there are several."""
    found = [value for key, value in headers if key.lower() == name.lower()]
    return found[-1] if found else None


TOO_LARGE = Reply(413)
MOST_READ_AWAY = 64 * 1024 * 1024
"""How much of a body that is too large is read before it is answered."""

Handler = Callable[[Request], Reply]


class Server(http.server.ThreadingHTTPServer):
    """Serves `handler` on a port of the loopback interface, with a thread per connection."""

    request_queue_size = 256
    daemon_threads = True

    def __init__(
        self,
        port: int,
        handler: Handler,
        *,
        body_limit: int,
        too_large: Reply,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.handler = handler
        self.too_large = too_large
        self.body_limit = body_limit
        super().__init__((LOOPBACK, port), _Connection)
        if tls is not None:
            # Hands are shaken at the first read, in the connection's own thread.
            self.socket = tls.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )


class _Connection(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One write per reply, sent at once: no waiting for more bytes on either side.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = 60
    server: Server

    def _answer(self) -> None:
        body = self._body()
        if body is None:
            return
        headers = tuple((name, value) for name, value in self.headers.items())
        self._send(
            self.server.handler(
                Request(self.command, self.path, headers, body, self.client_address[0])
            )
        )

    def _body(self) -> bytes | None:
        """Read the body; where it cannot be, answer that and give None."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            chunks = self._chunks()
            if chunks is None:
                self.close_connection = True
                self._send(self.server.too_large)
            return chunks
        length = self.headers.get("Content-Length", "0")
        if length.isdigit() and int(length) <= self.server.body_limit:
            return self.rfile.read(int(length))
        self.close_connection = True
        if not length.isdigit():
            self._send(Reply(400))
            return None
        self._read_away(min(int(length), MOST_READ_AWAY))
        self._send(self.server.too_large)
        return None

    def _chunks(self) -> bytes | None:
        """Read a body that comes in chunks (RFC 9112, 7.1); None where it is too large."""
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0] or b"0", 16):
            body += self.rfile.read(size)
            if len(body) > self.server.body_limit:
                return None
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return body

    def _read_away(self, length: int) -> None:
        """Read and drop a body: a client that is still sending would not read the answer."""
        while length > 0 and (read := len(self.rfile.read(min(length, 65_536)))):
            length -= read

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)
        self.wfile.flush()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = _answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Log nothing: an address may contain a token."""

    def handle(self) -> None:
        """Serve the connection; a client that has gone away is no error."""
        with contextlib.suppress(ConnectionError, TimeoutError, ssl.SSLError):
            super().handle()


@contextlib.contextmanager
def serving(
    port: int,
    handler: Handler,
    *,
    body_limit: int = 10 * 1024 * 1024,
    too_large: Reply = TOO_LARGE,
    tls: ssl.SSLContext | None = None,
) -> Iterator[int]:
    """Serve in the background until the end of the block; yield the port (0: a free one).

    A body above the limit is answered `too_large`. With `tls` the server speaks TLS alone.
    """
    server = Server(port, handler, body_limit=body_limit, too_large=too_large, tls=tls)
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
    )
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def port_is_free(port: int) -> bool:
    """Return whether a server could listen on this port of the loopback interface now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
