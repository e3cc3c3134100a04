"""A clinic as its document describes it: who asks, for which purposes, and which questions.

One `Clinic` is one version of the notice, in all of its languages; it is immutable once published.
`notices.document` reads it from the clinic's file and from the table.

A `Purpose` with options is decided option by option, else as a whole. Each such part is a
`Question`: what a patient answers Yes or No to.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from chalicelib.domain.ages import own_consent_age
from chalicelib.domain.brand import NO_BRAND, Brand
from chalicelib.domain.consent import CONFIRM_WITHIN, QuestionId
from chalicelib.domain.instants import Instant, ending

PROOF_KEPT = "P3Y"
"""How long receipts are kept after the last consent has ended, unless the clinic says otherwise.

No law names a period (EDPB 05/2020, 107).
"""

LIST_VALID_HOURS = 24
"""For how many hours a list that was compared with the consents may be used, unless the clinic says
otherwise.
"""

EXPLICIT_CONSENT = "explicit_consent"
"""The legal basis of what concerns health and other special categories (GDPR Art. 9(2)(a))."""

SHARING = "data_sharing"
"""The id of the purpose of passing data on; each of its options is a recipient."""


PROVEN_COUNTS = "proven"
IMPORTED_YES = ("counts", PROVEN_COUNTS, "waits")
"""Which Yes of an import counts at once: each; one whose line proves it (the contact confirmed it,
or a piece of evidence is named); none. The others wait to be confirmed by the contact's owner.
"""


def waits_by_default(purpose: object, legal_basis: object) -> bool:
    """Tell whether a Yes waits to be confirmed unless the clinic gives a reason why it need not.

    So it is with explicit consent, and with all sharing of data.
    """
    return legal_basis == EXPLICIT_CONSENT or purpose == SHARING


WITHOUT_POSTCODE = frozenset({"GE"})
"""Countries where so many letters have no postcode that none is asked for (our own judgement)."""

FIRST_NAME = "first_name"
"""Stands beside `name` among what a Yes needs where the first name is enough."""

Text = Mapping[str, str]
"""A text in every language of the clinic, by language code."""


class Controller(NamedTuple):
    """Who decides why and how data is used (GDPR Art. 4(7)), and how to reach them."""

    id: str
    name: str
    address: str
    """The postal address; "" where the law does not ask for it and the clinic does not say."""
    email: str
    phone: str
    registration: str
    lead: bool

    def for_receipt(self) -> Mapping[str, str]:
        """Give what a receipt holds of the controller."""
        return {"id": self.id, "name": self.name}


class Option(NamedTuple):
    """A part of a purpose, decided separately: a channel, a recipient, a contest, a medium."""

    id: str
    title: Text
    text: Text | None
    needs: frozenset[str]
    ends: str | None
    controllers: tuple[str, ...] = ()
    """The ids of the joint controllers it concerns; none for those of the purpose."""
    confirm: bool = False
    """Whether a Yes from the web waits until the contact's owner confirms it (double opt-in)."""
    unconfirmed_because: str = ""
    """The clinic's reason why a Yes counts unconfirmed that otherwise would wait."""


class Purpose(NamedTuple):
    """One purpose; decided as a whole, or option by option where it has any."""

    id: str
    title: Text
    text: Text
    legal_basis: str
    data: Text
    retention: Text
    recipients: Text | None
    options: tuple[Option, ...]
    needs: frozenset[str]
    ends: str | None
    controllers: tuple[str, ...] = ()
    """The ids of the joint controllers it concerns; none for all of them."""
    confirm: bool = False
    unconfirmed_because: str = ""


class Processing(NamedTuple):
    """What a clinic does with data on another basis than consent (GDPR Art. 6(1)(b) to (f))."""

    id: str
    title: Text
    text: Text
    legal_basis: str
    data: Text
    retention: Text
    recipients: Text | None = None
    law: Text | None = None
    """Which law asks for it or allows it."""
    interest: Text | None = None
    """Which legitimate interest it serves (Art. 13(1)(d))."""
    health_care: bool = False
    """Whether it is health data used for care by people bound to secrecy (Art. 9(2)(h))."""

    @property
    def can_be_objected_to(self) -> bool:
        """Whether a patient may object to it (Art. 21(1))."""
        return self.legal_basis in {"legitimate_interests", "public_task"}


