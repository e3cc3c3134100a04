import pytest

from chalicelib.domain.consent import (
    Answer,
    AnswerSummary,
    Assurance,
    NoticeInForce,
    State,
    Status,
    resolve,
)
from chalicelib.domain.decisions import Day, Decision, NoticeRef, decide
from chalicelib.domain.instants import short
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.stored_answers import read_answers, stored_answers
from chalicelib.domain.subjects import Subject
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    IN_FORCE,
    LATER,
    MORNING,
    NEXT_DAY,
    NOON,
    OPENING,
    SMS_NEWS,
    a_decision,
    a_subject,
    a_summary,
    an_answer,
    on_paper,
)

SECOND = NoticeInForce("2.0", "2026-11-20T08:00:00.000Z")
YES = an_answer(at=OPENING, notice_version="2.0")
BEFORE: dict[str, AnswerSummary | None] = {
    "never_asked": None,
    "pending": a_summary(YES._replace(confirm_by=LATER)),
    "granted": a_summary(YES),
    "refused": a_summary(an_answer("no", OPENING)),
    "withdrawn": a_summary(an_answer("withdraw", OPENING)),
    "expired": a_summary(YES._replace(expires_at="2026-11-10T00:00:00.000Z")),
    "superseded": a_summary(YES._replace(notice_version="1.4")),
}
AFTER = {
    # before:       (Yes of a proven person, Yes of who only claims the contact, No, withdrawal)
    "never_asked": ("granted", "pending", "refused", "withdrawn"),
    "pending": ("granted", "pending", "refused", "withdrawn"),
    "granted": ("granted", "granted", "withdrawn", "withdrawn"),
    "refused": ("granted", "pending", "refused", "refused"),
    "withdrawn": ("granted", "pending", "withdrawn", "withdrawn"),
    "expired": ("granted", "pending", "withdrawn", "withdrawn"),
    "superseded": ("granted", "pending", "withdrawn", "withdrawn"),
}
SAID = (
    ("yes", Assurance.LINK),
    ("yes", Assurance.SELF_ASSERTED),
    ("no", Assurance.SELF_ASSERTED),
    ("withdraw", Assurance.SELF_ASSERTED),
)
TRANSITIONS = [
    (before, answer, assurance, after)
    for before, row in AFTER.items()
    for (answer, assurance), after in zip(SAID, row, strict=True)
]


def status_at(
    subject: Subject, at: str, address: str = EMAIL_NEWS, in_force: NoticeInForce = IN_FORCE
) -> Status:
    """Resolve one decision of a person."""
    return resolve(subject.summaries.get(address), in_force, at)


def after(*decisions: Decision, known: bool = False) -> tuple[Receipt, Subject]:
    """Carry out decisions in order on a new person; give the last receipt and the person."""
    subject = a_subject()
    for decision in decisions:
        receipt, subject = decide(subject, decision, IN_FORCE, known=known)
    return receipt, subject


@pytest.mark.parametrize("state", State)
def test_every_state_is_recognised_and_only_granted_permits(state: State) -> None:
    """A clinic's program reads one state and one truth value; doubt is never a Yes."""
    status = resolve(BEFORE[state], SECOND, MORNING)
    assert status.state is state
    assert status.permitted == (state is State.GRANTED)


@pytest.mark.parametrize(("before", "answer", "assurance", "expected"), TRANSITIONS)
def test_each_answer_leads_from_each_state_where_the_table_says(
    before: str, answer: str, assurance: Assurance, expected: str
) -> None:
    """What a patient says always does the same thing, whatever stood before."""
    summary = BEFORE[before]
    subject = a_subject(newsletter__email=summary) if summary else a_subject()
    decision = a_decision(
        {EMAIL_NEWS: answer},
        assurance=assurance,
        notice=a_decision({}).notice.__class__("2.0", "lv", "ab" * 32),
    )
    receipt, then = decide(subject, decision, SECOND, known=True)
    entry = receipt.document["decisions"][EMAIL_NEWS]
    assert (entry["before"], entry["after"]) == (before, expected)
    assert status_at(then, MORNING, in_force=SECOND).state == expected


UNKNOWN = NoticeRef.unknown("lv")


