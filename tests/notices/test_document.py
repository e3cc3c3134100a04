import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.clinic import Clinic
from chalicelib.notices.document import (
    COUNTRIES,
    RESERVED_IDS,
    TEXTS,
    InvalidDocumentError,
    check,
    document_hash,
    read_clinic,
    read_full_notice,
    warnings_of,
)
from chalicelib.notices.fields import DocumentError
from chalicelib.presentation.authorities import authorities
from infra.operator import publish
from tests.cast import CLINICS
from tests.factories import a_document, in_both

DEMO = sorted(CLINICS.glob("*.yaml"))
MISSING = object()
BROKEN: list[tuple[str, object, str]] = [
    # where in the document, what stands there instead, the place the fault names
    ("id", "Liepāja Physio", "id"),
    ("id", "confirm", "id"),
    ("id", MISSING, "id"),
    ("code", "x", "code"),
    ("code", "liepaja", "code"),
    ("version", 1.0, "version"),
    ("version", "1", "version"),
    ("version", "0.1", "version"),
    ("effective", "soon", "effective"),
    ("effective", "2026-02-30", "effective"),
    ("country", "EE", "country"),
    ("authority", None, "authority"),
    ("languages", [], "languages"),
    ("languages", "lv", "languages"),
    ("languages", ["lv", "en", "qq"], "languages"),
    ("languages", ["lv", "en", "lv"], "languages"),
    ("name", MISSING, "name"),
    ("name.en", "  ", "name.en"),
    ("name.ru", "Имя", "name.ru"),
    ("controllers", [], "controllers"),
    ("controllers.0", "SIA Jūra", "controllers[1]"),
    ("controllers.0.id", "SIA", "controllers[1].id"),
    ("controllers.0.name", "", "controllers[1].name"),
    ("controllers.0.address", "", "controllers[1].address"),
    ("controllers.0.email", MISSING, "controllers[1]"),
    ("controllers.0.fax", "+371 1", "controllers[1].fax"),
    ("dpo", MISSING, "dpo"),
    ("dpo.email", "", "dpo"),
    ("proof_kept", "for ever", "proof_kept"),
    ("proof_kept", 3, "proof_kept"),
    ("list_valid_hours", "24", "list_valid_hours"),
    ("list_valid_hours", 0, "list_valid_hours"),
    ("list_valid_hours", 169, "list_valid_hours"),
    ("list_valid_hours", True, "list_valid_hours"),
    ("age", 18, "age"),
    ("age", {"minimum": "18"}, "age.minimum"),
    ("age", {"minimum": 0}, "age.minimum"),
    ("age", {}, "age.minimum"),
    ("age", {"minimum": 0, "guardian": True}, "age.minimum"),
    ("age", {"guardian": "yes"}, "age.guardian"),
    ("age", {"guardian": True, "parent": True}, "age.parent"),
    ("purposes.0.controllers", [], "purposes[1].controllers"),
    ("purposes.0.controllers", "physio", "purposes[1].controllers"),
    ("purposes.0.controllers", [["physio"]], "purposes[1].controllers"),
    (
        "purposes.0.options.0.controllers",
        ["physio", "nobody"],
        "purposes[1].options[1].controllers",
    ),
    (
        "purposes.0.options.0.controllers",
        ["physio", "physio"],
        "purposes[1].options[1].controllers",
    ),
    ("texts", [], "texts"),
    ("texts.intro", MISSING, "texts.intro"),
    ("texts.rights.lv", MISSING, "texts.rights.lv"),
    ("texts.motto", in_both("Health"), "texts.motto"),
    ("purposes", [], "purposes"),
    ("purposes.0.id", "News Letter", "purposes[1].id"),
    ("purposes.1.id", "newsletter", "purposes"),
    ("purposes.0.title", MISSING, "purposes[1].title"),
    ("purposes.0.text.en", MISSING, "purposes[1].text.en"),
    ("purposes.0.legal_basis", "interest", "purposes[1].legal_basis"),
    ("purposes.0.data", MISSING, "purposes[1].data"),
    ("purposes.0.retention", MISSING, "purposes[1].retention"),
    ("purposes.0.recipients", "friends", "purposes[1].recipients"),
    ("purposes.0.needs", ["email"], "purposes[1].needs"),
    ("purposes.0.ends", "P1Y", "purposes[1].ends"),
    ("purposes.0.options", [], "purposes[1].options"),
    ("purposes.0.options.0.id", "E-mail", "purposes[1].options[1].id"),
    ("purposes.0.options.1.id", "email", "purposes[1].options"),
    ("purposes.0.options.0.title.lv", "", "purposes[1].options[1].title.lv"),
    ("purposes.0.options.0.text", "daily", "purposes[1].options[1].text"),
    ("purposes.0.options.0.needs", ["fax"], "purposes[1].options[1].needs"),
    ("purposes.0.options.0.needs", "email", "purposes[1].options[1].needs"),
    ("purposes.0.options.0.ends", "a year", "purposes[1].options[1].ends"),
    ("purposes.1.ends", "P0D", "purposes[2].ends"),
    ("purposes.1.confirm", False, "purposes[2].confirm"),
    ("purposes.1.confirm", "no", "purposes[2].confirm"),
    ("purposes.1.confirm", {"required": False}, "purposes[2].confirm"),
    ("purposes.1.confirm", {"required": False, "reason": " "}, "purposes[2].confirm.reason"),
    ("purposes.1.confirm", {"required": "no", "reason": "Staff ask."}, "purposes[2].confirm"),
    (
        "purposes.1.confirm",
        {"required": False, "reason": "Staff ask.", "by": "Ieva"},
        "purposes[2].confirm.by",
    ),
    (
        "purposes.0.options.0.confirm",
        {"required": False, "reason": "Staff ask."},
        "purposes[1].options[1].confirm",
    ),
    ("purpose", [], "purpose"),
]


