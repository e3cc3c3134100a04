"""Faults of a decision that staff recorded, as the fields of a page: which to mend, and why.

The services name each fault by the JSON pointer of a body (`InvalidBodyError`); the sentences stand
in `templates/staff/faults.html`, by the names given here.
"""

from collections.abc import Mapping

from chalicelib.domain.submission import FieldError
from chalicelib.services.authorized_call import InvalidBodyError

FIELDS: Mapping[str, tuple[str, str]] = {
    "/subject": ("email", "contact_missing"),
    "/subject/email": ("email", "email_missing"),
    "/subject/phone": ("phone", "phone_missing"),
    "/address": ("street", "street_missing"),
    "/name": ("name", "name_missing"),
    "/decisions": ("errors", "nothing_decided"),
    "/declared_adult": ("adult", "adult_missing"),
    "/effective_at": ("day", "day_impossible"),
    "/notice_version": ("version", "version_impossible"),
    "/first_number": ("first_number", "number_uncounted"),
    "/evidence/form": ("number", "number_missing"),
    "/evidence/witness": ("witness", "witness_long"),
    "/guardian": ("child", "adults_only"),
    "/guardian/relation": ("relation", "relation_missing"),
    "/guardian/child_born": ("child_born", "child_born_impossible"),
}
"""The field of each pointer, and the name of the sentence that says what is wrong with it."""

ELSEWHERE = ("errors", "not_recorded")


def faults_of(error: InvalidBodyError) -> tuple[FieldError, ...]:
    """Give the fields to mend, in the order of the faults, each once."""
    faults = [FieldError(*FIELDS.get(each["pointer"], ELSEWHERE)) for each in error.errors]
    return tuple(dict.fromkeys(faults))
