"""A patient's way in steps: which page comes next, what it asks, and what it carries along.

A step's form brings everything answered so far, as plain fields, and a `go` that names the next
page; nothing is stored. Without `go` it is the whole form (`pages.form_submission`). The page that
opens the way does not load this module.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from chalice.app import Response

from chalicelib.domain.clinic import FIRST_NAME, Clinic, Purpose
from chalicelib.domain.consent import Answer, QuestionId
from chalicelib.domain.contacts import ContactKind, masked
from chalicelib.domain.instants import Instant
from chalicelib.domain.postal_address import PARTS
from chalicelib.domain.submission import NOTHING_KNOWN, FieldError, FormAnswers, KnownDetails
from chalicelib.notices.purposes import FULL_NAME
from chalicelib.portal import get_portal
from chalicelib.services.hand_over import HandedOver
from chalicelib.services.invitee import Invitee
from chalicelib.store.shown_pages import KIOSK_PAGE, STEPS
from chalicelib.web.form_state import FORM_LIFETIME, FormState, state_of
from chalicelib.web.forms import CHILD_FIELDS, QUESTION, agreed, needs_of, read_consent
from chalicelib.web.pages.decision_form import FormPage, new_state, render_form
from chalicelib.web.responses import html
from chalicelib.web.typed_fields import MAX_TYPED, Fields, first

START, TOPIC, CONTACT, CHILD, CHECK = "start", "topic", "contact", "child", "check"
CHANGE = "change"
"""A topic that was opened from the check, to which it leads back."""
NO = "no"
"""No to everything: the check, with every question answered by No."""
SELF = "self"
"""Back from deciding for a child: the contact page, with nothing of the child."""

READ_AGAIN = {"page_too_old", "notice_changed"}
"""After these the patient begins at the start: another text may be shown than was read."""

KEPT_FOR_BACK = {"Cache-Control": f"private, max-age={FORM_LIFETIME.seconds}"}
"""Lets a patient's own browser show a step again on Back, for as long as its form may be sent.

With `no-store` it would ask whether to send the form again, with `no-cache` it would send it
(tried in Chromium). On a tablet that patients share nothing is kept.
"""

REACHABLE = (ContactKind.EMAIL.value, ContactKind.PHONE.value)
CONTACT_FIELDS = ("by", *REACHABLE, "name", *PARTS, "country", "adult")
GUARDIAN_FIELDS = ("child", *CHILD_FIELDS)
HANDED = "handed"
"""What carries in whose hands a tablet is from page to page (`services.hand_over`)."""


class Step(NamedTuple):
    """One page of the way."""

    name: str
    purpose: Purpose | None = None
    """What a topic is about."""
    changed: bool = False
    """Whether a topic leads back to the check."""

    @property
    def address(self) -> str:
        """What a button's `go` says to come here."""
        if self.purpose is None:
            return self.name
        return f"{CHANGE if self.changed else self.name}.{self.purpose.id}"


class Wanted(NamedTuple):
    """What the contact page asks for: only what a Yes needs and nobody knows yet."""

    kinds: tuple[str, ...] = ()
    """E-mail, phone or both."""
    either: bool = False
    """Whether one of the two is enough."""
    name: str = ""
    """The full name, the first name alone, or no name."""
    address: bool = False
    adult: bool = False

    def fields(self, by: str) -> set[str]:
        """Give the names of its fields; of two contacts of which one is enough the one chosen."""
        names = {by, "by"} if self.either else set(self.kinds)
        names |= {"name"} if self.name else set()
        names |= {*PARTS, "country"} if self.address else set()
        return names | ({"adult"} if self.adult else set())


def known_details(page: FormPage) -> KnownDetails:
    """Give what a patient need not type: a personal link says it, or the desk that handed over."""
    return page.known.known if isinstance(page.known, Invitee | HandedOver) else NOTHING_KNOWN


def show_next_step(page: FormPage, state: FormState, fields: Fields, now: Instant) -> Response:
    """Show the page that a step's form asks for; nothing is stored.

    The check comes only when nothing is missing: what a Yes needs is asked for before it, and what
    is wrong on the contact's or the child's page is said there.
    """
    go, at = first(fields, "go"), first(fields, "at")
    if go == NO:
        fields = {f"{QUESTION}{question}": ["no"] for question in page.clinic.questions}
    elif go == SELF:
        fields = {name: sent for name, sent in fields.items() if name not in GUARDIAN_FIELDS}
    visit = _Visit(page, fields, now)
    step = visit.next_possible(_step(page.clinic, go), at)
    faults = [
        error
        for error in visit.read.errors
        if error.field == "errors" or (at == step.name and _place(page.clinic, error) == step)
    ]
    return visit.show(step, state, faults, only_refused=go == NO)


