"""Bearer keys and link keys of the clinic's programs at the desk: made, rotated, revoked.

Who manages a clinic's keys gives programs what these need, such as looking people up, without
looking anybody up: so an administrator's key may have scopes that their role has not. Making one
asks who it is anew, and stands in the audit with the administrator's id. Only what opens patients'
own pages (`api_keys.ONLY_ON_REQUEST`) is given by operators alone.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from chalice.app import Response

from chalicelib.domain.api_keys import (
    LONGEST_OVERLAP,
    ONLY_ON_REQUEST,
    SCOPES,
    USUAL_LIFE,
    USUAL_OVERLAP,
    KeyKind,
)
from chalicelib.domain.instants import instant, moment
from chalicelib.domain.one_line import is_one_line
from chalicelib.domain.program_links import LinkKey
from chalicelib.domain.submission import FieldError
from chalicelib.presentation.i18n import format_date, format_day
from chalicelib.services import keys, link_keys
from chalicelib.services.authorized_call import (
    AuthorizedCall,
    Body,
    EmptyBody,
    UsedForAnotherBodyError,
)
from chalicelib.services.keys import (
    IssuedKey,
    KeyEndedError,
    MoreThanItHasError,
    NewKey,
    Rotation,
    TooManySecretsError,
)
from chalicelib.services.link_keys import (
    NewLinkKey,
    TooManyLinkKeysError,
    UnknownLinkKeyError,
)
from chalicelib.store.bearer_keys import StoredKey
from chalicelib.web.staff.entrance import Desk
from chalicelib.web.typed_fields import Fields, first, typed_again

LIST, FORM, ONE = "staff/keys.html", "staff/key_form.html", "staff/key.html"
LINK_FORM, LINK_ONE = "staff/link_key_form.html", "staff/link_key.html"
MAX_LABEL = 100
MAY_GIVE = tuple(scope for scope in SCOPES if scope not in ONLY_ON_REQUEST)
"""The scopes that a key made at the desk may have."""

LIVES = (30, 90, 180, USUAL_LIFE.days)
"""For how many days a key may be made."""

_HOUR = timedelta(hours=1)
OVERLAPS = (0, USUAL_OVERLAP // _HOUR, LONGEST_OVERLAP // _HOUR)
"""For how many hours the secret before may go on working."""


def list_page(desk: Desk) -> Response:
    """List the clinic's keys, good ones first, and its link keys."""
    found, more = keys.list_keys(desk.portal, desk.call(EmptyBody()), desk.query("after") or "")
    rows = sorted(
        (_described(desk, each) for each in found),
        key=lambda row: (row["state"] != "valid", row["label"].casefold()),
    )
    links = link_keys.list_link_keys(desk.portal, desk.call(EmptyBody()))
    return desk.page(
        LIST, keys=rows, more=more, link_keys=[_described_link(desk, each) for each in links]
    )


def new_page(desk: Desk) -> Response:
    """Show the form for a new key, no scope ticked."""
    return _form(desk, {}, ())


def create(desk: Desk) -> Response:
    """Make a key; its secret is on this page and nowhere else."""
    form = desk.form(FORM)
    fields, faults = form.fields, []
    label = _label(fields)
    if not label:
        faults.append(FieldError("label", "key_label"))
    scopes = tuple(scope for scope in MAY_GIVE if scope in fields.get("scope", []))
    if not scopes:
        faults.append(FieldError("scope", "nothing_ticked"))
    kind = first(fields, "kind")
    if kind not in {each.value for each in KeyKind}:
        faults.append(FieldError("kind", "choose_one"))
    days = first(fields, "days")
    if days not in map(str, LIVES):
        faults.append(FieldError("days", "choose_one"))
    member = first(fields, "controller") or None
    if member and member not in {each.id for each in desk.clinic.controllers}:
        faults.append(FieldError("controller", "choose_one"))
    if faults:
        return _form(desk, fields, faults)
    # At midnight, so that the same form sent twice asks for the same key.
    today = moment(f"{desk.now[:10]}T00:00:00.000Z")
    ends = instant(today + timedelta(days=int(days)))
    body = NewKey(label, KeyKind(kind), scopes, ends, member)
    call = _giving(desk.call(body, idempotency_key=form.nonce))
    try:
        issued = keys.create_key(desk.portal, call)
    except UsedForAnotherBodyError:
        return _form(desk, fields, [FieldError("errors", "page_too_old")])
    return _one(desk, issued.stored, said="created", secret=issued.secret or "")


def one_page(desk: Desk, key: str) -> Response:
    """Show one key and what can be done with it."""
    return _one(desk, keys.get_key(desk.portal, desk.call(EmptyBody()), key))


def act(desk: Desk, key: str) -> Response:
    """Give a key a new secret, or revoke it."""
    fields = desk.form(ONE).fields
    if first(fields, "do") == "rotate":
        return _rotate(desk, key, fields)
    if first(fields, "sure") != "yes":
        stored = keys.get_key(desk.portal, desk.call(EmptyBody()), key)
        return _one(desk, stored, faults=[FieldError("sure", "not_sure")])
    stored = keys.revoke_key(desk.portal, desk.call(EmptyBody()), key)
    return _one(desk, stored, said="revoked")


