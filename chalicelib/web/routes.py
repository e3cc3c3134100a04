"""Every address of the portal: the method, the address, and the view that answers it.

A view is named by its module below `chalicelib.web` and its function. It is called as
`view(request, **parts)`, with the variable parts of the address by name. Its module is loaded with
the first request to it, so that a patient who opens the first page does not wait for the others;
`load_first_page` loads that one while the function starts. A view of the API has the name of its
operation in `docs/openapi/`.
"""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from typing import NamedTuple

from chalice.app import Chalice, Request, Response

from chalicelib.web import errors
from chalicelib.web.requests import ANY_TYPE

PAGES: Mapping[str, str] = {
    "GET /": "pages.home:home",
    "GET /verify": "pages.verification:verify_page",
    "POST /verify": "pages.verification:verify",
    "GET /q/{code}": "pages.qr_codes:short_address",
    "GET /a/{token}": "pages.short_links:lead_to_questions",
    "GET /c/{token}": "pages.short_links:lead_to_confirmation",
    "GET /e/{token}": "pages.short_links:lead_to_erasure",
    "GET /m/{token}": "pages.short_links:lead_to_own_page",
    "GET /u/{token}": "pages.short_links:lead_to_undo",
    "GET /kiosk.js": "pages.kiosk:kiosk_js",
    "GET /confirm/{token}": "pages.confirmation:confirm_page",
    "POST /confirm/{token}": "pages.confirmation:confirm",
    "GET /undo/{token}": "pages.confirmation:undo_page",
    "POST /undo/{token}": "pages.confirmation:undo",
    "GET /acknowledge/{token}": "pages.acknowledgement:acknowledgement_page",
    "POST /acknowledge/{token}": "pages.acknowledgement:acknowledge",
    "GET /unsubscribe/{token}": "pages.unsubscribe:unsubscribe_page",
    "POST /unsubscribe/{token}": "pages.unsubscribe:stop",
    "GET /manage/{token}": "pages.own_page:view",
    "POST /manage/{token}": "pages.own_page:submit",
    "GET /manage/{token}/erase": "pages.own_page:erase_page",
    "POST /manage/{token}/erase": "pages.own_page:erase_person",
    "GET /manage/{token}/receipts/{receipt}": "pages.own_page:download_receipt",
    "GET /manage/{token}/export/{form}": "pages.own_page:download_data",
    "GET /{clinic}": "pages.consent:consent_page",
    "POST /{clinic}": "pages.form_submission:decide",
    "GET /{clinic}/withdraw": "pages.consent:withdrawal_page",
    "POST /{clinic}/withdraw": "pages.form_submission:withdraw",
    "GET /{clinic}/receipts/{receipt}": "pages.receipt:receipt_page",
    "POST /{clinic}/receipts/{receipt}": "pages.receipt:send_again",
    "POST /{clinic}/receipts/{receipt}/reason": "pages.withdrawal_reason:tell_why",
    "GET /{clinic}/receipts/{receipt}/code": "pages.confirmation_code:code_page",
    "POST /{clinic}/receipts/{receipt}/code": "pages.confirmation_code:confirm_by_code",
    "GET /{clinic}/notices/{version}": "pages.notice:notice_page",
    "GET /{clinic}/shown/{sha256}": "pages.notice:shown_page",
    "GET /{clinic}/form": "pages.paper_form:consent_form",
    "GET /{clinic}/link": "pages.link_request:link_page",
    "POST /{clinic}/link": "pages.link_request:send_link",
    "GET /{clinic}/qr/{picture_name}": "pages.qr_codes:qr_code",
    "GET /{clinic}/kiosk": "pages.kiosk:kiosk_page",
    "POST /{clinic}/kiosk": "pages.kiosk:kiosk_decide",
    "GET /{clinic}/kiosk/pair": "pages.kiosk_tablet:pair_page",
    "POST /{clinic}/kiosk/pair": "pages.kiosk_tablet:pair",
    "GET /{clinic}/kiosk/code": "pages.kiosk_tablet:code_page",
    "POST /{clinic}/kiosk/code": "pages.kiosk_tablet:take_code",
    "GET /{clinic}/kiosk/done": "pages.kiosk:kiosk_start_over",
    "POST /{clinic}/kiosk/done": "pages.kiosk:kiosk_confirm",
    "GET /{clinic}/kiosk/withdraw": "pages.kiosk:kiosk_withdrawal_page",
    "POST /{clinic}/kiosk/withdraw": "pages.kiosk:kiosk_withdraw",
    "GET /{clinic}/kiosk/notices/{version}": "pages.kiosk:kiosk_notice",
}
API: Mapping[str, str] = {
    "GET /health": "service:get_health",
    "GET /openapi.json": "service:get_open_api",
    "GET /.well-known/jwks.json": "service:get_signing_keys",
    "GET /.well-known/security.txt": "service:get_security_txt",
    "POST /v1/clinics/{clinic}/status": "api.status:get_status",
    "POST /v1/clinics/{clinic}/history": "api.status:get_history",
    "POST /v1/clinics/{clinic}/scrub": "api.lists:scrub_list",
    "GET /v1/clinics/{clinic}/changes": "api.feeds:list_changes",
    "GET /v1/clinics/{clinic}/export": "api.feeds:export_contacts",
    "POST /v1/clinics/{clinic}/export": "api.feeds:export_subjects",
    "GET /v1/clinics/{clinic}/stats": "api.statistics:get_statistics",
    "POST /v1/clinics/{clinic}/receipts": "api.decisions:record_decision",
    "GET /v1/clinics/{clinic}/receipts/{receipt}": "api.receipts:get_receipt",
    "POST /v1/clinics/{clinic}/withdrawals": "api.decisions:record_withdrawal",
    "POST /v1/clinics/{clinic}/imports": "api.imports:import_consents",
    "POST /v1/clinics/{clinic}/links": "api.links:create_links",
    "GET /v1/clinics/{clinic}/link-keys": "api.link_keys:list_link_keys",
    "POST /v1/clinics/{clinic}/link-keys": "api.link_keys:create_link_key",
    "DELETE /v1/clinics/{clinic}/link-keys/{key}": "api.link_keys:revoke_link_key",
    "POST /v1/clinics/{clinic}/link-keys/{key}/epoch": "api.link_keys:raise_link_key_epoch",
    "POST /v1/clinics/{clinic}/links/revoke": "api.links:revoke_links",
    "GET /v1/clinics/{clinic}/jobs": "api.jobs:list_jobs",
    "POST /v1/clinics/{clinic}/jobs": "api.jobs:create_job",
    "GET /v1/clinics/{clinic}/jobs/{job}": "api.jobs:get_job",
    "POST /v1/clinics/{clinic}/jobs/{job}/start": "api.jobs:start_job",
    "POST /v1/clinics/{clinic}/jobs/{job}/cancel": "api.jobs:cancel_job",
    "POST /v1/clinics/{clinic}/erasures": "api.subject_rights:erase_subjects",
    "POST /v1/clinics/{clinic}/restrictions": "api.subject_rights:set_restriction",
    "POST /v1/clinics/{clinic}/contacts": "api.contacts:change_contact",
    "GET /v1/clinics/{clinic}/contacts/worklist": "api.contacts:list_contact_worklist",
    "GET /v1/clinics/{clinic}/publications": "api.publications:list_publications",
    "POST /v1/clinics/{clinic}/publications": "api.publications:create_publication",
    "GET /v1/clinics/{clinic}/publications/{publication}": "api.publications:get_publication",
    "POST /v1/clinics/{clinic}/publications/{publication}/places": "api.publications:add_publication_places",
    "POST /v1/clinics/{clinic}/publications/{publication}/places/{place}/removed": "api.publications:tick_place",
    "GET /v1/clinics/{clinic}/audit": "api.audit:list_audit",
    "GET /v1/clinics/{clinic}/audit/seals": "api.audit:list_audit_seals",
    "GET /v1/clinics/{clinic}/keys": "api.keys:list_keys",
    "POST /v1/clinics/{clinic}/keys": "api.keys:create_key",
    "GET /v1/clinics/{clinic}/keys/{key}": "api.keys:get_key",
    "DELETE /v1/clinics/{clinic}/keys/{key}": "api.keys:revoke_key",
    "POST /v1/clinics/{clinic}/keys/{key}/rotate": "api.keys:rotate_key",
    "GET /v1/clinics/{clinic}/notices": "api.notices:list_notices",
    "POST /v1/clinics/{clinic}/notices": "api.notices:draft_notice",
    "GET /v1/clinics/{clinic}/notices/{version}": "api.notices:get_notice",
    "GET /v1/clinics/{clinic}/notices/{version}/preview": "api.notices:preview_notice",
    "POST /v1/clinics/{clinic}/notices/{version}/approve": "api.notices:approve_notice",
    "POST /v1/clinics/{clinic}/notices/{version}/publish": "api.notices:publish_notice",
    "GET /v1/clinics/{clinic}/webhooks": "api.webhooks:list_webhooks",
    "GET /v1/clinics/{clinic}/webhooks/{name}": "api.webhooks:get_webhook",
    "PUT /v1/clinics/{clinic}/webhooks/{name}": "api.webhooks:put_webhook",
    "DELETE /v1/clinics/{clinic}/webhooks/{name}": "api.webhooks:delete_webhook",
    "POST /v1/clinics/{clinic}/webhooks/{name}/rotate": "api.webhooks:rotate_webhook_secret",
    "POST /v1/clinics/{clinic}/webhooks/{name}/test": "api.webhooks:test_webhook",
    "POST /v1/clinics/{clinic}/webhooks/{name}/replay": "api.webhook_deliveries:replay_webhook",
    "GET /v1/clinics/{clinic}/deliveries": "api.webhook_deliveries:list_deliveries",
    "POST /v1/clinics/{clinic}/deliveries/{delivery}/acknowledge": (
        "api.webhook_deliveries:acknowledge_delivery"
    ),
    "POST /v1/clinics/{clinic}/deliveries/{delivery}/redeliver": (
        "api.webhook_deliveries:redeliver"
    ),
}


