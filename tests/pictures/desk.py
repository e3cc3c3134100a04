"""Pictures of the clinic's desk in the middle of a day; by itself: `python -m tests.pictures.desk`."""

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from infra.build.catalogs import compile_stale
from infra.build.tools import chromium
from tests.browser.conftest import ARGUMENTS
from tests.browser.desk import Workplace, desk_served
from tests.browser.desk_day import DeskDay
from tests.browser.gallery import SMALL
from tests.cast import RIGA, TBILISI
from tests.pictures.kept import DESK, keep
from tests.web.running import at_home, portal_in_memory

CLINICS = {"en": RIGA, "ka": TBILISI}
CARD = "people-one-reception"
PLACES = {
    "today-reception": "today",
    CARD: "card",
    "record": "record",
    "batches-one": "forms",
    "counters-year": "counters",
    "list-waiting": "worklist",
    "settings": "settings",
}
"""The pages, by what they are called in `DeskDay.places`, and their pictures' names."""


def take_desk(browser: Browser, keys_file: Path) -> None:
    """Take each page at 1280 pixels, and a person's card on a phone."""
    with portal_in_memory(keys_file) as portal, at_home(portal), desk_served() as url:
        for lang, clinic in CLINICS.items():
            _take(browser, url, DeskDay(portal, clinic, lang))


def _take(browser: Browser, url: str, day: DeskDay) -> None:
    work = Workplace(browser, day.lang)
    phone = Workplace(browser, day.lang, viewport=SMALL, device_scale_factor=1.5)
    for place in day.places:
        if place.name not in PLACES:
            continue
        name = f"desk-{PLACES[place.name]}"
        for screen in (work, phone) if place.name == CARD else (work,):
            screen.sign_in(url, day.people[place.role].secret)
            screen.page.goto(url + place.path)
        keep(f"{name}-{day.lang}", work.page.screenshot(), DESK)
        if place.name == CARD:
            keep(f"{name}-phone-{day.lang}", phone.page.screenshot())
    work.close()
    phone.close()


def main() -> None:
    """Take the desk's pictures alone: nothing is started but the portal in memory."""
    compile_stale()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        take_desk(browser, Path(folder) / "keys.json")
        browser.close()


if __name__ == "__main__":
    main()
