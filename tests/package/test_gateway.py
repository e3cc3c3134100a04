import pytest

from infra.local.gateway import Gateway, Route, missing
from infra.local.server import Reply, Request, header

PICTURES = Gateway("api", (), ("image/png",), None)
EVERYTHING = Gateway("api", (), ("*/*",), 100)


@pytest.mark.parametrize(
    ("accept", "decoded"),
    [
        ("image/png", True),
        ("image/png,*/*", True),
        ("image/avif,image/webp,image/png,*/*;q=0.8", False),
        (None, False),
    ],
)
def test_only_the_first_media_type_of_accept_decides(accept: str | None, *, decoded: bool) -> None:
    """What spoils pictures in a browser on the real gateway spoils them in the tests too."""
    assert PICTURES.decodes_reply(accept) is decoded
    assert EVERYTHING.decodes_reply(accept)


def test_fixed_words_win_over_parameters() -> None:
    """/q/{code} is not somebody's clinic."""
    routes = [Route("/{clinic}/{page}", frozenset({"GET"})), Route("/q/{code}", frozenset({"GET"}))]
    gateway = Gateway("api", tuple(sorted(routes, key=lambda route: route.rank)), (), None)
    found = gateway.route("GET", "/q/a%20b")
    assert found is not None
    assert (found[0].resource, found[1]) == ("/q/{code}", {"code": "a b"})
    assert gateway.route("POST", "/q/x") is None
    assert gateway.route("GET", "/q/x/y") is None


def test_unknown_addresses_are_refused_as_the_template_says() -> None:
    """Nobody is puzzled by a missing authentication token on a mistyped address."""
    assert missing(EVERYTHING).status == 403
    worded = Gateway(
        "api",
        (),
        (),
        None,
        {"MISSING_AUTHENTICATION_TOKEN": {"statusCode": 404, "responseTemplates": {}}},
    )
    assert missing(worded).status == 404


@pytest.mark.parametrize(
    ("wanted", "size", "packed"), [("gzip, br", 200, True), ("gzip", 99, False), ("br", 200, False)]
)
def test_replies_are_compressed_when_large_and_wanted(
    wanted: str, size: int, *, packed: bool
) -> None:
    """A phone on a slow line gets a small page."""
    request = Request("GET", "/", (("Accept-Encoding", wanted),), b"")
    reply = EVERYTHING.compressed(request, Reply(200, (), b"x" * size))
    assert (header(reply.headers, "content-encoding") == "gzip") is packed
