"""A notice is written by one, approved by another, published, and never changes after that."""

import base64
import copy
import hashlib
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chalicelib.domain.instants import instant
from chalicelib.portal import get_portal
from chalicelib.presentation.i18n import format_date
from tests.cast import TBILISI
from tests.web.client import Answer, Client, Program
from tests.web.letterbox import confirmed
from tests.web.page_reader import Page, decide
from tests.web.running import RunningPortal

ANNA, BELLA = "anna.ozola@example.org", "bella.ozola@example.org"
NEWS = "newsletter.email"


class Staff:
    """Two people of one clinic, each with a key of their own."""

    def __init__(self, portal: RunningPortal) -> None:
        self.portal = portal
        opened = portal.open_clinic()
        self.clinic = opened.clinic
        self.writer = Program(self.clinic, portal.new_key(self.clinic, label="Ieva Liepa"))
        self.reviewer = Program(self.clinic, portal.new_key(self.clinic, label="Juris Klusums"))

    def document(self, version: str, **changed: Any) -> dict[str, Any]:
        """Give the clinic's document under another number, changed."""
        return copy.deepcopy(self.portal.documents[self.clinic]) | {"version": version} | changed

    def draft(self, version: str, **changed: Any) -> Answer:
        """Let the writer send a draft."""
        return self.writer.call("notices", self.document(version, **changed))

    def approve(self, version: str, by: Program | None = None) -> Answer:
        """Let somebody, the reviewer for one, read a draft and approve it."""
        by = by or self.reviewer
        return by.call(
            f"notices/{version}/approve", {"sha256": by.get(f"notices/{version}").json()["sha256"]}
        )

    def put_out(self, version: str, **changed: Any) -> Answer:
        """Take a version through all its steps."""
        drafted = self.draft(version, **changed)
        assert drafted.status == 201
        assert (
            self.reviewer.call(
                f"notices/{version}/approve", {"sha256": drafted.json()["sha256"]}
            ).status
            == 200
        )
        return self.writer.call(f"notices/{version}/publish", {})

    def stages(self) -> dict[str, str]:
        """Tell where each version stands."""
        return {
            each["version"]: each["state"] for each in self.writer.get("notices").json()["notices"]
        }


@pytest.fixture
def staff(portal: RunningPortal) -> Staff:
    """Give a clinic of its own with two people."""
    return Staff(portal)


def _later(days: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).date().isoformat()


def test_a_notice_goes_from_draft_to_approved_to_in_force_and_tells_who_took_each_step(
    staff: Staff,
) -> None:
    """No text goes live unreviewed, and years later it can be told who reviewed it."""
    drafted = staff.draft("1.1")
    assert (drafted.status, drafted.json()["state"], drafted.json()["change"]) == (
        201,
        "draft",
        "minor",
    )
    assert drafted.json()["missing"] == []
    assert drafted.location.endswith(f"/v1/clinics/{staff.clinic}/notices/1.1")
    assert staff.stages() == {"1.0": "in_force", "1.1": "draft"}
    approved = staff.reviewer.call("notices/1.1/approve", {"sha256": drafted.json()["sha256"]})
    assert (approved.status, approved.json()["state"]) == (200, "approved")
    published = staff.writer.call("notices/1.1/publish", b"")
    told = published.json()
    assert (published.status, told["state"], told["since"]) == (
        200,
        "in_force",
        told["published_at"],
    )
    assert (told["author"], told["approver"], told["published_by"]) == (
        "Ieva Liepa",
        "Juris Klusums",
        "Ieva Liepa",
    )
    assert told["drafted_at"] <= told["approved_at"] <= told["published_at"]
    assert staff.stages() == {"1.0": "past", "1.1": "in_force"}
    assert staff.writer.get("notices").json()["notices"][1] == told


def test_nobody_approves_what_they_wrote_not_with_a_second_key_either(
    portal: RunningPortal, staff: Staff
) -> None:
    """Four eyes: another key under the same name is the same person."""
    staff.draft("1.1")
    again = Program(staff.clinic, portal.new_key(staff.clinic, label=" ieva  LIEPA"))
    for program in (staff.writer, again):
        refused = staff.approve("1.1", program)
        assert (refused.status, refused.json()["title"]) == (403, "Another person must approve")
    assert staff.stages()["1.1"] == "draft"


