"""Keys of the clinic's programs at the desk: made, given a new secret, revoked."""

import pytest

from chalicelib.domain.api_keys import OWN_PAGES, has_checksum
from chalicelib.services.link_keys import MOST_LINK_KEYS
from tests.cast import RIGA, TBILISI
from tests.web.client import Answer, Program
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token

FORM = {"label": "Mailing program", "kind": "program", "scope": ["status:read"], "days": "90"}
NEW = "settings/keys/new"


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic of the test's own."""
    return portal.open_clinic()


@pytest.fixture
def desk(desk_client: SignIn, program: Program) -> DeskClient:
    """Give the administrator of that clinic."""
    return desk_client(program, "administrator")


def secret_on(answer: Answer) -> str:
    """Give the secret that a page shows; "" for none."""
    return Page(answer).fields.get("secret", "")


def made(desk: DeskClient, program: Program) -> tuple[str, str]:
    """Make a key at the desk; give its id and its secret."""
    secret = secret_on(desk.submit(NEW, FORM))
    keys = program.get("keys").json()["keys"]
    return next(each["id"] for each in keys if each["label"] == FORM["label"]), secret


def test_a_key_is_made_shown_once_and_opens_what_was_ticked(
    desk: DeskClient, program: Program
) -> None:
    """Though the administrator looks nobody up, their mailing program may."""
    key, secret = made(desk, program)
    assert has_checksum(secret)
    using = Program(program.clinic, secret)
    subjects = {"subjects": [{"email": "anna.ozola@example.org"}]}
    assert using.call("status", subjects).status == 200
    assert using.get("stats").status == 403
    shown = desk.open(f"settings/keys/{key}")
    assert "secret" not in shown.fields
    assert "find people and see what they decided" in shown.words
    assert "Mailing program" in desk.open("settings/keys").words
    told = program.get(f"keys/{key}").json()
    assert told["made_by"] == desk.member.id
    assert told["scopes"] == ["status:read"]


def test_the_same_form_sent_twice_makes_one_key(desk: DeskClient, program: Program) -> None:
    """The second answer says that the secret was shown before."""
    state = form_token(desk.get(f"/staff/{NEW}"), NEW)
    sent = [desk.post(f"/staff/{NEW}", {**FORM, "state": state}) for _ in range(2)]
    assert [bool(secret_on(answer)) for answer in sent] == [True, False]
    assert "shown then, and only then" in Page(sent[1]).words
    labels = [each["label"] for each in program.get("keys").json()["keys"]]
    assert labels.count("Mailing program") == 1


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"label": ""}, "#label"),
        ({"label": "x" * 101}, "#label"),
        ({"label": "two\nlines"}, "#label"),
        ({"scope": []}, "#scope"),
        ({"scope": ["everything"]}, "#scope"),
        ({"scope": [OWN_PAGES]}, "#scope"),
        ({"kind": "robot"}, "#kind"),
        ({"days": "100000"}, "#days"),
        ({"days": ""}, "#days"),
        ({"controller": "somebody-else"}, "#controller"),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_no_key_made(
    desk: DeskClient, program: Program, changed: dict[str, object], field: str
) -> None:
    """Nothing that was ticked or typed is lost; no key opens patients' own pages."""
    before = len(program.get("keys").json()["keys"])
    answer = desk.submit(NEW, {**FORM, **changed})
    assert answer.status == 422
    assert field in Page(answer).faults
    assert len(program.get("keys").json()["keys"]) == before


def test_a_new_secret_works_beside_the_old_one_or_ends_it(
    desk: DeskClient, program: Program
) -> None:
    """As was chosen: nothing stops over a holiday, or a leak ends at once."""
    key, first = made(desk, program)
    second = secret_on(desk.submit(f"settings/keys/{key}", {"do": "rotate", "overlap": "24"}))
    subjects = {"subjects": [{"email": "anna.ozola@example.org"}]}

    def opens(secret: str) -> bool:
        return Program(program.clinic, secret).call("status", subjects).status == 200

    assert opens(first)
    assert opens(second)
    third = secret_on(desk.submit(f"settings/keys/{key}", {"do": "rotate", "overlap": "0"}))
    assert [opens(each) for each in (first, second, third)] == [False, False, True]
    wrong = desk.submit(f"settings/keys/{key}", {"do": "rotate", "overlap": "9999"})
    assert wrong.status == 422


