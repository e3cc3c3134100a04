"""A clinic makes, lists, rotates and revokes the keys of its workers and programs by itself."""

import re
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.api_keys import PATTERN, SCOPES, BearerKey, digest, has_checksum
from chalicelib.domain.instants import instant, moment
from chalicelib.portal import get_portal, system_clock
from chalicelib.store.keys.programs import api_key_key
from chalicelib.store.writes import Replace
from infra.operator import keys
from tests.cast import TBILISI
from tests.web.client import Answer, Program
from tests.web.running import RunningPortal

KAUNAS = "kaunas-polyclinics"
TILL = {"label": "Reception, desk 2", "kind": "worker", "scopes": ["status:read"]}


def in_days(days: float) -> str:
    """Give the moment in so many days."""
    return instant(moment(system_clock()) + timedelta(days=days))


def status(program: Program) -> int:
    """Ask for a status with a program's key; give what the portal answers."""
    body = {"subjects": [{"email": "anna.ozola@example.org"}]}
    return program.call("status", body).status


def made(program: Program, **changed: object) -> dict[str, Any]:
    """Make a key; give what the portal says of it, with its secret."""
    answer = program.call("keys", {**TILL, **changed})
    assert answer.status == 201, answer.text
    key: dict[str, Any] = answer.json()
    assert answer.location.endswith(f"/v1/clinics/{program.clinic}/keys/{key['id']}")
    return key


def with_end(portal: RunningPortal, secret: str, expires_at: str) -> None:
    """Let a key end at a moment, as if it had been made so long ago."""
    place = api_key_key(digest(secret))
    body = portal.table.get([place])[place].body or ""
    record = (
        BearerKey.read(body)
        .stored()
        .replace('"created_at"', f'"expires_at": "{expires_at}", "created_at"')
    )
    portal.table.write([Replace(place, {"body": record})])


def test_a_key_that_a_clinic_makes_opens_what_it_was_made_for(portal: RunningPortal) -> None:
    """A new worker can work this minute; nobody has to ask whoever runs the portal."""
    program = portal.open_clinic()
    key = made(program)
    worker = Program(program.clinic, key["secret"])
    assert status(worker) == 200
    assert worker.call("links", {"links": [{"email": "anna.ozola@example.org"}]}).status == 403
    assert Program(TBILISI, key["secret"]).call("status", {"subjects": []}).status == 404
    assert (key["state"], key["kind"], key["label"]) == ("valid", "worker", TILL["label"])
    assert key["expires_at"][:10] == in_days(365)[:10]


def test_a_secret_is_shown_once_and_kept_nowhere(portal: RunningPortal) -> None:
    """Whoever reads the table, the list or the audit cannot use a key."""
    program = portal.open_clinic()
    key = made(program)
    assert key["secret"].encode() not in portal.everything()
    for answer in (program.get("keys"), program.get(f"keys/{key['id']}")):
        assert answer.status == 200
        assert "cpk_" not in answer.text


def test_a_scanner_tells_a_key_from_what_only_looks_like_one(portal: RunningPortal) -> None:
    """A key that leaks into a repository is found there, without asking the portal."""
    secret = made(portal.open_clinic())["secret"]
    assert re.fullmatch(PATTERN, secret)
    assert has_checksum(secret)
    slipped = [secret[:-1] + ("A" if secret[-1] != "A" else "B"), secret[:-1], secret + "A"]
    slipped.append("cpk_" + secret[4:20].swapcase() + secret[20:])
    slipped.append("xpk_" + secret[4:])
    assert [each for each in slipped if has_checksum(each)] == []