def _rotate(desk: Desk, key: str, fields: Fields) -> Response:
    stored = keys.get_key(desk.portal, desk.call(EmptyBody()), key)
    hours = first(fields, "overlap")
    if hours not in map(str, OVERLAPS):
        return _one(desk, stored, faults=[FieldError("overlap", "choose_one")])
    body = Rotation(int(hours) * _HOUR)
    refused: type[Exception]
    try:
        issued: IssuedKey = keys.rotate_key(desk.portal, _giving(desk.call(body)), key)
    except (MoreThanItHasError, KeyEndedError, TooManySecretsError) as error:
        refused = type(error)
    else:
        return _one(desk, issued.stored, said="rotated", secret=issued.secret or "")
    problem = {
        MoreThanItHasError: "key_does_more",
        KeyEndedError: "key_ended",
        TooManySecretsError: "key_secrets",
    }[refused]
    return _one(desk, stored, faults=[FieldError("errors", problem)])


def new_link_key_page(desk: Desk) -> Response:
    """Show the form for a new link key."""
    return desk.page(LINK_FORM)


def create_link_key(desk: Desk) -> Response:
    """Make a link key; its secret is on this page and nowhere else."""
    fields = desk.form(LINK_FORM).fields
    label = _label(fields)
    fault = None if label else FieldError("label", "key_label")
    if fault is None:
        try:
            issued = link_keys.create_link_key(desk.portal, desk.call(NewLinkKey(label)))
        except TooManyLinkKeysError:
            fault = FieldError("errors", "too_many_link_keys")
        else:
            return _link(desk, issued.key, said="created", secret=issued.secret)
    typed = typed_again(fields)
    return desk.page(LINK_FORM, 422, faults=[fault], typed=typed)


def link_key_page(desk: Desk, key: str) -> Response:
    """Show one link key and what can be done with it."""
    return _link(desk, _find_link_key(desk, key))


def act_on_link_key(desk: Desk, key: str) -> Response:
    """End the asking of all links made until now, or revoke a link key."""
    fields = desk.form(LINK_ONE).fields
    found = _find_link_key(desk, key)
    if first(fields, "sure") != "yes":
        return _link(desk, found, faults=[FieldError("sure", "not_sure")])
    if first(fields, "do") == "epoch":
        return _link(
            desk, link_keys.raise_epoch(desk.portal, desk.call(EmptyBody()), key), said="epoch"
        )
    revoked = link_keys.revoke_link_key(desk.portal, desk.call(EmptyBody()), key)
    return _link(desk, revoked, said="revoked")


def _find_link_key(desk: Desk, key: str) -> LinkKey:
    """Give one link key; raise UnknownLinkKeyError."""
    for each in link_keys.list_link_keys(desk.portal, desk.call(EmptyBody())):
        if each.id == key:
            return each
    raise UnknownLinkKeyError


def _giving(call: AuthorizedCall[Body]) -> AuthorizedCall[Body]:
    """Give a call with the scopes that whoever manages keys may give."""
    return replace(call, key=replace(call.key, scopes=MAY_GIVE))


def _label(fields: Fields) -> str:
    label = first(fields, "label")
    fits = 0 < len(label) <= MAX_LABEL and is_one_line(label) and label.isprintable()
    return label if fits else ""


def _form(desk: Desk, fields: Fields, faults: Sequence[FieldError]) -> Response:
    return desk.page(
        FORM,
        422 if faults else 200,
        faults=faults,
        typed={"kind": "program", "days": str(USUAL_LIFE.days), **typed_again(fields)},
        chosen=fields.get("scope", []),
        scopes=MAY_GIVE,
        lives=LIVES,
    )


def _one(
    desk: Desk,
    stored: StoredKey,
    *,
    said: str = "",
    secret: str = "",
    faults: Sequence[FieldError] = (),
) -> Response:
    return desk.page(
        ONE,
        422 if faults else 200,
        key=_described(desk, stored),
        said=said,
        secret=secret,
        faults=faults,
        overlaps=OVERLAPS,
    )


def _link(
    desk: Desk,
    key: LinkKey,
    *,
    said: str = "",
    secret: str = "",
    faults: Sequence[FieldError] = (),
) -> Response:
    return desk.page(
        LINK_ONE,
        422 if faults else 200,
        key=_described_link(desk, key),
        said=said,
        secret=secret,
        faults=faults,
    )


def _described(desk: Desk, stored: StoredKey) -> dict[str, Any]:
    """Describe a key in words; never its secret."""
    key, clinic = stored.key, desk.clinic
    names = {each.id: each.name for each in clinic.controllers}
    return {
        "id": key.id,
        "label": key.label,
        "kind": key.kind.value,
        "scopes": key.scopes,
        "state": key.state(desk.now).value,
        "since": format_day(key.since(desk.now), desk.lang, clinic.country),
        "expires": format_day(key.expires_at, desk.lang, clinic.country) if key.expires_at else "",
        "used": format_date(stored.last_used_on, desk.lang) if stored.last_used_on else "",
        "made": format_day(key.created_at, desk.lang, clinic.country),
        "controller": names.get(key.member or "", key.member or ""),
        "earlier": [
            format_day(each.valid_until, desk.lang, clinic.country)
            for each in key.valid_earlier(desk.now)
        ],
    }


def _described_link(desk: Desk, key: LinkKey) -> dict[str, Any]:
    country = desk.clinic.country
    return {
        "id": key.id,
        "label": key.label,
        "epoch": key.epoch,
        "made": format_day(key.created_at, desk.lang, country),
        "revoked": format_day(key.revoked_at, desk.lang, country) if key.revoked_at else "",
    }
