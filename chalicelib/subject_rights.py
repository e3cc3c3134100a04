"""The API about a person's data as a whole: erasing it, restricting what is done with it (GDPR Art. 17, 18)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chalice.app import Request, Response

from chalicelib import journal
from chalicelib.authorised import Call, authorised
from chalicelib.bodies import AboutSubject, read_erasure, read_restriction
from chalicelib.boundary import RefusedError
from chalicelib.erasing import erase, meant, restrict
from chalicelib.identity import SeveralPeopleError
from chalicelib.notice import Clinic
from chalicelib.outgoing import document, problem
from chalicelib.receipts import Subject
from chalicelib.wiring import portal

SCOPE = "subjects:erase"


def erasures(request: Request, clinic: str) -> Response:
    """Erase a subject's contact data at once; the proof of what was decided stays until its date, naming nobody."""
    call, people = _meant(request, clinic, read_erasure)
    tried = [erase(portal(), clinic, person.id, call.key.id, call.now) for person in people]
    erased = [asdict(each) for each in tried if each is not None]
    if not erased:
        portal().table.put_new(call.audit("erasures", ()))
    else:
        journal.count("SubjectErased", len(erased))
    return document({"erased": erased})


def restrictions(request: Request, clinic: str) -> Response:
    """Restrict what is done with a subject's data, or lift that: meanwhile nothing is permitted."""
    call, people = _meant(request, clinic, read_restriction)
    restricted = call.body.restricted
    tried = [restrict(portal(), clinic, each.id, call.key.id, call.now, restricted=restricted) for each in people]
    told = [{"subject": each.id, "restricted_since": each.restricted_since} for each in tried if each is not None]
    if not told:
        portal().table.put_new(call.audit("restrictions", ()))
    return document({"restricted": restricted, "subjects": told})


def _meant(
    request: Request, clinic: str, read: Callable[[Clinic, Mapping[str, Any]], AboutSubject]
) -> tuple[Call[AboutSubject], Sequence[Subject]]:
    """Authorise a call and tell whom it means."""
    call = authorised(request, clinic, SCOPE, read)
    try:
        return call, meant(call.look.people, everyone=call.body.everyone)
    except SeveralPeopleError:
        told = (
            "Several people share a contact, or the contacts are known apart. Name the e-mail or patient_ref of the one"
            " who is meant and no contact of another; or say everyone: all who are known under any of them."
        )
        raise RefusedError(problem(409, "Whose data is it?", detail=told)) from None