def broken(path: str, value: object) -> dict[str, Any]:
    """Give the valid document with one place of it changed or taken out."""
    document = copy.deepcopy(a_document())
    *parents, last = path.split(".")
    place: Any = document
    for part in parents:
        place = place[int(part) if isinstance(place, list) else part]
    if value is MISSING:
        del place[last]
    else:
        place[int(last) if isinstance(place, list) else last] = value
    return document


def faults(document: object) -> tuple[DocumentError, ...]:
    """Give every fault of a document."""
    with pytest.raises(InvalidDocumentError) as caught:
        read_clinic(document)
    return caught.value.faults


def test_a_small_clinic_is_one_readable_document() -> None:
    """A clinic of one's own is one file: what it asks is what is in it."""
    clinic = read_clinic(a_document(), "hash")
    assert list(clinic.questions) == ["newsletter.email", "newsletter.sms", "research"]
    assert clinic.default_language == "lv"
    assert clinic.endings == {"newsletter.sms": "P1Y", "research": "2027-03-31"}
    assert clinic.questions["newsletter.email"].needs == {"email"}
    assert clinic.lead.for_receipt() == {"id": "physio", "name": "SIA Jūra"}
    assert clinic.resolve_names("newsletter") == ("newsletter.email", "newsletter.sms")
    assert clinic.resolve_names("research") == ("research",)
    assert clinic.resolve_names("news") == ()


@pytest.mark.parametrize(("path", "value", "place"), BROKEN)
def test_a_mistake_is_told_with_its_place_and_its_remedy(
    path: str, value: object, place: str
) -> None:
    """Whoever writes a clinic's file is told where to look and what to write."""
    found = faults(broken(path, value))
    assert place in {fault.place for fault in found}
    assert all(
        fault.problem and fault.remedy and str(fault).startswith(f"{fault.place}: ")
        for fault in found
    )


@pytest.mark.parametrize(
    "character", ["\0", "\x0b", "\x0c", "\x1b", "\x1f", "\ud83d", "\ufffe", "\uffff"]
)
@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("texts.rights.en", "texts.rights.en"),
        ("purposes.0.options.0.title.lv", "purposes[1].options[1].title.lv"),
        ("controllers.0.name", "controllers[1].name"),
        ("dpo.email", "dpo.email"),
        ("notice.lv", "notice.lv"),
    ],
)
def test_a_character_that_no_file_can_hold_is_told_by_its_number(
    path: str, place: str, character: str
) -> None:
    """XML forbids it, and with it every receipt's FHIR text and PDF would be broken.

    It cannot be seen in an editor.
    """
    fault, *others = check(broken(path, f"One\nTwo{character} three"), authorities())
    assert fault.place == place
    assert all(other.problem == "has a line break or a control character" for other in others), (
        "names are one line"
    )
    assert (
        fault.problem == f"has a character that cannot be written (U+{ord(character):04X}, line 2)"
    )
    assert fault.remedy.startswith("Remove it")
    str(fault).encode()


