"""What the pages should say in each language, and what in them is of another."""

import re
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from typing import Any

from babel.messages.pofile import read_po

from chalicelib.presentation.i18n import catalog
from infra.build.catalogs import template_file


def translated(lang: str, message: str, **values: object) -> str:
    """Give a message of the portal in a language."""
    return catalog(lang).gettext(message) % values if values else catalog(lang).gettext(message)


@cache
def _english() -> tuple[re.Pattern[str], ...]:
    """Give every English message as a pattern.

    Sentences match anywhere in a text, between words; single words only the whole text.
    """
    with template_file().open("rb") as file:
        messages = [message.id for message in read_po(file) if message.id]
    texts = [
        text
        for message in messages
        for text in ([message] if isinstance(message, str) else message)
    ]
    patterns = []
    for text in texts:
        written = re.sub(r"%\\\(\w+\\\)s", ".+", re.escape(" ".join(text.split())))
        patterns.append(re.compile(rf"(?<!\w){written}(?!\w)" if " " in text else f"^{written}$"))
    return tuple(patterns)


def foreign_words(texts: Sequence[str], lang: str, others: Collection[str]) -> Iterator[str]:
    """Yield the texts of a page in `lang` that are in another language."""
    for text in texts:
        if (lang != "en" and any(pattern.search(text) for pattern in _english())) or any(
            each in text for each in others
        ):
            yield text


def texts_of_others(document: Any, lang: str) -> set[str]:
    """Collect a clinic's sentences in every language but `lang`."""
    if isinstance(document, list):
        return {text for each in document for text in texts_of_others(each, lang)}
    if not isinstance(document, dict):
        return set()
    if lang in document:
        own = " ".join(str(document[lang]).split())
        written = {
            " ".join(str(text).split()) for language, text in document.items() if language != lang
        }
        return {text for text in written if len(text) > 12 and text not in own}
    return {text for each in document.values() for text in texts_of_others(each, lang)}
