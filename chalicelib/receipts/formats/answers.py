"""The decisions of a receipt one by one, in the words of its notice; and addresses for formats."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.clinic import Clinic, Purpose, Question
from chalicelib.domain.consent import Answer, QuestionId, State
from chalicelib.domain.instants import Instant
from chalicelib.presentation.templates import render
from chalicelib.receipts.errors import FormatCannotExpressError
from chalicelib.receipts.formats.issued import IssuedReceipt

LAWS = {"GE": "Law of Georgia on Personal Data Protection"}
"""The law a consent stands under where it is not the GDPR, by country."""

GDPR = "Regulation (EU) 2016/679 (General Data Protection Regulation)"


@dataclass(frozen=True, slots=True)
class DecidedQuestion:
    """One decision of a receipt, in the language `lang`."""

    address: QuestionId
    answer: Answer
    before: State
    after: State
    state_now: State | None
    """None where a later receipt has replaced the decision."""

    caused_state: bool
    """Whether the answer itself led to `after`.

    An answer that was entered late, or that somebody only claimed, may leave another answer in
    force.
    """

    expires_at: Instant | None
    question: Question | None
    """None for a question that only a withdrawal of everything reached: this notice has it not."""

    lang: str

    @property
    def purpose(self) -> Purpose | None:
        """The purpose as the notice describes it."""
        return self.question.purpose if self.question else None

    @property
    def title(self) -> str:
        """The purpose, and the option where there is one; the address for an unknown question."""
        return self.question.title(self.lang) if self.question else self.address

    @property
    def text(self) -> str | None:
        """What the patient read about it: the option's text, else the purpose's."""
        if self.question is None:
            return None
        option, purpose = self.question.option, self.question.purpose
        text = option.text if option and option.text else purpose.text
        return text[self.lang]

    @property
    def explicit(self) -> bool:
        """Whether the consent is explicit (GDPR Art. 9(2)(a)): for special categories of data."""
        return self.purpose is not None and self.purpose.legal_basis == "explicit_consent"

    @property
    def recipient(self) -> str | None:
        """Who outside receives the data: the option of `data_sharing`, or as the purpose says."""
        recipient = self.question.recipient if self.question else None
        return recipient[self.lang] if recipient else None


def decided_questions(issued: IssuedReceipt) -> tuple[DecidedQuestion, ...]:
    """Give a receipt's decisions in the order of the notice; those it does not ask for come last.

    Raises FormatCannotExpressError where the receipt holds none: it is about a changed contact.
    """
    document = issued.receipt.document
    entries: Mapping[str, Mapping[str, Any]] = document["decisions"]
    if not entries:
        raise FormatCannotExpressError(
            "This receipt decides nothing: it tells of a changed contact."
        )
    late = document["effective_at"] < document["recorded_at"]
    asked = [address for address in issued.clinic.questions if address in entries]
    others = sorted(entries.keys() - set(asked))
    return tuple(
        _decided_question(issued, address, entries[address], late=late)
        for address in (*asked, *others)
    )


def _decided_question(
    issued: IssuedReceipt, address: QuestionId, entry: Mapping[str, Any], *, late: bool
) -> DecidedQuestion:
    return DecidedQuestion(
        address=address,
        answer=Answer(entry["answer"]),
        before=State(entry["before"]),
        after=State(entry["after"]),
        state_now=issued.states.get(address),
        caused_state=_caused_state(entry, late=late),
        expires_at=entry["expires_at"],
        question=issued.clinic.questions.get(address),
        lang=issued.lang,
    )


def _caused_state(entry: Mapping[str, Any], *, late: bool) -> bool:
    """Tell whether the state after an answer is what the answer itself leads to."""
    answer, after = entry["answer"], entry["after"]
    if answer == Answer.YES:
        expected = State.PENDING if entry["confirm_by"] else State.GRANTED
        return bool(after == expected)
    if answer == Answer.NO and late and entry["before"] == State.WITHDRAWN:
        return False  # it may be older than the Yes that was withdrawn: then it was a refusal
    return after in {State.REFUSED, State.WITHDRAWN}


def law(clinic: Clinic) -> str:
    """Name the law that a clinic's consents stand under."""
    return LAWS.get(clinic.country, GDPR)


def under_gdpr(clinic: Clinic) -> bool:
    """Tell whether the GDPR applies to a clinic. Georgia is not in the European Union."""
    return clinic.country not in LAWS


def clinic_url(issued: IssuedReceipt) -> str:
    """Give the address of the clinic's pages; identifiers of the clinic's own begin with it."""
    return f"{issued.base_url}/{issued.clinic.id}"


def notice_url(issued: IssuedReceipt, lang: str | None = None) -> str | None:
    """Give the address of the full notice, None where nobody knows which text was read.

    In the language of the format unless another is given.
    """
    version = issued.receipt.document["notice"]["version"]
    if version is None:
        return None
    return f"{clinic_url(issued)}/notices/{version}?lang={lang or issued.lang}"


def text_not_known(lang: str) -> str:
    """Give the sentence that nobody knows which text was read."""
    return render("receipt/text_not_known.txt", lang)


def receipt_url(issued: IssuedReceipt) -> str:
    """Give the receipt's address in the API."""
    return f"{issued.base_url}/v1/clinics/{issued.clinic.id}/receipts/{issued.receipt.id}"