def test_nothing_is_published_that_nobody_approved(staff: Staff) -> None:
    """The step cannot be left out."""
    staff.draft("1.1")
    refused = staff.writer.call("notices/1.1/publish", {})
    assert refused.status == 409
    assert "not approved" in refused.json()["detail"]
    assert staff.stages() == {"1.0": "in_force", "1.1": "draft"}


def test_a_change_after_the_approval_needs_another_one(staff: Staff) -> None:
    """What is published is what was read."""
    first = staff.draft("1.1").json()["sha256"]
    assert staff.approve("1.1").status == 200
    texts = copy.deepcopy(staff.document("1.1")["texts"])
    texts["intro"]["en"] = "Slipped in afterwards."
    assert staff.draft("1.1", texts=texts).json()["approver"] is None
    assert staff.writer.call("notices/1.1/publish", {}).status == 409
    late = staff.reviewer.call("notices/1.1/approve", {"sha256": first})
    assert (late.status, staff.stages()["1.1"]) == (409, "draft")
    assert (
        staff.reviewer.get("notices/1.1").json()["document"]["texts"]["intro"]["en"]
        == "Slipped in afterwards."
    )


@pytest.mark.parametrize(
    "body", [{}, b"", {"sha256": None}, {"sha256": ""}, {"sha256": "A" * 64}, {"sha256": "a" * 12}]
)
def test_nobody_approves_without_naming_the_text_that_was_read(staff: Staff, body: object) -> None:
    """The draft may have become another meanwhile; who names none might approve what nobody
    read.
    """
    staff.draft("1.1")
    refused = staff.reviewer.call("notices/1.1/approve", body)
    assert (refused.status, [each["pointer"] for each in refused.json()["errors"]]) == (
        422,
        ["/sha256"],
    )
    assert staff.stages()["1.1"] == "draft"


def test_an_incomplete_draft_is_kept_and_neither_approved_nor_published(staff: Staff) -> None:
    """The author sees everything that is missing, with the article that asks for it."""
    texts = copy.deepcopy(staff.document("1.1")["texts"])
    del texts["automated"]["ru"]
    drafted = staff.draft("1.1", texts=texts, dpo={})
    missing = {each["place"]: each["article"] for each in drafted.json()["missing"]}
    assert missing == {"texts.automated.ru": "GDPR Art. 13(2)(f)", "dpo": "GDPR Art. 13(1)(b)"}
    previewed, published = (
        staff.writer.call(f"notices/1.1/publish{asked}", {}) for asked in ("?preview=1", "")
    )
    for refused in (staff.approve("1.1"), previewed, published):
        assert refused.status == 409
        assert {each["place"] for each in refused.json()["missing"]} == missing.keys()


def test_whoever_approves_reads_what_counts_unconfirmed_and_why(staff: Staff) -> None:
    """The reason stands in the draft's answer, in what the approver reads, and in the
    approval's.
    """
    purposes = copy.deepcopy(staff.document("2.0")["purposes"])
    purposes[1]["options"][0]["confirm"] = {
        "required": False,
        "reason": "Staff see who writes a review.",
    }
    drafted = staff.draft("2.0", purposes=purposes)
    expected = [{"decision": "testimonials.text", "reason": "Staff see who writes a review."}]
    assert drafted.json()["unconfirmed"] == expected
    assert staff.reviewer.get("notices/2.0").json()["unconfirmed"] == expected
    assert staff.approve("2.0").json()["unconfirmed"] == expected
    purposes[1]["options"][0]["confirm"] = False
    refused = staff.draft("2.0", purposes=purposes)
    assert [each["place"] for each in refused.json()["missing"]] == [
        "purposes[2].options[1].confirm"
    ]
    assert staff.approve("2.0").status == 409


def test_a_published_version_takes_no_draft_and_no_lower_number_does(staff: Staff) -> None:
    """Version 1.1 on a receipt means one text for ever."""
    assert staff.put_out("1.1").status == 200
    for version in ("1.1", "1.0"):
        assert staff.draft(version).status == 409
    assert staff.approve("1.1").status == 409
    before = staff.writer.get("notices/1.1").json()
    assert (
        staff.writer.call("notices/1.1/publish", {}).json()["published_at"]
        == before["published_at"]
    )
    assert staff.writer.get("notices/1.1").json() == before


