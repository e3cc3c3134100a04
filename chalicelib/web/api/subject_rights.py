"""Calls about a person's data: erase all of it, restrict its use (GDPR Art. 17, 18)."""

from dataclasses import asdict

from chalice.app import Request, Response

from chalicelib.domain.identity import SeveralPeopleError
from chalicelib.portal import get_portal
from chalicelib.services.subject_rights import SubjectRequest, erase_all, restrict_all
from chalicelib.web.api.auth import authorize
from chalicelib.web.api.body_reader import BodyReader
from chalicelib.web.api.errors import WHOSE_DATA, RefusedError
from chalicelib.web.responses import document


def erase_subjects(request: Request, clinic: str) -> Response:
    """Erase a subject's contact data at once; the proof stays until its date, naming nobody."""
    call = authorize(request, clinic, "subjects:erase", read_erasure)
    try:
        erased = erase_all(get_portal(), call)
    except SeveralPeopleError:
        raise RefusedError(WHOSE_DATA) from None
    return document({"erased": [asdict(person) for person in erased]})


def set_restriction(request: Request, clinic: str) -> Response:
    """Restrict what is done with a subject's data, or lift that; meanwhile nothing is permitted."""
    call = authorize(request, clinic, "subjects:erase", read_restriction)
    try:
        people = restrict_all(get_portal(), call)
    except SeveralPeopleError:
        raise RefusedError(WHOSE_DATA) from None
    subjects = [
        {"subject": person.id, "restricted_since": person.restricted_since} for person in people
    ]
    return document({"restricted": call.body.restricted, "subjects": subjects})


def read_erasure(body: BodyReader) -> SubjectRequest:
    """Read a call that erases."""
    body.only("subject", "everyone")
    contacts = body.about()
    return SubjectRequest(contacts, body.truth("everyone", default=False))


def read_restriction(body: BodyReader) -> SubjectRequest:
    """Read a call that restricts what is done with somebody's data, or lifts that."""
    body.only("subject", "everyone", "restricted")
    contacts = body.about()
    everyone = body.truth("everyone", default=False)
    return SubjectRequest(contacts, everyone, restricted=body.truth("restricted"))
