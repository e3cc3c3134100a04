"""What the patient's own page says of its person.

Each member of the template's `own`, in the person's language.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from chalicelib.domain.clinic import SHARING, localized
from chalicelib.domain.consent import QuestionId, State
from chalicelib.domain.contacts import masked
from chalicelib.domain.instants import just_before
from chalicelib.domain.overview import QuestionStatus, RecipientPeriod
from chalicelib.domain.receipts import Receipt, reference
from chalicelib.domain.submission import can_agree
from chalicelib.presentation.i18n import format_day, format_megabytes, format_time, format_when
from chalicelib.receipts.formats.registry import FORMATS, PAPER
from chalicelib.services.data_export_parts import list_parts
from chalicelib.services.own_page import OwnPage
from chalicelib.services.withdrawal_reasons import is_asked_why

RECEIPTS = 20
"""How many receipts the page shows at once."""

MAX_START = 6
"""How many digits of `?from=` are read."""

CONTACT_ASKED, CLINIC_ASKED = "sent", "asked"
"""What `?done=` says where somebody has to do something yet: the new contact, or the clinic."""

REASON_TOLD = "told"
"""What `?done=` says where somebody told why they stopped something."""

DATED = frozenset({State.GRANTED, State.REFUSED, State.WITHDRAWN, State.EXPIRED})
"""The states of which the first page tells the day alone; the others need a sentence."""

Titles = Mapping[QuestionId, str]


def describe_questions(page: OwnPage, purpose: str | None) -> Mapping[str, Any]:
    """Give what the page with the questions says of this person alone: how each stands.

    `purpose` is the one whose questions are shown; None for all.
    """
    return {
        "change": purpose,
        "told": {status.question.id: _describe_status(page, status) for status in page.statuses},
        "lacking": _lacking_details(page),
        "starts": _starts(list(reversed(page.all_receipts))),
    }


def describe(page: OwnPage, address: str, start: str | None, done: str | None) -> Mapping[str, Any]:
    """Give everything the first page says of this person alone.

    `start` is the page's ``?from=``, the first receipt to show; `done` its ``?done=``, what was
    just done.
    """
    details = page.contact_details
    statuses = page.statuses
    told = {status.question.id: _describe_status(page, status) for status in statuses}
    titles = {question: shown["title"] for question, shown in told.items()}
    just, asks_why = _just_done(page, done)
    return {
        "address": address,
        "contacts": _masked_contacts(page),
        "postal": details.addresses[-1].masked() if details.addresses else "",
        "child": details.child if not page.shared and page.person.of_age else "",
        "shared": page.shared,
        "rows": _contact_rows(page),
        "restricted": _restricted_since(page),
        "done": just,
        "why": done if asks_why else None,
        "asked": _by_purpose(page, told),
        "dropped": [told[status.question.id] for status in statuses if _is_dropped(page, status)],
        "stoppable": [told[status.question.id] for status in statuses if _is_stoppable(status)],
        "formats": _formats(),
        "parts": _export_parts(page),
        "recipients": [_describe_recipient(page, period) for period in page.recipients],
        "paged": start is not None,
        **_describe_receipts(page, start, titles),
    }


def _by_purpose(page: OwnPage, told: Mapping[QuestionId, Any]) -> list[dict[str, Any]]:
    """Give each purpose that is asked about, with how its questions stand.

    Its `since` is the day that its questions have in common, which is then told once; None where
    they differ.
    """
    questions = page.clinic.questions.values()
    by_purpose = []
    for purpose in page.clinic.purposes:
        asked = [each.id for each in questions if each.purpose.id == purpose.id]
        if asked:
            title = localized(purpose.title, page.lang)
            stands = [told[question] for question in asked]
            days = {each["since"] for each in stands if each["state"] in DATED}
            since = days.pop() if len(days) == 1 else None
            by_purpose.append({"id": purpose.id, "title": title, "told": stands, "since": since})
    return by_purpose


def _masked_contacts(page: OwnPage) -> list[str]:
    """Give the contacts that are known, or else the link's own."""
    known = [contact for contact, _ in page.contact_details.contacts]
    if not known:
        known = [page.holder]
    return [masked(contact) for contact in known]


def _contact_rows(page: OwnPage) -> list[dict[str, Any]]:
    """Give the contacts that can be removed or replaced."""
    rows = []
    for contact_id, contact in page.own_contacts.items():
        row = {
            "id": contact_id,
            "masked": masked(contact),
            "kind": contact.kind.value,
            "holder": contact == page.holder,
        }
        rows.append(row)
    return rows


def _restricted_since(page: OwnPage) -> str | None:
    """Give the day since when the use of the person's data is restricted (GDPR Art. 18).

    None where it is not.
    """
    days = [person.restricted_since for person in page.people if person.restricted_since]
    if not days:
        return None
    return format_day(min(days), page.lang, page.clinic.country)


def is_stop(receipt: Receipt) -> bool:
    """Tell whether a receipt is of a withdrawal and nothing else."""
    answers = {entry["answer"] for entry in receipt.document["decisions"].values()}
    return answers == {"withdraw"}


