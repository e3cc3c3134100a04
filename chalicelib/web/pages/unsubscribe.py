"""Unsubscribing: by a mail program's own button (RFC 8058), without cookie, redirect or page in between, or by hand.

Programs that look through mail open its links and send the forms behind them as they find them. So the page for people
holds no one-click request, and stops nothing before something is ticked.
"""

from collections.abc import Iterable, Mapping, Sequence

from chalice.app import Request, Response

from chalicelib import log
from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, QuestionId, resolve
from chalicelib.domain.contacts import ContactKind, masked
from chalicelib.domain.decisions import Decision, new_decision, receipt_id
from chalicelib.domain.instants import Instant
from chalicelib.domain.links import LinkScope
from chalicelib.domain.submission import FieldError
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.presentation.templates import render
from chalicelib.services import decisions
from chalicelib.store.links import OpenedLink, audit_line, open_link
from chalicelib.store.lookup import Identification, Lookup, fresh_subject
from chalicelib.store.shown_pages import WITHDRAWAL_PAGE
from chalicelib.store.withdrawal_orders import MANY
from chalicelib.web.forms import Fields
from chalicelib.web.requests import (
    UnreadableBodyError,
    WrongTypeError,
    base_url,
    form_with_files,
    mount,
    query,
)
from chalicelib.web.responses import html

FIELD, VALUE = "List-Unsubscribe", "One-Click"
"""All that a mail program sends (RFC 8058, 3.2)."""


def unsubscribe_page(request: Request, token: str) -> Response:
    """Show what can be stopped; change nothing: what opens every link of a mail must not unsubscribe."""
    opened, lookup, _ = _followed(token)
    return _choice(request, opened, lookup)


def stop(request: Request, token: str) -> Response:
    """Stop at once, and again as often as it is sent: all by the one-click request, by hand what is ticked."""
    opened, lookup, at = _followed(token)
    try:
        fields = form_with_files(request)
    except UnreadableBodyError:
        return _choice(request, opened, lookup, 400)
    except WrongTypeError:
        return _choice(request, opened, lookup, 415)
    asked = _chosen(fields, _asked(_ever(lookup), opened))
    if asked is None:
        return _choice(request, opened, lookup, 422)
    if _left(opened, lookup, asked, at):
        decision = _act(request, opened, lookup, asked, at)
        base = base_url(request, get_portal().settings.public_url)
        identification = Identification((opened.holder.contact,), None, fresh_subject(), base=base)
        decisions.withdraw(get_portal(), decision, identification, seen=lookup, left_only=True)
        log.count("WithdrawalRecorded")
    return _page(request, opened, lookup, asked, stopped=True)


def _followed(token: str) -> tuple[OpenedLink, Lookup, Instant]:
    portal = get_portal()
    at = portal.clock()
    opened = open_link(portal.table, portal.clinics, token, LinkScope.UNSUBSCRIBE, at)
    lookup = portal.directory.look_up(opened.link.clinic, [opened.holder.contact], most=MANY)
    portal.table.put_new(audit_line(opened, "unsubscribe", lookup.known(), at))
    return opened, lookup, at


def _ever(lookup: Lookup) -> Clinic:
    """Give the clinic with every question it ever asked: a mail may be older than the notice."""
    return get_portal().clinics.with_all_past_questions(lookup.published)


def _asked(ever: Clinic, opened: OpenedLink) -> Mapping[QuestionId, Answer]:
    """Tell what the link stops: what it names; for a clinic's own that names nothing all that is done by its contact.

    Every mail of the portal's names what it is about, and nothing else stops with it.
    """
    if opened.link.addresses:
        named = [address for address in opened.link.addresses if address in ever.questions]
        return dict.fromkeys(named, Answer.WITHDRAW)
    kind = opened.holder.contact.kind
    kinds = {kind.value} if kind is not ContactKind.REFERENCE else {ContactKind.EMAIL.value, ContactKind.PHONE.value}
    by_kind = [address for address, question in ever.questions.items() if question.needs & kinds]
    return dict.fromkeys(by_kind or ever.questions, Answer.WITHDRAW)


def _chosen(fields: Fields, asked: Mapping[QuestionId, Answer]) -> Mapping[QuestionId, Answer] | None:
    """Tell which of these are to stop: all by the one-click request, however its line ends, or what is ticked."""
    if [value.strip() for value in fields.get(FIELD, ())] == [VALUE]:
        return asked
    ticked = fields.get("purpose", ())
    return {address: answer for address, answer in asked.items() if address in ticked} or None


def _left(opened: OpenedLink, lookup: Lookup, asked: Mapping[QuestionId, Answer], at: Instant) -> bool:
    """Tell whether anything is left to stop, for anybody known under the contact.

    Of very many who share it not everybody was looked at; while they are being stopped already, nothing is.

    For somebody new there is: their word is kept, so that a form signed earlier and entered later does not outlive it.
    A link to somebody who was erased since finds nobody, and makes nobody known again.
    """
    from chalicelib.domain.overview import STOPPED_STATES  # noqa: PLC0415 - no consent page needs it

    known, notice = lookup.known(), lookup.published.in_force
    if any(stop.covers(asked) for stop in lookup.stops(opened.holder.contact)):
        return False
    if lookup.partly_read:
        return True
    if not known:
        return bool(asked) and opened.link.subject is None
    states = [resolve(each.summaries.get(address), notice, at).state for each in known for address in asked]
    return any(state not in STOPPED_STATES for state in states)


def _act(
    request: Request, opened: OpenedLink, lookup: Lookup, answers: Mapping[QuestionId, Answer], at: Instant
) -> Decision:
    portal, clinic, lang = get_portal(), lookup.published.clinic, _language(request, opened, lookup)
    # The same word at the same state of things is the same receipt, however often a mail program tries.
    turn = {person.id: person.version for person in lookup.known()}
    secret = portal.clinics.key(clinic.id).receipt_secret()
    return new_decision(
        clinic,
        answers,
        id=receipt_id(secret, opened.id, {"unsubscribe": turn, "stops": sorted(answers)}),
        notice=portal.evidence.notice_ref(WITHDRAWAL_PAGE, clinic, lang),
        channel=Channel.EMAIL_LINK,
        assurance=Assurance.LINK,
        at=at,
        evidence={"link": opened.id, "key": opened.link.by} if opened.link.by_program else None,
    )


def _language(request: Request, opened: OpenedLink, lookup: Lookup) -> str:
    clinic, own = lookup.published.clinic, opened.link.lang
    default = own if own in clinic.languages else clinic.default_language
    return negotiate(query(request, "lang"), None, clinic.languages, default)


def _choice(request: Request, opened: OpenedLink, lookup: Lookup, status: int = 200) -> Response:
    """Let the reader choose; nothing is stopped yet."""
    faults = (FieldError("purpose", "nothing_ticked"),) if status != 200 else ()  # noqa: PLR2004 - the one good status
    answer = _page(request, opened, lookup, _asked(_ever(lookup), opened), faults=faults)
    answer.status_code = status
    return answer


def _page(
    request: Request,
    opened: OpenedLink,
    lookup: Lookup,
    addresses: Iterable[QuestionId],
    *,
    stopped: bool = False,
    faults: Sequence[FieldError] = (),
) -> Response:
    filled = {
        "clinic": lookup.published.clinic,
        "asked": _ever(lookup),
        "addresses": addresses,
        "root": mount(request),
        "contact": masked(opened.holder.contact),
        "stopped": stopped,
        "faults": faults,
    }
    return html(render("pages/unsubscribe.html", _language(request, opened, lookup), **filled))