def test_no_key_gives_more_than_it_has(portal: RunningPortal) -> None:
    """Who may make keys cannot make itself a stronger one, nor take over one that is stronger."""
    program = portal.open_clinic()
    maker = Program(program.clinic, portal.new_key(program.clinic, "keys:write", "status:read"))
    for scopes in (["subjects:erase"], ["status:read", "links:manage"], list(SCOPES)):
        answer = maker.call("keys", {**TILL, "scopes": scopes})
        assert (answer.status, answer.json()["title"]) == (403, "More than this key may do")
    assert program.call("keys", {**TILL, "scopes": ["links:manage"]}).status == 403
    stronger = made(program, scopes=["status:read", "receipts:read"])
    answer = maker.call(f"keys/{stronger['id']}/rotate", {})
    assert (answer.status, answer.json()["detail"]) == (
        403,
        "It has no scope receipts:read itself.",
    )
    assert status(Program(program.clinic, stronger["secret"])) == 200
    managing = portal.managing(program.clinic)
    assert made(managing, scopes=["links:manage"])["scopes"] == ["links:manage"]
    assert "links:manage" not in made(managing, scopes=["links:write"])["scopes"]


def test_another_clinics_keys_are_neither_seen_nor_changed(portal: RunningPortal) -> None:
    """One clinic cannot lock another out."""
    program, other = portal.open_clinic(), portal.open_clinic()
    key = made(program)
    for answer in (
        other.get(f"keys/{key['id']}"),
        other.delete(f"keys/{key['id']}"),
        other.call(f"keys/{key['id']}/rotate", {}),
        other.get("keys/nothing"),
        other.delete("keys/%23"),
    ):
        assert answer.status == 404
    assert key["id"] not in other.get("keys").text
    assert status(Program(program.clinic, key["secret"])) == 200


def test_a_joint_controllers_key_makes_and_sees_that_controllers_keys_alone(
    portal: RunningPortal,
) -> None:
    """The heart centre cannot read what only the laboratory shares, by a detour over a new key."""
    whole = portal.open_clinic(like=KAUNAS)
    controllers = [
        each.id
        for each in portal.in_process.directory.look_up(whole.clinic).published.clinic.controllers
    ]
    own, another = controllers[0], controllers[1]
    member = portal.member(whole.clinic, own)
    assert made(member)["controller"] == own
    assert made(member, controller=own)["controller"] == own
    refused = member.call("keys", {**TILL, "controller": another})
    assert refused.status in {403, 422}
    for_all, for_another = made(whole), made(whole, controller=another)
    assert (for_all["controller"], for_another["controller"]) == (None, another)
    for key in (for_all, for_another):
        assert member.get(f"keys/{key['id']}").status == 404
        assert member.delete(f"keys/{key['id']}").status == 404
        assert member.call(f"keys/{key['id']}/rotate", {}).status == 404
    assert {each["controller"] for each in member.get("keys").json()["keys"]} == {own}


def test_a_revoked_key_opens_nothing_and_stays_in_the_list(portal: RunningPortal) -> None:
    """A worker leaves: no access from the next call on, and the audit's names can be looked up."""
    program = portal.open_clinic()
    key = made(program)
    worker = Program(program.clinic, key["secret"])
    assert status(worker) == 200
    revoked = program.delete(f"keys/{key['id']}").json()
    assert (revoked["state"], status(worker)) == ("revoked", 401)
    assert program.delete(f"keys/{key['id']}").json() == revoked, "revoking again keeps the time"
    [listed] = [each for each in program.get("keys").json()["keys"] if each["id"] == key["id"]]
    assert (listed["state"], listed["since"]) == ("revoked", revoked["since"])
    assert listed["last_used_on"] == system_clock()[:10]
    refused = program.call(f"keys/{key['id']}/rotate", {})
    assert (refused.status, refused.json()["detail"]) == (409, "It is revoked. Make another one.")


def test_a_key_may_revoke_itself(portal: RunningPortal) -> None:
    """A program that is retired takes its own key along."""
    program = portal.open_clinic()
    key = made(program, scopes=["keys:write"])
    retired = Program(program.clinic, key["secret"])
    assert retired.delete(f"keys/{key['id']}").status == 200
    assert retired.delete(f"keys/{key['id']}").status == 401


