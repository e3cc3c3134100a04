"""Build the OpenAPI document `chalicelib/web/openapi.json` from its source in `docs/openapi/`.

    python -m infra.build.openapi          # after a change of the source: write the document
    python -m infra.build.openapi check    # is the document up to date? Part of `make check`

The source is one document in several files, put together in this order: `openapi.yaml` with the
list of tags, the files in `shared/`, and for each tag the file in `calls/` that has its name. A
file holds `paths`, `components` or both. A `$ref` is written as it is in the finished document:
`#/components/…`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from chalicelib.domain.api_keys import SCOPES
from chalicelib.domain.languages import LANGUAGES

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "docs" / "openapi"
DOCUMENT = ROOT / "chalicelib" / "web" / "openapi.json"

SECTIONS = ("paths", "components")
YAML_1_1_TYPES = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp")


class SourceError(Exception):
    """The source is not an OpenAPI document; the message names the file and the mistake."""


class Loader(yaml.SafeLoader):
    """Reads YAML 1.2, as editors do: `yes`, `no` and dates are texts.

    A name that is there twice is an error; PyYAML would silently take the second.
    """

    def construct_mapping(
        self,
        node: yaml.MappingNode,
        deep: bool = False,  # noqa: FBT001, FBT002 - PyYAML's signature
    ) -> dict[Any, Any]:
        """Return a mapping whose names are all different."""
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                problem = f"“{key.value}” is there twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def yaml_1_2_resolvers() -> dict[str, list[tuple[str, Any]]]:
    """Return how PyYAML finds the type of a plain text, by its first letter."""
    resolvers = {}
    for first, types in yaml.SafeLoader.yaml_implicit_resolvers.items():
        resolvers[first] = [(tag, form) for tag, form in types if tag not in YAML_1_1_TYPES]
    return resolvers


Loader.yaml_implicit_resolvers = yaml_1_2_resolvers()
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def build(source: Path = SOURCE) -> dict[str, Any]:
    """Return the document; raise SourceError where the source is wrong."""
    document = read(source / "openapi.yaml")
    document["paths"] = {}
    for path in sorted((source / "shared").glob("*.yaml")):
        add(document, read(path), path)
    files = {file_name(tag["name"]): tag["name"] for tag in document["tags"]}
    for path in sorted((source / "calls").glob("*.yaml")):
        if path.name not in files:
            raise SourceError(f"{label(path)} belongs to no tag: name its tag in openapi.yaml.")
    for name, tag in files.items():
        path = source / "calls" / name
        part = read(path)
        check_tags(part, tag, path)
        add(document, part, path)
    fill_in_languages(document)
    fill_in_scopes(document)
    fill_in_scope_names(document)
    for mistake in mistakes(document):
        raise SourceError(mistake)
    return document


def fill_in_languages(document: dict[str, Any]) -> None:
    """Give the schema `Language` the languages of `domain/languages.py`."""
    schemas = document.get("components", {}).get("schemas", {})
    if "Language" in schemas:
        schemas["Language"]["enum"] = list(LANGUAGES)


def fill_in_scopes(document: dict[str, Any]) -> None:
    """Write the scopes of `domain/api_keys.py` for `{scopes}` in the description of bearer keys."""
    for scheme in document["components"].get("securitySchemes", {}).values():
        scheme["description"] = scheme["description"].replace("{scopes}", ", ".join(SCOPES))


def fill_in_scope_names(document: dict[str, Any]) -> None:
    """Give the schema `Scope` the scopes of `domain/api_keys.py`."""
    schemas = document.get("components", {}).get("schemas", {})
    if "Scope" in schemas:
        schemas["Scope"]["enum"] = list(SCOPES)


def file_name(tag: str) -> str:
    """Return the name of a tag's file: `Own pages` is in `own-pages.yaml`."""
    return tag.lower().replace(" ", "-") + ".yaml"


def label(path: Path) -> str:
    """Return what a message calls a file of the source: its folder and name."""
    return f"{path.parent.name}/{path.name}"


def read(path: Path) -> dict[str, Any]:
    """Return the content of one file of the source."""
    try:
        text = path.read_text(encoding="utf-8")
        content = yaml.load(text, Loader)  # noqa: S506 - derived from SafeLoader
    except FileNotFoundError as error:
        raise SourceError(f"{label(path)} is missing: each tag has a file of its name.") from error
    except yaml.YAMLError as error:
        raise SourceError(f"{label(path)} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SourceError(f"{label(path)} must hold `paths`, `components` or both.")
    return content


def add(document: dict[str, Any], part: dict[str, Any], path: Path) -> None:
    """Add the paths and components of one file."""
    for name in part:
        if name not in SECTIONS:
            raise SourceError(f"{label(path)}: “{name}” belongs into openapi.yaml.")
    add_entries(document["paths"], part.get("paths", {}), path)
    for kind, entries in part.get("components", {}).items():
        add_entries(document["components"].setdefault(kind, {}), entries, path)


def add_entries(target: dict[str, Any], entries: dict[str, Any], path: Path) -> None:
    """Add named entries; the same name in two files is a mistake."""
    for name, entry in entries.items():
        if name in target:
            raise SourceError(f"{label(path)}: “{name}” is described in another file already.")
        target[name] = entry


def check_tags(part: dict[str, Any], tag: str, path: Path) -> None:
    """Make sure that all calls in a file have the tag that the file is named after."""
    for address, methods in part.get("paths", {}).items():
        for method, operation in methods.items():
            if operation.get("tags") != [tag]:
                call = f"{method} {address}"
                raise SourceError(f"{label(path)}: {call} must have `tags: [{tag}]`.")


def mistakes(document: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each reference to nothing, each unused component, each unknown scope."""
    defined: set[str] = set()
    for kind, entries in document["components"].items():
        if kind != "securitySchemes":  # calls name these without a $ref
            defined.update(f"#/components/{kind}/{name}" for name in entries)
    used = set(references(document))
    for reference in sorted(used - defined):
        yield f"{reference} is used and not described."
    for reference in sorted(defined - used):
        yield f"{reference} is not used: remove it."
    for address, methods in document["paths"].items():
        for method, operation in methods.items():
            for scope in needed_scopes(operation):
                if scope not in SCOPES:
                    yield f"{method} {address}: “{scope}” is not a scope of domain/api_keys.py."


def needed_scopes(operation: dict[str, Any]) -> Iterator[str]:
    """Yield the scopes of which a call needs one."""
    for alternative in operation.get("security", []):
        yield from alternative.get("bearer", [])


def references(node: Any) -> Iterator[str]:
    """Yield every `$ref` in a part of the document."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for value in node.values():
            yield from references(value)


def as_text(document: dict[str, Any]) -> str:
    """Return the content of the document's file: the same for the same source."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def main(arguments: list[str], source: Path = SOURCE) -> int:
    """Build, or check; return the exit code."""
    try:
        text = as_text(build(source))
    except SourceError as error:
        print(f"docs/openapi: {error}", file=sys.stderr)
        return 1
    if arguments != ["check"]:
        DOCUMENT.write_text(text, encoding="utf-8")
        return 0
    if DOCUMENT.read_text(encoding="utf-8") == text:
        print("The OpenAPI document is up to date.")
        return 0
    name = DOCUMENT.relative_to(ROOT)
    remedy = "run `python -m infra.build.openapi`"
    print(f"{name} is not what docs/openapi/ gives: {remedy}.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