def _just_done(page: OwnPage, done: str | None) -> tuple[str | None, bool]:
    """Name what the person has just done, and tell whether the page asks why.

    ``withdraw``, ``answer``, ``waits``, ``contact``, ``sent``, ``asked`` or ``told``. `done` is one
    of the last three, or the number of the receipt of what was done. ``waits`` is an answer of
    which some counts only once it is confirmed.
    """
    if done in {None, CONTACT_ASKED, CLINIC_ASKED, REASON_TOLD}:
        return done, False
    receipt = page.find_own_receipt(done)
    if receipt is None:
        return None, False
    decisions = receipt.document["decisions"]
    if not decisions:
        return "contact", False
    if is_stop(receipt):
        return "withdraw", is_asked_why(receipt, page.now)
    pending = {status.question.id for status in page.statuses if _is_pending(status)}
    return "waits" if pending & decisions.keys() else "answer", False


def _is_dropped(page: OwnPage, status: QuestionStatus) -> bool:
    """Tell whether the clinic does not ask a question any more that the person has answered."""
    still_asked = status.question.id in page.clinic.questions
    return not still_asked and status.status.state is not State.NEVER_ASKED


def _is_pending(status: QuestionStatus) -> bool:
    return status.status.state is State.PENDING


def _is_stoppable(status: QuestionStatus) -> bool:
    return status.status.state in {State.GRANTED, State.PENDING}


def _lacking_details(page: OwnPage) -> list[QuestionId]:
    """Give the questions that cannot be agreed to here, because a Yes needs what is not known."""
    known = page.contact_details.known
    return [
        question_id
        for question_id, question in page.clinic.questions.items()
        if page.shared or not can_agree(question, known)
    ]


def _formats() -> dict[str, str]:
    """Give the formats of a receipt with their labels, those for people first."""
    others = [name for name in FORMATS if name not in PAPER]
    return {name: FORMATS[name].label for name in (*reversed(PAPER), *others)}


def _export_parts(page: OwnPage) -> dict[str, list[dict[str, Any]]]:
    """Give the parts of what the person takes along, by form; none of what is one file."""
    return {
        form: [
            {
                "number": part.part.number,
                "of": part.part.of,
                "query": part.query,
                "megabytes": format_megabytes(part.size, page.lang),
            }
            for part in parts
        ]
        for form, parts in list_parts(page).items()
    }


def _describe_recipient(page: OwnPage, period: RecipientPeriod) -> dict[str, Any]:
    lang, country = page.lang, page.clinic.country
    # Of an option of data sharing the recipient is the title.
    sharing = period.question.purpose.id == SHARING
    return {
        "name": localized(period.recipient, lang),
        "title": None if sharing else period.question.title(lang),
        "since": format_day(period.since, lang, country),
        "until": period.until and format_day(period.until, lang, country),
    }


def _describe_receipts(page: OwnPage, wanted_start: str | None, titles: Titles) -> dict[str, Any]:
    """Give one page of the receipts, newest first.

    Where the pages before and after begin, and each receipt's own. Anybody who knows a contact can
    stop things by it, again and again: the page must not grow with that.
    """
    newest_first = list(reversed(page.all_receipts))
    start = _page_start(wanted_start, len(newest_first))
    end = start + RECEIPTS
    is_last = end >= len(newest_first)
    return {
        "receipts": [
            _describe_receipt(page, receipt, titles) for receipt in newest_first[start:end]
        ],
        "newer": start - RECEIPTS if start else None,
        "older": None if is_last else end,
        "left_out": page.left_out and is_last,
    }


def _page_start(wanted: str | None, receipts: int) -> int:
    """Read ``?from=`` and give the start of the page it falls in.

    The first page's where there is no such receipt.
    """
    if not wanted or not wanted.isascii() or not wanted.isdecimal():
        return 0
    start = int(wanted[:MAX_START]) // RECEIPTS * RECEIPTS
    return start if start < receipts else 0


def _starts(newest_first: Sequence[Receipt]) -> dict[str, int]:
    """Give, by each receipt's number, the start of the page it is on."""
    starts = {}
    for place, receipt in enumerate(newest_first):
        starts[receipt.id] = place // RECEIPTS * RECEIPTS
    return starts


def _describe_receipt(page: OwnPage, receipt: Receipt, titles: Titles) -> dict[str, Any]:
    decisions = receipt.document["decisions"]
    answers = [
        (title, decisions[question]["answer"])
        for question, title in titles.items()
        if question in decisions
    ]
    return {
        "id": receipt.id,
        "reference": reference(receipt.id),
        "evidence": receipt.document["evidence"],
        "changed": None if decisions else receipt.document["evidence"],
        "when": format_when(receipt.document, page.lang, page.clinic.country),
        "said": answers,
    }


def _describe_status(page: OwnPage, question_status: QuestionStatus) -> dict[str, Any]:
    status, question = question_status.status, question_status.question
    lang, country = page.lang, page.clinic.country
    answer, receipt = status.recorded_answer, question_status.receipt
    ends = answer and answer.expires_at
    confirm_by = answer and answer.confirm_by
    return {
        "address": question.id,
        "purpose": question.purpose.id,
        "title": question.title(lang),
        "option": localized(question.option.title, lang) if question.option else "",
        "state": status.state.value,
        "since": status.since and format_day(status.since, lang, country),
        "ends": ends and format_day(just_before(ends), lang, country),
        "confirm_by": confirm_by and format_time(confirm_by, lang, country),
        "word": answer,
        "controllers": [controller["name"] for controller in receipt["controllers"]]
        if receipt
        else [],
    }