def show_step_to_mend(
    page: FormPage, fields: Fields, errors: Sequence[FieldError], now: Instant
) -> Response:
    """Show the first step that has something to mend, with what was answered and typed."""
    visit = _Visit(page, fields, now, errors)
    step = _step_to_mend(page.clinic, errors)
    faults = [error for error in errors if _place(page.clinic, error) in (step, None)]
    return visit.show(step, state_of(page.template, page.clinic.id, fields), faults)


def is_refusal(page: FormPage, state: FormState) -> bool:
    """Tell whether the page that sent the form showed a No to everything."""
    if state.version != page.clinic.version:
        return False
    if state.sha256 == _page_sha256(page, page.evidence, state.lang):
        return False
    return state.sha256 == _page_sha256(page, STEPS[page.template].refused, state.lang)


def _page_sha256(page: FormPage, template: str, lang: str) -> str:
    return get_portal().shown_pages.page_sha256(template, page.clinic, lang)


def _step(clinic: Clinic, go: str) -> Step:
    """Give the page that a button names; the start for a name that is no page's."""
    name, _, purpose_id = go.partition(".")
    topic = _topic(clinic, purpose_id, changed=name == CHANGE)
    if topic and name in {TOPIC, CHANGE}:
        return topic
    pages = {CHECK: CHECK, NO: CHECK, CONTACT: CONTACT, SELF: CONTACT, CHILD: CHILD}
    return Step(pages.get(name, START))


def _place(clinic: Clinic, error: FieldError) -> Step | None:
    """Give the page on which a field stands; None for what concerns the form as a whole."""
    if error.field in {*GUARDIAN_FIELDS, "child_born"}:
        return Step(CHILD)
    if not error.field.startswith(QUESTION):
        return None if error.field == "errors" else Step(CONTACT)
    question = clinic.questions.get(error.field.removeprefix(QUESTION))
    return _topic(clinic, question.purpose.id, changed=True) if question else None


def _topic(clinic: Clinic, purpose_id: str, *, changed: bool) -> Step | None:
    """Give the page of a purpose, as far as the form asks about it: a link may ask about less."""
    for purpose in clinic.purposes:
        if purpose.id == purpose_id:
            return Step(TOPIC, purpose, changed=changed)
    return None


def _step_to_mend(clinic: Clinic, errors: Sequence[FieldError]) -> Step:
    if any(error.problem in READ_AGAIN for error in errors):
        return Step(START)
    places = [place for error in errors if (place := _place(clinic, error))]
    return places[0] if places else Step(CHECK)


