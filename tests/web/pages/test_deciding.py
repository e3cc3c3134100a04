"""A patient decides: what is wrong is said beside what was typed, and one form is one receipt."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.instants import instant
from chalicelib.portal import get_portal
from chalicelib.store.shown_pages import CONSENT_PAGE
from chalicelib.web.form_state import FormState, form_secret
from tests.cast import RIGA, TBILISI
from tests.web.client import Answer, Client
from tests.web.page_reader import Page, aged_state, decide, open_page, receipt_number
from tests.web.running import RunningPortal

KAUNAS = "kaunas-polyclinics"
ANNA = "anna.ozola@example.org"
YES = {"decision.newsletter.email": "yes", "email": ANNA}

BAD: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "nothing at all": (RIGA, {}, ["#decision.newsletter.email"]),
    "only a contact": (RIGA, {"email": ANNA}, ["#decision.newsletter.email"]),
    "yes and no": (
        RIGA,
        {"decision.newsletter.email": ["yes", "no"]},
        ["#decision.newsletter.email"],
    ),
    "neither": (RIGA, {"decision.newsletter.email": "maybe"}, ["#decision.newsletter.email"]),
    "the purpose and not its option": (RIGA, {"decision.newsletter": "yes"}, []),
    "no e-mail": (RIGA, {"decision.newsletter.email": "yes", "phone": "26123456"}, ["#email"]),
    "no phone": (RIGA, {"decision.newsletter.sms": "yes", "email": ANNA}, ["#phone"]),
    "no contact": (RIGA, {"decision.testimonials.text": "yes"}, ["#email"]),
    "no name": (RIGA, {"decision.testimonials.first_name": "yes", "email": ANNA}, ["#name"]),
    "a name of spaces": (
        RIGA,
        {"decision.testimonials.first_name": "yes", "email": ANNA, "name": "  "},
        ["#name"],
    ),
    "bad e-mail": (RIGA, {"decision.newsletter.email": "yes", "email": "anna@"}, ["#email"]),
    "bad phone": (RIGA, {"decision.newsletter.sms": "yes", "phone": "12"}, ["#phone"]),
    "bad phone beside a No": (RIGA, {"decision.newsletter.sms": "no", "phone": "12"}, ["#phone"]),
    "a phone no code can come to": (
        RIGA,
        {"decision.newsletter.sms": "yes", "phone": "+44 7911 123456"},
        ["#phone"],
    ),
    "a phone nobody has": (
        RIGA,
        {"decision.newsletter.sms": "yes", "phone": "+371 55555555"},
        ["#phone"],
    ),
    "NUL in the e-mail": (
        RIGA,
        {"decision.newsletter.email": "yes", "email": "anna\0@example.org"},
        ["#email"],
    ),
    "a huge e-mail": (
        RIGA,
        {"decision.newsletter.email": "yes", "email": "a" * 50_000 + "@example.org"},
        ["#email"],
    ),
    "a huge phone": (RIGA, {"decision.newsletter.sms": "yes", "phone": "2" * 50_000}, ["#phone"]),
    "no declaration of age": (KAUNAS, YES, ["#adult"]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_and_nothing_is_stored(
    client: Client, portal: RunningPortal, case: str
) -> None:
    """The same page again, an error summary first, the choices kept."""
    clinic, fields, places = BAD[case]
    state = open_page(client, f"/{clinic}?view=all&lang=en").fields["state"]
    before = portal.items()
    answer = client.post(f"/{clinic}?view=all&lang=en", {"state": state, **fields})
    page = Page(answer)
    assert answer.status == 422
    assert page.faults == places
    assert page.lang == "en"
    for name, value in page.chosen:
        assert value in fields[name]
    if fields.get("decision.newsletter.email") == "yes":
        assert ("decision.newsletter.email", "yes") in page.chosen
    assert len(answer.body) < 100_000
    assert portal.items() == before


def test_errors_are_told_in_the_patients_language(client: Client, portal: RunningPortal) -> None:
    """In every language of every clinic, and in no other."""
    told = {}
    for clinic in portal.api_keys:
        for lang in get_portal().directory.look_up(clinic).published.clinic.languages:
            page = Page(decide(client, clinic, {}, f"?lang={lang}"))
            assert page.lang == lang
            told[lang] = page.words.partition("summary")[0]
    assert len({words[:400] for words in told.values()}) == 5


ATTACKS = [
    '"><script>alert(1)</script>',
    "'\"><img src=x onerror=alert(1)>",
    "</title></style><svg onload=alert(1)>",
    "{{ 7 * 7 }}${7*7}<%= 7 %>",
    "\u202egpj.exe & <b>Ģirts</b>",
]


@pytest.mark.parametrize(("page", "attack"), [*itertools.product(["", "/withdraw"], ATTACKS)])
def test_what_is_typed_is_kept_and_never_becomes_part_of_the_page(
    client: Client, page: str, attack: str
) -> None:
    """HTML and script in any field are text, in the fields and nowhere else."""
    clean = open_page(client, f"/{RIGA}{page}?view=all&lang=en")
    typed = {
        "name": attack,
        "email": attack,
        "phone": attack,
        "purpose": attack,
        "adult": attack,
        "all": attack,
        "decision.newsletter.email": attack,
        "state": attack,
        attack: attack,
    }
    for fields in (typed, {**typed, "state": clean.fields["state"]}):
        again = Page(client.post(f"/{RIGA}{page}?view=all&lang=en", fields))
        kept = {name for name, value in again.fields.items() if value == attack}
        assert kept == ({"email", "phone"} if page else {"name", "email", "phone"})
        assert set(again.tags) - {"div"} <= {*clean.tags, "p"}
        assert attack not in again.words


def test_a_name_with_markup_is_accepted_and_told_to_nobody(client: Client) -> None:
    """A name is kept as typed, sealed; the receipt does not repeat it."""
    answer = decide(client, RIGA, {**YES, "email": "markup@example.org", "name": ATTACKS[0]})
    assert answer.status == 303
    assert "alert(1)" not in client.follow(answer).text


def test_an_open_page_may_be_sent_for_two_hours(client: Client) -> None:
    """A patient who is called in between may finish afterwards."""
    state = aged_state(client, RIGA, timedelta(hours=2, seconds=-30))
    assert (
        client.post(f"/{RIGA}", {"state": state, "decision.newsletter.email": "no"}).status == 303
    )


@pytest.mark.parametrize(
    "case", ["absent", "forged", "cut", "another clinic's", "too old", "from the future"]
)
def test_a_page_that_cannot_be_trusted_is_shown_anew_with_what_was_typed(
    client: Client, portal: RunningPortal, case: str
) -> None:
    """A patient loses no word to a page left open; sent again, the new page is accepted."""
    good = open_page(client, f"/{RIGA}?view=all&lang=en").fields["state"]
    state = {
        "absent": "",
        "forged": good[:-3] + ("AAA" if good[-3] != "A" else "BBB"),
        "cut": good[: len(good) // 2],
        "another clinic's": open_page(client, f"/{TBILISI}").fields["state"],
        "too old": aged_state(client, RIGA, timedelta(hours=2, seconds=30)),
        "from the future": aged_state(client, RIGA, timedelta(hours=-1)),
    }[case]
    typed = {
        "decision.newsletter.email": "yes",
        "email": f"late.{case[:3]}@example.org",
        "name": "Anna",
        "phone": "",
    }
    before = portal.items()
    answer = client.post(f"/{RIGA}?view=all&lang=en", {"state": state, **typed})
    page = Page(answer)
    assert answer.status == 422
    assert (page.faults, page.alerts) == ([], 1)
    assert page.chosen == [("decision.newsletter.email", "yes")]
    assert {name: page.fields[name] for name in ("email", "name")} == {
        name: typed[name] for name in ("email", "name")
    }
    assert portal.items() == before
    assert (
        client.post(f"/{RIGA}?view=all&lang=en", {**typed, "state": page.fields["state"]}).status
        == 303
    )


def test_the_page_of_withdrawal_cannot_be_sent_as_a_consent(
    client: Client, portal: RunningPortal
) -> None:
    """A receipt of a Yes is bound to the text that asked for it, not to another page."""
    state = open_page(client, f"/{RIGA}/withdraw").fields["state"]
    before = portal.items()
    answer = client.post(f"/{RIGA}", {"state": state, **YES})
    assert answer.status == 422
    assert {sk for _, sk in portal.items() - before} <= {"SHOWN"}


def test_a_notice_that_changes_while_the_page_is_open_is_read_before_it_is_agreed_to(
    client: Client, portal: RunningPortal
) -> None:
    """Nobody agrees to a text they have not seen; nothing they chose is lost."""
    program = portal.open_clinic()
    clinic = program.clinic
    typed = {**YES, "decision.newsletter.sms": "no"}
    state = open_page(client, f"/{clinic}?view=all&lang=en").fields["state"]
    portal.republish(
        clinic, "2.0", lambda document: document["texts"]["intro"].update(en="We now ask for more.")
    )
    before = portal.items()
    answer = client.post(f"/{clinic}?view=all&lang=en", {"state": state, **typed})
    page = Page(answer)
    assert answer.status == 422
    assert (page.faults, page.alerts) == ([], 1)
    assert "We now ask for more." in page.words
    assert set(page.chosen) == {
        ("decision.newsletter.email", "yes"),
        ("decision.newsletter.sms", "no"),
    }
    assert {sk for _, sk in portal.items() - before} == {"SHOWN"}
    accepted = client.post(f"/{clinic}?view=all&lang=en", {**typed, "state": page.fields["state"]})
    document = program.receipt(receipt_number(accepted)).json()
    assert document["notice"]["version"] == "2.0"
    assert client.post(f"/{clinic}?view=all&lang=en", {"state": state, **typed}).status == 422


def test_a_no_to_the_older_text_counts_at_once(client: Client, portal: RunningPortal) -> None:
    """Who says No need not read again what has changed."""
    clinic = portal.open_clinic().clinic
    state = open_page(client, f"/{clinic}").fields["state"]
    portal.republish(
        clinic, "2.0", lambda document: document["texts"]["intro"].update(en="We now ask for more.")
    )
    assert (
        client.post(f"/{clinic}", {"state": state, "decision.newsletter.email": "no"}).status == 303
    )


def _led_to(answer: Answer) -> str:
    """Give where a form led, without the sender's own token: that is encrypted anew each time."""
    return answer.location.partition("&saved=")[0]


