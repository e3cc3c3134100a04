"""What the patient's own page does: tells, changes, stops, hands out. Reached by a link alone, so it shows no contact.

A link is for one person. One that the clinic made for somebody new has no person yet: then whoever is known under its
contact is meant. Where several share that contact, nobody's history is shown to the others: together they can stop
things, and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from chalice.app import Request, Response

from chalicelib import dossier, journal
from chalicelib.asking import SEVERAL, form_secret, now
from chalicelib.boundary import NotFoundError
from chalicelib.consent import Address, Assurance, Channel, State
from chalicelib.contact import Contact, masked
from chalicelib.dossier import Decision
from chalicelib.evidence import MANAGE_PAGE
from chalicelib.forms import (
    MAX_TYPED,
    Fault,
    Fields,
    FormState,
    Submission,
    can_agree,
    first,
    new_nonce,
    read_changes,
    read_stops,
)
from chalicelib.guardians import ACTOR
from chalicelib.i18n import negotiate, spoken_day, spoken_time
from chalicelib.incoming import base_url, form_fields, mount, query
from chalicelib.instants import Instant
from chalicelib.links import Power
from chalicelib.notice import SHARING, Clinic, spoken
from chalicelib.outgoing import document, html, rendered, see_other
from chalicelib.pages import render
from chalicelib.receipts import Act, NoticeRef, Receipt, Subject, receipt_id
from chalicelib.renditions import FORMATS, PAPER, UnsignedError, rendition
from chalicelib.store.links import OldLinkError, Opened, open_link
from chalicelib.store.register import Look, NoticeChangedError, Signature, UnknownReceiptError, fresh_subject
from chalicelib.store.sealed import Revealed, reveal
from chalicelib.takeout import Takeout
from chalicelib.wiring import portal

FORGOTTEN = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
"""The address is the key: it goes into no other site's log and stays in no cache (OWASP ASVS 5.0, 14.2.1)."""


@dataclass(frozen=True)
class Visit:
    """Somebody who followed their link: whose page it is, and what one look found."""

    request: Request
    token: str
    opened: Opened
    look: Look
    people: tuple[Subject, ...]
    now: Instant

    @property
    def clinic(self) -> Clinic:
        """The clinic as its notice in force describes it, without the questions that are over."""
        return self.look.published.clinic.asking(self.now)

    @property
    def shared(self) -> bool:
        """Whether several people are meant, and nobody's own things can be shown."""
        return len(self.people) > 1

    @property
    def person(self) -> Subject:
        """The one whose page it is; raise NotFoundError where that is nobody, or several."""
        if len(self.people) != 1:
            raise NotFoundError
        return self.people[0]

    @property
    def lang(self) -> str:
        """The language asked for, else the link's own."""
        clinic, own = self.look.published.clinic, self.opened.link.lang
        default = own if own in clinic.languages else clinic.default_language
        return negotiate(query(self.request, "lang"), None, clinic.languages, default)

    @property
    def address(self) -> str:
        """The page's own address."""
        return f"{mount(self.request)}/manage/{self.token}"

    @property
    def ever(self) -> Clinic:
        """The clinic with every question it ever asked."""
        return portal().clinics.ever_asked(self.look.published)

    @cached_property
    def receipts(self) -> tuple[Receipt, ...]:
        """Every receipt of the person, oldest first; none where several are meant."""
        return () if self.shared else tuple(portal().register.history(self.clinic.id, self.people))

    @cached_property
    def revealed(self) -> Revealed:
        """What is kept sealed of the person; nothing where several are meant."""
        house = portal()
        return Revealed((), ()) if self.shared else reveal(house.table, house.clinics.key(self.clinic.id), self.person)

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """How everything stands."""
        return dossier.decisions(self.people, self.ever, self.look.published.in_force, self.now, self.receipts)

    @property
    def disclosures(self) -> tuple[dossier.Disclosure, ...]:
        """Who could receive what."""
        published, clinics = self.look.published, portal().clinics
        named = {receipt.document["notice"]["version"] for receipt in self.receipts}
        versions = {version: clinics.version(self.clinic.id, version) for version in named}
        changes = [each.since for each in published.published]
        return dossier.disclosures(self.receipts, versions, published.in_force_at, changes, self.now)


