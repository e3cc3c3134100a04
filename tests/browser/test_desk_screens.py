"""Every page of the desk in every language, on two screens and in two themes: pictures, barriers,
figures.

A new address stands in `web.routes.STAFF`, and with that here. Axe looks at every page once in
every language, each time on another screen or in the other theme, so that the five languages show it
in all four ways: a language changes words, no colours and no order. All twenty ways of each page
would take some seven minutes. Whether a page is too wide is measured on both screens in all five.
"""

import itertools

import pytest
from playwright.sync_api import Browser

from tests.browser.desk import Workplace, desk_served
from tests.browser.desk_day import DeskDay
from tests.browser.gallery import LOOKS, SCREENS, Gallery
from tests.browser.test_screens import WALKS
from tests.conftest import FIGURES
from tests.web.running import RunningPortal, _at_home, settled

__all__ = ["_at_home", "settled"]

pytestmark = pytest.mark.browser

HEAVIEST = 15 * 1024
"""Bytes of a page, packed: a reception opens it a hundred times a day."""
UNFOLD = "document.querySelectorAll('main details').forEach(each => { each.open = true; })"


@pytest.mark.parametrize("lang", WALKS)
def test_every_page_of_the_desk_is_seen_and_has_no_barrier(
    settled: RunningPortal, chrome: Browser, request: pytest.FixtureRequest, lang: str
) -> None:
    """What is folded is open; nothing is wider than the screen."""
    day = DeskDay(settled, WALKS[lang], lang)
    first = list(WALKS).index(lang)
    turns = itertools.islice(itertools.cycle(LOOKS), first, None)
    with desk_served() as url:
        work = Workplace(chrome, lang)
        gallery = Gallery(work, SCREENS / f"desk-{lang}")
        for place in sorted(day.places, key=lambda each: each.role):
            work.sign_in(url, day.people[place.role].secret)
            work.page.goto(url + place.path)
            assert work.page.locator("html").get_attribute("lang") == lang, place
            work.page.evaluate(UNFOLD)
            gallery.show(place.name, (next(turns),))
        work.close()
    for page in gallery.pages:
        told = (f"{lang} desk {page.name}", page.screens, page.packed, page.requests)
        request.node.user_properties.append((FIGURES, told))
    assert not gallery.faults, "\n" + "\n".join(gallery.faults)
    assert not work.complaints, work.complaints
    assert [page for page in gallery.pages if page.packed > HEAVIEST or page.requests > 1] == []
