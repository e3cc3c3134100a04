import itertools
import re
import unicodedata

import pytest
from babel.messages.pofile import read_po
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markupsafe import escape

from chalicelib.domain.languages import LANGUAGES
from chalicelib.presentation.pdf import document
from chalicelib.presentation.pdf.pagination import BOTTOM
from chalicelib.presentation.pdf.truetype import typeface
from infra.build.catalogs import catalog_file
from tests.factories import MORNING
from tests.pdf_file import PdfFile, VisibleText

ALPHABETS = {
    "lv": "Āā Čč Ēē Ģģ Īī Ķķ Ļļ Ņņ Šš Ūū Žž „Jā”",
    "lt": "Ąą Čč Ęę Ėė Įį Šš Ųų Ūū Žž „Ne“",
    "ka": "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ „დიახ“",
    "ru": "АБВГДЕЁЖЗИЙКЛМНОП РСТУФХЦЧШЩЪЫЬЭЮЯ абвгдеёжзийклмнопрстуфхцчшщъыьэюя «Да» №",
    "en": "The quick brown fox “jumps” over the lazy dog’s back – 0123456789 € § … ½",
}


def _paper(body: str, lang: str = "en", title: str = "A paper") -> PdfFile:
    html = f'<!doctype html><html lang="{lang}"><head><title>{title}</title></head><body>{body}</body></html>'
    return PdfFile(document.write(html, at=MORNING))


@pytest.mark.parametrize("lang", ALPHABETS)
@pytest.mark.parametrize("tag", ["p", "h1"])
def test_every_letter_of_every_language_comes_back_as_it_was(lang: str, tag: str) -> None:
    """Who copies from the file, or listens to it, gets the words and not what they look like."""
    paper = _paper(f"<{tag}>{ALPHABETS[lang]}</{tag}>", lang)
    assert paper.read_aloud[0].text == ALPHABETS[lang]
    assert " ".join(paper.copied().partition("1 / 1")[0].split()) == ALPHABETS[lang]
    shapes = typeface("DejaVuSans-Bold" if tag == "h1" else "DejaVuSans")
    missing = shapes.glyph("\N{REPLACEMENT CHARACTER}")
    assert not [
        character for character in ALPHABETS[lang] if shapes.glyph(character) in {0, missing}
    ]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_letter_of_every_catalog_has_a_shape(lang: str) -> None:
    """Whatever the portal says in a language can be printed, in that language's own letters."""
    with catalog_file(lang).open("rb") as file:
        messages = [message.string for message in read_po(file, locale=lang)]
    texts = [
        text
        for message in messages
        for text in ([message] if isinstance(message, str) else message)
    ]
    shapes = typeface("DejaVuSans")
    missing = shapes.glyph("\N{REPLACEMENT CHARACTER}")
    letters = {character for text in texts for character in text if not character.isspace()}
    assert letters
    assert not [character for character in letters if shapes.glyph(character) in {0, missing}]


def test_a_screen_reader_finds_language_title_headings_lists_and_pictures() -> None:
    """A blind patient hears a document, not a heap of letters."""
    paper = _paper(
        "<p>Clinic</p><h1>Receipt</h1><h2>Said</h2><dl><dt>News</dt><dd><b>Yes</b></dd></dl>"
        "<ul><li>One</li><li>Two<ul><li>Three</li></ul></li></ul><ol><li>First</li></ol>"
        '<figure data-address="https://example.org/x" aria-label="QR code: ქართული"></figure>'
        '<p>Beside</p><div lang="ka"><h3>ტექსტი</h3></div>',
        "lv",
        "Čeks „A” &amp; B",
    )
    catalog = paper.catalog
    assert (
        catalog["/MarkInfo"]["/Marked"].value is True
    )  # ISO 32000-1, 14.8.1: without it, readers ignore the tags
    assert catalog["/Lang"] == "lv"
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"]
    assert paper.reader.metadata
    assert paper.reader.metadata.title == "Čeks „A” & B"
    assert "Čeks „A” &amp; B" in catalog["/Metadata"].get_data().decode()
    assert [(each.above[1:], each.tag, each.text, each.lang) for each in paper.read_aloud] == [
        ((), "P", "Clinic", "lv"),
        ((), "H1", "Receipt", "lv"),
        ((), "H2", "Said", "lv"),
        (("L", "LI"), "Lbl", "News", "lv"),
        (("L", "LI"), "LBody", "Yes", "lv"),
        (("L", "LI"), "Lbl", "•", "lv"),
        (("L", "LI", "LBody"), "P", "One", "lv"),
        (("L", "LI"), "Lbl", "•", "lv"),
        (("L", "LI", "LBody"), "P", "Two", "lv"),
        (("L", "LI", "LBody", "L", "LI"), "Lbl", "•", "lv"),
        (("L", "LI", "LBody", "L", "LI", "LBody"), "P", "Three", "lv"),
        (("L", "LI"), "Lbl", "1.", "lv"),
        (("L", "LI", "LBody"), "P", "First", "lv"),
        ((), "P", "Beside", "lv"),
        (("Sect",), "H3", "ტექსტი", "ka"),
    ]
    assert [figure["/Alt"] for figure in paper.figures] == ["QR code: ქართული"]
    assert paper.codes() == ["https://example.org/x"]