def show(request: Request, token: str) -> Response:
    """Show the page."""
    visit = _visit(request, token)
    return html(_page(visit, _new_state(visit)) if visit.people else _told(visit, "unknown"), headers=FORGOTTEN)


def take(request: Request, token: str) -> Response:
    """Carry out what was chosen on the page; where nothing was, change nothing and say so."""
    visit, fields = _visit(request, token), form_fields(request)
    if not visit.people:
        return html(_told(visit, "unknown"), headers=FORGOTTEN)
    return _stop(visit, fields) if first(fields, "act") == "stop" else _change(visit, fields)


def receipt(request: Request, token: str, number: str) -> Response:
    """Hand out one of the person's receipts in any format: the link proves the contact, so states may be told too."""
    from chalicelib.formats import Issued, UnspeakableError  # noqa: PLC0415 - only what is asked for is loaded

    visit, house, wanted = _visit(request, token), portal(), query(request, "format")
    found, signed = house.register.issued(visit.look.published.clinic.id, number)
    if wanted not in FORMATS or found.document["subject"] != visit.person.id:
        raise NotFoundError
    notice = found.document["notice"]
    shown = house.clinics.version(visit.clinic.id, notice["version"])
    lang = visit.lang if visit.lang in shown.languages else notice["lang"]
    held = dossier.still_held(found, visit.person, visit.look.published.in_force, visit.now)
    issued = Issued(found, shown, lang, held, signed, base_url(request, house.settings.public_url), visit.now)
    try:
        written = rendition(issued, wanted, lambda: house.clinics.shown(shown.id, notice["sha256"]))
    except UnsignedError:
        return html(_told(visit, "unsigned"), 409, {**FORGOTTEN, "Retry-After": "60"})
    except UnspeakableError:
        return html(_told(visit, "unspeakable"), 406, FORGOTTEN)
    name = f"consent-receipt-{found.id}"
    answer = rendered(written, name)
    if wanted not in PAPER:
        ending = wanted if wanted in {"json", "jws"} else f"{wanted}.json"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}.{ending}"'
    answer.headers.update(FORGOTTEN)
    return answer


def takeout(request: Request, token: str, form: str) -> Response:
    """Hand out everything the portal knows of the person, to take along."""
    visit = _visit(request, token)
    person, revealed = visit.person, visit.revealed
    everything = Takeout(
        clinic=visit.look.published.clinic,
        lang=visit.lang,
        at=visit.now,
        subject=person.id,
        contacts=revealed.contacts,
        names=revealed.names,
        decisions=visit.decisions,
        disclosures=visit.disclosures,
        receipts=visit.receipts,
    )
    headers = {**FORGOTTEN, "Content-Disposition": f'attachment; filename="my-consents.{form}"'}
    if form == "json":
        return document(everything.document(), headers=headers)
    if form == "csv":
        return Response(everything.table(), {"Content-Type": "text/csv; charset=utf-8", **headers})
    raise NotFoundError


def _visit(request: Request, token: str) -> Visit:
    house, at = portal(), now()
    opened = open_link(house.table, house.clinics, token, Power.MANAGE, at)
    look = house.register.look(opened.link.clinic, [opened.holder.contact])
    people = look.people[opened.holder.contact]
    if opened.link.subject is None:  # made for whoever has the contact, and not for the children they decide for
        people = tuple(each for each in people if not each.of_age)
    else:
        people = tuple(each for each in people if each.id == opened.link.subject)
        if not people:
            raise OldLinkError(opened.link)
    return Visit(request, token, opened, look, people, at)


