"""Receipts and consent forms as PDF: bytes, for each clinic in each of its languages."""

from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, NoticeInForce
from chalicelib.domain.decisions import Decision, NoticeRef, decide
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.notices import paper_form
from chalicelib.presentation.pdf import document
from chalicelib.receipts.formats import paper
from chalicelib.receipts.formats.issued import IssuedReceipt
from chalicelib.store.shown_pages import BLANK, CONSENT_PAGE, ShownPages
from infra.local.demo import CLINICS
from infra.operator import publish

BUDGET = 100 * 1024
BASE_URL = "https://consent.example.org"
AT = "2026-11-22T08:15:00.000Z"
SHA256 = "5a" * 32


def run() -> dict[str, Any]:
    """Measure each receipt and form.

    Gives ``{"pdf_bytes": {"receipt clinic lang": bytes, "form clinic lang": bytes, …, "budget"}}``.
    """
    sizes = {}
    for path in sorted(CLINICS.glob("*.yaml")):
        clinic = publish.read_file(path).clinic
        for lang in clinic.languages:
            sizes[f"receipt {clinic.id} {lang}"] = _receipt_size(clinic, lang)
            sizes[f"form {clinic.id} {lang}"] = _form_size(clinic, lang)
    for kind in ("receipt", "form"):
        names = [name for name in sizes if name.startswith(kind)]
        largest = max(names, key=lambda name: sizes[name])
        print(f"  PDF: at most {sizes[largest]:,} bytes ({largest}; budget {BUDGET:,})")
    return {"pdf_bytes": {**sizes, "budget": BUDGET}}


def _receipt_size(clinic: Clinic, lang: str) -> int:
    issued = IssuedReceipt(
        receipt=_everything_agreed(clinic, lang),
        clinic=clinic,
        lang=lang,
        states={},
        jws="signed",
        base_url=BASE_URL,
        at=AT,
        shown_page=ShownPages.page(CONSENT_PAGE, clinic, lang, **BLANK),
    )
    return len(paper.write_pdf(issued))


def _form_size(clinic: Clinic, lang: str) -> int:
    form = paper_form.write(clinic, lang, base_url=BASE_URL, sha256=SHA256)
    return len(document.write(form, at=AT))


def _everything_agreed(clinic: Clinic, lang: str) -> Receipt:
    decision = Decision(
        receipt_id="0" * 32,
        clinic=clinic.id,
        answers=dict.fromkeys(clinic.questions, Answer.YES),
        notice=NoticeRef(clinic.version, lang, SHA256),
        controllers=tuple(controller.for_receipt() for controller in clinic.controllers),
        channel=Channel.QR,
        source="reception",
        assurance=Assurance.SELF_ASSERTED,
        actor="patient",
        evidence=None,
        effective_at=AT,
        recorded_at=AT,
        endings=clinic.endings,
    )
    person = Subject(id="0" * 32, salt="0" * 32)
    return decide(person, decision, NoticeInForce(clinic.version, AT), known=False)[0]
