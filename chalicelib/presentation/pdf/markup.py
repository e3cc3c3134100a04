"""The HTML that a printed page is written in, as a tree."""

from dataclasses import dataclass, field
from html.parser import HTMLParser

Attributes = list[tuple[str, str | None]]
"""Attributes as the parser of HTML gives them."""

_VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
_ELSEWHERE = frozenset({"head", "footer", "svg"})
"""What is no part of the text: a footer stands on each page, and a picture is drawn anew."""
_INLINE = frozenset({"a", "b", "br", "code", "em", "i", "small", "span", "strong", "time"})


@dataclass(frozen=True, slots=True)
class Node:
    """An element and what is in it: texts and further elements."""

    tag: str
    attributes: dict[str, str]
    children: list["Node | str"] = field(default_factory=list)

    @property
    def classes(self) -> list[str]:
        """The element's classes."""
        return self.attributes.get("class", "").split()

    @property
    def inline(self) -> bool:
        """Whether the element is part of a line."""
        return self.tag in _INLINE

    @property
    def seen(self) -> bool:
        """Whether the element is part of the text."""
        return self.tag not in _ELSEWHERE


def parse(html: str) -> Node:
    """Read HTML that one of our templates wrote, in which every element is closed."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.root


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Node("body", {})
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        node = _node(tag, attrs)
        self._open[-1].children.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_startendtag(self, tag: str, attrs: Attributes) -> None:
        self._open[-1].children.append(_node(tag, attrs))

    def handle_endtag(self, tag: str) -> None:
        is_open = any(node.tag == tag for node in self._open[1:])
        while is_open:
            is_open = self._open.pop().tag != tag

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


def _node(tag: str, attributes: Attributes) -> Node:
    named = {name: value or "" for name, value in attributes}
    return Node(tag, named)
