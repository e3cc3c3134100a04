"""A day's paper forms are entered as a batch: each number once, each form one receipt, and whoever
goes on finds what was entered.
"""

from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.batches import BATCH_KEPT, MAX_FORMS, Numbering, UncountedNumberError
from chalicelib.domain.consent import Answer, Channel, State
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import instant, moment
from chalicelib.portal import Portal
from chalicelib.services import batches
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody, InvalidBodyError
from chalicelib.services.batches import (
    BatchClosedError,
    BatchFullError,
    BatchView,
    NewBatch,
    NumberTakenError,
)
from chalicelib.services.staff_decisions import RecordedReceipt, StaffDecision
from chalicelib.services.subject_rights import erase
from chalicelib.store import audit
from chalicelib.store.batches import UnknownBatchError, form_writes
from chalicelib.store.keys.jobs import batch_form_key, batch_key
from chalicelib.store.writes import AddCounts
from tests.cast import ANNA, RIGA, TBILISI
from tests.factories import EMAIL_NEWS, EVENING, LATER, MORNING, NEXT_DAY, SMS_NEWS
from tests.store.people import BELLA, only_person, state

ILZE, OTHER = "staff_0123456789ab", "staff_ba9876543210"
DAY = "2026-11-20"


def a_call(portal: Portal, body: Any, *, by: str = ILZE, clinic: str = RIGA) -> AuthorizedCall[Any]:
    """Give a call of somebody at the reception."""
    key = BearerKey(by, clinic, "Ilze", ("receipts:write",), MORNING)
    lookup = portal.directory.look_up(clinic, body.contacts)
    shared = portal.clinics.with_all_past_questions(lookup.published)
    return AuthorizedCall(key, body, lookup, EVENING, shared, "https://portal.example.org")


def begun(portal: Portal, first: str = "P-2026/098", **changed: Any) -> str:
    """Begin a batch of the forms of one day, and give its id."""
    new = replace(NewBatch(DAY, None, "lv", first, "Ilze Liepa"), **changed)
    return batches.start_batch(portal, a_call(portal, new)).id


def entered(
    portal: Portal,
    batch: str,
    number: str,
    contact: Contact,
    *,
    nonce: str = "",
    by: str = ILZE,
    now: str = EVENING,
    **answers: str,
) -> RecordedReceipt:
    """Enter one form of a batch."""
    kept = batches.find_batch(portal, RIGA, batch)
    said = answers or {"newsletter__email": "yes", "newsletter__sms": "no"}
    clinic = portal.clinics.in_force(RIGA).clinic
    at, day = batches.day_of(clinic, kept.batch.day)
    taken = StaffDecision(
        contacts=(contact,),
        name="Anna Ozola",
        answers={name.replace("__", "."): Answer(answer) for name, answer in said.items()},
        everything=False,
        channel=Channel.PAPER,
        effective_at=at,
        evidence={"form": number, "witness": kept.batch.witness},
        lang="lv",
        notice_version=None,
        day=day,
    )
    call = replace(a_call(portal, taken, by=by), now=now)
    return batches.record_form(portal, call, kept, number, nonce or f"page {number[-3:]}")


def seen(portal: Portal, batch: str, page: int = 1) -> BatchView:
    """Look at a page of a batch."""
    return batches.view_batch(portal, a_call(portal, EmptyBody()), batch, page)


def test_numbers_follow_from_the_first_one() -> None:
    """Zeros in front are kept, and a number written otherwise counts nothing."""
    numbering = Numbering.from_first("P-2026/098")
    assert numbering == Numbering("P-2026/", 98, 3)
    following = [numbering.after(last) for last in (None, 98, 999)]
    assert following == ["P-2026/098", "P-2026/099", "P-2026/1000"]
    assert [numbering.counter(each) for each in ("P-2026/101", "X-101", "P-2026/", "")] == [
        101,
        None,
        None,
        None,
    ]
    assert Numbering.from_first("7").after(7) == "8"
    for uncounted in ("", "first", "P-", "12a"):
        with pytest.raises(UncountedNumberError):
            Numbering.from_first(uncounted)


