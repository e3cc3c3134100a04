"""The hourly round: everybody is attended to once, however often it comes round and wherever it had
to stop.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, count
from typing import Any

import pytest

from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact
from chalicelib.domain.reminders import reminders_for
from chalicelib.jobs import housekeeping, publication_walk
from chalicelib.jobs.catch_up import clear_erased
from chalicelib.jobs.housekeeping import HousekeepingRun, run_housekeeping
from chalicelib.portal import Portal
from chalicelib.services import decisions, withdrawals
from chalicelib.services.subject_rights import erase
from chalicelib.store import people, reminders
from chalicelib.store.keys.key import SHARDS
from chalicelib.store.keys.messages import letter_key
from chalicelib.store.keys.people import person_key
from chalicelib.store.writes import Replace
from infra.operator import publish
from tests.cast import ANNA, ANNA_PHONE, CLINICS, RIGA, TBILISI, publish_edition
from tests.factories import EMAIL_NEWS, EVENING, MORNING, a_decision, on_paper
from tests.policies import under_policy_of
from tests.services.test_races import somebody
from tests.store.people import only_person, signed, state
from tests.store.test_secrecy import NAME, every_item

BASE = "https://portal.example.org/api"
HALF = "2026-11-25T20:15:00.000Z"
OVER = "2026-11-29T08:15:00.000Z"


def keep(
    portal: Portal, at: str, out_of_time: Callable[[], bool] = lambda: False
) -> HousekeepingRun:
    """Let the round come."""
    with under_policy_of(portal, "housekeeping"):
        return run_housekeeping(portal, at, out_of_time)


def decide(portal: Portal, contact: Contact, **changed: Any) -> None:
    """Let somebody say Yes to the newsletter on the clinic's page."""
    decision = a_decision({EMAIL_NEWS: "yes"}, confirm=frozenset({EMAIL_NEWS}), **changed)
    decisions.record(portal, decision, replace(signed(contact), base=BASE))


def unasked(portal: Portal) -> list[dict[str, Any]]:
    """Give what waits in the outbox that nobody asked for."""
    items = chain.from_iterable(
        portal.table.partition(letter_key("", shard).pk, "") for shard in SHARDS
    )
    return [json.loads(item.body or "") for item in items]


def test_a_number_in_the_outbox_needs_the_clinics_key_and_one_from_before_is_still_carried_out(
    portal: Portal,
) -> None:
    """Whoever knows a person's id and receipts computes none; what waited before the change is told
    too.
    """
    decide(portal, ANNA)
    published, key = portal.directory.look_up(RIGA).published, portal.clinics.key(RIGA)
    anna = only_person(portal, RIGA, ANNA)
    [letter] = reminders.due_reminders(anna, published, HALF)
    plain = hashlib.sha256(f"{anna.id}|{letter.kind}|{letter.reference}".encode()).hexdigest()[:32]
    assert reminders.enqueue_reminder(portal.table, key, anna, letter, BASE)
    assert not portal.table.get([letter_key(RIGA, plain)])
    keyed = key.outbox_number(anna.id, letter.kind, letter.reference)
    assert portal.table.get([letter_key(RIGA, keyed)])
    for number, due in ((plain, letter), (keyed, letter), ("0" * 32, None)):
        assert reminders.current_reminder(key, number, anna, published, HALF) == due


def test_a_reminder_is_left_in_the_outbox_once(portal: Portal) -> None:
    """With all that whoever sends it needs, and no contact in clear."""
    decide(portal, ANNA)
    assert keep(portal, EVENING).done["reminded"] == 0
    assert [keep(portal, HALF).done["reminded"] for _ in range(3)] == [1, 0, 0]
    [word] = unasked(portal)
    anna = only_person(portal, RIGA, ANNA)
    claim = anna.summaries[EMAIL_NEWS].claim
    assert claim is not None
    assert word == {
        "kind": "reminder",
        "clinic": RIGA,
        "subject": anna.id,
        "lang": "lv",
        "base": BASE,
        "receipt": claim.receipt_id,
        "version": 1,
        "addresses": [EMAIL_NEWS],
        "until": OVER,
    }, "what says nothing is left out"
    [item] = [
        each for each in every_item(portal) if '"reminder"' in each.get("body", {}).get("S", "")
    ]
    number = item["sk"]["S"].partition("#")[2]
    sealed = portal.clinics.key(RIGA).decrypt(
        anna.id, anna.salt, f"unsent#{number}", item["blob"]["B"]
    )
    assert sealed == "[]", "it goes to the contacts the person is known by"


