"""Links that a program makes by itself: they ask and unsubscribe, and nothing else."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from infra.operator import keys
from tests.web.client import Client, Program
from tests.web.page_reader import Page, open_page
from tests.web.running import RunningPortal

DOCS = Path(__file__).resolve().parents[3] / "docs" / "clinics.md"
ANNA = "anna.ozola@example.org"
NEWS = "newsletter.email"

Made = Callable[..., str]


def snippet(language: str) -> str:
    """Give the code that the documents show in a language."""
    found = re.search(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    return found[1]


def documented() -> Made:
    """Give the function of the documents' Python."""
    names: dict[str, Any] = {}
    exec(snippet("python"), names)  # noqa: S102 - what the documents tell others to run
    made: Made = names["token"]
    return made


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a program of a clinic of its own that may make links and ask."""
    clinic = portal.open_clinic().clinic
    return Program(clinic, portal.new_key(clinic, "links:write", "status:read", "receipts:write"))


def a_key(program: Program) -> dict[str, Any]:
    """Make a link key."""
    answer = program.call("link-keys", {"label": "Booking system"})
    assert answer.status == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def a_token(key: dict[str, Any], *, days: float = 30, **claims: Any) -> str:
    """Make a token by the documents' code."""
    return documented()(key["id"], key["secret"], key["epoch"], claims, days)


def state(program: Program) -> str:
    """Tell how Anna stands."""
    return program.states(email=ANNA)[NEWS]


def test_a_link_made_by_the_documents_code_asks_and_shows_nothing(
    program: Program, client: Client
) -> None:
    """A booking system writes its own links; whoever opens one reads nothing of the person."""
    token = a_token(a_key(program), email=ANNA, lang="en", purposes=[NEWS])
    assert "anna" not in token.lower()
    page = open_page(client, f"/{program.clinic}?t={token}&lang=en")
    assert "ozola" not in page.words
    fields = {"state": page.fields["state"], f"decision.{NEWS}": "yes"}
    assert client.post(f"/{program.clinic}?t={token}&lang=en", fields).status == 303
    assert state(program) == "granted"
    [result] = program.call("status", {"subjects": [{"email": ANNA}]}).json()["results"]
    told = result["decisions"][NEWS]
    assert (told["assurance"], told["channel"]) == ("link", "email-link")


def test_the_same_token_unsubscribes_with_one_click(program: Program, client: Client) -> None:
    """The button of a mail program works (RFC 8058), however often it is pressed."""
    token = a_token(a_key(program), email=ANNA, purposes=[NEWS])
    for _ in range(2):
        answer = client.post(f"/unsubscribe/{token}", {"List-Unsubscribe": "One-Click"})
        assert answer.status == 200
        assert state(program) == "withdrawn"
    assert client.get(f"/unsubscribe/{token}").status == 200


def test_it_opens_nothing_else(program: Program, client: Client) -> None:
    """Neither the own page nor a confirmation, at no other clinic."""
    token = a_token(a_key(program), email=ANNA)
    for place in (
        f"/manage/{token}",
        f"/confirm/{token}",
        f"/undo/{token}",
        f"/manage/{token}/erase",
    ):
        assert client.get(place).status == 404
    assert client.get(f"/riga-aesthetics?t={token}").status == 404


def test_tampered_and_foreign_tokens_are_no_links(
    portal: RunningPortal, program: Program, client: Client
) -> None:
    """Nobody makes a link for another, or carries one to another key."""
    key, other = a_key(program), a_key(portal.open_clinic())
    token = a_token(key, email=ANNA)
    name, _, content = token.partition(".")
    swapped = content[:30] + ("A" if content[30] != "A" else "B") + content[31:]
    wrong = [
        f"{name}.{swapped}",
        f"{name}.{content[:-4]}",
        f"{name}.{content[:60]}",
        f"{other['id']}.{content}",
        f"{name[:-1]}{'0' if name[-1] != '0' else '1'}.{content}",
        f"nobody-00000000.{content}",
        a_token({**key, "secret": other["secret"]}, email=ANNA),
        f"{name}." + "A" * 600,
    ]
    for each in wrong:
        assert client.get(f"/{program.clinic}?t={each}").status == 404, each
        answer = client.post(f"/unsubscribe/{each}", {"List-Unsubscribe": "One-Click"})
        assert answer.status == 404
    assert state(program) == "never_asked"


@pytest.mark.parametrize(
    "claims",
    [
        {},
        {"email": "not one"},
        {"email": ANNA, "phone": "+37126123456"},
        {"email": ANNA, "purposes": ["newsletter.fax"]},
        {"email": ANNA, "purposes": NEWS},
        {"email": ANNA, "role": "admin"},
        {"email": ANNA, "made": 4_000_000_000, "ends": 4_000_100_000},
        {"email": ANNA, "ends": 5},
        {"email": ANNA, "ends": 1 << 40},
        {"email": ANNA, "made": True},
        {"email": ANNA, "epoch": 2},
        {"email": ANNA, "epoch": 0},
        {"email": [ANNA]},
    ],
)
def test_claims_that_make_no_link_open_nothing(
    program: Program, client: Client, claims: dict[str, Any]
) -> None:
    """A program's mistake never widens what a link is about."""
    token = a_token(a_key(program), **claims)
    assert client.get(f"/{program.clinic}?t={token}").status == 404


