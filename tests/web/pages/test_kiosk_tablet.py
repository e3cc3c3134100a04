"""A paired tablet: paired by a code, handed over to one person by another, nothing left after."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.kiosks import CODE_HOLDS, HANDED_OVER_FOR
from chalicelib.portal import get_portal
from chalicelib.services import hand_over, kiosks
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.hand_over import (
    GuardianDecidesError,
    HandOverEndedError,
    NewHandOver,
    NoContactError,
    NoTabletError,
)
from chalicelib.services.kiosks import (
    NewTablet,
    TabletNameError,
    TabletNameTakenError,
    WrongCodeError,
)
from chalicelib.services.subject_rights import erase
from chalicelib.services.visitor import Visitor
from tests.cast import RIGA, TBILISI
from tests.web.client import Answer, Client, Fields, Program
from tests.web.desk_calls import ILZE, desk_call
from tests.web.page_reader import Page
from tests.web.running import RunningPortal, counts_at_once

ANNA, ANNA_PHONE = "anna.ozola@example.org", "+371 26 123 456"
NEWS, TEXTS = "newsletter.email", "newsletter.sms"
RECEPTION = Visitor("10.0.0.0/24", "https://portal.example.org/api")


class Tablet:
    """The browser of a tablet: it keeps its cookie."""

    def __init__(self, clinic: str) -> None:
        self.clinic = clinic
        self.client = Client()
        self.cookie = ""

    @property
    def headers(self) -> dict[str, str]:
        """What it sends with each request."""
        return {"Cookie": f"theme=dark; {self.cookie}"} if self.cookie else {}

    def get(self, page: str = "") -> Answer:
        """Open a page of the kiosk."""
        return self.client.get(f"/{self.clinic}/kiosk{page}", self.headers)

    def post(self, page: str, fields: Fields) -> Answer:
        """Send a form of the kiosk."""
        return self.client.post(f"/{self.clinic}/kiosk{page}", fields, self.headers)

    def pair(self, code: str) -> Answer:
        """Type the code that pairs it."""
        answer = self.post("/pair?lang=en", {"code": code})
        if "set-cookie" in answer.headers:
            self.cookie, _, _ = answer.headers["set-cookie"].partition(";")
        return answer

    def take(self, code: str) -> Answer:
        """Type a person's code."""
        return self.post("/code?lang=en", {"code": code})

    def send(self, shown: Answer, fields: Fields) -> Answer:
        """Send the form of a page that it shows, with these fields."""
        return self.post("/code?lang=en", {**Page(shown).fields, **fields})


def pairing_code(clinic: str, name: str = "reception-1", now: Instant | None = None) -> str:
    """Make the code for a tablet at the desk."""
    call = desk_call(clinic, NewTablet(name), "keys:write", now=now)
    return kiosks.make_pairing_code(get_portal(), call).code


def a_tablet(clinic: str, name: str = "reception-1") -> Tablet:
    """Give a tablet that is paired with a clinic."""
    tablet = Tablet(clinic)
    assert tablet.pair(pairing_code(clinic, name)).status == 303
    return tablet


def ago(time: timedelta) -> Instant:
    """Give the moment so long ago."""
    return instant(moment(get_portal().clock()) - time)


def known(program: Program, **subject: str) -> str:
    """Record a form that somebody signed at the desk, and give their opaque id."""
    body = {
        "subject": subject,
        "decisions": {NEWS: "no"},
        "channel": "paper",
        "effective_at": "2026-11-20T10:00:00Z",
        "evidence": {"form": "F-17"},
    }
    answer = program.call("receipts", body)
    assert answer.status == 201, answer.text
    return str(answer.json()["subject"])


def handed(program: Program, subject: str, *asked: str, now: Instant | None = None) -> str:
    """Make the code at the desk that hands a tablet over to a person."""
    call = desk_call(program.clinic, NewHandOver(subject, asked), "receipts:write", now=now)
    return hand_over.hand_over(get_portal(), call).code


