"""The day's work at a clinic: what is listed, counted and done: chalicelib/services/worklists.py."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from chalicelib.domain.api_keys import SCOPES, BearerKey
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.instants import Instant
from chalicelib.domain.publications import Place
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.staff import Role, scopes_of
from chalicelib.domain.subjects import Subject
from chalicelib.portal import Portal
from chalicelib.services import decisions, publications, worklist_people, worklists
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.publications import NewPublication
from chalicelib.services.subject_rights import erase
from chalicelib.services.worklist_rows import (
    MOST_COUNTED,
    ListCount,
    NothingToDoError,
    Row,
    UnknownRowError,
)
from chalicelib.services.worklist_tasks import GivenUp
from chalicelib.services.worklists import WORKLISTS, DeedForm, lists_for
from chalicelib.store import audit, bounces, outbox, people
from chalicelib.store.keys.key import SHARDS
from chalicelib.store.keys.messages import outbox_key
from chalicelib.store.keys.people import person_key
from chalicelib.store.keys.webhooks import unacknowledged_key
from infra.operator import publish
from tests.cast import ANNA, ANNA_PHONE, CLINICS, GIORGI, RIGA, TBILISI, publish_edition
from tests.factories import EMAIL_NEWS, EVENING, MORNING, NEXT_DAY, a_decision, on_paper
from tests.jobs.test_housekeeping import decide, keep
from tests.messages.outgoing import Sorting
from tests.policies import under_policy_of
from tests.services.test_races import somebody
from tests.store.people import only_person, signed

STORED = 10_000
NUMBER = Contact(ContactKind.REFERENCE, "P-1042")
NO_FORM = DeedForm()
LATER_VERSION = "2026-11-22T20:00:00.000Z"


def a_call(
    portal: Portal,
    clinic: str = RIGA,
    at: Instant = NEXT_DAY,
    *,
    body: Any = None,
    scopes: Iterable[str] = SCOPES,
    contacts: tuple[Contact, ...] = (),
) -> AuthorizedCall[Any]:
    """Give a call by somebody at a clinic's desk."""
    key = BearerKey("staff_0123456789ab", clinic, "Ilze", tuple(scopes), MORNING)
    lookup = portal.directory.look_up(clinic, contacts)
    shared = portal.clinics.with_all_past_questions(lookup.published)
    base = "https://portal.example.org"
    return AuthorizedCall(key, body or EmptyBody(), lookup, at, shared, base, "once")


def rows(portal: Portal, name: str, clinic: str = RIGA, at: Instant = NEXT_DAY) -> list[Row]:
    """Give the first page of a list, as the desk's function reads it."""
    with under_policy_of(portal, "api_handler"):
        return list(WORKLISTS[name].page(portal, a_call(portal, clinic, at), "").rows)


def do(
    portal: Portal, name: str, deed: str, row: str, form: DeedForm = NO_FORM, **called: Any
) -> None:
    """Press a button of a row."""
    call = a_call(portal, **called)
    with under_policy_of(portal, "api_handler"):
        worklists.act(portal, call, WORKLISTS[name], deed, row, form)


def count(portal: Portal, name: str, clinic: str = RIGA, at: Instant = NEXT_DAY) -> ListCount:
    """Count a list."""
    with under_policy_of(portal, "api_handler"):
        return worklists.count_all(portal, a_call(portal, clinic, at))[name]


def deeds(portal: Portal, clinic: str = RIGA) -> list[str]:
    """Give what the audit of the day says was done."""
    lines = audit.lines_between(portal.table, clinic, "2026-11-23", "2026-11-24")
    return [each.told["call"] for each in lines]


def a_later_notice(portal: Portal) -> None:
    """Publish a MAJOR version that ends every consent."""
    document = publish.read_file(CLINICS / f"{RIGA}.yaml").document
    later = publish.make_edition({**document, "version": "2.0"})
    assert publish_edition(portal.table, portal.clinics, later, LATER_VERSION)