def test_a_new_secret_works_beside_the_one_before_for_the_hours_that_were_chosen(
    portal: RunningPortal,
) -> None:
    """A program is given its new secret without a minute in which neither works."""
    program = portal.open_clinic()
    key = made(program)
    rotated = program.call(f"keys/{key['id']}/rotate", {"overlap_hours": 48}).json()
    assert (rotated["id"], rotated["scopes"]) == (key["id"], key["scopes"])
    assert rotated["secret"] != key["secret"]
    [earlier] = rotated["earlier_secrets"]
    assert earlier["valid_until"][:13] == in_days(2)[:13]
    for secret in (key["secret"], rotated["secret"]):
        assert status(Program(program.clinic, secret)) == 200
    told = program.get(f"keys/{key['id']}").json()
    assert told["earlier_secrets"] == [{**earlier, "last_used_on": system_clock()[:10]}]
    ended = program.call(f"keys/{key['id']}/rotate", {"overlap_hours": 0}).json()
    assert ended["earlier_secrets"] == []
    for secret in (key["secret"], rotated["secret"]):
        answer = Program(program.clinic, secret).get("keys")
        assert (answer.status, answer.json()["title"]) == (401, "This key has expired")
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert status(Program(program.clinic, ended["secret"])) == 200


def test_revoking_a_key_ends_every_secret_it_ever_had(portal: RunningPortal) -> None:
    """A leaked key is gone whole, its earlier secrets too."""
    program = portal.open_clinic()
    key = made(program)
    secrets = [key["secret"]]
    rotations = [program.call(f"keys/{key['id']}/rotate", {}) for _ in range(3)]
    secrets += [rotated.json()["secret"] for rotated in rotations]
    assert {status(Program(program.clinic, secret)) for secret in secrets} == {200}
    program.delete(f"keys/{key['id']}")
    assert {status(Program(program.clinic, secret)) for secret in secrets} == {401}


def test_no_more_than_four_earlier_secrets_are_valid_at_once(portal: RunningPortal) -> None:
    """Nobody collects secrets of a key by rotating it again and again."""
    program = portal.open_clinic()
    key = made(program)
    answers = [program.call(f"keys/{key['id']}/rotate", {}) for _ in range(5)]
    assert [answer.status for answer in answers] == [200, 200, 200, 200, 409]
    assert program.call(f"keys/{key['id']}/rotate", {"overlap_hours": 0}).status == 200
    assert status(Program(program.clinic, key["secret"])) == 401


def test_an_expired_key_is_refused_and_says_so(portal: RunningPortal) -> None:
    """Who runs the program knows at once that it needs a new key, not that the portal is broken."""
    program = portal.open_clinic()
    secret = portal.new_key(program.clinic, "status:read", label="short")
    worker = Program(program.clinic, secret)
    assert status(worker) == 200
    past = in_days(-1)
    with_end(portal, secret, past)
    answer = worker.call("status", {"subjects": []})
    assert (answer.status, answer.json()["title"]) == (401, "This key has expired")
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    [told] = [each for each in program.get("keys").json()["keys"] if each["label"] == "short"]
    assert (told["state"], told["since"]) == ("expired", past)
    assert program.call(f"keys/{told['id']}/rotate", {}).status == 409


def test_a_key_without_an_end_goes_on_for_ever(portal: RunningPortal) -> None:
    """What was set up before keys had an end keeps running, and so it does when it is rotated."""
    program = portal.open_clinic()
    record, secret = keys.create(portal.table, program.clinic, "mailing", ("status:read",))
    assert program.get(f"keys/{record.id}").json()["expires_at"] is None
    assert status(Program(program.clinic, secret)) == 200
    assert program.call(f"keys/{record.id}/rotate", {}).json()["expires_at"] is None


def test_the_same_call_again_makes_no_second_key(portal: RunningPortal) -> None:
    """After a broken connection there is one key, and its secret is not shown to whoever asks."""
    program = portal.open_clinic()
    again = {"Idempotency-Key": "till-2"}
    first = program.call("keys", TILL, again)
    second = program.call("keys", TILL, again)
    assert (first.status, second.status, second.json()["secret"]) == (201, 200, None)
    assert second.json() == {**first.json(), "secret": None}
    assert program.call("keys", {**TILL, "label": "Another"}, again).status == 422
    assert len(program.get("keys").json()["keys"]) == 2


