"""The command line as a clinic's people use it: against a portal that answers over HTTP."""

import contextlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.local.processes import LOOPBACK
from infra.local.server import Reply, Request, serving
from infra.operator.cli.main import run
from tests.cast import RIGA
from tests.web.client import Client
from tests.web.running import RunningPortal

STAGE = "/api"
Before = Callable[[Request], Reply | None]


@dataclass
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Give the JSON on stdout."""
        return json.loads(self.out)


class Served:
    """The portal of the tests behind a real socket; `before` may answer in its place."""

    def __init__(self) -> None:
        self.before: Before = lambda _request: None
        self.requests: list[Request] = []
        self.client = Client()
        self.base_url = ""

    def answer(self, request: Request) -> Reply:
        """Answer one request."""
        self.requests.append(request)
        instead = self.before(request)
        if instead is not None:
            return instead
        target = request.target.removeprefix(STAGE)
        headers = {name: value for name, value in request.headers if name != "Host"}
        with contextlib.redirect_stdout(io.StringIO()):  # the portal's metrics are its own
            given = self.client.send(request.method, target, request.body, headers)
        told = {name: value for name, value in given.headers.items() if name != "content-length"}
        return Reply(given.status, tuple(told.items()), given.body)


@dataclass
class Terminal:
    """A shell in an empty folder, with a home of its own."""

    served: Served
    folder: Path
    monkeypatch: pytest.MonkeyPatch
    capsysbinary: pytest.CaptureFixture[bytes]

    def __call__(self, *words: str, typed: str = "") -> Said:
        """Run a command; `typed` is what comes on stdin."""
        self.monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
        self.capsysbinary.readouterr()
        code = run(words)
        printed = self.capsysbinary.readouterr()
        err = printed.err.decode()
        assert "Traceback" not in err
        return Said(code, printed.out.decode(errors="replace"), err)

    def works_for(self, clinic: str, key: str) -> None:
        """Set the environment as a script does."""
        self.monkeypatch.setenv("CONSENT_URL", self.served.base_url)
        self.monkeypatch.setenv("CONSENT_CLINIC", clinic)
        self.monkeypatch.setenv("CONSENT_KEY", key)

    def write(self, name: str, content: str) -> str:
        """Write a file; give its name."""
        (self.folder / name).write_text(content, encoding="utf-8")
        return name


@pytest.fixture
def served(portal: RunningPortal) -> Iterator[Served]:
    """Serve the portal on a port of the loopback interface."""
    assert portal
    made = Served()
    with serving(0, made.answer) as port:
        made.base_url = f"http://{LOOPBACK}:{port}{STAGE}"
        yield made


@pytest.fixture
def terminal(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> Terminal:
    """Give a shell that knows no portal yet."""
    for name in ("CONSENT_URL", "CONSENT_CLINIC", "CONSENT_KEY", "CONSENT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    folder = tmp_path / "folder"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return Terminal(served, folder, monkeypatch, capsysbinary)


@pytest.fixture
def consent(terminal: Terminal, portal: RunningPortal) -> Terminal:
    """Give a shell that works for the clinic in Riga."""
    terminal.works_for(RIGA, portal.api_keys[RIGA])
    return terminal
