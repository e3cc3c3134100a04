"""The five demo clinics on the local stack, a key for each, and links to each one's desk."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from chalicelib.domain.api_keys import BearerKey, digest
from chalicelib.domain.instants import Instant
from chalicelib.domain.staff import Role, new_member_id
from chalicelib.notices.workflow import Person
from chalicelib.portal import get_portal, system_clock
from chalicelib.services import staff_members
from chalicelib.services.staff_members import OPERATOR, InvitedAlreadyError
from chalicelib.store import publishing
from chalicelib.store.keys.programs import api_key_key
from chalicelib.store.table import Table
from infra.operator import keys, publish, staff
from infra.operator.cli.clinic_file import FileError

DEMO_PEOPLE = {
    Role.RECEPTION: "Rita (reception)",
    Role.MARKETING: "Mark (marketing)",
    Role.PROTECTION: "Dora (data protection officer)",
    Role.ADMINISTRATOR: "Adam (administrator)",
    Role.READER: "Nina (reading only)",
}
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


def invite_demo(table: Table, clinics: Iterable[str], base_url: str) -> dict[str, dict[str, str]]:
    """Invite one person of each role to each clinic's desk; give ``{clinic: {role: link}}``.

    They are the same people each time: whoever takes up a link makes a passkey, and the one of the
    time before opens nothing any more.
    """
    links: dict[str, dict[str, str]] = {}
    for clinic in clinics:
        links[clinic] = {}
        for role in Role:
            secret = _invited(table, clinic, role)
            links[clinic][role.value] = staff.link_of(secret, base_url)
    return links


def _invited(table: Table, clinic: str, role: Role) -> str:
    nonce, now = f"demo|{clinic}|{role}", system_clock()
    try:
        return staff_members.invite(
            table, clinic, DEMO_PEOPLE[role], role, "en", by=OPERATOR, now=now, nonce=nonce
        )[1]
    except InvitedAlreadyError:
        return staff_members.invite_again(table, clinic, new_member_id(nonce), by=OPERATOR, now=now)