@pytest.mark.parametrize(
    "changed",
    [
        {"id": TBILISI},
        {"version": "2"},
        {"version": 2.0},
        {"notice": 1e400},
        {"notice": "x" * 300_000},
    ],
)
def test_what_is_no_document_of_this_clinic_is_refused(
    staff: Staff, changed: dict[str, Any]
) -> None:
    """A slip in the number, or another clinic's file, is told and not kept."""
    body = staff.document("1.1") | changed
    refused = staff.writer.call("notices", body)
    assert (refused.status, staff.stages()) == (422, {"1.0": "in_force"})
    assert refused.json()["errors"]


def test_another_clinics_key_finds_no_draft(portal: RunningPortal, staff: Staff) -> None:
    """Another clinic's notices are not there."""
    staff.draft("1.1")
    stranger = Program(staff.clinic, portal.api_keys[TBILISI])
    assert stranger.get("notices").status == stranger.get("notices/1.1").status == 404
    read = {"sha256": staff.writer.get("notices/1.1").json()["sha256"]}
    for call, body in {
        "notices": staff.document("1.1"),
        "notices/1.1/approve": read,
        "notices/1.1/publish": {},
    }.items():
        assert stranger.call(call, body).status == 404
    assert Program(TBILISI, portal.api_keys[TBILISI]).get("notices/1.1").status == 404
    assert staff.stages() == {"1.0": "in_force", "1.1": "draft"}


def test_a_preview_counts_the_consents_a_major_change_ends_and_changes_nothing(
    client: Client, portal: RunningPortal, staff: Staff
) -> None:
    """The clinic knows whom it will have to ask again before it decides."""
    both = {f"decision.{NEWS}": "yes", "decision.testimonials.text": "yes"}
    confirmed(client, portal, staff.clinic, {**both, "email": ANNA})
    confirmed(client, portal, staff.clinic, {f"decision.{NEWS}": "yes", "email": BELLA})
    decide(client, staff.clinic, {f"decision.{NEWS}": "no", "email": "third@example.org"})
    purposes = copy.deepcopy(staff.document("2.0")["purposes"])
    gone = purposes[0]["options"].pop()["id"]
    purposes[0]["options"].append({**purposes[0]["options"][0], "id": "letter"})
    staff.draft("2.0", purposes=purposes)
    not_yet = staff.writer.call("notices/2.0/publish?preview=1", {}).json()
    assert (not_yet["supersedes"], not_yet["people"], not_yet["counted_at"]) == (None,) * 3
    portal.count_consents(staff.clinic)
    before = {key for key in portal.items() if "#AUDIT#" not in key[0]}
    seen = staff.writer.call("notices/2.0/publish?preview=1", {}).json()
    assert (seen["change"], seen["people"]) == ("major", 2)
    assert seen["counted_at"] <= instant(datetime.now(UTC))
    assert seen["supersedes"] == {NEWS: 2, "testimonials.text": 1}
    assert (seen["appear"], seen["disappear"]) == (["newsletter.letter"], [f"newsletter.{gone}"])
    assert {key for key in portal.items() if "#AUDIT#" not in key[0]} == before
    assert staff.stages()["2.0"] == "draft"
    staff.draft("1.1")
    minor = staff.writer.call("notices/1.1/publish?preview=1", {}).json()
    assert (minor["change"], minor["supersedes"], minor["people"]) == ("minor", {}, 0)


def test_a_preview_takes_four_round_trips_however_many_people_there_are(
    portal: RunningPortal, staff: Staff
) -> None:
    """A clinic of a million sees what a MAJOR would end, as one of ten does."""
    staff.draft("2.0")
    portal.count_consents(staff.clinic)
    staff.writer.call("notices/2.0/publish?preview=1", {})
    sent: list[str] = []

    def note(request: Any, **_: Any) -> None:
        sent.append(request.headers["X-Amz-Target"].decode().rpartition(".")[2])

    events = get_portal().table.client.meta.events
    events.register("before-send.dynamodb", note)
    try:
        seen = staff.writer.call("notices/2.0/publish?preview=1", {}).json()
    finally:
        events.unregister("before-send.dynamodb", note)
    assert seen["supersedes"] == {}
    assert len(sent) <= 4
    assert "Query" not in sent


