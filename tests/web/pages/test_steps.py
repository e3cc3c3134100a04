"""A page a topic: the start, each topic, who answers, the check; nothing is stored before Save."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from chalicelib.domain.clinic import Clinic
from chalicelib.portal import get_portal
from chalicelib.web.form_state import state_of
from tests.cast import RIGA, TBILISI
from tests.web.client import Answer, Client, Fields
from tests.web.page_reader import Page, open_page, receipt_number
from tests.web.running import RunningPortal

KAUNAS, VALMIERA = "kaunas-polyclinics", "valmiera-hearing"
ANNA = "anna.ozola@example.org"
NEWS, SMS, REVIEW = (
    "decision.newsletter.email",
    "decision.newsletter.sms",
    "decision.testimonials.text",
)
NAMED = "decision.testimonials.first_name"
PROGRAMME = "decision.programme"


class Sentences(HTMLParser):
    """The sentences that can be read in a page's main part, in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._within: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element."""
        if tag not in {"input", "meta", "br"}:
            self._within.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        if tag not in {"input", "meta", "br"}:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        """Take note of what is read within the main part."""
        if "main" in self._within and (words := " ".join(data.split())):
            self.found.append(words)


class Walk:
    """A patient with a step open: what its form carries, and what was chosen and typed on it."""

    def __init__(self, client: Client, target: str) -> None:
        self.client, self.target = client, target
        self.shown(client.get(target))

    def shown(self, answer: Answer) -> "Walk":
        """Look at the page that came."""
        self.answer = answer
        self.page = Page(answer)
        self.fields = {**self.page.fields, **dict(self.page.chosen)}
        return self

    def go(self, where: str, **said: str) -> "Walk":
        """Choose and type on the page, and press a button that leads on."""
        sent = {**self.fields, **_named(said), "go": where}
        return self.shown(self.client.post(self.target, sent))

    def forward(self, **said: str) -> "Walk":
        """Press Continue: the first button of the page."""
        found = re.search(r'<button type="submit" name="go" value="([^"]+)"', self.answer.text)
        assert found
        return self.go(found[1], **said)

    def save(self) -> Answer:
        """Press "Save my answers"."""
        return self.client.post(self.target, self.fields)


def _named(said: dict[str, str]) -> Fields:
    """Write the fields of questions as they are named: `newsletter__email` for its decision."""
    return {
        f"decision.{name.replace('__', '.')}" if "__" in name else name: value
        for name, value in said.items()
    }


def _published(name: str) -> Clinic:
    return get_portal().directory.look_up(name).published.clinic


def _clinic(name: str) -> Clinic:
    return _published(name).open_at(get_portal().clock())


def _languages(portal: RunningPortal) -> list[tuple[str, str]]:
    return [(name, lang) for name in portal.api_keys for lang in _clinic(name).languages]


def test_the_way_of_a_patient_ends_with_a_receipt(client: Client, portal: RunningPortal) -> None:
    """Each topic once, the contact that a Yes needs, the check, Save: nothing is stored before."""
    program = portal.open_clinic()
    walk = Walk(client, f"/{program.clinic}?lang=en&src=desk&via=qr")
    before = portal.items()
    assert "1 of 4" in walk.forward().page.words
    assert "2 of 4" in walk.forward(newsletter__email="yes").page.words
    assert "3 of 4" in walk.forward(testimonials__text="no").page.words
    walk.forward().forward()
    assert "So that we know whose answer it is" in walk.page.words
    assert set(walk.page.fields) & {"email", "phone", "name"} == {"email"}
    walk.forward(email=ANNA)
    assert "Check your answers" in walk.page.words
    assert "a•••@e•••.org" in walk.page.words
    assert ANNA not in walk.page.words
    assert {sk for _, sk in portal.items() - before} == set()
    receipt = program.receipt(receipt_number(walk.save())).json()
    assert (receipt["channel"], receipt["source"]) == ("qr", "desk")
    states = program.states(email=ANNA)
    assert (states["newsletter.email"], states["testimonials.text"]) == ("pending", "refused")
    assert states["data_sharing.skincare_maker"] == "never_asked"


