"""Receipts of the five demo clinics as formats get them: made by the core's own `decide`, in every
state there is.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Assurance, Channel, NoticeInForce, State
from chalicelib.domain.decisions import Decision, NoticeRef, decide
from chalicelib.domain.instants import Instant
from chalicelib.receipts.formats.issued import IssuedReceipt
from infra.operator.publish import read_file
from tests.cast import CLINICS
from tests.factories import MORNING, NEXT_DAY, NOON, OPENING, a_decision, a_subject, on_paper

BASE_URL = "https://consent.example.org"
JWS = "eyJhbGciOiJFUzI1NiJ9.e30.c2lnbmVk"
LATER = "2029-06-01T00:00:00.000Z"
"""After every end that a demo clinic names."""

Now = Mapping[str, State] | None


@cache
def clinics() -> tuple[Clinic, ...]:
    """Give the demo clinics as they are published."""
    return tuple(read_file(path).clinic for path in sorted(CLINICS.glob("*.yaml")))


def clinic_named(name: str) -> Clinic:
    """Give one of them."""
    return next(clinic for clinic in clinics() if clinic.id == name)


def of(clinic: Clinic, decision: Decision) -> Decision:
    """Give the decision as one at this clinic, under its own notice, with its own endings."""
    controllers = tuple(controller.for_receipt() for controller in clinic.controllers)
    known = NoticeRef(clinic.version, clinic.default_language, "ab" * 32)
    notice = known if decision.notice.version else decision.notice
    return replace(
        decision, clinic=clinic.id, controllers=controllers, notice=notice, endings=clinic.endings
    )


def issue(
    clinic: Clinic,
    *decisions: Decision,
    lang: str | None = None,
    now: Now = None,
    known: bool = False,
    at: Instant = NEXT_DAY,
    jws: str | None = JWS,
) -> IssuedReceipt:
    """Give the receipt of the last of these decisions; `now` replaces the states it led to."""
    subject = a_subject()
    for decision in decisions:
        receipt, subject = decide(
            subject, of(clinic, decision), NoticeInForce(clinic.version, OPENING), known=known
        )
    states = {
        address: State(entry["after"]) for address, entry in receipt.document["decisions"].items()
    }
    states_now = states if now is None else now
    return IssuedReceipt(
        receipt, clinic, lang or clinic.default_language, states_now, jws, BASE_URL, at
    )


def yes(clinic: Clinic, at: Instant = MORNING) -> Decision:
    """Say Yes to everything the clinic asks."""
    return a_decision(dict.fromkeys(clinic.questions, "yes"), at)


def no(clinic: Clinic, at: Instant = MORNING) -> Decision:
    """Say No to everything."""
    return a_decision(dict.fromkeys(clinic.questions, "no"), at)


def every_other(clinic: Clinic, at: Instant = MORNING) -> Decision:
    """Say Yes and No in turn."""
    return a_decision(
        {address: ("yes", "no")[place % 2] for place, address in enumerate(clinic.questions)}, at
    )


def _now(clinic: Clinic, state: State) -> Mapping[str, State]:
    return dict.fromkeys(clinic.questions, state)


STATES: Mapping[str, Callable[[Clinic, str], IssuedReceipt]] = {
    "granted": lambda clinic, lang: issue(clinic, yes(clinic), lang=lang),
    "refused": lambda clinic, lang: issue(clinic, no(clinic), lang=lang),
    "mixed": lambda clinic, lang: issue(clinic, every_other(clinic), lang=lang),
    "withdrawn": lambda clinic, lang: issue(
        clinic,
        yes(clinic),
        a_decision(dict.fromkeys(clinic.questions, "withdraw"), NOON, everything=True),
        lang=lang,
    ),
    "partly withdrawn": lambda clinic, lang: issue(
        clinic, yes(clinic), lang=lang, now=dict(list(_now(clinic, State.GRANTED).items())[1:])
    ),
    "expired": lambda clinic, lang: issue(
        clinic, yes(clinic), lang=lang, at=LATER, now=_now(clinic, State.EXPIRED)
    ),
    "partly expired": lambda clinic, lang: issue(
        clinic,
        yes(clinic),
        lang=lang,
        at=LATER,
        now=_now(clinic, State.GRANTED) | dict.fromkeys(clinic.endings, State.EXPIRED),
    ),
    "superseded": lambda clinic, lang: issue(
        clinic, yes(clinic), lang=lang, now=_now(clinic, State.SUPERSEDED)
    ),
    "pending": lambda clinic, lang: issue(clinic, yes(clinic), lang=lang, known=True),
    "replaced": lambda clinic, lang: issue(clinic, yes(clinic), lang=lang, now={}),
    "on paper, entered late": lambda clinic, lang: issue(
        clinic,
        on_paper(dict.fromkeys(clinic.questions, "yes"), MORNING, NOON),
        lang=lang,
        jws=None,
    ),
    "on paper, to a text nobody knows": lambda clinic, lang: issue(
        clinic,
        on_paper(
            dict.fromkeys(clinic.questions, "yes"), MORNING, NOON, notice=NoticeRef.unknown(lang)
        ),
        lang=lang,
    ),
    "a No on paper, to a text nobody knows": lambda clinic, lang: issue(
        clinic,
        on_paper(
            dict.fromkeys(clinic.questions, "no"), MORNING, NOON, notice=NoticeRef.unknown(lang)
        ),
        lang=lang,
    ),
    "by a guardian": lambda clinic, lang: issue(
        clinic,
        replace(
            yes(clinic),
            actor="guardian",
            channel=Channel.IN_PERSON,
            assurance=Assurance.STAFF_WITNESSED,
        ),
        lang=lang,
    ),
}
"""Every state a receipt can be in, by name."""


def everything() -> Iterator[tuple[str, IssuedReceipt]]:
    """Give every state at every clinic in every language it speaks, each with a name for the
    report.
    """
    for clinic in clinics():
        for lang in clinic.languages:
            for name, made in STATES.items():
                yield f"{clinic.id} {lang}: {name}", made(clinic, lang)
