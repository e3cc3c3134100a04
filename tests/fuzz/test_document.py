"""The OpenAPI document is true for requests that nobody thought of."""

from typing import Any

import pytest

from chalicelib.domain.api_keys import SCOPES
from infra.local.processes import LOOPBACK
from infra.local.server import serving
from infra.operator import keys
from tests.fuzz.fuzzing import Victim, described, only, run
from tests.fuzz.gateway import answer
from tests.web.running import RunningPortal
from tests.web.truth import DOCUMENT

SEED = 1
TAGS = [tag["name"] for tag in DOCUMENT["tags"]]
SHOWN = "pages"
"""How the tags of patients' pages end: of those the ones with a form; `make fuzz` opens all pages."""


def a_victim(portal: RunningPortal) -> Victim:
    """Open a clinic whose every call may be made with anything."""
    clinic = portal.open_clinic().clinic
    revoked, rotated = (keys.create(portal.table, clinic, name)[0].id for name in ("one", "two"))
    return Victim(clinic, portal.new_key(clinic, *SCOPES), revoked, rotated)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("tag", TAGS)
def test_whatever_is_sent_is_answered_as_the_document_says(portal: RunningPortal, tag: str) -> None:
    """A developer who goes by the document is never surprised, and no request breaks the portal."""

    def is_tried(path: str, _method: str, call: Any) -> bool:
        is_sent = "post" in DOCUMENT["paths"][path] or not tag.endswith(SHOWN)
        return call["tags"] == [tag] and is_sent

    chosen = only(DOCUMENT, is_tried)
    with serving(0, answer) as port:
        address, victim = f"http://{LOOPBACK}:{port}", a_victim(portal)
        # What one page gives leads to pages under other headings.
        stateful = not tag.endswith(SHOWN)
        tried = described(chosen, address, victim, seed=SEED, examples=1, stateful=stateful)
        report = run(tried)
    assert report.cases > 0
    assert max(report.statuses) < 500
    assert report.broken == []
    assert report.faults == {}