def test_no_to_everything_is_two_acts_and_one_receipt(
    client: Client, portal: RunningPortal
) -> None:
    """Every question gets its No, nobody is asked who they are, and the receipt shows what they
    saw.
    """
    program = portal.open_clinic()
    walk = Walk(client, f"/{program.clinic}?lang=en").go("no")
    asked = {f"decision.{question}" for question in _clinic(program.clinic).questions}
    assert {name for name, value in walk.page.fields.items() if value == "no"} == asked
    receipt = program.receipt(receipt_number(walk.save())).json()
    assert {each["answer"] for each in receipt["decisions"].values()} == {"no"}
    kept = client.get(f"/{program.clinic}/shown/{receipt['notice']['sha256']}").text
    assert "Check your answers" in kept
    assert "1 of 4" not in kept, "the topics were not shown"


def test_a_yes_is_not_bound_to_the_page_of_a_no_to_everything(
    client: Client, portal: RunningPortal
) -> None:
    """That page shows no topic: whoever sends a Yes from it begins again, everything kept."""
    program = portal.open_clinic()
    walk = Walk(client, f"/{program.clinic}?lang=en").go("no")
    before = portal.items()
    said = {NEWS: "yes", "email": ANNA}
    walk.shown(client.post(walk.target, {**walk.fields, **said}))
    assert (walk.answer.status, walk.page.alerts) == (422, 1)
    assert "You decide what we may do with your data" in walk.page.words
    assert said.items() <= walk.page.fields.items()
    assert portal.items() == before
    walk.go("topic.newsletter").go("check")
    receipt = program.receipt(receipt_number(walk.save())).json()
    kept = client.get(f"/{program.clinic}/shown/{receipt['notice']['sha256']}").text
    assert "1 of 4" in kept


def _contest_that_ended(document: dict[str, Any]) -> None:
    """Ask for one contest, and nothing beside it, that is over by now."""
    [contests] = [each for each in document["purposes"] if each["id"] == "contests"]
    contests["options"] = contests["options"][:1]
    contests["options"][0]["ends"] = "2025-12-31"
    document["purposes"] = [contests]


@pytest.mark.parametrize("kiosk", ["", "/kiosk"])
@pytest.mark.parametrize("view", ["", "&view=all"])
def test_a_clinic_whose_contest_is_over_still_has_a_page(
    client: Client, portal: RunningPortal, kiosk: str, view: str
) -> None:
    """With no question left nothing fails, be it opened now or sent from a page that was open."""
    clinic = portal.open_clinic(change=_contest_that_ended).clinic
    target = f"/{clinic}{kiosk}?lang=en{view}"
    state = open_page(client, target).fields["state"]
    [question] = _published(clinic).questions
    for fields in ({}, {f"decision.{question}": "yes", "email": ANNA}):
        for go in ("", "no", "check", "contact", "topic.contests"):
            answer = client.post(target, {"state": state, **fields, "go": go})
            assert answer.status == 422, go