class Question(NamedTuple):
    """What a patient answers Yes or No to: a purpose, or one option of it."""

    id: QuestionId
    purpose: Purpose
    option: Option | None
    needs: frozenset[str]
    """What a Yes needs to know of the patient, such as ``email``, ``name`` or ``address``."""
    ends: str | None
    """When a Yes ends by itself: a rule of `instants.ending`."""
    confirm: bool = False
    """Whether a Yes from the web waits until the owner of the contact confirms it."""
    unconfirmed_because: str = ""
    """The clinic's reason why a Yes counts unconfirmed that otherwise would wait."""

    @property
    def recipient(self) -> Text | None:
        """Who outside the clinic receives the data; None for nobody."""
        if self.purpose.id != SHARING:
            return self.purpose.recipients
        return self.option.title if self.option else self.purpose.title

    def title(self, lang: str) -> str:
        """Give the title of the purpose, and of the option where there is one.

        A question of an old version may lack the language.
        """
        purpose = localized(self.purpose.title, lang)
        if self.option is None:
            return purpose
        return f"{purpose}: {localized(self.option.title, lang)}"

    @property
    def controllers(self) -> tuple[str, ...]:
        """The ids of the joint controllers that share this question; none for all of them."""
        if self.option is not None and self.option.controllers:
            return self.option.controllers
        return self.purpose.controllers


def localized(text: Text, lang: str) -> str:
    """Give a text in a language, or in its first: a clinic may speak more languages than it did."""
    if lang in text:
        return text[lang]
    return next(iter(text.values()))


