"""The bundle's third-party part: the pinned requirements for Lambda's platform, without what the portal never uses.

A bundle is loaded at every cold start: what is not in it costs nothing. The results are kept under `build/` by a hash
of everything they depend on.
"""

import functools
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from chalicelib.domain.local_time import ZONES
from infra.build.catalogs import LANGUAGES

# What the portal asks of AWS: botocore carries the descriptions of some four hundred services, and reading those of
# ours whole would cost a tenth of a cold start. Whoever needs another operation adds it here.
OPERATIONS = {
    "dynamodb": (
        "BatchGetItem",
        "PutItem",
        "Query",
        "TransactWriteItems",
    ),
    "kms": ("Decrypt", "GetPublicKey", "Sign"),
    "sesv2": ("SendEmail",),
    "sns": ("Publish",),
}
# Languages with their plain locale and the territory our clinics are in; Babel carries a thousand.
LOCALES = (*LANGUAGES, "en_001", "en_150", "en_GB", "lv_LV", "lt_LT", "ka_GE", "ru_RU")
# Certificate authorities that Amazon's own endpoints are signed by: botocore's file carries 140, and every one is
# parsed at the first request of a cold start.
AUTHORITIES = ("Amazon Root CA", "Starfield Services Root Certificate Authority")

# Never imported at run time: command lines, tests, type stubs, tools for developers, other frameworks' adapters.
UNUSED = (
    "*.dist-info",
    "**/*.pyi",
    "**/py.typed",
    "**/__pycache__",
    "bin",
    "share",
    "cffi",
    "aws_lambda_powertools/event_handler",
    "aws_lambda_powertools/utilities/auth_alpha",
    "aws_lambda_powertools/utilities/batch",
    "aws_lambda_powertools/utilities/circuit_breaker",
    "aws_lambda_powertools/utilities/data_classes",
    "aws_lambda_powertools/utilities/data_masking",
    "aws_lambda_powertools/utilities/feature_flags",
    "aws_lambda_powertools/utilities/idempotency",
    "aws_lambda_powertools/utilities/kafka",
    "aws_lambda_powertools/utilities/parameters",
    "aws_lambda_powertools/utilities/parser",
    "aws_lambda_powertools/utilities/streaming",
    "aws_lambda_powertools/utilities/validation",
    "botocore/data/*/*/examples-1.json",
    "botocore/data/dynamodb/2011-12-05",
    "babel/messages",
    "dateutil/zoneinfo/dateutil-zoneinfo.tar.gz",
    "email_validator/__main__.py",
    "joserfc/drafts",
    "markdown_it/cli",
    "markdown_it/port.yaml",
    "markdown_it/tree.py",
    "phonenumbers/data/alt_format_*.py",
    "phonenumbers/shortdata/region_*.py",
    "qrcode/console_scripts.py",
    "qrcode/release.py",
    "qrcode/tests",
    "urllib3/contrib/emscripten",
    "urllib3/contrib/pyopenssl.py",
    "urllib3/http2/connection.py",
)
# botocore writes help texts for its clients out of the prose that is removed here, and brings an HTML parser for it.
_NO_HELP = '''"""Help texts of clients, left out of this bundle."""


class ClientMethodDocstring(str):
    """No help text."""

    def __new__(cls, *_arguments, **_named):
        """Take what botocore would write the text from."""
        return str.__new__(cls)


PaginatorDocstring = WaiterDocstring = ClientMethodDocstring
'''
_DATA = re.compile(r"dynamodb|kms|sesv2|sns|endpoints|partitions|sdk-default-configuration|_retry")


class NotInstalledError(Exception):
    """pip could not bring the pinned packages; the message is fit for a person."""