class StaffPlace(NamedTuple):
    """What an address of the desk leads to, and whom it lets in (`web.staff.entrance`)."""

    view: str
    scopes: tuple[str, ...] = ()
    """One of these is enough; () lets in whoever is signed in."""
    fresh: bool = False
    """Whether somebody must have proved a short time ago who they are."""


STAFF: Mapping[str, StaffPlace] = {
    "GET /staff": StaffPlace("staff.home:home"),
    "GET /staff/batches": StaffPlace("staff.batches:list_page", ("receipts:write",)),
    "POST /staff/batches": StaffPlace("staff.batches:start", ("receipts:write",)),
    "GET /staff/batches/{batch}": StaffPlace("staff.batches:batch_page", ("receipts:write",)),
    "POST /staff/batches/{batch}": StaffPlace("staff.batches:enter", ("receipts:write",)),
    "POST /staff/batches/{batch}/close": StaffPlace("staff.batches:close", ("receipts:write",)),
    "GET /staff/people/{subject}/scans/{scan}": StaffPlace(
        "staff.scans:scan_page", ("receipts:read",)
    ),
    "GET /staff/lists": StaffPlace("staff.lists:lists_page", ("export:read",), fresh=True),
    "POST /staff/lists": StaffPlace("staff.lists:download_list", ("export:read",), fresh=True),
    "GET /staff/counters": StaffPlace("staff.counters:counters_page", ("stats:read",)),
    "GET /staff/counters.csv": StaffPlace("staff.counters:download_counters", ("stats:read",)),
    "POST /staff/language": StaffPlace("staff.sessions:change_language"),
    "POST /staff/sign-out": StaffPlace("staff.sessions:sign_out"),
    "GET /staff/worklists/{name}": StaffPlace("staff.worklists:worklist_page"),
    "POST /staff/worklists/{name}": StaffPlace("staff.worklists:do_one"),
    "GET /staff/notices": StaffPlace("staff.notices:list_page", ("notices:read",)),
    "POST /staff/notices": StaffPlace("staff.notices:draft", ("notices:write",)),
    "GET /staff/notices/{version}": StaffPlace("staff.notices:version_page", ("notices:read",)),
    "POST /staff/notices/{version}": StaffPlace("staff.notices:approve", ("notices:approve",)),
    "GET /staff/notices/{version}/file": StaffPlace("staff.notices:download", ("notices:read",)),
    "GET /staff/notices/{version}/preview": StaffPlace("staff.notices:preview", ("notices:read",)),
    "GET /staff/notices/{version}/publish": StaffPlace(
        "staff.notices:publish_page", ("notices:write",), fresh=True
    ),
    "POST /staff/notices/{version}/publish": StaffPlace(
        "staff.notices:publish", ("notices:write",), fresh=True
    ),
    "GET /staff/sessions": StaffPlace("staff.sessions:sessions_page"),
    "POST /staff/sessions": StaffPlace("staff.sessions:end_sessions"),
    "GET /staff/again": StaffPlace("staff.sign_in:again_page"),
    "POST /staff/again": StaffPlace("staff.sign_in:again"),
    "GET /staff/passkeys": StaffPlace("staff.passkeys:passkeys_page"),
    "GET /staff/passkeys/add": StaffPlace("staff.passkeys:add_page", fresh=True),
    "POST /staff/passkeys/add": StaffPlace("staff.passkeys:add", fresh=True),
    "GET /staff/passkeys/{passkey}/remove": StaffPlace("staff.passkeys:remove_page", fresh=True),
    "POST /staff/passkeys/{passkey}/remove": StaffPlace("staff.passkeys:remove", fresh=True),
    "GET /staff/team": StaffPlace("staff.team:team_page", ("keys:write",)),
    "GET /staff/team/invite": StaffPlace("staff.team:invite_page", ("keys:write",), fresh=True),
    "POST /staff/team/invite": StaffPlace("staff.team:invite", ("keys:write",), fresh=True),
    "GET /staff/team/{member}": StaffPlace("staff.team:member_page", ("keys:write",), fresh=True),
    "POST /staff/team/{member}": StaffPlace(
        "staff.team:change_member", ("keys:write",), fresh=True
    ),
    "GET /staff/record": StaffPlace("staff.recording:record_page", ("receipts:write",)),
    "POST /staff/record": StaffPlace("staff.recording:record", ("receipts:write",)),
    "GET /staff/people/{subject}/record": StaffPlace(
        "staff.recording:person_record_page", ("receipts:write",)
    ),
    "POST /staff/people/{subject}/record": StaffPlace(
        "staff.recording:person_record", ("receipts:write",)
    ),
    "GET /staff/withdraw": StaffPlace("staff.withdrawing:withdrawal_page", ("receipts:write",)),
    "POST /staff/withdraw": StaffPlace("staff.withdrawing:withdraw", ("receipts:write",)),
    "GET /staff/people/{subject}/withdraw": StaffPlace(
        "staff.withdrawing:person_withdrawal_page", ("receipts:write",)
    ),
    "POST /staff/people/{subject}/withdraw": StaffPlace(
        "staff.withdrawing:person_withdraw", ("receipts:write",)
    ),
    "GET /staff/people/{subject}/link": StaffPlace(
        "staff.person_papers:link_page", ("links:write",)
    ),
    "POST /staff/people/{subject}/link": StaffPlace(
        "staff.person_papers:send_link", ("links:write",)
    ),
    "GET /staff/people/{subject}/form": StaffPlace(
        "staff.person_papers:person_form", ("receipts:write",)
    ),
    "GET /staff/form": StaffPlace("staff.person_papers:blank_form", ("receipts:write",)),
    "GET /staff/people/{subject}/correct": StaffPlace(
        "staff.correcting:correctable_page", ("receipts:write",)
    ),
    "GET /staff/people/{subject}/receipts/{receipt}/correct": StaffPlace(
        "staff.correcting:correction_page", ("receipts:write",)
    ),
    "POST /staff/people/{subject}/receipts/{receipt}/correct": StaffPlace(
        "staff.correcting:correct_entry", ("receipts:write",)
    ),
    "GET /staff/recorded/{receipt}": StaffPlace(
        "staff.recording:recorded_page", ("receipts:write",)
    ),
    "GET /staff/recorded/{receipt}/print": StaffPlace(
        "staff.recording:print_recorded", ("receipts:write",)
    ),
    "GET /staff/find": StaffPlace("staff.find:find_page", ("status:read",)),
    "POST /staff/find": StaffPlace("staff.find:find_person", ("status:read",)),
    "GET /staff/people/{subject}": StaffPlace("staff.people:person_page", ("status:read",)),
    "GET /staff/people/{subject}/looked": StaffPlace("staff.people:looked_page", ("audit:read",)),
    "GET /staff/people/{subject}/receipts/{receipt}": StaffPlace(
        "staff.people:receipt_copy", ("receipts:read",)
    ),
    "GET /staff/settings": StaffPlace(
        "staff.settings:settings_page", ("notices:read", "keys:write", "webhooks:read")
    ),
    "GET /staff/settings/posters": StaffPlace("staff.settings:posters_page", ("notices:read",)),
    "GET /staff/settings/webhooks": StaffPlace("staff.webhooks:list_page", ("webhooks:read",)),
    "GET /staff/settings/new-webhook": StaffPlace(
        "staff.webhooks:new_page", ("webhooks:write",), fresh=True
    ),
    "POST /staff/settings/new-webhook": StaffPlace(
        "staff.webhooks:create", ("webhooks:write",), fresh=True
    ),
    "GET /staff/settings/webhooks/{name}": StaffPlace(
        "staff.webhooks:one_page", ("webhooks:read",), fresh=True
    ),
    "POST /staff/settings/webhooks/{name}": StaffPlace(
        "staff.webhooks:act", ("webhooks:write",), fresh=True
    ),
    "GET /staff/settings/keys": StaffPlace("staff.keys:list_page", ("keys:write",)),
    "GET /staff/settings/keys/new": StaffPlace("staff.keys:new_page", ("keys:write",), fresh=True),
    "POST /staff/settings/keys/new": StaffPlace("staff.keys:create", ("keys:write",), fresh=True),
    "GET /staff/settings/keys/{key}": StaffPlace(
        "staff.keys:one_page", ("keys:write",), fresh=True
    ),
    "POST /staff/settings/keys/{key}": StaffPlace("staff.keys:act", ("keys:write",), fresh=True),
    "GET /staff/settings/link-keys/new": StaffPlace(
        "staff.keys:new_link_key_page", ("keys:write",), fresh=True
    ),
    "POST /staff/settings/link-keys/new": StaffPlace(
        "staff.keys:create_link_key", ("keys:write",), fresh=True
    ),
    "GET /staff/settings/link-keys/{key}": StaffPlace(
        "staff.keys:link_key_page", ("keys:write",), fresh=True
    ),
    "POST /staff/settings/link-keys/{key}": StaffPlace(
        "staff.keys:act_on_link_key", ("keys:write",), fresh=True
    ),
    "GET /staff/settings/tablets": StaffPlace(
        "staff.kiosks:tablets_page", ("keys:write",), fresh=True
    ),
    "POST /staff/settings/tablets": StaffPlace(
        "staff.kiosks:change_tablets", ("keys:write",), fresh=True
    ),
    "GET /staff/people/{subject}/kiosk": StaffPlace(
        "staff.kiosks:hand_over_page", ("receipts:write",)
    ),
    "POST /staff/people/{subject}/kiosk": StaffPlace("staff.kiosks:make_code", ("receipts:write",)),
    "GET /staff/people/{subject}/contacts": StaffPlace(
        "staff.person_contacts:contacts_page", ("receipts:write",)
    ),
    "POST /staff/people/{subject}/contacts": StaffPlace(
        "staff.person_contacts:change_contact", ("receipts:write",)
    ),
    "GET /staff/people/{subject}/restrict": StaffPlace(
        "staff.rights:restriction_page", ("subjects:erase",)
    ),
    "POST /staff/people/{subject}/restrict": StaffPlace(
        "staff.rights:restrict", ("subjects:erase",)
    ),
    "GET /staff/people/{subject}/erase": StaffPlace(
        "staff.rights:erasure_page", ("subjects:erase",), fresh=True
    ),
    "POST /staff/people/{subject}/erase": StaffPlace(
        "staff.rights:erase", ("subjects:erase",), fresh=True
    ),
    "GET /staff/people/{subject}/merge": StaffPlace(
        "staff.merging:merge_page", ("receipts:write",)
    ),
    "POST /staff/people/{subject}/merge": StaffPlace(
        "staff.merging:find_or_merge", ("receipts:write",)
    ),
    "GET /staff/doubtful": StaffPlace("staff.doubtful:doubtful_page", ("receipts:write",)),
    "POST /staff/doubtful": StaffPlace("staff.doubtful:leave_two", ("receipts:write",)),
}
"""The clinic's desk, for people who are signed in."""

