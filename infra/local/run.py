"""`make run`: the whole portal on this machine, in the foreground until Ctrl-C.

Builds the real bundle, starts the local AWS, deploys the same CloudFormation that goes to AWS,
publishes the demo clinics, and serves. What is stored survives a clean stop; everything of it is
under `.local/`.
"""

import contextlib
import fcntl
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any

import qrcode

from chalicelib.portal import get_portal
from chalicelib.settings import BY_KMS, BY_WRAPPED_KEY
from infra.build.bundle import ROOT, NotBuiltError, bundle
from infra.build.catalogs import compile_stale
from infra.build.tools import ToolMissingError
from infra.local.aws import aws_environment, forget_stream_positions, ministack
from infra.local.demo import invite_demo, publish_demo
from infra.local.front import Front
from infra.local.gateway import Gateway, too_large
from infra.local.logs import copied
from infra.local.post_office import PostOffice, post_office
from infra.local.processes import LOOPBACK, NotStartedError, free_port
from infra.local.server import Handler, Request, port_is_free, serving
from infra.operator.cli.clinic_file import FileError
from infra.operator.deploy import Deployer, NotDeployedError

LOCAL = ROOT / ".local"
STACK = "consent-portal-local"
# Where the local AWS keeps its data. It gets a new name when the layout of the data changes; older
# data is left as it is.
DATA = "aws-6"
# The stream's function looks for new records at least this often.
_STREAM_SECONDS = 3.0
STARTS = 5
"""How often the first page is asked for, at most, until the function has started."""


class NotRunningError(Exception):
    """The portal cannot run; the message says why."""


def _say(text: str) -> None:
    print(text, flush=True)


