"""`consent` as it is installed: from the repository into an empty environment, and into .venv."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from infra.build import venv
from infra.build.bundle import ROOT
from tests.cast import RIGA
from tests.infra.operator.cli.conftest import Served
from tests.web.running import RunningPortal


def run(command: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run an installed command in an empty folder with nothing of the repository around it."""
    given = {"PATH": os.defpath, "HOME": str(command.parent), **environ}
    return subprocess.run(
        [command, *words],
        env=given,
        cwd=command.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the package, install it into an empty environment, and give its command."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", folder, ROOT], check=True)
    [wheel] = folder.glob("consent_portal-*.whl")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    subprocess.run([python, *pip[1:], "install", wheel], check=True)
    return folder / "venv" / "bin" / "consent"


def test_the_package_holds_the_command_alone(installed: Path) -> None:
    """Whoever installs it gets no web server, no AWS and none of the portal's storage."""
    [wheel] = installed.parents[2].glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    code = {"/".join(name.split("/")[:2]) for name in names if name.endswith(".py")}
    pure = {f"chalicelib/{part}" for part in ("domain", "notices", "presentation", "receipts")}
    assert code == pure | {"infra/operator"}
    python = installed.with_name("python")
    listed = run(python, "-m", "pip", "list", "--format", "freeze").stdout.lower()
    assert not [name for name in ("boto", "chalice", "jinja", "pynamodb") if name in listed]


def test_the_installed_command_asks_a_portal(
    installed: Path, served: Served, portal: RunningPortal
) -> None:
    """`pipx install` on a clinic's own machine is enough to ask who may be written to."""
    helped = run(installed, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "status" in helped.stdout
    assert "operator" not in helped.stdout
    known = {
        "CONSENT_URL": served.base_url,
        "CONSENT_CLINIC": RIGA,
        "CONSENT_KEY": portal.api_keys[RIGA],
    }
    asked = run(installed, "status", "--email", "installed@example.org", **known)
    assert (asked.returncode, asked.stderr) == (0, "")
    assert "never_asked" in asked.stdout
    wrong = run(installed, "operator", **known)
    assert (wrong.returncode, "No such command" in wrong.stderr) == (2, True)


def test_a_clinics_file_is_checked_and_a_receipt_verified_where_it_is_installed(
    installed: Path, tmp_path: Path
) -> None:
    """Checking needs no portal; what the installed package lacks would show here."""
    file = ROOT / "infra" / "clinics" / f"{RIGA}.yaml"
    checked = run(installed, "clinic", "check", str(file))
    assert (checked.returncode, "ready to publish" in checked.stdout) == (0, True), checked.stderr
    (tmp_path / "jwks.json").write_text('{"keys": []}', encoding="utf-8")
    (tmp_path / "no.jws").write_text("a.b.c", encoding="utf-8")
    jwks = str(tmp_path / "jwks.json")
    verified = run(installed, "verify", str(tmp_path / "no.jws"), "--jwks", jwks)
    assert (verified.returncode, "NOT PROVEN" in verified.stderr) == (1, True), verified.stderr


def test_the_checkouts_own_command_runs_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make` leaves `.venv/bin/consent`, and it runs this folder's code, wherever it is called."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setattr(venv, "VENV", str(tmp_path))
    monkeypatch.setattr(venv, "PYTHON", sys.executable)
    venv.write_command()
    command = tmp_path / "bin" / "consent"
    helped = run(command, "--help")
    assert (helped.returncode, "operator" in helped.stdout) == (0, True), helped.stderr
    assert "consent operator" in run(command, "operator", "--help").stdout
