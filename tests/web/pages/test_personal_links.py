import re
from typing import Any

from tests.cast import ANNA, TBILISI
from tests.web.client import Client, Program
from tests.web.letterbox import texted_code
from tests.web.page_reader import Page, open_page, receipt_number
from tests.web.running import RunningPortal

EMAIL, SMS, REVIEW = "newsletter.email", "newsletter.sms", "testimonials.text"
MAIL = {"email": ANNA.value}


def _token(program: Program, **asked: Any) -> str:
    answer = program.call("links", {"links": [{**MAIL, **asked}]})
    found = re.search(r"\?t=([A-Za-z0-9_-]{32})&", answer.json()["links"][0]["url"])
    assert found
    return found[1]


def _answer(client: Client, program: Program, token: str, fields: dict[str, str]) -> Any:
    place = f"/{program.clinic}?t={token}&lang=en"
    state = open_page(client, place).fields["state"]
    return client.post(place, {"state": state, **fields})


def test_who_follows_a_link_need_not_type_what_the_clinic_knows(
    client: Client, portal: RunningPortal
) -> None:
    """And the Yes counts at once: the link came to the address it is about."""
    program = portal.open_clinic()
    token = _token(program, name="Anna Ozola")
    shown = client.get(f"/{program.clinic}?t={token}&view=all&lang=en")
    page = Page(shown)
    assert ANNA.value not in shown.text
    assert "•••" not in page.words
    assert ("email" in page.fields, "phone" in page.fields, page.chosen) == (False, True, [])
    assert all(f"t={token}" in link for link in page.links if link.startswith("?"))
    said = {
        f"decision.{EMAIL}": "yes",
        f"decision.{REVIEW}": "no",
        "email": "somebody.else@example.org",
    }
    receipt = program.receipt(receipt_number(_answer(client, program, token, said))).json()
    assert (receipt["assurance"], receipt["channel"]) == ("link", "email-link")
    assert (program.states(**MAIL)[EMAIL], program.states(**MAIL)[REVIEW]) == ("granted", "refused")
    assert program.states(email="somebody.else@example.org")[EMAIL] == "never_asked"


def test_a_link_asks_about_what_it_names_and_answers_nothing(
    client: Client, portal: RunningPortal
) -> None:
    """The purposes are chosen to be asked, never to be agreed to."""
    program = portal.open_clinic()
    place = f"/{program.clinic}?t={_token(program, purposes=['newsletter'])}&view=all&lang=en"
    assert set(re.findall(r'name="decision\.([a-z_.]+)"', client.get(place).text)) == {EMAIL, SMS}
    assert not open_page(client, place).chosen


def test_a_phone_typed_beside_the_link_is_confirmed_by_its_own_code(
    client: Client, portal: RunningPortal
) -> None:
    """The link proves the e-mail address and no more."""
    program = portal.open_clinic()
    said = {f"decision.{EMAIL}": "yes", f"decision.{SMS}": "yes", "phone": "26123456"}
    number = receipt_number(_answer(client, program, _token(program), said))
    assert (program.states(**MAIL)[EMAIL], program.states(**MAIL)[SMS]) == ("granted", "pending")
    code = texted_code(portal, program.clinic, number)
    client.post(f"/{program.clinic}/receipts/{number}/code", {"code": code})
    assert (program.states(**MAIL)[SMS], program.states(phone="26123456")[SMS]) == (
        "pending",
        "granted",
    )


def test_a_known_person_stays_the_same_person(client: Client, portal: RunningPortal) -> None:
    """A second answer by the same link is the next receipt of the same chain; a Yes after a No is
    confirmed first.
    """
    program = portal.open_clinic()
    token = _token(program)
    for answer in ("yes", "no", "yes"):
        _answer(client, program, token, {f"decision.{EMAIL}": answer})
    assert [each["version"] for each in program.history(**MAIL)] == [1, 2, 3]
    assert program.states(**MAIL)[EMAIL] == "pending"


def test_a_yes_by_the_link_of_a_shared_contact_could_be_anybodys(
    client: Client, portal: RunningPortal
) -> None:
    """It is refused in words; a No stops for everyone who shares it."""
    program = portal.open_clinic()
    for number in ("1", "2"):
        staff = {
            "subject": {**MAIL, "patient_ref": number},
            "channel": "in-person",
            "decisions": {EMAIL: "yes"},
        }
        program.call("receipts", {**staff, "effective_at": "2026-11-20T10:00:00Z"})
    token = _token(program)
    refused = _answer(client, program, token, {f"decision.{REVIEW}": "yes"})
    assert (refused.status, "Several people" in refused.text) == (422, True)
    _answer(client, program, token, {f"decision.{EMAIL}": "no"})
    assert {program.states(patient_ref=number)[EMAIL] for number in ("1", "2")} == {"withdrawn"}


def test_a_link_of_another_clinic_or_power_or_none_opens_no_page(
    client: Client, portal: RunningPortal
) -> None:
    """And a revoked one says that it is too old and where to get another, to answer or to stop
    without it.
    """
    program = portal.open_clinic()
    made = portal.managing(program.clinic).call("links", {"links": [MAIL]}).json()["links"][0]
    token = _token(program)
    assert client.get(f"/{TBILISI}?t={token}").status == 404
    assert (
        client.get(f"/{program.clinic}?t={made['manage_url'].partition('/manage/')[2][:32]}").status
        == 404
    )
    assert client.get(f"/{program.clinic}?t=").status == 404
    program.call("links/revoke", {"ids": [made["id"]]})
    old = client.get(f"/{program.clinic}?{made['url'].partition('?')[2]}")
    onward = [
        f'href="{client.mount}/{program.clinic}{where}?lang=lv"'
        for where in ("/link", "", "/withdraw")
    ]
    assert (old.status, [each for each in onward if each not in old.text]) == (410, [])
    before = portal.items()
    assert (
        client.post(
            f"/{program.clinic}?{made['url'].partition('?')[2]}",
            {"decision.newsletter.email": "yes"},
        ).status
        == 410
    )
    assert portal.items() == before