def _interrupted(_signal: int, _frame: FrameType | None) -> None:
    """Stop once; ignore further signals while everything is being stopped."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def chosen_port() -> int:
    """Return the port to serve on, from PORT or 8000, if it is one and free."""
    named = os.environ.get("PORT") or "8000"
    if not named.isdigit() or not 0 < int(named) < 65536:
        raise NotRunningError(f"PORT must be a number from 1 to 65535, not “{named}”.")
    if not port_is_free(int(named)):
        remedy = "stop what uses it, or choose another with PORT=8001 make run"
        raise NotRunningError(f"Port {named} is in use: {remedy}.")
    return int(named)


def chosen_signing() -> str:
    """Return where receipts are signed, from SIGNING or by KMS, if it is one of the two."""
    named = os.environ.get("SIGNING") or BY_KMS
    if named not in {BY_KMS, BY_WRAPPED_KEY}:
        raise NotRunningError(f"SIGNING must be {BY_KMS} or {BY_WRAPPED_KEY}, not “{named}”.")
    return named


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Raise NotRunningError where another portal runs with the same data."""
    LOCAL.mkdir(exist_ok=True)
    LOCAL.chmod(0o700)  # keys and data are for this user only
    with (LOCAL / "run.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            message = "The portal is running already from this folder: stop that one first."
            raise NotRunningError(message) from None
        yield


@dataclass(frozen=True)
class Running:
    """The portal while it serves: its address (no slash at the end), and clinics' keys by id.

    `settings` are the environment variables by which a command line finds the same stack.
    """

    base_url: str
    settings: dict[str, str]
    clinics: dict[str, dict[str, str]]
    front: Front
    post_office: PostOffice


@contextlib.contextmanager
def portal_running(port: int, folder: Path = LOCAL) -> Iterator[Running]:
    """Start everything and serve on `port` (0: a free one); data, logs and keys are in `folder`.

    Leaves the AWS settings of the local AWS in the environment.
    """
    signing = chosen_signing()
    _say("Building the deployment bundle …")
    build = bundle()
    gateway = Gateway.of_template(json.loads((build / "sam.json").read_text()))
    port = port or free_port()
    base_url = f"http://{LOOPBACK}:{port}/{gateway.stage}"
    # Publishing renders the full notices here, outside the bundle.
    compile_stale()
    data = folder / DATA
    forget_stream_positions(data)
    _say("Starting the local AWS …")
    with contextlib.ExitStack() as stack:
        office, variables = stack.enter_context(post_office(folder / "mailbox.jsonl"))
        # The emulator does not pass the request's domain to its functions.
        # Webhooks may lead to programs on this machine, for trying them out.
        addressed = {**variables, "PUBLIC_URL": base_url, "WEBHOOKS_TO_LOOPBACK": "1"}
        aws = ministack(data, log=folder / "ministack.log", variables=addressed)
        endpoint_url = stack.enter_context(aws)
        os.environ.update(aws_environment(endpoint_url))
        _say("Deploying the CloudFormation stack …")
        deployer = Deployer(endpoint_url)
        # Each part of a job that is done at once is a process on this machine.
        parts = str(max(2, os.cpu_count() or 1))
        parameters = {
            "MailFrom": "consent@example.org",
            "JobParts": parts,
            "Signing": signing,
        }
        outputs = deployer.deploy(STACK, build, parameters)
        settings = {
            "TABLE_NAME": outputs["TableName"],
            "CLINIC_KEY_ARN": outputs["ClinicKeyArn"],
            "SIGNING_KEY": outputs["SigningKeyAlias"],
            "SIGNING": outputs["Signing"],
            "FAILURES_QUEUE": outputs["FailuresQueue"],
            "JOB_BUCKET": outputs["JobBucket"],
            **aws_environment(endpoint_url),
            **variables,
        }
        _say("Publishing the demo clinics …")
        clinics = publish_demo(settings, folder / "keys.json")
        home = f"/{gateway.stage}/{next(iter(clinics), '')}"
        front = Front(gateway, endpoint_url, outputs["RestAPIId"], home, messages=office.messages)
        with (
            copied(deployer.client("logs"), _log_groups(deployer), folder / "portal.log"),
            serving(port, front, too_large=too_large(front.gateway)),
        ):
            require_page(front, home, folder)
            yield Running(base_url, settings, clinics, front, office)


def run(port: int) -> None:
    """Start everything, serve until interrupted, and stop everything."""
    with portal_running(port) as portal:
        mailbox_url = f"{portal.base_url.rpartition('/')[0]}/_mailbox"
        desks = invite_demo(get_portal().table, portal.clinics, portal.base_url)
        clinics = {
            clinic: {**given, "staff_url": desks[clinic]["administrator"], "staff": desks[clinic]}
            for clinic, given in portal.clinics.items()
        }
        demo = {"base_url": portal.base_url, "mailbox_url": mailbox_url, "clinics": clinics}
        settings = {**portal.settings, "PUBLIC_URL": portal.base_url}
        with _announced("demo.json", demo), _announced("env.json", settings):
            _show(portal.base_url, desks, mailbox_url)
            _until_interrupted()
        _say("\nStopping: saving the data …")
        # MiniStack saves the table but not its stream: give the stream's function time to read what
        # was just written.
        if portal.front.last_write:
            time.sleep(max(0.0, portal.front.last_write + _STREAM_SECONDS - time.monotonic()))


def _until_interrupted() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()


def _log_groups(deployer: Deployer) -> list[str]:
    cloudformation = deployer.client("cloudformation")
    resources = cloudformation.describe_stack_resources(StackName=STACK)["StackResources"]
    groups = [part for part in resources if part["ResourceType"] == "AWS::Logs::LogGroup"]
    return [group["PhysicalResourceId"] for group in groups]


@contextlib.contextmanager
def _announced(name: str, content: Mapping[str, Any]) -> Iterator[None]:
    """Write a file to `.local/` by which programs reach the portal; remove it at the end."""
    path = LOCAL / name
    unfinished = path.with_suffix(".part")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    unfinished.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def require_page(front: Handler, home: str, folder: Path) -> None:
    """Request the first page; this also starts the function, so that no user waits for it.

    On a busy machine that takes longer than the gateway waits (504): then it is asked again.
    """
    request = Request("GET", home, (("Host", LOOPBACK), ("Accept", "text/html")), b"")
    for _ in range(STARTS):
        reply = front(request)
        if reply.status != HTTPStatus.GATEWAY_TIMEOUT:
            break
    if reply.status != HTTPStatus.OK:
        remedy = f"see portal.log and ministack.log in {folder}"
        raise NotRunningError(f"The portal answers {reply.status} instead of its page; {remedy}.")


def _show(base_url: str, desks: dict[str, dict[str, str]], mailbox_url: str) -> None:
    _say("\nThe portal is running. Clinic pages:")
    for clinic in desks:
        _say(f"  {base_url}/{clinic}")
    _say(
        "The clinics' desks (each link signs in once, within a day; other roles: .local/demo.json):"
    )
    for clinic, links in desks.items():
        for role in ("reception", "administrator"):
            _say(f"  {clinic}, {role}: {links[role]}")
    _say(f"What it sends, in a mailbox: {mailbox_url}")
    _say("API keys of the clinics:   .local/keys.json   (all addresses: .local/demo.json)")
    _say("Log of the functions:      tail -f .local/portal.log")
    if desks:
        code = qrcode.QRCode(error_correction=qrcode.ERROR_CORRECT_L, border=4)
        code.add_data(f"{base_url}/{next(iter(desks))}")
        with contextlib.suppress(UnicodeEncodeError):
            code.print_ascii(invert=True)
    _say("Stop with Ctrl-C; what was stored is kept.")


def main() -> int:
    """Run; print one sentence if that is not possible."""
    signal.signal(signal.SIGINT, _interrupted)
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        port = chosen_port()
        with only_one():
            run(port)
        _say("Stopped.")
    except KeyboardInterrupt:
        _say("Stopped.")
    except (
        NotRunningError,
        NotBuiltError,
        NotStartedError,
        NotDeployedError,
        FileError,
        ToolMissingError,
    ) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
