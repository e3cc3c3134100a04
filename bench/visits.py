"""A clinic's patients, staff and programs, as the benchmarks need them, on services in memory.

The portal's own functions run as they are (`tests.faults`); time passes as the visits need it.
"""

import re
from collections.abc import Mapping
from datetime import timedelta

from chalicelib.domain.api_keys import SCOPES
from chalicelib.notices.edition import make_edition
from infra.operator import keys
from tests.cast import RIGA, an_edition, publish_edition
from tests.faults.world import Visitor, World
from tests.web.client import Answer, Program

CLINIC = RIGA
EMAIL_NEWS = "newsletter.email"


class Visits:
    """Who decides and asks at one clinic. Before each post ten minutes pass, as patients come."""

    def __init__(self, world: World) -> None:
        self.world = world
        _, key = keys.create(world.portal.table, CLINIC, "bench", SCOPES)
        self.program = Program(CLINIC, key, Visitor())
        questions = an_edition(CLINIC).clinic.questions
        self._by_email = [name for name, each in questions.items() if "phone" not in each.needs]
        self._others = [name for name in questions if name not in self._by_email]

    def warm_up(self) -> None:
        """Do everything once: the first of each fills the caches, and keeps the pages as shown."""
        self.post("warm@example.org", self.answers(8))
        self.withdraw("warm@example.org")
        self.ask(["warm@example.org"])
        self.staff("warm@example.org", {EMAIL_NEWS: "yes"})
        self.follow()

    def answers(self, number: int) -> dict[str, str]:
        """Answer so many questions: Yes to those an e-mail is enough for, No to the others."""
        chosen = dict.fromkeys(self._by_email, "yes") | dict.fromkeys(self._others, "no")
        return {name: chosen[name] for name in list(chosen)[:number]}

    def open_page(self, page: str = "") -> Answer:
        """Open the consent page, or the one of withdrawal."""
        return Visitor().get(f"/{CLINIC}{page}")

    def post(self, email: str, answers: Mapping[str, str]) -> None:
        """Open the consent page and send its form."""
        self.ready_post(email, answers)()

    def withdraw(self, email: str) -> None:
        """Open the page of withdrawal and withdraw everything."""
        self.ready_withdrawal(email)()

    def ready_post(self, email: str, answers: Mapping[str, str]) -> "Send":
        """Open the consent page; the form is sent with what is given back."""
        form = {f"decision.{question}": answer for question, answer in answers.items()}
        return self.ready_form("", {**form, **_named(answers), "email": email})

    def ready_withdrawal(self, email: str) -> "Send":
        """Open the page of withdrawal; the form is sent with what is given back."""
        return self.ready_form("/withdraw", {"email": email, "all": "yes"})

    def ready_form(self, page: str, form: Mapping[str, str]) -> "Send":
        """Open a page with a form."""
        self.world.at += timedelta(minutes=10)
        opened = self.open_page(page).text
        [state, *_] = re.findall(r'name="state" value="([^"]+)"', opened)
        return Send(f"/{CLINIC}{page}", {"state": state, **form})

    def ask(self, emails: list[str]) -> None:
        """Ask for the status of people."""
        subjects = [{"email": email} for email in emails]
        expect(self.program.call("status", {"subjects": subjects}), 200)

    def staff(self, email: str, answers: Mapping[str, str]) -> None:
        """Record answers given at the desk."""
        body = {
            "subject": {"email": email},
            **_named(answers),
            "decisions": dict(answers),
            "channel": "in-person",
            "effective_at": self.world.instant,
        }
        expect(self.program.call("receipts", body), 201)

    def publish(self) -> None:
        """Draft, approve and publish a MAJOR version."""
        document = {**an_edition(CLINIC).document, "version": "2.0", "effective": "2026-11-24"}
        portal = self.world.portal
        publish_edition(portal.table, portal.clinics, make_edition(document), self.world.instant)

    def follow(self) -> None:
        """Let the stream's function work until it leaves no record."""
        while records := self.world.table.records[:]:
            self.world.table.records.clear()
            self.world.running = "stream"
            self.world.stream(records)
            self.world.running = "api"


class Send:
    """A form that is filled in: calling it sends it."""

    def __init__(self, target: str, form: Mapping[str, str]) -> None:
        self._target = target
        self._form = form

    def __call__(self) -> None:
        """Send the form; it is answered by a receipt."""
        expect(Visitor().post(self._target, self._form), 303)


def _named(answers: Mapping[str, str]) -> dict[str, str]:
    """Some questions need a name."""
    return {} if set(answers) <= {EMAIL_NEWS} else {"name": "Anna Ozola"}


def expect(answer: Answer, status: int) -> None:
    """Raise RuntimeError unless an answer has this status."""
    if answer.status != status:
        raise RuntimeError(f"answered {answer.status} instead of {status}: {answer.text[:200]}")
