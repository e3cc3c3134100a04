"""The patient's own page: what holds, in words; change, stop, take along; behind a link that shows
no contact.
"""

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind, masked
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.links import Link, LinkRecipient, LinkScope, LinkSecret, read_token
from chalicelib.domain.rate_limits import CONTACT
from chalicelib.receipts.formats.registry import FORMATS
from chalicelib.services import data_export_parts
from chalicelib.store import links, receipts
from chalicelib.store.keys.programs import link_key
from tests.cast import ANNA, ANNA_PHONE
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import a_token, carried, token_in
from tests.web.page_reader import Page, decide, legible, open_page
from tests.web.running import RunningPortal

EMAIL, SMS, REVIEW = "newsletter.email", "newsletter.sms", "testimonials.text"
MAIL = {"email": ANNA.value}
STAFF = {"subject": MAIL, "channel": "in-person"}


def _ago(**past: float) -> str:
    return (datetime.now(UTC) - timedelta(**past)).isoformat(timespec="milliseconds")


def _by_staff(program: Program, answers: dict[str, str], **changed: Any) -> str:
    """Let staff record what a patient said, and give the receipt's number."""
    body = {**STAFF, "decisions": answers, "effective_at": _ago(seconds=1), **changed}
    answer = program.call("receipts", body)
    assert answer.status == 201, answer.text
    return str(answer.json()["id"])


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic where Anna, at the desk, agreed to news both ways and refused to have her
    review shown.
    """
    opened = portal.open_clinic()
    both = {"email": ANNA.value, "phone": ANNA_PHONE.value}
    _by_staff(opened, {EMAIL: "yes", SMS: "yes", REVIEW: "no"}, subject=both)
    return opened


def _place(
    portal: RunningPortal, program: Program, contact: Contact = ANNA, lang: str = "?lang=en"
) -> str:
    """Give the address of Anna's page, as her own link holds it."""
    newest = program.history(**{contact.kind.value: contact.value})[-1]["id"]
    return f"/manage/{a_token(portal, program.clinic, contact, LinkScope.MANAGE, newest)}{lang}"


def _send(client: Client, place: str, fields: dict[str, Any]) -> Answer:
    return client.post(place, {"state": open_page(client, place).fields["state"], **fields})


def _stop(client: Client, place: str, **fields: Any) -> Answer:
    return _send(client, place, {"act": "stop", **fields})


def _change(client: Client, place: str, **answers: str) -> Answer:
    said = {f"decision.{address.replace('__', '.')}": answer for address, answer in answers.items()}
    return _send(client, place, {"act": "change", **said})


def _chips(client: Client, place: str) -> list[str]:
    """Give how each question stands, as the first page says it in a word or two."""
    return re.findall(r'<span class="chip [a-z]+">([^<]+)</span>', client.get(place).text)


def test_every_state_is_told_in_words(client: Client, portal: RunningPortal) -> None:
    """What holds, since when, under which text, by which way, and when it ends."""

    def thirty_days(document: dict[str, Any]) -> None:
        document["purposes"][0]["options"][1]["ends"] = "P30D"

    program = portal.open_clinic(change=thirty_days)
    both = {"email": ANNA.value, "phone": ANNA_PHONE.value}
    _by_staff(
        program, {EMAIL: "yes", SMS: "yes", REVIEW: "no"}, subject=both, effective_at=_ago(days=15)
    )
    place = _place(portal, program)
    words = " ".join(open_page(client, f"{place}&change=newsletter").words.split())
    assert words.count("It counts.") == 2
    assert "Your Yes is in force until" in words
    assert "In person" in words
    assert "Notice version 1.0" in words
    words = open_page(client, f"{place}&change=testimonials").words
    assert "No, since" in words
    assert "You have not answered this." in words
    assert _chips(client, place)[:5] == ["Yes", "Yes", "No", "Not answered", "Not answered"]
    _stop(client, place, purpose=EMAIL)
    assert "Stopped on" in open_page(client, f"{place}&change=newsletter").words
    decide(client, program.clinic, {"decision.testimonials.photo": "yes", **MAIL, "name": "Anna"})
    assert "waits to be confirmed until" in open_page(client, place).words
    assert _chips(client, place)[:5] == [
        "Withdrawn",
        "Yes",
        "No",
        "Not answered",
        "Not in force yet",
    ]
    portal.republish(
        program.clinic,
        "2.0",
        lambda document: document["purposes"][0]["text"].update(en="Far more."),
    )
    assert "That text changed on" in open_page(client, place).words
    other = portal.open_clinic(change=thirty_days)
    _by_staff(other, {SMS: "yes"}, subject=both, effective_at=_ago(days=40))
    place = _place(portal, other)
    assert "Your Yes ended by itself on" in open_page(client, f"{place}&change=newsletter").words
    assert _chips(client, place)[1] == "Ended"