def test_a_yes_to_a_text_nobody_knows_permits_nothing_under_any_version() -> None:
    """Whoever signed something in 2024 did not agree to a text of 2026.

    Nor was that in force when they signed.
    """
    form = on_paper({EMAIL_NEWS: "yes"}, "2024-05-02T09:00:00.000Z", NOON, notice=UNKNOWN)
    receipt, anna = after(form)
    assert receipt.document["notice"] == {"version": None, "lang": "lv", "sha256": None}
    assert receipt.document["decisions"][EMAIL_NEWS]["after"] == "superseded"
    for notice in (IN_FORCE, SECOND):
        for at in ("2024-05-03T09:00:00.000Z", MORNING, LATER):
            status = status_at(anna, at, in_force=notice)
            assert (status.state, status.permitted) == (State.SUPERSEDED, False)
            assert status.recorded_answer is not None
            assert status.recorded_answer.notice_version is None
    assert read_answers(stored_answers(anna.summaries)) == anna.summaries


@pytest.mark.parametrize("answer", ["no", "withdraw"])
def test_a_stop_on_a_form_nobody_knows_the_text_of_counts(answer: str) -> None:
    """To stop nobody has to have read anything."""
    given = a_decision({EMAIL_NEWS: "yes"}, MORNING, assurance=Assurance.CONTACT_CONFIRMED)
    stop = on_paper({EMAIL_NEWS: answer}, NOON, EVENING, notice=UNKNOWN)
    assert status_at(after(given, stop)[1], EVENING).state is State.WITHDRAWN


def test_an_old_form_takes_nothing_from_what_was_said_since_and_a_new_yes_replaces_it() -> None:
    """Entered late it takes its own place, before.

    Who is asked again answers as anybody does.
    """
    old = on_paper({EMAIL_NEWS: "yes"}, "2024-05-02T09:00:00.000Z", EVENING, notice=UNKNOWN)
    given = a_decision({EMAIL_NEWS: "yes"}, MORNING, assurance=Assurance.CONTACT_CONFIRMED)
    assert status_at(after(given, old)[1], EVENING).permitted
    anew = a_decision({EMAIL_NEWS: "yes"}, NEXT_DAY, assurance=Assurance.LINK)
    assert status_at(after(old, anew)[1], NEXT_DAY).permitted
    claimed = a_decision({EMAIL_NEWS: "yes"}, NEXT_DAY)
    assert status_at(after(old, claimed, known=True)[1], NEXT_DAY).state is State.PENDING


def test_a_first_yes_counts_when_nobody_is_known_under_the_contact() -> None:
    """A new patient says Yes and is done: there is nobody yet to impersonate."""
    _, anna = after(a_decision({EMAIL_NEWS: "yes"}), known=False)
    assert status_at(anna, MORNING).permitted


def test_an_unproven_yes_leaves_what_was_granted_exactly_as_it_was() -> None:
    """Who types Anna's address cannot touch the Yes she gave: not its receipt, not its day."""
    _, anna = after(a_decision({EMAIL_NEWS: "yes"}))
    _, then = decide(anna, a_decision({EMAIL_NEWS: "yes"}, NOON), IN_FORCE, known=True)
    assert status_at(then, EVENING) == status_at(anna, EVENING)


def test_a_withdrawal_needs_no_proof_and_counts_at_once() -> None:
    """Withdrawing is as easy as giving (GDPR Art. 7(3)): no login stands before it."""
    _, anna = after(
        a_decision({EMAIL_NEWS: "yes"}), a_decision({EMAIL_NEWS: "withdraw"}, NOON), known=False
    )
    status = status_at(anna, NOON)
    assert (status.state, status.since) == (State.WITHDRAWN, NOON)


def test_withdrawing_everything_reaches_what_the_notice_no_longer_asks() -> None:
    """“Stop everything” stops what was agreed to last year as well."""
    anna = a_subject(old__purpose=a_summary(), newsletter__email=a_summary())
    receipt, then = decide(
        anna, a_decision({EMAIL_NEWS: "withdraw"}, NOON, everything=True), IN_FORCE, known=True
    )
    assert {status_at(then, NOON, address).state for address in then.summaries} == {State.WITHDRAWN}
    assert set(receipt.document["decisions"]) == {"old.purpose", EMAIL_NEWS}


