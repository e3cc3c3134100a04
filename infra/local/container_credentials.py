"""Credentials of a function that SnapStart restores: by HTTP, and no longer by the environment.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html
"""

import contextlib
import datetime as dt
import json
from collections.abc import Iterator, Mapping

from infra.local.processes import LOOPBACK
from infra.local.server import Reply, Request, serving

_TOKEN = "token-of-the-function"  # noqa: S105 - it opens this server alone
_HOURS = dt.timedelta(hours=6)


@contextlib.contextmanager
def container_credentials() -> Iterator[Mapping[str, str]]:
    """Serve credentials, other ones to each who asks: the keys GIVEN0, GIVEN1 and so on.

    Yields the environment variables by which AWS clients find them.
    """
    given = 0

    def give(request: Request) -> Reply:
        nonlocal given
        if request.header("Authorization") != _TOKEN:
            return Reply(401)
        key = f"GIVEN{given}"
        given += 1
        told = {
            "AccessKeyId": key,
            "SecretAccessKey": f"secret of {key}",
            "Token": f"token of {key}",
            "Expiration": (dt.datetime.now(dt.UTC) + _HOURS).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        return Reply(200, (("Connection", "close"),), json.dumps(told).encode())

    with serving(0, give) as port:
        yield {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{LOOPBACK}:{port}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": _TOKEN,
        }
