"""Every answer of every route carries the headers that protect it: a new route is walked without
anybody's help.
"""

import base64
import hashlib
import re
from collections.abc import Iterator

import pytest

from app import app
from chalicelib.domain.rate_limits import CONTACT
from tests.cast import RIGA
from tests.web.client import FORM, Answer, Client, Program
from tests.web.page_reader import Page, decide, receipt_number
from tests.web.running import RunningPortal
from tests.web.truth import is_of_the_desk

PUBLIC = {
    "/{clinic}/shown/{sha256}",
    "/{clinic}/qr/{picture_name}",
    "/.well-known/jwks.json",
    "/openapi.json",
}
PUBLIC |= {"/.well-known/security.txt"}
"""What holds nothing about anybody and may be kept in a cache."""
KEPT = {"/{clinic}/shown/{sha256}", "/{clinic}/receipts/{receipt}"}
"""What comes as it was made once, with the styles of that day: a page shown, a receipt as HTML."""
KIOSK = {resource for resource in app.routes if "kiosk" in resource}
"""The tablet clears itself by a script of its own: a file, never one inside a page."""

ALWAYS = {
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "x-robots-tag": "noindex",
}
Walked = list[tuple[str, Answer]]


def walk(client: Client, program: Program) -> Iterator[tuple[str, Answer]]:
    """Ask every route, rightly and wrongly, and give each answer with its route."""
    decided = decide(client, program.clinic, {"decision.newsletter.email": "no"})
    number = receipt_number(decided)
    shown = next(link for link in Page(client.follow(decided)).links if "/shown/" in link)
    right = {
        "clinic": program.clinic,
        "receipt": number,
        "version": "1.0",
        "sha256": shown.rpartition("/")[2],
        "picture_name": "signup.svg",
        "code": f"{program.clinic.removeprefix('clinic-')}-s",
    }
    key = {"Authorization": f"Bearer {program.key}"}
    for resource, methods in app.routes.items():
        if is_of_the_desk(resource):  # see tests/web/staff/test_every_place.py
            continue
        good = re.sub(r"\{(\w+)\}", lambda name: right.get(name[1], "x"), resource)
        bad = re.sub(r"\{\w+\}", "nobody", resource)
        for method in methods:
            body = (
                (b"{}", "application/json") if resource.startswith("/v1/") else (b"lang=en", FORM)
            )
            for target in (good, bad):
                for headers in (
                    {"Content-Type": body[1], **key},
                    {"Content-Type": "text/plain", "Origin": "null"},
                ):
                    yield (
                        resource,
                        client.send(method, target, body[0] if method == "POST" else b"", headers),
                    )
            if method == "POST" and not resource.startswith("/v1/"):
                foreign = {"Content-Type": FORM, "Sec-Fetch-Site": "cross-site"}
                yield resource, client.send("POST", good, b"", foreign)
    for form in ("pdf", "html"):
        yield (
            "/{clinic}/receipts/{receipt}",
            client.get(f"/{program.clinic}/receipts/{number}?format={form}"),
        )
    yield "/{clinic}", decided
    for _ in range(CONTACT.burst + 1):
        fields = {"decision.newsletter.email": "no", "email": "anna.ozola@example.org"}
        yield "/{clinic}", decide(client, program.clinic, fields)


@pytest.fixture(scope="module")
def walked(settled: RunningPortal) -> Walked:
    """Walk once."""
    return list(walk(Client(), settled.open_clinic()))


def test_the_walk_sees_every_route_and_every_kind_of_answer(walked: Walked) -> None:
    """Pages, errors, redirects, refusals, pictures, paper and the API."""
    walkable = {resource for resource in app.routes if not is_of_the_desk(resource)}
    assert {resource for resource, _ in walked} == walkable
    assert {answer.status for _, answer in walked} >= {200, 302, 303, 401, 403, 404, 415, 422, 429}
    kinds = {answer.headers["content-type"].partition(";")[0] for _, answer in walked}
    assert kinds >= {
        "text/html",
        "application/json",
        "application/problem+json",
        "application/pdf",
        "image/svg+xml",
    }


def test_no_answer_is_framed_sniffed_listed_or_told_to_others(walked: Walked) -> None:
    """Whichever route it comes from and however it ends."""
    for resource, answer in walked:
        told = {name: answer.headers.get(name) for name in ALWAYS}
        assert told == ALWAYS, (resource, answer.status)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], (
            resource,
            answer.status,
        )
        assert "set-cookie" not in answer.headers
        sharing = (
            "cross-origin" if answer.headers["content-type"].startswith("image/") else "same-origin"
        )
        assert answer.headers["cross-origin-resource-policy"] == sharing, resource


def test_no_page_runs_a_script_or_loads_anything(walked: Walked) -> None:
    """Not even one that somebody smuggled in: styles go by their hash, and nothing else is allowed
    at all.
    """
    for resource, answer in walked:
        policy = dict.fromkeys(answer.headers["content-security-policy"].split("; "))
        if answer.headers["content-type"].startswith("application/pdf"):
            continue
        assert "default-src 'none'" in policy, resource
        scripts = [rule for rule in policy if rule.startswith("script-src")]
        assert scripts in ([], ["script-src 'self'"] if resource in KIOSK else []), resource
        assert not [rule for rule in policy if "unsafe-eval" in rule or "*" in rule]
        if answer.headers["content-type"].startswith("text/html"):
            inline = (
                r"<script(?![^>]*\ssrc=)|\son\w+=|javascript:"
                if resource in KIOSK
                else r"<script|\son\w+=|javascript:"
            )
            assert not re.search(inline, answer.text), resource


def test_each_page_may_have_its_own_styles_and_no_others(walked: Walked) -> None:
    """Each clinic's pages come in its colours, and a style that somebody smuggled in does
    nothing.
    """
    coloured = set()
    for resource, answer in walked:
        is_page = answer.headers["content-type"].startswith("text/html") and answer.text
        policy = answer.headers["content-security-policy"]
        if not is_page or ("unsafe-inline" in policy and resource in KEPT):
            continue
        styles = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
        hashes = {hashlib.sha256(each.encode()).digest() for each in styles}
        written = {f"'sha256-{base64.b64encode(each).decode()}'" for each in hashes}
        assert written <= set(policy.split("; ")[1].removeprefix("style-src ").split()), resource
        assert "style=" not in answer.text
        coloured |= {each for each in styles if "--head:" in each}
    assert len(coloured) > 1, "a clinic's colours and the portal's own"


def test_whatever_can_be_about_somebody_is_kept_by_no_cache(walked: Walked) -> None:
    """A proxy or the back button brings nobody's page back, but the questions' steps to the browser
    that was answering them, for as long as they may be sent.
    """
    for resource, answer in walked:
        if resource == "/{clinic}" and answer.status in {422, 429}:
            assert answer.headers["cache-control"] == "private, max-age=7200"
            continue
        public = (
            "no-cache"
            if resource == "/kiosk.js"
            else "public"
            if resource in PUBLIC
            else "no-store"
        )
        expected = public if answer.status == 200 else "no-store"
        assert answer.headers["cache-control"].startswith(expected), resource
    assert {
        resource
        for resource, answer in walked
        if answer.headers["cache-control"].startswith("public")
    } == PUBLIC


def test_the_clinics_page_has_the_policy_that_lets_forms_go_home_only(client: Client) -> None:
    """An injected form could not send what is typed to somebody else."""
    policy = client.get(f"/{RIGA}").headers["content-security-policy"].split("; ")
    assert {"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} <= set(policy)
    assert next(rule for rule in policy if rule.startswith("style-src")).startswith(
        "style-src 'sha256-"
    )
