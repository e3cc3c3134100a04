"""People sign in with the clinic's own accounts: their group says what they may, today."""

import base64
import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from joserfc.jwk import OctKey, RSAKey

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.staff import StaffMember
from chalicelib.portal import get_portal
from chalicelib.services import staff_members
from chalicelib.services.oidc import BY_PROVIDER
from chalicelib.store import sign_in_providers, staff
from chalicelib.web.staff.account import BEGUN_COOKIE
from chalicelib.web.staff.entrance import SESSION_COOKIE
from tests.web.running import RunningPortal
from tests.web.staff.own_sign_in import (
    OwnBrowser,
    RealProvider,
    ToldProvider,
    asked,
    real_provider,
    set_up,
    told_provider,
)

NO_GROUP = "in no group that opens this desk"
NOT_TRUSTED = "that we do not trust"


@pytest.fixture(scope="module")
def provider() -> Iterator[RealProvider]:
    """Run a real provider."""
    with real_provider() as running:
        yield running


@pytest.fixture
def told() -> Iterator[ToldProvider]:
    """Run a provider that lies as it is told."""
    with told_provider() as running:
        yield running


@pytest.fixture(autouse=True)
def _on_this_machine(portal: RunningPortal, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    assert portal
    monkeypatch.setenv("WEBHOOKS_TO_LOOPBACK", "1")
    get_portal.cache_clear()
    yield
    get_portal.cache_clear()


def members(clinic: str) -> list[StaffMember]:
    """Give everybody of a clinic's desk."""
    return staff.members(get_portal().table, clinic)


def test_somebody_of_a_group_comes_in_as_what_the_group_is(
    portal: RunningPortal, provider: RealProvider
) -> None:
    """No invitation, no passkey: the account is enough, and the team shows who it is."""
    program = portal.open_clinic()
    set_up(program.clinic, provider.issuer)
    provider.tell("anna", name="Anna\nBērziņa", groups=["all", "news"])
    browser = OwnBrowser()
    answer = provider.sign_in(browser, program.clinic, "anna", "?next=/staff/counters")
    assert (answer.status, answer.location) == (303, "/api/staff/counters")
    assert browser.get("/staff/counters").status == 200
    assert browser.get("/staff/record").status == 403
    [member] = members(program.clinic)
    assert (member.name, member.role, member.invited_by) == (
        "Anna Bērziņa",
        "marketing",
        BY_PROVIDER,
    )
    calls = [(line["key"], line["call"]) for line in portal.audit(program.clinic)]
    assert (BY_PROVIDER, "staff/join") in calls
    assert (member.id, "staff/sign-in") in calls


def test_the_role_follows_the_group_and_ends_with_it(
    portal: RunningPortal, provider: RealProvider
) -> None:
    """Who changes desks changes roles; who leaves is out, of other browsers too."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, provider.issuer)
    browser = OwnBrowser()
    for groups, role in ((["news"], "marketing"), ("it", "administrator"), (["desk"], "reception")):
        provider.tell("guntis", name="Guntis", groups=groups)
        assert provider.sign_in(browser, clinic, "guntis").status == 303
        assert [each.role for each in members(clinic)] == [role]
    assert browser.get("/staff").status == 200
    for groups in ([], ["desks"], None, {"desk": 1}):
        provider.tell("guntis", name="Guntis", groups=groups)
        refused = provider.sign_in(OwnBrowser(), clinic, "guntis")
        assert refused.status == 403
        assert NO_GROUP in refused.text
        assert browser.get("/staff").status == 303
    assert len(members(clinic)) == 1


def test_whose_access_was_ended_here_stays_outside(
    portal: RunningPortal, provider: RealProvider
) -> None:
    """The clinic's administrator has the last word, and no invitation goes around the account."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, provider.issuer)
    provider.tell("ilze", name="Ilze", groups=["desk"])
    browser = OwnBrowser()
    assert provider.sign_in(browser, clinic, "ilze").status == 303
    [member] = members(clinic)
    table, now = get_portal().table, get_portal().clock()
    with pytest.raises(NotFoundError):
        staff_members.invite_again(table, clinic, member.id, by="operator", now=now)
    staff_members.end_access(table, clinic, member.id, by="operator", now=now)
    assert browser.get("/staff").status == 303
    refused = provider.sign_in(OwnBrowser(), clinic, "ilze")
    assert refused.status == 403
    assert "Your access to this desk was ended." in refused.text


def test_accounts_are_of_one_clinic(portal: RunningPortal, provider: RealProvider) -> None:
    """The same account at two clinics is two people of the desk; a third has no such sign-in."""
    one, two, none = (portal.open_clinic().clinic for _ in range(3))
    provider.tell("eva", name="Eva", groups=["desk"])
    for clinic in (one, two):
        set_up(clinic, provider.issuer)
        assert provider.sign_in(OwnBrowser(), clinic, "eva").status == 303
    assert len(members(one)) == len(members(two)) == 1
    assert members(one)[0].id != members(two)[0].id
    for clinic in (none, "nowhere", "x" * 3000):
        assert OwnBrowser().get(f"/staff/oidc/{clinic}").status == 404


def test_an_answer_counts_in_the_browser_that_began_and_once(
    portal: RunningPortal, provider: RealProvider
) -> None:
    """Nobody is signed in as somebody else by following a link."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, provider.issuer)
    provider.tell("mallory", name="Mallory", groups=["desk"])
    began, victim = OwnBrowser(), OwnBrowser()
    state = asked(began.begin(clinic))["state"]
    victim.begin(clinic)
    for browser in (victim, OwnBrowser()):
        refused = browser.back(code="1", state=state)
        assert refused.status == 403
        assert SESSION_COOKIE not in browser.cookies
    began.cookies[BEGUN_COOKIE] = began.cookies[BEGUN_COOKIE][:-2] + "AA"
    assert began.back(code="1", state=state).status == 403
    again = OwnBrowser()
    assert (
        "was not completed" in again.back(error="x", state=asked(again.begin(clinic))["state"]).text
    )
    assert members(clinic) == []


def claims_for(told: ToldProvider, nonce: str, /, **changes: Any) -> dict[str, Any]:
    """Give the claims of a good ID token, with some of them changed."""
    at = int(datetime.now(UTC).timestamp())
    good = {
        "iss": told.issuer,
        "aud": "consent-desk",
        "sub": "1",
        "iat": at,
        "exp": at + 300,
        "nonce": nonce,
        "name": "Eve",
        "groups": ["it"],
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example.org"},
        {"aud": "another"},
        {"aud": ["consent-desk", "another"]},
        {"aud": ["consent-desk", "another"], "azp": "another"},
        {"exp": 1},
        {"exp": None},
        {"iat": 9e12},
        {"nonce": "another"},
        {"nonce": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "x" * 256},
    ],
    ids=str,
)
def test_a_token_with_a_wrong_claim_signs_nobody_in(
    portal: RunningPortal, told: ToldProvider, changes: dict[str, Any]
) -> None:
    """A token for another program, of another time, or of another sign-in opens nothing."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, told.issuer)
    browser = OwnBrowser()
    begun = asked(browser.begin(clinic))
    told.token(claims_for(told, begun["nonce"], **changes))
    refused = browser.back(code="c", state=begun["state"])
    assert refused.status == 403
    assert NOT_TRUSTED in refused.text
    assert members(clinic) == []
    told.token(claims_for(told, begun["nonce"]))
    assert browser.back(code="c", state=begun["state"]).status == 303


def by_anothers_key(told: ToldProvider, claims: dict[str, Any]) -> None:
    """Sign with a key of the same name."""
    told.token(claims, RSAKey.generate_key(2048, {"kid": "1"}))


def by_a_secret(told: ToldProvider, claims: dict[str, Any]) -> None:
    """Sign with what both sides know."""
    told.token(claims, OctKey.import_key("s3cret & more" * 4), alg="HS256")


def answers(content: dict[str, str]) -> Callable[[ToldProvider, dict[str, Any]], None]:
    """Answer the code with something."""

    def tell(told: ToldProvider, claims: dict[str, Any]) -> None:
        assert claims
        told.answers["/token"] = content

    return tell


FORGERIES = {
    "another's key": by_anothers_key,
    "a secret for a key": by_a_secret,
    "no signature": answers({"id_token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."}),
    "no token": answers({"access_token": "x"}),
    "a token too long": answers({"id_token": "x" * 20_000}),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forged_token_signs_nobody_in(
    portal: RunningPortal, told: ToldProvider, forgery: str
) -> None:
    """Only what the provider's own key signed counts."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, told.issuer)
    browser = OwnBrowser()
    begun = asked(browser.begin(clinic))
    FORGERIES[forgery](told, claims_for(told, begun["nonce"]))
    assert NOT_TRUSTED in browser.back(code="c", state=begun["state"]).text
    assert members(clinic) == []


@pytest.mark.parametrize(
    "described",
    [
        b"no JSON",
        b"[" * 50_000,
        b"{" + b" " * 200_000 + b"}",
        None,
        [],
        {"issuer": "https://evil.example.org"},
        {"token_endpoint": "ftp://127.0.0.1/"},
        {"jwks_uri": "https://10.0.0.1/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"token_endpoint": 7},
    ],
    ids=repr,
)
def test_a_provider_that_answers_nonsense_signs_nobody_in(
    portal: RunningPortal, told: ToldProvider, described: Any
) -> None:
    """The page says that the sign-in does not answer; nobody is led anywhere."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, told.issuer)
    if isinstance(described, dict):
        told.describe(**described)
    else:
        told.answers["/.well-known/openid-configuration"] = described
    answer = OwnBrowser().get(f"/staff/oidc/{clinic}")
    assert answer.status == 403
    assert "does not answer just now" in answer.text
    assert "set-cookie" not in answer.headers


def test_the_code_is_exchanged_with_its_verifier_and_the_secret(
    portal: RunningPortal, told: ToldProvider
) -> None:
    """A code that somebody else caught is worth nothing (RFC 7636); the secret is kept sealed."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, told.issuer)
    browser = OwnBrowser()
    begun = asked(browser.begin(clinic))
    assert begun["code_challenge_method"] == "S256"
    assert begun["redirect_uri"].endswith("/api/staff/oidc/callback")
    told.token(claims_for(told, begun["nonce"]))
    assert browser.back(code="the code", state=begun["state"]).status == 303
    [(_, body, authorization)] = [each for each in told.sent if each[0] == "/token"]
    sent = asked(f"?{body}")
    hashed = hashlib.sha256(sent["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(hashed).rstrip(b"=").decode() == begun["code_challenge"]
    assert sent["code"] == "the code"
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"consent-desk:s3cret+%26+more"
    assert b"s3cret" not in portal.everything()


@pytest.mark.parametrize(("ago", "fresh"), [(0, True), (400, False), (None, False)])
def test_what_matters_is_opened_by_who_proved_it_just_now(
    portal: RunningPortal, told: ToldProvider, ago: int | None, *, fresh: bool
) -> None:
    """A provider that asked an hour ago, or does not say, opens no page that asks for proof."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, told.issuer)
    browser = OwnBrowser()
    begun = asked(browser.begin(clinic, "?again=yes"))
    assert (begun["prompt"], begun["max_age"]) == ("login", "0")
    at = None if ago is None else int(datetime.now(UTC).timestamp()) - ago
    told.token(claims_for(told, begun["nonce"], auth_time=at))
    assert browser.back(code="c", state=begun["state"]).status == 303
    opened = browser.get("/staff/team/invite")
    assert opened.status == (200 if fresh else 303)
    if not fresh:
        again = browser.get(opened.location.removeprefix("/api"))
        assert again.location.startswith(f"/api/staff/oidc/{clinic}?again=yes&next=")


def test_a_clinic_that_ends_its_sign_in_lets_nobody_in_by_it(
    portal: RunningPortal, told: ToldProvider
) -> None:
    """Also not whoever was on the way."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, told.issuer)
    browser = OwnBrowser()
    begun = asked(browser.begin(clinic))
    told.token(claims_for(told, begun["nonce"]))
    sign_in_providers.remove(get_portal().table, clinic)
    assert browser.back(code="c", state=begun["state"]).status == 403
    assert OwnBrowser().get(f"/staff/oidc/{clinic}").status == 404


def test_the_way_back_leads_to_the_desk_alone(portal: RunningPortal, told: ToldProvider) -> None:
    """No link leads from the sign-in to another website."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, told.issuer)
    for wanted in ("https://evil.example.org", "//evil.example.org", "/staff//evil.example.org"):
        browser = OwnBrowser()
        begun = asked(browser.begin(clinic, f"?next={wanted}"))
        told.token(claims_for(told, begun["nonce"]))
        assert browser.back(code="c", state=begun["state"]).location == "/api/staff"


def test_who_has_an_account_has_no_passkey_and_no_invitation(
    portal: RunningPortal, provider: RealProvider
) -> None:
    """Both would outlive the job; the pages say so and offer neither."""
    clinic = portal.open_clinic().clinic
    set_up(clinic, provider.issuer)
    provider.tell("boss", name="Boss", groups=["it"])
    browser = OwnBrowser()
    assert provider.sign_in(browser, clinic, "boss").status == 303
    own = browser.get("/staff/passkeys")
    assert "it needs no passkey here" in own.text
    assert "/staff/passkeys/add" not in own.text