def store_many(portal: Portal, person: Subject) -> None:
    """Store ten thousand people like one."""
    name, at_once = portal.settings.table, 25
    for first in range(0, STORED, at_once):
        requests = []
        for number in range(first, first + at_once):
            subject = f"{number % 16:x}{number:031x}"
            key = person_key(RIGA, subject)
            blob = people.dump_person(replace(person, id=subject, contacts={}))
            item = {"pk": {"S": key.pk}, "sk": {"S": key.sk}, "blob": {"B": blob}}
            requests.append({"PutRequest": {"Item": item}})
        portal.table.client.batch_write_item(RequestItems={name: requests})


def test_a_yes_that_waits_is_listed_and_reminded_of_within_the_limits(
    portal: Portal, post: Sorting
) -> None:
    """Reception sees a masked address, presses once, and the mail comes again; not twice a minute."""
    decide(portal, ANNA, at=MORNING)
    decide(portal, somebody(1), at=MORNING, clinic=TBILISI)
    post.round()
    [row] = rows(portal, "waiting")
    assert (row.at, row.questions, row.who) == (MORNING, (EMAIL_NEWS,), ("a•••@e•••.org",))
    assert row.receipt == row.id
    post.empty()
    do(portal, "waiting", "remind", row.id)
    post.round()
    assert len(post.mails(ANNA)) == 1
    with pytest.raises(TooManyError):
        do(portal, "waiting", "remind", row.id)
    with pytest.raises(NotFoundError):
        do(portal, "waiting", "remind", row.id, clinic=TBILISI)
    assert "worklists/waiting" in deeds(portal)
    assert "worklists/remind" in deeds(portal)


def test_who_answered_meanwhile_is_not_reminded(portal: Portal) -> None:
    """The page was open for a while; nobody is asked for what is settled."""
    decide(portal, ANNA, at=MORNING)
    [row] = rows(portal, "waiting")
    decisions.record(portal, on_paper({EMAIL_NEWS: "no"}, EVENING, EVENING), signed(ANNA))
    with pytest.raises(NothingToDoError):
        do(portal, "waiting", "remind", row.id)
    assert rows(portal, "waiting") == []


def test_a_superseded_consent_is_listed_until_a_link_was_sent(
    portal: Portal, post: Sorting
) -> None:
    """One link for each new notice, to the person's own contact; the other clinic sends none."""
    paper = on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING)
    decisions.record(portal, paper, signed(ANNA, NUMBER))
    a_later_notice(portal)
    post.round()
    post.empty()
    [row] = rows(portal, "superseded")
    assert set(row.who) == {"a•••@e•••.org", "P-1042"}
    assert row.at == LATER_VERSION
    with pytest.raises(UnknownRowError):
        do(portal, "superseded", "link", row.id, clinic=TBILISI)
    with pytest.raises(NothingToDoError):
        do(portal, "ending", "link", row.id)
    do(portal, "superseded", "link", row.id)
    with pytest.raises(NothingToDoError):
        do(portal, "superseded", "link", row.id)
    post.round()
    [mail] = post.mails(ANNA)
    assert "/m/" in str(mail) or "/manage/" in str(mail)
    assert rows(portal, "superseded") == []


def test_a_link_that_waits_is_forgotten_with_the_person(portal: Portal, post: Sorting) -> None:
    """Who is erased gets no mail any more, not even one that was asked for."""
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(ANNA))
    a_later_notice(portal)
    post.round()
    post.empty()
    [row] = rows(portal, "superseded")
    do(portal, "superseded", "link", row.id)
    assert erase(portal, RIGA, row.subject, "key_0", NEXT_DAY) is not None
    post.round()
    assert post.mails(ANNA) == []
    assert rows(portal, "superseded") == []


def test_a_consent_that_ends_soon_is_listed_by_its_end(portal: Portal) -> None:
    """A link sent before its end lets the person renew it in time."""
    ends = "2027-01-10T00:00:00.000Z"
    paper = on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING, endings={EMAIL_NEWS: ends})
    decisions.record(portal, paper, signed(ANNA))
    [row] = rows(portal, "ending")
    assert row.at == ends
    do(portal, "ending", "link", row.id)
    assert rows(portal, "ending") == []


