"""Evidence of what was shown (GDPR Art. 7(1)): each page, stored by its hash before it is shown.

What is kept is the page with nothing typed, no form state and no stage prefix: the same bytes for
everybody who is shown this version in this language by these templates.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.domain.clinic import Clinic
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.prepared_page import PreparedPage
from chalicelib.presentation.templates import Page, render
from chalicelib.store.clinics import Clinics

if TYPE_CHECKING:
    from chalicelib.domain.decisions import NoticeRef

CONSENT_PAGE = "pages/consent.html"
WITHDRAWAL_PAGE = "pages/withdraw.html"
KIOSK_PAGE = "pages/kiosk/consent.html"
KIOSK_WITHDRAWAL_PAGE = "pages/kiosk/withdraw.html"
MANAGE_PAGE = "pages/manage.html"
"""The patient's own page. Its evidence has the questions as they were asked, and nothing of
anybody's own."""


class StepPages(NamedTuple):
    """The templates of a patient's way, where each topic has a page of its own."""

    page: str
    """One page of it."""
    shown: str
    """What a receipt is bound to: everything that these pages show, in their order."""
    refused: str
    """The same for a No to everything: the start and the check, which everybody who presses it was
    shown."""


STEPS = {
    CONSENT_PAGE: StepPages(
        "pages/steps/step.html", "pages/steps/document.html", "pages/steps/refusal.html"
    ),
    KIOSK_PAGE: StepPages(
        "pages/kiosk/step.html", "pages/kiosk/document.html", "pages/kiosk/refusal.html"
    ),
}
"""The pages of a patient's way, by the page that has all questions at once."""

UNTYPED: dict[str, Any] = {
    "faults": (),
    "typed": {"purposes": ()},
    "own": None,
    "holder": None,
    "step": "start",
    "whole": False,
    "carried": (),
    "here": "",
}
"""What a page is filled in with for somebody who has typed nothing and is not known."""

BLANK: dict[str, Any] = {"root": "", "state": "", "kept_query": "", **UNTYPED}

MOST_PREPARED = 200
"""How many pages a process keeps rendered: each has some 40 kB."""

PageName = tuple[str, ...]


class ShownPages:
    """Renders the pages that ask for a decision, and keeps each once."""

    def __init__(self, clinics: Clinics, most_prepared: int = MOST_PREPARED) -> None:
        self._clinics = clinics
        self._most_prepared = most_prepared
        self._kept: dict[PageName, str] = {}
        self._prepared: dict[tuple[PageName, bool], PreparedPage] = {}

    def page_sha256(self, template: str, clinic: Clinic, lang: str) -> str:
        """Give the SHA-256 of the page as it is shown in a language, having kept it."""
        name = _name(template, clinic, lang)
        if name not in self._kept:
            blank = self.untyped_page(template, clinic, lang, root="", state="", kept_query="")
            self._kept[name] = self._clinics.keep_page(clinic.id, blank)
        return self._kept[name]

    def notice_ref(self, template: str, clinic: Clinic, lang: str) -> "NoticeRef":
        """Give the reference to a page as it is shown in a language, having kept it."""
        from chalicelib.domain.decisions import NoticeRef  # noqa: PLC0415 - showing a page needs none

        return NoticeRef(clinic.version, lang, self.page_sha256(template, clinic, lang))

    def untyped_page(
        self, template: str, clinic: Clinic, lang: str, *, root: str, state: str, kept_query: str
    ) -> Page:
        """Give the page for somebody who has typed nothing and is not known.

        The same bytes as `page` gives with `UNTYPED`. Its template is rendered once, then filled
        in.
        """
        name = _name(template, clinic, lang), bool(kept_query)
        if name not in self._prepared:
            if len(self._prepared) >= self._most_prepared:
                self._prepared.clear()
            context = {"clinic": clinic, "authority": _authority(clinic, lang), **UNTYPED}
            self._prepared[name] = PreparedPage(
                template, lang, with_query=bool(kept_query), **context
            )
        return self._prepared[name].fill(root, state, kept_query)

    @staticmethod
    def page(template: str, clinic: Clinic, lang: str, **filled: Any) -> Page:
        """Render the page with what one patient's visit fills in."""
        return render(template, lang, clinic=clinic, authority=_authority(clinic, lang), **filled)


def _name(template: str, clinic: Clinic, lang: str) -> PageName:
    """Name what a page's bytes depend on, beside what a visit fills in."""
    return (template, clinic.id, clinic.version, lang, str(clinic.alone_from), *clinic.questions)


def _authority(clinic: Clinic, lang: str) -> str:
    return str(authorities()[clinic.authority]["name"][lang])
