"""Rules of a notice version: who approves, what is missing, what is in force when."""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from chalicelib.domain.consent import NoticeInForce, State, resolve
from chalicelib.domain.notice_versions import (
    PublishedVersion,
    Stage,
    ends_at,
    entry_at,
    history,
    notice_at,
    stage,
)
from chalicelib.domain.subjects import Subject
from chalicelib.notices.document import InvalidDocumentError, read_clinic
from chalicelib.notices.edition import make_edition
from chalicelib.notices.impact import ConsentCount, granted_questions, preview, superseded
from chalicelib.notices.workflow import (
    Change,
    Draft,
    IncompleteError,
    Person,
    PublishError,
    ReviewError,
    SamePersonError,
    classify_change,
    list_versions,
    new_draft,
)
from chalicelib.presentation.authorities import authorities
from tests.cast import IEVA, JURIS
from tests.factories import (
    EMAIL_NEWS,
    EVENING,
    LATER,
    MORNING,
    NEXT_DAY,
    NOON,
    OPENING,
    SMS_NEWS,
    a_document,
    a_subject,
    a_summary,
    an_answer,
)

PHYSIO = "liepaja-physio"
LANGUAGES = ("lv", "en")
SCHEDULE = history([[OPENING, "1.0"], [NOON, "1.1", MORNING], [NEXT_DAY, "2.0", NOON]])


def a_draft(author: Person = IEVA, **changed: Any) -> Draft:
    """Give a draft of the small clinic."""
    return new_draft(a_document(**changed), PHYSIO, author, MORNING)


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the path of every text in a language of a document."""
    if isinstance(value, dict) and set(value) == set(LANGUAGES):
        yield from ((*path, lang) for lang in value)
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts(each, (*path, key))


def place_of(path: tuple[Any, ...]) -> str:
    """Write a path as a fault names it."""
    return "".join(
        f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path
    ).lstrip(".")


EXPECTED = {
    "name": "13(1)(a)",
    "texts.required": "13(2)(e)",
    "texts.recipients": "13(1)(e)",
    "texts.transfers": "13(1)(f)",
    "texts.retention": "13(2)(a)",
    "texts.rights": "13(2)(b)",
    "texts.automated": "13(2)(f)",
    "title": "13(1)(c)",
    "text": "13(1)(c)",
    "data": "05/2020",
    "retention": "13(2)(a)",
    "recipients": "13(1)(e)",
    "notice": "13",
}


def whole() -> dict[str, Any]:
    """Give a document that has every text there can be."""
    document = a_document()
    document["purposes"][0]["recipients"] = dict.fromkeys(LANGUAGES, "The post")
    document["purposes"][0]["options"][0]["text"] = dict.fromkeys(LANGUAGES, "Monthly")
    return document


@pytest.mark.parametrize("how", ["absent", "empty", "blank", "null"])
@pytest.mark.parametrize("path", list(texts(whole())), ids=place_of)
def test_each_text_that_is_missing_in_a_language_is_listed_with_its_article(
    path: tuple[Any, ...], how: str
) -> None:
    """No notice of any language leaves out what the law requires (GDPR Art. 13)."""
    document = whole()
    place: Any = document
    for part in path[:-1]:
        place = place[part]
    if how == "absent":
        del place[path[-1]]
    else:
        place[path[-1]] = {"empty": "", "blank": " \n", "null": None}[how]
    [fault] = new_draft(document, PHYSIO, IEVA, MORNING).missing(authorities())
    assert fault.place == place_of(path)
    named = ".".join(map(str, path[:2])) if path[0] == "texts" else str(path[-2])
    if named == "texts.intro":
        assert fault.article is None
    else:
        assert fault.article is not None
        assert EXPECTED[named] in fault.article


@pytest.mark.parametrize(
    ("place", "article"),
    [
        ("controllers", "GDPR Art. 13(1)(a)"),
        ("controllers.0.name", "GDPR Art. 13(1)(a)"),
        ("controllers.0.email", "GDPR Art. 13(1)(a)"),
        ("dpo", "GDPR Art. 13(1)(b)"),
        ("dpo.email", "GDPR Art. 13(1)(b)"),
        ("purposes", "GDPR Art. 13(1)(c)"),
        ("purposes.0.legal_basis", "GDPR Art. 13(1)(c)"),
        ("purposes.0.title", "GDPR Art. 13(1)(c)"),
        ("purposes.0.retention", "GDPR Art. 13(2)(a)"),
        ("texts.recipients", "GDPR Art. 13(1)(e)"),
        ("texts.transfers", "GDPR Art. 13(1)(f)"),
        ("texts.rights", "GDPR Art. 13(2)(b)"),
        ("texts.required", "GDPR Art. 13(2)(e)"),
        ("texts.automated", "GDPR Art. 13(2)(f)"),
        ("authority", "GDPR Art. 13(2)(d)"),
    ],
)
def test_each_item_that_is_missing_as_a_whole_is_listed_with_its_article(
    place: str, article: str
) -> None:
    """Controller, contact, purpose, basis, recipients, duration: nothing missing goes unnoticed."""
    document = a_document()
    *parents, last = place.split(".")
    there: Any = document
    for part in parents:
        there = there[int(part) if isinstance(there, list) else part]
    del there[last]
    listed = new_draft(document, PHYSIO, IEVA, MORNING).missing(authorities())
    assert article in {fault.article for fault in listed}
    assert all(article in str(fault) for fault in listed if fault.article == article)


def test_an_authority_without_a_name_in_a_language_is_listed() -> None:
    """A patient who complains is told to whom, in words they can read (Art. 13(2)(d))."""
    names = copy.deepcopy(authorities())
    del names["LV"]["name"]["en"]
    [fault] = a_draft().missing(names)
    assert (fault.place, fault.article) == ("authority", "GDPR Art. 13(2)(d)")
    assert "(en)" in fault.problem


def test_a_complete_document_misses_nothing_and_its_notice_says_all_in_each_language() -> None:
    """Every notice holds the portal's own text on rights and withdrawal, in its language."""
    assert a_draft().missing(authorities()) == ()
    notices = make_edition(a_document()).notices
    assert "to receive it in a form a machine can read, and you may object" in notices["en"]
    assert "You may withdraw any Yes at any time" in notices["en"]
    for lang, html in notices.items():
        assert authorities()["LV"]["name"][lang] in html
        for text in a_document()["texts"].values():
            assert text[lang] in html or text == a_document()["texts"]["intro"]
    assert "You may withdraw any Yes" not in notices["lv"]
    assert "You may ask to see your data" not in notices["lv"]


