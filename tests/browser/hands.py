"""Somebody's hands at a desk: they press, type and follow links, and each of it is counted."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Locator, expect

from chalicelib.domain.staff import Role
from chalicelib.portal import Portal
from tests.browser.desk import Workplace
from tests.web.staff.desk_client import sign_in


@dataclass
class Effort:
    """What a task took: presses of the mouse, characters typed, and seconds."""

    clicks: int = 0
    typed: int = 0
    seconds: float = 0


class Hands:
    """The hands of a member of staff who is signed in."""

    def __init__(self, work: Workplace, url: str, portal: Portal, clinic: str, role: Role) -> None:
        self.work, self.url, self.page = work, url, work.page
        self.effort = Effort()
        secret = sign_in(portal, clinic, role).secret
        work.sign_in(url, secret)

    @contextmanager
    def task(self, path: str = "") -> Iterator[Effort]:
        """Begin a task on a page of the desk, and count until it is done."""
        self.page.goto(f"{self.url}/staff{path}")
        self.effort = Effort()
        begun = time.monotonic()
        yield self.effort
        self.effort.seconds = time.monotonic() - begun

    def click(self, place: Locator, *, leads_on: bool = True) -> None:
        """Press something; a link or a button leads to another page."""
        self.effort.clicks += 1
        if not leads_on:
            place.click()
            return
        with self.page.expect_navigation():
            place.click()

    def follow(self, name: str, **more: Any) -> None:
        """Follow the first link with this text."""
        self.click(self.page.get_by_role("link", name=name, exact=True, **more).first)

    def press(self, name: str) -> None:
        """Press the button with this text."""
        self.click(self.page.get_by_role("button", name=name, exact=True).first)

    def unfold(self, name: str) -> None:
        """Open what is folded under this heading."""
        self.click(self.page.locator("summary", has_text=name).first, leads_on=False)

    def choose(self, name: str, within: str = "") -> None:
        """Choose one of several, or tick a box; `within` names the question."""
        place: Any = self.page
        if within:
            place = self.page.get_by_role("radiogroup", name=within).first
        if within:
            self.click(place.get_by_role("radio", name=name, exact=True).first, leads_on=False)
        else:
            self.click(place.get_by_role("checkbox", name=name).first, leads_on=False)

    def type(self, label: str, text: str, *, enter: bool = False) -> None:
        """Type into the field with this label; the field the page begins in needs no press."""
        field = self.page.get_by_label(label, exact=True).first
        if not field.evaluate("field => field === document.activeElement"):
            self.effort.clicks += 1
            field.click()
        self.effort.typed += len(text) + enter
        self.page.keyboard.type(text)
        if enter:
            with self.page.expect_navigation():
                self.page.keyboard.press("Enter")

    def sees(self, heading: str) -> None:
        """Look at the page's heading."""
        expect(self.page.get_by_role("heading", level=1)).to_have_text(heading)