def test_decisions_not_touched_stay_as_they_are() -> None:
    """Saying No to text messages says nothing about e-mail."""
    receipt, anna = after(a_decision({EMAIL_NEWS: "yes"}), a_decision({SMS_NEWS: "no"}, NOON))
    assert set(receipt.document["decisions"]) == {SMS_NEWS}
    assert status_at(anna, NOON).permitted


def test_a_paper_form_entered_late_counts_from_the_day_it_was_signed() -> None:
    """A form signed in the morning and entered in the evening counts from the morning."""
    receipt, anna = after(on_paper({EMAIL_NEWS: "yes"}, MORNING, EVENING), known=True)
    assert status_at(anna, EVENING).since == MORNING
    assert (receipt.document["effective_at"], receipt.document["recorded_at"]) == (MORNING, EVENING)


@pytest.mark.parametrize("answer", ["no", "withdraw"])
def test_a_paper_form_entered_late_does_not_undo_a_later_word(answer: str) -> None:
    """Anna signs in the morning and changes her mind at noon.

    The form typed in the evening changes nothing.
    """
    receipt, anna = after(
        a_decision({EMAIL_NEWS: answer}, NOON), on_paper({EMAIL_NEWS: "yes"}, MORNING, EVENING)
    )
    assert not status_at(anna, EVENING).permitted
    assert receipt.document["version"] == 2, "the form is recorded and provable all the same"


@pytest.mark.parametrize("again", ["no", "withdraw"])
@pytest.mark.parametrize("first", ["no", "withdraw"])
def test_a_no_said_again_is_a_new_word_that_an_earlier_form_does_not_undo(
    first: str, again: str
) -> None:
    """Anna says No, signs a Yes on paper, then withdraws: the withdrawal is her last answer."""
    _, anna = after(
        a_decision({EMAIL_NEWS: first}, MORNING),
        a_decision({EMAIL_NEWS: again}, EVENING),
        on_paper({EMAIL_NEWS: "yes"}, NOON, NEXT_DAY),
        known=True,
    )
    assert not status_at(anna, NEXT_DAY).permitted


def test_a_late_no_does_not_undo_a_later_yes() -> None:
    """The order of deciding counts, not the order of typing."""
    _, anna = after(
        a_decision({EMAIL_NEWS: "yes"}, NOON), on_paper({EMAIL_NEWS: "no"}, MORNING, EVENING)
    )
    assert status_at(anna, EVENING).permitted


@pytest.mark.parametrize("answers", [("yes", "no"), ("no", "yes")])
def test_two_words_said_in_the_same_millisecond_leave_the_one_recorded_last(
    answers: tuple[str, str],
) -> None:
    """A correction is a correction, also where two machines' clocks show the same moment."""
    _, anna = after(*(a_decision({EMAIL_NEWS: answer}) for answer in answers))
    assert status_at(anna, NOON).permitted == (answers[-1] == "yes")


@pytest.mark.parametrize("stop", ["no", "withdraw"])
@pytest.mark.parametrize("first", [True, False])
def test_of_a_yes_and_a_stop_given_at_the_same_time_the_stop_counts(
    stop: str, *, first: bool
) -> None:
    """Two paper forms of one day, entered in any order: in doubt nothing is sent."""
    forms = [on_paper({EMAIL_NEWS: answer}, MORNING, EVENING) for answer in (stop, "yes")]
    _, anna = after(*(forms if first else reversed(forms)), known=True)
    assert status_at(anna, NEXT_DAY).state is State.WITHDRAWN


def test_a_claim_does_not_stand_over_a_stop_of_the_same_moment() -> None:
    """Nobody is asked to confirm what was stopped as it was typed."""
    claim = an_answer(at=MORNING, confirm_by=LATER, version=2)
    stop = an_answer("withdraw", at=MORNING, version=1)
    for answers in ((claim, stop), (stop, claim)):
        assert resolve(a_summary(*answers), IN_FORCE, NOON).state is State.WITHDRAWN