def test_another_person_approves_and_the_approval_is_of_this_text_alone() -> None:
    """A comma put in afterwards is another text."""
    approved = a_draft().approve(JURIS, NOON, authorities())
    assert approved.approved
    assert not a_draft().approved
    other = a_draft(effective="2026-12-01")
    assert not replace(approved, document=other.document, sha256=other.sha256).approved


@pytest.mark.parametrize("name", ["Ieva Liepa", "ieva liepa", "  Ieva   LIEPA ", "Ｉｅｖａ Liepa"])
def test_the_same_name_is_the_same_person_however_it_is_spelled(name: str) -> None:
    """A second key does not make a second pair of eyes."""
    with pytest.raises(SamePersonError):
        a_draft().approve(Person(name, "key_2"), NOON, authorities())


def test_the_same_key_is_the_same_person_under_any_label() -> None:
    """A renamed key does not either."""
    with pytest.raises(SamePersonError):
        a_draft(Person("Ieva", "key_1")).approve(Person("Juris", "key_1"), NOON, authorities())


def test_what_is_incomplete_is_not_approved_and_what_is_not_approved_not_published() -> None:
    """The steps come in their order."""
    with pytest.raises(IncompleteError) as caught:
        a_draft(dpo={}).approve(JURIS, NOON, authorities())
    assert [fault.place for fault in caught.value.missing] == ["dpo"]
    with pytest.raises(ReviewError, match="not approved"):
        a_draft().publish(IEVA, NOON, NOON)
    published = a_draft().approve(JURIS, NOON, authorities()).publish(IEVA, EVENING, NEXT_DAY)
    for again in (
        lambda: published.publish(IEVA, NEXT_DAY, NEXT_DAY),
        lambda: published.approve(JURIS, NOON, {}),
    ):
        with pytest.raises(ReviewError, match="never changes"):
            again()


def test_a_draft_is_read_back_with_every_step_it_took() -> None:
    """Who wrote, approved and published is known for ever."""
    draft = a_draft(Person("Ieva Liepa", "key_1"))
    approved = draft.approve(JURIS, NOON, authorities())
    for each in (draft, approved, approved.publish(IEVA, EVENING, NEXT_DAY)):
        assert Draft.read(each.stored(), each.document) == each


def test_a_document_of_another_clinic_or_without_a_number_is_no_draft() -> None:
    """Nothing is kept under a name that is not its own."""
    for changed in (
        {"id": "riga-aesthetics"},
        {"version": "1"},
        {"version": None},
        {"notice": float("nan")},
    ):
        with pytest.raises(InvalidDocumentError):
            a_draft(**changed)
    with pytest.raises(InvalidDocumentError, match="At most"):
        a_draft(notice="ქ" * 100_001)


