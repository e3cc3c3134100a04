"""Where something of a patient was published: a withdrawal opens the list, each place is ticked,
and the patient is told when all of it is done.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant
from chalicelib.store import publications
from chalicelib.store.keys.people import publication_key
from infra.operator import data_keys
from tests.web.client import Answer, Program
from tests.web.letterbox import carried
from tests.web.running import RunningPortal

ANNA = Contact(ContactKind.EMAIL, "anna.ozola@example.org")
PHOTO = "testimonials.photo"
WEB = {"where": "https://clinic.example.org/anna", "since": "2026-03-01", "remover": "Editor"}
LEAFLET = {"where": "Brochure, reception", "since": "2026-03-15", "remover": "Ilze"}


def decided(program: Program, answer: str, lang: str = "lv", **subject: str) -> None:
    """Let staff record an answer about the photo."""
    at = instant(datetime.now(UTC) - timedelta(seconds=1))
    body = {
        "subject": subject or {"email": ANNA.value},
        "decisions": {PHOTO: answer},
        "channel": "in-person",
        "effective_at": at,
        "lang": lang,
    }
    recorded = program.call("receipts", body)
    assert recorded.status == 201, recorded.text


def published(
    program: Program, *places: dict[str, str], key: str = "", email: str = ANNA.value
) -> Answer:
    """Record where the photo was published."""
    body = {"subject": {"email": email}, "purpose": PHOTO, "places": list(places) or [WEB, LEAFLET]}
    return program.call("publications", body, {"Idempotency-Key": key} if key else {})


def ticked(program: Program, publication: str, place: int, **more: str) -> dict[str, Any]:
    """Tick one place."""
    target = f"publications/{publication}/places/{place}/removed"
    answer = program.call(target, {"removed_by": "Ilze", **more})
    assert answer.status == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def listed(program: Program, query: str = "?state=take_down") -> list[str]:
    """Give the ids of what is listed."""
    answer = program.get(f"publications{query}")
    assert answer.status == 200, answer.text
    return [entry["id"] for entry in answer.json()["publications"]]


def test_a_withdrawal_opens_the_list_and_the_last_tick_tells_the_patient(
    portal: RunningPortal,
) -> None:
    """The whole way of a photo: shown, withdrawn, taken down place by place, the patient told."""
    program = portal.open_clinic()
    decided(program, "yes")
    made = published(program)
    assert made.status == 201
    entry = made.json()
    assert made.headers["location"].endswith(f"/publications/{entry['id']}")
    assert (entry["state"], entry["consent"]) == ("published", "granted")
    assert listed(program) == []
    decided(program, "no")
    assert listed(program) == [entry["id"]]
    carried(portal, ANNA)  # what the decisions themselves brought
    first = ticked(program, entry["id"], 1, removed_on="2026-11-20")
    assert (first["state"], first["consent"]) == ("take_down", "withdrawn")
    assert first["take_down_since"]
    assert first["patient_told_at"] is None
    assert carried(portal, ANNA) == []
    last = ticked(program, entry["id"], 2)
    assert last["state"] == "removed"
    assert last["patient_told_at"]
    assert [place["removed_by"] for place in last["places"]] == ["Ilze", "Ilze"]
    assert last["places"][0]["removed_on"] == "2026-11-20"
    [mail] = carried(portal, ANNA)
    assert "Viss, ko ar Jūsu piekrišanu publicējām, ir noņemts" in mail
    assert listed(program) == []
    assert listed(program, "?state=removed") == [entry["id"]]
    assert carried(portal, ANNA) == []


def test_a_place_is_ticked_once(portal: RunningPortal) -> None:
    """Who ticks it again changes neither the day nor the name, and nobody is written to twice."""
    program = portal.open_clinic()
    decided(program, "no")
    number = published(program, WEB).json()["id"]
    carried(portal, ANNA)
    first = ticked(program, number, 1, removed_on="2026-11-20")
    assert ticked(program, number, 1, removed_by="Somebody else") == first
    assert len(carried(portal, ANNA)) == 1


def test_what_a_clinic_takes_down_by_itself_brings_no_message(portal: RunningPortal) -> None:
    """The consent is still in force: nothing was asked for, nothing is reported."""
    program = portal.open_clinic()
    decided(program, "yes")
    number = published(program, WEB).json()["id"]
    carried(portal, ANNA)
    assert ticked(program, number, 1)["patient_told_at"] is None
    assert carried(portal, ANNA) == []


def test_what_was_published_without_a_consent_is_to_be_taken_down_at_once(
    portal: RunningPortal,
) -> None:
    """The record says what is, not what should have been."""
    program = portal.open_clinic()
    decided(program, "no")
    made = published(program).json()
    assert (made["state"], made["consent"]) == ("take_down", "refused")


def test_an_erased_person_is_still_taken_down(portal: RunningPortal) -> None:
    """Erasing the contacts does not make a clinic forget where the photo hangs."""
    program = portal.open_clinic()
    decided(program, "yes")
    number = published(program).json()["id"]
    carried(portal, ANNA)
    assert program.call("erasures", {"subject": {"email": ANNA.value}}).status == 200
    [entry] = program.get("publications?state=take_down").json()["publications"]
    assert (entry["id"], entry["consent"], entry["take_down_since"]) == (number, "erased", None)
    assert entry["places"][0]["where"] == WEB["where"]
    for place in (1, 2):
        gone = ticked(program, number, place)
    assert (gone["state"], gone["patient_told_at"]) == ("removed", None)
    assert carried(portal, ANNA) == []


def test_a_new_place_opens_it_again(portal: RunningPortal) -> None:
    """Found later on a screen in the waiting room: it joins the list, and the patient hears of it
    when it is gone there too.
    """
    program = portal.open_clinic()
    decided(program, "no")
    number = published(program, WEB).json()["id"]
    ticked(program, number, 1)
    carried(portal, ANNA)
    more = program.call(f"publications/{number}/places", {"places": [WEB, LEAFLET]}).json()
    assert [place["where"] for place in more["places"]] == [WEB["where"], LEAFLET["where"]]
    assert more["state"] == "take_down"
    assert ticked(program, number, 2)["state"] == "removed"
    assert len(carried(portal, ANNA)) == 1


def test_what_is_to_be_taken_down_counts_as_not_acknowledged(portal: RunningPortal) -> None:
    """One list tells everything that a withdrawal still waits for."""
    program = portal.open_clinic()
    decided(program, "yes")
    number = published(program).json()["id"]
    waiting = "deliveries?acknowledged=false"
    assert program.get(waiting).json()["take_downs"] == []
    decided(program, "no")
    ticked(program, number, 1)
    [entry] = program.get(waiting).json()["take_downs"]
    assert (entry["publication"], entry["purpose"], entry["places_left"]) == (number, PHOTO, 1)
    assert entry["since"]
    for other in ("deliveries", "deliveries?acknowledged=true", f"{waiting}&recipient=x"):
        assert "take_downs" not in program.get(other).json()
    ticked(program, number, 2)
    assert program.get(waiting).json()["take_downs"] == []


def test_the_same_call_is_one_publication(portal: RunningPortal) -> None:
    """A program that lost the answer asks again; another body under the key is refused."""
    program = portal.open_clinic()
    decided(program, "yes")
    first = published(program, key="photo-17")
    again = published(program, key="photo-17")
    assert (first.status, again.status) == (201, 201)
    assert first.json() == again.json()
    assert len(listed(program, "")) == 1
    other = published(program, LEAFLET, key="photo-17")
    assert (other.status, other.json()["title"]) == (422, "Idempotency-Key used before")


def test_another_clinic_sees_nothing_of_it(portal: RunningPortal) -> None:
    """Neither the list, nor one by its id, nor a tick."""
    program, other = portal.open_clinic(), portal.open_clinic()
    decided(program, "yes")
    number = published(program).json()["id"]
    assert listed(other, "") == []
    assert other.get(f"publications/{number}").status == 404
    tick = f"publications/{number}/places/1/removed"
    assert other.call(tick, {"removed_by": "Eve"}).status == 404
    assert other.call(f"publications/{number}/places", {"places": [WEB]}).status == 404
    assert Program(program.clinic, other.key).get(f"publications/{number}").status == 404
    places = program.get(f"publications/{number}").json()["places"]
    assert [place["removed_on"] for place in places] == [None, None]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"purpose": "testimonials"}, "/purpose"),
        ({"purpose": "nothing.here"}, "/purpose"),
        ({"purpose": 7}, "/purpose"),
        ({"places": []}, "/places"),
        ({"places": [{"where": "x"}]}, "/places/0/since"),
        ({"places": [{**WEB, "since": "2999-01-01"}]}, "/places/0/since"),
        ({"places": [{**WEB, "where": "x" * 501}]}, "/places/0/where"),
        ({"places": [{**WEB, "where": "a\nb"}]}, "/places/0/where"),
        ({"places": [WEB, {**WEB, "remover": " "}]}, "/places/1/remover"),
        ({"places": [[]]}, "/places/0"),
        ({"subject": {"email": "nobody@example.org"}}, "/subject"),
    ],
)
def test_a_wrong_body_says_where(
    settled: RunningPortal, change: dict[str, Any], pointer: str
) -> None:
    """Nothing is stored, and each fault has its place."""
    program = settled.open_clinic()
    decided(program, "yes")
    body = {"subject": {"email": ANNA.value}, "purpose": PHOTO, "places": [WEB]} | change
    answer = program.call("publications", body)
    assert answer.status == 422, answer.text
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]
    assert listed(program, "") == []


def test_a_place_or_state_that_is_none_is_refused(settled: RunningPortal) -> None:
    """A mistyped number ticks nothing."""
    program = settled.open_clinic()
    decided(program, "yes")
    number = published(program).json()["id"]
    for place in ("0", "3", "x", "²"):
        target = f"publications/{number}/places/{place}/removed"
        assert program.call(target, {"removed_by": "Ilze"}).status == 404
    assert program.call(f"publications/{number}/places/1/removed", {}).status == 422
    assert program.get("publications?state=gone").status == 400
    assert program.get("publications?cursor=%FF").status == 400


def test_the_list_is_paged(settled: RunningPortal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each publication comes once, whatever the size of a page."""
    monkeypatch.setattr(publications, "PAGE", 3)
    program = settled.open_clinic()
    decided(program, "yes")
    made = {published(program, WEB).json()["id"] for _ in range(7)}
    seen: list[str] = []
    cursor = ""
    while True:
        page = program.get(f"publications{cursor}").json()
        seen += [entry["id"] for entry in page["publications"]]
        if "cursor" not in page:
            break
        cursor = f"?cursor={page['cursor']}"
    assert len(seen) == len(made)
    assert set(seen) == made


