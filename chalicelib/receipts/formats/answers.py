"""What a receipt decided, one decision at a time, in the words of its own notice; and where formats point to."""

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
    """One decision of a receipt. `now` is None where a later receipt has replaced it.

    `question` is None for a decision that a withdrawal of everything met and that the notice no longer asks for.
    """

    address: QuestionId
    answer: Answer
    before: State
    after: State
    now: State | None
    caused_state: bool
    """Whether the answer brought `after` about. One given late or only claimed may leave another's word standing."""

    expires_at: Instant | None
    question: Question | None
    lang: str

    @property
    def purpose(self) -> Purpose | None:
        """The purpose as the notice describes it."""
        return self.question.purpose if self.question else None

    @property
    def title(self) -> str:
        """The purpose, and the option where there is one; the address where the notice does not say."""
        return self.question.title(self.lang) if self.question else self.address

    @property
    def text(self) -> str | None:
        """What the patient read about it: the option's text, else the purpose's."""
        if self.question is None:
            return None
        option = self.question.option
        return (option.text if option and option.text else self.question.purpose.text)[self.lang]

    @property
    def explicit(self) -> bool:
        """Whether the consent asked for is an explicit one (GDPR Art. 9(2)(a)): special categories of data."""
        return self.purpose is not None and self.purpose.legal_basis == "explicit_consent"

    @property
    def recipient(self) -> str | None:
        """Who outside receives the data: the option of `data_sharing`, or whom the purpose names."""
        named = self.question.recipient if self.question else None
        return named[self.lang] if named else None


def decided_questions(issued: IssuedReceipt) -> tuple[DecidedQuestion, ...]:
    """Give a receipt's decisions in the order of the notice; those it no longer asks for come last.

    Raises FormatCannotExpressError where the receipt holds none: it is about a changed contact.
    """
    receipt = issued.receipt.document
    document: Mapping[str, Mapping[str, Any]] = receipt["decisions"]
    if not document:
        raise FormatCannotExpressError("This receipt decides nothing: it tells of a changed contact.")
    late = receipt["effective_at"] < receipt["recorded_at"]
    order = {address: place for place, address in enumerate(issued.clinic.questions)}
    return tuple(
        DecidedQuestion(
            address=address,
            answer=Answer(document[address]["answer"]),
            before=State(document[address]["before"]),
            after=State(document[address]["after"]),
            now=issued.now.get(address),
            caused_state=_caused_state(document[address], late=late),
            expires_at=document[address]["expires_at"],
            question=issued.clinic.questions.get(address),
            lang=issued.lang,
        )
        for address in sorted(document, key=lambda each: (order.get(each, len(order)), each))
    )


def _caused_state(entry: Mapping[str, Any], *, late: bool) -> bool:
    """Tell whether the state after an answer is what the answer itself leads to."""
    if entry["answer"] == Answer.YES:
        return State(entry["after"]) is (State.PENDING if entry["confirm_by"] else State.GRANTED)
    if entry["answer"] == Answer.NO and late and entry["before"] == State.WITHDRAWN:
        return False  # it may be older than the Yes that was taken back: then it was a refusal
    return entry["after"] in {State.REFUSED, State.WITHDRAWN}


def law(clinic: Clinic) -> str:
    """Name the law that a clinic's consents stand under."""
    return LAWS.get(clinic.country, GDPR)


def under_gdpr(clinic: Clinic) -> bool:
    """Tell whether a clinic's consents stand under the GDPR: Georgia is no member of the European Union."""
    return clinic.country not in LAWS


def clinic_url(issued: IssuedReceipt) -> str:
    """Give the address of the clinic's pages; what hangs below it names the clinic's own things."""
    return f"{issued.base_url}/{issued.clinic.id}"


def notice_url(issued: IssuedReceipt, lang: str | None = None) -> str | None:
    """Give the address of the full notice that the patient could read; in the language asked for, unless told.

    None where nobody knows which text was read.
    """
    version = issued.receipt.document["notice"]["version"]
    if version is None:
        return None
    return f"{clinic_url(issued)}/notices/{version}?lang={lang or issued.lang}"


def text_not_known(lang: str) -> str:
    """Say in a language that nobody knows which text was read."""
    return render("receipt/text_not_known.txt", lang)


def receipt_url(issued: IssuedReceipt) -> str:
    """Give the receipt's address in the API."""
    return f"{issued.base_url}/v1/clinics/{issued.clinic.id}/receipts/{issued.receipt.id}"