class _Visit:
    """What one form brings, and the pages that can be made of it.

    `fields` are all that were sent; `relevant` those that the answers need, of which the check is
    made. `errors` are what the whole form was refused for.
    """

    def __init__(
        self, page: FormPage, fields: Fields, now: Instant, errors: Sequence[FieldError] = ()
    ) -> None:
        self.page = page
        self.clinic = page.clinic
        self.fields = fields
        self.known = known_details(page)
        self.fresh = new_state(page)
        by = first(fields, "by")
        self.by = by if by in REACHABLE else page.clinic.contact_order[0]
        self.guarded = page.clinic.guardian and first(fields, "child") == "yes"
        all_read = read_consent(page.clinic, fields, now, self.known)
        self.wanted = self._wanted(all_read)
        faulty = [error.field for error in errors if error.field in REACHABLE]
        missing = [kind for kind in faulty if kind not in self.wanted.kinds]
        self.wanted = self.wanted._replace(kinds=(*self.wanted.kinds, *missing))
        self.relevant = {name: sent for name, sent in fields.items() if self._is_relevant(name)}
        self.read = read_consent(page.clinic, self.relevant, now, self.known)

    def _wanted(self, form: FormAnswers) -> Wanted:
        """Tell what a Yes of the form needs that is not known."""
        if Answer.YES not in form.answers.values():
            return Wanted()
        needs = needs_of(self.clinic, form.answers)
        known = {contact.kind.value for contact in self.known.contacts}
        either = needs.isdisjoint(REACHABLE) and known.isdisjoint(REACHABLE)
        kinds = [kind for kind in self.clinic.contact_order if either or kind in needs - known]
        return Wanted(
            kinds=tuple(kinds),
            either=either,
            name="" if self.known.name or self.guarded else self._name_needed(form),
            address="address" in needs and not self.known.address,
            adult=self.clinic.age_minimum is not None and not self.guarded,
        )

    def _name_needed(self, form: FormAnswers) -> str:
        """Tell whether a Yes of the form needs a name, and whether the first one is enough."""
        needs = [self.clinic.questions[each].needs for each in agreed(form.answers)]
        named = [each for each in needs if "name" in each]
        if not named:
            return ""
        return FIRST_NAME if all(FIRST_NAME in each for each in named) else FULL_NAME

    def _is_relevant(self, name: str) -> bool:
        """Tell whether a field says something that the answers need.

        Whoever says only No leaves nothing else behind.
        """
        if name in GUARDIAN_FIELDS:
            return self.guarded and self.wanted != Wanted()
        if name in CONTACT_FIELDS:
            return name in self.wanted.fields(self.by)
        return True

    def next_possible(self, step: Step, at: str) -> Step:
        """Give the page itself, or the one whose fields have to be filled in before it."""
        places = [_place(self.clinic, error) for error in self.read.errors]
        before = {CHECK: (CHILD, CONTACT), CONTACT: (CHILD,) if at == CHILD else ()}
        for name in before.get(step.name, ()):
            if Step(name) in places:
                return Step(name)
        if step.name == CONTACT and self.wanted == Wanted():
            return Step(CHECK)
        if step.name == CHILD and not self.clinic.guardian:
            return Step(CONTACT)
        return step

    def show(
        self,
        step: Step,
        state: FormState | None,
        faults: Sequence[FieldError],
        *,
        only_refused: bool = False,
    ) -> Response:
        """Show a step with everything that was said before it."""
        state, refusal = self._state(step, state, only_refused=only_refused)
        faults = [self._where_chosen(error) for error in faults]
        filled = self._filled(step, refusal=refusal)
        page = render_form(self.page, state, self.fields, faults, **filled)
        kept = {} if self.page.template == KIOSK_PAGE else KEPT_FOR_BACK
        return html(page, 422 if faults else 200, kept)

    def _state(
        self, step: Step, state: FormState | None, *, only_refused: bool
    ) -> tuple[FormState, bool]:
        """Give the state of the page, and whether all that was read is a No to everything.

        It stays as it was, unless another text or language is shown now.
        """
        if state is None:
            return self.fresh, False
        refusal = step.name == CHECK and (only_refused or is_refusal(self.page, state))
        evidence = self.fresh.sha256
        if refusal:
            refused = STEPS[self.page.template].refused
            evidence = _page_sha256(self.page, refused, self.fresh.lang)
        same_text = (state.version, state.lang) == (self.fresh.version, self.fresh.lang)
        kept = state if same_text else self.fresh._replace(opened_at=state.opened_at)
        return kept._replace(sha256=evidence), refusal

    def _where_chosen(self, error: FieldError) -> FieldError:
        """Name the contact that was chosen where either of two is missing."""
        if error.problem == "contact_missing" and self.wanted.either:
            return replace(error, field=self.by)
        return error

    def _filled(self, step: Step, *, refusal: bool) -> dict[str, Any]:
        topics = [Step(TOPIC, purpose) for purpose in self.clinic.purposes]
        filled: dict[str, Any] = {"step": step.name, "here": step.address}
        filled["carried"] = self._carried(step)
        if step.purpose is not None:
            number = self.clinic.purposes.index(step.purpose)
            around = [Step(START), *topics, Step(CHECK)]
            forward, backward = around[number + 2], around[number]
            filled |= {
                "purpose": step.purpose,
                "number": number + 1,
                "forward": CHECK if step.changed else forward.address,
                "backward": CHECK if step.changed else backward.address,
            }
        if step.name == CONTACT:
            filled |= {"wanted": self.wanted, "guarded": self.guarded, "by": self.by}
            filled["backward"] = topics[-1].address
        if step.name == CHECK:
            filled |= self._checked()
            filled["backward"] = START if refusal else topics[-1].address
        return filled

    def _checked(self) -> Mapping[str, Any]:
        """Give what the check tells: the answers, the contact, and what was left open."""
        answers = self.read.answers
        typed = [contact for contact in self.read.contacts if contact not in self.known.contacts]
        return {
            "answers": {question: answer.value for question, answer in answers.items()},
            "contacts": [masked(contact) for contact in typed],
            "unanswered": [
                question
                for question in self.clinic.questions.values()
                if question.id not in answers
            ],
            "refused": bool(answers) and Answer.YES not in answers.values(),
        }

    def _carried(self, step: Step) -> list[tuple[str, str]]:
        """Give what the page carries along unseen, by field: all but what it shows itself."""
        answers = {f"{QUESTION}{each}": said.value for each, said in self.read.answers.items()}
        if step.purpose is not None:
            own = {f"{QUESTION}{each}" for each in self._questions_of(step.purpose)}
        else:
            own = {CONTACT: {*CONTACT_FIELDS}, CHILD: {*GUARDIAN_FIELDS}}.get(step.name, set())
        said = self.relevant if step.name == CHECK else self.fields
        names = [*CONTACT_FIELDS, *(GUARDIAN_FIELDS if self.clinic.guardian else ())]
        typed = {name: first(said, name)[:MAX_TYPED] for name in names}
        handed = {HANDED: self.page.known.token} if isinstance(self.page.known, HandedOver) else {}
        return [
            (name, text)
            for name, text in (answers | typed | handed).items()
            if text and name not in own
        ]

    def _questions_of(self, purpose: Purpose) -> list[QuestionId]:
        questions = self.clinic.questions.values()
        return [question.id for question in questions if question.purpose.id == purpose.id]