@pytest.mark.parametrize("wanted", ["", "0", "yes", "true", "2"])
def test_a_preview_that_is_misspelled_publishes_nothing(staff: Staff, wanted: str) -> None:
    """A version is immutable: nobody publishes one who meant to look at it."""
    staff.draft("1.1")
    assert staff.writer.call(f"notices/1.1/publish?preview={wanted}", {}).status == 400
    assert staff.stages()["1.1"] == "draft"


def test_a_preview_refuses_what_publishing_would_refuse(staff: Staff) -> None:
    """Another short code would make every printed poster lead nowhere."""
    staff.draft("1.1", code="zz")
    answer = staff.writer.call("notices/1.1/publish?preview=1", {})
    assert answer.status == 409
    assert "printed QR codes" in answer.json()["detail"]


def _without_letters(document: dict[str, Any]) -> None:
    """Name another recipient and another period, as somebody would who hopes that nobody looks."""
    document["texts"]["transfers"]["en"] = "We pass your data on to a country outside Europe."
    document["purposes"][0]["legal_basis"] = "explicit_consent"


def test_a_minor_that_changes_more_than_words_is_refused_with_what_it_changes(
    client: Client, staff: Staff
) -> None:
    """No consent goes on under a text that says otherwise; the writer, the approver and the preview
    all see it.
    """
    confirmed(client, staff.portal, staff.clinic, {f"decision.{NEWS}": "yes", "email": ANNA})
    document = staff.document("1.1")
    _without_letters(document)
    told = [
        ("texts.transfers", "transfer to another country", "en"),
        ("purposes.newsletter.legal_basis", "legal basis", None),
    ]
    drafted = staff.writer.call("notices", document)
    refused = staff.approve("1.1")
    previewed = staff.writer.call("notices/1.1/publish?preview=1", {})
    for answer, status in (
        (drafted, 201),
        (refused, 409),
        (previewed, 200),
        (staff.reviewer.get("notices/1.1"), 200),
    ):
        assert answer.status == status
        assert [
            (each["place"], each["topic"], each["lang"]) for each in answer.json()["beyond_words"]
        ] == told
    assert refused.json()["title"] == "More than words changed"
    assert "new MAJOR number: 2.0" in refused.json()["detail"]
    basis = refused.json()["beyond_words"][1]
    assert (basis["before"], basis["after"]) == ("consent", "explicit_consent")
    assert staff.stages() == {"1.0": "in_force", "1.1": "draft"}
    major = staff.document("2.0")
    _without_letters(major)
    assert staff.put_out("2.0", texts=major["texts"], purposes=major["purposes"]).status == 200
    assert staff.writer.states(email=ANNA)[NEWS] == "superseded"


@pytest.mark.parametrize("lang", ["lv", "ru", "en"])
def test_an_approvers_reason_is_kept_and_stands_on_the_versions_page(
    client: Client, staff: Staff, lang: str
) -> None:
    """A patient can read, in their language, what was changed without asking them and why."""
    reason = "Only the spelling of “three years” was mended."
    document = staff.document("1.1")
    document["texts"]["retention"]["en"] += " Really."
    sha256 = staff.writer.call("notices", document).json()["sha256"]
    approved = staff.reviewer.call(
        "notices/1.1/approve", {"sha256": sha256, "minor_reason": f" {reason} "}
    )
    assert (approved.status, approved.json()["minor_reason"]) == (200, reason)
    assert [each["place"] for each in approved.json()["beyond_words"]] == ["texts.retention"]
    previewed = staff.writer.call("notices/1.1/publish?preview=1", {}).json()
    assert (previewed["minor_reason"], len(previewed["beyond_words"])) == (reason, 1)
    published = staff.writer.call("notices/1.1/publish", {})
    assert (published.status, published.json()["minor_reason"]) == (200, reason)
    read = staff.reviewer.get("notices/1.1").json()
    assert (read["minor_reason"], read["beyond_words"]) == (reason, approved.json()["beyond_words"])
    assert [each["minor_reason"] for each in staff.writer.get("notices").json()["notices"]] == [
        None,
        reason,
    ]
    page = Page(client.get(f"/{staff.clinic}/notices/1.1?lang={lang}"))
    assert reason in page.words
    assert TOLD_WHY[lang] in page.words
    assert reason not in Page(client.get(f"/{staff.clinic}/notices/1.0?lang={lang}")).words


