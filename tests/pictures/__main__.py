"""`make pictures`: starts the portal as `make run` does, walks through it, and tells its first paint.

Each picture is the first screen of a page, as a patient has it in hand. They are small enough for
a page of documents: WebP of 60 KB at most.
"""

import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from playwright.sync_api import Browser, expect, sync_playwright

from chalicelib.presentation import posters
from infra.build.catalogs import ROOT
from infra.build.tools import chromium
from tests.browser.conftest import ARGUMENTS
from tests.browser.gallery import SMALL
from tests.browser.patient_pages import patient_pages
from tests.browser.phone import Phone
from tests.browser.test_kiosk import TABLET, press, save, step_up
from tests.browser.visit import Visit, a_clinic, a_patient
from tests.cast import RIGA, TBILISI
from tests.conftest import LocalStack, running_stack
from tests.package.test_messages import arrived
from tests.pdf_file import PdfFile
from tests.pictures.desk import take_desk
from tests.pictures.first_paint import first_paint
from tests.pictures.kept import FOLDER, keep

PUBLIC = "https://consent.example.org"
"""The address that is printed on the poster: a clinic has a domain of its own."""
WALKS = {"en": (RIGA, ""), "ka": (TBILISI, "start topic-1 check receipt-waiting own-page withdraw")}
"""The languages, each at a clinic: every page, or those named."""


def main() -> int:
    """Take every picture; tell their sizes and the first paint."""
    before = {path: path.stat().st_mtime_ns for path in FOLDER.glob("*.webp")}
    with (
        tempfile.TemporaryDirectory() as folder,
        running_stack(Path(folder)) as stack,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        for name, picture in _pictures(browser, stack):
            keep(name, picture)
        print(first_paint(browser, f"{stack.base_url}/{RIGA}?lang=lv"))
        take_desk(browser, Path(folder) / "keys.json")
        browser.close()
    for path, written in before.items():
        if path.stat().st_mtime_ns == written:
            print(f"  {path.relative_to(ROOT)} is of a page that is no more: remove it")
    return 0


def _pictures(browser: Browser, stack: LocalStack) -> Iterator[tuple[str, bytes]]:
    for lang, (clinic, names) in WALKS.items():
        yield from _of_a_patient(browser, stack, clinic, lang, names.split())
    yield from _of_the_tablet(browser, stack, RIGA, "en")
    yield from _of_mails(browser, stack, "vilnius-dental", "en")
    yield from _of_paper(browser, stack, RIGA, "lv")


def _of_a_patient(
    browser: Browser, stack: LocalStack, clinic_id: str, lang: str, names: Sequence[str]
) -> Iterator[tuple[str, bytes]]:
    """Take each page of the walk on a phone, or those with these names."""
    phone, clinic = (
        Phone(browser, stack.base_url, lang, viewport=SMALL, device_scale_factor=1.5),
        a_clinic(clinic_id),
    )
    for name in patient_pages(Visit(phone, clinic, a_patient(clinic, lang)), stack):
        if name in names or (not names and not name.startswith("kiosk")):
            yield f"{name}-{lang}", phone.page.screenshot()
    phone.close()


def _of_the_tablet(
    browser: Browser, stack: LocalStack, clinic_id: str, lang: str
) -> Iterator[tuple[str, bytes]]:
    """Take the tablet at the desk: choosing a language, deciding, done."""
    tablet, clinic = Phone(browser, stack.base_url, lang, **TABLET), a_clinic(clinic_id)
    tablet.open(f"/{clinic_id}/kiosk")
    yield "kiosk-languages", tablet.page.screenshot()
    visit = step_up(tablet, clinic, lang)
    yield f"kiosk-start-{lang}", tablet.page.screenshot()
    press(visit, "No to everything")
    expect(tablet.page.locator(".rows")).to_be_visible()
    save(visit)
    yield f"kiosk-done-{lang}", tablet.page.screenshot()
    tablet.close()


def _of_mails(
    browser: Browser, stack: LocalStack, clinic_id: str, lang: str
) -> Iterator[tuple[str, bytes]]:
    """Take the mail that asks to confirm, by day and in the dark."""
    phone, clinic = (
        Phone(browser, stack.base_url, lang, viewport=SMALL, device_scale_factor=1.5),
        a_clinic(clinic_id),
    )
    visit = Visit(phone, clinic, a_patient(clinic, lang))
    phone.open(f"/{clinic_id}?lang={lang}")
    visit.give("newsletter.email")
    [mail] = arrived(stack, visit.subject["email"])
    letter = (
        phone.context.new_page()
    )  # one without the pages' policy, which allows no styles in place
    letter.set_content(mail["html"])
    for theme in ("light", "dark"):
        letter.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        yield f"mail-{theme}-{lang}", letter.screenshot()
    phone.close()


def _of_paper(
    browser: Browser, stack: LocalStack, clinic_id: str, lang: str
) -> Iterator[tuple[str, bytes]]:
    """Take the poster with both ways as it is printed, and the slide for the waiting room."""
    portal = stack.in_process
    clinic = portal.directory.look_up(clinic_id).published.clinic
    occasion = posters.Occasion(clinic, (lang,), PUBLIC, lang=lang)
    paper = portal.press.pdf(*posters.poster(occasion, posters.BOTH, "a4"))
    written = io.BytesIO()
    PdfFile(paper).pixels[0].render(scale=1).to_pil().save(written, "PNG")
    yield f"poster-{lang}", written.getvalue()
    page = browser.new_page(viewport={"width": 1920, "height": 1080})
    page.goto(f"{stack.base_url}/{clinic_id}/qr/screen.svg")
    yield "waiting-room-screen", page.screenshot()
    page.close()


if __name__ == "__main__":
    sys.exit(main())
