"""Passkeys: what proves who somebody is, and everything that does not."""

import json
from dataclasses import replace

import pytest
from fido2.utils import websafe_decode, websafe_encode
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import ServiceUnavailableError
from chalicelib.domain.instants import Instant
from chalicelib.domain.staff import Passkey, Role, StaffMember
from chalicelib.portal import Portal
from chalicelib.services import passkeys
from chalicelib.services.passkeys import (
    PasskeyRefusedError,
    RelyingParty,
    StaleChallengeError,
)
from chalicelib.store.keys.clinics import portal_key_key
from chalicelib.store.writes import Delete
from tests.authenticator import PRESENT, Authenticator, with_counter
from tests.cast import RIGA

NOW: Instant = "2026-11-30T08:00:00.000Z"
IN_FIVE: Instant = "2026-11-30T08:05:00.000Z"
TOO_LATE: Instant = "2026-11-30T08:05:00.001Z"
PORTAL = RelyingParty.of("https://portal.example.org/api", {"https://portal.example.org"})
INESE = StaffMember("staff_1", RIGA, "Inese Kalniņa", Role.RECEPTION, "lv", NOW, "operator")
OTHER = replace(INESE, id="staff_2", name="Guntis Bērziņš")


def a_passkey(portal: Portal, device: Authenticator, person: StaffMember = INESE) -> Passkey:
    """Let somebody make a passkey in a device."""
    asked = passkeys.ask_to_register(portal, PORTAL, "join", person, clinic="Rīga", now=NOW)
    challenge = passkeys.spend_challenge(portal, "join", asked.challenge, NOW)
    answer = device.create(asked.options)
    return passkeys.registered(PORTAL, challenge, answer, label="Laptop", now=NOW)


def prove(
    portal: Portal, device: Authenticator, passkey: Passkey, person: StaffMember = INESE
) -> Passkey:
    """Let a device prove who somebody is."""
    asked = passkeys.ask_to_prove(portal, PORTAL, "sign-in", now=NOW)
    answer = device.get(asked.options)
    assert passkeys.passkey_named(answer) == passkey.id
    challenge = passkeys.spend_challenge(portal, "sign-in", asked.challenge, NOW)
    return passkeys.proved(PORTAL, challenge, answer, person, passkey, now=NOW)


@pytest.mark.parametrize("algorithm", passkeys.ALGORITHMS)
def test_whoever_made_a_passkey_signs_in_with_it(portal: Portal, algorithm: int) -> None:
    """Phones, laptops and keys for USB each have one of the three algorithms."""
    device = Authenticator(algorithm=algorithm)
    passkey = a_passkey(portal, device)
    used = prove(portal, device, passkey)
    assert (used.counter, used.used_on) == (1, NOW[:10])
    assert prove(portal, device, used).counter == 2


def test_a_device_without_a_counter_goes_on_working(portal: Portal) -> None:
    """Passkeys that phones keep in step count nothing: 0 for ever."""
    device = Authenticator(counts=False)
    passkey = a_passkey(portal, device)
    assert prove(portal, device, prove(portal, device, passkey)).counter == 0


def test_a_counter_that_goes_back_is_refused(portal: Portal) -> None:
    """A copied key shows by its counter."""
    device = Authenticator()
    used = prove(portal, device, a_passkey(portal, device))
    device.credentials[-1].counter = 0
    with pytest.raises(PasskeyRefusedError, match="counter"):
        prove(portal, device, used)


def test_an_answer_is_taken_once(portal: Portal) -> None:
    """Whoever copies what a browser sent gains nothing by sending it again."""
    device = Authenticator()
    a_passkey(portal, device)
    asked = passkeys.ask_to_prove(portal, PORTAL, "sign-in", now=NOW)
    passkeys.spend_challenge(portal, "sign-in", asked.challenge, NOW)
    with pytest.raises(StaleChallengeError):
        passkeys.spend_challenge(portal, "sign-in", asked.challenge, NOW)


