"""Who was asked to confirm: kept when a message with a code goes out, found by all who need it."""

from dataclasses import replace

from chalicelib.domain.contacts import Contact
from chalicelib.domain.rate_limits import RateLimitCheck
from chalicelib.jobs import catch_up
from chalicelib.jobs.housekeeping import run_housekeeping
from chalicelib.portal import Portal
from chalicelib.services import confirmation, decisions
from chalicelib.services.subject_rights import erase
from chalicelib.store import confirmation_codes, outbox
from chalicelib.store.keys.people import open_claims_key
from tests.cast import ANNA, ANNA_PHONE, RIGA
from tests.factories import EMAIL_NEWS, SMS_NEWS, a_decision
from tests.messages.outgoing import BASE, Sorting, in_time
from tests.messages.test_sending_steps import DiedError, before_write, die
from tests.policies import under_policy_of
from tests.store.people import only_person, signed

HALF = "2026-11-25T20:15:00.000Z"
"""When half of the time to confirm is over."""


def ask(portal: Portal, question: str, *contacts: Contact) -> str:
    """Let somebody say a Yes that waits; give the receipt's id."""
    decision = a_decision({question: "yes"}, confirm=frozenset({question}))
    return decisions.record(portal, decision, replace(signed(*contacts), base=BASE)).id


def kept(portal: Portal, receipt: str) -> bool:
    """Tell whether it is kept who was asked."""
    return bool(portal.table.get([open_claims_key(RIGA, receipt)]))


def enter(portal: Portal, receipt: str, code: str, at: str) -> bool:
    """Type a code; tell whether it led to what waits."""
    check = RateLimitCheck("code", (), f"network of {receipt}", 1, at)
    return confirmation.confirmation_by_code(portal, RIGA, receipt, code, check) is not None


def tries(portal: Portal, receipt: str) -> int:
    """Tell how many tries at a receipt's code were counted."""
    key = open_claims_key(RIGA, receipt)
    return int(portal.table.get([key])[key].number or 0)


def code_in(text: str) -> str:
    """Give the six digits of a text message."""
    return next(
        word for word in text.replace(".", " ").split() if word.isdigit() and len(word) == 6
    )


def test_a_decision_keeps_nothing_for_codes_nor_does_a_mail_to_the_one_address(
    portal: Portal, post: Sorting
) -> None:
    """Most who are asked are asked by e-mail: what only codes need is not written for them."""
    by_mail, by_phone = ask(portal, EMAIL_NEWS, ANNA), ask(portal, SMS_NEWS, ANNA_PHONE)
    assert (kept(portal, by_mail), kept(portal, by_phone)) == (False, False)
    post.round()
    assert (len(post.mails(ANNA)), len(post.mails(ANNA_PHONE))) == (1, 1)
    assert (kept(portal, by_mail), kept(portal, by_phone)) == (False, True)


def test_no_code_goes_out_that_could_not_be_entered(portal: Portal, post: Sorting) -> None:
    """Who was asked is kept before the text message goes, wherever a function of ours dies."""
    receipt = ask(portal, SMS_NEWS, ANNA_PHONE)
    [item] = outbox.due_items(portal.table, post.clock())
    for number in range(20):
        with before_write(portal, number, die):
            try:
                post.delivery.carry([item], in_time)
            except DiedError:
                assert kept(portal, receipt) or not post.mails(ANNA_PHONE)
        post.clock.at = f"2026-11-23T{10 + number // 4:02}:{number % 4 * 15:02}:00.000Z"
        if post.mails(ANNA_PHONE):
            break
    assert enter(portal, receipt, code_in(post.mails(ANNA_PHONE)[-1]["text"]), post.clock())


def test_a_code_typed_before_its_message_went_out_is_wrong_and_uses_no_try(
    portal: Portal, post: Sorting
) -> None:
    """Whoever guesses in the second before spoils nothing for whoever has the phone."""
    receipt = ask(portal, SMS_NEWS, ANNA_PHONE)
    for _ in range(confirmation_codes.TRIES + 1):
        assert not enter(portal, receipt, "000000", post.clock())
    post.round()
    assert tries(portal, receipt) == 0
    assert enter(portal, receipt, code_in(post.mails(ANNA_PHONE)[0]["text"]), post.clock())
    assert tries(portal, receipt) == 1


def test_a_reminder_goes_to_whoever_was_asked_and_begins_no_tries_anew(
    portal: Portal, post: Sorting
) -> None:
    """By mail to the one address, by text message to the phone, whose five tries stay five."""
    ask(portal, EMAIL_NEWS, ANNA)
    receipt = ask(portal, SMS_NEWS, ANNA_PHONE)
    post.round()
    assert not enter(portal, receipt, "none", post.clock())
    post.empty()
    with under_policy_of(portal, "housekeeping"):
        run_housekeeping(portal, HALF, in_time)
    post.clock.at = HALF
    post.round()
    assert (len(post.mails(ANNA)), len(post.mails(ANNA_PHONE))) == (1, 1)
    assert tries(portal, receipt) == 1
    assert enter(portal, receipt, code_in(post.mails(ANNA_PHONE)[0]["text"]), HALF)


def test_two_contacts_of_one_form_are_both_kept(portal: Portal, post: Sorting) -> None:
    """The page that asks the one names the other, and each is reminded."""
    receipt = ask(portal, EMAIL_NEWS, ANNA)
    post.round()
    assert not kept(portal, receipt)
    beside = ask(portal, EMAIL_NEWS, ANNA, ANNA_PHONE)
    post.round()
    assert kept(portal, beside)
    asked = confirmation_codes.claimants(
        portal.table, portal.clinics, RIGA, beside, only_person(portal, RIGA, ANNA).id
    )
    assert set(asked or ()) == {ANNA, ANNA_PHONE}


def test_erasing_takes_away_who_was_asked(portal: Portal, post: Sorting) -> None:
    """Nobody can confirm anything in the name of somebody who was erased."""
    receipt = ask(portal, SMS_NEWS, ANNA_PHONE)
    post.round()
    person = only_person(portal, RIGA, ANNA_PHONE)
    code = code_in(post.mails(ANNA_PHONE)[0]["text"])
    assert erase(portal, RIGA, person.id, "patient", post.clock()) is not None
    assert not enter(portal, receipt, code, post.clock())
    table, clinics = portal.table, portal.clinics
    assert confirmation_codes.claimants(table, clinics, RIGA, receipt, person.id) is None
    with under_policy_of(portal, "catch_up"):
        catch_up.clear_erased(portal, in_time)
    assert not kept(portal, receipt)
