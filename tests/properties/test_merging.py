"""Two records of one person with any answers, merged at any moment: how they stand afterwards is as
if all had been heard by one, at every time asked about.
"""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from chalicelib.domain.consent import Answer, AnswerSummary, RecordedAnswer, Status, resolve
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.decisions import Day, recorded_answers
from chalicelib.domain.instants import END_OF_TIME
from chalicelib.domain.merging import MergeReason
from chalicelib.domain.receipts import repeats_another
from chalicelib.portal import Portal
from chalicelib.services import decisions
from chalicelib.services.merging import Merge, merge
from chalicelib.store import people
from chalicelib.store.lookup import Identification, fresh_subject
from tests.cast import RIGA
from tests.factories import EMAIL_NEWS, NEXT_DAY, SMS_NEWS, a_decision, on_paper
from tests.services.desk_calls import a_call

_numbers = itertools.count(1)
TIMES = [f"2026-11-{day}T{hour}:00:00.000Z" for day in (20, 21, 22) for hour in ("08", "12", "23")]
ENTERED = "2026-11-22T23:30:00.000Z"


@dataclass(frozen=True)
class Said:
    """One answer of one of the records: by paper of a moment or of a day, or on the page."""

    who: int
    question: str
    answer: str
    at: str
    way: str


SAID = st.lists(
    st.builds(
        Said,
        st.integers(0, 1),
        st.sampled_from([EMAIL_NEWS, SMS_NEWS]),
        st.sampled_from(["yes", "yes", "no", "withdraw"]),
        st.sampled_from(TIMES),
        st.sampled_from(["paper", "paper", "day", "page"]),
    ),
    max_size=8,
)


def say(portal: Portal, contact: Contact, said: Said) -> str:
    """Record an answer, and give whose it is."""
    answers = {said.question: said.answer}
    if said.way == "page" and said.answer != "yes":  # a Yes on the page would wait
        decision = a_decision(answers, said.at)
    elif said.way == "day":
        day = Day(said.at[:10], f"{said.at[:10]}T21:59:59.999Z")
        decision = on_paper(answers, f"{said.at[:10]}T00:00:00.000Z", ENTERED, day=day)
    else:
        decision = on_paper(answers, said.at, ENTERED)
    identification = Identification((contact,), None, fresh_subject())
    return str(decisions.record(portal, decision, identification).document["subject"])


def heard(portal: Portal, subjects: Iterable[str], question: str) -> list[RecordedAnswer]:
    """Give every answer to a question in the chains of all records, once."""
    answers = []
    for subject in dict.fromkeys(subjects):
        person = people.person(portal.table, RIGA, subject)
        for receipt in portal.receipts.history(RIGA, [person]):
            if not repeats_another(receipt.document):
                found = recorded_answers(receipt.document).get(question)
                answers += [found] if found else []
    return answers


def outcome(status: Status) -> tuple[str, bool]:
    """Give what a status means: a refusal and a withdrawal at one time are alike."""
    stopped = {"refused": "stopped", "withdrawn": "stopped"}
    return stopped.get(status.state.value, status.state.value), status.permitted


@settings(settings.get_profile("store"), max_examples=60, phases=[Phase.generate])
@given(before=SAID, after=SAID, swapped=st.booleans())
def test_a_merged_record_stands_as_if_it_had_heard_everything(
    portal: Portal, before: list[Said], after: list[Said], *, swapped: bool
) -> None:
    """Nothing permitted appears that was not the latest word of either."""
    number = next(_numbers)
    contacts = (
        Contact(ContactKind.EMAIL, f"merged{number}@example.org"),
        Contact(ContactKind.PHONE, f"+371{20000000 + number}"),
    )
    first = [Said(who, SMS_NEWS, "no", TIMES[0], "paper") for who in (0, 1)]
    subjects = ["", ""]
    for said in (*first, *before):
        subjects[said.who] = say(portal, contacts[said.who], said)
    staying, going = reversed(subjects) if swapped else subjects
    merge(portal, a_call(portal, Merge(staying, going, MergeReason.SAID), at=NEXT_DAY))
    for said in after:
        assert say(portal, contacts[said.who], said) == staying
    person = people.person(portal.table, RIGA, staying)
    notice = portal.directory.look_up(RIGA).published.in_force
    for at in (*TIMES, NEXT_DAY):
        known = portal.receipts.answers_as_of(RIGA, [person], at, END_OF_TIME)[staying]
        for question in (EMAIL_NEWS, SMS_NEWS):
            summary = AnswerSummary()
            given = [each for each in heard(portal, subjects, question) if each.effective_at <= at]
            for answer in given:
                summary = summary.with_answer(answer)
            status = resolve(known.get(question), notice, at)
            assert outcome(status) == outcome(resolve(summary if given else None, notice, at))
            if status.permitted:
                counts = [each for each in given if not each.awaits_confirmation]
                latest = max(counts, key=lambda each: each.order_key[:2])
                assert latest.answer is Answer.YES
