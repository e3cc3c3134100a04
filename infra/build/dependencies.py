"""Prepares the third-party part of the bundle: the pinned requirements without what is never used.

No Python module of another project is edited. Whole modules that nothing here imports are left out,
and data is cut down: descriptions of AWS services, locales, time zones, certificates. A rule that
matches nothing stops the build and is named: its package has changed, and the rule must be checked
(docs/decisions/0022-third-party-code.md).

The result is kept under `build/` by a hash of everything it depends on.
"""

import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from babel.core import get_global

from chalicelib.domain.languages import BY_CODE
from chalicelib.domain.local_time import ZONES

# Modules that the portal never imports, and files that only developers need.
UNUSED = (
    "*.dist-info",
    "**/*.pyi",
    "bin",
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
    "babel/messages",
    "boto3/data",
    "botocore/data/*/*/examples-1.json",
    "dateutil/zoneinfo/dateutil-zoneinfo.tar.gz",
    "fido2/attestation",
    "fido2/client",
    "fido2/ctap.py",
    "fido2/ctap1.py",
    "fido2/ctap2",
    "fido2/hid",
    "fido2/mds3.py",
    "fido2/payment.py",
    "fido2/pcsc.py",
    "phonenumbers/shortdata/region_*.py",
    "qrcode/tests",
    "urllib3/contrib/emscripten",
)
# The operations that the functions call: add a new one here. Reading whole descriptions would take
# a tenth of a cold start.
OPERATIONS = {
    "dynamodb": (
        "BatchGetItem",
        "DeleteItem",
        "PutItem",
        "Query",
        "TransactWriteItems",
        "UpdateItem",
    ),
    "kms": ("Decrypt", "GenerateDataKeyPairWithoutPlaintext", "GetPublicKey", "Sign"),
    "lambda": ("Invoke",),
    "s3": (
        "AbortMultipartUpload",
        "CompleteMultipartUpload",
        "CreateMultipartUpload",
        "DeleteObject",
        "GetObject",
        "HeadObject",
        "PutObject",
        "UploadPart",
    ),
    "sesv2": ("SendEmail",),
    "sns": ("Publish",),
    "stepfunctions": ("DescribeExecution", "StartExecution", "StopExecution"),
}
# What botocore reads beside the descriptions of services.
SHARED_DATA = ("_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json")
# The certificate authorities of Amazon's own endpoints. botocore's file has 140, and all are parsed
# at the first request of a cold start.
AUTHORITIES = ("Amazon Root CA", "Starfield Services Root Certificate Authority")


class NotInstalledError(Exception):
    """The packages of the bundle could not be prepared; the message says why."""


class StaleRuleError(NotInstalledError):
    """A rule about a package matches nothing in the version that is pinned now."""

    def __init__(self, rule: str) -> None:
        super().__init__(
            f"The rule “{rule}” in infra/build/dependencies.py matches nothing: its package has changed. "
            "Mend the rule, or delete it."
        )


def dependencies(requirements: Path, build: Path, version: str) -> Path:
    """Return a folder of the pinned packages for a Python such as 3.13, trimmed for Lambda.

    It is made again only when the pins, the rules or that Python change.
    """
    rules = f"{Path(__file__).read_text()}\0{sorted(ZONES.values())}\0{sorted(locales())}"
    digest = hashlib.sha256(f"{version}\0{rules}\0{requirements.read_text()}".encode())
    finished = build / "dependencies" / digest.hexdigest()[:16]
    if not finished.exists():
        shutil.rmtree(finished.parent, ignore_errors=True)
        unfinished = finished.with_suffix(".part")
        install(requirements, unfinished, version)
        trim(unfinished)
        unfinished.rename(finished)
    return finished


def install(requirements: Path, target: Path, version: str) -> None:
    """Let pip unpack the wheels for Lambda into a folder; raise NotInstalledError.

    These are for x86_64 and a C library no newer than that of Lambda's Python 3.11.
    """
    print("Fetching the packages that ship to Lambda …", file=sys.stderr, flush=True)
    platforms = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_26_x86_64")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-compile", "--only-binary=:all:", "--implementation=cp"]
    command += [f"--python-version={version}"]
    command += [f"--platform={platform}" for platform in platforms]
    command += [f"--target={target}", f"--requirement={requirements}"]
    done = subprocess.run(
        command, env=dict(os.environ), capture_output=True, text=True, check=False
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if "ERROR" in line]
        reason = errors[0].strip() if errors else "pip gave no reason"
        problem = f"The packages in {requirements.name} could not be fetched"
        raise NotInstalledError(f"{problem} ({reason}).")


def trim(packages: Path) -> None:
    """Leave out of a folder of installed packages what the portal never uses; raise
    StaleRuleError.
    """
    for pattern in UNUSED:
        leave_out(packages, pattern)
    _keep_services(packages / "botocore/data")
    _keep_locales(packages / "babel/locale-data")
    _keep_zones(packages / "tzdata/zoneinfo")
    _keep_authorities(packages / "botocore/cacert.pem")
    _empty(packages / "fido2/public_suffix_list.dat")