def test_a_key_is_revoked_by_a_tick_and_a_button(desk: DeskClient, program: Program) -> None:
    """Never by a button alone; afterwards it gets no new secret."""
    key, secret = made(desk, program)
    path = f"settings/keys/{key}"
    refused = desk.submit(path, {"do": "revoke"})
    assert (refused.status, Page(refused).faults) == (422, ["#sure"])
    assert "revoked" in Page(desk.submit(path, {"do": "revoke", "sure": "yes"})).words
    subjects = {"subjects": [{"email": "anna.ozola@example.org"}]}
    assert Program(program.clinic, secret).call("status", subjects).status == 401
    state = Page(desk.get(f"/staff/{NEW}")).fields["state"]
    assert desk.post(f"/staff/{path}", {"state": state, "do": "rotate"}).status == 409
    assert "select" not in Page(desk.get(f"/staff/{path}")).tags


def test_a_key_that_opens_own_pages_gets_its_secret_elsewhere(
    desk: DeskClient, program: Program, portal: RunningPortal
) -> None:
    """What the desk cannot give it cannot read either."""
    managing = portal.managing(program.clinic)
    keys = program.get("keys").json()["keys"]
    key = next(each["id"] for each in keys if OWN_PAGES in each["scopes"])
    answer = desk.submit(f"settings/keys/{key}", {"do": "rotate", "overlap": "0"})
    assert answer.status == 422
    assert secret_on(answer) == ""
    assert managing.get("keys").status == 200


def test_a_link_key_is_made_moved_on_and_revoked(desk: DeskClient, program: Program) -> None:
    """With its secret shown once."""
    assert desk.submit("settings/link-keys/new", {"label": " "}).status == 422
    answer = desk.submit("settings/link-keys/new", {"label": "Monthly letter"})
    assert secret_on(answer)
    [key] = program.get("link-keys").json()["link_keys"]
    path = f"settings/link-keys/{key['id']}"
    assert "Monthly letter" in desk.open("settings/keys").words
    assert desk.submit(path, {"do": "epoch"}).status == 422
    assert "Epoch: 2" in Page(desk.submit(path, {"do": "epoch", "sure": "yes"})).words
    assert "secret" not in desk.open(path).fields
    desk.submit(path, {"do": "revoke", "sure": "yes"})
    [key] = program.get("link-keys").json()["link_keys"]
    assert key["revoked_at"]


def test_too_many_link_keys_are_refused_in_words(desk: DeskClient) -> None:
    """With how many there may be."""
    for number in range(MOST_LINK_KEYS):
        assert desk.submit("settings/link-keys/new", {"label": f"n{number}"}).status == 200
    answer = desk.submit("settings/link-keys/new", {"label": "one more"})
    assert answer.status == 422
    assert "as many link keys as it may have" in Page(answer).words


def test_another_clinics_keys_are_not_there(
    desk: DeskClient, desk_client: SignIn, program: Program
) -> None:
    """Neither listed, nor shown, nor changed."""
    key, _ = made(desk, program)
    desk.submit("settings/link-keys/new", {"label": "Monthly letter"})
    [link] = program.get("link-keys").json()["link_keys"]
    for clinic in (RIGA, TBILISI):
        other = desk_client(clinic, "administrator")
        assert "Mailing program" not in other.open("settings/keys").words
        for path in (f"keys/{key}", f"link-keys/{link['id']}"):
            assert other.get(f"/staff/settings/{path}").status == 404
    assert desk.get("/staff/settings/keys/key_000000000000").status == 404


@pytest.mark.parametrize("role", ["reception", "marketing", "protection", "reader"])
def test_only_an_administrator_comes_near_a_key(
    desk_client: SignIn, program: Program, role: str
) -> None:
    """The others are told whose work it is."""
    desk = desk_client(program, role)
    for path in ("keys", "keys/new", "link-keys/new"):
        assert desk.get(f"/staff/settings/{path}").status == 403
        assert desk.post(f"/staff/settings/{path}", FORM).status in {403, 405}
