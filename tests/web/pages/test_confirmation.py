from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain import rate_limits
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.rate_limits import CODE, CONTACT, RANGE, RateLimit
from chalicelib.store import confirmation_codes
from tests.cast import ANNA
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import a_token, brought_unasked, carried, confirm, texted_code
from tests.web.page_reader import Page, decide, open_page, receipt_number
from tests.web.running import RunningPortal, counts_at_once

EMAIL, SMS, REVIEW = "newsletter.email", "newsletter.sms", "testimonials.text"
MAIL = {"email": ANNA.value}
BOTH = {**MAIL, f"decision.{EMAIL}": "yes", f"decision.{REVIEW}": "yes"}


def _said(client: Client, program: Program, fields: dict[str, str]) -> str:
    return receipt_number(decide(client, program.clinic, fields))


def _states(program: Program) -> dict[str, str]:
    return program.states(**MAIL)


@pytest.mark.parametrize("address", [SMS, REVIEW, "data_sharing.skin_institute"])
def test_a_yes_under_anybodys_new_contact_permits_nothing_before_it_is_confirmed(
    client: Client, portal: RunningPortal, address: str
) -> None:
    """No data on health are passed on, and nobody is mailed, because somebody typed an address or a
    number.
    """
    program = portal.open_clinic()
    _said(client, program, {"phone": "26123456", f"decision.{address}": "yes"})
    told = program.call(
        "status", {"subjects": [{"phone": "26123456"}], "purposes": [address]}
    ).json()["results"][0]
    assert (told["decisions"][address]["state"], told["decisions"][address]["permitted"]) == (
        "pending",
        False,
    )


@pytest.mark.parametrize(
    "clinic", ["kaunas-polyclinics", "tbilisi-ultrasound", "valmiera-hearing", "vilnius-dental"]
)
def test_at_every_demo_clinic_what_rests_on_explicit_consent_waits(
    client: Client, portal: RunningPortal, clinic: str
) -> None:
    """The clinics that a reader copies from are safe ones."""
    program = portal.open_clinic(clinic)
    asked = portal.in_process.directory.look_up(program.clinic).published.clinic
    explicit = [
        each
        for each, question in asked.questions.items()
        if question.purpose.legal_basis != "consent"
    ]
    said = {f"decision.{each}": "yes" for each in explicit}
    answer = decide(client, program.clinic, {**MAIL, **said, "name": "Anna", "adult": "yes"})
    assert {_states(program)[each] for each in explicit} == {"pending"}
    confirm(client, portal, program.clinic, answer)
    assert {_states(program)[each] for each in explicit} == {"granted"}


def test_a_clinic_may_let_a_yes_count_at_once_for_a_reason_it_gives(
    client: Client, portal: RunningPortal
) -> None:
    """The newsletter waits all the same."""
    program = portal.open_clinic(change=counts_at_once)
    _said(client, program, {**MAIL, f"decision.{REVIEW}": "yes"})
    _said(client, program, {"phone": "26123456", f"decision.{SMS}": "yes"})
    assert (_states(program)[REVIEW], program.states(phone="26123456")[SMS]) == (
        "granted",
        "pending",
    )


