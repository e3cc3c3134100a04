"""Scans of signed forms: taken, kept under the person's key, shown, and erased with them."""

import hashlib
from typing import Any

import pytest

from chalicelib.domain.contacts import Contact, ContactKind
from chalicelib.domain.rate_limits import STAFF_LOOK_UPS
from chalicelib.domain.scans import MAX_SCAN
from chalicelib.domain.subjects import Subject
from chalicelib.jobs.catch_up import clear_erased
from chalicelib.portal import Portal, get_portal
from chalicelib.services.scans import list_scans, remove_scans
from chalicelib.services.subject_rights import erase
from chalicelib.store.keys.people import scan_key
from chalicelib.store.scans import ScanFiles, ScansUnavailableError, UnknownScanError
from chalicelib.store.scans import read as read_scan
from tests.policies import under_policy_of
from tests.web.page_reader import Page
from tests.web.running import RunningPortal
from tests.web.staff.conftest import SignIn
from tests.web.staff.desk_client import DeskClient, form_token
from tests.web.staff.test_batches import FORM, begin

JPEG = b"\xff\xd8\xff\xe0" + b"a signed form" * 50 + b"\xff\xd9"
PNG = b"\x89PNG\r\n\x1a\n" + b"a signed form"
PDF = b"%PDF-1.7\n" + b"a signed form"
EVIL = b"<html><script>alert(1)</script>"
ANNA = Contact(ContactKind.EMAIL, FORM["email"])


def entered(desk: DeskClient, pile: str, content: bytes, number: str = "P-098") -> Any:
    """Enter a form with a scan."""
    return desk.submit_with_file(pile, {"form": number, **FORM}, "scan", content)


def anna(portal: RunningPortal, clinic: str) -> Subject:
    """Give Anna as the clinic knows her."""
    [person] = portal.in_process.directory.look_up(clinic, [ANNA]).known()
    return person


def address(person: Subject, content: bytes) -> str:
    """Give the address of somebody's scan."""
    return f"/staff/people/{person.id}/scans/{hashlib.sha256(content).hexdigest()[:32]}"


@pytest.mark.parametrize(
    ("content", "media_type", "way"),
    [
        (JPEG, "image/jpeg", "inline"),
        (PNG, "image/png", "inline"),
        (PDF, "application/pdf", "attachment"),
        (PDF + EVIL, "application/pdf", "attachment"),
    ],
)
def test_a_scan_is_shown_as_what_its_bytes_are_and_runs_nothing(
    portal: RunningPortal, desk_client: SignIn, content: bytes, media_type: str, way: str
) -> None:
    """Whatever name and type it was sent under; its hash is in the receipt, its opening audited."""
    program = portal.open_clinic()
    desk = desk_client(program)
    pile = begin(desk)
    assert entered(desk, pile, content).status == 303
    person = anna(portal, program.clinic)
    answer = desk.get(address(person, content))
    assert (answer.status, answer.body) == (200, content)
    assert answer.headers["content-type"] == media_type
    assert answer.headers["content-disposition"].startswith(f"{way};")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    policy = answer.headers["content-security-policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    assert "script" not in policy
    [receipt] = portal.in_process.receipts.history(program.clinic, [person])
    assert receipt.document["evidence"]["sha256"] == hashlib.sha256(content).hexdigest()
    opened = [line for line in portal.audit(program.clinic) if line["call"] == "scans"]
    assert [(line["key"], line["subjects"]) for line in opened] == [(desk.member.id, [person.id])]
    assert address(person, content) in desk.get(f"/staff/{pile}").text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (EVIL, "This file is no JPEG, PNG or PDF"),
        (b"GIF89a" + PNG, "This file is no JPEG, PNG or PDF"),
        (b"\n" + PDF, "This file is no JPEG, PNG or PDF"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "no JPEG, PNG or PDF"),
        (JPEG[:3] + bytes(MAX_SCAN), "This file is larger than 4 MB."),
    ],
)
def test_another_file_is_refused_and_everything_typed_stays(
    portal: RunningPortal, desk_client: SignIn, content: bytes, said: str
) -> None:
    """Nothing is recorded before the file is right."""
    program = portal.open_clinic()
    desk = desk_client(program)
    answer = entered(desk, begin(desk), content)
    page = Page(answer)
    assert answer.status == 422
    assert said in page.words
    assert "#scan" in page.faults
    assert page.fields["name"] == "Anna Ozola"
    assert portal.in_process.directory.look_up(program.clinic, [ANNA]).known() == ()


