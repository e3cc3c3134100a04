"""A patient's phone: Chromium with a small screen, a QR code reader and checks of each page."""

from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Response

from chalicelib.domain.languages import BY_CODE
from infra.build.catalogs import ROOT
from infra.local.processes import LOOPBACK
from tests.browser.words import foreign_words, translated
from tests.codes import code_in

SCREENSHOTS = ROOT / "build" / "screenshots"
LOCALES = {language.code: f"{language.code}-{language.territory}" for language in BY_CODE.values()}
USER_AGENT = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/139.0.0.0 Mobile Safari/537.36"
)
NARROW = {"width": 320, "height": 640}
"""WCAG 2.2, 1.4.10: 320 CSS pixels, which is also a page of 1280 zoomed to 400 %."""

SCREEN = {"width": 390, "height": 844}
PATIENCE = 60_000
"""For how many milliseconds something is waited for: a busy machine is no fault of the page."""

AXE = Axe()
RULES = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}
_TEXTS = """() => {
  const lang = document.documentElement.lang, texts = [document.title];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const within = walker.currentNode.parentElement;
    const spoken = within.closest("[lang]").lang;
    if (spoken === lang && !within.closest("style,script")) texts.push(walker.currentNode.data);
  }
  for (const each of document.querySelectorAll("[aria-label]")) texts.push(each.getAttribute("aria-label"));
  return texts.map(text => text.replace(/\\s+/g, " ").trim()).filter(Boolean);
}"""


class Phone:
    """One patient's browser. What is wrong with any page it sees is collected in `complaints`."""

    def __init__(self, browser: Browser, base_url: str, lang: str, **options: Any) -> None:
        self.base_url, self.lang = base_url, lang
        self.complaints: list[str] = []
        self.sent: list[str] = []
        settings: dict[str, Any] = {
            "viewport": SCREEN,
            "device_scale_factor": 2,
            "is_mobile": True,
            "has_touch": True,
            "user_agent": USER_AGENT,
            "locale": LOCALES[lang],
        }
        self.context = browser.new_context(**(settings | options))
        self.context.set_default_timeout(PATIENCE)
        self.context.on("request", lambda request: self._requested(request.method, request.url))
        self.context.on("console", self._told)
        self.context.on(
            "weberror", lambda error: self.complaints.append(f"script error: {error.error}")
        )
        self.page: Page = self.context.new_page()

    def close(self) -> None:
        """Put the phone away."""
        self.context.close()

    def _requested(self, method: str, url: str) -> None:
        if (
            urlsplit(url).scheme in {"http", "https", "ws", "wss"}
            and urlsplit(url).hostname != LOOPBACK
        ):
            self.complaints.append(f"third-party request: {url}")
        if method != "GET":
            self.sent.append(url)

    def _told(self, message: ConsoleMessage) -> None:
        # Chromium reports the answers 404 and 422 of the page itself, which are meant.
        if (
            message.type in {"error", "warning"}
            and "the server responded with a status of 4" not in message.text
        ):
            self.complaints.append(f"console: {message.text}")

    def open(self, address: str, status: int = 200) -> Response:
        """Open an address, absolute or below the portal's own; it must answer with `status`."""
        response = self.page.goto(address if "://" in address else f"{self.base_url}{address}")
        assert response is not None
        assert response.status == status, f"{address}: {response.status}"
        return response

    def scan(self, code: str) -> str:
        """Look at a QR code's picture on a screen, read it with a real decoder and follow it.

        Give what it says.
        """
        self.open(code)
        read = code_in(self.page.screenshot())
        self.open(read)
        return read

    def send(self, button: str) -> None:
        """Press the button with this text and wait for the next page."""
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=translated(self.lang, button), exact=True).click()

    def text(self) -> str:
        """Give all that the page says, what is folded away too."""
        return str(self.page.evaluate("document.body.textContent.replace(/\\s+/g, ' ')"))

    def check(self, name: str, others: Collection[str] = ()) -> None:
        """Take a picture of the page, and complain of all that no page may have.

        `others` are sentences of the clinic in other languages than the page's.
        """
        faults = [*self._structure(), *self._barriers()]
        texts: Sequence[str] = self.page.evaluate(_TEXTS)
        faults += [
            f"not in {self.lang}: {text!r}" for text in foreign_words(texts, self.lang, others)
        ]
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True, scale="css")
        self.page.set_viewport_size(NARROW)
        if (width := self.page.evaluate("document.documentElement.scrollWidth")) > NARROW["width"]:
            faults.append(f"scrolls sideways: {width} px wide on a screen of {NARROW['width']}")
        faults += [f"too small to touch: {what}" for what in self.page.evaluate(_SMALL_TARGETS)]
        self.page.set_viewport_size(SCREEN)
        self.complaints += [f"{name}: {fault}" for fault in faults]

    def _structure(self) -> list[str]:
        faults = []
        if (lang := self.page.locator("html").get_attribute("lang")) != self.lang:
            faults.append(f"html lang is {lang}")
        if (headings := self.page.locator("h1").count()) != 1:
            faults.append(f"{headings} main headings")
        return faults

    def _barriers(self) -> list[str]:
        found = AXE.run(self.page, options=RULES).response["violations"]
        return [
            f"axe {each['id']}: {each['help']}: {each['nodes'][0]['html'][:200]}" for each in found
        ]


_SMALL_TARGETS = """() => [
    ...document.querySelectorAll("button, .button, .yn label, .tick, summary, .field input"),
  ]
  .filter(each => each.checkVisibility() && !each.closest("[aria-hidden]"))
  .map(each => [each, each.getBoundingClientRect()])
  .filter(([, box]) => box.height < 44 || box.width < 44)
  .map(([each, box]) => `${each.outerHTML.slice(0, 120)} ${box.width} × ${box.height}`)"""


def size(place: Locator) -> tuple[float, float]:
    """Give an element's width and height in CSS pixels, to a tenth."""
    box = place.bounding_box()
    assert box is not None
    return round(box["width"], 1), round(box["height"], 1)
