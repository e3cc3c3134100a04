"""What a MINOR version may change: words alone, never what is done with the data."""

import copy
import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from chalicelib.domain.clinic import PROOF_KEPT
from chalicelib.domain.consent import CONFIRM_WITHIN
from chalicelib.domain.notice_versions import PublishedVersion, history, predecessor
from chalicelib.notices.differences import TOPICS, Difference, Topic, beyond_words, differences
from chalicelib.notices.document import read_clinic
from chalicelib.notices.edition import read_complete_clinic
from chalicelib.notices.workflow import BeyondWordsError, Draft, new_draft
from chalicelib.presentation.authorities import authorities
from tests.cast import IEVA, JURIS
from tests.factories import EVENING, MORNING, NEXT_DAY, NOON, OPENING, a_document, in_both

PHYSIO = "liepaja-physio"
DOCS = Path(__file__).resolve().parents[2] / "docs" / "clinics.md"
Change = Callable[[dict[str, Any]], None]
UNCONFIRMED = {"required": False, "reason": "The reception sees everybody who answers."}


def a_whole() -> dict[str, Any]:
    """Give a document with every part there can be, two controllers and a recipient."""
    document = a_document()
    second = {"id": "heart", "name": "SIA Sirds", "address": "Jūras 2", "email": "s@example.org"}
    document["controllers"][0]["lead"] = True
    document["controllers"].append(second)
    document["age"] = {"minimum": 16, "guardian": True}
    research = document["purposes"][1]
    research["recipients"] = in_both("A university")
    sharing = copy.deepcopy(document["purposes"][0]) | {"id": "data_sharing"}
    sharing["options"] = [{"id": "lab", "title": in_both("Laboratory Vītols")}]
    insurers = copy.deepcopy(research) | {"id": "insurers"}
    document["purposes"] += [sharing, insurers]
    return document


def changed_by(change: Change) -> dict[str, str | None]:
    """Give the places that a change makes differ, each with its topic."""
    before, after = a_whole(), a_whole()
    change(after)
    found = differences(read_clinic(before), read_clinic(after), NOON)
    return {each.place: each.topic for each in found}