def test_each_form_leads_to_a_receipt_and_the_next_number_is_ready(portal: Portal) -> None:
    """Whoever goes on finds the count, the next number and what was entered, the last first."""
    batch = begun(portal)
    first = entered(portal, batch, "P-2026/098", ANNA)
    entered(portal, batch, "P-2026/099", BELLA, now=NEXT_DAY, newsletter__email="no")
    assert state(portal, RIGA, ANNA, EMAIL_NEWS) is State.GRANTED
    assert state(portal, RIGA, ANNA, SMS_NEWS) is State.REFUSED
    evidence = first.receipt.document
    assert (evidence["channel"], evidence["effective_date"]) == ("paper", DAY)
    view = seen(portal, batch)
    assert (view.kept.forms, view.kept.next_number) == (2, "P-2026/100")
    told = [(form.number, form.contacts, dict(form.answers)) for form in view.forms]
    assert (
        told
        == [
            ("P-2026/099", ("b•••@e•••.org",), {EMAIL_NEWS: "no"}),
            ("P-2026/098", ("a•••@e•••.org",), {EMAIL_NEWS: "yes", SMS_NEWS: "no"}),
        ]
        or told[::-1] == told
    )  # of one moment: either order
    assert view.forms[1].receipt == first.receipt.id
    assert view.forms[1].subject == only_person(portal, RIGA, ANNA).id


def test_a_number_is_refused_a_second_time_and_the_first_is_named(portal: Portal) -> None:
    """Also where a colleague entered it, and where it is another form of the same person."""
    batch = begun(portal)
    first = entered(portal, batch, "P-2026/098", ANNA)
    for contact, by, number in (
        (BELLA, ILZE, "P-2026/098"),
        (BELLA, OTHER, " P-2026/098 "),
        (ANNA, ILZE, "P-2026/098"),
    ):
        with pytest.raises(NumberTakenError) as refused:
            entered(portal, batch, number, contact, by=by, nonce="another page")
        assert (refused.value.receipt, refused.value.free) == (first.receipt.id, "P-2026/099")
    assert state(portal, RIGA, BELLA, EMAIL_NEWS) is State.NEVER_ASKED
    assert seen(portal, batch).kept.forms == 1
    other = begun(portal)
    entered(portal, other, "P-2026/098", BELLA)  # another pile may have the same numbers
    assert state(portal, RIGA, BELLA, EMAIL_NEWS) is State.GRANTED


def test_a_form_that_is_sent_twice_is_one(portal: Portal) -> None:
    """A second press of Enter records nothing, and the page that was changed meanwhile is refused."""
    batch = begun(portal)
    receipts = [entered(portal, batch, "P-2026/098", ANNA).receipt.id for _ in range(2)]
    assert receipts[0] == receipts[1]
    assert only_person(portal, RIGA, ANNA).version == 1
    assert seen(portal, batch).kept.forms == 1
    with pytest.raises(NumberTakenError):
        entered(portal, batch, "P-2026/098", ANNA, now=NEXT_DAY, newsletter__email="no")


def test_a_number_that_somebody_takes_at_the_same_moment_leads_to_one_receipt(
    portal: Portal,
) -> None:
    """The number and the receipt are written together or not at all."""
    batch = begun(portal)
    kept = batches.find_batch(portal, RIGA, batch)
    entered(portal, batch, "P-2026/098", ANNA)
    key = portal.clinics.key(RIGA)
    place = batches.batches.form_place(key, batch, "P-2026/098")
    form = batches.batches.find_form(portal.table, place)
    assert form is not None
    taken, count = form_writes(place, kept.batch, form)
    assert (taken.key, count) == (place, AddCounts(batch_key(RIGA, batch), {"forms": 1}))
    assert not portal.table.put_new(taken)  # type: ignore[arg-type]  # it is there


def test_a_closed_batch_takes_nothing_until_it_is_opened_again(portal: Portal) -> None:
    """Closing twice is closing once."""
    batch, call = begun(portal), a_call(portal, EmptyBody())
    for _ in range(2):
        batches.set_closed(portal, call, batch, closed=True)
    assert seen(portal, batch).batch.closed_at == EVENING
    with pytest.raises(BatchClosedError):
        entered(portal, batch, "P-2026/098", ANNA)
    batches.set_closed(portal, call, batch, closed=False)
    entered(portal, batch, "P-2026/098", ANNA)
    assert seen(portal, batch).kept.forms == 1


def test_a_full_batch_takes_no_more(portal: Portal) -> None:
    """Its list stays one that can be read in a moment."""
    batch = begun(portal)
    portal.table.write([AddCounts(batch_key(RIGA, batch), {"forms": MAX_FORMS})])
    with pytest.raises(BatchFullError):
        entered(portal, batch, "P-2026/098", ANNA)


def test_another_clinic_finds_no_batch(portal: Portal) -> None:
    """Neither by its id nor in its list."""
    batch = begun(portal)
    call = a_call(portal, EmptyBody(), clinic=TBILISI)
    with pytest.raises(UnknownBatchError):
        batches.view_batch(portal, call, batch)
    with pytest.raises(UnknownBatchError):
        batches.set_closed(portal, call, batch, closed=True)
    assert batches.list_batches(portal, call) == ([], None)
    [kept], more = batches.list_batches(portal, a_call(portal, EmptyBody()))
    assert (kept.batch.id, more) == (batch, None)