TOLD_WHY = {
    "lv": "cik ilgi kaut kas ir spēkā vai tiek glabāts",
    "ru": "как долго что-то действует или хранится",
    "en": "how long something lasts or is kept",
}


def test_a_reason_that_was_not_needed_is_not_kept(client: Client, staff: Staff) -> None:
    """Nothing is said of a change that was words alone."""
    sha256 = staff.draft("1.1").json()["sha256"]
    approved = staff.reviewer.call(
        "notices/1.1/approve", {"sha256": sha256, "minor_reason": "To be safe"}
    )
    assert (approved.status, approved.json()["minor_reason"], approved.json()["beyond_words"]) == (
        200,
        None,
        [],
    )
    staff.writer.call("notices/1.1/publish", {})
    assert "To be safe" not in client.get(f"/{staff.clinic}/notices/1.1").text


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "two\nlines", 17, ["a"]])
def test_a_reason_is_one_line_that_can_be_printed(staff: Staff, reason: object) -> None:
    """It stands on a public page."""
    sha256 = staff.draft("1.1").json()["sha256"]
    refused = staff.reviewer.call("notices/1.1/approve", {"sha256": sha256, "minor_reason": reason})
    assert (refused.status, [each["pointer"] for each in refused.json()["errors"]]) == (
        422,
        ["/minor_reason"],
    )


def test_what_became_more_than_words_after_the_approval_is_not_published(staff: Staff) -> None:
    """Approved as the wording of 1.0, it is more than that once another version says otherwise in
    between.
    """
    longer = copy.deepcopy(staff.document("1.1")["texts"])
    longer["retention"]["en"] = "For ten years."
    staff.draft("1.2")
    assert staff.approve("1.2").status == 200
    sha256 = staff.draft("1.1", texts=longer).json()["sha256"]
    staff.reviewer.call(
        "notices/1.1/approve", {"sha256": sha256, "minor_reason": "Counsel said so."}
    )
    assert staff.writer.call("notices/1.1/publish", {}).status == 200
    refused = staff.writer.call("notices/1.2/publish", {})
    assert (refused.status, refused.json()["title"]) == (409, "More than words changed")
    again = {"sha256": staff.reviewer.get("notices/1.2").json()["sha256"]}
    assert staff.reviewer.call("notices/1.2/approve", again).status == 409
    assert (
        staff.reviewer.call(
            "notices/1.2/approve", {**again, "minor_reason": "Back to three."}
        ).status
        == 200
    )
    assert staff.writer.call("notices/1.2/publish", {}).status == 200


def test_a_major_change_supersedes_what_was_granted_and_a_minor_one_does_not(
    client: Client, staff: Staff
) -> None:
    """From the moment of publication the old Yes permits nothing."""
    confirmed(client, staff.portal, staff.clinic, {f"decision.{NEWS}": "yes", "email": ANNA})
    staff.put_out("1.1")
    assert staff.writer.states(email=ANNA)[NEWS] == "granted"
    staff.put_out("2.0")
    assert staff.writer.states(email=ANNA)[NEWS] == "superseded"