def test_a_form_sent_again_after_the_notice_changed_gives_its_receipt(
    client: Client, portal: RunningPortal
) -> None:
    """A retry is never told that nothing was saved when it was."""
    clinic = portal.open_clinic().clinic
    fields = {**YES, "state": open_page(client, f"/{clinic}").fields["state"]}
    first = client.post(f"/{clinic}", fields)
    portal.republish(
        clinic, "2.0", lambda document: document["texts"]["intro"].update(en="We now ask for more.")
    )
    assert _led_to(client.post(f"/{clinic}", fields)) == _led_to(first)


def test_the_same_form_sent_twice_is_one_receipt(client: Client, portal: RunningPortal) -> None:
    """A double click, a reload or a Lambda retry changes nothing."""
    program = portal.open_clinic()
    fields = {**YES, "state": open_page(client, f"/{program.clinic}").fields["state"]}
    first = client.post(f"/{program.clinic}", fields)
    again = client.post(f"/{program.clinic}", fields)
    assert _led_to(again) == _led_to(first)
    assert len(program.history(email=ANNA)) == 1
    changed = client.post(f"/{program.clinic}", {**fields, "decision.newsletter.sms": "no"})
    assert receipt_number(changed) != receipt_number(first)


def test_the_receipt_names_the_source_and_the_text_as_it_was_shown(
    client: Client, portal: RunningPortal
) -> None:
    """The clinic can prove which page, in which language, from which poster."""
    program = portal.open_clinic()
    answer = decide(client, program.clinic, YES, "?lang=ru&src=waiting-room&via=qr")
    number = receipt_number(answer)
    document = program.receipt(number).json()
    assert (document["source"], document["channel"], document["notice"]["lang"]) == (
        "waiting-room",
        "qr",
        "ru",
    )
    assert (document["actor"], document["assurance"], document["evidence"]) == (
        "patient",
        "self-asserted",
        None,
    )
    page = client.follow(answer)
    assert number in page.text
    assert document["notice"]["sha256"] in page.text
    assert ANNA not in page.text


