"""Forms as patients send them: fields in, answers, contacts and errors out.

Nothing typed is ever lost to an error.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from chalicelib.domain.ages import calendar_day
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, QuestionId
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.guardians import RELATIONS, Guardian, refusal_reason
from chalicelib.domain.instants import Instant
from chalicelib.domain.one_line import one_line
from chalicelib.domain.phones import can_be_written_to, exists, takes_texts
from chalicelib.domain.postal_address import MAX_PART, PARTS, PostalAddress, missing_parts
from chalicelib.domain.submission import (
    NOTHING_KNOWN,
    FieldError,
    FormAnswers,
    KnownDetails,
    can_agree,
)
from chalicelib.web.typed_fields import MAX_TYPED, Fields, first

MAX_NAME = 120
"""How many characters of a name are read."""

CHILD_FIELDS = (
    "relation",
    "child_name",
    "child_born_day",
    "child_born_month",
    "child_born_year",
)
QUESTION = "decision."
"""What a question's field begins with, before the question's id."""

Answers = Mapping[QuestionId, Answer]


@dataclass(slots=True)
class _Contacts:
    """The contacts of a form and what is wrong with them.

    `contacts` begins with those that are known already.
    """

    contacts: list[Contact] = field(default_factory=list)
    errors: list[FieldError] = field(default_factory=list)

    def read(self, clinic: Clinic, fields: Fields) -> None:
        """Read the e-mail address and the phone number, unless one of its kind is known."""
        for kind in (ContactKind.EMAIL, ContactKind.PHONE):
            typed = first(fields, kind.value)[:MAX_TYPED]
            if not typed or self.has(kind):
                continue
            try:
                contact = normalise(kind, typed, clinic.country)
            except InvalidContactError:
                self.errors.append(FieldError(kind.value, f"{kind.value}_invalid"))
            else:
                self.contacts.append(contact)

    def has(self, kind: str) -> bool:
        """Tell whether a contact of a kind is known or was typed, be it with an error."""
        kinds = [contact.kind.value for contact in self.contacts]
        wrong = [error.field for error in self.errors]
        return kind in kinds or kind in wrong


def read_consent(
    clinic: Clinic, fields: Fields, at: Instant, known: KnownDetails = NOTHING_KNOWN
) -> FormAnswers:
    """Read the consent form of a clinic that asks these questions at `at`.

    What is known need not be typed. A question left open is no decision; at least one must be
    answered. An answer to a question that is not asked any more (a contest that ended while the
    page was open) is an error: it is not dropped in silence.
    """
    answers, errors = _read_answers(clinic, fields)
    contacts = _Contacts([*known.contacts])
    contacts.read(clinic, fields)
    needs_child = Answer.YES in answers.values() or bool(contacts.contacts)
    guardian, guardian_errors = _read_guardian(clinic, fields, at, needs_child=needs_child)
    name = guardian.child if guardian else _read_name(fields, "name") or None
    named = bool(name or guardian or known.name)
    errors += guardian_errors
    errors += contacts.errors
    errors += _missing_details(clinic, answers, contacts, named=named)
    errors += _phone_errors(clinic, answers, contacts.contacts, known.contacts)
    address, address_errors = _read_address(clinic, answers, fields, known=known.address)
    errors += address_errors
    declares = guardian is None and _asks_for_age(clinic, answers)
    if declares:
        errors += _age_errors(fields)
    return FormAnswers(
        answers,
        tuple(contacts.contacts),
        name,
        _in_order(clinic, errors),
        declared_adult=declares,
        guardian=guardian,
        address=address,
    )


def _in_order(clinic: Clinic, errors: Iterable[FieldError]) -> tuple[FieldError, ...]:
    """Sort errors as their fields stand on the page: the questions come first."""
    order = [
        "child",
        "relation",
        "child_name",
        "child_born",
        "name",
        *PARTS,
        *clinic.contact_order,
        "adult",
    ]

    def place(error: FieldError) -> int:
        """Give the place of a field on the page."""
        return order.index(error.field) if error.field in order else -1

    return tuple(sorted(errors, key=place))


def read_changes(clinic: Clinic, fields: Fields, known: Collection[str]) -> FormAnswers:
    """Read the changes on a patient's own page.

    `known` names what is known of them (email, phone, name, address).
    """
    answers, errors = _read_answers(clinic, fields)
    for question_id in agreed(answers):
        if not can_agree(clinic.questions[question_id], known):
            errors.append(FieldError(f"{QUESTION}{question_id}", "contact_unknown"))
    declares = _asks_for_age(clinic, answers)
    if declares:
        errors += _age_errors(fields)
    return FormAnswers(answers, (), None, tuple(errors), declared_adult=declares)


def read_stops(all_questions: Clinic, fields: Fields) -> FormAnswers:
    """Read the withdrawals on a patient's own page.

    `purpose` (repeatable) or `all=yes`, ticked, never by a button. A program that opens every link
    of a mail and sends every form ticks nothing, and so stops nothing.
    """
    everything = first(fields, "all") == "yes"
    stopped = [name for name in fields.get("purpose", []) if name in all_questions.questions]
    errors = () if stopped or everything else (FieldError("purpose", "nothing_ticked"),)
    if everything:
        stopped = list(all_questions.questions)
    return FormAnswers(dict.fromkeys(stopped, Answer.WITHDRAW), (), None, errors, everything)


def read_withdrawal(clinic: Clinic, fields: Fields, *, known: bool = False) -> FormAnswers:
    """Read the withdrawal form.

    A contact, unless it is `known` whose it is, and `purpose` (repeatable) or `all=yes`. The page's
    first button, "enter", is what Enter in a field presses: it stops what is ticked, or else
    everything.
    """
    named = [name for name in fields.get("purpose", []) if name]
    by_enter = first(fields, "enter") == "yes" and not named
    everything = first(fields, "all") == "yes" or by_enter
    questions, errors = _read_purposes(clinic, named)
    if everything:
        questions, errors = list(clinic.questions), []
    contacts: tuple[Contact, ...] = ()
    if not known:
        contacts, contact_errors = read_contacts(clinic, fields)
        errors += contact_errors
    answers = dict.fromkeys(questions, Answer.WITHDRAW)
    return FormAnswers(answers, contacts, None, tuple(errors), everything)


def _read_purposes(
    clinic: Clinic, named: Sequence[str]
) -> tuple[list[QuestionId], list[FieldError]]:
    """Give the questions that these purposes, or options of them, name."""
    questions: list[QuestionId] = []
    for name in named:
        resolved = clinic.resolve_names(name)
        if not resolved:
            return [], [FieldError("purpose", "purpose_unknown")]
        questions += resolved
    if not questions:
        return [], [FieldError("purpose", "nothing_chosen")]
    return questions, []


def read_contacts(
    clinic: Clinic, fields: Fields
) -> tuple[tuple[Contact, ...], tuple[FieldError, ...]]:
    """Read an e-mail address, a phone number or both, and what is wrong with them."""
    contacts = _Contacts()
    contacts.read(clinic, fields)
    if not contacts.contacts and not contacts.errors:
        contacts.errors.append(FieldError(clinic.contact_order[0], "contact_missing"))
    return tuple(contacts.contacts), tuple(contacts.errors)


def read_written_to(
    clinic: Clinic, fields: Fields
) -> tuple[tuple[Contact, ...], tuple[FieldError, ...]]:
    """Read the contacts for a message.

    As `read_contacts`, and to one of them a message must be able to go.
    """
    contacts, errors = read_contacts(clinic, fields)
    countries = clinic.text_message_countries
    if errors or any(can_be_written_to(contact, countries) for contact in contacts):
        return contacts, errors
    return contacts, (FieldError("phone", "phone_no_texts_email"),)


def _read_answers(
    clinic: Clinic, fields: Fields
) -> tuple[dict[QuestionId, Answer], list[FieldError]]:
    answers: dict[QuestionId, Answer] = {}
    errors: list[FieldError] = []
    sent = [name.removeprefix(QUESTION) for name in fields if name.startswith(QUESTION)]
    if any(question not in clinic.questions for question in sent):
        errors.append(FieldError("errors", "question_closed"))
    for question in clinic.questions:
        name = f"{QUESTION}{question}"
        given = set(fields.get(name, [])) - {""}
        if given in ({"yes"}, {"no"}):
            answers[question] = Answer(given.pop())
        elif given:
            errors.append(FieldError(name, "answer_unclear"))
    if not answers and not errors:
        first_question = next(iter(clinic.questions), "")
        errors.append(FieldError(f"{QUESTION}{first_question}", "nothing_decided"))
    return answers, errors


def agreed(answers: Answers) -> list[QuestionId]:
    """Give the questions that are answered with Yes."""
    return [question for question, answer in answers.items() if answer is Answer.YES]


def needs_of(clinic: Clinic, answers: Answers) -> frozenset[str]:
    """Give everything that the Yes of a form need to know."""
    needs: set[str] = set()
    for question in agreed(answers):
        needs |= clinic.questions[question].needs
    return frozenset(needs)


def _asks_for_age(clinic: Clinic, answers: Answers) -> bool:
    """Tell whether a Yes has to come with a declaration of age."""
    return clinic.age_minimum is not None and Answer.YES in answers.values()


def _age_errors(fields: Fields) -> list[FieldError]:
    if first(fields, "adult") == "yes":
        return []
    return [FieldError("adult", "adult_missing")]


def _read_name(fields: Fields, name: str) -> str:
    """Read a name: one line, no control characters."""
    return one_line(first(fields, name)[:MAX_NAME])


def _read_guardian(
    clinic: Clinic, fields: Fields, at: Instant, *, needs_child: bool
) -> tuple[Guardian | None, list[FieldError]]:
    """Read who decides for a child, if anybody does.

    `needs_child` where the answers need to know for which child. The tick decides. Fields filled in
    without it are an error: an answer must not go to the wrong person.
    """
    if first(fields, "child") != "yes":
        begun = any(first(fields, name) for name in CHILD_FIELDS)
        errors = [FieldError("child", "child_unclear")] if begun and clinic.guardian else []
        return None, errors
    if not clinic.guardian:
        return None, [FieldError("errors", "adults_only")]
    errors = []
    relation, child = first(fields, "relation"), _read_name(fields, "child_name")
    if relation not in RELATIONS:
        errors.append(FieldError("relation", "relation_missing"))
    if needs_child and not child:
        errors.append(FieldError("child_name", "child_name_missing"))
    born = calendar_day(*_birth_fields(fields))
    problem = _birth_problem(fields, needed=needs_child)
    if born is not None:
        problem = refusal_reason(clinic, born, at)
    if problem:
        errors.append(FieldError("child_born", problem))
    return Guardian(relation, child or None, born), errors


def _birth_fields(fields: Fields) -> tuple[str, str, str]:
    """Give the year, month and day of birth as they were typed."""
    return (
        first(fields, "child_born_year"),
        first(fields, "child_born_month"),
        first(fields, "child_born_day"),
    )


def _birth_problem(fields: Fields, *, needed: bool) -> str | None:
    """Name what is wrong with a birth that is no day of the calendar.

    None where nothing has to be typed.
    """
    typed = _birth_fields(fields)
    if all(typed):
        return "child_born_impossible"
    if any(typed) or needed:
        return "child_born_missing"
    return None


def _missing_details(
    clinic: Clinic, answers: Answers, contacts: _Contacts, *, named: bool
) -> list[FieldError]:
    """Give what was not typed that a Yes needs; some contact it needs always."""
    needs = needs_of(clinic, answers)
    errors = []
    reachable = False
    for kind in (ContactKind.EMAIL.value, ContactKind.PHONE.value):
        if contacts.has(kind):
            reachable = True
        elif kind in needs:
            errors.append(FieldError(kind, f"{kind}_missing"))
    if agreed(answers) and not errors and not reachable:
        errors.append(FieldError(clinic.contact_order[0], "contact_missing"))
    if "name" in needs and not named:
        errors.append(FieldError("name", "name_missing"))
    return errors


def _phone_errors(
    clinic: Clinic, answers: Answers, contacts: Sequence[Contact], known: Collection[Contact]
) -> list[FieldError]:
    """Tell what is wrong with a phone number that was typed.

    It does not exist, or cannot be asked to confirm a Yes. A number that takes no text message is a
    contact all the same wherever nothing has to be confirmed by it.
    """
    typed = [
        contact
        for contact in contacts
        if contact.kind is ContactKind.PHONE and contact not in known
    ]
    if not typed:
        return []
    [phone] = typed
    if not exists(phone.value):
        return [FieldError("phone", "phone_invalid")]
    if takes_texts(phone.value, clinic.text_message_countries):
        return []
    kinds = [contact.kind for contact in contacts]
    waiting = [question for question in agreed(answers) if question in clinic.needs_confirmation]
    by_phone = [
        question
        for question in waiting
        if clinic.confirming_kind(question, kinds) == ContactKind.PHONE
    ]
    if not by_phone:
        return []
    needs_phone = any("phone" in clinic.questions[question].needs for question in by_phone)
    return [FieldError("phone", "phone_no_texts" if needs_phone else "phone_no_texts_email")]


def _read_address(
    clinic: Clinic, answers: Answers, fields: Fields, *, known: bool
) -> tuple[PostalAddress | None, list[FieldError]]:
    """Read the postal address where a Yes needs it.

    None is taken that nothing needs (GDPR Art. 5(1)(c)).
    """
    if "address" not in needs_of(clinic, answers):
        return None, []
    parts = {part: one_line(first(fields, part)[:MAX_PART]) for part in PARTS}
    if known and not any(parts.values()):
        return None, []
    missing = missing_parts(parts, clinic.country)
    if missing:
        return None, [FieldError(part, f"{part}_missing") for part in missing]
    return PostalAddress(**parts), []