def test_a_tablet_is_paired_by_the_code_of_the_desk_and_names_itself_as_the_source(
    portal: RunningPortal,
) -> None:
    """Whoever sets the tablet up types six digits; no address with a secret, no script needed."""
    clinic = portal.open_clinic().clinic
    tablet = Tablet(clinic)
    assert "script" not in Page(tablet.get("/pair?lang=en")).tags
    answer = tablet.pair(pairing_code(clinic, "reception-1"))
    assert answer.location == f"{tablet.client.mount}/{clinic}/kiosk?src=reception-1"
    cookie = answer.headers["set-cookie"]
    for part in ("__Host-tablet=", "Path=/", "Secure", "HttpOnly", "SameSite=Strict"):
        assert part in cookie
    assert "Domain" not in cookie
    [listed] = kiosks.list_tablets(get_portal(), desk_call(clinic, EmptyBody()))
    assert (listed.name, listed.paired_by) == ("reception-1", ILZE)
    assert listed.secret not in cookie, "the table keeps a hash"
    assert cookie.partition(".")[2].partition(";")[0].encode() not in portal.everything()
    assert "/code?lang=en" in tablet.get("?src=reception-1").text
    assert "/code?lang=en" not in Client().get(f"/{clinic}/kiosk").text


def test_a_pairing_code_works_once_within_ten_minutes_at_its_own_clinic(
    portal: RunningPortal,
) -> None:
    """A code that somebody reads over a shoulder opens nothing afterwards."""
    clinic = portal.open_clinic().clinic
    code = pairing_code(clinic)
    assert Tablet(TBILISI).pair(code).status == 422
    assert Tablet(clinic).pair(f" {code[:3]} {code[3:]} ").status == 303
    again = Tablet(clinic).pair(code)
    assert again.status == 422
    assert Page(again).faults == ["#code"]
    assert "set-cookie" not in again.headers
    late = pairing_code(clinic, "late", ago(CODE_HOLDS))
    assert Tablet(clinic).pair(late).status == 422
    for nonsense in ("", "12345", "1234567", "abcdef", "١٢٣٤٥٦", "' OR 1", "9" * 10_000):
        assert Tablet(clinic).pair(nonsense).status == 422, nonsense


def test_guesses_at_a_pairing_code_end_for_a_network_and_for_the_clinic(
    portal: RunningPortal,
) -> None:
    """A million codes, and a dozen guesses: who guesses on is told to wait."""
    clinic = portal.open_clinic().clinic
    tablet = Tablet(clinic)
    tries = [tablet.pair(f"{number:06d}").status for number in range(13)]
    assert tries == [422] * 12 + [429]
    refused = tablet.pair("000000")
    assert int(refused.headers["retry-after"]) > 0
    others = [Tablet(clinic).pair("000000").status for _ in range(60)]
    assert others.count(422) <= 60 - 12 + 1
    assert others[-1] == 429


def test_a_name_is_free_fits_a_receipt_and_is_free_again_once_revoked(
    portal: RunningPortal,
) -> None:
    """Statistics tell tablets apart by their names."""
    clinic = portal.open_clinic().clinic
    a_tablet(clinic, "reception-1")
    with pytest.raises(TabletNameTakenError):
        pairing_code(clinic, "reception-1")
    for name in ("", "Reception 1", "планшет", "x" * 33, "kiosk:1"):
        with pytest.raises(TabletNameError):
            pairing_code(clinic, name)
    [tablet] = kiosks.list_tablets(get_portal(), desk_call(clinic, EmptyBody()))
    kiosks.revoke_tablet(get_portal(), desk_call(clinic, EmptyBody()), tablet.id)
    assert pairing_code(clinic, "reception-1")


