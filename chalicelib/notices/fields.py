"""The fields of a clinic's document: read one by one, everything that is wrong in them collected.

A reader never stops at a mistake. It notes a `DocumentError` and returns an empty value of the
right type, so that an author sees all mistakes at once.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chalicelib.domain.clinic import Text
from chalicelib.domain.languages import LANGUAGES
from chalicelib.domain.one_line import is_one_line

MAX_PROBLEM = 120
"""How many characters of a problem are kept: a wrong value in it may be very long."""

MAX_EXCERPT = 40
"""How many characters of a value an example repeats."""

UNWRITABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML may hold (XML 1.0, 2.2), as a FHIR narrative and a PDF's metadata are."""


@dataclass(frozen=True, slots=True)
class DocumentError:
    """One thing wrong in a clinic's document: where, what, how to mend it, by which rule."""

    place: str
    problem: str
    remedy: str
    article: str | None = None

    def __str__(self) -> str:
        """Write it as one line."""
        line = f"{self.place}: {self.problem}. {self.remedy}"
        return f"{line} ({self.article})" if self.article else line


def describe(value: object) -> str:
    """Describe the value at a place to an author, who sees it as text."""
    match value:
        case None | "" | [] | {}:
            return "is missing or empty"
        case bool():
            return f"is {str(value).lower()}"
        case int() | float():
            return f"is the number {value}"
        case list():
            return f"is a list ({str(value)[:MAX_EXCERPT]})"
        case Mapping():
            return "has fields of its own"
        case _:
            return f"is {value!r}"


def unquoted_number(place: str, written: str) -> tuple[str, str]:
    """Return problem and remedy of a number, or a true or false, where a text is due."""
    what = "is read as true or false" if written.isalpha() else f"is the number {written}"
    remedy = f'Put it in quotes: `{field_name(place)}: "{written}"`'
    return f"{what}, and a text is due", remedy


def field_name(place: str) -> str:
    """Return a field's own name: `title` of the place ``purposes[1].title``."""
    without_number = re.sub(r"\[\d+\]$", "", place)
    return without_number.rpartition(".")[2]


def _excerpt(value: object) -> str:
    """Return a text that an example may repeat; "" where it is long or cannot be printed."""
    if not isinstance(value, str) or len(value) > MAX_EXCERPT:
        return ""
    return value if value.isprintable() and '"' not in value else ""