def test_a_source_that_is_no_word_is_left_out(client: Client, portal: RunningPortal) -> None:
    """Nobody can smuggle text into a receipt by an address."""
    program = portal.open_clinic()
    answer = decide(client, program.clinic, YES, "?src=%3Cb%3Eanna%40example.org")
    assert program.receipt(receipt_number(answer)).json()["source"] is None


def test_an_adult_who_says_so_may_agree_and_a_no_needs_no_age(client: Client) -> None:
    """The declaration is asked for where it is needed, and for a Yes alone."""
    assert decide(client, KAUNAS, {**YES, "adult": "yes"}).status == 303
    assert decide(client, KAUNAS, {"decision.newsletter.email": "no"}).status == 303


def test_a_page_shown_again_is_not_open_any_longer(client: Client) -> None:
    """Two hours in all, however often something is mended, and in whatever language it is looked
    at.
    """
    secret, soon = (
        form_secret(RIGA, CONSENT_PAGE),
        instant(datetime.now(UTC) + timedelta(minutes=5)),
    )
    state = aged_state(client, RIGA, timedelta(minutes=100))
    opened = FormState.from_token(secret, state, soon)
    assert opened is not None
    for lang in ("lv", "ru", "ru"):
        answer = client.post(
            f"/{RIGA}?lang={lang}", {"state": state, "decision.newsletter.email": "yes"}
        )
        assert answer.status == 422
        state = Page(answer).fields["state"]
        again = FormState.from_token(secret, state, soon)
        assert again is not None
        assert again.opened_at == opened.opened_at
