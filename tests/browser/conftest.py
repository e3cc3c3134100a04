"""One Chromium for all browser tests, and a phone for each patient."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from infra.build.tools import chromium
from tests.browser.phone import PATIENCE, Phone
from tests.browser.visit import Effort
from tests.conftest import EFFORT, LocalStack

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

Handing = Callable[..., Phone]

expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def chrome() -> Iterator[Browser]:
    """Start the browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def phone(chrome: Browser, local_stack: LocalStack) -> Iterator[Handing]:
    """Hand a patient a phone set to a language.

    At the end no page may have given reason to complain.
    """
    handed: list[Phone] = []

    def hand(lang: str, **options: Any) -> Phone:
        handed.append(Phone(chrome, local_stack.base_url, lang, **options))
        return handed[-1]

    yield hand
    for each in handed:
        each.close()
    complaints = [complaint for each in handed for complaint in each.complaints]
    assert not complaints, "\n" + "\n".join(complaints)


def note_effort(
    request: pytest.FixtureRequest, visit: str, giving: Effort, withdrawing: Effort
) -> None:
    """Report what a visit cost: withdrawing must not cost more than giving (GDPR Art. 7(3))."""
    visited = (visit, giving.taps, giving.fields, withdrawing.taps, withdrawing.fields)
    request.node.user_properties.append((EFFORT, visited))
    assert withdrawing.whole <= giving.whole