def test_a_version_for_a_later_day_is_readable_and_says_from_when(
    client: Client, staff: Staff
) -> None:
    """Patients can read what is coming; until then what is in force holds."""
    confirmed(client, staff.portal, staff.clinic, {f"decision.{NEWS}": "yes", "email": ANNA})
    day = _later(40)
    published = staff.put_out("2.0", effective=day).json()
    assert (published["state"], published["effective"]) == ("scheduled", day)
    assert published["since"] > published["published_at"]
    assert staff.stages() == {"1.0": "in_force", "2.0": "scheduled"}
    assert staff.writer.states(email=ANNA)[NEWS] == "granted"
    for lang in ("lv", "ru", "en"):
        coming, now = (
            Page(client.get(f"/{staff.clinic}/notices/{v}?lang={lang}")) for v in ("2.0", "1.0")
        )
        assert f"{client.mount}/{staff.clinic}/notices/1.0?lang={lang}" in coming.links
        assert f"{client.mount}/{staff.clinic}/notices/2.0?lang={lang}" in now.links
    spoken = datetime.fromisoformat(day)
    assert f"It will be in force from {spoken.day} {spoken:%B %Y}" in coming.words
    assert "It will be in force" not in now.words


def test_every_step_leaves_a_line_with_key_and_version(portal: RunningPortal, staff: Staff) -> None:
    """Who drafted, read, approved, previewed and published can be told from the audit."""
    staff.put_out("1.1")
    staff.draft("1.2")
    staff.writer.call("notices/1.2/publish?preview=1", {})
    staff.writer.get("notices")
    staff.writer.get("notices/1.1")
    lines = portal.audit(staff.clinic)
    told = [(line["call"], line.get("notice")) for line in lines]
    expected = [
        "notices 1.1",
        "approve 1.1",
        "publish 1.1",
        "notices 1.2",
        "preview 1.2",
        "notices None",
        "notice 1.1",
    ]
    assert sorted(f"{call} {notice}" for call, notice in told) == sorted(expected)
    assert len({line["key"] for line in lines}) == 2


@pytest.mark.parametrize(
    ("like", "languages"), [("tbilisi-ultrasound", "ka en ru"), ("vilnius-dental", "lt en ru")]
)
def test_each_version_lists_all_versions_with_their_dates_in_each_language(
    client: Client, portal: RunningPortal, like: str, languages: str
) -> None:
    """Past, present and announced: whoever reads one finds the others, with the day each began."""
    clinic = portal.open_clinic(like).clinic
    portal.republish(clinic, "1.1")
    portal.republish(clinic, "2.0", lambda document: document.update(effective="2199-12-31"))
    for lang in languages.split():
        for version in ("1.0", "1.1", "2.0"):
            page = Page(client.get(f"/{clinic}/notices/{version}?lang={lang}"))
            assert page.lang == lang
            others = {each for each in ("1.0", "1.1", "2.0") if each != version}
            linked = {link for link in page.links if "/notices/" in link}
            assert linked == {
                f"{client.mount}/{clinic}/notices/{each}?lang={lang}" for each in others
            }
            listed = client.get(f"/{clinic}/notices/{version}?lang={lang}").text.partition(
                'id="versions"'
            )[2]
            assert format_date("2199-12-31", lang).since in listed


def test_a_notice_pasted_from_a_law_is_shown_with_its_numbers_lists_and_lines(
    client: Client, staff: Staff
) -> None:
    """Patients and inspectors cite its points; a published page stays as it is, byte for byte."""
    before = client.get(f"/{staff.clinic}/notices/1.0?lang=lv").text
    pasted = "1.1. Pārzinis apstrādā:\n• vārdu;\n• tālruni.\n1.3. Glabā\nvienu gadu."
    staff.put_out("1.1", notice=dict.fromkeys(("lv", "ru", "en"), pasted))
    page = client.get(f"/{staff.clinic}/notices/1.1?lang=lv")
    shown = [" ".join(line.split()) for line in Page(page).words.split("\n")]
    assert [line for line in pasted.split("\n") if line not in shown] == []
    style = page.text.partition("<style>.points")[2].partition("</style>")[0]
    digest = base64.b64encode(hashlib.sha256(f".points{style}".encode()).digest()).decode()
    assert f"'sha256-{digest}'" in page.headers["content-security-policy"]
    article = re.compile(r"<article.*</article>", re.DOTALL)
    kept = client.get(f"/{staff.clinic}/notices/1.0?lang=lv").text
    assert article.findall(kept) == article.findall(before)