def test_an_old_link_asks_no_more_and_still_stops(program: Program, client: Client) -> None:
    """It leads to a fresh one; mails that were sent go on unsubscribing."""
    key = a_key(program)
    now = int(time.time())
    token = a_token(key, email=ANNA, made=now - 40 * 86_400, ends=now - 10)
    assert client.get(f"/{program.clinic}?t={token}").status == 410
    assert client.post(f"/unsubscribe/{token}", {"List-Unsubscribe": "One-Click"}).status == 200
    ancient = a_token(key, email=ANNA, made=now - 4 * 366 * 86_400, ends=now - 4 * 360 * 86_400)
    assert client.post(f"/unsubscribe/{ancient}", {"List-Unsubscribe": "One-Click"}).status == 410


@pytest.mark.parametrize("how", ["epoch", "key", "bearer"])
def test_a_raised_epoch_and_a_revoked_key_end_the_asking_of_every_link_before(
    portal: RunningPortal, program: Program, client: Client, how: str
) -> None:
    """A key that leaked is harmless after one call; nobody who wants to stop is held up."""
    key = a_key(program)
    token = a_token(key, email=ANNA)
    place = f"/{program.clinic}?t={token}"
    assert client.get(place).status == 200
    other = portal.program("riga-aesthetics")
    assert Program(program.clinic, other.key).call(f"link-keys/{key['id']}/epoch", {}).status == 404
    if how == "epoch":
        raised = program.call(f"link-keys/{key['id']}/epoch", b"").json()
        assert raised["epoch"] == 2
        assert client.get(f"/{program.clinic}?t={a_token(key | raised, email=ANNA)}").status == 200
    elif how == "key":
        assert program.delete(f"link-keys/{key['id']}").json()["revoked_at"] is not None
        assert client.get(f"/{program.clinic}?t={a_token(key, email=ANNA)}").status == 410
    else:
        keys.revoke(portal.table, program.clinic, key["made_by"])
    assert client.get(place).status == 410
    assert client.post(f"/unsubscribe/{token}", {"List-Unsubscribe": "One-Click"}).status == 200


def test_the_secret_is_shown_once_and_not_stored_in_clear(
    portal: RunningPortal, program: Program
) -> None:
    """Whoever reads the table makes no links."""
    key = a_key(program)
    listed = program.get("link-keys").json()["link_keys"]
    assert [each["id"] for each in listed] == [key["id"]]
    assert "secret" not in listed[0]
    stored = "".join(
        f"{item.body}{bytes(item.blob or b'')!r}"
        for item in portal.table.partition(f"CLINIC#{program.clinic}#LINKKEYS", "")
    )
    assert key["secret"] not in stored
    wrong = program.call("link-keys", {"label": "two\nlines"})
    assert (wrong.status, wrong.json()["errors"][0]["pointer"]) == (422, "/label")


def test_a_joint_controllers_links_are_about_what_it_shares(
    portal: RunningPortal, client: Client
) -> None:
    """A link that names nothing does not ask for the others."""
    lead = portal.open_clinic("kaunas-polyclinics")
    pills = portal.member(lead.clinic, "liepziedzio-vaistines")
    key = a_key(pills)
    page = client.get(f"/{lead.clinic}?t={a_token(key, email=ANNA)}&lang=en&view=all")
    assert page.status == 200
    names = set(re.findall(r'name="decision\.([a-z_.]+)"', page.text))
    assert "data_sharing.pharmacy" in names
    assert "data_sharing.cardiology" not in names
    foreign = a_token(key, email=ANNA, purposes=["data_sharing.cardiology"])
    assert client.get(f"/{lead.clinic}?t={foreign}").status == 404
    assert key["id"] not in str(
        portal.member(lead.clinic, "ramaus-ritmo-klinika").get("link-keys").json()
    )
    assert key["id"] in str(lead.get("link-keys").json())


def test_twenty_good_keys_are_enough(program: Program) -> None:
    """Keys that nobody needs are revoked, not piled up."""
    made = [a_key(program) for _ in range(20)]
    assert program.call("link-keys", {"label": "one more"}).status == 409
    program.delete(f"link-keys/{made[0]['id']}")
    assert program.call("link-keys", {"label": "one more"}).status == 201


def test_the_typescript_of_the_documents_makes_the_same_links(
    program: Program, client: Client, tmp_path: Path
) -> None:
    """A program in Node needs no library."""
    key = a_key(program)
    typed = snippet("typescript")
    plain = re.sub(r": (?:string|number|object)\b", "", typed)
    asked = json.dumps([key["id"], key["secret"], key["epoch"], {"email": ANNA}])
    script = tmp_path / "token.mjs"
    script.write_text(f"{plain}\nconsole.log(token(...{asked}));\n", encoding="utf-8")
    token = subprocess.run(
        ["/usr/bin/env", "node", str(script)], check=True, capture_output=True, text=True
    ).stdout.strip()
    page = Page(client.get(f"/{program.clinic}?t={token}&lang=en"))
    assert page.fields["state"]
