"""Receipts and consent forms as PDF: bytes, for each clinic in each of its languages, and what setting
them costs.
"""

import resource
import time
from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.consent import Answer, Assurance, Channel, NoticeInForce
from chalicelib.domain.decisions import Decision, NoticeRef, decide
from chalicelib.domain.receipts import Receipt
from chalicelib.domain.subjects import Subject
from chalicelib.notices import paper_form
from chalicelib.presentation.press import Paper
from chalicelib.presentation.typesetting import typeset
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

    Gives ``{"pdf_bytes": {"receipt clinic lang": bytes, "form clinic lang": bytes, …, "budget"},
    "pdf_ms": processor time of the median, "pdf_memory_mb": the most that the process had}``.
    """
    sizes, times = {}, []
    for path in sorted(CLINICS.glob("*.yaml")):
        clinic = publish.read_file(path).clinic
        for lang in clinic.languages:
            papers = {"receipt": _receipt(clinic, lang), "form": _form(clinic, lang)}
            for kind, asked in papers.items():
                start = time.process_time()
                sizes[f"{kind} {clinic.id} {lang}"] = len(typeset(*asked))
                times.append((time.process_time() - start) * 1000)
    for kind in ("receipt", "form"):
        names = [name for name in sizes if name.startswith(kind)]
        largest = max(names, key=lambda name: sizes[name])
        print(f"  PDF: at most {sizes[largest]:,} bytes ({largest}; budget {BUDGET:,})")
    median = sorted(times)[len(times) // 2]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"  PDF: {median:.0f} ms of processor (median), {memory:.0f} MB with the whole benchmark")
    return {
        "pdf_bytes": {**sizes, "budget": BUDGET},
        "pdf_ms": round(median, 1),
        "pdf_memory_mb": round(memory),
    }


def _receipt(clinic: Clinic, lang: str) -> Paper:
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
    return paper.write_paper(issued)


def _form(clinic: Clinic, lang: str) -> Paper:
    return paper_form.write_form(clinic, lang, base_url=BASE_URL, sha256=SHA256)


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
