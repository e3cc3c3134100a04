"""HTTP as its specification says it: HEAD, 404, 405, security.txt; in the form for whoever
asked.
"""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from app import app
from chalicelib.domain.languages import LANGUAGES
from chalicelib.web.middleware import HEADERS
from chalicelib.web.routing import find, routed
from infra.build.bundle import ROOT
from tests.cast import RIGA
from tests.infra.test_template import TEMPLATE
from tests.web.client import FORM, MOUNTS, Answer, Client
from tests.web.page_reader import Page
from tests.web.running import RunningPortal

KIND = {"page": "text/html", "problem": "application/problem+json"}
NOWHERE = {
    f"/{RIGA}/nope": "page",
    "/a/b/c": "page",
    "/a/b/c/d/e/f": "page",
    "/nobody": "page",
    "/manage": "page",
    "/q": "page",
    "/favicon.ico": "page",
    "/verify/more": "page",
    "/v1": "problem",
    "/v1/clinics": "problem",
    f"/v1/clinics/{RIGA}": "problem",
    f"/v1/clinics/{RIGA}/nope": "problem",
    "/v1/withdraw": "problem",
    "/.well-known/nothing": "problem",
    "/openapi.json/more": "problem",
    "/health/more": "problem",
}


def _kind(answer: Answer) -> str:
    return answer.headers["content-type"].partition(";")[0]


@pytest.mark.parametrize("target", NOWHERE)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_what_is_not_there_is_said_in_the_form_for_whoever_asked(method: str, target: str) -> None:
    """A patient who mistypes reads a page, a program reads a problem, with every header that
    protects an answer.
    """
    client = Client()
    if method != "GET" and target in {"/nobody", "/favicon.ico"}:
        pytest.skip("the route of a clinic's page takes it")
    answer = client.send(
        method, target, b"x=1" if method == "POST" else b"", {"Content-Type": FORM}
    )
    assert (answer.status, _kind(answer)) == (404, KIND[NOWHERE[target]])
    assert all(answer.headers[name.lower()] == value for name, value in HEADERS.items())
    assert answer.headers["cache-control"] == "no-store"
    if NOWHERE[target] == "problem":
        assert answer.json()["status"] == 404


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_pages_of_nowhere_speak_the_visitors_language(client: Client, lang: str) -> None:
    """By what the browser prefers, or by the link."""
    for answer in (
        client.get("/a/b/c", {"Accept-Language": lang}),
        client.get(f"/{RIGA}/nope?lang={lang}"),
        client.send("DELETE", f"/{RIGA}?lang={lang}", b"", {}),
        client.get(f"/?lang={lang}"),
        client.get("/", {"Accept-Language": f"de, {lang};q=0.4"}),
    ):
        assert Page(answer).lang == lang


def test_the_portals_own_address_says_what_it_is_and_names_no_clinic(
    client: Client, portal: RunningPortal
) -> None:
    """Who is a client here is nobody's business; whoever holds a receipt is led on."""
    answer = client.get("/?lang=en")
    assert answer.status == 200
    assert f"{client.mount}/verify?lang=en" in Page(answer).links
    assert not [clinic for clinic in portal.api_keys if clinic in answer.text]


@pytest.mark.parametrize("mount", MOUNTS.values())
def test_an_address_is_found_wherever_the_portal_stands(mount: str) -> None:
    """Under its stage, a domain of its own or a base path, with a slash at its end or without."""
    client = Client(mount)
    for target in (f"/{RIGA}", f"/{RIGA}/", f"/{RIGA}/withdraw", "/verify"):
        answer = client.get(target)
        assert answer.status == 200
    assert f'href="{mount}/{RIGA}/withdraw?' in client.get(f"/{RIGA}").text


