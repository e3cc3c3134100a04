"""One field finds a person by whatever somebody has at hand, and tells nobody who they are not."""

import pytest

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.rate_limits import STAFF_LOOK_UPS, TooManyError
from chalicelib.domain.receipts import Receipt, reference
from chalicelib.portal import Portal
from chalicelib.receipts.printed_code import printed_code
from chalicelib.services import decisions
from chalicelib.services.audit import AuditSearch, search_lines
from chalicelib.services.authorized_call import AuthorizedCall
from chalicelib.services.find_people import MOST, FoundPeople, SoughtPerson, find, read_sought
from chalicelib.services.look_up_limits import alerts
from chalicelib.services.subject_rights import erase
from chalicelib.store.alerts import Alert, AlertKind
from tests.cast import ANNA, ANNA_PHONE, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, MORNING, NEXT_DAY, NOON, a_decision, on_paper
from tests.store.people import BELLA, only_person, signed

NUMBER = Contact(ContactKind.REFERENCE, "K-1402")
STAFF = "staff_0123456789ab"


def a_call(
    portal: Portal, typed: str, clinic: str = RIGA, at: str = NEXT_DAY
) -> AuthorizedCall[SoughtPerson]:
    """Give the call of somebody at the desk who typed something."""
    lookup = portal.directory.look_up(clinic)
    key = BearerKey(STAFF, clinic, "Līga", ("status:read",), MORNING)
    body = read_sought(typed, lookup.published.clinic)
    return AuthorizedCall(key, body, lookup, at, lookup.published.clinic, "")


def found(portal: Portal, typed: str, clinic: str = RIGA, at: str = NEXT_DAY) -> FoundPeople:
    """Find by what somebody typed."""
    return find(portal, a_call(portal, typed, clinic, at))


def decide(portal: Portal, *contacts: Contact, name: str | None = None) -> Receipt:
    """Let somebody with these contacts say Yes."""
    decision = on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING)
    return decisions.record(portal, decision, signed(*contacts, name=name))


def spellings(receipt: Receipt) -> list[str]:
    """Give everything that leads to Anna."""
    short = reference(receipt.id)
    code = printed_code("ra", receipt)
    return [
        "Anna.Ozola@Example.ORG ",
        "26123456",
        "2612 3456",
        "00371 26123456",
        "+371 26 123 456",
        "K-1402",
        short,
        short.lower().replace("-", " "),
        receipt.id,
        f"{receipt.id[:16]} {receipt.id[16:]}",
        code,
        code.upper(),
        f"https://portal.example.org/api/verify#{code}",
        f"https://portal.example.org/api/riga-aesthetics/receipts/{receipt.id}",
    ]


def test_one_field_takes_everything_that_somebody_may_have_at_hand(portal: Portal) -> None:
    """An e-mail, a phone as people write it, the clinic's number, a receipt's reference or code."""
    receipt = decide(portal, ANNA, ANNA_PHONE, NUMBER)
    for typed in spellings(receipt):
        person = found(portal, typed).only
        assert person is not None, typed
        assert person.id == receipt.document["subject"]


def test_the_other_clinic_finds_nobody_by_any_of_it(portal: Portal) -> None:
    """Also not by the code of a receipt, which says whose it is."""
    receipt = decide(portal, ANNA, ANNA_PHONE, NUMBER)
    for typed in spellings(receipt):
        assert found(portal, typed, TBILISI).people == ()


@pytest.mark.parametrize("typed", ["", " ", "@", "nobody@example.org", "7" * 500, "😀", "ŗ"])
def test_what_leads_to_nobody_leads_to_nobody(portal: Portal, typed: str) -> None:
    """Whatever it is: nothing fails."""
    decide(portal, ANNA)
    assert found(portal, typed) == FoundPeople(())


def test_people_who_share_a_phone_are_told_apart_by_what_nobody_can_use(portal: Portal) -> None:
    """Masked contacts, the first letters of the name, and whose phone it is."""
    decide(portal, ANNA, ANNA_PHONE, name="Anna Ozola")
    typed = a_decision({EMAIL_NEWS: "yes"}, NOON)
    decisions.record(portal, typed, signed(BELLA, ANNA_PHONE, name="Б"))
    shared = found(portal, "26123456")
    assert shared.only is None
    assert [each.name for each in shared.people] == ["An•••", "Б•••"]
    assert shared.people[0].contacts == ("a•••@e•••.org", "+371 ••• 456")
    assert "ozola" not in repr(shared)


def test_no_more_than_a_screenful_is_listed_of_a_phone_that_very_many_share(portal: Portal) -> None:
    """A works' phone: the list says that there are more, and asks for another contact."""
    for number in range(MOST + 2):
        decide(portal, Contact(ContactKind.REFERENCE, f"K-{number}"), ANNA_PHONE)
    shared = found(portal, "26123456")
    assert (len(shared.people), shared.more) == (MOST, True)


def test_an_erased_person_is_found_by_a_receipt_alone(portal: Portal) -> None:
    """Whoever brings the paper is told that the person was erased."""
    receipt = decide(portal, ANNA)
    erase(portal, RIGA, only_person(portal, RIGA, ANNA).id, "key_1", NOON)
    assert found(portal, "anna.ozola@example.org").people == ()
    [gone] = found(portal, reference(receipt.id)).people
    assert gone.person.erased


def test_the_audit_says_who_was_found_and_never_what_was_typed(portal: Portal) -> None:
    """Nobody found is a line too."""
    receipt = decide(portal, ANNA)
    find(portal, a_call(portal, "anna.ozola@example.org"), reason="at-desk")
    found(portal, "nobody@example.org")
    search = AuditSearch(MORNING, "2026-12-01T00:00:00.000Z", deed="people/find")
    first, second = [line.told for line in search_lines(portal.table, RIGA, search).lines]
    lines = sorted([first, second], key=lambda each: -len(each["subjects"]))
    assert [each["subjects"] for each in lines] == [[receipt.document["subject"]], []]
    assert [each.get("about") for each in lines] == ["at-desk", None]
    assert {each["key"] for each in lines} == {STAFF}
    assert "example.org" not in repr(lines)


def test_very_many_look_ups_are_refused_and_the_administrators_told_once(
    portal: Portal,
) -> None:
    """A stolen session reads a few dozen people; a little later a look-up is possible again."""
    decide(portal, ANNA)
    for _ in range(STAFF_LOOK_UPS.burst):
        assert found(portal, "anna.ozola@example.org").only
    for _ in range(3):
        with pytest.raises(TooManyError) as refused:
            found(portal, "anna.ozola@example.org")
    assert refused.value.minutes == 1
    assert alerts(portal.table, RIGA) == [Alert(AlertKind.LOOK_UPS, STAFF, NEXT_DAY)]
    assert alerts(portal.table, TBILISI) == []
    search = AuditSearch(MORNING, "2026-12-01T00:00:00.000Z", deed="people/limit")
    [line] = search_lines(portal.table, RIGA, search).lines
    assert line.told["about"] == STAFF
    assert found(portal, "anna.ozola@example.org", at="2026-11-23T09:00:20.000Z").only
