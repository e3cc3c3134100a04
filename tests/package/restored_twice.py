"""The pages' function of `test_restores.py`: where Lambda takes a snapshot, it is copied twice.

A copy is what a restored process is: the same memory, and Python is told nothing. So the copies are
made by the C library; after `os.fork` Python would begin its random numbers anew by itself. The
original stays as the snapshot holds it. Runs in the unpacked bundle, under Amazon's runtime client.
"""

import ctypes
import os
import random
import re
import signal
import sys
import time
from typing import Any
from urllib.parse import urlencode

import snapshot_restore_py


def _copy() -> None:
    library = ctypes.PyDLL(None)
    for _ in range(2):
        if library.fork() == 0:
            return
    signal.pause()


# What is registered first is called last.
snapshot_restore_py.register_before_snapshot(_copy)

from chalicelib import entry  # noqa: E402 - after the line above

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def app(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Open the consent page and send its form; give what came back, and what is this process's."""
    loaded = set(sys.modules)
    page = entry.app(event["page"], context)
    state = re.findall(r'name="state" value="([^"]+)"', page["body"])[0]
    fields = {"state": state, **event["fields"], "email": f"p{os.getpid()}@example.org"}
    sent = entry.app(
        {
            **event["page"],
            "httpMethod": "POST",
            "headers": {**event["page"]["headers"], **_FORM},
            "multiValueHeaders": {
                **event["page"]["multiValueHeaders"],
                **{name: [value] for name, value in _FORM.items()},
            },
            "requestContext": {**event["page"]["requestContext"], "httpMethod": "POST"},
            "body": urlencode(fields),
        },
        context,
    )
    return {
        "process": os.getpid(),
        "page": page,
        "state": state,
        "sent": sent,
        "random": random.getrandbits(64),
        "clock": time.time(),
        "loaded": sorted(set(sys.modules) - loaded),
    }