def test_a_text_may_have_lines_tabs_and_letters_of_any_script() -> None:
    """Nothing that can be read is refused.

    A file from another system ends its lines in its own way.
    """
    document = a_document(
        notice=in_both("One\r\n\tTwo 😀 \u202eქ \x85 \ufffd"), name=in_both("A\u00a0B")
    )
    assert not check(document, authorities())


def test_all_mistakes_are_told_at_once() -> None:
    """One round of mending is enough."""
    document = a_document(code="?", country="XX", dpo={})
    assert {fault.place for fault in faults(document)} == {"code", "country", "dpo"}


@pytest.mark.parametrize("document", [None, [], "clinic", 17, {}])
def test_what_is_no_document_is_told_too(document: object) -> None:
    """An empty file gets sentences, not a traceback."""
    assert faults(document)


def test_joint_controllers_have_exactly_one_lead() -> None:
    """Patients of a network know whom to turn to (GDPR Art. 26)."""
    [one] = a_document()["controllers"]
    two = {**one, "id": "clinic-two", "name": "SIA Priede"}
    assert [fault.place for fault in faults(a_document(controllers=[one, two]))] == ["controllers"]
    clinic = read_clinic(a_document(controllers=[one, {**two, "lead": True}]))
    assert clinic.lead.id == "clinic-two"
    assert [
        fault.place for fault in faults(a_document(controllers=[{**one, "lead": True}, one]))
    ] == ["controllers"]


@pytest.mark.parametrize("reserved", sorted(RESERVED_IDS))
def test_a_clinic_never_takes_an_address_of_the_portal(reserved: str) -> None:
    """No clinic can stand in the way of `/health` or of a patient's own link."""
    assert "id" in {fault.place for fault in faults(a_document(id=reserved))}


def test_a_question_is_asked_through_its_last_day_and_not_after() -> None:
    """Nobody says Yes to a contest that is over, and nobody is turned away on its last evening."""
    clinic = read_clinic(a_document())
    assert clinic.open_at("2027-03-31T23:59:59.999Z") is clinic
    after = clinic.open_at("2027-04-01T00:00:00.000Z")
    assert list(after.questions) == ["newsletter.email", "newsletter.sms"]
    assert [purpose.id for purpose in after.purposes] == ["newsletter"]


def test_a_yes_on_explicit_consent_and_to_all_sharing_waits_unless_the_clinic_gives_a_reason() -> (
    None
):
    """Nobody's health data are passed on because somebody typed their address into a form."""
    news, research = a_document()["purposes"]
    ordinary = {**research, "id": "contest", "legal_basis": "consent"}
    sharing = {**research, "id": "data_sharing", "legal_basis": "consent"}
    clinic = read_clinic(a_document(purposes=[news, research, ordinary, sharing]))
    assert clinic.needs_confirmation == {
        "newsletter.email",
        "newsletter.sms",
        "research",
        "data_sharing",
    }
    assert clinic.unconfirmed_reasons == {}
    waived = {"required": False, "reason": "The reception sees every participant."}
    clinic = read_clinic(
        a_document(purposes=[news, {**research, "confirm": waived}, {**ordinary, "confirm": True}])
    )
    assert clinic.needs_confirmation == {"newsletter.email", "newsletter.sms", "contest"}
    assert clinic.unconfirmed_reasons == {"research": "The reception sees every participant."}
    clinic = read_clinic(
        a_document(purposes=[news, {**research, "confirm": {**waived, "required": True}}])
    )
    assert (clinic.questions["research"].confirm, clinic.unconfirmed_reasons) == (True, {})


def test_a_version_published_before_a_reason_was_asked_for_keeps_what_it_says() -> None:
    """A notice never changes once published; what it leaves open is read the safe way."""
    news, research = a_document()["purposes"]
    before: dict[str, Any] = {"dates": {}, "closes": {}}
    earlier = read_clinic(
        a_document(purposes=[news, {**research, "confirm": False}]), published=before
    )
    assert ("research" in earlier.needs_confirmation, earlier.unconfirmed_reasons) == (
        False,
        {"research": ""},
    )
    assert (
        "research"
        in read_clinic(a_document(purposes=[news, research]), published=before).needs_confirmation
    )


def test_a_published_version_without_dates_in_words_is_read() -> None:
    """No page shows them any more: a later portal may publish none."""
    assert not read_clinic(a_document(), published={"closes": {}}).dates


