"""A receipt as a page that stands alone, for a screen, a printer and `pdf.write`: answers, proof, the text.

It is what a patient takes home too. So it shows answers, and neither what they led to, nor the number in the chain, nor
the subject: these would tell a stranger that somebody is a patient here (docs/decisions/0002). The receipt's SHA-256
covers them, and the subject's id in it, 128 random bits that are shown nowhere, keeps anybody from trying them out.
"""

from collections.abc import Mapping
from urllib.parse import quote

from chalicelib.presentation import qr
from chalicelib.presentation.i18n import format_time, format_when
from chalicelib.presentation.templates import render
from chalicelib.receipts.formats.issued import IssuedReceipt
from chalicelib.receipts.formats.shown_text import visible_text

HEADERS: Mapping[str, str] = {
    # Its styles and its code are in it, and it asks for nothing.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'"
}


def write(issued: IssuedReceipt, shown_page: str | None, code: str) -> str:
    """Write the page; `code` is what `/verify` takes.

    `shown_page` is the kept page whose SHA-256 the receipt names; None where the text is not known.
    """
    clinic, document = issued.clinic, issued.receipt.document
    answers = {address: entry["answer"] for address, entry in document["decisions"].items()}
    # Only what this notice asks, as on the receipt's page: a withdrawal of everything also names what an earlier one
    # asked, and that would tell that the contact was known.
    said = [(question, answers[address]) for address, question in clinic.questions.items() if address in answers]
    decided = format_when(document, issued.lang, clinic.country)
    recorded = format_time(document["recorded_at"], issued.lang, clinic.country)
    verify = f"{issued.base_url}/verify?code={quote(code)}"
    return render(
        "paper/receipt.html",
        issued.lang,
        clinic=clinic,
        receipt=document,
        said=said,
        agreed="yes" in answers.values(),
        certain=clinic.waits_for_certain(document["decisions"], issued.at),
        stopped=set(answers.values()) == {"withdraw"},  # which may be sent without seeing a page
        decided=decided,
        recorded=recorded if recorded != decided else None,
        sealed=issued.jws is not None,
        sha256=issued.receipt.sha256,
        code=code,
        verify=verify,
        drawing=qr.drawing(verify),
        base_url=issued.base_url,
        shown=visible_text(shown_page) if shown_page else None,
    )
