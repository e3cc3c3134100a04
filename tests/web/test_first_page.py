"""What a process loads of the portal before it can show its first page."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

LOADED = frozenset(
    [
        "domain",
        "domain.ages",
        "domain.brand",
        "domain.clinic",
        "domain.consent",
        "domain.errors",
        "domain.instants",
        "domain.languages",
        "domain.local_time",
        "domain.message_budgets",
        "domain.notice_versions",
        "domain.one_line",
        "domain.rate_limits",
        "entry",
        "log",
        "notices",
        "notices.controllers",
        "notices.document",
        "notices.duties",
        "notices.fields",
        "notices.purposes",
        "portal",
        "presentation",
        "presentation.authorities",
        "presentation.i18n",
        "presentation.page",
        "settings",
        "snapshot",
        "store",
        "store.aws",
        "store.clinics",
        "store.encryption",
        "store.expressions",
        "store.items",
        "store.keys",
        "store.keys.clinics",
        "store.keys.key",
        "store.keys.people",
        "store.keys.proof",
        "store.keys.receipts",
        "store.shown_pages",
        "store.table",
        "store.writes",
        "web",
        "web.errors",
        "web.form_state",
        "web.middleware",
        "web.pages",
        "web.pages.consent",
        "web.pages.decision_form",
        "web.requests",
        "web.responses",
        "web.routes",
        "web.routing",
        "web.typed_fields",
    ]
)
"""The portal's own modules on the way to the first page, without `chalicelib.` before them.

Each costs every cold start. Whatever else a page or a call needs is imported where it is needed
(`web.routes`).
"""


def test_a_process_loads_what_its_first_page_needs_and_nothing_else() -> None:
    """Whoever scans the code in a waiting room waits for no part of the portal they do not see."""
    start = "import sys, chalicelib.entry; print(*(m for m in sys.modules if 'chalicelib.' in m))"
    credentials = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none"}
    environment = {"TABLE_NAME": "portal", "AWS_REGION": "eu-north-1", **credentials}
    done = subprocess.run(
        [sys.executable, "-c", start],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {name.removeprefix("chalicelib.") for name in done.stdout.split()}
    assert loaded - LOADED == set(), "imported where it is needed, this costs no cold start"
    assert LOADED - loaded == set(), "no longer loaded: take it out of the list"