class Clinic(NamedTuple):
    """A clinic as one version of its notice describes it."""

    id: str
    code: str
    """The clinic's part of the short addresses in QR codes."""
    version: str
    """Of the notice: ``MAJOR.MINOR``."""
    effective: str
    """The day that the document names, such as ``2026-11-29``."""
    country: str
    authority: str
    languages: tuple[str, ...]
    name: Text
    controllers: tuple[Controller, ...]
    dpo: Mapping[str, str]
    """Of the data protection officer (Art. 37): `name`, `email`, `phone`; empty for none."""
    age_minimum: int | None
    texts: Mapping[str, Text]
    purposes: tuple[Purpose, ...]
    sha256: str
    questions: Mapping[QuestionId, Question]
    dates: Mapping[str, Text] = MappingProxyType({})
    """The document's dates as each language writes them, fixed when it is published; see `_version`
    of `store.publishing`."""
    closes: Mapping[str, Instant] = MappingProxyType({})
    """When each last day in the document is over: local midnight, fixed when it is published."""
    since: str = ""
    """The day from which this version is in force: of publication, or `effective` if that is later.

    "" before it is published, and for versions published before this was kept.
    """
    guardian: bool = False
    """Whether a guardian may decide for a child. If not, only those of `age_minimum` can decide."""
    alone_from: int | None = None
    """From which age a child decides alone, where a guardian may decide; `open_at` sets it."""
    confirm_within: str = CONFIRM_WITHIN
    """How long a Yes waits to be confirmed, as an ISO 8601 period."""
    without_consent: tuple[Processing, ...] = ()
    """What is done on another legal basis than consent: the notice names it, nobody answers it."""
    proof_kept: str = PROOF_KEPT
    """How long receipts are kept after the last consent has ended: a rule of `instants.ending`."""
    list_valid_hours: int = LIST_VALID_HOURS
    """For how many hours a list may be used once it was compared with the consents."""
    sms_countries: tuple[str, ...] = ()
    """The countries text messages go to, by ISO 3166; empty for the clinic's own alone."""
    look_up_reasons: bool = False
    """Whether staff at the desk say why they look somebody up."""
    imported_yes: str = PROVEN_COUNTS
    """Which imported Yes counts at once: one of `IMPORTED_YES`. The others wait to be confirmed."""
    brand: Brand = NO_BRAND
    """Its colour and its logo."""

    @property
    def default_language(self) -> str:
        """The language for a patient whose own the clinic does not speak."""
        return self.languages[0]

    @property
    def text_message_countries(self) -> tuple[str, ...]:
        """The countries text messages go to: those the clinic names, else its own."""
        return self.sms_countries or (self.country,)

    @property
    def lead(self) -> Controller:
        """The controller who leads, or else the first."""
        leading = [controller for controller in self.controllers if controller.lead]
        return (leading or self.controllers)[0]

    @property
    def endings(self) -> Mapping[QuestionId, str]:
        """When a Yes to each question ends by itself: a rule of `instants.ending`."""
        return {
            question.id: self.closes.get(question.ends, question.ends)
            for question in self.questions.values()
            if question.ends
        }

    @property
    def needs_confirmation(self) -> frozenset[QuestionId]:
        """The questions whose Yes waits to be confirmed even from somebody new (double opt-in)."""
        return frozenset(question.id for question in self.questions.values() if question.confirm)

    def always_waits(self, decisions: Mapping[QuestionId, Mapping[str, Any]], at: Instant) -> bool:
        """Tell whether a receipt has a Yes that waits at `at` and would wait whoever had given it.

        So to say that it waits does not show whether the person is known here.
        """
        waiting = {
            question
            for question, entry in decisions.items()
            if entry["answer"] == "yes" and (entry["confirm_by"] or "") > at
        }
        return not waiting.isdisjoint(self.needs_confirmation)

    @property
    def unconfirmed_reasons(self) -> Mapping[QuestionId, str]:
        """The reason for each question of explicit consent or sharing whose Yes does not wait.

        Whoever approves a notice sees these. Old versions may have a question without a reason: "".
        """
        return {
            question.id: question.unconfirmed_because
            for question in self.questions.values()
            if waits_by_default(question.purpose.id, question.purpose.legal_basis)
            and not question.confirm
        }

    @property
    def needs_postal_address(self) -> bool:
        """Whether any question needs a postal address."""
        return any("address" in question.needs for question in self.questions.values())

    @property
    def first_name_is_enough(self) -> bool:
        """Whether no question needs more of a name than the first."""
        return all(
            FIRST_NAME in question.needs
            for question in self.questions.values()
            if "name" in question.needs
        )

    @property
    def needs_postcode(self) -> bool:
        """Whether a postal address in the clinic's country needs a postcode."""
        return self.country not in WITHOUT_POSTCODE

    @property
    def contact_order(self) -> tuple[str, ...]:
        """E-mail and phone in the order of the forms: first what a question needs."""
        kinds = ("email", "phone")
        order: dict[str, None] = {}
        for question in self.questions.values():
            order |= dict.fromkeys(kind for kind in kinds if kind in question.needs)
        order |= dict.fromkeys(kinds)
        return tuple(order)

    def confirming_kind(self, question_id: QuestionId, typed: Collection[str]) -> str | None:
        """Tell which kind of the contacts typed confirms a question: one it needs, else the first.

        None where no contact of such a kind was typed.
        """
        needs = self.questions[question_id].needs
        needed = [kind for kind in self.contact_order if kind in needs]
        for kind in needed or self.contact_order:
            if kind in typed:
                return kind
        return None

    def open_at(self, at: Instant) -> "Clinic":
        """Give the clinic with what it asks at a moment, and the age that holds then.

        Questions whose last day is over are left out: nobody is asked about a contest that ended.
        """
        ended = {
            question_id
            for question_id, rule in self.endings.items()
            if not rule.startswith("P") and ending(rule, at) <= at
        }
        clinic = self._with_questions(self.questions.keys() - ended) if ended else self
        if not self.guardian:
            return clinic
        return clinic._replace(alone_from=self.decides_alone_from(at))

    def limited_to(self, question_ids: Collection[QuestionId]) -> "Clinic":
        """Give the clinic with only these questions; with all where it has none of them."""
        own = self.questions.keys()
        kept = own & set(question_ids)
        return self._with_questions(kept or own)

    def _with_questions(self, kept: Collection[QuestionId]) -> "Clinic":
        asked = self.questions.items()
        questions = {
            question_id: question for question_id, question in asked if question_id in kept
        }
        purposes = []
        for purpose in self.purposes:
            prefix = f"{purpose.id}."
            options = tuple(option for option in purpose.options if prefix + option.id in kept)
            if options or purpose.id in kept:
                purposes.append(purpose._replace(options=options))
        return self._replace(purposes=tuple(purposes), questions=questions)

    def decides_alone_from(self, at: Instant) -> int:
        """Tell from which age a patient decides alone: the clinic's own, else the country's."""
        return self.age_minimum or own_consent_age(self.country, at)

    def limited_to_controller(self, member: str | None) -> "Clinic":
        """Give the clinic with only the questions that one of its joint controllers shares.

        All of them for None; none for whoever is not a controller of this notice.
        """
        if member is None:
            return self
        if all(controller.id != member for controller in self.controllers):
            return self._replace(questions={})
        shared = {
            question_id: question
            for question_id, question in self.questions.items()
            if not question.controllers or member in question.controllers
        }
        return self._replace(questions=shared)

    def controller_names(self, question: Question) -> list[str]:
        """Name the controllers that share a question, where it names them."""
        return [each.name for each in self.controllers if each.id in question.controllers]

    def describe_answers(
        self, decisions: Mapping[QuestionId, Mapping[str, object]]
    ) -> list[dict[str, object]]:
        """Give id, purpose, option and answer of a receipt's decisions, in the clinic's order."""
        return [
            {
                "id": question_id,
                "purpose": question.purpose,
                "option": question.option,
                "answer": decisions[question_id]["answer"],
            }
            for question_id, question in self.questions.items()
            if question_id in decisions
        ]

    def resolve_names(self, name: str) -> tuple[QuestionId, ...]:
        """Give the questions that ``purpose`` or ``purpose.option`` names, if any."""
        if name in self.questions:
            return (name,)
        return tuple(each for each in self.questions if each.startswith(f"{name}."))
