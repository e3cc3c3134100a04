"""Pictures of a page on two screens, by day and in the dark, and what is wrong with it on each."""

import gzip
import itertools
import shutil
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from playwright.sync_api import Response

from infra.build.catalogs import ROOT
from tests.browser.desk import Workplace
from tests.browser.phone import AXE, RULES, Phone

SCREENS = ROOT / "build" / "screens"
SMALL = {"width": 360, "height": 740}
"""The smallest phone that is still sold."""
DESK = {"width": 1280, "height": 900}
VIEWPORTS = {"phone": SMALL, "desk": DESK}
THEMES = ("light", "dark")
LOOKS = tuple(itertools.product(VIEWPORTS, THEMES))
"""Each screen by day and in the dark."""


@cache
def _axe() -> str:
    return str(AXE.axe_script)


_VIOLATIONS = """rules => axe.run(document, rules).then(
    found => found.violations.map(each => `${each.id}: ${each.nodes[0].html.slice(0, 160)}`)
)"""


@dataclass(frozen=True)
class Weighed:
    """What one page is in figures."""

    name: str
    packed: int
    """Bytes of its document, packed with gzip."""
    requests: int
    """How many requests it took, the document's own among them."""
    screens: float
    """How many screens of the small phone it is high."""


@dataclass
class Gallery:
    """Takes the pictures of somebody's pages into `folder`; faults and figures are collected."""

    phone: Phone | Workplace
    folder: Path
    faults: list[str] = field(default_factory=list)
    pages: list[Weighed] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make the folder anew, and watch what the phone loads."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._document: Response | None = None
        self._beside = 0
        self.phone.context.on("response", self._answered)

    def _answered(self, response: Response) -> None:
        if response.request.resource_type == "document":
            self._document, self._beside = response, 0
        elif not response.url.endswith("/favicon.ico"):
            self._beside += 1

    def show(self, name: str, looks: Collection[tuple[str, str]] = LOOKS) -> None:
        """Take the page in these sizes and themes, and look in every size whether it is too wide.

        The page is not loaded again.
        """
        page = self.phone.page
        page.evaluate(_axe())
        for viewport, size in VIEWPORTS.items():
            page.set_viewport_size(size)  # type: ignore[arg-type]
            self._measure(f"{name}-{viewport}", size["width"])
            for theme in THEMES:
                if (viewport, theme) in looks:
                    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
                    self._look(f"{name}-{viewport}-{theme}")
        page.set_viewport_size(SMALL)  # type: ignore[arg-type]
        page.emulate_media(color_scheme="light")
        self._weigh(name)

    def _measure(self, name: str, width: int) -> None:
        if (wide := self.phone.page.evaluate("document.documentElement.scrollWidth")) > width:
            self._complain(name, [f"scrolls sideways: {wide} of {width} px"])

    def _look(self, name: str) -> None:
        page = self.phone.page
        path = self.folder / f"{name}.jpg"
        page.screenshot(path=path, full_page=True, scale="css", type="jpeg", quality=70)
        self._complain(name, page.evaluate(_VIOLATIONS, RULES))

    def _complain(self, name: str, found: Collection[str]) -> None:
        self.faults += [f"{self.folder.name} {name}: {each}" for each in found]

    def _weigh(self, name: str) -> None:
        assert self._document is not None
        packed = len(gzip.compress(self._document.body(), mtime=0))
        height = self.phone.page.evaluate("document.documentElement.scrollHeight")
        weighed = Weighed(name, packed, 1 + self._beside, round(height / SMALL["height"], 1))
        self.pages.append(weighed)
