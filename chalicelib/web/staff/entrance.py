"""The way to every page of the desk: who is signed in, whether they may, and what went wrong.

A view gets a `Desk`: the clinic as one signed-in person stands before it. It is the person's own
clinic, whatever an address says; what belongs to another clinic is not found.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from chalice.app import Request, Response
from itsdangerous import BadData, URLSafeSerializer

from chalicelib.domain.clinic import Clinic, localized
from chalicelib.domain.contacts import Contact
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.rate_limits import TooManyError
from chalicelib.domain.staff import FRESH, FRESH_FORM, StaffMember, StaffSession, roles_with
from chalicelib.portal import Portal, get_portal
from chalicelib.presentation.i18n import negotiate
from chalicelib.presentation.page import Page
from chalicelib.presentation.templates import content_security_policy, render
from chalicelib.services.authorized_call import AuthorizedCall, Body
from chalicelib.services.staff_sessions import find
from chalicelib.store.clinics import Published
from chalicelib.store.lookup import Lookup
from chalicelib.web.errors import (
    FAMILIES,
    View,
    check_length,
    family_of,
    is_cross_site,
    log_fault,
    retry_after,
)
from chalicelib.web.form_state import FORM_LIFETIME, form_secret, new_nonce
from chalicelib.web.requests import (
    MAX_FIELDS,
    FormWithFiles,
    base_url,
    form_with_raw_file,
    mount,
    query,
)
from chalicelib.web.responses import html, see_other
from chalicelib.web.routes import STAFF, StaffPlace
from chalicelib.web.typed_fields import Fields, first

SESSION_COOKIE = "__Host-desk"
"""The cookie of a session: for this host alone, over TLS, out of reach of scripts (RFC 6265bis,
4.1.3.2)."""

MAX_FIELD = 1_000
"""How many characters of a field are read: a reason, a name, a contact, an address are shorter."""

EVERY_PAGE = "staff/base.html"
"""The page of the forms that stand on every page of the desk: its language, and signing out."""

CAMERA = "camera=(self), geolocation=(), microphone=()"
"""The Permissions-Policy of a page that scans codes."""


_LOCAL = re.compile(r"[A-Za-z0-9_.~%-][A-Za-z0-9_.~%/?&=-]{0,299}")
"""A place below the desk: what `urllib.parse.quote` leaves, and a query. A cookie has room for it."""


class StaleFormError(RejectedError):
    """A form whose page was open for too long, or of another session or page. Nothing was stored."""


class OtherRoleError(RejectedError):
    """Somebody's role does not open this: one of these scopes does."""

    def __init__(self, *scopes: str) -> None:
        super().__init__(*scopes)
        self.scopes = scopes


class StaffForm(NamedTuple):
    """A form of the desk whose token was checked."""

    fields: Fields
    nonce: str
    """Used once: the same for a form that is sent twice."""
    raw: bytes = b""
    """A file byte for byte, where the form has one."""


