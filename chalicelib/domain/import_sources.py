"""Reads a line of an export: Mailchimp's, Brevo's, listmonk's, or a plain sheet's.

The columns are those that the systems write (2026). What their times mean, and when an export
proves that the person agreed:

- **Mailchimp** (`subscribed_…csv`, `unsubscribed_…csv`, `cleaned_…csv` of an audience): times in
  UTC. ``CONFIRM_TIME`` alone proves nothing: an address that the account's owner added has one too.
  Double opt-in has an ``OPTIN_TIME`` before it, and a ``CONFIRM_IP``.
- **Brevo** (contacts, by semicolons, days as ``31-03-2024``): ``DOUBLE_OPT-IN`` says Yes. When
  somebody unsubscribed is not in the export; ``MODIFIED_TIME`` is the latest it can have been.
- **listmonk** (subscribers, or these with their subscriptions by SQL): a subscription that is
  ``confirmed``. One of a single opt-in list is ``unconfirmed`` for ever, so the list's ``optin``
  tells what that means.
"""

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, QuestionId
from chalicelib.domain.contacts import Contact, ContactKind, InvalidContactError, normalise
from chalicelib.domain.imported_consents import (
    MAX_NOTE,
    Cells,
    ImportedLine,
    ImportRules,
    NotImportedError,
    Outcome,
    SourceForm,
    note,
)
from chalicelib.domain.imported_times import Said, UnclearTimeError, read_time, said_on
from chalicelib.domain.instants import Instant

YES_WORDS = frozenset({"yes", "y", "true", "1", "x", "jā", "ja", "taip", "да", "კი"})
YES_WORDS |= {"subscribed", "granted", "opt_in", "opted_in"}
NO_WORDS = frozenset({"no", "n", "false", "0", "nē", "ne", "нет", "არა", "refused"})
STOP_WORDS = frozenset({"unsubscribed", "withdrawn", "blocklisted", "blacklisted", "opted_out"})

_CARRIERS = (ContactKind.EMAIL, ContactKind.PHONE)


@dataclass(frozen=True, slots=True)
class _Reading:
    """A line being read, with what is needed to read it."""

    cells: Cells
    rules: ImportRules
    clinic: Clinic
    now: Instant

    def time(self, *names: str) -> Said | None:
        """Read the first time of these columns; None where all are empty."""
        try:
            return read_time(
                self.cells.get(*names),
                country=self.clinic.country,
                zone=self.rules.zone,
                month_first=self.rules.month_first,
                now=self.now,
            )
        except UnclearTimeError as error:
            raise NotImportedError(str(error)) from None

    def line(
        self,
        answers: Mapping[QuestionId, Answer],
        said: Said | None,
        *,
        proven: bool = False,
        told: Mapping[str, Said | str | None] | None = None,
        ip: str = "",
        born: date | None = None,
    ) -> ImportedLine:
        """Make the line of its answers; raise NotImportedError where something is missing."""
        parts = []
        for name, value in (told or {}).items():
            if value:
                parts.append((name, value if isinstance(value, str) else value.written))
        if self.rules.keep_ip and ip:
            parts.append(("IP", _address(ip)))
        return ImportedLine(
            self.cells.line,
            self._contacts(answers),
            answers,
            said or self._undated(),
            proven,
            note(self.rules, self.cells, parts),
            born,
        )

    def all(self, answer: Answer) -> dict[QuestionId, Answer]:
        """Give the same answer to every question that the file is about."""
        if not self.rules.questions:
            raise NotImportedError("no_answer")
        return dict.fromkeys(self.rules.questions, answer)

    def _undated(self) -> Said:
        if self.rules.undated is None:
            raise NotImportedError("date_missing")
        try:
            return said_on(self.rules.undated, self.clinic.country, self.now)
        except UnclearTimeError as error:
            raise NotImportedError(str(error)) from None

    def _contacts(self, answers: Mapping[QuestionId, Answer]) -> tuple[Contact, ...]:
        """Read the contacts that the questions need, and no others: the rest is not needed here.

        Without such a need the first that there is; the clinic's own number beside it.
        """
        needs = {need for each in answers for need in self.clinic.questions[each].needs}
        needed = [kind for kind in _CARRIERS if kind.value in needs]
        missing = [kind for kind in needed if not self.cells.get(kind)]
        if missing and Answer.YES in answers.values():
            raise NotImportedError("no_contact")
        present = [kind for kind in (needed or _CARRIERS) if self.cells.get(kind)]
        kinds = present if needed else present[:1]
        if self.cells.get(ContactKind.REFERENCE):
            kinds = [ContactKind.REFERENCE, *kinds]
        if not kinds:
            raise NotImportedError("no_contact")
        return tuple(self._contact(kind) for kind in kinds)

    def _contact(self, kind: ContactKind) -> Contact:
        written = self.cells.get(kind)
        if kind is ContactKind.PHONE and self.rules.form is SourceForm.BREVO:
            # Brevo writes international numbers without their "+".
            written = written if written.startswith("+") else f"+{written}"
        try:
            return normalise(kind, written, self.clinic.country)
        except InvalidContactError:
            raise NotImportedError("contact_invalid") from None