def test_every_mark_on_a_page_belongs_to_the_element_that_names_it() -> None:
    """A viewer finds the tag of what was clicked on the page."""
    paper = _paper(
        "<h1>One</h1>" + "<p>Many words in a paragraph of some length.</p>" * 150 + "<p>Last</p>"
    )
    tree = paper.catalog["/StructTreeRoot"]
    numbers = tree["/ParentTree"]["/Nums"]
    assert len(paper.reader.pages) > 2
    for number, page in enumerate(paper.reader.pages):
        assert page["/StructParents"] == numbers[2 * number] == number
        for mark, owner in enumerate(numbers[2 * number + 1]):
            kids = [kid.get_object() for kid in owner.get_object()["/K"]]
            assert (mark, page.indirect_reference) in {
                (kid["/MCID"], kid.raw_get("/Pg")) for kid in kids
            }


def test_the_fonts_are_in_the_file_and_only_the_letters_in_use() -> None:
    """It looks the same on every machine, in twenty years too, and weighs little."""
    paper = _paper("<h1>ქართული</h1><p>Русский latviešu</p>")
    assert len(paper.fonts()) == 2
    for font in paper.fonts():
        inner = font["/DescendantFonts"][0].get_object()
        assert re.fullmatch(r"/[A-Z]{6}\+DejaVuSans(-Bold)?", font["/BaseFont"])
        program = inner["/FontDescriptor"]["/FontFile2"].get_data()
        assert program[:4] == b"\0\1\0\0"
        assert len(program) < 12_000
    assert len(paper.content) < 20_000


def test_the_same_page_is_the_same_file() -> None:
    """A hash of the file means something."""
    body = '<h1>Same</h1><figure data-address="https://example.org/x" aria-label="code"></figure><p>ქართული</p>'
    assert _paper(body).content == _paper(body).content
    assert _paper(body).content != _paper(body + "<p>x</p>").content
    assert _paper(body).reader.metadata.creation_date.isoformat() == "2026-11-22T08:15:00+00:00"  # type: ignore[union-attr]


def _section(number: int) -> str:
    """Write a section as long as its number, with as many options."""
    options = (
        f"<dt>Option {each} {'and more ' * (each % 20)}</dt><dd><b>Yes</b></dd>"
        for each in range(number)
    )
    return (
        f"<h2>Heading {number} {'that goes on ' * (number % 9)}</h2><p>{'Some words. ' * (number * 7 % 60 + 1)}</p>"
        f'<p class="term">Term</p><dl class="said">{"".join(options)}</dl>'
        f"<dl><dt>Long</dt><dd>{'A very long explanation indeed. ' * (number * 13)}</dd></dl>"
    )


def test_a_long_text_fills_pages_without_overlap_and_no_heading_is_left_alone() -> None:
    """Thirty options and a long notice stay readable."""
    body = "<h1>All</h1>" + "".join(_section(number) for number in range(1, 31))
    paper = _paper("<footer>Foot</footer>" + body)
    pages = len(paper.reader.pages)
    assert pages > 10
    for number in range(pages):
        tags = [tag for page, tag in paper.drawn if page == number and tag != "Artifact"]
        assert not tags[-1].startswith("H"), number
        lines = paper.pixels[number].get_textpage()
        boxes = [lines.get_rect(each) for each in range(lines.count_rects())]
        assert all(40 < left < right < 555 for left, _, right, _ in boxes)
        foot = [box for box in boxes if box[1] < BOTTOM - 2]
        assert len(foot) == 2  # the footer's words and the page's number
        for one, other in itertools.combinations(boxes, 2):
            across = min(one[2], other[2]) - max(one[0], other[0])
            down = min(one[3], other[3]) - max(one[1], other[1])
            assert across <= 0.5 or down <= 0.5, (number, one, other)
    assert f"{pages} / {pages}" in paper.copied()
    assert paper.words == VisibleText(body, without=()).words


def _on_the_page(paper: PdfFile) -> bool:
    """Tell whether everything but the page's number stands above its foot."""
    for sheet in paper.pixels:
        lines = sheet.get_textpage()
        lows = sorted(lines.get_rect(each)[1] for each in range(lines.count_rects()))
        if lows[1] < BOTTOM - 2:
            return False
    return True


