"""Builds the function `press`: `press.zip`, its own small code, and `press-layer.zip` with Typst.

Typst's library (84 MB) never is in the bundle of the pages: it stands in a layer, which is uploaded
again only when its version changes. The same input always gives the same bytes.
"""

import hashlib
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from infra.build.dependencies import install

CODE = ("chalicelib/__init__.py", "chalicelib/presentation/__init__.py")
MODULE = "chalicelib/presentation/typesetting.py"
PRINT = "templates/print"
REQUIREMENTS = "requirements-press.txt"

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNUSED = ("*.dist-info", "**/*.pyi", "**/py.typed")


def build_press(root: Path, build: Path, version: str) -> None:
    """Write both files into a folder; the layer, for a Python such as 3.13, only if it changed."""
    files = [root / name for name in (*CODE, MODULE)]
    files += [path for path in sorted((root / PRINT).rglob("*")) if path.is_file()]
    _write(build / "press.zip", ((str(path.relative_to(root)), path) for path in files))
    _build_layer(root / REQUIREMENTS, build, version)


def _build_layer(requirements: Path, build: Path, version: str) -> None:
    """Write the layer; Lambda adds its folder `python` to what modules are looked for in."""
    rules = Path(__file__).read_bytes() + requirements.read_bytes()
    wanted = hashlib.sha256(f"{version}\0".encode() + rules).hexdigest()
    layer, stamp = build / "press-layer.zip", build / "press-layer.made-from"
    if layer.exists() and stamp.exists() and stamp.read_text() == wanted:
        return
    stamp.unlink(missing_ok=True)
    unpacked = build / "press-layer"
    shutil.rmtree(unpacked, ignore_errors=True)
    install(requirements, unpacked / "python", version)
    unused = {path for pattern in _UNUSED for path in (unpacked / "python").glob(pattern)}
    kept = [path for path in sorted(unpacked.rglob("*")) if path.is_file()]
    files = [path for path in kept if not unused & {path, *path.parents}]
    _write(layer, ((str(path.relative_to(unpacked)), path) for path in files))
    shutil.rmtree(unpacked)
    stamp.write_text(wanted)


def _write(target: Path, files: Iterable[tuple[str, Path]]) -> None:
    """Write a zip whose entries have one fixed time."""
    unfinished = target.with_suffix(".part")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as written:
        for name, path in files:
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o755 << 16 if name.endswith(".so") else 0o644 << 16
            written.writestr(entry, path.read_bytes())
    unfinished.replace(target)
