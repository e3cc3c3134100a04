"""The translations: extract what code and templates say, update and check each language's catalog, compile them.

    python -m infra.build.catalogs update    # after a change of text: the .pot anew, new messages into every .po
    python -m infra.build.catalogs check     # complete, fresh, placeholders right? Part of `make check`

English is the language of the messages in the code, and has a catalog like the others, so that its wording can change
without touching the code; new messages enter it as they are.
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

_METHODS = [("chalicelib/**.py", "python"), ("templates/**.html", "jinja2"), ("templates/**.txt", "jinja2")]
_OPTIONS = {"templates/**": {"trimmed": "true", "silent": "false"}}
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
    """Return the path of the .pot, the list of every message there is."""
    return root / "locales" / "messages.pot"


def catalog_file(language: str, root: Path = ROOT) -> Path:
    """Return the path of a language's .po."""
    return root / "locales" / language / "LC_MESSAGES" / "messages.po"


def extracted(root: Path = ROOT) -> Catalog:
    """Return every message that code and templates contain now."""
    catalog = Catalog(project="consent-portal", creation_date=_NO_TIME, revision_date=_NO_TIME, charset="utf-8")
    for folder in ("chalicelib", "templates"):
        found = extract_from_dir(
            root / folder,
            method_map=[
                (pattern.removeprefix(f"{folder}/"), method)
                for pattern, method in _METHODS
                if pattern.startswith(folder)
            ],
            options_map={
                pattern.removeprefix(f"{folder}/"): options
                for pattern, options in _OPTIONS.items()
                if pattern.startswith(folder)
            },
            keywords=_KEYWORDS,
            comment_tags=("NOTE:",),
            strip_comment_tags=True,
        )
        for name, _line, message, comments, context in found:
            catalog.add(message, locations=[(f"{folder}/{name}", 0)], auto_comments=comments, context=context)
    return catalog


def _write(catalog: Catalog, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalog, sort_by_file=True, include_lineno=False, width=120, ignore_obsolete=True)


def _read(path: Path, language: str | None = None) -> Catalog:
    with path.open("rb") as file:
        return read_po(file, locale=language)


def update(root: Path = ROOT) -> None:
    """Write the .pot anew and bring every language's catalog to the same set of messages."""
    template = extracted(root)
    _write(template, template_file(root))
    for language in LANGUAGES:
        path = catalog_file(language, root)
        catalog = _read(path, language) if path.exists() else Catalog(locale=language, project="consent-portal")
        # Babel puts the template's own messages into the catalog: each language needs its own.
        catalog.update(copy.deepcopy(template), no_fuzzy_matching=True)
        catalog.creation_date = catalog.revision_date = _NO_TIME
        catalog.fuzzy = False
        if language == SOURCE_LANGUAGE:
            for message in _messages(catalog):
                if not _complete(message):
                    message.string = message.id
        _write(catalog, path)


def _messages(catalog: Catalog) -> Iterator[Message]:
    """Return the catalog's messages without its header, which is the message with an empty id."""
    return (message for message in catalog if message.id)


def _complete(message: Message) -> bool:
    strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return bool(strings) and all(strings)


def _key(message: Message) -> tuple[object, str | None]:
    return message.id, message.context


def faults(root: Path = ROOT) -> Iterator[str]:
    """Yield a sentence for everything that is stale, missing or wrong."""
    now = {_key(message) for message in _messages(extracted(root))}
    remedy = "run `python -m infra.build.catalogs update` and translate what is new"
    if not template_file(root).exists() or {_key(message) for message in _messages(_read(template_file(root)))} != now:
        yield f"{template_file(root).relative_to(root)} is stale: {remedy}."
    for language in LANGUAGES:
        path = catalog_file(language, root)
        name = path.relative_to(root)
        if not path.exists():
            yield f"{name} is missing: {remedy}."
            continue
        catalog = _read(path, language)
        there = {_key(message): message for message in _messages(catalog)}
        if there.keys() != now:
            yield f"{name} does not have the messages of the code: {remedy}."
        for message in there.values():
            text = message.id if isinstance(message.id, str) else message.id[0]
            if not _complete(message):
                yield f"{name}: “{text}” is not translated."
            elif message.fuzzy:
                yield f"{name}: “{text}” is marked fuzzy."
            elif isinstance(message.string, tuple | list) and len(message.string) != catalog.num_plurals:
                forms = f"{len(message.string)} plural forms instead of {catalog.num_plurals}"
                yield f"{name}: “{text}” has {forms}."
            for error in message.check(catalog):
                yield f"{name}: “{text}”: {error}."


def compile_catalogs(target: Path, root: Path = ROOT) -> None:
    """Compile every language's catalog into `target`/<language>/LC_MESSAGES/messages.mo."""
    for language in LANGUAGES:
        path = catalog_file(language, root)
        if path.exists():
            compiled = target / language / "LC_MESSAGES" / "messages.mo"
            compiled.parent.mkdir(parents=True, exist_ok=True)
            # Whole at once: another process may read the one that is there, or make the same.
            unfinished = compiled.with_suffix(f".{os.getpid()}.mo")
            with unfinished.open("wb") as file:
                write_mo(file, _read(path, language))
            unfinished.replace(compiled)


def compile_stale() -> None:
    """Compile the catalogs beside their sources where one is missing or older than its source."""
    sources = [path for path in map(catalog_file, LANGUAGES) if path.exists()]
    made = [(source, source.with_suffix(".mo")) for source in sources]
    if any(not target.exists() or target.stat().st_mtime < source.stat().st_mtime for source, target in made):
        compile_catalogs(ROOT / "locales")


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
