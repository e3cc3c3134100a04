"""Clinics and their notices as values, as `notices.document` reads them.

A clinic's document says who asks (one controller or several jointly, GDPR Art. 26), for what, on which basis, and in
which words, in every language the clinic speaks. One version of it is immutable once published.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from chalicelib.domain.ages import own_consent_age
from chalicelib.domain.consent import CONFIRM_WITHIN
from chalicelib.domain.instants import Instant, ending
from chalicelib.domain.postal_address import WITHOUT_POSTCODE

PROOF_KEPT = "P3Y"
"""How long receipts are kept after the last consent has ended, unless the clinic says otherwise.

No law names a period (EDPB 05/2020, 107).
"""

EXPLICIT_CONSENT = "explicit_consent"
"""The legal basis of what concerns health and other special categories (GDPR Art. 9(2)(a))."""

SHARING = "data_sharing"
"""The purpose whose options are the recipients."""


def waits_by_default(purpose: object, legal_basis: object) -> bool:
    """Tell whether a Yes waits for confirmation unless the clinic gives a reason: explicit consent, and all sharing."""
    return legal_basis == EXPLICIT_CONSENT or purpose == SHARING


Text = Mapping[str, str]
"""A text in every language of the clinic, by language code."""


@dataclass(frozen=True, slots=True)
class Controller:
    """A controller (GDPR Art. 4(7)) and how to reach it."""

    id: str
    name: str
    address: str
    """Where post reaches it; empty where the law does not ask for it and the clinic does not say."""
    email: str
    phone: str
    registration: str
    lead: bool

    def for_receipt(self) -> Mapping[str, str]:
        """Give what a receipt says of the controller."""
        return {"id": self.id, "name": self.name}


@dataclass(frozen=True, slots=True)
class Option:
    """A part of a purpose that the patient decides separately: a channel, a recipient, a contest, a medium."""

    id: str
    title: Text
    text: Text | None
    needs: frozenset[str]
    ends: str | None
    controllers: tuple[str, ...] = ()
    """Which of the joint controllers it concerns, by id; what the purpose says where it says nothing."""
    confirm: bool = False
    """Whether a Yes from the web counts only once the owner of the contact has confirmed it (double opt-in)."""
    unconfirmed_because: str = ""
    """The clinic's reason why a Yes counts unconfirmed that otherwise would not."""


@dataclass(frozen=True, slots=True)
class Purpose:
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
    """Which of the joint controllers it concerns, by id; all of them where it names none."""
    confirm: bool = False
    unconfirmed_because: str = ""


@dataclass(frozen=True, slots=True)
class Processing:
    """What a clinic does with data without asking for consent, and on which other basis (GDPR Art. 6(1)(b) to (f))."""

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


@dataclass(frozen=True, slots=True)
class Question:
    """One decision to take: its address, what a Yes needs to know, when it ends by itself, whether it is confirmed."""

    id: str
    purpose: Purpose
    option: Option | None
    needs: frozenset[str]
    ends: str | None
    confirm: bool = False
    unconfirmed_because: str = ""

    @property
    def recipient(self) -> Text | None:
        """Who outside receives the data: the option of `data_sharing`, or whom the purpose names."""
        if self.purpose.id == SHARING:
            return self.option.title if self.option else self.purpose.title
        return self.purpose.recipients

    def title(self, lang: str) -> str:
        """Give the purpose, and the option where there is one; a question of long ago may lack the language."""
        parts = [self.purpose.title, *([self.option.title] if self.option else [])]
        return ": ".join(localized(each, lang) for each in parts)

    @property
    def controllers(self) -> tuple[str, ...]:
        """Which of the joint controllers share the decision, by id; none for all of them."""
        return (self.option.controllers if self.option else ()) or self.purpose.controllers


def localized(text: Text, lang: str) -> str:
    """Give a text in a language, or in the first it has: a clinic may speak more languages than it used to."""
    return text[lang] if lang in text else next(iter(text.values()))