def test_of_an_erased_person_the_batch_shows_nothing(portal: Portal) -> None:
    """Neither the contact nor the number that staff wrote on the form."""
    batch = begun(portal)
    entered(portal, batch, "P-2026/098", ANNA)
    erase(portal, RIGA, only_person(portal, RIGA, ANNA).id, "key_1", EVENING)
    [form] = seen(portal, batch).forms
    assert (form.erased, form.number, form.contacts) == (True, "", ())


def test_whoever_looks_at_a_batch_is_in_the_audit(portal: Portal) -> None:
    """By opaque ids, as any other look-up."""
    batch = begun(portal)
    entered(portal, batch, "P-2026/098", ANNA)
    seen(portal, batch)
    lines = list(audit.lines_of(portal.table, RIGA, EVENING[:10]))
    calls = [(line["key"], line["call"]) for line in lines]
    assert {(ILZE, "batches/start"), (ILZE, "receipts"), (ILZE, "batches")} <= set(calls)
    [looked] = [line for line in lines if line["call"] == "batches"]
    assert (looked["about"], looked["subjects"]) == (batch, [only_person(portal, RIGA, ANNA).id])


def test_what_staff_typed_stands_nowhere_in_clear_and_goes_by_itself(portal: Portal) -> None:
    """The witness, and what is written on the forms."""
    batch = begun(portal)
    entered(portal, batch, "P-2026/098", ANNA)
    places = [batch_key(RIGA, ""), batch_form_key(RIGA, batch, "")]
    items = [item for place in places for item in portal.table.partition(place.pk, "")]
    assert len(items) == len(places)
    for item in items:
        held = repr((item.key, item.body, item.blob, item.texts))
        assert "Liepa" not in held
        assert "P-2026" not in held
        assert item.ttl == int((moment(EVENING) + BATCH_KEPT).timestamp())


@pytest.mark.parametrize(
    ("changed", "pointer"),
    [
        ({"day": LATER[:10]}, "/effective_at"),
        ({"day": "1999-12-31"}, "/effective_at"),
        ({"first_number": "form"}, "/first_number"),
        ({"first_number": f"{'9' * 200}-1"}, "/first_number"),
        ({"notice_version": "7.0"}, "/notice_version"),
    ],
)
def test_a_batch_that_cannot_be_is_not_begun(
    portal: Portal, changed: dict[str, str], pointer: str
) -> None:
    """The fault is named, and nothing is kept."""
    new = replace(NewBatch(DAY, None, "lv", "P-1", "Ilze Liepa"), **changed)
    with pytest.raises(InvalidBodyError) as refused:
        batches.start_batch(portal, a_call(portal, new))
    assert [each["pointer"] for each in refused.value.errors] == [pointer]
    assert batches.list_batches(portal, a_call(portal, EmptyBody())) == ([], None)


def test_the_forms_show_the_questions_of_their_day(portal: Portal) -> None:
    """Of a day before the first notice nobody knows what was read: everything may be answered."""
    published = portal.directory.look_up(RIGA).published
    for day in (DAY, "2019-05-06"):
        kept = batches.find_batch(portal, RIGA, begun(portal, day=day))
        clinic = batches.asked_in(portal, published, kept.batch)
        assert EMAIL_NEWS in clinic.questions


def test_hundreds_of_forms_page(portal: Portal) -> None:
    """A page lists 25, and one past the end is the last."""
    batch = begun(portal)
    kept = batches.find_batch(portal, RIGA, batch)
    receipt = entered(portal, batch, "P-2026/098", ANNA).receipt
    form = batches.EnteredForm("", receipt.id, ILZE, instant(moment(EVENING)), "n")
    for number in range(60):
        place = batch_form_key(RIGA, batch, f"{number:032x}")
        portal.table.write(form_writes(place, kept.batch, form))
    views = [seen(portal, batch, page) for page in (1, 3, 99)]
    assert [(view.page, view.pages, len(view.forms)) for view in views] == [
        (1, 3, 25),
        (3, 3, 11),
        (3, 3, 11),
    ]


def test_a_batch_on_the_phone_of_two_people_is_somebody_else_s_form(portal: Portal) -> None:
    """A phone alone may be a family's: what is entered is one person's all the same."""
    phone = Contact(ContactKind.PHONE, "+37126123456")
    batch = begun(portal)
    entered(portal, batch, "P-2026/098", phone, newsletter__sms="yes")
    entered(portal, batch, "P-2026/099", phone, newsletter__sms="no")
    assert state(portal, RIGA, phone, SMS_NEWS) is not State.GRANTED
