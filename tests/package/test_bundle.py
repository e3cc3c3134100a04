import json
import os
import struct
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from chalicelib.domain.languages import LANGUAGES
from infra.build.bundle import (
    BUILDER,
    ROOT,
    PythonVersion,
    bundle,
    find_interpreter,
    without_bytecode,
)
from infra.local.lambda_gateway import unpacked

pytestmark = pytest.mark.bundle

# Run inside the unpacked bundle: what importing the app asks of the environment, the network and
# the clock. Libraries may look for their own settings; the network is nobody's.
_SPY = """
import os, socket, sys, time
asked = []
def note(what):
    frame = sys._getframe(2)
    while frame.f_code.co_filename in (os.__file__, "<frozen os>", "<frozen _collections_abc>"):
        frame = frame.f_back
    place = os.path.relpath(frame.f_code.co_filename)
    if place == "app.py" or place.startswith("chalicelib"):
        asked.append(f"{place} asked for {what}")
class Spy(type(os.environ)):
    def __getitem__(self, name):
        note(name)
        return super().__getitem__(name)
os.environ.__class__ = Spy
def refused(*_arguments, **_named):
    raise AssertionError("the network was used at import")
socket.socket.connect = socket.getaddrinfo = refused
def noted():
    note("the time")
    return real()
real, time.time = time.time, noted
import app
print(asked)
"""


@pytest.fixture(scope="module")
def packed() -> zipfile.ZipFile:
    """Give the bundle, built if need be."""
    return zipfile.ZipFile(bundle() / "deployment.zip")