def _change(visit: Visit, fields: Fields) -> Response:
    state = _opened(visit, fields)
    if visit.shared:
        return _again(visit, fields, [SEVERAL])
    if state is None:
        return _again(visit, fields, [Fault("errors", "page_too_old")])
    shown = portal().clinics.version(visit.clinic.id, state.version).asking(visit.now)
    said = read_changes(shown, fields, visit.revealed.known)
    if said.faults:
        return _again(visit, fields, said.faults)
    act, signature = _act(visit, shown, state, said), _signature(visit, visit.person.id)
    unproven, contacts = _unproven(visit, shown, said)
    if unproven:
        act = replace(act, confirm=frozenset(unproven), confirm_within=shown.confirm_within)
        signature = replace(signature, contacts=(*signature.contacts, *contacts))
    try:
        done = portal().register.record(act, signature, seen=None if unproven else visit.look)
    except NoticeChangedError:
        return _again(visit, fields, [Fault("errors", "notice_changed")])
    journal.count("DecisionRecorded")
    return _done(visit, done)


def _unproven(visit: Visit, clinic: Clinic, said: Submission) -> tuple[set[Address], list[Contact]]:
    """Tell which Yes another contact confirms than the one the link came to, and which contacts those are.

    Anybody may have typed somebody else's phone beside an e-mail of their own; their link proves the e-mail alone.
    What was ever granted is proven.
    """
    holder = visit.opened.holder.contact
    kinds = [holder.kind, *(contact.kind for contact, _ in visit.revealed.contacts)]
    asked = {
        address: clinic.confirmed_by(address, kinds) for address, answer in said.answers.items() if answer == "yes"
    }
    standings = visit.person.standings
    unproven = {
        address: kind
        for address, kind in asked.items()
        if kind not in {holder.kind, None} and not (address in standings and standings[address].first_yes)
    }
    contacts = [contact for contact, _ in visit.revealed.contacts if contact.kind in unproven.values()]
    return set(unproven), contacts


def _stop(visit: Visit, fields: Fields) -> Response:
    """Stop what is ticked, at once; a page that is too old still stops."""
    said = read_stops(visit.ever, fields)
    if said.faults:
        return _again(visit, fields, said.faults)
    house, state = portal(), _opened(visit, fields) or _new_state(visit)
    act = _act(visit, house.clinics.version(visit.clinic.id, state.version), state, said)
    if visit.shared:
        done = house.register.withdraw(act, _signature(visit, None), seen=visit.look)[0]
    else:
        done = house.register.record(act, _signature(visit, visit.person.id), seen=visit.look)
    journal.count("WithdrawalRecorded")
    return _done(visit, done)


def _done(visit: Visit, done: Receipt) -> Response:
    answer = see_other(f"{visit.address}?lang={visit.lang}&done={done.id}")
    answer.headers.update(FORGOTTEN)
    return answer


def _act(visit: Visit, clinic: Clinic, state: FormState, said: Submission) -> Act:
    return Act(
        receipt_id=receipt_id(state.nonce, said.said()),
        clinic=clinic.id,
        answers=said.answers,
        notice=NoticeRef(state.version, state.lang, state.sha256),
        controllers=tuple(controller.named() for controller in clinic.controllers),
        channel=state.channel,
        source=None,
        assurance=Assurance.LINK,
        actor=ACTOR if any(person.of_age for person in visit.people) else "patient",
        evidence={"declared_age": str(clinic.age_minimum)} if said.declared_adult else None,
        effective_at=visit.now,
        recorded_at=visit.now,
        endings=clinic.endings,
        everything=said.everything,
    )


def _signature(visit: Visit, person: str | None) -> Signature:
    base = base_url(visit.request, portal().settings.public_url)
    return Signature((visit.opened.holder.contact,), None, fresh_subject(), person=person, base=base)


def _secret(visit: Visit) -> bytes:
    """Give the secret that signs the page's state: another link's state is none here."""
    return form_secret(visit.clinic.id, f"{MANAGE_PAGE}|{visit.opened.id}")


def _opened(visit: Visit, fields: Fields) -> FormState | None:
    return FormState.opened(_secret(visit), first(fields, "state"), visit.now)


def _new_state(visit: Visit) -> FormState:
    clinic, lang = visit.clinic, visit.lang
    sha256 = portal().evidence.shown(MANAGE_PAGE, clinic, lang)
    return FormState(new_nonce(), clinic.version, lang, sha256, None, Channel.EMAIL_LINK, visit.now)


