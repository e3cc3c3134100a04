"""Where Lambda enters: the application, with its clients made while the function starts.

Importing `app` reads nothing and connects to nothing; this module is the program's start and does
both, at the one time when Lambda gives a whole processor and no patient waits. What is loaded here
stays for the life of the process, so the garbage collector neither searches it while it grows nor
later (a tenth of the start).
"""

import gc

gc.disable()

from app import (  # noqa: E402 - after the collector is off
    after_receipt,
    app,
    catch_up,
    housekeeping,
    job_part,
    job_steps,
    post_events,
    send_webhooks,
)
from chalicelib import snapshot  # noqa: E402
from chalicelib.portal import warm  # noqa: E402
from chalicelib.web.routes import load_first_page  # noqa: E402

__all__ = [
    "after_receipt",
    "app",
    "catch_up",
    "housekeeping",
    "job_part",
    "job_steps",
    "post_events",
    "send_webhooks",
]

portal = warm()
load_first_page()
snapshot.register(app, portal)
gc.freeze()
gc.enable()
