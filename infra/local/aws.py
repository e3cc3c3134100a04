"""The local AWS: MiniStack on the loopback interface, and settings for AWS clients to use it."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from infra.build.tools import local_aws
from infra.local.processes import LOOPBACK, free_port, running

REGION = "eu-north-1"
# MiniStack takes a 12-digit access key as the account number.
ACCOUNT = "000000000000"
SECRET = "local"  # noqa: S105 - it opens this machine's local AWS alone


def aws_environment(endpoint_url: str) -> dict[str, str]:
    """Return the environment variables that point every AWS client at `endpoint_url` alone."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": SECRET,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@contextlib.contextmanager
def ministack(
    data_dir: Path | None = None,
    *,
    log: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Run MiniStack and yield its endpoint URL, for example http://127.0.0.1:40123.

    With `data_dir` everything stored is kept there over a clean stop and start (MiniStack saves at
    shutdown only: a kill loses what came since the start). Without it nothing is kept. The
    functions it runs find `variables` in their environment, beside those the template gives them.
    """
    port = free_port()
    url = f"http://{LOOPBACK}:{port}"
    with tempfile.TemporaryDirectory(prefix="portal-aws-") as scratch:
        kept = data_dir or Path(scratch) / "data"
        kept.mkdir(parents=True, exist_ok=True)
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": scratch,
            "TMPDIR": scratch,
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "MINISTACK_HOST": LOOPBACK,
            "MINISTACK_REGION": REGION,
            "LAMBDA_EXECUTOR": "local",
            # It verifies the signatures of presigned addresses.
            "AWS_ACCESS_KEY_ID": SECRET,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            # It would listen for MQTT on every interface.
            "IOT_MTLS_ENABLED": "0",
            "LOG_LEVEL": "INFO",
            "PERSIST_STATE": "1" if data_dir else "0",
            "STATE_DIR": str(kept / "state"),
            "S3_PERSIST": "1" if data_dir else "0",
            "S3_DATA_DIR": str(kept / "s3"),
            **(variables or {}),
        }
        with running(
            [str(local_aws()), "-m", "ministack"],
            environ=environ,
            log=log or kept / "ministack.log",
            url=f"{url}/_ministack/health",
            name="MiniStack (the local AWS)",
        ):
            yield url


def forget_stream_positions(data_dir: Path) -> None:
    """Let the stream triggers begin anew at the next start.

    MiniStack keeps how far each has read over a restart, but not the stream itself: it would skip
    as many new records as it had read before.
    """
    path = data_dir / "state" / "lambda.json"
    if path.exists():
        state = json.loads(path.read_text())
        state["payload"].pop("dynamodb_stream_positions", None)
        path.write_text(json.dumps(state))
