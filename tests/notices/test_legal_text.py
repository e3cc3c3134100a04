"""A pasted legal text keeps its numbers, its lists and its lines."""

import re
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.notices.edition import first_sentence, make_edition
from chalicelib.notices.legal_text import legal_parts
from infra.operator.cli.clinic_file import ClinicFile
from tests.cast import CLINICS
from tests.factories import a_document, in_both

PASTED = """\
1. VISPĀRĪGIE NOTEIKUMI
1.1. Pārzinis apstrādā:
• vārdu un uzvārdu;
• tālruņa numuru;
1.2. Datus glabā:
– trīs gadus, ja noslēgts līgums;
– vienu gadu citos gadījumos.
2.3.1. Īpašs noteikums
a) pirmais gadījums;
b) otrais gadījums.
4. Nobeigums
2026. gada 1. novembrī
Rīgā"""

MARKS = [
    "",
    "1. ",
    "3. ",
    "1.1. ",
    "2.3.1. ",
    "10.2 ",
    "7) ",
    "(2) ",
    "a) ",
    "ბ) ",
    "iv. ",
    "• ",
    "•",
    "– ",
    "— ",
    "2026. ",
    "    1.2. ",
    "\t• ",
]
WORDS = st.text(alphabet="abcāžшლ ,;:„”§", min_size=1, max_size=30).map(str.strip).filter(bool)


def legal_html(text: str) -> str:
    """Give a legal text as one piece of HTML: its parts, each after its heading."""
    return "".join(
        f"<h2>{part.heading}</h2>\n{part.html}" if part.heading else part.html
        for part in legal_parts(text)
    )


def lines_of(html: str) -> list[str]:
    """Give the lines a reader sees: each block and each break begins one."""
    text = re.sub(r"<br />\n|</?(?:p|ul|ol|li|h\d)\b[^>]*>\n?", "\n", html)
    seen = unescape(re.sub(r"<[^>]+>", "", text))
    return [" ".join(line.split()) for line in seen.split("\n") if line.strip()]


def test_a_pasted_law_keeps_its_numbers_lists_and_lines() -> None:
    """Whoever cites point 2.3.1 finds it under that number, on a line of its own."""
    assert lines_of(legal_html(PASTED)) == PASTED.split("\n")


@given(st.lists(st.tuples(st.sampled_from(MARKS), WORDS, st.booleans()), min_size=1, max_size=12))
def test_any_mixture_of_points_and_lines_is_shown_line_by_line(
    written: list[tuple[str, str, bool]],
) -> None:
    """No number is counted anew and no two lines run together, however a text is put together."""
    source = "".join(f"{mark}{words}\n{blank * chr(10)}" for mark, words, blank in written)
    shown = [line.replace("• ", "•") for line in lines_of(legal_html(source))]
    assert shown == [
        " ".join(line.split()).replace("• ", "•") for line in source.split("\n") if line.strip()
    ]


@pytest.mark.parametrize(
    "number", ["1.", "7.", "2.3.1.", "1.1", "3)", "(4)", "a)", "(b)", "ბ)", "iv.", "•", "–", "5.¹"]
)
def test_a_point_is_an_item_of_a_list_with_its_own_mark(number: str) -> None:
    """A screen reader tells a list as one, and reads the number as it stands in the law."""
    html = legal_html(f"Before\n{number} The point\nand its second line\n{number} The next")
    assert html.startswith('<p>Before</p>\n<ul class="points" role="list">')
    assert html.count(f'<span class="no">{number}</span> The ') == html.count("<li ") == 2
    assert "The point<br />\nand its second line" in html


def test_a_number_is_never_counted_anew() -> None:
    """A repealed point leaves its gap, in a list inside a list too."""
    assert lines_of(legal_html("1. One\n3. Three\n\n7. Seven")) == [
        "1. One",
        "3. Three",
        "7. Seven",
    ]
    assert lines_of(legal_html("- Item\n  2. Two\n  5. Five")) == ["Item", "2. Two", "5. Five"]
    assert lines_of(legal_html("2026. gads\n\n2030. gads")) == ["2026. gads", "2030. gads"]
    assert "<ol" not in legal_html("1. a\n\n2. b\n\n1986. c\n1.\nd\n123456789. e")


def test_deeper_numbers_stand_deeper() -> None:
    """The eye finds which point a sub-point belongs to.

    Bullets and letters belong to the number above them.
    """
    html = legal_html("1. a\n1.1. b\n• c\n1.1.1. d\na) e\n2. f\n   1. g")
    assert re.findall(r'<li class="d(\d) w\d">', html) == ["1", "2", "3", "3", "4", "1", "2"]


def test_bullets_of_a_word_processors_own_font_are_shown() -> None:
    """They are letters of a private area, which on any other machine are empty boxes."""
    assert lines_of(legal_html("\uf0b7\tfirst\n\uf0a7 second")) == ["• first", "▪ second"]


