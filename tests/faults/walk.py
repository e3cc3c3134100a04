"""Random walks: patients, staff, programs, the stream and the clock act in any order, and anything
may fail.

A walk of a seed is the same each time. Every operation draws from dice of its own (seed and
number), so that the tail of a walk can be walked alone.
"""

import contextlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from chalicelib.domain.consent import Channel
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.instants import Instant, instant
from chalicelib.domain.links import SHORT_WORDS
from chalicelib.store import outbox, withdrawal_orders
from chalicelib.store.people import iter_items, load_person
from chalicelib.store.shown_pages import CONSENT_PAGE, WITHDRAWAL_PAGE
from chalicelib.web.form_state import FormState, form_secret
from tests.cast import RIGA, TBILISI
from tests.faults.weather import CALM, Forecast, forecast
from tests.faults.world import FUNCTIONS, SKEW, Visitor, World, contact_of, json_of
from tests.web.client import Answer
from tests.web.page_reader import Page

BEGIN = datetime(2026, 11, 23, 9, tzinfo=UTC)
CLINICS = (RIGA, TBILISI)
RESIDENTS = 40
"""How many people share the care home's phone."""

TRIES = 4
"""How often a person or program sends the same again before giving up."""

TRY_AGAIN = frozenset({429, 500, 502, 503})
LINK = re.compile(r"/(confirm|undo|manage|unsubscribe|[cmu])/([A-Za-z0-9_-]{32})")
PAGES = {word: scope.value for scope, word in SHORT_WORDS.items()}
"""The page that each short address of a text message leads to."""


@dataclass(frozen=True)
class Somebody:
    """One of the cast: where they go, who they are."""

    clinic: str
    name: str
    contacts: tuple[Contact, ...]
    ref: str = ""
    """The clinic's own number of them, for whom staff enter."""

    @property
    def fields(self) -> dict[str, str]:
        """Give what they type."""
        return {
            "name": self.name,
            **{contact.kind.value: contact.value for contact in self.contacts},
        }

    @property
    def subject(self) -> dict[str, str]:
        """Give how staff name them."""
        named = {"patient_ref": self.ref} if self.ref else {}
        return named | {contact.kind.value: contact.value for contact in self.contacts}


@dataclass(frozen=True)
class Sent:
    """A request that can be sent again: its function, its sender, the mark of its receipts."""

    clinic: str
    target: str
    fields: Mapping[str, Any]
    mark: str
    contacts: tuple[Contact, ...]
    stops: tuple[str, ...] = ()
    """The decisions it withdraws, for everyone known under its contacts."""

    at: Instant = ""
    """When it was decided, where staff said so."""

    key: str = ""
    """The Idempotency-Key of a program's call; "" for a form."""

    sent_at: datetime = BEGIN


@dataclass(frozen=True)
class Acknowledged:
    """A receipt that was acknowledged, with its document where a program got it."""

    clinic: str
    receipt: str
    document: Mapping[str, Any] | None = None
    by: str = ""
    """The operation it was, as the walk's list has it."""


@dataclass(frozen=True)
class Stopped:
    """A withdrawal that was acknowledged.

    With everyone known under the contact before, and their version.
    """

    clinic: str
    addresses: tuple[str, ...]
    at: Instant
    people: Mapping[str, int]