def test_the_lists_of_people_are_counted_by_the_daily_walk(portal: Portal) -> None:
    """The number is of a moment that the page names; before the first there is none."""
    decide(portal, ANNA, at=MORNING)
    decide(portal, somebody(1), at=MORNING)
    assert count(portal, "waiting") == ListCount(None)
    keep(portal, EVENING)
    assert count(portal, "waiting") == ListCount(2, first=MORNING, counted_at=EVENING)
    assert count(portal, "ending") == ListCount(0, counted_at=EVENING)
    assert count(portal, "waiting", TBILISI).number == 0
    next_week = "2026-11-30T09:00:00.000Z"
    count(portal, "waiting", at=next_week)
    keep(portal, next_week)
    assert count(portal, "waiting", at=next_week) == ListCount(0, counted_at=next_week)


def test_a_contact_that_bounces_is_listed_for_its_own_clinic(portal: Portal) -> None:
    """Reception opens the person and asks for another address."""
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(ANNA, NUMBER))
    lookup = portal.clinics.key(RIGA).lookup(ANNA)
    bounces.mark_undeliverable(portal.table, RIGA, lookup, "bounce", EVENING)
    [row] = rows(portal, "bounced")
    assert (row.kind, row.reason, row.at) == ("email", "bounce", EVENING)
    assert row.subject == only_person(portal, RIGA, ANNA).id
    assert count(portal, "bounced") == ListCount(1, first=EVENING)
    assert rows(portal, "bounced", TBILISI) == []
    assert count(portal, "bounced", TBILISI) == ListCount(0)


def test_a_photo_is_taken_down_place_by_place(portal: Portal) -> None:
    """The last tick takes it off the list; another clinic's row is not there."""
    decisions.record(portal, on_paper({EMAIL_NEWS: "no"}, MORNING, MORNING), signed(ANNA))
    places = tuple(Place(where, "2026-03-01", "Editor") for where in ("Website", "Brochure"))
    body = NewPublication((ANNA,), "testimonials.photo", places)
    publications.record(portal, a_call(portal, body=body, contacts=(ANNA,)))
    assert count(portal, "take-downs").number == 2
    first, second = rows(portal, "take-downs")
    assert (first.detail["where"], second.detail["where"]) == ("Website", "Brochure")
    form = DeedForm("2026-11-23", "Ilze")
    with pytest.raises(NotFoundError):
        do(portal, "take-downs", "removed", first.id, form, clinic=TBILISI)
    for wrong in (first.subject, f"{first.id}9", f"{first.id[:-1]}²", ""):
        with pytest.raises(NotFoundError):
            do(portal, "take-downs", "removed", wrong, form)
    do(portal, "take-downs", "removed", first.id, form)
    assert [row.id for row in rows(portal, "take-downs")] == [second.id]
    do(portal, "take-downs", "removed", second.id, form)
    assert rows(portal, "take-downs") == []


def dead_messages(portal: Portal, post: Sorting, *contacts: Contact) -> None:
    """Let messages fail until they are given up."""
    for contact in contacts:
        decide(portal, contact, at=MORNING)
    post.office.fail("InternalFailure", 500)
    for _ in range(outbox.MAX_TRIES):
        post.round(timedelta(hours=6))
    post.office.mend()


def test_whom_a_dead_message_is_to_is_for_those_alone_who_look_people_up(
    portal: Portal, post: Sorting
) -> None:
    """An administrator opens no person's record, and reads no contact or number here either."""
    dead_messages(portal, post, ANNA)
    for role in (Role.RECEPTION, Role.ADMINISTRATOR):
        asked = a_call(portal, scopes=scopes_of(role))
        [row] = WORKLISTS["dead"].page(portal, asked, "").rows
        assert bool(row.who) == bool(row.subject) == (role is Role.RECEPTION)
        assert row.id


def test_a_dead_message_is_sent_again_or_let_go_of(portal: Portal, post: Sorting) -> None:
    """Either way it leaves the list, and the audit says who did it and why."""
    dead_messages(portal, post, ANNA, somebody(1))
    assert count(portal, "dead").number == 2
    by_who = {row.who: row for row in rows(portal, "dead")}
    anna, other = by_who["a•••@e•••.org",], by_who["p•••@e•••.org",]
    assert anna.kind == outbox.DECIDED
    with pytest.raises(UnknownRowError):
        do(portal, "dead", "requeue", anna.id, clinic=TBILISI)
    with pytest.raises(NothingToDoError):
        do(portal, "dead", "requeue", anna.id)  # its receipt is being signed
    for item in list(outbox.unsigned_items(portal.table)):
        outbox.note_signed(portal.table, item)
    do(portal, "dead", "requeue", anna.id)
    do(portal, "dead", "give-up", other.id, DeedForm(reason=GivenUp.TOLD_OTHERWISE))
    assert rows(portal, "dead") == []
    assert count(portal, "dead") == ListCount(0)
    assert outbox.dead_letters(portal.table, RIGA) == []
    with pytest.raises(UnknownRowError):
        do(portal, "dead", "give-up", anna.id)
    assert portal.table.get([outbox_key(RIGA, anna.id)])
    assert {"worklists/requeue", "worklists/give-up/told_otherwise"} <= set(deeds(portal))