def test_what_does_not_fit_into_a_request_is_refused_as_a_whole(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Also a form of very many parts; a form without a file chosen is one without a scan."""
    desk = desk_client(portal.open_clinic())
    pile = begin(desk)
    assert entered(desk, pile, JPEG[:3] + bytes(MAX_SCAN + 300_000)).status == 413
    many = {f"x{number}": "" for number in range(500)}
    assert desk.submit_with_file(pile, {**many, **FORM}, "scan", JPEG).status == 400
    assert entered(desk, pile, b"").status == 303


def test_another_clinic_and_another_role_open_no_scan(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Nor is one found beside another person, or under a made-up id."""
    program, other = portal.open_clinic(), portal.open_clinic()
    desk = desk_client(program)
    entered(desk, begin(desk), JPEG)
    person = anna(portal, program.clinic)
    place = address(person, JPEG)
    assert desk_client(program, "reader").get(place).status == 200
    assert desk_client(program, "protection").get(place).status == 200
    assert desk_client(program, "marketing").get(place).status == 403
    assert desk_client(program, "administrator").get(place).status == 403
    assert desk_client(other).get(place).status == 404
    for strange in (place[:-1], f"{place}0", place.replace(person.id, "0" * 32)):
        assert desk.get(strange).status == 404


def stored(portal: Portal) -> dict[str, bytes]:
    """Give everything that lies in the bucket of scans."""
    s3, bucket = portal.aws.client("s3"), portal.settings.scan_bucket
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {
        each["Key"]: s3.get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in listed
    }


def test_in_the_bucket_lies_nothing_that_can_be_read(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """A file is encrypted under its own person's key, and bound to its place."""
    program = portal.open_clinic()
    desk = desk_client(program)
    pile = begin(desk)
    entered(desk, pile, JPEG)
    person = anna(portal, program.clinic)
    files = {name: held for name, held in stored(portal.in_process).items() if person.id in name}
    assert list(files) == [f"{program.clinic}/{address(person, JPEG)[14:].replace('/scans', '')}"]
    assert b"signed form" not in b"".join(files.values())
    assert b"signed form" not in portal.everything()
    other = {"email": "b@example.org", "email_again": "b@example.org", "form": "P-099"}
    assert desk.submit_with_file(pile, {**FORM, **other}, "scan", PNG).status == 303
    here = portal.in_process
    bella = Contact(ContactKind.EMAIL, "b@example.org")
    [stranger] = here.directory.look_up(program.clinic, [bella]).known()
    [theirs] = list_scans(here, program.clinic, stranger.id)
    bucket = ScanFiles(here.aws, here.settings.scan_bucket)
    bucket.write(f"{program.clinic}/{stranger.id}/{theirs.id}", next(iter(files.values())))
    with pytest.raises(UnknownScanError):
        read_scan(bucket, here.clinics.key(program.clinic), stranger, theirs.id)
    assert desk.get(address(stranger, PNG)).status == 404


def test_a_merged_record_keeps_its_scans(portal: RunningPortal, desk_client: SignIn) -> None:
    """They open where its receipts are, also from the pile, and go with the person."""
    program = portal.open_clinic()
    desk = desk_client(program)
    pile = begin(desk)
    entered(desk, pile, JPEG)
    going, here = anna(portal, program.clinic), portal.in_process
    bella = {"email": "b@example.org", "email_again": "b@example.org", "form": "P-099"}
    assert desk.submit(pile, {**FORM, **bella}).status == 303
    other = Contact(ContactKind.EMAIL, "b@example.org")
    [staying] = here.directory.look_up(program.clinic, [other]).known()
    sure = {"with": going.id, "reason": "said", "sure": "yes"}
    assert desk.submit(f"people/{staying.id}/merge", sure).status == 303
    place = address(going, JPEG)
    assert place in desk.get(f"/staff/{pile}").text
    assert desk.get(place).body == JPEG
    erase(here, program.clinic, staying.id, desk.member.id, here.clock())
    assert desk.get(place).status == 404
    clear_erased(here, lambda: False)
    assert not [name for name in stored(here) if going.id in name]


def test_a_scan_is_erased_with_its_person(portal: RunningPortal, desk_client: SignIn) -> None:
    """At once it opens for nobody; the next round removes the file, under its own policy."""
    program = portal.open_clinic()
    desk = desk_client(program)
    pile = begin(desk)
    entered(desk, pile, JPEG)
    person, here = anna(portal, program.clinic), portal.in_process
    erase(here, program.clinic, person.id, desk.member.id, here.clock())
    assert desk.get(address(person, JPEG)).status == 404
    assert list_scans(here, program.clinic, person.id) == []
    assert "Scan of the form" not in desk.open(pile).words
    with under_policy_of(here, "catch_up"):
        clear_erased(here, lambda: False)
    assert not [name for name in stored(here) if person.id in name]
    place = scan_key(program.clinic, person.id, "")
    assert list(portal.table.partition(place.pk, place.sk)) == []
    remove_scans(here, program.clinic, person.id)  # there are none: nothing is asked of S3


def test_where_the_scan_cannot_be_kept_the_receipt_is_and_the_same_page_keeps_it_later(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """Whoever sends the page again adds the scan and no second receipt."""
    program = portal.open_clinic()
    desk = desk_client(program)
    pile = begin(desk)
    made = get_portal()
    settings = made.settings
    state = form_token(desk.get(f"/staff/{pile}"), pile)
    sent = {"state": state, "form": "P-098", **FORM}
    try:
        object.__setattr__(made, "settings", settings._replace(scan_bucket=""))
        answer = desk.send_with_file(pile, sent, "scan", JPEG)
    finally:
        object.__setattr__(made, "settings", settings)
    page = Page(answer)
    assert answer.status == 503
    assert "its scan could not be kept" in page.words
    again = {**sent, "state": form_token(answer, pile)}
    assert desk.send_with_file(pile, again, "scan", JPEG).status == 303
    person = anna(portal, program.clinic)
    assert person.version == 1
    assert desk.get(address(person, JPEG)).body == JPEG


def test_without_a_bucket_no_file_is_asked_for(portal: RunningPortal) -> None:
    """The error has a name that the pages know."""
    aws = portal.in_process.aws
    with pytest.raises(ScansUnavailableError):
        ScanFiles(aws, "")
    wrong = ScanFiles(aws, "no-such-bucket-here")
    for asked in (lambda: wrong.read("x"), lambda: wrong.write("x", b"y")):
        with pytest.raises((ScansUnavailableError, UnknownScanError)):
            asked()


@pytest.mark.parametrize("path", ["record", "withdraw"])
def test_the_forms_for_one_person_take_a_scan_too(
    portal: RunningPortal, desk_client: SignIn, path: str
) -> None:
    """Another file is refused there as well; where the scan is not kept the same page does it."""
    program = portal.open_clinic()
    desk = desk_client(program)
    page = desk.get(f"/staff/{path}")
    sent = {
        **dict.fromkeys(("purpose", "decision.newsletter.email"), "yes"),
        "channel": "paper",
        "when": "day",
        "day": "20.11.2026",
        "form": "F-1",
        "email": FORM["email"],
        "name": "Anna Ozola",
        "form_lang": "lv",
        "shown": Page(page).fields.get("shown", ""),
        "purpose": "newsletter.email",
        "state": form_token(page, path),
    }
    refused = desk.send_with_file(path, sent, "scan", EVIL)
    assert (refused.status, "#scan" in Page(refused).faults) == (422, True)
    made = get_portal()
    settings = made.settings
    try:
        object.__setattr__(made, "settings", settings._replace(scan_bucket=""))
        lost = desk.send_with_file(path, sent, "scan", JPEG)
    finally:
        object.__setattr__(made, "settings", settings)
    assert (lost.status, "its scan could not be kept" in Page(lost).words) == (503, True)
    again = {**sent, "state": form_token(lost, path)}
    assert desk.send_with_file(path, again, "scan", JPEG).status == 303
    person = anna(portal, program.clinic)
    assert person.version == 1
    assert desk.get(address(person, JPEG)).body == JPEG


def test_nobody_opens_all_scans_of_a_clinic_one_by_one(
    portal: RunningPortal, desk_client: SignIn
) -> None:
    """A stolen session comes to an end of what it may look up."""
    program = portal.open_clinic()
    desk = desk_client(program)
    entered(desk, begin(desk), PNG)
    place = address(anna(portal, program.clinic), PNG)
    answers = [desk.get(place).status for _ in range(STAFF_LOOK_UPS.burst + 2)]
    assert (answers[0], answers[-1]) == (200, 429)
