"""Build the OpenAPI document `chalicelib/web/openapi.json` from its source in `docs/openapi/`.

    python -m infra.build.openapi          # after a change of the source: write the document anew
    python -m infra.build.openapi check    # is the document what the source gives? Part of `make check`

The source is one document in several files, put together in this order: `openapi.yaml` with the list of tags, the files
in `shared/`, and for each tag the file in `calls/` that has its name. Each file may hold `paths` and `components`.
A `$ref` means what it means in the document: `#/components/…`.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "docs" / "openapi"
DOCUMENT = ROOT / "chalicelib" / "web" / "openapi.json"
REMEDY = "run `python -m infra.build.openapi`"

YAML_1_1_ONLY = {"tag:yaml.org,2002:bool", "tag:yaml.org,2002:timestamp"}


class SourceError(Exception):
    """The source is no OpenAPI document; the message names the file and the mistake."""


class Loader(yaml.SafeLoader):
    """Reads YAML 1.2, as editors do: `yes`, `no` and dates are texts, and no name may stand twice in one place."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own attribute, which it does not type as a ClassVar
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in YAML_1_1_ONLY]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - PyYAML's
        """Give a mapping; PyYAML would silently take the last of two entries of the same name."""
        names = [key.value for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"“{name}” stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile("^(true|false)$"), list("tf"))


def build(source: Path = SOURCE) -> dict[str, Any]:
    """Put the document together; raise SourceError where the source is wrong."""
    root = source / "openapi.yaml"
    document = read(root)
    tags = [tag["name"] for tag in document["tags"]]
    calls = [source / "calls" / f"{file_name(tag)}.yaml" for tag in tags]
    for path in sorted((source / "calls").glob("*.yaml")):
        if path not in calls:
            raise SourceError(f"{path.name} belongs to no tag: name its tag in {root.name}.")
    parts = {path: read(path) for path in [*sorted((source / "shared").glob("*.yaml")), *calls]}
    for path, part in parts.items():
        add(document, part, path)
    for tag, path in zip(tags, calls, strict=True):
        check_tags(parts[path], tag, path)
    for mistake in mistakes(document):
        raise SourceError(mistake)
    return document


def file_name(tag: str) -> str:
    """Return the name of a tag's file without its ending: `Own pages` is in `own-pages`."""
    return tag.lower().replace(" ", "-")


def read(path: Path) -> dict[str, Any]:
    """Read one file of the source."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 - derived from SafeLoader
    except FileNotFoundError as error:
        raise SourceError(f"{path.parent.name}/{path.name} is missing; a tag has a file of its name.") from error
    except yaml.YAMLError as error:
        raise SourceError(f"{path.name} is not readable: {error}") from error
    if not isinstance(content, dict):
        raise SourceError(f"{path.name} must hold `paths`, `components` or both.")
    return content


def add(document: dict[str, Any], part: dict[str, Any], path: Path) -> None:
    """Add the paths and components of one file; the same name in two files is a mistake."""
    for name in part:
        if name not in {"paths", "components"}:
            raise SourceError(f"{path.name}: “{name}” belongs into openapi.yaml.")
    add_entries(document.setdefault("paths", {}), part.get("paths", {}), path)
    components = document.setdefault("components", {})
    for kind, entries in part.get("components", {}).items():
        add_entries(components.setdefault(kind, {}), entries, path)


def add_entries(target: dict[str, Any], entries: dict[str, Any], path: Path) -> None:
    """Add named entries to those there are."""
    for name, entry in entries.items():
        if name in target:
            raise SourceError(f"{path.name}: “{name}” is described in another file already.")
        target[name] = entry


def check_tags(part: dict[str, Any], tag: str, path: Path) -> None:
    """Make sure that a file holds the calls of its own tag and no others."""
    for address, methods in part.get("paths", {}).items():
        for method, operation in methods.items():
            if operation.get("tags") != [tag]:
                raise SourceError(f"{path.name}: {method} {address} must have `tags: [{tag}]`, as its file says.")


def mistakes(document: dict[str, Any]) -> Iterator[str]:
    """Yield a sentence for each reference to nothing and for each component that nothing uses."""
    defined = {
        f"#/components/{kind}/{name}"
        for kind, entries in document["components"].items()
        if kind != "securitySchemes"  # these are used by name
        for name in entries
    }
    used = set(references(document))
    for reference in sorted(used - defined):
        yield f"{reference} is used and not there."
    for reference in sorted(defined - used):
        yield f"{reference} is not used: remove it."


def references(node: Any) -> Iterator[str]:
    """Yield every `$ref` in a part of the document."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)


def as_text(document: dict[str, Any]) -> str:
    """Return the document as the text of its file: the same for the same source."""
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def main(arguments: list[str], source: Path = SOURCE) -> int:
    """Build, or check; return the exit code."""
    try:
        text = as_text(build(source))
    except SourceError as error:
        print(f"docs/openapi: {error}", file=sys.stderr)
        return 1
    if arguments == ["check"]:
        if DOCUMENT.read_text(encoding="utf-8") == text:
            print("The OpenAPI document is what its source gives.")
            return 0
        print(f"chalicelib/web/openapi.json is not what docs/openapi/ gives: {REMEDY}.", file=sys.stderr)
        return 1
    DOCUMENT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
