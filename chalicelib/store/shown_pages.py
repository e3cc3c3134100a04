"""Evidence of what was shown (GDPR Art. 7(1)): each page, stored by its hash before it is shown.

What is kept is the page with nothing typed, no form state and no stage prefix: the same bytes for
everybody who is shown this version in this language by these templates.
"""

from typing import Any

from chalicelib.domain.clinic import Clinic
from chalicelib.domain.decisions import NoticeRef
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.templates import render
from chalicelib.store.clinics import Clinics

CONSENT_PAGE = "pages/consent.html"
WITHDRAWAL_PAGE = "pages/withdraw.html"
KIOSK_PAGE = "pages/kiosk/consent.html"
KIOSK_WITHDRAWAL_PAGE = "pages/kiosk/withdraw.html"
MANAGE_PAGE = "pages/manage.html"
"""The patient's own page. Its evidence has the questions as they were asked, and nothing of
anybody's own."""
BLANK: dict[str, Any] = {
    "root": "",
    "state": "",
    "kept_query": "",
    "faults": (),
    "typed": {"purposes": ()},
    "own": None,
    "holder": None,
}


class ShownPages:
    """Renders the pages that ask for a decision, and keeps each once."""

    def __init__(self, clinics: Clinics) -> None:
        self._clinics = clinics
        self._kept: dict[tuple[str, ...], str] = {}

    def page_sha256(self, template: str, clinic: Clinic, lang: str) -> str:
        """Give the SHA-256 of the page as it is shown in a language, having kept it."""
        name = (
            template,
            clinic.id,
            clinic.version,
            lang,
            str(clinic.alone_from),
            *clinic.questions,
        )
        if name not in self._kept:
            self._kept[name] = self._clinics.keep_page(
                clinic.id, self.page(template, clinic, lang, **BLANK)
            )
        return self._kept[name]

    def notice_ref(self, template: str, clinic: Clinic, lang: str) -> NoticeRef:
        """Give the reference to a page as it is shown in a language, having kept it."""
        return NoticeRef(clinic.version, lang, self.page_sha256(template, clinic, lang))

    @staticmethod
    def page(template: str, clinic: Clinic, lang: str, **filled: Any) -> str:
        """Render the page with what one patient's visit fills in."""
        authority = authorities()[clinic.authority]["name"][lang]
        return render(template, lang, clinic=clinic, authority=authority, **filled)