def test_a_contest_that_is_over_is_warned_about_and_is_no_fault() -> None:
    """A notice may be published after a contest's last day.

    Its author learns that nobody is asked any more.
    """
    document = a_document()
    assert warnings_of(document, "2027-03-31T23:59:59.999Z") == ()
    [over] = warnings_of(document, "2027-04-01T00:00:00.000Z")
    assert str(over) == (
        "purposes[2].ends: is over since 2027-03-31: nobody is asked about it. Take it out, or write a later last day"
    )
    assert check(document, authorities()) == ()
    for option in document["purposes"][0]["options"]:
        option["ends"] = "2026-12-24"
    places = [warning.place for warning in warnings_of(document, "2027-04-01T00:00:00.000Z")]
    assert places == [
        "purposes[1].options[1].ends",
        "purposes[1].options[2].ends",
        "purposes[2].ends",
        "purposes",
    ]
    assert warnings_of({}, "2027-04-01T00:00:00.000Z") == ()


def test_the_full_notice_is_there_in_every_language() -> None:
    """Nobody finds an empty page behind “the full notice”."""
    assert read_full_notice(a_document(), ["lv", "en"])["en"] == "The whole of it."
    with pytest.raises(InvalidDocumentError, match=r"notice\.ru"):
        read_full_notice(a_document(), ["lv", "en", "ru"])


def test_the_hash_is_of_everything_that_is_said() -> None:
    """A changed comma in the full notice is another text; the order of keys is none."""
    document = a_document()
    assert document_hash(document) == document_hash(dict(reversed(document.items())))
    assert document_hash(document) != document_hash(
        {**document, "notice": in_both("The whole of it!")}
    )


def texts_of(clinic: Clinic) -> Iterator[object]:
    """Give every text a clinic shows."""
    yield clinic.name
    yield from clinic.texts.values()
    for purpose in clinic.purposes:
        yield from (purpose.title, purpose.text, purpose.data, purpose.retention)
        yield from filter(None, [purpose.recipients])
        for option in purpose.options:
            yield option.title
            yield from filter(None, [option.text])


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.stem)
def test_each_demo_clinic_is_complete_in_each_of_its_languages(path: Path) -> None:
    """Every patient of the five clinics reads everything in their own language."""
    draft = publish.read_file(path)
    clinic = draft.clinic
    assert clinic.id == path.stem
    assert set(clinic.texts) == set(TEXTS)
    assert set(draft.notices) == set(clinic.languages)
    for text in texts_of(clinic):
        assert isinstance(text, dict)
        assert list(text) == list(clinic.languages)
        assert all(words.strip() for words in text.values())
    assert json.loads(json.dumps(draft.document)) == draft.document


def test_together_the_demo_clinics_show_every_language_country_and_kind_of_question() -> None:
    """Whoever tries the portal sees all it can do."""
    clinics = [publish.read_file(path).clinic for path in DEMO]
    assert len(clinics) == 5
    assert {lang for clinic in clinics for lang in clinic.languages} == {
        "lv",
        "lt",
        "ka",
        "ru",
        "en",
    }
    assert {clinic.country for clinic in clinics} == set(COUNTRIES)
    assert len({clinic.code for clinic in clinics}) == 5
    assert any(len(clinic.controllers) > 1 for clinic in clinics)
    assert any(clinic.age_minimum for clinic in clinics)
    assert any(clinic.guardian for clinic in clinics)
    assert any(question.controllers for clinic in clinics for question in clinic.questions.values())
    assert any(clinic.endings for clinic in clinics)
    assert any(not purpose.options for clinic in clinics for purpose in clinic.purposes)


@pytest.mark.parametrize(
    ("needs", "read"),
    [
        (["first_name", "contact"], {"name", "first_name", "contact"}),
        (["full_name", "contact"], {"name", "contact"}),
        (["name"], {"name"}),
        (["first_name", "address"], {"name", "address"}),
        (["first_name", "full_name"], {"name"}),
    ],
)
def test_a_question_needs_a_first_name_or_a_full_one(needs: list[str], read: set[str]) -> None:
    """Whoever is named by the first name alone is not asked for more; a letter needs all of it."""
    document = a_document()
    document["purposes"][0]["options"][0]["needs"] = needs
    question = read_clinic(document).questions["newsletter.email"]
    assert question.needs == read
