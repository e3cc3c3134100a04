"""Builds what is deployed: `build/deployment.zip` and `build/sam.json`; and, for the function that
prints, `build/press.zip` and `build/press-layer.zip` (`infra.build.press`).

`chalice package` zips `app.py`, `chalicelib/`, `vendor/` and the requirements as it finds them. So
the project is copied to `build/stage` with the pinned and trimmed requirements in `vendor/`, beside
the compiled templates and catalogs. Afterwards the zip is written again with bytecode in it. The
same input always gives the same bytes.

    python -m infra.build.bundle

Lambda must run the Python that a bundle was built for. That is the builder's own, or the one that
PYTHON_TARGET names, such as 3.13: then everything is in `build/python3.13/`. The bytecode is made
by an interpreter of that version, which has to be on the machine. Without one the bundle has none
and Lambda compiles each module at every cold start; the build says so.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from infra.build.catalogs import compile_catalogs
from infra.build.dependencies import NotInstalledError, dependencies
from infra.build.press import REQUIREMENTS, build_press

ROOT = Path(__file__).resolve().parents[2]
STAGE = "portal"
OUTPUTS = ("deployment.zip", "press.zip", "press-layer.zip", "sam.json")
OLDEST, NEWEST = (3, 11), (3, 13)
# SnapStart restores functions in Python from this version on.
# https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html
RESTORES_FROM = (3, 12)
INTEGRATION = (
    "arn:${AWS::Partition}:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/"
    "${ApiLive}/invocations"
)
METHODS = ("delete", "get", "head", "options", "patch", "post", "put")
# chalice needs the name of a region, and calls no service there.
_REGION = "eu-north-1"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SOURCES = (
    "app.py",
    "requirements.txt",
    REQUIREMENTS,
    "chalicelib",
    "templates",
    "locales",
    ".chalice",
    "infra/template.yaml",
)
_BUILDERS = (
    "infra/build/bundle.py",
    "infra/build/dependencies.py",
    "infra/build/catalogs.py",
    "infra/build/press.py",
)
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


@dataclass(frozen=True, order=True, slots=True)
class PythonVersion:
    """A version of Python that Lambda runs, such as 3.13."""

    major: int
    minor: int

    @classmethod
    def read(cls, text: str) -> "PythonVersion":
        """Read a version such as ``3.13``; raise NotBuiltError for one that Lambda does not run."""
        found = re.fullmatch(r"(\d{1,2})\.(\d{1,2})(\.\d+)?", text)
        version = cls(int(found[1]), int(found[2])) if found else None
        if version is None or not OLDEST <= (version.major, version.minor) <= NEWEST:
            raise NotBuiltError(f"PYTHON_TARGET must be 3.11, 3.12 or 3.13, not “{text}”.")
        return version

    def __str__(self) -> str:
        """Write the version as it is said: ``3.13``."""
        return f"{self.major}.{self.minor}"

    @property
    def runtime(self) -> str:
        """How Lambda names it: ``python3.13``."""
        return f"python{self}"

    @property
    def cache_tag(self) -> str:
        """What stands in the name of its bytecode files: ``cpython-313``."""
        return f"cpython-{self.major}{self.minor}"

    @property
    def restores(self) -> bool:
        """Whether Lambda restores functions in it from a snapshot."""
        return (self.major, self.minor) >= RESTORES_FROM


BUILDER = PythonVersion(*sys.version_info[:2])
"""The Python that builds; on this machine the local AWS runs the bundle in it."""

DEPLOYED = PythonVersion(3, 13)
"""The Python that `make deploy` builds for unless PYTHON_TARGET names another."""


def bundle(root: Path = ROOT, target: PythonVersion = BUILDER) -> Path:
    """Build the bundle for a Python unless the sources are unchanged; return the folder of its
    files.

    That is `build` for the builder's own Python, else a folder below it.
    """
    _require_python()
    build = root / "build"
    if target != BUILDER:
        build /= target.runtime
    build.mkdir(parents=True, exist_ok=True)
    with (build / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two builds at once would overwrite each other's files
        _build_if_changed(root, build, target)
    return build


def _build_if_changed(root: Path, build: Path, target: PythonVersion) -> None:
    interpreter = find_interpreter(target)
    fingerprint = _fingerprint(root, interpreter)
    stamp = build / "fingerprint"
    outputs = [build / name for name in OUTPUTS]
    built = all(path.exists() for path in (*outputs, stamp))
    if interpreter is None:
        print(without_bytecode(target), file=sys.stderr, flush=True)
    if built and stamp.read_text() == fingerprint:
        return
    stamp.unlink(missing_ok=True)
    _lay_out(root, build, target)
    _package(root, build)
    _build_press(root, build, target)
    _rewrite_zip(build / "packaged/deployment.zip", build / "deployment.zip", target, interpreter)
    packaged = yaml.safe_load((build / "packaged/sam.yaml").read_text())
    template = everything_to_the_function(packaged)
    template = for_python(through_the_alias(template), target)
    text = json.dumps(template, indent=1, ensure_ascii=False) + "\n"
    (build / "sam.json").write_text(text)
    stamp.write_text(fingerprint)


def _build_press(root: Path, build: Path, target: PythonVersion) -> None:
    try:
        build_press(root, build, str(target))
    except NotInstalledError as error:
        raise NotBuiltError(str(error)) from error


def find_interpreter(target: PythonVersion) -> str | None:
    """Return an interpreter of this version: this one, one on the path or of pyenv, or None."""
    if target == BUILDER:
        return sys.executable
    name = target.runtime
    folders = [Path(folder) for folder in os.environ.get("PATH", os.defpath).split(os.pathsep)]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders += sorted(pyenv.glob(f"versions/{target}.*/bin"), reverse=True)
    for folder in folders:
        path = folder / name
        if path.is_file() and os.access(path, os.X_OK) and _runs(path, target):
            return str(path)
    return None


def _runs(interpreter: Path, target: PythonVersion) -> bool:
    """Tell whether a program is this version of CPython: one of pyenv's may only say it is not."""
    ask = "import sys; print(sys.implementation.cache_tag)"
    command = [str(interpreter), "-I", "-c", ask]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0 and done.stdout.strip() == target.cache_tag


