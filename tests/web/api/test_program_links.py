"""A link that a clinic's program makes asks, and nothing more: whoever holds its key learns and
decides nothing.
"""

import re
from typing import Any

import pytest

from chalicelib.domain.api_keys import SCOPES
from chalicelib.domain.contacts import Contact
from chalicelib.domain.links import Link, LinkRecipient, LinkScope, LinkSecret
from chalicelib.store import links
from infra.operator import keys
from tests.cast import ANNA, ANNA_PHONE
from tests.pdf_file import PdfFile
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import carried, confirm, token_in
from tests.web.page_reader import Page, legible, open_page, receipt_number
from tests.web.running import RunningPortal

EMAIL, SMS, REVIEW, SKIN = (
    "newsletter.email",
    "newsletter.sms",
    "testimonials.text",
    "data_sharing.skincare_maker",
)
MAIL, NUMBER = {"email": ANNA.value}, {"patient_ref": "P-1007"}
STAFF = {"channel": "in-person", "effective_at": "2026-11-20T10:00:00Z", "name": "Anna Ozola"}


def _inviter(portal: RunningPortal, program: Program) -> Program:
    """Give a program that may make links and nothing else."""
    return Program(program.clinic, portal.new_key(program.clinic, "links:write", label="mailing"))


def _told(program: Program, **decisions: str) -> None:
    """Let staff record what Anna said, who is known by all three contacts."""
    said = {address.replace("__", "."): answer for address, answer in decisions.items()}
    subject = {**MAIL, **NUMBER, "phone": ANNA_PHONE.value}
    assert program.call("receipts", {**STAFF, "subject": subject, "decisions": said}).status == 201


def _place(made: dict[str, Any]) -> str:
    return "/" + str(made["url"]).partition("/api/")[2].partition("&lang")[0] + "&lang=en"


def _link(program: Program, **asked: Any) -> dict[str, Any]:
    [made] = program.call("links", {"links": [asked]}).json()["links"]
    return dict(made)


def _answer(client: Client, place: str, **decisions: str) -> Answer:
    said = {
        f"decision.{address.replace('__', '.')}": answer for address, answer in decisions.items()
    }
    return client.post(place, {"state": open_page(client, place).fields["state"], **said})


@pytest.mark.parametrize("asked", [MAIL, NUMBER, {"phone": ANNA_PHONE.value}])
def test_a_link_shows_nothing_of_a_person_and_leads_to_no_own_page(
    client: Client, portal: RunningPortal, asked: dict[str, str]
) -> None:
    """From the clinic's number nobody gets to the name, the address, the phone or the history
    behind it.
    """
    program = portal.open_clinic()
    inviter = _inviter(portal, program)
    unknown = _link(inviter, **asked)
    before = client.get(_place(unknown))
    _told(program, newsletter__email="yes", testimonials__text="no")
    made = _link(inviter, **asked)
    assert "manage_url" not in made
    shown = client.get(_place(made))
    assert shown.status == before.status == 200
    for secret in ("•••", "Ozola", ANNA.value, ANNA_PHONE.value[-3:]):
        assert secret not in legible(Page(shown).words)
    assert [name for name in Page(shown).fields if name != "state"] == [
        n for n in Page(before).fields if n != "state"
    ]
    assert Page(shown).words == Page(before).words
    withdrawing = client.get(_place(made).replace("?", "/withdraw?"))
    assert withdrawing.status == 200
    assert "•••" not in withdrawing.text


def test_the_own_page_opens_by_no_link_of_a_program_unless_its_key_was_given_that_scope(
    client: Client, portal: RunningPortal
) -> None:
    """Nor by one that was made before there was such a scope."""
    program = portal.open_clinic()
    _told(program, newsletter__email="yes")
    made = _link(portal.managing(program.clinic), **MAIL)
    manage = "/" + made["manage_url"].partition("/api/")[2]
    assert client.get(manage).status == 200
    [old] = _a_link_of_old(portal, program.clinic)
    assert client.get(f"/manage/{old}").status == 410
    assert client.get(f"/manage/{old}").text.count(f"/{program.clinic}/link?") == 1


def _a_link_of_old(portal: RunningPortal, clinic: str) -> list[str]:
    [key] = [each.id for each in keys.all_keys(portal.table, clinic) if each.revoked_at is None][:1]
    link = Link(
        clinic, None, "en", (), None, "2026-11-20T10:00:00.000Z", "2027-11-20T10:00:00.000Z", key
    )
    secrets, handle = portal.in_process.clinics.key(clinic), LinkSecret.fresh()
    portal.table.write(links.link_writes(secrets, [(handle, link, LinkRecipient(ANNA))]))
    return [handle.token(secrets.link_secret(), LinkScope.MANAGE)]