def test_a_challenge_is_good_for_five_minutes_and_one_purpose(portal: Portal) -> None:
    """An invitation's page proves nobody, and a page that was left open is opened anew."""
    signed = passkeys.ask_to_prove(portal, PORTAL, "sign-in", now=NOW).challenge
    for purpose, at in (
        ("again", NOW),
        ("sign-in", TOO_LATE),
        ("sign-in", "2026-11-30T07:59:59.999Z"),
    ):
        with pytest.raises(StaleChallengeError):
            passkeys.spend_challenge(portal, purpose, signed, at)
    for forged in ("", signed[:-1], signed[:-2] + "AA", "x" * 20_000):
        with pytest.raises(StaleChallengeError):
            passkeys.spend_challenge(portal, "sign-in", forged, NOW)
    assert len(passkeys.spend_challenge(portal, "sign-in", signed, IN_FIVE)) == 32


def test_a_passkey_of_another_challenge_is_refused(portal: Portal) -> None:
    """What was signed for an earlier page is no answer to this one."""
    device = Authenticator()
    passkey = a_passkey(portal, device)
    asked = passkeys.ask_to_prove(portal, PORTAL, "sign-in", now=NOW)
    with pytest.raises(PasskeyRefusedError, match="challenge"):
        passkeys.proved(PORTAL, b"0" * 32, device.get(asked.options), INESE, passkey, now=NOW)


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://portal.example.org.evil.example"},
        {"origin": "http://portal.example.org"},
        {"origin": "https://desk.portal.example.org"},
        {"flags": PRESENT},
        {"flags": 0},
        {"framed": True},
    ],
    ids=str,
)
def test_what_a_phishing_page_or_a_lazy_device_answers_is_refused(
    portal: Portal, wrong: dict[str, object]
) -> None:
    """A page that looks like ours gets no answer that we take; a device must ask who holds it."""
    device = Authenticator()
    passkey = a_passkey(portal, device)
    for name, value in wrong.items():
        setattr(device, name, value)
    with pytest.raises(PasskeyRefusedError):
        prove(portal, device, passkey)
    with pytest.raises(PasskeyRefusedError):
        a_passkey(portal, device)


def test_another_persons_passkey_and_a_changed_answer_are_refused(portal: Portal) -> None:
    """A passkey is of one person; nothing of an answer can be changed."""
    device, theirs = Authenticator(), Authenticator()
    passkey = a_passkey(portal, device)
    other = a_passkey(portal, theirs, OTHER)
    asked = passkeys.ask_to_prove(portal, PORTAL, "sign-in", now=NOW)
    challenge = passkeys.spend_challenge(portal, "sign-in", asked.challenge, NOW)
    stranger, mine = theirs.get(asked.options), device.get(asked.options)
    for answer, known, person in (
        (stranger, passkey, INESE),
        (stranger, replace(other, id=passkey.id), INESE),
        (stranger, other, INESE),
        (with_counter(mine, 9), passkey, INESE),
        (mine, replace(passkey, public_key=other.public_key), INESE),
    ):
        with pytest.raises(PasskeyRefusedError):
            passkeys.proved(PORTAL, challenge, answer, person, known, now=NOW)


def test_a_registration_is_no_proof_and_a_proof_no_registration(portal: Portal) -> None:
    """Each answer says what it was made for."""
    device = Authenticator()
    passkey = a_passkey(portal, device)
    made = passkeys.ask_to_register(portal, PORTAL, "join", INESE, clinic="Rīga", now=NOW)
    asked = passkeys.ask_to_prove(portal, PORTAL, "sign-in", now=NOW)
    with pytest.raises(PasskeyRefusedError):
        passkeys.registered(PORTAL, b"0" * 32, device.get(asked.options), label="", now=NOW)
    with pytest.raises(PasskeyRefusedError):
        passkeys.proved(PORTAL, b"0" * 32, device.create(made.options), INESE, passkey, now=NOW)