def test_pages_and_receipts_say_that_a_yes_is_not_in_force_until_it_is_confirmed(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody goes home believing that it is settled."""
    strict, waived = portal.open_clinic(), portal.open_clinic(change=counts_at_once)
    asked, told = (
        "A Yes here counts once you confirm it",
        "Your Yes is not in force until you confirm it.",
    )
    # The newsletter, testimonials and sharing ask once a purpose; contests count at once.
    pages = [client.get(f"/{each.clinic}?lang=en&view=all") for each in (strict, waived)]
    counted = [page.text.count(asked) for page in pages]
    assert counted == [3, 1]
    for program, waits in ((strict, True), (waived, False)):
        number = _said(client, program, {**MAIL, f"decision.{REVIEW}": "yes"})
        for form in ("", "&format=html"):
            page = client.get(f"/{program.clinic}/receipts/{number}?lang=en{form}").text
            assert (told in page) == waits, form
            assert not waits or "It counts already" not in page, (
                "the seal is not told to make a Yes count"
            )
    kiosk = decide(
        client, f"{strict.clinic}/kiosk", {**MAIL, f"decision.{REVIEW}": "yes"}, "?lang=en"
    )
    assert told in kiosk.text


def test_what_is_confirmed_counts_and_what_is_unticked_does_not(
    client: Client, portal: RunningPortal
) -> None:
    """The owner of the address has the last word on each purpose."""

    def both(document: dict[str, Any]) -> None:
        document["purposes"][1]["options"][0]["confirm"] = True

    program = portal.open_clinic(change=both)
    number = _said(client, program, BOTH)
    token = a_token(portal, program.clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL, REVIEW))
    shown = open_page(client, f"/confirm/{token}?lang=en")
    assert not shown.chosen, "nothing is ticked for anybody"
    assert ANNA.value not in client.get(f"/confirm/{token}").text
    before = portal.items()
    answer = client.post(f"/confirm/{token}", {"purpose": EMAIL, "sure": "yes"})
    receipt = program.receipt(receipt_number(answer)).json()
    assert (_states(program)[EMAIL], _states(program)[REVIEW]) == ("granted", "refused")
    assert (receipt["assurance"], receipt["evidence"]) == (
        "contact-confirmed",
        {"confirms": number},
    )
    assert receipt["notice"] == program.receipt(number).json()["notice"]
    assert portal.items() > before
    again = client.post(f"/confirm/{token}", {"purpose": REVIEW, "sure": "yes"})
    assert (again.status, _states(program)[REVIEW]) == (200, "refused")


@pytest.mark.parametrize("purposes", [{}, {"purpose": EMAIL}])
def test_it_was_not_me_is_one_choice(
    client: Client, portal: RunningPortal, purposes: dict[str, str]
) -> None:
    """A stranger's Yes is gone at once, and says so."""
    program = portal.open_clinic()
    number = _said(client, program, {**MAIL, f"decision.{EMAIL}": "yes"})
    token = a_token(portal, program.clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL,))
    client.post(f"/confirm/{token}", {**purposes, "sure": "no"})
    assert _states(program)[EMAIL] == "refused"


def _as_found(page: Page, answer: Answer) -> dict[str, str]:
    """Fill a form in as a mail scanner does: with what is in it."""
    assert answer.status == 200
    return page.fields | dict(page.chosen)


def test_a_scanner_that_opens_every_link_and_sends_every_form_changes_nothing(
    client: Client, portal: RunningPortal
) -> None:
    """Security programs read mail before the patient does."""
    program = portal.open_clinic()
    number = _said(client, program, {**MAIL, f"decision.{EMAIL}": "yes"})
    confirm = a_token(portal, program.clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL,))
    for _ in range(3):
        before = portal.items()
        answer = client.get(f"/confirm/{confirm}")
        sent = client.post(f"/confirm/{confirm}", _as_found(Page(answer), answer))
        assert (sent.status, Page(sent).faults) == (422, ["#sure"])
        assert portal.items() == before
        assert _states(program)[EMAIL] == "pending"
    client.post(f"/confirm/{confirm}", {"sure": "yes", "purpose": EMAIL})
    stopped = receipt_number(client.post(f"/{program.clinic}/withdraw", {**MAIL, "all": "yes"}))
    undo = a_token(portal, program.clinic, ANNA, LinkScope.UNDO, stopped)
    before = portal.items()
    answer = client.get(f"/undo/{undo}")
    sent = client.post(f"/undo/{undo}", _as_found(Page(answer), answer))
    assert (sent.status, Page(sent).faults) == (422, ["#purpose"])
    assert portal.items() == before
    assert _states(program)[EMAIL] == "withdrawn"


def test_a_withdrawal_by_a_stranger_is_undone_from_the_contact(
    client: Client, portal: RunningPortal
) -> None:
    """It stopped at once; whoever owns the address lets it go on, ending when it would have
    ended.
    """

    def a_year(document: dict[str, Any]) -> None:
        document["purposes"][0]["options"][0]["ends"] = "P1Y"

    program = portal.open_clinic(change=a_year)
    number = _said(client, program, {**MAIL, f"decision.{EMAIL}": "yes"})
    token = a_token(portal, program.clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL,))
    client.post(f"/confirm/{token}", {"sure": "yes", "purpose": EMAIL})
    ends = program.history(**MAIL)[-1]["decisions"][EMAIL]["expires_at"]
    stopped = receipt_number(client.post(f"/{program.clinic}/withdraw", {**MAIL, "all": "yes"}))
    undo = a_token(portal, program.clinic, ANNA, LinkScope.UNDO, stopped)
    assert not open_page(client, f"/undo/{undo}?lang=en").chosen
    restored = program.receipt(
        receipt_number(client.post(f"/undo/{undo}?lang=ru", {"purpose": EMAIL}))
    ).json()
    assert _states(program)[EMAIL] == "granted"
    assert restored["decisions"][EMAIL]["expires_at"] == ends
    assert (restored["evidence"], restored["notice"]["lang"]) == ({"undoes": stopped}, "ru")
    assert "nothing left" in client.get(f"/undo/{undo}?lang=en").text
    assert client.post(f"/undo/{undo}", {"purpose": EMAIL}).status == 200