def test_a_revoked_tablet_is_at_once_one_that_was_never_paired(portal: RunningPortal) -> None:
    """A tablet that was stolen takes no code; the consent page works on it as for anybody."""
    program = portal.open_clinic()
    subject = known(program, email=ANNA)
    tablet, other = a_tablet(program.clinic), a_tablet(program.clinic, "reception-2")
    shown = tablet.take(handed(program, subject))
    assert shown.status == 200
    listed = kiosks.list_tablets(get_portal(), desk_call(program.clinic, EmptyBody()))
    stolen = next(each for each in listed if each.name == "reception-1")
    with pytest.raises(NotFoundError):
        kiosks.revoke_tablet(get_portal(), desk_call(RIGA, EmptyBody()), stolen.id)
    kiosks.revoke_tablet(get_portal(), desk_call(program.clinic, EmptyBody()), stolen.id)
    start = f"{tablet.client.mount}/{program.clinic}/kiosk"
    assert tablet.send(shown, {f"decision.{NEWS}": "yes"}).location == start
    assert tablet.take(handed(program, subject)).location == start
    assert tablet.get("/code?lang=en").location == start
    assert tablet.get("?lang=en").status == 200
    assert other.take(handed(program, subject)).status == 200
    assert len(program.history(email=ANNA)) == 1


def test_a_persons_answers_go_into_their_own_record_and_nothing_of_it_is_shown(
    portal: RunningPortal,
) -> None:
    """The desk knows who it is, so the person types nothing; whoever looks over their shoulder
    learns nothing.
    """
    program = portal.open_clinic(change=counts_at_once)
    subject = known(program, email=ANNA, phone=ANNA_PHONE)
    tablet = a_tablet(program.clinic)
    first = tablet.take(handed(program, subject))
    assert first.status == 200
    topic = tablet.send(first, {"go": "topic.newsletter"})
    check = tablet.send(topic, {f"decision.{NEWS}": "yes", "go": "contact"})
    check = tablet.send(check, {"adult": "yes", "go": "check"})
    for page in (first, topic, check):
        assert page.status == 200
        assert page.headers["cache-control"] == "no-store"
        assert not re.search("anna|26123456|26 123", page.text)
        token = Page(page).fields["handed"]
        assert not [link for link in Page(page).links if token in link]
    done = tablet.send(check, {})
    assert done.status == 200
    assert "anna" not in done.text
    assert "handed" not in Page(done).fields
    first_receipt, receipt = program.history(email=ANNA)
    assert receipt["subject"] == subject
    assert (receipt["version"], receipt["previous"]) != (1, None)
    assert receipt["version"] == first_receipt["version"] + 1
    told = {name: receipt[name] for name in ("channel", "source", "assurance", "actor")}
    assert told == {
        "channel": "kiosk",
        "source": "reception-1",
        "assurance": "staff-witnessed",
        "actor": "patient",
    }
    assert receipt["evidence"]["staff"] == ILZE
    assert program.states(email=ANNA)[NEWS] == "granted", "who was seen need confirm nothing"
    assert set(portal.program(TBILISI).states(email=ANNA).values()) == {"never_asked"}


def test_after_the_answers_the_tablet_is_nobodys(portal: RunningPortal) -> None:
    """The next one finds no page of the one before, and cannot answer in their place."""
    program = portal.open_clinic()
    tablet = a_tablet(program.clinic)
    code = handed(program, known(program, email=ANNA))
    shown = tablet.take(code)
    answers = {f"decision.{NEWS}": "yes"}
    assert tablet.send(shown, answers).status == 200
    start = f"{tablet.client.mount}/{program.clinic}/kiosk"
    other = tablet.send(shown, {f"decision.{NEWS}": "no"})
    assert (other.status, other.location) == (303, start)
    assert tablet.take(code).status == 422
    assert len(program.history(email=ANNA)) == 2
    assert program.states(email=ANNA)[NEWS] == "granted"


def test_a_form_sent_twice_leads_to_one_receipt(portal: RunningPortal) -> None:
    """An impatient finger is no second decision."""
    program = portal.open_clinic()
    tablet = a_tablet(program.clinic)
    shown = tablet.take(handed(program, known(program, email=ANNA)))
    answers = {f"decision.{NEWS}": "yes"}
    sent = [tablet.send(shown, answers) for _ in range(2)]
    assert [answer.status for answer in sent] == [200, 200]
    assert len(program.history(email=ANNA)) == 2