def dependencies(requirements: Path, build: Path) -> Path:
    """Return a folder of the pinned packages, trimmed for Lambda; made once per change of pins, rules or Python."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    rules = f"{Path(__file__).read_text()}\0{sorted(ZONES.values())}"
    digest = hashlib.sha256(f"{version}\0{rules}\0{requirements.read_text()}".encode())
    finished = build / "dependencies" / digest.hexdigest()[:16]
    if not finished.exists():
        shutil.rmtree(finished.parent, ignore_errors=True)
        unfinished = finished.with_suffix(".part")
        _install(requirements, unfinished, version)
        trim(unfinished)
        unfinished.rename(finished)
    return finished


def _install(requirements: Path, target: Path, version: str) -> None:
    """Let pip unpack the wheels for Lambda: x86_64, and a C library no newer than the one of its Python 3.11."""
    print("Fetching the packages that ship to Lambda …", file=sys.stderr, flush=True)
    platforms = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_26_x86_64")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--no-compile", "--only-binary=:all:", "--implementation=cp", f"--python-version={version}"]
    command += [f"--platform={platform}" for platform in platforms]
    command += [f"--target={target}", f"--requirement={requirements}"]
    done = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "ERROR" in line), "pip failed without a word")
        raise NotInstalledError(f"The packages in {requirements.name} could not be fetched ({reason.strip()}).")


def trim(packages: Path) -> None:
    """Remove from a folder of installed packages what the portal never uses."""
    for pattern in UNUSED:
        _remove(packages.glob(pattern))
    _remove(path for path in (packages / "botocore/data").iterdir() if not _DATA.fullmatch(path.stem))
    _remove(path for path in (packages / "babel/locale-data").iterdir() if path.stem not in (*LOCALES, "root"))
    _keep_zones(packages / "tzdata/zoneinfo")
    for service, operations in OPERATIONS.items():
        folder = packages / "botocore/data" / service
        for description in folder.glob("*/*.json.gz"):
            _rewrite(description, _without_documentation)
        for description in folder.glob("*/service-2.json"):
            _rewrite(description, functools.partial(_only_operations, wanted=operations))
    _rewrite(packages / "botocore/data/endpoints.json", _only_our_services)
    docs = packages / "botocore/docs"
    _remove(path for path in docs.iterdir() if path.name != "utils.py")
    (docs / "__init__.py").touch()
    (docs / "docstring.py").write_text(_NO_HELP)
    # urllib3 asks for the version of a package that switches HTTP/2 on, which nobody does here: 8 ms of imports.
    (packages / "urllib3/http2/__init__.py").write_text('"""HTTP/2 is never switched on."""\n')
    _without_alternate_formats(packages / "phonenumbers/data/__init__.py")
    _keep_authorities(packages / "botocore/cacert.pem")


def _keep_zones(folder: Path) -> None:
    """Keep the clocks of the countries our clinics are in, and UTC; the world has six hundred."""
    kept = {folder / zone for zone in (*ZONES.values(), "UTC")}
    _remove(path for path in folder.rglob("*") if path.is_file() and path not in kept and path.name != "__init__.py")


def _remove(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()


def _rewrite(path: Path, change: Callable[[Any], Any]) -> None:
    """Replace a JSON file, gzipped or not, by a changed one that is compact and not gzipped: it loads fastest."""
    raw = path.read_bytes()
    changed = change(json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw))
    path.unlink()
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    plain.write_text(json.dumps(changed, separators=(",", ":")))


def _without_documentation(value: Any) -> Any:
    """Return a service description without its prose, nine tenths of it."""
    if isinstance(value, dict):
        return {
            name: _without_documentation(part)
            for name, part in value.items()
            if not (name == "documentation" and isinstance(part, str))
        }
    if isinstance(value, list):
        return [_without_documentation(part) for part in value]
    return value


def _only_operations(service: Any, wanted: Collection[str]) -> Any:
    """Return a service description with these operations, and the shapes that they lead to."""
    service["operations"] = {name: service["operations"][name] for name in wanted}
    reached: set[str] = set()
    waiting = set(_shapes_in(service["operations"]))
    while waiting:
        shape = waiting.pop()
        reached.add(shape)
        waiting |= set(_shapes_in(service["shapes"][shape])) - reached
    service["shapes"] = {name: shape for name, shape in service["shapes"].items() if name in reached}
    return service


def _shapes_in(value: Any) -> Iterator[str]:
    """Yield the name of every shape that a part of a description refers to."""
    if isinstance(value, dict):
        for name, part in value.items():
            if name == "shape" and isinstance(part, str):
                yield part
            else:
                yield from _shapes_in(part)
    elif isinstance(value, list):
        for part in value:
            yield from _shapes_in(part)


def _only_our_services(endpoints: Any) -> Any:
    for partition in endpoints["partitions"]:
        partition["services"] = {
            name: partition["services"][name] for name in OPERATIONS if name in partition["services"]
        }
    return endpoints


def _without_alternate_formats(data: Path) -> None:
    """Take out how numbers may be written inside a text: nobody looks for numbers in texts here."""
    kept = re.sub(r"(?m)^from \.alt_format_\d+ import \w+\n", "", data.read_text(encoding="utf-8"))
    written, found = re.subn(r"(?m)^_ALT_NUMBER_FORMATS = \{.*\}$", "_ALT_NUMBER_FORMATS = {}", kept)
    if not found:
        raise NotInstalledError("phonenumbers lists its formats in another way than it did.")
    data.write_text(written, encoding="utf-8")


def _keep_authorities(bundle: Path) -> None:
    """Keep those certificates of a PEM file whose label names one of our authorities."""
    entries = re.split(r"(?m)^(?=# Issuer:)", bundle.read_text())
    kept = [entry for entry in entries if any(f'# Label: "{authority}' in entry for authority in AUTHORITIES)]
    if not kept:
        raise NotInstalledError(
            f"{bundle.name} names none of Amazon's certificate authorities: its format has changed."
        )
    bundle.write_text("".join(kept))