class FieldReader:
    """Reads the fields of one document and collects the errors in `faults`."""

    def __init__(self, articles: Mapping[str, str], keys: Mapping[str, str]) -> None:
        """Read by the `articles` that ask for each place and the `keys` that each part may have."""
        self.faults: list[DocumentError] = []
        self.languages: tuple[str, ...] = ()
        """The languages in which each text is due."""
        self.controllers: tuple[str, ...] = ()
        """The ids that a question may name as its controllers."""
        self._articles = articles
        self._keys = keys

    def fault(self, place: str, problem: str, remedy: str, article: str | None = None) -> None:
        """Note an error; the article is that of the place unless one is given."""
        article = article or self._article(place)
        error = DocumentError(place or "document", problem[:MAX_PROBLEM], remedy, article)
        self.faults.append(error)

    def _article(self, place: str) -> str | None:
        """Return the rule that asks for a place; None for what only the portal needs."""
        parts = re.sub(r"\[\d+\]", "", place).split(".")
        exact = self._articles.get(".".join(parts[:2]))
        return exact or self._articles.get(parts[0])

    def mapping(self, place: str, value: object) -> Mapping[str, Any]:
        """Read a part that has fields."""
        if isinstance(value, Mapping):
            return value
        remedy = "Write each as `field: value`, indented below it"
        self.fault(place, f"{describe(value)}, and it has fields", remedy)
        return {}

    def items(self, place: str, value: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Read a list of parts that have fields: each part's place, and the part."""
        if not isinstance(value, list) or not value:
            remedy = "Write a list with at least one `- ` entry"
            if isinstance(value, Mapping):
                begin = "Begin its first line with `- `"
                remedy = f"{begin} and indent the others as far as the text behind that"
            self.fault(place, f"{describe(value)}, and a list is due", remedy)
            return
        for number, entry in enumerate(value, start=1):
            item_place = f"{place}[{number}]"
            yield item_place, self.mapping(item_place, entry)

    def known_keys(self, place: str, value: Mapping[str, Any], allowed: str) -> None:
        """Note each key that is not among the allowed ones, which are parted by spaces."""
        for key in value:
            if key not in allowed.split():
                key_place = f"{place}.{key}".lstrip(".")
                remedy = self._where_it_belongs(key, allowed)
                error = DocumentError(key_place[:MAX_PROBLEM], "is not a known key", remedy)
                self.faults.append(error)

    def _where_it_belongs(self, key: str, allowed: str) -> str:
        """Return the remedy for a key in the wrong place: mostly its line is indented wrongly."""
        if key in LANGUAGES:
            remedy = "indent it by two spaces below the field whose text it is"
            return f"If {key} is a language, {remedy}"
        for part, keys in self._keys.items():
            if key in keys.split():
                return f"{key} belongs to {part}: check how far the line is indented"
        return f"Use one of: {allowed}"

    def matching(self, place: str, value: object, pattern: re.Pattern[str], remedy: str) -> str:
        """Read a text that has the form of a pattern."""
        if isinstance(value, str) and pattern.fullmatch(value):
            return value
        if not self._is_number(place, value):
            self.fault(place, describe(value), remedy)
        return ""

    def _is_number(self, place: str, value: object) -> bool:
        """Tell whether a number, or a true or false, stands where a text is due; note it."""
        if not isinstance(value, int | float):
            return False
        problem, remedy = unquoted_number(place, str(value).lower())
        self.fault(place, problem, remedy)
        return True

    def list_expected(self, place: str, value: object, allowed: str) -> None:
        """Note what stands where a list of words is due; a text is shown as the list it means."""
        words = re.findall(r"[^\s,\[\]]+", value) if isinstance(value, str) else []
        example = "a list of"
        if words:
            example = f"`{field_name(place)}: [{', '.join(words)}]`, of"
        remedy = f"Write {example}: {allowed}"
        self.fault(place, f"{describe(value)}, and a list is due", remedy[:MAX_PROBLEM])

    def choice(self, place: str, value: object, allowed: Sequence[str]) -> str:
        """Read one of the allowed texts; the first of them where it is none."""
        if isinstance(value, str) and value in allowed:
            return value
        if not self._is_number(place, value):
            self.fault(place, describe(value), f"Use one of: {', '.join(allowed)}")
        return allowed[0]

    def line(self, place: str, value: object, *, required: bool = True) -> str:
        """Read a text of one line that is the same in every language."""
        if isinstance(value, str) and value.strip():
            self._check_writable(place, value)
            return self._check_one_line(place, value.strip())
        is_due = required or value is not None
        if is_due and not self._is_number(place, value):
            remedy = "Write a text, in quotes if it starts with a sign or a digit"
            self.fault(place, describe(value), remedy)
        return ""

    def _check_one_line(self, place: str, value: str) -> str:
        """Refuse what does not fit into the header of a mail, as the sender's name has to."""
        already_noted = UNWRITABLE.search(value)
        if not is_one_line(value) and not already_noted:
            self.fault(place, "has a line break or a control character", "Write it in one line")
        return value

    def _check_writable(self, place: str, value: str) -> None:
        """Refuse a character that XML cannot hold; it has a number, because it cannot be seen."""
        unwritable = UNWRITABLE.search(value)
        if unwritable:
            line = value.count("\n", 0, unwritable.start()) + 1
            code = f"U+{ord(unwritable[0]):04X}"
            problem = f"has a character that cannot be written ({code}, line {line})"
            remedy = "Remove it; it often comes with text copied from another program"
            self.fault(place, problem, remedy)

    def name(self, place: str, value: object) -> Text:
        """Read a text of one line in every language."""
        names = self.text(place, value)
        for lang, name in names.items():
            self._check_one_line(f"{place}.{lang}", name)
        return names

    def text(self, place: str, value: object) -> Text:
        """Read a text in every language of the clinic."""
        if not isinstance(value, Mapping):
            self.text_expected(place, value)
            return dict.fromkeys(self.languages, "")
        for lang in self.languages:
            self._check_text(f"{place}.{lang}", value.get(lang), lang)
        for lang in value:
            if lang not in self.languages:
                remedy = "Add it to `languages` or remove it"
                self.fault(f"{place}.{lang}", "is in a language the clinic does not list", remedy)
        return {lang: str(value.get(lang, "")).strip() for lang in self.languages}

    def _check_text(self, place: str, value: object, lang: str) -> None:
        """Check the text in one language."""
        if isinstance(value, str) and value.strip():
            self._check_writable(place, value)
        elif not self._is_number(place, value):
            is_empty = value is None or isinstance(value, str)
            problem = "has no text" if is_empty else describe(value)
            self.fault(place, problem, f"Write the text in this language ({lang})")

    def optional_text(self, place: str, value: object) -> Text | None:
        """Read a text in every language that may be left out altogether."""
        return None if value is None else self.text(place, value)

    def text_expected(self, place: str, value: object) -> None:
        """Note what stands where a text in each language is due."""
        problem, first = "is missing or empty", "…"
        if value is not None:
            problem = f"{describe(value)}, and a text for each language is due"
            first = _excerpt(value) or "…"
        texts = [f'{lang}: "…"' for lang in self.languages]
        if self.languages:
            texts[0] = f'{self.languages[0]}: "{first}"'
        example = f"{field_name(place)}: {{{', '.join(texts)}}}"
        self.fault(place, problem, f"Write `{example}`, or a line a language, indented below it")

    def check_distinct(self, place: str, ids: Sequence[str]) -> None:
        """Note each id that is there more than once."""
        twice = {each for each in ids if each and ids.count(each) > 1}
        for each in sorted(twice):
            self.fault(place, f"has {each!r} twice", "Give each its own id")
