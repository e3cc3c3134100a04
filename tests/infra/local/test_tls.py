import ssl
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from infra.local.server import Reply, Request, serving
from infra.local.tls import tls_in_front_of


def told(request: Request) -> Reply:
    """Answer with what was asked."""
    body = f"{request.method} {request.target} {request.body.decode()}".encode()
    return Reply(207, (("X-Told", "yes"),), body)


def test_what_is_asked_by_tls_reaches_the_server_behind(tmp_path: Path) -> None:
    """The cold start is measured over TLS, and the local AWS speaks none by itself."""
    with serving(0, told) as port, tls_in_front_of(port, tmp_path) as (url, root):
        assert url.startswith("https://")
        trusting = ssl.create_default_context(cafile=root)
        request = urllib.request.Request(f"{url}/a?b=c", b"body")
        with urllib.request.urlopen(request, context=trusting, timeout=10) as answer:
            told_back = (answer.status, answer.headers["X-Told"], answer.read())
    assert told_back == (207, "yes", b"POST /a?b=c body")


def test_a_client_without_the_root_certificate_refuses(tmp_path: Path) -> None:
    """So whoever is measured has read certificates and checked them, as on Lambda."""
    with (
        serving(0, told) as port,
        tls_in_front_of(port, tmp_path) as (url, _root),
        pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        urllib.request.urlopen(url, timeout=10)