def test_the_time_of_a_code_and_of_a_handed_over_tablet_ends(portal: RunningPortal) -> None:
    """A code left on a slip of paper, and a tablet left on a chair, are nobody's soon."""
    program = portal.open_clinic()
    tablet = a_tablet(program.clinic)
    subject = known(program, email=ANNA)
    late = handed(program, subject, now=ago(CODE_HOLDS))
    assert tablet.take(late).status == 422
    now = get_portal().clock()
    [listed] = kiosks.paired_tablets(get_portal(), program.clinic)
    code = handed(program, subject)
    token = hand_over.take_code(get_portal(), listed, code, RECEPTION, now)
    assert hand_over.find_handed_over(get_portal(), listed, token, now).person.id == subject
    over = instant(moment(now) + HANDED_OVER_FOR)
    with pytest.raises(HandOverEndedError):
        hand_over.find_handed_over(get_portal(), listed, token, over)


def test_a_code_works_at_one_paired_tablet_of_its_clinic_and_nowhere_else(
    portal: RunningPortal,
) -> None:
    """Neither another clinic's tablet, nor a second one, nor a patient's phone."""
    program = portal.open_clinic()
    tablet, second = a_tablet(program.clinic), a_tablet(program.clinic, "reception-2")
    abroad = a_tablet(portal.open_clinic().clinic)
    code = handed(program, known(program, email=ANNA))
    phone = Tablet(program.clinic)
    assert phone.take(code).status == 303
    assert abroad.take(code).status == 422
    shown = tablet.take(code)
    assert shown.status == 200
    assert second.take(code).status == 422
    answers = {f"decision.{NEWS}": "yes"}
    for stranger in (second, phone):
        assert stranger.send(shown, answers).status == 303
    forged = {**Page(shown).fields, **answers, "handed": "0" * 32 + ".x"}
    assert tablet.post("/code?lang=en", forged).status == 303
    borrowed = Tablet(RIGA)
    borrowed.cookie = tablet.cookie
    assert borrowed.take(code).status == 303
    assert len(program.history(email=ANNA)) == 1


def test_guesses_at_a_persons_code_end_at_the_tablet(portal: RunningPortal) -> None:
    """Whoever took a tablet, or its cookie, guesses a dozen times and then once a minute."""
    program = portal.open_clinic()
    tablet = a_tablet(program.clinic)
    tries = []
    for number in range(13):
        tablet.client = Client()  # from another network each time
        tries.append(tablet.take(f"{number:06d}").status)
    assert tries == [422] * 12 + [429]


def test_the_desk_hands_over_to_known_people_with_a_certain_contact_alone(
    portal: RunningPortal,
) -> None:
    """A Yes is never bound to a contact that a stranger may have typed."""
    program = portal.open_clinic()
    subject = known(program, email=ANNA)
    with pytest.raises(NoTabletError):
        handed(program, subject)
    a_tablet(program.clinic)
    assert handed(program, subject)
    with pytest.raises(NotFoundError):
        handed(portal.program(RIGA), subject)
    with pytest.raises(NotFoundError):
        handed(program, "0" * 32)
    numbered = known(program, patient_ref="A-1")
    with pytest.raises(NoContactError):
        handed(program, numbered)


def test_a_contact_that_was_only_typed_serves_once_the_desk_asked_for_it(
    portal: RunningPortal,
) -> None:
    """Anybody can type Anna's phone beside an e-mail of their own: the desk names what is hers."""
    program = portal.open_clinic()
    tablet = a_tablet(program.clinic)
    page = Client().get(f"/{program.clinic}/kiosk?view=all&lang=en")
    form = {"state": Page(page).fields["state"], "email": ANNA, "phone": ANNA_PHONE}
    sent = Client().post(
        f"/{program.clinic}/kiosk?view=all&lang=en", {**form, f"decision.{NEWS}": "yes"}
    )
    assert sent.status == 200
    [claim] = program.history(phone=ANNA_PHONE)
    subject = claim["subject"]
    call = desk_call(program.clinic, NewHandOver(subject), "receipts:write")
    offered = {each.contact.kind: each for each in hand_over.offered_contacts(get_portal(), call)}
    assert not any(each.proven for each in offered.values())
    with pytest.raises(NoContactError):
        handed(program, subject)
    shown = tablet.take(handed(program, subject, offered["phone"].id))
    assert f"decision.{NEWS}" not in tablet.send(shown, {"go": "topic.newsletter"}).text
    done = tablet.send(shown, {f"decision.{TEXTS}": "yes"})
    assert done.status == 200
    assert program.states(phone=ANNA_PHONE)[TEXTS] == "granted"
    assert program.states(email=ANNA).get(TEXTS, "never_asked") != "granted", "maybe a stranger's"