@dataclass(frozen=True, slots=True)
class Clinic:
    """A clinic as one version of its notice describes it."""

    id: str
    code: str
    version: str
    effective: str
    country: str
    authority: str
    languages: tuple[str, ...]
    name: Text
    controllers: tuple[Controller, ...]
    dpo: Mapping[str, str]
    """The data protection contact: `name`, `email`, `phone`; nothing where there is none."""
    age_minimum: int | None
    texts: Mapping[str, Text]
    purposes: tuple[Purpose, ...]
    sha256: str
    questions: Mapping[str, Question] = field(repr=False)
    dates: Mapping[str, Text] = field(default_factory=dict, repr=False)
    """The document's dates as each language writes them: part of the text, written once, when it is published."""
    closes: Mapping[str, Instant] = field(default_factory=dict, repr=False)
    """When the last days named are over where the clinic is: local midnight, told once, when it is published."""
    since: str = ""
    """The day from which this version is in force, where the clinic is: that of its publication or, where that comes
    later, its `effective` day. "" before it is published, and for what was published before this was kept."""
    guardian: bool = False
    """Whether a guardian may decide for a child; where not, a clinic with an age is for those who have reached it."""
    alone_from: int | None = None
    """Where a guardian may decide: from which age a child decides alone, at the moment the clinic asks."""
    confirm_within: str = CONFIRM_WITHIN
    """How long a Yes waits for the confirmation of the contact's owner."""
    without_consent: tuple[Processing, ...] = ()
    """What is done without a question, because the law asks for no consent: told, and never decided."""
    proof_kept: str = PROOF_KEPT
    """How long receipts are kept once what they prove has ended, or a last day: a rule of `instants.ending`."""
    sms_countries: tuple[str, ...] = ()
    """The countries text messages are sent to, by ISO 3166; none for the clinic's own alone."""

    @property
    def default_language(self) -> str:
        """The language for a patient whose own the clinic does not speak."""
        return self.languages[0]

    @property
    def text_message_countries(self) -> tuple[str, ...]:
        """The countries text messages are sent to: those the clinic names, else its own."""
        return self.sms_countries or (self.country,)

    @property
    def lead(self) -> Controller:
        """The controller who leads; the only one where there is one."""
        return next((each for each in self.controllers if each.lead), self.controllers[0])

    @property
    def endings(self) -> Mapping[str, str]:
        """When consents end by themselves, by decision address: an instant or a period (see `instants.ending`)."""
        return {
            address: self.closes.get(question.ends, question.ends)
            for address, question in self.questions.items()
            if question.ends
        }

    @property
    def needs_confirmation(self) -> frozenset[str]:
        """The decisions that a person nobody knew yet confirms too, before they count (double opt-in)."""
        return frozenset(address for address, question in self.questions.items() if question.confirm)

    def always_waits(self, decisions: Mapping[str, Mapping[str, Any]], at: Instant) -> bool:
        """Tell whether a Yes of a receipt waits whoever gave it: saying so tells nobody who is known here."""
        yes = {address: entry["confirm_by"] for address, entry in decisions.items() if entry["answer"] == "yes"}
        return any((yes[address] or "") > at for address in yes.keys() & self.needs_confirmation)

    @property
    def unconfirmed_reasons(self) -> Mapping[str, str]:
        """The decisions on explicit consent or data sharing that count unconfirmed, each with the clinic's reason.

        Who approves a notice sees them. A version published before a reason was asked for may have none.
        """
        return {
            address: question.unconfirmed_because
            for address, question in self.questions.items()
            if not question.confirm and waits_by_default(question.purpose.id, question.purpose.legal_basis)
        }

    @property
    def needs_postal_address(self) -> bool:
        """Whether any question needs a postal address."""
        return any("address" in question.needs for question in self.questions.values())

    @property
    def needs_postcode(self) -> bool:
        """Whether a letter in the clinic's country needs a postcode."""
        return self.country not in WITHOUT_POSTCODE

    def confirming_kind(self, address: str, typed: Collection[str]) -> str | None:
        """Tell which of the kinds of contact that were typed confirms a decision: the one it needs, else the first."""
        needs = self.questions[address].needs
        wanted = [kind for kind in self.contact_order if kind in needs] or list(self.contact_order)
        return next((kind for kind in wanted if kind in typed), None)

    @property
    def contact_order(self) -> tuple[str, ...]:
        """E-mail and phone in the order the questions need them: a clinic that knows its patients by phone asks so."""
        asked = [need for question in self.questions.values() for need in ("email", "phone") if need in question.needs]
        return tuple(dict.fromkeys((*asked, "email", "phone")))

    def open_at(self, at: Instant) -> "Clinic":
        """Give the clinic as it asks at a moment: without the questions whose last day is over, with the age of then.

        Nobody is asked about a contest that ended.
        """
        over = {address for address, rule in self.endings.items() if rule[0] != "P" and ending(rule, at) <= at}
        asked = self._with({address for address in self.questions if address not in over}) if over else self
        return replace(asked, alone_from=self.decides_alone_from(at)) if self.guardian else asked

    def limited_to(self, addresses: Collection[str]) -> "Clinic":
        """Give the clinic with only these questions; with all of them where none is named or left."""
        return self._with(self.questions.keys() & set(addresses) or set(self.questions))

    def _with(self, addresses: Collection[str]) -> "Clinic":
        purposes = []
        for purpose in self.purposes:
            kept = tuple(each for each in purpose.options if f"{purpose.id}.{each.id}" in addresses)
            if kept or purpose.id in addresses:
                purposes.append(replace(purpose, options=kept))
        questions = {address: question for address, question in self.questions.items() if address in addresses}
        return replace(self, purposes=tuple(purposes), questions=questions)

    def decides_alone_from(self, at: Instant) -> int:
        """Tell from which age a patient decides alone at a moment: the clinic's own, else the country's."""
        return self.age_minimum or own_consent_age(self.country, at)

    def limited_to_controller(self, member: str | None) -> "Clinic":
        """Give the clinic with those questions alone that one of its joint controllers shares; all for None.

        Who is no controller of this notice (any more) shares none.
        """
        if member is None:
            return self
        known = any(each.id == member for each in self.controllers)
        shared = {
            address: question
            for address, question in self.questions.items()
            if known and (not question.controllers or member in question.controllers)
        }
        return replace(self, questions=shared)

    def controller_names(self, question: Question) -> list[str]:
        """Name the controllers that share a decision, where it names them."""
        return [each.name for each in self.controllers if each.id in question.controllers]

    def describe_answers(self, decisions: Mapping[str, Mapping[str, object]]) -> list[dict[str, object]]:
        """Give what a receipt's decisions answered, in the order the clinic asks: purpose, option if any, answer."""
        return [
            {"purpose": question.purpose, "option": question.option, "answer": decisions[address]["answer"]}
            for address, question in self.questions.items()
            if address in decisions
        ]

    def resolve_names(self, name: str) -> tuple[str, ...]:
        """Give the decisions that ``purpose`` or ``purpose.option`` names; none for a name the clinic does not have."""
        if name in self.questions:
            return (name,)
        return tuple(each for each in self.questions if each.startswith(f"{name}."))