class Desk(NamedTuple):
    """The desk as one signed-in person stands at it."""

    request: Request
    portal: Portal
    member: StaffMember
    session: StaffSession
    published: Published
    lang: str
    now: Instant

    @property
    def clinic(self) -> Clinic:
        """The clinic as its notice in force describes it."""
        return self.published.clinic

    @property
    def clinic_name(self) -> str:
        """The clinic's name, in the language of the page if it has one there."""
        return localized(self.clinic.name, self.lang)

    @property
    def root(self) -> str:
        """What stands before every address of the portal."""
        return mount(self.request)

    @property
    def base_url(self) -> str:
        """The absolute address of the portal."""
        return base_url(self.request, self.portal.settings.public_url)

    def may(self, *scopes: str) -> bool:
        """Tell whether the person's role has one of these scopes."""
        return bool(set(scopes) & set(self.member.scopes))

    def leads_to(self, line: str) -> bool:
        """Tell whether there is such an address, as ``GET /staff/find``, and the person may go."""
        place = STAFF.get(line)
        return place is not None and (not place.scopes or self.may(*place.scopes))

    def call(
        self,
        body: Body,
        contacts: Sequence[Contact] = (),
        lookup: Lookup | None = None,
        idempotency_key: str | None = None,
    ) -> AuthorizedCall[Body]:
        """Give what services want of whoever asks: who it is, the body, and who is known.

        `contacts` are looked up, unless `lookup` was made before. Raises UnknownClinicError.
        """
        found = lookup or self.portal.directory.look_up(self.clinic.id, contacts)
        return AuthorizedCall(
            key=self.member.as_key(),
            body=body,
            lookup=found,
            now=self.now,
            shared=self.portal.clinics.with_all_past_questions(found.published),
            base_url=self.base_url,
            idempotency_key=idempotency_key,
        )

    def query(self, name: str) -> str | None:
        """Give a parameter of the address."""
        return query(self.request, name)

    def page(
        self,
        template: str,
        status: int = HTTPStatus.OK,
        *,
        script: str = "",
        camera: bool = False,
        headers: Mapping[str, str] | None = None,
        **values: Any,
    ) -> Response:
        """Answer with a page of the desk. It holds a fresh token for its own form.

        `script` is one of the portal's own scripts: it stands in the page, allowed by its hash.
        """
        page = render(
            template,
            self.lang,
            desk=self,
            clinic=self.clinic,
            root=self.root,
            state=self.token(template),
            page_state=self.token(EVERY_PAGE),
            here=_address(self.request),
            script=script,
            **{"faults": (), "typed": {}, **values},
        )
        policy = {"Content-Security-Policy": _policy(page, script)}
        if camera:
            policy["Permissions-Policy"] = CAMERA
        return html(page, status, {**policy, **(headers or {})})

    def token(self, page: str) -> str:
        """Give what proves that a form comes from a page that this person opened."""
        return str(self._serializer(page).dumps([new_nonce(), self.now]))

    def form(self, page: str, raw: str | None = None, long: Collection[str] = ()) -> StaffForm:
        """Read the form of a page (the name of its template), with the file `raw` byte for byte.

        Of each field but the `long` ones `MAX_FIELD` characters are read. Raises StaleFormError,
        and errors as `requests.form_with_raw_file`.
        """
        sent: FormWithFiles = form_with_raw_file(self.request, raw, MAX_FIELDS)
        fields = {
            name: values if name in long else [value[:MAX_FIELD] for value in values]
            for name, values in sent.fields.items()
        }
        return self._checked(page, fields, sent.raw)

    def _checked(self, page: str, fields: Fields, raw: bytes) -> StaffForm:
        try:
            nonce, opened_at = self._serializer(page).loads(first(fields, "state"))
        except (BadData, ValueError):
            raise StaleFormError from None
        if not opened_at <= self.now <= instant(moment(opened_at) + FORM_LIFETIME):
            raise StaleFormError
        return StaffForm(fields, str(nonce), raw)

    def go(self, path: str, **asked: str) -> Response:
        """Lead on to another page of the desk, such as ``people/…``; `asked` is its query."""
        behind = f"?{urlencode(asked)}" if asked else ""
        return see_other(f"{self.root}/staff/{path}".rstrip("/") + behind)

    def _serializer(self, page: str) -> URLSafeSerializer:
        secret = form_secret(self.clinic.id, page) + self.session.digest.encode()
        signing = {"digest_method": hashlib.sha256, "key_derivation": "hmac"}
        return URLSafeSerializer(secret, salt="desk-form", signer_kwargs=signing)


DeskView = Callable[..., Response]


def as_staff_page(place: StaffPlace, view: DeskView) -> View:
    """Let in who is signed in and may, and turn what the view raises into a page of the desk."""

    def guarded(request: Request, **parts: str) -> Response:
        desk = None
        try:
            desk = open_desk(request)
            if is_cross_site(request):
                return _error_page(request, desk, "cross_site", HTTPStatus.FORBIDDEN)
            if desk is None:
                return _sign_in_first(request)
            check_length(parts)
            if place.scopes and not desk.may(*place.scopes):
                roles = roles_with(*place.scopes)
                return _error_page(request, desk, "role", HTTPStatus.FORBIDDEN, roles=roles)
            if place.fresh and not _is_fresh(desk):
                return desk.go("again", next=_address(request))
            return view(desk, **parts)
        except Exception as error:  # noqa: BLE001 - nobody sees a stack trace
            return _page_for(request, desk, error)

    return guarded


def open_desk(request: Request) -> Desk | None:
    """Give the desk of who is signed in; None where nobody is."""
    portal = get_portal()
    now = portal.clock()
    signed_in = find(portal, session_secret(request), now)
    if signed_in is None:
        return None
    member, session, published = signed_in
    named = query(request, "lang")
    lang = named if named in LANGUAGES else member.lang
    return Desk(request, portal, member, session, published, lang, now)