def without_bytecode(target: PythonVersion) -> str:
    """Say that no interpreter was found, and what follows."""
    return (
        f"No Python {target} is on this machine: the bundle has no bytecode. A function that "
        "starts cold compiles its modules each time, about 0.4 s more; one that SnapStart restores "
        f"does not. Install {target.runtime} to have it."
    )


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


def through_the_alias(template: dict[str, Any]) -> dict[str, Any]:
    """Let API Gateway call the alias `live` of the pages' function, and allow it no other way in.

    Only a published version is restored from a snapshot, and the alias stands for the newest one.
    Chalice writes the function itself, which is its unpublished state.
    """
    resources = template["Resources"]
    resources["APIHandlerInvokePermission"]["Properties"]["FunctionName"] = {"Ref": "ApiLive"}
    paths = resources["RestAPI"]["Properties"]["DefinitionBody"]["paths"]
    for methods in paths.values():
        for operation in methods.values():
            operation["x-amazon-apigateway-integration"]["uri"] = {"Fn::Sub": INTEGRATION}
    return template


def for_python(template: dict[str, Any], target: PythonVersion) -> dict[str, Any]:
    """Let the functions run in the Python of the bundle; SnapStart goes where that has none."""
    for resource in template["Resources"].values():
        if resource["Type"] in {"AWS::Serverless::Function", "AWS::Lambda::Function"}:
            resource["Properties"]["Runtime"] = target.runtime
    if not target.restores:
        del template["Resources"]["APIHandler"]["Properties"]["SnapStart"]
        del template["Conditions"]["RestoresPages"]
        del template["Parameters"]["SnapStart"]
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


def _fingerprint(root: Path, interpreter: str | None) -> str:
    """Return a hash of everything the bundle depends on."""
    versions = (
        sys.version,
        str(interpreter),
        version("chalice"),
        version("babel"),
        version("jinja2"),
    )
    return _digest_of_files(root, (*_SOURCES, *_BUILDERS), "\0".join(versions))


