"""A clinic in the middle of a day: somebody of each role at its desk, and something on each page."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.staff import Passkey, Role, scopes_of
from chalicelib.portal import get_portal
from chalicelib.services import staff_members
from chalicelib.services.worklists import WORKLISTS
from chalicelib.store import bounces, staff
from chalicelib.web.routes import STAFF, StaffPlace
from tests.web.client import Client, Program
from tests.web.page_reader import decide
from tests.web.running import RunningPortal
from tests.web.staff.desk_client import DeskClient, sign_in
from tests.web.staff.test_batches import FORM, begin
from tests.web.staff.test_counters import count
from tests.web.staff.test_find import ANNA, BELLA, record
from tests.web.staff.test_notices import a_document, approved, drafted
from tests.web.staff.test_scans import PDF
from tests.web.staff.test_worklists import WEB

NAMES = {
    Role.RECEPTION: "Ilze Kalniņa",
    Role.MARKETING: "Zane Bērziņa",
    Role.PROTECTION: "Dr. Juris Klusums",
    Role.ADMINISTRATOR: "Inese Liepa",
    Role.READER: "Māris Ozols",
}
NEWS = "newsletter.email"
HOOK = "https://hooks.example.org/consent"
DIFFERING = ("GET /staff", "GET /staff/people/{subject}")
"""Pages that differ with the role; another is looked at as somebody who may do most on it."""
OF_PATIENTS = "GET /staff/notices/{version}/preview"
"""A page as patients see it: `tests.browser.test_screens` looks at theirs."""


@dataclass(frozen=True)
class Place:
    """One page of the desk: what its picture is called, where it is, who looks at it."""

    name: str
    path: str
    role: Role


@dataclass
class DeskDay:
    """The clinic, with its people and what is under way."""

    portal: RunningPortal
    like: str
    lang: str
    program: Program = field(init=False)
    people: dict[Role, DeskClient] = field(init=False)
    parts: dict[str, str] = field(init=False)
    """What stands in the variable parts of addresses, by name."""

    def __post_init__(self) -> None:
        """Open the clinic and let the day go on until there is something on each page."""
        self.program = self.portal.open_clinic(self.like)
        self.people = {role: self._signed_in(role) for role in Role}
        self.parts = {}
        self._patients()
        self._papers()
        self._notices()
        self._settings()
        self.portal.count_consents(self.program.clinic)

    @cached_property
    def places(self) -> tuple[Place, ...]:
        """Every page of the desk that is one, each as somebody who may see it."""
        return tuple(self._places())

    def _places(self) -> Iterator[Place]:
        for line, place in sorted(STAFF.items()):
            method, address = line.split()
            if method != "GET" or line == OF_PATIENTS:
                continue
            if "{name}" in address and "worklists" in address:
                for name, worklist in WORKLISTS.items():
                    path = address.replace("{name}", name)
                    yield Place(f"list-{name}", path, _first(worklist.scopes))
                continue
            path = self._path(address)
            roles = [role for role in Role if _may(role, place)]
            if line not in DIFFERING:
                roles = [self._most_able(roles, path) if place.scopes else Role.RECEPTION]
            for role in roles:
                if self._is_page(role, path):
                    yield Place(_named(address, role, line), path, role)
        yield Place("restricted", f"/staff/people/{self.parts['restricted']}", Role.PROTECTION)
        yield Place("waits", f"/staff/people/{self.parts['waiting']}", Role.RECEPTION)
        yield Place("counters-year", "/staff/counters?period=year", Role.MARKETING)
        yield Place("not-for-this-role", "/staff/record", Role.MARKETING)
        yield Place("not-there", "/staff/people/nobody", Role.RECEPTION)

    def _path(self, address: str) -> str:
        """Fill in what varies in an address of the table."""
        special = {
            "/staff/settings/link-keys/{key}": "link_key",
            "/staff/notices/{version}/publish": "approved",
        }
        return re.sub(
            r"\{(\w+)\}", lambda found: self.parts[special.get(address, found[1])], address
        )

    def _most_able(self, roles: list[Role], path: str) -> Role:
        """Give the role that may do most on a page: the last that opens it, but for reading."""
        able = sorted(roles, key=lambda role: role is not Role.READER)
        opening = [role for role in able if self.people[role].get(path).status == 200]
        assert opening, f"{path} is for nobody"
        return opening[-1]

    def _is_page(self, role: Role, path: str) -> bool:
        """Tell a page from a file that is saved."""
        answer = self.people[role].get(path)
        is_file = answer.headers.get("content-disposition", "").startswith("attachment")
        return answer.headers["content-type"].startswith("text/html") and not is_file

    def _signed_in(self, role: Role) -> DeskClient:
        """Sign somebody in who reads the desk in the day's language."""
        portal, clinic = self.portal.in_process, self.program.clinic
        desk = sign_in(portal, clinic, role, NAMES[role])
        now = portal.clock()
        staff_members.change_language(portal.table, clinic, desk.member.id, self.lang, now)
        return desk

    def _patients(self) -> None:
        """Two share a phone, one waits to be confirmed, one is restricted."""
        age = adult(self.program)
        made = record(self.program, ANNA, name="Anna Ozola", decisions={NEWS: "yes"}, **age)
        self.parts |= {"subject": made["subject"], "receipt": made["id"]}
        record(self.program, ANNA, decisions={NEWS: "no"}, effective_at="2026-11-24T09:00:00Z")
        record(
            self.program, ANNA, decisions={NEWS: "yes"}, effective_at="2026-11-27T09:00:00Z", **age
        )
        record(self.program, BELLA, name="محمد بن سلمان", **age)
        restricted = record(self.program, {"email": "carl@example.org"}, name="Kārlis Egle", **age)
        self.parts["restricted"] = restricted["subject"]
        fields = {"restricted": "yes", "case": "accuracy"}
        path = f"people/{restricted['subject']}/restrict"
        assert self.people[Role.PROTECTION].submit(path, fields).status == 303
        yes = {f"decision.{NEWS}": "yes", "email": "dace@example.org", "adult": "yes"}
        assert decide(Client(), self.program.clinic, yes).status == 303
        waits = self.program.history(email="dace@example.org")[0]
        self.parts["waiting"] = waits["subject"]
        self._has_work()
        for number, source in ((12, "desk"), (7, "room-2")):
            count(self.program, number, source=source)

    def _has_work(self) -> None:
        """A contact bounces, and something that was published is to be taken down."""
        portal, clinic = self.portal.in_process, self.program.clinic
        record(self.program, {"email": "egle@example.org"}, decisions={NEWS: "no"})
        body = {"subject": {"email": "egle@example.org"}, "purpose": NEWS, "places": [WEB]}
        assert self.program.call("publications", body).status == 201
        record(self.program, {"email": "fricis@example.org"}, **adult(self.program))
        fricis = Contact(ContactKind.EMAIL, "fricis@example.org")
        lookup = portal.clinics.key(clinic).lookup(fricis)
        bounces.mark_undeliverable(portal.table, clinic, lookup, "bounce", portal.clock())

    def _papers(self) -> None:
        """Half a pile of forms is entered, one of them with its scan."""
        desk = self.people[Role.RECEPTION]
        pile = begin(desk, form_lang=self.lang)
        self.parts["batch"] = pile.rpartition("/")[2]
        form = {"form": "P-098", "adult": "yes", **FORM}
        assert desk.submit_with_file(pile, form, "scan", PDF).status == 303
        self.parts["scan"] = hashlib.sha256(PDF).hexdigest()[:32]

    def _notices(self) -> None:
        """One draft waits to be approved, another to be published."""
        writer, officer = self.people[Role.MARKETING], self.people[Role.PROTECTION]
        for version in ("2.0", "2.1"):
            document = a_document(self.portal, self.program.clinic, version)
            assert drafted(writer, document).status == 303
        assert approved(officer, "2.0").status == 303
        self.parts |= {"version": "2.1", "approved": "2.0"}

    def _settings(self) -> None:
        """Set up a recipient, both kinds of keys, a tablet, and somebody's passkeys."""
        desk, clinic = self.people[Role.ADMINISTRATOR], self.program.clinic
        hook = {"name": "mailing", "url": HOOK, "question": [NEWS]}
        assert desk.submit("settings/new-webhook", hook).status == 200
        key = {"label": "Mailing", "kind": "program", "scope": ["status:read"], "days": "90"}
        assert desk.submit("settings/keys/new", key).status == 200
        assert desk.submit("settings/link-keys/new", {"label": "Letters"}).status == 200
        assert desk.submit("settings/tablets", {"name": "reception-1"}).status == 200
        keys = self.program.get("keys").json()["keys"]
        [link_key] = self.program.get("link-keys").json()["link_keys"]
        self.parts |= {
            "name": "mailing",
            "key": next(each["id"] for each in keys if each["label"] == "Mailing"),
            "link_key": link_key["id"],
            "member": self.people[Role.READER].member.id,
        }
        table, now = self.portal.table, self.portal.in_process.clock()
        member = staff.member(table, clinic, self.people[Role.RECEPTION].member.id)
        assert member is not None
        passkeys = (Passkey("bGFwdG9w", "", "Laptop", now), Passkey("cGhvbmU", "", "Phone", now))
        table.write([staff.changed_member(member, replace(member, passkeys=passkeys))])
        listed = self.people[Role.RECEPTION].get("/staff/passkeys").text
        found = re.search(r"/staff/passkeys/([\w-]+)/remove", listed)
        assert found
        self.parts["passkey"] = found[1]


def adult(program: Program) -> dict[str, bool]:
    """Give what the API wants to hear with a Yes, where the clinic asks patients their age."""
    clinic = get_portal().directory.look_up(program.clinic).published.clinic
    return {"declared_adult": True} if clinic.age_minimum else {}


def _may(role: Role, place: StaffPlace) -> bool:
    return not place.scopes or bool(set(place.scopes) & set(scopes_of(role)))


def _first(scopes: tuple[str, ...]) -> Role:
    return next(role for role in Role if set(scopes) & set(scopes_of(role)))


def _named(address: str, role: Role, line: str) -> str:
    """Call a page by its address: ``people-record``, with the role where pages differ by it."""
    parts = re.sub(r"\{\w+\}", "one", address.removeprefix("/staff")).strip("/").split("/")
    name = "-".join(part for part in parts if part) or "today"
    return f"{name}-{role.value}" if line in DIFFERING else name
