"""Extracts the texts of code and templates, and updates, checks and compiles the catalogs.

    python -m infra.build.catalogs update    # after a change of text: write the .pot and every .po
    python -m infra.build.catalogs check     # complete, up to date, placeholders right?

`make check` runs the check. English is the language of the messages in the code. It has a catalog
like the others, so that its wording can change without the code; new messages enter it as they are.
"""

import copy
import datetime as dt
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from chalicelib.domain.languages import LANGUAGES

SOURCE_LANGUAGE = "en"
ROOT = Path(__file__).resolve().parents[2]

_METHODS = {
    "chalicelib": [("**.py", "python")],
    "templates": [("**.html", "jinja2"), ("**.txt", "jinja2")],
}
_OPTIONS = {"templates": {"**": {"trimmed": "true", "silent": "false"}}}
_KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,
    "N_": None,
    "gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
# A time in the header would make every extraction a change.
_NO_TIME = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def template_file(root: Path = ROOT) -> Path:
    """Return the path of the .pot, the list of all messages."""
    return root / "locales" / "messages.pot"


def catalog_file(language: str, root: Path = ROOT) -> Path:
    """Return the path of a language's .po."""
    return root / "locales" / language / "LC_MESSAGES" / "messages.po"


def extracted(root: Path = ROOT) -> Catalog:
    """Return every message that code and templates contain now."""
    catalog = Catalog(
        project="consent-portal",
        creation_date=_NO_TIME,
        revision_date=_NO_TIME,
        charset="utf-8",
    )
    for folder, methods in _METHODS.items():
        found = extract_from_dir(
            root / folder,
            method_map=methods,
            options_map=_OPTIONS.get(folder, {}),
            keywords=_KEYWORDS,
            comment_tags=("NOTE:",),
            strip_comment_tags=True,
        )
        for name, _line, message, comments, context in found:
            place = (f"{folder}/{name}", 0)
            catalog.add(message, locations=[place], auto_comments=comments, context=context)
    return catalog


def _write(catalog: Catalog, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(
            file,
            catalog,
            sort_by_file=True,
            include_lineno=False,
            width=120,
            ignore_obsolete=True,
        )


def _read(path: Path, language: str | None = None) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update(root: Path = ROOT) -> None:
    """Write the .pot, and give every language's catalog the same messages."""
    template = extracted(root)
    _write(template, template_file(root))
    for language in LANGUAGES:
        path = catalog_file(language, root)
        new = Catalog(locale=language, project="consent-portal")
        catalog = _read(path, language) if path.exists() else new
        # Babel puts the template's message objects into the catalog: each language needs copies.
        catalog.update(copy.deepcopy(template), no_fuzzy_matching=True)
        catalog.creation_date = catalog.revision_date = _NO_TIME
        catalog.fuzzy = False
        if language == SOURCE_LANGUAGE:
            _fill_in(catalog)
        _write(catalog, path)


def _fill_in(catalog: Catalog) -> None:
    """Give every message without a translation the text of the code."""
    for message in _messages(catalog):
        if not _is_complete(message):
            message.string = message.id


def _messages(catalog: Catalog) -> Iterator[Message]:
    """Return the catalog's messages without its header, which is the message with an empty id."""
    return (message for message in catalog if message.id)


def _is_complete(message: Message) -> bool:
    strings = message.string
    if isinstance(strings, tuple | list):
        return bool(strings) and all(strings)
    return bool(strings)


def faults(root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for everything that is stale, missing or wrong."""
    keys = _keys(extracted(root))
    remedy = "run `python -m infra.build.catalogs update` and translate what is new"
    template = template_file(root)
    if not template.exists() or _keys(_read(template)) != keys:
        yield f"{template.relative_to(root)} is stale: {remedy}."
    for language in LANGUAGES:
        path = catalog_file(language, root)
        name = path.relative_to(root)
        if not path.exists():
            yield f"{name} is missing: {remedy}."
            continue
        catalog = _read(path, language)
        if _keys(catalog) != keys:
            yield f"{name} does not have the messages of the code: {remedy}."
        for fault in _faults_in(catalog):
            yield f"{name}: {fault}"


def _keys(catalog: Catalog) -> set[tuple[object, str | None]]:
    """Return what identifies the messages of a catalog."""
    return {(message.id, message.context) for message in _messages(catalog)}


def _faults_in(catalog: Catalog) -> Iterator[str]:
    """Yield a sentence for every message that is not translated, in doubt or wrong."""
    for message in _messages(catalog):
        text = message.id if isinstance(message.id, str) else message.id[0]
        forms = message.string
        if not _is_complete(message):
            yield f"“{text}” is not translated."
        elif message.fuzzy:
            yield f"“{text}” is marked fuzzy."
        elif isinstance(forms, tuple | list) and len(forms) != catalog.num_plurals:
            number = f"{len(forms)} plural forms instead of {catalog.num_plurals}"
            yield f"“{text}” has {number}."
        for error in message.check(catalog):
            yield f"“{text}”: {error}."


def compile_catalogs(target: Path, root: Path = ROOT) -> None:
    """Compile every language's catalog into `target`/<language>/LC_MESSAGES/messages.mo."""
    for language in LANGUAGES:
        path = catalog_file(language, root)
        if not path.exists():
            continue
        compiled = target / language / "LC_MESSAGES" / "messages.mo"
        compiled.parent.mkdir(parents=True, exist_ok=True)
        # Replaced in one step: another process may read the old file, or write the same one.
        unfinished = compiled.with_suffix(f".{os.getpid()}.mo")
        with unfinished.open("wb") as file:
            write_mo(file, _read(path, language))
        unfinished.replace(compiled)


def compile_stale() -> None:
    """Compile the catalogs in `locales/` where one is missing or older than its source."""
    for language in LANGUAGES:
        source = catalog_file(language)
        if source.exists() and _is_stale(source.with_suffix(".mo"), source):
            compile_catalogs(ROOT / "locales")
            return


def _is_stale(compiled: Path, source: Path) -> bool:
    return not compiled.exists() or compiled.stat().st_mtime < source.stat().st_mtime


def main(arguments: list[str]) -> int:
    """Run one of the commands; return the exit code."""
    match arguments:
        case ["update"]:
            update()
        case ["check"]:
            found = list(faults())
            print("\n".join(found) or "The catalogs are complete.")
            return 1 if found else 0
        case _:
            print((__doc__ or "").strip())
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
