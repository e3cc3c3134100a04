"""A receipt for people: answers, proof and the text, on a page that loads nothing, or on paper.

A patient takes it home, where others may find it. So it shows the answers, and neither the states
they led to, nor the number in the chain, nor the subject: these would show that somebody was a
patient here already (docs/decisions/0002). The SHA-256 of the receipt covers them all. Nobody can
find them by trying: the subject's id among them is 128 random bits that are shown nowhere.
"""

from urllib.parse import quote

from chalicelib.domain.clinic import Question
from chalicelib.domain.confirmation import certainly_waits, is_by_program_link
from chalicelib.domain.receipts import reference
from chalicelib.presentation import qr
from chalicelib.presentation.i18n import format_time, format_when
from chalicelib.presentation.press import Paper, brand_values
from chalicelib.presentation.print_content import read_paper
from chalicelib.presentation.templates import render
from chalicelib.receipts.formats.issued import IssuedReceipt
from chalicelib.receipts.formats.shown_text import visible_text
from chalicelib.receipts.printed_code import printed_code


def write_html(issued: IssuedReceipt) -> bytes:
    """Write the receipt as a page."""
    return _page(issued).encode()


def write_paper(issued: IssuedReceipt) -> Paper:
    """Write the receipt for the press, with the words of the page; it is dated by the receipt."""
    dated = {"at": issued.receipt.document["recorded_at"]}
    brand = {"brand": brand_values(issued.clinic.brand)}
    return Paper("receipt", {**read_paper(_page(issued)), **dated, **brand})


def _page(issued: IssuedReceipt) -> str:
    clinic, document = issued.clinic, issued.receipt.document
    decided = format_when(document, issued.lang, clinic.country)
    recorded = format_time(document["recorded_at"], issued.lang, clinic.country)
    answers = {entry["answer"] for entry in document["decisions"].values()}
    code = printed_code(clinic.code, issued.receipt)
    verify_url = f"{issued.base_url}/verify?code={quote(code)}"
    return render(
        "paper/receipt.html",
        issued.lang,
        clinic=clinic,
        receipt=document,
        reference=reference(document["id"]),
        answers=_answers(issued),
        agreed="yes" in answers,
        certain=certainly_waits(clinic, document, issued.at),
        by_program_link=is_by_program_link(document),
        stopped=answers == {"withdraw"},  # which may be sent without seeing a page
        decided=decided,
        recorded=recorded if recorded != decided else None,
        signed=issued.jws is not None,
        sha256=issued.receipt.sha256,
        code=code,
        verify_url=verify_url,
        qr_code=qr.drawing(verify_url),
        base_url=issued.base_url,
        shown_text=visible_text(issued.shown_page) if issued.shown_page else None,
    )


def _answers(issued: IssuedReceipt) -> list[tuple[Question, str]]:
    """Give the answers to what this notice asks, as on the receipt's page.

    A withdrawal of everything also names what an earlier notice asked, and that would show that the
    contact was known.
    """
    decisions = issued.receipt.document["decisions"]
    questions = issued.clinic.questions.items()
    return [
        (question, decisions[address]["answer"])
        for address, question in questions
        if address in decisions
    ]
