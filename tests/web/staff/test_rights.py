"""Restricting, erasing and rectifying at the desk: each by the id, by whose work it is, with a reason."""

import pytest

from chalicelib.domain.staff import Role
from chalicelib.web.staff.rights import TYPED
from tests.web.client import Answer
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.test_find import ANNA, BELLA, record

NEWS = "newsletter.email"
NEW = "anna.berzina@example.org"


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize(
    ("deed", "roles"),
    [
        ("restrict", {Role.PROTECTION}),
        ("erase", {Role.PROTECTION}),
        ("contacts", {Role.RECEPTION}),
        ("merge", {Role.RECEPTION}),
    ],
)
def test_each_is_for_whose_work_it_is(
    portal: RunningPortal, desk_client: SignIn, role: Role, deed: str, roles: set[Role]
) -> None:
    """As the API's scopes say; no page has a contact in clear."""
    program = portal.open_clinic()
    subject = record(program, ANNA)["subject"]
    answer = desk_client(program, role).get(f"/staff/people/{subject}/{deed}")
    assert answer.status == (200 if role in roles else 403)
    assert answer.headers["cache-control"] == "no-store"
    assert ANNA["email"] not in answer.text


@pytest.mark.parametrize("deed", ["restrict", "erase", "contacts", "merge"])
def test_nobody_and_the_other_clinics_person_are_not_found(
    portal: RunningPortal, desk_client: SignIn, deed: str
) -> None:
    """Neither to look at nor to change; of the other clinic's nothing changes."""
    program, other = portal.open_clinic(), portal.open_clinic()
    theirs = record(other, ANNA)["subject"]
    own = record(program, BELLA)["subject"]
    role = Role.RECEPTION if deed in {"contacts", "merge"} else Role.PROTECTION
    desk = desk_client(program, role)
    for subject in (theirs, "0" * 32, "x"):
        assert desk.get(f"/staff/people/{subject}/{deed}").status == 404
        fields = {"case": "claims", "restricted": "yes", "number": theirs[:TYPED], "sure": "yes"}
        answer = desk.submit(f"people/{subject}/{deed}", fields, page=f"people/{own}/{deed}")
        assert answer.status == 404
    assert other.states(email=ANNA["email"])[NEWS] == "granted"


def test_restricting_needs_a_reason_and_is_lifted_with_one(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """While it lasts nothing is permitted, and the page says since when."""
    program = portal.open_clinic()
    subject = record(program, ANNA)["subject"]
    desk = desk_client(program, Role.PROTECTION)
    path = f"people/{subject}/restrict"
    for case in ("", "because", "settled"):
        answer = desk.submit(path, {"restricted": "yes", "case": case})
        assert answer.status == 422
        assert "Choose the reason." in Page(answer).words
    answer = desk.submit(path, {"restricted": "yes", "case": "accuracy"})
    assert "restricted from now on" in Page(desk.follow(answer)).words
    status = program.call("status", {"subjects": [{"email": ANNA["email"]}], "purposes": [NEWS]})
    assert status.json()["results"][0]["decisions"][NEWS]["permitted"] is False
    answer = desk.submit(path, {"restricted": "no", "case": "settled"})
    assert "The restriction is lifted." in Page(desk.follow(answer)).words
    assert program.states(email=ANNA["email"])[NEWS] == "granted"


def test_erasing_takes_a_tick_and_the_beginning_of_the_number(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Then nobody is known, and the page says until when the proof is kept; once more is the same."""
    program = portal.open_clinic()
    receipt = record(program, ANNA)
    subject = receipt["subject"]
    desk = desk_client(program, Role.PROTECTION)
    path = f"people/{subject}/erase"
    before = desk.open(path).words
    assert "What stays" in before
    wrong = [{}, {"sure": "yes"}, {"number": subject[:TYPED]}, {"sure": "yes", "number": "zzzz"}]
    for fields in wrong:
        assert desk.submit(path, fields).status == 422
    assert program.states(email=ANNA["email"])[NEWS] == "granted"
    page = desk.get(f"/staff/{path}")
    answer = desk.submit(path, {"sure": "yes", "number": f" {subject[:TYPED].upper()} "})
    gone = Page(desk.follow(answer))
    assert "This person was erased" in gone.words
    assert program.states(email=ANNA["email"])[NEWS] == "never_asked"
    assert program.receipt(receipt["id"]).status == 200
    assert ANNA["email"] not in page.text
    for deed in ("restrict",):
        assert desk.get(f"/staff/people/{subject}/{deed}").status == 404


def contact_id(answer: Answer, kind: str) -> str:
    """Give how the form names the contact of a kind."""
    text = answer.text
    place = text.index(f"<span>{kind}: ")
    return text[:place].rpartition('name="which" value="')[2].partition('"')[0]


def test_a_contact_is_replaced_removed_and_added(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """The old one finds nobody; what was agreed to holds for the new one."""
    program = portal.open_clinic()
    subject = record(program, ANNA)["subject"]
    desk = desk_client(program)
    path = f"people/{subject}/contacts"
    which = contact_id(desk.get(f"/staff/{path}"), "E-mail")
    answer = desk.submit(path, {"deed": "replace", "which": which, "contact": f" {NEW.upper()} "})
    assert "The contacts are changed." in Page(desk.follow(answer)).words
    assert program.states(email=ANNA["email"])[NEWS] == "never_asked"
    assert program.states(email=NEW)[NEWS] == "granted"
    which = contact_id(desk.get(f"/staff/{path}"), "Phone")
    assert desk.submit(path, {"deed": "remove", "which": which}).status == 303
    assert program.states(phone=ANNA["phone"])[NEWS] == "never_asked"
    added = {"deed": "add", "kind": "phone", "contact": "26 999 888"}
    assert desk.submit(path, added).status == 303
    assert program.states(phone="+37126999888")[NEWS] == "granted"


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "Choose what is to be done."),
        ({"deed": "add"}, "Choose of which kind the new contact is."),
        ({"deed": "add", "kind": "ward", "contact": "x"}, "Choose of which kind"),
        ({"deed": "add", "kind": "email"}, "Write the new contact."),
        ({"deed": "add", "kind": "email", "contact": "anna@"}, "e-mail"),
        ({"deed": "add", "kind": "phone", "contact": "12"}, "phone"),
        ({"deed": "add", "kind": "email", "contact": "ANNA.Ozola@example.org"}, "already"),
        ({"deed": "replace"}, "Choose which contact is meant."),
        ({"deed": "remove", "which": "made-up"}, "Choose which contact is meant."),
    ],
)
def test_what_is_wrong_is_said_and_nothing_changes(
    portal: RunningPortal, desk_client: SignIn, fields: dict[str, str], wrong: str
) -> None:
    """What was typed stays in its field."""
    program = portal.open_clinic()
    subject = record(program, ANNA)["subject"]
    answer = desk_client(program).submit(f"people/{subject}/contacts", fields)
    assert answer.status == 422
    assert wrong in Page(answer).words
    assert fields.get("contact", "") in answer.text
    assert len(program.history(email=ANNA["email"])) == 1


def test_the_only_contact_is_not_removed(portal: RunningPortal, desk_client: SignIn) -> None:
    """Nobody would find the person again."""
    program = portal.open_clinic()
    subject = record(program, {"email": ANNA["email"]})["subject"]
    desk = desk_client(program)
    path = f"people/{subject}/contacts"
    answer = desk.submit(
        path, {"deed": "remove", "which": contact_id(desk.get(f"/staff/{path}"), "E-mail")}
    )
    assert answer.status == 422
    assert "only contact" in Page(answer).words