def test_a_link_changes_a_dozen_times_at_once_and_stops_all_the_same(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """No page has text messages sent without end; what was chosen is kept, and stopping has room of
    its own.
    """
    place = _place(portal, program)
    answers = [_change(Client(), place, newsletter__email="no") for _ in range(CONTACT.burst)]
    assert {answer.status for answer in answers} == {303}
    before = portal.items()
    refused = _change(client, place, newsletter__email="yes", testimonials__text="no")
    page = Page(refused)
    assert (refused.status, page.alerts) == (429, 1)
    assert "Too many tries. Please wait 1 minute" in page.words
    assert 0 < int(refused.headers["retry-after"]) <= CONTACT.interval / 1000
    assert page.chosen == [(f"decision.{EMAIL}", "yes"), (f"decision.{REVIEW}", "no")]
    assert portal.items() == before
    assert _change(client, _place(portal, program), testimonials__text="no").status == 303, (
        "another link"
    )
    assert _stop(client, place, purpose=SMS).status == 303
    while _stop(client, place, purpose=SMS).status == 303:
        assert program.states(**MAIL)[SMS] == "withdrawn"
    assert _stop(client, place, purpose=SMS).status == 429, "what was just done"
    assert _stop(client, place, all="yes").status == 303


def test_nothing_is_chosen_beforehand(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """What holds is told in words; no radio and no box is filled in, so a form sent as it is
    changes nothing.
    """
    place = _place(portal, program)
    page = open_page(client, place)
    assert page.chosen == []
    before = portal.items()
    for fields in ({"act": "stop"}, {"act": "change"}, {}):
        answer = client.post(place, {"state": page.fields["state"], **fields})
        assert answer.status == 422
        assert Page(answer).faults
        assert "Nothing has changed: what was saved before stays as it was." in answer.text
    assert not [key for key in portal.items() - before if key[1] != "SHOWN"]


def test_one_thing_stops_in_one_step(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """A tick and a button; the receipt says by which way and how sure."""
    answer = _stop(client, _place(portal, program), purpose=EMAIL)
    assert answer.status == 303
    states = program.states(**MAIL)
    assert (states[EMAIL], states[SMS], states[REVIEW]) == ("withdrawn", "granted", "refused")
    receipt = program.history(**MAIL)[-1]
    assert (receipt["channel"], receipt["assurance"]) == ("email-link", "link")
    done = client.follow(answer)
    assert "Done. It has stopped." in done.text
    assert (
        "Done. It has stopped."
        not in client.get(answer.location.partition("&done")[0].removeprefix("/api")).text
    )


def test_everything_stops_in_one_step(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """What the clinic no longer asks for too."""
    portal.republish(
        program.clinic, "1.1", lambda document: document.update(purposes=[document["purposes"][1]])
    )
    place = _place(portal, program)
    page = client.get(place).text
    assert "What we do not ask any more" in page
    assert f'name="purpose" value="{EMAIL}"' in page, "it can be stopped alone, too"
    _stop(client, place, all="yes")
    assert "granted" not in program.states(**MAIL).values()
    assert "There is nothing to withdraw" in open_page(client, place).words


@pytest.mark.parametrize("case", ["absent", "forged", "of another link"])
def test_a_page_left_open_still_stops_and_starts_nothing(
    program: Program, client: Client, portal: RunningPortal, case: str
) -> None:
    """A state is good for its own link and for two hours; stopping needs none."""
    place = _place(portal, program)
    other = open_page(client, _place(portal, program)).fields["state"]
    state = {"absent": {}, "forged": {"state": "forged"}, "of another link": {"state": other}}[case]
    answer = client.post(place, {"act": "change", f"decision.{REVIEW}": "yes", **state})
    assert (answer.status, program.states(**MAIL)[REVIEW]) == (422, "refused")
    assert (f"decision.{REVIEW}", "yes") in Page(answer).chosen
    assert client.post(place, {"act": "stop", "purpose": EMAIL, **state}).status == 303
    assert program.states(**MAIL)[EMAIL] == "withdrawn"


def test_a_yes_counts_at_once_and_binds_the_page_with_the_question(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """The proof keeps the question as it was asked, and nothing of Anna's own."""
    _change(client, _place(portal, program), testimonials__text="yes")
    assert program.states(**MAIL)[REVIEW] == "granted"
    receipt = program.history(**MAIL)[-1]
    assert (receipt["assurance"], receipt["channel"], receipt["actor"]) == (
        "link",
        "email-link",
        "patient",
    )
    shown = client.get(f"/{program.clinic}/shown/{receipt['notice']['sha256']}")
    assert f'name="decision.{REVIEW}"' in shown.text
    for own in ("•••", "It counts", "manage/", receipt["id"], 'name="all"'):
        assert own not in shown.text


def test_a_yes_to_a_text_that_changed_meanwhile_is_asked_again(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Nobody agrees to what they have not read."""
    place = _place(portal, program)
    state = open_page(client, place).fields["state"]
    portal.republish(
        program.clinic,
        "1.1",
        lambda document: document["texts"]["intro"].update(en="Welcome again!"),
    )
    answer = client.post(place, {"state": state, "act": "change", f"decision.{REVIEW}": "yes"})
    assert (answer.status, program.states(**MAIL)[REVIEW]) == (422, "refused")
    assert "has changed this text" in answer.text


def test_what_was_sent_again_by_going_back_stops_again(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Stop, agree again, go back and send the first page once more: what was allowed since
    stops.
    """
    place = _place(portal, program)
    state = open_page(client, place).fields["state"]
    stop = {"state": state, "act": "stop", "purpose": EMAIL}
    client.post(place, stop)
    client.post(place, stop)
    assert len(program.history(**MAIL)) == 2
    _change(client, place, newsletter__email="yes")
    assert program.states(**MAIL)[EMAIL] == "granted"
    client.post(place, stop)
    assert program.states(**MAIL)[EMAIL] == "withdrawn"


def test_a_yes_that_needs_another_contact_waits_for_that_contact(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever typed somebody else's phone beside an e-mail of their own proves the e-mail alone."""
    program = portal.open_clinic()
    said = {
        "decision.testimonials.text": "no",
        "decision.newsletter.sms": "yes",
        **MAIL,
        "phone": "26123456",
    }
    decide(client, program.clinic, said)
    _change(client, _place(portal, program), newsletter__sms="yes", testimonials__text="yes")
    states = program.states(**MAIL)
    assert (states[SMS], states[REVIEW]) == ("pending", "granted")


def test_a_yes_for_which_a_contact_is_lacking_is_refused_kindly(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody agrees to text messages without a phone; the page says where to write it."""
    program = portal.open_clinic()
    _by_staff(program, {EMAIL: "yes"})
    place = f"{_place(portal, program)}&change=newsletter"
    page = client.get(place).text
    assert f'name="decision.{EMAIL}"' in page
    assert f'name="decision.{SMS}"' not in page
    answer = _change(client, place, newsletter__sms="yes")
    assert (answer.status, "that we do not have" in answer.text) == (422, True)
    assert program.states(**MAIL)[SMS] == "never_asked"


def test_several_people_of_one_contact_stop_together_and_see_nothing_of_each_other(
    client: Client, portal: RunningPortal
) -> None:
    """A link for a contact that a family shares stops for all; a Yes could be anybody's; histories
    stay private.
    """
    program = portal.open_clinic()
    numbers = [
        _by_staff(program, {EMAIL: "yes"}, subject={**MAIL, "patient_ref": reference})
        for reference in ("P-1", "P-2")
    ]
    token = a_token(portal, program.clinic, ANNA, LinkScope.MANAGE)
    place = f"/manage/{token}?lang=en"
    shown = client.get(place)
    assert "Several people use this e-mail or phone" in shown.text
    for number in numbers:
        assert number not in shown.text
        assert client.get(f"/manage/{token}/receipts/{number}?format=json").status == 404
    assert client.get(f"/manage/{token}/export/json").status == 404
    refused = client.post(place, {"act": "change", f"decision.{REVIEW}": "yes"})
    assert (refused.status, "Several people" in refused.text) == (422, True)
    answer = _stop(client, place, purpose=EMAIL)
    assert {program.states(patient_ref=each)[EMAIL] for each in ("P-1", "P-2")} == {"withdrawn"}
    assert "Done. It has stopped." in client.follow(answer).text


def test_one_of_a_family_decides_for_themselves_alone(
    client: Client, portal: RunningPortal
) -> None:
    """A link for one person changes nothing of who shares the contact."""
    program = portal.open_clinic()
    one, _ = (
        _by_staff(program, {EMAIL: "yes"}, subject={**MAIL, "patient_ref": reference})
        for reference in ("P-1", "P-2")
    )
    _stop(
        client,
        f"/manage/{a_token(portal, program.clinic, ANNA, LinkScope.MANAGE, one)}?lang=en",
        all="yes",
    )
    assert [program.states(patient_ref=each)[EMAIL] for each in ("P-1", "P-2")] == [
        "withdrawn",
        "granted",
    ]


def test_a_link_to_somebody_new_says_that_nothing_is_known(
    client: Client, portal: RunningPortal
) -> None:
    """And leads to the questions; what is sent from nowhere changes nothing."""
    program = portal.open_clinic()
    place = f"/manage/{a_token(portal, program.clinic, ANNA, LinkScope.MANAGE)}?lang=en"
    page = open_page(client, place)
    assert "We know nothing about you yet" in page.words
    assert f"{client.mount}/{program.clinic}?lang=en" in page.links
    assert client.post(place, {"act": "stop", "all": "yes"}).status == 200
    assert program.states(**MAIL)[EMAIL] == "never_asked"
    _by_staff(program, {EMAIL: "yes"})
    assert _chips(client, place)[0] == "Yes"


def _token(portal: RunningPortal, program: Program, **changed: Any) -> str:
    now = datetime.now(UTC)
    link = {
        "clinic": program.clinic,
        "subject": None,
        "lang": "lv",
        "addresses": (),
        "receipt": None,
        "created_at": instant(now),
        "expires_at": instant(now + timedelta(hours=1)),
        "by": "portal",
    }
    key, handle = portal.in_process.clinics.key(program.clinic), LinkSecret.fresh()
    portal.table.write(
        links.link_writes(key, [(handle, Link(**{**link, **changed}), LinkRecipient(ANNA))])
    )
    return handle.token(key.link_secret(), LinkScope.MANAGE)


@pytest.mark.parametrize("what", ["", "/export/json", "/export/csv", "/receipts/NUMBER"])
def test_a_token_that_is_none_is_old_or_is_for_something_else_opens_nothing(
    program: Program, client: Client, portal: RunningPortal, what: str
) -> None:
    """Expired, revoked, of an erased person: an old link, with a way to a fresh one. Others: not
    found.
    """
    number = program.history(**MAIL)[-1]["id"]
    what = f"{what.replace('NUMBER', number)}?format=json&lang=en"
    past = instant(datetime.now(UTC) - timedelta(seconds=1))
    for changed in ({"expires_at": past}, {"revoked_at": past}, {"subject": "0" * 32}):
        answer = client.get(f"/manage/{_token(portal, program, **changed)}{what}")
        assert answer.status == 410
        assert f"{client.mount}/{program.clinic}/link?lang=en" in Page(answer).links
    powers = [power for power in LinkScope if power is not LinkScope.MANAGE]
    others = [a_token(portal, program.clinic, ANNA, power, number) for power in powers]
    for token in (*others, "x", "A" * 32):
        assert client.get(f"/manage/{token}{what}").status == 404
    assert client.get(f"/manage/{_token(portal, program)}{what}").status == 200


def test_a_link_of_one_clinic_shows_nothing_of_another(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Anna's decisions elsewhere, and her receipts there, stay there."""
    other = portal.open_clinic()
    theirs = _by_staff(other, {EMAIL: "yes"})
    place = _place(portal, program, lang="")
    assert theirs not in client.get(place).text
    assert client.get(f"{place}/receipts/{theirs}?format=json").status == 404
    _stop(client, place, all="yes")
    assert other.states(**MAIL)[EMAIL] == "granted"


def test_a_receipt_of_somebody_else_cannot_be_had(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Not even by who knows its number."""
    theirs = _by_staff(program, {EMAIL: "yes"}, subject={"email": "bella.ozola@example.org"})
    place = _place(portal, program, lang="")
    assert client.get(f"{place}/receipts/{theirs}?format=json").status == 404
    assert client.get(f"{place}/receipts/{theirs}?format=pdf").status == 404


def test_a_forwarded_link_shows_no_contact_in_clear(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Nor does anything else keep it: no cache, no other site, no address."""
    place = _place(portal, program)
    answers = [client.get(place), _stop(client, place, purpose=EMAIL), client.post(place, {})]
    for answer in answers:
        told = legible(answer.text + answer.headers.get("location", ""))
        assert not re.search(r"ozola|26123456|anna", told.lower())
        assert (answer.headers["cache-control"], answer.headers["referrer-policy"]) == (
            "no-store",
            "no-referrer",
        )
    assert "a•••@e•••.org" in answers[0].text
    assert "+371 ••• 456" in answers[0].text


def test_every_receipt_is_there_newest_first_and_comes_in_every_format(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Kantara has no word for a withdrawal, and nothing is signed before its time: the page says so
    kindly.
    """
    place = _place(portal, program, lang="")
    _stop(client, place, purpose=EMAIL)
    numbers = [receipt["id"] for receipt in program.history(**MAIL)]
    page = client.get(f"{place}?lang=en")
    assert re.findall(r'class="receipt" id="r-([0-9a-f]+)"', page.text) == numbers[::-1]
    unsigned = client.get(f"{place}/receipts/{numbers[0]}?format=jws&lang=en")
    assert (unsigned.status, "It is being sealed" in unsigned.text) == (409, True)
    portal.seal()
    offered = set(
        re.findall(rf"/receipts/{numbers[0]}\?lang=en&amp;format=([a-z0-9-]+)", page.text)
    )
    assert offered == set(FORMATS)
    for wanted in FORMATS:
        answer = client.get(f"{place}/receipts/{numbers[0]}?format={wanted}&lang=en")
        assert answer.status == 200, wanted
        assert answer.headers["cache-control"] == "no-store"
    exact = client.get(f"{place}/receipts/{numbers[0]}?format=json")
    assert exact.body == program.receipt(numbers[0]).body
    silent = client.get(f"{place}/receipts/{numbers[1]}?format=kantara&lang=en")
    assert (silent.status, "please take another format" in silent.text) == (406, True)
    assert client.get(f"{place}/receipts/{numbers[0]}?format=docx").status == 404
    assert client.get(f"{place}/receipts/{numbers[0]}").status == 404


def test_a_flood_of_receipts_is_shown_twenty_at_a_time(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever knows Anna's address can stop things by it all day: her page still opens, and leads
    to each receipt.
    """
    program = portal.open_clinic()
    for number in range(41):
        _by_staff(
            program, {REVIEW: "no" if number else "yes"}, effective_at=_ago(minutes=50 - number)
        )
    _by_staff(program, {EMAIL: "yes"}, effective_at=_ago(days=2))
    numbers = [receipt["id"] for receipt in program.history(**MAIL)][::-1]
    place, found = _place(portal, program, lang=""), list[str]()
    for start in (0, 20, 40):
        page = client.get(f"{place}?lang=en&from={start}")
        shown = re.findall(r'class="receipt" id="r-([0-9a-f]+)"', page.text)
        assert len(shown) == min(20, len(numbers) - start)
        assert set(re.findall(r"from=(\d+)#receipts", page.text)) == {
            str(each) for each in (start - 20, start + 20) if 0 <= each < len(numbers)
        }
        found += shown
    assert found == numbers
    page = client.get(f"{place}?lang=en&change=newsletter")
    assert f'href="?lang=en&amp;from=0#r-{numbers[0]}"' in page.text, "it leads to its receipt"
    for odd in ("-1", "x", "²", "9" * 30, "42", ""):
        shown = re.findall(
            r'class="receipt" id="r-([0-9a-f]+)"', client.get(f"{place}?lang=en&from={odd}").text
        )
        assert shown == numbers[40:] if odd == "42" else shown == numbers[:20], odd


def test_of_more_receipts_than_a_page_can_read_the_newest_are_told_and_what_still_stands(
    client: Client, portal: RunningPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Yes of before the flood still permits, and the page says to whom; what is left out is
    said.
    """
    monkeypatch.setattr(receipts, "NEWEST", 5)
    program = portal.open_clinic()
    shared = next(
        address for address in program.states(**MAIL) if address.startswith("data_sharing.")
    )
    _by_staff(program, {shared: "yes"}, effective_at=_ago(days=9))
    place = _place(portal, program, lang="")
    for number in range(5, 0, -1):
        page = client.get(f"{place}?lang=en")
        assert "Older receipts are kept too" not in page.text
        _by_staff(program, {REVIEW: "no"}, effective_at=_ago(hours=number))
    _by_staff(program, {REVIEW: "no"})
    numbers = [receipt["id"] for receipt in program.history(**MAIL)]
    page = client.get(f"{place}?lang=en")
    kept = [numbers[0], *numbers[2:]]
    assert re.findall(r'class="receipt" id="r-([0-9a-f]+)"', page.text) == kept[::-1]
    assert "Older receipts are kept too" in page.text
    assert "Your Yes has permitted it since" in page.text
    told = client.get(f"{place}/export/json").json()
    assert ([each["id"] for each in told["receipts"]], told["receipts_left_out"]) == (kept, 1)
    assert "left_out,receipts,1," in client.get(f"{place}/export/csv").text


def test_who_could_receive_the_data_is_told_with_the_times(
    client: Client, portal: RunningPortal
) -> None:
    """From the Yes until the No, and what a new Yes permits since; nobody is named without a
    Yes.
    """
    program = portal.open_clinic()
    shared = next(
        address for address in program.states(**MAIL) if address.startswith("data_sharing.")
    )
    _by_staff(program, {EMAIL: "yes"})
    place = _place(portal, program)
    assert "Nobody outside the clinic" in client.get(place).text
    for answer, days in (("yes", 9), ("no", 6), ("yes", 3)):
        _by_staff(program, {shared: answer}, effective_at=_ago(days=days))
    words = " ".join(client.get(place).text.split())
    assert (
        words.count("Your Yes permitted it from"),
        words.count("Your Yes has permitted it since"),
    ) == (1, 1)
    exported = client.get(place.partition("?")[0] + "/export/json?lang=en").json()
    assert [(each["decision"], bool(each["until"])) for each in exported["recipients"]] == [
        (shared, False),
        (shared, True),
    ]


def test_everything_can_be_taken_along_as_json(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """With the contacts in clear, for they are Anna's own; every receipt byte for byte in
    content.
    """
    place = _place(portal, program, lang="")
    answer = client.get(f"{place}/export/json?lang=en")
    assert answer.headers["content-disposition"] == 'attachment; filename="my-consents.json"'
    told = answer.json()
    assert {(each["kind"], each["value"]) for each in told["person"]["contacts"]} == {
        ("email", ANNA.value),
        ("phone", ANNA_PHONE.value),
    }
    assert told["receipts"] == program.history(**MAIL)
    assert {each["decision"]: each["state"] for each in told["decisions"]} == program.states(**MAIL)
    assert client.get(f"{place}/export/xml").status == 404


def test_what_is_taken_along_says_since_when_nothing_may_be_used(
    client: Client, portal: RunningPortal
) -> None:
    """While use is restricted (GDPR Art. 18) no consent permits and nobody receives; lifted, all is
    as it was.
    """
    program = portal.open_clinic()
    shared = next(
        address for address in program.states(**MAIL) if address.startswith("data_sharing.")
    )
    _by_staff(program, {EMAIL: "yes", shared: "yes"}, effective_at=_ago(days=2))
    place, since = _place(portal, program, lang=""), ""
    for restricted in (True, False):
        answer = program.call("restrictions", {"subject": MAIL, "restricted": restricted}).json()[
            "subjects"
        ][0]
        since = answer["restricted_since"] or ""
        told = client.get(f"{place}/export/json?lang=en").json()
        assert told["person"]["restricted_since"] == (since or None)
        stands = {
            each["decision"]: (each["state"], each["permitted"]) for each in told["decisions"]
        }
        assert stands[EMAIL] == stands[shared] == ("granted", not restricted)
        assert [each["until"] for each in told["recipients"]] == [since or None]
        table = client.get(f"{place}/export/csv?lang=en").text.removeprefix("\ufeff")
        rows = list(csv.DictReader(io.StringIO(table, newline="")))
        assert [row["from"] for row in rows if row["record"] == "restriction"] == (
            [since] if restricted else []
        )
        permitted = {row["name"]: row["permitted"] for row in rows if row["record"] == "decision"}
        assert permitted[EMAIL] == ("no" if restricted else "yes")
    _by_staff(program, {shared: "no"})
    program.call("restrictions", {"subject": MAIL, "restricted": True})
    _by_staff(program, {shared: "yes"}, effective_at=_ago(seconds=0))
    told = client.get(f"{place}/export/json?lang=en").json()
    assert len(told["recipients"]) == 1, "a Yes given meanwhile permits nobody yet"


def test_everything_can_be_taken_along_as_a_table_that_runs_no_formula(
    client: Client, portal: RunningPortal
) -> None:
    """A name that a spreadsheet would compute is a name."""
    program = portal.open_clinic()
    name = '=HYPERLINK("https://evil.example","Anna")'
    decide(
        client,
        program.clinic,
        {"decision.testimonials.text": "yes", **MAIL, "name": name, "phone": "26123456"},
    )
    place = _place(portal, program, lang="")
    answer = client.get(f"{place}/export/csv?lang=en")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.startswith("\ufeff")
    rows = list(csv.DictReader(io.StringIO(answer.text.removeprefix("\ufeff"), newline="")))
    assert not [
        cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))
    ]
    assert {
        (row["name"], row["value"]) for row in rows if row["record"] in {"name", "contact"}
    } == {
        ("", f"'{name}"),
        ("email", ANNA.value),
        ("phone", f"'{masked(ANNA_PHONE)}"),
    }
    [receipt] = program.history(**MAIL)
    said = {row["name"]: row["value"] for row in rows if row["record"] == "answer"}
    assert said == {address: entry["answer"] for address, entry in receipt["decisions"].items()}
    assert answer.text.count("\r\n") == len(rows) + 1


@pytest.mark.parametrize("lang", ["en", "lv"])
def test_what_is_too_long_for_one_file_is_listed_in_parts_that_fit_together(
    client: Client, portal: RunningPortal, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    """Whoever has thousands of receipts is not answered by an error: the page lists files to fetch.

    What is decided meanwhile is in none of them, and moves nothing.
    """
    monkeypatch.setattr(data_export_parts, "SURELY_ONE", 0)
    program = portal.open_clinic()
    for number in range(12, 0, -1):
        _by_staff(program, {EMAIL: "no", REVIEW: "no"}, effective_at=_ago(hours=number))
    place = _place(portal, program, lang="")
    before = open_page(client, f"{place}?lang={lang}")
    whole = client.get(f"{place}/export/json").json()
    assert not [link for link in before.links if "part=" in link]
    for form, most in (("json", 4000), ("csv", 2000)):
        monkeypatch.setattr(data_export_parts, "MOST_BYTES", most)
        page = open_page(client, f"{place}?lang={lang}")
        links = [link for link in page.links if f"/export/{form}?lang={lang}&part=" in link]
        assert len(links) > 1
        taken: list[str] = []
        _by_staff(program, {EMAIL: "no"})
        for number, link in enumerate(links, start=1):
            answer = client.get(link.removeprefix(client.mount))
            assert len(answer.body) <= most
            name = f'"my-consents-{number}-of-{len(links)}.{form}"'
            assert answer.headers["content-disposition"] == f"attachment; filename={name}"
            assert answer.headers["cache-control"] == "no-store"
            if form == "json":
                taken += [receipt["id"] for receipt in answer.json()["receipts"]]
        if form == "json":
            assert taken == [receipt["id"] for receipt in whole["receipts"]]
        led = client.get(f"{place}/export/{form}?lang={lang}")
        assert (led.status, led.location) == (303, f"{client.mount}{place}?lang={lang}#takeout")
    assert client.get(f"{place}/export/json?part=1-2&receipts=1-99").status == 303
    assert client.get(f"{place}/export/json?part=1-2").status == 404


def test_the_page_speaks_the_links_language_unless_asked(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Whoever got a Latvian message reads on in Latvian, and may change."""
    place = _place(portal, program, lang="")
    assert (open_page(client, place).lang, open_page(client, f"{place}?lang=ru").lang) == (
        "lv",
        "ru",
    )
    assert open_page(client, f"{place}?lang=ka").lang == "lv"


def test_who_wants_to_be_erased_confirms_it_from_their_own_contact(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Whoever has the page's address erases nobody; afterwards nobody is found and no link
    opens.
    """
    place = _place(portal, program)
    other = portal.open_clinic()
    _by_staff(other, {EMAIL: "yes"})
    number = program.history(**MAIL)[-1]["id"]
    assert _send(client, place, {"act": "erase"}).status == 422
    assert client.post(place, {"act": "erase", "erase": "yes", "state": "forged"}).status == 422
    carried(portal)
    asked = _send(client, place, {"act": "erase", "erase": "yes"})
    assert (asked.status, "One more step" in asked.text) == (200, True)
    assert program.states(**MAIL)[EMAIL] == "granted"
    [mail] = carried(portal, ANNA)
    page = f"/manage/{token_in(mail, 'manage')}/erase?lang=en"
    shown = client.get(page)
    assert (shown.status, Page(shown).chosen) == (200, [])
    assert client.post(page, {}).status == 422
    assert client.post(page, {"erase": "no"}).status == 422
    assert program.states(**MAIL)[EMAIL] == "granted"
    done = client.post(page, {"erase": "yes"})
    assert (done.status, "Your data is erased" in done.text) == (200, True)
    assert set(program.states(**MAIL).values()) == {"never_asked"}
    assert other.states(**MAIL)[EMAIL] == "granted"
    assert (
        client.get(place).status
        == client.get(page).status
        == client.post(page, {"erase": "yes"}).status
        == 410
    )
    assert program.receipt(number).json()["id"] == number, "the pseudonymous proof stays"


def test_only_the_link_in_that_message_erases(
    program: Program, client: Client, portal: RunningPortal
) -> None:
    """Neither the page's own link nor that of any other message, nor one that is three days old."""
    number = program.history(**MAIL)[-1]["id"]
    for power in LinkScope:
        token = a_token(portal, program.clinic, ANNA, power, number)
        for answer in (
            client.get(f"/manage/{token}/erase"),
            client.post(
                f"/manage/{token}/erase", {} if power is LinkScope.ERASE else {"erase": "yes"}
            ),
        ):
            assert answer.status in ({200, 422} if power is LinkScope.ERASE else {404})
    assert program.states(**MAIL)[EMAIL] == "granted"
    carried(portal)
    _send(client, _place(portal, program), {"act": "erase", "erase": "yes"})
    [mail] = carried(portal, ANNA)
    parts = read_token(token_in(mail, "manage"))
    assert parts
    key = link_key(parts[0].link_id)
    link = Link.read(portal.table.get([key])[key].body or "")
    assert moment(link.expires_at) - moment(link.created_at) <= timedelta(days=3)


def test_whom_the_portal_cannot_ask_is_sent_to_the_reception(
    client: Client, portal: RunningPortal
) -> None:
    """Somebody known by the clinic's number alone is erased by staff; the page says so and changes
    nothing.
    """
    program = portal.open_clinic()
    reference = Contact(ContactKind.REFERENCE, "P-77")
    _by_staff(program, {REVIEW: "no"}, subject={"patient_ref": "P-77"})
    place = f"/manage/{a_token(portal, program.clinic, reference, LinkScope.MANAGE)}?lang=en"
    assert client.get(place).status == 200
    before = portal.items()
    answer = _send(client, place, {"act": "erase", "erase": "yes"})
    assert (answer.status, "We cannot reach you" in answer.text) == (409, True)
    assert portal.items() == before


def test_several_people_of_one_contact_cannot_erase_each_other(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody knows whom the link would mean."""
    program = portal.open_clinic()
    for reference in ("P-1", "P-2"):
        _by_staff(program, {EMAIL: "yes"}, subject={**MAIL, "patient_ref": reference})
    place = f"/manage/{a_token(portal, program.clinic, ANNA, LinkScope.MANAGE)}?lang=en"
    assert _send(client, place, {"act": "erase", "erase": "yes"}).status == 404
    assert program.states(**MAIL)[EMAIL] == "granted"