@pytest.mark.parametrize(
    ("pointer", "changed"),
    [
        ("/label", {"label": ""}),
        ("/label", {"label": "two\nlines"}),
        ("/label", {"label": "x" * 101}),
        ("/label", {"label": 7}),
        ("/kind", {"kind": "robot"}),
        ("/kind", {"kind": []}),
        ("/scopes", {"scopes": []}),
        ("/scopes", {"scopes": "status:read"}),
        ("/scopes/0", {"scopes": ["status"]}),
        ("/scopes/0", {"scopes": [{}]}),
        ("/scopes/1", {"scopes": ["status:read", "status:read"]}),
        ("/expires_at", {"expires_at": "2020-01-01T00:00:00Z"}),
        ("/expires_at", {"expires_at": "2200-01-01T00:00:00Z"}),
        ("/expires_at", {"expires_at": "next year"}),
        ("/expires_at", {"expires_at": None}),
        ("/controller", {"controller": "nobody"}),
        ("/more", {"more": 1}),
    ],
)
def test_what_is_wrong_with_a_new_key_is_said_by_its_place(
    portal: RunningPortal, pointer: str, changed: dict[str, Any]
) -> None:
    """Whoever makes a key sees what to mend, and no key is made."""
    answer = portal.program().call("keys", {**TILL, **changed})
    assert answer.status == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.parametrize("hours", [-1, 169, 1.5, True, "24", None])
def test_an_overlap_is_a_number_of_hours_within_a_week(
    portal: RunningPortal, hours: object
) -> None:
    """A secret that is to go does not stay for months by a slip."""
    program = portal.open_clinic()
    key = made(program)
    answer: Answer = program.call(f"keys/{key['id']}/rotate", {"overlap_hours": hours})
    assert (answer.status, answer.json()["errors"][0]["pointer"]) == (422, "/overlap_hours")


def test_the_list_goes_on_by_cursor_to_the_last_key(portal: RunningPortal) -> None:
    """A clinic with very many programs sees all of them, each once."""
    program = portal.open_clinic()
    ids = {keys.create(portal.table, program.clinic, str(number))[0].id for number in range(104)}
    found: list[str] = []
    target = "keys"
    while target:
        page = program.get(target).json()
        found += [each["id"] for each in page["keys"]]
        target = f"keys?cursor={page['cursor']}" if "cursor" in page else ""
    assert len(found) == len(set(found)) == 105
    assert ids < set(found)
    assert program.get("keys?cursor=%C3%A9").status == 400


def test_each_deed_leaves_a_line_with_the_key_that_did_it_and_the_key_it_was_done_to(
    portal: RunningPortal,
) -> None:
    """Who let whom in, and when, can be answered."""
    program = portal.open_clinic()
    key = made(program)
    program.get(f"keys/{key['id']}")
    program.call(f"keys/{key['id']}/rotate", {})
    program.delete(f"keys/{key['id']}")
    program.get("keys")
    lines = [(line["call"], line.get("about")) for line in portal.audit(program.clinic)]
    assert lines == [
        ("keys/create", key["id"]),
        ("keys/read", key["id"]),
        ("keys/rotate", key["id"]),
        ("keys/revoke", key["id"]),
        ("keys/list", None),
    ]


def test_only_the_first_call_of_a_day_writes_that_a_key_is_used(portal: RunningPortal) -> None:
    """Knowing which keys are idle costs one write a day and key, whatever the number of calls."""
    program = portal.open_clinic()
    key = made(program)
    worker = Program(program.clinic, key["secret"])
    place = api_key_key(digest(key["secret"]))
    assert portal.table.get([place])[place].number is None
    counted = []
    table = portal.table

    def count(model: Any, **_: object) -> None:
        counted.append(model.name)

    events = get_portal().table.client.meta.events
    events.register("before-call.dynamodb", count)
    try:
        assert status(worker) == 200
        first = counted.count("UpdateItem")
        assert status(worker) == 200
        second = counted.count("UpdateItem") - first
    finally:
        events.unregister("before-call.dynamodb", count)
    assert (first, second) == (1, 0)
    assert str(table.get([place])[place].number) == system_clock()[:10].replace("-", "")
