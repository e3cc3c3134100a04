"""The full notice: a summary first, then its parts, folded on a screen and whole on paper."""

import re

import pytest

from tests.cast import RIGA, TBILISI, an_edition
from tests.web.client import Client

FOLDED = re.compile(r'<details class="more" id="([\w-]+)">')


@pytest.mark.parametrize("clinic", [RIGA, TBILISI])
def test_a_notice_begins_with_five_lines_of_its_own_and_its_contents(
    client: Client, clinic: str
) -> None:
    """Whoever reads no further knows who, what for, that No is free, how long, and their rights."""
    edition = an_edition(clinic)
    lang = edition.clinic.default_language
    text = client.get(f"/{clinic}/notices/1.0?lang={lang}").text
    brief = text[text.index('id="brief"') : text.index('<details class="more"')]
    assert brief.count("<dt>") == 5
    for purpose in edition.clinic.purposes:
        assert purpose.title[lang] in brief
    parts = FOLDED.findall(text)
    assert len(parts) == len(set(parts)) > 15
    headings = re.findall(r"<summary><h2>(.*?)</h2></summary>", text)
    assert len(headings) == len(parts)


def test_all_parts_open_at_once_and_the_published_text_stays_what_it_was(client: Client) -> None:
    """An old browser prints it whole, and the fingerprint is that of the text as published."""
    folded = client.get(f"/{RIGA}/notices/1.0?lang=lv").text
    whole = client.get(f"/{RIGA}/notices/1.0?lang=lv&all=yes").text
    assert "all=yes" in folded
    assert not FOLDED.findall(whole)
    assert whole.count("<details open") == len(FOLDED.findall(folded))
    fingerprint = r'<span class="mono">([0-9a-f]{64})</span>'
    assert re.findall(fingerprint, folded) == re.findall(fingerprint, whole)