def test_another_deed_than_the_lists_own_is_not_there(portal: Portal) -> None:
    """What an address or a button may say is what is written here."""
    decide(portal, ANNA, at=MORNING)
    [row] = rows(portal, "waiting")
    for deed in ("link", "erase", ""):
        with pytest.raises(UnknownRowError):
            do(portal, "waiting", deed, row.id)


def test_each_role_has_the_lists_it_works_on() -> None:
    """Marketing sees no person's record, and who keeps the programs sees no patient's wishes."""
    own = {name: WORKLISTS[name].scopes for name in WORKLISTS}
    assert [each.name for each in lists_for(("notices:write", "export:read"))] == ["drafts"]
    assert [each.name for each in lists_for(("stats:read",))] == []
    assert {each.name for each in lists_for(("status:read", "receipts:write", "links:write"))} == {
        name for name in own if name not in {"unacknowledged", "drafts"}
    }


def test_ten_thousand_people_are_paged_and_counting_reads_none_of_them(
    portal: Portal, round_trips: list[str]
) -> None:
    """A page looks at a thousand at most; each row stands on one page, and only once."""
    decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), signed(GIORGI))
    call = a_call(portal)
    round_trips.clear()
    worklists.count_all(portal, call)
    few = len(round_trips)
    store_many(portal, only_person(portal, RIGA, GIORGI))
    a_later_notice(portal)
    call = a_call(portal)
    round_trips.clear()
    worklists.count_all(portal, call)
    assert len(round_trips) <= few + 1
    seen: list[str] = []
    after: str | None = ""
    pages = 0
    while after is not None and pages < 8:
        round_trips.clear()
        page = worklist_people.page_of(WORKLISTS["superseded"].people, portal, call, after)  # type: ignore[arg-type]
        assert len(round_trips) <= len(SHARDS) + 3
        assert len(page.rows) <= 50
        seen += [row.id for row in page.rows]
        after, pages = page.more, pages + 1
    assert len(seen) == len(set(seen)) == 8 * 50
    empty = worklist_people.page_of(WORKLISTS["ending"].people, portal, call, "")  # type: ignore[arg-type]
    assert (empty.rows, empty.looked_at) == ([], worklist_people.LOOKED_AT)
    assert empty.more is not None


def test_ten_thousand_deliveries_are_counted_as_more_than_a_hundred(portal: Portal) -> None:
    """The desk's first page costs the same on the worst day."""
    name = portal.settings.table
    for first in range(0, STORED, 25):
        requests = []
        for number in range(first, first + 25):
            key = unacknowledged_key(RIGA, f"msg_{1_700_000_000_000 + number:012x}{number:024x}")
            item = {"pk": {"S": key.pk}, "sk": {"S": key.sk}, "body": {"S": "tool"}}
            requests.append({"PutRequest": {"Item": item}})
        portal.table.client.batch_write_item(RequestItems={name: requests})
    found = count(portal, "unacknowledged")
    assert (found.number, found.more) == (MOST_COUNTED, True)
    assert found.first == "2023-11-14T22:13:20.000Z"
    assert count(portal, "unacknowledged", TBILISI).is_empty


def test_both_contacts_of_a_person_name_their_row(portal: Portal) -> None:
    """Reception recognizes a family's phone beside the e-mail, and reads neither."""
    decisions.record(portal, a_decision({EMAIL_NEWS: "yes"}), signed(ANNA, ANNA_PHONE))
    a_later_notice(portal)
    [row] = rows(portal, "superseded")
    assert set(row.who) == {"a•••@e•••.org", "+371 ••• 456"}
