"""What patients do on the pages, counted: taps and fields."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import count
from typing import Any

from playwright.sync_api import Locator

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.instants import instant
from chalicelib.notices.document import read_clinic
from infra.operator.cli.clinic_file import ClinicFile
from tests.browser.phone import Phone
from tests.browser.words import translated
from tests.cast import CLINICS
from tests.conftest import LocalStack
from tests.web.letterbox import letters

IDS = sorted(path.stem for path in CLINICS.glob("*.yaml"))
NAMES = {
    "lv": "Anna Ozola",
    "lt": "Jonas Žukauskas",
    "ka": "გიორგი ბერიძე",
    "ru": "Анна Озола",
    "en": "Mary O’Neill",
}
_PHONES = {"LV": ("+371", "26 12"), "LT": ("+370", "612 2"), "GE": ("+995", "555 12 ")}
_newcomers = count(1)


@cache
def document(clinic: str) -> Any:
    """Read a demo clinic's file."""
    return ClinicFile.read(CLINICS / f"{clinic}.yaml").document


@cache
def a_clinic(clinic: str) -> Clinic:
    """Give a demo clinic as it asks today: the contest in Riga ends in January."""
    return read_clinic(document(clinic)).open_at(instant(datetime.now(UTC)))


WALKS = [(clinic, lang) for clinic in IDS for lang in a_clinic(clinic).languages]


@dataclass(frozen=True)
class Patient:
    """Somebody nobody has met yet; the phone is typed as people write it at home."""

    name: str
    email: str
    phone_typed: str
    phone: str

    def typed(self, what: str) -> str:
        """Give what the patient writes into a field."""
        return {"name": self.name, "email": self.email, "phone": self.phone_typed}[what]

    def known_by(self, what: str) -> dict[str, str]:
        """Give the patient as a clinic's program asks for them."""
        return {what: {"email": self.email.lower(), "phone": self.phone}[what]}


def a_patient(clinic: Clinic, lang: str) -> Patient:
    """Make a patient whom no other test knows: the tests share one portal and run in any order."""
    number = next(_newcomers)
    prefix, begun = _PHONES[clinic.country]
    national = f"{begun}{number // 100:02} {number % 100:02}"
    email = f"Patient{number}.{clinic.code}@example.org"
    return Patient(
        NAMES.get(lang, NAMES["en"]), email, national, prefix + re.sub(r"\D", "", national)
    )


@dataclass
class Effort:
    """What a visit costs the patient."""

    taps: int = 0
    fields: int = 0

    @property
    def whole(self) -> int:
        """Taps and fields together."""
        return self.taps + self.fields


