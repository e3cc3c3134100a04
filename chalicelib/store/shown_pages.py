"""Evidence of what was shown (GDPR Art. 7(1)): each page, stored by its hash before it is shown.

What is kept is the page with nothing typed, no form state and no stage prefix: the same bytes for
everybody who is shown this version in this language by these templates. Beside it the first page of
a form is kept as it was prepared, so that a process that starts renders nothing to show it
(docs/decisions/0046-prepared-pages.md).
"""

import contextlib
import hashlib
import json
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from chalicelib.domain.clinic import Clinic
from chalicelib.presentation.authorities import authorities
from chalicelib.presentation.page import Page, PreparedPage, prepare
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

OPENS: dict[str, str] = {
    STEPS[CONSENT_PAGE].shown: STEPS[CONSENT_PAGE].page,
    WITHDRAWAL_PAGE: WITHDRAWAL_PAGE,
}
"""By the template of what a receipt is bound to: the page that opens the form, on a patient's own
device. These are kept prepared."""

KEPT_PREPARED_DAYS = 60
"""How long a prepared page is kept, at least; after that a process prepares it anew."""

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

    def __init__(
        self, clinics: Clinics, most_prepared: int = MOST_PREPARED, build: str | None = None
    ) -> None:
        """Take where to keep pages, and which build renders them (`presentation.page.build_id`);
        without a build no page is kept prepared.
        """
        self._clinics = clinics
        self._most_prepared = most_prepared
        self._build = build
        self._kept: dict[PageName, str] = {}
        self._prepared: dict[tuple[PageName, bool], PreparedPage] = {}

    @contextlib.contextmanager
    def rendering_anew(self) -> Iterator[None]:
        """Render every page, whatever others prepared: afterwards the templates are loaded."""
        build, self._build = self._build, None
        try:
            yield
        finally:
            self._build = build

    def page_sha256(self, template: str, clinic: Clinic, lang: str) -> str:
        """Give the SHA-256 of the page as it is shown in a language, having kept it."""
        name = _name(template, clinic, lang)
        if name not in self._kept and not self._recall(template, clinic, lang):
            blank = self.untyped_page(template, clinic, lang, root="", state="", kept_query="")
            self._kept[name] = self._clinics.keep_page(clinic.id, blank)
            self._keep_prepared(template, clinic, lang)
        return self._kept[name]

    def _recall(self, template: str, clinic: Clinic, lang: str) -> bool:
        """Take over what another process of this build kept; tell whether there was anything."""
        if self._build is None or template not in OPENS:
            return False
        name = _name(template, clinic, lang)
        packed = self._clinics.prepared_page(clinic.id, _digest(self._build, *name))
        if packed is None:
            return False
        kept = json.loads(zlib.decompress(packed))
        self._kept[name] = kept["sha256"]
        opening = _name(OPENS[template], clinic, lang)
        for with_query, parts in enumerate(kept["parts"]):
            page = PreparedPage(parts, clinic.brand, kept["policy"])
            self._remember((opening, bool(with_query)), page)
        return True

    def _keep_prepared(self, template: str, clinic: Clinic, lang: str) -> None:
        """Keep the page that opens a form as it is prepared, with the hash of its evidence."""
        if self._build is None or template not in OPENS:
            return
        without, with_query = (
            self._prepare(OPENS[template], clinic, lang, with_query=each) for each in (False, True)
        )
        name = _name(template, clinic, lang)
        kept = {
            "sha256": self._kept[name],
            "policy": without.policy,
            "parts": [without.parts, with_query.parts],
        }
        packed = zlib.compress(json.dumps(kept, ensure_ascii=False).encode())
        self._clinics.keep_prepared_page(
            clinic.id, _digest(self._build, *name), packed, days=KEPT_PREPARED_DAYS
        )

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
        prepared = self._prepare(template, clinic, lang, with_query=bool(kept_query))
        return prepared.fill(root, state, kept_query)

    def _prepare(
        self, template: str, clinic: Clinic, lang: str, *, with_query: bool
    ) -> PreparedPage:
        name = _name(template, clinic, lang), with_query
        if name not in self._prepared:
            context = {"clinic": clinic, "authority": _authority(clinic, lang), **UNTYPED}
            self._remember(name, prepare(template, lang, with_query=with_query, **context))
        return self._prepared[name]

    def _remember(self, name: tuple[PageName, bool], page: PreparedPage) -> None:
        if len(self._prepared) >= self._most_prepared:
            self._prepared.clear()
        self._prepared[name] = page

    @staticmethod
    def page(template: str, clinic: Clinic, lang: str, **filled: Any) -> Page:
        """Render the page with what one patient's visit fills in."""
        from chalicelib.presentation.templates import render  # noqa: PLC0415 - the first page is prepared

        return render(template, lang, clinic=clinic, authority=_authority(clinic, lang), **filled)


def _name(template: str, clinic: Clinic, lang: str) -> PageName:
    """Name what a page's bytes depend on, beside what a visit fills in."""
    return (template, clinic.id, clinic.version, lang, str(clinic.alone_from), *clinic.questions)


def _digest(*parts: str) -> str:
    """Name a prepared page in the table."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _authority(clinic: Clinic, lang: str) -> str:
    return str(authorities()[clinic.authority]["name"][lang])
