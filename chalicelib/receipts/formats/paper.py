"""A receipt for people: a page that needs nothing else, and the same page as PDF. Answers, proof, the text.

It is what a patient takes home too. So it shows answers, and neither what they led to, nor the number in the chain, nor
the subject: these would tell a stranger that somebody is a patient here (docs/decisions/0002). The receipt's SHA-256
covers them, and the subject's id in it, 128 random bits that are shown nowhere, keeps anybody from trying them out.
"""

from urllib.parse import quote

from chalicelib.presentation import qr
from chalicelib.presentation.i18n import format_time, format_when
from chalicelib.presentation.pdf import document as pdf
from chalicelib.presentation.templates import render
from chalicelib.receipts.formats.issued import IssuedReceipt
from chalicelib.receipts.formats.shown_text import visible_text
from chalicelib.receipts.printed_code import printed_code


def write_html(issued: IssuedReceipt) -> bytes:
    """Write the receipt as a page."""
    return _page(issued).encode()


def write_pdf(issued: IssuedReceipt) -> bytes:
    """Write the receipt as PDF: the same bytes for the same page, dated by the receipt."""
    return pdf.write(_page(issued), at=issued.receipt.document["recorded_at"])


def _page(issued: IssuedReceipt) -> str:
    clinic, document = issued.clinic, issued.receipt.document
    answers = {address: entry["answer"] for address, entry in document["decisions"].items()}
    # Only what this notice asks, as on the receipt's page: a withdrawal of everything also names what an earlier one
    # asked, and that would tell that the contact was known.
    said = [(question, answers[address]) for address, question in clinic.questions.items() if address in answers]
    decided = format_when(document, issued.lang, clinic.country)
    recorded = format_time(document["recorded_at"], issued.lang, clinic.country)
    code = printed_code(clinic.code, issued.receipt)
    verify = f"{issued.base_url}/verify?code={quote(code)}"
    return render(
        "paper/receipt.html",
        issued.lang,
        clinic=clinic,
        receipt=document,
        said=said,
        agreed="yes" in answers.values(),
        certain=clinic.always_waits(document["decisions"], issued.at),
        stopped=set(answers.values()) == {"withdraw"},  # which may be sent without seeing a page
        decided=decided,
        recorded=recorded if recorded != decided else None,
        sealed=issued.jws is not None,
        sha256=issued.receipt.sha256,
        code=code,
        verify=verify,
        drawing=qr.drawing(verify),
        base_url=issued.base_url,
        shown=visible_text(issued.shown_page) if issued.shown_page else None,
    )
