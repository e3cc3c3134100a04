"""The five demo clinics on the local stack, and a key for each."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from chalicelib.domain.api_keys import BearerKey, digest
from chalicelib.domain.instants import Instant
from chalicelib.notices.workflow import Person
from chalicelib.portal import get_portal
from chalicelib.store import publishing
from chalicelib.store.keys import api_key_key
from infra.operator import keys, publish
from infra.operator.cli.clinic_file import FileError

CLINICS = Path(__file__).resolve().parents[1] / "clinics"
AUTHOR, APPROVER = Person("The demo's author"), Person("The demo's data protection officer")
KEYS = Path(__file__).resolve().parents[2] / ".local" / "keys.json"


def publish_demo(
    environment: Mapping[str, str], kept_keys: Path = KEYS, at: Instant | None = None
) -> dict[str, dict[str, str]]:
    """Publish the clinics of `infra/clinics/` not published yet; give ``{clinic: {"api_key": …}}``.

    Each is published `at`, or as of the day its notice names: paper forms of earlier days can be
    entered at once. The keys are kept in `kept_keys`, readable by its owner alone: the portal
    itself knows only their hashes.
    """
    os.environ.update(environment)
    get_portal.cache_clear()
    portal = get_portal()
    known: dict[str, str] = (
        json.loads(kept_keys.read_text(encoding="utf-8")) if kept_keys.exists() else {}
    )
    given = {}
    for path in sorted(CLINICS.glob("*.yaml")):
        ready = publish.read_file(path)
        try:
            publish.publish(
                ready,
                portal,
                environment["CLINIC_KEY_ARN"],
                author=AUTHOR,
                approver=APPROVER,
                at=at or ready.starts,
            )
        except FileError as error:
            if publishing.is_new(portal.clinics, ready.clinic.id):
                raise
            # The data are of an earlier release.
            print(f"{error}. This portal keeps the version it has.", file=sys.stderr)
        given[ready.clinic.id] = known.get(ready.clinic.id, "")
    now = portal.clock()
    places = {clinic: api_key_key(digest(secret)) for clinic, secret in given.items()}
    valid = portal.table.get(list(places.values()))
    for clinic, place in places.items():
        if place not in valid or not BearerKey.read(valid[place].body or "").opens(now):
            given[clinic] = keys.create(portal.table, clinic, "make run")[1]
    kept_keys.parent.mkdir(parents=True, exist_ok=True)
    kept_keys.touch(mode=0o600)
    kept_keys.write_text(json.dumps(given, indent=2), encoding="utf-8")
    return {clinic: {"api_key": secret} for clinic, secret in given.items()}
