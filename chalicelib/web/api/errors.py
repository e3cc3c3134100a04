"""What the API answers when a call fails: every problem (RFC 9457) is in this module.

A service raises a named error, and `PROBLEMS` says what the API makes of it. What only the API
knows is refused by name: `raise RefusedError(UNKNOWN_FORMAT, known="json, pdf")`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chalice.app import Request, Response

from chalicelib.domain.cursors import CursorTooOldError, UnknownCursorError
from chalicelib.domain.errors import RejectedError
from chalicelib.domain.jobs import JobStateError
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.webhooks import MOST_WEBHOOKS
from chalicelib.notices.document import InvalidDocumentError
from chalicelib.notices.workflow import (
    BeyondWordsError,
    IncompleteError,
    ReviewError,
    SamePersonError,
)
from chalicelib.presentation.blocklists import WrongBlocklistError
from chalicelib.presentation.contact_columns import UnclearColumnError
from chalicelib.presentation.csv_encoding import UnreadableTableError
from chalicelib.receipts.errors import FormatCannotExpressError, UnsignedError
from chalicelib.services.audit import PeriodError
from chalicelib.services.authorized_call import InvalidBodyError, UsedForAnotherBodyError
from chalicelib.services.keys import (
    AnotherControllersError,
    KeyEndedError,
    MoreThanItHasError,
    TooManySecretsError,
)
from chalicelib.services.links import NothingSharedError, UsedForOtherLinksError
from chalicelib.services.lists import MAX_BYTES, MAX_ROWS, LongListError, UnknownPurposeError
from chalicelib.services.notices import UnknownLanguageError
from chalicelib.services.webhooks import (
    NoSecretError,
    TooManyWebhooksError,
    WebhookDisabledError,
)
from chalicelib.web.errors import FAMILIES, Problem, View, check_length, family_of, log_fault
from chalicelib.web.requests import LargeListError, NoListError
from chalicelib.web.responses import problem

_REALM = 'Bearer realm="consent-portal"'
_ASK_FOR_A_KEY = {"WWW-Authenticate": _REALM}
_KEY_REFUSED = {"WWW-Authenticate": f'{_REALM}, error="invalid_token"'}
"""RFC 6750, 3.1: a token that has expired is as invalid as any, and the same 401; the detail tells
its holder, and nobody else has it."""

_USED_BEFORE = "Idempotency-Key used before"

# The bearer key, and what it may do
NO_KEY = Problem(
    401,
    "A bearer key is needed",
    "Send the header Authorization: Bearer and the key.",
    _ASK_FOR_A_KEY,
)
INVALID_KEY = Problem(
    401,
    "This key is not valid",
    "It was never made, or is revoked. Ask whoever runs the portal for one.",
    _KEY_REFUSED,
)
EXPIRED_KEY = Problem(
    401,
    "This key has expired",
    "Its time is over, or it has another secret by now. Ask whoever gave it to you.",
    _KEY_REFUSED,
)
SCOPE_MISSING = Problem(403, "This key may not do that", "It needs the scope {scopes}.")
RECEIPT_NOT_SHARED = Problem(
    403,
    "Not for this key",
    "It holds decisions that this controller does not share, and a signed receipt cannot be told"
    " in part. The status tells those it shares.",
)

# The address and the headers
LONG_IDEMPOTENCY_KEY = Problem(400, "Idempotency-Key too long", "At most {most} characters.")
UNKNOWN_FORMAT = Problem(400, "Unknown format", "Known: {known}.")
UNKNOWN_LANGUAGE = Problem(400, "Unknown language", "Known: {known}.")
UNKNOWN_PREVIEW = Problem(400, "Unknown preview", "Write preview=1, or leave it out to publish.")
UNKNOWN_STATE = Problem(400, "Unknown state", "Known: {known}.")
UNKNOWN_CHOICE = Problem(400, "Unknown choice", "Write {name}= and one of: {known}.")
NO_CHOICE = Problem(400, "Unknown choice", "Leave {name}= out: none is known with this mode.")
UNKNOWN_MOMENT = Problem(
    400,
    "Unknown moment",
    "Write {name}= and a moment (RFC 3339), such as 2026-11-22T08:15:00Z. A + is written %2B.",
)
UNKNOWN_DOER = Problem(
    400,
    "Unknown key",
    "Write an id, such as key_96d7feb65a51 or staff_96d7feb65a51, or patient, portal, operator.",
)
UNKNOWN_SUBJECT_ID = Problem(
    400,
    "Unknown subject",
    "Write the opaque id of a subject, as receipts name it. Never a contact.",
)
UNKNOWN_CURSOR = Problem(400, "Unknown cursor", "As the answer before gave it.")
INVALID_DAYS = Problem(
    422,
    "Which days?",
    "Days such as 2026-11-22 (UTC), from= not after to=, {most} of them at most.",
)
INVALID_LIMIT = Problem(422, "Invalid limit", "A number from {least} to {most}, or none.")

WEBHOOK_NAME = Problem(
    400, "Not a name", "1 to 64 lower-case letters, digits, _ and -, no _ or - at the beginning."
)
TOO_MANY_LINK_KEYS = Problem(
    409, "Too many link keys", "A clinic has {most} good ones at most: revoke one first."
)

# The subject
WHOSE_DECISION = Problem(
    409,
    "Whose decision is it?",
    "Several people share this contact. Name an e-mail or patient_ref of the one who decided.",
)
WHOSE_CONTACT = Problem(
    409,
    "Whose contact is it?",
    "Several people share this contact. Name an e-mail or patient_ref of the one who is meant.",
)
WHOSE_DATA = Problem(
    409,
    "Whose data is it?",
    "Several people share a contact, or the contacts are known apart. Name the e-mail or"
    " patient_ref of the one who is meant and no contact of another; or say everyone: all who are"
    " known under any of them.",
)

_INCOMPLETE = Problem(
    409,
    "Not complete",
    "Nothing was changed. `missing` lists what the notice must tell and does not.",
)

_LARGE_LIST = Problem(
    413,
    "Content too large",
    f"A list has {MAX_ROWS} rows and {MAX_BYTES} bytes at most here, and so has the answer."
    " POST …/jobs takes lists of any size.",
)


class SeveralReceiptsError(RejectedError):
    """A reference that more than one receipt of the clinic has."""

    def __init__(self, receipts: Sequence[Receipt]) -> None:
        super().__init__("several receipts have this reference")
        self.receipts = tuple(receipts)


PROBLEMS: Mapping[type[Exception], Problem] = {
    **{family: described for family, (_, described) in FAMILIES.items()},
    InvalidBodyError: Problem(422, "Invalid body", "Nothing was stored."),
    UsedForAnotherBodyError: Problem(422, _USED_BEFORE, "For another body, which stands."),
    UsedForOtherLinksError: Problem(
        422, _USED_BEFORE, "It was for another body, whose links stand. Nothing was made."
    ),
    NothingSharedError: Problem(
        403,
        "Not for this key",
        "The controller this key belongs to shares none of the clinic's decisions.",
    ),
    PeriodError: Problem(
        400, "Unknown period", "from comes before to, by 31 days at most. Ask for the next 31 then."
    ),
    MoreThanItHasError: Problem(
        403, "More than this key may do", "It has no scope {error} itself."
    ),
    AnotherControllersError: Problem(
        403, "Another controller's", "A controller's key makes keys for that controller alone."
    ),
    KeyEndedError: Problem(409, "This key has ended", "It is {error}. Make another one."),
    TooManySecretsError: Problem(
        409,
        "Too many secrets",
        "Earlier secrets of this key are valid still. overlap_hours 0 ends them all at once.",
    ),
    JobStateError: Problem(409, "Not now", "{error}."),
    UnknownLanguageError: Problem(
        400, "Unknown language", "Write lang= and one of: {error.known}."
    ),
    SeveralReceiptsError: Problem(
        409,
        "Several receipts",
        "They have the same reference. Ask again with the id of the one that is meant.",
    ),
    UnsignedError: Problem(
        409,
        "Not signed yet",
        "The receipt is recorded and counts; its signature follows in moments, or when the key service is back.",
        {"Retry-After": "5"},
    ),
    UnknownCursorError: Problem(
        422, "Unknown cursor", "As an answer of this call gave it, for this clinic and question."
    ),
    CursorTooOldError: Problem(
        410, "Cursor too old", "What it leads to is kept no longer. Begin again with an export."
    ),
    FormatCannotExpressError: Problem(406, "This format cannot say it", "{error}"),
    SamePersonError: Problem(403, "Another person must approve", "{error}."),
    IncompleteError: _INCOMPLETE,
    InvalidDocumentError: _INCOMPLETE,
    NoListError: Problem(
        415, "Unsupported media type", "Send a list in CSV: Content-Type: text/csv."
    ),
    **dict.fromkeys((LargeListError, LongListError), _LARGE_LIST),
    UnreadableTableError: Problem(422, "Not a list", "{error}"),
    UnclearColumnError: Problem(422, "Which column has the contacts?", "{error}"),
    UnknownPurposeError: Problem(400, "Which decision?", "{error}"),
    WrongBlocklistError: Problem(400, "No such blocklist", "{error}"),
    BeyondWordsError: Problem(409, "More than words changed", "{error}."),
    ReviewError: Problem(409, "Not now", "{error}."),
    TooManyWebhooksError: Problem(
        409, "Too many recipients", f"A clinic has {MOST_WEBHOOKS} at most. Nothing was stored."
    ),
    WebhookDisabledError: Problem(
        409,
        "The recipient is disabled",
        "Nothing is sent to it. Put it again when it works: what waits goes out then.",
    ),
    NoSecretError: Problem(
        409, "No secret", "The recipient gets e-mails, which are not signed. Nothing was changed."
    ),
}
"""What the API answers to an error: to the nearest class above it that is in this table."""


class RefusedError(RejectedError):
    """A call is refused with a problem; `values` fill the places in its detail."""

    def __init__(self, refusal: Problem, **values: object) -> None:
        super().__init__(refusal.title)
        self.problem = refusal
        self.values = values


def as_problem(view: View) -> View:
    """Turn what a view of the API raises into a problem; nobody sees a stack trace."""

    def guarded(request: Request, **parts: str) -> Response:
        try:
            check_length(parts)
            return view(request, **parts)
        except RefusedError as refused:
            return _answer(refused.problem, refused.values, {})
        except Exception as error:  # noqa: BLE001 - the outermost frame
            described = PROBLEMS[family_of(error, PROBLEMS)]
            log_fault(error, described.status)
            return _answer(described, {"error": error}, _members(error))

    return guarded


def _answer(
    described: Problem, values: Mapping[str, object], members: Mapping[str, Any]
) -> Response:
    detail = described.detail.format(**values).strip()
    return problem(
        described.status,
        described.title,
        headers=described.headers,
        detail=detail,
        **members,
    )


def _members(error: Exception) -> dict[str, Any]:
    """Give the members of a problem that list each fault of a body, a notice or a change."""
    match error:
        case InvalidBodyError():
            return {"errors": error.errors}
        case SeveralReceiptsError():
            return {"receipts": [_told_apart(receipt) for receipt in error.receipts]}
        case UnreadableTableError(line=int(line)):
            return {"line": line}
        case IncompleteError(missing=faults) | InvalidDocumentError(faults=faults):
            return {"missing": [asdict(fault) for fault in faults]}
        case BeyondWordsError():
            return {"beyond_words": [asdict(change) for change in error.changes]}
    return {}


def _told_apart(receipt: Receipt) -> dict[str, str]:
    """Give what tells a receipt from others with its reference: its id, and both of its times."""
    document = receipt.document
    return {name: document[name] for name in ("id", "effective_at", "recorded_at")}