def test_two_rounds_at_once_leave_one_message(portal: Portal) -> None:
    """What two have read as untold, one of them tells."""
    decide(portal, ANNA)
    anna, key = only_person(portal, RIGA, ANNA), portal.clinics.key(RIGA)
    due = reminders_for(anna, portal.directory.look_up(RIGA).published.published, HALF)
    first, second = (
        reminders.unsent_reminders(portal.table, RIGA, [(anna, due)]) for _ in range(2)
    )
    assert first == second
    [(person, [letter])] = first
    assert [
        reminders.enqueue_reminder(portal.table, key, person, letter, BASE) for _ in range(2)
    ] == [True, False]
    assert len(unasked(portal)) == 1
    assert reminders.unsent_reminders(portal.table, RIGA, [(anna, due)]) == [(anna, [])]


def test_a_yes_nobody_confirmed_is_erased_when_its_time_is_over(portal: Portal) -> None:
    """The contact may be a stranger's; three years later nothing is left at all."""
    decide(portal, ANNA)
    anna = only_person(portal, RIGA, ANNA)
    assert keep(portal, OVER).done["erased"] == 1
    assert portal.directory.look_up(RIGA, [ANNA]).known() == ()
    with under_policy_of(portal, "catch_up"):
        clear_erased(portal, lambda: False)
    until = people.person(portal.table, RIGA, anna.id).proof_until
    assert until == "2029-11-29T08:15:00.000Z"
    assert keep(portal, "2029-11-29T08:14:59.999Z").done["deleted"] == 0
    assert keep(portal, until).done["deleted"] == 1
    assert list(people.iter_people(portal.table, RIGA)) == []


def test_whoever_decides_while_the_round_goes_is_not_erased(portal: Portal) -> None:
    """A Yes entered between the round's look and its erasure is kept: it is judged again in that
    same moment.
    """
    decide(portal, ANNA)

    events = portal.table.client.meta.events

    def meanwhile(parsed: Any, **_: Any) -> None:
        if "#ROLL#" in str(parsed):  # the round has read her
            events.unregister("after-call.dynamodb.BatchGetItem", meanwhile)
            decisions.record(portal, on_paper({EMAIL_NEWS: "yes"}, OVER, OVER), signed(ANNA))

    events.register("after-call.dynamodb.BatchGetItem", meanwhile)
    assert run_housekeeping(portal, OVER, lambda: False).done["erased"] == 0
    assert only_person(portal, RIGA, ANNA).version == 2


def test_a_contact_that_only_ever_withdrew_goes_within_days(portal: Portal) -> None:
    """A stranger's address typed to stop things is not kept for years; a form on paper from before
    finds it stopped.
    """
    for contact in (ANNA, ANNA_PHONE):
        withdrawals.withdraw(portal, a_decision({EMAIL_NEWS: "withdraw"}, EVENING), signed(contact))
    assert keep(portal, "2026-12-22T18:29:59.999Z").done["erased"] == 0
    decisions.record(
        portal,
        on_paper({EMAIL_NEWS: "yes"}, MORNING, "2026-12-21T09:00:00.000Z"),
        signed(ANNA_PHONE),
    )
    assert keep(portal, "2026-12-22T18:30:00.000Z").done["erased"] == 1
    assert portal.directory.look_up(RIGA, [ANNA]).known() == ()
    with under_policy_of(portal, "catch_up"):
        clear_erased(portal, lambda: False)
    lookup = portal.clinics.key(RIGA).lookup(ANNA)
    assert not [
        item for item in every_item(portal) if lookup in str(item) or ANNA.value in str(item)
    ]
    assert (
        state(portal, RIGA, ANNA_PHONE, EMAIL_NEWS, "2026-12-23T00:00:00.000Z") is State.WITHDRAWN
    )