TODAY = Day("2026-11-22", "2026-11-22T21:59:59.999Z")
DAWN = "2026-11-21T22:00:00.000Z"
"""When the 22nd begins in Riga."""


@pytest.mark.parametrize("first", [True, False])
def test_of_a_day_alone_a_stop_counts_as_late_as_it_can_have_been(*, first: bool) -> None:
    """A Yes by phone and a withdrawal on paper of one day: the order is unknown, and it stops."""
    stop = on_paper({EMAIL_NEWS: "withdraw"}, DAWN, EVENING, day=TODAY)
    call = on_paper({EMAIL_NEWS: "yes"}, NOON, NEXT_DAY if first else NOON)
    _, anna = after(*((stop, call) if first else (call, stop)), known=True)
    assert status_at(anna, LATER).state is State.WITHDRAWN


def test_a_receipt_says_that_only_the_day_is_known() -> None:
    """The receipt holds the day as written, with the first and last moment it can mean."""
    for entered, until in (
        (EVENING, EVENING),
        (NEXT_DAY, TODAY.ends),
    ):  # recorded before the day was over, and after
        receipt, _ = after(on_paper({EMAIL_NEWS: "yes"}, DAWN, entered, day=TODAY))
        document = receipt.document
        assert (document["effective_at"], document["effective_date"]) == (DAWN, "2026-11-22")
        assert document["effective_until"] == until
    assert (
        "effective_date" not in after(on_paper({EMAIL_NEWS: "yes"}, MORNING, EVENING))[0].document
    )


def test_of_a_day_alone_a_yes_counts_as_early_as_it_can_have_been() -> None:
    """A Yes on paper does not outdo a click of that day that stopped it."""
    _, anna = after(
        a_decision({EMAIL_NEWS: "no"}, MORNING),
        on_paper({EMAIL_NEWS: "yes"}, DAWN, NEXT_DAY, day=TODAY),
        known=True,
    )
    assert status_at(anna, LATER).state is State.WITHDRAWN


def test_a_yes_after_a_stop_was_recorded_counts_on_the_same_day() -> None:
    """The stop was known before: what the patient says in the evening is the last answer."""
    stop = on_paper({EMAIL_NEWS: "no"}, DAWN, NOON, day=TODAY)
    _, anna = after(stop, a_decision({EMAIL_NEWS: "yes"}, EVENING), known=False)
    assert status_at(anna, EVENING).permitted


def test_a_standing_stored_before_days_were_known_reads_the_same() -> None:
    """What was written by the release before means what it meant."""
    answer = {
        "answer": "withdraw",
        "effective_at": NOON,
        "recorded_at": NOON,
        "receipt_id": "c" * 32,
        "version": 2,
        "notice_version": "1.0",
        "lang": "lv",
        "channel": "web",
        "assurance": "self-asserted",
        "expires_at": None,
        "confirm_by": None,
    }
    stored = {"last": answer, "first_yes": [MORNING, 1], "first_stop": [[NOON, 2], "withdraw"]}
    read = AnswerSummary.read(stored)
    assert read == AnswerSummary(
        last=an_answer("withdraw", NOON, version=2),
        first_yes=(MORNING, 1),
        first_stop=((NOON, 2), Answer.WITHDRAW),
    )
    assert resolve(read, IN_FORCE, EVENING).state is State.WITHDRAWN
    later = read.with_answer(an_answer(at=EVENING, version=3))
    assert resolve(later, IN_FORCE, NEXT_DAY).permitted


def test_a_late_form_whose_consent_is_over_says_so_at_once() -> None:
    """A form for last month's contest, typed today, permits nothing today."""
    decision = on_paper({EMAIL_NEWS: "yes"}, OPENING, EVENING, endings={EMAIL_NEWS: "P7D"})
    receipt, anna = after(decision)
    assert receipt.document["decisions"][EMAIL_NEWS]["after"] == "expired"
    assert status_at(anna, EVENING).since == "2026-11-08T08:00:00.000Z"


@pytest.mark.parametrize(
    ("at", "state"),
    [("2027-11-22T08:14:59.999Z", "granted"), ("2027-11-22T08:15:00.000Z", "expired")],
)
def test_a_consent_ends_by_itself_in_the_millisecond_it_promised(at: str, state: str) -> None:
    """“For one year” is one year, without anybody or any clean-up having to act."""
    _, anna = after(a_decision({EMAIL_NEWS: "yes"}, endings={EMAIL_NEWS: "P1Y"}))
    assert status_at(anna, at).state == state


