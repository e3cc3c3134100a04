"""Factories of the domain: valid decisions, people, answers and clinic documents."""

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chalicelib.domain.consent import (
    Answer,
    AnswerSummary,
    Assurance,
    Channel,
    NoticeInForce,
    RecordedAnswer,
)
from chalicelib.domain.decisions import Decision, NoticeRef
from chalicelib.domain.subjects import Subject
from chalicelib.notices.document import TEXTS

EMAIL_NEWS, SMS_NEWS = "newsletter.email", "newsletter.sms"
OPENING = "2026-11-01T08:00:00.000Z"
MORNING = "2026-11-22T08:15:00.000Z"
NOON = "2026-11-22T12:00:00.000Z"
EVENING = "2026-11-22T18:30:00.000Z"
NEXT_DAY = "2026-11-23T09:00:00.000Z"
LATER = "2026-12-01T00:00:00.000Z"
IN_FORCE = NoticeInForce("1.0", OPENING)

_numbers = itertools.count(1)


def a_decision(answers: Mapping[str, str], at: str = MORNING, **changed: Any) -> Decision:
    """Give a decision on a clinic's page, such as ``{"newsletter.email": "yes"}``, made at `at`."""
    decision = Decision(
        receipt_id=f"{next(_numbers):032x}",
        clinic="riga-aesthetics",
        answers={question: Answer(answer) for question, answer in answers.items()},
        notice=NoticeRef("1.0", "lv", "ab" * 32),
        controllers=({"id": "riga-aesthetics", "name": "SIA „Sidraba rasa”"},),
        channel=Channel.QR,
        source="reception",
        assurance=Assurance.SELF_ASSERTED,
        actor="patient",
        evidence=None,
        effective_at=at,
        recorded_at=at,
        endings={},
    )
    return replace(decision, **changed)


def on_paper(answers: Mapping[str, str], signed: str, entered: str, **changed: Any) -> Decision:
    """Give a decision signed on paper at one time and entered by staff at another."""
    paper = {
        "assurance": Assurance.STAFF_WITNESSED,
        "channel": Channel.PAPER,
        "actor": "staff:key_0123456789ab",
        "effective_at": signed,
        "evidence": {"form": "F-17"},
    }
    return a_decision(answers, entered, **{**paper, **changed})


def a_subject(number: int = 1, **summaries: AnswerSummary) -> Subject:
    """Give a person nobody knows yet; summaries by question, with ``__`` for the dot."""
    by_question = {question.replace("__", "."): summary for question, summary in summaries.items()}
    return Subject(id=f"{number:032x}", salt="5a" * 16, summaries=by_question)


def an_answer(answer: str = "yes", at: str = MORNING, **changed: Any) -> RecordedAnswer:
    """Give one answer, given and recorded `at`."""
    recorded = RecordedAnswer(
        answer=Answer(answer),
        effective_at=at,
        recorded_at=at,
        receipt_id="c" * 32,
        version=1,
        notice_version="1.0",
        lang="lv",
        channel=Channel.WEB,
        assurance=Assurance.SELF_ASSERTED,
    )
    return recorded._replace(**changed)


def a_summary(*answers: RecordedAnswer) -> AnswerSummary:
    """Give the summary of these answers; of a Yes of the morning without any."""
    summary = AnswerSummary()
    for answer in answers or (an_answer(),):
        summary = summary.with_answer(answer)
    return summary


def stored_earlier(person: Subject) -> dict[str, Any]:
    """Write a person as an earlier version did, before people were packed; without their times."""
    names = {"summaries": "standings", "page_starts": "fences"}
    fields = {name: getattr(person, name) for name in person.__slots__ if name != "times"}
    stored = {names.get(name, name): value for name, value in fields.items()}
    return {**stored, "standings": summaries_earlier(person.summaries)}


def summaries_earlier(summaries: Mapping[str, AnswerSummary]) -> dict[str, Any]:
    """Write summaries as an earlier version did."""
    stored = {}
    for question, summary in summaries.items():
        parts = {name: part for name, part in summary._asdict().items() if part}
        parts.pop("restricted", None)
        for name in parts.keys() & {"last", "claim"}:
            parts[name] = parts[name]._asdict()
            if parts[name]["effective_until"] is None:
                del parts[name]["effective_until"]
        stored[question] = parts
    return stored


def in_both(text: str) -> dict[str, str]:
    """Give a text in both languages of `a_document`."""
    return {"lv": f"{text} (lv)", "en": text}


def a_document(**changed: Any) -> dict[str, Any]:
    """Give the document of a small clinic in two languages, in JSON shapes, fit to publish."""
    document = {
        "id": "liepaja-physio",
        "code": "lp",
        "version": "1.0",
        "effective": "2026-11-01",
        "country": "LV",
        "authority": "LV",
        "languages": ["lv", "en"],
        "name": in_both("Physiotherapy by the Sea"),
        "controllers": [
            {
                "id": "physio",
                "name": "SIA Jūra",
                "address": "Jūras 1, Liepāja",
                "email": "j@example.org",
            }
        ],
        "dpo": {"email": "dpo@example.org"},
        "texts": {name: in_both(name) for name in TEXTS},
        "purposes": [
            {
                "id": "newsletter",
                "title": in_both("News"),
                "text": in_both("We write to you"),
                "legal_basis": "consent",
                "data": in_both("E-mail address"),
                "retention": in_both("Until withdrawn"),
                "options": [
                    {"id": "email", "title": in_both("By e-mail"), "needs": ["email"]},
                    {"id": "sms", "title": in_both("By text"), "needs": ["phone"], "ends": "P1Y"},
                ],
            },
            {
                "id": "research",
                "title": in_both("Research"),
                "text": in_both("A study of knees"),
                "legal_basis": "explicit_consent",
                "data": in_both("Name and knee"),
                "retention": in_both("Two years"),
                "needs": ["name", "contact"],
                "ends": "2027-03-31",
            },
        ],
        "notice": in_both("The whole of it."),
    }
    return {**document, **changed}
