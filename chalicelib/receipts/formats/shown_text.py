"""The words of a kept page, for paper: every one that could be seen, in their order, and nothing to press or to type.

What is kept is HTML with controls, styles and a language switcher. Here it becomes headings, paragraphs and lists; a
radio button leaves a circle, a tick box a box, a button its words.
"""

from html.parser import HTMLParser

from markupsafe import Markup, escape

_KEPT = frozenset({"p", "ul", "ol", "li", "dl", "dt", "dd"})
_LOWER = {"h1": "h3", "h2": "h4", "h3": "h5", "h4": "h6", "h5": "h6", "h6": "h6"}
"""The page stands under a heading of the receipt's own."""
_BOLD_LINE = frozenset({"legend", "summary", "button"})
_BLOCKS = frozenset(
    {"article", "aside", "body", "details", "div", "fieldset", "footer", "form", "header", "main", "section"}
)
_UNSEEN = frozenset({"head", "nav", "script", "style", "svg", "template"})
_UNSEEN_CLASSES = frozenset({"sr", "skip"})
_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_MARKS = {"radio": "○ ", "checkbox": "☐ "}


def visible_text(page: str) -> Markup:
    """Reduce a kept page to the HTML that `presentation.pdf.layout` understands."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return Markup("".join(reader.written))  # noqa: S704 - the tags are from the lists above, every text is escaped


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.written: list[str] = []
        self._holding: list[str] = []
        """The open elements that hold text, and containers, which hold none: ``""``."""
        self._loose = False
        """Whether a paragraph is open that the page does not have."""
        self._unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if self._unseen or tag in _UNSEEN or _UNSEEN_CLASSES & set((given.get("class") or "").split()):
            self._unseen += tag not in _VOID
        elif tag == "input":
            self._text(_MARKS.get(given.get("type") or "", ""))
        elif tag == "br":
            self._text("<br>")
        elif tag in {"b", "strong"}:
            self._text("<b>")
        elif tag in _LOWER:
            self._open(f"<{_LOWER[tag]}>", tag)
        elif tag in _BOLD_LINE:
            self._open('<p class="term"><b>', tag)
        elif tag in _KEPT:
            self._open(f"<{tag}>", "" if tag in {"ul", "ol", "dl"} else tag)
        elif tag in _BLOCKS:
            self._open("", "")

    def handle_endtag(self, tag: str) -> None:
        if self._unseen:
            self._unseen -= tag not in _VOID
        elif tag in {"b", "strong"}:
            self.written.append("</b>")
        elif tag in _LOWER:
            self._close(f"</{_LOWER[tag]}>")
        elif tag in _BOLD_LINE:
            self._close("</b></p>")
        elif tag in _KEPT:
            self._close(f"</{tag}>")
        elif tag in _BLOCKS:
            self._close("")

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._text(str(escape(data)))

    def _open(self, written: str, holding: str) -> None:
        self._end_loose()
        self.written.append(written)
        self._holding.append(holding)

    def _close(self, written: str) -> None:
        self._end_loose()
        if self._holding:
            self._holding.pop()
        self.written.append(written)

    def _text(self, written: str) -> None:
        if not (self._loose or any(self._holding[-1:])):
            if not written.strip():
                return
            self._loose = True
            self.written.append("<p>")
        self.written.append(written)

    def _end_loose(self) -> None:
        if self._loose:
            self.written.append("</p>")
            self._loose = False
