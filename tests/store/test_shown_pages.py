"""A page that is rendered once and filled in is, byte for byte, the page its template gives."""

from itertools import product
from pathlib import Path

import pytest

from chalicelib.domain.clinic import Clinic
from chalicelib.notices.document import InvalidDocumentError
from chalicelib.notices.edition import make_edition
from chalicelib.portal import Portal
from chalicelib.presentation import templates
from chalicelib.presentation.page import PLACES, Page
from chalicelib.presentation.templates import content_security_policy
from chalicelib.store.shown_pages import (
    BLANK,
    CONSENT_PAGE,
    KIOSK_PAGE,
    KIOSK_WITHDRAWAL_PAGE,
    MANAGE_PAGE,
    STEPS,
    UNTYPED,
    WITHDRAWAL_PAGE,
    ShownPages,
)
from infra.operator import publish
from tests.cast import CLINICS, RIGA
from tests.factories import OPENING, a_document

ASKING = (CONSENT_PAGE, WITHDRAWAL_PAGE, KIOSK_PAGE, KIOSK_WITHDRAWAL_PAGE)
ALL_CLINICS = sorted(CLINICS.glob("*.yaml"))
VISITS = (
    ("", "", ""),
    ("/api", "WyJhIl0.b-_c", "&src=poster"),
    ("", "<script>&\"'", "&src=poster&via=qr"),
    ("/a<b>&\"'", "s", ""),
    ("/api", "s", "&t=a&b<\"'>"),
)
"""Of each visit: where the portal is mounted, the form's state, what links keep of the address."""


class _Unkept:
    """Gives a page for its hash: the page itself is what the tests want to see."""

    def keep_page(self, clinic: str, page: str) -> str:
        """Keep nothing."""
        assert clinic
        return page


def _pages(most: int = 200) -> ShownPages:
    return ShownPages(_Unkept(), most)  # type: ignore[arg-type]


def _clinic(path: Path) -> Clinic:
    return publish.read_file(path).clinic


@pytest.mark.parametrize("path", ALL_CLINICS, ids=[path.stem for path in ALL_CLINICS])
def test_each_page_in_each_language_has_the_bytes_of_its_template(path: Path) -> None:
    """With and without a campaign, a QR code and a stage; what is filled in is escaped as there."""
    published = _clinic(path)
    pages = _pages()
    for clinic, template in product((published, published.open_at(OPENING)), ASKING):
        for lang, (root, state, kept) in product(clinic.languages, VISITS):
            filled = {"root": root, "state": state, "kept_query": kept}
            rendered = ShownPages.page(template, clinic, lang, **filled, **UNTYPED)
            assert pages.untyped_page(template, clinic, lang, **filled) == rendered


@pytest.mark.parametrize("path", ALL_CLINICS, ids=[path.stem for path in ALL_CLINICS])
def test_what_is_kept_as_evidence_is_the_template_with_nothing_filled_in(path: Path) -> None:
    """Also of the own page, whose form is never filled in this way: the hashes stay what they
    were.
    """
    clinic = _clinic(path)
    pages = _pages()
    for template, lang in product((*ASKING, MANAGE_PAGE), clinic.languages):
        blank = ShownPages.page(template, clinic, lang, **BLANK)
        assert pages.page_sha256(template, clinic, lang) == blank


def test_a_page_of_fewer_questions_another_age_or_version_is_another_page() -> None:
    """Nobody is shown a question that is not asked any more because somebody else was before."""
    clinic = _clinic(CLINICS / f"{RIGA}.yaml")
    pages = _pages()
    fewer = clinic.limited_to([next(iter(clinic.questions))])
    for each in (clinic, fewer, clinic._replace(alone_from=16), clinic._replace(version="9.9")):
        shown = pages.untyped_page(CONSENT_PAGE, each, "en", root="", state="", kept_query="")
        assert shown == ShownPages.page(CONSENT_PAGE, each, "en", **BLANK)