def test_the_device_is_told_which_passkeys_somebody_has(portal: Portal) -> None:
    """A second passkey in the same device would be no second way in."""
    passkey = a_passkey(portal, Authenticator())
    had = INESE.with_passkey(passkey)
    asked = passkeys.ask_to_register(portal, PORTAL, "add", had, clinic="Rīga", now=NOW)
    options = json.loads(asked.options)
    assert [each["id"] for each in options["excludeCredentials"]] == [passkey.id]
    assert options["rp"] == {"name": "portal.example.org", "id": "portal.example.org"}
    again = json.loads(passkeys.ask_to_prove(portal, PORTAL, "again", had, now=NOW).options)
    assert [each["id"] for each in again["allowCredentials"]] == [passkey.id]
    anybody = json.loads(passkeys.ask_to_prove(portal, PORTAL, "sign-in", now=NOW).options)
    assert not anybody.get("allowCredentials")


def test_the_party_is_the_portals_own_domain_and_no_other() -> None:
    """Neither a subdomain nor a page without TLS is the portal; this machine is `localhost`."""
    called = {
        "https://consent.example.org",
        "http://consent.example.org",
        "https://desk.consent.example.org",
        "https://x1.execute-api.eu-north-1.amazonaws.com",
    }
    party = RelyingParty.of("https://consent.example.org/base", called)
    assert (party.id, party.origins) == ("consent.example.org", {"https://consent.example.org"})
    local = RelyingParty.of(
        "http://127.0.0.1:8000/api", {"http://127.0.0.1:8000", "http://localhost:8000"}
    )
    assert (local.id, local.origins) == ("localhost", {"http://localhost:8000"})
    assert passkeys.own_address("http://127.0.0.1:8000/api") == "http://localhost:8000/api"
    assert passkeys.own_address("https://consent.example.org") == "https://consent.example.org"


def test_without_the_portals_own_key_nobody_is_asked(portal: Portal) -> None:
    """A portal of an earlier release says that it cannot, and signs nothing with nothing."""
    portal.table.write([Delete(portal_key_key())])
    with pytest.raises(ServiceUnavailableError):
        passkeys.ask_to_prove(portal, PORTAL, "sign-in", now=NOW)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "rawId",
                    "type",
                    "response",
                    "clientDataJSON",
                    "attestationObject",
                    "authenticatorData",
                    "signature",
                ]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(sent="[" * 10_000)
@example(sent='{"response": {"clientDataJSON": "%s"}}' % ("A" * 20_000))
@given(sent=_JSON.map(json.dumps) | st.text(max_size=200))
def test_whatever_is_sent_is_refused_and_never_breaks(sent: str) -> None:
    """Anybody can send anything to the page where one signs in."""
    passkey = Passkey("AAAA", "oA", "", NOW)
    for read in (
        lambda: passkeys.passkey_named(sent),
        lambda: passkeys.registered(PORTAL, b"0" * 32, sent, label="", now=NOW),
        lambda: passkeys.proved(PORTAL, b"0" * 32, sent, INESE, passkey, now=NOW),
    ):
        with pytest.raises(PasskeyRefusedError):
            read()


def test_no_byte_of_an_answer_can_be_changed(portal: Portal) -> None:
    """Of an answer nothing but its own bytes is taken; what is broken is refused."""
    device = Authenticator()
    passkey = a_passkey(portal, device)
    asked = passkeys.ask_to_prove(portal, PORTAL, "sign-in", now=NOW)
    challenge = passkeys.spend_challenge(portal, "sign-in", asked.challenge, NOW)
    sent = device.get(asked.options)
    passkeys.proved(PORTAL, challenge, sent, INESE, passkey, now=NOW)
    for name in ("clientDataJSON", "authenticatorData", "signature"):
        content = websafe_decode(json.loads(sent)["response"][name])
        for place in range(len(content)):
            changed = bytearray(content)
            changed[place] ^= 1
            whole = json.loads(sent)
            whole["response"][name] = websafe_encode(bytes(changed))
            with pytest.raises(PasskeyRefusedError):
                passkeys.proved(PORTAL, challenge, json.dumps(whole), INESE, passkey, now=NOW)
