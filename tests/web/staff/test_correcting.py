"""Staff correct an entry that they got wrong: chalicelib/web/staff/correcting.py."""

from typing import Any

import pytest

from chalicelib.receipts.formats.registry import FORMATS
from tests.web.client import Answer, Program
from tests.web.disclosed import evidence_of
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token

ANNA = "anna.ozola@example.org"
NEWS, STORY = "newsletter.email", "testimonials.text"
WRONG = {
    "channel": "paper",
    "day": "10.11.2026",
    "form": "F-17",
    "email": ANNA,
    "shown": "1.0",
    f"decision.{NEWS}": "yes",
    f"decision.{STORY}": "no",
}
RIGHT = {
    "reason": "wrong_answer",
    "day": "10.11.2026",
    f"decision.{NEWS}": "no",
    f"decision.{STORY}": "before",
}


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give the program of a clinic where nobody has decided yet."""
    return portal.open_clinic()


@pytest.fixture
def ilze(program: Program, desk_client: SignIn) -> DeskClient:
    """Sign Ilze of the reception in."""
    return desk_client(program, name="Ilze")


def _receipt(portal: RunningPortal, program: Program, answer: Answer) -> dict[str, Any]:
    assert answer.status == 303, answer.text
    number = answer.location.rpartition("/")[2]
    return dict(portal.in_process.receipts.find(program.clinic, number).document)


@pytest.fixture
def wrong(portal: RunningPortal, program: Program, ilze: DeskClient) -> dict[str, Any]:
    """Let Ilze enter a Yes where the form has a No."""
    return _receipt(portal, program, ilze.submit("record", WRONG))


def _place(wrong: dict[str, Any]) -> str:
    return f"people/{wrong['subject']}/receipts/{wrong['id']}/correct"


def test_a_wrong_entry_is_corrected_by_a_receipt_that_says_so(
    portal: RunningPortal, program: Program, ilze: DeskClient, wrong: dict[str, Any]
) -> None:
    """The right No counts from the day on the form, the other question was never asked."""
    page = ilze.get(f"/staff/{_place(wrong)}")
    assert 'value="10.11.2026"' in page.text
    assert " checked" not in page.text
    answer = ilze.submit(_place(wrong), RIGHT)
    receipt = _receipt(portal, program, answer)
    states = program.states(email=ANNA)
    assert (states[NEWS], states[STORY]) == ("refused", "never_asked")
    assert (receipt["version"], receipt["previous"] is None) == (2, False)
    assert receipt["effective_date"] == "2026-11-10"
    assert receipt["decisions"][NEWS]["before"] == "granted"
    evidence = evidence_of(portal, program, receipt["id"])
    assert evidence == {
        "corrects": wrong["id"],
        "reason": "wrong_answer",
        "as_before": STORY,
        "form": "F-17",
    }
    assert "entered receipt" in Page(ilze.follow(answer)).words


def test_what_was_known_before_is_still_told(
    portal: RunningPortal, program: Program, ilze: DeskClient, wrong: dict[str, Any]
) -> None:
    """An inspector asks by both clocks: what held, and what the portal knew."""
    receipt = _receipt(portal, program, ilze.submit(_place(wrong), RIGHT))

    def told(**asked: str) -> str:
        body = {"subjects": [{"email": ANNA}], "purposes": [NEWS], **asked}
        result = program.call("status", body).json()["results"][0]
        return str(result["decisions"][NEWS]["state"])

    assert told(at="2026-11-20T00:00:00Z") == "refused"
    assert told(at="2026-11-09T00:00:00Z") == "never_asked"
    assert told(known_at=wrong["recorded_at"]) == "granted"
    assert told(known_at=receipt["recorded_at"]) == "refused"


def test_a_wrong_persons_entry_leaves_nothing_behind(
    portal: RunningPortal, program: Program, ilze: DeskClient, wrong: dict[str, Any]
) -> None:
    """All as before: no day is needed, and the entry is not offered again."""
    as_before = {f"decision.{question}": "before" for question in (NEWS, STORY)}
    place = f"/staff/people/{wrong['subject']}/correct"
    assert wrong["id"] in ilze.get(place).text
    sent = {"reason": "wrong_person", "day": "", **as_before}
    receipt = _receipt(portal, program, ilze.submit(_place(wrong), sent))
    assert set(program.states(email=ANNA).values()) == {"never_asked"}
    page = ilze.get(place).text
    assert wrong["id"] not in page
    assert receipt["id"] in page
    assert ilze.get(f"/staff/{_place(wrong)}").status == 404


def test_a_double_click_is_one_correction(
    program: Program, ilze: DeskClient, wrong: dict[str, Any]
) -> None:
    """The second click leads to the first receipt."""
    place = f"/staff/{_place(wrong)}"
    form = {**RIGHT, "state": form_token(ilze.get(place), place)}
    first, second = (ilze.post(place, form) for _ in range(2))
    assert (first.status, first.location) == (303, second.location)
    assert len(program.history(email=ANNA)) == 2


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"reason": ""}, {"reason"}),
        ({f"decision.{NEWS}": ""}, {f"decision.{NEWS}"}),
        ({"day": ""}, {"day"}),
        ({"day": "10.11.2062"}, {"day"}),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_corrected(
    program: Program,
    ilze: DeskClient,
    wrong: dict[str, Any],
    change: dict[str, str],
    fields: set[str],
) -> None:
    """Each fault leads to its field."""
    answer = ilze.submit(_place(wrong), {**RIGHT, **change})
    assert answer.status == 422
    assert {fault.removeprefix("#") for fault in Page(answer).faults} == fields
    assert program.states(email=ANNA)[NEWS] == "granted"


def test_what_is_not_theirs_cannot_be_corrected(
    portal: RunningPortal,
    program: Program,
    ilze: DeskClient,
    wrong: dict[str, Any],
    desk_client: SignIn,
) -> None:
    """Another clinic's, another person's and a patient's own receipts are not found."""
    other = desk_client(portal.open_clinic())
    assert other.get(f"/staff/{_place(wrong)}").status == 404
    bella = {**WRONG, "email": "bella.ozola@example.org"}
    hers = _receipt(portal, program, ilze.submit("record", bella))
    mixed = f"/staff/people/{hers['subject']}/receipts/{wrong['id']}/correct"
    assert ilze.get(mixed).status == 404
    assert desk_client(program, "reader").get(f"/staff/{_place(wrong)}").status == 403