def test_a_process_keeps_a_bounded_number_of_pages() -> None:
    """Very many clinics in one process do not fill its memory."""
    clinic = _clinic(CLINICS / f"{RIGA}.yaml")
    pages = _pages(most=3)
    for number in range(8):
        version = clinic._replace(version=f"1.{number}")
        shown = pages.untyped_page(CONSENT_PAGE, version, "en", root="", state="", kept_query="")
        assert f"1.{number}" in shown
        assert len(pages._prepared) <= 3  # noqa: SLF001 - nothing else shows what a process keeps


def _opened(pages: ShownPages, clinic: Clinic, visit: tuple[str, str, str]) -> tuple[str, Page]:
    """Give what a first visit needs: the hash of the evidence, and the page that opens the form."""
    root, state, kept = visit
    steps = STEPS[CONSENT_PAGE]
    sha256 = pages.page_sha256(steps.shown, clinic, "lv")
    page = pages.untyped_page(steps.page, clinic, "lv", root=root, state=state, kept_query=kept)
    return sha256, page


def test_a_process_that_starts_shows_what_another_of_its_build_prepared(portal: Portal) -> None:
    """The same bytes, evidence and policy, from one read and without a template."""
    clinic = portal.clinics.in_force(RIGA).clinic
    first = ShownPages(portal.clinics, build="one")
    then = ShownPages(portal.clinics, build="one")
    for visit in VISITS:
        sha256, page = _opened(first, clinic, visit)
        templates._in_language.cache_clear()  # noqa: SLF001 - nothing else shows whether a template was used
        assert _opened(then, clinic, visit) == (sha256, page)
        shown = _opened(then, clinic, visit)[1]
        assert shown.brand == page.brand
        assert shown.policy == page.policy == content_security_policy(brand=clinic.brand)
        assert templates._in_language.cache_info().currsize == 0  # noqa: SLF001 - as above
    assert portal.clinics.kept_page(clinic.id, sha256)


def test_another_build_or_other_questions_are_prepared_anew(portal: Portal) -> None:
    """After an update nobody is shown a page of before, nor a question that is no longer asked."""
    clinic = portal.clinics.in_force(RIGA).clinic
    fewer = clinic.limited_to([next(iter(clinic.questions))])
    _opened(ShownPages(portal.clinics, build="one"), clinic, VISITS[0])
    for build, asked in (("two", clinic), ("one", fewer), (None, clinic)):
        templates._in_language.cache_clear()  # noqa: SLF001 - as above
        pages = ShownPages(portal.clinics, build=build)
        shown = _opened(pages, asked, VISITS[0])[1]
        assert templates._in_language.cache_info().currsize == 1  # noqa: SLF001 - as above
        rendered = ShownPages.page(STEPS[CONSENT_PAGE].page, asked, "lv", **BLANK)
        assert shown == rendered


def test_a_process_keeps_as_few_pages_of_those_that_others_prepared(portal: Portal) -> None:
    """Pages that come from the table count among those that a process keeps."""
    clinic = portal.clinics.in_force(RIGA).clinic
    versions = [clinic._replace(version=f"1.{number}") for number in range(4)]
    for pages in (ShownPages(portal.clinics, 3, build="one") for _ in range(2)):
        for version in versions:
            assert f"1.{version.version[2]}" in _opened(pages, version, VISITS[0])[1]
            assert len(pages._prepared) <= 3  # noqa: SLF001 - nothing else shows what a process keeps


def test_a_prepared_page_is_its_own_clinics(portal: Portal) -> None:
    """Another clinic's page is never looked at, whatever it is called."""
    clinic = portal.clinics.in_force(RIGA).clinic
    _opened(ShownPages(portal.clinics, build="one"), clinic, VISITS[0])
    other = clinic._replace(id="vilnius-dental", name=dict.fromkeys(clinic.languages, "Another"))
    pages = ShownPages(portal.clinics, build="one")
    shown = _opened(pages, other, VISITS[0])[1]
    assert shown == ShownPages.page(STEPS[CONSENT_PAGE].page, other, "lv", **BLANK)


@pytest.mark.parametrize("place", PLACES)
def test_no_published_text_holds_what_marks_a_place_to_fill_in(place: str) -> None:
    """A clinic cannot write a text in which a patient's form state would appear."""
    document = a_document()
    document["texts"]["intro"]["en"] += place
    with pytest.raises(InvalidDocumentError):
        make_edition(document)
