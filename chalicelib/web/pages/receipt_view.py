"""What the page after Save says of a receipt: what counts, what waits, and what to do about it.

The page of the receipt, which whoever has its number may open, and the kiosk's last page share it.
"""

from collections.abc import Mapping
from typing import Any

from chalice.app import Request

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.confirmation import Counting, counting
from chalicelib.domain.consent import Channel
from chalicelib.domain.guardians import ACTOR
from chalicelib.domain.instants import Instant
from chalicelib.portal import get_portal
from chalicelib.web.form_state import form_secret
from chalicelib.web.pages.decision_form import consent_form_page, new_state


def view_receipt(clinic: Clinic, document: Mapping[str, Any], at: Instant) -> dict[str, Any]:
    """Give what a page says of a receipt, by the receipt alone.

    `kind` is what its heading says: "contacts" (nothing decided), "withdrawn", "refused" (nothing
    agreed to), "waits", "unsure" or "untold" (`Counting`), "confirmed", or "saved" where everything
    counts.
    """
    counts = counting(clinic, document, at)
    decisions = document["decisions"]
    answers = {entry["answer"] for entry in decisions.values()}
    return {
        "said": clinic.describe_answers(decisions),
        "counts": counts,
        "kind": _kind(answers, set(counts.values()), document["evidence"] or {}),
        "agreed": "yes" in answers,
        "mixed": answers > {"yes"},
    }


def _kind(answers: set[str], counts: set[Counting], evidence: Mapping[str, Any]) -> str:
    if not answers:
        return "contacts"
    if answers == {"withdraw"}:
        return "withdrawn"
    if "yes" not in answers:
        return "refused"
    for each in (Counting.UNTOLD, Counting.WAITS, Counting.UNSURE):
        if each in counts:
            return each.value
    return "confirmed" if "confirms" in evidence else "saved"


def way_to_mend(
    template: str, clinic: Clinic, request: Request, document: Mapping[str, Any], address: str
) -> dict[str, Any]:
    """Give the form that leads back to the contact with the same answers, for another contact.

    The first receipt stays. What is sent from there is a decision of its own, under the other
    contact; what waits under the wrong one lapses unless its owner confirms it. It is bound to the
    text that the patient read, so `address` has to name its language. Who read all questions on one
    page comes back in steps, and is bound to those: the texts are the same, the page is another.
    Who decided for a child begins at the child's page: no receipt has the child's name and birth.
    """
    page = consent_form_page(template, clinic, request, None, get_portal().clock())
    notice = document["notice"]
    state = new_state(page)._replace(
        lang=notice["lang"],
        sha256=notice["sha256"],
        source=document["source"],
        channel=Channel(document["channel"]),
    )
    answers = {
        f"decision.{question}": entry["answer"]
        for question, entry in document["decisions"].items()
        if entry["answer"] in {"yes", "no"}
    }
    sealed = state.to_token(form_secret(clinic.id, template))
    fields = {"state": sealed, "go": "contact", **answers}
    if document["actor"] == ACTOR:
        relation = document["evidence"]["guardian"]
        fields |= {"go": "child", "child": "yes", "relation": relation}
    return {"address": address, "fields": fields}