@pytest.mark.parametrize("lines", [0, 35])
@pytest.mark.parametrize(
    ("title", "below"), [("Option", "words " * 1200), ("Option " * 1000, "told")]
)
def test_a_row_of_any_length_flows_on_and_begins_with_its_text(
    title: str, below: str, lines: int
) -> None:
    """No word falls off the page, and no box is left alone with its title."""
    body = (
        f'<dl class="asked"><dt><b>{title}</b></dt><dd>Yes</dd><dd class="told">{below}</dd></dl>'
    )
    paper = _paper("<p>Line</p>" * lines + body)
    assert len(paper.reader.pages) >= 2
    assert _on_the_page(paper)
    assert paper.words == ["Line"] * lines + [*title.split(), "Yes", *below.split()]
    [label, box, text] = paper.read_aloud[lines:]
    assert (label.tag, box.tag, text.tag) == ("Lbl", "LBody", "LBody")
    if title == "Option":
        assert label.page == box.page == text.page


def test_a_text_below_a_row_does_not_run_into_it() -> None:
    """Boxes, a title of several lines and the text each have their room."""
    rest = f'<dd><span class="box">☐</span> Yes</dd><dd class="told">{"gyp " * 60}</dd>'
    rows = (f"<dt><b>{'Option ' * length}</b></dt>{rest}" for length in (1, 30, 90))
    lines = _paper(f'<dl class="asked">{"".join(rows)}</dl>').pixels[0].get_textpage()
    for one, other in itertools.combinations(
        [lines.get_rect(each) for each in range(lines.count_rects())], 2
    ):
        across, down = (
            min(one[2], other[2]) - max(one[0], other[0]),
            min(one[3], other[3]) - max(one[1], other[1]),
        )
        assert across <= 0.5 or down <= 0.5, (one, other)


def test_a_heading_moves_on_with_what_it_heads() -> None:
    """Wherever a page ends, the heading is on the page of its text."""
    ends = set()
    for lines in range(30, 42):
        for heading in ("<h2>Heading</h2>", '<p class="term">Heading</p>', "<h1>Heading</h1>"):
            paper = _paper("<p>Line</p>" * lines + heading + "<dl><dt>Term</dt><dd>Text</dd></dl>")
            pages = {each.text: each.page for each in paper.read_aloud}
            assert pages["Heading"] == pages["Text"]
            ends.add((pages["Line"], pages["Heading"]))
    assert ends == {(0, 0), (0, 1), (1, 1)}


def test_no_line_of_a_paragraph_is_left_alone_on_a_page() -> None:
    """Three lines stay together, wherever the page ends."""
    three = f"<p>{'words ' * 45}</p>"
    for lines in range(6):
        paper = _paper("<p>Line</p>" * lines + three * 40)
        assert len(paper.reader.pages) > 2
        assert len([tag for _, tag in paper.drawn if tag == "P"]) == lines + 40


def test_a_word_longer_than_a_line_breaks_and_stays_one_word() -> None:
    """A SHA-256 is read back whole."""
    long = "0123456789abcdef" * 20
    assert _paper(f"<p>See {long} there</p>").words == ["See", long, "there"]


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "</p></div></body>",
        "&lt;b&gt; &amp;amp; \\ ( ) <</Type/Catalog>> endobj",
        "\u202egnirts\u202c \u200bzero\u200d width \ufeff",
        "😀 👩‍⚕️ 🇬🇪 漢字 עברית العربية",
        "ᲥᲐᲠᲗᲣᲚᲘ in capitals",
        "\ud800 alone, \x00 and \x1b[31m",
        "Ĺ̈ȯ́ņg̃ m̂a̋rks e\u0301",
        "",
    ],
)
def test_whatever_stands_in_a_text_is_shown_as_text(hostile: str) -> None:
    """A purpose's title breaks no receipt.

    A letter without a shape leaves a sign that something is there.
    """
    paper = _paper(f"<h2>{escape(hostile)}</h2><p>{escape(hostile)} end</p>")
    steering = {"Cc", "Cf", "Cs"}
    seen = "".join(
        character
        for character in unicodedata.normalize("NFC", hostile)
        if unicodedata.category(character) not in steering and character != "\ufe0f"
    )
    assert paper.read_aloud[-1].text.split() == [*seen.split(), "end"]
    if "漢" in hostile:
        shapes = typeface("DejaVuSans")
        assert shapes.glyph("漢") == shapes.glyph("😀") == shapes.glyph("\N{REPLACEMENT CHARACTER}")
        assert shapes.width(shapes.glyph("漢")) > 500


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=400), st.text(max_size=40))
def test_no_text_breaks_a_file(text: str, title: str) -> None:
    """Any text at all gives a PDF that strict readers open."""
    paper = _paper(
        f"<h1>{escape(title)}</h1><dl><dt>{escape(title)}</dt><dd>{escape(text)}</dd></dl>"
    )
    assert paper.reader.pages
    assert paper.pixels[0].get_textpage()