def _again(visit: Visit, fields: Fields, faults: Sequence[Fault]) -> Response:
    state, fresh = _opened(visit, fields), _new_state(visit)
    fresh = replace(fresh, opened_at=state.opened_at) if state else fresh
    return html(_page(visit, fresh, fields, faults), 422, FORGOTTEN)


def _told(visit: Visit, kind: str) -> str:
    """Render a page that only says something."""
    clinic, back = visit.look.published.clinic, f"{visit.address}?lang={visit.lang}"
    return render("pages/own.html", visit.lang, clinic=clinic, root=mount(visit.request), kind=kind, back=back)


def _page(visit: Visit, state: FormState, fields: Fields | None = None, faults: Sequence[Fault] = ()) -> str:
    fields = fields or {}
    typed: dict[str, Any] = {name: first(fields, name)[:MAX_TYPED] for name in fields if name != "state"}
    typed["purposes"] = tuple(fields.get("purpose", ()))
    return portal().evidence.page(
        MANAGE_PAGE,
        visit.clinic,
        visit.lang,
        root=mount(visit.request),
        state=state.sealed(_secret(visit)),
        kept_query="",
        typed=typed,
        faults=faults,
        own=_own(visit),
    )


def _own(visit: Visit) -> Mapping[str, Any]:
    """Give what the page says of this person alone."""
    clinic, lang, known = visit.clinic, visit.lang, visit.revealed.known
    decisions = visit.decisions
    told = {each.question.address: _spoken(visit, each) for each in decisions}
    contacts = [contact for contact, _ in visit.revealed.contacts] or [visit.opened.holder.contact]
    return {
        "address": visit.address,
        "contacts": [masked(contact) for contact in contacts],
        "shared": visit.shared,
        "done": _just_done(visit),
        "told": told,
        "dropped": [
            told[each.question.address]
            for each in decisions
            if each.question.address not in clinic.questions and each.status.state is not State.NEVER_ASKED
        ],
        "stoppable": [
            told[each.question.address] for each in decisions if each.status.state in {State.GRANTED, State.PENDING}
        ],
        "lacking": [
            address for address, question in clinic.questions.items() if visit.shared or not can_agree(question, known)
        ],
        "receipts": [
            {
                "id": receipt.id,
                "when": spoken_time(receipt.document["effective_at"], lang, clinic.country),
                "said": [
                    (each["title"], receipt.document["decisions"][address]["answer"])
                    for address, each in told.items()
                    if address in receipt.document["decisions"]
                ],
            }
            for receipt in reversed(visit.receipts)
        ],
        "formats": FORMATS,
        "recipients": [
            {
                "name": spoken(each.recipient, lang),
                # Of an option of data sharing the recipient is the title.
                "title": None if each.question.purpose.id == SHARING else each.question.title(lang),
                "since": spoken_day(each.since, lang, clinic.country),
                "until": each.until and spoken_day(each.until, lang, clinic.country),
            }
            for each in visit.disclosures
        ],
    }


def _just_done(visit: Visit) -> str | None:
    """Tell what the person has just done, as the address names it: ``withdraw`` or ``answer``."""
    number = query(visit.request, "done")
    if number is None:
        return None
    try:
        done = portal().register.receipt(visit.clinic.id, number).document
    except UnknownReceiptError:
        return None
    if done["subject"] not in {person.id for person in visit.people}:
        return None
    return "withdraw" if {entry["answer"] for entry in done["decisions"].values()} == {"withdraw"} else "answer"


def _spoken(visit: Visit, decision: Decision) -> dict[str, Any]:
    """Give how one decision stands, for a person to read."""
    status, lang, country = decision.status, visit.lang, visit.clinic.country
    ends = status.word and status.word.expires_at
    confirm_by = status.word and status.word.confirm_by
    return {
        "address": decision.question.address,
        "title": decision.question.title(lang),
        "state": status.state.value,
        "since": status.since and spoken_day(status.since, lang, country),
        "ends": ends and spoken_day(ends, lang, country),
        "confirm_by": confirm_by and spoken_time(confirm_by, lang, country),
        "word": status.word,
        "controllers": [each["name"] for each in decision.receipt["controllers"]] if decision.receipt else [],
    }