@pytest.fixture(scope="module")
def task(packed: zipfile.ZipFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the bundle unpacked as Lambda does it."""
    return unpacked(Path(str(packed.filename)), tmp_path_factory.mktemp("task"))


def test_the_bundle_is_small(packed: zipfile.ZipFile) -> None:
    """A small bundle starts fast: the budget is 16 MB."""
    assert Path(str(packed.filename)).stat().st_size <= 16_000_000


def test_the_bundle_has_all_that_the_portal_needs(packed: zipfile.ZipFile) -> None:
    """Pages and languages are in the zip itself, not on the machine that built it."""
    names = set(packed.namelist())
    pages = {
        f"templates/{path.relative_to(ROOT / 'templates')}"
        for path in (ROOT / "templates").rglob("*.html")
    }
    catalogs = {f"locales/{language}/LC_MESSAGES/messages.mo" for language in LANGUAGES}
    assert {"app.py", "chalice/app.py", "chalicelib/__init__.py"} | pages | catalogs <= names


def test_third_party_code_is_as_its_authors_ship_it(packed: zipfile.ZipFile) -> None:
    """The bundle holds other projects' modules unchanged, so their documentation applies."""
    ours = ("app.py", "chalicelib/", "templates/")
    others = [
        name for name in packed.namelist() if name.endswith(".py") and not name.startswith(ours)
    ]
    installed = Path(sysconfig.get_path("purelib"))
    edited = [name for name in others if packed.read(name) != (installed / name).read_bytes()]
    assert (edited, "botocore/client.py" in others) == ([], True)


@pytest.mark.parametrize(
    "left_out", ["infra", "tests", "bench", "pip", "pytest", "moto", "ministack", "chalice/cli"]
)
def test_the_bundle_has_no_tools_in_it(packed: zipfile.ZipFile, left_out: str) -> None:
    """What builds and tests the portal is never deployed with it."""
    assert not [name for name in packed.namelist() if name.startswith(f"{left_out}/")]


def test_every_module_has_bytecode_that_lambda_uses(packed: zipfile.ZipFile) -> None:
    """Lambda unpacks without times: only bytecode marked unchecked survives that."""
    for name in packed.namelist():
        if name.endswith(".py"):
            path = Path(name)
            cached = path.parent / "__pycache__" / f"{path.stem}.{sys.implementation.cache_tag}.pyc"
            (flags,) = struct.unpack("<I", packed.read(str(cached))[4:8])
            assert flags == 0b01, name


def test_a_bundle_can_be_for_another_python_than_the_builders(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What Lambda runs need not be what the builder has: packages, bytecode and template are for
    the Python that is named. Without an interpreter of that version there is no bytecode, and the
    build says so; where there is one, it starts the bundle.
    """
    target = PythonVersion(3, 13 if BUILDER.minor != 13 else 12)
    build = bundle(target=target)
    interpreter = find_interpreter(target)
    template = json.loads((build / "sam.json").read_text())
    functions = [
        each["Properties"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Serverless::Function"
    ]
    assert {each["Runtime"] for each in functions} == {target.runtime}
    assert template["Resources"]["APIHandler"]["Properties"]["SnapStart"]
    lint = [str(Path(sys.executable).with_name("cfn-lint")), "--regions", "eu-north-1"]
    checked = subprocess.run(
        [*lint, "--template", str(build / "sam.json")], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout) == (0, "")

    packed = zipfile.ZipFile(build / "deployment.zip")
    tags = {name.split(".")[-2] for name in packed.namelist() if name.endswith(".pyc")}
    binaries = [name for name in packed.namelist() if name.endswith(".so")]
    assert tags == ({target.cache_tag} if interpreter else set())
    assert binaries
    assert not [name for name in binaries if f".{BUILDER.cache_tag}-" in name]
    assert (without_bytecode(target) in capsys.readouterr().err) is (interpreter is None)
    if interpreter:
        task = unpacked(build / "deployment.zip", tmp_path / "task")
        environ = {"PATH": os.defpath, "PYTHONPATH": str(task), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [interpreter, "-S", "-W", "error", "-c", "import app; print(app.__cached__)"]
        done = subprocess.run(
            command, cwd=task, env=environ, capture_output=True, text=True, check=False
        )
        cached = task / "__pycache__" / f"app.{target.cache_tag}.pyc"
        assert (done.stdout.strip(), done.stderr) == (str(cached), "")


def test_the_same_sources_give_the_same_bytes(packed: zipfile.ZipFile) -> None:
    """Building twice gives the same bytes: nothing in the zip depends on the time."""
    assert {entry.date_time for entry in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert packed.namelist() == sorted(packed.namelist())


def test_importing_the_app_asks_nothing_of_the_world(task: Path) -> None:
    """No setting, no network and no clock at import: a cold start does nothing it need not do."""
    environ = {"PATH": os.defpath, "PYTHONPATH": str(task), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", "-c", _SPY]
    done = subprocess.run(
        command, cwd=task, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_function_that_serves_pages_starts_without_what_no_page_needs(task: Path) -> None:
    """A patient's page loads neither boto3 nor what reads phones, addresses and forms."""
    start = "import sys, chalicelib.entry; print(sorted(set(sys.argv[1:]) & set(sys.modules)))"
    libraries = (
        "boto3",
        "s3transfer",
        "phonenumbers",
        "email_validator",
        "cryptography",
        "babel",
        "qrcode",
    )
    ours = (
        "services.decisions",
        "services.receipt_copies",
        "store.links",
        "web.pages.form_submission",
        "receipts.jws",
        "domain.decisions",
        "domain.subjects",
        "store.lookup",
        "store.contacts",
        "store.rate_limits",
        "store.receipts",
        "web.forms",
    )
    needless = (*libraries, *(f"chalicelib.{module}" for module in ours))
    environ = {
        "PATH": os.defpath,
        "PYTHONPATH": str(task),
        "PYTHONDONTWRITEBYTECODE": "1",
        "TABLE_NAME": "portal",
        "AWS_REGION": "eu-north-1",
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
    }
    command = [sys.executable, "-S", "-c", start, "botocore", *needless]
    done = subprocess.run(
        command, cwd=task, env=environ, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "['botocore']"), done.stderr


def test_the_function_may_do_no_more_than_it_must() -> None:
    """Least privilege: no action is a wildcard; on every resource it may only list streams and text
    to phones.

    A phone number is no resource, so sending text messages is allowed on all and then denied on
    every topic.
    """
    template = json.loads((bundle() / "sam.json").read_text())
    for name in (
        "ApiHandlerRole",
        "AfterReceiptRole",
        "CatchUpRole",
        "HousekeepingRole",
        "PostEventsRole",
        "SendWebhooksRole",
        "JobStepsRole",
        "JobPartRole",
    ):
        signs = name in {"ApiHandlerRole", "AfterReceiptRole", "CatchUpRole", "JobStepsRole"}
        assert ("kms:Sign" in json.dumps(template["Resources"][name])) is signs, (
            "only what signs receipts, or certificates of lists, may sign"
        )
        for policy in template["Resources"][name]["Properties"]["Policies"]:
            for statement in policy["PolicyDocument"]["Statement"]:
                assert not [action for action in statement["Action"] if "*" in action], statement[
                    "Sid"
                ]
                assert statement["Resource"] != "*" or statement["Sid"] in {
                    "ListStreams",
                    "SendTextMessages",
                }