def test_a_correction_is_written_in_every_format(
    portal: RunningPortal, program: Program, ilze: DeskClient, wrong: dict[str, Any]
) -> None:
    """As any receipt is; on paper it says what it corrects."""
    receipt = _receipt(portal, program, ilze.submit(_place(wrong), RIGHT))
    portal.seal()
    for name in FORMATS:
        answer = program.receipt(receipt["id"], f"?format={name}&lang=en")
        # Kantara's format tells of consents in force alone, and a No is none.
        assert answer.status == (406 if name == "kantara" else 200), (name, answer.text)
        if name == "html":
            assert "entered receipt" in answer.text


def test_the_patient_reads_that_it_was_corrected(
    portal: RunningPortal, program: Program, ilze: DeskClient
) -> None:
    """On the receipt and on their own page, with how long the wrong Yes permitted something."""
    published = portal.in_process.directory.look_up(program.clinic).published
    shared = next(each for each in published.clinic.questions if each.startswith("data_sharing."))
    form = {**WRONG, "name": "Anna Ozoliņa", f"decision.{shared}": "yes"}
    wrong = _receipt(portal, program, ilze.submit("record", form))
    right = {**RIGHT, f"decision.{shared}": "before"}
    receipt = _receipt(portal, program, ilze.submit(_place(wrong), right))
    page = ilze.get(f"/{program.clinic}/receipts/{receipt['id']}?lang=en")
    assert "entered receipt" in Page(page).words
    made = portal.managing(program.clinic).call("links", {"links": [{"email": ANNA}]}).json()
    token = made["links"][0]["manage_url"].partition("/manage/")[2].partition("?")[0]
    own = Page(ilze.get(f"/manage/{token}?lang=en")).words
    assert "entered receipt" in own
    assert "Your Yes permitted it from" in own
    assert "Your Yes has permitted it since" not in own
