"""Starts child processes, waits until they are ready, and stops them, at the latest with us."""

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

LOOPBACK = "127.0.0.1"
_PR_SET_PDEATHSIG = 1

# The child runs this first: it lets Linux send SIGTERM when the parent ends, for whatever reason,
# and then becomes the command. A session of its own keeps the terminal's Ctrl-C away from it, so
# that we decide the order of stopping.
_LAUNCHER = f"""
import ctypes, os, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, {int(signal.SIGTERM)})
os.execvp(sys.argv[1], sys.argv[1:])
"""


class NotStartedError(Exception):
    """A child process did not come up; the message says why."""


def free_port() -> int:
    """Return a free TCP port of the loopback interface, on Linux reserved from now on.

    A server takes seconds until it listens; whoever else starts one meanwhile would now and then
    get the same port. Linux lets two sockets that allow it have one port as long as only one
    listens, and gives it to no third.
    """
    probe, shared = socket.socket(), sys.platform == "linux"
    if shared:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind((LOOPBACK, 0))
    port: int = probe.getsockname()[1]
    if shared:
        atexit.register(probe.close)
    else:
        probe.close()
    return port


def start(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    log: Path,
    cwd: Path | None = None,
    tied: bool = True,
) -> subprocess.Popen[bytes]:
    """Start `command` with exactly `environ`, its output appended to `log`.

    When `tied`, it gets SIGTERM as soon as the thread that calls this ends: call it from one that
    stays.
    """
    launcher = [sys.executable, "-Sc", _LAUNCHER] if tied else []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [*launcher, *command],
            env=dict(environ),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_until_answering(
    url: str, child: subprocess.Popen[bytes], *, name: str, log: Path, seconds: float
) -> None:
    """Wait until `url` answers by HTTP; raise NotStartedError where `name` did not start."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None:
            problem = f"{name} stopped with exit code {child.returncode} while starting"
            raise NotStartedError(f"{problem}; see {log}.")
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.05)
    raise NotStartedError(f"{name} did not answer within {seconds:.0f} seconds; see {log}.")


def stop(child: subprocess.Popen[bytes], *, grace: float = 30.0) -> None:
    """Ask the child to stop; after `grace` seconds kill it with its whole process group."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    log: Path,
    url: str,
    name: str,
    seconds: float = 60.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start `command`, yield it once `url` answers, and stop it at the end."""
    child = start(command, environ=environ, log=log)
    try:
        wait_until_answering(url, child, name=name, log=log, seconds=seconds)
        yield child
    finally:
        stop(child)
