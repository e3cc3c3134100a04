"""What comes after Save: what counts, what waits, and what to do about it at once."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.receipts import reference
from chalicelib.web.saved_form import SavedForm
from tests.cast import ANNA, ANNA_PHONE, TBILISI
from tests.web.client import Answer, Client
from tests.web.letterbox import a_token, carried, texted_code
from tests.web.page_reader import Fields, Page, decide, open_page, receipt_number
from tests.web.pages.test_guardians import ELZA
from tests.web.pages.test_steps import VALMIERA
from tests.web.running import RunningPortal, counts_at_once

EMAIL, SMS, REVIEW = "newsletter.email", "newsletter.sms", "testimonials.text"
YES = {f"decision.{EMAIL}": "yes", "email": ANNA.value}
NAMED = "testimonials.first_name"
MASKED = "a•••@e•••.org"
PHONE_YES: Fields = {f"decision.{SMS}": "yes", "phone": ANNA_PHONE.value}


@pytest.fixture(autouse=True)
def _nothing_waits(portal: RunningPortal) -> None:
    """Let what other tests left be carried out, so that each counts its own messages."""
    carried(portal)


def told(client: Client, clinic: str, fields: Fields) -> tuple[str, Answer, str]:
    """Send the consent page; give the receipt's number, the page that follows, and its token."""
    answer = decide(client, clinic, fields, "?lang=en")
    token = re.search(r"&saved=([^&]+)", answer.location)
    return receipt_number(answer), client.follow(answer), token[1] if token else ""


def open_step(client: Client, place: str, fields: Fields) -> dict[str, str]:
    """Press the button that corrects a contact; give the fields of the step that comes."""
    answer = client.post(place, fields)
    assert answer.status == 200, answer.text
    return Page(answer).fields


def aged(token: str, clinic: str, ago: timedelta, portal: RunningPortal) -> str:
    """Give a token as if its form had been saved some time ago."""
    at = instant(datetime.now(UTC) - ago)
    assert portal.in_process
    return SavedForm(token[:32], MASKED, "", at).to_token(clinic)


def done(client: Client, clinic: str, fields: Fields) -> tuple[Answer, str]:
    """Save a form at the kiosk; give the last page and its token."""
    place = f"/{clinic}/kiosk?lang=en"
    state = open_page(client, place).fields["state"]
    answer = client.post(place, {"state": state, **fields})
    assert answer.status == 200, answer.text
    return answer, Page(answer).fields.get("saved", "")


def test_whoever_saved_sees_where_to_look_and_nobody_else_with_the_number(
    client: Client, portal: RunningPortal
) -> None:
    """A mistyped address is noticed at once; the receipt's number alone says nothing of it."""
    clinic = portal.open_clinic().clinic
    number, page, token = told(client, clinic, YES)
    assert f"Check your mail at {MASKED}" in page.text
    assert "Not in force yet" in page.text
    assert ANNA.value not in page.text
    place = f"/{clinic}/receipts/{number}?lang=en"
    other = portal.open_clinic(TBILISI).clinic
    hour_ago = aged(token, clinic, timedelta(minutes=61), portal)
    foreign = SavedForm(number, MASKED, "", instant(datetime.now(UTC))).to_token(other)
    another = told(client, clinic, {**YES, f"decision.{REVIEW}": "no"})[2]
    for tried in ("", token[:-1], number + "A" * 200, hour_ago, foreign, another):
        shown = client.get(f"{place}&saved={tried}").text
        assert "•••" not in shown, tried
        assert "Send it again" not in shown
        assert "Open the message that we sent you" in shown
    assert MASKED in client.get(f"{place}&saved={token}").text
    assert ANNA.value.split("@")[0] not in page.text.lower().replace("anna.", "")


def test_the_contact_of_a_personal_link_is_not_shown_to_whoever_follows_it(
    client: Client, portal: RunningPortal
) -> None:
    """A link that somebody forwards shows nothing of whom it was for."""
    program = portal.open_clinic()
    made = program.call("links", {"links": [{"email": ANNA.value}]}).json()["links"][0]["url"]
    place = f"/{program.clinic}?t={re.search(r't=([A-Za-z0-9_.-]+)', made)[1]}&lang=en"  # type: ignore[index]
    state = open_page(client, place).fields["state"]
    answer = client.post(place, {"state": state, f"decision.{REVIEW}": "yes"})
    assert "saved=" not in answer.location
    assert "•••" not in client.follow(answer).text