def test_places_are_kept_encrypted_and_follow_a_new_data_key(settled: RunningPortal) -> None:
    """The table shows no address, which may name the patient; another data key reads it too."""
    program = settled.open_clinic()
    decided(program, "yes")
    number = published(program).json()["id"]
    key = publication_key(program.clinic, number)
    table = settled.table
    before = table.get([key])[key]
    assert "anna" not in (before.body or "")
    assert b"anna" not in bytes(before.blob or b"")
    beside = settled.in_process
    wrapped = data_keys.new_data_key(beside, program.clinic, settled.settings["CLINIC_KEY_ARN"])
    data_keys.rotate(beside, program.clinic, wrapped)
    for _ in data_keys.reencrypt(beside, program.clinic):
        pass
    assert bytes(table.get([key])[key].blob or b"") != bytes(before.blob or b"")
    assert program.get(f"publications/{number}").json()["places"][0]["where"] == WEB["where"]


def test_every_call_leaves_a_line_without_a_contact(settled: RunningPortal) -> None:
    """Who looked at or ticked what can be told later."""
    program = settled.open_clinic()
    decided(program, "yes")
    number = published(program).json()["id"]
    ticked(program, number, 1)
    program.get(f"publications/{number}")
    listed(program, "")
    lines = settled.audit(program.clinic)
    deeds = [line["call"] for line in lines]
    wanted = {"publications", "publications/removed", "publications/read", "publications/list"}
    assert wanted <= set(deeds)
    assert ANNA.value not in str(lines)


def test_the_audit_says_which_publication(portal: RunningPortal) -> None:
    """Who ticked the place of a photo is found by it; ids only."""
    program = portal.open_clinic()
    decided(program, "yes")
    number = published(program, WEB).json()["id"]
    program.get(f"publications/{number}")
    program.call(f"publications/{number}/places", {"places": [LEAFLET]})
    ticked(program, number, 1)
    told = {line["deed"]: line["about"] for line in program.get("audit").json()["lines"]}
    deeds = ("", "/read", "/places", "/removed")
    assert [told[f"publications{deed}"] for deed in deeds] == [number] * 4


def test_what_is_to_be_taken_down_is_one_line_of_the_audit(
    settled: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many pages of publications there are, one call wrote one line."""
    monkeypatch.setattr(publications, "PAGE", 2)
    program = settled.open_clinic()
    decided(program, "no")
    made = {published(program, WEB).json()["id"] for _ in range(5)}
    due = program.get("deliveries?acknowledged=false").json()["take_downs"]
    assert {entry["publication"] for entry in due} == made
    [line] = program.get("audit?deed=publications/list").json()["lines"]
    assert line["subjects"] == [due[0]["subject"]]
