"""Builds what is deployed: `build/deployment.zip` and `build/sam.json`.

`chalice package` zips `app.py`, `chalicelib/`, `vendor/` and the requirements as it finds them. So
the project is copied to `build/stage` with the pinned and trimmed requirements in `vendor/`, beside
the compiled templates and catalogs. Afterwards the zip is written again with bytecode in it. The
same input always gives the same bytes.

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
# chalice needs the name of a region, and calls no service there.
_REGION = "eu-north-1"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SOURCES = (
    "app.py",
    "requirements.txt",
    "chalicelib",
    "templates",
    "locales",
    ".chalice",
    "infra/template.yaml",
)
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
    """The bundle could not be built; the message says why."""


def bundle(root: Path = ROOT) -> Path:
    """Build the bundle unless the sources are unchanged; return the folder `build`."""
    _require_python()
    build = root / "build"
    build.mkdir(exist_ok=True)
    with (build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would overwrite each other's files
        _build_if_changed(root, build)
    return build


def _build_if_changed(root: Path, build: Path) -> None:
    fingerprint = _fingerprint(root)
    stamp = build / "fingerprint"
    outputs = (build / "deployment.zip", build / "sam.json")
    built = all(path.exists() for path in (*outputs, stamp))
    if built and stamp.read_text() == fingerprint:
        return
    stamp.unlink(missing_ok=True)
    _lay_out(root, build)
    _package(root, build)
    _rewrite_zip(build / "packaged/deployment.zip", build / "deployment.zip")
    packaged = yaml.safe_load((build / "packaged/sam.yaml").read_text())
    template = everything_to_the_function(packaged)
    text = json.dumps(template, indent=1, ensure_ascii=False) + "\n"
    (build / "sam.json").write_text(text)
    stamp.write_text(fingerprint)


def everything_to_the_function(template: dict[str, Any]) -> dict[str, Any]:
    """Let API Gateway send every address and method to the function, which finds the route itself.

    Chalice makes a resource of each route, and API Gateway answers all other addresses by itself:
    with JSON to a patient, with 403 to a wrong method. Beside /{clinic} it allows no /{proxy+}: an
    address may have one variable part at a place.
    """
    body = template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"]
    methods = next(iter(body["paths"].values()))
    operation = dict(next(iter(methods.values())))
    operation.pop("parameters", None)
    named = {"name": "proxy", "in": "path", "required": True, "type": "string"}
    body["paths"] = {
        "/": dict.fromkeys(METHODS, operation),
        "/{proxy+}": {method: {**operation, "parameters": [named]} for method in METHODS},
    }
    return template


def _require_python() -> None:
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        found = ".".join(map(str, sys.version_info[:2]))
        reason = "because Lambda runs the same one"
        raise NotBuiltError(f"Python 3.11, 3.12 or 3.13 is needed, {reason}; this is {found}.")


def _files(place: Path) -> Iterator[Path]:
    """Yield the source files of a folder, or the file itself, in a fixed order."""
    if place.is_file():
        yield place
    elif place.is_dir():
        yield from filter(_is_source, sorted(place.rglob("*")))


def _is_source(path: Path) -> bool:
    if path.suffix in {".pyc", ".mo"} or _LEFT_OUT & set(path.parts):
        return False
    return path.is_file()


def _fingerprint(root: Path) -> str:
    """Return a hash of everything the bundle depends on."""
    versions = (sys.version, version("chalice"), version("babel"), version("jinja2"))
    digest = hashlib.sha256("\0".join(versions).encode())
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
    """Copy the project to build/stage in the layout that chalice zips."""
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
    """Let chalice make the zip and the template, merged with `infra/template.yaml`."""
    shutil.rmtree(build / "packaged", ignore_errors=True)
    chalice = "import chalice.cli; chalice.cli.main()"
    command = [sys.executable, "-c", chalice, "package", "--stage", STAGE]
    command += ["--merge-template", str(root / "infra/template.yaml"), str(build / "packaged")]
    _run(command, build / "stage", "chalice could not package the app")


def _run(command: list[str], cwd: Path, what: str) -> None:
    """Run a build step without the environment's AWS settings; show its output only if it fails."""
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))
    }
    environ |= {
        "AWS_DEFAULT_REGION": _REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotBuiltError(f"{what}:\n{done.stdout}{done.stderr}".rstrip())


def _bytecode(source: bytes, name: str) -> bytes:
    """Compile a module so that Python never compares it with its source.

    Lambda unpacks a zip read-only and without the files' times: Python would take ordinary bytecode
    for outdated, and compile again at every cold start.
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
    """Write the zip again: sorted, with bytecode beside the sources, and one fixed time."""
    entries = {}
    with zipfile.ZipFile(source) as packaged:
        for name in packaged.namelist():
            if not name.endswith("/"):
                entries[name] = packaged.read(name)
    for name, content in list(entries.items()):
        path = Path(name)
        if path.suffix == ".py":
            cached = f"{path.stem}.{sys.implementation.cache_tag}.pyc"
            entries[str(path.parent / "__pycache__" / cached)] = _bytecode(content, name)
    unfinished = target.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for name, content in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            written.writestr(entry, content)
    unfinished.replace(target)


def main() -> int:
    """Build the bundle, and print its size."""
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