STAFF_ENTRANCE: Mapping[str, str] = {
    "GET /staff/sign-in": "staff.sign_in:sign_in_page",
    "POST /staff/sign-in": "staff.sign_in:sign_in",
    "GET /staff/oidc/callback": "staff.account:come_back",
    "GET /staff/oidc/{clinic}": "staff.account:go_to_provider",
    "GET /staff/invitations/{token}": "staff.invitations:invitation_page",
    "POST /staff/invitations/{token}": "staff.invitations:take_up",
}
"""The way in, for whoever is not."""

FROM_ANYWHERE = {"POST /unsubscribe/{token}"}
"""Forms that work without a page of the portal: one-click unsubscribing (RFC 8058)."""


def register(app: Chalice) -> None:
    """Give the application every address."""
    for line, place in PAGES.items():
        from_anywhere = line in FROM_ANYWHERE
        _register(app, line, place, errors.as_page(_view(place), from_anywhere=from_anywhere))
    for line, place in API.items():
        _register(app, line, place, _call(place))
    for line, place in STAFF_ENTRANCE.items():
        _register(app, line, place, errors.as_page(_view(place)))
    for line, staff_place in STAFF.items():
        _register(app, line, staff_place.view, _desk(staff_place))


def load_first_page() -> None:
    """Load the modules of the page that a patient opens first."""
    load(PAGES["GET /{clinic}"])