@dataclass
class Visit:
    """A patient with a clinic's page open on their phone."""

    phone: Phone
    clinic: Clinic
    patient: Patient
    effort: Effort = field(default_factory=Effort)

    @property
    def contact(self) -> str:
        """The contact by which this clinic knows its patients first."""
        return "phone" if self.clinic.country == "GE" else "email"

    @property
    def subject(self) -> dict[str, str]:
        """The patient as the clinic's program asks for them."""
        return self.patient.known_by(self.contact)

    def answer_label(self, address: str, answer: str) -> Locator:
        """Find the button for an answer: the label, as a finger does."""
        return self.phone.page.locator(
            f'.yn label:has(input[name="decision.{address}"][value="{answer}"])'
        )

    def answer(self, answers: Mapping[str, str]) -> None:
        """Tap an answer to each question."""
        for address, answer in answers.items():
            self.answer_label(address, answer).click()
            self.effort.taps += 1

    def chosen(self) -> dict[str, str]:
        """Tell what is chosen on the page now."""
        return {
            str(radio.get_attribute("name")).removeprefix("decision."): str(
                radio.get_attribute("value")
            )
            for radio in self.phone.page.locator(".yn input:checked").all()
        }

    def required_fields(self) -> set[str]:
        """Tell which contact fields are visible."""
        return {
            name
            for name in ("name", "email", "phone")
            if self.phone.page.locator(f"#{name}").is_visible()
        }

    def write(self, fields: Sequence[str]) -> None:
        """Fill in contact fields, which must be visible."""
        for name in fields:
            self.fill(name, self.patient.typed(name))

    def fill(self, name: str, text: str) -> None:
        """Type into a field."""
        self.phone.page.locator(f"#{name}").fill(text)
        self.effort.fields += 1

    def tick(self, name: str) -> None:
        """Tick a box."""
        self.phone.page.locator(f".tick:has(#{name})").click()
        self.effort.taps += 1

    def go_on(self) -> None:
        """Press the button that leads to the next page of the way: the first of its form."""
        with self.phone.page.expect_navigation():
            self.phone.page.locator("form.step > button").first.click()
        self.effort.taps += 1

    def walk_topics(self, answers: Mapping[str, str]) -> None:
        """Go from the start page through every topic, answer these and leave the others open."""
        self.go_on()
        while self.phone.page.locator(".yn").count():
            here = {
                address: answer
                for address, answer in answers.items()
                if self.answer_label(address, answer).count()
            }
            self.answer(here)
            self.go_on()

    def say_who(self) -> None:
        """Write on the contact page what it asks for, if there is such a page."""
        if not self.phone.page.locator('input[name="at"][value="contact"]').count():
            return
        self.write(sorted(self.required_fields()))
        if self.phone.page.locator("#adult").count():
            self.tick("adult")
        self.go_on()

    def give(self, address: str) -> Effort:
        """Say Yes to one question from the start page on, with what it asks for and no more.

        Tell what it cost.
        """
        self.effort = Effort()
        self.walk_topics({address: "yes"})
        self.say_who()
        self.send("Save my answers")
        return self.effort

    def stop_everything(self, by: str) -> Effort:
        """Take everything back on the withdrawal page on the screen.

        Tell what it has cost so far.
        """
        self.write(sorted(self.required_fields() & {by}))
        self.send("Stop everything")
        return self.effort

    def confirm(self) -> None:
        """Say on the page a message led to that it was oneself, and send that."""
        self.phone.page.locator('.tick:has(input[name="sure"][value="all"])').click()
        self.effort.taps += 1
        self.send("Send my answer")

    def send(self, button: str) -> None:
        """Press a button and wait for the next page."""
        self.phone.send(button)
        self.effort.taps += 1

    def follow(self, link: str) -> None:
        """Follow the first link with these words and wait for the next page."""
        name = translated(self.phone.lang, link)
        with self.phone.page.expect_navigation():
            self.phone.page.get_by_role("link", name=name, exact=True).first.click()
        self.effort.taps += 1

    def needed(self, answers: Mapping[str, str]) -> set[str]:
        """Give what the agreed questions need: email, phone, name, contact (either of two)."""
        needs = {
            need
            for address, answer in answers.items()
            if answer == "yes"
            for need in self.clinic.questions[address].needs
        }
        return needs - {"first_name"}


def mail_links(
    stack: LocalStack, clinic: Clinic, subject: Mapping[str, str], lang: str
) -> dict[str, str]:
    """Give the links that a clinic's own mail to a patient holds."""
    made = json.loads(stack.call(clinic.id, "links", {"links": [{**subject, "lang": lang}]}))
    links: dict[str, str] = made["links"][0]
    return links


def follow_letters(visit: Visit, stack: LocalStack, number: str | None = None) -> int:
    """Confirm what a receipt leaves open (the one on the screen), by every message it brings.

    Tell how many.
    """
    tokens = [
        token for token, _ in letters(stack, visit.clinic.id, number or receipt_shown(visit.phone))
    ]
    for token in tokens:
        visit.phone.open(f"/confirm/{token}")
        visit.confirm()
    return len(tokens)


def receipt_shown(phone: Phone) -> str:
    """Give the number of the receipt on the screen."""
    return phone.page.locator("span.mono").first.inner_text()


def every_other(clinic: Clinic) -> dict[str, str]:
    """Answer Yes and No in turns."""
    return {address: ("yes", "no")[number % 2] for number, address in enumerate(clinic.questions)}
