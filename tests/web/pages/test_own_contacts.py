"""A patient changes or removes a contact on their own page; a new one counts once it has confirmed
itself.
"""

from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind, masked
from chalicelib.domain.links import LinkScope
from tests.cast import ANNA, ANNA_PHONE
from tests.web.api.test_contact_changes import agreed, permitted
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import a_token, carried, token_in
from tests.web.page_reader import Page, open_page
from tests.web.running import RunningPortal

NEW = Contact(ContactKind.EMAIL, "anna.berzina@example.org")
MINE = {"email": ANNA.value, "phone": ANNA_PHONE.value}


@pytest.fixture
def program(portal: RunningPortal) -> Program:
    """Give a clinic that knows Anna by e-mail and phone."""
    opened = portal.open_clinic()
    agreed(opened, **MINE)
    carried(portal)
    return opened


def page_of(portal: RunningPortal, program: Program) -> str:
    """Give the address of Anna's own page, by a link that came to her e-mail."""
    newest = program.history(email=ANNA.value)[-1]["id"]
    return f"/manage/{a_token(portal, program.clinic, ANNA, LinkScope.MANAGE, newest)}?lang=en"


def sent(
    client: Client,
    portal: RunningPortal,
    program: Program,
    contact: Contact,
    place: str,
    **fields: Any,
) -> Answer:
    """Send the form of one of her contacts."""
    name = portal.in_process.clinics.key(program.clinic).lookup(contact)[:12]
    state = open_page(client, place).fields["state"]
    return client.post(place, {"state": state, "act": "contact", "contact": name, **fields})


