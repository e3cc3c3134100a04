"""One-click unsubscribe (RFC 8058): a mail program's own button, without cookie, redirect or page in between."""

from collections.abc import Mapping

from chalice.app import Blueprint, Response

from chalicelib import journal
from chalicelib.asking import now
from chalicelib.boundary import page
from chalicelib.consent import Address, Answer, Assurance, Channel, resolve
from chalicelib.contact import Kind, masked
from chalicelib.evidence import WITHDRAWAL_PAGE
from chalicelib.i18n import negotiate
from chalicelib.incoming import ANY_TYPE, UnreadableBodyError, base_url, form_with_files, mount, query
from chalicelib.instants import Instant
from chalicelib.links import Power
from chalicelib.notice import Clinic
from chalicelib.outgoing import html
from chalicelib.pages import render
from chalicelib.receipts import Act, NoticeRef, receipt_id
from chalicelib.store.links import Opened, open_link
from chalicelib.store.look import Look, Signature, fresh_subject
from chalicelib.wiring import portal

unsubscribe = Blueprint(__name__)

FIELD, VALUE = "List-Unsubscribe", "One-Click"
"""All that a mail program sends (RFC 8058, 3.2)."""


@unsubscribe.route("/unsubscribe/{token}", methods=["GET"], content_types=ANY_TYPE)
@page(unsubscribe)
def unsubscribe_page(token: str) -> Response:
    """Show what would stop, and one button; change nothing: what opens every link of a mail must not unsubscribe."""
    opened, look, _ = _followed(token)
    return _answer(opened, look, stopped=False)


@unsubscribe.route("/unsubscribe/{token}", methods=["POST"], content_types=ANY_TYPE)
@page(unsubscribe, from_anywhere=True)
def stop(token: str) -> Response:
    """Stop at once, and again as often as it is sent; a POST that is not the one-click request stops nothing."""
    opened, look, at = _followed(token)
    try:
        fields = form_with_files(unsubscribe.current_request)
    except UnreadableBodyError:
        return _answer(opened, look, stopped=False, status=400)
    if fields.get(FIELD) != [VALUE]:
        return _answer(opened, look, stopped=False, status=422)
    asked = _asked(_ever(look), opened)
    if _left(opened, look, asked, at):
        act = _act(opened, look, asked, at)
        base = base_url(unsubscribe.current_request, portal().settings.public_url)
        signature = Signature((opened.holder.contact,), None, fresh_subject(), base=base)
        portal().register.withdraw(act, signature, seen=look)
        journal.count("WithdrawalRecorded")
    return _answer(opened, look, stopped=True)


def _followed(token: str) -> tuple[Opened, Look, Instant]:
    house, at = portal(), now()
    opened = open_link(house.table, house.clinics, token, Power.UNSUBSCRIBE, at)
    return opened, house.register.look(opened.link.clinic, [opened.holder.contact]), at


def _ever(look: Look) -> Clinic:
    """Give the clinic with every question it ever asked: a mail may be older than the notice."""
    return portal().clinics.ever_asked(look.published)


def _asked(ever: Clinic, opened: Opened) -> Mapping[Address, Answer]:
    """Tell what the link stops: what it names; for a clinic's own that names nothing all that is done by its contact.

    Every mail of the portal's names what it is about, and nothing else stops with it.
    """
    if opened.link.addresses:
        named = [address for address in opened.link.addresses if address in ever.questions]
        return dict.fromkeys(named, Answer.WITHDRAW)
    kind = opened.holder.contact.kind
    kinds = {kind.value} if kind is not Kind.REFERENCE else {Kind.EMAIL.value, Kind.PHONE.value}
    by_kind = [address for address, question in ever.questions.items() if question.needs & kinds]
    return dict.fromkeys(by_kind or ever.questions, Answer.WITHDRAW)


def _left(opened: Opened, look: Look, asked: Mapping[Address, Answer], at: Instant) -> bool:
    """Tell whether anything is left to stop, for anybody known under the contact.

    For somebody new there is: their word is kept, so that a form signed earlier and entered later does not outlive it.
    A link to somebody who was erased since finds nobody, and makes nobody known again.
    """
    from chalicelib.dossier import STOPPED  # noqa: PLC0415 - no consent page needs it

    known, notice = look.known(), look.published.in_force
    if not known:
        return bool(asked) and opened.link.subject is None
    states = [resolve(each.standings.get(address), notice, at).state for each in known for address in asked]
    return any(state not in STOPPED for state in states)


def _act(opened: Opened, look: Look, answers: Mapping[Address, Answer], at: Instant) -> Act:
    house, clinic, lang = portal(), look.published.clinic, _language(opened, look)
    # The same request at the same state of things is the same receipt, however often a mail program tries.
    turn = {person.id: person.version for person in look.known()}
    return Act(
        receipt_id=receipt_id(opened.id, {"unsubscribe": turn}),
        clinic=clinic.id,
        answers=answers,
        notice=NoticeRef(clinic.version, lang, house.evidence.shown(WITHDRAWAL_PAGE, clinic, lang)),
        controllers=tuple(controller.named() for controller in clinic.controllers),
        channel=Channel.EMAIL_LINK,
        source=None,
        assurance=Assurance.LINK,
        actor="patient",
        evidence=None,
        effective_at=at,
        recorded_at=at,
        endings={},
    )


def _language(opened: Opened, look: Look) -> str:
    clinic, own = look.published.clinic, opened.link.lang
    default = own if own in clinic.languages else clinic.default_language
    return negotiate(query(unsubscribe.current_request, "lang"), None, clinic.languages, default)


def _answer(opened: Opened, look: Look, *, stopped: bool, status: int = 200) -> Response:
    lang, ever = _language(opened, look), _ever(look)
    titles = [ever.questions[address].title(lang) for address in _asked(ever, opened)]
    filled = {
        "clinic": look.published.clinic,
        "root": mount(unsubscribe.current_request),
        "titles": titles,
        "contact": masked(opened.holder.contact),
        "field": FIELD,
        "value": VALUE,
        "stopped": stopped,
        "unclear": status != 200,  # noqa: PLR2004 - the one good status
    }
    return html(render("pages/unsubscribe.html", lang, **filled), status)
