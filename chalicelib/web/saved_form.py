"""What the browser that just saved a form may see of it, and nobody else.

The page of a receipt is for whoever has its number, and never says by whom it is. But whoever has
just typed an address should read it once more, masked, where to look for the message, and have that
sent again or mend it. So the form leads to the receipt with a token: the receipt's number, the
contacts as they are shown (masked) and the moment, encrypted under the clinic's key. It holds no
contact in full, and in a log it cannot be read; whoever opens its address within the hour sees the
masked contact. It is good for the one receipt. Whoever has the receipt's number and not this token sees nothing of it.

It is made of what was typed and of nothing else: it is the same whether or not a contact is known.
"""

import base64
import json
from datetime import timedelta
from typing import NamedTuple

from chalicelib.domain.confirmation import asked_kinds
from chalicelib.domain.contacts import ContactKind, masked
from chalicelib.domain.instants import Instant, instant, moment
from chalicelib.portal import get_portal
from chalicelib.services.patient_decisions import FormResult

SAVED_LIFETIME = timedelta(hours=1)
"""For how long the page says where the message went."""

AT_THE_KIOSK = timedelta(minutes=10)
"""The same on a tablet, where the next patient comes."""

_WHAT = "saved-form"
_SALT = "5a" * 16
"""In the place of a person's salt: no person's own key encrypts this, so erasing nobody ends it."""


class SavedForm(NamedTuple):
    """What a form that was just saved said, as its sender may see it."""

    receipt: str
    email: str
    """The e-mail address that is asked to confirm, masked; "" for none."""
    phone: str
    """The phone that is sent a code, masked; "" for none."""
    at: Instant

    def to_token(self, clinic: str) -> str:
        """Write it into an address or a form."""
        plain = json.dumps(self)
        sealed = get_portal().clinics.key(clinic).encrypt(self.receipt, _SALT, _WHAT, plain)
        return self.receipt + base64.urlsafe_b64encode(sealed).decode().rstrip("=")


def saved_form(result: FormResult) -> SavedForm | None:
    """Give what the sender of a form may see of it; None where no contact is asked anything."""
    kinds = asked_kinds(result.clinic, result.decision.answers, result.typed)
    shown = {each.kind: masked(each) for each in result.typed if each.kind in kinds}
    if not shown:
        return None
    return SavedForm(
        result.decision.receipt_id,
        shown.get(ContactKind.EMAIL, ""),
        shown.get(ContactKind.PHONE, ""),
        result.decision.recorded_at,
    )


def read_saved_form(
    clinic: str, token: str | None, now: Instant, lifetime: timedelta = SAVED_LIFETIME
) -> SavedForm | None:
    """Read a token; None for none, and for one that is forged, another clinic's or too old."""
    number, sealed = (token or "")[:32], (token or "")[32:]
    if not sealed:
        return None
    try:
        encrypted = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
        key = get_portal().clinics.key(clinic)
        saved = SavedForm(*json.loads(key.decrypt(number, _SALT, _WHAT, encrypted)))
    except ValueError:
        return None
    if not saved.at <= now <= instant(moment(saved.at) + lifetime):
        return None
    return saved
