"""Build what is deployed: `build/deployment.zip` and `build/sam.json`.

`chalice package` zips `app.py`, `chalicelib/`, `vendor/` and the requirements as it finds them. So a project is laid
out under `build/stage` where the requirements are already in `vendor/`, locked and trimmed, beside the compiled
templates and catalogs; afterwards the zip is written anew with bytecode in it, and always the same bytes for the same
input.

    python -m infra.build.bundle
"""

import fcntl
import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from infra.build.catalogs import compile_catalogs
from infra.build.dependencies import NotInstalledError, dependencies

ROOT = Path(__file__).resolve().parents[2]
STAGE = "portal"
OLDEST, NEWEST = (3, 11), (3, 13)
METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
# chalice wants to know a region, and asks for nothing there.
_REGION = "eu-north-1"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SOURCES = ("app.py", "requirements.txt", "chalicelib", "templates", "locales", ".chalice", "infra/template.yaml")
_BUILDERS = ("infra/build/bundle.py", "infra/build/dependencies.py", "infra/build/catalogs.py")
_LEFT_OUT = frozenset({"__pycache__", "deployments", "deployed"})
_COMPILE_TEMPLATES = """
from pathlib import Path
from chalicelib.presentation.templates import environment
folder = Path("vendor/templates")
env = environment(folder)
env.compile_templates(folder / "compiled", zip=None, ignore_errors=False)
"""


class NotBuiltError(Exception):
    """The bundle could not be built; the message is fit for a person."""


def bundle(root: Path = ROOT) -> Path:
    """Build the bundle unless it is already that of the present sources; return the folder `build`."""
    _require_python()
    build = root / "build"
    build.mkdir(exist_ok=True)
    with (build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would overwrite each other's files
        return _built(root, build)


def _built(root: Path, build: Path) -> Path:
    fingerprint = _fingerprint(root)
    stamp = build / "fingerprint"
    outputs = (build / "deployment.zip", build / "sam.json")
    if all(output.exists() for output in outputs) and stamp.exists() and stamp.read_text() == fingerprint:
        return build
    stamp.unlink(missing_ok=True)
    _lay_out(root, build)
    _package(root, build)
    _rewrite_zip(build / "packaged/deployment.zip", build / "deployment.zip")
    template = everything_to_the_function(yaml.safe_load((build / "packaged/sam.yaml").read_text()))
    (build / "sam.json").write_text(json.dumps(template, indent=1, ensure_ascii=False) + "\n")
    stamp.write_text(fingerprint)
    return build


def everything_to_the_function(template: dict[str, Any]) -> dict[str, Any]:
    """Let API Gateway send every address and every method to the function, which finds the route by itself.

    Chalice makes a resource of each route. What has none API Gateway answers in its own words: JSON to a patient, 403
    to a wrong method. Beside /{clinic} it takes no /{proxy+}: one variable part at a place.
    """
    body = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    one = next(iter(next(iter(body["paths"].values())).values()))
    operation = {name: part for name, part in one.items() if name != "parameters"}
    named = {"name": "proxy", "in": "path", "required": True, "type": "string"}
    body["paths"] = {
        "/": dict.fromkeys(METHODS, operation),
        "/{proxy+}": {method: {**operation, "parameters": [named]} for method in METHODS},
    }
    return template


def _require_python() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(map(str, sys.version_info[:2]))
        raise NotBuiltError(f"Python 3.11, 3.12 or 3.13 is needed, because Lambda runs the same one; this is {found}.")


def _files(place: Path) -> Iterator[Path]:
    """Yield the files of a place that matter, in a fixed order."""
    if place.is_file():
        yield place
    elif place.is_dir():
        for path in sorted(place.rglob("*")):
            if path.is_file() and path.suffix not in {".pyc", ".mo"} and not _LEFT_OUT & set(path.parts):
                yield path


def _fingerprint(root: Path) -> str:
    """Return a hash of everything the bundle depends on."""
    digest = hashlib.sha256(f"{sys.version}\0{version('chalice')}\0{version('babel')}\0{version('jinja2')}".encode())
    for name in (*_SOURCES, *_BUILDERS):
        for path in _files(root / name):
            content = path.read_bytes()
            digest.update(f"\0{path.relative_to(root)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _copy(source: Path, target: Path, *, only: str = "*") -> None:
    for path in _files(source):
        if path.match(only):
            place = target / path.relative_to(source) if source.is_dir() else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _lay_out(root: Path, build: Path) -> None:
    """Lay the project out under build/stage as chalice is to zip it."""
    stage = build / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    try:
        shutil.copytree(dependencies(root / "requirements.txt", build), stage / "vendor")
    except NotInstalledError as error:
        raise NotBuiltError(str(error)) from error
    (stage / "requirements.txt").touch()
    _copy(root / "app.py", stage / "app.py")
    _copy(root / "chalicelib", stage / "chalicelib")
    _copy(root / ".chalice", stage / ".chalice")
    _copy(root / "templates", stage / "vendor/templates")
    compile_catalogs(stage / "vendor/locales", root)
    _run([sys.executable, "-c", _COMPILE_TEMPLATES], stage, "The templates could not be compiled")


def _package(root: Path, build: Path) -> None:
    """Let chalice make the zip and the template, merged with ours."""
    shutil.rmtree(build / "packaged", ignore_errors=True)
    merge = ["--merge-template", str(root / "infra/template.yaml")]
    chalice = "import chalice.cli; chalice.cli.main()"
    command = [sys.executable, "-c", chalice, "package", "--stage", STAGE, *merge, str(build / "packaged")]
    _run(command, build / "stage", "chalice could not package the app")


def _run(command: list[str], cwd: Path, what: str) -> None:
    """Run a build step away from anybody's AWS settings; show its words only when it fails."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    environ = kept | {
        "AWS_DEFAULT_REGION": _REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotBuiltError(f"{what}:\n{done.stdout}{done.stderr}".rstrip())


def _bytecode(source: bytes, name: str) -> bytes:
    """Compile a module so that Python never compares it with its source.

    Lambda unpacks a zip without its times, and read-only: ordinary bytecode would be thrown away at every cold start.
    """
    with tempfile.TemporaryDirectory() as folder:
        module, compiled = Path(folder, "module.py"), Path(folder, "module.pyc")
        module.write_bytes(source)
        py_compile.compile(
            str(module),
            cfile=str(compiled),
            dfile=name,
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
        return compiled.read_bytes()


def _rewrite_zip(source: Path, target: Path) -> None:
    """Write the zip anew: bytecode beside the sources, sorted, and with one fixed time."""
    with zipfile.ZipFile(source) as packaged:
        entries = {name: packaged.read(name) for name in packaged.namelist() if not name.endswith("/")}
    for name, content in list(entries.items()):
        path = Path(name)
        if path.suffix == ".py":
            cached = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
            entries[str(cached)] = _bytecode(content, name)
    unfinished = target.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for name, content in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            written.writestr(entry, content)
    unfinished.replace(target)


def main() -> int:
    """Build, and say what came out."""
    try:
        build = bundle()
    except NotBuiltError as error:
        print(error, file=sys.stderr)
        return 1
    size = (build / "deployment.zip").stat().st_size
    print(f"build/deployment.zip ({size / 1_000_000:.1f} MB) and build/sam.json are ready.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
