"""Two at once, again and again: no lost decision, no gap, one person. Round numbers are small and
the races real.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from chalicelib.domain.consent import State
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.portal import Portal
from chalicelib.services import decisions
from tests.cast import ANNA_PHONE, RIGA
from tests.factories import EMAIL_NEWS, MORNING, NOON, SMS_NEWS, a_decision
from tests.store.people import BELLA, assert_unbroken, last_word, only_person, signed, state
from tests.stores import on_both as endpoint  # noqa: F401 - a fixture

ROUNDS = 25
Got = TypeVar("Got")


def at_once(*deeds: Callable[[], Got]) -> Sequence[Got]:
    """Do things in threads that start at the same moment; give what came of them."""
    start = threading.Barrier(len(deeds))

    def together(deed: Callable[[], Got]) -> Got:
        start.wait()
        return deed()

    with ThreadPoolExecutor(len(deeds)) as threads:
        return list(threads.map(together, deeds))


def somebody(number: int) -> Contact:
    """Give a contact nobody has used."""
    return Contact(ContactKind.EMAIL, f"patient{number}@example.org")


def test_two_decisions_at_once_are_versions_n_and_n_plus_one(portal: Portal) -> None:
    """Anna on her phone and reception at the desk in the same second: both are kept, in one
    chain.
    """
    anna = somebody(0)
    decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(anna))
    for number in range(ROUNDS):
        got = at_once(
            lambda: decisions.record(
                portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(anna)
            ),
            lambda: decisions.record(
                portal, a_decision({SMS_NEWS: "withdraw"}, NOON), signed(anna)
            ),
        )
        assert {receipt.document["version"] for receipt in got} == {2 * number + 2, 2 * number + 3}
    person = only_person(portal, RIGA, anna)
    receipts = portal.receipts.history(RIGA, [person])
    assert_unbroken(sorted(receipts, key=lambda receipt: int(receipt.document["version"])))
    assert person.version == len(receipts) == 2 * ROUNDS + 1
    assert {state(portal, RIGA, anna, address) for address in (EMAIL_NEWS, SMS_NEWS)} == {
        State.REFUSED,
        State.WITHDRAWN,
    }


def test_two_first_decisions_at_once_make_one_person(portal: Portal) -> None:
    """A new patient who presses twice, or whose wife presses too, is one new patient."""
    for number in range(ROUNDS):
        contact = somebody(number)
        at_once(
            *(
                lambda address=address, contact=contact: decisions.record(
                    portal,  # type: ignore[misc]
                    a_decision({address: "yes"}, MORNING),
                    signed(contact),
                )
                for address in (EMAIL_NEWS, SMS_NEWS)
            )
        )
        person = only_person(portal, RIGA, contact)
        receipts = portal.receipts.history(RIGA, [person])
        assert_unbroken(receipts)
        assert len(receipts) == 2
        told = sorted(state(portal, RIGA, contact, address) for address in (EMAIL_NEWS, SMS_NEWS))
        assert told == [State.GRANTED, State.PENDING], "who came second only claims the contact"


def test_the_same_form_twice_at_once_is_one_receipt(portal: Portal) -> None:
    """A double click is one decision, whichever of the two gets in first."""
    for number in range(ROUNDS):
        decision, contact = a_decision({EMAIL_NEWS: "yes"}), somebody(number)
        first, second = at_once(
            *[
                lambda decision=decision, contact=contact: decisions.record(
                    portal, decision, signed(contact)
                )
            ]
            * 2
        )  # type: ignore[misc]
        assert first == second
        assert only_person(portal, RIGA, contact).version == 1


def test_two_who_share_a_phone_and_decide_at_once_both_keep_their_word(portal: Portal) -> None:
    """Neither overwrites the other in the entry of the phone they share."""
    anna = somebody(0)
    for contact in (anna, BELLA):
        decisions.record(portal, a_decision({SMS_NEWS: "no"}), signed(contact, ANNA_PHONE))
    for number in range(ROUNDS):
        at_once(
            *(
                lambda contact=contact: decisions.record(
                    portal,  # type: ignore[misc]
                    a_decision({EMAIL_NEWS: "withdraw"}, NOON),
                    signed(contact, ANNA_PHONE),
                )
                for contact in (anna, BELLA)
            )
        )
        people = portal.directory.look_up(RIGA, [ANNA_PHONE]).known()
        assert [person.version for person in people] == [number + 2] * 2
        assert all(last_word(person).version == number + 2 for person in people)


def test_many_at_once_are_all_kept(portal: Portal) -> None:
    """However many terminals a clinic has, every decision gets its number."""
    portal = replace(portal, sleep=time.sleep)  # with the pauses it has in Lambda
    anna = somebody(0)
    decisions.record(portal, a_decision({EMAIL_NEWS: "no"}), signed(anna))
    got = at_once(
        *[
            lambda: decisions.record(
                portal, a_decision({EMAIL_NEWS: "withdraw"}, NOON), signed(anna)
            )
        ]
        * 5
    )
    assert sorted(receipt.document["version"] for receipt in got) == [2, 3, 4, 5, 6]
    assert_unbroken(
        sorted(
            portal.receipts.history(RIGA, [only_person(portal, RIGA, anna)]),
            key=lambda r: r.document["version"],
        )
    )