def put(path: str, value: Any) -> Change:
    """Give a change of one part, by its path of keys and numbers."""

    def change(document: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        place: Any = document
        for part in parents:
            place = place[int(part) if isinstance(place, list) else part]
        place[int(last) if isinstance(place, list) else last] = value

    return change


def add(path: str, value: Any) -> Change:
    """Give a change that adds to a list."""

    def change(document: dict[str, Any]) -> None:
        place: Any = document
        for part in path.split("."):
            place = place[int(part) if isinstance(place, list) else part]
        place.append(value)

    return change


MORE_THAN_WORDS: dict[str, tuple[Change, str, str]] = {
    "country": (put("country", "LT"), "country", "legal basis"),
    "controllers.*": (
        add(
            "controllers",
            {"id": "new", "name": "SIA Jauna", "address": "Jūras 3", "email": "n@example.org"},
        ),
        "controllers.new",
        "controller",
    ),
    "controllers.*.name": (
        put("controllers.0.name", "SIA Cita"),
        "controllers.physio.name",
        "controller",
    ),
    "controllers.*.registration": (
        put("controllers.0.registration", "40000000009"),
        "controllers.physio.registration",
        "controller",
    ),
    "controllers.*.lead": (
        lambda document: document["controllers"].__setitem__(
            slice(None), [each | {"lead": not each.get("lead")} for each in document["controllers"]]
        ),
        "controllers.physio.lead",
        "controller",
    ),
    "proof_kept": (put("proof_kept", "P10Y"), "proof_kept", "retention"),
    "age.minimum": (put("age.minimum", 14), "age.minimum", "age"),
    "age.guardian": (put("age.guardian", value=False), "age.guardian", "age"),
    "texts.recipients": (put("texts.recipients.en", "Anyone"), "texts.recipients", "recipient"),
    "texts.transfers": (
        put("texts.transfers.en", "To the Moon"),
        "texts.transfers",
        "transfer to another country",
    ),
    "texts.retention": (put("texts.retention.lv", "Mūžīgi"), "texts.retention", "retention"),
    "texts.automated": (
        put("texts.automated.en", "A machine scores you"),
        "texts.automated",
        "automated decisions",
    ),
    "purposes.*": (lambda document: document["purposes"].pop(1), "purposes.research", "purpose"),
    "purposes.*.legal_basis": (
        put("purposes.0.legal_basis", "explicit_consent"),
        "purposes.newsletter.legal_basis",
        "legal basis",
    ),
    "purposes.*.data": (
        put("purposes.0.data.en", "Everything"),
        "purposes.newsletter.data",
        "data",
    ),
    "purposes.*.retention": (
        put("purposes.1.retention.en", "A century"),
        "purposes.research.retention",
        "retention",
    ),
    "purposes.*.recipients": (
        put("purposes.0.recipients", in_both("Us")),
        "purposes.newsletter.recipients",
        "recipient",
    ),
    "purposes.*.needs": (put("purposes.1.needs", ["phone"]), "purposes.research.needs", "data"),
    "purposes.*.ends": (put("purposes.1.ends", "P9Y"), "purposes.research.ends", "retention"),
    "purposes.*.confirm": (
        put("purposes.1.confirm", UNCONFIRMED),
        "purposes.research.confirm",
        "confirmation",
    ),
    "purposes.*.controllers": (
        put("purposes.1.controllers", ["heart"]),
        "purposes.research.controllers",
        "controller",
    ),
    "purposes.*.options.*": (
        add("purposes.0.options", {"id": "post", "title": in_both("By post")}),
        "purposes.newsletter.options.post",
        "purpose",
    ),
    "purposes.*.options.*.needs": (
        put("purposes.0.options.1.needs", ["email"]),
        "purposes.newsletter.options.sms.needs",
        "data",
    ),
    "purposes.*.options.*.ends": (
        put("purposes.0.options.1.ends", "P2Y"),
        "purposes.newsletter.options.sms.ends",
        "retention",
    ),
    "purposes.*.options.*.confirm": (
        put("purposes.2.options.0.confirm", UNCONFIRMED),
        "purposes.data_sharing.options.lab.confirm",
        "confirmation",
    ),
    "purposes.*.options.*.controllers": (
        put("purposes.0.options.0.controllers", ["heart"]),
        "purposes.newsletter.options.email.controllers",
        "controller",
    ),
    "purposes.data_sharing.options.*.title": (
        put("purposes.2.options.0.title.en", "Laboratory Bērzs"),
        "purposes.data_sharing.options.lab.title",
        "recipient",
    ),
}
"""For each part that is more than words: a change, its place in the report, its topic."""

WORDS_ALONE: dict[str, Change] = {
    "name": put("name.en", "Physio at the Sea"),
    "authority": put("authority", "LT"),
    "languages": lambda document: document.update(languages=["en", "lv"]),
    "address": put("controllers.0.address", "Jūras 9"),
    "email": put("controllers.0.email", "new@example.org"),
    "phone": put("controllers.0.phone", "+371 6420 0009"),
    "dpo": put("dpo", {"phone": "+371 6420 0002"}),
    "confirm_within": put("confirm_within", "P9D"),
    "list_valid_hours": put("list_valid_hours", 4),
    "imported_yes": put("imported_yes", "waits"),
    "look_up_reasons": put("look_up_reasons", True),  # noqa: FBT003 - as the document has it
    "colour": put("brand", {"colour": "#7a2048"}),
    "intro": put("texts.intro.en", "Hello!"),
    "required": put("texts.required.en", "Nothing at all"),
    "rights": put("texts.rights.en", "All of them"),
    "title": put("purposes.0.title.en", "Our news"),
    "text": put("purposes.0.text.en", "We will write to you"),
    "option title": put("purposes.0.options.0.title.en", "E-mail"),
    "without consent": put(
        "without_consent",
        [
            {
                "id": "invoices",
                "title": in_both("Invoices"),
                "text": in_both("We send you invoices"),
                "legal_basis": "contract",
                "data": in_both("Name and address"),
                "retention": in_both("Ten years"),
            }
        ],
    ),
    "option text": put("purposes.0.options.0.text", in_both("Monthly")),
}


@pytest.mark.parametrize("name", MORE_THAN_WORDS)
def test_a_change_of_what_is_done_with_the_data_is_more_than_words(name: str) -> None:
    """Nobody's consent goes on under a text that asks for something else."""
    change, place, topic = MORE_THAN_WORDS[name]
    found = changed_by(change)
    assert found[place] == topic == TOPICS[name]


@pytest.mark.parametrize("name", WORDS_ALONE)
def test_a_change_of_words_is_seen_and_costs_no_consent(name: str) -> None:
    """A clinic may say the same more clearly without asking thousands of people again."""
    found = changed_by(WORDS_ALONE[name])
    assert found
    assert set(found.values()) == {None}


def test_every_part_on_the_list_is_tried_above() -> None:
    """A part added to the list without a case would be believed and not known.

    A recipient without options is below.
    """
    assert MORE_THAN_WORDS.keys() | {"purposes.data_sharing.title"} == TOPICS.keys()
    assert set(TOPICS.values()) == set(Topic)


def test_the_title_of_data_sharing_without_options_names_the_recipient() -> None:
    """Where sharing has no options, who receives the data stands in its title alone."""
    before, after = a_document(), a_document()
    for document in (before, after):
        document["purposes"][1]["id"] = "data_sharing"
    after["purposes"][1]["title"]["en"] = "Another university"
    [found] = beyond_words(read_clinic(before), read_clinic(after), NOON)
    assert found == Difference(
        "purposes.data_sharing.title", "recipient", "Research", "Another university", "en"
    )


def in_latvian_alone(written: Any) -> Any:
    """Give a document without its English texts."""
    if isinstance(written, dict):
        return {key: in_latvian_alone(each) for key, each in written.items() if key != "en"}
    if isinstance(written, list):
        return [in_latvian_alone(each) for each in written if each != "en"]
    return written


def test_a_broken_line_or_another_language_changes_nothing() -> None:
    """A file that was reformatted, and a translation that was added, are no new text."""
    before, after = in_latvian_alone(a_document()), a_document()
    after["purposes"][0]["data"]["lv"] = "E-mail\n   address (lv)"
    assert beyond_words(read_clinic(before), read_clinic(after), NOON) == ()


def test_a_contest_that_is_over_may_be_taken_out_without_a_new_major() -> None:
    """Nobody's consent to it is left; one that still runs may not vanish."""
    before, after = a_document(), a_document()
    before["purposes"].append(
        copy.deepcopy(before["purposes"][1]) | {"id": "contest", "ends": "2026-11-20"}
    )
    old, new = read_complete_clinic(before)[0], read_complete_clinic(after)[0]
    assert beyond_words(old, new, EVENING) == ()
    [found] = beyond_words(old, new, "2026-11-20T12:00:00.000Z")
    assert (found.place, found.before, found.after) == ("purposes.contest", "contest", None)


def test_a_purpose_that_is_new_is_told_once_and_not_part_by_part() -> None:
    """Who approves reads one line a purpose."""
    [found] = [
        place
        for place, topic in changed_by(lambda document: document["purposes"].pop(2)).items()
        if topic
    ]
    assert found == "purposes.data_sharing"


def test_a_minor_is_compared_with_the_version_of_its_major_that_people_agreed_to() -> None:
    """What was overtaken before its day bound nobody; another MAJOR asks everybody anew."""
    first, second, third = (
        PublishedVersion(OPENING, "1.0", OPENING),
        PublishedVersion(NOON, "1.1", NOON),
        PublishedVersion(NEXT_DAY, "1.2", EVENING),
    )
    assert predecessor((first, second), "1.2", EVENING) == second
    assert predecessor((first, second), "2.0", EVENING) is None
    assert predecessor((), "1.0", EVENING) is None
    assert (
        predecessor((first, second, third), "1.3", NEXT_DAY) == second
    )  # on the day 1.2 would have begun
    assert (
        predecessor(history([[OPENING, "1.0"], [NEXT_DAY, "2.0", NOON]]), "2.1", NEXT_DAY) is None
    )


def a_minor(**changed: Any) -> Draft:
    """Give a draft of the next MINOR version."""
    return new_draft(a_document(version="1.1", **changed), PHYSIO, IEVA, MORNING)


CHANGES = (
    Difference("texts.transfers", "transfer to another country", "Nowhere", "To the Moon", "en"),
)


def test_without_a_reason_a_minor_that_changes_more_than_words_is_not_approved() -> None:
    """The refusal says what changed, before and after, and which number it needs."""
    with pytest.raises(BeyondWordsError, match=re.escape("new MAJOR number: 2.0")) as refused:
        a_minor().approve(JURIS, NOON, authorities(), changes=CHANGES)
    assert refused.value.changes == CHANGES
    assert str(CHANGES[0]) == "texts.transfers (en): “Nowhere” → “To the Moon”"


def test_a_reason_is_kept_with_exactly_what_it_was_given_for() -> None:
    """What was changed after somebody said why is not covered by what they said."""
    approved = a_minor().approve(
        JURIS, NOON, authorities(), changes=CHANGES, reason="A typing error"
    )
    again = Draft.read(approved.stored(), approved.document)
    assert again == approved
    assert again.publish(IEVA, EVENING, EVENING, CHANGES).release
    other = Difference("proof_kept", "retention", "P3Y", "P10Y")
    with pytest.raises(BeyondWordsError):
        again.publish(IEVA, EVENING, EVENING, (*CHANGES, other))
    with pytest.raises(BeyondWordsError):
        a_minor().approve(JURIS, NOON, authorities()).publish(IEVA, EVENING, EVENING, CHANGES)


def test_a_draft_approved_before_reasons_were_kept_is_written_as_it_was() -> None:
    """After an upgrade between approval and publication the approved text is published."""
    approved = a_minor().approve(JURIS, NOON, authorities())
    kept = json.loads(approved.stored())
    assert kept["approval"] == {"by": asdict(JURIS), "at": NOON, "sha256": approved.sha256}


@pytest.mark.parametrize(
    ("part", "default"), [("confirm_within", CONFIRM_WITHIN), ("proof_kept", PROOF_KEPT)]
)
def test_the_documentation_names_the_periods_of_a_clinic_that_sets_none(
    part: str, default: str
) -> None:
    """Whoever leaves a period out knows what then holds."""
    rows = re.findall(rf"^\| `{part}` \|.*$", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    named = [
        row for row in rows if f"`{default}` if left out" in row or f"Left out: `{default}`" in row
    ]
    assert len(named) == 1


def test_the_documentation_lists_exactly_the_parts_that_count() -> None:
    """A clinic can tell beforehand which number its change needs."""
    table = DOCS.read_text(encoding="utf-8").partition(
        "| part of the document | what it tells |\n"
    )[2]
    rows = re.findall(r"^\| `(\S+)` \| ([a-z ]+) \|$", table.partition("\n\n")[0], re.MULTILINE)
    assert rows == [(name, str(topic)) for name, topic in TOPICS.items()]