def test_a_consent_that_ended_is_forgotten_when_the_notice_says_so(portal: Portal) -> None:
    """Riga keeps its proof for three years, Tbilisi for one, and what is in force is kept."""
    for clinic in (RIGA, TBILISI):
        decisions.record(
            portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING, clinic=clinic), signed(ANNA)
        )
        decisions.record(
            portal,
            on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING, clinic=clinic),
            signed(somebody(1)),
        )
        withdrawals.withdraw(
            portal, a_decision({EMAIL_NEWS: "withdraw"}, EVENING, clinic=clinic), signed(ANNA)
        )
    left = []
    for at in ("2027-11-22T18:29:59.999Z", "2027-11-22T18:30:00.000Z", "2029-11-22T18:30:00.000Z"):
        for _ in range(2):  # erased first, then forgotten
            assert keep(portal, at).whole
        left.append(
            [len(list(people.iter_people(portal.table, clinic))) for clinic in (RIGA, TBILISI)]
        )
    assert left == [[2, 2], [2, 1], [1, 1]]


def test_a_new_notice_is_told_once_to_whom_it_concerns(portal: Portal) -> None:
    """By its number, with the consents that no longer count."""
    decisions.record(
        portal, on_paper({EMAIL_NEWS: "yes"}, MORNING, MORNING), replace(signed(ANNA), base=BASE)
    )
    decisions.record(
        portal,
        on_paper({EMAIL_NEWS: "no"}, MORNING, MORNING),
        replace(signed(somebody(1)), base=BASE),
    )
    document = publish.read_file(CLINICS / f"{RIGA}.yaml").document
    ready = publish.make_edition({**document, "version": "2.0"})
    assert publish_edition(portal.table, portal.clinics, ready, "2026-11-22T20:00:00.000Z")
    assert [keep(portal, "2026-11-23T09:00:00.000Z").done["reminded"] for _ in range(2)] == [1, 0]
    [word] = unasked(portal)
    assert (word["kind"], word["addresses"], word["at"]) == (
        "changed",
        [EMAIL_NEWS],
        "2026-11-22T20:00:00.000Z",
    )


def test_a_round_that_has_to_stop_goes_on_where_it_stopped(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody's turn comes, however short the time and however many there are.

    First of those for whom something is due, then, once, of everybody.
    """
    for module in (housekeeping, publication_walk):
        monkeypatch.setattr(module, "BATCH", 2)
    for number in range(5):
        decide(portal, somebody(number))
    rounds = []
    for _ in range(9):
        asked = count()
        made = keep(portal, HALF, lambda asked=asked: next(asked) > 0)  # type: ignore[misc]
        rounds.append((made.done["people"], made.done["reminded"], made.whole))
        if made.whole:
            break
    assert rounds == [
        *[(2, 2, False), (2, 2, False), (1, 1, False)],
        *[(2, 0, False), (2, 0, False), (1, 0, False)],
        (0, 0, True),  # the other clinic, where nobody is
    ]
    assert keep(portal, HALF).done["people"] == 0


def test_one_who_cannot_be_read_holds_up_nobody(
    portal: Portal, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault is counted; the log tells numbers and nothing about anybody."""
    decide(portal, ANNA)
    salt = only_person(portal, RIGA, ANNA).salt
    portal.table.write([Replace(person_key(RIGA, "0" * 32), {"body": '{"id": "damaged"}'})])
    made = keep(portal, HALF)
    assert (made.done["failed"], made.done["reminded"], made.whole) == (1, 1, True)
    erased = only_person(portal, RIGA, ANNA)
    erase(portal, RIGA, erased.id, "portal", HALF)
    with under_policy_of(portal, "catch_up"):
        clear_erased(portal, lambda: False)
    logged = " ".join(str(record.__dict__) for record in caplog.records)
    assert "'reminded': 1" in logged
    assert not [each for each in (ANNA.value, NAME, salt, erased.id) if each in logged]


def test_clearing_goes_on_in_the_next_round(portal: Portal) -> None:
    """What time did not allow stays marked."""
    for contact in (ANNA, ANNA_PHONE):
        decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(contact))
        erase(portal, RIGA, only_person(portal, RIGA, contact).id, "patient", EVENING)
    clear_erased(portal, lambda: True)
    assert sealed(portal) == 2
    with under_policy_of(portal, "catch_up"):
        clear_erased(portal, lambda: False)
    assert sealed(portal) == 0


def sealed(portal: Portal) -> int:
    """Count what is sealed under somebody's key."""
    return sum(item["sk"]["S"].startswith("SEALED#") for item in every_item(portal))