def session_secret(request: Request) -> str:
    """Give the secret of the session's cookie; "" for none."""
    for pair in str(request.headers.get("cookie", "")).split(";"):
        name, _, value = pair.strip().partition("=")
        if name == SESSION_COOKIE:
            return value
    return ""


def session_cookie(secret: str) -> dict[str, str]:
    """Give the header that signs a browser in; with "" out again.

    It ends with the browser, or with the session in the table.
    """
    ends = "" if secret else "; Max-Age=0"
    value = f"{SESSION_COOKIE}={secret}; Path=/; Secure; HttpOnly; SameSite=Lax{ends}"
    return {"Set-Cookie": value}


def local_path(wanted: str | None) -> str:
    """Give a place of the desk to lead back to, such as ``people/…``; "" for anything else.

    So no link leads from the sign-in to another website (CWE-601).
    """
    path = (wanted or "").removeprefix("/staff").removeprefix("/")
    return path if _LOCAL.fullmatch(path) and "//" not in (wanted or "") else ""


def language_of_visitor(request: Request) -> str:
    """Give the language for whoever is not signed in."""
    accepted = request.headers.get("accept-language")
    return negotiate(query(request, "lang"), accepted, LANGUAGES, "en")


def _is_fresh(desk: Desk) -> bool:
    is_form = desk.request.method not in {"GET", "HEAD"}
    return desk.session.is_fresh(desk.now, FRESH_FORM if is_form else FRESH)


def _address(request: Request) -> str:
    """Give the address that was asked for, below the desk."""
    path = str(request.path)
    for name, value in (request.uri_params or {}).items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    return path


def _sign_in_first(request: Request) -> Response:
    asked = ""
    if request.method in {"GET", "HEAD"} and str(request.path) != "/staff":
        asked = f"?{urlencode({'next': _address(request)})}"
    return see_other(f"{mount(request)}/staff/sign-in{asked}")


def _page_for(request: Request, desk: Desk | None, error: Exception) -> Response:
    match error:
        case StaleFormError():
            return _error_page(request, desk, "stale", HTTPStatus.CONFLICT)
        case OtherRoleError():
            roles = roles_with(*error.scopes)
            return _error_page(request, desk, "role", HTTPStatus.FORBIDDEN, roles=roles)
        case TooManyError():
            status = HTTPStatus.TOO_MANY_REQUESTS
            headers = retry_after(error)
            return _error_page(request, desk, "too_many", status, headers, minutes=error.minutes)
    kind, described = FAMILIES[family_of(error, FAMILIES)]
    log_fault(error, described.status)
    return _error_page(request, desk, kind, described.status, described.headers)


def _error_page(
    request: Request,
    desk: Desk | None,
    kind: str,
    status: int,
    headers: Mapping[str, str] | None = None,
    **values: object,
) -> Response:
    """Say what did not work, with the way back to the desk."""
    page = render(
        "staff/error.html",
        desk.lang if desk else language_of_visitor(request),
        kind=kind,
        desk=desk,
        clinic=desk.clinic if desk else None,
        root=mount(request),
        page_state=desk.token(EVERY_PAGE) if desk else "",
        here="/staff",
        script="",
        **{"minutes": 0, "roles": (), **values},
    )
    policy = {"Content-Security-Policy": _policy(page, "")}
    return html(page, status, {**policy, **(headers or {})})


def _policy(page: Page, script: str) -> str:
    return content_security_policy("staff.css", brand=page.brand, inline=script)


def visitor_page(
    request: Request,
    template: str,
    status: int = HTTPStatus.OK,
    *,
    script: str = "",
    lang: str = "",
    headers: Mapping[str, str] | None = None,
    **values: Any,
) -> Response:
    """Answer with a page for whoever is not signed in, such as the one to sign in on.

    It has the language `lang`, where one is given, else the visitor's.
    """
    page = render(
        template,
        lang or language_of_visitor(request),
        desk=None,
        root=mount(request),
        script=script,
        **{"faults": (), "typed": {}, "clinic": None, "state": "", **values},
    )
    policy = {"Content-Security-Policy": _policy(page, script)}
    return html(page, status, {**policy, **(headers or {})})