def leave_out(packages: Path, pattern: str) -> None:
    """Delete every file and folder that a pattern names; raise StaleRuleError where it names
    none.
    """
    found = list(packages.glob(pattern))
    if not found:
        raise StaleRuleError(pattern)
    _delete(found)


def _keep_services(data: Path) -> None:
    """Keep the descriptions of the services that the functions call, with the operations they
    call.
    """
    kept = (*SHARED_DATA, *OPERATIONS)
    _require(data, kept)
    _delete(path for path in data.iterdir() if path.name not in kept)
    for service, operations in OPERATIONS.items():
        # botocore takes the newest version of a service's interface; Lambda has two.
        _delete(sorted(path for path in (data / service).iterdir() if path.is_dir())[:-1])
        for path in sorted((data / service).glob("*/*.json*")):
            description = _without_documentation(_read(path))
            if path.name in {"service-2.json", "service-2.json.gz"}:
                description = only_operations(service, description, operations)
                for parameter in description.get("clientContextParams", {}).values():
                    parameter["documentation"] = ""  # botocore asks for this one, of S3
            _replace(path, description)
    endpoints = data / "endpoints.json"
    _replace(endpoints, _only_our_services(_read(endpoints)))


def locales() -> set[str]:
    """Return the locales of our languages, and those they inherit data from; Babel has a
    thousand.
    """
    kept = {"root"}
    for language in BY_CODE.values():
        for name in (language.code, language.locale):
            locale: str | None = name
            while locale and locale not in kept:
                kept.add(locale)
                locale = _parent(locale)
    return kept


def _parent(locale: str) -> str | None:
    """Return the locale that another inherits from, as `babel.localedata.load` does, or None."""
    exception: str | None = get_global("parent_exceptions").get(locale)
    return exception or locale.rpartition("_")[0] or None


def _keep_locales(folder: Path) -> None:
    kept = {f"{locale}.dat" for locale in locales()}
    _require(folder, kept)
    _delete(path for path in folder.iterdir() if path.name not in kept)


def _keep_zones(folder: Path) -> None:
    """Keep the time zones of the countries our clinics are in, and UTC, of six hundred."""
    zones = {*ZONES.values(), "UTC"}
    _require(folder, zones)
    kept = {folder / zone for zone in zones}
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "__init__.py"]
    _delete(path for path in files if path not in kept)


def _keep_authorities(bundle: Path) -> None:
    """Keep those certificates of a PEM file whose label names one of our authorities."""
    entries = re.split(r"(?m)^(?=# Issuer:)", bundle.read_text())
    kept: list[str] = []
    for authority in AUTHORITIES:
        found = [entry for entry in entries if f'# Label: "{authority}' in entry]
        if not found:
            raise StaleRuleError(authority)
        kept += found
    bundle.write_text("".join(kept))


def _empty(data: Path) -> None:
    """Empty a list that its package reads at import and the portal never asks: fido2's of public
    suffixes, a third of a megabyte. The portal names the origins of its passkeys itself.
    """
    _require(data.parent, [data.name])
    data.write_text("")


def _require(folder: Path, names: Iterable[str]) -> None:
    """Raise StaleRuleError for a name that a folder does not have."""
    for name in names:
        if not (folder / name).exists():
            raise StaleRuleError(f"{folder.parent.name}/{folder.name}/{name}")


def _delete(paths: Iterable[Path]) -> None:
    for path in list(paths):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _read(path: Path) -> Any:
    raw = path.read_bytes()
    return json.loads(gzip.decompress(raw) if path.suffix == ".gz" else raw)


def _replace(path: Path, content: Any) -> None:
    """Write a JSON file again, compact and not gzipped: it loads fastest."""
    path.unlink()
    plain = path.with_suffix("") if path.suffix == ".gz" else path
    plain.write_text(json.dumps(content, separators=(",", ":")))


def _without_documentation(value: Any) -> Any:
    """Return a service description without its documentation, which is nine tenths of it."""
    if isinstance(value, list):
        return [_without_documentation(part) for part in value]
    if not isinstance(value, dict):
        return value
    described = {}
    for name, part in value.items():
        prose = name == "documentation" and isinstance(part, str)
        if not prose:
            described[name] = _without_documentation(part)
    return described


def only_operations(name: str, service: Any, wanted: Iterable[str]) -> Any:
    """Return a service description with these operations alone, and the shapes that they lead
    to.
    """
    operations = {}
    for operation in wanted:
        if operation not in service["operations"]:
            raise StaleRuleError(f"{name}: {operation}")
        operations[operation] = service["operations"][operation]
    reached: set[str] = set()
    waiting = set(_shapes_in(operations))
    while waiting:
        shape = waiting.pop()
        reached.add(shape)
        waiting |= set(_shapes_in(service["shapes"][shape])) - reached
    shapes = {shape: content for shape, content in service["shapes"].items() if shape in reached}
    return {**service, "operations": operations, "shapes": shapes}


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
    """Return the list of endpoints without those of other services."""
    for partition in endpoints["partitions"]:
        services = partition["services"]
        partition["services"] = {name: services[name] for name in OPERATIONS if name in services}
    return endpoints