def test_the_message_is_sent_again_once_a_minute_and_only_for_whoever_saved(
    client: Client, portal: RunningPortal
) -> None:
    """A message that was lost comes once more; nobody can make a stranger's mailbox ring."""
    clinic = portal.open_clinic().clinic
    number, _, token = told(client, clinic, YES)
    assert len(carried(portal, ANNA)) == 1
    place = f"/{clinic}/receipts/{number}?lang=en"
    sent = client.post(place, {"saved": token, "again": "yes"})
    assert sent.status == 303
    assert "Sent again, if something still waits" in client.follow(sent).text
    [again] = carried(portal, ANNA)
    assert "/confirm/" in again
    refused = client.post(place, {"saved": token, "again": "yes"})
    assert (refused.status, refused.headers["retry-after"].isdigit()) == (429, True)
    assert "You can have it sent again in 1 minute." in refused.text
    assert MASKED in refused.text
    before = portal.items()
    for tried in ("", token[:-1], aged(token, clinic, timedelta(hours=2), portal)):
        answer = client.post(place, {"saved": tried, "again": "yes"})
        assert "again=" not in answer.location
    assert portal.items() == before
    assert carried(portal, ANNA) == []


def test_what_is_confirmed_already_is_not_asked_again(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody gets a message that leads to nothing."""
    clinic = portal.open_clinic().clinic
    number, _, token = told(client, clinic, YES)
    carried(portal, ANNA)
    link = a_token(portal, clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL,))
    assert client.post(f"/confirm/{link}", {"sure": "all"}).status == 303
    carried(portal, ANNA)
    sent = client.post(f"/{clinic}/receipts/{number}?lang=en", {"saved": token, "again": "yes"})
    assert "Sent again, if something still waits" in client.follow(sent).text
    assert carried(portal, ANNA) == []


def test_a_text_message_asked_for_again_has_the_same_code(
    client: Client, portal: RunningPortal
) -> None:
    """Whichever message arrives first, its digits confirm."""
    program = portal.open_clinic()
    number, page, token = told(client, program.clinic, PHONE_YES)
    assert "+371 ••• 456" in page.text
    assert Page(page).fields["code"] == ""
    [first] = carried(portal, ANNA_PHONE)
    client.post(f"/{program.clinic}/receipts/{number}", {"saved": token, "again": "yes"})
    [second] = carried(portal, ANNA_PHONE)
    code = texted_code(portal, program.clinic, number)
    assert all(code in text.replace(" ", "") for text in (first, second))
    confirmed = client.post(f"/{program.clinic}/receipts/{number}/code?lang=en", {"code": code})
    shown = client.follow(confirmed).text
    assert "Confirmed: your Yes counts" in shown
    assert 'class="good-box"' in shown
    assert program.states(phone=ANNA_PHONE.value)[SMS] == "granted"


def test_a_patient_with_a_phone_alone_confirms_at_the_kiosk(
    client: Client, portal: RunningPortal
) -> None:
    """The code that comes to the phone is typed on the tablet, and the patient leaves with
    everything in force.
    """
    program = portal.open_clinic()
    page, token = done(client, program.clinic, PHONE_YES)
    number = token[:32]
    assert reference(number) in page.text
    assert 'class="good-box"' not in page.text
    assert len(carried(portal, ANNA_PHONE)) == 1
    place = f"/{program.clinic}/kiosk/done?lang=en"
    code = texted_code(portal, program.clinic, number)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    refused = client.post(place, {"saved": token, "code": wrong})
    assert (refused.status, Page(refused).faults) == (422, ["#code"])
    assert "+371 ••• 456" in refused.text
    confirmed = client.post(place, {"saved": token, "code": code})
    assert confirmed.status == 200
    assert "Confirmed: your Yes counts" in confirmed.text
    assert "Not in force yet" not in confirmed.text
    assert "location" not in confirmed.headers
    assert set(Page(confirmed).fields) == set()
    assert program.states(phone=ANNA_PHONE.value)[SMS] == "granted"
    assert program.history(phone=ANNA_PHONE.value)[-1]["channel"] == "kiosk"


def test_at_the_kiosk_the_message_is_sent_again_too(client: Client, portal: RunningPortal) -> None:
    """A text message that got lost is no reason to go home with nothing in force."""
    clinic = portal.open_clinic().clinic
    _, token = done(client, clinic, PHONE_YES)
    carried(portal, ANNA_PHONE)
    place = f"/{clinic}/kiosk/done?lang=en"
    again = client.post(place, {"saved": token, "again": "yes"})
    assert "Sent again, if something still waits" in again.text
    assert len(carried(portal, ANNA_PHONE)) == 1
    assert client.post(place, {"saved": token, "again": "yes"}).status == 429


@pytest.mark.parametrize("ago", [11, None])
def test_the_next_patient_at_the_kiosk_finds_nothing_of_the_one_before(
    client: Client, portal: RunningPortal, ago: int | None
) -> None:
    """Whoever sends an old page of the tablet again, or a made up one, gets the start screen."""
    clinic = portal.open_clinic().clinic
    _, token = done(client, clinic, PHONE_YES)
    old = aged(token, clinic, timedelta(minutes=ago), portal) if ago else "nothing"
    answer = client.post(f"/{clinic}/kiosk/done?lang=en&src=desk", {"saved": old, "code": "1"})
    assert (answer.status, answer.location) == (303, f"{client.mount}/{clinic}/kiosk?src=desk")
    reloaded = client.get(f"/{clinic}/kiosk/done?lang=en&src=desk")
    assert (reloaded.status, reloaded.location) == (answer.status, answer.location)


def test_one_choice_confirms_everything_that_was_asked(
    client: Client, portal: RunningPortal
) -> None:
    """Confirming takes two taps, however many answers wait, and none was made beforehand."""
    program = portal.open_clinic()
    fields = {**YES, f"decision.{REVIEW}": "yes"}
    number, _, _ = told(client, program.clinic, fields)
    link = a_token(portal, program.clinic, ANNA, LinkScope.CONFIRM, number, (EMAIL, REVIEW))
    asked = open_page(client, f"/confirm/{link}?lang=en")
    assert not asked.chosen
    answer = client.post(f"/confirm/{link}?lang=en", {"sure": "all"})
    assert "Confirmed: your Yes counts" in client.follow(answer).text
    states = program.states(email=ANNA.value)
    assert (states[EMAIL], states[REVIEW]) == ("granted", "granted")


def test_a_heading_says_what_is_true_of_the_receipt(client: Client, portal: RunningPortal) -> None:
    """Nothing that waits is celebrated, and who said No is not offered to withdraw it."""
    clinic = portal.open_clinic().clinic
    _, refused, token = told(client, clinic, {f"decision.{EMAIL}": "no", f"decision.{SMS}": "no"})
    assert token == "", "no contact was asked anything"
    assert "Saved: you said No" in refused.text
    assert not [link for link in Page(refused).links if "/withdraw?" in link]
    _, mixed, _ = told(client, clinic, {**YES, f"decision.{SMS}": "no"})
    assert "One more step" in mixed.text
    assert "Your No counts already." in mixed.text
    assert 'class="good-box"' not in mixed.text
    state = open_page(client, f"/{clinic}/withdraw?lang=en").fields["state"]
    sent = {"state": state, "email": ANNA.value, "all": "yes"}
    stopped = client.follow(client.post(f"/{clinic}/withdraw?lang=en", sent))
    assert "Done. It has stopped." in stopped.text


def test_a_yes_that_may_count_already_is_not_said_to_wait_for_certain(
    client: Client, portal: RunningPortal
) -> None:
    """Whether a message asks to confirm it would show who is known."""
    clinic = portal.open_clinic(change=counts_at_once).clinic
    _, page, _ = told(client, clinic, {f"decision.{REVIEW}": "yes", "email": ANNA.value})
    assert "It may not be in force yet" in page.text
    assert 'class="good-box"' not in page.text
    _, page, _ = told(client, clinic, {f"decision.{REVIEW}": "yes", "phone": ANNA_PHONE.value})
    assert "If it has to be confirmed, six digits come to" in page.text
    assert "We have sent six digits" not in page.text


def test_an_imported_yes_is_not_celebrated(client: Client, portal: RunningPortal) -> None:
    """A Yes of another system, to a text that nobody knows here, is recorded and does not count."""
    program = portal.open_clinic()
    body = {
        "subject": {"email": ANNA.value},
        "decisions": {REVIEW: "yes"},
        "channel": "import",
        "effective_at": "2019-11-20T10:00:00Z",
        "evidence": {"system": "Clinic card"},
    }
    number = program.call("receipts", body).json()["id"]
    page = client.get(f"/{program.clinic}/receipts/{number}?lang=en").text
    assert "<h1>Recorded</h1>" in page
    assert 'class="good-box"' not in page
    assert "Yes, it counts" not in page


def test_what_staff_saw_is_said_to_count(client: Client, portal: RunningPortal) -> None:
    """A Yes at the reception counts at once, and its receipt says so in green."""
    program = portal.open_clinic()
    body = {
        "subject": {"email": ANNA.value},
        "decisions": {REVIEW: "yes", EMAIL: "no"},
        "channel": "in-person",
        "effective_at": instant(datetime.now(UTC)),
    }
    number = program.call("receipts", body).json()["id"]
    page = client.get(f"/{program.clinic}/receipts/{number}?lang=en").text
    assert "Saved: your Yes counts" in page
    assert "Your Yes counts, and so does your No." in page


def test_a_wrong_address_is_corrected_with_the_answers_carried_along(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody answers the questions twice for a slip of the finger; the first receipt stays."""
    program = portal.open_clinic()
    wrong = {**YES, "email": "ana@example.org", f"decision.{SMS}": "no"}
    number, page, _ = told(client, program.clinic, wrong)
    fields = Page(page).fields
    assert (fields["go"], fields[f"decision.{EMAIL}"], fields[f"decision.{SMS}"]) == (
        "contact",
        "yes",
        "no",
    )
    carried_along = {name: text for name, text in fields.items() if name.startswith("decision.")}
    sent = {"state": fields["state"], **carried_along, "email": ANNA.value}
    place = f"/{program.clinic}?lang=en"
    step = open_step(client, place, {**sent, "go": "contact", "email": ""})
    assert "email" in step
    assert carried_along.items() <= step.items()
    answer = client.post(place, sent)
    assert receipt_number(answer) != number
    assert MASKED in client.follow(answer).text
    assert program.states(email=ANNA.value)[EMAIL] == "pending"
    assert program.states(email="ana@example.org")[EMAIL] == "pending"
    assert len(carried(portal, Contact(ContactKind.EMAIL, "ana@example.org"))) == 1


def test_a_wrong_address_is_corrected_for_the_same_child(
    client: Client, portal: RunningPortal
) -> None:
    """What a guardian said for a child never becomes the guardian's own answer; only the child's
    name and birth, which no receipt has, are typed again.
    """
    program = portal.open_clinic(VALMIERA)
    place = f"/{program.clinic}?lang=en"
    yes = {f"decision.{NAMED}": "yes", "email": "ana@example.org"}
    fields = Page(told(client, program.clinic, {**yes, **ELZA})[1]).fields
    assert (fields["go"], fields["child"], fields["relation"]) == ("child", "yes", "parent")
    del fields["saved"]
    step = open_step(client, place, fields)
    assert {"child_name", "child_born_day"} <= step.keys()
    step = open_step(client, place, {**step, **ELZA, "go": "contact"})
    step = open_step(client, place, {**step, "email": ANNA.value, "go": "check"})
    receipt = program.receipt(receipt_number(client.post(place, step))).json()
    assert (receipt["actor"], receipt["evidence"]) == ("guardian", {"guardian": "parent"})
    assert len(program.history(email=ANNA.value)) == 1, "nothing of the guardian's own"


@pytest.mark.parametrize("kiosk", [False, True])
@pytest.mark.parametrize("view", ["", "&view=all"])
def test_what_is_corrected_is_bound_to_the_text_that_was_read(
    client: Client, portal: RunningPortal, view: str, *, kiosk: bool
) -> None:
    """Whoever reads the receipt in another language has not read the questions in it."""
    program = portal.open_clinic()
    place = f"/{program.clinic}{'/kiosk' if kiosk else ''}"
    state = open_page(client, f"{place}?lang=lv{view}").fields["state"]
    answer = client.post(f"{place}?lang=lv{view}", {"state": state, **YES})
    number = _first_number(answer)
    if kiosk:
        sent = {"saved": Page(answer).fields["saved"], "again": "yes"}
        page = client.post(f"{place}/done?lang=en", sent)
    else:
        saved = answer.location.partition("&saved=")[2]
        page = client.get(f"{place}/receipts/{number}?lang=en&saved={saved}")
    [address] = re.findall(rf'action="[^"]*({place}\?lang=\w+)"', page.text)
    fields = Page(page).fields
    step = open_step(client, address, {**fields, "email": ANNA.value, "go": "check"})
    again = _first_number(client.post(address, step))
    assert again != number
    first, second = (program.receipt(each).json()["notice"] for each in (number, again))
    assert (first["lang"], second["lang"]) == ("lv", "lv")
    assert (first["sha256"] == second["sha256"]) == (not view)


def _first_number(answer: Answer) -> str:
    """Give the number of the receipt that a form led to, or whose page it shows."""
    found = re.search(r"[0-9a-f]{32}", answer.location if answer.status == 303 else answer.text)
    assert found
    return found[0]