def _digest_of_files(root: Path, names: Sequence[str], besides: str = "") -> str:
    """Return a hash of what files and folders below `root` hold, and of a text."""
    digest = hashlib.sha256(besides.encode())
    for name in names:
        for path in _files(root / name):
            content = path.read_bytes()
            digest.update(f"\0{path.relative_to(root)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def _copy(source: Path, target: Path, *, without: Path | None = None) -> None:
    for path in _files(source):
        if without is None or without not in path.parents:
            place = target / path.relative_to(source) if source.is_dir() else target
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def _lay_out(root: Path, build: Path, target: PythonVersion) -> None:
    """Copy the project to build/stage in the layout that chalice zips."""
    stage = build / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(parents=True)
    try:
        packages = dependencies(root / "requirements.txt", build, str(target))
        shutil.copytree(packages, stage / "vendor")
    except NotInstalledError as error:
        raise NotBuiltError(str(error)) from error
    (stage / "requirements.txt").touch()
    _copy(root / "app.py", stage / "app.py")
    _copy(root / "chalicelib", stage / "chalicelib")
    _copy(root / ".chalice", stage / ".chalice")
    _copy(root / "templates", stage / "vendor/templates", without=root / "templates/print")
    compile_catalogs(stage / "vendor/locales", root)
    _run([sys.executable, "-c", _COMPILE_TEMPLATES], stage, "The templates could not be compiled")
    # By it a process knows which prepared pages are of its own templates, catalogs and code.
    build_id = stage / "vendor/templates/compiled/build-id"
    build_id.write_text(_digest_of_files(root, _SOURCES))


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
        # The order of a constant set goes into bytecode.
        "PYTHONHASHSEED": "0",
    }
    done = subprocess.run(
        command, cwd=cwd, env=environ, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotBuiltError(f"{what}:\n{done.stdout}{done.stderr}".rstrip())


def _bytecode(
    sources: Mapping[str, bytes], target: PythonVersion, interpreter: str
) -> dict[str, bytes]:
    """Compile modules, by name, so that Python never compares them with their sources.

    Lambda unpacks a zip read-only and without the files' times: Python would take ordinary bytecode
    for outdated, and compile again at every cold start. Each version of Python reads only its own.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, source in sources.items():
            module = Path(folder, name)
            module.parent.mkdir(parents=True, exist_ok=True)
            module.write_bytes(source)
        command = [interpreter, "-m", "compileall", "-q", "-j", "0", "-s", folder]
        command += ["--invalidation-mode", "unchecked-hash", folder]
        _run(command, Path(folder), "The modules could not be compiled")
        compiled = {}
        for name in sources:
            path = Path(name)
            cached = path.parent / "__pycache__" / f"{path.stem}.{target.cache_tag}.pyc"
            compiled[str(cached)] = Path(folder, cached).read_bytes()
        return compiled


def _rewrite_zip(
    source: Path, target: Path, python: PythonVersion, interpreter: str | None
) -> None:
    """Write the zip again: sorted, with bytecode beside the sources, and one fixed time."""
    entries = {}
    with zipfile.ZipFile(source) as packaged:
        for name in packaged.namelist():
            if not name.endswith("/"):
                entries[name] = packaged.read(name)
    if interpreter is not None:
        modules = {name: content for name, content in entries.items() if name.endswith(".py")}
        entries |= _bytecode(modules, python, interpreter)
    unfinished = target.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as written:
        for name, content in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            written.writestr(entry, content)
    unfinished.replace(target)


def named_target(default: PythonVersion) -> PythonVersion:
    """Return the Python that PYTHON_TARGET names, or the default; raise NotBuiltError."""
    named = os.environ.get("PYTHON_TARGET")
    return PythonVersion.read(named) if named else default


def main() -> int:
    """Build the bundle, and print its size."""
    try:
        target = named_target(BUILDER)
        build = bundle(target=target)
    except NotBuiltError as error:
        print(error, file=sys.stderr)
        return 1
    folder = build.relative_to(ROOT)
    for name in OUTPUTS:
        print(f"{folder}/{name} ({(build / name).stat().st_size / 1_000_000:.1f} MB)", end=", ")
    print(f"for Python {target}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
