"""E-mails as mail programs lay them out: one button, a text twin, no picture, colours that hold."""

import colorsys
import html.parser
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from chalicelib.domain.brand import Brand
from chalicelib.domain.clinic import Clinic
from chalicelib.messages.rules import Message
from chalicelib.messages.transports import Email
from chalicelib.notices.colours import contrast, shades
from tests.cast import CLINICS
from tests.messages.test_compose import clinic
from tests.sample_messages import email_of, message_content

NAMES = [path.stem for path in sorted(CLINICS.glob("*.yaml"))]
COLOURS = ["#ffe600", "#ff7f00", "#00b894", "#0057ff", "#7a3417", "#000000", "#ffffff", "#808080"]
READABLE = 4.5
"""WCAG 2.2, 1.4.3, level AA."""
VOID = {"br", "meta", "hr"}


def mails(message: Message, name: str) -> Iterator[tuple[str, Email]]:
    """Write a message of a clinic in each of its languages."""
    for lang in clinic(name).languages:
        yield lang, email_of(message_content(message, clinic(name), lang))


@dataclass
class Piece:
    """One text of a mail, in its colours, and where it leads."""

    words: str
    colour: str
    ground: str
    classes: tuple[str, ...]
    href: str = ""


class Layout(html.parser.HTMLParser):
    """Reads the visible texts of a mail with the colours that stand in place.

    With `dark` the rules of the mail's style block for a dark screen come over them.
    """

    def __init__(self, page: str, *, dark: bool = False) -> None:
        super().__init__()
        self.pieces: list[Piece] = []
        self._rules = _dark_rules(page) if dark else {}
        self._open: list[tuple[str, Piece, bool]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter an element: its colours are its parent's, unless it has its own."""
        named = {name: value or "" for name, value in attrs}
        above = self._open[-1] if self._open else ("", Piece("", "", "", ()), True)
        style = dict(re.findall(r"(?:^|;)([a-z-]+):([^;]+)", named.get("style", "")))
        own = {
            "colour": style.get("color", above[1].colour),
            "ground": style.get("background-color", above[1].ground),
        }
        for word in named.get("class", "").split():
            own |= self._rules.get(word, {})
        classes = tuple(named.get("class", "").split())
        seen = above[2] and style.get("display") != "none" and tag not in {"style", "title", "head"}
        if tag not in VOID:
            piece = Piece("", own["colour"], own["ground"], classes, named.get("href", ""))
            self._open.append((tag, piece, seen))

    def handle_endtag(self, tag: str) -> None:
        """Leave an element."""
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Take a text that is seen."""
        if self._open and self._open[-1][2] and data.strip():
            self.pieces.append(replace(self._open[-1][1], words=" ".join(data.split())))

    @property
    def words(self) -> str:
        """All that is seen, as one text."""
        return " ".join(piece.words for piece in self.pieces)

    @property
    def buttons(self) -> list[Piece]:
        """What is pressed as a button."""
        return [piece for piece in self.pieces if piece.href and "fill" in piece.classes]


def _dark_rules(page: str) -> dict[str, dict[str, str]]:
    """Give the colours of each class on a dark screen."""
    block = page.partition("@media (prefers-color-scheme:dark){")[2].partition("</style>")[0]
    rules: dict[str, dict[str, str]] = {}
    for selectors, body in re.findall(r"([^{}]+)\{([^}]+)\}", block):
        given = dict(re.findall(r"([a-z-]+):(#\w+)", body))
        own = {
            "colour": given.get("color"),
            "ground": given.get("background-color"),
        }
        for selector in selectors.strip().split(","):
            if re.fullmatch(r"\.\w+", selector):
                name = selector.removeprefix(".")
                found = {part: colour for part, colour in own.items() if colour}
                rules[name] = rules.get(name, {}) | found
    return rules


@pytest.mark.parametrize("message", Message)
@pytest.mark.parametrize("name", NAMES)
def test_a_mail_has_one_button(message: Message, name: str) -> None:
    """Whoever opens it sees at once the one thing to do."""
    for lang, mail in mails(message, name):
        [button] = Layout(mail.html).buttons
        assert button.words, lang
        assert button.href.startswith(("https://", "mailto:"))
        assert "mso-padding-alt" in mail.html, "Outlook pads the cell, no other program does"


@pytest.mark.parametrize("message", Message)
@pytest.mark.parametrize("name", NAMES)
def test_the_text_twin_says_all_that_the_mail_says(message: Message, name: str) -> None:
    """Who reads mails as text, or has them read out, misses nothing."""
    for _, mail in mails(message, name):
        told = " ".join(mail.text.split())
        layout = Layout(mail.html)
        for piece in layout.pieces[1:]:  # the first is the clinic's name: the sender's
            for sentence in re.split(r"(?<=[.?!:])\s+", piece.words.strip(" –:")):
                assert sentence in told, sentence
            if piece.href.startswith("https:"):
                assert piece.href in mail.text
        assert layout.pieces[0].words in f"{mail.subject} {told}"


@pytest.mark.parametrize("message", Message)
def test_a_mail_is_found_by_its_first_words_in_the_list_of_mails(message: Message) -> None:
    """Beside the subject a mail program shows what it is about, from the mail itself."""
    for _, mail in mails(message, "riga-aesthetics"):
        [hidden] = re.findall(r'aria-hidden="true">(.*?)&#847;', mail.html)
        told = " ".join(mail.text.split())
        for sentence in re.split(r"(?<=[.?!])\s+|, ", html.unescape(hidden)):
            assert sentence.strip(".") in told
        assert len(hidden) > 10


@pytest.mark.parametrize("message", Message)
def test_a_mail_takes_nothing_from_anywhere_and_is_600_pixels_wide(message: Message) -> None:
    """Nobody learns that it was opened, and it fits every window."""
    for _, mail in mails(message, "tbilisi-ultrasound"):
        assert not re.search(r"<(img|link|script|iframe|svg|object)|url\(|@import|data:", mail.html)
        assert "max-width:600px" in mail.html
        widths = {int(width) for width in re.findall(r'width[=:]"?(\d+)(?:px)?["; ]', mail.html)}
        assert max(widths - {619}) == 600


def _as_it_is(colour: str) -> str:
    return colour


def _inverted(colour: str) -> str:
    """Turn light to dark and dark to light, as mail programs do that know no dark colours."""
    red, green, blue = (channel / 255 for channel in bytes.fromhex(colour[1:]))
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    turned = colorsys.hls_to_rgb(hue, 1 - lightness, saturation)
    return "#" + bytes(round(channel * 255) for channel in turned).hex()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("colour", COLOURS)
def test_every_word_is_readable_in_any_clinics_colour(colour: str, *, dark: bool) -> None:
    """Bright yellow or deep black, by day or by night."""
    for message in Message:
        branded = clinic()._replace(brand=shades(colour))
        assert _faint(message, branded, _as_it_is, dark=dark) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_word_is_readable_where_a_program_turns_the_colours(name: str) -> None:
    """Gmail on a phone makes a mail dark by itself: what was written on light is written on dark."""
    for message in Message:
        assert _faint(message, clinic(name), _inverted, dark=False) == []


def _faint(
    message: Message, of: Clinic, shown: Callable[[str], str], *, dark: bool
) -> list[tuple[str, str, str]]:
    """Give the texts of a mail that are too faint, with their colours."""
    mail = email_of(message_content(message, of, of.default_language))
    pieces = Layout(mail.html, dark=dark).pieces
    assert {piece.ground for piece in pieces} >= {of.brand.dark_fill if dark else of.brand.fill}
    return [
        (piece.words, piece.colour, piece.ground)
        for piece in pieces
        if contrast(shown(piece.colour), shown(piece.ground)) < READABLE
    ]


def test_what_is_too_faint_is_found() -> None:
    """The checks above are ones that can fail."""
    grey = clinic()._replace(brand=Brand(link="#999999", dark_link="#555555"))
    assert _faint(Message.LINK, grey, _as_it_is, dark=False)
    assert _faint(Message.LINK, grey, _as_it_is, dark=True)