def test_a_number_that_is_hers_no_longer_is_removed_at_once(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Whoever has it now gets nothing; what she agreed to by e-mail goes on."""
    place = page_of(portal, program)
    assert masked(ANNA_PHONE) in open_page(client, place).words
    answer = sent(client, portal, program, ANNA_PHONE, place, remove="yes")
    assert answer.status == 303
    assert "Your contacts were changed." in Page(client.follow(answer)).words
    assert permitted(program, phone=ANNA_PHONE.value) == ("never_asked", False)
    assert permitted(program, email=ANNA.value) == ("granted", True)
    receipt = program.history(email=ANNA.value)[-1]
    assert (receipt["actor"], receipt["evidence"]) == ("patient", {"contact_removed": "phone"})
    [text] = carried(portal, ANNA_PHONE)
    assert "http" not in text


def test_a_new_address_counts_once_it_is_confirmed_from_there(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Until then the old one stays; afterwards the old one finds nobody, its link opens nothing,
    and it hears of it.
    """
    place = page_of(portal, program)
    answer = sent(client, portal, program, ANNA, place, new="Anna.Berzina@example.org")
    assert answer.status == 303
    assert "until then the old one stays" in Page(client.follow(answer)).words
    assert permitted(program, email=ANNA.value) == ("granted", True)
    assert permitted(program, email=NEW.value) == ("never_asked", False)
    [text] = carried(portal, NEW)
    confirm = f"/confirm/{token_in(text, 'confirm')}?lang=en"
    asked = Page(client.get(confirm)).words
    assert masked(ANNA) in asked
    assert ANNA.value not in asked
    assert client.post(confirm, {}).status == 422, (
        "what opens every link and sends every form confirms nothing"
    )
    assert permitted(program, email=NEW.value) == ("never_asked", False)
    done = client.post(confirm, {"sure": "yes"})
    assert done.status == 303
    assert "Your contacts were changed." in Page(client.follow(done)).words
    assert permitted(program, email=NEW.value) == ("granted", True)
    assert permitted(program, email=ANNA.value) == ("never_asked", False)
    receipt = program.history(email=NEW.value)[-1]
    assert receipt["assurance"] == "contact-confirmed"
    assert receipt["evidence"] == {"contact_removed": "email", "contact_added": "email"}
    assert len(carried(portal, ANNA)) == 1
    assert client.get(place).status == 410
    again = client.post(confirm, {"sure": "yes"})
    assert "There is nothing left to confirm" in Page(again).words
    assert (
        len(program.history(email=NEW.value))
        == len({each["id"] for each in program.history(email=NEW.value)})
        == 2
    )


def test_an_address_mistyped_is_somebody_elses_who_says_no(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Nothing changes, and the stranger learns no name and no address."""
    sent(client, portal, program, ANNA, page_of(portal, program), new=NEW.value)
    [text] = carried(portal, NEW)
    confirm = f"/confirm/{token_in(text, 'confirm')}?lang=en"
    assert "Nothing has changed" in Page(client.post(confirm, {"sure": "no"})).words
    assert permitted(program, email=ANNA.value) == ("granted", True)
    assert permitted(program, email=NEW.value) == ("never_asked", False)


def test_who_was_erased_meanwhile_is_made_known_by_no_confirmation(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """The link in the message opens a page that says that nothing is left."""
    sent(client, portal, program, ANNA, page_of(portal, program), new=NEW.value)
    [text] = carried(portal, NEW)
    assert program.call("erasures", {"subject": {"email": ANNA.value}}).status == 200
    answer = client.post(f"/confirm/{token_in(text, 'confirm')}?lang=en", {"sure": "yes"})
    assert "There is nothing left to confirm" in Page(answer).words
    assert permitted(program, email=NEW.value) == ("never_asked", False)


@pytest.mark.parametrize(
    ("contact", "fields", "said"),
    [
        (ANNA_PHONE, {}, "tick that this one should be removed"),
        (ANNA, {}, "tick that this one should be removed"),
        (ANNA, {"new": "anna"}, "This e-mail address is not complete"),
        (ANNA, {"new": ANNA.value.upper()}, "the contact that you have already"),
        (ANNA_PHONE, {"new": "+37167000000"}, "We cannot send a text message to this number"),
        (NEW, {"remove": "yes"}, "not among yours any more"),
    ],
)
def test_a_form_that_cannot_be_carried_out_changes_nothing(  # noqa: PLR0917 - a visit and a case
    client: Client,
    portal: RunningPortal,
    program: Program,
    contact: Contact,
    fields: dict[str, str],
    said: str,
) -> None:
    """The page comes again and says what to mend; the contact of the link itself is never lost by a
    tick.
    """
    answer = sent(client, portal, program, contact, page_of(portal, program), **fields)
    assert answer.status == 422
    assert said in " ".join(Page(answer).words.split())
    assert len(program.history(email=ANNA.value)) == 1
    assert carried(portal, ANNA, ANNA_PHONE, NEW) == []


def test_the_links_own_contact_is_removed_by_the_clinic_which_finds_it_on_a_list(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Asked twice it is listed once, and no longer once staff have removed it; the page can be
    opened until then.
    """
    place = page_of(portal, program)
    for _ in range(2):
        answer = sent(client, portal, program, ANNA, place, remove="yes")
        assert "The clinic has been told" in Page(client.follow(answer)).words
    assert permitted(program, email=ANNA.value) == ("granted", True)
    [entry] = program.get("contacts/worklist").json()["entries"]
    subject = program.history(email=ANNA.value)[0]["subject"]
    assert (entry["subject"], entry["kind"], entry["reason"]) == (subject, "email", "wish")
    program.call(
        "contacts", {"subject": {"phone": ANNA_PHONE.value}, "remove": {"email": ANNA.value}}
    )
    assert program.get("contacts/worklist").json() == {"entries": []}


def test_a_page_that_was_open_too_long_removes_nothing(
    client: Client, portal: RunningPortal, program: Program
) -> None:
    """Nor does a form that another page sends."""
    place = page_of(portal, program)
    name = portal.in_process.clinics.key(program.clinic).lookup(ANNA_PHONE)[:12]
    answer = client.post(
        place, {"state": "forged", "act": "contact", "contact": name, "remove": "yes"}
    )
    assert answer.status == 422
    assert permitted(program, phone=ANNA_PHONE.value) == ("granted", True)