def test_an_answer_changed_after_no_to_everything_is_bound_to_all_that_is_shown(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever opened a topic has a receipt of the whole text."""
    program = portal.open_clinic()
    walk = Walk(client, f"/{program.clinic}?lang=en").go("no")
    walk.go("change.testimonials", testimonials__text="").forward(testimonials__text="no")
    receipt = program.receipt(receipt_number(walk.save())).json()
    kept = client.get(f"/{program.clinic}/shown/{receipt['notice']['sha256']}").text
    assert "1 of 4" in kept


def test_change_leads_to_the_topic_and_back_to_the_check(client: Client) -> None:
    """One answer is changed without going through all others again."""
    walk = Walk(client, f"/{RIGA}?lang=en").go("no").go("change.newsletter")
    assert (NEWS, "no") in walk.page.chosen
    walk.forward(newsletter__email="yes")
    assert "So that we know whose answer it is" in walk.page.words, "a Yes needs a contact"
    walk.forward(email=ANNA)
    assert "Check your answers" in walk.page.words
    assert (walk.page.fields[NEWS], walk.page.fields[SMS]) == ("yes", "no")


def test_back_keeps_every_answer(client: Client) -> None:
    """The button does what the browser's Back does, at the kiosk too."""
    walk = Walk(client, f"/{RIGA}?lang=en").forward().forward(newsletter__email="yes")
    walk.go("topic.newsletter", testimonials__text="no")
    assert (NEWS, "yes") in walk.page.chosen
    assert walk.page.fields[REVIEW] == "no"


def test_another_language_in_the_middle_keeps_every_answer(
    client: Client, portal: RunningPortal
) -> None:
    """The receipt is bound to the text in the language that was read last."""
    program = portal.open_clinic()
    walk = Walk(client, f"/{program.clinic}?lang=lv").forward()
    walk.fields[NEWS] = "no"
    sent = {**walk.fields, "go": "topic.newsletter"}
    answer = client.post(f"/{program.clinic}?lang=ru", sent)
    walk.target = f"/{program.clinic}?lang=ru"
    walk.shown(answer)
    assert (walk.page.lang, walk.page.chosen) == ("ru", [(NEWS, "no")])
    walk.go("check")
    assert program.receipt(receipt_number(walk.save())).json()["notice"]["lang"] == "ru"


def test_of_two_contacts_only_the_one_chosen_is_taken(
    client: Client, portal: RunningPortal
) -> None:
    """What was typed into the other field before is left behind."""
    program = portal.open_clinic()
    walk = Walk(client, f"/{program.clinic}?lang=en").go("topic.testimonials")
    walk.go("check", testimonials__text="yes")
    assert {"email", "phone"} <= set(walk.page.fields)
    assert ("by", "email") in walk.page.chosen
    walk.forward(by="phone", email="not one", phone="26123456")
    assert "email" not in walk.page.fields
    receipt_number(walk.save())
    assert program.states(phone="26123456")["testimonials.text"] == "pending"


@pytest.mark.parametrize(
    ("said", "typed", "place"),
    [
        (NEWS, {"email": "anna@"}, "#email"),
        (NEWS, {}, "#email"),
        (SMS, {"phone": "12"}, "#phone"),
        (REVIEW, {"by": "phone", "email": ANNA}, "#phone"),
        (NAMED, {"email": ANNA}, "#name"),
        (PROGRAMME, {"email": ANNA, "name": "Anna Ozola"}, "#adult"),
    ],
)
def test_what_is_wrong_is_said_on_the_page_where_it_stands(
    client: Client, portal: RunningPortal, said: str, typed: dict[str, str], place: str
) -> None:
    """The summary comes first, what was typed is kept, nothing is stored; it was not said before
    the page was sent.
    """
    walk = Walk(client, f"/{KAUNAS if said == PROGRAMME else RIGA}?lang=en")
    walk.shown(client.post(walk.target, {**walk.fields, said: "yes", "go": "check"}))
    assert (walk.answer.status, walk.page.faults) == (200, [])
    before = portal.items()
    walk.forward(**typed)
    assert (walk.answer.status, walk.page.faults) == (422, [place])
    assert {name: walk.page.fields[name] for name in typed if name != "by"} == {
        name: text for name, text in typed.items() if name != "by"
    }
    assert walk.page.fields[said] == "yes"
    assert portal.items() == before


@pytest.mark.parametrize(
    ("fields", "place", "heading"),
    [
        ({}, "#decision.newsletter.email", "News and discounts"),
        ({NEWS: "maybe"}, "#decision.newsletter.email", "News and discounts"),
        ({NEWS: "yes", "email": "anna@"}, "#email", "So that we know whose answer it is"),
        ({NEWS: "no", "phone": "12"}, "#phone", "So that we know whose answer it is"),
    ],
)
def test_a_whole_form_with_a_fault_leads_to_the_page_that_mends_it(
    client: Client, fields: dict[str, str], place: str, heading: str
) -> None:
    """A program's form, or one sent from the check, is mended where the field stands."""
    state = open_page(client, f"/{RIGA}?lang=en").fields["state"]
    answer = client.post(f"/{RIGA}?lang=en", {"state": state, **fields})
    page = Page(answer)
    assert (answer.status, page.faults) == (422, [place])
    assert heading in page.words
    sent = {name: value for name, value in fields.items() if name != NEWS}
    assert {name: page.fields[name] for name in sent} == sent


def test_whoever_says_only_no_leaves_nothing_else_behind(
    client: Client, portal: RunningPortal
) -> None:
    """A contact that was typed for a Yes goes with it."""
    program = portal.open_clinic()
    walk = Walk(client, f"/{program.clinic}?lang=en").go("topic.newsletter")
    walk.go("check", newsletter__email="yes").forward(email=ANNA)
    walk.go("change.newsletter").forward(newsletter__email="no")
    assert "email" not in walk.page.fields
    receipt_number(walk.save())
    assert set(program.states(email=ANNA).values()) == {"never_asked"}


def test_a_parent_decides_on_a_page_of_its_own(client: Client, portal: RunningPortal) -> None:
    """Who decides and for which child; then the parent's own contact. Whoever came there by
    mistake goes back and nothing of it stays.
    """
    program = portal.open_clinic(VALMIERA)
    walk = Walk(client, f"/{program.clinic}?lang=en").go("topic.testimonials")
    walk.go("check", testimonials__first_name="yes").go("child")
    assert walk.forward().page.faults == ["#relation", "#child_name", "#child_born"]
    assert "name" in walk.go("self", child_name="Elza").page.fields
    child = {"relation": "parent", "child_name": "Elza Ozola"}
    born = {"child_born_day": "28", "child_born_month": "2", "child_born_year": "2019"}
    walk.go("child").forward(**child, **born)
    assert "You decide for a child" in walk.page.words
    assert "name" not in walk.page.fields, "the child's name is the name"
    walk.forward(email=ANNA)
    receipt = program.receipt(receipt_number(walk.save())).json()
    assert (receipt["actor"], receipt["evidence"]) == ("guardian", {"guardian": "parent"})


def test_a_link_asks_for_no_contact_that_it_proves(client: Client, portal: RunningPortal) -> None:
    """From the topics straight to the check."""
    program = portal.open_clinic()
    made = program.call("links", {"links": [{"email": ANNA, "purposes": ["newsletter"]}]}).json()
    target = f"/{program.clinic}?{made['links'][0]['url'].partition('?')[2]}".split("&lang")[0]
    walk = Walk(client, f"{target}&lang=en").forward()
    assert "1 of 1" in walk.page.words
    walk.forward(newsletter__email="yes")
    assert "Check your answers" in walk.page.words
    receipt_number(walk.save())
    assert program.states(email=ANNA)["newsletter.email"] == "granted"


def test_a_state_that_is_worthless_begins_anew_with_every_answer(client: Client) -> None:
    """A page left open too long costs a patient some taps, never an answer."""
    walk = Walk(client, f"/{RIGA}?lang=en").forward()
    walk.fields["state"] = "forged"
    walk.forward(newsletter__email="yes")
    assert (walk.answer.status, walk.page.alerts) == (422, 1)
    assert "You decide what we may do with your data" in walk.page.words
    assert (NEWS, "yes") in walk.forward().page.chosen


def test_a_step_may_be_kept_by_the_patients_own_browser_alone(
    client: Client, portal: RunningPortal
) -> None:
    """Back shows the page at once on a phone; on a tablet that patients share nothing is kept."""
    clinic = portal.open_clinic().clinic
    for place, caching in (
        (f"/{clinic}", "private, max-age=7200"),
        (f"/{clinic}/kiosk", "no-store"),
    ):
        walk = Walk(client, f"{place}?lang=en")
        assert walk.answer.headers["cache-control"] == "no-store", "a new visit is a new form"
        for answer in (walk.forward().answer, walk.go("no").answer):
            assert answer.headers["cache-control"] == caching


def test_what_is_shown_stands_in_the_kept_document_in_its_order(
    client: Client, portal: RunningPortal
) -> None:
    """Every sentence of every step, nothing typed, in every clinic and language (GDPR 7(1))."""
    for clinic, lang in _languages(portal):
        for place in (f"/{clinic}", f"/{clinic}/kiosk"):
            _is_kept_in_order(client, place, lang)


def _is_kept_in_order(client: Client, place: str, lang: str) -> None:
    clinic = _clinic(place.split("/")[1])
    start = Walk(client, f"{place}?lang={lang}")
    state = state_of(_signed_as(place), clinic.id, {"state": [start.page.fields["state"]]})
    assert state is not None
    kept = Sentences(client.get(f"/{clinic.id}/shown/{state.sha256}").text).found
    questions = {f"decision.{each}": "yes" for each in clinic.questions}
    topics = [start.go(f"topic.{purpose.id}").answer for purpose in clinic.purposes]
    steps = [client.get(start.target), *topics]
    some = next(
        f"decision.{each}"
        for each, question in clinic.questions.items()
        if not question.needs & {"email", "phone"}
    )
    sent = {"state": start.page.fields["state"], "go": "check"}
    ways = [questions, {some: "yes"}]
    contacts = [client.post(start.target, {**sent, **way}) for way in ways]
    child = []
    if clinic.guardian:
        child = [client.post(start.target, {**sent, **questions, "go": "child"})]
    check = client.post(start.target, {**sent, "go": "check"})
    for contact in contacts:
        parts = [*steps, contact, *child, check]
        shown = [words for part in parts for words in Sentences(part.text).found]
        rest = iter(kept)
        missing = [words for words in shown if words not in rest]
        assert missing == [], f"{place} {lang}"


def _signed_as(place: str) -> str:
    return "pages/kiosk/consent.html" if place.endswith("/kiosk") else "pages/consent.html"


def test_the_page_with_all_questions_is_still_there(client: Client, portal: RunningPortal) -> None:
    """For printing, for embedding and for whoever prefers it; its receipt shows that page."""
    program = portal.open_clinic()
    target = f"/{program.clinic}?view=all&lang=en"
    page = open_page(client, target)
    assert "?lang=lv&view=all" in page.links
    assert "?lang=en&view=all" in open_page(client, f"/{program.clinic}?lang=en").links
    wrong = client.post(target, {"state": page.fields["state"], NEWS: "yes"})
    assert (wrong.status, Page(wrong).chosen) == (422, [(NEWS, "yes")])
    assert len(re.findall('class="yn"', wrong.text)) == len(_clinic(program.clinic).questions)
    sent = client.post(target, {"state": page.fields["state"], NEWS: "no"})
    receipt = program.receipt(receipt_number(sent)).json()
    kept = client.get(f"/{program.clinic}/shown/{receipt['notice']['sha256']}").text
    assert "1 of 4" not in kept
    assert kept.count('class="yn"') == len(_clinic(program.clinic).questions)


def test_tbilisi_asks_for_a_phone_first(client: Client) -> None:
    """Where patients are known by phone, that is what the page offers first."""
    walk = Walk(client, f"/{TBILISI}?lang=en").go("topic.testimonials")
    walk.go("check", testimonials__text="yes")
    assert ("by", "phone") in walk.page.chosen
    assert "+995 555 12 34 56" in walk.page.words


@pytest.mark.parametrize(
    ("said", "label", "other"),
    [
        ({"testimonials__first_name": "yes"}, ">First name<", ">First and last name<"),
        (
            {"testimonials__first_name": "yes", "data_sharing__skincare_maker": "yes"},
            ">First and last name<",
            ">First name<",
        ),
    ],
)
def test_no_more_of_a_name_is_asked_for_than_a_yes_needs(
    client: Client, said: dict[str, str], label: str, other: str
) -> None:
    """Who lets the first name alone be shown writes the first name alone."""
    walk = Walk(client, f"/{RIGA}?lang=en").go("check", **said)
    assert label in walk.answer.text
    assert other not in walk.answer.text