def read_line(
    cells: Cells, rules: ImportRules, clinic: Clinic, now: Instant
) -> tuple[ImportedLine, ...]:
    """Read a line of a file; raise NotImportedError. What was said at two times is two of them.

    Contacts stand in the columns ``email``, ``phone`` and ``patient_ref``. `clinic` has every
    question that may be imported, as far as the caller's key shares them.
    """
    if cells.fault is not None:
        raise NotImportedError("broken_row")
    lines = _READERS[rules.form](_Reading(cells, rules, clinic, now))
    return lines if isinstance(lines, tuple) else (lines,)


def _mailchimp(reading: _Reading) -> ImportedLine:
    cells, rules = reading.cells, reading.rules
    status = cells.get("status").casefold() or _status_by_columns(cells, rules)
    if status == "cleaned":
        raise NotImportedError("bounced", Outcome.SKIPPED)
    if status not in {"subscribed", "unsubscribed"}:
        raise NotImportedError("never_subscribed", Outcome.SKIPPED)
    opted_in, confirmed = reading.time("optin_time"), reading.time("confirm_time")
    told = {"opted in": opted_in, "confirmed": confirmed}
    ip = cells.get("confirm_ip", "optin_ip")
    if status == "unsubscribed" or rules.answer not in {None, Answer.YES}:
        said = reading.time("unsub_time", "last_changed")
        return reading.line(reading.all(Answer.WITHDRAW), said, told=told, ip=ip)
    confirmed_later = opted_in and confirmed and opted_in.at < confirmed.at
    proven = bool(confirmed_later and cells.get("confirm_ip"))
    said = confirmed if proven else opted_in or confirmed
    return reading.line(reading.all(Answer.YES), said, proven=proven, told=told, ip=ip)


def _status_by_columns(cells: Cells, rules: ImportRules) -> str:
    """Tell from which of an audience's files a line is, by the columns that only that one has.

    Where the column is there and empty, it is taken for that file's all the same, unless the caller
    says that everybody in the file agreed.
    """
    says_yes = rules.answer is Answer.YES
    if cells.get("clean_time") or (cells.has("clean_time") and not says_yes):
        return "cleaned"
    if cells.get("unsub_time") or (cells.has("unsub_time") and not says_yes):
        return "unsubscribed"
    return "subscribed"


def _brevo(reading: _Reading) -> tuple[ImportedLine, ...]:
    """Read a contact, of whom the subscriptions by e-mail and by SMS may stand differently."""
    cells = reading.cells
    yes, stops = {}, {}
    for question in reading.all(Answer.YES):
        by_phone = ContactKind.PHONE.value in reading.clinic.questions[question].needs
        if _is_stopped_in_brevo(cells, "sms" if by_phone else "email", reading.rules):
            stops[question] = Answer.WITHDRAW
        else:
            yes[question] = Answer.YES
    added = reading.time("added_time", "created_at")
    double = _is_yes(cells.get("double_opt_in"))
    never = cells.has("opt_in") and not double and not _is_yes(cells.get("opt_in"))
    lines = []
    if stops:
        said = reading.time("unsubscribed_time", "modified_time", "modified_at")
        lines.append(reading.line(stops, said, told={"added": added}))
    if yes and not never:
        told = {"added": added, "double opt-in": "yes" if double else None}
        lines.append(reading.line(yes, added, proven=double, told=told))
    if not lines:
        raise NotImportedError("never_subscribed", Outcome.SKIPPED)
    return tuple(lines)


