"""TLS in front of a local server, as AWS's endpoints have it: for measuring what a handshake costs.

The certificate of the server is signed by an intermediate authority, and that one by a root, all
RSA with 2048 bits, which is what DynamoDB's endpoints show. They are made anew at each start.
"""

import contextlib
import datetime as dt
import http.client
import ipaddress
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from infra.local.processes import LOOPBACK
from infra.local.server import Reply, Request, serving

_LIFE = dt.timedelta(days=2)
_HOP = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding"})
"""Headers of one connection (RFC 9110, 7.6.1), and the length that the server counts itself."""


@dataclass(frozen=True)
class _Signed:
    key: rsa.RSAPrivateKey
    certificate: x509.Certificate


@contextlib.contextmanager
def tls_in_front_of(port: int, folder: Path) -> Iterator[tuple[str, Path]]:
    """Serve by TLS on the loopback interface, and pass every request on to the server on `port`.

    Yields the base URL and the file (PEM) of the root certificate that a client has to trust.
    """
    folder.mkdir(parents=True, exist_ok=True)
    context, root = _made(folder)
    with serving(0, partial(_pass_on, port), tls=context) as sealed:
        yield f"https://{LOOPBACK}:{sealed}", root


def _pass_on(port: int, request: Request) -> Reply:
    """Ask the server behind, and give its reply; their connection is of this request alone."""
    behind = http.client.HTTPConnection(LOOPBACK, port, timeout=60)
    with contextlib.closing(behind):
        headers = {name: value for name, value in request.headers if name.lower() not in _HOP}
        behind.request(request.method, request.target, request.body, headers)
        answer = behind.getresponse()
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _HOP]
        return Reply(answer.status, tuple(kept), answer.read())


def _made(folder: Path) -> tuple[ssl.SSLContext, Path]:
    root = _signed("Local root", None, authority=True)
    between = _signed("Local authority", root, authority=True)
    server = _signed("localhost", between, authority=False)
    trusted, chain, key = folder / "root.pem", folder / "chain.pem", folder / "key.pem"
    trusted.write_bytes(root.certificate.public_bytes(Encoding.PEM))
    shown = (server.certificate, between.certificate)
    chain.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in shown))
    key.touch(mode=0o600)
    secret = server.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    key.write_bytes(secret)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    return context, trusted


def _signed(name: str, by: _Signed | None, *, authority: bool) -> _Signed:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing = by.key if by else key
    now = dt.datetime.now(dt.UTC)
    hosts = x509.SubjectAlternativeName(
        [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + _LIFE)
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(hosts, critical=False)
        .sign(signing, SHA256())
    )
    return _Signed(key, certificate)