def test_a_version_is_first_minor_or_major_and_its_number_rises() -> None:
    """1.10 comes after 1.9."""
    published = history([[OPENING, "1.9"]])
    assert classify_change("1.0", (), NOON) is Change.FIRST
    assert classify_change("1.10", published, NOON) is Change.MINOR
    assert classify_change("2.0", published, NOON) is Change.MAJOR
    for version in ("1.9", "1.8", "1.0"):
        with pytest.raises(PublishError, match="Raise the number"):
            classify_change(version, published, NOON)


def test_what_is_in_force_follows_from_the_list_and_the_moment() -> None:
    """Asked years later about any moment, the list answers alike."""
    assert SCHEDULE[0] == PublishedVersion(OPENING, "1.0", OPENING)
    moments = {
        "2026-01-01T00:00:00.000Z": "1.0",
        OPENING: "1.0",
        MORNING: "1.0",
        NOON: "1.1",
        NEXT_DAY: "2.0",
    }
    assert {at: entry_at(SCHEDULE, at).version for at in moments} == moments
    assert notice_at(SCHEDULE, EVENING) == NoticeInForce("1.1", OPENING)
    assert notice_at(SCHEDULE, NEXT_DAY) == NoticeInForce("2.0", NEXT_DAY)
    assert notice_at(SCHEDULE, NEXT_DAY, known_at=MORNING) == NoticeInForce("1.1", OPENING)
    assert notice_at(SCHEDULE, NEXT_DAY, known_at=OPENING) == NoticeInForce("1.0", OPENING)


def test_a_version_overtaken_before_its_day_never_comes_into_force() -> None:
    """A mistake in a scheduled text is mended by the next number, at once or on the same day."""
    for since in (EVENING, NEXT_DAY):
        overtaken = (*SCHEDULE, PublishedVersion(since, "2.1", EVENING))
        assert notice_at(overtaken, NEXT_DAY) == NoticeInForce("2.1", min(since, NEXT_DAY))
        assert {step.version: step.state for step in list_versions(overtaken, [], EVENING)}[
            "2.0"
        ] is Stage.OVERTAKEN


def test_each_version_is_in_force_from_its_day_until_the_next_one_takes_over() -> None:
    """The end of one is the beginning of another; what was overtaken has neither."""
    first, second, third = SCHEDULE
    assert [ends_at(SCHEDULE, entry) for entry in SCHEDULE] == [NOON, NEXT_DAY, None]
    overtaken = (*SCHEDULE, PublishedVersion(EVENING, "2.1", EVENING))
    assert [ends_at(overtaken, entry) for entry in overtaken] == [NOON, EVENING, None, None]
    assert stage(third.since, third.version, overtaken, NEXT_DAY) is Stage.OVERTAKEN
    assert stage(second.since, second.version, SCHEDULE, EVENING) is Stage.IN_FORCE
    assert stage(first.since, first.version, SCHEDULE, EVENING) is Stage.PAST


def test_a_first_version_that_begins_later_is_scheduled_and_not_in_force() -> None:
    """Even where there is no other, nothing is in force before its day."""
    only = history([[NEXT_DAY, "1.0", MORNING]])
    assert stage(NEXT_DAY, "1.0", only, NOON) is Stage.SCHEDULED
    assert stage(NEXT_DAY, "1.0", only, NEXT_DAY) is Stage.IN_FORCE


def test_the_list_tells_where_each_version_stands() -> None:
    """Draft, approved, scheduled, in force, past."""
    waiting = a_draft(version="2.1")
    approved = a_draft(version="2.2").approve(JURIS, NOON, authorities())
    steps = list_versions(SCHEDULE, [approved, waiting], EVENING)
    assert {step.version: step.state for step in steps} == {
        "1.0": Stage.PAST,
        "1.1": Stage.IN_FORCE,
        "2.0": Stage.SCHEDULED,
        "2.1": Stage.DRAFT,
        "2.2": Stage.APPROVED,
    }
    assert [step.approver for step in steps] == [None, None, None, None, "Juris Klusums"]


class Seen:
    """A clinic as it stands in the middle of its schedule."""

    clinic = read_clinic(a_document())
    in_force = notice_at(SCHEDULE[:2], EVENING)
    published = SCHEDULE[:2]


