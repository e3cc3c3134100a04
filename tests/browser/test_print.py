"""The full notice as a browser prints it: the text alone, without buttons."""

import io

import pypdf
import pytest
from playwright.sync_api import Browser

from chalicelib.domain.languages import ENDONYMS
from tests.cast import RIGA
from tests.conftest import LocalStack
from tests.pdf_file import PdfFile

pytestmark = pytest.mark.browser


def _printed(chrome: Browser, stack: LocalStack, lang: str) -> tuple[str, PdfFile]:
    page = chrome.new_page()
    try:
        address = f"{stack.base_url}/{RIGA}/notices/1.0?lang={lang}"
        page.goto(f"{address}&all=yes")
        page.evaluate("document.querySelectorAll('main .noprint').forEach(each => each.remove())")
        screen = page.inner_text("main")
        page.goto(address)  # its parts are folded on the screen, and open on paper
        return screen, PdfFile(page.pdf(prefer_css_page_size=True))
    finally:
        page.close()


def _letters(text: str) -> str:
    """Take the letters and digits alone: a browser breaks long words at the end of a line."""
    return "".join(character for character in text if character.isalnum())


@pytest.mark.parametrize("lang", ["lv", "ru", "en"])
def test_the_notice_prints_whole_on_a4_without_the_controls_of_the_screen(
    chrome: Browser, local_stack: LocalStack, lang: str
) -> None:
    """Reception prints the text for whoever wants it on paper."""
    screen, paper = _printed(chrome, local_stack, lang)
    copied = _letters(paper.copied())
    paragraphs = [line for line in screen.splitlines() if line.strip()]
    assert len(paragraphs) > 80
    assert not [line for line in paragraphs if _letters(line) not in copied]
    assert not [name for name in ENDONYMS.values() if name in copied and name not in screen]
    boxes = [page.mediabox for page in pypdf.PdfReader(io.BytesIO(paper.content)).pages]
    assert {(round(float(box.width)), round(float(box.height))) for box in boxes} == {(595, 842)}
    assert len(boxes) <= 14


def test_printed_text_keeps_clear_of_the_edges_of_the_paper(
    chrome: Browser, local_stack: LocalStack
) -> None:
    """A printer cuts nothing off, and there is room for a hole punch."""
    _, paper = _printed(chrome, local_stack, "lv")
    for sheet in paper.pixels:
        text = sheet.get_textpage()
        for left, bottom, right, top in (text.get_rect(each) for each in range(text.count_rects())):
            assert 50 < left < right < 595 - 50
            assert 45 < bottom < top < 842 - 45