def test_no_key_may_open_own_pages_unless_that_is_asked_for_by_name(portal: RunningPortal) -> None:
    """Not by the everyday scopes, not by all of them, not in the demo."""
    program = portal.open_clinic()
    given = [keys.create(portal.table, program.clinic, "all")[0].scopes, keys.EVERYDAY_SCOPES]
    given += [
        key.scopes for clinic in portal.api_keys for key in keys.all_keys(portal.table, clinic)
    ]
    assert "links:manage" in SCOPES
    assert not [
        scopes for scopes in given if "links:manage" in scopes and len(scopes) < len(SCOPES)
    ]
    assert "links:manage" not in given[0]
    assert "manage_url" not in _link(program, **MAIL)


def test_a_yes_by_a_link_names_the_link_and_the_key_that_made_it(
    client: Client, portal: RunningPortal
) -> None:
    """Whoever doubts it finds out which program asked; and the patient is told at once, by their
    own contact.
    """
    program = portal.open_clinic()
    inviter = _inviter(portal, program)
    [key] = [
        each for each in keys.all_keys(portal.table, program.clinic) if each.label == "mailing"
    ]
    made = _link(inviter, **MAIL)
    receipt = program.receipt(
        receipt_number(_answer(client, _place(made), newsletter__email="yes"))
    ).json()
    assert (receipt["assurance"], receipt["evidence"]) == (
        "link",
        {"link": made["id"], "key": key.id},
    )
    assert program.states(**MAIL)[EMAIL] == "granted"
    assert [text for text in carried(portal, ANNA) if "/manage/" in text]


@pytest.mark.parametrize("asked", [MAIL, NUMBER])
@pytest.mark.parametrize("stopped", ["no", "withdraw"])
def test_what_was_refused_or_withdrawn_waits_until_the_own_contact_confirms_it(
    client: Client, portal: RunningPortal, asked: dict[str, str], stopped: str
) -> None:
    """A No that staff wrote down is not turned into a Yes by a program that follows its own
    link.
    """
    program = portal.open_clinic()
    _told(program, newsletter__email="no" if stopped == "no" else "yes")
    if stopped == "withdraw":
        body = {key: value for key, value in STAFF.items() if key != "name"}
        assert (
            program.call(
                "withdrawals", {**body, "subject": MAIL, "purposes": ["newsletter"]}
            ).status
            == 201
        )
    carried(portal)
    made = _link(_inviter(portal, program), **asked)
    place = _place(made)
    fields = {"email": "somebody.else@example.org", f"decision.{EMAIL}": "yes"}
    answer = client.post(place, {"state": open_page(client, place).fields["state"], **fields})
    assert answer.status == 303
    assert program.states(**MAIL)[EMAIL] == "pending"
    assert "somebody.else" not in str(program.history(**MAIL))
    [asking] = [text for text in carried(portal, ANNA) if "/confirm/" in text]
    assert (
        client.post(
            f"/confirm/{token_in(asking, 'confirm')}", {"sure": "yes", "purpose": EMAIL}
        ).status
        == 303
    )
    assert program.states(**MAIL)[EMAIL] == "granted"
    assert program.history(**MAIL)[-1]["assurance"] == "contact-confirmed"


@pytest.mark.parametrize("form", ["", "&format=html", "&format=pdf"])
def test_whether_a_yes_waits_is_not_told_to_whoever_holds_the_link(
    client: Client, portal: RunningPortal, form: str
) -> None:
    """It would tell that there was a No before: on the receipt's page, and on its copies."""
    pages = []
    for said in ("no", None):
        program = portal.open_clinic()
        if said:
            _told(program, newsletter__email=said)
        answer = _answer(
            client, _place(_link(_inviter(portal, program), **MAIL)), newsletter__email="yes"
        )
        number = receipt_number(answer)
        shown = client.get(f"/{program.clinic}/receipts/{number}?lang=en{form}")
        words = "".join(PdfFile(shown.body).words) if "pdf" in form else Page(shown).words
        words = re.sub(
            r"[0-9a-f]{16,}[-0-9a-z]*|[0-9A-Z]{4}-[0-9A-Z]{4}|z\d{3}|\d\d?:\d\d(?::\d\d)?(?:\.\d+)?Z?",
            "",
            words.replace(number, ""),
        )
        pages.append(words)
    assert pages[0] == pages[1]
    told = "counts once you confirm it there"
    assert "".join(told.split()) in "".join(pages[0].split())


