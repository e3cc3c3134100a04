"""Papers by Typst: any text is data, PDF/UA-1 is kept, and the same values give the same bytes."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.errors import PressUnavailableError
from chalicelib.presentation.press import PressInProcess
from chalicelib.presentation.print_content import read_blocks
from chalicelib.presentation.typesetting import handle, typeset
from tests.factories import MORNING
from tests.pdf_file import PdfFile


def _paper(*texts: str, lang: str = "en", title: str = "A paper", **more: Any) -> PdfFile:
    blocks = [{"kind": "text", "classes": [], "text": [text]} for text in texts]
    return PdfFile(typeset("notice", _values(blocks, lang, title) | more))


def _values(
    blocks: list[dict[str, Any]], lang: str = "en", title: str = "A paper"
) -> dict[str, Any]:
    heading = {"kind": "heading", "level": 1, "text": [title]}
    common = {"lang": lang, "title": title, "at": MORNING, "footer": "Foot"}
    return {**common, "blocks": [heading, *blocks]}


def test_a_paper_says_that_it_is_pdf_ua_and_in_which_language_and_what_it_is_called() -> None:
    """A blind patient's reader trusts the tags, speaks Georgian and says the title."""
    paper = _paper("ტექსტი", lang="ka", title="ქართული „A” & B")
    catalog = paper.catalog
    assert catalog["/MarkInfo"]["/Marked"].value is True
    assert catalog["/Lang"] == "ka"
    assert catalog["/ViewerPreferences"]["/DisplayDocTitle"]
    assert paper.reader.metadata
    assert paper.reader.metadata.title == "ქართული „A” & B"
    xmp = catalog["/Metadata"].get_data().decode()
    assert "<pdfuaid:part>1</pdfuaid:part>" in xmp
    assert "ქართული „A” &amp; B" in xmp


def test_the_same_values_are_the_same_file_dated_as_they_say() -> None:
    """A hash of the file means something, next year too."""
    assert _paper("Same").content == _paper("Same").content
    assert _paper("Same").content != _paper("Other").content
    created = _paper("Same").reader.metadata.creation_date  # type: ignore[union-attr]
    assert created.isoformat() == "2026-11-22T08:15:00+00:00"  # type: ignore[union-attr]


def test_the_file_is_dated_to_the_second() -> None:
    """Whatever fraction of a second a receipt was recorded at, it is printed."""
    at = "2026-11-22T08:15:01.987Z"
    made = _paper("Dated", at=at).reader.metadata.creation_date  # type: ignore[union-attr]
    assert made.isoformat() == "2026-11-22T08:15:01+00:00"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "hostile",
    [
        '#panic(1) #import "x": * #sys.inputs',
        "$x^2$ \\ \\u{41} @label <label> *b* _i_ `c` // no comment /* nor */",
        "= Heading\n- item\n+ item\n/ term: x",
        '#read("look.typ") #eval("1+1")',
        "</p></div> &lt;b&gt; %PDF-1.7 endobj ( ) <</Type/Catalog>>",
    ],
)
def test_nothing_in_a_text_is_markup_or_code(hostile: str) -> None:
    """A purpose's title breaks no receipt, and reads no file."""
    pieces = [{"bold": hostile}, " ", {"link": hostile, "to": "https://example.org"}]
    blocks = [{"kind": "text", "classes": [], "text": text} for text in ([hostile], pieces)]
    values = _values(blocks, title=hostile) | {"footer": hostile}
    paper = PdfFile(typeset("notice", values))
    told = hostile.replace("\n", " ")
    assert [each.text for each in paper.read_aloud if each.tag in {"H1", "P"}] == [
        told,
        told,
        f"{told} {told}",
    ]


@pytest.mark.parametrize("blank", ["", "&#8203;", "<b>&shy;</b> &nbsp;", "<br>"])
def test_a_heading_that_shows_nothing_is_left_out(blank: str) -> None:
    """A line that was emptied in a notice keeps nobody from its paper."""
    blocks = read_blocks(f"<h2>{blank}</h2><p>Text</p><h2>{blank}Call</h2>")
    paper = PdfFile(typeset("notice", _values(blocks)))
    assert [each.text.strip() for each in paper.read_aloud if each.tag == "H1"] == [
        "A paper",
        "Call",
    ]


@pytest.mark.parametrize("lang", ["ka", "en"])
def test_a_character_without_a_shape_shows_that_something_is_there_and_copies_as_itself(
    lang: str,
) -> None:
    """An emoji in a clinic's text hides nothing; Georgian capitals take the everyday shapes."""
    text = "😀 漢字 ᲥᲐᲠᲗᲣᲚᲘ ქართული"
    paper = _paper(text, "עברית", lang=lang)
    assert [each.text for each in paper.read_aloud][-2:] == [text, "תירבע"]  # from right to left
    names = {str(font["/BaseFont"]).partition("+")[2] for font in paper.fonts()}
    assert names == {"DejaVuSans", "DejaVuSans-Bold", "Replacement"}


def test_characters_that_steer_others_are_left_out() -> None:
    """Nothing can be made to read differently than it copies."""
    paper = _paper(
        "\u202egnirts\u202c \u200bzero\u200d width\ufeff \x00\x1b[31m \ud800 end e\u0301"
    )
    assert " ".join(paper.read_aloud[-1].text.split()) == "gnirts zero width [31m end é"


def test_a_word_longer_than_a_line_breaks_and_copies_whole() -> None:
    """A SHA-256 is read back, and nothing runs off the paper."""
    long = "0123456789abcdef" * 20
    paper = _paper(f"See {long} there")
    assert paper.read_aloud[-1].text == f"See {long} there"
    for sheet in paper.pixels:
        text = sheet.get_textpage()
        assert all(text.get_rect(each)[2] < 595 - 50 for each in range(text.count_rects()))


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=400), st.text(max_size=40))
def test_no_text_breaks_a_file(text: str, title: str) -> None:
    """Any text at all gives a PDF that strict readers open and that keeps PDF/UA-1."""
    paper = _paper(text, title=f"A {title}")
    assert paper.reader.pages
    assert paper.pixels[0].get_textpage()


@pytest.mark.parametrize("template", ["missing", "../../etc/passwd", "", "Notice", "notice.typ"])
def test_what_cannot_be_set_is_one_named_error(template: str) -> None:
    """Whoever asked for a paper is told to try again, and sees no stack trace."""
    with pytest.raises(PressUnavailableError):
        PressInProcess().pdf(template, _values([]))


def test_a_template_that_breaks_pdf_ua_gives_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture without an alternative text is found here, and not by a blind patient."""
    monkeypatch.setattr("chalicelib.presentation.typesetting.PRINT", tmp_path)
    picture = "#image(bytes(\"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 1 1'/>\"){})"
    tagged = '#set document(title: "A")\n' + picture
    (tmp_path / "good.typ").write_text(tagged.format(', alt: "A"'))
    (tmp_path / "bad.typ").write_text(tagged.format(""))
    press = PressInProcess()
    assert press.pdf("good", {"at": MORNING}).startswith(b"%PDF-1.7\n")
    with pytest.raises(PressUnavailableError):
        press.pdf("bad", {"at": MORNING})


def test_the_function_answers_a_call_with_the_file_in_base64() -> None:
    """What the pages' function is sent is what a process sets by itself."""
    import base64  # noqa: PLC0415 - this test alone reads it

    values = _values([])
    answer = handle({"template": "notice", "values": values}, None)
    assert base64.b64decode(answer["pdf"]) == typeset("notice", values)