def test_six_digits_from_a_text_message_confirm_a_phone(
    client: Client, portal: RunningPortal
) -> None:
    """A patient with a phone and nothing else confirms too."""
    program = portal.open_clinic()
    number = _said(client, program, {"phone": "26123456", f"decision.{SMS}": "yes"})
    assert program.states(phone="26123456")[SMS] == "pending"
    place = f"/{program.clinic}/receipts/{number}"
    assert f"{place}/code" in client.get(f"{place}?lang=en").text
    by_mail = decide(
        client,
        program.clinic,
        {"decision.newsletter.email": "yes", "email": "anna.ozola@example.org"},
    )
    assert "/code" not in client.follow(by_mail).text, "what comes by e-mail brings no code"
    code = texted_code(portal, program.clinic, number)
    typed = f"{code[:3]} {code[3:]}"
    receipt = program.receipt(receipt_number(client.post(f"{place}/code", {"code": typed}))).json()
    assert program.states(phone="26123456")[SMS] == "granted"
    assert (receipt["assurance"], receipt["channel"]) == ("contact-confirmed", "web")
    assert client.post(f"{place}/code", {"code": code}).status == 422


def test_a_phone_that_has_confirmed_is_not_reminded(client: Client, portal: RunningPortal) -> None:
    """Not even where it stood beside an e-mail that is known, so that it is known apart from
    that.
    """
    program, phone = portal.open_clinic(), Contact(ContactKind.PHONE, "+37126555987")
    staff = {"subject": MAIL, "channel": "in-person", "decisions": {EMAIL: "yes"}}
    program.call("receipts", {**staff, "effective_at": "2026-11-20T10:00:00Z"})
    said = {f"decision.{SMS}": "yes", **MAIL, "phone": phone.value}
    number = receipt_number(decide(client, program.clinic, said))
    carried(portal)
    half = instant(datetime.now(UTC) + timedelta(days=4))
    code = texted_code(portal, program.clinic, number, phone)
    assert client.post(f"/{program.clinic}/receipts/{number}/code", {"code": code}).status == 303
    assert program.states(phone=phone.value)[SMS] == "granted"
    carried(portal)
    brought = [
        each.text
        for each in brought_unasked(portal, program.clinic, ANNA, half)
        if each.to == phone.value
    ]
    assert not [text for text in brought if code in text]


def test_a_code_may_be_guessed_five_times_and_belongs_to_one_receipt(
    client: Client, portal: RunningPortal
) -> None:
    """After that even the right one opens nothing: answer the questions anew."""
    program, other = portal.open_clinic(), portal.open_clinic()
    said = {"phone": "26123456", f"decision.{SMS}": "yes"}
    number = _said(client, program, said)
    right = texted_code(portal, program.clinic, number)
    another = _said(client, program, said)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    place = f"/{program.clinic}/receipts/{number}/code"
    assert client.post(place, {"code": "none"}).status == 422
    assert client.post(f"/{other.clinic}/receipts/{number}/code", {"code": right}).status == 404
    for _ in range(confirmation_codes.TRIES):
        assert client.post(place, {"code": wrong}).status == 422
    assert client.post(place, {"code": right}).status == 422
    assert program.states(phone="26123456")[SMS] == "pending"
    assert client.post(f"/{program.clinic}/receipts/{another}/code", {"code": right}).status == 422


