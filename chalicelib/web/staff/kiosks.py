"""Kiosk tablets at the desk: paired, listed, revoked, and handed over to one person."""

from collections.abc import Sequence
from typing import Any

from chalice.app import Response

from chalicelib.domain.errors import RejectedError
from chalicelib.domain.submission import FieldError
from chalicelib.presentation.i18n import format_date, format_day
from chalicelib.services import hand_over, kiosks
from chalicelib.services.authorized_call import EmptyBody
from chalicelib.services.hand_over import (
    GuardianDecidesError,
    NewHandOver,
    NoContactError,
    NoTabletError,
    OfferedContact,
)
from chalicelib.services.kiosks import (
    IssuedCode,
    NewTablet,
    TabletNameError,
    TabletNameTakenError,
    TooManyTabletsError,
)
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import first

TABLETS, HAND_OVER = "staff/tablets.html", "staff/hand_over.html"

REFUSALS: dict[type[RejectedError], tuple[str, str]] = {
    TabletNameError: ("name", "tablet_name"),
    TabletNameTakenError: ("name", "tablet_name_taken"),
    TooManyTabletsError: ("errors", "too_many_tablets"),
    NoTabletError: ("errors", "no_tablet"),
    NoContactError: ("errors", "no_certain_contact"),
}
"""The field and the sentence for what the services refuse."""


def tablets_page(desk: Desk) -> Response:
    """List the clinic's tablets."""
    return _tablets(desk)


def change_tablets(desk: Desk) -> Response:
    """Make the code that pairs a tablet, or revoke one."""
    fields = desk.form(TABLETS).fields
    revoked = first(fields, "revoke")
    if revoked:
        kiosks.revoke_tablet(desk.portal, desk.call(EmptyBody()), revoked)
        return desk.go("settings/tablets", said="revoked")
    name = first(fields, "name").lower()
    try:
        code = kiosks.make_pairing_code(desk.portal, desk.call(NewTablet(name)))
    except (TabletNameError, TabletNameTakenError, TooManyTabletsError) as error:
        return _tablets(desk, faults=[_fault(error)], name=name)
    return _tablets(desk, code=code, name=name)


def hand_over_page(desk: Desk, subject: str) -> Response:
    """Show what the person is asked before a tablet is theirs: which contacts are."""
    return _hand_over(desk, subject)


def make_code(desk: Desk, subject: str) -> Response:
    """Make the code that hands a tablet over to the person, and show it."""
    asked = tuple(desk.form(HAND_OVER).fields.get("asked", []))
    try:
        code = hand_over.hand_over(desk.portal, desk.call(NewHandOver(subject, asked)))
    except (NoTabletError, NoContactError) as error:
        return _hand_over(desk, subject, faults=[_fault(error)], asked=asked)
    except GuardianDecidesError:
        return _hand_over(desk, subject)
    return _hand_over(desk, subject, code=code, asked=asked)


def _tablets(
    desk: Desk,
    *,
    faults: Sequence[FieldError] = (),
    code: IssuedCode | None = None,
    name: str = "",
) -> Response:
    found = kiosks.list_tablets(desk.portal, desk.call(EmptyBody()))
    country, lang = desk.clinic.country, desk.lang
    rows = [
        {
            "id": each.id,
            "name": each.name,
            "paired": format_day(each.paired_at, lang, country),
            "seen": format_date(each.seen_on, lang) if each.seen_on else "",
            "revoked": format_day(each.revoked_at, lang, country) if each.revoked_at else "",
        }
        for each in found
    ]
    return desk.page(
        TABLETS,
        422 if faults else 200,
        tablets=rows,
        faults=faults,
        typed={"name": name if faults else ""},
        name=name,
        said=desk.query("said") or "",
        pair_at=f"{desk.base_url}/{desk.clinic.id}/kiosk/pair",
        **_shown(code),
    )


def _hand_over(
    desk: Desk,
    subject: str,
    *,
    faults: Sequence[FieldError] = (),
    code: IssuedCode | None = None,
    asked: Sequence[str] = (),
) -> Response:
    contacts: Sequence[OfferedContact] | None = ()
    try:
        if code is None:
            contacts = hand_over.offered_contacts(desk.portal, desk.call(NewHandOver(subject)))
    except GuardianDecidesError:
        contacts = None
    tablets = kiosks.paired_tablets(desk.portal, desk.clinic.id)
    return desk.page(
        HAND_OVER,
        422 if faults else 200,
        subject=subject,
        contacts=contacts,
        tablets=[tablet.name for tablet in tablets],
        faults=faults,
        asked=asked,
        **_shown(code),
    )


def _shown(code: IssuedCode | None) -> dict[str, Any]:
    """Give a code as it is read aloud: two groups of three digits."""
    return {"code": f"{code.code[:3]} {code.code[3:]}" if code else ""}


def _fault(error: RejectedError) -> FieldError:
    return FieldError(*REFUSALS[type(error)])