def test_an_erased_person_has_no_tablet(portal: RunningPortal) -> None:
    """Who was forgotten between the code and the answer is not written down anew."""
    program = portal.open_clinic()
    tablet = a_tablet(program.clinic)
    subject = known(program, email=ANNA)
    shown = tablet.take(handed(program, subject))
    waiting = handed(program, subject)
    assert erase(get_portal(), program.clinic, subject, ILZE, get_portal().clock())
    assert tablet.send(shown, {f"decision.{NEWS}": "yes"}).status == 303
    assert tablet.take(waiting).status == 303
    assert set(program.states(email=ANNA).values()) == {"never_asked"}


def test_a_child_is_not_decided_for_on_a_handed_over_tablet(portal: RunningPortal) -> None:
    """The desk saw one person: nobody else is decided for, and a child's record takes a
    guardian's word at the desk alone.
    """
    program = portal.open_clinic("vilnius-dental")
    tablet = a_tablet(program.clinic)
    body = {
        "subject": {"email": ANNA},
        "name": "Nino",
        "decisions": {NEWS: "no"},
        "channel": "in-person",
        "effective_at": get_portal().clock(),
        "evidence": {"form": "G-1"},
        "guardian": {"relation": "parent", "child_born": "2018-05-01"},
    }
    answer = program.call("receipts", body)
    assert answer.status == 201, answer.text
    with pytest.raises(GuardianDecidesError):
        handed(program, answer.json()["subject"])
    assert tablet.cookie


def test_a_changed_notice_is_read_again_before_a_yes_counts(portal: RunningPortal) -> None:
    """Staff saw who answered, not what they read: the text in force has to be shown."""
    program = portal.open_clinic()
    tablet = a_tablet(program.clinic)
    shown = tablet.take(handed(program, known(program, email=ANNA)))
    portal.republish(program.clinic, "1.1")
    answers = {f"decision.{NEWS}": "yes"}
    again = tablet.send(shown, answers)
    assert again.status == 422
    assert Page(again).fields["handed"] == Page(shown).fields["handed"]
    assert tablet.send(again, answers).status == 200
    assert program.history(email=ANNA)[-1]["notice"]["version"] == "1.1"


def test_two_tablets_that_take_one_code_at_once_are_one(portal: RunningPortal) -> None:
    """The second finds it used, whichever was first."""
    program = portal.open_clinic()
    a_tablet(program.clinic), a_tablet(program.clinic, "reception-2")
    one, other = kiosks.paired_tablets(get_portal(), program.clinic)
    code = handed(program, known(program, email=ANNA))
    now = get_portal().clock()
    assert hand_over.take_code(get_portal(), one, code, RECEPTION, now)
    with pytest.raises(WrongCodeError):
        hand_over.take_code(get_portal(), other, code, RECEPTION, now)


def test_a_tablet_is_noted_as_seen_once_a_day(portal: RunningPortal) -> None:
    """The desk sees which tablet lies in a drawer; the table is not written with every visit."""
    program = portal.open_clinic()
    tablet = a_tablet(program.clinic)
    [stored] = [
        each
        for each in [kiosks.find_tablet(get_portal(), program.clinic, tablet.cookie[14:])]
        if each
    ]
    old = replace(stored.tablet, seen_on="2026-01-01")
    portal.table.put(kiosks.kiosks.new(old))
    assert tablet.get().status == 200
    [seen] = kiosks.paired_tablets(get_portal(), program.clinic)
    assert seen.seen_on == get_portal().clock()[:10]
    before = portal.everything()
    assert tablet.get().status == 200
    assert portal.everything() == before