def test_a_draft_is_looked_at_as_patients_would_see_it_in_each_language(
    client: Client, staff: Staff
) -> None:
    """Who approves reads the page and the full notice, and the hash to name; nothing can be sent
    from there.
    """
    texts = copy.deepcopy(staff.document("1.1")["texts"])
    for lang in ("lv", "ru", "en"):
        texts["intro"][lang] = f"Another beginning ({lang})."
    drafted = staff.draft(
        "1.1", texts=texts, notice=dict.fromkeys(("lv", "ru", "en"), "1.1. Pasted")
    ).json()
    before = staff.portal.items()
    for lang, draft in {
        "lv": "Versijas 1.1 melnraksts",
        "ru": "Черновик версии 1.1",
        "en": "Draft of version 1.1",
    }.items():
        seen = staff.reviewer.get(f"notices/1.1/preview?lang={lang}")
        assert (seen.status, seen.headers["content-type"]) == (200, "text/html; charset=utf-8")
        assert seen.headers["cache-control"] == "no-store"
        page = Page(seen)
        assert page.lang == lang
        for words in (draft, f"Another beginning ({lang}).", "1.1. Pasted", drafted["sha256"]):
            assert words in page.words
        assert page.fields["state"] == ""
        assert re.findall(r"<button[^>]*>", seen.text) == ['<button type="submit" disabled>']
        assert "form-action 'none'" in seen.headers["content-security-policy"]
    assert staff.portal.items() == before
    calls = [(line["call"], line.get("notice")) for line in staff.portal.audit(staff.clinic)]
    assert calls.count(("shown", "1.1")) == 3
    question = re.compile(r'name="(decision[^"]+)"')
    asked = question.findall(client.get(f"/{staff.clinic}?lang=en&view=all").text)
    assert asked
    assert asked == question.findall(seen.text)
    assert "Another beginning" not in client.get(f"/{staff.clinic}?lang=en").text
    assert staff.approve("1.1").status == 200
    approved = Page(staff.reviewer.get("notices/1.1/preview"))
    assert approved.lang == "lv"
    assert "Juris Klusums" in approved.words


def test_a_draft_that_cannot_be_looked_at_says_why(portal: RunningPortal, staff: Staff) -> None:
    """A language it lacks, an incomplete or published text, a number never drafted, a key that may
    not read.
    """
    staff.draft("1.1", dpo={})
    incomplete = staff.reviewer.get("notices/1.1/preview")
    assert (incomplete.status, incomplete.json()["title"]) == (409, "Not complete")
    assert incomplete.json()["missing"]
    staff.draft("1.1")
    unknown = staff.reviewer.get("notices/1.1/preview?lang=ka")
    assert (unknown.status, unknown.json()["detail"]) == (
        400,
        "Write lang= and one of: lv, ru, en.",
    )
    published = staff.reviewer.get("notices/1.0/preview")
    assert (published.status, published.json()["title"]) == (409, "Not now")
    assert staff.reviewer.get("notices/9.9/preview").status == 404
    reader = Program(staff.clinic, portal.new_key(staff.clinic, "status:read"))
    refused = reader.get("notices/1.1/preview")
    assert (refused.status, refused.json()["detail"]) == (
        403,
        "It needs the scope notices:read or notices:approve.",
    )
    approver = Program(staff.clinic, portal.new_key(staff.clinic, "notices:approve"))
    assert approver.get("notices/1.1/preview").status == 200
    assert Program(staff.clinic, portal.api_keys[TBILISI]).get("notices/1.1/preview").status == 404


def test_a_draft_with_a_contest_that_is_over_is_told_so_and_may_be_approved(staff: Staff) -> None:
    """A warning keeps nothing back."""
    purposes = copy.deepcopy(staff.document("1.1")["purposes"])
    number, contests = next(
        (n, each) for n, each in enumerate(purposes, start=1) if each["id"] == "contests"
    )
    contests["options"][0]["ends"] = "2026-11-02"
    drafted = staff.draft("1.1", purposes=purposes).json()
    assert [each["place"] for each in drafted["warnings"]] == [
        f"purposes[{number}].options[1].ends"
    ]
    assert drafted["missing"] == []
    assert staff.reviewer.get("notices/1.1").json()["warnings"] == drafted["warnings"]
    assert staff.draft("1.2").json()["warnings"] == []