def test_only_a_yes_has_an_end() -> None:
    """A No never runs out."""
    receipt, anna = after(a_decision({EMAIL_NEWS: "no"}, endings={EMAIL_NEWS: "P1D"}))
    assert receipt.document["expires_at"] is None
    assert status_at(anna, "2036-01-01T00:00:00.000Z").state is State.REFUSED


def test_a_major_change_replaces_what_was_agreed_and_a_minor_one_keeps_it() -> None:
    """Clearer wording keeps the patient's Yes; another use of the data asks again."""
    _, anna = after(a_decision({EMAIL_NEWS: "yes"}))
    assert status_at(anna, NEXT_DAY, in_force=NoticeInForce("1.7", OPENING)).permitted
    status = status_at(anna, NEXT_DAY, in_force=NoticeInForce("2.0", NOON))
    assert (status.state, status.since) == (State.SUPERSEDED, NOON)


@pytest.mark.parametrize("state", [State.REFUSED, State.WITHDRAWN])
def test_a_major_change_leaves_a_no_alone(state: State) -> None:
    """Who said No is not asked to say it again."""
    assert resolve(BEFORE[state], NoticeInForce("3.0", NOON), NEXT_DAY).state is state


def test_what_was_over_before_the_major_change_stays_expired() -> None:
    """The reason given is the one that came first."""
    over = a_summary(an_answer(expires_at=NOON))
    assert resolve(over, NoticeInForce("2.0", EVENING), NEXT_DAY).state is State.EXPIRED


def test_a_stored_state_nobody_knows_is_refused() -> None:
    """Anything unreadable is an error, and never a Yes."""
    with pytest.raises(ValueError, match="maybe"):
        AnswerSummary.read({"last": {"answer": "maybe", "channel": "web", "assurance": "link"}})
    receipt = ["c" * 32, 1, short(MORNING), 0, "1.0", "lv", "web", "link"]
    assert read_answers([[receipt], {EMAIL_NEWS: [[0, "y"]]}])
    with pytest.raises(LookupError, match="m"):
        read_answers([[receipt], {EMAIL_NEWS: [[0, "m"]]}])
    with pytest.raises(ValueError, match="maybe"):
        read_answers([[[*receipt[:-1], "maybe"]], {EMAIL_NEWS: [[0, "y"]]}])


def test_a_person_survives_being_stored() -> None:
    """What is read back is what was written."""
    _, anna = after(a_decision({EMAIL_NEWS: "yes", SMS_NEWS: "no"}, endings={EMAIL_NEWS: "P1Y"}))
    assert Subject.read(anna.stored()) == anna


def test_a_claim_whose_time_ran_out_leaves_the_no_it_stood_over() -> None:
    """Nothing was ever granted, so nothing has expired and nothing was superseded: Anna said No."""
    ends = {EMAIL_NEWS: "P1D"}
    _, anna = after(
        a_decision({EMAIL_NEWS: "no"}),
        a_decision({EMAIL_NEWS: "yes"}, NOON, endings=ends),
        known=True,
    )
    assert status_at(anna, EVENING).state is State.PENDING
    assert status_at(anna, "2026-12-01T00:00:00.000Z").state is State.REFUSED
    assert status_at(anna, EVENING, in_force=NoticeInForce("2.0", EVENING)).state is State.REFUSED


def test_a_clock_that_runs_behind_does_not_undo_a_withdrawal() -> None:
    """With one machine's clock behind, the last answer counts; the receipt holds both times."""
    _, anna = after(a_decision({EMAIL_NEWS: "yes"}, NOON))
    receipt, then = decide(
        anna, a_decision({EMAIL_NEWS: "withdraw"}, MORNING), IN_FORCE, known=True
    )
    assert status_at(then, NOON).state is State.WITHDRAWN
    assert (
        receipt.document["effective_at"]
        == receipt.document["recorded_at"]
        == "2026-11-22T12:00:00.001Z"
    )