@cache
def load(place: str) -> errors.View:
    """Give the view that a place such as ``pages.form_submission:decide`` names."""
    module, _, function = place.partition(":")
    view: errors.View = getattr(import_module(f"chalicelib.web.{module}"), function)
    return view


def _view(place: str) -> errors.View:
    def view(request: Request, **parts: str) -> Response:
        return load(place)(request, **parts)

    return view


def _call(place: str) -> errors.View:
    """Give a call of the API; what it answers to errors is loaded with the first call."""

    def call(request: Request, **parts: str) -> Response:
        from chalicelib.web.api.errors import as_problem  # noqa: PLC0415 - no page needs it

        return as_problem(_view(place))(request, **parts)

    return call


def _desk(place: StaffPlace) -> errors.View:
    """Give a page of the desk; who may open it is looked at by what is loaded with the first."""

    def page(request: Request, **parts: str) -> Response:
        from chalicelib.web.staff.entrance import as_staff_page  # noqa: PLC0415 - no patient needs it

        return as_staff_page(place, load(place.view))(request, **parts)

    return page


def _register(app: Chalice, line: str, place: str, view: errors.View) -> None:
    method, address = line.split()

    def handler(**parts: str) -> Response:
        return view(app.current_request, **parts)

    named: Callable[[errors.View], errors.View]
    named = app.route(address, methods=[method], content_types=ANY_TYPE, name=place)
    named(handler)