def the_people() -> list[Subject]:
    """Give six people: two who granted, one of them twice; the others did not, or no longer."""
    yes, no = a_summary(), a_summary(an_answer("no"))
    return [
        a_subject(1, newsletter__email=yes, research=yes),
        a_subject(2, newsletter__email=yes, newsletter__sms=no),
        a_subject(3, newsletter__email=no),
        a_subject(4, newsletter__email=a_summary(an_answer(confirm_by=LATER))),
        a_subject(5, newsletter__sms=a_summary(an_answer(expires_at=NOON))),
        a_subject(6),
    ]


def counted(version: str = "1.1") -> ConsentCount:
    """Count the consents of the six under a version, as a walk does."""
    notice = NoticeInForce(version, OPENING)
    granted = [granted_questions(person, notice, EVENING) for person in the_people()]
    total = Counter(question for questions in granted for question in questions)
    return ConsentCount(version, NOON, sum(map(bool, granted)), total)


def test_a_preview_counts_by_the_resolver_what_a_major_change_ends() -> None:
    """Refused, pending and expired consents end nothing more."""
    after = read_clinic(a_document(version="2.0", purposes=a_document()["purposes"][:1]))
    effect = preview(counted(), Seen(), after, NEXT_DAY, EVENING)
    assert (effect.change, effect.since, effect.people) == (Change.MAJOR, NEXT_DAY, 2)
    assert effect.counted_at == NOON
    assert effect.supersedes == {EMAIL_NEWS: 2, "research": 1}
    assert (effect.appear, effect.disappear) == ((), ("research",))
    then = NoticeInForce("2.0", NEXT_DAY)
    lost = [
        resolve(each.summaries.get(EMAIL_NEWS), then, EVENING).state for each in the_people()[:2]
    ]
    assert lost == [State.SUPERSEDED, State.SUPERSEDED]


@pytest.mark.parametrize("count", [None, counted("0.9")], ids=["never", "another MAJOR"])
def test_a_preview_says_that_nothing_was_counted_rather_than_nothing_ends(
    count: ConsentCount | None,
) -> None:
    """A count under another MAJOR is none of the consents that end now."""
    effect = preview(count, Seen(), read_clinic(a_document(version="2.0")), OPENING, EVENING)
    assert (effect.supersedes, effect.people, effect.counted_at) == (None, None, None)


def test_a_preview_of_a_minor_change_ends_nothing() -> None:
    """New wording keeps every consent."""
    effect = preview(counted(), Seen(), read_clinic(a_document(version="1.2")), OPENING, EVENING)
    assert effect.counted_at is None
    assert (effect.change, effect.since, effect.supersedes, effect.people) == (
        Change.MINOR,
        EVENING,
        {},
        0,
    )


def test_a_preview_names_what_differs_whatever_the_number_says() -> None:
    """A MINOR number over another recipient, basis or controller is seen by whoever approves it."""
    document = a_document(version="1.2")
    document["purposes"][1] |= {
        "legal_basis": "consent",
        "recipients": {"lv": "Visi", "en": "Everybody"},
    }
    document["controllers"][0]["name"] = "SIA Cita"
    document["texts"]["intro"] = {"lv": "Sveiki!", "en": "Hello!"}
    effect = preview(None, Seen(), read_clinic(document), OPENING, EVENING)
    research = tuple(
        f"purposes.research.{part}" for part in ("recipients", "legal_basis", "confirm")
    )
    places = ("controllers.physio.name", "texts.intro", *research)
    assert (effect.change, effect.changed) == (Change.MINOR, places)
    assert (
        preview(None, Seen(), read_clinic(a_document(version="1.2")), OPENING, EVENING).changed
        == ()
    )


def test_a_version_that_takes_a_scheduled_ones_place_is_judged_by_what_is_in_force() -> None:
    """2.1 at once while 2.0 is scheduled: for who agreed under 1.1 it is a MAJOR change."""
    planned = Seen()
    planned.published = SCHEDULE
    effect = preview(counted(), planned, read_clinic(a_document(version="2.1")), OPENING, EVENING)
    assert (effect.change, effect.people, effect.overtakes) == (Change.MAJOR, 2, ("2.0",))
    assert classify_change("2.1", SCHEDULE, EVENING) is Change.MAJOR
    assert classify_change("2.1", SCHEDULE, NEXT_DAY) is Change.MINOR


def test_who_is_to_be_asked_again_is_found_with_the_decision_and_since_when() -> None:
    """After a MAJOR change the clinic knows whose answer it has lost.

    Who never granted is not pestered.
    """
    found = [
        (person.id[-1], address, since)
        for person, address, since in superseded(the_people(), NoticeInForce("2.0", NOON), EVENING)
    ]
    assert found == [("1", EMAIL_NEWS, NOON), ("1", "research", NOON), ("2", EMAIL_NEWS, NOON)]
    assert SMS_NEWS not in {address for _, address, _ in found}