def _is_stopped_in_brevo(cells: Cells, carrier: str, rules: ImportRules) -> bool:
    """Tell whether a contact is struck off there for e-mail or for SMS."""
    marks = (f"{carrier}_blacklisted", f"{carrier}blacklisted", f"{carrier}_blocklisted")
    status = cells.get(f"{carrier}_marketing", f"{carrier}_marketing_status").casefold()
    blocked = _is_yes(cells.get(*marks, "blacklisted", "blocklisted"))
    return blocked or status in STOP_WORDS or rules.answer not in {None, Answer.YES}


def _listmonk(reading: _Reading) -> ImportedLine:
    cells = reading.cells
    status = cells.get("status").casefold()
    if status == "disabled":
        raise NotImportedError("switched_off", Outcome.SKIPPED)
    subscription = cells.get("subscription_status").casefold()
    updated = reading.time("subscription_updated_at", "updated_at")
    created = reading.time("subscription_created_at", "created_at")
    told = {"subscribed": created, "subscription": subscription}
    stopped = status == "blocklisted" or subscription == "unsubscribed"
    if stopped or reading.rules.answer not in {None, Answer.YES}:
        said = reading.time("updated_at") if status == "blocklisted" else updated
        return reading.line(reading.all(Answer.WITHDRAW), said, told=told)
    confirmed = subscription == "confirmed"
    if subscription == "unconfirmed" and cells.get("optin").casefold() != "single":
        raise NotImportedError("not_confirmed", Outcome.SKIPPED)
    if confirmed:
        told["confirmed by"] = updated
    ip = cells.get("optin_ip")
    return reading.line(reading.all(Answer.YES), created, proven=confirmed, told=told, ip=ip)


def _sheet(reading: _Reading) -> ImportedLine:
    cells = reading.cells
    answers = _sheet_answers(reading)
    confirmed = reading.time("confirmed_at", "confirm_time")
    said = reading.time("date", "effective_at", "decided_at", "when") or confirmed
    evidence = cells.get("evidence", "form")
    if len(evidence) > MAX_NOTE or not evidence.isprintable():
        raise NotImportedError("evidence_too_long")
    told = {"evidence": evidence, "confirmed": confirmed}
    proven = bool(evidence or confirmed)
    born = None
    if Answer.YES in answers.values():  # nothing else needs an age, and no No is lost to it
        born = _born(cells.get("born", "birth_date", "birthday", "date_of_birth"))
    return reading.line(answers, said, proven=proven, told=told, ip=cells.get("ip"), born=born)


def _sheet_answers(reading: _Reading) -> dict[QuestionId, Answer]:
    """Read the answers: by columns named as questions, else of one column for all."""
    cells, questions = reading.cells, reading.clinic.questions
    named = {name: value for name, value in cells.cells.items() if name in questions}
    answers = {}
    for question, value in named.items():
        if value.strip():
            answers[question] = _answer(value)
    if named:
        if not answers:
            raise NotImportedError("no_answer", Outcome.SKIPPED)
        return answers
    written = cells.get("consent", "answer", "status", "subscribed")
    answer = _answer(written) if written else reading.rules.answer
    if answer is None:
        raise NotImportedError("no_answer")
    return reading.all(answer)


def _answer(written: str) -> Answer:
    word = written.strip().casefold().replace("-", "_").replace(" ", "_")
    if word in YES_WORDS:
        return Answer.YES
    if word in NO_WORDS:
        return Answer.NO
    if word in STOP_WORDS:
        return Answer.WITHDRAW
    raise NotImportedError("answer_unclear")


def _is_yes(written: str) -> bool:
    return written.strip().casefold() in YES_WORDS


def _born(written: str) -> date | None:
    """Read a day of birth; None where there is none, or only its day and month.

    Raises NotImportedError where there is a year, and the day cannot be read for certain.
    """
    for form in ("%Y-%m-%d", "%d.%m.%Y"):
        try:
            return datetime.strptime(written, form).date()  # noqa: DTZ007 - a day has no zone
        except ValueError:
            continue
    if re.search(r"\d{4}|\d+\D+\d+\D+\d", written):
        raise NotImportedError("date_unclear")
    return None


def _address(written: str) -> str:
    """Give an IP address, or "" for what is none."""
    try:
        return str(ipaddress.ip_address(written))
    except ValueError:
        return ""


_READERS: Mapping[SourceForm, Callable[[_Reading], Any]] = {
    SourceForm.MAILCHIMP: _mailchimp,
    SourceForm.BREVO: _brevo,
    SourceForm.LISTMONK: _listmonk,
    SourceForm.SHEET: _sheet,
}
