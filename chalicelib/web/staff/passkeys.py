"""Somebody's own passkeys: a list, one more, one less."""

from http import HTTPStatus

from chalice.app import Response

from chalicelib.domain.errors import NotFoundError
from chalicelib.domain.staff import Passkey, digest
from chalicelib.presentation.i18n import format_date
from chalicelib.services import passkeys, staff_entrance
from chalicelib.services.passkeys import PasskeyRefusedError, StaleChallengeError
from chalicelib.services.staff_entrance import (
    MOST_PASSKEYS,
    LastPasskeyError,
    TooManyPasskeysError,
)
from chalicelib.web.staff.ceremonies import (
    PROOF_FIELDS,
    asking,
    label_of,
    party_of,
    proof_of,
    script,
)
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import first

ADD, REMOVE = "staff/passkey_add.html", "staff/passkey_remove.html"


def passkeys_page(desk: Desk) -> Response:
    """List them: the name, when it was made, when it was last used."""
    rows = [
        {
            "place": _place(each),
            "label": each.label,
            "made": format_date(each.made_at[:10], desk.lang),
            "used": format_date(each.used_on, desk.lang) if each.used_on else "",
        }
        for each in desk.member.passkeys
    ]
    return desk.page("staff/passkeys.html", rows=rows, most=MOST_PASSKEYS)


def add_page(desk: Desk) -> Response:
    """Ask for one more passkey."""
    return _adding(desk)


def add(desk: Desk) -> Response:
    """Keep one more passkey."""
    fields = desk.form(ADD, long=PROOF_FIELDS).fields
    try:
        staff_entrance.add_passkey(
            desk.portal,
            desk.member,
            desk.session,
            proof_of(desk.request, fields),
            label=label_of(desk.request, fields),
            now=desk.now,
        )
    except StaleChallengeError:
        return _adding(desk, "stale", first(fields, "label"))
    except PasskeyRefusedError:
        return _adding(desk, "refused", first(fields, "label"))
    except TooManyPasskeysError:
        return _adding(desk, "many", first(fields, "label"))
    return desk.go("passkeys", added="yes")


def remove_page(desk: Desk, passkey: str) -> Response:
    """Ask whether one passkey is to open nothing any more."""
    return _removing(desk, passkey)


def remove(desk: Desk, passkey: str) -> Response:
    """Remove one, but not the last."""
    desk.form(REMOVE)
    try:
        named = _named(desk, passkey).id
        staff_entrance.remove_passkey(desk.portal, desk.member, named, desk.now)
    except LastPasskeyError:
        return _removing(desk, passkey, HTTPStatus.CONFLICT)
    return desk.go("passkeys", removed="yes")


def _adding(desk: Desk, wrong: str = "", label: str = "") -> Response:
    ceremony = passkeys.ask_to_register(
        desk.portal,
        party_of(desk.request),
        staff_entrance.for_session(desk.session, "add"),
        desk.member,
        clinic=desk.clinic_name,
        now=desk.now,
    )
    return desk.page(
        ADD,
        HTTPStatus.UNPROCESSABLE_ENTITY if wrong else HTTPStatus.OK,
        script=script(),
        asking=asking(desk.request, "create", ceremony, "passkeys/add"),
        first=desk.query("first") == "yes",
        typed={"label": label},
        wrong=wrong,
    )


def _removing(desk: Desk, passkey: str, status: int = HTTPStatus.OK) -> Response:
    last = len(desk.member.passkeys) == 1
    return desk.page(REMOVE, status, passkey=_named(desk, passkey), last=last)


def _place(passkey: Passkey) -> str:
    """Give a passkey's place in an address: its id can have a thousand bytes."""
    return digest(passkey.id)[:24]


def _named(desk: Desk, place: str) -> Passkey:
    for each in desk.member.passkeys:
        if _place(each) == place:
            return each
    raise NotFoundError