def test_a_mark_alone_on_its_line_stands_before_the_next() -> None:
    """Text copied from a PDF often has its numbers on lines of their own."""
    assert lines_of(legal_html("1.1.\nThe text\n•\nThe other")) == ["1.1. The text", "• The other"]


def test_an_indented_line_is_no_program_and_dashes_below_a_line_make_no_heading() -> None:
    """Both are how a typist lays out a page, and Markdown would make something else of them."""
    html = legal_html("First\n---\n\n\tIndented\n\nSecond\n-")
    assert "<code" not in html
    assert "<h" not in html.replace("<hr", "")


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "1. <img src=x onerror=alert(1)>",
        "• <b onclick=x>",
        "[x](javascript:alert(1))",
        "1. [x](data:text/html;base64,PHM+)",
        '–\n<iframe src="//x">',
    ],
)
def test_no_html_of_the_text_becomes_part_of_the_page(attack: str) -> None:
    """A clinic's author cannot run anything in a patient's browser, by mistake or on purpose."""
    tags = set(re.findall(r"<[^>]+>", legal_html(attack)))
    assert tags <= {
        "<p>",
        "</p>",
        "<br />",
        '<ul class="points" role="list">',
        "</ul>",
        '<li class="d1 w1">',
        '<li class="d1 w2">',
        "</li>",
        '<span class="no">',
        "</span>",
    }


def test_a_number_without_end_is_a_line_like_any_other() -> None:
    """Nothing that stands in a text keeps it from being shown."""
    for line in ("1.1" + ".1" * 50_000 + " x", "1" * 50_000 + ". x", "1" + "¹" * 50_000 + ". x"):
        html = legal_html(line)
        assert "<li" not in html
        assert lines_of(html) == [line]


def test_markdown_still_means_what_it_means() -> None:
    """Headings, emphasis, links and plain lists are written as ever."""
    html = legal_html(
        "## Title\n\n**Bold** and [a link](https://example.org)\n\n- one\n- two\n  - deeper"
    )
    assert "<h2>Title</h2>" in html
    assert '<strong>Bold</strong> and <a href="https://example.org">a link</a>' in html
    assert html.count("<ul>") == 2


def test_the_whole_notice_has_the_pasted_text_in_it() -> None:
    """What is published is rendered by the same rules."""
    ready = make_edition(a_document(notice=in_both(PASTED)))
    assert all(
        '<span class="no">2.3.1.</span> Īpašs noteikums' in html for html in ready.notices.values()
    )


@pytest.mark.parametrize("path", sorted(CLINICS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_number_of_the_demo_notices_stands_on_their_pages(path: Path) -> None:
    """The five clinics' own numbered steps count as their authors counted them."""
    for text in ClinicFile.read(path).document["notice"].values():
        written = re.findall(r"^ *(\d+\.) ", text, re.MULTILINE)
        assert re.findall(r'<span class="no">(\d+\.)</span>', legal_html(text)) == written


def test_a_legal_text_is_parted_at_its_headings_and_loses_nothing() -> None:
    """Its headings are what a reader chooses from; put together it is the whole text."""
    text = (
        "Before\n\n## One\n\nFirst *text*.\n\n### Within\n\n1. a\n\n## Two & three\n\n> ## quoted\n"
    )
    before, one, two = legal_parts(text)
    assert (before.heading, "Before" in before.html) == ("", True)
    assert (one.heading, two.heading) == ("One", "Two &amp; three")
    assert "<h3>Within</h3>" in one.html
    assert "<h2>quoted</h2>" in two.html
    assert legal_html(text) == (
        "<p>Before</p>\n"
        "<h2>One</h2>\n<p>First <em>text</em>.</p>\n<h3>Within</h3>\n"
        '<ul class="points" role="list">\n<li class="d1 w2">\n<span class="no">1.</span> a</li>\n</ul>\n'
        "<h2>Two &amp; three</h2>\n<blockquote>\n<h2>quoted</h2>\n</blockquote>\n"
    )


@pytest.mark.parametrize(("text", "parts"), [("", 0), ("No heading", 1), ("## A\n\n## B", 2)])
def test_a_legal_text_has_as_many_parts_as_it_has_headings(text: str, parts: int) -> None:
    """An empty text has none, and one without headings is one part."""
    assert len(legal_parts(text)) == parts


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Nothing is required. Care stays the same.", "Nothing is required."),
        ("By Art. 13 you may write. We answer.", "By Art. 13 you may write."),
        ("Kopš 2026. g. sākuma tas ir tā. Un vēl.", "Kopš 2026. g. sākuma tas ir tā. Un vēl."),
        ("Может ли клиника? Да.", "Может ли клиника?"),
        ("ჩვენ ვინახავთ\nმონაცემებს. მერე ვშლით.", "ჩვენ ვინახავთ მონაცემებს."),
        ("One line without an end", "One line without an end"),
    ],
)
def test_the_first_sentence_ends_where_that_is_sure(text: str, first: str) -> None:
    """A summary is never cut at an abbreviation."""
    assert first_sentence(text) == first
