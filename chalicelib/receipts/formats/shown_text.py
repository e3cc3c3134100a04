"""The text of a kept page, for paper: every word that could be seen, in order, without controls.

A kept page is HTML with controls, styles and a language switcher. Here it becomes headings,
paragraphs and lists. Of a button its words are left. Of radio buttons too, parted by a stroke: "Yes
/ No" tells what could be chosen, and an empty circle on a receipt would be read as no answer.
"""

from html.parser import HTMLParser

from markupsafe import Markup, escape

_KEPT = frozenset({"p", "ul", "ol", "li", "dl", "dt", "dd"})
_LISTS = frozenset({"ul", "ol", "dl"})
_HEADINGS = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
"""The page stands under a heading of the receipt's own, so its headings go down two levels."""

_BOLD = frozenset({"b", "strong"})
_BOLD_LINES = frozenset({"legend", "summary", "button"})
_BLOCKS = frozenset(
    {
        "article",
        "aside",
        "body",
        "details",
        "div",
        "fieldset",
        "footer",
        "form",
        "header",
        "main",
        "section",
    }
)
_HIDDEN_TAGS = frozenset({"head", "nav", "script", "style", "svg", "template"})
_HIDDEN_CLASSES = frozenset({"sr", "skip"})
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
"""Elements without an end tag (HTML, 13.1.2)."""

_BETWEEN_CHOICES = "/ "

_CONTAINER = ""
"""Stands in `_Reader._open` for an element that holds other elements and no text of its own."""


def visible_text(page: str) -> Markup:
    """Reduce a kept page to the HTML that `presentation.print_content` reads."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    html = "".join(reader.written)
    return Markup(html)  # noqa: S704 - the tags are from the lists above, every text is escaped


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self._open: list[str] = []
        """The open elements: the tag of those that hold text, `_CONTAINER` for the others."""

        self._own_paragraph = False
        """Whether a paragraph is open that the page does not have: text stood in a container."""

        self._follows_choice = False
        """Whether the paragraph has a radio button already."""

        self._hidden_depth = 0
        """How many elements are open within a hidden one, itself among them."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if not self._hidden_depth and not _is_hidden(tag, attributes):
            self._start_visible(tag, attributes)
        elif tag not in _VOID:
            self._hidden_depth += 1

    def handle_endtag(self, tag: str) -> None:
        if self._hidden_depth:
            if tag not in _VOID:
                self._hidden_depth -= 1
        elif tag in _BOLD:
            self.written.append("</b>")
        elif tag in _HEADINGS:
            self._end(f"</{_HEADINGS[tag]}>")
        elif tag in _BOLD_LINES:
            self._end("</b></p>")
        elif tag in _KEPT:
            self._end(f"</{tag}>")
        elif tag in _BLOCKS:
            self._end("")

    def handle_data(self, data: str) -> None:
        if not self._hidden_depth:
            self._write_text(str(escape(data)))

    def _start_visible(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "input":
            self._start_control(attributes.get("type", ""))
        elif tag == "br":
            self._write_text("<br>")
        elif tag in _BOLD:
            self._write_text("<b>")
        elif tag in _HEADINGS:
            self._start(f"<{_HEADINGS[tag]}>", tag)
        elif tag in _BOLD_LINES:
            self._start('<p class="term"><b>', tag)
        elif tag in _LISTS:
            self._start(f"<{tag}>", _CONTAINER)
        elif tag in _KEPT:
            self._start(f"<{tag}>", tag)
        elif tag in _BLOCKS:
            self._start("", _CONTAINER)

    def _start_control(self, kind: str) -> None:
        if kind != "radio":
            return
        if self._follows_choice:
            self._write_text(_BETWEEN_CHOICES)
        self._follows_choice = True

    def _start(self, markup: str, element: str) -> None:
        self._end_own_paragraph()
        self.written.append(markup)
        self._open.append(element)

    def _end(self, markup: str) -> None:
        self._end_own_paragraph()
        if self._open:
            self._open.pop()
        self.written.append(markup)

    def _write_text(self, markup: str) -> None:
        """Write text, in a paragraph of its own where the page has it directly in a container."""
        within_text = bool(self._open) and self._open[-1] != _CONTAINER
        if not within_text and not self._own_paragraph:
            if not markup.strip():
                return
            self._own_paragraph = True
            self.written.append("<p>")
        self.written.append(markup)

    def _end_own_paragraph(self) -> None:
        self._follows_choice = False
        if self._own_paragraph:
            self.written.append("</p>")
            self._own_paragraph = False


def _is_hidden(tag: str, attributes: dict[str, str]) -> bool:
    """Tell whether an element could not be seen: navigation, and what only screen readers say."""
    classes = attributes.get("class", "").split()
    return tag in _HIDDEN_TAGS or not _HIDDEN_CLASSES.isdisjoint(classes)