def test_new_forms_are_no_way_to_more_guesses_at_the_codes_of_a_phone(
    client: Client, portal: RunningPortal
) -> None:
    """Twelve receipts give ten guesses; then even the right code waits, in words, and another
    phone's does not.
    """
    program = portal.open_clinic()
    statuses = []
    for _ in range(CONTACT.burst):
        number = _said(Client(), program, {"phone": "26123456", f"decision.{SMS}": "yes"})
        right = texted_code(portal, program.clinic, number)
        place = f"/{program.clinic}/receipts/{number}/code?lang=en"
        wrong = f"{(int(right) + 1) % 1_000_000:06d}"
        statuses += [
            Client().post(place, {"code": wrong}).status
            for _ in range(confirmation_codes.TRIES - 1)
        ]
    assert statuses == [422] * CODE.burst + [429] * (len(statuses) - CODE.burst)
    refused = client.post(place, {"code": right})
    assert (refused.status, "Too many tries. Please wait" in Page(refused).words) == (429, True)
    assert 0 < int(refused.headers["retry-after"]) <= CODE.interval / 1000
    assert program.states(phone="26123456")[SMS] == "pending"
    other = _said(client, program, {"phone": "29999999", f"decision.{SMS}": "yes"})
    code = texted_code(portal, program.clinic, other, Contact(ContactKind.PHONE, "+37129999999"))
    assert client.post(f"/{program.clinic}/receipts/{other}/code", {"code": code}).status == 303


def test_a_network_that_guesses_codes_is_refused_alone(
    client: Client, portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even tries that are over are counted: nobody keeps the portal busy with them."""
    monkeypatch.setattr(
        rate_limits, "RANGE", RateLimit(RANGE.burst, CODE.interval)
    )  # no room comes back between two requests
    program = portal.open_clinic()
    said = {"phone": "26123456", f"decision.{SMS}": "yes"}
    number = _said(client, program, said)
    place = f"/{program.clinic}/receipts/{number}/code"
    guesser = Client(address="203.0.113.7")
    statuses = {
        guesser.post(place, {"code": "000000"}).status for _ in range(confirmation_codes.TRIES + 1)
    }
    assert statuses <= {303, 422}
    while guesser.post(place, {"code": "000000"}).status != 429:
        pass
    another = _said(client, program, said)
    right = {"code": texted_code(portal, program.clinic, another)}
    assert guesser.post(f"/{program.clinic}/receipts/{another}/code", right).status == 429
    assert client.post(f"/{program.clinic}/receipts/{another}/code", right).status == 303


def test_a_stranger_cannot_confirm_weaken_or_learn_anything_with_annas_address(
    client: Client, portal: RunningPortal
) -> None:
    """Typing her address beside an own phone leads nowhere: each contact confirms for its own
    person.
    """
    program = portal.open_clinic()
    number = _said(client, program, {**MAIL, f"decision.{EMAIL}": "yes"})
    token = a_token(portal, program.clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL,))
    client.post(f"/confirm/{token}", {"sure": "yes", "purpose": EMAIL})
    assert _states(program)[EMAIL] == "granted"
    stranger = {**MAIL, "phone": "29999999", f"decision.{SMS}": "yes", f"decision.{EMAIL}": "yes"}
    claimed = _said(client, program, stranger)
    assert (_states(program)[EMAIL], _states(program)[SMS]) == ("granted", "pending")
    code = texted_code(portal, program.clinic, claimed, Contact(ContactKind.PHONE, "+37129999999"))
    confirmed = client.post(f"/{program.clinic}/receipts/{claimed}/code", {"code": code})
    receipt = program.receipt(receipt_number(confirmed)).json()
    anna = program.history(**MAIL)
    assert receipt["subject"] not in {each["subject"] for each in anna}
    assert (_states(program)[EMAIL], _states(program)[SMS]) == ("granted", "pending")
    assert program.states(phone="29999999")[SMS] == "granted"


def test_a_token_for_another_power_or_of_no_link_is_not_found(
    client: Client, portal: RunningPortal
) -> None:
    """What opens one page opens no other."""
    program = portal.open_clinic()
    number = _said(client, program, {**MAIL, f"decision.{EMAIL}": "yes"})
    for power in set(LinkScope) - {LinkScope.CONFIRM}:
        token = a_token(portal, program.clinic, ANNA, power, number, (EMAIL,))
        assert client.get(f"/confirm/{token}").status == 404
        assert client.post(f"/confirm/{token}", {"sure": "yes", "purpose": EMAIL}).status == 404
    for nothing in ("x", "a" * 32, number):
        assert (
            client.get(f"/confirm/{nothing}").status == client.get(f"/undo/{nothing}").status == 404
        )
    assert _states(program)[EMAIL] == "pending"
    assert portal.open_clinic().states(**MAIL)[EMAIL] == "never_asked"