@pytest.mark.parametrize("resource", app.routes)
def test_head_is_answered_wherever_get_is_and_any_other_method_says_which_it_takes(
    portal: RunningPortal, resource: str
) -> None:
    """RFC 9110, 9.3.2 and 15.5.6; a new route is tried without anybody's help."""
    right = {
        "clinic": RIGA,
        "version": "1.0",
        "picture_name": "signup.svg",
        "code": "ra-s",
        "token": "A" * 32,
    }
    target = re.sub(r"\{(\w+)\}", lambda name: right.get(name[1], "0" * 32), resource)
    client, key = Client(), {"Authorization": f"Bearer {portal.api_keys[RIGA]}"}
    methods = set(app.routes[resource]) | ({"HEAD"} if "GET" in app.routes[resource] else set())
    if "GET" in methods:
        full, head = client.get(target, key), client.send("HEAD", target, b"", key)
        assert (head.status, head.body, head.headers.keys()) == (
            full.status,
            b"",
            full.headers.keys(),
        )
        assert head.headers["content-type"] == full.headers["content-type"]
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"} - methods:
        refused = client.send(method, target, b"", key)
        assert refused.status == 405
        assert set(refused.headers["allow"].split(", ")) == methods
        programs = resource.startswith(("/v1/", "/.well-known/", "/openapi.json", "/health"))
        assert _kind(refused) == KIND["problem" if programs else "page"]
        assert refused.headers["x-content-type-options"] == "nosniff"


def test_security_txt_says_where_to_write_and_until_when(client: Client) -> None:
    """RFC 9116: Contact and Expires, less than a year ahead; the address by which it is known."""
    answer = client.get("/.well-known/security.txt")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    fields = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert fields["Contact"].startswith(("mailto:", "https://"))
    ahead = datetime.fromisoformat(fields["Expires"]) - datetime.now(UTC)
    assert timedelta(days=30) < ahead < timedelta(days=365)
    assert fields["Canonical"].endswith(f"{client.mount}/.well-known/security.txt")


def test_fixed_words_win_and_the_first_word_of_a_route_is_no_clinic() -> None:
    """/v1/withdraw is no withdrawal at a clinic v1, and /q/kiosk no tablet of one."""
    routes = [
        "/{clinic}",
        "/{clinic}/kiosk",
        "/{clinic}/{page}",
        "/q/{code}",
        "/verify",
        "/v1/clinics/{clinic}/status",
    ]
    assert find(["q", "kiosk"], routes) == ("/q/{code}", {"code": "kiosk"})
    assert find(["riga", "kiosk"], routes) == ("/{clinic}/kiosk", {"clinic": "riga"})
    assert find(["riga", "x"], routes) == ("/{clinic}/{page}", {"clinic": "riga", "page": "x"})
    assert find(["verify"], routes) == ("/verify", {})
    assert find(["v1"], routes) is find(["v1", "kiosk"], routes) is find([], routes) is None


def test_the_log_never_holds_an_address_that_leads_nowhere() -> None:
    """It can hold a token, a name, anything."""
    context = {"path": "/api/anna/ozola/x", "httpMethod": "GET"}
    event = {
        "path": "/anna/ozola/x",
        "pathParameters": {"proxy": "anna/ozola/x"},
        "requestContext": context,
    }
    assert routed(event, app.routes)["requestContext"]["resourcePath"] == "/{proxy+}"


def test_the_gateways_own_answers_carry_the_headers_of_ours() -> None:
    """What API Gateway says by itself (too large, too slow) is framed, sniffed and listed as
    little.
    """
    template = yaml.load((ROOT / "infra/template.yaml").read_text(), _Loader)  # noqa: S506 - a SafeLoader
    answers = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"][
        "x-amazon-apigateway-gateway-responses"
    ]
    expected = {
        **HEADERS,
        "Content-Security-Policy": "sandbox",
        "Content-Type": "application/problem+json",
    }
    assert {"DEFAULT_4XX", "DEFAULT_5XX", "REQUEST_TOO_LARGE"} <= answers.keys()
    for answer in answers.values():
        sent = {
            name.removeprefix("gatewayresponse.header."): value.strip("'")
            for name, value in answer["responseParameters"].items()
        }
        assert sent == {**expected, "Cache-Control": "no-store"}
        for body in answer["responseTemplates"].values():
            assert (
                json.loads(body.replace("$context.error.messageString", '"x"'))["type"]
                == "about:blank"
            )


class _Loader(yaml.SafeLoader):
    """Reads a template of CloudFormation, whose own tags say nothing here."""


_Loader.add_multi_constructor("!", lambda _loader, suffix, _node: suffix)


@pytest.mark.usefixtures("client")
def test_the_daily_request_of_the_stack_is_answered() -> None:
    """The rule that keeps the snapshot in use asks as API Gateway does."""
    [target] = TEMPLATE["Resources"]["KeepsSnapshot"]["Properties"]["Targets"]
    answer = app(json.loads(target["Input"]), None)
    assert (answer["statusCode"], answer["body"]) == (200, '{"status":"ok"}')
