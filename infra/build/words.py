"""Writes a sheet with every sentence in every language, for those who were born to one of them.

    python -m infra.build.words               # write build/words.html
    python -m infra.build.words lv            # only the English and the Latvian
    python -m infra.build.words sign lv "Anna Ozola" 1f3a9c02 77b0e4d1
                                              # she has read these sentences and they are right

`make words` writes the whole sheet. Each sentence has a mark there, which is made of the English
and the translation. `locales/signed_off.json` keeps the marks that somebody signed off. Where the
English or the translation changes, its mark is another, and it waits to be read again.
"""

import datetime as dt
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from gettext import c2py
from itertools import islice
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chalicelib.domain.languages import ENDONYMS, LANGUAGES
from infra.build.catalogs import ROOT, SOURCE_LANGUAGE, catalog_file

SHEET = ROOT / "build" / "words.html"
EXAMPLES = 6
"""How many numbers stand beside each plural form."""

NUMBERS = range(122)
"""The numbers that they are taken from."""

SignOffs = dict[str, dict[str, dict[str, str]]]
"""By language and mark: who signed off (`by`), and on which day (`on`)."""


class SignOffError(Exception):
    """A mark that no sentence of the language has now."""


@dataclass(frozen=True)
class Translation:
    """A sentence in one language."""

    lang: str
    mark: str
    forms: tuple[tuple[str, str], ...]
    """Each form, after the numbers it is for; these are empty where there is one form."""
    by: str = ""
    on: str = ""


@dataclass(frozen=True)
class Sentence:
    """A message of the code, with where it stands and what it is in each language."""

    places: tuple[str, ...]
    context: str
    placeholders: tuple[str, ...]
    translations: tuple[Translation, ...]


def sign_off_file(root: Path = ROOT) -> Path:
    """Return the path of the file of sign-offs."""
    return root / "locales" / "signed_off.json"


def read_sign_offs(root: Path = ROOT) -> SignOffs:
    """Read who signed off what."""
    path = sign_off_file(root)
    kept: SignOffs = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return kept


def mark(lang: str, message: Message) -> str:
    """Return what a sentence is signed off by: eight digits of a hash of it and its translation."""
    seen = [lang, message.context or "", *_forms(message.id), "", *_forms(message.string)]
    written = json.dumps(seen, ensure_ascii=False)
    return hashlib.sha256(written.encode()).hexdigest()[:8]


def sign(lang: str, by: str, marks: Sequence[str], on: str, root: Path = ROOT) -> None:
    """Keep that somebody signed off sentences; forget the marks that no sentence has any more.

    Raises SignOffError for a mark that the language does not have, and then keeps nothing.
    """
    now = {mark(lang, message) for message in _catalog(lang, root) if message.id}
    if unknown := [each for each in marks if each not in now]:
        raise SignOffError(
            f"No sentence has the mark {', '.join(unknown)} in {lang!r}. Write the sheet anew: "
            "the English or the translation has changed."
        )
    kept = read_sign_offs(root)
    signed = {each: entry for each, entry in kept.get(lang, {}).items() if each in now}
    signed |= {each: {"by": by, "on": on} for each in marks}
    kept[lang] = signed
    written = json.dumps(kept, ensure_ascii=False, indent=2, sort_keys=True)
    sign_off_file(root).write_text(written + "\n", encoding="utf-8")


def sentences(languages: Sequence[str], root: Path = ROOT) -> Iterator[Sentence]:
    """Yield every sentence, in the order of the files it stands in."""
    catalogs = {lang: _catalog(lang, root) for lang in languages}
    signed = read_sign_offs(root)
    for message in catalogs[SOURCE_LANGUAGE]:
        if not message.id:
            continue
        key = _forms(message.id)[0]
        translations = []
        for lang in languages:
            # A catalog has every message of the others: the check of the catalogs holds it.
            translated = catalogs[lang].get(key, message.context) or message
            translations.append(_translation(lang, catalogs[lang], translated, signed))
        yield Sentence(
            tuple(sorted({place for place, _ in message.locations})),
            message.context or "",
            tuple(sorted(set(_placeholders(message)))),
            tuple(translations),
        )


def _translation(lang: str, catalog: Catalog, message: Message, signed: SignOffs) -> Translation:
    found = mark(lang, message)
    forms = _forms(message.string)
    numbers = _numbers(catalog, len(forms)) if len(_forms(message.id)) > 1 else [""]
    entry = signed.get(lang, {}).get(found, {})
    return Translation(lang, found, tuple(zip(numbers, forms, strict=True)), **entry)


def _numbers(catalog: Catalog, forms: int) -> list[str]:
    """Return for each plural form the first numbers that it is for."""
    form_of = c2py(catalog.plural_expr)
    return [_written(list(islice(_having(form_of, form), EXAMPLES + 1))) for form in range(forms)]


def _written(numbers: Sequence[int]) -> str:
    """Write the first numbers, and whether there are more."""
    more = ["…"] if len(numbers) > EXAMPLES else []
    return ", ".join([*map(str, numbers[:EXAMPLES]), *more])


def _having(form_of: Any, form: int) -> Iterator[int]:
    return (number for number in NUMBERS if form_of(number) == form)


def _placeholders(message: Message) -> Iterator[str]:
    for text in _forms(message.id):
        for part in text.split("%(")[1:]:
            yield part.partition(")")[0]


def _forms(text: Any) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def _catalog(lang: str, root: Path) -> Catalog:
    with catalog_file(lang, root).open("rb") as file:
        return read_po(file, locale=lang)


def sheet(languages: Sequence[str], root: Path = ROOT) -> str:
    """Return the sheet as HTML: the sentences by the first file they stand in."""
    by_place: dict[str, list[Sentence]] = {}
    for sentence in sentences(languages, root):
        by_place.setdefault(sentence.places[0], []).append(sentence)
    written: str = _template().render(
        languages=languages,
        endonyms=ENDONYMS,
        by_place=dict(sorted(by_place.items())),
        counts=_counts(languages, by_place),
    )
    return written


def _counts(
    languages: Sequence[str], by_place: Mapping[str, Sequence[Sentence]]
) -> dict[str, tuple[int, int]]:
    """Return for each language how many sentences are signed off, of how many."""
    counts = {}
    for place, lang in enumerate(languages):
        read = [each.translations[place] for part in by_place.values() for each in part]
        counts[lang] = (sum(bool(each.by) for each in read), len(read))
    return counts


def _template() -> Any:
    env = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return env.get_template("words.html")


def main(arguments: Sequence[str]) -> int:
    """Write the sheet, or sign off; return the exit code."""
    match arguments:
        case ["sign", lang, by, *marks] if lang in LANGUAGES and by and marks:
            try:
                sign(lang, by, marks, dt.datetime.now(dt.UTC).date().isoformat())
            except SignOffError as error:
                print(error)
                return 1
            print(f"{by} has signed off {len(marks)} in {ENDONYMS[lang]}.")
        case [*chosen] if set(chosen) <= set(LANGUAGES):
            others = [lang for lang in LANGUAGES if lang != SOURCE_LANGUAGE]
            SHEET.parent.mkdir(exist_ok=True)
            SHEET.write_text(sheet([SOURCE_LANGUAGE, *(chosen or others)]), encoding="utf-8")
            print(f"Every sentence is in {SHEET.relative_to(ROOT)}.")
        case _:
            print((__doc__ or "").strip())
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
