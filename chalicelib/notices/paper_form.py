"""The consent form on paper: a notice's questions with boxes and lines for a pen.

A QR code binds it to the version of the notice.
"""

from chalicelib.domain.clinic import Clinic
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.templates import render


def write(clinic: Clinic, lang: str, *, base_url: str, sha256: str) -> str:
    """Write the form of a notice in a language, as HTML for `presentation.pdf.document.write`.

    `sha256` names the consent page of the same version and language, for whoever enters what was
    signed.
    """
    return render(
        "paper/form.html",
        lang,
        clinic=clinic,
        authority=authorities()[clinic.authority]["name"][lang],
        base_url=base_url,
        notice=f"{base_url}/{clinic.id}/notices/{clinic.version}?lang={lang}",
        sha256=sha256,
    )
