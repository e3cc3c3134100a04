"""Ten thousand people are exported page by page, each once, in few round trips."""

from dataclasses import replace
from datetime import UTC, datetime

from bench.visits import CLINIC, EMAIL_NEWS, Visits
from chalicelib.domain.api_keys import BearerKey
from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.portal import Portal
from chalicelib.services.authorized_call import AuthorizedCall, EmptyBody
from chalicelib.services.clinic_export import ExportRow, export_page, rows_of_shard
from chalicelib.store.keys.key import SHARDS
from chalicelib.store.keys.people import contact_key, person_key, personal_data_key
from chalicelib.store.lookup import fresh_subject
from chalicelib.store.people import dump_person
from chalicelib.store.writes import Put, Write
from infra.build.catalogs import compile_stale
from tests.faults.world import simulated

PEOPLE = 10_000
NOW = "2026-11-23T10:00:00.000Z"


def fill(portal: Portal, visits: Visits) -> set[str]:
    """Write ten thousand people as one who said Yes stands; give the e-mails of nine in ten.

    Every tenth has said No.
    """
    given = []
    for email, answer in (("yes@example.org", "yes"), ("no@example.org", "no")):
        visits.staff(email, {EMAIL_NEWS: answer})
        contact = Contact(ContactKind.EMAIL, email)
        [person] = portal.directory.look_up(CLINIC, [contact]).known()
        given.append(person)
    key = portal.clinics.key(CLINIC)
    permitted = {"yes@example.org"}
    writes: list[Write] = []
    for number in range(PEOPLE - 2):
        agreed, refused = given
        email = f"person{number}@example.org"
        original = refused if number % 10 == 0 else agreed
        if original is agreed:
            permitted.add(email)
        fresh = fresh_subject()
        lookup = key.lookup(Contact(ContactKind.EMAIL, email))
        person = replace(
            original,
            id=fresh.id,
            salt=fresh.salt,
            contacts={lookup: NOW},
            kinds={lookup: "email"},
            typed=(),
        )
        kept = {"blob": dump_person(person)}
        sealed = key.encrypt(person.id, person.salt, lookup, email)
        writes += [
            Put(person_key(CLINIC, person.id), kept),
            Put(contact_key(CLINIC, lookup), kept),
            Put(personal_data_key(CLINIC, person.id, lookup), {"blob": sealed}),
        ]
    for start in range(0, len(writes), 99):
        portal.table.write(writes[start : start + 99])
    return permitted


def call_of(portal: Portal) -> AuthorizedCall[EmptyBody]:
    """Give a call of the clinic's program."""
    lookup = portal.directory.look_up(CLINIC)
    key = BearerKey("key_000000000000", CLINIC, "", ("export:read",), NOW)
    return AuthorizedCall(key, EmptyBody(), lookup, portal.clock(), lookup.published.clinic, "")


def test_ten_thousand_people_are_exported_each_once() -> None:
    """A clinic of any size gets its list, and a page of it costs the same."""
    compile_stale()
    with simulated("export", datetime(2026, 11, 23, 9, tzinfo=UTC)) as world:
        portal = world.portal
        visits = Visits(world)
        visits.warm_up()
        permitted = fill(portal, visits)
        call = call_of(portal)
        rows_seen: list[ExportRow] = []
        cursor = None
        pages = 0
        while pages == 0 or cursor is not None:
            page = export_page(portal, call, EMAIL_NEWS, cursor, 1000)
            rows_seen += page.rows
            cursor = page.cursor
            pages += 1
        ours = [row.email for row in rows_seen if row.email in permitted]
        assert len({row.subject for row in rows_seen}) == len(rows_seen)
        assert len(ours) == len(set(ours)) == len(permitted)
        assert pages == PEOPLE // 1000 + 1
        question = call.shared.questions[EMAIL_NEWS]
        part = [
            row.email for rows in rows_of_shard(portal, CLINIC, question, SHARDS[7]) for row in rows
        ]
        theirs = [row.email for row in rows_seen if row.subject[0] == SHARDS[7]]
        assert part == theirs, "a part for a job has the same as the pages"