def test_what_the_clinic_has_confirmed_first_is_confirmed_by_a_link_too(
    client: Client, portal: RunningPortal
) -> None:
    """Health data is shared by nobody's word but the patient's."""
    program = portal.open_clinic()
    answer = _answer(
        client,
        _place(_link(_inviter(portal, program), **MAIL, name="Anna Ozola")),
        data_sharing__skincare_maker="yes",
    )
    assert program.states(**MAIL)[SKIN] == "pending"
    confirm(client, portal, program.clinic, answer)
    assert program.states(**MAIL)[SKIN] == "granted"


def test_a_link_proves_no_contact(client: Client, portal: RunningPortal) -> None:
    """Following it makes a contact nobody's own: who confirms from there is believed before."""
    program = portal.open_clinic()
    _answer(client, _place(_link(_inviter(portal, program), **MAIL)), testimonials__text="no")
    [person] = portal.in_process.directory.look_up(program.clinic, [ANNA]).known()
    assert not person.certain


def test_links_die_with_their_key_and_go_on_stopping(client: Client, portal: RunningPortal) -> None:
    """Revoking a key that leaked closes every address it ever made; mails that were sent can still
    be stopped.
    """
    program = portal.open_clinic()
    _told(program, newsletter__email="yes")
    managing = portal.managing(program.clinic)
    made = _link(managing, **MAIL)
    manage = "/" + made["manage_url"].partition("/api/")[2]
    assert {client.get(place).status for place in (_place(made), manage)} == {200}
    for key in keys.all_keys(portal.table, program.clinic):
        if "links:manage" in key.scopes:
            keys.revoke(portal.table, program.clinic, key.id)
    for place in (_place(made), manage):
        closed = client.get(place)
        assert closed.status == 410
        onward = [
            where
            for where in ("/link", "", "/withdraw")
            if f"/{program.clinic}{where}?lang=" in closed.text
        ]
        assert onward == ["/link", "", "/withdraw"]
    stop = "/" + made["unsubscribe_url"].partition("/api/")[2]
    assert client.post(stop, {"List-Unsubscribe": "One-Click"}).status == 200
    assert program.states(**MAIL)[EMAIL] == "withdrawn"


def test_every_opening_leaves_a_line_with_link_and_key_and_no_contact(
    client: Client, portal: RunningPortal
) -> None:
    """Who looked is found out later: by which link, made by which key, at whose data."""
    program = portal.open_clinic()
    _told(program, newsletter__email="yes")
    [person] = portal.in_process.directory.look_up(program.clinic, [ANNA]).known()
    made = _link(portal.managing(program.clinic), **MAIL)
    [key] = [
        each
        for each in keys.all_keys(portal.table, program.clinic)
        if "links:manage" in each.scopes
    ]
    manage = "/" + made["manage_url"].partition("/api/")[2].partition("?")[0]
    stop = "/" + made["unsubscribe_url"].partition("/api/")[2]
    before = len(portal.audit(program.clinic))
    for place in (_place(made), manage, f"{manage}/export/json", stop):
        assert client.get(place).status == 200
    client.post(manage, {"act": "stop"})
    lines = portal.audit(program.clinic)[before:]
    assert [line["call"] for line in lines] == [
        "link",
        "own page",
        "own page",
        "unsubscribe",
        "own page",
    ]
    for line in lines:
        told = (line["key"], line["subjects"], line["link"], line["link_by"])
        assert told == ("patient", [person.id], made["id"], key.id)
    assert ANNA.value not in str(lines)


def test_the_portals_own_link_still_knows_whom_it_was_sent_to(
    client: Client, portal: RunningPortal
) -> None:
    """It went to the person's own contact, by the portal: the page says for whom one answers."""
    program = portal.open_clinic()
    _told(program, newsletter__email="yes")
    secrets, handle = portal.in_process.clinics.key(program.clinic), LinkSecret.fresh()
    [person] = portal.in_process.directory.look_up(program.clinic, [ANNA]).known()
    link = Link(
        program.clinic, person.id, "en", (), None, STAFF_AT, "2027-11-20T10:00:00.000Z", "portal"
    )
    portal.table.write(
        links.link_writes(secrets, [(handle, link, LinkRecipient(Contact(ANNA.kind, ANNA.value)))])
    )
    token = handle.token(secrets.link_secret(), LinkScope.ASK)
    assert "a•••@e•••.org" in client.get(f"/{program.clinic}?t={token}&lang=en").text
    assert (
        client.get(f"/manage/{handle.token(secrets.link_secret(), LinkScope.MANAGE)}").status == 200
    )


STAFF_AT = "2026-11-20T10:00:00.000Z"