@dataclass
class Walk:
    """One walk through a world."""

    seed: str
    world: World
    cast: list[Somebody] = field(default_factory=list)
    sent: list[Sent] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    stopped: list[Stopped] = field(default_factory=list)
    lost: list[Mapping[str, Any]] = field(default_factory=list)
    """Stream records that the function was never told of."""

    reports: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """What was seen to be wrong on the way."""

    _pages: dict[tuple[str, str], FormState] = field(default_factory=dict)
    _read: int = 0
    _links: list[tuple[str, str, Somebody]] = field(default_factory=list)
    _last: Somebody | None = None
    _amid: Somebody | None = None
    """Whom the operation is about in the middle of which somebody else acts."""

    def begin(self) -> None:
        """Register the cast: single people, families, and the care home, entered by staff."""
        for clinic, phones in ((RIGA, "+371261000"), (TBILISI, "+9955551000")):
            self.cast += _people(clinic, phones)
        self.world.log.never = _personal(self.cast)
        for each in self.cast:
            if each.ref:
                self._staff(each, Random(each.ref), CALM, agree=True)

    def step(self, number: int) -> None:
        """Carry out one operation of the walk."""
        rng = Random(f"{self.seed}:{number}")
        self.world.at += timedelta(seconds=rng.expovariate(1 / 2400))
        for function in FUNCTIONS:
            self.world.skews[function] = timedelta(
                seconds=rng.uniform(-1, 1) * SKEW.total_seconds()
            )
        names, weights = zip(*OPERATIONS.items(), strict=True)
        name = rng.choices(names, weights)[0]
        weather = forecast(rng)
        self.log.append(
            f"{number:6} {self.world.at:%m-%d %H:%M:%S} {name.replace('_', ' '):<24} {weather}"
        )
        self.done[name] += 1
        self.world.weather.between = self._somebody_else(number)
        getattr(self, f"_{name}")(rng, weather)
        self.world.weather.between = None

    def settle(self) -> None:
        """Let the sky clear and the clock catch up, until nothing waits any more."""
        self.world.skews = dict.fromkeys(FUNCTIONS, timedelta())
        self.lost += self.world.table.records
        self.world.table.records = []
        for _ in range(80):
            self.world.at += timedelta(hours=1)
            self.world.run("round", CALM, Random(0), self.world.catch_up)
            if not self._waits():
                break
        self.lost += self.world.table.records  # the clock's rounds write receipts too
        self.world.table.records = []

    def _waits(self) -> bool:
        """Tell whether anything is still to be told, or a withdrawal to be carried on."""
        with self.world.calmly():
            table = self.world.portal.table
            return any(outbox.due_items(table, "9999")) or any(withdrawal_orders.open_orders(table))

    def replay(self) -> None:
        """Hand the stream's function every record that it never got."""
        records, self.lost = self.lost, []
        for start in range(0, len(records), 100):
            with self.world.calmly("stream"):
                self.world.stream(records[start : start + 100])

    # Patients

    def _form(self, rng: Random, weather: Forecast) -> None:
        who = self._somebody(rng, residents=False)
        clinic = self._clinic(who.clinic)
        questions = [
            a
            for a, q in clinic.questions.items()
            if not q.needs - {"name", "first_name", "contact", *who.fields}
        ]
        answers = {
            f"decision.{each}": rng.choice(["yes", "yes", "no"])
            for each in rng.sample(questions, min(2, len(questions)))
        }
        given = who.fields if rng.random() < 0.7 else {"name": who.name, **_one(rng, who.contacts)}
        mark = f"w{len(self.sent)}"
        state = self._state(who.clinic, CONSENT_PAGE, mark)
        contacts = tuple(each for each in who.contacts if each.kind.value in given)
        fields = {"state": state, "adult": "yes", **given, **answers}
        self._post(Sent(who.clinic, f"/{who.clinic}", fields, mark, contacts), rng, weather)

    def _withdrawal(self, rng: Random, weather: Forecast) -> None:
        who = self._somebody(rng)
        contact = rng.choice(who.contacts)
        clinic = self._clinic(who.clinic)
        stops = (
            tuple(clinic.questions) if rng.random() < 0.5 else (rng.choice(list(clinic.questions)),)
        )
        chosen = {"all": "yes"} if len(stops) > 1 else {"purpose": stops[0]}
        mark = f"w{len(self.sent)}"
        fields = {
            "state": self._state(who.clinic, WITHDRAWAL_PAGE, mark),
            contact.kind.value: contact.value,
            **chosen,
        }
        self._post(
            Sent(who.clinic, f"/{who.clinic}/withdraw", fields, mark, (contact,), stops),
            rng,
            weather,
        )

    def _form_again(self, rng: Random, weather: Forecast) -> None:
        open_still = self.world.at - timedelta(minutes=100)
        if forms := [
            each
            for each in self.sent[-60:]
            if not each.key and (each.stops or each.sent_at > open_still)
        ]:
            self._post(rng.choice(forms), rng, weather, again=True)

    def _link(self, rng: Random, weather: Forecast) -> None:
        self._collect()
        if not self._links:
            return
        what, token, self._last = rng.choice(self._links[-200:])
        clinic = self._last.clinic
        questions = list(self._clinic(clinic).questions)
        fields: Mapping[str, Any] = {
            "purpose": questions,
            "sure": "no" if rng.random() < 0.1 else "yes",
            "adult": "yes",
        }
        if what == "unsubscribe":
            fields = {"List-Unsubscribe": "One-Click"}
        elif what == "manage":
            decision = rng.choice(["stop", "stop", "change"])
            state = self._own_state(token)
            if state is None:
                return
            answers = {
                f"decision.{each}": rng.choice(["yes", "no"]) for each in rng.sample(questions, 1)
            }
            fields = {
                "state": state,
                "act": decision,
                **({"all": "yes"} if decision == "stop" else {"adult": "yes", **answers}),
            }
        answer = self._ask(
            lambda: Visitor(address=_address(rng)).post(f"/{what}/{token}", fields), rng, weather
        )
        self._note_redirect(clinic, answer)

    # Staff and programs

    def _staff_decision(self, rng: Random, weather: Forecast) -> None:
        who = self._somebody(rng)
        self._staff(who, rng, weather, agree=bool(who.ref) and rng.random() < 0.8)

    def _staff(self, who: Somebody, rng: Random, weather: Forecast, *, agree: bool = False) -> None:
        clinic = self._clinic(who.clinic)
        questions = [
            a
            for a, q in clinic.questions.items()
            if not q.needs - {"name", "first_name", "contact", *who.fields}
        ]
        answers = {
            each: "yes" if agree else rng.choice(["yes", "no"]) for each in rng.sample(questions, 2)
        }
        at = instant(
            self.world.at
            - timedelta(seconds=rng.randrange(120, 200_000), milliseconds=rng.randrange(1000))
        )
        body = {
            "subject": who.subject,
            "name": who.name,
            "decisions": answers,
            "channel": "paper",
            "effective_at": at,
            "evidence": {"form": f"F-{len(self.sent)}", "witness": who.name},
        }
        self._call("receipts", who.clinic, body, who.contacts, (), at, rng, weather)

    def _staff_withdrawal(self, rng: Random, weather: Forecast) -> None:
        who = self._somebody(rng)
        contact = rng.choice(who.contacts)
        at = instant(
            self.world.at
            - timedelta(seconds=rng.randrange(120, 4000), milliseconds=rng.randrange(1000))
        )
        body = {
            "subject": {contact.kind.value: contact.value},
            "all": True,
            "channel": "phone",
            "effective_at": at,
            "evidence": {"witness": who.name},
        }
        stops = tuple(self._clinic(who.clinic).questions)
        self._call("withdrawals", who.clinic, body, (contact,), stops, at, rng, weather)

    def _call_again(self, rng: Random, weather: Forecast) -> None:
        if calls := [each for each in self.sent[-60:] if each.key]:
            self._post(rng.choice(calls), rng, weather, again=True)

    def _call(  # noqa: PLR0917 - what a call is made of
        self,
        name: str,
        clinic: str,
        body: Mapping[str, Any],
        contacts: tuple[Contact, ...],
        stops: tuple[str, ...],
        at: Instant,
        rng: Random,
        weather: Forecast,
    ) -> None:
        key = f"idem-{len(self.sent)}"
        self._post(
            Sent(clinic, f"/v1/clinics/{clinic}/{name}", body, at, contacts, stops, at, key),
            rng,
            weather,
        )

    def _status(self, rng: Random, weather: Forecast) -> None:
        who = self._somebody(rng)
        contact = rng.choice(who.contacts)
        body = {"subjects": [{contact.kind.value: contact.value}]}
        self._ask(lambda: self._program(who.clinic, "status", body, ""), rng, weather)

    def _restriction(self, rng: Random, weather: Forecast) -> None:
        who = self._somebody(rng, residents=False)
        body = {
            "subject": dict([next(iter(_one(rng, who.contacts).items()))]),
            "restricted": rng.random() < 0.5,
        }
        self._ask(
            lambda: self._program(who.clinic, "restrictions", body | {"everyone": True}, ""),
            rng,
            weather,
        )

    def _erasure(self, rng: Random, weather: Forecast) -> None:
        who = self._somebody(rng, residents=False)
        body = {"subject": _one(rng, who.contacts), "everyone": True}
        self._ask(lambda: self._program(who.clinic, "erasures", body, ""), rng, weather)

    # What nobody asks for

    def _stream(self, rng: Random, weather: Forecast) -> None:
        waiting = self.world.table.records
        batch = [
            waiting.pop(rng.randrange(len(waiting)))
            for _ in range(min(len(waiting), rng.randrange(1, 80)))
        ]
        if rng.random() < 0.06:
            self.lost += batch
            return
        batch += rng.choices(batch, k=len(batch) // 8) if batch else []
        handled = False
        for _ in range(3):  # Lambda sends a batch that failed again
            handled = (
                self.world.run("stream", weather, rng, lambda: self._handle_stream(batch))
                or handled
            )
            if handled:
                break
        if not handled:
            self.lost += batch
        elif rng.random() < 0.1:
            waiting += batch  # it comes again

    def _handle_stream(self, batch: Sequence[Mapping[str, Any]]) -> bool:
        try:
            self.world.stream(batch)
        except Exception:  # noqa: BLE001 - whatever it is, Lambda tries again
            return False
        return True

    def _catch_up(self, rng: Random, weather: Forecast) -> None:
        self.world.run("round", weather, rng, lambda: _whatever(self.world.catch_up))

    def _housekeeping(self, rng: Random, weather: Forecast) -> None:
        self.world.run("round", weather, rng, lambda: _whatever(self.world.run_housekeeping))

    def _mail_report(self, rng: Random, weather: Forecast) -> None:
        mails = [each for each in self.world.messages.deliveries[-50:] if each.tags]
        if mails and rng.random() < 0.5:
            self.reports.append(_report(rng.choice(mails).tags, self.world.instant, rng))
        if self.reports:
            report = rng.choice(self.reports)  # twice, late, or never
            self.world.run(
                "reports", weather, rng, lambda: _whatever(lambda: self.world.report(report))
            )

    def _time_passes(self, rng: Random, _: Forecast) -> None:
        self.world.at += timedelta(hours=rng.choice([1, 6, 20]))

    # How things are sent

    def _post(self, sent: Sent, rng: Random, weather: Forecast, *, again: bool = False) -> None:
        """Send something until it is answered, or given up; note what was acknowledged."""
        if not again:
            self.sent.append(replace(sent, sent_at=self.world.at))
        known = self._known(sent) if sent.stops else {}
        if sent.key:
            name = sent.target.rpartition("/")[2]
            answer = self._ask(
                lambda: self._program(sent.clinic, name, sent.fields, sent.key), rng, weather
            )
        else:
            answer = self._ask(
                lambda: Visitor(address=_address(rng)).post(sent.target, sent.fields), rng, weather
            )
        if answer is not None and answer.status == 201:
            document = json_of(answer)
            self.acknowledged.append(
                Acknowledged(
                    sent.clinic, document["id"], document, self.log[-1] if self.log else "begin"
                )
            )
        elif not self._note_redirect(sent.clinic, answer):
            return
        if sent.stops:
            at = sent.at or self.world.instant
            self.stopped.append(Stopped(sent.clinic, sent.stops, at, known))

    def _note_redirect(self, clinic: str, answer: Answer | None) -> bool:
        found = (
            re.search(r"/receipts/([0-9a-f]{32})\?", answer.location)
            if answer and answer.status == 303
            else None
        )
        if found:
            self.acknowledged.append(
                Acknowledged(clinic, found[1], by=self.log[-1] if self.log else "")
            )
        return found is not None

    def _ask(self, send: Callable[[], Answer], rng: Random, weather: Forecast) -> Answer | None:
        """Send until the answer is one to keep; None where none came, or whoever it was gave up."""
        for number in range(TRIES):
            clearing = replace(
                weather,
                rate=weather.rate / 2**number,
                dies_at=weather.dies_at if not number else None,
            )
            answer: Answer | None = self.world.run("api", clearing, rng, send)
            self.done[f"answer {answer.status if answer else 'none'}"] += 1
            if answer is not None and answer.status not in TRY_AGAIN:
                if answer.status == 422 and "errors" in answer.text:
                    self.done["faulty"] += 1
                return answer
            if answer is not None and answer.status == 500:
                self.wrong.append(f"answered 500 by {self.log[-1]}")
            if rng.random() < 0.25:
                return None
        return None

    def _program(self, clinic: str, name: str, body: Mapping[str, Any], key: str) -> Answer:
        headers = {
            "Authorization": f"Bearer {self.world.api_keys[clinic]}",
            "Content-Type": "application/json",
        }
        if key:
            headers["Idempotency-Key"] = key
        return Visitor().send(
            "POST", f"/v1/clinics/{clinic}/{name}", json.dumps(body).encode(), headers
        )

    def _somebody_else(self, number: int) -> Callable[[], None]:
        """Give what somebody else does in the middle of this operation."""

        def between() -> None:
            rng = Random(f"{self.seed}:{number}:{len(self.log)}")
            names, weights = zip(*OTHERS.items(), strict=True)
            name = rng.choices(names, weights)[0]
            self.log.append(f"       … meanwhile {name.replace('_', ' ')}")
            self._amid = self._last
            try:
                getattr(self, f"_{name}")(rng, CALM)
            finally:
                self._amid = None

        return between

    # What the walk knows

    def _somebody(self, rng: Random, *, residents: bool = True) -> Somebody:
        """Choose one of the cast; in the middle of something often the one it is about, for that is
        where races are.

        A resident is chosen as rarely as one person: what is done by that phone concerns forty.
        """
        if self._amid and (residents or not self._amid.ref) and rng.random() < 0.8:
            return self._amid
        weights = [(1.2 / RESIDENTS if residents else 0) if each.ref else 1 for each in self.cast]
        self._last = rng.choices(self.cast, weights)[0]
        return self._last

    def _clinic(self, clinic: str) -> Any:
        with self.world.calmly():
            return self.world.portal.directory.look_up(clinic).published.clinic

    def _known(self, sent: Sent) -> dict[str, int]:
        with self.world.calmly():
            lookup = self.world.portal.directory.look_up(sent.clinic, sent.contacts)
            return {
                person.id: person.version
                for people in lookup.stored_under.values()
                for person in people
            }

    def _state(self, clinic: str, page: str, mark: str) -> str:
        """Give the state of a page that somebody opened a moment ago."""
        with self.world.calmly():
            secret = form_secret(clinic, page)
            if (clinic, page) not in self._pages:
                target = f"/{clinic}" if page == CONSENT_PAGE else f"/{clinic}/withdraw"
                sealed = Page(Visitor().get(target)).fields["state"]
                opened = FormState.from_token(secret, sealed, self.world.instant)
                assert opened is not None
                self._pages[clinic, page] = opened
            early = instant(self.world.at - 2 * SKEW)
            nonce = f"{self.seed}-{mark}"
            state = self._pages[clinic, page]._replace(
                nonce=nonce,
                opened_at=early,
                source=mark,
                channel=Channel.QR,
            )
            return state.to_token(secret)

    def _own_state(self, token: str) -> str | None:
        with self.world.calmly():
            answer = Visitor().get(f"/manage/{token}")
            return Page(answer).fields.get("state") if answer.status == 200 else None

    def _collect(self) -> None:
        """Read the messages that came since."""
        for each in self.world.messages.deliveries[self._read :]:
            reader = next(one for one in self.cast if each.to in one.fields.values())
            for what, token in LINK.findall(each.text):
                self._links.append((PAGES.get(what, what), token, reader))
        self._read = len(self.world.messages.deliveries)


OPERATIONS = {
    "form": 24,
    "withdrawal": 7,
    "form_again": 5,
    "link": 12,
    "staff_decision": 10,
    "staff_withdrawal": 3,
    "call_again": 4,
    "status": 5,
    "restriction": 1,
    "erasure": 0.3,
    "stream": 20,
    "catch_up": 4,
    "housekeeping": 1,
    "mail_report": 2,
    "time_passes": 1.7,
}
OTHERS = {"form": 5, "withdrawal": 4, "link": 3, "staff_decision": 4, "stream": 2, "catch_up": 2}
"""What others do in the middle of something."""


def _people(clinic: str, phones: str) -> Iterable[Somebody]:
    """Give a clinic's people: single, in families with one phone, and a care home's residents."""
    tag = clinic[:2]
    for number in range(12):
        contacts = (
            contact_of("email", f"zanis{tag}{number}@walk-{number}.example.org"),
            contact_of("phone", f"{phones}{number:02}"),
        )
        yield Somebody(clinic, f"Zanis Walker{number}", contacts)
    for family in range(3):
        phone = contact_of("phone", f"{phones}{family + 50}")
        for number in range(3):
            email = contact_of("email", f"berta{tag}{family}{number}@walk.example.org")
            yield Somebody(clinic, f"Berta Walker{number}", (email, phone))
    phone = contact_of("phone", f"{phones}77")
    for number in range(RESIDENTS if clinic == RIGA else 5):
        yield Somebody(clinic, f"Old Walker{number}", (phone,), f"ref-{tag}-{number}")


def _personal(cast: Sequence[Somebody]) -> re.Pattern[str]:
    """Give a pattern of all personal data: no line of the log may match it."""
    phones = {
        contact.value[1:]
        for each in cast
        for contact in each.contacts
        if contact.kind is ContactKind.PHONE
    }
    words = [
        "Walker",
        "walk-",
        "walk.example",
        "zanis",
        "berta",
        "ref-",
        *map(re.escape, sorted(phones)),
    ]
    return re.compile("|".join(words), re.IGNORECASE)


def _one(rng: Random, contacts: Sequence[Contact]) -> dict[str, str]:
    contact = rng.choice(contacts)
    return {contact.kind.value: contact.value}


def _address(rng: Random) -> str:
    return f"10.{rng.randrange(256)}.{rng.randrange(256)}.7"


def _whatever(operation: Callable[[], None]) -> None:
    """Carry out a round that Lambda does not repeat: the next one comes by the clock."""
    with contextlib.suppress(Exception):
        operation()


def _report(tags: Mapping[str, str], at: Instant, rng: Random) -> str:
    kind = rng.choice(["Bounce", "Bounce", "Complaint", "Delivery"])
    part = {
        "timestamp": at,
        **({"bounceType": rng.choice(["Permanent", "Transient"])} if kind == "Bounce" else {}),
    }
    mail = {"tags": {name: [value] for name, value in tags.items()}}
    return json.dumps({"eventType": kind, "mail": mail, kind.lower(): part})


def people_of(world: World, clinic: str) -> list[Any]:
    """Give everybody known to a clinic."""
    with world.calmly():
        return [load_person(place) for place in iter_items(world.portal.table, clinic)]
