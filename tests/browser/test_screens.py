"""Every page in every language, on two screens and in two themes: pictures, barriers, figures."""

import pytest

from tests.browser.conftest import Handing
from tests.browser.gallery import SCREENS, SMALL, THEMES, VIEWPORTS, Gallery
from tests.browser.patient_pages import patient_pages
from tests.browser.visit import Visit, a_clinic, a_patient
from tests.conftest import FIGURES, LocalStack

pytestmark = pytest.mark.browser

WALKS = {
    "en": "vilnius-dental",
    "ka": "tbilisi-ultrasound",
    "lt": "kaunas-polyclinics",
    "lv": "valmiera-hearing",
    "ru": "riga-aesthetics",
}
"""Each language at a clinic of its own: each has its own colours and questions."""
LIGHTEST = 8 * 1024
"""Bytes of a page that a patient has to load, packed: 0.2 s on slow 3G."""
LONG = {"notice", "all-questions", "own-page"}
"""What shows everything at once: the whole text, every question, everything that holds."""


@pytest.mark.parametrize("lang", WALKS)
def test_every_page_is_seen_on_every_screen_and_has_no_barrier(
    lang: str, phone: Handing, local_stack: LocalStack, request: pytest.FixtureRequest
) -> None:
    """Whoever changes a page sees it as patients do, small and large, by day and by night."""
    clinic = a_clinic(WALKS[lang])
    visit = Visit(
        phone(lang, viewport=SMALL, device_scale_factor=1), clinic, a_patient(clinic, lang)
    )
    gallery = Gallery(visit.phone, SCREENS / f"{lang}-{clinic.id}")
    for name in patient_pages(visit, local_stack):
        gallery.show(name)
    for page in gallery.pages:
        told = (f"{lang} {page.name}", page.screens, page.packed, page.requests)
        request.node.user_properties.append((FIGURES, told))
    pictures = list(gallery.folder.glob("*.jpg"))
    assert len(pictures) == len(gallery.pages) * len(VIEWPORTS) * len(THEMES)
    assert not gallery.faults, "\n" + "\n".join(gallery.faults)
    asked = [page for page in gallery.pages if page.name not in LONG]
    assert [page for page in asked if page.packed > LIGHTEST] == []
    alone = [page for page in asked if not page.name.startswith("kiosk")]
    assert [page for page in alone if page.requests > 1] == []
